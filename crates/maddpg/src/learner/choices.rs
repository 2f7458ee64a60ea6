//! How the choices in branches are drawn and learned.
//!
//! There is no continuous relaxation: the critics see only one-hot vectors, as in the game. For a branch with few choices,
//! the actor follows the gradient of the exact expectation over the choices, with everything else held fixed. This
//! evaluates the critic at each choice (the expected policy gradient, Ciosek and Whiteson 2018, arXiv 1801.03326). For a
//! branch with many choices, it follows the gapped straight-through estimator (Fan et al. 2022, arXiv 2206.07235), which
//! needs only one evaluation.

use std::ops::Range;

use rand::{Rng, RngExt};

use crate::policy::{
    ActionSpace,
    choices::{best, set_one_hot, softmax},
};

/// Temperature of the gapped straight-through estimator, and the gap between the logit of the drawn choice and the others.
/// Both are the values that gave the best results in MADDPG (Tilbury et al. 2023, arXiv 2302.11793).
pub(super) const TEMPERATURE: f32 = 0.7;
pub(super) const GAP: f32 = 1.0;

/// The branches of one policy, and how each is learned.
#[derive(Debug, Clone, Default)]
pub(super) struct Choices {
    /// Number of numbers in the action, which come before the choices.
    pub(super) numbers: usize,
    pub(super) branches: Vec<Branch>,
    pub(super) gates: Vec<Gate>,
}

/// A number that is used only with a certain choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gate {
    /// The column of the number in the action, and the column of the choice.
    pub(super) number: usize,
    pub(super) choice: usize,
    /// Whether the branch of the choice is exact. If so, the number is learned whenever the choice is evaluated, even if the
    /// choice is very unlikely (P-DQN, Xiong et al. 2018, arXiv 1810.06394). If not, it is learned only when the choice is
    /// drawn.
    pub(super) is_exact: bool,
}

/// One branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch {
    /// Its columns in the action.
    pub(super) columns: Range<usize>,
    /// Its place in the mask of the agent.
    pub(super) mask: Range<usize>,
    /// Whether its gradient is that of the exact expectation.
    pub(super) is_exact: bool,
}

impl Choices {
    /// The branches of `space`; those with at most `exact` choices are learned by the exact expectation.
    pub(super) fn new(space: &ActionSpace, exact: usize) -> Self {
        let branch = |index| {
            let columns = space.columns(index);
            Branch { mask: space.mask_columns(index), is_exact: columns.len() <= exact, columns }
        };
        let branches: Vec<Branch> = (0..space.branches().len()).map(branch).collect();
        let gates = space.gates().map(|(number, choice)| {
            let of_choice = |branch: &&Branch| branch.columns.contains(&choice);
            Gate {
                number,
                choice,
                is_exact: branches.iter().find(of_choice).is_some_and(|branch| branch.is_exact),
            }
        });
        Self { numbers: space.numbers(), gates: gates.collect(), branches }
    }

    /// Whether the actor needs the gradient of the value with respect to the drawn action.
    pub(super) fn needs_action_gradient(&self) -> bool {
        let learned_elsewhere = self.gates.iter().filter(|gate| gate.is_exact).count();
        self.numbers > learned_elsewhere || self.branches.iter().any(|branch| !branch.is_exact)
    }

    /// Whether numbers are learned where this choice, a column of the action, is evaluated.
    pub(super) fn has_numbers_of(&self, choice: usize) -> bool {
        self.gates.iter().any(|gate| gate.is_exact && gate.choice == choice)
    }

    /// Draws a choice in each branch and writes it to `action`: the most likely one after `noise`, which is drawn from a
    /// Gumbel distribution, was added to the logits (Gumbel 1954). `outputs`, `noise` and `action` have the columns of an
    /// action.
    pub(super) fn draw(&self, outputs: &[f32], noise: &[f32], mask: &[f32], action: &mut [f32]) {
        for Branch { columns, mask: of_mask, .. } in &self.branches {
            let logits = outputs[columns.clone()].iter().zip(&noise[columns.clone()]);
            let chosen = best(logits.map(|(logit, noise)| logit + noise), &mask[of_mask.clone()]);
            set_one_hot(&mut action[columns.clone()], chosen);
        }
    }

