use crate::{
    kernels::{Finish, PackedMatrix, gather_patches, multiply, relu},
    policy::{Encoder, NetworkShape},
};
use pulp::Arch;

/// Added to the variance in layer normalization (PyTorch's default).
pub(crate) const NORM_EPSILON: f32 = 1e-5;

/// A network's weights in the layout that the forward pass reads. Packing again reuses the memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedNetwork {
    convolutions: Vec<PackedMatrix>,
    layers: Vec<PackedMatrix>,
}

impl PackedNetwork {
    /// Packs the weights in `parameters`.
    pub(crate) fn pack(&mut self, shape: &NetworkShape, parameters: &[f32]) {
        let convolutions = shape.encoder().map_or(&[][..], Encoder::layers);
        self.convolutions.resize_with(convolutions.len(), PackedMatrix::default);
        for (layer, packed) in convolutions.iter().zip(&mut self.convolutions) {
            packed.pack(&parameters[layer.weights.clone()], layer.patch(), layer.filters);
        }
        self.layers.resize_with(shape.layers().len(), PackedMatrix::default);
        for (layer, packed) in shape.layers().iter().zip(&mut self.layers) {
            packed.pack(&parameters[layer.weights.clone()], layer.inputs, layer.outputs);
        }
    }
}

/// The results of one forward pass, kept for the backward pass. The next forward pass reuses the memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activations {
    /// The output of each convolution after its ReLU, `[rows, outputs]`.
    convolutions: Vec<Vec<f32>>,
    /// What the first linear layer reads behind an encoder, `[rows, inputs]`.
    encoded: Vec<f32>,
    patches: Vec<f32>,
    layers: Vec<LayerActivations>,
}

#[derive(Debug, Clone, Default)]
struct LayerActivations {
    /// After normalization and ReLU, `[rows, outputs]`.
    output: Vec<f32>,
    /// The normalized rows before gain and shift, and one over each row's deviation; empty without layer normalization.
    normalized: Vec<f32>,
    inverse_deviation: Vec<f32>,
}

impl Activations {
    /// Outputs of the network, `[rows, outputs]`.
    pub(crate) fn outputs(&self) -> &[f32] {
        self.layers.last().map_or(&[], |layer| &layer.output)
    }

    /// Output of convolution `index`, after its ReLU, `[rows, outputs]`.
    #[cfg_attr(not(feature = "learner"), expect(dead_code, reason = "only the learner needs it"))]
    pub(crate) fn convolved(&self, index: usize) -> &[f32] {
        &self.convolutions[index]
    }

    /// What the first linear layer read behind an encoder, `[rows, inputs]`.
    #[cfg_attr(not(feature = "learner"), expect(dead_code, reason = "only the learner needs it"))]
    pub(crate) fn encoded(&self) -> &[f32] {
        &self.encoded
    }

    /// Output of layer `index`, after its activation, `[rows, outputs]`.
    pub(crate) fn output(&self, index: usize) -> &[f32] {
        &self.layers[index].output
    }

    /// For layer `index`: the normalized rows before gain and shift, and one over each row's deviation.
    pub(crate) fn normalized(&self, index: usize) -> (&[f32], &[f32]) {
        (&self.layers[index].normalized, &self.layers[index].inverse_deviation)
    }
}

/// Runs a forward pass on `rows` rows of inputs. `packed` holds the weights of `parameters`; every layer's output is
/// kept in `activations`.
///
/// # Panics
/// If `parameters` or `inputs` have the wrong length.
pub(crate) fn forward(
    shape: &NetworkShape,
    parameters: &[f32],
    packed: &PackedNetwork,
    inputs: &[f32],
    rows: usize,
    activations: &mut Activations,
) {
    assert_eq!(parameters.len(), shape.parameters(), "`parameters` must fit the shape");
    assert_eq!(inputs.len(), rows * shape.inputs(), "`inputs` must hold `rows` rows");
    activations.layers.resize_with(shape.layers().len(), LayerActivations::default);
    if let Some(encoder) = shape.encoder() {
        encode(encoder, parameters, &packed.convolutions, inputs, activations);
    }
    let mut below: &[f32] = if shape.encoder().is_some() { &activations.encoded } else { inputs };
    for ((layer, packed), kept) in shape.layers().iter().zip(&packed.layers).zip(&mut activations.layers) {
        kept.output.resize(rows * layer.outputs, 0.0);
        let finish = if layer.hidden && layer.norm.is_none() { Finish::Relu } else { Finish::Linear };
        multiply(&mut kept.output, below, packed, Some(&parameters[layer.bias.clone()]), finish);
        if let Some([gain, shift]) = &layer.norm {
            normalize_rows(kept, rows, &parameters[gain.clone()], &parameters[shift.clone()]);
            relu(&mut kept.output);
        }
        below = &kept.output;
    }
}

