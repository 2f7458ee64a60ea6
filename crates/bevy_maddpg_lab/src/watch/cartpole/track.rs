use std::f32::consts::FRAC_PI_2;

use bevy::prelude::*;

use super::Track;
use crate::{
    games::cartpole::{Cart, MAX_ANGLE, MAX_POSITION, Push},
    watch::{motion::Motion, stage::surface, style},
};
use bevy_maddpg::{
    arena::Episode,
    rollout::{AgentSystems, StepEnd},
};

/// Length of the pole, m.
const POLE: f32 = 1.0;
/// Size of a cart's body.
const BODY: Vec3 = Vec3::new(0.44, 0.2, 0.28);
/// Height of the pole's axle above the track.
const AXLE: f32 = 0.3;
/// Colors from an upright pole to one that falls.
const LEVELS: usize = 16;

/// A visual of a cart.
#[derive(Component, Debug)]
#[require(Transform, Visibility)]
struct Body {
    cart: Entity,
    /// Its position and the angle of its pole.
    motion: Motion<Vec2>,
}

/// The pole of a cart, a child of its body.
#[derive(Component, Debug)]
struct Pole;

/// The arrow of a push, a child of its body.
#[derive(Component, Debug)]
struct Arrow(Push);

/// Meshes and materials that all carts share.
#[derive(Resource, Debug)]
pub(super) struct Stock {
    cube: Handle<Mesh>,
    wheel: Handle<Mesh>,
    pole: Handle<Mesh>,
    axle: Handle<Mesh>,
    head: Handle<Mesh>,
    ground: Handle<StandardMaterial>,
    rail: Handle<StandardMaterial>,
    stop: Handle<StandardMaterial>,
    body: Handle<StandardMaterial>,
    dark: Handle<StandardMaterial>,
    push: Handle<StandardMaterial>,
    poles: Vec<Handle<StandardMaterial>>,
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, stock_up)
        .add_systems(Update, (paint_poles, show_pushes))
        .add_systems(StepEnd, remember.after(AgentSystems::End))
        .add_systems(RunFixedMainLoop, roll.in_set(RunFixedMainLoopSystems::AfterFixedMainLoop));
}

fn stock_up(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let across = Quat::from_rotation_x(FRAC_PI_2);
    let mut material = |color: Color, glow: f32| materials.add(surface(color, glow));
    commands.insert_resource(Stock {
        cube: meshes.add(Cuboid::default()),
        wheel: meshes.add(Cylinder::new(0.08, 0.06).mesh().resolution(32).build().rotated_by(across)),
        pole: meshes.add(Capsule3d::new(0.04, POLE)),
        axle: meshes.add(Cylinder::new(0.06, 0.34).mesh().resolution(32).build().rotated_by(across)),
        head: meshes.add(Cone::new(0.09, 0.2)),
        ground: material(Color::srgb(0.105, 0.14, 0.20), 0.0),
        rail: material(Color::srgb(0.30, 0.36, 0.46), 0.0),
        stop: material(style::BAD, 0.3),
        body: material(Color::srgb(0.75, 0.80, 0.88), 0.0),
        dark: material(Color::srgb(0.20, 0.23, 0.29), 0.0),
        push: material(style::CURVE, 0.4),
        poles: (0..=LEVELS).map(|level| material(style::grade(level as f32 / LEVELS as f32), 0.05)).collect(),
    });
}

/// Gives every new cart its visuals.
pub(super) fn build(mut commands: Commands, carts: Query<(Entity, &Track), Added<Track>>, stock: Res<Stock>) {
    let limit = MAX_POSITION as f32;
    for (cart, track) in &carts {
        commands.spawn((Transform::from_translation(track.0), Visibility::default())).with_children(
            |scene| {
                let mut block = |material: &Handle<StandardMaterial>, at: Vec3, size: Vec3| {
                    let place = Transform::from_translation(at).with_scale(size);
                    scene.spawn((Mesh3d(stock.cube.clone()), MeshMaterial3d(material.clone()), place));
                };
                block(&stock.ground, Vec3::new(0.0, -0.06, 0.0), Vec3::new(2.0 * limit + 0.7, 0.04, 1.1));
                block(&stock.rail, Vec3::ZERO, Vec3::new(2.0 * limit + 0.4, 0.03, 0.1));
                for side in [-1.0, 1.0] {
                    let at = Vec3::new(side * (limit + BODY.x / 2.0 + 0.05), 0.16, 0.0);
                    block(&stock.stop, at, Vec3::new(0.06, 0.34, 0.3));
                }
                scene.spawn(Body { cart, motion: Motion::default() }).with_children(|body| {
                    build_body(body, &stock);
                });
            },
        );
    }
}

