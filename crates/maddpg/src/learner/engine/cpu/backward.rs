use std::ops::Range;

use pulp::Arch;

use super::convolution::{ConvolutionDeltas, PackedConvolutions, backward_convolutions};
use crate::{
    kernels::{Finish, PackedMatrix, add_products, add_rows, multiply, weight_gradient},
    policy::{Activations, NetworkShape},
};

/// A network's weights in the layout that the backward pass reads. Packing again reuses the memory.
#[derive(Debug, Clone, Default)]
pub(super) struct PackedBackward {
    /// The transposed weights of each layer except the first.
    layers: Vec<PackedMatrix>,
    /// The transposed weights of those inputs of the first layer whose gradient is needed.
    columns: PackedMatrix,
    convolutions: PackedConvolutions,
}

impl PackedBackward {
    /// Packs the weights in `parameters`. For the first layer, only the weights of the network's inputs in `columns` are packed,
    /// and those of the features behind an encoder.
    pub(super) fn pack(&mut self, shape: &NetworkShape, parameters: &[f32], columns: Range<usize>) {
        let (first, rest) = shape.layers().split_first().expect("a network has a layer");
        if let Some(encoder) = shape.encoder() {
            self.convolutions.pack(encoder, first, parameters);
        }
        let columns = shape.columns(columns);
        if !columns.is_empty() {
            let start = first.weights.start + columns.start * first.outputs;
            let weights = &parameters[start..start + columns.len() * first.outputs];
            self.columns.pack_transposed(weights, columns.len(), first.outputs);
        }
        self.layers.resize_with(rest.len(), PackedMatrix::default);
        for (layer, packed) in rest.iter().zip(&mut self.layers) {
            packed.pack_transposed(&parameters[layer.weights.clone()], layer.inputs, layer.outputs);
        }
    }
}

/// Reusable buffers of [`backward`].
#[derive(Debug, Default)]
pub(super) struct Deltas {
    above: Vec<f32>,
    below: Vec<f32>,
    packed: PackedMatrix,
    convolutions: ConvolutionDeltas,
}

/// What a backward pass computes.
pub(super) enum Wanted<'a> {
    /// The gradient with respect to the parameters. Overwrites `gradient`, `[parameters]`, or is added to it if `add`.
    Parameters { inputs: &'a [f32], gradient: &'a mut [f32], add: bool },
    /// The gradient with respect to the packed columns of the inputs. Overwrites `gradient`, `[rows, columns]`.
    Columns { gradient: &'a mut [f32] },
}

/// Backpropagates `output_gradient`, `[rows, outputs]`, through the forward pass kept in `activations`.
pub(super) fn backward(
    shape: &NetworkShape,
    parameters: &[f32],
    packed: &PackedBackward,
    activations: &Activations,
    output_gradient: &[f32],
    mut wanted: Wanted,
    deltas: &mut Deltas,
) {
    let rows = output_gradient.len() / shape.outputs();
    let Deltas { above, below, packed: packed_above, convolutions } = deltas;
    above.clear();
    above.extend_from_slice(output_gradient);
    if let Wanted::Parameters { gradient, add: false, .. } = &mut wanted {
        // Everything except the weights is accumulated row by row, so it must start at zero.
        for layer in shape.layers() {
            gradient[layer.bias.clone()].fill(0.0);
            for range in layer.norm.iter().flatten() {
                gradient[range.clone()].fill(0.0);
            }
        }
    }
    for (index, layer) in shape.layers().iter().enumerate().rev() {
        if let Some([gain, shift]) = &layer.norm {
            let (normalized, inverse_deviation) = activations.normalized(index);
            if let Wanted::Parameters { gradient, .. } = &mut wanted {
                add_products(&mut gradient[gain.clone()], above, normalized);
                add_rows(&mut gradient[shift.clone()], above);
            }
            through_norm(above, &parameters[gain.clone()], normalized, inverse_deviation);
        }
        if let Wanted::Parameters { inputs, gradient, add } = &mut wanted {
            let inputs = match index {
                0 if shape.encoder().is_some() => activations.encoded(),
                0 => inputs,
                _ => activations.output(index - 1),
            };
            weight_gradient(
                &mut gradient[layer.weights.clone()],
                inputs,
                layer.inputs,
                above,
                layer.outputs,
                *add,
                packed_above,
            );
            add_rows(&mut gradient[layer.bias.clone()], above);
        }
        if index > 0 {
            below.resize(rows * layer.inputs, 0.0);
            let finish = Finish::ReluDerivative(activations.output(index - 1));
            multiply(below, above, &packed.layers[index - 1], None, finish);
            std::mem::swap(above, below);
        } else if let Wanted::Columns { gradient } = &mut wanted {
            multiply(gradient, above, &packed.columns, None, Finish::Linear);
        }
    }
    if let (Some(encoder), Wanted::Parameters { inputs, gradient, add }) = (shape.encoder(), wanted) {
        let gradient = &mut gradient[..encoder.parameters()];
        backward_convolutions(
            encoder,
            &packed.convolutions,
            activations,
            above,
            inputs,
            gradient,
            add,
            packed_above,
            convolutions,
        );
    }
}

