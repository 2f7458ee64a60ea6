//! The particle worlds of the MADDPG paper: agents cooperate, compete and communicate, in a window or headless.
//!
//! ```sh
//! cargo run --example particle                                         # watch cooperative navigation
//! cargo run --example particle -- --scenario simple_tag                # predators and prey; press T to play one
//! cargo run --example particle -- --scenario simple_crypto --headless  # train at full speed for a minute
//! cargo run --example particle -- --discrete                           # agents choose one of five moves
//! cargo run --example particle -- --help
//! ```

use std::process::ExitCode;

use bevy_maddpg_lab::{
    catalog::Particle,
    experiment::{Experiment, Options},
    games::particle::Scenario,
};
use clap::Parser;

/// Trains agents in the particle worlds of the MADDPG paper, or plays with trained ones.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The world: simple_spread, simple_tag, simple_adversary, simple_push, simple_speaker_listener or simple_crypto.
    #[arg(long, value_name = "NAME", default_value_t)]
    scenario: Scenario,
    /// Let the agents choose one of mpe2's discrete actions instead of acting by numbers.
    #[arg(long)]
    discrete: bool,
    #[command(flatten)]
    run: Options,
}

fn main() -> ExitCode {
    let Arguments { scenario, discrete, run } = Arguments::parse();
    Experiment::new(Particle { scenario, discrete }).run_by(run)
}
