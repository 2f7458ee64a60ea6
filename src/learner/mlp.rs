//! Multi-layer perceptrons as candle ops with a backward pass of their own.
//!
//! A whole network is one op over one flat tensor of parameters. Two things it never computes: the gradient of
//! its first layer's inputs where only parameters are trained ([`Mlp::forward`]), and the gradient of its
//! parameters where only the action inputs matter ([`Mlp::forward_columns`]). Networks of the same shape are
//! stacked (twin critics): `stack` networks see the same inputs, their parameters lie one after another.
//!
//! On devices other than the CPU the same functions are composed from candle's own ops.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, D, Device, Layout, Result, Shape, Storage, Tensor, bail,
};

use super::backward::{Deltas, Wanted, backward};
use crate::policy::{Activations, NetworkShape};

/// A stack of networks of one shape, as differentiable functions of their parameters or of some inputs.
#[derive(Debug, Clone)]
pub struct Mlp {
    shape: Arc<NetworkShape>,
    stack: usize,
    pool: Pool,
}

/// Memory of finished ops, to be used again.
type Pool = Arc<Mutex<Vec<Workspace>>>;

/// One op's activations, a set for each network of the stack, from its forward to its backward pass.
#[derive(Debug, Default)]
struct Workspace {
    activations: Vec<Activations>,
    inputs: Vec<f32>,
    deltas: Deltas,
}

impl Mlp {
    /// `stack` networks of `shape`.
    pub fn new(shape: NetworkShape, stack: usize) -> Self {
        Self { shape: Arc::new(shape), stack, pool: Pool::default() }
    }

    /// The networks' sizes.
    pub fn shape(&self) -> &NetworkShape {
        &self.shape
    }

    /// Outputs `[stack, rows, outputs]` of inputs `[rows, inputs]` and parameters `[stack * parameters]`.
    /// Differentiable in the parameters only.
    pub fn forward(&self, inputs: &Tensor, parameters: &Tensor) -> Result<Tensor> {
        if matches!(inputs.device(), Device::Cpu) {
            inputs.apply_op2(parameters, ParametersOp(self.op()))
        } else {
            self.forward_composed(&inputs.detach(), parameters)
        }
    }

    /// The same with `columns` of the inputs replaced by `values`, `[rows, columns]`.
    /// Differentiable in `values` only.
    pub fn forward_columns(
        &self,
        inputs: &Tensor,
        values: &Tensor,
        columns: Range<usize>,
        parameters: &Tensor,
    ) -> Result<Tensor> {
        if matches!(inputs.device(), Device::Cpu) {
            let op = ColumnsOp { op: self.op(), columns };
            return inputs.apply_op3(values, parameters, op);
        }
        let inputs = inputs.detach();
        let left = inputs.narrow(1, 0, columns.start)?;
        let right = inputs.narrow(1, columns.end, self.shape.inputs() - columns.end)?;
        self.forward_composed(&Tensor::cat(&[&left, values, &right], 1)?, &parameters.detach())
    }

    /// The same function made of candle's own ops, differentiable in everything: what other devices run, and the
    /// reference that the ops are held to.
    pub fn forward_composed(&self, inputs: &Tensor, parameters: &Tensor) -> Result<Tensor> {
        let size = self.shape.parameters();
        let outputs = (0..self.stack).map(|index| {
            let own = parameters.narrow(0, index * size, size)?;
            let part = |range: &Range<usize>| own.narrow(0, range.start, range.len());
            let mut x = inputs.clone();
            for layer in self.shape.layers() {
                let weights = part(&layer.weights)?.reshape((layer.inputs, layer.outputs))?;
                x = x.matmul(&weights)?.broadcast_add(&part(&layer.bias)?)?;
                if let Some([gain, shift]) = &layer.norm {
                    let centered = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
                    let variance = centered.sqr()?.mean_keepdim(D::Minus1)?;
                    x = centered.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
                    x = x.broadcast_mul(&part(gain)?)?.broadcast_add(&part(shift)?)?;
                }
                if layer.hidden {
                    x = x.relu()?;
                }
            }
            Ok(x)
        });
        Tensor::stack(&outputs.collect::<Result<Vec<_>>>()?, 0)
    }

