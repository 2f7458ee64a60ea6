use std::collections::BTreeMap;

use bevy::app::App;
use bevy_maddpg::{arena::EpisodeEnded, learner::TrainingConfig, policy::ArenaSpec};

use crate::{
    game::{Game, Setup},
    games::control::{self, ControlPlugin, Sight, Task, Yardstick},
    watch::control::ControlScenePlugin,
};

/// One of the [control tasks](control).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// The task.
    pub task: Task,
    /// What the agent observes.
    pub sight: Sight,
    /// Whether the planner plays instead of a policy.
    pub is_planned: bool,
}

impl Control {
    /// A task that a policy plays, which observes numbers.
    pub fn new(task: Task) -> Self {
        Self { task, sight: Sight::Numbers, is_planned: false }
    }
}

impl Game for Control {
    fn name(&self) -> &str {
        self.task.name()
    }

    fn title(&self) -> String {
        self.task.summary().into()
    }

    fn spec(&self) -> ArenaSpec {
        control::spec(self.task, self.sight)
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::from([("task".into(), self.task.name().into())]);
        if self.sight == Sight::Pixels {
            settings.insert("pixels".into(), String::new());
        }
        settings
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        let Self { task, sight, is_planned } = *self;
        app.add_plugins(ControlPlugin { task, sight, is_planned, arenas: setup.arenas, seed: setup.seed });
    }

    fn add_scene(&self, app: &mut App, _: &Setup) {
        app.add_plugins(ControlScenePlugin::new(self.task));
    }

    fn score(&self, episode: &EpisodeEnded) -> f32 {
        control::score(self.task, &episode.returns)
    }

    fn yardstick(&self) -> Option<[f32; 2]> {
        Yardstick::of(self.task).map(|Yardstick { random, planner }| [random.mean, planner.mean])
    }

    fn decision_period(&self) -> u32 {
        // The planner acts at every control step.
        if self.is_planned { 1 } else { self.task.action_repeat() }
    }

    fn arenas(&self) -> usize {
        control::ARENAS
    }

    /// The scores of a policy's episodes are close to each other, and some bodies take long to simulate.
    fn play_off_episodes(&self) -> u32 {
        256
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        control::adapt(config, self.sight);
    }
}
