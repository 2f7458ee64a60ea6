//! Training in an app: what a run adds to it, how its parts follow each other, and what is left at its end.

use std::{sync::Arc, time::Duration};

use bevy::prelude::*;

use super::{
    ExperimentError, OutputError, Run, RunFolder, Summary,
    best_policy::{BestPolicy, Candidate},
    eprintln_line, parameters, policy_scores,
    recorder::Recorder,
    report::tell_ratings,
    rivals,
    run_folder::write_json,
    run_state::{Earlier, RunDescription, RunState},
    selection::{Selection, select},
};
use bevy_maddpg::{
    learner::{CheckpointError, Learner, Pace},
    parameters::Curriculum,
    plugin::MaddpgPlugins,
    policy::{PolicyError, PolicySnapshot},
    rollout::{ActingPolicy, RolloutClock},
    self_play::{Pool, SelfPlay},
    training::Training,
};

use crate::{
    game::add_game,
    statistics::{PolicyScore, RunStatistics},
};

impl Run {
    /// Joint decisions of each part of a run that can be repeated bit by bit after a resume. `None` if the run has no parts: in a window,
    /// whose training runs free, or without the options for it.
    pub(super) fn decisions_of_part(&self, pace: Pace) -> Option<u64> {
        self.options.decisions_of_part().filter(|_| pace != Pace::FreeRunning)
    }

    /// Adds everything that training needs to an app: plugins, game, recorder. Returns the output folder.
    pub(super) fn add_training(&self, app: &mut App, pace: Pace) -> Result<RunFolder, ExperimentError> {
        let Self { game, options, setup, config, earlier, .. } = self;
        let folder = match &options.resume {
            Some(path) => RunFolder::reopen(path)?,
            None => RunFolder::create(options.out.as_deref(), game.name())?,
        };
        app.insert_resource(self.lock.clone().map_or_else(|| folder.lock(), Ok)?);
        let part = self.decisions_of_part(pace);
        let before = RunDescription::read(&folder.description())?;
        let had_parts = before.is_some_and(|before| before.has_parts);
        write_json(&folder.description(), &self.describe(part.is_some()))?;
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
        rivals::add(app, folder.rivals(), earlier.as_ref())?;
        app.add_plugins(self.statistics());
        if let Some(earlier) = earlier {
            earlier.restore(&mut app.world_mut().resource_mut::<RunStatistics>());
            // The learner adds the joint transitions that it has received, which may be fewer.
            app.world_mut().resource_mut::<RolloutClock>().decisions =
                earlier.decisions().saturating_sub(earlier.transitions);
        }
        if game.rivals().is_empty() && game.is_ranked_by_score() {
            let parameters = &self.parameters;
            let lockstep = options.lockstep;
            let mut best = BestPolicy::new(game, parameters, options.seed, &folder, lockstep, self.interrupt);
            if options.resume.is_some() {
                // A run that was killed before its first checkpoint starts again.
                let decisions = earlier.as_ref().map_or(0, Earlier::decisions);
                best.resume(decisions, part.is_some() && had_parts)?;
                if part.is_some() {
                    folder.keep_policy_of_part()?;
                }
            }
            best.add_to(app);
        }
        let every = part.is_none().then(|| Duration::from_secs_f64(options.checkpoint_every));
        Recorder::open(folder.clone(), earlier.as_ref(), options.save_replay, every)?.add_to(app);
        Ok(folder)
    }

    fn describe(&self, has_parts: bool) -> RunDescription {
        RunDescription {
            game: self.game.name().into(),
            preset: self.options.preset,
            seed: self.options.seed,
            arenas: self.setup.arenas,
            lockstep: self.options.lockstep,
            decisions_of_part: self.options.decisions_of_part(),
            has_parts,
            save_replay: self.options.save_replay,
            settings: self.game.settings(),
        }
    }

