//! What a game needs most.

#[cfg(feature = "learner")]
pub use crate::learner::{Pace, Preset, TrainingConfig};
#[cfg(all(feature = "game", feature = "learner"))]
pub use crate::training::{LearnerReport, Training};
#[cfg(feature = "game")]
pub use crate::{
    agent::{Action, ActionOverride, Agent, Observation, Reward},
    arena::{Arena, ArenaAgents, Episode, EpisodeEnded, EpisodeStatus, InArena, Measures},
    plugin::MaddpgPlugins,
    rollout::{ActingPolicy, AgentSystems, Exploration, Observe, Reset, RolloutClock},
};
pub use crate::{policy::PolicySnapshot, telemetry::ScoreWindow};
