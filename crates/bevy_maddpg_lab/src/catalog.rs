//! The descriptions of the ready games.

mod particle;
mod pendulum;
mod tennis;

pub use particle::Particle;
pub use pendulum::Pendulum;
pub use tennis::Tennis;
