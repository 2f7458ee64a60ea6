//! Arenas ready to play, made only from the public API, as a user's own would be.

pub mod tennis;
