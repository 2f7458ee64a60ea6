//! Checks within minutes that learning still works.

use bevy_maddpg::learner::Preset;
use bevy_maddpg_lab::games::particle::Scenario;

use super::{
    Failure,
    method::Method,
    pendulum,
    runs::{Run, Runs},
    task::Task,
    tell, tennis,
};

/// A task, its training method, and the mean return that every seed has to reach.
const CHECKS: [(Task, Method, f32); 4] = [
    (Task::Particle(Scenario::Spread), Method::new(Preset::Matd3, 60_000), -14.0),
    (Task::Particle(Scenario::SpeakerListener), Method::new(Preset::Matd3, 60_000), -8.0),
    (Task::Pendulum, pendulum::DEFAULT, -200.0),
    // Not the few-sample preset: after 10,000 decisions it depends on how the processor rounds whether a seed has learned.
    (Task::Tennis, tennis::DEFAULT, 0.5),
];

/// Seeds per check.
const SEEDS: u64 = 2;

/// Runs the trainings and compares their returns with the required ones.
pub(crate) fn check(runs: &Runs) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for (task, method, bar) in CHECKS {
        let returns: Vec<f32> =
            runs.seeds(task, method, SEEDS)?.iter().map(|run: &Run| run.evaluation.mean).collect();
        let least = returns.iter().copied().fold(f32::INFINITY, f32::min);
        let verdict = if least >= bar { "ok" } else { "TOO LOW" };
        tell(&format!(
            "{task}, {}: returns {returns:.2?}, required at least {bar}: {verdict}",
            method.label()
        ));
        if least < bar {
            failures.push(task.to_string());
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("learning is broken: {}", failures.join(", ")).into())
}
