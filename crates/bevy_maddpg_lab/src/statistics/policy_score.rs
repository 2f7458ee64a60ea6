use bevy::prelude::*;
use serde::{Deserialize, Serialize};

/// How a policy of the run plays without exploration.
#[derive(Message, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PolicyScore {
    /// Joint decisions of all arenas after which it was taken.
    pub decisions: u64,
    /// Its version.
    pub policy_version: u64,
    /// Episodes played.
    pub episodes: u64,
    /// Mean score.
    pub mean: f32,
    /// The worst score.
    pub min: f32,
}
