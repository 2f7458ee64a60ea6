use std::collections::BTreeMap;

use bevy::app::App;
use bevy_maddpg::{arena::EpisodeEnded, learner::TrainingConfig, policy::ArenaSpec};

use crate::{
    game::{Game, Setup},
    games::hunt::{self, Gear, HuntPlugin, Player},
    watch::hunt::HuntScenePlugin,
};

/// The [hunt](hunt): three hunters chase six prey, and both teams learn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hunt {
    /// Who plays the hunters. Default: their policies.
    pub hunters: Player,
    /// Who plays the prey. Default: their policies.
    pub prey: Player,
    /// The hunters' gear. Default: none.
    pub gear: Gear,
}

impl Game for Hunt {
    fn name(&self) -> &str {
        "hunt"
    }

    fn title(&self) -> String {
        "Three hunters chase six prey".into()
    }

    fn spec(&self) -> ArenaSpec {
        hunt::spec_with(self.gear)
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let player = |player, script: &str| if player == Player::Learned { "learned" } else { script }.into();
        let gear = match self.gear {
            Gear::None => "none",
            Gear::Choices => "choices",
            Gear::Numbers => "numbers",
        };
        let [hunters, prey] = [player(self.hunters, "greedy"), player(self.prey, "fleeing")];
        [("hunters", hunters), ("prey", prey), ("gear", gear.into())]
            .map(|(name, value)| (name.into(), value))
            .into()
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        let Self { hunters, prey, gear } = *self;
        app.add_plugins(HuntPlugin { arenas: setup.arenas, seed: setup.seed, hunters, prey, gear });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(HuntScenePlugin { human: setup.human, ..Default::default() });
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        hunt::adapt(config);
    }

    fn score(&self, episode: &EpisodeEnded) -> f32 {
        hunt::score(&episode.returns)
    }

    fn is_ranked_by_score(&self) -> bool {
        false
    }

    /// In the first episode of an arena, no hunter joins late.
    fn warm_up_episodes(&self) -> usize {
        1
    }

    fn decision_period(&self) -> u32 {
        hunt::DECISION_PERIOD
    }

    fn sides(&self) -> Vec<String> {
        vec!["hunters".into(), "prey".into()]
    }
}
