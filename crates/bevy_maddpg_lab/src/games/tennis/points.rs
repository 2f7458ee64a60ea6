//! The rules `match`: two sides play for points.

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use rand::RngExt;

use super::{
    DECISION_PERIOD, STEP_SECONDS, TIME_LIMIT,
    court::{Ball, Court, CourtPart, Side},
    rules::{Rally, ball_contact},
};
use crate::games::results::{self, Standing};
use bevy_maddpg::{
    agent::Reward,
    arena::{Episode, Measures},
    rollout::Exploration,
    self_play::GameEnded,
};

/// Who has won the point of an arena, and how long it has taken. A component of the arena.
#[derive(Component, Debug, Clone, Copy, Default)]
pub(super) struct Point {
    winner: Option<Side>,
    steps: u32,
}

/// What is measured of a point.
pub(super) fn measures() -> (Point, Measures) {
    (Point::default(), results::measures())
}

/// The share of the points that begin in the middle of a rally in training.
#[derive(Resource, Debug, Clone, Copy)]
pub(super) struct InPlay(pub(super) f32);

/// How far the racket of the side that has just hit the ball is behind the ball, at least, in meters. They do not touch.
const BEHIND: f32 = 1.0;

/// Begins the next point: after the serve has been placed, sometimes places players and ball as in the middle of a rally.
pub(super) fn begin(
    in_play: Res<InPlay>,
    exploration: Res<Exploration>,
    mut courts: Query<(&mut Court, &mut Rally, &mut Point, &Episode)>,
    mut bodies: Query<(&mut Transform, &mut Velocity)>,
) {
    for (mut court, mut rally, mut point, episode) in &mut courts {
        if !episode.needs_reset() {
            continue;
        }
        *point = Point::default();
        if !exploration.enabled || in_play.0 == 0.0 || court.random.random::<f32>() >= in_play.0 {
            continue;
        }
        let Court { ball, rackets, random, .. } = &mut *court;
        let mut put = |entity: Entity, position: [f32; 2], velocity: [f32; 2]| {
            if let Ok((mut transform, mut own)) = bodies.get_mut(entity) {
                (transform.translation.x, transform.translation.y) = (position[0], position[1]);
                own.linear = Vec3::new(velocity[0], velocity[1], 0.0);
            }
        };
        let hitter = Side::BOTH[usize::from(random.random::<bool>())];
        let toward = hitter.mirror();
        let distance = random.random_range(1.0..9.0);
        let velocity = [toward * random.random_range(3.0..9.0), random.random_range(0.0..9.0)];
        put(*ball, [-toward * distance, random.random_range(-4.0..2.0)], velocity);
        for side in Side::BOTH {
            // The hitter is behind the ball.
            let nearest = if side == hitter { (distance + BEHIND).max(2.0) } else { 2.0 };
            let position =
                [-side.mirror() * random.random_range(nearest..11.0), random.random_range(-6.0..0.0)];
            put(rackets[side.slot()], position, [0.0; 2]);
        }
        rally.last_hitter = Some(hitter);
    }
}

/// Judges what the balls touch.
pub(super) fn judge_contacts(
    mut contacts: MessageReader<CollisionEvent>,
    balls: Query<&Ball>,
    parts: Query<&CourtPart>,
    sides: Query<&Side>,
    mut courts: Query<(&mut Rally, &mut Point, &Episode)>,
) {
    for (ball, other) in contacts.read().filter_map(|contact| ball_contact(contact, &balls)) {
        let Ok((mut rally, mut point, episode)) = courts.get_mut(ball.court) else { continue };
        if !episode.is_running() || point.winner.is_some() {
            continue;
        }
        let loser = match (sides.get(other), parts.get(other)) {
            (Ok(side), _) => rally.hit_by(*side),
            (_, Ok(part)) => rally.touched(*part),
            _ => None,
        };
        point.winner = loser.map(Side::other);
    }
}

impl Rally {
    /// A side hits the ball. Returns who loses the point by it.
    fn hit_by(&mut self, side: Side) -> Option<Side> {
        if self.last_hitter == Some(side) {
            return Some(side);
        }
        (self.last_hitter, self.bounced, self.crossed) = (Some(side), None, false);
        None
    }

