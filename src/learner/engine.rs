//! The arithmetic of one update, where it computes: by kernels of our own on the CPU ([`HostEngine`]), by candle's
//! tensors on a GPU ([`DeviceEngine`]). Both do the same and keep nothing but the weights; what they share is here.

mod device;
mod host;
#[cfg(test)]
mod reference;

use std::{fmt, sync::Arc};

use candle_core::{Device, Result};

use super::{
    batch::{Draw, View},
    config::LearnerConfig,
    values::Rescaling,
};
use crate::{
    policy::{ArenaSpec, NetworkShape, PolicyGroup},
    random::Random,
};

pub(super) use self::{device::DeviceEngine, host::HostEngine};

/// Adam's settings but for the learning rate (Kingma and Ba 2015, with PyTorch's defaults).
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Computes updates of all policies.
pub(super) trait Engine: fmt::Debug + Send {
    /// One update by the minibatch drawn: critics always; actors and targets if `actors_too`. Measures each policy if asked to;
    /// reading the measures back costs a GPU its pipeline.
    fn update(&mut self, draw: &Draw, actors_too: bool, measures: Option<&mut [Measures]>) -> Result<()>;

    /// The acting parameters of policy `index`.
    fn acting(&self, index: usize) -> Result<Vec<f32>>;

    /// The weights of all policies.
    fn weights(&self) -> Result<Vec<Weights>>;

    /// Takes other weights of the same sizes.
    fn set_weights(&mut self, weights: Vec<Weights>) -> Result<()>;

    /// Has the critics of policy `index` and their targets give the same values in another scale.
    fn rescale_values(&mut self, index: usize, rescaling: Rescaling) -> Result<()>;

    /// Computes on a second thread as well, of the `rayon` pool that the calling thread belongs to, if it can.
    fn share_work(&mut self) {}
}

/// An engine for `device`, with these weights.
pub(super) fn open(setup: Arc<Setup>, weights: Vec<Weights>, device: &Device) -> Result<Box<dyn Engine>> {
    Ok(match device {
        Device::Cpu => Box::new(HostEngine::new(setup, weights)),
        gpu => Box::new(DeviceEngine::new(setup, weights, gpu)?),
    })
}

/// What one update measured; means where there are several policies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measures {
    /// Mean squared temporal-difference error, in the critics' scale.
    pub critic_loss: f32,
    /// Actors' loss; 0 where the delay skipped the actors.
    pub actor_loss: f32,
    /// Mean value of the replayed transitions, in units of the game's rewards.
    pub q_mean: f32,
    /// Mean of what the critics regress to, in their scale.
    pub(super) target_mean: f32,
    /// Mean square of what the critics regress to, in their scale.
    pub(super) target_square: f32,
    /// Share of actor outputs with `|a| > 0.95`; 0 where the delay skipped the actors.
    pub saturation: f32,
    /// Critics' gradient norm before clipping.
    pub critic_gradient_norm: f32,
    /// Actors' gradient norm before clipping; 0 where the delay skipped the actors.
    pub actor_gradient_norm: f32,
    /// Whether the actors were updated.
    pub actors_updated: bool,
}

/// What stays the same through a training.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) config: LearnerConfig,
    pub(super) spec: ArenaSpec,
    pub(super) groups: Vec<GroupSetup>,
}

/// One policy: who plays by it, what its critics see, its networks' sizes.
#[derive(Debug)]
pub(super) struct GroupSetup {
    pub(super) group: PolicyGroup,
    /// What the critic of each member sees.
    pub(super) views: Vec<View>,
    pub(super) actor: NetworkShape,
    pub(super) critic: NetworkShape,
    /// Critics of this shape: 2 if twins.
    pub(super) critics: usize,
}

impl GroupSetup {
    pub(super) fn new(group: PolicyGroup, config: &LearnerConfig, spec: &ArenaSpec) -> Self {
        let agents = spec.agents();
        let view = |&slot: &usize| {
            let slots = if !config.central_critic || config.independent.contains(&group.agent.behavior) {
                vec![slot]
            } else if group.slots.len() > 1 {
                // Members share a critic: each comes first in its own row.
                (0..agents).map(|k| (slot + k) % agents).collect()
            } else {
                (0..agents).collect()
            };
            View::new(spec, slot, slots)
        };
        let views: Vec<View> = group.slots.iter().map(view).collect();
        let inputs = views[0].observation_size() + views[0].action_size();
        Self {
            actor: NetworkShape::new(
                group.agent.observation_size,
                &config.actor_hidden,
                group.agent.action_size,
                false,
            ),
            critic: NetworkShape::new(inputs, &config.critic_hidden, 1, config.critic_layer_norm),
            critics: if config.twin_critics { 2 } else { 1 },
            views,
            group,
        }
    }

