//! What most games need.

pub use crate::{
    agent::{
        Action, ActionMask, ActionOverride, Agent, Clock, DecisionClock, Life, Observation, PolicyOverride,
        Reward, Untrained,
    },
    arena::{
        Arena, ArenaAgents, ArenasToObserve, ArenasToReset, Episode, EpisodeEnded, EpisodeStatus, InArena,
        Measures, NoExploration,
    },
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
    rollout::{
        ActingPolicy, AgentSystems, Exploration, Observe, Reset, RolloutClock, RolloutPlugin, StepEnd,
        StepStart, StepTiming, agents_decide,
    },
    score::ScoreWindow,
    typed::{AgentAction, AgentObservation, Chosen},
};
#[cfg(feature = "learner")]
pub use crate::{
    learner::{Pace, Preset, TrainingConfig},
    training::{LearnerReport, Training},
};
