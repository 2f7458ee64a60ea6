use bevy::prelude::*;

use super::{Camera, Task, play};
use bevy_maddpg::{
    agent::Agent,
    learner::TrainingConfig,
    policy::ArenaSpec,
    rollout::{Observe, Reset, agents_decide},
};

/// Arenas that play at once, unless another number is requested.
pub const ARENAS: usize = 16;

/// The score of an episode in which every control step has the reward 1.
pub(super) const FULL_SCORE: f32 = 1000.0;

/// Spawns arenas with one body each and runs their task. Needs [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins) with a decision
/// period of [`Task::action_repeat`], or 1 for a planner.
#[derive(Debug, Clone)]
pub struct ControlPlugin {
    /// The task.
    pub task: Task,
    /// Number of arenas to spawn.
    pub arenas: usize,
    /// Seed for the random starts, and for the plans.
    pub seed: u64,
    /// What the agents observe.
    pub sight: Sight,
    /// Whether a planner acts instead of a policy.
    pub is_planned: bool,
}

/// What the agents observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sight {
    /// Positions and speeds.
    #[default]
    Numbers,
    /// Pictures of the body.
    Pixels,
}

impl Sight {
    /// The agent of a task's arena.
    ///
    /// # Panics
    /// If it should see pictures of a task that has [none](Camera::of).
    pub(super) fn agent(self, task: Task) -> Agent {
        match self {
            Self::Numbers => Agent::new(task.name(), task.observation_size(), task.action_size()),
            Self::Pixels => {
                let image = Camera::of(task).expect("the task has pictures").image();
                Agent::new(task.name(), image.frame_size(), task.action_size())
                    .with_image(image)
                    .with_frames(FRAMES)
            }
        }
    }
}

/// Pictures that an agent sees at once.
pub const FRAMES: usize = 3;

impl Plugin for ControlPlugin {
    fn build(&self, app: &mut App) {
        let plugin = self.clone();
        app.insert_resource(Time::<Fixed>::from_seconds(self.task.control_seconds()))
            .add_systems(Startup, move |mut commands: Commands| {
                (0..plugin.arenas).for_each(|index| play::spawn(&mut commands, index, &plugin));
            })
            .add_systems(Observe, play::sense)
            .add_systems(Reset, play::place)
            .add_systems(FixedUpdate, (play::simulate, play::measure).chain());
        if self.is_planned {
            app.add_systems(Observe, play::plan.run_if(agents_decide));
        }
    }
}

/// The agent of a task's arena.
pub fn spec(task: Task, sight: Sight) -> ArenaSpec {
    ArenaSpec::new(vec![sight.agent(task).spec()])
}

/// The score of an episode: the mean reward of its control steps times 1,000, as in the DeepMind Control Suite. Steps that an early
/// end cut off count as 0.
pub fn score(task: Task, returns: &[f32]) -> f32 {
    FULL_SCORE * returns[0] / task.control_steps() as f32
}

/// Settings for all twenty tasks. `docs/experiments.md` has the trials.
pub fn adapt(config: &mut TrainingConfig, sight: Sight) {
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
    if sight == Sight::Pixels {
        // Each critic has convolutions of its own, so a second one would cost as much as half of the learning.
        learner.twin_critics = false;
        learner.critic_layer_norm = true;
        learner.image_shift = 2;
        learner.batch_size = 64;
        learner.convolutions = [[16, 4, 2], [16, 3, 2], [16, 3, 2]].map(Into::into).to_vec();
        learner.replay_capacity = 100_000;
        learner.updates_per_decision = 0.25;
    }
}
