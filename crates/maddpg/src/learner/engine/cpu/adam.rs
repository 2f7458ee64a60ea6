use pulp::Arch;

use crate::{
    kernels::{add_rows, dot},
    learner::engine::{AdamFactors, BETA1, BETA2, EPSILON, Moments, StepSettings},
};

/// Takes one step of Adam with the sum of `gradients`, and writes this sum to `sum`. Returns the norm of the sum, before clipping.
pub(super) fn step<'a>(
    parameters: &mut [f32],
    moments: &mut Moments,
    gradients: impl Iterator<Item = &'a [f32]> + Clone,
    sum: &mut Vec<f32>,
    StepSettings { learning_rate, parts, max_norm, weight_decay }: StepSettings,
) -> f64 {
    moments.steps += 1;
    let factors = AdamFactors::new(learning_rate, moments.steps);
    sum.resize(parameters.len(), 0.0);
    let mut squares = 0.0;
    for part in parts {
        let gradient = &mut sum[part.clone()];
        let square = add(gradient, gradients.clone().map(|gradient| &gradient[part.clone()]));
        squares += square;
        let moments = (&mut moments.first[part.clone()], &mut moments.second[part.clone()]);
        let parameters = &mut parameters[part.clone()];
        let mut clip = clip(square.sqrt(), max_norm);
        if weight_decay > 0.0 {
            add_decay(gradient, clip, parameters, weight_decay);
            clip = 1.0;
        }
        step_part(parameters, moments, gradient, clip, factors);
    }
    squares.sqrt()
}

/// Adds a share of the parameters to `clip` times their gradient.
fn add_decay(gradient: &mut [f32], clip: f64, parameters: &[f32], share: f64) {
    let (clip, share) = (clip as f32, share as f32);
    for (gradient, parameter) in gradient.iter_mut().zip(parameters) {
        *gradient = clip * *gradient + share * parameter;
    }
}

/// Takes one step of some parameters, with `clip` times their gradient.
fn step_part(
    parameters: &mut [f32],
    (first, second): (&mut [f32], &mut [f32]),
    gradient: &[f32],
    clip: f64,
    factors: AdamFactors,
) {
    let (rate, correction) = (factors.rate as f32, factors.variance_correction as f32);
    let (keep1, keep2, epsilon) = (BETA1 as f32, BETA2 as f32, EPSILON as f32);
    let (add1, add2) = (((1.0 - BETA1) * clip) as f32, ((1.0 - BETA2) * clip * clip) as f32);
    // The square of a smaller gradient would be subnormal.
    let least_gradient = (f32::MIN_POSITIVE / add2).sqrt();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let moments = first.iter_mut().zip(second);
            for ((parameter, gradient), (first, second)) in parameters.iter_mut().zip(gradient).zip(moments) {
                let gradient = or_zero(*gradient, least_gradient);
                *first = or_zero(keep1 * *first + add1 * gradient, f32::MIN_POSITIVE);
                *second = or_zero(keep2 * *second + add2 * gradient * gradient, f32::MIN_POSITIVE);
                *parameter -= rate * *first / ((correction * *second).sqrt() + epsilon);
            }
        },
    );
}

/// The number, or 0 if it is smaller than `least`. This keeps subnormal numbers, with which processors are many times slower, out of a
/// step. Where gradients vanish, their squares would be subnormal. Moments would stay at the smallest subnormal number, because 0.9
/// times this number rounds to the number itself.
#[inline(always)]
fn or_zero(number: f32, least: f32) -> f32 {
    if number.abs() < least { 0.0 } else { number }
}

/// Writes the sum of `gradients` to `sum`, in their order, and returns the square of its norm.
fn add<'a>(sum: &mut [f32], gradients: impl Iterator<Item = &'a [f32]> + Clone) -> f64 {
    /// Numbers in a block, few enough that the block stays in the nearest cache until it is squared.
    const BLOCK: usize = 4096;
    let blocks = sum.chunks_mut(BLOCK).zip((0..).step_by(BLOCK));
    let squares = blocks.map(|(sum, start)| {
        let end = start + sum.len();
        let mut parts = gradients.clone().map(|gradient| &gradient[start..end]);
        match parts.next() {
            Some(first) => sum.copy_from_slice(first),
            None => sum.fill(0.0),
        }
        parts.for_each(|part| add_rows(sum, part));
        dot(sum, sum)
    });
    squares.sum()
}

