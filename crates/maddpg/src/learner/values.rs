use serde::{Deserialize, Serialize};

use super::{fate::Fate, replay::ReplayBuffer};

/// The scale in which the critics of one policy learn values: `value = mean + deviation * output`.
///
/// It tracks the mean and the standard deviation of the critics' targets, so that the scaled targets have about mean 0
/// and deviation 1, whatever the game's rewards are (Pop-Art, van Hasselt et al. 2016, arXiv 1602.07714).
/// Whenever it changes, the critics' last layers are adjusted so that they still represent the same values.
///
/// The running averages change with every minibatch, at first quickly, later slowly. In games in which only one
/// decision in thousands is rewarded, most minibatches contain no reward, and a quick average would soon be as if there
/// were none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ValueScale {
    /// The value that an output of 0 represents, in units of the game's rewards.
    pub(super) mean: f64,
    /// How much the value rises when the output rises by 1.
    pub(super) deviation: f64,
    /// Running mean of the squares of the values.
    square: f64,
    /// Running mean of the values, minus `mean`.
    #[serde(default)]
    drift: f64,
    /// Number of updates that the running means have taken into account.
    #[serde(default)]
    followed: u64,
    /// Largest absolute reward so far.
    #[serde(default)]
    largest_reward: f64,
    /// Whether the first guess has been made. It needs rewards; until then, there is nothing to scale by.
    #[serde(default = "is_guessed")]
    pub(super) is_guessed: bool,
}

/// The value for old checkpoints, which do not contain it.
fn is_guessed() -> bool {
    true
}

/// Fraction of the distance that the running means move at each update, in the long run.
const RATE: f64 = 3e-3;

/// How many updates the first guess counts for. At first, the running means move by one over this number.
const GUESS: f64 = 100.0;

/// Smallest deviation to divide by, as a fraction of the largest reward.
const LEAST_DEVIATION: f64 = 1e-6;

