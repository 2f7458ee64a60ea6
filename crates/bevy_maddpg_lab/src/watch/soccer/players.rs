use bevy::{light::NotShadowCaster, math::ops, prelude::*};

use super::color;
use crate::{
    games::soccer::{
        Ball, Field, Player, Team,
        dimensions::{BALL_RADIUS, HEIGHT, PLAYER_RADIUS},
    },
    watch::{Follow, Inspected, KeyboardControl, stage::surface},
};

/// The figure of a player, which turns to where the player looks.
#[derive(Component, Debug)]
struct Figure(Entity);

/// The ring around the player that a person plays or inspects.
#[derive(Component, Debug)]
struct Ring(Entity);

/// What all bodies share.
#[derive(Resource, Debug)]
struct Stock {
    body: Handle<Mesh>,
    head: Handle<Mesh>,
    nose: Handle<Mesh>,
    ring: Handle<Mesh>,
    ball: Handle<Mesh>,
    spot: Handle<Mesh>,
    shirts: [Handle<StandardMaterial>; 2],
    skin: Handle<StandardMaterial>,
    white: Handle<StandardMaterial>,
    black: Handle<StandardMaterial>,
    light: Handle<StandardMaterial>,
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, stock_up).add_systems(Update, (build_players, build_balls, turn, light_ring));
}

fn stock_up(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let mut material = |color: Color, glow: f32| materials.add(surface(color, glow));
    commands.insert_resource(Stock {
        body: meshes.add(Capsule3d::new(0.42, 0.55)),
        head: meshes.add(Sphere::new(0.27).mesh().uv(20, 12)),
        nose: meshes.add(Cone::new(0.26, 0.5)),
        ring: meshes.add(Torus::new(0.62, 0.74)),
        ball: meshes.add(Sphere::new(BALL_RADIUS).mesh().uv(32, 20)),
        spot: meshes.add(Sphere::new(0.24).mesh().uv(12, 8)),
        shirts: Team::BOTH.map(|team| material(color(team), 0.12)),
        skin: material(Color::srgb(0.87, 0.68, 0.55), 0.0),
        white: material(Color::srgb(0.95, 0.95, 0.95), 0.15),
        black: material(Color::srgb(0.07, 0.08, 0.10), 0.0),
        light: material(Color::srgb(1.0, 0.95, 0.55), 1.0),
    });
}

/// Gives every new player its figure.
fn build_players(
    mut commands: Commands,
    players: Query<(Entity, &Player), Added<Player>>,
    fields: Query<&Field>,
    stock: Res<Stock>,
) {
    for (entity, player) in &players {
        let is_front = fields.get(player.field).is_ok_and(|field| field.center == Vec2::ZERO);
        let shirt = &stock.shirts[usize::from(player.team() == Team::Purple)];
        commands.spawn((Follow::new(entity), Transform::default(), Visibility::default())).with_children(
            |visual| {
                visual
                    .spawn((Figure(entity), Transform::from_xyz(0.0, -HEIGHT, 0.0), Visibility::default()))
                    .with_children(|figure| {
                        let mut part = |mesh: &Handle<Mesh>,
                                        material: &Handle<StandardMaterial>,
                                        place: Transform| {
                            let mut part =
                                figure.spawn((Mesh3d(mesh.clone()), MeshMaterial3d(material.clone()), place));
                            if !is_front {
                                part.insert(NotShadowCaster);
                            }
                        };
                        part(&stock.body, shirt, Transform::from_xyz(0.0, 0.72, 0.0));
                        part(&stock.head, &stock.skin, Transform::from_xyz(0.0, 1.56, 0.0));
                        // It points to where the player looks.
                        let ahead = Quat::from_rotation_z(-std::f32::consts::FRAC_PI_2);
                        let nose = Transform::from_xyz(PLAYER_RADIUS + 0.12, 0.5, 0.0).with_rotation(ahead);
                        part(&stock.nose, &stock.white, nose);
                    });
                visual.spawn((
                    Ring(entity),
                    Mesh3d(stock.ring.clone()),
                    MeshMaterial3d(stock.light.clone()),
                    Transform::from_xyz(0.0, 0.06 - HEIGHT, 0.0),
                    Visibility::Hidden,
                    NotShadowCaster,
                ));
            },
        );
    }
}

/// Gives every new ball its visual, which rolls with it.
fn build_balls(
    mut commands: Commands,
    balls: Query<(Entity, &Ball), Added<Ball>>,
    fields: Query<&Field>,
    stock: Res<Stock>,
) {
    for (entity, ball) in &balls {
        let is_front = fields.get(ball.field).is_ok_and(|field| field.center == Vec2::ZERO);
        let mut visual = commands.spawn((
            Follow::new(entity),
            Mesh3d(stock.ball.clone()),
            MeshMaterial3d(stock.white.clone()),
        ));
        if !is_front {
            visual.insert(NotShadowCaster);
            continue;
        }
        // The corners of an icosahedron.
        let golden = (1.0 + ops::sqrt(5.0)) / 2.0;
        visual.with_children(|visual| {
            for (a, b) in [(1.0, golden), (1.0, -golden), (-1.0, golden), (-1.0, -golden)] {
                for corner in [Vec3::new(0.0, a, b), Vec3::new(a, b, 0.0), Vec3::new(b, 0.0, a)] {
                    let at = corner.normalize() * (BALL_RADIUS - 0.19);
                    visual.spawn((
                        Mesh3d(stock.spot.clone()),
                        MeshMaterial3d(stock.black.clone()),
                        Transform::from_translation(at),
                        NotShadowCaster,
                    ));
                }
            }
        });
    }
}

/// How fast figures turn to where their players look: the part of the angle that is left shrinks by a factor of e in one over this, s.
const TURN_RATE: f32 = 30.0;

/// Turns the figures to where the players look.
fn turn(time: Res<Time<Virtual>>, players: Query<&Player>, mut figures: Query<(&Figure, &mut Transform)>) {
    let share = 1.0 - ops::exp(-TURN_RATE * time.delta_secs());
    for (figure, mut transform) in &mut figures {
        if let Ok(player) = players.get(figure.0) {
            let angle = ops::atan2(-player.facing.y, player.facing.x);
            transform.rotation = transform.rotation.slerp(Quat::from_rotation_y(angle), share);
        }
    }
}

fn light_ring(
    control: Option<Res<KeyboardControl>>,
    inspected: Res<Inspected>,
    mut rings: Query<(&Ring, &mut Visibility)>,
) {
    let played = control.filter(|control| control.active).map(|control| control.agent);
    for (ring, mut visibility) in &mut rings {
        let is_lit = played == Some(ring.0) || inspected.0 == Some(ring.0);
        visibility.set_if_neq(if is_lit { Visibility::Inherited } else { Visibility::Hidden });
    }
}