/// The factor that scales a gradient of this norm down to at most `max_norm`.
fn clip(norm: f64, max_norm: f64) -> f64 {
    if norm > max_norm { max_norm / (norm + 1e-6) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn settings(parts: &[Range<usize>], learning_rate: f64) -> StepSettings<'_> {
        StepSettings { learning_rate, parts, max_norm: 10.0, weight_decay: 0.0 }
    }

    /// Compares 20 steps with the formulas of the paper, where a share of the parameters is added to each gradient.
    fn walk(weight_decay: f64) {
        let mut parameters = [1.0f32, -2.0];
        let mut moments = Moments::new(2);
        let (mut theta, mut m, mut v) = ([1.0f64, -2.0], [0.0; 2], [0.0; 2]);
        let parts = [0..1, 1..2];
        for step_number in 1..=20 {
            let gradient = [0.3 * theta[0], theta[1] - 1.0];
            let halves = [gradient.map(|g| 0.5 * g as f32); 2];
            let halves = halves.iter().map(|half| &half[..]);
            let settings = StepSettings { weight_decay, ..settings(&parts, 0.01) };
            step(&mut parameters, &mut moments, halves, &mut Vec::new(), settings);
            for k in 0..2 {
                let gradient = [0, 1].map(|k| gradient[k] + weight_decay * theta[k]);
                m[k] = 0.9 * m[k] + 0.1 * gradient[k];
                v[k] = 0.999 * v[k] + 0.001 * gradient[k] * gradient[k];
                let (m, v) =
                    (m[k] / (1.0 - 0.9f64.powi(step_number)), v[k] / (1.0 - 0.999f64.powi(step_number)));
                theta[k] -= 0.01 * m / (v.sqrt() + 1e-8);
            }
        }
        for (found, expected) in parameters.iter().zip(theta) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found}, expected {expected}");
        }
    }

    #[test]
    fn adam_walks_as_the_paper_writes_it() {
        walk(0.0);
    }

    #[test]
    fn weights_decay_by_the_gradient_of_their_squares() {
        walk(0.5);
    }

    #[test]
    fn each_part_is_clipped_by_its_own_norm() {
        let (mut parameters, mut moments) = ([0.0f32; 4], Moments::new(4));
        let gradients =
            [&[1.0, 4.0, 100.0, 300.0][..], &[2.0, 0.0, 100.0, 100.0], &[0.0, 0.0, 100.0, 0.0]].into_iter();
        let mut sum = Vec::new();
        let norm = step(&mut parameters, &mut moments, gradients, &mut sum, settings(&[0..2, 2..4], 0.1));
        assert_eq!(sum, [3.0, 4.0, 300.0, 400.0]);
        assert!((norm - 500.025).abs() < 1e-3, "{norm}");
        for (found, expected) in moments.first.iter().zip([0.3, 0.4, 0.6, 0.8]) {
            assert!((found - expected).abs() < 1e-6, "{:?}", moments.first);
        }
    }

    #[test]
    fn moments_without_gradients_become_0() {
        let (mut parameters, mut moments) = ([0.0f32; 1], Moments::new(1));
        let (mut sum, part) = (Vec::new(), [0..1; 1]);
        for gradient in std::iter::once(1e-3).chain([0.0; 100_000]) {
            let gradient = [gradient];
            let gradients = std::iter::once(&gradient[..]);
            step(&mut parameters, &mut moments, gradients, &mut sum, settings(&part, 0.1));
        }
        assert_eq!((moments.first[0], moments.second[0]), (0.0, 0.0));
    }

    #[test]
    fn a_gradient_whose_square_is_subnormal_counts_as_0() {
        let (mut parameters, mut moments) = ([0.0f32; 2], Moments::new(2));
        let gradient = [1e-18, 1e-17];
        step(
            &mut parameters,
            &mut moments,
            std::iter::once(&gradient[..]),
            &mut Vec::new(),
            settings(&[0..2; 1], 0.1),
        );
        let [first, second] = [&moments.first, &moments.second].map(|moments| [moments[0], moments[1]]);
        assert!(first[0] == 0.0 && second[0] == 0.0, "{moments:?}");
        assert!(first[1].is_normal() && second[1].is_normal(), "{moments:?}");
    }
}
