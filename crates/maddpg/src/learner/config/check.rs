//! Checks the range of every number in the settings, and that settings do not contradict each other.

use super::{
    ConfigError, LearnerConfig, TrainingConfig, invalid,
    range::{Number, Range},
};
use crate::exploration::{ExplorationConfig, Noise};

/// A fraction of a distance.
const SHARE: Range = Range::above_zero(1.0);

/// A learning rate of Adam, which is about the most that a parameter changes in one update.
const RATE: Range = Range::above_zero(10.0);

/// The weight of a part of a loss. For comparison, a critic's value is about 1.
const WEIGHT: Range = Range::from(0.0, 1000.0);

/// An amount of noise in units of the action, which reaches from -1 to 1.
const NOISE: Range = Range::from(0.0, 100.0);

/// Layers of a network, and their sizes. Memory is checked when the agents are known.
const LAYER: Range = Range::whole(1, 1 << 32);
const MOST_LAYERS: usize = 64;

/// Filters of a convolution, their width and height, and their stride.
const CONVOLUTION: Range = Range::whole(1, 1 << 16);

/// A count of decisions, transitions or updates: at most the largest count that a checkpoint can contain exactly.
const COUNT: Range = Range::whole(0, 1 << 53);
const POSITIVE_COUNT: Range = Range::whole(1, 1 << 53);

/// Rows of a minibatch.
const ROWS: Range = Range::whole(1, 1 << 20);

/// Updates per joint decision.
const RATIO: Range = Range::above_zero(1000.0);

impl TrainingConfig {
    /// Checks that every number is in its range, and that no setting contradicts another.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] names the first key out of range, what was found and what was expected.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.learner.check()?;
        self.exploration.check()
    }

    /// All numbers of the settings.
    pub(super) fn numbers(&self) -> Vec<Number> {
        let mut numbers = self.learner.numbers();
        numbers.extend(self.exploration.numbers());
        numbers
    }
}

impl LearnerConfig {
    /// Checks that every number is in its range, and that no setting contradicts another.
    ///
    /// # Errors
    /// As [`TrainingConfig::check`].
    pub fn check(&self) -> Result<(), ConfigError> {
        in_range(&self.numbers())?;
        for (key, sizes) in [("actor_hidden", &self.actor_hidden), ("critic_hidden", &self.critic_hidden)] {
            if sizes.len() > MOST_LAYERS {
                let found = sizes.len();
                return Err(invalid(format!(
                    "`learner.{key}` has {found} layers, expected at most {MOST_LAYERS}"
                )));
            }
        }
        let layers = self.convolutions.len();
        if !(1..=MOST_LAYERS).contains(&layers) {
            return Err(invalid(format!(
                "`learner.convolutions` has {layers} layers, expected 1 to {MOST_LAYERS}"
            )));
        }
        let Self { batch_size, replay_capacity, learning_starts, .. } = *self;
        let Self { updates_per_decision, max_updates_per_decision, .. } = *self;
        if replay_capacity < batch_size {
            return Err(invalid(format!(
                "`learner.replay_capacity` is {replay_capacity}, expected at least batch_size ({batch_size}); raise \
                 `replay_capacity` or lower `batch_size`"
            )));
        }
        if replay_capacity < learning_starts {
            return Err(invalid(format!(
                "`learner.replay_capacity` is {replay_capacity} and `learner.learning_starts` is {learning_starts}, so \
                 learning would never start; expected a capacity of at least `learning_starts`: raise \
                 `replay_capacity` or lower `learning_starts`"
            )));
        }
        if max_updates_per_decision < updates_per_decision {
            return Err(invalid(format!(
                "`learner.max_updates_per_decision` is {max_updates_per_decision}, expected at least \
                 updates_per_decision ({updates_per_decision}); raise it, or lower `updates_per_decision`"
            )));
        }
        if self.target_noise > 0.0 && self.target_noise_clip == 0.0 {
            return Err(invalid(format!(
                "`learner.target_noise_clip` is 0, which removes all of the target noise (`learner.target_noise` is {}), \
                 expected more than 0; raise it, or set `target_noise` to 0 to switch the noise off",
                self.target_noise
            )));
        }
        Ok(())
    }

