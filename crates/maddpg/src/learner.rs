//! The MADDPG learner. It runs on the CPU with this crate's own kernels, or on a GPU through candle.
//!
//! | item | what it is |
//! |---|---|
//! | [`TrainingConfig`], [`LearnerConfig`], [`Preset`] | all settings of a training, and named presets |
//! | [`Mirror`] | how observations and actions change when left and right are swapped |
//! | [`Memory`] | how much memory a learner with certain settings needs |
//! | [`ReplayBuffer`] | a ring buffer of joint transitions |
//! | [`UpdateStatistics`] | what one update measured |
//! | [`LearnerRecord`] | what a learner on its own thread reports every 100 updates |
//! | [`Learner`] | the learner itself: updates all policies, saves and loads checkpoints |
//! | [`LearnerThread`], [`Pace`] | a learner on its own thread, and whether the game waits for it |
//! | [`Cores`], [`StopSignal`] | how several learners share the cores, and how to stop them between two updates |
//! | [`DeviceChoice`] | where the learner computes: CPU or GPU |

mod batch;
mod checkpoint;
mod choices;
mod config;
mod device;
mod engine;
mod fate;
mod images;
mod memory;
mod mirror;
mod preset;
mod record;
mod replay;
mod settings_change;
mod statistics;
mod thread;
mod update;
mod values;
mod view;

pub use checkpoint::{CheckpointError, CheckpointInfo};
pub use config::{ConfigError, GradientClip, LearnerConfig, TrainingConfig};
pub use device::{Device, DeviceChoice, DeviceError};
pub use engine::UpdateStatistics;
pub use memory::Memory;
pub use mirror::Mirror;
pub use preset::Preset;
pub use record::LearnerRecord;
pub use replay::{ReplayBuffer, RowSizes, Transition};
pub use thread::{CHANNEL_BLOCKS, CheckpointRequest, Cores, LearnerThread, Pace, StopSignal};
pub use update::{Learner, LearnerError};
