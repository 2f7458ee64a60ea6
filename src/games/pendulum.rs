//! The classic swing-up of a pendulum: one agent, one torque that is too weak to lift it in one go.
//!
//! The equations are those of [`Pendulum-v1`](https://gymnasium.farama.org/environments/classic_control/pendulum/) of
//! OpenAI Gym and Gymnasium, in its precision: recorded steps replay within 1e-12.
//!
//! | | |
//! |---|---|
//! | pendulum | a uniform rod of 1 kg and 1 m under 10 m/s², turning about its end; its speed is held within 8 rad/s |
//! | angle | 0 is upright, counterclockwise is positive; rad |
//! | observation | 3 numbers, one frame: cosine and sine of the angle, speed in rad/s |
//! | action | 1 number, the torque: 2 N m at full, counterclockwise if positive |
//! | reward | -(angle² + 0.1 speed² + 0.001 torque²), of the state before the step; the angle in -π to π |
//! | start | angle uniform in -π to π, speed uniform in -1 to 1 rad/s |
//! | step | 0.05 s, each a decision |
//! | episode | never ends by itself, truncated after 200 decisions |
//! | score | the return: about -1,200 without a torque or with a random one; solved at a mean of -150 over 100 episodes, Gymnasium sets no bar |
//! | `upright` | a [measure](crate::arena::Measures): share of the episode's steps after which the angle is within 0.2 rad of upright |

mod play;
mod swing;

pub use play::{PendulumArena, spawn};
pub use swing::{MAX_SPEED, MAX_TORQUE, Pendulum, STEP_SECONDS};

use bevy::{
    ecs::{intern::Interned, schedule::ScheduleLabel},
    prelude::*,
};

use crate::{
    policy::{AgentSpec, ArenaSpec},
    rollout::{AgentSystems, Observe, Reset},
};

/// Ticks of one decision.
pub const DECISION_PERIOD: u32 = 1;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 200;

/// Mean score over 100 episodes at which the task counts as solved.
pub const SOLVED: f32 = -150.0;

/// Angle from upright, in rad, below which a pendulum counts as upright.
pub const UPRIGHT: f64 = 0.2;

/// Spawns arenas with a pendulum each and runs their rules. Needs
/// [`MaddpgPlugins`](crate::plugin::MaddpgPlugins) with [`DECISION_PERIOD`].
#[derive(Debug, Clone)]
pub struct PendulumPlugin {
    /// Arenas to spawn. Default: 64.
    pub arenas: usize,
    /// Seed of the starts. Default: 0.
    pub seed: u64,
    /// The schedule that the rollout runs in. Default: [`FixedUpdate`].
    pub schedule: Interned<dyn ScheduleLabel>,
}

impl Default for PendulumPlugin {
    fn default() -> Self {
        Self { arenas: 64, seed: 0, schedule: FixedUpdate.intern() }
    }
}

impl Plugin for PendulumPlugin {
    fn build(&self, app: &mut App) {
        let Self { arenas, seed, schedule } = *self;
        app.insert_resource(Time::<Fixed>::from_seconds(STEP_SECONDS))
            .add_systems(Startup, move |mut commands: Commands| {
                for index in 0..arenas {
                    play::spawn(&mut commands, index, seed);
                }
            })
            .add_systems(Observe, play::sense)
            .add_systems(Reset, play::place)
            .add_systems(
                schedule,
                (
                    play::act.in_set(AgentSystems::Act),
                    play::simulate.in_set(AgentSystems::Simulate),
                    (play::reward, play::measure).in_set(AgentSystems::Reward),
                ),
            );
    }
}

/// The agent of a pendulum's arena.
pub fn spec() -> ArenaSpec {
    let agent = AgentSpec {
        behavior: play::BEHAVIOR.into(),
        observation_size: play::OBSERVATION_SIZE,
        action_size: play::ACTION_SIZE,
    };
    ArenaSpec { slots: vec![agent] }
}

/// Settings that suit it: what a swing is worth shows after five seconds, full torque is right where it swings, and one
/// arena's decisions are dear. What acts rests where many actors rest on average. `docs/experiments.md` has the trials.
#[cfg(feature = "learner")]
pub fn adapt(config: &mut crate::learner::TrainingConfig) {
    let learner = &mut config.learner;
    learner.gamma = 0.99;
    learner.tau = 0.03;
    learner.action_penalty = 0.0;
    learner.policy_average = 0.001;
    learner.updates_per_decision = 3.0;
    learner.max_updates_per_decision = 3.0;
    config.exploration.scale = [0.1, 1.0];
}

/// The score of an episode with this return: the return.
pub fn score(returns: &[f32]) -> f32 {
    returns[0]
}
