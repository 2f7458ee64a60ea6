//! Soccer, two against two, learned by self-play, in a window or headless.
//!
//! ```sh
//! cargo run --example soccer                                # watch them learn; press T to play
//! cargo run --example soccer -- --headless --max-minutes 20
//! cargo run --example soccer -- --policy runs/soccer-001/policy.safetensors --headless --evaluate 1000 --against chaser
//! cargo run --example soccer -- --help
//! ```

use std::{path::Path, process::ExitCode, sync::Arc};

use bevy_maddpg::policy::PolicySnapshot;
use bevy_maddpg_lab::{
    catalog::Soccer,
    experiment::{Experiment, Options},
    games::soccer::{Opponent, Script},
};
use clap::Parser;

/// Trains two teams of two against themselves, or plays with trained ones.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Who plays against the policy in the evaluation, and with --policy in the window: random, simple, chaser or a policy file. The sides
    /// alternate [default: the policy plays against itself].
    #[arg(long, value_name = "WHO", value_parser = opponent)]
    against: Option<Opponent>,
    #[command(flatten)]
    run: Options,
}

/// Reads a script's name or a policy file.
fn opponent(text: &str) -> Result<Opponent, String> {
    if let Some((_, script)) = Script::ALL.into_iter().find(|(name, _)| *name == text) {
        return Ok(Opponent::Script(script));
    }
    if !Path::new(text).exists() {
        let names = Script::ALL.map(|(name, _)| format!("`{name}`")).join(", ");
        return Err(format!("it is neither a script ({names}) nor a policy file"));
    }
    PolicySnapshot::load(text)
        .map(|policy| Opponent::Policy(Arc::new(policy)))
        .map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let Arguments { against, run } = Arguments::parse();
    let game = match run.policy {
        Some(_) => Soccer::played(against),
        None => Soccer { against, ..Soccer::default() },
    };
    Experiment::new(game).run_by(run)
}