    /// Columns of a critic's inputs that hold its own agent's action.
    fn action_columns(&self) -> std::ops::Range<usize> {
        self.views[0].action_columns.clone()
    }

    /// Whether its critics' inputs are those of another policy's.
    fn sees_what(&self, other: &Self) -> bool {
        self.views.iter().map(|view| &view.slots).eq(other.views.iter().map(|view| &view.slots))
    }
}

/// The learned numbers of one policy, flat as [`NetworkShape`] lays them out; critics one after another.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    pub(super) actor: Vec<f32>,
    pub(super) actor_target: Vec<f32>,
    /// The average of the actor that acts; not kept up where the actor itself does.
    pub(super) policy: Vec<f32>,
    pub(super) critics: Vec<f32>,
    pub(super) critics_target: Vec<f32>,
    pub(super) actor_adam: Moments,
    pub(super) critics_adam: Moments,
}

/// Adam's state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    pub(super) steps: u64,
}

impl Moments {
    fn new(parameters: usize) -> Self {
        Self { first: vec![0.0; parameters], second: vec![0.0; parameters], steps: 0 }
    }
}

impl Weights {
    /// Fresh weights; targets and average start as copies.
    pub(super) fn new(setup: &GroupSetup, config: &LearnerConfig, random: &mut Random) -> Self {
        let scale = config.last_layer_scale;
        let actor = setup.actor.initialize(scale, random);
        let critics: Vec<f32> =
            (0..setup.critics).flat_map(|_| setup.critic.initialize(scale, random)).collect();
        Self {
            actor_target: actor.clone(),
            policy: actor.clone(),
            critics_target: critics.clone(),
            actor_adam: Moments::new(actor.len()),
            critics_adam: Moments::new(critics.len()),
            actor,
            critics,
        }
    }

    /// Changes the last layers of the critics and their targets so that they give the same values in another scale, and
    /// Adam's moments to what gradients in that scale would have left.
    pub(super) fn rescale_values(&mut self, setup: &GroupSetup, Rescaling { factor, shift }: Rescaling) {
        let size = setup.critic.parameters();
        let Some(last) = setup.critic.layers().last() else { return };
        for critic in self.critics.chunks_exact_mut(size).chain(self.critics_target.chunks_exact_mut(size)) {
            critic[last.weights.clone()].iter_mut().for_each(|weight| *weight *= factor);
            critic[last.bias.clone()].iter_mut().for_each(|bias| *bias = *bias * factor + shift);
        }
        // Errors are smaller by the factor, and so are last layers' gradients; what passes through these layers' weights
        // is smaller by its square.
        let Moments { first, second, .. } = &mut self.critics_adam;
        for (first, second) in first.chunks_exact_mut(size).zip(second.chunks_exact_mut(size)) {
            for (index, (first, second)) in first.iter_mut().zip(second).enumerate() {
                let factor = if index < last.weights.start { factor * factor } else { factor };
                *first *= factor;
                *second *= factor * factor;
            }
        }
    }

    /// All flat numbers, by name.
    pub(super) fn parts(&mut self) -> [(&'static str, &mut Vec<f32>); 9] {
        [
            ("actor", &mut self.actor),
            ("actor_target", &mut self.actor_target),
            ("policy", &mut self.policy),
            ("actor_first_moment", &mut self.actor_adam.first),
            ("actor_second_moment", &mut self.actor_adam.second),
            ("critics", &mut self.critics),
            ("critics_target", &mut self.critics_target),
            ("critics_first_moment", &mut self.critics_adam.first),
            ("critics_second_moment", &mut self.critics_adam.second),
        ]
    }
}

/// The factors of one step of Adam, from the steps taken including this one:
/// `theta -= rate m / (sqrt(variance_correction v) + epsilon)`.
#[derive(Debug, Clone, Copy)]
struct AdamFactors {
    rate: f64,
    variance_correction: f64,
}

impl AdamFactors {
    fn new(learning_rate: f64, steps: u64) -> Self {
        let steps = steps.min(i32::MAX as u64) as i32;
        Self {
            rate: learning_rate / (1.0 - BETA1.powi(steps)),
            variance_correction: 1.0 / (1.0 - BETA2.powi(steps)),
        }
    }
}
