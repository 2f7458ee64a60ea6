use bevy::prelude::*;

use super::{
    Field, SceneSystems,
    paint::{Paint, Stock},
};
use crate::games::hunt::{HuntArena, OBSTACLE_RADIUS, OBSTACLES};

/// Height of the pillars, m.
const PILLAR_HEIGHT: f32 = 0.13;

/// The pillar of an obstacle.
#[derive(Component, Debug)]
struct Pillar {
    arena: Entity,
    obstacle: usize,
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (build.in_set(SceneSystems::Build), place));
}

/// Gives every new arena its ground, walls and pillars.
fn build(mut commands: Commands, arenas: Query<(Entity, &Field), Added<Field>>, stock: Res<Stock>) {
    for (arena, field) in &arenas {
        let place = Transform::from_translation(field.0);
        commands.spawn((Mesh3d(stock.ground.clone()), stock.material(Paint::Ground), place));
        commands.spawn((Mesh3d(stock.lines.clone()), stock.material(Paint::Line), place));
        commands.spawn((Mesh3d(stock.walls.clone()), stock.material(Paint::Wall), place));
        for obstacle in 0..OBSTACLES {
            commands.spawn((
                Pillar { arena, obstacle },
                Mesh3d(stock.disc.clone()),
                stock.material(Paint::Pillar),
                Transform::default(),
            ));
        }
    }
}

/// Puts the pillars where the obstacles are in this episode.
fn place(arenas: Query<(&HuntArena, &Field)>, mut pillars: Query<(&Pillar, &mut Transform)>) {
    for (pillar, mut transform) in &mut pillars {
        let Ok((arena, field)) = arenas.get(pillar.arena) else {
            continue;
        };
        let center = field.at(arena.world.obstacles()[pillar.obstacle], PILLAR_HEIGHT / 2.0);
        let size = Vec3::new(OBSTACLE_RADIUS, PILLAR_HEIGHT, OBSTACLE_RADIUS);
        transform.set_if_neq(Transform::from_translation(center).with_scale(size));
    }
}
