//! Self-play: agents of two teams learn by playing against the newest policy, against past ones and against fixed opponents.
//!
//! Add [`SelfPlayPlugin`] to a game whose arenas have two teams of one behavior ([`Agent::in_team`](crate::agent::Agent::in_team)), and
//! write a [`GameEnded`] at the end of each game. At each reset, the plugin draws at random who plays in the arena:
//!
//! - the newest policy plays both teams, and both teams learn; or
//! - a [`Rival`] plays one of the teams for several games. The rival does not learn. The critics treat it as a part of the environment.
//!   In half of these games, the newest policy does not explore, and the results give its [rating](Pool::rating).
//!
//! Games in which a person plays are not rated: those with an agent that has an [`ActionOverride`](crate::agent::ActionOverride) but is
//! not [`Untrained`](crate::agent::Untrained).
//!
//! Agents that never play against past policies may forget how to beat them (OpenAI Five, arXiv 1912.06680, plays 20% of its games
//! against past policies). If there are several kinds of arenas, rivals play only in arenas of the first kind with two teams. In the
//! shipped game, where nothing learns, the plugin does nothing.
//!
//! ```
//! use bevy::prelude::*;
//! use bevy_maddpg::{
//!     prelude::*,
//!     self_play::{GameEnded, SelfPlayPlugin},
//! };
//!
//! fn judge(mut duels: Query<(Entity, &mut Episode)>, mut games: MessageWriter<GameEnded>) {
//!     for (arena, mut episode) in &mut duels {
//!         if episode.decisions() == 100 {
//!             episode.terminate();
//!             games.write(GameEnded { arena, winner: Some("red".into()) });
//!         }
//!     }
//! }
//!
//! let mut app = App::new();
//! app.add_plugins((
//!     MinimalPlugins,
//!     MaddpgPlugins::train(TrainingConfig::default()),
//!     SelfPlayPlugin::default(),
//! ))
//! .add_systems(FixedUpdate, judge);
//! ```

mod draw;
mod past;
mod pool;
mod visits;

pub use past::{PastPolicies, PastPolicy};
pub use pool::{Pool, Rival, RivalKind};

use std::sync::Arc;

use bevy::{ecs::message::MessageCursor, prelude::*};

use crate::{
    agent::Agent,
    arena::EpisodeEnded,
    policy::PolicySnapshot,
    problems::Problems,
    random::{Random, stream},
    rollout::{ActingPolicy, Arenas, Exploration, Reset, RolloutClock},
};

/// Adds [self-play](self) to a game with two teams: draws who plays against whom.
#[derive(Debug, Clone)]
pub struct SelfPlayPlugin {
    /// The share of the games in which a rival plays one of the teams, 0 to 1. It applies as soon as there are rivals. Default: 0.57.
    pub share: f32,
    /// Joint decisions from one snapshot of the newest policy to the next. Default: 40,000.
    pub snapshot_decisions: u64,
    /// The largest number of snapshots that are kept. If there are more, one is dropped. The others still cover the whole training,
    /// and more of them are recent than old. Default: 20.
    pub snapshots: usize,
    /// How much rivals that are hard to beat are preferred, 0 to 100. A rival is drawn with the weight `(1 - score)^priority`, where
    /// `score` is the newest policy's score against it. With 0, all rivals are drawn equally often. Default: 1.
    pub priority: f32,
    /// Games that an arena plays against the same rival before it draws again, at least 1. Default: 4.
    pub games: u32,
    /// Rivals that are there from the start and always stay: scripts, or policies from files, each with a name. Default: none.
    pub anchors: Vec<(String, RivalKind)>,
    /// The seed of the draws. Default: the seed of the [`RolloutPlugin`](crate::rollout::RolloutPlugin).
    pub seed: Option<u64>,
}

impl Default for SelfPlayPlugin {
    fn default() -> Self {
        Self {
            share: 0.57,
            snapshot_decisions: 40_000,
            snapshots: 20,
            priority: 1.0,
            games: 4,
            anchors: Vec::new(),
            seed: None,
        }
    }
}

impl SelfPlayPlugin {
    /// Checks that `share` and `priority` are in their ranges.
    ///
    /// # Errors
    /// A text that names the number that is out of its range, and the range.
    pub fn check(&self) -> Result<(), String> {
        let Self { share, priority, .. } = self;
        if !(0.0..=1.0).contains(share) {
            return Err(format!("`SelfPlayPlugin::share` is {share}, expected a share from 0 to 1"));
        }
        if !(0.0..=100.0).contains(priority) {
            return Err(format!("`SelfPlayPlugin::priority` is {priority}, expected 0 to 100"));
        }
        Ok(())
    }

