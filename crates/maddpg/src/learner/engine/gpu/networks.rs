use candle_core::{Device, Result, Tensor};

use super::adam::Adam;
use crate::learner::{
    LearnerConfig,
    engine::{Moments, Weights},
};

/// One policy's parameters as flat tensors on the device.
#[derive(Debug)]
pub(super) struct Networks {
    pub(super) actor: Tensor,
    pub(super) actor_target: Tensor,
    pub(super) policy: Tensor,
    pub(super) critics: Tensor,
    pub(super) critics_target: Tensor,
    pub(super) actor_adam: Adam,
    pub(super) critics_adam: Adam,
}

impl Networks {
    pub(super) fn upload(weights: Weights, device: &Device) -> Result<Self> {
        let flat = |numbers: &[f32]| Tensor::from_slice(numbers, numbers.len(), device);
        let adam = |moments: &Moments| {
            Ok::<_, candle_core::Error>(Adam {
                first: flat(&moments.first)?,
                second: flat(&moments.second)?,
                steps: moments.steps,
            })
        };
        Ok(Self {
            actor: flat(&weights.actor)?,
            actor_target: flat(&weights.actor_target)?,
            policy: flat(&weights.policy)?,
            critics: flat(&weights.critics)?,
            critics_target: flat(&weights.critics_target)?,
            actor_adam: adam(&weights.actor_adam)?,
            critics_adam: adam(&weights.critics_adam)?,
        })
    }

    pub(super) fn download(&self) -> Result<Weights> {
        let moments = |adam: &Adam| {
            Ok::<_, candle_core::Error>(Moments {
                first: adam.first.to_vec1()?,
                second: adam.second.to_vec1()?,
                steps: adam.steps,
            })
        };
        Ok(Weights {
            actor: self.actor.to_vec1()?,
            actor_target: self.actor_target.to_vec1()?,
            policy: self.policy.to_vec1()?,
            critics: self.critics.to_vec1()?,
            critics_target: self.critics_target.to_vec1()?,
            actor_adam: moments(&self.actor_adam)?,
            critics_adam: moments(&self.critics_adam)?,
        })
    }

    /// Moves the policy's average and the targets towards the actor and the critics.
    pub(super) fn follow(&mut self, config: &LearnerConfig) -> Result<()> {
        polyak(&mut self.actor_target, &self.actor, config.tau)?;
        if config.policy_average < 1.0 {
            polyak(&mut self.policy, &self.actor, config.policy_average)?;
        }
        polyak(&mut self.critics_target, &self.critics, config.tau)
    }
}

/// `target += tau * (online - target)`.
fn polyak(target: &mut Tensor, online: &Tensor, tau: f32) -> Result<()> {
    let tau = f64::from(tau);
    *target = ((&*target * (1.0 - tau))? + (online * tau)?)?;
    Ok(())
}
