use bevy::prelude::*;
use bevy_rapier3d::prelude::Velocity;

use super::{Field, Player, Team, dimensions::HALF_LENGTH, play, view::THEIR_GOAL};
use bevy_maddpg::{agent::Reward, arena::Episode, rollout::RolloutClock};

/// Rewards for getting closer to a goal, in addition to those for goals, which are rare at first. They are differences of
/// potentials, so that no detour pays (Ng et al. 1999), and fall to 0 while agents learn.
#[derive(Resource, Debug, Clone, Copy, PartialEq)]
pub struct Shaping {
    /// The reward of a player that comes 15.5 m nearer to the ball.
    pub approach: f32,
    /// The reward of a team if the ball comes 31 m nearer to their goal than to its own.
    pub progress: f32,
    /// Joint decisions over which both fall to 0.
    pub decisions: u64,
}

impl Default for Shaping {
    fn default() -> Self {
        Self { approach: 0.3, progress: 0.5, decisions: 2_000_000 }
    }
}

impl Shaping {
    /// Only goals are rewarded.
    pub const NONE: Self = Self { approach: 0.0, progress: 0.0, decisions: 1 };

    /// The same with rewards that are `factor` times as large.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        Self { approach: factor * self.approach, progress: factor * self.progress, ..self }
    }

    /// The part that is left after this many joint decisions.
    fn share(&self, decisions: u64) -> f32 {
        (1.0 - decisions as f32 / self.decisions.max(1) as f32).max(0.0)
    }
}

/// The potentials at the last step, by slot. A component of the entity with the [`Field`].
#[derive(Component, Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Progress(Option<[[f32; 2]; 4]>);

/// Adds the rewards for the last step.
pub(super) fn shape(
    shaping: Res<Shaping>,
    clock: Res<RolloutClock>,
    mut fields: Query<(&Field, &mut Progress, &Episode)>,
    bodies: Query<(&Transform, &Velocity)>,
    players: Query<&Player>,
    mut rewards: Query<&mut Reward>,
) {
    let share = shaping.share(clock.decisions);
    if share <= 0.0 {
        return;
    }
    for (field, mut progress, episode) in &mut fields {
        let Some(scene) = play::scene(field, &bodies, &players).filter(|_| episode.is_running()) else {
            continue;
        };
        let now = std::array::from_fn(|slot| {
            let scene = scene.seen_by(Team::of_slots()[slot]);
            let ball = scene.ball.position;
            let approach = -scene.players[slot % 2].position.distance(ball) / HALF_LENGTH;
            let progress = (ball.distance(-THEIR_GOAL) - ball.distance(THEIR_GOAL)) / (2.0 * HALF_LENGTH);
            [approach, progress]
        });
        if let Some(before) = progress.0 {
            for (slot, player) in field.players.iter().enumerate() {
                let [approach, ball] = [0, 1].map(|kind| now[slot][kind] - before[slot][kind]);
                if let Ok(mut reward) = rewards.get_mut(*player) {
                    reward.add(share * (shaping.approach * approach + shaping.progress * ball));
                }
            }
        }
        progress.0 = Some(now);
    }
}
