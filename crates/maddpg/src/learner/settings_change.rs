//! Which settings may differ from those of a checkpoint when training continues from it.

use super::{ConfigError, LearnerConfig, config::range};

/// Settings that determine the sizes of the networks, or what the numbers in a checkpoint mean.
const FIXED: [&str; 13] = [
    "share_policies",
    "central_critic",
    "independent",
    "own_observation",
    "twin_critics",
    "actor_hidden",
    "critic_hidden",
    "critic_layer_norm",
    "convolutions",
    "replay_capacity",
    "normalize_values",
    "normalize_observations",
    "reward_scale",
];

impl LearnerConfig {
    /// The settings that differ from those of a checkpoint, each as `learner.gamma = 0.97 (before: 0.95)`.
    ///
    /// # Errors
    /// If a setting differs that must not change during a training: those of the networks, of the replay buffer's size and of the
    /// scales of observations and values. The error names the setting's key.
    pub fn changes_from(&self, saved: &Self) -> Result<Vec<String>, ConfigError> {
        let table = |config: &Self| {
            toml::Table::try_from(config)
                .map_err(|error| ConfigError::Invalid { path: None, reason: error.to_string() })
        };
        let (now, before) = (table(self)?, table(saved)?);
        let mut changes = Vec::new();
        for (key, value) in &now {
            let Some(old) = before.get(key).filter(|old| *old != value) else { continue };
            if FIXED.contains(&key.as_str()) {
                let (value, old) = (shown(value), shown(old));
                let reason = format!(
                    "`learner.{key}` is {value}, but the training in the checkpoint began with {old}, and this setting cannot \
                     change while it goes on; set it back, or start a new training"
                );
                return Err(ConfigError::Invalid { path: None, reason });
            }
            changes.push(format!("learner.{key} = {} (before: {})", shown(value), shown(old)));
        }
        Ok(changes)
    }
}

fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => range::shown(*number),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_may_change_and_networks_may_not() {
        let saved = LearnerConfig::default();
        assert!(saved.changes_from(&saved).unwrap().is_empty());
        let changed = LearnerConfig { gamma: 0.5, batch_size: 64, ..saved.clone() };
        let changes = changed.changes_from(&saved).unwrap();
        assert_eq!(changes, ["learner.batch_size = 64 (before: 256)", "learner.gamma = 0.5 (before: 0.95)"]);
        let wider = LearnerConfig { actor_hidden: vec![32], ..saved.clone() };
        let error = wider.changes_from(&saved).unwrap_err().to_string();
        assert!(
            error.contains("learner.actor_hidden") && error.contains("[32]") && error.contains("[64, 64]"),
            "{error}"
        );
    }

    #[test]
    fn every_fixed_key_is_a_setting() {
        let table = toml::Table::try_from(LearnerConfig::default()).unwrap();
        assert!(FIXED.iter().all(|key| table.contains_key(*key)));
    }
}
