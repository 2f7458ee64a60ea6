//! The backward pass of a [`NetworkShape`] on the CPU, computing only what is asked for.

use std::ops::Range;

use crate::{
    matrix::{Matrix, Output, multiply},
    policy::{Activations, Layer, NetworkShape},
};

/// Reused memory of [`backward`].
#[derive(Debug, Default)]
pub(crate) struct Deltas {
    above: Vec<f32>,
    below: Vec<f32>,
    ones: Vec<f32>,
}

/// What a backward pass computes.
pub(crate) enum Wanted<'a> {
    /// The gradient of the parameters, written over `gradient`, `[parameters]`.
    Parameters { inputs: &'a [f32], gradient: &'a mut [f32] },
    /// The gradient of some columns of the inputs, written over `gradient`, `[rows, columns]`.
    Columns { columns: Range<usize>, gradient: &'a mut [f32] },
}

/// Backpropagates `output_gradient`, `[rows, outputs]`, through the forward pass kept in `activations`.
pub(crate) fn backward(
    shape: &NetworkShape,
    parameters: &[f32],
    activations: &Activations,
    output_gradient: &[f32],
    mut wanted: Wanted,
    deltas: &mut Deltas,
) {
    let rows = output_gradient.len() / shape.outputs();
    deltas.ones.resize(rows, 1.0);
    deltas.above.clear();
    deltas.above.extend_from_slice(output_gradient);
    for (index, layer) in shape.layers().iter().enumerate().rev() {
        if layer.hidden {
            through_relu(&mut deltas.above, activations.output(index));
        }
        if let Some([gain, shift]) = &layer.norm {
            let (normalized, inverse_deviation) = activations.normalized(index);
            if let Wanted::Parameters { gradient, .. } = &mut wanted {
                add_products(&mut gradient[gain.clone()], &deltas.above, normalized);
                sum_rows(&mut gradient[shift.clone()], &deltas.above, &deltas.ones);
            }
            through_norm(&mut deltas.above, &parameters[gain.clone()], normalized, inverse_deviation);
        }
        if let Wanted::Parameters { inputs, gradient } = &mut wanted {
            let below = if index == 0 { inputs } else { activations.output(index - 1) };
            multiply(
                &mut gradient[layer.weights.clone()],
                Matrix::new(below, rows, layer.inputs).transposed(),
                Matrix::new(&deltas.above, rows, layer.outputs),
                Output::Overwrite,
            );
            sum_rows(&mut gradient[layer.bias.clone()], &deltas.above, &deltas.ones);
        }
        if index > 0 {
            deltas.below.resize(rows * layer.inputs, 0.0);
            through_weights(&mut deltas.below, &deltas.above, parameters, layer, 0..layer.inputs);
            std::mem::swap(&mut deltas.above, &mut deltas.below);
            deltas.above.truncate(rows * layer.inputs);
        } else if let Wanted::Columns { columns, gradient } = &mut wanted {
            through_weights(gradient, &deltas.above, parameters, layer, columns.clone());
        }
    }
}

/// `below = above · weights[inputs, :]ᵀ`.
fn through_weights(
    below: &mut [f32],
    above: &[f32],
    parameters: &[f32],
    layer: &Layer,
    inputs: Range<usize>,
) {
    let start = layer.weights.start;
    let weights = &parameters[start + inputs.start * layer.outputs..start + inputs.end * layer.outputs];
    multiply(
        below,
        Matrix::new(above, above.len() / layer.outputs, layer.outputs),
        Matrix::new(weights, inputs.len(), layer.outputs).transposed(),
        Output::Overwrite,
    );
}

/// The derivative of ReLU at 0 is taken as 0, as PyTorch does.
fn through_relu(deltas: &mut [f32], outputs: &[f32]) {
    for (delta, output) in deltas.iter_mut().zip(outputs) {
        *delta = if *output > 0.0 { *delta } else { 0.0 };
    }
}

/// `dz = (dn - mean(dn) - n mean(dn n)) / deviation` with `dn = delta gain`, row by row.
fn through_norm(deltas: &mut [f32], gain: &[f32], normalized: &[f32], inverse_deviation: &[f32]) {
    let width = gain.len();
    let rows = deltas.chunks_exact_mut(width).zip(normalized.chunks_exact(width));
    for ((delta, normalized), inverse_deviation) in rows.zip(inverse_deviation) {
        let (mut sum, mut product) = ([0.0f32; 16], [0.0f32; 16]);
        for (index, ((delta, gain), n)) in delta.iter_mut().zip(gain).zip(normalized).enumerate() {
            *delta *= gain;
            sum[index % 16] += *delta;
            product[index % 16] += *delta * n;
        }
        let mean = sum.iter().sum::<f32>() / width as f32;
        let mean_product = product.iter().sum::<f32>() / width as f32;
        for (delta, n) in delta.iter_mut().zip(normalized) {
            *delta = (*delta - mean - n * mean_product) * inverse_deviation;
        }
    }
}

