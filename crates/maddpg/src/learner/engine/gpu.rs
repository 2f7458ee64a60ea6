//! Updates on a GPU, built from candle's operations, without its autograd.
//!
//! On a GPU, each small operation takes a fixed time. The engine therefore avoids additional operations and transfers:
//!
//! - All operands are contiguous. A broadcast operand uploads its strides each time, so biases, means and factors are
//!   expanded by matrix products with ones.
//! - Nothing is read back unless the update is measured.
//! - Gradients that are not needed are not computed.
//! - Parameters of each kind are one flat tensor, for Adam and for the targets.

mod actor_loss;
mod adam;
mod choices;
mod convolution;
mod network;
mod networks;

use std::{ops::Range, sync::Arc};

use candle_core::{Device, Result, Tensor};

use self::{
    actor_loss::{ActorLoss, FirstCritic},
    adam::Adam,
    choices::Parts,
    network::{DeviceNetwork, Wanted},
    networks::Networks,
};
use super::{Engine, GroupSetup, Setup, UpdateStatistics, Weights};
use crate::learner::{
    batch::{Batch, Draw, NextAction},
    values::Rescaling,
};

/// Computes updates with candle's tensors, on any of candle's devices.
#[derive(Debug)]
pub(in crate::learner) struct GpuEngine {
    setup: Arc<Setup>,
    device: Device,
    shapes: Vec<Shapes>,
    groups: Vec<Networks>,
    batch: Batch,
}

/// The shapes of one policy's networks.
#[derive(Debug)]
struct Shapes {
    actor: DeviceNetwork,
    critic: DeviceNetwork,
}

impl GpuEngine {
    pub(in crate::learner) fn new(setup: Arc<Setup>, weights: Vec<Weights>, device: &Device) -> Result<Self> {
        let groups = weights.into_iter().map(|weights| Networks::upload(weights, device));
        let shapes = setup.groups.iter().map(|group| {
            Ok::<_, candle_core::Error>(Shapes {
                actor: DeviceNetwork::new(&group.actor, device)?,
                critic: DeviceNetwork::new(&group.critic, device)?,
            })
        });
        Ok(Self {
            shapes: shapes.collect::<Result<_>>()?,
            groups: groups.collect::<Result<_>>()?,
            device: device.clone(),
            setup,
            batch: Batch::default(),
        })
    }

    fn upload(&self, numbers: Vec<f32>, columns: usize) -> Result<Tensor> {
        let rows = numbers.len() / columns;
        Tensor::from_vec(numbers, (rows, columns), &self.device)
    }

    /// Smoothed target actions of each slot at the next observations, `[rows, action_size]` each; zeros for slots that do
    /// not act, and the same actions as before for those that keep them.
    fn next_actions(&self, batch: &Batch) -> Result<Vec<Tensor>> {
        let mut actions: Vec<Option<Tensor>> = vec![None; self.setup.spec.agents()];
        let groups = self.setup.groups.iter().zip(&self.groups).zip(&self.shapes);
        for (index, ((setup, networks), shapes)) in groups.enumerate() {
            let mut own = Vec::new();
            for view in &setup.views {
                view.gather_own(batch.next_observations(0..batch.rows), batch.rows, &mut own);
            }
            let own = self.upload(own, setup.actor.inputs())?;
            let outputs = shapes.actor.forward(&networks.actor_target, &own)?.0;
            let masks = self.masks(index, batch, batch.next_masks(0..batch.rows))?;
            let mut clamped = self.played(index, &outputs, batch, masks.as_ref())?.join(&setup.choices)?;
            if self.setup.has_absences {
                let agents = self.setup.spec.agents();
                let acts = batch.acts_next(0..batch.rows);
                let size = setup.actor.outputs();
                // `chosen * actions + kept`
                let (mut chosen, mut kept) = (Vec::new(), Vec::new());
                for view in &setup.views {
                    let of_slot = acts.iter().skip(view.slot).step_by(agents);
                    let before =
                        batch.actions(0..batch.rows).chunks_exact(self.setup.spec.joint_action_size());
                    for (next, before) in of_slot.zip(before) {
                        let is = |other| f32::from(*next == other);
                        chosen.extend(std::iter::repeat_n(is(NextAction::Chosen), size));
                        let factor = is(NextAction::Kept);
                        kept.extend(before[view.own_action.clone()].iter().map(|before| factor * before));
                    }
                }
                clamped = ((clamped * self.upload(chosen, size)?)? + self.upload(kept, size)?)?;
            }
            for (member, view) in setup.views.iter().enumerate() {
                actions[view.slot] = Some(clamped.narrow(0, member * batch.rows, batch.rows)?);
            }
        }
        Ok(actions.into_iter().map(|action| action.expect("each slot is in one group")).collect())
    }

