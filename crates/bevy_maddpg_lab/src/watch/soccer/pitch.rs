use bevy::{
    light::{DirectionalLightShadowMap, NotShadowCaster},
    math::ops,
    prelude::*,
};

use super::color;
use crate::{
    games::soccer::{Field, Team, dimensions::*},
    watch::mesh_builder::MeshBuilder,
};

/// Colors of the grass.
const GRASS: [Color; 2] = [Color::srgb(0.13, 0.37, 0.20), Color::srgb(0.155, 0.42, 0.23)];
const LINE: Color = Color::srgb(0.86, 0.93, 0.88);
const BOARDS: Color = Color::srgb(0.80, 0.84, 0.90);
const CONCRETE: Color = Color::srgb(0.20, 0.24, 0.31);
/// Width of the lines, m.
const WIDTH: f32 = 0.14;

pub(super) fn plugin(app: &mut App) {
    app.insert_resource(DirectionalLightShadowMap { size: 2048 }).add_systems(Update, build);
}

/// What all fields share.
#[derive(Default)]
struct Stock {
    pitch: Handle<Mesh>,
    boards: Handle<Mesh>,
    stadium: Handle<Mesh>,
    matt: Handle<StandardMaterial>,
}

/// Gives every new field its grass, its boards and, if it is in front, its stadium.
fn build(
    mut commands: Commands,
    fields: Query<&Field, Added<Field>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut stock: Local<Option<Stock>>,
) {
    if fields.is_empty() {
        return;
    }
    let stock = stock.get_or_insert_with(|| Stock {
        pitch: meshes.add(pitch()),
        boards: meshes.add(boards()),
        stadium: meshes.add(stadium()),
        matt: materials.add(StandardMaterial { perceptual_roughness: 0.92, reflectance: 0.12, ..default() }),
    });
    for field in &fields {
        let place = Transform::from_xyz(field.center.x, 0.0, field.center.y);
        let mut part = |mesh: &Handle<Mesh>, casts: bool| {
            let mut part = commands.spawn((Mesh3d(mesh.clone()), MeshMaterial3d(stock.matt.clone()), place));
            if !casts {
                part.insert(NotShadowCaster);
            }
        };
        let is_front = field.center == Vec2::ZERO;
        part(&stock.pitch, false);
        part(&stock.boards, is_front);
        if is_front {
            part(&stock.stadium, true);
        }
    }
}

/// The grass with its lines.
fn pitch() -> Mesh {
    let mut mesh = MeshBuilder::default();
    let bands = 10;
    let band = 2.0 * HALF_LENGTH / bands as f32;
    for index in 0..bands {
        let x = -HALF_LENGTH + (index as f32 + 0.5) * band;
        mesh.mat(Vec3::new(x, 0.0, 0.0), Vec2::new(band, 2.0 * HALF_WIDTH), GRASS[index % 2]);
    }
    for team in Team::BOTH {
        let x = -team.mirror() * (HALF_LENGTH + GOAL_DEPTH / 2.0);
        let ground = GRASS[0].mix(&color(team), 0.35);
        mesh.mat(Vec3::new(x, 0.0, 0.0), Vec2::new(GOAL_DEPTH, 2.0 * GOAL_HALF_WIDTH), ground);
        let line = -team.mirror() * HALF_LENGTH;
        mesh.mat(Vec3::new(line, 0.02, 0.0), Vec2::new(WIDTH, 2.0 * GOAL_HALF_WIDTH), LINE);
        // The goal area.
        let depth = 3.2;
        let inner = line + team.mirror() * depth;
        mesh.mat(Vec3::new(inner, 0.02, 0.0), Vec2::new(WIDTH, 2.0 * GOAL_HALF_WIDTH), LINE);
        for z in [-GOAL_HALF_WIDTH, GOAL_HALF_WIDTH] {
            mesh.mat(Vec3::new((line + inner) / 2.0, 0.02, z), Vec2::new(depth, WIDTH), LINE);
        }
    }
    mesh.mat(Vec3::Y * 0.02, Vec2::new(WIDTH, 2.0 * HALF_WIDTH), LINE);
    circle(&mut mesh, 2.5);
    mesh.build()
}

