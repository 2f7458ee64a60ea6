use bevy::prelude::*;

use super::{KindLearner, Training, TrainingPlugin, few_arenas, kind_path};
use crate::{
    exploration::ExplorationConfig,
    learner::{Cores, Learner, LearnerConfig, LearnerThread, StopSignal},
    rollout::{ActingPolicy, Arenas, Experience, Exploration, Kind, RolloutClock},
    transition::TransitionBlock,
};

/// Starts a learner for each new kind of arenas.
pub(super) fn start(
    mut training: ResMut<Training>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut clock: ResMut<RolloutClock>,
    mut arenas: ResMut<Arenas>,
) {
    // The kinds with a learner come first, in the order in which the learners started.
    for index in training.learners.len()..arenas.kinds().len() {
        let kind = &mut arenas.kinds[index];
        if kind.arenas() == 0 {
            return;
        }
        let config = training.plugin.settings(kind, &mut exploration.config);
        experience.team_fate.extend(config.team_fate.iter().cloned());
        let mut learner = KindLearner {
            kind: kind.name().into(),
            thread: None,
            spare: TransitionBlock::default(),
            start_failure: None,
        };
        let (gamma, n_step) = (config.gamma, config.n_step as usize);
        match training.plugin.open(kind, config, &exploration.config, &training.cores, &training.stop) {
            Ok((thread, transitions)) => {
                kind.decisions = transitions;
                clock.decisions += transitions;
                acting.learn(kind.name(), thread.latest_policy().clone());
                experience.record(index, gamma, n_step);
                learner.thread = Some(thread);
            }
            Err(error) => learner.start_failure = Some(format!("the learner cannot start: {error}")),
        }
        kind.is_fixed = true;
        training.learners.push(learner);
    }
}

impl TrainingPlugin {
    /// The settings for a kind of arenas, adapted to their number.
    fn settings(&self, kind: &Kind, exploration: &mut ExplorationConfig) -> LearnerConfig {
        let mut config = self.kinds.get(kind.name()).unwrap_or(&self.config).clone();
        let arenas = kind.arenas();
        let may_adapt = self.resume.is_none() && !self.keep_defaults;
        if may_adapt && few_arenas::adapt(&mut config, exploration, arenas) {
            log::info!(
                "{arenas} arenas of the kind `{}` are few, so the default settings were replaced: learning_starts {}, \
                 updates_per_decision {}, random_decisions {}",
                kind.name(),
                config.learning_starts,
                config.updates_per_decision,
                exploration.random_decisions
            );
        }
        config
    }

    /// Starts a learner. Also returns how many joint transitions it has received in earlier runs.
    fn open(
        &self,
        kind: &Kind,
        config: LearnerConfig,
        exploration: &ExplorationConfig,
        cores: &Cores,
        stop: &StopSignal,
    ) -> std::result::Result<(LearnerThread, u64), BevyError> {
        config.check()?;
        exploration.check()?;
        let device = self.device.open(&config, kind.spec())?;
        let learner = match &self.resume {
            Some(path) => {
                let own = kind_path(path, kind.name());
                let settings = self.override_settings.then_some(&config);
                Learner::load_with(if own.exists() { &own } else { path }, kind.spec(), device, settings)?
            }
            None => Learner::new(config, kind.spec().clone(), device, self.seed)?,
        };
        let transitions = learner.transitions();
        Ok((LearnerThread::spawn_on(learner, self.pace, cores, stop)?, transitions))
    }
}
