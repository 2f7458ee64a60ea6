//! The pendulum with DDPG and with the default method: how many seeds learn to balance it.

use std::fmt::Write;

use bevy_maddpg::learner::Preset;
use bevy_maddpg_lab::experiment::evaluate_random;

use super::{
    Failure,
    estimate::{Estimate, median},
    method::Method,
    optimum::optimum,
    runs::Runs,
    task::Task,
};

/// Mean return from which the pendulum counts as balanced.
pub(crate) const BAR: f32 = -150.0;
/// DDPG, with as many joint decisions as Stable-Baselines3's reported run.
const DDPG: Method = method(Preset::Ddpg);

/// The default method with the same number of decisions.
pub(crate) const DEFAULT: Method = method(Preset::Matd3);

/// Evaluation episodes without noise. The starts vary so much that the mean return of only a thousand has a standard
/// error of 2.4.
const EPISODES: u32 = 20_000;

const fn method(preset: Preset) -> Method {
    Method { episodes: EPISODES, ..Method::new(preset, 26_000) }
}

/// The pendulum section of the report.
pub(crate) fn section(runs: &Runs) -> Result<String, Failure> {
    let task = Task::Pendulum;
    let mut text = String::new();
    writeln!(text, "| method | return | seeds at {BAR} or more | decisions | seconds: median, worst |")?;
    writeln!(text, "|---|---|---|---|---|")?;
    if let Some(random) = evaluate_random(&*task.game(), EPISODES, 0, || false) {
        writeln!(text, "| random | {:.0} | | | |", random.mean)?;
    }
    writeln!(text, "| dynamic programming on a grid | {:.1} | | | |", optimum(EPISODES))?;
    writeln!(text, "| DDPG of Stable-Baselines3 (reported in pytorch/rl #1181) | -144 | | 26,000 | 76 |")?;
    // DDPG's large networks take longer to train, so it gets fewer seeds.
    for (method, seeds) in [(DEFAULT, 10), (DDPG, 3)] {
        let finished = runs.seeds(task, method, seeds)?;
        let returns: Vec<f64> = finished.iter().map(|run| f64::from(run.evaluation.mean)).collect();
        let seconds: Vec<f64> = finished.iter().map(|run| run.summary.seconds).collect();
        writeln!(
            text,
            "| {} | {} | {} of {seeds} | {} | {:.1}, {:.1} |",
            method.label(),
            Estimate::of(&returns).cell(1),
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
