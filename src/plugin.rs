//! The plugin group that an app adds to train agents or to use trained policies.

use bevy::{app::PluginGroupBuilder, prelude::*};

#[cfg(feature = "learner")]
use crate::training::TrainingPlugin;
use crate::{
    diagnostics::DiagnosticsPlugin,
    policy::PolicySnapshot,
    rollout::{ActingPolicy, RolloutPlugin, StepTiming},
};

/// Adds everything that an app needs for its agents to act and learn.
///
/// ```no_run
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// // While you develop: the agents learn.
/// let training = MaddpgPlugins::train(TrainingConfig::default()).with_decision_period(3);
/// // In the game that you ship: they use a trained policy.
/// let playing = MaddpgPlugins::play(PolicySnapshot::load("guard.safetensors")?).with_decision_period(3);
/// let is_shipped = true;
/// App::new().add_plugins((DefaultPlugins, if is_shipped { playing } else { training })).run();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | plugin | purpose |
/// |---|---|
/// | [`RolloutPlugin`] | the agents' step: observe, decide, record, reset |
/// | [`DiagnosticsPlugin`] | decisions per second and more, as Bevy diagnostics |
/// | [`TrainingPlugin`] | with [`train`](Self::train): the learner in the background |
/// | [`PlayPlugin`] | with [`play`](Self::play): a trained policy |
#[derive(Debug, Clone)]
pub struct MaddpgPlugins {
    /// The agents' step.
    pub rollout: RolloutPlugin,
    pub(crate) policy: PolicySource,
}

/// Where the acting policy comes from.
#[derive(Debug, Clone)]
pub(crate) enum PolicySource {
    Trained(PlayPlugin),
    #[cfg(feature = "asset")]
    Asset(crate::asset::PolicyAssetPlugin),
    #[cfg(feature = "learner")]
    /// Boxed because its settings are large.
    Learner(Box<TrainingPlugin>),
}

impl MaddpgPlugins {
    /// The agents use a trained policy, without exploration noise.
    pub fn play(policy: PolicySnapshot) -> Self {
        Self { rollout: RolloutPlugin::default(), policy: PolicySource::Trained(PlayPlugin { policy }) }
    }

    /// Sets the seed of all random numbers of a run: exploration, learner, drawn parameters and rivals. Default: 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.rollout.seed = seed;
        #[cfg(feature = "learner")]
        if let PolicySource::Learner(training) = &mut self.policy {
            training.seed = seed;
        }
        self
    }

    /// Sets which steps of the game the agents follow: fixed steps (the default), frames, or steps that the app runs itself.
    #[must_use]
    pub fn with_timing(mut self, timing: StepTiming) -> Self {
        self.rollout.timing = timing;
        self
    }

    /// Sets the number of steps from one decision to the next. Default: 5.
    #[must_use]
    pub fn with_decision_period(mut self, steps: u32) -> Self {
        self.rollout.decision_period = steps;
        self
    }
}

impl PluginGroup for MaddpgPlugins {
    fn build(self) -> PluginGroupBuilder {
        let group = PluginGroupBuilder::start::<Self>().add(self.rollout).add(DiagnosticsPlugin);
        match self.policy {
            PolicySource::Trained(play) => group.add(play),
            #[cfg(feature = "asset")]
            PolicySource::Asset(asset) => group.add(asset),
            #[cfg(feature = "learner")]
            PolicySource::Learner(training) => group.add(*training),
        }
    }
}

/// Makes the agents use a trained policy. Needs [`RolloutPlugin`].
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
