//! The particle worlds of the MADDPG paper: agents cooperate, compete and talk, in a window or headless.
//!
//! ```sh
//! cargo run --example particle                                         # watch cooperative navigation being learned
//! cargo run --example particle -- --scenario simple_tag                # predators and prey; T plays one
//! cargo run --example particle -- --scenario simple_crypto --headless  # train at full speed for a minute
//! cargo run --example particle -- --help
//! ```

use std::process::ExitCode;

use bevy_maddpg::{
    experiment::{Experiment, Options},
    games::particle::{self, ParticlePlugin, Scenario},
    watch::particle::ParticleScenePlugin,
};
use clap::Parser;

/// The particle worlds of the MADDPG paper, with all options of a training run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to play: simple_spread, simple_tag, simple_adversary, simple_push, simple_speaker_listener or simple_crypto.
    #[arg(long, value_name = "NAME", default_value_t)]
    scenario: Scenario,
    #[command(flatten)]
    run: Options,
}

fn main() -> ExitCode {
    let Arguments { scenario, run } = Arguments::parse();
    Experiment::new(scenario.name(), scenario.spec(), move |app, setup| {
        app.add_plugins(ParticlePlugin {
            scenario,
            arenas: setup.arenas,
            seed: setup.seed,
            ..Default::default()
        });
    })
    .with_title(title(scenario))
    .with_scene(move |app, setup| {
        app.add_plugins(ParticleScenePlugin { human: setup.human, ..Default::default() });
    })
    .with_score(scenario.score())
    .with_decision_period(particle::DECISION_PERIOD)
    .with_settings(move |config| scenario.adapt(config))
    .run_by(run)
}

fn title(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Spread => "Three agents cover three landmarks",
        Scenario::Tag => "Predators and prey",
        Scenario::Adversary => "Two agents hide their goal",
        Scenario::Push => "An adversary defends the goal",
        Scenario::SpeakerListener => "One speaks, the other goes",
        Scenario::Crypto => "Alice and Bob talk past Eve",
    }
}
