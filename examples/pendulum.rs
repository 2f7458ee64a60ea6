//! A pendulum learns to swing up and to stand, in a window or headless.
//!
//! ```sh
//! cargo run --example pendulum                               # watch it learn; press T to take it over
//! cargo run --example pendulum -- --headless                 # train at full speed for a minute
//! cargo run --example pendulum -- --headless --until-solved  # train until it counts as solved
//! cargo run --example pendulum -- --help
//! ```

use std::process::ExitCode;

use bevy_maddpg_lab::{catalog::Pendulum, experiment::Experiment};

fn main() -> ExitCode {
    Experiment::new(Pendulum).run()
}
