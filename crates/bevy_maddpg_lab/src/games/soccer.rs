//! Soccer, two against two. Both teams are played by one behavior, and learn by playing against themselves.
//!
//! The field, the bodies and the rules are those of the example Soccer Twos of Unity ML-Agents (release 21), with rapier for the
//! physics. Nothing moves up or down: there is no ground, no roof and no gravity.
//!
//! | | |
//! |---|---|
//! | field | 31 m by 15 m with walls; the goals are at x = -15.5 m (blue) and x = 15.5 m (purple), 8.3 m wide and 2 m deep |
//! | slots | blue 0 and 1, purple 2 and 3; both teams see themselves play toward positive x |
//! | player | a ball of 0.5 m radius and 50 kg |
//! | ball | 0.624 m radius, 3 kg |
//! | action | 3 numbers: forward (-1 to 1), to the right (-1 to 1, 0.3 times as fast), turn to the right (100°/s at full action) |
//! | kick | when a player that moves forward touches the ball, the ball gains up to 13.3 m/s away from the player |
//! | observation | 59 numbers of the [view], or only rays: 126 numbers, three frames ([`Sight`]) |
//! | reward | a goal after t steps: 1 - t/5000 for each player of the team that scores, -1 for each of the other team |
//! | shaping | 0.3 times the share of 15.5 m that the player came nearer to the ball, 0.5 times the share of 31 m that the ball came nearer to their goal than to the own one, both of which a [schedule](Shaping) lowers to 0 |
//! | episode | ends at a goal; truncated after 1,000 decisions of 5 steps of 0.02 s |
//! | start | ball within 2.5 m of the middle, players in their halves; a share of the episodes starts [scattered](Scatter) |
//! | score | the largest return of a player, or 0. Both teams learn, so it says little about strength; use ratings and evaluations against an opponent |
//!
//! | [measure](bevy_maddpg::arena::Measures) | of an episode, for the home team: blue, unless blue is played by an opponent |
//! |---|---|
//! | `wins`, `draws`, `losses` | 1 for how the game ended, else 0 |
//! | `goals_for`, `goals_against` | goals |
//! | `seconds` | how long the game took |
//!
//! An [`Opponent`] can play one of the teams: a script, or a policy from a file.

mod field;
mod opponent;
mod play;
mod reward;
mod rules;
mod script;
mod sight;
mod start;
pub mod view;

pub use field::{Ball, Field, Part, Player, Team, dimensions};
pub use opponent::{Opponent, Script};
pub use reward::Shaping;
pub use sight::Sight;
pub use start::Scatter;

use bevy::prelude::*;
use bevy_rapier3d::prelude::PhysicsSet;

use bevy_maddpg::{
    learner::TrainingConfig,
    policy::ArenaSpec,
    rays::{AnalyticRays, RaySystems},
    rollout::{Observe, Reset, agents_decide},
    self_play::{GameEnded, SelfPlayPlugin},
};

/// Seconds per step.
pub const STEP_SECONDS: f64 = 0.02;

/// Steps per decision.
pub const DECISION_PERIOD: u32 = 5;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 1_000;

/// Players on the field.
pub const PLAYERS: usize = 4;

/// Share of its speed that the ball loses per second.
const DRAG: f32 = 1.0;

/// Numbers in an action.
const ACTION_SIZE: usize = 3;

/// Spawns soccer fields and runs their rules. Needs [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins). Adds rapier with only
/// the systems for rigid bodies with colliders on the same entity.
#[derive(Debug, Clone)]
pub struct SoccerPlugin {
    /// Number of fields to spawn. Default: 64.
    pub arenas: usize,
    /// Seed for random starts. Default: 0.
    pub seed: u64,
    /// Who plays one of the teams: blue on every second field, purple on the others. Default: nobody, both teams learn.
    pub opponent: Option<Opponent>,
    /// How players see the game.
    pub sight: Sight,
    /// The rewards in addition to those for goals.
    pub shaping: Shaping,
    /// Which episodes start with players and ball anywhere.
    pub scatter: Scatter,
    /// Decisions after which an episode is truncated. Default: 1,000.
    pub time_limit: u32,
    /// Against whom the newest policy plays. Default: always against itself.
    pub self_play: Option<SelfPlayPlugin>,
}

impl Default for SoccerPlugin {
    fn default() -> Self {
        Self {
            arenas: 64,
            seed: 0,
            opponent: None,
            sight: Sight::default(),
            shaping: Shaping::default(),
            scatter: Scatter::default(),
            time_limit: TIME_LIMIT,
            self_play: None,
        }
    }
}

impl Plugin for SoccerPlugin {
    fn build(&self, app: &mut App) {
        super::rapier::add(app, STEP_SECONDS);
        let plugin = self.clone();
        match &self.self_play {
            Some(self_play) => _ = app.add_plugins(self_play.clone()),
            None => _ = app.add_message::<GameEnded>(),
        }
        match self.sight {
            Sight::Vector => _ = app.add_systems(Observe, play::sense),
            Sight::Rays => {
                app.add_plugins(AnalyticRays::default())
                    .add_systems(Observe, play::look.before(RaySystems::Collect));
            }
        }
        app.insert_resource(self.shaping)
            .insert_resource(self.scatter)
            .add_systems(Startup, move |mut commands: Commands| {
                for index in 0..plugin.arenas {
                    field::spawn(&mut commands, index, &plugin);
                }
            })
            .add_systems(Observe, opponent::play_scripts.run_if(agents_decide))
            .add_systems(Reset, start::kick_off)
            .add_systems(
                FixedUpdate,
                (
                    play::run.before(PhysicsSet::SyncBackend),
                    (rules::kick, reward::shape, rules::judge).chain().after(PhysicsSet::Writeback),
                ),
            );
    }
}

/// The agents of a field, by slot.
pub fn spec(sight: Sight) -> ArenaSpec {
    let mut spec = ArenaSpec::new(vec![sight.agent().spec(); PLAYERS]);
    spec.teams = Team::of_slots().map(|team| team.name().into()).to_vec();
    spec
}

/// Settings for soccer. `docs/experiments.md` has the trials.
pub fn adapt(config: &mut TrainingConfig, sight: Sight) {
    let learner = &mut config.learner;
    learner.mirror.insert("player".into(), sight.mirror());
    learner.own_observation = vec!["player".into()];
    learner.actor_hidden = vec![256, 256];
    learner.critic_hidden = vec![256, 256];
    learner.gamma = 0.98;
    learner.n_step = 3;
    learner.tau = 0.03;
    learner.actor_learning_rate = 5e-4;
    learner.critic_learning_rate = 1e-3;
    learner.updates_per_decision = 1.0 / 32.0;
    learner.replay_capacity = 500_000;
    config.exploration.scale = [0.05, 0.6];
    config.exploration.random_decisions = 20_000;
}

/// The score of an episode: the largest return.
pub fn score(returns: &[f32]) -> f32 {
    returns.iter().copied().fold(0.0, f32::max)
}
