use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bevy::prelude::*;

use super::{
    Evaluation, ExperimentError, GameResults, ProgressGoal, ProgressLine, Recorder, Run, RunFolder, Summary,
    best_policy::{BestPolicy, Candidate},
    eprintln_line,
    evaluation::evaluate_with,
    parameters, policy_scores, println_line, rivals,
    run_folder::write_json,
    run_state::{Earlier, RunDescription, RunState},
    selection::{Selection, select},
};
use bevy_maddpg::{
    headless,
    learner::{CheckpointError, Learner, Pace},
    parameters::Curriculum,
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
    rollout::{ActingPolicy, RolloutClock},
    self_play::{Pool, SelfPlay},
    training::Training,
};

use crate::{
    game::add_game,
    statistics::{PolicyScore, RunStatistics},
};

/// Minutes of training if no option says when to stop.
const DEFAULT_MINUTES: f64 = 1.0;
/// Episodes to evaluate if no option says how many.
const DEFAULT_EPISODES: u32 = 100;

/// When training stops.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    seconds: Option<f64>,
    decisions: Option<u64>,
    until_solved: bool,
}

impl Limits {
    pub(super) fn reached(&self, statistics: &RunStatistics, decisions: u64) -> bool {
        self.seconds.is_some_and(|seconds| statistics.seconds() >= seconds)
            || self.decisions.is_some_and(|limit| decisions >= limit)
            || (self.until_solved && statistics.board().solved().is_some())
    }

    /// The limit that a resumed run has reached before it goes on, in words.
    pub(super) fn reached_by(&self, earlier: &Earlier) -> Option<String> {
        let (seconds, decisions) = (earlier.seconds(), earlier.decisions());
        if self.decisions.is_some_and(|limit| decisions >= limit) {
            return Some(format!("the run has already made {decisions} joint decisions (--max-decisions)"));
        }
        if self.seconds.is_some_and(|limit| seconds >= limit) {
            return Some(format!(
                "the run has already trained for {:.2} minutes (--max-minutes)",
                seconds / 60.0
            ));
        }
        let is_solved = earlier.state.as_ref().is_some_and(|state| state.board.is_solved());
        (self.until_solved && is_solved)
            .then(|| "the run has already solved the game (--until-solved)".into())
    }

    fn goal(&self, bar: Option<f32>) -> ProgressGoal {
        match (self.seconds, self.decisions, bar) {
            (Some(seconds), None, _) => ProgressGoal::Seconds(seconds),
            (_, Some(decisions), _) => ProgressGoal::Decisions(decisions),
            (_, _, Some(bar)) if self.until_solved => ProgressGoal::Solved(bar),
            _ => ProgressGoal::Endless,
        }
    }
}

