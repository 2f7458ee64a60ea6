use bevy::app::App;
use bevy_maddpg::{arena::EpisodeEnded, learner::TrainingConfig, policy::ArenaSpec};

use crate::{
    game::{Game, Setup},
    games::pendulum::{self, PendulumPlugin},
    watch::pendulum::PendulumScenePlugin,
};

/// The [pendulum](pendulum): one agent swings it up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pendulum;

impl Game for Pendulum {
    fn name(&self) -> &str {
        "pendulum"
    }

    fn title(&self) -> String {
        "A pendulum learns to stand".into()
    }

    fn spec(&self) -> ArenaSpec {
        pendulum::spec()
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(PendulumPlugin { arenas: setup.arenas, seed: setup.seed });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(PendulumScenePlugin { human: setup.human.is_some(), ..Default::default() });
    }

    fn score(&self, episode: &EpisodeEnded) -> f32 {
        pendulum::score(&episode.returns)
    }

    fn solved(&self) -> Option<f32> {
        Some(pendulum::SOLVED)
    }

    fn decision_period(&self) -> u32 {
        pendulum::DECISION_PERIOD
    }

    fn arenas(&self) -> usize {
        8
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        pendulum::adapt(config);
    }

    fn sides(&self) -> Vec<String> {
        vec!["pendulum".into()]
    }
}