    /// All numbers of the learner's settings. All fields are named here, so that a new one cannot be forgotten.
    fn numbers(&self) -> Vec<Number> {
        let Self {
            share_policies: _,
            central_critic: _,
            independent: _,
            own_observation: _,
            team_fate: _,
            twin_critics: _,
            policy_delay,
            target_noise,
            target_noise_clip,
            actor_hidden,
            critic_hidden,
            critic_layer_norm: _,
            last_layer_scale,
            batch_size,
            replay_capacity,
            learning_starts,
            gamma,
            n_step,
            tau,
            policy_average,
            actor_learning_rate,
            critic_learning_rate,
            learning_rate_final,
            learning_rate_updates,
            critic_weight_decay,
            gradient_clip,
            gradient_clip_by: _,
            normalize_values: _,
            reward_scale,
            action_penalty,
            choice_entropy,
            logit_penalty,
            exact_choices,
            normalize_observations: _,
            updates_per_decision,
            max_updates_per_decision,
            mirror: _,
            convolutions,
            image_shift,
        } = self;
        let mut numbers = vec![
            Number::new("learner.policy_delay", (*policy_delay).into(), Range::whole(1, 1_000_000)),
            Number::new("learner.target_noise", (*target_noise).into(), NOISE),
            Number::new("learner.target_noise_clip", (*target_noise_clip).into(), NOISE),
            Number::new("learner.last_layer_scale", (*last_layer_scale).into(), Range::from(0.0, 100.0)),
            Number::new("learner.batch_size", *batch_size as f64, ROWS),
            Number::new("learner.replay_capacity", *replay_capacity as f64, POSITIVE_COUNT),
            Number::new("learner.learning_starts", *learning_starts as f64, COUNT),
            Number::new("learner.gamma", (*gamma).into(), Range::from(0.0, 1.0)),
            Number::new("learner.n_step", (*n_step).into(), Range::whole(1, 10_000)),
            Number::new("learner.tau", (*tau).into(), SHARE),
            Number::new("learner.policy_average", (*policy_average).into(), SHARE),
            Number::new("learner.actor_learning_rate", *actor_learning_rate, RATE),
            Number::new("learner.critic_learning_rate", *critic_learning_rate, RATE),
            Number::new("learner.learning_rate_final", *learning_rate_final, Range::above_zero(1000.0)),
            Number::new("learner.learning_rate_updates", *learning_rate_updates as f64, POSITIVE_COUNT),
            Number::new("learner.critic_weight_decay", *critic_weight_decay, Range::from(0.0, 10.0)),
            Number::new("learner.gradient_clip", *gradient_clip, Range::above_zero(1e12)),
            Number::new("learner.reward_scale", (*reward_scale).into(), Range::above_zero(1e9)),
            Number::new("learner.action_penalty", (*action_penalty).into(), WEIGHT),
            Number::new("learner.choice_entropy", (*choice_entropy).into(), WEIGHT),
            Number::new("learner.logit_penalty", (*logit_penalty).into(), WEIGHT),
            Number::new("learner.exact_choices", *exact_choices as f64, Range::whole(0, 1_000_000)),
            Number::new("learner.image_shift", *image_shift as f64, Range::whole(0, 1_000)),
            Number::new("learner.updates_per_decision", *updates_per_decision, RATIO),
            Number::new("learner.max_updates_per_decision", *max_updates_per_decision, RATIO),
        ];
        for (key, sizes) in [("learner.actor_hidden", actor_hidden), ("learner.critic_hidden", critic_hidden)]
        {
            numbers.extend(sizes.iter().map(|size| Number::new(key, *size as f64, LAYER)));
        }
        let sizes = convolutions.iter().flat_map(|convolution| <[usize; 3]>::from(*convolution));
        numbers.extend(sizes.map(|size| Number::new("learner.convolutions", size as f64, CONVOLUTION)));
        numbers
    }
}

impl ExplorationConfig {
    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// As [`TrainingConfig::check`].
    pub fn check(&self) -> Result<(), ConfigError> {
        in_range(&self.numbers())?;
        let [least, largest] = self.scale;
        if least > largest {
            return Err(invalid(format!(
                "`exploration.scale` is [{least}, {largest}], expected the smaller number first"
            )));
        }
        Ok(())
    }

    /// As [`LearnerConfig::numbers`].
    fn numbers(&self) -> Vec<Number> {
        let Self {
            noise,
            scale,
            redraw_decisions,
            final_factor,
            schedule_decisions,
            random_decisions,
            random_hold,
        } = self;
        let mut numbers = vec![
            Number::new("exploration.redraw_decisions", *redraw_decisions as f64, COUNT),
            Number::new("exploration.final_factor", (*final_factor).into(), Range::from(0.0, 1000.0)),
            Number::new("exploration.schedule_decisions", *schedule_decisions as f64, COUNT),
            Number::new("exploration.random_decisions", *random_decisions as f64, COUNT),
            Number::new("exploration.random_hold", (*random_hold).into(), Range::whole(1, 1_000_000)),
        ];
        numbers.extend(scale.map(|scale| Number::new("exploration.scale", scale.into(), NOISE)));
        match *noise {
            Noise::None | Noise::Gaussian => {}
            Noise::OrnsteinUhlenbeck { theta, sigma } => numbers.extend([
                // Beyond 2, the process grows without bound.
                Number::new(
                    "exploration.noise.ornstein_uhlenbeck.theta",
                    theta.into(),
                    Range::from(0.0, 2.0),
                ),
                Number::new("exploration.noise.ornstein_uhlenbeck.sigma", sigma.into(), NOISE),
            ]),
        }
        numbers
    }
}

