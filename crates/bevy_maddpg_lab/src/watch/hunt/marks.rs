use bevy::{
    light::{NotShadowCaster, NotShadowReceiver},
    prelude::*,
};

use super::{Field, paint::Stock};
use crate::games::hunt::{NetThrown, PREY, PreyCaught};

/// Seconds of the game in which a mark spreads and fades.
const LIFETIME: f32 = 1.5;
/// Radius of a new mark, m.
const SMALL: f32 = PREY.radius;
/// Radius of a mark that has faded, m.
const LARGE: f32 = 0.17;

/// The ring at a place where a prey was caught, or where a net has hit one.
#[derive(Component, Debug)]
struct Mark {
    /// Seconds of the game since the catch.
    age: f32,
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (spawn, fade).chain());
}

fn spawn(
    mut commands: Commands,
    mut caught: MessageReader<PreyCaught>,
    mut nets: MessageReader<NetThrown>,
    fields: Query<&Field>,
    stock: Res<Stock>,
) {
    let caught = caught.read().map(|catch| (catch.arena, catch.position));
    for (arena, position) in caught.chain(nets.read().map(|net| (net.arena, net.position))) {
        let Ok(field) = fields.get(arena) else { continue };
        commands.spawn((
            Mark { age: 0.0 },
            Mesh3d(stock.ring.clone()),
            stock.mark(0.0),
            Transform::from_translation(field.at(position, 0.015)).with_scale(Vec3::splat(SMALL)),
            NotShadowCaster,
            NotShadowReceiver,
        ));
    }
}

fn fade(
    mut commands: Commands,
    time: Res<Time<Virtual>>,
    stock: Res<Stock>,
    mut marks: Query<(Entity, &mut Mark, &mut Transform, &mut MeshMaterial3d<StandardMaterial>)>,
) {
    for (entity, mut mark, mut transform, mut material) in &mut marks {
        mark.age += time.delta_secs();
        let share = mark.age / LIFETIME;
        if share >= 1.0 {
            commands.entity(entity).despawn();
            continue;
        }
        transform.scale = Vec3::splat(SMALL + (LARGE - SMALL) * share.sqrt());
        material.set_if_neq(stock.mark(share));
    }
}
