//! Tennis, by two sets of [`Rules`]: two rackets keep a ball in the air over a net (`rally`), or play for points (`match`).
//!
//! The task known from Unity ML-Agents and the "Collaboration and Competition" exercise: the same specification, with
//! rapier for the physics. All motion is in the x-y plane, and the net stands at x = 0. Slot 0 plays at x < 0, slot 1
//! at x > 0. The observations and actions of slot 1 are mirrored, so that one policy can play both sides.
//!
//! The rules `rally`:
//!
//! | | |
//! |---|---|
//! | observation | 8 numbers per frame, 3 frames: racket x, y, vx, vy, ball x, y, vx, vy; in m and m/s |
//! | action | 2 numbers: move toward the net (1) or away from it (-1), 30 m/s at full action; jump if above 0.5 |
//! | reward | +0.1 for the last hitter when the ball has passed over the net; -0.01 for the side at fault |
//! | fault | the ball touches the floor (fault of the side that owns that half), a wall or the net (fault of the last hitter) |
//! | episode | ends at a fault; truncated after 1,000 decisions of 5 steps of 0.02 s |
//! | score | the larger of the two undiscounted returns; solved at a mean of 0.5 over 100 episodes, ceiling 2.6 to 2.7 |
//!
//! The original observes the racket's velocity where the ball's was intended; here it is the ball's.
//!
//! The rules `match`, on a lower and slightly shorter court with a flat racket and a small ball:
//!
//! | | |
//! |---|---|
//! | observation | 9 numbers per frame, 3 frames: as above, then sin(angle / 2) of the racket. The opponent is not observed |
//! | action | 3 numbers: as above, then the racket's angle: 90° + 55° at full action |
//! | reward | 1 for the side that wins the point, -1 for the other one |
//! | a side loses | when the ball touches its floor and it hit last, or the ball had bounced there before, or nobody has hit it yet; when the ball touches its wall and it hit last, or the ball had bounced on its floor (else it was hit too long, and the other side loses); when it hits twice in a row; when the ball touches the net before it has crossed and it hit last |
//! | start | the serve; in training, half of the points start in the middle of a rally |
//! | episode | one point; truncated after 1,000 decisions, a draw (the original has no limit) |
//! | score | the larger of the two returns |
//!
//! | [measure](bevy_maddpg::arena::Measures) of `match` | of an episode, for the home side: the left one, unless an opponent plays there |
//! |---|---|
//! | `wins`, `draws`, `losses` | 1 for how the point ended, else 0 |
//! | `goals_for`, `goals_against` | the same as `wins` and `losses` |
//! | `seconds` | how long the point took |
//!
//! | [parameter](bevy_maddpg::parameters) | default | permitted |
//! |---|---|---|
//! | `gravity` on ball and rackets, m/s² | 9.81 | 1 to 40 |
//! | `ball_radius`, m (the ball's mass stays the same) | 0.5, by the rules `match` 0.25 | 0.1 to 1.5 |
//! | `racket_speed` at full action, m/s | 30 | 1 to 100 |

mod court;
mod opponent;
mod parameters;
mod play;
mod points;
mod rules;

pub use court::{Ball, Court, CourtPart, Dimensions, RacketSpeed, Side};
pub use opponent::{Opponent, Script};
pub use rules::Rally;

use bevy::prelude::*;
use bevy_rapier3d::{plugin::systems, prelude::PhysicsSet};

use bevy_maddpg::{
    learner::TrainingConfig,
    policy::{AgentSpec, ArenaSpec},
    rollout::{Observe, Reset, agents_decide},
    self_play::{GameEnded, SelfPlayPlugin},
};

/// Seconds per step.
pub const STEP_SECONDS: f64 = 0.02;

/// Steps per decision.
pub const DECISION_PERIOD: u32 = 5;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 1_000;

/// Mean score over 100 episodes at which the task counts as solved.
pub const SOLVED: f32 = 0.5;

/// Number of recent frames in an agent's observation.
pub const FRAMES: usize = 3;

/// What the rackets play for. A resource, inserted by [`TennisPlugin`].
#[derive(Resource, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rules {
    /// Both keep the ball in the air.
    #[default]
    Rally,
    /// They play against each other for points.
    Match,
}

