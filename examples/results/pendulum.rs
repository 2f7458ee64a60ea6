//! The pendulum by DDPG and by the default: how many seeds balance it.

use std::fmt::Write;

use bevy_maddpg::{experiment::evaluate_random, learner::Preset};

use super::{
    Failure,
    bootstrap::{Interval, median},
    method::Method,
    optimum::optimum,
    runs::Runs,
    task::Task,
};

/// Mean return that counts as balanced.
pub(crate) const BAR: f32 = -150.0;
/// DDPG in the joint decisions that Stable-Baselines3 is quoted with.
const DDPG: Method = method(Preset::Ddpg);

/// The default in as many.
pub(crate) const DEFAULT: Method = method(Preset::Matd3);

/// Episodes without noise. Starts differ: the mean return of a thousand has a standard error of 2.4.
const EPISODES: u32 = 20_000;

const fn method(preset: Preset) -> Method {
    Method { episodes: EPISODES, ..Method::new(preset, 26_000) }
}

/// The section of the report.
pub(crate) fn section(runs: &Runs) -> Result<String, Failure> {
    let task = Task::Pendulum;
    let mut text = String::new();
    writeln!(text, "| method | return | seeds at {BAR} or more | decisions | seconds: median, worst |")?;
    writeln!(text, "|---|---|---|---|---|")?;
    if let Some(random) = evaluate_random(&task.experiment(), EPISODES, 0, || false) {
        writeln!(text, "| random | {:.0} | | | |", random.mean)?;
    }
    writeln!(text, "| dynamic programming on a grid | {:.1} | | | |", optimum(EPISODES))?;
    writeln!(text, "| DDPG of Stable-Baselines3 (printed in pytorch/rl #1181) | -144 | | 26,000 | 76 |")?;
    // DDPG's networks are large: fewer seeds of it.
    for (method, seeds) in [(DEFAULT, 10), (DDPG, 3)] {
        let finished = runs.seeds(task, method, seeds)?;
        let returns: Vec<f64> = finished.iter().map(|run| f64::from(run.evaluation.mean)).collect();
        let seconds: Vec<f64> = finished.iter().map(|run| run.summary.seconds).collect();
        writeln!(
            text,
            "| {} | {} | {} of {seeds} | {} | {:.1}, {:.1} |",
            method.label(),
            Interval::of(&returns).cell(1),
            finished.iter().filter(|run| run.evaluation.mean >= BAR).count(),
            finished[0].summary.decisions,
            median(&seconds),
            seconds.iter().copied().fold(0.0, f64::max),
        )?;
    }
    writeln!(text, "\n```sh")?;
    for method in [DEFAULT, DDPG] {
        writeln!(text, "{} {}", task.command(), method.arguments(1).join(" "))?;
    }
    writeln!(text, "```\n")?;
    Ok(text)
}
