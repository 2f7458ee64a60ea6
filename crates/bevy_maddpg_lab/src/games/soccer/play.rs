use bevy::{math::ops, prelude::*};
use bevy_rapier3d::prelude::*;

use super::{
    ACTION_SIZE, Field, Player, STEP_SECONDS,
    view::{self, Motion, Scene},
};
use bevy_maddpg::{
    agent::{Action, Observation},
    arena::ArenasToObserve,
    policy::ActionSpace,
    rays::RayPose,
};

/// What a step adds to the velocity of a player at full action, m/s.
const PUSH: f32 = 2.0;
/// The same to the side.
const SIDE_PUSH: f32 = 0.3 * PUSH;
/// How far a player turns in a second at full action, in degrees.
pub(super) const TURN: f32 = 100.0;

/// What a player can do.
pub(super) fn action() -> ActionSpace {
    let names: [&str; ACTION_SIZE] = ["forward", "right", "turn"];
    names.into_iter().fold(ActionSpace::default(), ActionSpace::with_number)
}

/// Pushes and turns the players.
pub(super) fn run(mut players: Query<(&Action, &mut Player, &mut Velocity)>) {
    for (action, mut player, mut velocity) in &mut players {
        let angle = action[2] * TURN.to_radians() * STEP_SECONDS as f32;
        if angle != 0.0 {
            let turn = Vec2::new(ops::cos(angle), ops::sin(angle));
            player.facing = player.facing.rotate(turn).normalize();
        }
        let push = PUSH * action[0] * player.facing + SIDE_PUSH * action[1] * view::right(player.facing);
        if push != Vec2::ZERO {
            velocity.linear += Vec3::new(push.x, 0.0, push.y);
        }
    }
}

/// Where the bodies of a field are; `None` if one is missing.
pub(super) fn scene(
    field: &Field,
    bodies: &Query<(&Transform, &Velocity)>,
    players: &Query<&Player>,
) -> Option<Scene> {
    let motion = |entity: Entity| {
        let (transform, velocity) = bodies.get(entity).ok()?;
        Some(Motion { position: transform.translation.xz() - field.center, velocity: velocity.linear.xz() })
    };
    let [a, b, c, d] = field.players;
    let facing = |entity: Entity| players.get(entity).ok().map(|player| player.facing);
    Some(Scene {
        ball: motion(field.ball)?,
        players: [motion(a)?, motion(b)?, motion(c)?, motion(d)?],
        facing: [facing(a)?, facing(b)?, facing(c)?, facing(d)?],
    })
}

/// Tells the rays where the players look.
pub(super) fn look(mut players: Query<(&Player, &Transform, &mut RayPose)>) {
    for (player, transform, mut pose) in &mut players {
        let ahead = Vec3::new(player.facing.x, 0.0, player.facing.y);
        pose.0 = Transform::from_translation(transform.translation).looking_to(ahead, Vec3::Y);
    }
}

/// Writes the observations.
pub(super) fn sense(
    observed: ArenasToObserve,
    fields: Query<(Entity, &Field)>,
    bodies: Query<(&Transform, &Velocity)>,
    players: Query<&Player>,
    mut observations: Query<&mut Observation>,
) {
    for (_, field) in fields.iter().filter(|(arena, _)| observed.contains(*arena)) {
        let Some(scene) = scene(field, &bodies, &players) else { continue };
        for (slot, player) in field.players.iter().enumerate() {
            if let Ok(mut observation) = observations.get_mut(*player) {
                observation.write(&view::observe(&scene, slot));
            }
        }
    }
}
