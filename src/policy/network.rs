use std::ops::Range;

use rand::{Rng, RngExt};

use crate::matrix::{Matrix, Output, multiply};

/// Added to the variance in layer normalization, as PyTorch's default.
const NORM_EPSILON: f32 = 1e-5;

/// Sizes of a multi-layer perceptron: linear layers, ReLU after all but the last, which stays linear.
///
/// With `layer_norm`, each hidden layer is linear, layer normalization (Ba et al. 2016) with gain
/// and shift, ReLU. All parameters lie in one flat slice, layer by layer: weights `[inputs, outputs]`
/// row-major, bias `[outputs]`, then gain and shift `[outputs]` where normalized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkShape {
    layers: Vec<Layer>,
    layer_norm: bool,
}

/// Where one layer's parameters lie in the flat slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Numbers that enter.
    pub inputs: usize,
    /// Numbers that leave.
    pub outputs: usize,
    /// Weights, `[inputs, outputs]` row-major.
    pub weights: Range<usize>,
    /// Bias, `[outputs]`.
    pub bias: Range<usize>,
    /// Gain and shift of the layer normalization, `[outputs]` each.
    pub norm: Option<[Range<usize>; 2]>,
    /// Whether a ReLU follows: all but the last.
    pub hidden: bool,
}

impl NetworkShape {
    /// `inputs`, then the hidden sizes, then `outputs`.
    pub fn new(inputs: usize, hidden: &[usize], outputs: usize, layer_norm: bool) -> Self {
        let sizes: Vec<usize> = [inputs].iter().chain(hidden).chain(&[outputs]).copied().collect();
        let mut end = 0;
        let mut take = |length: usize| {
            end += length;
            end - length..end
        };
        let layers = sizes
            .windows(2)
            .enumerate()
            .map(|(index, size)| {
                let hidden = index + 2 < sizes.len();
                Layer {
                    inputs: size[0],
                    outputs: size[1],
                    weights: take(size[0] * size[1]),
                    bias: take(size[1]),
                    norm: (hidden && layer_norm).then(|| [take(size[1]), take(size[1])]),
                    hidden,
                }
            })
            .collect();
        Self { layers, layer_norm }
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Numbers that enter the network.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Numbers that leave it.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Sizes of the hidden layers.
    pub fn hidden(&self) -> Vec<usize> {
        self.layers.iter().filter(|layer| layer.hidden).map(|layer| layer.outputs).collect()
    }

    /// Whether the hidden layers are normalized.
    pub fn layer_norm(&self) -> bool {
        self.layer_norm
    }

    /// Numbers in the flat slice of parameters.
    pub fn parameters(&self) -> usize {
        let last = &self.layers[self.layers.len() - 1];
        last.norm.as_ref().map_or(last.bias.end, |norm| norm[1].end)
    }

    /// Fresh parameters: hidden layers uniform in `±1/sqrt(inputs)` (PyTorch's default), the last in
    /// `±last_layer_scale` (3e-3 in the DDPG paper, so that first outputs are near zero).
    pub fn initialize(&self, last_layer_scale: f32, random: &mut impl Rng) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameters()];
        for layer in &self.layers {
            let bound = if layer.hidden { 1.0 / (layer.inputs as f32).sqrt() } else { last_layer_scale };
            for value in &mut parameters[layer.weights.start..layer.bias.end] {
                *value = bound * random.random_range(-1.0..=1.0f32);
            }
            if let Some([gain, _]) = &layer.norm {
                parameters[gain.clone()].fill(1.0);
            }
        }
        parameters
    }

    /// Forward pass of `rows` inputs; every layer's output is kept in `activations`, the last is the result.
    ///
    /// # Panics
    /// If `parameters` or `inputs` have the wrong length.
    pub fn forward<'a>(
        &self,
        parameters: &[f32],
        inputs: &[f32],
        rows: usize,
        activations: &'a mut Activations,
    ) -> &'a [f32] {
        assert_eq!(parameters.len(), self.parameters(), "one flat slice of parameters");
        activations.fit(self, rows);
        let mut below: &[f32] = inputs;
        for (layer, kept) in self.layers.iter().zip(&mut activations.layers) {
            let bias = &parameters[layer.bias.clone()];
            for row in kept.output.chunks_exact_mut(layer.outputs) {
                row.copy_from_slice(bias);
            }
            multiply(
                &mut kept.output,
                Matrix::new(below, rows, layer.inputs),
                Matrix::new(&parameters[layer.weights.clone()], layer.inputs, layer.outputs),
                Output::Add,
            );
            if let Some([gain, shift]) = &layer.norm {
                normalize_rows(kept, &parameters[gain.clone()], &parameters[shift.clone()]);
            }
            if layer.hidden {
                relu(&mut kept.output);
            }
            below = &kept.output;
        }
        &activations.layers[self.layers.len() - 1].output
    }
}

/// The rectified linear unit, in place.
pub fn relu(values: &mut [f32]) {
    for value in values {
        *value = if *value > 0.0 { *value } else { 0.0 };
    }
}

