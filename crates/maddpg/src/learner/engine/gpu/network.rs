use std::ops::Range;

use candle_core::{DType, Result, Tensor, Var};

use crate::policy::{Encoder, NORM_EPSILON, NetworkShape};

/// What a forward pass keeps for the backward pass: each layer's output and, if the layer is normalized, the normalized
/// rows before gain and shift and one over each row's deviation, repeated over the row.
pub(super) struct Kept {
    /// What the first linear layer read behind an encoder.
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

/// Computes the outputs, `[rows, outputs]`, from inputs `[rows, inputs]` and flat parameters.
pub(super) fn forward(shape: &NetworkShape, parameters: &Tensor, inputs: &Tensor) -> Result<(Tensor, Kept)> {
    let encoded = shape.encoder().map(|encoder| encode(encoder, parameters, inputs)).transpose()?;
    let mut x = encoded.clone().unwrap_or_else(|| inputs.clone());
    let mut kept = Kept { encoded, outputs: Vec::new(), normalized: Vec::new() };
    for layer in shape.layers() {
        let weights = matrix(parameters, &layer.weights, layer.inputs)?;
        x = (x.matmul(&weights)? + spread(&x, parameters, &layer.bias)?)?;
        let mut normalized = None;
        if let Some([gain, shift]) = &layer.norm {
            let centered = (&x - mean(&x)?)?;
            let inverse_deviation = (mean(&centered.sqr()?)? + f64::from(NORM_EPSILON))?.sqrt()?.recip()?;
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
    shape: &NetworkShape,
    parameters: &Tensor,
    kept: &Kept,
    output_gradient: Tensor,
    wanted: Wanted,
) -> Result<Tensor> {
    let ones = Tensor::ones((1, output_gradient.dim(0)?), DType::F32, output_gradient.device())?;
    let mut delta = output_gradient;
    // Gradients of the parameters, from last to first.
    let mut gradients = Vec::new();
    for (index, layer) in shape.layers().iter().enumerate().rev() {
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
            gradients.push(ones.matmul(&delta)?.flatten_all()?);
            gradients.push(below.t()?.matmul(&delta)?.flatten_all()?);
        }
        let weights = matrix(parameters, &layer.weights, layer.inputs)?;
        if index > 0 {
            // The derivative of ReLU is the sign of its output.
            delta = (delta.matmul(&weights.t()?)? * kept.outputs[index - 1].sign()?)?;
        } else if let Wanted::Columns { columns } = &wanted {
            let columns = shape.columns(columns.clone());
            let weights = weights.narrow(0, columns.start, columns.len())?;
            return delta.matmul(&weights.t()?);
        } else if let (Some(encoder), Wanted::Parameters { inputs }) = (shape.encoder(), &wanted) {
            let weights = weights.narrow(0, 0, encoder.features())?;
            let deltas = delta.matmul(&weights.t()?)?;
            gradients.push(encoder_gradient(encoder, parameters, inputs, &deltas)?);
        }
    }
    gradients.reverse();
    Tensor::cat(&gradients, 0)
}

/// Runs the convolutions and puts the features and the other inputs side by side.
fn encode(encoder: &Encoder, parameters: &Tensor, inputs: &Tensor) -> Result<Tensor> {
    let mut parts = vec![features(encoder, parameters, inputs)?];
    for range in encoder.others() {
        parts.push(inputs.narrow(1, range.start, range.len())?);
    }
    Tensor::cat(&parts, 1)?.contiguous()
}

/// What the last convolution gives, `[rows, features]`. A convolution is a matrix product with the patches under its filters.
fn features(encoder: &Encoder, parameters: &Tensor, inputs: &Tensor) -> Result<Tensor> {
    let rows = inputs.dim(0)?;
    let mut below = inputs.clone();
    for layer in encoder.layers() {
        let (places, patch) = (layer.window.positions(), layer.patch());
        let indices = layer.window.indices().into_iter().map(|index| index as u32);
        let indices = Tensor::from_iter(indices, inputs.device())?;
        let patches = below.index_select(&indices, 1)?.reshape((rows * places, patch))?;
        let weights = matrix(parameters, &layer.weights, patch)?;
        let output = (patches.matmul(&weights)? + spread(&patches, parameters, &layer.bias)?)?.relu()?;
        below = output.reshape((rows, layer.outputs()))?;
    }
    Ok(below)
}

/// The gradient of the convolutions' parameters, flat, from the gradient of the features. Other than elsewhere, candle's autograd
/// computes it, from a second forward pass: convolutions are few large operations, to which autograd adds little.
fn encoder_gradient(
    encoder: &Encoder,
    parameters: &Tensor,
    inputs: &Tensor,
    deltas: &Tensor,
) -> Result<Tensor> {
    let own = Var::from_tensor(&parameters.narrow(0, 0, encoder.parameters())?.contiguous()?)?;
    let loss = (features(encoder, own.as_tensor(), inputs)? * deltas)?.sum_all()?;
    let gradients = loss.backward()?;
    gradients.get(own.as_tensor()).map_or_else(|| own.zeros_like(), |gradient| gradient.copy())
}

fn matrix(parameters: &Tensor, range: &Range<usize>, rows: usize) -> Result<Tensor> {
    parameters.narrow(0, range.start, range.len())?.reshape((rows, range.len() / rows))
}

/// Repeats a row of parameters for each row of `like`, by a matrix product with ones.
fn spread(like: &Tensor, parameters: &Tensor, range: &Range<usize>) -> Result<Tensor> {
    let ones = Tensor::ones((like.dim(0)?, 1), DType::F32, like.device())?;
    ones.matmul(&matrix(parameters, range, 1)?)
}

/// Each row's mean, repeated over the row, by a product with a constant matrix.
fn mean(rows: &Tensor) -> Result<Tensor> {
    let width = rows.dim(1)?;
    rows.matmul(&Tensor::full(1.0 / width as f32, (width, width), rows.device())?)
}
