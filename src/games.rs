//! Arenas ready to play, made only from the public API, as a user's own would be.

pub mod particle;
#[cfg(feature = "games")]
pub mod tennis;
