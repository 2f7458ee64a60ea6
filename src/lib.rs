//! Agents that learn inside the game.
#![warn(missing_docs)]
#![deny(unsafe_code)]

#[cfg(feature = "game")]
pub mod agent;
#[cfg(feature = "game")]
pub mod arena;
#[cfg(feature = "experiment")]
pub mod experiment;
pub mod exploration;
#[cfg(feature = "games")]
pub mod games;
#[cfg(feature = "game")]
pub mod headless;
#[cfg(feature = "learner")]
pub mod learner;
mod matrix;
#[cfg(feature = "game")]
pub mod plugin;
pub mod policy;
pub mod prelude;
pub mod random;
#[cfg(feature = "game")]
pub mod rollout;
pub mod telemetry;
mod tensor_file;
#[cfg(all(feature = "game", feature = "learner"))]
pub mod training;
pub mod transition;
#[cfg(feature = "watch")]
pub mod watch;

pub use tensor_file::FileError;
