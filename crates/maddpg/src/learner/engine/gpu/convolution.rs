use std::iter::repeat_n;

use candle_core::{DType, Device, Result, Tensor};

use super::network::{linear_gradients, matrix, spread};
use crate::{kernels::Window, policy::Encoder};

/// An encoder on the device. A convolution is a matrix product with the patches under its filters. The indices of the numbers in the
/// patches are uploaded once.
#[derive(Debug)]
pub(super) struct Convolutions {
    encoder: Encoder,
    /// For each layer, where each number of the patches is in its input.
    patches: Vec<Tensor>,
    /// For each layer but the first, where each number of its input is in the patches.
    overlaps: Vec<Overlap>,
}

/// Where each number of an image is in the patches.
#[derive(Debug)]
struct Overlap {
    /// `most` indices for each number. If a number is in fewer patches, its indices begin with the index just after the
    /// patches, where [`sum`](Self::sum) puts a zero.
    places: Tensor,
    /// The largest number of patches that contain the same number.
    most: usize,
}

impl Overlap {
    fn new(window: &Window, image: usize, device: &Device) -> Result<Self> {
        let mut places = vec![Vec::new(); image];
        let indices = window.indices();
        for (place, index) in (0u32..).zip(&indices) {
            places[*index].push(place);
        }
        let most = places.iter().map(Vec::len).max().unwrap_or(0);
        let padding = indices.len() as u32;
        let padded =
            places.into_iter().flat_map(|places| repeat_n(padding, most - places.len()).chain(places));
        Ok(Self { places: Tensor::from_iter(padded, device)?, most })
    }

    /// For each number of each row's image, the sum over the patches that contain it, `[rows, image]`. To select numbers and sum them
    /// takes much less time on a GPU than to add one patch after another.
    fn sum(&self, patches: &Tensor, rows: usize) -> Result<Tensor> {
        let zeros = Tensor::zeros((rows, 1), DType::F32, patches.device())?;
        let summands =
            Tensor::cat(&[&patches.reshape((rows, ()))?, &zeros], 1)?.index_select(&self.places, 1)?;
        let ones = Tensor::ones((self.most, 1), DType::F32, patches.device())?;
        summands.reshape(((), self.most))?.matmul(&ones)?.reshape((rows, ()))
    }
}

impl Convolutions {
    pub(super) fn new(encoder: &Encoder, device: &Device) -> Result<Self> {
        let layers = encoder.layers();
        let patches = layers.iter().map(|layer| {
            let indices = layer.window.indices().into_iter().map(|index| index as u32);
            Tensor::from_iter(indices, device)
        });
        let pairs = layers.iter().zip(&layers[1..]);
        let overlaps = pairs.map(|(below, layer)| Overlap::new(&layer.window, below.outputs(), device));
        Ok(Self {
            patches: patches.collect::<Result<_>>()?,
            overlaps: overlaps.collect::<Result<_>>()?,
            encoder: encoder.clone(),
        })
    }

    /// Number of features.
    pub(super) fn features(&self) -> usize {
        self.encoder.features()
    }

    /// The outputs of each layer, `[rows, outputs]`. Those of the last layer are the features.
    pub(super) fn forward(&self, parameters: &Tensor, inputs: &Tensor) -> Result<Vec<Tensor>> {
        let mut outputs: Vec<Tensor> = Vec::new();
        for (layer, patches) in self.encoder.layers().iter().zip(&self.patches) {
            let below = outputs.last().unwrap_or(inputs);
            let patches = below.index_select(patches, 1)?.reshape(((), layer.patch()))?;
            let weights = matrix(parameters, &layer.weights, layer.patch())?;
            let output = (patches.matmul(&weights)? + spread(&patches, parameters, &layer.bias)?)?.relu()?;
            outputs.push(output.reshape((inputs.dim(0)?, layer.outputs()))?);
        }
        Ok(outputs)
    }

    /// Features and other inputs side by side, as the first linear layer reads them.
    pub(super) fn join(&self, features: &Tensor, inputs: &Tensor) -> Result<Tensor> {
        let mut parts = vec![features.clone()];
        for range in self.encoder.others() {
            parts.push(inputs.narrow(1, range.start, range.len())?);
        }
        Tensor::cat(&parts, 1)?.contiguous()
    }

    /// The gradient of the parameters, flat, from that of the features, `[rows, features]`.
    pub(super) fn backward(
        &self,
        parameters: &Tensor,
        inputs: &Tensor,
        outputs: &[Tensor],
        features: Tensor,
    ) -> Result<Tensor> {
        let mut delta = features;
        // From last to first.
        let mut gradients = Vec::new();
        for (index, layer) in self.encoder.layers().iter().enumerate().rev() {
            let below = if index == 0 { inputs } else { &outputs[index - 1] };
            // The derivative of ReLU is the sign of its output.
            delta = (delta * outputs[index].sign()?)?.reshape(((), layer.filters))?;
            let ones = Tensor::ones((1, delta.dim(0)?), DType::F32, delta.device())?;
            let patches = below.index_select(&self.patches[index], 1)?.reshape(((), layer.patch()))?;
            gradients.extend(linear_gradients(&ones, &patches, &delta)?);
            if index > 0 {
                let weights = matrix(parameters, &layer.weights, layer.patch())?;
                delta = self.overlaps[index - 1].sum(&delta.matmul(&weights.t()?)?, inputs.dim(0)?)?;
            }
        }
        gradients.reverse();
        Tensor::cat(&gradients, 0)
    }
}
