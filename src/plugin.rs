//! The plugin group: what an app adds to train or to play.

use bevy::{app::PluginGroupBuilder, ecs::schedule::ScheduleLabel, prelude::*};

#[cfg(feature = "learner")]
use crate::learner::TrainingConfig;
#[cfg(feature = "learner")]
use crate::training::TrainingPlugin;
use crate::{
    policy::PolicySnapshot,
    rollout::{ActingPolicy, RolloutPlugin},
};

/// All that an app needs for its agents to act, and to learn.
///
/// | plugin | purpose |
/// |---|---|
/// | [`RolloutPlugin`] | the step of all arenas: observe, decide, act, reward, end, reset |
/// | [`TrainingPlugin`] | with [`train`](Self::train): the learner in the background |
/// | [`PlayPlugin`] | with [`play`](Self::play): a trained policy |
#[derive(Debug, Clone)]
pub struct MaddpgPlugins {
    /// The step of the arenas.
    pub rollout: RolloutPlugin,
    #[cfg(feature = "learner")]
    training: Option<TrainingPlugin>,
    play: Option<PlayPlugin>,
}

impl MaddpgPlugins {
    /// Agents learn while they play.
    #[cfg(feature = "learner")]
    pub fn train(config: TrainingConfig) -> Self {
        Self {
            rollout: RolloutPlugin { exploration: config.exploration, ..RolloutPlugin::default() },
            training: Some(TrainingPlugin { config: config.learner, ..TrainingPlugin::default() }),
            play: None,
        }
    }

    /// Agents play by a trained policy, without noise.
    pub fn play(policy: PolicySnapshot) -> Self {
        Self {
            rollout: RolloutPlugin::default(),
            #[cfg(feature = "learner")]
            training: None,
            play: Some(PlayPlugin { policy }),
        }
    }

    /// Seeds the exploration and the learner; default 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.rollout.seed = seed;
        #[cfg(feature = "learner")]
        if let Some(training) = &mut self.training {
            training.seed = seed;
        }
        self
    }

    /// Steps the arenas in another schedule than [`FixedUpdate`].
    #[must_use]
    pub fn in_schedule(mut self, schedule: impl ScheduleLabel) -> Self {
        self.rollout.schedule = schedule.intern();
        self
    }

    /// Ticks from one decision to the next; default 5.
    #[must_use]
    pub fn with_decision_period(mut self, ticks: u32) -> Self {
        self.rollout.decision_period = ticks;
        self
    }

    /// Changes the training: pace, device, checkpoint to go on from.
    #[cfg(feature = "learner")]
    #[must_use]
    pub fn with_training(mut self, change: impl FnOnce(&mut TrainingPlugin)) -> Self {
        if let Some(training) = &mut self.training {
            change(training);
        }
        self
    }
}

impl PluginGroup for MaddpgPlugins {
    fn build(self) -> PluginGroupBuilder {
        let mut group = PluginGroupBuilder::start::<Self>();
        #[cfg(feature = "learner")]
        if let Some(training) = self.training {
            group = group.add(TrainingPlugin { schedule: self.rollout.schedule, ..training });
        }
        group = group.add(self.rollout);
        if let Some(play) = self.play {
            group = group.add(play);
        }
        group
    }
}

/// Agents act by one trained policy. Needs [`RolloutPlugin`].
#[derive(Debug, Clone)]
pub struct PlayPlugin {
    /// The policy.
    pub policy: PolicySnapshot,
}

impl Plugin for PlayPlugin {
    fn build(&self, app: &mut App) {
        app.world_mut().get_resource_or_init::<ActingPolicy>().set(self.policy.clone());
    }
}