/// Smallest deviation of a first guess, as a fraction of the mean value. Even if all rewards so far are equal, values
/// differ.
const LEAST_GUESS: f64 = 1e-2;

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
        Self {
            mean,
            deviation,
            square: mean * mean + deviation * deviation,
            drift: 0.0,
            followed: 0,
            largest_reward: 0.0,
            is_guessed: false,
        }
    }

    /// Whether all of its numbers are finite.
    pub(super) fn is_finite(&self) -> bool {
        let Self { mean, deviation, square, drift, largest_reward, .. } = *self;
        [mean, deviation, square, drift, largest_reward].iter().all(|number| number.is_finite())
    }

    /// Notes a reward that the replay buffer now has.
    pub(super) fn see(&mut self, reward: f32) {
        self.largest_reward = self.largest_reward.max(f64::from(reward).abs());
    }

    /// Whether there are rewards for a first guess, and it has not been made.
    pub(super) fn can_be_guessed(&self) -> bool {
        !self.is_guessed && self.largest_reward > 0.0
    }

    /// A first guess from the rewards of `slots` in the replay buffer, as if rewards were independent of each other.
    /// With `p` the fraction of decisions that do not end the episode, the mean is that of the rewards divided by
    /// `1 - gamma p`, the deviation is that of the rewards divided by `sqrt(1 - gamma² p²)`.
    pub(super) fn guess(&mut self, replay: &ReplayBuffer, slots: &[usize], fates: &[Fate], gamma: f32) {
        let (mut sum, mut squares, mut continues, mut count) = (0.0, 0.0, 0.0, 0.0f64);
        for transition in (0..replay.len()).map(|index| replay.transition(index)) {
            for &slot in slots.iter().filter(|slot| transition.slot(**slot).present) {
                count += 1.0;
                let reward = f64::from(fates[slot].reward(transition.rewards, slot));
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
        let mean = mean / horizon;
        let deviation = deviation.max(LEAST_GUESS * mean.abs()).max(self.least_deviation());
        let largest_reward = self.largest_reward;
        *self = Self { largest_reward, is_guessed: true, ..Self::new(mean, deviation) };
    }

    fn least_deviation(&self) -> f64 {
        // The 1e-30 is for checkpoints without the largest reward: one over the result must fit in `f32`.
        (LEAST_DEVIATION * self.largest_reward).max(1e-30)
    }

    /// Converts a reward to this scale, so that adding the discounted next output gives the critic's target output.
    pub(super) fn reward(&self, reward: f32, discount: f32) -> f32 {
        ((f64::from(reward) - self.mean * (1.0 - f64::from(discount))) / self.deviation) as f32
    }

    /// The value that an output represents.
    pub(super) fn value(&self, output: f32) -> f32 {
        (self.mean + self.deviation * f64::from(output)) as f32
    }

    /// Moves the running means towards targets with this mean and mean square, in the current scale, as if the targets of
    /// this many updates had been the same. The scale itself changes only in [`adopt`](Self::adopt).
    pub(super) fn follow(&mut self, output_mean: f32, output_square: f32, updates: u64) {
        let (mean, square) = (f64::from(output_mean), f64::from(output_square));
        let value = self.mean + self.deviation * mean;
        let value_square = self.mean * self.mean
            + 2.0 * self.mean * self.deviation * mean
            + self.deviation * self.deviation * square;
        let rate = (1.0 / (GUESS + self.followed as f64)).max(RATE);
        let share = 1.0 - (1.0 - rate).powi(updates.min(1_000_000) as i32);
        self.drift += share * (value - self.mean - self.drift);
        self.square += share * (value_square - self.square);
        self.followed = self.followed.saturating_add(updates);
    }

    /// Sets the scale to the running means.
    pub(super) fn adopt(&mut self) -> Rescaling {
        let (old_mean, old_deviation) = (self.mean, self.deviation);
        self.mean += self.drift;
        self.drift = 0.0;
        self.deviation = (self.square - self.mean * self.mean).max(0.0).sqrt().max(self.least_deviation());
        Rescaling {
            factor: (old_deviation / self.deviation) as f32,
            shift: ((old_mean - self.mean) / self.deviation) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::{
        learner::replay::RowSizes,
        random::stream,
        transition::{SlotState, TransitionBlock},
    };

    /// The mean and mean square of the outputs that stand for these values.
    fn outputs(scale: &ValueScale, values: &[f64]) -> (f32, f32) {
        let outputs = values.iter().map(|value| (value - scale.mean) / scale.deviation);
        let (sum, squares) = outputs.fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        ((sum / values.len() as f64) as f32, (squares / values.len() as f64) as f32)
    }

    fn rewards(rewards: &[f32]) -> ReplayBuffer {
        let rows = rewards.len() / 2;
        let mut replay =
            ReplayBuffer::new(RowSizes { observation: 2, action: 2, agents: 2, choices: 0 }, rows);
        replay.push(&TransitionBlock {
            observations: vec![0.0; 2 * rows],
            actions: vec![0.0; 2 * rows],
            rewards: rewards.to_vec(),
            next_observations: vec![0.0; 2 * rows],
            discounts: vec![1.0; rows],
            slots: vec![SlotState::PRESENT; 2 * rows],
            ..TransitionBlock::default()
        });
        replay
    }

    fn guessed(all: &[f32], gamma: f32) -> ValueScale {
        let mut scale = ValueScale::fixed(1.0);
        all.iter().for_each(|reward| scale.see(*reward));
        scale.guess(&rewards(all), &[0, 1], &[Fate::Own, Fate::Own], gamma);
        scale
    }

    #[test]
    fn a_scale_follows_the_values_and_rescaled_outputs_stand_for_the_same() {
        let values = [-31.0f64, -30.0, -28.0, -27.0];
        let mut scale = ValueScale::fixed(1.0);
        for _ in 0..2_000 {
            let before = scale;
            for _ in 0..10 {
                let (mean, square) = outputs(&scale, &values);
                scale.follow(mean, square, 1);
            }
            let Rescaling { factor, shift } = scale.adopt();
            for output in [-2.0f32, 0.0, 0.7] {
                let (old, new) = (before.value(output), scale.value(output * factor + shift));
                assert!((old - new).abs() < 1e-4, "{old}, {new}");
            }
        }
        assert!((scale.mean + 29.0).abs() < 1e-3, "{scale:?}");
        assert!((scale.deviation - 2.5f64.sqrt()).abs() < 1e-3, "{scale:?}");
    }

    #[test]
    fn one_reading_for_ten_updates_moves_a_scale_about_as_far_as_ten() {
        let (mut often, mut seldom) = (ValueScale::fixed(1.0), ValueScale::fixed(1.0));
        for _ in 0..50 {
            (0..10).for_each(|_| often.follow(1.0, 5.0, 1));
            seldom.follow(1.0, 5.0, 10);
        }
        assert!((often.drift / seldom.drift - 1.0).abs() < 0.01, "{often:?}, {seldom:?}");
        assert!((often.square / seldom.square - 1.0).abs() < 0.01, "{often:?}, {seldom:?}");
    }

    #[test]
    fn rare_rewards_do_not_make_the_scale_jump() {
        let mut random = stream(1, "rewards", 0);
        let share = 1.0 / 2_000.0;
        let mut draw = |count: usize| {
            (0..count).map(|_| f64::from(random.random::<f64>() < share)).collect::<Vec<f64>>()
        };
        let stored = draw(200_000).iter().map(|reward| *reward as f32).collect::<Vec<_>>();
        let mut scale = guessed(&stored, 0.0);
        let (mut least, mut largest, mut jump) = (f64::INFINITY, 0.0f64, 1.0f64);
        for _ in 0..1_000 {
            for _ in 0..10 {
                let (mean, square) = outputs(&scale, &draw(256));
                scale.follow(mean, square, 1);
            }
            let factor = f64::from(scale.adopt().factor);
            (least, largest) = (least.min(scale.deviation), largest.max(scale.deviation));
            jump = jump.max(factor).max(1.0 / factor);
        }
        // The true deviation is 0.0224.
        assert!(least > 0.016 && largest < 0.029, "{least} to {largest}");
        assert!(jump < 1.1, "{jump}");
    }

    #[test]
    fn the_smallest_deviation_depends_on_the_rewards() {
        for unit in [1e-9f32, 1.0, 1e6] {
            let mut scale = guessed(&[0.0, unit, -unit, 0.0], 0.0);
            assert!((scale.deviation / f64::from(unit) - 0.5f64.sqrt()).abs() < 1e-6, "{scale:?}");
            for _ in 0..40_000 {
                let (mean, square) = outputs(&scale, &[0.0]);
                scale.follow(mean, square, 1);
                scale.adopt();
            }
            assert!((scale.deviation / f64::from(unit) - 1e-6).abs() < 1e-8, "{scale:?}");
        }
    }

    #[test]
    fn without_rewards_there_is_nothing_to_guess() {
        let mut scale = ValueScale::fixed(1.0);
        scale.see(0.0);
        assert!(!scale.can_be_guessed());
        scale.see(-1e-5);
        assert!(scale.can_be_guessed());
        scale.guess(&rewards(&[0.0, 0.0, -1e-5, 0.0]), &[0, 1], &[Fate::Own, Fate::Own], 0.9);
        assert!(!scale.can_be_guessed());
        assert!(scale.deviation < 1e-4, "{scale:?}");
    }

    #[test]
    fn scales_of_older_checkpoints_can_be_read() {
        let scale: ValueScale =
            serde_json::from_str(r#"{"mean": 2.0, "deviation": 3.0, "square": 13.0}"#).unwrap();
        assert!(scale.is_guessed && scale.drift == 0.0);
    }

    #[test]
    fn the_first_guess_is_right_where_rewards_are_independent() {
        // Both agents get 1 and -3 in turn and no episode ends: mean -1, deviation 2.
        let all: Vec<f32> =
            (0..40).flat_map(|row| if row % 2 == 0 { [1.0, 1.0] } else { [-3.0, -3.0] }).collect();
        let scale = guessed(&all, 0.9);
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