/// Layer normalization of each row, keeping what the backward pass needs.
fn normalize_rows(kept: &mut LayerActivations, gain: &[f32], shift: &[f32]) {
    let width = gain.len();
    let rows = kept.output.chunks_exact_mut(width).zip(kept.normalized.chunks_exact_mut(width));
    for ((output, normalized), inverse_deviation) in rows.zip(&mut kept.inverse_deviation) {
        let mean = lane_sum(output.iter().copied(), width) / width as f32;
        let variance = lane_sum(output.iter().map(|x| (x - mean) * (x - mean)), width) / width as f32;
        *inverse_deviation = 1.0 / (variance + NORM_EPSILON).sqrt();
        for (((x, n), g), s) in output.iter_mut().zip(normalized).zip(gain).zip(shift) {
            *n = (*x - mean) * *inverse_deviation;
            *x = *n * g + s;
        }
    }
}

/// A sum in sixteen lanes: the same order on every machine, and one the compiler can vectorize.
fn lane_sum(values: impl ExactSizeIterator<Item = f32>, length: usize) -> f32 {
    debug_assert_eq!(values.len(), length);
    let mut lanes = [0.0f32; 16];
    for (index, value) in values.enumerate() {
        lanes[index % 16] += value;
    }
    lanes.iter().sum()
}

/// What one forward pass computed, kept for the backward pass and as reused memory.
#[derive(Debug, Clone, Default)]
pub struct Activations {
    layers: Vec<LayerActivations>,
}

#[derive(Debug, Clone, Default)]
struct LayerActivations {
    /// After normalization and ReLU, `[rows, outputs]`.
    output: Vec<f32>,
    /// The normalized rows before gain and shift, and one over their deviation; empty without norm.
    normalized: Vec<f32>,
    inverse_deviation: Vec<f32>,
}

impl Activations {
    /// Output of layer `index` after its activation, `[rows, outputs]`.
    pub fn output(&self, index: usize) -> &[f32] {
        &self.layers[index].output
    }

    /// Of layer `index`: its rows normalized, before gain and shift, and one over each row's deviation.
    pub fn normalized(&self, index: usize) -> (&[f32], &[f32]) {
        (&self.layers[index].normalized, &self.layers[index].inverse_deviation)
    }

    fn fit(&mut self, shape: &NetworkShape, rows: usize) {
        self.layers.resize_with(shape.layers.len(), LayerActivations::default);
        for (layer, kept) in shape.layers.iter().zip(&mut self.layers) {
            kept.output.resize(rows * layer.outputs, 0.0);
            let normalized = if layer.norm.is_some() { rows } else { 0 };
            kept.normalized.resize(normalized * layer.outputs, 0.0);
            kept.inverse_deviation.resize(normalized, 0.0);
        }
    }
}

/// A network with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its sizes.
    pub shape: NetworkShape,
    /// Its parameters, flat, as [`NetworkShape`] lays them out.
    pub parameters: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn forward_is_the_textbook_perceptron() {
        let shape = NetworkShape::new(2, &[2], 1, false);
        let parameters = [1.0, -1.0, 2.0, 0.5, 0.5, -4.0, 3.0, 1.0, 0.25];
        assert_eq!(shape.parameters(), parameters.len());
        let mut activations = Activations::default();
        // Hidden: relu(1*1 + 2*2 + 0.5) = 5.5, relu(-1 + 1 - 4) = 0; output 3 * 5.5 + 0.25.
        let output = shape.forward(&parameters, &[1.0, 2.0], 1, &mut activations);
        assert_eq!(output, [16.75]);
    }

    #[test]
    fn normalized_rows_have_mean_zero_and_deviation_one() {
        let shape = NetworkShape::new(5, &[24], 3, true);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let parameters = shape.initialize(0.1, &mut random);
        let inputs: Vec<f32> = (0..20).map(|_| random.random_range(-2.0..2.0)).collect();
        let mut activations = Activations::default();
        shape.forward(&parameters, &inputs, 4, &mut activations);
        for row in activations.normalized(0).0.chunks_exact(24) {
            let mean = row.iter().sum::<f32>() / 24.0;
            let variance = row.iter().map(|x| x * x).sum::<f32>() / 24.0;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-3, "mean {mean}, variance {variance}");
        }
    }

    #[test]
    fn a_batch_gives_what_its_rows_give_alone() {
        let shape = NetworkShape::new(3, &[8, 8], 2, false);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
        let parameters = shape.initialize(0.1, &mut random);
        let inputs: Vec<f32> = (0..30).map(|_| random.random_range(-1.0..1.0)).collect();
        let mut activations = Activations::default();
        let batch = shape.forward(&parameters, &inputs, 10, &mut activations).to_vec();
        for (row, expected) in inputs.chunks(3).zip(batch.chunks(2)) {
            let alone = shape.forward(&parameters, row, 1, &mut activations);
            for (a, b) in alone.iter().zip(expected) {
                assert!((a - b).abs() < 1e-6);
            }
        }
    }
}