    /// Ends a part of the run: saves everything that the next part needs. The next part goes on as the run would if it had been
    /// killed now and resumed, so that both give the same bits.
    pub(super) fn next_part(
        mut self,
        world: &mut World,
        folder: &RunFolder,
    ) -> Result<Self, ExperimentError> {
        if let Some(score) = world.get_resource_mut::<BestPolicy>().and_then(|mut best| best.join()) {
            world.resource_mut::<Recorder>().write_score(&score)?;
        }
        let state = state(world);
        world.resource_mut::<Recorder>().flush()?;
        if let Some(mut learner) = world.resource_mut::<Training>().stop() {
            self.save(&mut learner, &state, folder)?;
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
        let policy = learner.snapshot().map_err(CheckpointError::Learner)?;
        policy.save(folder.last_policy())?;
        learner.set_note(state.to_json());
        learner.save(folder.checkpoint(), self.options.save_replay)?;
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
        let title = format!("{}, seed {}, {}", self.game.name(), self.options.seed, self.options.preset);
        let state = state(world);
        let learner = world.resource_mut::<Training>().stop();
        // It may have failed in the updates that were still due.
        let failure = world.resource::<Training>().failure();
        if failure.is_some() {
            let best = world.get_resource::<BestPolicy>().and_then(BestPolicy::best);
            let last = world.resource::<ActingPolicy>().snapshot();
            keep_last_policy(folder, last.map(|last| &**last), best)?;
            if let Some(best) = best {
                summary.policy_version = best.policy.version();
                summary.chosen = Some(best.score.clone());
            }
        } else if let Some(mut learner) = learner {
            let mut policy = Arc::new(self.save(&mut learner, &state, folder)?);
            let pool = world.get_resource::<SelfPlay>().map(SelfPlay::pool);
            match pool.filter(|_| selects).and_then(|pool| self.select(pool, &policy)) {
                Some(selection) => {
                    selection.write(folder, summary.decisions, &title)?;
                    policy = selection.policy;
                    summary.rating = Some(selection.rating);
                }
                None => folder.remove_ratings()?,
            }
            if let Some(chosen) = self.choose(world, folder, &policy, &summary, selects)? {
                policy = chosen.policy;
                summary.chosen = Some(chosen.score);
            }
            policy.save(folder.policy())?;
            summary.policy_version = policy.version();
            summary.updates = learner.updates();
            summary.evaluation = episodes.and_then(|episodes| self.evaluate(&policy, episodes));
            summary.finished = selects && !self.is_interrupted();
        }
        let policy = Some(folder.policy()).filter(|path| path.exists());
        summary.policy = policy.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        world.resource_scope(|world, mut recorder: Mut<Recorder>| {
            recorder.finish(world.resource::<RunStatistics>().board(), &title)?;
            recorder.take_error().map_or(Ok(()), Err)
        })?;
        self.report(&mut summary, Some(folder))?;
        match failure {
            Some(failure) => Err(ExperimentError::Learner { failure, policy }),
            None => Ok(()),
        }
    }

    /// Chooses the best policy of the run by games against others.
    fn select(&self, pool: &Pool, last: &PolicySnapshot) -> Option<Selection> {
        if !self.game.rivals().is_empty() {
            eprintln_line("rating the policies of the run by games against each other and against scripts");
        }
        let stop = || self.is_interrupted();
        let selection = select(&*self.game, pool, last, &self.parameters, self.options.seed, stop);
        match &selection {
            Some(selection) => tell_ratings(selection),
            None if !self.game.rivals().is_empty() && !self.is_interrupted() => eprintln_line(
                "the policies cannot be rated, so the result is the last one: `Game::against` must give the game against each rival, with \
                 the measures of a match in its episodes",
            ),
            None => {}
        }
        selection
    }

    /// Chooses the policy of the run that plays best without exploration. Adds the scores that this needed to `evaluations.csv`.
    fn choose(
        &self,
        world: &mut World,
        folder: &RunFolder,
        last: &Arc<PolicySnapshot>,
        summary: &Summary,
        is_complete: bool,
    ) -> Result<Option<Candidate>, OutputError> {
        let Some(mut best) = world.get_resource_mut::<BestPolicy>() else { return Ok(None) };
        if is_complete && best.best().is_some() {
            eprintln_line("choosing the best policy of the run by its play without exploration");
        }
        let (chosen, scores) = best.choose(last, summary.decisions, summary.seconds, is_complete);
        for score in &scores {
            policy_scores::append(&folder.evaluations(), score)?;
        }
        if let Some(Candidate { score: PolicyScore { decisions, episodes, mean, min, .. }, .. }) = &chosen {
            eprintln_line(&format!(
                "the result is the policy after {decisions} joint decisions: {episodes} episodes without exploration, mean \
                 {mean:.3}, minimum {min:.3}"
            ));
        }
        Ok(chosen)
    }
}

/// The state of the run now, for a checkpoint.
fn state(world: &World) -> RunState {
    world.resource::<Recorder>().state(
        world.resource::<RunStatistics>(),
        world.get_resource::<Curriculum>(),
        world.get_resource::<SelfPlay>(),
    )
}

/// Keeps the last policy of a learner that has failed, if it had learned anything. It becomes the result only if there is no best one. The
/// last good checkpoint stays.
fn keep_last_policy(
    folder: &RunFolder,
    last: Option<&PolicySnapshot>,
    best: Option<&Candidate>,
) -> Result<(), PolicyError> {
    let Some(last) = last.filter(|last| last.updates() > 0) else { return Ok(()) };
    last.save(folder.last_policy())?;
    if best.is_none() {
        last.save(folder.policy())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::Pendulum, game::Game};

    fn policy(updates: u64) -> PolicySnapshot {
        let groups = Pendulum.spec().groups(true).unwrap();
        let policies = PolicySnapshot::zeros(&groups).unwrap().policies().to_vec();
        PolicySnapshot::new(updates, updates, 0, policies).unwrap()
    }

    #[test]
    fn a_learner_that_fails_leaves_its_last_policy_and_the_best_one() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "pendulum").unwrap();
        let updates = |path: std::path::PathBuf| PolicySnapshot::load(path).unwrap().updates();
        keep_last_policy(&folder, None, None).unwrap();
        keep_last_policy(&folder, Some(&policy(0)), None).unwrap();
        assert!(!folder.last_policy().exists() && !folder.policy().exists(), "nothing was learned");

        keep_last_policy(&folder, Some(&policy(7)), None).unwrap();
        assert_eq!([folder.last_policy(), folder.policy()].map(updates), [7, 7]);

        let best = Candidate { policy: Arc::new(policy(7)), score: PolicyScore::default() };
        keep_last_policy(&folder, Some(&policy(9)), Some(&best)).unwrap();
        assert_eq!([folder.last_policy(), folder.policy()].map(updates), [9, 7]);
    }
}
