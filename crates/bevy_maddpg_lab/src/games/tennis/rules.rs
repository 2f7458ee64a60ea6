//! The rules `rally`, and what both rule sets share.

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;

use super::{
    Rules,
    court::{Ball, Court, CourtPart, Side},
};
use bevy_maddpg::{agent::Reward, arena::Episode};

/// Reward of the last hitter when the ball has passed over the net.
const CROSSING_REWARD: f32 = 0.1;
/// Reward of the side at fault.
const FAULT_REWARD: f32 = -0.01;
/// Height of the upper edge of the plane above the net that the ball must cross, m.
const OVER: f32 = 9.0;
/// The ball's velocity along x and along y is clamped to plus or minus this, m/s.
const BALL_SPEED: f32 = 9.0;

/// The state of an arena's rally.
#[derive(Component, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rally {
    /// Who hit the ball last; `None` at the serve.
    pub last_hitter: Option<Side>,
    /// Whether the ball touches the plane above the net.
    pub over_net: bool,
    /// Crossings of the net in this episode.
    pub crossings: u32,
    /// Under the rules `match`: whether the ball has passed the net since it was hit.
    pub crossed: bool,
    /// Under the rules `match`: the half on which the ball has bounced since it was hit.
    pub bounced: Option<Side>,
}

/// The ball of a contact that has just begun, and what it touches. `None` for other contacts.
pub(super) fn ball_contact<'a>(
    contact: &CollisionEvent,
    balls: &'a Query<&Ball>,
) -> Option<(&'a Ball, Entity)> {
    let CollisionEvent::Started(a, b, _) = *contact else { return None };
    let touches = |ball: Entity, other: Entity| Some((balls.get(ball).ok()?, other));
    touches(a, b).or_else(|| touches(b, a))
}

/// Clamps the balls' speeds.
pub(super) fn clamp_ball(mut balls: Query<&mut Velocity, With<Ball>>) {
    for mut velocity in &mut balls {
        let clamped = Vec3 {
            x: velocity.linear.x.clamp(-BALL_SPEED, BALL_SPEED),
            y: velocity.linear.y.clamp(-BALL_SPEED, BALL_SPEED),
            z: velocity.linear.z,
        };
        if velocity.linear != clamped {
            velocity.linear = clamped;
        }
    }
}

/// Records hits. A ball that touches the floor, a wall or the net is a fault and ends the episode.
pub(super) fn judge_contacts(
    mut contacts: MessageReader<CollisionEvent>,
    balls: Query<&Ball>,
    parts: Query<&CourtPart>,
    sides: Query<&Side>,
    mut courts: Query<(&Court, &mut Rally, &mut Episode)>,
    mut rewards: Query<&mut Reward>,
) {
    for (ball, other) in contacts.read().filter_map(|contact| ball_contact(contact, &balls)) {
        let Ok((court, mut rally, mut episode)) = courts.get_mut(ball.court) else {
            continue;
        };
        if !episode.is_running() {
            continue;
        }
        if let Ok(side) = sides.get(other) {
            rally.last_hitter = Some(*side);
            continue;
        }
        let at_fault = match parts.get(other) {
            Ok(CourtPart::Floor(side)) => Some(*side),
            Ok(CourtPart::Wall(_) | CourtPart::Net) => rally.last_hitter,
            Err(_) => continue,
        };
        if let Some(mut reward) = at_fault.and_then(|side| rewards.get_mut(court.rackets[side.slot()]).ok()) {
            reward.add(FAULT_REWARD);
        }
        episode.terminate();
    }
}

/// Rewards the last hitter when the ball leaves the plane above the net on the far side.
pub(super) fn judge_crossings(
    mut courts: Query<(&Court, &mut Rally, &Episode)>,
    balls: Query<(&Transform, &Ball)>,
    mut rewards: Query<&mut Reward>,
) {
    let net = Rules::Rally.dimensions().net;
    for (court, mut rally, episode) in &mut courts {
        let Ok((ball, Ball { radius, .. })) = balls.get(court.ball) else { continue };
        let position = ball.translation;
        let height = net - radius..=OVER + radius;
        let touches = position.x.abs() <= *radius && height.contains(&position.y);
        let left = rally.over_net && !touches;
        if touches != rally.over_net {
            rally.over_net = touches;
        }
        let Some(hitter) = rally.last_hitter.filter(|_| left && episode.is_running()) else {
            continue;
        };
        let is_far = position.x * hitter.mirror() > *radius;
        if let Some(mut reward) = rewards.get_mut(court.rackets[hitter.slot()]).ok().filter(|_| is_far) {
            reward.add(CROSSING_REWARD);
            rally.crossings += 1;
        }
    }
}
