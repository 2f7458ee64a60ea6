use bevy::prelude::*;
use bevy_rapier3d::prelude::*;

use super::{
    Ball, DECISION_PERIOD, Field, Player, STEP_SECONDS, TIME_LIMIT, Team,
    dimensions::{BALL_RADIUS, GOAL_HALF_WIDTH, HALF_LENGTH},
};
use crate::games::results::{self, Standing};
use bevy_maddpg::{
    agent::{Action, Reward},
    arena::{Arena, Episode, Measures},
    self_play::GameEnded,
};

/// What a kick adds to the speed of the ball at full action, m/s: 2,000 N for one step on 3 kg.
const KICK: f32 = 2_000.0 * STEP_SECONDS as f32 / 3.0;

/// Steps after which an episode is truncated.
const STEPS: f32 = (TIME_LIMIT * DECISION_PERIOD) as f32;

/// A player that moves forward kicks the ball when it touches it.
pub(super) fn kick(
    mut contacts: MessageReader<CollisionEvent>,
    balls: Query<&Ball>,
    players: Query<(&Player, &Action)>,
    mut bodies: Query<(&Transform, &mut Velocity)>,
) {
    for contact in contacts.read() {
        let CollisionEvent::Started(a, b, _) = *contact else { continue };
        let (ball, other) = if balls.contains(a) { (a, b) } else { (b, a) };
        let Ok((_, action)) = players.get(other) else { continue };
        let Ok([(from, _), (to, mut velocity)]) = bodies.get_many_mut([other, ball]) else { continue };
        let way = (to.translation - from.translation).with_y(0.0).normalize_or_zero();
        let speed = KICK * action[0].max(0.0);
        if speed > 0.0 {
            velocity.linear += speed * way;
        }
    }
}

/// Counts the steps, rewards goals and ends their episodes.
pub(super) fn judge(
    mut fields: Query<(Entity, &Arena, &mut Field, &mut Episode, &mut Measures)>,
    balls: Query<&Transform, With<Ball>>,
    mut rewards: Query<&mut Reward>,
    mut games: MessageWriter<GameEnded>,
) {
    for (entity, arena, mut field, mut episode, mut measures) in &mut fields {
        let Ok(ball) = balls.get(field.ball) else { continue };
        if !episode.is_running() {
            continue;
        }
        // After the time limit, the game is a draw; its episode ends with the decision.
        let limit = arena.time_limit.map(|limit| limit * DECISION_PERIOD);
        if limit.is_some_and(|limit| field.steps >= limit) {
            continue;
        }
        field.steps += 1;
        let scorer = scorer(ball.translation.xz() - field.center);
        if let Some(scorer) = scorer {
            for (slot, player) in field.players.iter().enumerate() {
                let is_scorer = Team::of_slots()[slot] == scorer;
                if let Ok(mut reward) = rewards.get_mut(*player) {
                    reward.add(if is_scorer { 1.0 - field.steps as f32 / STEPS } else { -1.0 });
                }
            }
            episode.terminate();
        }
        if scorer.is_some() || limit == Some(field.steps) {
            games.write(GameEnded { arena: entity, winner: scorer.map(|team| team.name().into()) });
        }
        let seconds = field.steps as f32 * STEP_SECONDS as f32;
        results::record(&mut measures, Standing::of(scorer, field.home), seconds);
    }
}

/// The team that scores with the ball here: it touches the inside of a goal.
fn scorer(ball: Vec2) -> Option<Team> {
    let is_goal = ball.x.abs() + BALL_RADIUS >= HALF_LENGTH && ball.y.abs() <= GOAL_HALF_WIDTH;
    is_goal.then_some(if ball.x > 0.0 { Team::Blue } else { Team::Purple })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_counts_when_the_ball_touches_it() {
        assert_eq!(scorer(Vec2::new(14.8, 0.0)), None);
        assert_eq!(scorer(Vec2::new(14.9, 4.0)), Some(Team::Blue));
        assert_eq!(scorer(Vec2::new(-14.9, -4.0)), Some(Team::Purple));
        assert_eq!(scorer(Vec2::new(14.9, 4.3)), None, "beside the goal");
    }
}
