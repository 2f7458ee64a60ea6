use bevy::app::App;
use bevy_maddpg::{arena::EpisodeEnded, learner::TrainingConfig, policy::ArenaSpec};

use crate::{
    game::{Game, Setup},
    games::cartpole::{self, CartPolePlugin},
    watch::cartpole::CartPoleScenePlugin,
};

/// The [cart and pole](cartpole): one agent pushes the cart left or right.
#[derive(Debug, Clone, Copy, Default)]
pub struct CartPole;

impl Game for CartPole {
    fn name(&self) -> &str {
        "cartpole"
    }

    fn title(&self) -> String {
        "A cart learns to keep its pole up".into()
    }

    fn spec(&self) -> ArenaSpec {
        cartpole::spec()
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(CartPolePlugin { arenas: setup.arenas, seed: setup.seed });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(CartPoleScenePlugin { human: setup.human.is_some(), ..Default::default() });
    }

    fn score(&self, episode: &EpisodeEnded) -> f32 {
        cartpole::score(&episode.returns)
    }

    fn solved(&self) -> Option<f32> {
        Some(cartpole::SOLVED)
    }

    fn decision_period(&self) -> u32 {
        cartpole::DECISION_PERIOD
    }

    fn arenas(&self) -> usize {
        16
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        cartpole::adapt(config);
    }

    fn sides(&self) -> Vec<String> {
        vec!["cart".into()]
    }
}
