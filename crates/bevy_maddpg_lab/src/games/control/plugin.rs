use bevy::prelude::*;

use super::{Task, play};
use bevy_maddpg::{
    learner::TrainingConfig,
    policy::{AgentSpec, ArenaSpec},
    rollout::{Observe, Reset},
};

/// Arenas that play at once, unless another number is requested.
pub const ARENAS: usize = 16;

/// The score of an episode in which every control step has the reward 1.
pub(super) const FULL_SCORE: f32 = 1000.0;

/// Spawns arenas with one body each and runs their task. Needs [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins) with a decision
/// period of [`Task::action_repeat`].
#[derive(Debug, Clone)]
pub struct ControlPlugin {
    /// The task.
    pub task: Task,
    /// Number of arenas to spawn.
    pub arenas: usize,
    /// Seed for the random starts, and for the plans.
    pub seed: u64,
    /// Whether a planner acts instead of a policy.
    pub is_planned: bool,
}

impl Plugin for ControlPlugin {
    fn build(&self, app: &mut App) {
        let Self { task, arenas, seed, is_planned } = *self;
        app.insert_resource(Time::<Fixed>::from_seconds(task.control_seconds()))
            .add_systems(Startup, move |mut commands: Commands| {
                (0..arenas).for_each(|index| play::spawn(&mut commands, task, index, seed, is_planned));
            })
            .add_systems(Observe, play::sense)
            .add_systems(Reset, play::place)
            .add_systems(FixedUpdate, (play::simulate, play::measure).chain());
        if is_planned {
            app.add_systems(Observe, play::plan);
        }
    }
}

/// The agent of a task's arena.
pub fn spec(task: Task) -> ArenaSpec {
    ArenaSpec::new(vec![AgentSpec::new(task.name(), task.observation_size(), task.action_size())])
}

/// The score of an episode: the mean reward of its control steps times 1,000, as in the DeepMind Control Suite. Steps that an early
/// end cut off count as 0.
pub fn score(task: Task, returns: &[f32]) -> f32 {
    FULL_SCORE * returns[0] / task.control_steps() as f32
}

/// Settings for all twenty tasks. `docs/experiments.md` has the trials.
pub fn adapt(config: &mut TrainingConfig) {
    let learner = &mut config.learner;
    learner.actor_hidden = vec![128, 128];
    learner.critic_hidden = vec![128, 128];
    learner.gamma = 0.99;
    learner.n_step = 3;
    learner.tau = 0.02;
    learner.actor_learning_rate = 5e-4;
    learner.critic_learning_rate = 1e-3;
    learner.action_penalty = 1e-3;
    learner.updates_per_decision = 0.125;
    learner.max_updates_per_decision = 1.0;
    config.exploration.scale = [0.05, 0.6];
}