/// Runs the convolutions, image by image, and puts the features and the other inputs side by side.
fn encode(
    encoder: &Encoder,
    parameters: &[f32],
    packed: &[PackedMatrix],
    inputs: &[f32],
    activations: &mut Activations,
) {
    let rows = inputs.len() / encoder.inputs();
    let Activations { convolutions, encoded, patches, .. } = activations;
    convolutions.resize_with(encoder.layers().len(), Vec::new);
    for (layer, output) in encoder.layers().iter().zip(&mut *convolutions) {
        output.resize(rows * layer.outputs(), 0.0);
    }
    for (row, input) in inputs.chunks_exact(encoder.inputs()).enumerate() {
        for (index, (layer, packed)) in encoder.layers().iter().zip(packed).enumerate() {
            let (below, above) = convolutions.split_at_mut(index);
            let image = below.last().map_or(input, |below| {
                let size = below.len() / rows;
                &below[row * size..(row + 1) * size]
            });
            let size = layer.outputs();
            patches.resize(layer.window.positions() * layer.patch(), 0.0);
            gather_patches(patches, image, &layer.window);
            let output = &mut above[0][row * size..(row + 1) * size];
            multiply(output, patches, packed, Some(&parameters[layer.bias.clone()]), Finish::Relu);
        }
    }
    let features = encoder.features();
    encoded.clear();
    for (row, input) in inputs.chunks_exact(encoder.inputs()).enumerate() {
        if let Some(last) = convolutions.last() {
            encoded.extend_from_slice(&last[row * features..(row + 1) * features]);
        }
        encoder.others().iter().for_each(|range| encoded.extend_from_slice(&input[range.clone()]));
    }
}

/// Applies layer normalization to each row and keeps what the backward pass needs.
fn normalize_rows(kept: &mut LayerActivations, rows: usize, gain: &[f32], shift: &[f32]) {
    let width = gain.len();
    kept.normalized.resize(rows * width, 0.0);
    kept.inverse_deviation.resize(rows, 0.0);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let rows = kept.output.chunks_exact_mut(width).zip(kept.normalized.chunks_exact_mut(width));
            for ((output, normalized), inverse_deviation) in rows.zip(&mut kept.inverse_deviation) {
                let mean = lane_sum(output, |x| x) / width as f32;
                let variance = lane_sum(output, |x| (x - mean) * (x - mean)) / width as f32;
                *inverse_deviation = 1.0 / (variance + NORM_EPSILON).sqrt();
                for (((x, n), g), s) in output.iter_mut().zip(normalized).zip(gain).zip(shift) {
                    *n = (*x - mean) * *inverse_deviation;
                    *x = *n * g + s;
                }
            }
        },
    );
}

/// Sums in sixteen lanes: an order that is the same on every machine and that the compiler can vectorize.
#[inline(always)]
fn lane_sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += term(*x));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, x)| *lane += term(*x));
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn run<'a>(
        shape: &NetworkShape,
        parameters: &[f32],
        inputs: &[f32],
        rows: usize,
        activations: &'a mut Activations,
    ) -> &'a [f32] {
        let mut packed = PackedNetwork::default();
        packed.pack(shape, parameters);
        forward(shape, parameters, &packed, inputs, rows, activations);
        activations.outputs()
    }

    #[test]
    fn forward_is_the_textbook_perceptron() {
        let shape = NetworkShape::new(2, &[2], 1, false);
        let parameters = [1.0, -1.0, 2.0, 0.5, 0.5, -4.0, 3.0, 1.0, 0.25];
        assert_eq!(shape.parameters(), parameters.len());
        let mut activations = Activations::default();
        // Hidden layer: relu(1*1 + 2*2 + 0.5) = 5.5, relu(-1 + 1 - 4) = 0. Output: 3 * 5.5 + 0.25.
        let output = run(&shape, &parameters, &[1.0, 2.0], 1, &mut activations);
        assert_eq!(output, [16.75]);
    }

    #[test]
    fn normalized_rows_have_mean_zero_and_deviation_one() {
        let shape = NetworkShape::new(5, &[24], 3, true);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let parameters = shape.initialize(0.1, &mut random);
        let inputs: Vec<f32> = (0..20).map(|_| random.random_range(-2.0..2.0)).collect();
        let mut activations = Activations::default();
        run(&shape, &parameters, &inputs, 4, &mut activations);
        for row in activations.layers[0].normalized.chunks_exact(24) {
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
        let batch = run(&shape, &parameters, &inputs, 10, &mut activations).to_vec();
        for (row, expected) in inputs.chunks(3).zip(batch.chunks(2)) {
            let alone = run(&shape, &parameters, row, 1, &mut activations);
            assert_eq!(alone, expected, "a row must give the same bits alone as in a batch");
        }
    }
}
