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

/// A task, its training method, and what every seed has to reach.
const CHECKS: [(Task, Method, Bar); 4] = [
    (Task::Particle(Scenario::Spread), Method::new(Preset::Matd3, 60_000), Bar::Return(-14.0)),
    (Task::Particle(Scenario::SpeakerListener), Method::new(Preset::Matd3, 60_000), Bar::Return(-8.0)),
    (Task::Pendulum, pendulum::DEFAULT, Bar::Return(-200.0)),
    // Not the few-sample preset, and not the return: it depends on how the processor rounds whether the policy of a run that
    // has just been solved also serves well without exploration noise. `docs/experiments.md` has the numbers.
    (Task::Tennis, tennis::DEFAULT, Bar::Score(0.5)),
];

/// What a run has to reach.
#[derive(Clone, Copy)]
enum Bar {
    /// This mean return without exploration noise.
    Return(f32),
    /// This mean score of 100 episodes while training.
    Score(f32),
}

impl Bar {
    /// What a run has reached, and what it has to reach.
    fn compare(self, run: &Run) -> (f32, f32) {
        match self {
            Self::Return(bar) => (run.evaluation.mean, bar),
            Self::Score(bar) => (run.summary.best_score_100.unwrap_or(f32::NEG_INFINITY), bar),
        }
    }
}

/// Seeds per check.
const SEEDS: u64 = 2;

/// Runs the trainings and compares their returns with the required ones.
pub(crate) fn check(runs: &Runs) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for (task, method, bar) in CHECKS {
        let finished = runs.seeds(task, method, SEEDS)?;
        let (reached, wanted): (Vec<f32>, Vec<f32>) = finished.iter().map(|run| bar.compare(run)).unzip();
        let is_enough = reached.iter().zip(&wanted).all(|(reached, wanted)| reached >= wanted);
        let verdict = if is_enough { "ok" } else { "TOO LOW" };
        let what = if matches!(bar, Bar::Return(_)) { "returns" } else { "scores while training" };
        tell(&format!(
            "{task}, {}: {what} {reached:.2?}, required at least {}: {verdict}",
            method.label(),
            wanted[0]
        ));
        if !is_enough {
            failures.push(task.to_string());
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("learning is broken: {}", failures.join(", ")).into())
}
