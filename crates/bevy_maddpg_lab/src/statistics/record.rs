use std::collections::BTreeMap;

use bevy::prelude::*;
use serde::{Deserialize, Serialize};

/// One finished episode of one arena.
#[derive(Message, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EpisodeRecord {
    /// Number of this episode in the run, from 1. Episodes of all arenas are numbered in the order in which they end.
    pub episode: u64,
    /// Index of the arena it was played in.
    pub arena: usize,
    /// Decisions in the episode.
    pub length: u32,
    /// Undiscounted sum of rewards of each agent, by slot.
    pub returns: Vec<f32>,
    /// The game's score of the episode (tennis: the maximum of `returns`).
    pub score: f32,
    /// Mean score of the last 100 episodes, this one included; `None` before the 100th.
    pub score_100: Option<f32>,
    /// Whether it was cut off, for example by a time limit, rather than ended by the game.
    pub truncated: bool,
    /// Scale of the exploration noise in the episode, 0 if there was none.
    pub exploration_scale: f32,
    /// Joint decisions of all arenas so far.
    pub decisions: u64,
    /// Seconds since the run started.
    pub seconds: f64,
    /// The game's [`Measures`](bevy_maddpg::arena::Measures) of the episode, by name.
    #[serde(default)]
    pub measures: BTreeMap<String, f32>,
    /// Whether it was played in a lesson before the last one of a [curriculum](bevy_maddpg::parameters).
    #[serde(default)]
    pub earlier_lesson: bool,
}
