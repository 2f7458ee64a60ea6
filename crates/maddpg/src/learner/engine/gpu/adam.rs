use candle_core::{Result, Tensor};

use crate::learner::engine::{AdamFactors, BETA1, BETA2, EPSILON};

/// Adam for one flat tensor of parameters, on its device.
#[derive(Debug)]
pub(super) struct Adam {
    pub(super) first: Tensor,
    pub(super) second: Tensor,
    pub(super) steps: u64,
}

impl Adam {
    /// Takes one step against `gradient`, clipped to the norm `max_norm`. Returns the norm before clipping, `[1, 1]`,
    /// without waiting for the device.
    pub(super) fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        max_norm: f64,
    ) -> Result<Tensor> {
        let norm = gradient.sqr()?.sum_all()?.sqrt()?.reshape((1, 1))?;
        let gradient = if max_norm.is_finite() {
            // min(1, max_norm / (norm + 1e-6)), applied to the gradient by a matrix product.
            let ratio = ((&norm + 1e-6)?.recip()? * max_norm)?;
            let clip = ratio.affine(-1.0, 1.0)?.relu()?.affine(-1.0, 1.0)?;
            gradient.reshape(((), 1))?.matmul(&clip)?.flatten_all()?
        } else {
            gradient.clone()
        };
        self.steps += 1;
        let AdamFactors { rate, variance_correction } = AdamFactors::new(learning_rate, self.steps);
        self.first = ((&self.first * BETA1)? + (&gradient * (1.0 - BETA1))?)?;
        self.second = ((&self.second * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?;
        let deviation = ((&self.second * variance_correction)?.sqrt()? + EPSILON)?;
        *parameters = (&*parameters - ((&self.first / deviation)? * rate)?)?;
        Ok(norm)
    }
}
