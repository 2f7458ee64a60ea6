use bevy::app::App;
use bevy_maddpg::{learner::TrainingConfig, policy::ArenaSpec, self_play::SelfPlayPlugin};

use crate::{
    game::{Game, Setup},
    games::soccer::{self, Opponent, Scatter, Shaping, SoccerPlugin},
    watch::soccer::SoccerScenePlugin,
};

/// [Soccer](soccer), two against two.
#[derive(Debug, Clone)]
pub struct Soccer {
    /// Who plays one of the teams in evaluations. Default: the evaluated policy plays both.
    pub against: Option<Opponent>,
    /// Whether this opponent also plays in the window and in training.
    pub always: bool,
    /// The rewards in addition to those for goals.
    pub shaping: Shaping,
    /// Which episodes start with players and ball anywhere.
    pub scatter: Scatter,
    /// Against whom the newest policy plays while it is trained.
    pub self_play: Option<SelfPlayPlugin>,
}

impl Default for Soccer {
    fn default() -> Self {
        Self {
            against: None,
            always: false,
            shaping: Shaping::default(),
            scatter: Scatter::default(),
            self_play: Some(SelfPlayPlugin::default()),
        }
    }
}

impl Soccer {
    /// The game as it is played with trained policies: every episode begins with the kick-off, and `against`, if there is one,
    /// plays one of the teams.
    pub fn played(against: Option<Opponent>) -> Self {
        Self { against, always: true, shaping: Shaping::NONE, scatter: Scatter::NONE, self_play: None }
    }
}

impl Game for Soccer {
    fn name(&self) -> &str {
        "soccer"
    }

    fn title(&self) -> String {
        "Soccer: two against two".into()
    }

    fn spec(&self) -> ArenaSpec {
        soccer::spec()
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(SoccerPlugin {
            arenas: setup.arenas,
            seed: setup.seed,
            opponent: self.against.clone().filter(|_| self.always),
            shaping: self.shaping,
            scatter: self.scatter,
            self_play: self.self_play.clone().map(|plugin| SelfPlayPlugin { seed: setup.seed, ..plugin }),
        });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(SoccerScenePlugin { human: setup.human, ..Default::default() });
    }

    fn score(&self, returns: &[f32]) -> f32 {
        soccer::score(returns)
    }

    fn decision_period(&self) -> u32 {
        soccer::DECISION_PERIOD
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        soccer::adapt(config);
    }

    fn sides(&self) -> Vec<String> {
        vec!["blue".into(), "purple".into()]
    }

    fn in_evaluation(&self) -> Option<Box<dyn Game>> {
        Some(Box::new(Self::played(self.against.clone())))
    }
}