fn build_body(body: &mut ChildSpawnerCommands, stock: &Stock) {
    let mut part = |mesh: &Handle<Mesh>, material: &Handle<StandardMaterial>, place: Transform| {
        body.spawn((Mesh3d(mesh.clone()), MeshMaterial3d(material.clone()), place));
    };
    let middle = Transform::from_xyz(0.0, 0.2, 0.0);
    part(&stock.cube, &stock.body, middle.with_scale(BODY));
    part(&stock.axle, &stock.dark, Transform::from_xyz(0.0, AXLE, 0.0));
    for (x, z) in [(-0.14, 0.15), (0.14, 0.15), (-0.14, -0.15), (0.14, -0.15)] {
        part(&stock.wheel, &stock.dark, Transform::from_xyz(x, 0.09, z));
    }
    for push in [Push::Left, Push::Right] {
        // An arrow starts at the side from which the cart is pushed, and points to it.
        let side = if push == Push::Left { 1.0 } else { -1.0 };
        let place = Transform::from_xyz(side * 0.46, 0.2, 0.0);
        body.spawn((Arrow(push), place, Visibility::Hidden)).with_children(|arrow| {
            let material = MeshMaterial3d(stock.push.clone());
            let head = Transform::from_xyz(-side * 0.1, 0.0, 0.0)
                .with_rotation(Quat::from_rotation_z(side * FRAC_PI_2));
            arrow.spawn((Mesh3d(stock.head.clone()), material.clone(), head));
            let shaft = Transform::from_xyz(side * 0.12, 0.0, 0.0).with_scale(Vec3::new(0.26, 0.05, 0.05));
            arrow.spawn((Mesh3d(stock.cube.clone()), material, shaft));
        });
    }
    body.spawn((Pole, Transform::from_xyz(0.0, AXLE, 0.18), Visibility::default())).with_child((
        Mesh3d(stock.pole.clone()),
        MeshMaterial3d(stock.poles[0].clone()),
        Transform::from_xyz(0.0, POLE / 2.0, 0.0),
    ));
}

/// Records the carts' states after this step.
fn remember(carts: Query<(&Cart, &Episode)>, mut bodies: Query<&mut Body>) {
    for mut body in &mut bodies {
        let Ok((cart, episode)) = carts.get(body.cart) else { continue };
        let now = Vec2::new(cart.state.position as f32, cart.state.angle as f32);
        body.motion.record(episode.number(), now);
    }
}

/// Moves the carts to a place between the last two steps, and turns their poles.
fn roll(
    time: Res<Time<Fixed>>,
    mut bodies: Query<(&Body, &mut Transform, &Children)>,
    mut poles: Query<&mut Transform, (With<Pole>, Without<Body>)>,
) {
    let share = time.overstep_fraction();
    for (body, mut transform, children) in &mut bodies {
        let Vec2 { x: position, y: angle } = body.motion.between(share);
        transform.set_if_neq(Transform::from_xyz(position, 0.0, 0.0));
        let mut parts = poles.iter_many_mut(children);
        while let Some(mut pole) = parts.fetch_next() {
            // Clockwise is positive.
            let turned = pole.with_rotation(Quat::from_rotation_z(-angle));
            pole.set_if_neq(turned);
        }
    }
}

/// Gives the poles the color of their angle.
fn paint_poles(
    carts: Query<&Cart>,
    bodies: Query<(&Body, &Children)>,
    poles: Query<&Children, With<Pole>>,
    stock: Res<Stock>,
    mut materials: Query<&mut MeshMaterial3d<StandardMaterial>>,
) {
    for (body, children) in &bodies {
        let Ok(cart) = carts.get(body.cart) else { continue };
        let share = (cart.state.angle.abs() / MAX_ANGLE).min(1.0) as f32;
        let wanted = &stock.poles[(share * LEVELS as f32).round() as usize];
        for parts in poles.iter_many(children) {
            let mut parts = materials.iter_many_mut(parts);
            while let Some(mut material) = parts.fetch_next() {
                material.set_if_neq(MeshMaterial3d(wanted.clone()));
            }
        }
    }
}

/// Shows the arrow of the last push.
fn show_pushes(
    carts: Query<&Cart>,
    bodies: Query<(&Body, &Children)>,
    mut arrows: Query<(&Arrow, &mut Visibility)>,
) {
    for (body, children) in &bodies {
        let Ok(cart) = carts.get(body.cart) else { continue };
        let mut parts = arrows.iter_many_mut(children);
        while let Some((arrow, mut visibility)) = parts.fetch_next() {
            let is_shown = cart.push == Some(arrow.0);
            visibility.set_if_neq(if is_shown { Visibility::Inherited } else { Visibility::Hidden });
        }
    }
}
