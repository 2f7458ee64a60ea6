//! The MADDPG learner, without Bevy: on the CPU by kernels of our own, on a GPU by candle.
//!
//! | item | what it is |
//! |---|---|
//! | [`TrainingConfig`], [`LearnerConfig`], [`Preset`] | every number, and named choices of them |
//! | [`ReplayBuffer`] | the ring of joint transitions |
//! | [`Measures`] | what an update measured |
//! | [`Learner`] | one update of all policies; checkpoints |
//! | [`LearnerThread`], [`Pace`] | the learner in the background of a game |
//! | [`DeviceChoice`] | CPU or GPU |

mod batch;
mod checkpoint;
mod config;
mod device;
mod engine;
mod preset;
mod replay;
mod statistics;
mod thread;
mod update;
mod values;

pub use checkpoint::CheckpointError;
pub use config::{ConfigError, LearnerConfig, TrainingConfig};
pub use device::{DeviceChoice, DeviceError};
pub use engine::Measures;
pub use preset::Preset;
pub use replay::{ReplayBuffer, RowSizes, Transition};
pub use thread::{CHANNEL_BLOCKS, LearnerThread, Pace};
pub use update::{Learner, LearnerError};
