//! Agents that learn inside the game.
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod exploration;
#[cfg(feature = "learner")]
pub mod learner;
mod matrix;
pub mod policy;
pub mod random;
pub mod telemetry;
mod tensor_file;
pub mod transition;

pub use tensor_file::FileError;
