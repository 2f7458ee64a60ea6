use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor};

use super::convolution::Convolutions;
use crate::policy::{NORM_EPSILON, NetworkShape};

/// A network's shape, with what its convolutions need on the device.
#[derive(Debug)]
pub(super) struct DeviceNetwork {
    shape: NetworkShape,
    convolutions: Option<Convolutions>,
}

/// What a forward pass keeps for the backward pass: each layer's output and, if the layer is normalized, the normalized
/// rows before gain and shift and one over each row's deviation, repeated over the row.
pub(super) struct Kept {
    /// The output of each convolution.
    convolved: Vec<Tensor>,
    /// The input of the first linear layer, if it differs from the network's inputs.
    encoded: Option<Tensor>,
    outputs: Vec<Tensor>,
    normalized: Vec<Option<[Tensor; 2]>>,
}

/// What a backward pass computes.
pub(super) enum Wanted<'a> {
    /// The gradient with respect to the parameters, flat.
    Parameters { inputs: &'a Tensor },
    /// The gradient with respect to some columns of the inputs, `[rows, columns]`.
    Columns { columns: Range<usize> },
}

impl DeviceNetwork {
    pub(super) fn new(shape: &NetworkShape, device: &Device) -> Result<Self> {
        let convolutions = shape.encoder().map(|encoder| Convolutions::new(encoder, device));
        Ok(Self { shape: shape.clone(), convolutions: convolutions.transpose()? })
    }

    /// Computes the outputs, `[rows, outputs]`, from inputs `[rows, inputs]` and flat parameters.
    pub(super) fn forward(&self, parameters: &Tensor, inputs: &Tensor) -> Result<(Tensor, Kept)> {
        let mut kept =
            Kept { convolved: Vec::new(), encoded: None, outputs: Vec::new(), normalized: Vec::new() };
        let mut x = inputs.clone();
        if let Some(convolutions) = &self.convolutions {
            kept.convolved = convolutions.forward(parameters, inputs)?;
            if let Some(features) = kept.convolved.last() {
                x = convolutions.join(features, inputs)?;
                kept.encoded = Some(x.clone());
            }
        }
        for layer in self.shape.layers() {
            let weights = matrix(parameters, &layer.weights, layer.inputs)?;
            x = (x.matmul(&weights)? + spread(&x, parameters, &layer.bias)?)?;
            let mut normalized = None;
            if let Some([gain, shift]) = &layer.norm {
                let centered = (&x - mean(&x)?)?;
                let inverse_deviation =
                    (mean(&centered.sqr()?)? + f64::from(NORM_EPSILON))?.sqrt()?.recip()?;
                let n = (centered * &inverse_deviation)?;
                x = ((&n * spread(&n, parameters, gain)?)? + spread(&n, parameters, shift)?)?;
                normalized = Some([n, inverse_deviation]);
            }
            if layer.hidden {
                x = x.relu()?;
            }
            kept.outputs.push(x.clone());
            kept.normalized.push(normalized);
        }
        Ok((x, kept))
    }

    /// Backpropagates `output_gradient`, `[rows, outputs]`, through a forward pass.
    pub(super) fn backward(
        &self,
        parameters: &Tensor,
        kept: &Kept,
        output_gradient: Tensor,
        wanted: Wanted,
    ) -> Result<Tensor> {
        let ones = Tensor::ones((1, output_gradient.dim(0)?), DType::F32, output_gradient.device())?;
        let mut delta = output_gradient;
        // Gradients of the parameters, from last to first.
        let mut gradients = Vec::new();
        for (index, layer) in self.shape.layers().iter().enumerate().rev() {
            let wants_parameters = matches!(wanted, Wanted::Parameters { .. });
            let mut parts = Vec::new();
            if let (Some([gain, _]), Some([n, inverse_deviation])) = (&layer.norm, &kept.normalized[index]) {
                if wants_parameters {
                    parts.push(ones.matmul(&(&delta * n)?)?.flatten_all()?);
                    parts.push(ones.matmul(&delta)?.flatten_all()?);
                }
                let dn = (&delta * spread(&delta, parameters, gain)?)?;
                let along = (n * mean(&(&dn * n)?)?)?;
                delta = (((&dn - mean(&dn)?)? - along)? * inverse_deviation)?;
            }
            if let Wanted::Parameters { inputs } = &wanted {
                let below = match index {
                    0 => kept.encoded.as_ref().unwrap_or(inputs),
                    _ => &kept.outputs[index - 1],
                };
                gradients.extend(parts.into_iter().rev());
                gradients.extend(linear_gradients(&ones, below, &delta)?);
            }
            let weights = matrix(parameters, &layer.weights, layer.inputs)?;
            if index > 0 {
                // The derivative of ReLU is the sign of its output.
                delta = (delta.matmul(&weights.t()?)? * kept.outputs[index - 1].sign()?)?;
            } else if let Wanted::Columns { columns } = &wanted {
                let columns = self.shape.columns(columns.clone());
                let weights = weights.narrow(0, columns.start, columns.len())?;
                return delta.matmul(&weights.t()?);
            } else if let (Some(convolutions), Wanted::Parameters { inputs }) = (&self.convolutions, &wanted)
            {
                let weights = weights.narrow(0, 0, convolutions.features())?;
                let features = delta.matmul(&weights.t()?)?;
                gradients.push(convolutions.backward(parameters, inputs, &kept.convolved, features)?);
                break;
            }
        }
        gradients.reverse();
        Tensor::cat(&gradients, 0)
    }
}

/// The gradients of the bias and of the weights of a linear layer, flat, from its inputs and from the gradient of its outputs. `ones` is
/// `[1, rows]`.
pub(super) fn linear_gradients(ones: &Tensor, inputs: &Tensor, delta: &Tensor) -> Result<[Tensor; 2]> {
    Ok([ones.matmul(delta)?.flatten_all()?, inputs.t()?.matmul(delta)?.flatten_all()?])
}

pub(super) fn matrix(parameters: &Tensor, range: &Range<usize>, rows: usize) -> Result<Tensor> {
    parameters.narrow(0, range.start, range.len())?.reshape((rows, range.len() / rows))
}

/// Repeats a row of parameters for each row of `like`, by a matrix product with ones.
pub(super) fn spread(like: &Tensor, parameters: &Tensor, range: &Range<usize>) -> Result<Tensor> {
    let ones = Tensor::ones((like.dim(0)?, 1), DType::F32, like.device())?;
    ones.matmul(&matrix(parameters, range, 1)?)
}

/// Each row's mean, repeated over the row, by a product with a constant matrix.
fn mean(rows: &Tensor) -> Result<Tensor> {
    let width = rows.dim(1)?;
    rows.matmul(&Tensor::full(1.0 / width as f32, (width, width), rows.device())?)
}
