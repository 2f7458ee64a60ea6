use serde::{Deserialize, Serialize};

use super::replay::ReplayBuffer;

/// The scale in which the critics of one policy learn values: `value = mean + deviation * output`.
///
/// It tracks the mean and the standard deviation of the critics' targets, so that the scaled targets have about mean 0
/// and deviation 1, whatever the game's rewards are (Pop-Art, van Hasselt et al. 2016, arXiv 1602.07714).
/// Whenever it changes, the critics' last layers are adjusted so that they still represent the same values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ValueScale {
    /// The value that an output of 0 represents, in units of the game's rewards.
    pub(super) mean: f64,
    /// How much the value rises when the output rises by 1.
    pub(super) deviation: f64,
    /// Running mean of the squares of the values.
    square: f64,
}

/// Fraction of the distance that a scale moves towards the measured values at each rescaling.
const RATE: f64 = 0.1;

/// Smallest deviation to divide by, in units of the game's rewards.
const LEAST_DEVIATION: f64 = 1e-4;

/// Converts outputs from one scale to another: `output * factor + shift`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rescaling {
    pub(super) factor: f32,
    pub(super) shift: f32,
}

impl ValueScale {
    /// The scale in which an output is the value times `reward_scale`.
    pub(super) fn fixed(reward_scale: f32) -> Self {
        Self::new(0.0, 1.0 / f64::from(reward_scale))
    }

    fn new(mean: f64, deviation: f64) -> Self {
        Self { mean, deviation, square: mean * mean + deviation * deviation }
    }

    /// A first guess from the rewards of `slots` in the replay buffer, as if rewards were independent of each other.
    /// With `p` the fraction of decisions that do not end the episode, the mean is that of the rewards divided by
    /// `1 - gamma p`, the deviation is that of the rewards divided by `sqrt(1 - gamma² p²)`.
    pub(super) fn guess(replay: &ReplayBuffer, slots: &[usize], gamma: f32) -> Self {
        let (mut sum, mut squares, mut continues, mut count) = (0.0, 0.0, 0.0, 0.0f64);
        for transition in (0..replay.len()).map(|index| replay.transition(index)) {
            for &slot in slots.iter().filter(|slot| transition.slot(**slot).present) {
                count += 1.0;
                let reward = f64::from(transition.rewards[slot]);
                sum += reward;
                squares += reward * reward;
            }
            continues += f64::from(transition.discount);
        }
        let decisions = replay.len().max(1) as f64;
        let count = count.max(1.0);
        let (mean, discount) = (sum / count, f64::from(gamma) * continues / decisions);
        // With gamma 1 and no terminal states, values are unbounded; the guess must not be.
        let horizon = (1.0 - discount).max(1e-3);
        let deviation = (squares / count - mean * mean).max(0.0).sqrt() / (horizon * (1.0 + discount)).sqrt();
        Self::new(mean / horizon, deviation.max(LEAST_DEVIATION))
    }

    /// Converts a reward to this scale, so that adding the discounted next output gives the critic's target output.
    pub(super) fn reward(&self, reward: f32, discount: f32) -> f32 {
        ((f64::from(reward) - self.mean * (1.0 - f64::from(discount))) / self.deviation) as f32
    }

    /// The value that an output represents.
    pub(super) fn value(&self, output: f32) -> f32 {
        (self.mean + self.deviation * f64::from(output)) as f32
    }

    /// Moves the scale part of the way towards targets with this mean and mean square, which are in the current scale.
    pub(super) fn follow(&mut self, output_mean: f32, output_square: f32) -> Rescaling {
        let (mean, square) = (f64::from(output_mean), f64::from(output_square));
        let Self { mean: old_mean, deviation: old_deviation, .. } = *self;
        let value = old_mean + old_deviation * mean;
        let value_square = old_mean * old_mean
            + 2.0 * old_mean * old_deviation * mean
            + old_deviation * old_deviation * square;
        self.mean += RATE * (value - self.mean);
        self.square += RATE * (value_square - self.square);
        self.deviation = (self.square - self.mean * self.mean).max(0.0).sqrt().max(LEAST_DEVIATION);
        Rescaling {
            factor: (old_deviation / self.deviation) as f32,
            shift: ((old_mean - self.mean) / self.deviation) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        learner::replay::RowSizes,
        transition::{SlotState, TransitionBlock},
    };

    #[test]
    fn a_scale_follows_the_values_and_rescaled_outputs_stand_for_the_same() {
        let values = [-31.0f64, -30.0, -28.0, -27.0];
        let mut scale = ValueScale::fixed(1.0);
        for _ in 0..200 {
            let outputs = values.map(|value| (value - scale.mean) / scale.deviation);
            let mean = outputs.iter().sum::<f64>() / 4.0;
            let square = outputs.iter().map(|x| x * x).sum::<f64>() / 4.0;
            let before = scale;
            let Rescaling { factor, shift } = scale.follow(mean as f32, square as f32);
            for output in [-2.0f32, 0.0, 0.7] {
                let (old, new) = (before.value(output), scale.value(output * factor + shift));
                assert!((old - new).abs() < 1e-4, "{old}, {new}");
            }
        }
        assert!((scale.mean + 29.0).abs() < 1e-3, "{scale:?}");
        assert!((scale.deviation - 2.5f64.sqrt()).abs() < 1e-3, "{scale:?}");
    }

    #[test]
    fn the_first_guess_is_right_where_rewards_are_independent() {
        // Both agents get 1 and -3 in turn and no episode ends: mean -1, deviation 2.
        let block = TransitionBlock {
            observations: vec![0.0; 80],
            actions: vec![0.0; 80],
            rewards: (0..40).flat_map(|row| if row % 2 == 0 { [1.0, 1.0] } else { [-3.0, -3.0] }).collect(),
            next_observations: vec![0.0; 80],
            discounts: vec![1.0; 40],
            slots: vec![SlotState::PRESENT; 80],
            ..TransitionBlock::default()
        };
        let mut replay = ReplayBuffer::new(RowSizes { observation: 2, action: 2, agents: 2, choices: 0 }, 40);
        replay.push(&block);
        let scale = ValueScale::guess(&replay, &[0, 1], 0.9);
        assert!((scale.mean + 10.0).abs() < 1e-5, "{scale:?}");
        assert!((scale.deviation - 2.0 / (1.0f64 - 0.81).sqrt()).abs() < 1e-5, "{scale:?}");
        // In the middle of an episode, the mean reward followed by an output of 0 gives a target output of 0.
        assert!(scale.reward(-1.0, 0.9).abs() < 1e-6);
        assert!(
            (scale.value(scale.reward(5.0, 0.0)) - 5.0).abs() < 1e-5,
            "the value of a terminal decision is its reward"
        );
    }
}
