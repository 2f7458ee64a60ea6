//! Ready-made games, a training window and a training program for [`bevy_maddpg`].
//!
//! A game is described once, as a [`Game`](game::Game). Everything else takes that description: the training program, the
//! window, evaluations, benchmarks and reports.
//!
//! ```no_run
//! use bevy_maddpg_lab::{catalog::Tennis, experiment::Experiment};
//!
//! fn main() -> std::process::ExitCode {
//!     Experiment::new(Tennis).run()
//! }
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`game`] | the description of a game |
//! | [`games`] | the ready-made games: [tennis](games::tennis), the [particle worlds](games::particle), [soccer](games::soccer), the [control tasks](games::control), the [pendulum](games::pendulum), the [cart pole](games::cartpole), the [hunt](games::hunt) |
//! | [`catalog`] | their descriptions |
//! | [`experiment`] | a training run as a program: options, output folder, progress, evaluation, summary |
//! | [`watch`] | the window: camera, dashboard, learning curve, keys |
//! | [`statistics`] | episode records and what is counted from them; the window and the files read from here |
//!
//! With the feature `wayland`, the window opens on Wayland without XWayland; building it needs the system's
//! wayland-client.

pub mod catalog;
pub mod experiment;
mod format;
pub mod game;
pub mod games;
pub mod rating;
pub mod statistics;
pub mod watch;
