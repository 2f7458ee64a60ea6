//! Self-play: agents of two teams learn by playing against the newest policy, against past ones and against fixed opponents.
//!
//! Add [`SelfPlayPlugin`] to a game whose arenas have two teams of one behavior ([`Agent::in_team`](crate::agent::Agent::in_team)), and
//! write a [`GameEnded`] at the end of each game. When an arena is reset, it draws who plays. Either the newest policy plays both teams, and
//! both teams learn, or a [`Rival`] plays one of the teams for several games. The rival does not learn; to the critics it is a part of the
//! environment. In half of these games, the newest policy does not explore, and their results give its [rating](Pool::rating). Games in which
//! a person plays (an agent with an [`ActionOverride`] that is not [`Untrained`]) are not rated.
//!
//! Without past opponents, agents may forget how to beat what they have beaten (OpenAI Five, arXiv 1912.06680, plays 20% of its games against
//! its past). With several kinds of arenas, rivals play only in those of the first kind with two teams. In the shipped game, where nothing
//! learns, the plugin does nothing.
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

mod past;
mod pool;
mod visits;

pub use past::{PastPolicies, PastPolicy};
pub use pool::{Pool, Rival, RivalKind};

use std::sync::Arc;

use bevy::{ecs::message::MessageCursor, prelude::*};
use rand::{RngExt, seq::IndexedRandom};

use visits::PlayedByRival;

use crate::{
    agent::{ActionOverride, Agent, Untrained},
    arena::{ArenasToReset, EpisodeEnded, NoExploration},
    policy::{ArenaSpec, PolicySnapshot},
    problems::Problems,
    random::{Random, stream},
    rollout::{ActingPolicy, Arenas, Exploration, Reset, RolloutClock, why_unfit},
};

/// Draws who plays against whom.
#[derive(Debug, Clone)]
pub struct SelfPlayPlugin {
    /// The share of the games in which a rival plays one of the teams, 0 to 1, once there are rivals. Default: 0.57.
    pub share: f32,
    /// Joint decisions from one snapshot of the newest policy to the next. Default: 40,000.
    pub snapshot_decisions: u64,
    /// The most snapshots that are kept. When there is one too many, one is dropped; the others still cover the whole
    /// training, with more recent ones than old ones. Default: 20.
    pub snapshots: usize,
    /// Preference for rivals that are hard to beat: a rival is drawn with a weight of 1 less the newest policy's score
    /// against it, to the power of this number. 0 draws all equally often. Default: 1.
    pub priority: f32,
    /// Games that an arena plays against the same rival before it draws again, at least 1. Default: 4.
    pub games: u32,
    /// Rivals that are there from the start: scripts, or policies from files. Default: none.
    pub anchors: Vec<(String, RivalKind)>,
    /// Seeds the draws. Default: the seed of the [`RolloutPlugin`](crate::rollout::RolloutPlugin).
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
    /// Checks that the numbers can be used.
    ///
    /// # Errors
    /// Which number is out of its range, and the range.
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

    /// The probability that an arena draws a rival. A rival stays for several games, and nobody stays for one.
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
        .add_systems(Reset, (record, take_snapshot, draw).chain().in_set(SelfPlaySystems).run_if(is_training))
        // Results of arenas that were despawned: the next reset may come long after it.
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

/// In [`Reset`], the system set in which arenas draw who plays.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub struct SelfPlaySystems;

/// A game between two teams has ended. Write it when the game ends its episode, whoever plays: before
/// [`StepEnd`](crate::rollout::StepEnd), or in an observer of [`EpisodeEnded`]. Where the message [`EpisodeEnded`] is read, the next game has
/// begun already.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct GameEnded {
    /// The arena.
    pub arena: Entity,
    /// The team that has won; `None` for a draw.
    pub winner: Option<String>,
}

/// A rival plays one of the teams of an arena. A component of the arena, absent if all play by the newest policy.
#[derive(Component, Debug, Clone, PartialEq, Eq)]
pub struct Visitors {
    /// The team that the rival plays.
    pub team: String,
    /// The rival's name in the [`Pool`].
    pub rival: String,
    /// Whether the game counts for the rating: the newest policy does not explore.
    pub is_rated: bool,
    /// Games that are left before the arena draws again.
    games_left: u32,
    /// Whether the arena had [`NoExploration`] without the rival.
    was_unexplored: bool,
}

impl Visitors {
    /// Whether an agent is in the team that the rival plays.
    fn are(&self, agent: &Agent) -> bool {
        agent.team.as_ref() == Some(&self.team)
    }
}

/// Names the script that plays this agent. Self-play inserts it; the game's script then gives the agent an
/// [`ActionOverride`](crate::agent::ActionOverride) at each decision. A component of the agents of a team that
/// is played by a rival of the kind [`RivalKind::Script`].
#[derive(Component, Debug, Clone, PartialEq, Eq)]
pub struct PlayedBy(pub String);

/// The state of self-play.
#[derive(Resource, Debug)]
pub struct SelfPlay {
    plugin: SelfPlayPlugin,
    pool: Pool,
    random: Random,
    next_snapshot: u64,
    /// The rivals of arenas that were despawned. They play on in the next arenas.
    waiting: Vec<(Entity, Visitors)>,
    /// What [`record`] has read.
    ended: MessageCursor<GameEnded>,
    episodes: MessageCursor<EpisodeEnded>,
    /// Rated games that have ended since the last one with a result.
    without_result: usize,
}

impl SelfPlay {
    /// The rivals.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Adds a past policy that was taken after this many joint decisions, for example one of the run that is continued. Without a
    /// `rating`, it gets the newest policy's.
    pub fn add_past(&mut self, policy: Arc<PolicySnapshot>, decisions: u64, rating: Option<f32>) {
        self.pool.push(policy, decisions, rating);
        self.next_snapshot = self.next_snapshot.max(decisions + self.plugin.snapshot_decisions.max(1));
    }

