//! Self-play: agents of two teams learn by playing against the newest policy, against past ones and against fixed opponents.
//!
//! Add [`SelfPlayPlugin`] to a game whose arenas have two teams of one behavior ([`Agent::in_team`](crate::agent::Agent::in_team)), and
//! write a [`GameEnded`] at the end of each game. At each reset, an arena draws who plays: usually both teams are played by the
//! newest policy and both learn; in a share of the games, one team is played by a [`Rival`], which does not learn, and the critics
//! take what it does as a part of the world. In half of these games, the newest policy does not explore, and their results give its
//! [rating](Pool::rating). Without past opponents, agents may forget how to beat what they have beaten (OpenAI
//! Five, arXiv 1912.06680, plays 20% of its games against its past).
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

mod pool;

pub use pool::{Pool, Rival, RivalKind};

use std::sync::Arc;

use bevy::prelude::*;
use rand::{RngExt, seq::IndexedRandom};

use crate::{
    agent::{ActionOverride, Agent, PolicyOverride, Untrained},
    arena::{ArenaAgents, ArenasToReset, NoExploration},
    policy::PolicySnapshot,
    random::{Random, stream},
    rollout::{ActingPolicy, Reset, RolloutClock},
};

/// Draws who plays against whom.
#[derive(Debug, Clone)]
pub struct SelfPlayPlugin {
    /// The share of the games in which a rival plays one of the teams, 0 to 1. Default: 0.25.
    pub share: f32,
    /// Joint decisions from one snapshot of the newest policy to the next. Default: 40,000.
    pub snapshot_decisions: u64,
    /// The most snapshots that are kept. When there are more, one is dropped, so that those that are left reach back to the
    /// beginning, denser toward the present. Default: 20.
    pub snapshots: usize,
    /// How much more often rivals are drawn that are hard to beat: the weight of a rival is the learner's share of games not won,
    /// to this power. 0 draws all equally often. Default: 1.
    pub priority: f32,
    /// Games that an arena plays against the same rival before it draws again, at least 1. Default: 4.
    pub games: u32,
    /// Rivals that are there from the start: scripts, or policies from files. Default: none.
    pub anchors: Vec<(String, RivalKind)>,
    /// Seeds the draws. Default: 0.
    pub seed: u64,
}

impl Default for SelfPlayPlugin {
    fn default() -> Self {
        Self {
            share: 0.25,
            snapshot_decisions: 40_000,
            snapshots: 20,
            priority: 1.0,
            games: 4,
            anchors: Vec::new(),
            seed: 0,
        }
    }
}

impl Plugin for SelfPlayPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(SelfPlay {
            plugin: self.clone(),
            pool: Pool::new(self.snapshots, self.priority, &self.anchors),
            random: stream(self.seed, "self-play", 0),
            next_snapshot: self.snapshot_decisions,
        })
        .add_message::<GameEnded>()
        .add_systems(Reset, (record, take_snapshot, draw).chain().in_set(SelfPlaySystems));
    }
}

/// In [`Reset`], the system set in which arenas draw who plays.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub struct SelfPlaySystems;

/// A game between two teams has ended. Write it at the end of an episode, whoever plays.
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
}

/// Says that a script of the game decides for this agent, through an [`ActionOverride`]. A component of the agents of a team that
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
}

/// Notes how the games against rivals have ended.
fn record(mut ended: MessageReader<GameEnded>, visitors: Query<&Visitors>, mut play: ResMut<SelfPlay>) {
    for game in ended.read() {
        let Some(visitors) = visitors.get(game.arena).ok().filter(|visitors| visitors.is_rated) else {
            continue;
        };
        let score = match &game.winner {
            None => 0.5,
            Some(winner) if *winner == visitors.team => 0.0,
            Some(_) => 1.0,
        };
        play.pool.record(&visitors.rival, score);
    }
}

/// Keeps a copy of the newest policy from time to time.
fn take_snapshot(clock: Res<RolloutClock>, acting: Res<ActingPolicy>, mut play: ResMut<SelfPlay>) {
    if clock.decisions < play.next_snapshot {
        return;
    }
    if let Some(policy) = acting.snapshot() {
        play.pool.push(policy.clone(), clock.decisions, None);
        play.next_snapshot = clock.decisions + play.plugin.snapshot_decisions.max(1);
    }
}

/// Draws who plays in the arenas that are reset.
fn draw(
    mut commands: Commands,
    resets: ArenasToReset,
    mut arenas: Query<(&ArenaAgents, Option<&mut Visitors>)>,
    agents: Query<&Agent>,
    mut play: ResMut<SelfPlay>,
) {
    let SelfPlay { plugin, pool, random, .. } = &mut *play;
    for arena in resets.iter() {
        let Ok((members, visitors)) = arenas.get_mut(arena) else { continue };
        let had_visitors = visitors.is_some();
        if let Some(mut visitors) = visitors
            && visitors.games_left > 1
        {
            visitors.games_left -= 1;
            continue;
        }
        let rival = if random.random::<f32>() < plugin.share { pool.draw(random) } else { None };
        if rival.is_none() && !had_visitors {
            continue;
        }
        let team_of = |agent: Entity| agents.get(agent).ok().and_then(|agent| agent.team.clone());
        let mut teams: Vec<String> = members.iter().filter_map(team_of).collect();
        teams.sort_unstable();
        teams.dedup();
        let team = teams.choose(random).cloned();
        for agent in members.iter() {
            let mut agent_commands = commands.entity(agent);
            match rival.filter(|_| team.is_some() && team_of(agent) == team) {
                None => {
                    agent_commands.try_remove::<(PolicyOverride, PlayedBy, Untrained)>();
                    if had_visitors {
                        agent_commands.try_remove::<ActionOverride>();
                    }
                }
                Some(Rival { kind: RivalKind::Policy(policy), .. }) => {
                    agent_commands.try_remove::<(PlayedBy, ActionOverride)>();
                    agent_commands.try_insert((PolicyOverride(policy.clone()), Untrained));
                }
                Some(Rival { kind: RivalKind::Script, name, .. }) => {
                    agent_commands.try_remove::<PolicyOverride>();
                    agent_commands.try_insert((PlayedBy(name.clone()), Untrained));
                }
            }
        }
        match (rival, team) {
            (Some(rival), Some(team)) => {
                let games_left = plugin.games.max(1);
                let is_rated = random.random();
                commands.entity(arena).try_insert(Visitors {
                    team,
                    rival: rival.name.clone(),
                    is_rated,
                    games_left,
                });
                if is_rated {
                    commands.entity(arena).try_insert(NoExploration);
                } else {
                    commands.entity(arena).try_remove::<NoExploration>();
                }
            }
            _ => _ = commands.entity(arena).try_remove::<(Visitors, NoExploration)>(),
        }
    }
}