/// `dz = (dn - mean(dn) - n * mean(dn * n)) / deviation` with `dn = delta * gain`, row by row.
fn through_norm(deltas: &mut [f32], gain: &[f32], normalized: &[f32], inverse_deviation: &[f32]) {
    let width = gain.len();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let rows = deltas.chunks_exact_mut(width).zip(normalized.chunks_exact(width));
            for ((deltas, normalized), inverse_deviation) in rows.zip(inverse_deviation) {
                let (mut sum, mut product) = ([0.0f32; 16], [0.0f32; 16]);
                let lanes = deltas.chunks_mut(16).zip(gain.chunks(16)).zip(normalized.chunks(16));
                for ((deltas, gain), normalized) in lanes {
                    for (lane, ((delta, gain), n)) in deltas.iter_mut().zip(gain).zip(normalized).enumerate()
                    {
                        *delta *= gain;
                        sum[lane] += *delta;
                        product[lane] += *delta * n;
                    }
                }
                let mean = sum.iter().sum::<f32>() / width as f32;
                let mean_product = product.iter().sum::<f32>() / width as f32;
                for (delta, n) in deltas.iter_mut().zip(normalized) {
                    *delta = (*delta - mean - n * mean_product) * inverse_deviation;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{AgentSpec, Convolution, Encoder, ImageSpec, PackedNetwork, forward};
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// A network with a loss: the outputs times fixed weights, summed in f64 after an f32 forward pass.
    struct Case {
        shape: NetworkShape,
        parameters: Vec<f32>,
        inputs: Vec<f32>,
        weights: Vec<f32>,
        rows: usize,
        /// Inputs with respect to which the gradient is computed as well.
        columns: Range<usize>,
    }

    impl Case {
        fn new(seed: u64, hidden: &[usize], layer_norm: bool) -> Self {
            Self::with(seed, NetworkShape::new(5, hidden, 3, layer_norm), 1..3)
        }

        /// Two frames of 6 x 5 pixels, each with another number, and three more numbers.
        fn with_image(seed: u64, hidden: &[usize], layer_norm: bool) -> Self {
            let image = ImageSpec { frames: 2, ..ImageSpec::grey(6, 5) };
            let agent = AgentSpec::new("a", 2 * (30 + 1), 1).with_image(image);
            let convolutions = [
                Convolution { filters: 4, kernel: 3, stride: 1 },
                Convolution { filters: 3, kernel: 2, stride: 2 },
            ];
            let encoder = Encoder::new(&agent, 3, &convolutions).unwrap().unwrap();
            Self::with(seed, NetworkShape::seeing(encoder, hidden, 3, layer_norm), 62..64)
        }

        fn with(seed: u64, shape: NetworkShape, columns: Range<usize>) -> Self {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut parameters = shape.initialize(0.5, &mut random);
            for parameter in &mut parameters {
                *parameter += random.random_range(-0.2..0.2);
            }
            let rows = 4;
            let mut draw =
                |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (inputs, weights) = (draw(rows * shape.inputs()), draw(rows * 3));
            Self { shape, parameters, inputs, weights, rows, columns }
        }

        fn run(&self, parameters: &[f32], inputs: &[f32]) -> Activations {
            let (mut packed, mut activations) = (PackedNetwork::default(), Activations::default());
            packed.pack(&self.shape, parameters);
            forward(&self.shape, parameters, &packed, inputs, self.rows, &mut activations);
            activations
        }

        fn loss(&self, parameters: &[f32], inputs: &[f32]) -> f64 {
            let activations = self.run(parameters, inputs);
            let outputs = activations.outputs();
            outputs.iter().zip(&self.weights).map(|(o, w)| f64::from(*o) * f64::from(*w)).sum()
        }

        /// Which hidden units are active. The loss has a kink wherever this changes.
        fn active(&self, parameters: &[f32], inputs: &[f32]) -> Vec<bool> {
            let activations = self.run(parameters, inputs);
            let convolutions = self.shape.encoder().map_or(0, |encoder| encoder.layers().len());
            let convolved = (0..convolutions).map(|layer| activations.convolved(layer));
            let hidden = (0..self.shape.layers().len() - 1).map(|layer| activations.output(layer));
            convolved.chain(hidden).flatten().map(|x| *x > 0.0).collect()
        }

        fn gradients(&self) -> (Vec<f32>, Vec<f32>) {
            let activations = self.run(&self.parameters, &self.inputs);
            let (mut packed, mut deltas) = (PackedBackward::default(), Deltas::default());
            packed.pack(&self.shape, &self.parameters, self.columns.clone());
            let mut parameters = vec![f32::NAN; self.parameters.len()];
            let mut columns = vec![f32::NAN; self.rows * 2];
            for wanted in [
                Wanted::Parameters { inputs: &self.inputs, gradient: &mut parameters, add: false },
                Wanted::Columns { gradient: &mut columns },
            ] {
                backward(
                    &self.shape,
                    &self.parameters,
                    &packed,
                    &activations,
                    &self.weights,
                    wanted,
                    &mut deltas,
                );
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
        fn gradients_match_finite_differences(seed in 0u64..1000, layer_norm: bool, deep: bool, image: bool) {
            let hidden: &[usize] = if deep { &[7, 6] } else { &[9] };
            let new = if image { Case::with_image } else { Case::new };
            let case = new(seed, hidden, layer_norm);
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
                // A finite difference across the kink of a ReLU says nothing about the derivative.
                if case.active(&plus, &case.inputs) != case.active(&minus, &case.inputs) { continue; }
                checked += 1;
                check(analytic, case.loss(&plus, &case.inputs), case.loss(&minus, &case.inputs), step)?;
            }
            // If most differences cross a kink, the case tests nothing, so another case is drawn instead.
            prop_assume!(checked * 2 > parameters.len());
            for (index, &analytic) in columns.iter().enumerate() {
                let moved = |by: f32| {
                    let mut moved = case.inputs.clone();
                    moved[index / 2 * case.shape.inputs() + case.columns.start + index % 2] += by;
                    moved
                };
                let (plus, minus) = (moved(step), moved(-step));
                if case.active(&case.parameters, &plus) != case.active(&case.parameters, &minus) { continue; }
                check(analytic, case.loss(&case.parameters, &plus), case.loss(&case.parameters, &minus), step)?;
            }
        }
    }
}
