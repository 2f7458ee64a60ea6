use bevy::prelude::*;

use super::Layout;
use crate::{
    games::control::ControlArena,
    watch::{
        mesh_builder::MeshBuilder,
        stage::{FrontArena, surface},
    },
};

/// Colors of the tiles.
const TILES: [Color; 2] = [Color::srgb(0.115, 0.15, 0.21), Color::srgb(0.135, 0.175, 0.245)];
/// Half the number of tiles along each side.
const HALF: i32 = 60;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, build).add_systems(Update, follow.run_if(resource_exists::<FrontArena>));
}

/// The floor, which goes along with the first body.
#[derive(Component)]
struct Floor;

/// A checkered floor, whose tiles are as wide as the bodies are large.
fn build(
    mut commands: Commands,
    layout: Res<Layout>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let mut mesh = MeshBuilder::default();
    let tile = layout.size / 2.0;
    for x in -HALF..HALF {
        for z in -HALF..HALF {
            let center = Vec3::new((x as f32 + 0.5) * tile, 0.0, (z as f32 + 0.5) * tile);
            mesh.mat(center, Vec2::splat(tile), TILES[(x + z).rem_euclid(2) as usize]);
        }
    }
    commands.spawn((
        Floor,
        Mesh3d(meshes.add(mesh.build())),
        MeshMaterial3d(materials.add(StandardMaterial { reflectance: 0.1, ..surface(Color::WHITE, 0.0) })),
        Transform::from_xyz(0.0, layout.floor, 0.0),
    ));
}

/// Moves the floor by whole pairs of tiles, so that nobody sees it move and nobody runs beyond its end.
fn follow(
    layout: Res<Layout>,
    front: Res<FrontArena>,
    arenas: Query<&ControlArena>,
    mut floor: Single<&mut Transform, With<Floor>>,
) {
    let Ok(arena) = arenas.get(front.0) else { return };
    let focus = arena.simulation.focus();
    let pair = layout.size;
    let place = |along: f32| (along / pair).round() * pair;
    floor.translation = Vec3::new(place(focus.x), layout.floor, place(focus.z));
}
