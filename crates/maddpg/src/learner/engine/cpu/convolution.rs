use crate::{
    kernels::{
        Finish, PackedMatrix, add_rows, gather_patches, multiply, relu_derivative, scatter_patches,
        weight_gradient,
    },
    policy::{Activations, Encoder, Layer},
};

/// The transposed weights with which gradients pass back into and through the convolutions.
#[derive(Debug, Clone, Default)]
pub(super) struct PackedConvolutions {
    /// The weights of the features in the first linear layer.
    features: PackedMatrix,
    /// The weights of each convolution except the first, whose inputs need no gradient.
    layers: Vec<PackedMatrix>,
}

impl PackedConvolutions {
    /// Packs the weights in `parameters`; `first` is the first linear layer.
    pub(super) fn pack(&mut self, encoder: &Encoder, first: &Layer, parameters: &[f32]) {
        let weights = &parameters[first.weights.start..][..encoder.features() * first.outputs];
        self.features.pack_transposed(weights, encoder.features(), first.outputs);
        let rest = &encoder.layers()[1..];
        self.layers.resize_with(rest.len(), PackedMatrix::default);
        for (layer, packed) in rest.iter().zip(&mut self.layers) {
            packed.pack_transposed(&parameters[layer.weights.clone()], layer.patch(), layer.filters);
        }
    }
}

/// Reusable buffers of [`backward_convolutions`].
#[derive(Debug, Default)]
pub(super) struct ConvolutionDeltas {
    /// The gradient with respect to the features of all rows.
    features: Vec<f32>,
    /// The gradients with respect to the outputs of a convolution, and of the one below it, for one row.
    above: Vec<f32>,
    below: Vec<f32>,
    patches: Vec<f32>,
}

/// Backpropagates `deltas`, `[rows, outputs of the first linear layer]`, into the parameters of the convolutions. Overwrites
/// `gradient`, or is added to it if `add`.
#[expect(clippy::too_many_arguments, reason = "called from only one place")]
pub(super) fn backward_convolutions(
    encoder: &Encoder,
    packed: &PackedConvolutions,
    activations: &Activations,
    deltas: &[f32],
    inputs: &[f32],
    gradient: &mut [f32],
    add: bool,
    packed_deltas: &mut PackedMatrix,
    buffers: &mut ConvolutionDeltas,
) {
    let ConvolutionDeltas { features, above, below, patches } = buffers;
    let (layers, size) = (encoder.layers(), encoder.features());
    let rows = inputs.len() / encoder.inputs();
    if !add {
        layers.iter().for_each(|layer| gradient[layer.bias.clone()].fill(0.0));
    }
    features.resize(rows * size, 0.0);
    let last = Finish::ReluDerivative(activations.convolved(layers.len() - 1));
    multiply(features, deltas, &packed.features, None, last);
    for (row, (input, deltas)) in
        inputs.chunks_exact(encoder.inputs()).zip(features.chunks_exact(size)).enumerate()
    {
        above.clear();
        above.extend_from_slice(deltas);
        for (index, layer) in layers.iter().enumerate().rev() {
            let image = match index.checked_sub(1) {
                None => input,
                Some(below) => {
                    let size = layers[below].outputs();
                    &activations.convolved(below)[row * size..(row + 1) * size]
                }
            };
            patches.resize(layer.window.positions() * layer.patch(), 0.0);
            gather_patches(patches, image, &layer.window);
            let weights = &mut gradient[layer.weights.clone()];
            let add = add || row > 0;
            weight_gradient(weights, patches, layer.patch(), above, layer.filters, add, packed_deltas);
            add_rows(&mut gradient[layer.bias.clone()], above);
            if index > 0 {
                multiply(patches, above, &packed.layers[index - 1], None, Finish::Linear);
                below.clear();
                below.resize(image.len(), 0.0);
                scatter_patches(below, patches, &layer.window);
                relu_derivative(below, image);
                std::mem::swap(above, below);
            }
        }
    }
}
