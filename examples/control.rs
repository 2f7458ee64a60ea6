//! Twenty bodies learn to move: balance, swing up, reach, run, drive.
//!
//! ```sh
//! cargo run --example control                                   # watch a cartpole learn to swing up
//! cargo run --example control -- --task list                    # what else there is
//! cargo run --example control -- --task cheetah --headless --max-minutes 30
//! cargo run --example control -- --task walker --planner        # watch a planner that knows the physics
//! cargo run --example control -- --task cartpole_balance --pixels # learn from images
//! cargo run --example control -- --help
//! ```

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use bevy_maddpg::policy::PolicySnapshot;
use bevy_maddpg_lab::{
    catalog::Control,
    experiment::{Experiment, Options},
    game::Game,
    games::control::{self, Camera, Sight, Task, UnknownTask},
};
use clap::Parser;

/// Trains a body to do a task, or plays with a trained policy or with a planner.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The task, or `list` to see them all.
    #[arg(long, default_value = "cartpole", value_name = "TASK", value_parser = wish)]
    task: Wish,
    /// Let a planner that knows the physics act instead of a policy. It is much slower than real time. With --headless, evaluate it.
    #[arg(
        long,
        conflicts_with_all = [
            "policy",
            "resume",
            "out",
            "until_solved",
            "max_minutes",
            "max_decisions",
            "lockstep",
            "save_replay",
        ]
    )]
    planner: bool,
    /// The agent sees the last three frames of an image of its body, 48 x 32 pixels each, instead of positions and speeds.
    #[arg(long, conflicts_with = "planner")]
    pixels: bool,
    /// Instead of training, measure the scores of random actions and of the planner in this many episodes, and print them as a row of
    /// `crates/bevy_maddpg_lab/assets/control/yardstick.csv`. Takes minutes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    yardstick: Option<u16>,
    #[command(flatten)]
    run: Options,
}

/// What to do with a task.
#[derive(Clone, Copy)]
enum Wish {
    List,
    Run(Task),
}

/// Reads a task's name, or `list`.
fn wish(text: &str) -> Result<Wish, String> {
    if text == "list" {
        return Ok(Wish::List);
    }
    text.parse().map(Wish::Run).map_err(|error: UnknownTask| error.to_string())
}

/// Prints all tasks.
fn list() {
    let mut out = stdout().lock();
    for task in Task::ALL {
        // If nobody reads any more, there is nothing to do.
        let _ = writeln!(
            out,
            "{:26} {:3} observed, {} controlled  {}",
            task.name(),
            task.observation_size(),
            task.action_size(),
            task.summary()
        );
    }
}

fn main() -> ExitCode {
    let Arguments { task, planner, pixels, yardstick, run } = Arguments::parse();
    let Wish::Run(task) = task else {
        list();
        return ExitCode::SUCCESS;
    };
    if let Some(episodes) = yardstick {
        println!("{}", control::yardstick(task, episodes.into(), run.seed).row(task, run.seed));
        return ExitCode::SUCCESS;
    }
    let sight = if pixels { Sight::Pixels } else { Sight::Numbers };
    if pixels && Camera::of(task).is_none() {
        let possible = Task::ALL.iter().filter(|task| Camera::of(**task).is_some());
        let possible: Vec<&str> = possible.map(|task| task.name()).collect();
        eprintln!(
            "error: `--pixels` cannot be used with the task `{task}`, because its body moves out of the picture; choose one of: {}",
            possible.join(", ")
        );
        return ExitCode::FAILURE;
    }
    let game = Control { task, sight, is_planned: planner };
    let experiment = Experiment::new(game);
    if !planner {
        return experiment.run_by(run);
    }
    // The planner overrides every action of this policy.
    let idle = game
        .spec()
        .groups(true)
        .map_err(|error| error.to_string())
        .and_then(|groups| PolicySnapshot::zeros(&groups).map_err(|error| error.to_string()));
    match idle {
        Ok(policy) => experiment.with_policy(policy).run_by(run),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