    /// Sets those numbers to 0 that belong to a choice that was not made.
    pub(super) fn close_gates(&self, action: &mut [f32]) {
        for gate in &self.gates {
            action[gate.number] *= action[gate.choice];
        }
    }
}

/// A number of the Gumbel distribution.
pub(super) fn gumbel(random: &mut impl Rng) -> f32 {
    let uniform = random.random::<f32>().max(1e-9);
    -libm::logf((-libm::logf(uniform)).max(1e-9))
}

/// What one branch of one decision contributes to the actor's loss, and the gradient with respect to its logits.
pub(super) struct Branched<'a> {
    /// The logits of the branch, and which choices are possible.
    pub(super) logits: &'a [f32],
    pub(super) mask: &'a [f32],
    /// Weight of the entropy.
    pub(super) entropy: f32,
}

impl Branched<'_> {
    /// The loss `-sum pi_k Q_k - entropy H(pi)`, where `values` are the critic's values of the choices. Writes the gradient,
    /// times `weight`, to `gradient`. Returns the expected value, and the entropy times its weight.
    pub(super) fn exact(
        &self,
        values: impl Iterator<Item = f32> + Clone,
        weight: f32,
        gradient: &mut [f32],
    ) -> (f32, f32) {
        gradient.copy_from_slice(self.logits);
        softmax(gradient, self.mask);
        // The value of a choice that is not possible is unknown and may not even be finite.
        let possible = |p: f32, value: f32| if p > 0.0 { p * value } else { 0.0 };
        let expected = gradient.iter().zip(values.clone()).map(|(p, value)| possible(*p, value)).sum::<f32>();
        let entropy = entropy(gradient);
        for (p, value) in gradient.iter_mut().zip(values) {
            if *p > 0.0 {
                *p *= weight * (expected - value + self.entropy * (libm::logf(*p) + entropy));
            }
        }
        (expected, self.entropy * entropy)
    }

    /// The gapped straight-through estimator. On entry, `gradient` is that of the loss with respect to the one-hot vector
    /// `drawn`; on return, with respect to the logits. Returns the entropy times its weight.
    pub(super) fn straight_through(
        &self,
        drawn: &[f32],
        weight: f32,
        gradient: &mut [f32],
        spare: &mut Vec<f32>,
    ) -> f32 {
        let count = self.logits.len();
        spare.clear();
        spare.extend_from_slice(self.logits);
        spare.extend_from_slice(self.logits);
        let (probabilities, surrogate) = spare.split_at_mut(count);
        softmax(probabilities, self.mask);
        let entropy = entropy(probabilities);
        let largest = self.logits.iter().zip(self.mask).filter(|(_, mask)| **mask != 0.0);
        let largest = largest.map(|(logit, _)| *logit).fold(f32::NEG_INFINITY, f32::max);
        let gapped = |logit: f32, drawn: f32| {
            let logit = if drawn == 1.0 { largest } else { logit - (logit + GAP - largest).max(0.0) };
            logit / TEMPERATURE
        };
        // The gradient of the entropy's loss needs the probabilities without the gap.
        let of_entropy =
            |p: f32| if p > 0.0 { weight * self.entropy * p * (libm::logf(p) + entropy) } else { 0.0 };
        surrogate.iter_mut().zip(drawn).for_each(|(logit, drawn)| *logit = gapped(*logit, *drawn));
        softmax(surrogate, self.mask);
        let mean = surrogate.iter().zip(&*gradient).map(|(p, slope)| *p * slope).sum::<f32>();
        for ((slope, p), probability) in gradient.iter_mut().zip(surrogate).zip(probabilities) {
            *slope = *p * (*slope - mean) / TEMPERATURE + of_entropy(*probability);
        }
        self.entropy * entropy
    }
}

