use std::path::{Path, PathBuf};

use super::{OutputError, interrupt};
use bevy_maddpg::{
    learner::{CheckpointError, ConfigError, DeviceError},
    policy::{ArenaSpec, PolicyError},
};

/// A run cannot start or cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The device is not available.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The policy file cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The checkpoint cannot be used or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file of the output folder cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The policy is for another game.
    #[error(
        "the policy `{}` is for another game: it was trained for the agents {policy}, but this game has {game}; \
         the names of behaviors and the lengths of observations and actions must be the same", .path.display()
    )]
    OtherGame {
        /// The policy file.
        path: PathBuf,
        /// The agents that the policy was trained for.
        policy: ArenaSpec,
        /// The agents of the game.
        game: ArenaSpec,
    },
    /// The output folder already holds a run.
    #[error(
        "the output folder `{}` already holds a run ({found}); choose another with --out, or continue it with \
         --resume", .path.display()
    )]
    FolderInUse {
        /// The folder.
        path: PathBuf,
        /// A file of the run in it.
        found: String,
    },
    /// Another process writes to the output folder.
    #[error(
        "another process is training in the output folder `{}`; wait until it has ended, or choose another folder with --out",
        .path.display()
    )]
    FolderBusy {
        /// The folder.
        path: PathBuf,
    },
    /// There is no run to resume.
    #[error(
        "--resume: `{}` {}; expected the output folder of a run, such as runs/tennis-001", .path.display(),
        if *.exists { "holds no run (it has neither checkpoint.safetensors nor run.json)" } else { "does not exist" }
    )]
    NothingToResume {
        /// The folder.
        path: PathBuf,
        /// Whether it exists.
        exists: bool,
    },
    /// The run to resume is of another game.
    #[error("--resume: the run in `{}` is of the game `{found}`, but this program plays `{game}`", .path.display())]
    RunOfOtherGame {
        /// The folder.
        path: PathBuf,
        /// The run's game.
        found: String,
        /// This program's game.
        game: String,
    },
    /// The game of the run to resume was set up in another way.
    #[error(
        "--resume: the run in `{}` was started with {}, but this command has {}; use the same program with the same options, or start \
         a new run", .path.display(), setting(.option, .found.as_deref()), setting(.option, .now.as_deref())
    )]
    RunOfOtherSettings {
        /// The folder.
        path: PathBuf,
        /// The option.
        option: String,
        /// Its value then, empty if the option has none; `None` without the option.
        found: Option<String>,
        /// Its value now.
        now: Option<String>,
    },
    /// A file that `--resume` needs is damaged.
    #[error("--resume: `{}` cannot be used: {reason}; start a new run", .path.display())]
    DamagedRun {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A signal stopped the run. What it had was saved.
    #[error("stopped by {}", interrupt::name(*.signal))]
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
    /// `--arenas` is 0.
    #[error("--arenas is 0, expected 1 or more")]
    NoArenas,
    /// `--human` in an evaluation.
    #[error(
        "--human: episodes that a person plays are not evaluated; leave out --human, or --evaluate to play without an evaluation"
    )]
    HumanInEvaluation,
    /// A game that has no score at which it counts as solved.
    #[error(
        "--until-solved: the game `{game}` has no score that counts as solved; use --max-minutes or --max-decisions"
    )]
    NeverSolved {
        /// The game's name.
        game: String,
    },
    /// The game has no such side.
    #[error("--human is `{found}`, but the sides of this game are: {}", if .known.is_empty() { "none".into() } else { .known.join(", ") })]
    UnknownSide {
        /// The requested side.
        found: String,
        /// The game's sides.
        known: Vec<String>,
    },
    /// The run that should be resumed was in a lesson that its configuration does not have.
    #[error(
        "--resume: the run is in the lesson `{found}`, but the lessons in `{}` are: {}; give one of them this name, or start a new run",
        .path.display(), if .known.is_empty() { "none".into() } else { .known.join(", ") }
    )]
    UnknownLesson {
        /// The configuration file.
        path: PathBuf,
        /// The lesson.
        found: String,
        /// The lessons of the configuration.
        known: Vec<String>,
    },
    /// The handler for Ctrl-C cannot be installed.
    #[error("cannot listen for Ctrl-C: {0}")]
    Interrupts(String),
    /// The learner failed during the run. The best policy until then was saved, or the last one if there is no best one.
    #[error("{failure}{}", rescued(.policy.as_deref()))]
    Learner {
        /// Why the learner failed.
        failure: String,
        /// The policy file; `None` if there was no policy yet.
        policy: Option<PathBuf>,
    },
}

/// An option of the command line with its value, or that it is missing.
fn setting(option: &str, value: Option<&str>) -> String {
    match value {
        None => format!("no `--{option}`"),
        Some("") => format!("`--{option}`"),
        Some(value) => format!("`--{option} {value}`"),
    }
}

/// Where the policy of a learner that has failed is, if there is one.
fn rescued(policy: Option<&Path>) -> String {
    policy.map_or_else(String::new, |path| format!("; what it had learned before is in `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learner_that_could_not_start_leaves_no_policy() {
        let error = |policy| ExperimentError::Learner { failure: "it failed".into(), policy }.to_string();
        assert_eq!(error(None), "it failed");
        let path = error(Some("run/policy.safetensors".into()));
        assert!(path.starts_with("it failed; ") && path.contains("`run/policy.safetensors`"), "{path}");
    }
}
