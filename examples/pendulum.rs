//! A pendulum learns to swing up and to stand, in a window or headless.
//!
//! ```sh
//! cargo run --example pendulum                               # watch it learn; T plays it
//! cargo run --example pendulum -- --headless                 # train at full speed for a minute
//! cargo run --example pendulum -- --headless --until-solved  # or until it is learned
//! cargo run --example pendulum -- --help
//! ```

use std::process::ExitCode;

use bevy_maddpg::{
    experiment::Experiment,
    games::pendulum::{self, PendulumPlugin},
    watch::pendulum::PendulumScenePlugin,
};

fn main() -> ExitCode {
    Experiment::new("pendulum", pendulum::spec(), |app, setup| {
        app.add_plugins(PendulumPlugin { arenas: setup.arenas, seed: setup.seed, ..Default::default() });
    })
    .with_title("A pendulum learns to stand")
    .with_scene(|app, setup| {
        app.add_plugins(PendulumScenePlugin { human: setup.human.is_some(), ..Default::default() });
    })
    .with_score(pendulum::score)
    .with_settings(pendulum::adapt)
    .with_solved(pendulum::SOLVED)
    .with_arenas(8)
    .with_decision_period(pendulum::DECISION_PERIOD)
    .run()
}
