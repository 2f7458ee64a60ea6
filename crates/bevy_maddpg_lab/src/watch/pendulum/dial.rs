use std::f32::consts::PI;

use bevy::prelude::*;

use super::{
    Dial,
    paint::{ARROW, DIAL, Stock},
};
use crate::{games::pendulum::PendulumArena, watch::motion::Motion};
use bevy_maddpg::{
    arena::Episode,
    rollout::{AgentSystems, StepEnd},
};

/// A visual that turns with a pendulum.
#[derive(Component, Debug)]
#[require(Transform, Visibility)]
struct Arm {
    arena: Entity,
    /// Its angle.
    motion: Motion<f32>,
}

/// The torque arrow of an arena, around the pivot.
#[derive(Component, Debug)]
struct Arrow(Entity);

/// The arrow's head.
#[derive(Component, Debug)]
struct Head;

/// Radius of the bob.
const BOB: f32 = 0.12;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (paint_arms, bend_arrows))
        .add_systems(StepEnd, remember.after(AgentSystems::End))
        .add_systems(RunFixedMainLoop, turn.in_set(RunFixedMainLoopSystems::AfterFixedMainLoop));
}

/// Gives every new arena its visuals.
pub(super) fn build(mut commands: Commands, arenas: Query<(Entity, &Dial), Added<Dial>>, stock: Res<Stock>) {
    for (arena, dial) in &arenas {
        commands.spawn((dial.0, Visibility::default())).with_children(|dial| {
            let mut part = |mesh: &Handle<Mesh>, material: &Handle<StandardMaterial>, z: f32, scale: Vec3| {
                let place = Transform::from_xyz(0.0, 0.0, z).with_scale(scale);
                dial.spawn((Mesh3d(mesh.clone()), MeshMaterial3d(material.clone()), place));
            };
            part(&stock.disc, &stock.ground, -0.2, Vec3::new(DIAL, DIAL, 0.04));
            part(&stock.edge, &stock.line, -0.18, Vec3::ONE);
            part(&stock.upright, &stock.goal, -0.18, Vec3::ONE);
            part(&stock.disc, &stock.axle, -0.05, Vec3::new(0.075, 0.075, 0.3));
            build_arm(dial, arena, &stock);
            build_arrow(dial, arena, &stock);
        });
    }
}

fn build_arm(dial: &mut ChildSpawnerCommands, arena: Entity, stock: &Stock) {
    let bob = Transform::from_xyz(0.0, 1.0, 0.0).with_scale(Vec3::splat(BOB));
    dial.spawn(Arm { arena, motion: Motion::at(0.0) }).with_children(|arm| {
        for (mesh, place) in [(&stock.rod, Transform::from_xyz(0.0, 0.5, 0.0)), (&stock.ball, bob)] {
            arm.spawn((Mesh3d(mesh.clone()), stock.reward(0.0), place));
        }
    });
}

fn build_arrow(dial: &mut ChildSpawnerCommands, arena: Entity, stock: &Stock) {
    let material = MeshMaterial3d(stock.torque.clone());
    let place = Transform::from_xyz(0.0, 0.0, 0.14);
    dial.spawn((Arrow(arena), Mesh3d(stock.edge.clone()), material.clone(), place, Visibility::Hidden))
        .with_child((Head, Mesh3d(stock.head.clone()), material, Transform::default()));
}

/// Records the pendulums' angles after this step.
fn remember(arenas: Query<(&PendulumArena, &Episode)>, mut arms: Query<&mut Arm>) {
    for mut arm in &mut arms {
        let Ok((arena, episode)) = arenas.get(arm.arena) else { continue };
        arm.motion.record(episode.number(), arena.pendulum.angle as f32);
    }
}

/// Turns the arms to an angle between the last two steps.
fn turn(time: Res<Time<Fixed>>, mut arms: Query<(&Arm, &mut Transform)>) {
    let share = time.overstep_fraction();
    for (arm, mut transform) in &mut arms {
        let rotation = Quat::from_rotation_z(arm.motion.between(share));
        transform.set_if_neq(transform.with_rotation(rotation));
    }
}

/// Gives the arms the color of the last reward.
fn paint_arms(
    arenas: Query<&PendulumArena>,
    arms: Query<(&Arm, &Children)>,
    stock: Res<Stock>,
    mut materials: Query<&mut MeshMaterial3d<StandardMaterial>>,
) {
    for (arm, children) in &arms {
        let Ok(arena) = arenas.get(arm.arena) else { continue };
        let wanted = stock.reward(arena.reward as f32);
        let mut parts = materials.iter_many_mut(children);
        while let Some(mut material) = parts.fetch_next() {
            material.set_if_neq(wanted.clone());
        }
    }
}

/// Makes each arrow as long as the torque is large; it starts beside the pivot and bends over its top.
fn bend_arrows(
    arenas: Query<&PendulumArena>,
    stock: Res<Stock>,
    mut arrows: Query<(&Arrow, &mut Mesh3d, &mut Transform, &mut Visibility, &Children)>,
    mut heads: Query<&mut Transform, (With<Head>, Without<Arrow>)>,
) {
    for (arrow, mut mesh, mut transform, mut visibility, children) in &mut arrows {
        let Ok(arena) = arenas.get(arrow.0) else { continue };
        let torque = arena.torque as f32;
        let Some((shape, angle)) = stock.arrow(torque) else {
            visibility.set_if_neq(Visibility::Hidden);
            continue;
        };
        visibility.set_if_neq(Visibility::Inherited);
        mesh.set_if_neq(Mesh3d(shape.clone()));
        // A clockwise arrow is a counterclockwise one seen from behind.
        let side = if torque > 0.0 { 0.0 } else { PI };
        transform.set_if_neq(transform.with_rotation(Quat::from_rotation_y(side)));
        let turned = Quat::from_rotation_z(angle);
        let place = Transform::from_translation(turned * Vec3::X * ARROW).with_rotation(turned);
        let mut parts = heads.iter_many_mut(children);
        while let Some(mut head) = parts.fetch_next() {
            head.set_if_neq(place);
        }
    }
}
