//! Ready-made games, built only on the public API of [`bevy_maddpg`], as a user's own game would be.

pub mod cartpole;
pub mod control;
pub mod hunt;
pub mod particle;
pub mod pendulum;
mod puppets;
mod rapier;
pub(crate) mod results;
pub mod soccer;
pub mod tennis;
