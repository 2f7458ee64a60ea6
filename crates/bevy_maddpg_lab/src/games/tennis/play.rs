use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use rand::RngExt;

use super::{
    Rules,
    court::{Court, RacketSpeed, Side},
    rules::Rally,
};
use bevy_maddpg::{
    agent::{Action, Observation},
    arena::{ArenasToObserve, Episode},
};

/// Numbers in one frame of an observation.
pub(super) fn observation_size(rules: Rules) -> usize {
    match rules {
        Rules::Rally => 8,
        Rules::Match => 9,
    }
}

/// Numbers in an action.
pub(super) fn action_size(rules: Rules) -> usize {
    match rules {
        Rules::Rally => 2,
        Rules::Match => 3,
    }
}

/// How far a racket turns at full action, in degrees.
const TURN: f32 = 55.0;

/// Upward speed of a jump, m/s.
const JUMP_SPEED: f32 = 7.0;
/// A racket jumps only below this height, m.
const JUMP_BELOW: f32 = -1.5;
/// A racket keeps this distance from the net, m.
const NET_DISTANCE: f32 = 1.0;

/// Turns actions into the rackets' velocities.
pub(super) fn move_rackets(
    rules: Res<Rules>,
    mut rackets: Query<(&Action, &Side, &RacketSpeed, &mut Transform, &mut Velocity)>,
) {
    let upright = rules.dimensions().racket_tilt;
    for (action, side, speed, mut transform, mut velocity) in &mut rackets {
        let mirror = side.mirror();
        if transform.translation.x * mirror > -NET_DISTANCE {
            transform.translation.x = -NET_DISTANCE * mirror;
        }
        velocity.linear.x = speed.0 * action[0] * mirror;
        if action[1] > 0.5 && transform.translation.y < JUMP_BELOW {
            velocity.linear.y = JUMP_SPEED;
        }
        // Under the rules `match`, the third number turns the racket.
        if let Some(turn) = action.get(2) {
            let degrees = (upright + TURN * turn) * mirror;
            transform.rotation = Quat::from_rotation_z(degrees.to_radians());
        }
    }
}

/// Writes the observations, mirrored so that both sides see themselves at x < 0.
pub(super) fn sense(
    rules: Res<Rules>,
    observed: ArenasToObserve,
    courts: Query<(Entity, &Court)>,
    bodies: Query<(&Transform, &Velocity)>,
    mut rackets: Query<(&Side, &Transform, &Velocity, &mut Observation)>,
) {
    for (_, court) in courts.iter().filter(|(arena, _)| observed.contains(*arena)) {
        let Ok((ball, ball_velocity)) = bodies.get(court.ball) else {
            continue;
        };
        let mut members = rackets.iter_many_mut(court.rackets);
        while let Some((side, racket, velocity, mut observation)) = members.fetch_next() {
            let mirror = side.mirror();
            let seen = |transform: &Transform, velocity: &Velocity| {
                let (position, speed) = (transform.translation, velocity.linear);
                [mirror * position.x, position.y, mirror * speed.x, speed.y]
            };
            let [[a, b, c, d], [e, f, g, h]] = [seen(racket, velocity), seen(ball, ball_velocity)];
            // A quaternion and its negative are the same rotation; physics may return either.
            let (z, w) = (racket.rotation.z, racket.rotation.w);
            let numbers = [a, b, c, d, e, f, g, h, mirror * z * w.signum()];
            observation.write(&numbers[..observation_size(*rules)]);
        }
    }
}

/// Places the rackets and the ball for a new episode.
pub(super) fn serve(
    rules: Res<Rules>,
    mut courts: Query<(&mut Court, &mut Rally, &Episode)>,
    mut bodies: Query<(&mut Transform, &mut Velocity)>,
) {
    let upright = rules.dimensions().racket_tilt;
    for (mut court, mut rally, episode) in &mut courts {
        if !episode.needs_reset() {
            continue;
        }
        *rally = Rally::default();
        let z = court.z;
        let mut place = |entity: Entity, x: f32, y: f32, degrees: f32| {
            if let Ok((mut transform, mut velocity)) = bodies.get_mut(entity) {
                let rotation = Quat::from_rotation_z(degrees.to_radians());
                *transform = Transform::from_xyz(x, y, z).with_rotation(rotation);
                *velocity = Velocity::zero();
            }
        };
        for side in Side::BOTH {
            let distance = court.random.random_range(6.0..8.0f32);
            let degrees = if *rules == Rules::Match { upright * side.mirror() } else { 0.0 };
            place(court.rackets[side.slot()], -side.mirror() * distance, JUMP_BELOW, degrees);
        }
        let side = if court.random.random::<bool>() { 1.0 } else { -1.0 };
        let distance = court.random.random_range(6.0..8.0f32);
        place(court.ball, side * distance, 6.0, 0.0);
    }
}
