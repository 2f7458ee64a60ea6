//! Arenas ready to play, made only from the public API, as a user's own would be.

#[cfg(feature = "particle")]
pub mod particle;
#[cfg(feature = "pendulum")]
pub mod pendulum;
#[cfg(feature = "games")]
pub mod tennis;
