//! Makes every figure of `docs/results.md` anew: trains all methods on all tasks over several seeds, lets them play each
//! other, and writes tables and pictures.
//!
//! ```sh
//! cargo run --example results             # all of it: about an hour and a half on two cores
//! cargo run --example results -- --short  # minutes: fails if learning is broken
//! cargo run --example results -- --help
//! ```
//!
//! Every training is a run that a command line repeats bit by bit, and is kept: a run that was interrupted goes on where it
//! stopped, and the report alone is made again in seconds.

mod bootstrap;
mod check;
mod competition;
mod cooperation;
mod method;
mod optimum;
mod pendulum;
mod report;
mod runs;
mod task;
mod tennis;

use std::{path::PathBuf, process::ExitCode};

use bevy_maddpg::experiment::Options;
use clap::Parser;

use self::{runs::Runs, task::Task};

/// Why a report cannot be made.
type Failure = Box<dyn std::error::Error>;

/// Trains all methods on all tasks and writes the report.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Minutes instead of hours: a few trainings, and whether what they come to is what it should be. Writes no report.
    #[arg(long)]
    short: bool,
    /// Seeds of each method on each particle world, from 1 on.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    seeds: u64,
    /// Folder that keeps the trainings; those it holds are not made again.
    #[arg(long, default_value = "runs/results", value_name = "DIR")]
    runs: PathBuf,
    /// Folder of the report `results.md` and of its pictures, in `images`.
    #[arg(long, default_value = "docs", value_name = "DIR")]
    out: PathBuf,
    /// Used by this program itself: does one training.
    #[command(subcommand)]
    training: Option<Training>,
}

#[derive(clap::Subcommand)]
enum Training {
    /// Does one training.
    #[command(hide = true)]
    Train {
        task: Task,
        #[command(flatten)]
        options: Box<Options>,
    },
}

fn main() -> ExitCode {
    let Arguments { short, seeds, runs, out, training } = Arguments::parse();
    if let Some(Training::Train { task, options }) = training {
        return task.experiment().run_by(*options);
    }
    let runs = Runs::new(runs);
    let made = if short { check::check(&runs) } else { report::write(&runs, &out, seeds) };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells a person on standard error.
fn tell(text: &str) {
    use std::io::Write;
    // Nobody can be told that standard error is gone.
    let _ = writeln!(std::io::stderr(), "{text}");
}
