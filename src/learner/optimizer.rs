//! Adam and Polyak averaging, in place over flat tensors of parameters.

use candle_core::{CpuStorage, Device, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var};

use super::mlp::{slice, with_slice};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Adam (Kingma and Ba 2015, algorithm 1, with PyTorch's defaults) for one flat tensor of parameters.
#[derive(Debug)]
pub struct Adam {
    /// First and second moments of the gradients.
    pub(crate) moments: [Var; 2],
    /// Steps taken.
    pub(crate) steps: u64,
}

impl Adam {
    /// Fresh moments for `parameters`.
    pub fn new(parameters: &Var) -> Result<Self> {
        let zeros = || Var::zeros(parameters.shape(), parameters.dtype(), parameters.device());
        Ok(Self { moments: [zeros()?, zeros()?], steps: 0 })
    }

    /// One step against `gradient`, scaled down to a global norm of `max_norm` if it is larger.
    /// Returns the norm before clipping.
    pub fn step(
        &mut self,
        parameters: &Var,
        gradient: &Tensor,
        learning_rate: f64,
        max_norm: f64,
    ) -> Result<f32> {
        let norm = global_norm(gradient)?;
        let clip = if norm > max_norm { max_norm / (norm + 1e-6) } else { 1.0 };
        self.steps += 1;
        let steps = self.steps.min(i32::MAX as u64) as i32;
        let step = AdamStep {
            rate: learning_rate / (1.0 - BETA1.powi(steps)),
            variance_correction: 1.0 / (1.0 - BETA2.powi(steps)),
        };
        let [first, second] = &self.moments;
        let (first_moment, second_moment) = (FirstMoment(clip), SecondMoment(clip));
        if matches!(parameters.device(), Device::Cpu) {
            first.as_tensor().inplace_op2(gradient, &first_moment)?;
            second.as_tensor().inplace_op2(gradient, &second_moment)?;
            parameters.as_tensor().inplace_op3(first, second, &step)?;
        } else {
            let gradient = (gradient.detach() * clip)?;
            first.set(&((first.as_tensor() * BETA1)? + (&gradient * (1.0 - BETA1))?)?.detach())?;
            second.set(&((second.as_tensor() * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?.detach())?;
            let deviation = ((second.as_tensor() * step.variance_correction)?.sqrt()? + EPSILON)?;
            let change = ((first.as_tensor() / deviation)? * step.rate)?;
            parameters.set(&(parameters.as_tensor() - change)?.detach())?;
        }
        Ok(norm as f32)
    }
}

/// Euclidean norm of all numbers of `gradient`.
fn global_norm(gradient: &Tensor) -> Result<f64> {
    if !matches!(gradient.device(), Device::Cpu) {
        return Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt());
    }
    with_slice(gradient, |gradient| {
        let squares = gradient.chunks(16).fold([0.0f32; 16], |mut lanes, chunk| {
            lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += x * x);
            lanes
        });
        Ok(squares.iter().map(|&x| f64::from(x)).sum::<f64>().sqrt())
    })
}

/// `m = beta1 m + (1 - beta1) clip g`; holds the clip.
struct FirstMoment(f64);

impl InplaceOp2 for FirstMoment {
    fn name(&self) -> &'static str {
        "adam-first-moment"
    }

    fn cpu_fwd(
        &self,
        moment: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (keep, add) = (BETA1 as f32, ((1.0 - BETA1) * self.0) as f32);
        let gradient = slice(gradient, gradient_layout)?;
        for (moment, gradient) in slice_mut(moment, layout)?.iter_mut().zip(gradient) {
            *moment = keep * *moment + add * gradient;
        }
        Ok(())
    }
}

/// `v = beta2 v + (1 - beta2) (clip g)²`; holds the clip.
struct SecondMoment(f64);

impl InplaceOp2 for SecondMoment {
    fn name(&self) -> &'static str {
        "adam-second-moment"
    }

    fn cpu_fwd(
        &self,
        moment: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (keep, add) = (BETA2 as f32, ((1.0 - BETA2) * self.0 * self.0) as f32);
        let gradient = slice(gradient, gradient_layout)?;
        for (moment, gradient) in slice_mut(moment, layout)?.iter_mut().zip(gradient) {
            *moment = keep * *moment + add * gradient * gradient;
        }
        Ok(())
    }
}

/// `theta -= rate m / (sqrt(correction v) + epsilon)`.
struct AdamStep {
    rate: f64,
    variance_correction: f64,
}

