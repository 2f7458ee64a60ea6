use std::collections::HashMap;

use bevy::prelude::*;

use super::{Origin, paint::Paint};
use crate::{
    games::control::{ControlArena, Part, Shape},
    watch::{
        motion::{Motion, between_poses},
        stage::SceneSystems,
    },
};
use bevy_maddpg::{
    arena::Episode,
    rollout::{AgentSystems, StepEnd},
};

/// The visuals of an arena's parts. On the entity with the [`ControlArena`].
#[derive(Component, Debug)]
struct Pieces(Vec<Entity>);

/// A visual that goes with a part of a body.
#[derive(Component, Debug, Default)]
struct Piece(Motion<Transform>);

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (build.in_set(SceneSystems::Build), paint))
        .add_systems(StepEnd, remember.after(AgentSystems::End))
        .add_systems(RunFixedMainLoop, go.in_set(RunFixedMainLoopSystems::AfterFixedMainLoop));
}

/// Meshes that were made, by shape.
type Meshes = HashMap<[u32; 4], Handle<Mesh>>;

fn mesh(shape: Shape, meshes: &mut Assets<Mesh>, made: &mut Meshes) -> Handle<Mesh> {
    let key = match shape {
        Shape::Capsule { half_length, radius } => [0.0, half_length, radius, 0.0],
        Shape::Ball { radius } => [1.0, radius, 0.0, 0.0],
        Shape::Box { half: [x, y, z] } => [2.0, x, y, z],
    };
    let new = || match shape {
        Shape::Capsule { half_length, radius } => meshes.add(Capsule3d::new(radius, 2.0 * half_length)),
        Shape::Ball { radius } => meshes.add(Sphere::new(radius).mesh().uv(32, 20)),
        Shape::Box { half: [x, y, z] } => meshes.add(Cuboid::new(2.0 * x, 2.0 * y, 2.0 * z)),
    };
    made.entry(key.map(f32::to_bits)).or_insert_with(new).clone()
}

/// Where a part is in the scene.
fn pose(origin: &Origin, part: &Part) -> Transform {
    Transform::from_translation(origin.0 + Vec3::from_array(part.position.to_array()))
        .with_rotation(Quat::from_array(part.rotation.to_array()))
}

/// Gives every new arena its visuals.
fn build(
    mut commands: Commands,
    arenas: Query<(Entity, &ControlArena, &Origin), Added<Origin>>,
    paint: Res<Paint>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut made: Local<Meshes>,
) {
    for (entity, arena, origin) in &arenas {
        let parts = arena.simulation.parts().map(|part| {
            let pose = pose(origin, &part);
            let mesh = Mesh3d(mesh(part.shape, &mut meshes, &mut made));
            commands.spawn((Piece(Motion::at(pose)), pose, mesh, paint.of(&part))).id()
        });
        let pieces = Pieces(parts.collect());
        commands.entity(entity).insert(pieces);
    }
}

/// Records where the parts are after this step.
fn remember(arenas: Query<(&ControlArena, &Episode, &Origin, &Pieces)>, mut visuals: Query<&mut Piece>) {
    for (arena, episode, origin, pieces) in &arenas {
        for (part, entity) in arena.simulation.parts().zip(&pieces.0) {
            if let Ok(mut piece) = visuals.get_mut(*entity) {
                piece.0.record(episode.number(), pose(origin, &part));
            }
        }
    }
}

/// Places the visuals between the last two steps.
fn go(time: Res<Time<Fixed>>, mut visuals: Query<(&Piece, &mut Transform)>) {
    let share = time.overstep_fraction();
    for (piece, mut transform) in &mut visuals {
        let [before, now] = piece.0.steps();
        transform.set_if_neq(between_poses(before, now, share));
    }
}

/// Shows the torques of the last step by the colors of the links.
fn paint(
    arenas: Query<(&ControlArena, &Pieces)>,
    paint: Res<Paint>,
    mut materials: Query<&mut MeshMaterial3d<StandardMaterial>>,
) {
    for (arena, pieces) in &arenas {
        for (part, entity) in arena.simulation.parts().zip(&pieces.0) {
            if let Ok(mut material) = materials.get_mut(*entity) {
                material.set_if_neq(paint.of(&part));
            }
        }
    }
}