/// The entropy of a distribution, in nats.
fn entropy(probabilities: &[f32]) -> f32 {
    -probabilities.iter().filter(|p| **p > 0.0).map(|p| *p * libm::logf(*p)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;
    use proptest::prelude::*;

    /// The loss of one branch in f64.
    fn loss(logits: &[f64], mask: &[f32], values: &[f64], alpha: f64) -> f64 {
        let weights: Vec<f64> = logits
            .iter()
            .zip(mask)
            .map(|(logit, mask)| if *mask == 0.0 { 0.0 } else { logit.exp() })
            .collect();
        let sum: f64 = weights.iter().sum();
        let terms = weights.iter().zip(values).filter(|(weight, _)| **weight > 0.0);
        terms
            .map(|(weight, value)| {
                let p = weight / sum;
                -p * value + alpha * p * p.ln()
            })
            .sum()
    }

    proptest! {
        #[test]
        fn the_exact_gradient_is_the_finite_difference_of_the_expected_value(
            numbers in prop::collection::vec((-2.0f32..2.0, -3.0f32..3.0, any::<bool>()), 2..7), alpha in 0.0f32..0.5,
        ) {
            let logits: Vec<f32> = numbers.iter().map(|(logit, ..)| *logit).collect();
            let values: Vec<f32> = numbers.iter().map(|(_, value, _)| *value).collect();
            let mut mask: Vec<f32> = numbers.iter().map(|(.., is)| f32::from(*is)).collect();
            mask[1] = 1.0;
            let branch = Branched { logits: &logits, mask: &mask, entropy: alpha };
            let mut gradient = vec![f32::NAN; logits.len()];
            let (expected, entropy) = branch.exact(values.iter().copied(), 0.7, &mut gradient);
            let wide: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
            let wide_values: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
            let at = |logits: &[f64]| loss(logits, &mask, &wide_values, f64::from(alpha));
            prop_assert!((f64::from(-expected - entropy) - at(&wide)).abs() < 1e-4);
            for index in 0..logits.len() {
                let moved = |by: f64| {
                    let mut moved = wide.clone();
                    moved[index] += by;
                    at(&moved)
                };
                let difference = 0.7 * (moved(1e-4) - moved(-1e-4)) / 2e-4;
                prop_assert!((f64::from(gradient[index]) - difference).abs() < 1e-4, "{gradient:?} {index} {difference}");
                prop_assert!(mask[index] == 1.0 || gradient[index] == 0.0);
            }
        }
    }

    /// The mean gradients over many draws in a bandit with three arms, whose value is linear in the one-hot vector.
    #[test]
    fn the_gapped_estimator_is_less_biased_and_less_noisy_than_gumbels_softmax() {
        let (logits, mask, values) = ([1.0f32, 0.0, -1.0], [1.0f32; 3], [1.5f32, -1.0, 0.5]);
        let branch = Branched { logits: &logits, mask: &mask, entropy: 0.0 };
        let mut exact = [0.0; 3];
        branch.exact(values.into_iter(), 1.0, &mut exact);
        let mut random = stream(3, "estimators", 0);
        // Sums of the gradients and of their squares: gapped, and with Gumbel's softmax at temperature 1.
        let mut sums = [[(0.0f64, 0.0f64); 3]; 2];
        let draws = 20_000;
        for _ in 0..draws {
            let mut noisy = logits;
            noisy.iter_mut().for_each(|logit| *logit += gumbel(&mut random));
            let mut drawn = [0.0; 3];
            set_one_hot(&mut drawn, best(noisy.iter().copied(), &mask));
            let mut gapped = values.map(|value| -value);
            branch.straight_through(&drawn, 1.0, &mut gapped, &mut Vec::new());
            softmax(&mut noisy, &mask);
            let mean: f32 = noisy.iter().zip(values).map(|(p, value)| p * value).sum();
            let soft = [0, 1, 2].map(|index| noisy[index] * (mean - values[index]));
            for (sums, gradient) in sums.iter_mut().zip([gapped, soft]) {
                for (sum, x) in sums.iter_mut().zip(gradient) {
                    *sum = (sum.0 + f64::from(x), sum.1 + f64::from(x * x));
                }
            }
        }
        let of = |sums: [(f64, f64); 3]| {
            let means = sums.map(|(sum, squares)| (sum / f64::from(draws), squares / f64::from(draws)));
            let bias: f64 =
                means.iter().zip(exact).map(|((mean, _), exact)| (mean - f64::from(exact)).abs()).sum();
            (bias, means.iter().map(|(mean, square)| square - mean * mean).sum::<f64>())
        };
        let [(bias, variance), (soft_bias, soft_variance)] = sums.map(of);
        assert!(bias < 0.8 * soft_bias, "bias {bias}, {soft_bias}");
        assert!(variance < 0.5 * soft_variance, "variance {variance}, {soft_variance}");
    }
}
