use bevy::app::App;
use bevy_maddpg::{learner::TrainingConfig, policy::ArenaSpec};

use crate::{
    game::{Game, Setup},
    games::tennis::{self, TennisPlugin},
    watch::tennis::TennisScenePlugin,
};

/// [Tennis](tennis): two rackets keep a ball in the air.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tennis;

impl Game for Tennis {
    fn name(&self) -> &str {
        "tennis"
    }

    fn title(&self) -> String {
        "Tennis: two agents learn to rally".into()
    }

    fn spec(&self) -> ArenaSpec {
        tennis::spec()
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(TennisPlugin { arenas: setup.arenas, seed: setup.seed });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(TennisScenePlugin { human: setup.human, ..Default::default() });
    }

    fn score(&self, returns: &[f32]) -> f32 {
        tennis::score(returns)
    }

    fn solved(&self) -> Option<f32> {
        Some(tennis::SOLVED)
    }

    fn decision_period(&self) -> u32 {
        tennis::DECISION_PERIOD
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        tennis::adapt(config);
    }

    fn sides(&self) -> Vec<String> {
        vec!["left".into(), "right".into()]
    }
}
