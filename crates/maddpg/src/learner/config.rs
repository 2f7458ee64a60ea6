mod check;
pub(super) mod range;
mod text;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Mirror, Preset};
use crate::{exploration::ExplorationConfig, policy::Convolution};

/// All settings of a training: those of the learner and those of the exploration noise.
///
/// In TOML, each of the two fields is a table. Keys that are left out keep the preset's value:
///
/// ```
/// use maddpg::learner::{Preset, TrainingConfig};
///
/// let config = TrainingConfig::from_toml(Preset::Matd3, "[learner]\nbatch_size = 512").unwrap();
/// assert_eq!(config.learner.batch_size, 512);
/// assert!(TrainingConfig::from_toml(Preset::Matd3, "[learner]\nbatchsize = 512").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// The learner's settings.
    pub learner: LearnerConfig,
    /// The exploration noise on the agents' actions.
    pub exploration: ExplorationConfig,
}

/// The learner's settings. They also select the algorithm (MADDPG, MATD3, DDPG); see [`Preset`].
///
/// Every number must be finite. [`check`](Self::check) also refuses numbers that are much too large to be useful, such as a
/// learning rate of more than 10. Its error names the range. The default values are those of [`Preset::Matd3`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LearnerConfig {
    /// Whether agents of one behavior share one actor and its critics, trained on the transitions of all of them. If
    /// not, each slot has an actor and critics of its own.
    pub share_policies: bool,
    /// Whether a critic sees the observations and actions of all agents (MADDPG, arXiv 1706.02275) or only those of
    /// its own agent (independent DDPG).
    pub central_critic: bool,
    /// Behaviors whose critics see only their own agent, even if `central_critic` is set: these behaviors use DDPG
    /// while the rest use MADDPG. Use this in arenas with many agents, where central critics learn slowly.
    pub independent: Vec<String>,
    /// Behaviors whose critics see the actions of all agents, but only the observation of their own agent. Use this in games
    /// in which each agent already observes the others, so that the others' observations would give a critic more inputs but
    /// no more information. Without central critics, this setting has no effect.
    pub own_observation: Vec<String>,
    /// Behaviors whose agents are rewarded as a team: each agent earns the sum of the rewards of its team. After its
    /// own end, for example its death, it still earns what its team earns, as long as some member plays. An agent can
    /// then learn to sacrifice itself for its team (the group reward of MA-POCA, arXiv 2111.05992). By default, rewards
    /// after an agent's own end do not count for it.
    pub team_fate: Vec<String>,
    /// Whether to train two critics and use the lower of their target values (TD3, arXiv 1802.09477, section 4.2).
    pub twin_critics: bool,
    /// Number of critic updates for each update of the actors and of all target networks (TD3, section 5.2). 1 or more;
    /// with 1, every update also updates the actors.
    pub policy_delay: u32,
    /// Standard deviation of the noise on target actions (TD3, section 5.3), in units of the action, which ranges from
    /// -1 to 1; 0 disables it. In the actors' loss, their actions get the same noise, so the actors maximize a smoothed
    /// Q function (as in Nachum et al. 2018, arXiv 1803.02348). A critic with ReLUs is piecewise linear. The noise
    /// averages out its kinks, and actions become more exact.
    pub target_noise: f32,
    /// The noise of `target_noise` is clipped to plus and minus this number, in units of the action. More than 0 if
    /// `target_noise` is.
    pub target_noise_clip: f32,
    /// Sizes of the actors' hidden layers, first to last; each 1 or more.
    pub actor_hidden: Vec<usize>,
    /// Sizes of the critics' hidden layers, first to last; each 1 or more.
    pub critic_hidden: Vec<usize>,
    /// Whether the critics' hidden layers use layer normalization.
    pub critic_layer_norm: bool,
    /// At the start, the weights of the last layer of every network are drawn uniformly between minus and plus this
    /// number (3e-3 in the DDPG paper, arXiv 1509.02971). 0 or more.
    pub last_layer_scale: f32,
    /// Number of joint transitions in the minibatch of one update; 1 or more.
    pub batch_size: usize,
    /// Number of joint transitions that the replay buffer can hold; at least `batch_size` and `learning_starts`.
    pub replay_capacity: usize,
    /// Number of joint transitions to store before the first update; at most `replay_capacity`.
    pub learning_starts: usize,
    /// Discount factor per decision, 0 to 1.
    pub gamma: f32,
    /// Number of decisions whose rewards a transition sums up; the critics estimate the rewards after these (n-step returns; arXiv
    /// 1804.08617). 1 or more. With more than 1, critics learn faster from rare rewards, but the summed rewards come from actions with
    /// exploration noise. `bevy_maddpg` sums the rewards before it sends the transitions. The learner itself does not sum them.
    pub n_step: u32,
    /// At each of their updates, the target networks move this fraction of the distance towards the trained networks;
    /// more than 0, at most 1.
    pub tau: f32,
    /// Agents act with a running average of the actor (Polyak and Juditsky 1992), so that a single update changes the
    /// policy only a little. At each update of the actor, the average moves this fraction of the distance towards the
    /// actor; more than 0, at most 1. With 1, agents act with the actor itself.
    pub policy_average: f32,
    /// Adam's learning rate for the actors; more than 0.
    pub actor_learning_rate: f64,
    /// Adam's learning rate for the critics; more than 0.
    pub critic_learning_rate: f64,
    /// Factor on both learning rates at the end of their schedule; more than 0. 1 keeps them constant. With less than 1,
    /// late updates change the policies less and less.
    pub learning_rate_final: f64,
    /// Number of updates over which the factor changes linearly from 1 to `learning_rate_final`; 1 or more.
    pub learning_rate_updates: u64,
    /// Weight of an L2 penalty on the critics' parameters: after clipping, this number times the parameter is added to each
    /// parameter's gradient (1e-2 in the DDPG paper, section 7). 0 or more.
    pub critic_weight_decay: f64,
    /// Maximum norm of a gradient; a gradient with a larger norm is scaled down to it. More than 0.
    pub gradient_clip: f64,
    /// Which parameters' gradients `gradient_clip` scales down together.
    pub gradient_clip_by: GradientClip,
    /// Whether critics learn values that are scaled to mean 0 and standard deviation 1. The rewards of the game can
    /// then have any scale (Pop-Art, arXiv 1602.07714).
    pub normalize_values: bool,
    /// The critics learn from the rewards times this number; more than 0, at most 1e9. Not used with
    /// `normalize_values`.
    pub reward_scale: f32,
    /// Weight of a penalty in the actors' loss: the mean square of their outputs before tanh. It keeps actions from
    /// saturating, that is, from staying close to -1 or 1. 0 or more.
    pub action_penalty: f32,
    /// Weight of the entropy of the choices in the actors' loss, in the scale of the critics' outputs. It keeps the policy
    /// from settling on a choice too early. 0 or more.
    pub choice_entropy: f32,
    /// Weight of a penalty in the actors' loss: the sum of the squares of the logits. It keeps choices from becoming so
    /// unlikely that the policy never learns to make them again. 0 or more.
    pub logit_penalty: f32,
    /// For a branch with at most this many choices, the actor learns from the exact expectation over the choices, which
    /// evaluates the critic once per choice. For a branch with more choices, it uses the gapped straight-through
    /// estimator (arXiv 2206.07235), which evaluates the critic once.
    pub exact_choices: usize,
    /// Whether observations are scaled to mean 0 and standard deviation 1 by their running statistics.
    pub normalize_observations: bool,
    /// Number of updates per joint decision (one decision of all agents of one arena); more than 0, and often less than
    /// 1.
    pub updates_per_decision: f64,
    /// Maximum number of updates per joint decision. A learner that has time to spare makes up to this many. At least
    /// `updates_per_decision`. Not used in lockstep.
    pub max_updates_per_decision: f64,
    /// For games whose rules stay the same when left and right are swapped: how the observations and actions of each behavior
    /// change then. On average, half of the transitions in each minibatch are replaced by their mirror images. If this is empty,
    /// none are.
    pub mirror: BTreeMap<String, Mirror>,
    /// The convolutional layers that process an image ([`ImageSpec`](crate::policy::ImageSpec)). Every actor and every critic has its
    /// own. They are used only for agents that observe an image; 1 or more layers. In TOML, each layer is a list of three numbers: the
    /// number of filters, their width and height in pixels, and their stride.
    pub convolutions: Vec<Convolution>,
    /// In a minibatch, images are moved by a random number of pixels, at most this many, up or down and left or right. The pixels that
    /// become free repeat the edge of the image. This keeps critics from depending on single pixels (DrQ, arXiv 2004.13649, which
    /// moves images of 84 pixels by up to 4). With 0, images are not moved.
    pub image_shift: usize,
}