impl Run {
    /// The limits that the options set.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            seconds: self.options.max_minutes.map(|minutes| minutes * 60.0),
            decisions: self.options.max_decisions,
            until_solved: self.options.until_solved,
        }
    }

    /// Adds everything that training needs to an app: plugins, game, recorder. Returns the output folder.
    pub(super) fn add_training(&self, app: &mut App, pace: Pace) -> Result<RunFolder, ExperimentError> {
        let Self { game, options, setup, config, earlier, .. } = self;
        let folder = match &options.resume {
            Some(path) => RunFolder::reopen(path)?,
            None => RunFolder::create(options.out.as_deref(), game.name())?,
        };
        app.insert_resource(folder.lock()?);
        write_json(&folder.description(), &self.describe())?;
        folder.write_config(&parameters::to_toml(config, &self.parameters)?)?;
        let plugins = MaddpgPlugins::train(config.clone()).with_seed(setup.seed).with_training(|training| {
            training.seed = options.seed;
            training.pace = if options.lockstep { Pace::Lockstep } else { pace };
            training.device = options.device;
            // `config.toml` shows what the run was made with.
            training.keep_defaults = true;
            training.resume = earlier.as_ref().map(|_| folder.checkpoint());
            training.override_settings = true;
        });
        add_game(app, &**game, plugins, setup);
        self.interrupt.stops(app.world().resource::<Training>().stop_signal());
        parameters::train(app, self, &folder)?;
        rivals::add(app, folder.rivals(), earlier.as_ref().map(Earlier::decisions))?;
        app.add_plugins(self.statistics());
        if let Some(earlier) = earlier {
            earlier.restore(&mut app.world_mut().resource_mut::<RunStatistics>());
            // The learner adds the joint transitions that it has received, which may be fewer.
            app.world_mut().resource_mut::<RolloutClock>().decisions =
                earlier.decisions().saturating_sub(earlier.transitions);
        }
        if game.rivals().is_empty() && game.is_ranked_by_score() {
            let mut best = BestPolicy::new(game, &self.parameters, options.seed, &folder, options.lockstep);
            if options.resume.is_some() {
                // A run that was killed before its first checkpoint starts again.
                let decisions = earlier.as_ref().map_or(0, Earlier::decisions);
                let repeats = pace != Pace::FreeRunning && options.decisions_of_part().is_some();
                best.resume(decisions, repeats)?;
            }
            best.add_to(app);
        }
        let every = Duration::from_secs_f64(options.checkpoint_every);
        let every = (pace == Pace::FreeRunning || options.decisions_of_part().is_none()).then_some(every);
        Recorder::open(folder.clone(), earlier.as_ref(), options.save_replay, every)?.add_to(app);
        Ok(folder)
    }

    fn describe(&self) -> RunDescription {
        RunDescription {
            game: self.game.name().into(),
            preset: self.options.preset,
            seed: self.options.seed,
            arenas: self.setup.arenas,
            lockstep: self.options.lockstep,
            decisions_of_part: self.options.decisions_of_part(),
            save_replay: self.options.save_replay,
            settings: self.game.settings(),
        }
    }

    /// Ends a part of the run: saves everything that the next part needs. The next part goes on as the run would if it had been
    /// killed now and resumed, so that both give the same bits.
    fn next_part(mut self, world: &mut World, folder: &RunFolder) -> Result<Self, ExperimentError> {
        if let Some(score) = world.get_resource_mut::<BestPolicy>().and_then(|mut best| best.join()) {
            policy_scores::append(&folder.evaluations(), &score)?;
        }
        let state = world.resource::<Recorder>().state(world.resource::<RunStatistics>());
        world.resource_mut::<Recorder>().flush()?;
        if let Some(mut learner) = world.resource_mut::<Training>().stop() {
            self.save(&mut learner, &state, folder)?;
            folder.keep_policy_of_part()?;
            let earlier = Earlier::ending_with(&learner, state);
            self.setup.seed = earlier.seed(self.options.seed);
            self.earlier = Some(earlier);
            self.options.resume = Some(folder.path().into());
        }
        Ok(self)
    }

    /// Writes the last policy and a checkpoint with the state of the run. Returns the policy.
    fn save(
        &self,
        learner: &mut Learner,
        state: &RunState,
        folder: &RunFolder,
    ) -> Result<PolicySnapshot, ExperimentError> {
        let policy = learner.published_snapshot().map_err(CheckpointError::Learner)?;
        policy.save(folder.last_policy())?;
        learner.set_note(state.to_json());
        learner.save(&folder.checkpoint(), self.options.save_replay)?;
        Ok(policy)
    }

    /// Ends training: stops the learner, writes policy, checkpoint and curve, evaluates, and prints the summary. `selects` says
    /// whether the best of several policies is chosen by further games, which takes a few seconds.
    pub(super) fn finish_training(
        &self,
        world: &mut World,
        folder: &RunFolder,
        episodes: Option<u32>,
        selects: bool,
    ) -> Result<(), ExperimentError> {
        let mut summary = Summary::of(world.resource::<RunStatistics>());
        summary.policy = folder.policy().display().to_string();
        let title = format!("{}, seed {}, {}", self.game.name(), self.options.seed, self.options.preset);
        let failure = world.resource::<Training>().failure();
        let state = world.resource::<Recorder>().state(world.resource::<RunStatistics>());
        let learner = world.resource_mut::<Training>().stop();
        if failure.is_some() {
            // The failed learner's state must not replace the last good checkpoint.
            if let Some(policy) = world.resource::<ActingPolicy>().snapshot() {
                policy.save(folder.policy())?;
            }
        } else if let Some(mut learner) = learner {
            let mut policy = Arc::new(self.save(&mut learner, &state, folder)?);
            let pool = world.get_resource::<SelfPlay>().map(SelfPlay::pool);
            if let Some(selection) = pool.filter(|_| selects).and_then(|pool| self.select(pool, &policy)) {
                selection.write(folder, summary.decisions, &title)?;
                policy = selection.policy;
                summary.rating = Some(selection.rating);
            }
            if let Some(chosen) = self.choose(world, &policy, &summary, selects) {
                policy_scores::append(&folder.evaluations(), &chosen.score)?;
                policy = chosen.policy;
                summary.chosen = Some(chosen.score);
            }
            policy.save(folder.policy())?;
            summary.policy_version = policy.version();
            summary.updates = learner.updates();
            summary.evaluation = episodes.and_then(|episodes| self.evaluate(&policy, episodes));
        }
        world.resource_scope(|world, mut recorder: Mut<Recorder>| {
            recorder.finish(world.resource::<RunStatistics>().board(), &title)?;
            recorder.take_error().map_or(Ok(()), Err)
        })?;
        self.report(&mut summary, Some(folder))?;
        match failure {
            Some(failure) => Err(ExperimentError::Learner { failure, policy: folder.policy() }),
            None => Ok(()),
        }
    }

    /// Chooses the best policy of the run.
    fn select(&self, pool: &Pool, last: &PolicySnapshot) -> Option<Selection> {
        if !self.game.rivals().is_empty() {
            eprintln_line("rating the policies of the run by games against each other and against scripts");
        }
        let stop = || self.is_interrupted();
        let selection = select(&*self.game, pool, last, &self.parameters, self.options.seed, stop)?;
        tell_ratings(&selection);
        Some(selection)
    }

    /// Chooses the policy of the run that plays best without exploration.
    fn choose(
        &self,
        world: &mut World,
        last: &Arc<PolicySnapshot>,
        summary: &Summary,
        is_complete: bool,
    ) -> Option<Candidate> {
        let mut best = world.get_resource_mut::<BestPolicy>()?;
        if is_complete && best.score().is_some() {
            eprintln_line("choosing the best policy of the run by its play without exploration");
        }
        let chosen =
            best.choose(last, summary.decisions, summary.seconds, is_complete, || self.is_interrupted())?;
        let PolicyScore { decisions, episodes, mean, min, .. } = &chosen.score;
        eprintln_line(&format!(
            "the result is the policy after {decisions} joint decisions: {episodes} episodes without exploration, mean \
             {mean:.3}, minimum {min:.3}"
        ));
        Some(chosen)
    }

    fn evaluate(&self, policy: &PolicySnapshot, episodes: u32) -> Option<Evaluation> {
        eprintln_line(&format!("evaluating {episodes} noise-free episodes"));
        evaluate_with(
            self.game.in_evaluation().as_deref().unwrap_or(&*self.game),
            policy,
            &self.parameters,
            episodes,
            self.options.seed,
            || self.is_interrupted(),
        )
    }

    /// The summary of a run that plays with `policy` instead of training.
    pub(super) fn policy_summary(&self, policy: &PolicySnapshot) -> Summary {
        Summary {
            updates: policy.updates(),
            policy: self.options.policy.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            policy_version: policy.version(),
            ..Summary::default()
        }
    }

    /// Reports the result: to people on standard error, to programs as JSON on standard output and in `summary.json`.
    pub(super) fn report(
        &self,
        summary: &mut Summary,
        folder: Option<&RunFolder>,
    ) -> Result<(), ExperimentError> {
        summary.game = self.game.name().into();
        summary.seed = self.options.seed;
        summary.preset = self.options.preset.to_string();
        if let Some(seconds) = summary.solved_at_seconds {
            let (episodes, decisions) =
                (summary.solved_at_episodes.unwrap_or(0), summary.solved_at_decisions.unwrap_or(0));
            eprintln_line(&format!(
                "solved after {seconds:.1} s, {episodes} episodes, {decisions} joint decisions"
            ));
        } else if let Some(bar) = self.game.solved().filter(|_| folder.is_some()) {
            let best = summary.best_score_100.map_or("none yet".into(), |best| format!("{best:.3}"));
            let lesson = if self.parameters.lessons.is_empty() { "" } else { " in the last lesson" };
            eprintln_line(&format!(
                "not solved: best mean score of 100 episodes {best}, needed {bar}{lesson}"
            ));
        }
        tell_measures("the last 100 training episodes", &summary.measures);
        if let Some(Evaluation { results: Some(results), .. }) = &summary.evaluation {
            let GameResults { games, wins, draws, losses, goals_for, goals_against, .. } = results;
            eprintln_line(&format!(
                "{games} games without exploration: {wins} won ({:.1}%), {draws} drawn, {losses} lost, goals \
                 {goals_for}:{goals_against}, {:.1} s a game",
                100.0 * results.win_rate,
                results.seconds_a_game
            ));
        } else if let Some(Evaluation { episodes, mean, min, max, normalized, measures, .. }) =
            &summary.evaluation
        {
            eprintln_line(&format!(
                "{episodes} noise-free episodes: mean {mean:.3}, minimum {min:.3}, maximum {max:.3}"
            ));
            if let (Some(normalized), Some([random, good])) = (normalized, self.game.yardstick()) {
                eprintln_line(&format!(
                    "normalized mean: {normalized:.3} (0 is random play with {random:.1}, 1 the yardstick with {good:.1})"
                ));
            }
            tell_measures("the noise-free episodes", measures);
        }
        if let Some(folder) = folder {
            summary.write(folder.summary())?;
            eprintln_line(&format!(
                "output written to {}: policy.safetensors, curve.png, metrics.csv, TensorBoard events, \
                 config.toml, checkpoint.safetensors, summary.json",
                folder.path().display()
            ));
        }
        println_line(&summary.to_json_line());
        Ok(())
    }
}

