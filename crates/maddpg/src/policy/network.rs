use std::ops::Range;

use rand::{Rng, RngExt};

use super::Encoder;

/// Sizes of a multi-layer perceptron: linear layers, with a ReLU after each except the last. If the inputs contain an image, an
/// [`Encoder`] processes it first.
///
/// With `layer_norm`, each hidden layer also normalizes its outputs (layer normalization, Ba et al. 2016), with a gain
/// and a shift, before the ReLU. All parameters are in one flat slice: those of the encoder, then layer by layer the weights
/// `[inputs, outputs]` row-major, the bias `[outputs]`, and gain and shift, `[outputs]` each, if the layer is normalized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkShape {
    encoder: Option<Encoder>,
    layers: Vec<Layer>,
    layer_norm: bool,
}

/// One layer: its sizes, and where its parameters are in the flat slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Weights, `[inputs, outputs]` row-major.
    pub weights: Range<usize>,
    /// Bias, `[outputs]`.
    pub bias: Range<usize>,
    /// Gain and shift of the layer normalization, `[outputs]` each.
    pub norm: Option<[Range<usize>; 2]>,
    /// Whether a ReLU follows: true for all layers except the last.
    pub hidden: bool,
}

impl NetworkShape {
    /// A network with `inputs` inputs, hidden layers of the given sizes, and `outputs` outputs.
    pub fn new(inputs: usize, hidden: &[usize], outputs: usize, layer_norm: bool) -> Self {
        Self::behind(None, inputs, hidden, outputs, layer_norm)
    }

    /// A network whose `encoder` processes an image, followed by hidden layers of the given sizes and `outputs` outputs.
    pub fn seeing(encoder: Encoder, hidden: &[usize], outputs: usize, layer_norm: bool) -> Self {
        Self::behind(Some(encoder), 0, hidden, outputs, layer_norm)
    }

    /// As [`seeing`](Self::seeing) if there is an encoder, otherwise as [`new`](Self::new).
    pub(crate) fn behind(
        encoder: Option<Encoder>,
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        layer_norm: bool,
    ) -> Self {
        let inputs = encoder.as_ref().map_or(inputs, Encoder::outputs);
        let sizes: Vec<usize> = [inputs].iter().chain(hidden).chain(&[outputs]).copied().collect();
        let mut end = encoder.as_ref().map_or(0, Encoder::parameters);
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
        Self { encoder, layers, layer_norm }
    }

    /// The convolutional layers in front of the linear ones, if the inputs contain an image.
    pub fn encoder(&self) -> Option<&Encoder> {
        self.encoder.as_ref()
    }

    /// The linear layers, first to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Number of inputs of the network.
    pub fn inputs(&self) -> usize {
        self.encoder.as_ref().map_or(self.layers[0].inputs, Encoder::inputs)
    }

    /// Which inputs of the first linear layer contain these inputs of the network, which must not be pixels.
    #[cfg_attr(not(feature = "learner"), expect(dead_code, reason = "only the learner needs it"))]
    pub(crate) fn columns(&self, inputs: Range<usize>) -> Range<usize> {
        self.encoder.as_ref().map_or(inputs.clone(), |encoder| encoder.columns(inputs))
    }

    /// Number of outputs of the network.
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

    /// Length of the flat slice of parameters.
    pub fn parameters(&self) -> usize {
        let last = &self.layers[self.layers.len() - 1];
        last.norm.as_ref().map_or(last.bias.end, |norm| norm[1].end)
    }

    /// Where each tensor of parameters is in the flat slice: weights and bias of each convolution, then weights, bias, gain and
    /// shift of each linear layer.
    #[cfg_attr(not(feature = "learner"), expect(dead_code, reason = "only the learner needs it"))]
    pub(crate) fn tensors(&self) -> impl Iterator<Item = Range<usize>> {
        let convolutions = self.encoder.iter().flat_map(Encoder::layers);
        let convolutions = convolutions.flat_map(|layer| [layer.weights.clone(), layer.bias.clone()]);
        convolutions.chain(self.layers.iter().flat_map(|layer| {
            let norm = layer.norm.iter().flatten();
            [&layer.weights, &layer.bias].into_iter().chain(norm).cloned()
        }))
    }

    /// Random initial parameters: uniform in `±1/sqrt(inputs)` for convolutions and hidden layers (PyTorch's default), in
    /// `±last_layer_scale` for the last layer (3e-3 in the DDPG paper, so that the outputs start near zero).
    pub fn initialize(&self, last_layer_scale: f32, random: &mut impl Rng) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameters()];
        for layer in self.encoder.iter().flat_map(Encoder::layers) {
            let bound = 1.0 / (layer.patch() as f32).sqrt();
            for value in &mut parameters[layer.weights.start..layer.bias.end] {
                *value = bound * random.random_range(-1.0..=1.0f32);
            }
        }
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
    /// The network's sizes.
    pub shape: NetworkShape,
    /// The network's parameters in one flat slice, laid out as [`NetworkShape`] describes.
    pub parameters: Vec<f32>,
}
