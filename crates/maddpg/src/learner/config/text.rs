//! Settings as TOML.

use std::path::Path;

use super::{ConfigError, TrainingConfig, invalid, range::Number};
use crate::learner::Preset;

impl TrainingConfig {
    /// The preset's settings, changed as a TOML text says.
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key or a value out of range; the error names the key.
    pub fn from_toml(preset: Preset, text: &str) -> Result<Self, ConfigError> {
        preset.config().changed_by(text)
    }

    /// These settings, changed as a TOML text says.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml).
    pub fn changed_by(&self, text: &str) -> Result<Self, ConfigError> {
        let changes: toml::Table = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let mut whole = toml::Table::try_from(self).map_err(|error| invalid(error.to_string()))?;
        merge(&mut whole, changes, "", &self.numbers())?;
        let config: Self = whole.try_into().map_err(|error: toml::de::Error| invalid(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// The preset's settings, changed as a TOML file says.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), naming the file.
    pub fn from_file(preset: Preset, path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        preset.config().changed_by_file(path)
    }

    /// These settings, changed as a TOML file says.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), naming the file.
    pub fn changed_by_file(&self, path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.into(), source })?;
        self.changed_by(&text).map_err(|error| error.in_file(path))
    }

    /// The whole configuration as TOML.
    ///
    /// # Errors
    /// Never for a configuration that passed [`check`](Self::check).
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string_pretty(self).map_err(|error| invalid(error.to_string()))
    }
}

/// Overwrites the values in `whole` with those in `changes`, table by table. `path` leads to `whole`: its keys, each with a
/// dot behind it. Numbers that have a place in `numbers` must be in their range.
fn merge(
    whole: &mut toml::Table,
    changes: toml::Table,
    path: &str,
    numbers: &[Number],
) -> Result<(), ConfigError> {
    for (key, change) in changes {
        let at = format!("{path}{key}");
        match (whole.get_mut(&key), change) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(change)) => {
                merge(inner, change, &format!("{at}."), numbers)?;
            }
            (_, change) => {
                let number = numbers.iter().find(|number| number.key == at);
                let change = match number {
                    Some(number) => as_number(number, change)?,
                    None => change,
                };
                whole.insert(key, change);
            }
        }
    }
    Ok(())
}

/// Checks the range of a number, or of each number in a list. A whole number may be written like `1e6`.
fn as_number(number: &Number, value: toml::Value) -> Result<toml::Value, ConfigError> {
    let found = match &value {
        toml::Value::Integer(found) => *found as f64,
        toml::Value::Float(found) => *found,
        toml::Value::Array(list) => {
            let list = list.iter().map(|value| as_number(number, value.clone()));
            return Ok(toml::Value::Array(list.collect::<Result<_, _>>()?));
        }
        // The TOML library names the type that it expected.
        _ => return Ok(value),
    };
    match (Number { found, ..*number }.problem(), value) {
        (Some(problem), _) => Err(invalid(problem)),
        (None, toml::Value::Float(found)) if number.range.is_whole() => {
            Ok(toml::Value::Integer(found as i64))
        }
        (None, value) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_in_range_and_survives_toml() {
        for preset in Preset::ALL {
            let config = preset.config();
            config.check().unwrap();
            let text = config.to_toml().unwrap();
            assert_eq!(TrainingConfig::from_toml(Preset::Matd3, &text).unwrap(), config, "{preset}");
            assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_an_exponent() {
        let text = "[learner]\nreplay_capacity = 1e6\nactor_hidden = [1.28e2, 64]\ngamma = 1";
        let config = TrainingConfig::from_toml(Preset::Matd3, text).unwrap().learner;
        assert_eq!((config.replay_capacity, config.gamma), (1_000_000, 1.0));
        assert_eq!(config.actor_hidden, [128, 64]);
    }

    #[test]
    fn errors_name_the_key_and_what_was_expected() {
        let error = |text| TrainingConfig::from_toml(Preset::Matd3, text).unwrap_err().to_string();
        assert!(error("[learner]\ngama = 0.9").contains("gama"));
        assert!(
            error("[learner]\ngamma = 1.5").contains("`learner.gamma` is 1.5, expected a number from 0 to 1")
        );
        assert!(
            error("[learner]\ntau = 2.0")
                .contains("`learner.tau` is 2, expected a number of more than 0, at most 1")
        );
        assert!(
            error("[learner]\nbatch_size = 1.5")
                .contains("`learner.batch_size` is 1.5, expected a whole number")
        );
        assert!(error("[learner]\ngamma = \"x\"").contains("gamma"));
        assert!(error("[learner").contains("TOML"));
        for (text, key) in [
            ("[learner]\ntarget_noise = inf", "learner.target_noise"),
            ("[learner]\naction_penalty = inf", "learner.action_penalty"),
            ("[learner]\nlast_layer_scale = nan", "learner.last_layer_scale"),
            ("[learner]\nn_step = 0", "learner.n_step"),
            ("[learner]\nlearning_rate_final = 0.0", "learner.learning_rate_final"),
            ("[learner]\nlearning_rate_updates = 0", "learner.learning_rate_updates"),
            ("[learner]\nchoice_entropy = -0.1", "learner.choice_entropy"),
            ("[learner]\nlogit_penalty = nan", "learner.logit_penalty"),
            ("[exploration]\nfinal_factor = -1.0", "exploration.final_factor"),
            ("[exploration]\nscale = [0.1, inf]", "exploration.scale"),
        ] {
            let found = error(text);
            assert!(found.contains(key) && found.contains("expected"), "{found}");
        }
        assert!(
            "sac"
                .parse::<Preset>()
                .unwrap_err()
                .to_string()
                .contains("matd3, frugal, maddpg, maddpg_2017, ddpg_2017, ddpg")
        );
    }
}
