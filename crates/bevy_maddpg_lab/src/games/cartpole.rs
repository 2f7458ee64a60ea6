//! A cart keeps a pole upright by pushing left or right: one agent that only chooses.
//!
//! The equations are those of [`CartPole-v1`](https://gymnasium.farama.org/environments/classic_control/cart_pole/) of
//! Gymnasium (after Barto, Sutton and Anderson 1983), in the same precision: recorded steps are reproduced to within 1e-12.
//!
//! | | |
//! |---|---|
//! | cart | 1 kg, on a track without friction; it may move 2.4 m to each side |
//! | pole | 0.1 kg, 1 m, turning on the cart under 9.8 m/s²; it may lean 12° to each side |
//! | observation | [`View`]: 4 numbers, one frame: position in m, velocity in m/s, angle in rad (clockwise is positive), angular velocity in rad/s |
//! | action | [`Push`]: the cart is pushed to the left or to the right by 10 N |
//! | reward | 1 for each step, also for the last one |
//! | start | all four numbers uniform in -0.05 to 0.05 |
//! | step | 0.02 s, with one decision per step |
//! | episode | terminates when cart or pole leave their range; truncated after 500 decisions |
//! | score | the return; solved at a mean of 475 over 100 episodes (Gymnasium's threshold) |

mod cart;
mod play;

pub use cart::{CartPole, MAX_ANGLE, MAX_POSITION, STEP_SECONDS};
pub use play::{Cart, Push, View};

use bevy::prelude::*;

use bevy_maddpg::{
    agent::Agent,
    learner::TrainingConfig,
    policy::ArenaSpec,
    rollout::{Observe, Reset},
};

/// Steps per decision.
pub const DECISION_PERIOD: u32 = 1;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 500;

/// Mean score over 100 episodes at which the task counts as solved.
pub const SOLVED: f32 = 475.0;

/// Spawns carts, each with an arena of its own, and runs their rules. Needs
/// [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins) with a decision period of [`DECISION_PERIOD`].
#[derive(Debug, Clone)]
pub struct CartPolePlugin {
    /// Number of carts to spawn. Default: 16.
    pub arenas: usize,
    /// Seed for the random starts. Default: 0.
    pub seed: u64,
}

impl Default for CartPolePlugin {
    fn default() -> Self {
        Self { arenas: 16, seed: 0 }
    }
}

impl Plugin for CartPolePlugin {
    fn build(&self, app: &mut App) {
        let Self { arenas, seed } = *self;
        app.insert_resource(Time::<Fixed>::from_seconds(STEP_SECONDS))
            .add_systems(Startup, move |mut commands: Commands| {
                (0..arenas).for_each(|index| play::spawn(&mut commands, index, seed));
            })
            .add_systems(Observe, play::sense)
            .add_systems(Reset, play::place)
            .add_systems(FixedUpdate, play::drive);
    }
}

/// The agent of a cart's arena.
pub fn spec() -> ArenaSpec {
    ArenaSpec::new(vec![Agent::of::<View, Push>(play::BEHAVIOR).spec()])
}

/// Settings for the cart. A push pays off only when the pole would have fallen, so `gamma` is high. Its choices are drawn, which
/// already explores, so few of them are drawn uniformly, and they are kept from becoming certain. `docs/experiments.md` has the trials.
pub fn adapt(config: &mut TrainingConfig) {
    let learner = &mut config.learner;
    learner.gamma = 0.99;
    learner.updates_per_decision = 0.25;
    learner.choice_entropy = 1e-2;
    learner.logit_penalty = 1e-3;
    config.exploration.scale = [0.02, 0.1];
}

/// The score of an episode: its return.
pub fn score(returns: &[f32]) -> f32 {
    returns[0]
}
