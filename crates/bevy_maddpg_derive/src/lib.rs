//! The derive macros of `bevy_maddpg`.
