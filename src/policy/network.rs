use std::ops::Range;

use rand::{Rng, RngExt};

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
}

/// A network with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its sizes.
    pub shape: NetworkShape,
    /// Its parameters, flat, as [`NetworkShape`] lays them out.
    pub parameters: Vec<f32>,
}
