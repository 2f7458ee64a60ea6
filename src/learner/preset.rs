use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{ConfigError, LearnerConfig, TrainingConfig};
use crate::exploration::{ExplorationConfig, Noise};

/// A named choice of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// MADDPG with TD3's remedies (MATD3, arXiv 1910.01465), shared policies and fast targets: the default.
    #[default]
    Matd3,
    /// Plain MADDPG at the default's sizes: one critic, no delay, no smoothing.
    Maddpg,
    /// The MADDPG paper's settings as published in its code: separate policies, 2 x 64, batch 1024, an update
    /// every 100 decisions.
    Maddpg2017,
    /// The same update for agents that do not know of each other; one agent alone is DDPG with Ornstein-Uhlenbeck
    /// noise (arXiv 1509.02971).
    Ddpg,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 4] = [Self::Matd3, Self::Maddpg, Self::Maddpg2017, Self::Ddpg];

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
            Self::Maddpg => config.learner = plain,
            Self::Maddpg2017 => {
                config.learner = LearnerConfig {
                    share_policies: false,
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
                    reward_scale: 1.0,
                    action_penalty: 1e-3,
                    normalize_observations: false,
                    updates_per_decision: 0.01,
                    max_updates_per_decision: 0.01,
                    ..plain
                };
                config.exploration.random_decisions = 0;
            }
            Self::Ddpg => {
                config.learner = LearnerConfig { central_critic: false, ..plain };
                config.exploration = ExplorationConfig {
                    noise: Noise::OrnsteinUhlenbeck { theta: 0.15, sigma: 0.2 },
                    scale: [0.25, 3.0],
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
            Self::Maddpg => "maddpg",
            Self::Maddpg2017 => "maddpg_2017",
            Self::Ddpg => "ddpg",
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