    /// The actions of a group with the batch's noise: numbers are clamped to -1 to 1, and choices are drawn.
    fn played(&self, index: usize, outputs: &Tensor, batch: &Batch, masks: Option<&Tensor>) -> Result<Parts> {
        let (setup, width) = (&self.setup.groups[index], self.setup.spec.joint_action_size());
        let mut noise = Vec::new();
        for view in &setup.views {
            noise.extend(batch.noise.chunks_exact(width).flat_map(|row| &row[view.own_action.clone()]));
        }
        let noise = self.upload(noise, setup.actor.outputs())?;
        let numbers = setup.choices.numbers;
        let numbers = (numbers > 0).then(|| {
            let smoothed = (columns(outputs, 0..numbers)?.tanh()? + columns(&noise, 0..numbers)?)?;
            // clamp(x, -1, 1) with contiguous operands only.
            ((&smoothed + 1.0)?.relu()? - (smoothed - 1.0)?.relu()?)? - 1.0
        });
        let branches = setup.choices.branches.iter().zip(masks.into_iter().cycle());
        let drawn = branches.map(|(branch, masks)| choices::draw(branch, outputs, &noise, masks));
        Ok(Parts { numbers: numbers.transpose()?, drawn: drawn.collect::<Result<_>>()? })
    }

    /// The own masks of a group, `[members * rows, choices]`, from the joint masks; `None` without branches.
    fn masks(&self, index: usize, batch: &Batch, joint: &[f32]) -> Result<Option<Tensor>> {
        let setup = &self.setup.groups[index];
        let mut masks = Vec::new();
        setup.views.iter().for_each(|view| view.gather_masks(joint, batch.rows, &mut masks));
        let choices = setup.group.agent.action.choices();
        (choices > 0).then(|| self.upload(masks, choices)).transpose()
    }

    /// The regression targets of a group's critics, `[members * rows, 1]`.
    fn critic_targets(&self, index: usize, batch: &Batch, next_actions: &[Tensor]) -> Result<Tensor> {
        let (setup, networks, shapes) = (&self.setup.groups[index], &self.groups[index], &self.shapes[index]);
        let mut observations = Vec::new();
        let mut actions = Vec::new();
        for view in &setup.views {
            view.gather_observations(batch.next_observations(0..batch.rows), batch.rows, &mut observations);
            let seen: Vec<&Tensor> = view.slots.iter().map(|&slot| &next_actions[slot]).collect();
            actions.push(Tensor::cat(&seen, 1)?);
        }
        let observations = self.upload(observations, setup.views[0].observation_size())?;
        let mut parts = vec![observations, Tensor::cat(&actions, 0)?];
        if self.setup.has_absences {
            let mut present = Vec::new();
            for view in &setup.views {
                let next = batch.present_next(0..batch.rows);
                view.gather_presence(next, self.setup.spec.agents(), &mut present);
            }
            parts.push(self.upload(present, setup.views[0].slots.len())?);
        }
        let inputs = Tensor::cat(&parts, 1)?;
        let mut values = shapes.critic.forward(&setup.critic_part(&networks.critics_target, 0)?, &inputs)?.0;
        for number in 1..setup.critics {
            let critic = setup.critic_part(&networks.critics_target, number)?;
            values = values.minimum(&shapes.critic.forward(&critic, &inputs)?.0)?;
        }
        let agents = self.setup.spec.agents();
        let (mut rewards, mut discounts) = (Vec::new(), Vec::new());
        for &slot in &setup.group.slots {
            rewards.extend(batch.rewards.iter().skip(slot).step_by(agents));
            discounts.extend(batch.discounts.iter().skip(slot).step_by(agents));
        }
        self.upload(rewards, 1)? + (self.upload(discounts, 1)? * values)?
    }