/// Prints all ratings, best first.
fn tell_ratings(selection: &Selection) {
    let mut ratings = selection.tournament.ratings();
    ratings.sort_by(|a, b| b.rating.total_cmp(&a.rating));
    for rating in &ratings {
        eprintln_line(&format!("  {rating}"));
    }
    eprintln_line(&format!("the result is the policy `{}`", selection.rating.name));
}

/// Prints the means of the game's measures, if it has any.
fn tell_measures(of: &str, measures: &BTreeMap<String, f32>) {
    let words: Vec<_> =
        measures.iter().map(|(name, value)| format!("{} {value:.3}", name.replace('_', " "))).collect();
    if !words.is_empty() {
        eprintln_line(&format!("means over {of}: {}", words.join(", ")));
    }
}

/// Trains at full speed with a progress bar.
pub(super) fn train(run: &Run) -> Result<(), ExperimentError> {
    let mut limits = run.limits();
    let mut episodes = run.options.evaluate;
    if limits.seconds.is_none() && limits.decisions.is_none() && !limits.until_solved {
        limits.seconds = Some(DEFAULT_MINUTES * 60.0 + run.earlier.as_ref().map_or(0.0, Earlier::seconds));
        episodes = episodes.or(Some(DEFAULT_EPISODES));
    }
    let mut progress = ProgressLine::new(run.game.name(), limits.goal(run.game.solved()));
    let (mut run, mut lesson) = (run.clone(), 0);
    loop {
        let mut app = headless::app(run.game.decision_period());
        let folder = run.add_training(&mut app, Pace::Balanced)?;
        headless::start(&mut app);
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
    let end = run.options.decisions_of_part().map(|decisions| start + decisions);
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
    let mut summary =
        Summary { evaluation, seconds: start.elapsed().as_secs_f64(), ..run.policy_summary(policy) };
    run.report(&mut summary, None)?;
    run.outcome()
}
