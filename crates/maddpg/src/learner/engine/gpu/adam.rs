use candle_core::{Result, Tensor};

use crate::learner::engine::{AdamFactors, BETA1, BETA2, EPSILON, StepSettings};

/// Adam for one flat tensor of parameters, on its device.
#[derive(Debug)]
pub(super) struct Adam {
    pub(super) first: Tensor,
    pub(super) second: Tensor,
    pub(super) steps: u64,
}

impl Adam {
    /// Takes one step with `gradient`. Returns the norm of `gradient` before clipping, `[1, 1]`, without waiting for
    /// the device.
    pub(super) fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        StepSettings { learning_rate, parts, max_norm, weight_decay }: StepSettings,
    ) -> Result<Tensor> {
        let norm = norm(gradient)?;
        let gradient = match parts {
            _ if max_norm.is_infinite() => gradient.clone(),
            [_] => clip(gradient, &norm, max_norm)?,
            parts => {
                let clipped = parts.iter().map(|part| {
                    let gradient = gradient.narrow(0, part.start, part.len())?;
                    clip(&gradient, &self::norm(&gradient)?, max_norm)
                });
                Tensor::cat(&clipped.collect::<Result<Vec<_>>>()?, 0)?
            }
        };
        let gradient =
            if weight_decay > 0.0 { (gradient + (&*parameters * weight_decay)?)? } else { gradient };
        self.steps += 1;
        let AdamFactors { rate, variance_correction } = AdamFactors::new(learning_rate, self.steps);
        self.first = ((&self.first * BETA1)? + (&gradient * (1.0 - BETA1))?)?;
        self.second = ((&self.second * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?;
        let deviation = ((&self.second * variance_correction)?.sqrt()? + EPSILON)?;
        *parameters = (&*parameters - ((&self.first / deviation)? * rate)?)?;
        Ok(norm)
    }
}

/// The norm of a gradient, `[1, 1]`.
fn norm(gradient: &Tensor) -> Result<Tensor> {
    gradient.sqr()?.sum_all()?.sqrt()?.reshape((1, 1))
}

/// `min(1, max_norm / (norm + 1e-6))` times the gradient, by a matrix product.
fn clip(gradient: &Tensor, norm: &Tensor, max_norm: f64) -> Result<Tensor> {
    let ratio = ((norm + 1e-6)?.recip()? * max_norm)?;
    let factor = ratio.minimum(&ratio.ones_like()?)?;
    gradient.reshape(((), 1))?.matmul(&factor)?.flatten_all()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_very_large_gradient_is_clipped_to_the_limit() -> Result<()> {
        for size in [1.0f32, 1e3, 1e8, 1e15] {
            let gradient = Tensor::new(&[3.0 * size, 4.0 * size], &Device::Cpu)?;
            let clipped = clip(&gradient, &norm(&gradient)?, 0.5)?.to_vec1::<f32>()?;
            assert!(
                (clipped[0] - 0.3).abs() < 1e-5 && (clipped[1] - 0.4).abs() < 1e-5,
                "{size}: {clipped:?}"
            );
        }
        Ok(())
    }
}
