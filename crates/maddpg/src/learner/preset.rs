use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{ConfigError, GradientClip, LearnerConfig, TrainingConfig};
use crate::exploration::{ExplorationConfig, Noise};

/// A named set of settings to start from. Begin with [`Matd3`](Self::Matd3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// The default: MADDPG with TD3's improvements (MATD3, arXiv 1910.01465), shared policies and fast target networks.
    #[default]
    Matd3,
    /// The default, adapted to games in which each transition takes long to collect: few arenas, many updates per joint
    /// decision.
    Frugal,
    /// Plain MADDPG with the default's network sizes: one critic, no policy delay, no target noise.
    Maddpg,
    /// The MADDPG paper's settings as published in its code: separate policies, two hidden layers of 64, batches of
    /// 1024, one update per 100 joint decisions.
    #[serde(rename = "maddpg_2017")]
    Maddpg2017,
    /// The settings of [`Maddpg2017`](Self::Maddpg2017), but each critic sees only its own agent: the baseline that the
    /// MADDPG paper calls DDPG.
    #[serde(rename = "ddpg_2017")]
    Ddpg2017,
    /// DDPG, for one agent or for several that learn independently: each critic sees only its own agent. The
    /// Ornstein-Uhlenbeck noise and the initial weights are the DDPG paper's (arXiv 1509.02971); network sizes,
    /// learning rates and batch size are those of OpenAI's Spinning Up.
    Ddpg,
    /// The DDPG paper's settings for observations of a few numbers (arXiv 1509.02971, section 7), for one agent or for several that
    /// learn independently. It differs from the paper in two ways: observations are scaled by their running statistics instead
    /// of batch normalization in every layer, and the action enters the critic with the observation instead of at its second layer.
    #[serde(rename = "ddpg_2015")]
    Ddpg2015,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 7] = [
        Self::Matd3,
        Self::Frugal,
        Self::Maddpg,
        Self::Maddpg2017,
        Self::Ddpg2017,
        Self::Ddpg,
        Self::Ddpg2015,
    ];

    /// The number of arenas to run at once, if the preset suggests one; otherwise the program chooses.
    pub fn arenas(self) -> Option<usize> {
        match self {
            Self::Frugal => Some(4),
            _ => None,
        }
    }

    /// The preset's settings.
    pub fn config(self) -> TrainingConfig {
        let mut config = TrainingConfig::default();
        let plain = LearnerConfig {
            twin_critics: false,
            policy_delay: 1,
            target_noise: 0.0,
            ..LearnerConfig::default()
        };
        match self {
            Self::Matd3 => {}
            Self::Frugal => {
                config.learner = LearnerConfig {
                    critic_layer_norm: true,
                    learning_starts: 200,
                    updates_per_decision: 4.0,
                    max_updates_per_decision: 4.0,
                    ..config.learner
                };
                config.exploration.random_decisions = 200;
            }
            Self::Maddpg => config.learner = plain,
            Self::Maddpg2017 | Self::Ddpg2017 => {
                config.learner = LearnerConfig {
                    share_policies: false,
                    central_critic: self == Self::Maddpg2017,
                    actor_hidden: vec![64, 64],
                    critic_hidden: vec![64, 64],
                    critic_layer_norm: false,
                    batch_size: 1024,
                    learning_starts: 25_600,
                    gamma: 0.95,
                    tau: 0.01,
                    policy_average: 1.0,
                    actor_learning_rate: 1e-2,
                    critic_learning_rate: 1e-2,
                    gradient_clip: 0.5,
                    gradient_clip_by: GradientClip::Tensor,
                    normalize_values: false,
                    reward_scale: 1.0,
                    action_penalty: 1e-3,
                    normalize_observations: false,
                    updates_per_decision: 0.01,
                    max_updates_per_decision: 0.01,
                    ..plain
                };
                config.exploration.random_decisions = 0;
            }
            Self::Ddpg | Self::Ddpg2015 => {
                let is_paper = self == Self::Ddpg2015;
                let hidden = if is_paper { vec![400, 300] } else { vec![256, 256] };
                config.learner = LearnerConfig {
                    central_critic: false,
                    actor_hidden: hidden.clone(),
                    critic_hidden: hidden,
                    batch_size: if is_paper { 64 } else { 100 },
                    learning_starts: 1_000,
                    gamma: 0.99,
                    tau: if is_paper { 0.001 } else { 0.005 },
                    policy_average: 1.0,
                    // The papers do not clip gradients. This number is too large to ever take effect.
                    gradient_clip: 1e9,
                    critic_weight_decay: if is_paper { 1e-2 } else { 0.0 },
                    normalize_values: false,
                    action_penalty: 0.0,
                    normalize_observations: is_paper,
                    updates_per_decision: 1.0,
                    max_updates_per_decision: 1.0,
                    actor_learning_rate: if is_paper { 1e-4 } else { 1e-3 },
                    critic_learning_rate: 1e-3,
                    ..plain
                };
                config.exploration = ExplorationConfig {
                    noise: Noise::OrnsteinUhlenbeck { theta: 0.15, sigma: 0.2 },
                    scale: [1.0, 1.0],
                    random_decisions: 1_000,
                    random_hold: 1,
                    ..ExplorationConfig::default()
                };
            }
        }
        config
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Matd3 => "matd3",
            Self::Frugal => "frugal",
            Self::Maddpg => "maddpg",
            Self::Maddpg2017 => "maddpg_2017",
            Self::Ddpg2017 => "ddpg_2017",
            Self::Ddpg => "ddpg",
            Self::Ddpg2015 => "ddpg_2015",
        })
    }
}

impl FromStr for Preset {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let preset = Self::ALL.into_iter().find(|preset| preset.to_string() == name);
        preset.ok_or_else(|| ConfigError::UnknownPreset(name.into()))
    }
}
