use std::path::PathBuf;

use super::OutputError;
use crate::{
    learner::{CheckpointError, ConfigError, DeviceError},
    policy::PolicyError,
    rollout::RolloutError,
};

/// A run that cannot start or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The policy file.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A policy of another game.
    #[error("the policy `{}` is for another game: {source}", .path.display())]
    OtherGame {
        /// The policy file.
        path: PathBuf,
        /// What differs.
        source: RolloutError,
    },
    /// An output folder that holds a run already.
    #[error(
        "the output folder `{}` already holds a run ({found}); choose another with --out, or go on from it with \
         --resume", .path.display()
    )]
    FolderInUse {
        /// The folder.
        path: PathBuf,
        /// A file of the run in it.
        found: String,
    },
    /// No arenas.
    #[error("--arenas is 0, expected 1 or more")]
    NoArenas,
    /// The system does not tell of Ctrl-C.
    #[error("cannot listen for Ctrl-C: {0}")]
    Interrupts(ctrlc::Error),
    /// The learner failed during the run; what had been learned was saved.
    #[error("{failure}; the last good policy is in `{}`", .policy.display())]
    Learner {
        /// The learner's reason.
        failure: String,
        /// The policy file.
        policy: PathBuf,
    },
}
