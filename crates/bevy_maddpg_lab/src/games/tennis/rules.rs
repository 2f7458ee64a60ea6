use bevy::prelude::*;
use bevy_rapier3d::prelude::*;

use super::court::{Ball, Court, CourtPart, Side, dimensions};
use bevy_maddpg::{agent::Reward, arena::Episode};

/// Reward of the last hitter when the ball has passed over the net.
const CROSSING_REWARD: f32 = 0.1;
/// Reward of the side at fault.
const FAULT_REWARD: f32 = -0.01;
/// The ball's velocity along x and along y is clamped to plus or minus this, m/s.
const BALL_SPEED: f32 = 9.0;

/// The state of an arena's rally.
#[derive(Component, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rally {
    /// Who hit the ball last; `None` at the serve.
    pub last_hitter: Option<Side>,
    /// Whether the ball touches the plane above the net.
    pub over_net: bool,
    /// Rewarded crossings of the net in this episode.
    pub crossings: u32,
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
    for contact in contacts.read() {
        let CollisionEvent::Started(a, b, _) = *contact else {
            continue;
        };
        let (ball, other) = match (balls.get(a), balls.get(b)) {
            (Ok(ball), _) => (ball, b),
            (_, Ok(ball)) => (ball, a),
            _ => continue,
        };
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
    balls: Query<&Transform, With<Ball>>,
    mut rewards: Query<&mut Reward>,
) {
    for (court, mut rally, episode) in &mut courts {
        let Ok(ball) = balls.get(court.ball) else { continue };
        let position = ball.translation;
        let height = dimensions::NET - dimensions::BALL_RADIUS..=dimensions::OVER + dimensions::BALL_RADIUS;
        let touches = position.x.abs() <= dimensions::BALL_RADIUS && height.contains(&position.y);
        let left = rally.over_net && !touches;
        if touches != rally.over_net {
            rally.over_net = touches;
        }
        let Some(hitter) = rally.last_hitter.filter(|_| left && episode.is_running()) else {
            continue;
        };
        let is_far = position.x * hitter.mirror() > dimensions::BALL_RADIUS;
        if let Some(mut reward) = rewards.get_mut(court.rackets[hitter.slot()]).ok().filter(|_| is_far) {
            reward.add(CROSSING_REWARD);
            rally.crossings += 1;
        }
    }
}