/// The center circle.
fn circle(mesh: &mut MeshBuilder, radius: f32) {
    let parts = 48;
    for index in 0..parts {
        let angle = (index as f32 + 0.5) * std::f32::consts::TAU / parts as f32;
        let out = Vec3::new(ops::cos(angle), 0.0, ops::sin(angle));
        let along = out.cross(Vec3::Y) * (radius * std::f32::consts::PI / parts as f32);
        mesh.rectangle(out * radius + Vec3::Y * 0.02, along, out * (WIDTH / 2.0), LINE);
    }
}

/// The walls of a field, and the goals with posts and nets.
fn boards() -> Mesh {
    let mut mesh = MeshBuilder::default();
    let height = 0.8;
    let [thickness, _] = WALL;
    for z in [-1.0, 1.0] {
        // The long sides end where the corner walls begin.
        let center = Vec3::new(0.0, height / 2.0, z * (HALF_WIDTH + thickness / 2.0));
        mesh.cuboid(center, Vec3::new(2.0 * (HALF_LENGTH - 1.6), height, thickness), BOARDS);
    }
    for team in Team::BOTH {
        let out = -team.mirror();
        for z in [-1.0, 1.0] {
            let angle = CORNER_ANGLE.to_radians();
            let along = Vec3::new(out * ops::cos(angle), 0.0, -z * ops::sin(angle)) * (CORNER_LENGTH / 2.0);
            let across = Vec3::new(out * ops::sin(angle), 0.0, z * ops::cos(angle)) * (thickness / 2.0);
            let center = Vec3::new(out * CORNER[0], height / 2.0, z * CORNER[1]) + across;
            mesh.block(center, [along, Vec3::Y * (height / 2.0), across], BOARDS);
            // Side of the goal, and a post.
            let side = Vec3::new(out * (HALF_LENGTH + GOAL_DEPTH / 2.0), 0.6, z * (GOAL_HALF_WIDTH + 0.1));
            mesh.cuboid(side, Vec3::new(GOAL_DEPTH, 1.2, 0.2), color(team));
            let post = Vec3::new(out * HALF_LENGTH, 0.75, z * (GOAL_HALF_WIDTH + 0.12));
            mesh.cuboid(post, Vec3::new(0.24, 1.5, 0.24), Color::WHITE);
        }
        let back = Vec3::new(out * (HALF_LENGTH + GOAL_DEPTH + 0.1), 0.6, 0.0);
        mesh.cuboid(back, Vec3::new(0.2, 1.2, 2.0 * GOAL_HALF_WIDTH + 0.4), color(team));
    }
    mesh.build()
}

/// A stand with spectators behind the far side.
fn stadium() -> Mesh {
    let mut mesh = MeshBuilder::default();
    let shirts = [
        color(Team::Blue),
        color(Team::Purple),
        Color::srgb(0.93, 0.93, 0.95),
        Color::srgb(0.95, 0.72, 0.28),
        Color::srgb(0.86, 0.34, 0.34),
    ];
    let mut number = 0u32;
    for step in 0..4 {
        let (height, depth) = (0.9 + 0.8 * step as f32, 1.2);
        let z = -(HALF_WIDTH + 2.6 + depth * step as f32);
        mesh.cuboid(Vec3::new(0.0, height / 2.0, z), Vec3::new(36.0, height, depth), CONCRETE);
        for seat in 0..45 {
            // A fixed pattern that looks random.
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if number >> 29 == 0 {
                continue;
            }
            let x = -17.6 + 0.8 * seat as f32;
            let fan = if x < -6.0 {
                0
            } else if x > 6.0 {
                1
            } else {
                2
            };
            let shirt = if (number >> 24).is_multiple_of(3) {
                shirts[(number >> 16) as usize % 5]
            } else {
                shirts[fan]
            };
            let body = Vec3::new(x, height + 0.35, z);
            mesh.cuboid(body, Vec3::new(0.46, 0.7, 0.34), shirt.mix(&Color::BLACK, 0.25));
            let skin =
                [Color::srgb(0.87, 0.68, 0.55), Color::srgb(0.52, 0.36, 0.27)][(number >> 12) as usize % 2];
            mesh.cuboid(body + Vec3::Y * 0.52, Vec3::splat(0.3), skin);
        }
    }
    mesh.build()
}
