use bevy::{
    light::{CascadeShadowConfigBuilder, DirectionalLightShadowMap, NotShadowCaster},
    prelude::*,
};

use super::court_mesh;
use crate::{
    games::tennis::{Ball, Court, Rules, Side},
    watch::Follow,
};

/// The color of the fog and the background.
pub(super) const AIR: Color = Color::srgb(0.115, 0.155, 0.225);
/// The ground between the courts.
const GROUND: Color = Color::srgb(0.075, 0.105, 0.15);
/// The colors of the sides, by slot.
pub(super) const SIDES: [Color; 2] = [Color::srgb(0.20, 0.53, 1.0), Color::srgb(1.0, 0.47, 0.12)];
/// The color of the ball.
pub(super) const BALL: Color = Color::srgb(0.87, 0.97, 0.30);

/// The ball that is drawn in the front court.
#[derive(Component, Debug)]
pub(super) struct FrontBall;

/// Meshes and materials that all courts share.
#[derive(Resource, Debug)]
struct Stock {
    floor: Handle<Mesh>,
    glass: Handle<Mesh>,
    ball: Handle<Mesh>,
    rackets: [Handle<Mesh>; 2],
    matt: Handle<StandardMaterial>,
    clear: Handle<StandardMaterial>,
    felt: Handle<StandardMaterial>,
    paint: Handle<StandardMaterial>,
}

pub(super) fn plugin(app: &mut App) {
    app.insert_resource(ClearColor(AIR))
        .insert_resource(GlobalAmbientLight {
            color: Color::srgb(0.80, 0.88, 1.0),
            brightness: 420.0,
            ..default()
        })
        .insert_resource(DirectionalLightShadowMap { size: 2048 })
        .add_systems(Startup, (stock_up, light))
        .add_systems(Update, (build_courts, size_balls).chain());
}

fn stock_up(
    mut commands: Commands,
    rules: Res<Rules>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let size = rules.dimensions();
    let ground = meshes.add(Plane3d::default().mesh().size(3_000.0, 3_000.0));
    let dark = materials.add(StandardMaterial {
        base_color: GROUND,
        perceptual_roughness: 1.0,
        reflectance: 0.0,
        ..default()
    });
    commands.spawn((
        Mesh3d(ground),
        MeshMaterial3d(dark),
        Transform::from_xyz(0.0, size.floor - 0.4, 0.0),
        NotShadowCaster,
    ));
    commands.insert_resource(Stock {
        floor: meshes.add(court_mesh::floor(size)),
        glass: meshes.add(court_mesh::glass(size)),
        ball: meshes.add(Sphere::new(size.ball_radius).mesh().uv(40, 24)),
        rackets: Side::BOTH.map(|side| {
            let paint = SIDES[side.slot()];
            meshes.add(match *rules {
                Rules::Rally => court_mesh::racket(size, side, paint),
                Rules::Match => court_mesh::flat_racket(size, paint),
            })
        }),
        matt: materials.add(StandardMaterial { perceptual_roughness: 0.92, reflectance: 0.15, ..default() }),
        clear: materials.add(StandardMaterial {
            alpha_mode: AlphaMode::Blend,
            unlit: true,
            double_sided: true,
            cull_mode: None,
            ..default()
        }),
        felt: materials.add(StandardMaterial {
            base_color: BALL,
            emissive: BALL.to_linear() * 0.25,
            perceptual_roughness: 0.8,
            reflectance: 0.2,
            ..default()
        }),
        paint: materials.add(StandardMaterial { perceptual_roughness: 0.45, reflectance: 0.35, ..default() }),
    });
}

fn light(mut commands: Commands) {
    commands.spawn((
        DirectionalLight {
            color: Color::srgb(1.0, 0.97, 0.92),
            illuminance: 5_500.0,
            shadow_maps_enabled: true,
            ..default()
        },
        // One sharp cascade: only nearby objects have shadows.
        CascadeShadowConfigBuilder {
            num_cascades: 1,
            minimum_distance: 4.0,
            maximum_distance: 62.0,
            ..default()
        }
        .build(),
        Transform::from_xyz(-9.0, 26.0, 13.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
}

/// Gives every new court its visuals.
fn build_courts(mut commands: Commands, courts: Query<&Court, Added<Court>>, stock: Res<Stock>) {
    for court in &courts {
        let is_front = court.z == 0.0;
        let place = Transform::from_xyz(0.0, 0.0, court.z);
        let floor = (Mesh3d(stock.floor.clone()), MeshMaterial3d(stock.matt.clone()), place);
        let mut floor = commands.spawn(floor);
        if !is_front {
            floor.insert(NotShadowCaster);
        }
        commands.spawn((
            Mesh3d(stock.glass.clone()),
            MeshMaterial3d(stock.clear.clone()),
            place,
            NotShadowCaster,
        ));
        let ball = (Mesh3d(stock.ball.clone()), MeshMaterial3d(stock.felt.clone()), Follow::new(court.ball));
        let mut ball = commands.spawn(ball);
        if is_front {
            ball.insert(FrontBall);
        } else {
            ball.insert(NotShadowCaster);
        }
        for side in Side::BOTH {
            let mut racket = commands.spawn((
                Mesh3d(stock.rackets[side.slot()].clone()),
                MeshMaterial3d(stock.paint.clone()),
                Follow::new(court.rackets[side.slot()]),
            ));
            if !is_front {
                racket.insert(NotShadowCaster);
            }
        }
    }
}

/// Draws balls as large as they are in this episode.
fn size_balls(
    rules: Res<Rules>,
    balls: Query<&Ball>,
    resized: Query<(), Changed<Ball>>,
    mut visuals: Query<(&Follow, &mut Transform)>,
) {
    if resized.is_empty() {
        return;
    }
    let usual = rules.dimensions().ball_radius;
    for (follow, mut transform) in &mut visuals {
        if let Ok(ball) = balls.get(follow.body) {
            transform.scale = Vec3::splat(ball.radius / usual);
        }
    }
}