    /// The inputs of a group's critics at the replayed actions, `[members * rows, inputs]`.
    fn critic_inputs(&self, index: usize, batch: &Batch) -> Result<Tensor> {
        let setup = &self.setup.groups[index];
        let mut inputs = Vec::new();
        for view in &setup.views {
            let all = 0..batch.rows;
            let present = batch.present(all.clone());
            view.gather(
                batch.observations(all.clone()),
                batch.actions(all),
                present,
                batch.rows,
                &mut inputs,
            );
        }
        self.upload(inputs, setup.critic.inputs())
    }

    /// The weights of a group's decisions, `[members * rows, 1]`, from those of all slots, `[rows, agents]`.
    fn weights_of(&self, index: usize, all: &[f32]) -> Result<Tensor> {
        let slots = &self.setup.groups[index].group.slots;
        let agents = self.setup.spec.agents();
        let weights = slots.iter().flat_map(|slot| all.iter().skip(*slot).step_by(agents).copied());
        self.upload(weights.collect(), 1)
    }

    fn update_critics(
        &mut self,
        index: usize,
        batch: &Batch,
        inputs: &Tensor,
        targets: &Tensor,
        measures: Option<&mut UpdateStatistics>,
    ) -> Result<()> {
        let (setup, shapes) = (&self.setup.groups[index], &self.shapes[index]);
        let total = f64::from(batch.totals[index].critic);
        let weights = self.weights_of(index, &batch.critic_weights)?;
        let (mut gradients, mut errors, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..setup.critics {
            let critic = setup.critic_part(&self.groups[index].critics, number)?;
            let (value, kept) = shapes.critic.forward(&critic, inputs)?;
            let error = (&weights * (&value - targets)?)?;
            let wanted = Wanted::Parameters { inputs };
            gradients.push(shapes.critic.backward(&critic, &kept, (&error * (2.0 / total))?, wanted)?);
            errors.push(error);
            values.push((&weights * value)?);
        }
        let config = &self.setup.config;
        let Networks { critics, critics_adam, .. } = &mut self.groups[index];
        let gradient = Tensor::cat(&gradients, 0)?;
        let settings = setup.critic_step(config, critics_adam.steps);
        let norm = critics_adam.step(critics, &gradient, settings)?;
        if let Some(measures) = measures {
            let mean = |numbers: Tensor, count: f64| (numbers.sum_all()? / count)?.to_scalar();
            let all = total * errors.len() as f64;
            measures.critic_loss = mean(Tensor::cat(&errors, 0)?.sqr()?, all)?;
            measures.q_mean = mean(Tensor::cat(&values, 0)?, all)?;
            measures.target_mean = mean((&weights * targets)?, total)?;
            measures.target_square = mean((&weights * targets.sqr()?)?, total)?;
            measures.critic_gradient_norm = norm.sum_all()?.to_scalar()?;
        }
        Ok(())
    }

    fn update_actor(
        &mut self,
        index: usize,
        batch: &Batch,
        critic_inputs: &Tensor,
        measures: Option<&mut UpdateStatistics>,
    ) -> Result<()> {
        let (setup, shapes) = (&self.setup.groups[index], &self.shapes[index]);
        let mut own = Vec::new();
        for view in &setup.views {
            view.gather_own(batch.observations(0..batch.rows), batch.rows, &mut own);
        }
        let own = self.upload(own, setup.actor.inputs())?;
        let (outputs, kept) = shapes.actor.forward(&self.groups[index].actor, &own)?;
        let masks = self.masks(index, batch, batch.masks(0..batch.rows))?;
        let loss = ActorLoss {
            config: &self.setup.config,
            choices: &setup.choices,
            critic: FirstCritic::new(setup, &shapes.critic, &self.groups[index].critics, critic_inputs)?,
            played: self.played(index, &outputs, batch, masks.as_ref())?,
            outputs,
            masks,
            weights: self.weights_of(index, &batch.actor_weights)?,
            total: batch.totals[index].actor,
        };
        let (output_gradient, measured) = loss.gradient()?;
        let wanted = Wanted::Parameters { inputs: &own };
        let gradient = shapes.actor.backward(&self.groups[index].actor, &kept, output_gradient, wanted)?;
        let networks = &mut self.groups[index];
        let settings = setup.actor_step(&self.setup.config, networks.actor_adam.steps);
        let norm = networks.actor_adam.step(&mut networks.actor, &gradient, settings)?;
        networks.follow(&self.setup.config)?;
        if let Some(measures) = measures {
            (measures.actor_loss, measures.saturation) = loss.measure(measured)?;
            measures.actor_gradient_norm = norm.sum_all()?.to_scalar()?;
        }
        Ok(())
    }
}

/// Some columns of a matrix, contiguous.
fn columns(matrix: &Tensor, range: Range<usize>) -> Result<Tensor> {
    matrix.narrow(1, range.start, range.len())?.contiguous()
}

impl Engine for GpuEngine {
    fn update(
        &mut self,
        draw: &Draw,
        actors_too: bool,
        mut measures: Option<&mut [UpdateStatistics]>,
    ) -> super::Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.gather(draw, 0..draw.indices.len());
        let next_actions = self.next_actions(&batch)?;
        for index in 0..self.groups.len() {
            let mut measures = measures.as_mut().map(|measures| &mut measures[index]);
            if let Some(measures) = &mut measures {
                **measures = UpdateStatistics { actors_updated: actors_too, ..UpdateStatistics::default() };
            }
            let inputs = self.critic_inputs(index, &batch)?;
            let targets = self.critic_targets(index, &batch, &next_actions)?;
            self.update_critics(index, &batch, &inputs, &targets, measures.as_deref_mut())?;
            if actors_too {
                self.update_actor(index, &batch, &inputs, measures)?;
            }
        }
        self.batch = batch;
        Ok(())
    }