    /// The probability that an arena draws a rival. A rival stays for several games. If an arena draws none, it draws again after one game.
    fn probability(&self) -> f32 {
        let games = self.games.max(1) as f32;
        self.share / (self.share + games * (1.0 - self.share))
    }
}

/// # Panics
/// If [`SelfPlayPlugin::check`] finds a number that is out of its range.
impl Plugin for SelfPlayPlugin {
    fn build(&self, app: &mut App) {
        if let Err(error) = self.check() {
            panic!("{error}");
        }
        let is_training = |arenas: Option<Res<Arenas>>| arenas.is_some_and(|arenas| arenas.has_learner);
        app.insert_resource(SelfPlay {
            plugin: self.clone(),
            pool: Pool::new(self.snapshots, self.priority, &self.anchors),
            random: stream(self.seed.unwrap_or(0), STREAM, 0),
            next_snapshot: self.snapshot_decisions,
            waiting: Vec::new(),
            ended: MessageCursor::default(),
            episodes: MessageCursor::default(),
            without_result: 0,
        })
        .add_message::<GameEnded>()
        .add_systems(
            Reset,
            (record, take_snapshot, draw::draw).chain().in_set(SelfPlaySystems).run_if(is_training),
        )
        // Records the results of arenas that were despawned, since the next reset may come much later.
        .add_systems(Last, record.run_if(is_training));
        visits::plugin(app);
    }

    fn finish(&self, app: &mut App) {
        let of_run = app.world().get_resource::<Exploration>().map_or(0, Exploration::seed);
        app.world_mut().resource_mut::<SelfPlay>().random = stream(self.seed.unwrap_or(of_run), STREAM, 0);
    }
}

/// The name of the random stream of the draws.
const STREAM: &str = "self-play";

/// The system set in [`Reset`] in which it is drawn who plays in each arena. Run systems after it that need to know who plays.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub struct SelfPlaySystems;

/// Tells that a game between two teams has ended. Write this message whenever the game ends an episode, no matter who plays: before
/// [`StepEnd`](crate::rollout::StepEnd), or in an observer of [`EpisodeEnded`]. It is too late in a system that reads the message
/// [`EpisodeEnded`], because the next game has already begun then.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct GameEnded {
    /// The arena.
    pub arena: Entity,
    /// The team that has won; `None` for a draw.
    pub winner: Option<String>,
}

/// Says which rival plays which team of an arena. Self-play inserts this component on the arena. The arena does not have it while the
/// newest policy plays both teams.
#[derive(Component, Debug, Clone, PartialEq, Eq)]
pub struct Visitors {
    /// The team that the rival plays.
    pub team: String,
    /// The rival's name in the [`Pool`].
    pub rival: String,
    /// Whether the games count for the rating. In these games, the newest policy does not explore.
    pub is_rated: bool,
    /// Games that the rival still plays, including the present one.
    games_left: u32,
    /// Whether a person has played in the present game.
    had_person: bool,
    /// Whether the arena had [`NoExploration`](crate::arena::NoExploration) without the rival.
    was_unexplored: bool,
}

impl Visitors {
    /// Whether an agent is in the team that the rival plays.
    fn are(&self, agent: &Agent) -> bool {
        agent.team.as_ref() == Some(&self.team)
    }
}

/// Names the script that plays this agent. While a rival of the kind [`RivalKind::Script`] plays a team, self-play inserts this
/// component on the team's agents. The game's script then gives each of them an
/// [`ActionOverride`](crate::agent::ActionOverride) at each decision.
#[derive(Component, Debug, Clone, PartialEq, Eq)]
pub struct PlayedBy(pub String);

/// The state of self-play: the rivals, with their scores and ratings.
#[derive(Resource, Debug)]
pub struct SelfPlay {
    plugin: SelfPlayPlugin,
    pool: Pool,
    random: Random,
    next_snapshot: u64,
    /// The rivals of arenas that were despawned. They play their remaining games in the next arenas.
    waiting: Vec<(Entity, Visitors)>,
    /// What [`record`] has read.
    ended: MessageCursor<GameEnded>,
    episodes: MessageCursor<EpisodeEnded>,
    /// Rated games that have ended since the last one with a result.
    without_result: usize,
}