    fn op(&self) -> Op {
        let workspace = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Op { mlp: self.clone(), workspace: Mutex::new(workspace.unwrap_or_default()) }
    }
}

/// One application of an [`Mlp`].
struct Op {
    mlp: Mlp,
    workspace: Mutex<Workspace>,
}

impl Drop for Op {
    fn drop(&mut self) {
        let workspace = std::mem::take(self.workspace.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.mlp.pool.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }
}

impl Op {
    fn forward(
        &self,
        inputs: &[f32],
        replaced: Option<(&[f32], &Range<usize>)>,
        parameters: &[f32],
    ) -> Result<(CpuStorage, Shape)> {
        let Mlp { shape, stack, .. } = &self.mlp;
        if !inputs.len().is_multiple_of(shape.inputs()) || parameters.len() != stack * shape.parameters() {
            bail!(
                "mlp: {} inputs and {} parameters do not fit {shape:?} x {stack}",
                inputs.len(),
                parameters.len()
            );
        }
        let rows = inputs.len() / shape.inputs();
        let mut guard = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        let workspace = &mut *guard;
        let inputs = match replaced {
            None => inputs,
            Some((values, columns)) => {
                workspace.inputs.clear();
                workspace.inputs.extend_from_slice(inputs);
                let targets = workspace.inputs.chunks_exact_mut(shape.inputs());
                for (row, values) in targets.zip(values.chunks_exact(columns.len())) {
                    row[columns.clone()].copy_from_slice(values);
                }
                &workspace.inputs
            }
        };
        workspace.activations.resize_with(*stack, Activations::default);
        let mut outputs = Vec::with_capacity(stack * rows * shape.outputs());
        let networks = parameters.chunks_exact(shape.parameters()).zip(&mut workspace.activations);
        for (parameters, activations) in networks {
            outputs.extend_from_slice(shape.forward(parameters, inputs, rows, activations));
        }
        Ok((CpuStorage::F32(outputs), (*stack, rows, shape.outputs()).into()))
    }

    /// Calls `each(index, parameters, activations, output gradient, deltas)` for each network of the stack.
    fn backward(
        &self,
        parameters: &Tensor,
        gradient: &Tensor,
        mut each: impl FnMut(usize, &[f32], &Activations, &[f32], &mut Deltas),
    ) -> Result<()> {
        let gradient = gradient.contiguous()?;
        let Mlp { shape, stack, .. } = &self.mlp;
        with_slice(parameters, |parameters| {
            with_slice(&gradient, |gradient| {
                let mut guard = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
                let Workspace { activations, deltas, .. } = &mut *guard;
                let size = gradient.len() / stack;
                let networks = parameters.chunks_exact(shape.parameters()).zip(gradient.chunks_exact(size));
                for (index, ((parameters, gradient), activations)) in networks.zip(activations).enumerate() {
                    each(index, parameters, activations, gradient, deltas);
                }
                Ok(())
            })
        })
    }
}

struct ParametersOp(Op);

impl CustomOp2 for ParametersOp {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn cpu_fwd(
        &self,
        inputs: &CpuStorage,
        inputs_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.0.forward(slice(inputs, inputs_layout)?, None, slice(parameters, parameters_layout)?)
    }

    fn bwd(
        &self,
        inputs: &Tensor,
        parameters: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let shape = &self.0.mlp.shape;
        let size = shape.parameters();
        let mut gradients = vec![0.0; parameters.elem_count()];
        with_slice(inputs, |inputs| {
            self.0.backward(parameters, gradient, |index, parameters, activations, gradient, deltas| {
                let wanted =
                    Wanted::Parameters { inputs, gradient: &mut gradients[index * size..(index + 1) * size] };
                backward(shape, parameters, activations, gradient, wanted, deltas);
            })
        })?;
        Ok((None, Some(Tensor::from_vec(gradients, parameters.shape(), &Device::Cpu)?)))
    }
}

struct ColumnsOp {
    op: Op,
    columns: Range<usize>,
}

impl CustomOp3 for ColumnsOp {
    fn name(&self) -> &'static str {
        "mlp-columns"
    }

    fn cpu_fwd(
        &self,
        inputs: &CpuStorage,
        inputs_layout: &Layout,
        values: &CpuStorage,
        values_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let replaced = Some((slice(values, values_layout)?, &self.columns));
        self.op.forward(slice(inputs, inputs_layout)?, replaced, slice(parameters, parameters_layout)?)
    }

