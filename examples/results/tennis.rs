//! Tennis from few samples, and the time until it is solved when samples are cheap.

use std::fmt::Write;

use bevy_maddpg::learner::Preset;

use super::{
    Failure,
    estimate::median,
    method::Method,
    runs::{Run, Runs},
    task::Task,
};

const SEEDS: u64 = 10;
/// The few-sample preset.
const FRUGAL: Method = Method { episodes: 100, ..Method::new(Preset::Frugal, 10_000) };
/// The few-sample preset until the task counts as solved.
const FRUGAL_SOLVED: Method =
    Method { episodes: 100, until_solved: true, ..Method::new(Preset::Frugal, 60_000) };
/// Tennis with its example's default settings.
pub(crate) const DEFAULT: Method =
    Method { episodes: 100, until_solved: true, ..Method::new(Preset::Matd3, 400_000) };

/// The tennis section of the report.
pub(crate) fn section(runs: &Runs) -> Result<String, Failure> {
    let mut text = String::from(INTRODUCTION);
    writeln!(
        text,
        "| preset | decisions: median, worst | episodes: median, worst | seconds: median, worst | mean score without \
         noise: median, worst | seeds of {SEEDS} at 0.5 or more |\n|---|---|---|---|---|---|"
    )?;
    writeln!(
        text,
        "| wytyang00's D4PG on the task that this game copies, best single run (as reported) | 20,784 to solved | 152 | \
         | | |"
    )?;
    let to_solved = |runs: &[Run]| {
        let unsolved = runs.iter().filter(|run| !run.summary.solved).count();
        if unsolved == 0 {
            " to solved".into()
        } else {
            format!(" to solved or stopped ({unsolved} not solved)")
        }
    };
    for (method, ends_when_solved) in [(FRUGAL, false), (FRUGAL_SOLVED, true), (DEFAULT, true)] {
        let what = |runs: &[Run]| if ends_when_solved { to_solved(runs) } else { String::new() };
        let finished = runs.seeds(Task::Tennis, method, SEEDS)?;
        let column = |of: &dyn Fn(&Run) -> f64| finished.iter().map(of).collect::<Vec<_>>();
        let most = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let decisions = column(&|run| run.summary.decisions as f64);
        let mut episodes = Vec::new();
        for run in &finished {
            // A long run does not keep a row of each episode.
            let rows = run.curve()?.len() as f64;
            episodes.push(run.summary.solved_at_episodes.map_or(rows, |episodes| episodes as f64));
        }
        let seconds = column(&|run| run.summary.seconds);
        let scores = column(&|run| f64::from(run.evaluation.mean));
        writeln!(
            text,
            "| {} | {:.0}, {:.0}{} | {:.0}, {:.0} | {:.1}, {:.1} | {:.2}, {:.2} | {} |",
            method.label(),
            median(&decisions),
            most(&decisions),
            what(&finished),
            median(&episodes),
            most(&episodes),
            median(&seconds),
            most(&seconds),
            median(&scores),
            scores.iter().copied().fold(f64::INFINITY, f64::min),
            scores.iter().filter(|score| **score >= 0.5).count(),
        )?;
    }
    writeln!(text, "\n```sh")?;
    for method in [FRUGAL, FRUGAL_SOLVED, DEFAULT] {
        writeln!(text, "{} {}", Task::Tennis.command(), method.arguments(1).join(" "))?;
    }
    writeln!(text, "```\n")?;
    Ok(text)
}

const INTRODUCTION: &str = "\
*Solved* means that 100 consecutive training episodes, with exploration, have a mean score of at least 0.5. The rules
limit how early this can happen: a score of 0.1 takes about 38 decisions, so 100 such episodes contain at least 18,200
joint decisions, and agents that play well early play long episodes and wait longer for the hundredth. The few-sample
preset is therefore also evaluated on 100 episodes without noise after 10,000 joint decisions.

";
