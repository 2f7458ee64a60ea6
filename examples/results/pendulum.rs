//! Pendulum by DDPG: how soon ten seeds balance it.

use std::fmt::Write;

use bevy_maddpg::{experiment::evaluate_random, learner::Preset};

use super::{
    Failure,
    bootstrap::{Interval, median},
    method::Method,
    runs::{EPISODES, Runs},
    task::Task,
};

/// Seeds.
const SEEDS: u64 = 10;
/// Mean return that counts as balanced.
pub(crate) const BAR: f32 = -150.0;
/// DDPG in the joint decisions that Stable-Baselines3 is quoted with.
pub(crate) const DDPG: Method = Method::new(Preset::Ddpg, 26_000);

/// The section of the report.
pub(crate) fn section(runs: &Runs) -> Result<String, Failure> {
    let task = Task::Pendulum;
    let mut text = String::new();
    writeln!(
        text,
        "| method | return | seeds of {SEEDS} at {BAR} or more | decisions | seconds: median, worst |"
    )?;
    writeln!(text, "|---|---|---|---|---|")?;
    if let Some(random) = evaluate_random(&task.experiment(), EPISODES, 0, || false) {
        writeln!(text, "| random | {:.0} | | | |", random.mean)?;
    }
    writeln!(text, "| DDPG of Stable-Baselines3 (printed in pytorch/rl #1181) | -144 | | 26,000 | 76 |")?;
    for method in [DDPG, Method::new(Preset::Matd3, DDPG.decisions)] {
        let finished = runs.seeds(task, method, SEEDS)?;
        let returns: Vec<f64> = finished.iter().map(|run| f64::from(run.evaluation.mean)).collect();
        let seconds: Vec<f64> = finished.iter().map(|run| run.summary.seconds).collect();
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.1}, {:.1} |",
            method.label(),
            Interval::of(&returns).cell(1),
            finished.iter().filter(|run| run.evaluation.mean >= BAR).count(),
            finished[0].summary.decisions,
            median(&seconds),
            seconds.iter().copied().fold(0.0, f64::max),
        )?;
    }
    writeln!(text, "\n```sh\n{} {}\n```\n", task.command(), DDPG.arguments(1).join(" "))?;
    Ok(text)
}
