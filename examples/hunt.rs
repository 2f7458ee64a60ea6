//! Three hunters chase six prey, in a window or headless. Prey die when they are caught, and a hunter may join late.
//!
//! ```sh
//! cargo run --example hunt                                 # watch both teams learn; press T to play a hunter
//! cargo run --example hunt -- --headless                   # train at full speed for a minute
//! cargo run --example hunt -- --hunters greedy             # the prey learn against a script
//! cargo run --example hunt -- --policy runs/hunt-001/policy.safetensors --prey fleeing --evaluate 100
//! cargo run --example hunt -- --gear choices               # hunters also dash and throw nets
//! cargo run --example hunt -- --help
//! ```

use std::process::ExitCode;

use bevy_maddpg_lab::{
    catalog::Hunt,
    experiment::{Experiment, Options},
    games::hunt::{Gear, Player},
};
use clap::{Parser, ValueEnum};

/// Trains three hunters and six prey against each other, or plays with trained ones.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Who plays the hunters.
    #[arg(long, value_name = "PLAYER", default_value = "learned")]
    hunters: Hunters,
    /// Who plays the prey.
    #[arg(long, value_name = "PLAYER", default_value = "learned")]
    prey: Prey,
    /// What the hunters can do besides running: dash and throw nets, decided by choices or, for comparison, by numbers.
    #[arg(long, value_name = "GEAR", default_value = "none")]
    gear: Equipment,
    #[command(flatten)]
    run: Options,
}

#[derive(Clone, ValueEnum)]
enum Hunters {
    /// Their policies.
    Learned,
    /// A script: each runs after the nearest prey.
    Greedy,
}

#[derive(Clone, ValueEnum)]
enum Prey {
    /// Their policies.
    Learned,
    /// A script: each runs away from the hunters near it.
    Fleeing,
}

#[derive(Clone, ValueEnum)]
enum Equipment {
    /// Only run.
    None,
    /// Choose between running, a dash and a net.
    Choices,
    /// Use a dash or a net where a number is above 0.
    Numbers,
}

fn main() -> ExitCode {
    let Arguments { hunters, prey, gear, run } = Arguments::parse();
    let hunters = match hunters {
        Hunters::Learned => Player::Learned,
        Hunters::Greedy => Player::Scripted,
    };
    let prey = match prey {
        Prey::Learned => Player::Learned,
        Prey::Fleeing => Player::Scripted,
    };
    let gear = match gear {
        Equipment::None => Gear::None,
        Equipment::Choices => Gear::Choices,
        Equipment::Numbers => Gear::Numbers,
    };
    Experiment::new(Hunt { hunters, prey, gear }).run_by(run)
}
