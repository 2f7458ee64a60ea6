//! Probabilities of choices, and how one of them is picked.

use rand::{Rng, RngExt};

use super::ActionSpace;

/// Replaces the logits of one branch with probabilities. Choices whose mask is 0 get a probability of exactly 0. An empty
/// mask allows all choices.
pub(crate) fn softmax(logits: &mut [f32], mask: &[f32]) {
    let allowed = |index: usize| mask.get(index) != Some(&0.0);
    let largest = logits.iter().enumerate().filter(|(index, _)| allowed(*index));
    let largest = largest.map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (index, logit) in logits.iter_mut().enumerate() {
        *logit = if allowed(index) { libm::expf(*logit - largest) } else { 0.0 };
        sum += *logit;
    }
    logits.iter_mut().for_each(|probability| *probability /= sum);
}

/// The index of the largest number whose mask is not 0; the first one if several are equal.
pub(crate) fn best(numbers: impl Iterator<Item = f32>, mask: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, number) in numbers.enumerate() {
        if mask.get(index) != Some(&0.0) && number > best.1 {
            best = (index, number);
        }
    }
    best.0
}

/// Sets the number at `index` to 1 and the others to 0.
pub(crate) fn set_one_hot(numbers: &mut [f32], index: usize) {
    numbers.fill(0.0);
    numbers[index] = 1.0;
}

/// The possible choices of a branch with `count` choices. An empty mask allows all.
fn possible(count: usize, mask: &[f32]) -> impl DoubleEndedIterator<Item = usize> {
    (0..count).filter(|choice| mask.get(*choice) != Some(&0.0))
}

/// Draws uniformly among the possible choices of a branch.
pub(crate) fn draw_possible(count: usize, mask: &[f32], random: &mut impl Rng) -> usize {
    let drawn = random.random_range(0..possible(count, mask).count().max(1));
    possible(count, mask).nth(drawn).unwrap_or(0)
}

impl ActionSpace {
    /// Makes the most likely choice in each branch. On entry, `action` contains the probabilities of the choices, as
    /// [`Policy::distribution`](super::Policy::distribution) gives them.
    pub fn choose_best(&self, action: &mut [f32]) {
        self.choose(action, |probabilities| best(probabilities.iter().copied(), &[]));
    }

    /// Draws a choice in each branch. On entry, `action` contains the probabilities of the choices. With probability
    /// `epsilon`, a branch draws uniformly among the choices whose mask is not 0. `mask` has one number per choice; an
    /// empty mask allows all choices.
    pub fn sample(&self, action: &mut [f32], mask: &[f32], epsilon: f32, random: &mut impl Rng) {
        let mut start = 0;
        self.choose(action, |probabilities| {
            let of_branch = mask.get(start..start + probabilities.len()).unwrap_or(&[]);
            start += probabilities.len();
            if epsilon > 0.0 && random.random::<f32>() < epsilon {
                return draw_possible(probabilities.len(), of_branch, random);
            }
            let choices = || possible(probabilities.len(), of_branch);
            let mut rest = random.random::<f32>();
            let reached = choices().find(|index| {
                rest -= probabilities[*index];
                rest < 0.0
            });
            // Because of rounding, the probabilities may sum to less than 1. The rest belongs to the last choice that
            // can be drawn.
            reached.or_else(|| choices().rfind(|index| probabilities[*index] > 0.0)).unwrap_or(0)
        });
    }

    /// Makes each choice, then closes the gates. Branches that contain only zeros stay as they are.
    fn choose(&self, action: &mut [f32], mut pick: impl FnMut(&[f32]) -> usize) {
        for branch in 0..self.branches().len() {
            let probabilities = &mut action[self.columns(branch)];
            if probabilities.iter().any(|probability| *probability > 0.0) {
                let index = pick(probabilities);
                set_one_hot(probabilities, index);
            }
        }
        self.close_gates(action);
    }

    /// The choice made in a branch of this action; `None` if none was made.
    ///
    /// # Panics
    /// If there is no such branch, or the action is too short.
    pub fn choice(&self, action: &[f32], branch: usize) -> Option<usize> {
        action[self.columns(branch)].iter().position(|number| *number == 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_masked_choice_has_probability_zero_and_is_never_drawn(
            logits in prop::collection::vec(-50.0f32..50.0, 2..9), seed: u64, epsilon in 0.0f32..1.0,
        ) {
            let mut random = stream(seed, "mask", 0);
            let mut mask: Vec<f32> = logits.iter().map(|_| f32::from(random.random::<bool>())).collect();
            mask[0] = 1.0;
            let mut probabilities = logits.clone();
            softmax(&mut probabilities, &mask);
            prop_assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let space = ActionSpace::default().with_choices("choice", logits.len());
            for (probability, mask) in probabilities.iter().zip(&mask) {
                prop_assert!(*mask == 1.0 || *probability == 0.0);
            }
            for _ in 0..50 {
                let mut action = probabilities.clone();
                space.sample(&mut action, &mask, epsilon, &mut random);
                let choice = space.choice(&action, 0).expect("a choice was made");
                prop_assert_eq!(mask[choice], 1.0);
                prop_assert_eq!(action.iter().sum::<f32>(), 1.0);
            }
            space.choose_best(&mut probabilities);
            let chosen = space.choice(&probabilities, 0).expect("a choice was made");
            prop_assert!(logits.iter().zip(&mask).all(|(logit, mask)| *mask == 0.0 || *logit <= logits[chosen] + 1e-4));
        }
    }

    #[test]
    fn choices_are_drawn_with_their_probabilities() {
        let space = ActionSpace::default().with_choices("choice", 3);
        let mut random = stream(1, "draw", 0);
        let mut share = |epsilon: f32| {
            let mut counts = [0.0; 3];
            for _ in 0..20_000 {
                let mut action = [0.7, 0.3, 0.0];
                space.sample(&mut action, &[1.0, 1.0, 0.0], epsilon, &mut random);
                counts[space.choice(&action, 0).unwrap()] += 1.0 / 20_000.0;
            }
            counts
        };
        let close = |found: [f64; 3], expected: [f64; 3]| {
            found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.02)
        };
        assert!(close(share(0.0), [0.7, 0.3, 0.0]));
        assert!(close(share(1.0), [0.5, 0.5, 0.0]), "impossible choices are not explored");
    }
}
