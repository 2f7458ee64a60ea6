use std::collections::BTreeMap;

use bevy::app::App;
use bevy_maddpg::{
    arena::EpisodeEnded,
    learner::TrainingConfig,
    policy::ArenaSpec,
    self_play::{RivalKind, SelfPlayPlugin},
};

use crate::{
    game::{Game, Setup},
    games::soccer::{self, Opponent, Scatter, Script, Shaping, Sight, SoccerPlugin, TIME_LIMIT},
    watch::soccer::SoccerScenePlugin,
};

/// [Soccer](soccer), two against two.
#[derive(Debug, Clone)]
pub struct Soccer {
    /// Who plays one of the teams in evaluations. Default: the evaluated policy plays both.
    pub against: Option<Opponent>,
    /// Whether this opponent also plays in the window and in training.
    pub always: bool,
    /// How players see the game.
    pub sight: Sight,
    /// The rewards in addition to those for goals.
    pub shaping: Shaping,
    /// Which episodes start with players and ball anywhere.
    pub scatter: Scatter,
    /// Decisions after which an episode is truncated. Default: 1,000.
    pub time_limit: u32,
    /// Against whom the newest policy plays while it is trained.
    pub self_play: Option<SelfPlayPlugin>,
}

impl Default for Soccer {
    fn default() -> Self {
        Self {
            against: None,
            always: false,
            sight: Sight::default(),
            shaping: Shaping::default(),
            scatter: Scatter::default(),
            time_limit: TIME_LIMIT,
            self_play: Some(SelfPlayPlugin::default()),
        }
    }
}

impl Soccer {
    /// The game as it is played with trained policies: every episode begins with the kick-off, and `against`, if there is one,
    /// plays one of the teams.
    pub fn played(sight: Sight, against: Option<Opponent>) -> Self {
        Self {
            against,
            always: true,
            sight,
            shaping: Shaping::NONE,
            scatter: Scatter::NONE,
            time_limit: TIME_LIMIT,
            self_play: None,
        }
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
        soccer::spec(self.sight)
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let Self { sight, shaping, scatter, .. } = self;
        let sight = Sight::ALL.into_iter().find(|(_, known)| known == sight).map_or("", |(name, _)| name);
        let mut settings = BTreeMap::from([
            ("sight".into(), sight.into()),
            ("shaping".into(), (shaping.approach / Shaping::default().approach).to_string()),
            ("shaping-decisions".into(), shaping.decisions.to_string()),
            ("scatter".into(), scatter.share.to_string()),
        ]);
        if let Some(SelfPlayPlugin { share, anchors, .. }) = &self.self_play {
            let anchors: Vec<&str> = anchors.iter().map(|(name, _)| name.as_str()).collect();
            settings.insert("rivals".into(), share.to_string());
            settings.insert("anchors".into(), anchors.join(","));
        }
        settings
    }

    fn add(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(SoccerPlugin {
            arenas: setup.arenas,
            seed: setup.seed,
            opponent: self.against.clone().filter(|_| self.always),
            sight: self.sight,
            shaping: self.shaping,
            scatter: self.scatter,
            time_limit: self.time_limit,
            self_play: self
                .self_play
                .clone()
                .map(|plugin| SelfPlayPlugin { seed: Some(setup.seed), ..plugin }),
        });
    }

    fn add_scene(&self, app: &mut App, setup: &Setup) {
        app.add_plugins(SoccerScenePlugin { human: setup.human, ..Default::default() });
    }

    fn score(&self, episode: &EpisodeEnded) -> f32 {
        soccer::score(&episode.returns)
    }

    fn decision_period(&self) -> u32 {
        soccer::DECISION_PERIOD
    }

    fn adapt(&self, config: &mut TrainingConfig) {
        soccer::adapt(config, self.sight);
    }

    fn sides(&self) -> Vec<String> {
        vec!["blue".into(), "purple".into()]
    }

    fn rivals(&self) -> Vec<(String, RivalKind)> {
        [Script::Simple, Script::Chaser].map(|script| (script.name().into(), RivalKind::Script)).to_vec()
    }

    fn against(&self, name: &str, rival: &RivalKind) -> Option<Box<dyn Game>> {
        let opponent = match rival {
            RivalKind::Policy(policy) => Opponent::Policy(policy.clone()),
            RivalKind::Script => Opponent::Script(Script::named(name)?),
        };
        // Most games take some seconds, so that those that last longer can count as draws.
        Some(Box::new(Self { time_limit: 200, ..Self::played(self.sight, Some(opponent)) }))
    }

    fn in_evaluation(&self) -> Option<Box<dyn Game>> {
        Some(Box::new(Self::played(self.sight, self.against.clone())))
    }
}
