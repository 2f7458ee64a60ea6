//! Tennis from few samples: how many decisions and episodes ten seeds need.

use std::fmt::Write;

use bevy_maddpg::learner::Preset;

use super::{Failure, bootstrap::median, method::Method, runs::Runs, task::Task};

/// Seeds.
const SEEDS: u64 = 10;

/// The section of the report.
pub(crate) fn section(runs: &Runs) -> Result<String, Failure> {
    let mut text = String::new();
    writeln!(
        text,
        "| preset | solved of {SEEDS} | decisions: median, worst | episodes: median, worst | seconds: median, worst |"
    )?;
    writeln!(text, "|---|---|---|---|---|")?;
    writeln!(
        text,
        "| best public run of the task that ours copies (wytyang00, D4PG, printed), one seed | | 20,784 | 152 | |"
    )?;
    let methods = [(Preset::Frugal, 60_000), (Preset::Matd3, 400_000)];
    let methods = methods.map(|(preset, most)| Method { until_solved: true, ..Method::new(preset, most) });
    for method in methods {
        let finished = runs.seeds(Task::Tennis, method, SEEDS)?;
        let solved = finished.iter().filter(|run| run.summary.solved).count();
        // A seed that was not solved counts with all it used.
        let column = |of: &dyn Fn(&super::runs::Run) -> f64| {
            let values: Vec<f64> = finished.iter().map(of).collect();
            format!("{:.0}, {:.0}", median(&values), values.iter().copied().fold(0.0, f64::max))
        };
        writeln!(
            text,
            "| {} | {solved} | {} | {} | {} |",
            method.label(),
            column(&|run| run.summary.solved_at_decisions.unwrap_or(run.summary.decisions) as f64),
            column(&|run| run.summary.solved_at_episodes.map_or(f64::INFINITY, |episodes| episodes as f64)),
            column(&|run| run.summary.solved_at_seconds.unwrap_or(run.summary.seconds)),
        )?;
    }
    writeln!(text, "\n```sh")?;
    for method in methods {
        writeln!(text, "{} {}", Task::Tennis.command(), method.arguments(1).join(" "))?;
    }
    writeln!(text, "```\n")?;
    Ok(text)
}