impl SelfPlay {
    /// The rivals, with their scores and ratings.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Adds a past policy, for example one of the run that is continued. It was the newest policy after this many joint `decisions`.
    /// Without a `rating`, it gets the rating of the newest policy.
    pub fn add_past(&mut self, policy: Arc<PolicySnapshot>, decisions: u64, rating: Option<f32>) {
        self.pool.push(policy, decisions, rating);
        self.next_snapshot = self.next_snapshot.max(decisions + self.plugin.snapshot_decisions.max(1));
    }

    /// Continues after this many joint decisions. The next snapshot is then taken at the next multiple of
    /// [`SelfPlayPlugin::snapshot_decisions`], however often a training is continued.
    fn go_on(&mut self, decisions: u64) {
        let every = self.plugin.snapshot_decisions.max(1);
        self.next_snapshot = (decisions / every + 1) * every;
    }
}

/// Records how the rated games against rivals have ended.
fn record(
    games: Res<Messages<GameEnded>>,
    episodes: Res<Messages<EpisodeEnded>>,
    visitors: Query<&Visitors>,
    arenas: Res<Arenas>,
    mut play: ResMut<SelfPlay>,
    mut problems: ResMut<Problems>,
) {
    let SelfPlay { pool, waiting, ended, episodes: told, without_result, .. } = &mut *play;
    let rated = |arena: Entity| {
        let departed = || Some(&waiting.iter().find(|(from, _)| *from == arena)?.1);
        visitors.get(arena).ok().or_else(departed).filter(|visitors| visitors.is_rated)
    };
    *without_result += told.read(&episodes).filter(|episode| rated(episode.arena).is_some()).count();
    for game in ended.read(&games) {
        let Some(visitors) = rated(game.arena) else { continue };
        *without_result = 0;
        // A result that a person has influenced says nothing about the policies.
        if visitors.had_person {
            continue;
        }
        if let Some(winner) = &game.winner
            && let Some(kind) = arenas.kind_of(game.arena).or(arenas.kind_with_teams())
            && !kind.spec().teams.contains(winner)
        {
            tell_of_unknown_winner(winner, &kind.spec().teams, &mut problems);
            continue;
        }
        let score = match &game.winner {
            None => 0.5,
            Some(winner) if *winner == visitors.team => 0.0,
            Some(_) => 1.0,
        };
        pool.record(&visitors.rival, score);
    }
    if *without_result >= GAMES_WITHOUT_RESULT {
        problems.tell("games without result", "", || {
            format!(
                "{GAMES_WITHOUT_RESULT} rated games of self-play have ended without a `GameEnded`, so nothing is rated; write it when the \
                 game ends its episode, before `StepEnd` or in an observer of `EpisodeEnded`"
            )
        });
    }
}

/// After this many rated games in a row without a result, a problem is reported.
const GAMES_WITHOUT_RESULT: usize = 20;

fn tell_of_unknown_winner(winner: &str, teams: &[String], problems: &mut Problems) {
    let mut teams = teams.to_vec();
    teams.dedup();
    problems.tell("unknown winner", winner, || {
        format!(
            "a `GameEnded` names `{winner}` as the winner, but the teams are {}: the game is not rated; write the name that was given to \
             `Agent::in_team`",
            teams.join(" and ")
        )
    });
}

/// Keeps a copy of the newest policy from time to time.
fn take_snapshot(
    clock: Res<RolloutClock>,
    acting: Res<ActingPolicy>,
    arenas: Res<Arenas>,
    mut play: ResMut<SelfPlay>,
    mut problems: ResMut<Problems>,
) {
    if clock.decisions < play.next_snapshot {
        return;
    }
    let Some(kind) = arenas.kind_with_teams() else {
        if !arenas.kinds().is_empty() {
            tell_of_missing_teams(&mut problems);
        }
        return;
    };
    // Before the learner of the kind has started, there is no policy.
    if let Some(policy) = acting.snapshot_of(kind.name()) {
        // In a training that was continued, the clock may be behind the last snapshot.
        let newest = play.pool.rivals().last().and_then(|rival| rival.decisions);
        let decisions = clock.decisions.max(newest.map_or(0, |newest| newest + 1));
        play.pool.push(policy.clone(), decisions, None);
        play.next_snapshot = clock.decisions + play.plugin.snapshot_decisions.max(1);
    }
}

/// Reports that self-play cannot work, because there are no two teams.
fn tell_of_missing_teams(problems: &mut Problems) {
    problems.tell("self-play without teams", "", || {
        "self-play needs two teams, but the arenas have fewer, so no rival plays; set the team of each agent with `Agent::in_team`"
            .into()
    });
}
