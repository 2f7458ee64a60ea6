//! Two rackets learn to keep a ball in the air, in a window or headless.
//!
//! ```sh
//! cargo run --example tennis                      # watch them learn
//! cargo run --example tennis -- --headless        # train at full speed for a minute
//! cargo run --example tennis -- --policy assets/policies/tennis.safetensors
//! cargo run --example tennis -- --help
//! ```

use std::process::ExitCode;

use bevy_maddpg::{
    experiment::Experiment,
    games::tennis::{self, TennisPlugin},
    watch::tennis::TennisScenePlugin,
};

fn main() -> ExitCode {
    Experiment::new("tennis", tennis::spec(), |app, setup| {
        app.add_plugins(TennisPlugin { arenas: setup.arenas, seed: setup.seed, ..Default::default() });
    })
    .with_title("Tennis: two agents learn to rally")
    .with_scene(|app, setup| {
        app.add_plugins(TennisScenePlugin { human: setup.human, ..Default::default() });
    })
    .with_score(tennis::score)
    .with_settings(tennis::adapt)
    .with_solved(tennis::SOLVED)
    .with_decision_period(tennis::DECISION_PERIOD)
    .run()
}
