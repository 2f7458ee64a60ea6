//! Two rackets learn to keep a ball in the air, in a window or headless.
//!
//! ```sh
//! cargo run --example tennis                      # watch them learn
//! cargo run --example tennis -- --headless        # train at full speed for a minute
//! cargo run --example tennis -- --policy assets/policies/tennis.safetensors
//! cargo run --example tennis -- --help
//! ```

use std::process::ExitCode;

use bevy_maddpg_lab::{catalog::Tennis, experiment::Experiment};

fn main() -> ExitCode {
    Experiment::new(Tennis).run()
}
