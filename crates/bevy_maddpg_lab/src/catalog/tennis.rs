use bevy::app::App;
use bevy_maddpg::{
    arena::EpisodeEnded,
    learner::TrainingConfig,
    parameters::Parameter,
    policy::ArenaSpec,
    self_play::{RivalKind, SelfPlayPlugin},
};

use crate::{
    game::{Game, Setup},
    games::tennis::{self, Opponent, Rules, Script, TennisPlugin},
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
        tennis::spec(Rules::Rally)
    }

    fn parameters(&self) -> Vec<Parameter> {
        Rules::Rally.parameters()
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(TennisPlugin { arenas: setup.arenas, seed: setup.seed, ..Default::default() });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(TennisScenePlugin { human: setup.human, ..Default::default() });
    }

    fn score(&self, episode: &EpisodeEnded) -> f32 {
        tennis::score(&episode.returns)
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

/// [Tennis](tennis) by the rules `match`: two rackets play for points.
#[derive(Debug, Clone)]
pub struct TennisMatch {
    /// Who plays one of the sides in evaluations. Default: the evaluated policy plays both.
    pub against: Option<Opponent>,
    /// Whether this opponent also plays in the window and in training.
    pub always: bool,
    /// The share of the points that begin in the middle of a rally. Default: 0.5.
    pub in_play: f32,
    /// Against whom the newest policy plays while it is trained.
    pub self_play: Option<SelfPlayPlugin>,
}

impl Default for TennisMatch {
    fn default() -> Self {
        Self { against: None, always: false, in_play: 0.5, self_play: Some(SelfPlayPlugin::default()) }
    }
}

impl TennisMatch {
    /// The game as it is played with trained policies: each point begins with the serve, and `against`, if there is one, plays one of the sides.
    pub fn played(against: Option<Opponent>) -> Self {
        Self { against, always: true, in_play: 0.0, self_play: None }
    }
}

impl Game for TennisMatch {
    fn name(&self) -> &str {
        "tennis-match"
    }

    fn title(&self) -> String {
        "Tennis: two agents play for points".into()
    }

    fn spec(&self) -> ArenaSpec {
        tennis::spec(Rules::Match)
    }

    fn parameters(&self) -> Vec<Parameter> {
        Rules::Match.parameters()
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(TennisPlugin {
            arenas: setup.arenas,
            seed: setup.seed,
            rules: Rules::Match,
            in_play: self.in_play,
            opponent: self.against.clone().filter(|_| self.always),
            self_play: self
                .self_play
                .clone()
                .map(|plugin| SelfPlayPlugin { seed: Some(setup.seed), ..plugin }),
        });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(TennisScenePlugin { human: setup.human, ..Default::default() });
    }

    fn score(&self, episode: &EpisodeEnded) -> f32 {
        tennis::score(&episode.returns)
    }

    fn decision_period(&self) -> u32 {
        tennis::DECISION_PERIOD
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        tennis::adapt_match(config);
    }

    fn sides(&self) -> Vec<String> {
        vec!["left".into(), "right".into()]
    }

    fn rivals(&self) -> Vec<(String, RivalKind)> {
        Script::ALL.map(|(name, _)| (name.into(), RivalKind::Script)).to_vec()
    }

    fn against(&self, name: &str, rival: &RivalKind) -> Option<Box<dyn Game>> {
        let opponent = match rival {
            RivalKind::Policy(policy) => Opponent::Policy(policy.clone()),
            RivalKind::Script => Opponent::Script(Script::named(name)?),
        };
        Some(Box::new(Self::played(Some(opponent))))
    }

    fn in_evaluation(&self) -> Option<Box<dyn Game>> {
        Some(Box::new(Self::played(self.against.clone())))
    }
}
