//! Tennis: two rackets keep a ball in the air over a net. Rule set `rally`.
//!
//! The task known from Unity ML-Agents and the "Collaboration and Competition" exercise: the same specification, with
//! rapier for the physics. All motion is in the x-y plane, and the net stands at x = 0. Slot 0 plays at x < 0, slot 1
//! at x > 0. The observations and actions of slot 1 are mirrored, so that one policy can play both sides.
//!
//! | | |
//! |---|---|
//! | observation | 8 numbers per frame, 3 frames: racket x, y, vx, vy, ball x, y, vx, vy; in m and m/s |
//! | action | 2 numbers: move toward the net (1) or away from it (-1), 30 m/s at full action; jump if above 0.5 |
//! | reward | +0.1 for the last hitter when the ball has passed over the net; -0.01 for the side at fault |
//! | fault | the ball touches the floor (fault of the side that owns that half), a wall or the net (fault of the last hitter) |
//! | episode | ends at a fault; truncated after 1,000 decisions of 5 steps of 0.02 s |
//! | score | the larger of the two undiscounted returns; solved at a mean of 0.5 over 100 episodes, ceiling 2.6 to 2.7 |
//!
//! The original observes the racket's velocity where the ball's was intended; here it is the ball's.

mod court;
mod play;
mod rules;

pub use court::{Ball, Court, CourtPart, Side, dimensions};
pub use rules::Rally;

use bevy::prelude::*;
use bevy_rapier3d::{plugin::systems, prelude::PhysicsSet};

use bevy_maddpg::{
    learner::TrainingConfig,
    policy::{AgentSpec, ArenaSpec},
    rollout::{Observe, Reset},
};

/// Seconds per step.
pub const STEP_SECONDS: f64 = 0.02;

/// Steps per decision.
pub const DECISION_PERIOD: u32 = 5;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 1_000;

/// Mean score over 100 episodes at which the task counts as solved.
pub const SOLVED: f32 = 0.5;

/// Number of recent frames in an agent's observation.
pub const FRAMES: usize = 3;

/// Spawns tennis arenas and runs their rules. Needs [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins). Adds rapier
/// with only the systems that tennis needs; they support rigid bodies with colliders on the same entity.
#[derive(Debug, Clone)]
pub struct TennisPlugin {
    /// Number of arenas to spawn, one behind the other along z. Default: 64.
    pub arenas: usize,
    /// Seed for the random positions at reset. Default: 0.
    pub seed: u64,
}

impl Default for TennisPlugin {
    fn default() -> Self {
        Self { arenas: 64, seed: 0 }
    }
}

impl Plugin for TennisPlugin {
    fn build(&self, app: &mut App) {
        let plugin = self.clone();
        super::rapier::add(app, STEP_SECONDS);
        app.add_systems(
            FixedUpdate,
            court::tilt_rackets.in_set(PhysicsSet::SyncBackend).after(systems::apply_rigid_body_user_changes),
        )
        .add_systems(Startup, move |mut commands: Commands| {
            court::spawn(&mut commands, plugin.arenas, plugin.seed);
        })
        .add_systems(Observe, play::sense)
        .add_systems(Reset, play::serve)
        .add_systems(
            FixedUpdate,
            (
                play::move_rackets.before(PhysicsSet::SyncBackend),
                (rules::clamp_ball, rules::judge_contacts, rules::judge_crossings)
                    .chain()
                    .after(PhysicsSet::Writeback),
            ),
        );
    }
}

/// The agents of a tennis arena.
pub fn spec() -> ArenaSpec {
    let player = AgentSpec::new("player", play::OBSERVATION_SIZE * FRAMES, play::ACTION_SIZE);
    ArenaSpec::new(vec![player.clone(), player])
}

/// Lowers the critics' learning rate for tennis: with slower critics, the acting policy plays perfectly more of the
/// time. `docs/experiments.md` has the trials.
pub fn adapt(config: &mut TrainingConfig) {
    config.learner.critic_learning_rate = 1e-3;
}

/// The score of an episode: the larger of the two returns.
pub fn score(returns: &[f32]) -> f32 {
    returns.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