impl Rules {
    /// All rules, by name.
    pub const ALL: [(&str, Self); 2] = [("rally", Self::Rally), ("match", Self::Match)];
}

/// Spawns tennis arenas and runs their rules. Needs [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins). Adds rapier
/// with only the systems that tennis needs; they support rigid bodies with colliders on the same entity.
#[derive(Debug, Clone)]
pub struct TennisPlugin {
    /// Number of arenas to spawn, one behind the other along z. Default: 64.
    pub arenas: usize,
    /// Seed for the random positions at reset. Default: 0.
    pub seed: u64,
    /// The rules. Default: rally.
    pub rules: Rules,
    /// The share of the points that begin in the middle of a rally while agents explore, under the rules `match`. Without them, agents
    /// learn to serve so well that they seldom see a ball that they could return. Default: 0.
    pub in_play: f32,
    /// Who plays one of the sides under the rules `match`: the right one in the first arena, the left one in the second and so on.
    /// Default: nobody, both sides learn.
    pub opponent: Option<Opponent>,
    /// Against whom the newest policy plays. Default: always against itself.
    pub self_play: Option<SelfPlayPlugin>,
}

impl Default for TennisPlugin {
    fn default() -> Self {
        Self { arenas: 64, seed: 0, rules: Rules::default(), in_play: 0.0, opponent: None, self_play: None }
    }
}

impl Plugin for TennisPlugin {
    fn build(&self, app: &mut App) {
        let plugin = self.clone();
        super::rapier::add(app, STEP_SECONDS);
        app.insert_resource(self.rules)
            .add_systems(Startup, move |mut commands: Commands| court::spawn(&mut commands, &plugin))
            .add_systems(Observe, play::sense)
            .add_systems(Reset, (play::serve, parameters::apply))
            .add_systems(FixedUpdate, play::move_rackets.before(PhysicsSet::SyncBackend));
        match self.rules {
            Rules::Rally => {
                app.add_systems(
                    FixedUpdate,
                    (
                        court::tilt_rackets
                            .in_set(PhysicsSet::SyncBackend)
                            .after(systems::apply_rigid_body_user_changes),
                        (rules::clamp_ball, rules::judge_contacts, rules::judge_crossings)
                            .chain()
                            .after(PhysicsSet::Writeback),
                    ),
                );
            }
            Rules::Match => {
                match &self.self_play {
                    Some(self_play) => _ = app.add_plugins(self_play.clone()),
                    None => _ = app.add_message::<GameEnded>(),
                }
                app.insert_resource(points::InPlay(self.in_play))
                    .add_systems(Observe, opponent::decide.after(play::sense).run_if(agents_decide))
                    .add_systems(Reset, points::begin.after(play::serve))
                    .add_systems(
                        FixedUpdate,
                        (rules::clamp_ball, points::judge_contacts, points::judge_crossings, points::end)
                            .chain()
                            .after(PhysicsSet::Writeback),
                    );
            }
        }
    }
}

/// The agents of a tennis arena.
pub fn spec(rules: Rules) -> ArenaSpec {
    let player = AgentSpec::new("player", play::observation_size(rules) * FRAMES, play::action_size(rules));
    let mut spec = ArenaSpec::new(vec![player.clone(), player]);
    if rules == Rules::Match {
        spec.teams = Side::BOTH.map(|side| side.name().into()).to_vec();
    }
    spec
}

/// Lowers the critics' learning rate for tennis: with slower critics, the acting policy plays perfectly more of the
/// time. `docs/experiments.md` has the trials.
pub fn adapt(config: &mut TrainingConfig) {
    config.learner.critic_learning_rate = 1e-3;
}

/// Settings for the rules `match`. `docs/experiments.md` has the trials.
pub fn adapt_match(config: &mut TrainingConfig) {
    let learner = &mut config.learner;
    learner.own_observation = vec!["player".into()];
    learner.actor_hidden = vec![128, 128];
    learner.critic_hidden = vec![128, 128];
    learner.gamma = 0.98;
    learner.n_step = 3;
    learner.critic_learning_rate = 1e-3;
}

/// The score of an episode: the larger of the two returns.
pub fn score(returns: &[f32]) -> f32 {
    returns.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
