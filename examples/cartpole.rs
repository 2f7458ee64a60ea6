//! A cart learns to keep its pole upright by choosing left or right, in a window or headless.
//!
//! ```sh
//! cargo run --example cartpole                               # watch it learn; press T to take it over
//! cargo run --example cartpole -- --headless                 # train at full speed for a minute
//! cargo run --example cartpole -- --headless --until-solved  # train until it counts as solved
//! cargo run --example cartpole -- --help
//! ```

use std::process::ExitCode;

use bevy_maddpg_lab::{catalog::CartPole, experiment::Experiment};

fn main() -> ExitCode {
    Experiment::new(CartPole).run()
}
