use std::{collections::BTreeMap, path::PathBuf};

use bevy::prelude::*;

#[cfg(doc)]
use super::kind_path;
use super::{Autosave, LearnerReport, Training, exchange, saved_past::SavedPast, start, wait::WaitTimes};
use crate::{
    learner::{Cores, DeviceChoice, LearnerConfig, Pace, StopSignal, TrainingConfig},
    plugin::{MaddpgPlugins, PolicySource},
    problems::warn,
    rollout::{Arenas, DecideSystems, EarlierTrainings, RolloutPlugin, StepStart, decision_is_due},
};

impl MaddpgPlugins {
    /// The agents learn while they play.
    pub fn train(config: TrainingConfig) -> Self {
        Self {
            rollout: RolloutPlugin { exploration: config.exploration, ..RolloutPlugin::default() },
            policy: PolicySource::Learner(Box::new(TrainingPlugin {
                config: config.learner,
                ..TrainingPlugin::default()
            })),
        }
    }

    /// Changes the fields of the [`TrainingPlugin`], such as the pace, the device or the checkpoint to continue from. Has no effect
    /// after [`play`](Self::play).
    #[must_use]
    pub fn with_training(mut self, change: impl FnOnce(&mut TrainingPlugin)) -> Self {
        match &mut self.policy {
            PolicySource::Learner(training) => change(training),
            _ => warn(
                "`MaddpgPlugins::with_training` and `with_autosave` have no effect after `play`: these agents do not learn",
            ),
        }
        self
    }

    /// Saves the training to `folder` every minute and when the app exits, and continues it from there at the next start. See
    /// [`Autosave`]. Has no effect after [`play`](Self::play).
    #[must_use]
    pub fn with_autosave(self, folder: impl Into<PathBuf>) -> Self {
        self.with_training(|training| training.autosave = Some(Autosave::in_folder(folder)))
    }
}

/// Starts a learner for each kind of arenas as soon as there is an arena of the kind, sends the agents' experience to it, and makes
/// the agents use its newest policies.
///
/// Usually [`MaddpgPlugins::train`] adds this plugin. Otherwise, add [`RolloutPlugin`] before it, and set
/// [`RolloutPlugin::exploration`], because agents do not explore by default.
#[derive(Debug, Clone, Default)]
pub struct TrainingPlugin {
    /// The settings of all learners except those in `kinds`.
    pub config: LearnerConfig,
    /// The settings of the learners of some kinds of arenas, by the names of the kinds. Default: none.
    pub kinds: BTreeMap<String, LearnerConfig>,
    /// Whether the game and the learner wait for each other. Default: the game never waits.
    pub pace: Pace,
    /// The device that the learner computes on. Default: the faster of GPU and CPU.
    pub device: DeviceChoice,
    /// Seed of the initial weights and of the sampling of minibatches. Default: 0.
    pub seed: u64,
    /// A checkpoint to continue from, with its seed and its settings (unless `override_settings` is true). Default: none. If there
    /// are several kinds of arenas, the learner of each kind takes the file that [`kind_path`] names.
    pub resume: Option<PathBuf>,
    /// Whether a learner that continues from a checkpoint takes the settings of `config` instead of those in the checkpoint. The
    /// learner does not start if a setting differs that must stay the same; see [`LearnerConfig::changes_from`]. Default: false.
    pub override_settings: bool,
    /// Whether the default settings also stay as they are in games with fewer than 8 arenas. Default: false. Such games collect
    /// little experience per second, so the learner replaces the default settings by ones with earlier and more updates, and the
    /// log says so. Settings that you have changed always stay.
    pub keep_defaults: bool,
    /// Where the training is saved, and from where it continues at the next start. Default: nowhere. If there is a checkpoint, it is
    /// used instead of `resume`.
    pub autosave: Option<Autosave>,
}

impl Plugin for TrainingPlugin {
    fn build(&self, app: &mut App) {
        let plugin = self.clone();
        let mut arenas = app.world_mut().get_resource_or_init::<Arenas>();
        arenas.has_learner = true;
        arenas.earlier = EarlierTrainings::found_by(move |kind| plugin.earlier_agents(kind));
        app.insert_resource(Training {
            plugin: self.clone(),
            cores: Cores::all_but_one(),
            stop: StopSignal::default(),
            learners: Vec::new(),
            past: self.autosave.as_ref().map(SavedPast::new),
            lock: None,
            wait_start: None,
            waits: WaitTimes::default(),
        })
        .add_message::<LearnerReport>()
        .add_systems(
            StepStart,
            (
                (start::start, exchange::synchronize)
                    .chain()
                    .in_set(DecideSystems::Synchronize)
                    .run_if(decision_is_due),
                exchange::hand_over.in_set(DecideSystems::HandOver).run_if(decision_is_due),
            ),
        )
        .add_systems(Last, exchange::report);
        if self.autosave.is_some() {
            Autosave::add_to(app);
        }
    }
}