    fn bwd(
        &self,
        _: &Tensor,
        values: &Tensor,
        parameters: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut gradients = vec![0.0; values.elem_count()];
        let mut own = vec![0.0; values.elem_count()];
        self.op.backward(parameters, gradient, |_, parameters, activations, gradient, deltas| {
            let wanted = Wanted::Columns { columns: self.columns.clone(), gradient: &mut own };
            backward(&self.op.mlp.shape, parameters, activations, gradient, wanted, deltas);
            gradients.iter_mut().zip(&own).for_each(|(sum, own)| *sum += own);
        })?;
        Ok((None, Some(Tensor::from_vec(gradients, values.shape(), &Device::Cpu)?), None))
    }
}

/// The numbers of a contiguous CPU tensor's storage.
pub(super) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("mlp: the operand must be contiguous, found {layout:?}"),
    }
}

/// Calls `read` with the numbers of a contiguous CPU tensor.
pub(super) fn with_slice<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => read(slice(storage, layout)?),
        _ => bail!("mlp: the operand must be on the CPU"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn tensors(shape: &NetworkShape, stack: usize, rows: usize) -> (Tensor, Var) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let inputs: Vec<f32> = (0..rows * shape.inputs()).map(|_| random.random_range(-1.0..1.0)).collect();
        let parameters: Vec<f32> = (0..stack).flat_map(|_| shape.initialize(0.3, &mut random)).collect();
        let inputs = Tensor::from_vec(inputs, (rows, shape.inputs()), &Device::Cpu).unwrap();
        let count = parameters.len();
        (inputs, Var::from_vec(parameters, count, &Device::Cpu).unwrap())
    }

    fn assert_close(a: &Tensor, b: &Tensor) {
        let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        let difference = difference.to_scalar::<f32>().unwrap();
        assert!(difference < 1e-5, "differ by {difference}");
    }

    #[test]
    fn forward_and_gradients_match_candles_autograd() {
        for layer_norm in [false, true] {
            let shape = NetworkShape::new(7, &[16, 12], 2, layer_norm);
            let (inputs, parameters) = tensors(&shape, 2, 9);
            let mlp = Mlp::new(shape, 2);
            let own = mlp.forward(&inputs, &parameters).unwrap();
            let reference = mlp.forward_composed(&inputs, &parameters).unwrap();
            assert_close(&own, &reference);
            let gradient = |loss: Tensor| {
                let gradients = loss.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                gradients.get(&parameters).expect("the parameters are reached").clone()
            };
            assert_close(&gradient(own), &gradient(reference));
        }
    }

    #[test]
    fn column_gradients_match_candles_autograd() {
        let shape = NetworkShape::new(7, &[16, 12], 1, true);
        let (inputs, parameters) = tensors(&shape, 2, 9);
        let values = Var::from_tensor(&inputs.narrow(1, 3, 2).unwrap().affine(0.5, 0.1).unwrap()).unwrap();
        let mlp = Mlp::new(shape, 2);
        let left = inputs.narrow(1, 0, 3).unwrap();
        let right = inputs.narrow(1, 5, 2).unwrap();
        let whole = Tensor::cat(&[&left, values.as_tensor(), &right], 1).unwrap();
        let own = mlp.forward_columns(&inputs, &values, 3..5, &parameters).unwrap();
        let reference = mlp.forward_composed(&whole, &parameters).unwrap();
        assert_close(&own, &reference);
        let gradients = own.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        assert!(
            gradients.get(&parameters).is_none(),
            "the critic's parameters get no gradient from the actor"
        );
        let expected = reference.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        assert_close(gradients.get(&values).unwrap(), expected.get(&values).unwrap());
    }

    #[test]
    fn memory_is_used_again() {
        let shape = NetworkShape::new(7, &[16], 1, false);
        let (inputs, parameters) = tensors(&shape, 1, 9);
        let mlp = Mlp::new(shape, 1);
        for _ in 0..5 {
            mlp.forward(&inputs, &parameters).unwrap().sum_all().unwrap().backward().unwrap();
        }
        assert_eq!(mlp.pool.lock().unwrap().len(), 1);
    }
}
