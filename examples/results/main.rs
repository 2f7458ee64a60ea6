//! Reproduces every number and plot of `docs/results.md`: trains all methods on all tasks with several seeds, lets them
//! play against each other, and writes tables and images.
//!
//! ```sh
//! cargo run --example results             # everything: one to two hours on two cores
//! cargo run --example results -- --short  # minutes: fails if learning is broken
//! cargo run --example results -- --control # the twenty control tasks: many hours; `--tasks` chooses some
//! cargo run --example results -- --help
//! ```
//!
//! Every training can be repeated bit by bit by one command line, and its output is kept. If the program is
//! interrupted, run it again to do only the trainings that are missing; rewriting the report alone takes seconds.

mod check;
mod competition;
mod control;
mod cooperation;
mod estimate;
mod method;
mod optimum;
mod pendulum;
mod report;
mod runs;
mod task;
mod tennis;

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode};

use bevy_maddpg_lab::{
    experiment::{Experiment, Options},
    games::control as control_tasks,
};
use clap::Parser;

use self::{
    runs::{Runs, cores},
    task::Task,
};

/// Why the report could not be produced.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Trains all methods on all tasks and writes the report.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Only check within minutes that learning works: run a few trainings and compare their returns with the required
    /// ones. Writes no report.
    #[arg(long)]
    short: bool,
    /// Instead of `results.md`, write `control-results.md`, about the control tasks.
    #[arg(long, conflicts_with = "short")]
    control: bool,
    /// The control tasks to train, separated by commas. Default: all. The report has all tasks whose trainings are finished.
    #[arg(long, value_name = "TASKS", value_delimiter = ',', requires = "control")]
    tasks: Vec<control_tasks::Task>,
    /// Seeds per method and particle world, or control task, starting from 1; at least 3. Default: 5, or 3 with --control.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(3..))]
    seeds: Option<u64>,
    /// Trainings to run at once. Default: one for each core; each takes about 0.5 GB of memory.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Folder of the trainings. Those already in it are not repeated.
    #[arg(long, default_value = "runs/results", value_name = "DIR")]
    runs: PathBuf,
    /// Folder for the report `results.md` and its images, in the subfolder `images`.
    #[arg(long, default_value = "docs", value_name = "DIR")]
    out: PathBuf,
    /// Used by this program itself: runs one training.
    #[command(subcommand)]
    training: Option<Training>,
}

#[derive(clap::Subcommand)]
enum Training {
    /// Runs one training.
    #[command(hide = true)]
    Train {
        task: Task,
        #[command(flatten)]
        options: Box<Options>,
    },
}

fn main() -> ExitCode {
    let Arguments { short, control, tasks, seeds, jobs, runs, out, training } = Arguments::parse();
    if let Some(Training::Train { task, options }) = training {
        return Experiment::boxed(task.game()).run_by(*options);
    }
    let runs = Runs::new(runs, jobs.map_or_else(cores, usize::from));
    let made = if short {
        check::check(&runs)
    } else if control {
        control::write(&runs, &out, &tasks, seeds.unwrap_or(3))
    } else {
        report::write(&runs, &out, seeds.unwrap_or(5))
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line on standard error.
fn tell(text: &str) {
    use std::io::Write;
    // If standard error is closed, there is nowhere to report it.
    let _ = writeln!(std::io::stderr(), "{text}");
}