    fn acting(&self, index: usize) -> super::Result<Vec<f32>> {
        let networks = &self.groups[index];
        let acting = if self.setup.config.policy_average < 1.0 { &networks.policy } else { &networks.actor };
        Ok(acting.to_vec1()?)
    }

    fn weights(&self) -> super::Result<Vec<Weights>> {
        Ok(self.groups.iter().map(Networks::download).collect::<Result<_>>()?)
    }

    fn set_weights(&mut self, weights: Vec<Weights>) -> super::Result<()> {
        *self = Self::new(self.setup.clone(), weights, &self.device)?;
        Ok(())
    }

    fn rescale_values(&mut self, index: usize, Rescaling { factor, shift }: Rescaling) -> super::Result<()> {
        let setup = &self.setup.groups[index];
        let (factor, shift) = (f64::from(factor), f64::from(shift));
        let square = factor * factor;
        let Networks { critics, critics_target, critics_adam, .. } = &mut self.groups[index];
        for critics in [critics, critics_target] {
            *critics = setup.change_critics(critics, [(1.0, 0.0), (factor, 0.0), (factor, shift)])?;
        }
        // The same factors as in `Weights::rescale_values`.
        let Adam { first, second, .. } = critics_adam;
        *first = setup.change_critics(first, [(square, 0.0), (factor, 0.0), (factor, 0.0)])?;
        *second = setup.change_critics(second, [(square * square, 0.0), (square, 0.0), (square, 0.0)])?;
        Ok(())
    }
}

impl GroupSetup {
    /// The parameters of critic `number`, out of those of all critics.
    fn critic_part(&self, critics: &Tensor, number: usize) -> Result<Tensor> {
        let size = self.critic.parameters();
        critics.narrow(0, number * size, size)
    }

    /// Applies a factor and a shift to a flat tensor with one number per parameter of all critics. `changes` are for
    /// the parameters before the last layer, for the last layer's weights and for its bias.
    fn change_critics(&self, critics: &Tensor, changes: [(f64, f64); 3]) -> Result<Tensor> {
        let Some(last) = self.critic.layers().last() else { return Ok(critics.clone()) };
        let ranges = [0..last.weights.start, last.weights.clone(), last.bias.clone()];
        let mut parts = Vec::new();
        for number in 0..self.critics {
            let critic = self.critic_part(critics, number)?;
            for (range, (factor, shift)) in ranges.iter().zip(changes) {
                parts.push(critic.narrow(0, range.start, range.len())?.affine(factor, shift)?);
            }
        }
        Tensor::cat(&parts, 0)
    }
}