impl InplaceOp3 for AdamStep {
    fn name(&self) -> &'static str {
        "adam-step"
    }

    fn cpu_fwd(
        &self,
        parameters: &mut CpuStorage,
        layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<()> {
        let (rate, correction, epsilon) = (self.rate as f32, self.variance_correction as f32, EPSILON as f32);
        let moments = slice(first, first_layout)?.iter().zip(slice(second, second_layout)?);
        for (parameter, (first, second)) in slice_mut(parameters, layout)?.iter_mut().zip(moments) {
            *parameter -= rate * first / ((correction * second).sqrt() + epsilon);
        }
        Ok(())
    }
}

/// Polyak averaging: `target += tau (online - target)`.
pub fn polyak(target: &Var, online: &Var, tau: f64) -> Result<()> {
    if matches!(target.device(), Device::Cpu) {
        return target.as_tensor().inplace_op2(online.as_tensor(), &Polyak(tau as f32));
    }
    target.set(&((target.as_tensor() * (1.0 - tau))? + (online.as_tensor() * tau)?)?.detach())
}

struct Polyak(f32);

impl InplaceOp2 for Polyak {
    fn name(&self) -> &'static str {
        "polyak"
    }

    fn cpu_fwd(
        &self,
        target: &mut CpuStorage,
        layout: &Layout,
        online: &CpuStorage,
        online_layout: &Layout,
    ) -> Result<()> {
        let online = slice(online, online_layout)?;
        for (target, online) in slice_mut(target, layout)?.iter_mut().zip(online) {
            *target += self.0 * (online - *target);
        }
        Ok(())
    }
}

fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let CpuStorage::F32(numbers) = storage else {
        candle_core::bail!("expected f32 parameters");
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&mut numbers[start..end]),
        None => candle_core::bail!("expected contiguous parameters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_walks_as_the_paper_writes_it() {
        let parameters = Var::from_vec(vec![1.0f32, -2.0], 2, &Device::Cpu).unwrap();
        let mut adam = Adam::new(&parameters).unwrap();
        let (mut theta, mut m, mut v) = ([1.0f64, -2.0], [0.0; 2], [0.0; 2]);
        for step in 1..=20 {
            let gradient = [0.3 * theta[0], theta[1] - 1.0];
            let tensor = Tensor::from_vec(gradient.map(|g| g as f32).to_vec(), 2, &Device::Cpu).unwrap();
            adam.step(&parameters, &tensor, 0.01, f64::INFINITY).unwrap();
            for k in 0..2 {
                m[k] = 0.9 * m[k] + 0.1 * gradient[k];
                v[k] = 0.999 * v[k] + 0.001 * gradient[k] * gradient[k];
                let (m, v) = (m[k] / (1.0 - 0.9f64.powi(step)), v[k] / (1.0 - 0.999f64.powi(step)));
                theta[k] -= 0.01 * m / (v.sqrt() + 1e-8);
            }
        }
        let found = parameters.to_vec1::<f32>().unwrap();
        assert!(
            (f64::from(found[0]) - theta[0]).abs() < 1e-5 && (f64::from(found[1]) - theta[1]).abs() < 1e-5
        );
    }

    #[test]
    fn gradients_are_clipped_by_their_global_norm() {
        let parameters = Var::from_vec(vec![0.0f32; 2], 2, &Device::Cpu).unwrap();
        let mut adam = Adam::new(&parameters).unwrap();
        let gradient = Tensor::from_vec(vec![3.0f32, 4.0], 2, &Device::Cpu).unwrap();
        let norm = adam.step(&parameters, &gradient, 0.1, 0.5).unwrap();
        assert!((norm - 5.0).abs() < 1e-5);
        let moment = adam.moments[0].to_vec1::<f32>().unwrap();
        assert!(
            (moment[0] - 0.03).abs() < 1e-5 && (moment[1] - 0.04).abs() < 1e-5,
            "clipped to norm 0.5, times 0.1"
        );
    }

    #[test]
    fn polyak_moves_by_tau() {
        let target = Var::from_vec(vec![0.0f32, 10.0], 2, &Device::Cpu).unwrap();
        let online = Var::from_vec(vec![1.0f32, 0.0], 2, &Device::Cpu).unwrap();
        polyak(&target, &online, 0.1).unwrap();
        assert_eq!(target.to_vec1::<f32>().unwrap(), [0.1, 9.0]);
    }
}
