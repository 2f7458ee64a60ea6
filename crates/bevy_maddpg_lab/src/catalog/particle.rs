use std::collections::BTreeMap;

use bevy::app::App;
use bevy_maddpg::{arena::EpisodeEnded, learner::TrainingConfig, policy::ArenaSpec};

use crate::{
    game::{Game, Setup},
    games::particle::{self, ParticlePlugin, Scenario},
    watch::particle::ParticleScenePlugin,
};

/// A [particle world](particle) of the MADDPG paper.
#[derive(Debug, Clone, Copy, Default)]
pub struct Particle {
    /// The scenario. Default: [`Scenario::Spread`].
    pub scenario: Scenario,
    /// Whether the agents choose one of mpe2's discrete actions instead of acting by numbers. Default: false.
    pub discrete: bool,
}

impl Particle {
    /// The scenario with continuous actions.
    pub fn new(scenario: Scenario) -> Self {
        Self { scenario, discrete: false }
    }
}

impl Game for Particle {
    fn name(&self) -> &str {
        self.scenario.name()
    }

    fn title(&self) -> String {
        let title = match self.scenario {
            Scenario::Spread => "Three agents cover three landmarks",
            Scenario::Tag => "Predators and prey",
            Scenario::Adversary => "Two agents hide their goal",
            Scenario::Push => "An adversary defends the goal",
            Scenario::SpeakerListener => "One speaks, the other goes",
            Scenario::Crypto => "Alice and Bob keep a secret from Eve",
        };
        title.into()
    }

    fn spec(&self) -> ArenaSpec {
        if self.discrete { self.scenario.discrete_spec() } else { self.scenario.spec() }
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let discrete = self.discrete.then(|| ("discrete".into(), String::new()));
        discrete.into_iter().collect()
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(ParticlePlugin {
            scenario: self.scenario,
            discrete: self.discrete,
            arenas: setup.arenas,
            seed: setup.seed,
        });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(ParticleScenePlugin { human: setup.human, ..Default::default() });
    }

    fn score(&self, episode: &EpisodeEnded) -> f32 {
        self.scenario.score(&episode.returns)
    }

    fn is_ranked_by_score(&self) -> bool {
        self.scenario.is_cooperative()
    }

    fn decision_period(&self) -> u32 {
        particle::DECISION_PERIOD
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        self.scenario.adapt(config);
        if self.discrete && self.scenario == Scenario::SpeakerListener {
            // A word changes only what the listener does next, so a single choice is worth little in a short horizon.
            config.learner.gamma = 0.8;
        }
    }

    fn sides(&self) -> Vec<String> {
        // In cryptography, nobody moves.
        let teams = if self.scenario == Scenario::Crypto { Vec::new() } else { self.scenario.teams() };
        teams.iter().map(|team| team.name.into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_discrete_actions_is_not_one_without() {
        let game = Particle::new(Scenario::Spread);
        assert_ne!(game.settings(), Particle { discrete: true, ..game }.settings());
    }
}
