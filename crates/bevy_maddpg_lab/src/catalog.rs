//! The descriptions of the ready games.

mod cartpole;
mod control;
mod hunt;
mod particle;
mod pendulum;
mod soccer;
mod tennis;

pub use cartpole::CartPole;
pub use control::Control;
pub use hunt::Hunt;
pub use particle::Particle;
pub use pendulum::Pendulum;
pub use soccer::Soccer;
pub use tennis::{Tennis, TennisMatch};