fn in_range(numbers: &[Number]) -> Result<(), ConfigError> {
    numbers.iter().find_map(Number::problem).map_or(Ok(()), |problem| Err(invalid(problem)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::Preset;

    /// The settings with every number that a preset can have.
    fn with_all_numbers() -> TrainingConfig {
        Preset::Ddpg.config()
    }

    /// The paths of all numbers below `value`, such as `["exploration", "scale", "1"]`.
    fn paths(value: &toml::Value) -> Vec<Vec<String>> {
        let below = |(key, value): (String, &toml::Value)| {
            paths(value).into_iter().map(move |path| [vec![key.clone()], path].concat()).collect::<Vec<_>>()
        };
        match value {
            toml::Value::Table(table) => {
                table.iter().map(|(key, value)| (key.clone(), value)).flat_map(below).collect()
            }
            toml::Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(index, value)| (index.to_string(), value))
                .flat_map(below)
                .collect(),
            toml::Value::Integer(_) | toml::Value::Float(_) => vec![Vec::new()],
            _ => Vec::new(),
        }
    }

    fn at<'a>(value: &'a mut toml::Value, path: &[String]) -> &'a mut toml::Value {
        path.iter().fold(value, |value, key| match value {
            toml::Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
            table => &mut table[key.as_str()],
        })
    }

    #[test]
    fn every_number_has_a_range_in_files_and_in_code() {
        let whole = toml::Value::try_from(with_all_numbers()).unwrap();
        let paths = paths(&whole);
        assert!(paths.len() > 30, "{}", paths.len());
        for path in paths {
            let key = path
                .iter()
                .filter(|key| key.parse::<usize>().is_err())
                .cloned()
                .collect::<Vec<_>>()
                .join(".");
            for bad in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -1.0, 1e300] {
                let mut changed = whole.clone();
                let number = at(&mut changed, &path);
                let is_whole = number.is_integer();
                *number = toml::Value::Float(bad);
                let text = toml::to_string(&changed).unwrap();
                let error = TrainingConfig::from_toml(Preset::Ddpg, &text).expect_err(&key).to_string();
                assert!(
                    error.contains(&format!("`{key}`")) && error.contains("expected"),
                    "{key} = {bad}: {error}"
                );
                if !is_whole {
                    let config: TrainingConfig = changed.try_into().unwrap();
                    let error = config.check().expect_err(&key).to_string();
                    assert!(error.contains(&key) && error.contains("expected"), "{key} = {bad}: {error}");
                }
            }
        }
    }

    #[test]
    fn whole_numbers_are_checked_in_code() {
        let config = |change: fn(&mut LearnerConfig)| {
            let mut config = LearnerConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(config(|c| c.batch_size = 0).contains("`learner.batch_size` is 0"));
        assert!(config(|c| c.policy_delay = u32::MAX).contains("`learner.policy_delay`"));
        assert!(config(|c| c.learning_rate_updates = u64::MAX).contains("`learner.learning_rate_updates`"));
        assert!(config(|c| c.critic_hidden = vec![64, 0]).contains("`learner.critic_hidden` is 0"));
        assert!(config(|c| c.actor_hidden = vec![1; 1000]).contains("has 1000 layers"));
        let exploration = ExplorationConfig { random_hold: 0, ..ExplorationConfig::default() };
        assert!(exploration.check().unwrap_err().to_string().contains("`exploration.random_hold` is 0"));
    }

    #[test]
    fn contradictions_name_both_settings() {
        let error = |text: &str| {
            TrainingConfig::from_toml(Preset::Matd3, &format!("[learner]\n{text}")).unwrap_err().to_string()
        };
        for (text, keys) in [
            ("replay_capacity = 100\nlearning_starts = 1", ["replay_capacity", "batch_size"]),
            ("replay_capacity = 1000", ["replay_capacity", "learning_starts"]),
            ("target_noise_clip = 0.0", ["target_noise_clip", "target_noise`"]),
            ("updates_per_decision = 2.0", ["max_updates_per_decision", "updates_per_decision ("]),
        ] {
            let found = error(text);
            assert!(
                keys.iter().all(|key| found.contains(key)) && found.contains("expected"),
                "{text}: {found}"
            );
        }
        let found =
            TrainingConfig::from_toml(Preset::Matd3, "[exploration]\nscale = [0.5, 0.1]").unwrap_err();
        assert!(found.to_string().contains("[0.5, 0.1], expected the smaller number first"), "{found}");
    }
}