/// `sums = onesᵀ · rows`: a gemm is the fastest way to add up rows.
fn sum_rows(sums: &mut [f32], rows: &[f32], ones: &[f32]) {
    let (count, width) = (ones.len(), sums.len());
    multiply(sums, Matrix::new(ones, 1, count), Matrix::new(rows, count, width), Output::Overwrite);
}

/// `sums = sum over rows of a b`, element by element.
fn add_products(sums: &mut [f32], a: &[f32], b: &[f32]) {
    let width = sums.len();
    sums.fill(0.0);
    for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(width)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Loss = sum of outputs times fixed weights, in f64 by finite differences of the f32 forward pass.
    struct Case {
        shape: NetworkShape,
        parameters: Vec<f32>,
        inputs: Vec<f32>,
        weights: Vec<f32>,
        rows: usize,
    }

    impl Case {
        fn new(seed: u64, hidden: &[usize], layer_norm: bool) -> Self {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let shape = NetworkShape::new(5, hidden, 3, layer_norm);
            let mut parameters = shape.initialize(0.5, &mut random);
            for parameter in &mut parameters {
                *parameter += random.random_range(-0.2..0.2);
            }
            let rows = 4;
            let mut draw =
                |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (inputs, weights) = (draw(rows * 5), draw(rows * 3));
            Self { shape, parameters, inputs, weights, rows }
        }

        fn loss(&self, parameters: &[f32], inputs: &[f32]) -> f64 {
            let mut activations = Activations::default();
            let outputs = self.shape.forward(parameters, inputs, self.rows, &mut activations);
            outputs.iter().zip(&self.weights).map(|(o, w)| f64::from(*o) * f64::from(*w)).sum()
        }

        /// Which hidden units are active: where this changes, the loss has a kink.
        fn active(&self, parameters: &[f32], inputs: &[f32]) -> Vec<bool> {
            let mut activations = Activations::default();
            self.shape.forward(parameters, inputs, self.rows, &mut activations);
            let hidden = 0..self.shape.layers().len() - 1;
            hidden
                .flat_map(|layer| activations.output(layer).iter().map(|x| *x > 0.0).collect::<Vec<_>>())
                .collect()
        }

        fn gradients(&self) -> (Vec<f32>, Vec<f32>) {
            let (mut activations, mut deltas) = (Activations::default(), Deltas::default());
            self.shape.forward(&self.parameters, &self.inputs, self.rows, &mut activations);
            let mut parameters = vec![f32::NAN; self.parameters.len()];
            let mut columns = vec![f32::NAN; self.rows * 2];
            for wanted in [
                Wanted::Parameters { inputs: &self.inputs, gradient: &mut parameters },
                Wanted::Columns { columns: 1..3, gradient: &mut columns },
            ] {
                backward(&self.shape, &self.parameters, &activations, &self.weights, wanted, &mut deltas);
            }
            (parameters, columns)
        }
    }

    fn check(analytic: f32, plus: f64, minus: f64, step: f32) -> Result<(), TestCaseError> {
        let numeric = (plus - minus) / (2.0 * f64::from(step));
        let error = (f64::from(analytic) - numeric).abs();
        prop_assert!(error < 2e-2 * numeric.abs().max(0.5), "analytic {analytic}, numeric {numeric}");
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn gradients_match_finite_differences(seed in 0u64..1000, layer_norm: bool, deep: bool) {
            let case = Case::new(seed, if deep { &[7, 6] } else { &[9] }, layer_norm);
            let (parameters, columns) = case.gradients();
            let step = 1e-3;
            let mut checked = 0;
            for (index, &analytic) in parameters.iter().enumerate() {
                let moved = |by: f32| {
                    let mut moved = case.parameters.clone();
                    moved[index] += by;
                    moved
                };
                let (plus, minus) = (moved(step), moved(-step));
                // A finite difference across the kink of a ReLU says nothing of the derivative.
                if case.active(&plus, &case.inputs) != case.active(&minus, &case.inputs) { continue; }
                checked += 1;
                check(analytic, case.loss(&plus, &case.inputs), case.loss(&minus, &case.inputs), step)?;
            }
            // A case at a kink itself, where most differences cross it, is no test: another one is drawn in its place.
            prop_assume!(checked * 2 > parameters.len());
            for (index, &analytic) in columns.iter().enumerate() {
                let moved = |by: f32| {
                    let mut moved = case.inputs.clone();
                    moved[index / 2 * 5 + 1 + index % 2] += by;
                    moved
                };
                let (plus, minus) = (moved(step), moved(-step));
                if case.active(&case.parameters, &plus) != case.active(&case.parameters, &minus) { continue; }
                check(analytic, case.loss(&case.parameters, &plus), case.loss(&case.parameters, &minus), step)?;
            }
        }
    }
}
