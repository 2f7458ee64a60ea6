//! Runs without a window: training at full speed with a progress bar, and evaluation.

use bevy::prelude::*;

use super::{
    Evaluation, ExperimentError, ProgressLine, Run, Summary, eprintln_line, evaluation::evaluate_with,
    limits::Limits, recorder::Recorder, run_state::Earlier,
};
use bevy_maddpg::{
    headless, learner::Pace, parameters::Curriculum, policy::PolicySnapshot, training::Training,
};

use crate::statistics::RunStatistics;

/// Minutes of training if no option says when to stop.
const DEFAULT_MINUTES: f64 = 1.0;
/// Episodes to evaluate if no option says how many.
const DEFAULT_EPISODES: u32 = 100;

/// Trains at full speed with a progress bar.
pub(super) fn train(run: &Run) -> Result<(), ExperimentError> {
    let mut limits = run.limits();
    let mut episodes = run.options.evaluate;
    if limits.is_endless() {
        limits.seconds = Some(DEFAULT_MINUTES * 60.0 + run.earlier.as_ref().map_or(0.0, Earlier::seconds));
        episodes = episodes.or(Some(DEFAULT_EPISODES));
    }
    let mut progress = ProgressLine::new(run.game.name(), limits.goal(run.game.solved()));
    let (mut run, mut lesson) = (run.clone(), 0);
    loop {
        let mut app = headless::app(run.game.decision_period());
        let folder = run.add_training(&mut app, Pace::Balanced)?;
        headless::start(&mut app);
        if run.earlier.as_ref().is_some_and(|earlier| limits.reached_by(earlier).is_some()) {
            // It has trained enough, and only its result is missing.
            app.world().resource::<Training>().stop_signal().stop();
        }
        if train_part(&run, &mut app, &limits, &mut progress, &mut lesson) {
            run = run.next_part(app.world_mut(), &folder)?;
            continue;
        }
        if run.is_interrupted() {
            eprintln_line("saving the policy and a checkpoint");
            episodes = None;
        }
        let selects = !run.is_interrupted();
        run.finish_training(app.world_mut(), &folder, episodes, selects)?;
        return run.outcome();
    }
}

/// Trains until the run ends, or until the end of one of its parts. Tells which lesson starts, if it is not `lesson`. Returns whether
/// another part follows.
fn train_part(
    run: &Run,
    app: &mut App,
    limits: &Limits,
    progress: &mut ProgressLine,
    lesson: &mut usize,
) -> bool {
    let start = run.earlier.as_ref().map_or(0, Earlier::decisions);
    let end = run.decisions_of_part(Pace::Balanced).map(|decisions| start + decisions);
    loop {
        app.update();
        for notice in app.world_mut().resource_mut::<Recorder>().take_notices() {
            progress.note(&notice);
        }
        let world = app.world();
        if let Some(curriculum) =
            world.get_resource::<Curriculum>().filter(|now| now.lesson_index() != *lesson)
        {
            *lesson = curriculum.lesson_index();
            progress.note(
                &curriculum.lesson().map_or_else(String::new, |lesson| format!("lesson `{}`", lesson.name)),
            );
        }
        let (recorder, statistics) = (world.resource::<Recorder>(), world.resource::<RunStatistics>());
        let status = statistics.status();
        progress.update(&status);
        let training = world.resource::<Training>();
        let failed = training.failure().is_some() || recorder.has_failed();
        if failed || run.is_interrupted() || limits.reached(statistics, status.decisions) {
            progress.finish(&status);
            return false;
        }
        if end.is_some_and(|end| status.decisions >= end) {
            return true;
        }
    }
}

/// Evaluates a trained policy.
pub(super) fn evaluate_policy(run: &Run, policy: &PolicySnapshot) -> Result<(), ExperimentError> {
    let start = std::time::Instant::now();
    let evaluation = run.evaluate(policy, run.options.evaluate.unwrap_or(DEFAULT_EPISODES));
    let mut summary = Summary {
        finished: evaluation.is_some(),
        evaluation,
        seconds: start.elapsed().as_secs_f64(),
        ..run.policy_summary(policy)
    };
    run.report(&mut summary, None)?;
    run.outcome()
}

impl Run {
    /// How `policy` plays without exploration. `None` if a signal stops the program before the end.
    pub(super) fn evaluate(&self, policy: &PolicySnapshot, episodes: u32) -> Option<Evaluation> {
        eprintln_line(&format!("evaluating {episodes} episodes without exploration"));
        evaluate_with(
            self.game.in_evaluation().as_deref().unwrap_or(&*self.game),
            policy,
            &self.parameters,
            episodes,
            self.options.seed,
            || self.is_interrupted(),
        )
    }
}