/// Which parameters' gradients are clipped together, by one norm; see [`LearnerConfig::gradient_clip`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GradientClip {
    /// All parameters of a network: of an actor, or of one critic.
    #[default]
    Network,
    /// The parameters of one tensor of a network: the weights of one layer, or its bias. The code of the MADDPG paper
    /// does the same (`minimize_and_clip` in openai/maddpg).
    Tensor,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The text is not TOML, a key is unknown, or a value has the wrong type or is out of range.
    #[error("the configuration{} cannot be used: {reason}", .path.as_ref().map(|path| format!(" `{}`", path.display())).unwrap_or_default())]
    Invalid {
        /// The file, if the configuration came from one.
        path: Option<PathBuf>,
        /// Names the key, what was found and what was expected.
        reason: String,
    },
    /// There is no preset of this name.
    #[error("there is no preset `{0}`; the presets are {names}", names = Preset::ALL.map(|preset| preset.to_string()).join(", "))]
    UnknownPreset(String),
}

impl Default for LearnerConfig {
    fn default() -> Self {
        Self {
            share_policies: true,
            central_critic: true,
            independent: Vec::new(),
            own_observation: Vec::new(),
            team_fate: Vec::new(),
            twin_critics: true,
            policy_delay: 2,
            target_noise: 0.2,
            target_noise_clip: 0.5,
            actor_hidden: vec![64, 64],
            critic_hidden: vec![64, 64],
            critic_layer_norm: false,
            last_layer_scale: 3e-3,
            batch_size: 256,
            replay_capacity: 1_000_000,
            learning_starts: 2_000,
            gamma: 0.95,
            n_step: 1,
            tau: 0.1,
            policy_average: 0.01,
            actor_learning_rate: 1e-3,
            critic_learning_rate: 3e-3,
            learning_rate_final: 1.0,
            learning_rate_updates: 100_000,
            critic_weight_decay: 0.0,
            gradient_clip: 10.0,
            gradient_clip_by: GradientClip::Network,
            normalize_values: true,
            reward_scale: 1.0,
            action_penalty: 3e-3,
            choice_entropy: 1e-3,
            logit_penalty: 1e-4,
            exact_choices: 32,
            normalize_observations: true,
            updates_per_decision: 0.0625,
            max_updates_per_decision: 1.0,
            mirror: BTreeMap::new(),
            convolutions: [[16, 4, 2], [32, 3, 2], [32, 3, 2]].map(Convolution::from).to_vec(),
            image_shift: 0,
        }
    }
}

