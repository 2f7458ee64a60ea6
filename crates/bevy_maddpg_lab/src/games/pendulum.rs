//! The classic pendulum swing-up: one agent applies a torque that is too weak to lift the pendulum in one go.
//!
//! The equations are those of [`Pendulum-v1`](https://gymnasium.farama.org/environments/classic_control/pendulum/) of
//! OpenAI Gym and Gymnasium, in the same precision: recorded steps are reproduced to within 1e-12.
//!
//! | | |
//! |---|---|
//! | pendulum | a uniform rod of 1 kg and 1 m under 10 m/s², turning about its end; its speed is clamped to plus or minus 8 rad/s |
//! | angle | 0 is upright, counterclockwise is positive; rad |
//! | observation | 3 numbers, one frame: cosine and sine of the angle, speed in rad/s |
//! | action | 1 number, the torque: 2 N m at full action, counterclockwise if positive |
//! | reward | -(angle² + 0.1 speed² + 0.001 torque²), for the state before the step, with the angle in -π to π |
//! | start | angle uniform in -π to π, speed uniform in -1 to 1 rad/s |
//! | step | 0.05 s, with one decision per step |
//! | episode | never terminates; truncated after 200 decisions |
//! | score | the return: about -1,200 without a torque or with a random one; solved at a mean of -150 over 100 episodes (Gymnasium sets no threshold) |
//! | `upright` | a [measure](bevy_maddpg::arena::Measures): the share of the episode's steps after which the angle is within 0.2 rad of upright |

mod play;
mod swing;

pub use play::{PendulumArena, spawn};
pub use swing::{MAX_SPEED, MAX_TORQUE, Pendulum, STEP_SECONDS};

use bevy::prelude::*;

use bevy_maddpg::{
    learner::TrainingConfig,
    policy::{AgentSpec, ArenaSpec},
    rollout::{Observe, Reset},
};

/// Steps per decision.
pub const DECISION_PERIOD: u32 = 1;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 200;

/// Mean score over 100 episodes at which the task counts as solved.
pub const SOLVED: f32 = -150.0;

/// A pendulum counts as upright within this angle, rad.
pub const UPRIGHT: f64 = 0.2;

/// Spawns arenas with one pendulum each and runs their rules. Needs
/// [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins) with a decision period of [`DECISION_PERIOD`].
#[derive(Debug, Clone)]
pub struct PendulumPlugin {
    /// Number of arenas to spawn. Default: 64.
    pub arenas: usize,
    /// Seed for the random starts. Default: 0.
    pub seed: u64,
}

impl Default for PendulumPlugin {
    fn default() -> Self {
        Self { arenas: 64, seed: 0 }
    }
}

impl Plugin for PendulumPlugin {
    fn build(&self, app: &mut App) {
        let Self { arenas, seed } = *self;
        app.insert_resource(Time::<Fixed>::from_seconds(STEP_SECONDS))
            .add_systems(Startup, move |mut commands: Commands| {
                for index in 0..arenas {
                    play::spawn(&mut commands, index, seed);
                }
            })
            .add_systems(Observe, play::sense)
            .add_systems(Reset, play::place)
            .add_systems(FixedUpdate, (play::act, play::simulate, (play::reward, play::measure)).chain());
    }
}

/// The agent of a pendulum's arena.
pub fn spec() -> ArenaSpec {
    let agent = AgentSpec::new(play::BEHAVIOR, play::OBSERVATION_SIZE, play::ACTION_SIZE);
    ArenaSpec::new(vec![agent])
}

/// Settings for the pendulum. A swing pays off only after five seconds, so `gamma` is high. Full torque is right while
/// swinging, so large actions are not penalized. Decisions are expensive, so each gets more updates. A long average of
/// the actor steadies the point where the pendulum comes to rest. `docs/experiments.md` has the trials.
pub fn adapt(config: &mut TrainingConfig) {
    let learner = &mut config.learner;
    learner.gamma = 0.99;
    learner.tau = 0.03;
    learner.action_penalty = 0.0;
    learner.policy_average = 0.001;
    learner.updates_per_decision = 3.0;
    learner.max_updates_per_decision = 3.0;
    config.exploration.scale = [0.1, 1.0];
}

/// The score of an episode: its return.
pub fn score(returns: &[f32]) -> f32 {
    returns[0]
}