    /// The training continues after this many joint decisions. However often it is continued, the next snapshot comes at the next multiple of
    /// the usual time.
    fn go_on(&mut self, decisions: u64) {
        let every = self.plugin.snapshot_decisions.max(1);
        self.next_snapshot = (decisions / every + 1) * every;
    }
}

/// Notes how the games against rivals have ended.
fn record(
    games: Res<Messages<GameEnded>>,
    episodes: Res<Messages<EpisodeEnded>>,
    visitors: Query<&Visitors>,
    players: Query<PersonData>,
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
        // The result of a person says nothing about the policies.
        if arenas.agents_of(game.arena).any(|agent| players.get(agent).is_ok_and(is_person)) {
            continue;
        }
        if let Some(winner) = &game.winner
            && let Some(kind) = arenas.kind_of(game.arena)
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

/// What tells who plays an agent.
type PersonData = (Has<ActionOverride>, Has<PlayedBy>, Has<Untrained>, Option<&'static PlayedByRival>);

/// Whether a person has taken over an agent that would learn otherwise. An agent from which nobody learns may be played by a script of the
/// game.
fn is_person(player: (bool, bool, bool, Option<&PlayedByRival>)) -> bool {
    let (is_taken_over, is_scripted, is_untrained, rival) = player;
    is_taken_over && !is_scripted && !rival.map_or(is_untrained, |rival| rival.was_untrained)
}

/// Rated games without a result after which it is reported that there is none.
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
    // Before its learner has started, there is none.
    if let Some(policy) = acting.snapshot_of(kind.name()) {
        // After a restart, the clock may be behind the last snapshot.
        let newest = play.pool.rivals().last().and_then(|rival| rival.decisions);
        let decisions = clock.decisions.max(newest.map_or(0, |newest| newest + 1));
        play.pool.push(policy.clone(), decisions, None);
        play.next_snapshot = clock.decisions + play.plugin.snapshot_decisions.max(1);
    }
}

/// Draws who plays in the arenas that are reset.
fn draw(
    mut commands: Commands,
    resets: ArenasToReset,
    mut reset: Query<(Option<&mut Visitors>, Has<NoExploration>)>,
    arenas: Res<Arenas>,
    mut play: ResMut<SelfPlay>,
    mut problems: ResMut<Problems>,
) {
    let SelfPlay { plugin, pool, random, waiting, .. } = &mut *play;
    let kind = arenas.kind_with_teams();
    for arena in resets.iter() {
        let Ok((visitors, is_unexplored)) = reset.get_mut(arena) else { continue };
        let had_visitors = visitors.is_some();
        // A rated rival that leaves takes its own `NoExploration` with it.
        let before = visitors.as_ref().filter(|visitors| visitors.is_rated);
        let was_unexplored = before.map_or(is_unexplored, |visitors| visitors.was_unexplored);
        if let Some(mut visitors) = visitors
            && visitors.games_left > 1
        {
            visitors.games_left -= 1;
            continue;
        }
        // The teams of the slots: the game may have despawned its agents, and spawn the next ones at this reset. A new arena may have had
        // none yet.
        let of_arena = arenas.kind_of(arena).or(kind);
        let of_arena = of_arena.filter(|own| kind.is_some_and(|kind| kind.name() == own.name()));
        let mut teams: Vec<&str> =
            of_arena.iter().flat_map(|kind| &kind.spec().teams).map(String::as_str).collect();
        teams.sort_unstable();
        teams.dedup();
        let is_team = |visitors: &Visitors| teams.contains(&visitors.team.as_str());
        if let Some(index) = waiting
            .iter()
            .position(|(_, visitors)| !had_visitors && visitors.games_left > 1 && is_team(visitors))
        {
            let (_, visitors) = waiting.swap_remove(index);
            let games_left = visitors.games_left - 1;
            commands.entity(arena).try_insert(Visitors { games_left, was_unexplored, ..visitors });
            continue;
        }
        let draws = random.random::<f32>() < plugin.probability();
        if draws && kind.is_none() {
            tell_of_missing_teams(&mut problems);
        }
        let rival = kind
            .filter(|_| draws && !teams.is_empty())
            .and_then(|kind| pool.draw(random, |rival| fits(rival, kind.spec(), &mut problems)));
        if rival.is_none() && !had_visitors {
            continue;
        }
        if let (Some(rival), Some(team)) = (rival, teams.choose(random)) {
            commands.entity(arena).try_insert(Visitors {
                team: (*team).to_owned(),
                rival: rival.name.clone(),
                is_rated: random.random(),
                games_left: plugin.games.max(1),
                was_unexplored,
            });
        } else if had_visitors {
            commands.entity(arena).try_remove::<Visitors>();
        }
    }
    waiting.retain(|(_, visitors)| visitors.games_left > 1);
}

/// Whether a rival can play agents of this kind of arenas. Tells if not.
fn fits(rival: &Rival, agents: &ArenaSpec, problems: &mut Problems) -> bool {
    let RivalKind::Policy(policy) = &rival.kind else { return true };
    let misfit = why_unfit(policy, agents);
    if let Some(reason) = &misfit {
        problems.tell("rival", &rival.name, || {
            format!(
                "the rival `{}` of self-play does not play, because its policy does not fit: {reason}",
                rival.name
            )
        });
    }
    misfit.is_none()
}

/// Without two teams there is nobody to play against.
fn tell_of_missing_teams(problems: &mut Problems) {
    problems.tell("self-play without teams", "", || {
        "self-play needs two teams, but the arenas have fewer, so no rival plays; set the team of each agent with `Agent::in_team`"
            .into()
    });
}