impl LearnerConfig {
    /// The critics' learning rate after this many of their updates.
    pub(super) fn critic_rate(&self, updates: u64) -> f64 {
        self.critic_learning_rate * self.rate_factor(updates)
    }

    /// The actors' learning rate after this many of their updates, of which there is one per `policy_delay` updates.
    pub(super) fn actor_rate(&self, updates: u64) -> f64 {
        self.actor_learning_rate * self.rate_factor(updates.saturating_mul(self.policy_delay.into()))
    }

    fn rate_factor(&self, updates: u64) -> f64 {
        let progress = (updates as f64 / self.learning_rate_updates.max(1) as f64).min(1.0);
        1.0 + (self.learning_rate_final - 1.0) * progress
    }
}

impl ConfigError {
    /// Adds to the error the name of the file that the configuration came from.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Invalid { reason, .. } => Self::Invalid { path: Some(path.into()), reason },
            other => other,
        }
    }
}

fn invalid(reason: String) -> ConfigError {
    ConfigError::Invalid { path: None, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_fall_linearly_and_stay_at_their_end() {
        let config = LearnerConfig {
            actor_learning_rate: 1.0,
            critic_learning_rate: 2.0,
            learning_rate_final: 0.5,
            learning_rate_updates: 100,
            policy_delay: 2,
            ..LearnerConfig::default()
        };
        assert_eq!([0, 50, 100, 1_000].map(|updates| config.critic_rate(updates)), [2.0, 1.5, 1.0, 1.0]);
        assert_eq!([0, 25, 50, 1_000].map(|updates| config.actor_rate(updates)), [1.0, 0.75, 0.5, 0.5]);
        let constant = LearnerConfig::default();
        assert_eq!(constant.critic_rate(12_345), constant.critic_learning_rate, "exactly");
    }
}
