//! Two rackets learn to keep a ball in the air, or to win points against each other, in a window or headless.
//!
//! ```sh
//! cargo run --example tennis                      # watch them learn
//! cargo run --example tennis -- --headless        # train at full speed for a minute
//! cargo run --example tennis -- --policy assets/policies/tennis.safetensors
//! cargo run --example tennis -- --rules match     # play for points
//! cargo run --example tennis -- --help
//! ```

use std::{path::Path, process::ExitCode, sync::Arc};

use bevy_maddpg::policy::PolicySnapshot;
use bevy_maddpg_lab::{
    catalog::{Tennis, TennisMatch},
    experiment::{Experiment, Options},
    games::tennis::{Opponent, Rules, Script},
};
use clap::Parser;

/// Trains two tennis players, or plays with trained ones.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What they play for: rally (both keep the ball in the air) or match (each plays for points).
    #[arg(long, value_name = "RULES", default_value = "rally", value_parser = rules)]
    rules: Rules,
    /// With --rules match: who plays against the policy in the evaluation, and with --policy in the window: random, returner or a
    /// policy file, which may have been trained by the rules rally. The sides alternate [default: the policy plays
    /// against itself].
    #[arg(long, value_name = "WHO", value_parser = opponent)]
    against: Option<Opponent>,
    #[command(flatten)]
    run: Options,
}

/// Reads the name of the rules.
fn rules(text: &str) -> Result<Rules, String> {
    let found = Rules::ALL.into_iter().find(|(name, _)| *name == text);
    found.map(|(_, rules)| rules).ok_or_else(|| "expected `rally` or `match`".into())
}

/// Reads a script's name or a policy file.
fn opponent(text: &str) -> Result<Opponent, String> {
    if let Some(script) = Script::named(text) {
        return Ok(Opponent::Script(script));
    }
    if !Path::new(text).exists() {
        let scripts = Script::ALL.map(|(name, _)| format!("`{name}`")).join(", ");
        return Err(format!("it is neither a script ({scripts}) nor a policy file"));
    }
    let opponent = Opponent::Policy(Arc::new(PolicySnapshot::load(text).map_err(|error| error.to_string())?));
    match opponent.difference() {
        Some(difference) => {
            Err(format!("the policy was trained for another game: a tennis player has {difference}"))
        }
        None => Ok(opponent),
    }
}

fn main() -> ExitCode {
    let Arguments { rules, against, run } = Arguments::parse();
    match (rules, against, &run.policy) {
        (Rules::Rally, None, _) => Experiment::new(Tennis).run_by(run),
        (Rules::Rally, Some(_), _) => {
            eprintln!(
                "error: --against works only with --rules match, but the rules are `rally`; add --rules match"
            );
            ExitCode::FAILURE
        }
        (Rules::Match, against, Some(_)) => Experiment::new(TennisMatch::played(against)).run_by(run),
        (Rules::Match, against, None) => {
            Experiment::new(TennisMatch { against, ..TennisMatch::default() }).run_by(run)
        }
    }
}