    /// The ball touches a part of the court. Returns who loses the point by it.
    fn touched(&mut self, part: CourtPart) -> Option<Side> {
        let is_out =
            |side: Side| self.last_hitter.is_none_or(|hitter| hitter == side) || self.bounced == Some(side);
        match part {
            CourtPart::Floor(side) if is_out(side) => Some(side),
            CourtPart::Floor(side) => {
                self.bounced = Some(side);
                None
            }
            CourtPart::Wall(side) if is_out(side) => Some(side),
            CourtPart::Wall(side) => Some(side.other()),
            CourtPart::Net => self.last_hitter.filter(|_| !self.crossed),
        }
    }
}

/// Notes when the ball has passed the net since it was hit.
pub(super) fn judge_crossings(mut courts: Query<(&Court, &mut Rally)>, balls: Query<&Transform, With<Ball>>) {
    for (court, mut rally) in &mut courts {
        let (Some(hitter), false) = (rally.last_hitter, rally.crossed) else { continue };
        if balls.get(court.ball).is_ok_and(|ball| ball.translation.x * hitter.mirror() > 0.0) {
            rally.crossed = true;
            rally.crossings += 1;
        }
    }
}

/// Rewards points and ends their episodes.
pub(super) fn end(
    mut courts: Query<(Entity, &Court, &mut Point, &mut Episode, &mut Measures)>,
    mut rewards: Query<&mut Reward>,
    mut games: MessageWriter<GameEnded>,
) {
    for (arena, court, mut point, mut episode, mut measures) in &mut courts {
        // After the time limit, the point is a draw; its episode ends with the decision.
        if !episode.is_running() || point.steps >= TIME_LIMIT * DECISION_PERIOD {
            continue;
        }
        point.steps += 1;
        let Point { winner, steps } = *point;
        let seconds = steps as f32 * STEP_SECONDS as f32;
        results::record(&mut measures, Standing::of(winner, court.home), seconds);
        if let Some(winner) = winner {
            for (side, reward) in [(winner, 1.0), (winner.other(), -1.0)] {
                if let Ok(mut own) = rewards.get_mut(court.rackets[side.slot()]) {
                    own.add(reward);
                }
            }
            episode.terminate();
        }
        if winner.is_some() || steps == TIME_LIMIT * DECISION_PERIOD {
            games.write(GameEnded { arena, winner: winner.map(|side| side.name().into()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CourtPart::{Floor, Net, Wall};
    use Side::{Left, Right};

    /// A rally in which these sides have hit the ball over the net in turn.
    fn after(hits: &[Side]) -> Rally {
        let mut rally = Rally::default();
        for side in hits {
            assert_eq!(rally.hit_by(*side), None);
            rally.crossed = true;
        }
        rally
    }

    #[test]
    fn who_lets_the_ball_bounce_twice_or_fails_to_serve_loses() {
        assert_eq!(after(&[]).touched(Floor(Left)), Some(Left), "nobody served");
        let mut rally = after(&[Left]);
        assert_eq!(rally.touched(Floor(Right)), None, "the first bounce");
        assert_eq!(rally.touched(Floor(Right)), Some(Right), "the second bounce");
        let mut rally = after(&[Left]);
        rally.touched(Floor(Right));
        assert_eq!(rally.hit_by(Right), None, "returned after the bounce");
        assert_eq!(rally.touched(Floor(Left)), None, "which does not count any more");
        assert_eq!(after(&[Left]).touched(Floor(Left)), Some(Left), "into the own half");
    }

    #[test]
    fn a_ball_hit_too_long_loses_and_one_that_had_bounced_wins() {
        assert_eq!(after(&[Left]).touched(Wall(Right)), Some(Left), "too long");
        assert_eq!(after(&[Right, Left]).touched(Wall(Left)), Some(Left), "against the own wall");
        let mut rally = after(&[Left]);
        rally.touched(Floor(Right));
        assert_eq!(rally.touched(Wall(Right)), Some(Right), "it had bounced");
    }

    #[test]
    fn hitting_twice_and_hitting_the_net_lose() {
        assert_eq!(after(&[Left]).hit_by(Left), Some(Left));
        let mut rally = after(&[Right, Left]);
        assert_eq!(rally.touched(Net), None, "the ball had crossed");
        rally.crossed = false;
        assert_eq!(rally.touched(Net), Some(Left));
        assert_eq!(after(&[]).touched(Net), None);
    }
}
