mod group;

use candle_core::{DType, Device, Result, Tensor};
use rand_distr::{Distribution, StandardNormal};

use super::{
    batch::Batch,
    config::LearnerConfig,
    optimizer::polyak,
    replay::{ReplayBuffer, RowSizes},
};
pub(super) use group::Group;

use crate::{
    policy::{ArenaSpec, Network, Policy, PolicySnapshot, SpecError},
    random::{Random, stream},
    transition::TransitionBlock,
};

/// The MADDPG learner: replay buffer, networks and one update, without a thread.
///
/// One update (Lowe et al. 2017, algorithm 1, with TD3's remedies as settings), on one minibatch for all agents:
///
/// 1. target actions of all agents at the next observations, smoothed by clipped noise;
/// 2. for each policy: its critics regress to `reward + gamma * min over critics of the target value`, where the
///    game did not end the episode (time limits do not count as an end);
/// 3. every `policy_delay` updates, its actor climbs the first critic's value of its own action, the other agents'
///    actions as replayed, and all targets follow by Polyak averaging.
#[derive(Debug)]
pub struct Learner {
    pub(super) config: LearnerConfig,
    pub(super) spec: ArenaSpec,
    pub(super) device: Device,
    pub(super) seed: u64,
    pub(super) groups: Vec<Group>,
    pub(super) replay: ReplayBuffer,
    pub(super) transitions: u64,
    pub(super) updates: u64,
    /// Transitions that must be stored before the next update.
    pub(super) ready_at: usize,
    pub(super) sampling: Random,
    pub(super) smoothing: Random,
    batch: Batch,
    indices: Vec<usize>,
}

/// What one update measured, means over the policies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measures {
    /// Mean squared temporal-difference error.
    pub critic_loss: f32,
    /// Actors' loss; 0 where the delay skipped the actors.
    pub actor_loss: f32,
    /// Mean value of the replayed transitions.
    pub q_mean: f32,
    /// Share of actor outputs with `|a| > 0.95`; 0 where the delay skipped the actors.
    pub saturation: f32,
    /// Critics' gradient norm before clipping.
    pub critic_gradient_norm: f32,
    /// Actors' gradient norm before clipping; 0 where the delay skipped the actors.
    pub actor_gradient_norm: f32,
    /// Whether the actors were updated.
    pub actors_updated: bool,
}

/// A learner that cannot be made or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnerError {
    /// The agents do not fit together.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The tensor library failed.
    #[error("the learner's tensor library failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The weights are no longer numbers.
    #[error(
        "learning diverged: the weights of policy `{policy}` are no longer finite after {updates} updates; lower the \
         learning rates or gradient_clip, or check the rewards for numbers that are not finite"
    )]
    Diverged {
        /// The policy's name.
        policy: String,
        /// Updates done.
        updates: u64,
    },
}

impl Learner {
    /// A learner with fresh weights for arenas of `spec`.
    ///
    /// # Errors
    /// If the agents of one behavior differ in size, or the device fails.
    pub fn new(
        config: LearnerConfig,
        spec: ArenaSpec,
        device: Device,
        seed: u64,
    ) -> std::result::Result<Self, LearnerError> {
        let mut initial = stream(seed, "weights", 0);
        let groups = spec
            .groups(config.share_policies)?
            .into_iter()
            .map(|group| Group::new(group, &config, &spec, &device, &mut initial))
            .collect::<Result<Vec<_>>>()?;
        let sizes = RowSizes {
            observation: spec.joint_observation_size(),
            action: spec.joint_action_size(),
            agents: spec.agents(),
        };
        Ok(Self {
            ready_at: config.learning_starts.max(1),
            replay: ReplayBuffer::new(sizes, config.replay_capacity),
            config,
            spec,
            device,
            seed,
            groups,
            transitions: 0,
            updates: 0,
            sampling: stream(seed, "replay sampling", 0),
            smoothing: stream(seed, "target smoothing", 0),
            batch: Batch::default(),
            indices: Vec::new(),
        })
    }

    /// The learner's settings.
    pub fn config(&self) -> &LearnerConfig {
        &self.config
    }

    /// The arenas it learns from.
    pub fn spec(&self) -> &ArenaSpec {
        &self.spec
    }

    /// Updates done so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Joint transitions received so far.
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// The replay buffer.
    pub fn replay(&self) -> &ReplayBuffer {
        &self.replay
    }

    /// Whether enough transitions are stored to update.
    pub fn is_ready(&self) -> bool {
        self.replay.len() >= self.ready_at
    }

    /// Stores a block of experience.
    pub fn remember(&mut self, block: &TransitionBlock) {
        self.replay.push(block);
        self.transitions += block.rows() as u64;
        if !self.config.normalize_observations {
            return;
        }
        let width = self.spec.joint_observation_size();
        for group in &mut self.groups {
            let size = group.group.agent.observation_size;
            for &slot in &group.group.slots {
                let offset = self.spec.observation_offset(slot);
                for row in block.observations.chunks_exact(width) {
                    group.statistics.push(&row[offset..offset + size]);
                }
            }
            group.normalizer = group.statistics.normalizer();
        }
    }

    /// One update of all policies. Measuring reads numbers back from the device; where `measure` is false all
    /// measures are zero but the gradient norms.
    ///
    /// # Errors
    /// If the tensor library fails, or the weights stop being finite (checked where measured).
    pub fn update(&mut self, measure: bool) -> std::result::Result<Measures, LearnerError> {
        self.draw();
        self.updates += 1;
        let actors_too = self.updates.is_multiple_of(u64::from(self.config.policy_delay));
        let mut measures = Measures { actors_updated: actors_too, ..Measures::default() };
        let target_actions = self.target_actions()?;
        let share = 1.0 / self.groups.len() as f32;
        for index in 0..self.groups.len() {
            let (inputs, targets) = self.critic_batch(index, &target_actions)?;
            let group = &mut self.groups[index];
            let values = group.critics.forward(&inputs, &group.weights.critics)?;
            let errors = values.broadcast_sub(&targets)?;
            let loss = (errors.sqr()?.sum_all()? / targets.elem_count() as f64)?;
            let gradients = loss.backward()?;
            let rate = self.config.critic_learning_rate;
            let weights = &mut group.weights;
            let gradient = reached(gradients.get(&weights.critics))?;
            let norm =
                weights.critics_adam.step(&weights.critics, gradient, rate, self.config.gradient_clip)?;
            measures.critic_gradient_norm += share * norm;
            if measure {
                let loss = loss.to_scalar::<f32>()? / values.dim(0)? as f32;
                if !loss.is_finite() {
                    return Err(self.diverged(&self.groups[index].group.name));
                }
                measures.critic_loss += share * loss;
                measures.q_mean += share * values.mean_all()?.to_scalar::<f32>()?;
            }
            if actors_too {
                self.update_actor(index, &inputs, measure, &mut measures)?;
            }
        }
        if actors_too {
            let tau = f64::from(self.config.tau);
            for weights in self.groups.iter().map(|group| &group.weights) {
                polyak(&weights.actor_target, &weights.actor, tau)?;
                polyak(&weights.policy, &weights.actor, f64::from(self.config.policy_average))?;
                polyak(&weights.critics_target, &weights.critics, tau)?;
            }
        }
        Ok(measures)
    }

    /// The policies that act now, averaged as the settings say, with the noise-free networks and normalizers that act.
    ///
    /// # Errors
    /// If the device fails.
    pub fn snapshot(&self, version: u64) -> Result<PolicySnapshot> {
        let policies = self.groups.iter().map(|group| {
            Ok(Policy {
                group: group.group.clone(),
                normalizer: group.normalizer.clone(),
                network: Network {
                    shape: group.actor.shape().clone(),
                    parameters: group.weights.policy.as_detached_tensor().to_vec1()?,
                },
            })
        });
        Ok(PolicySnapshot {
            version,
            updates: self.updates,
            seed: self.seed,
            policies: policies.collect::<Result<_>>()?,
        })
    }

    /// The policies as they are now, versioned by the updates done, if all their numbers are finite.
    pub(super) fn finite_snapshot(&self) -> std::result::Result<PolicySnapshot, LearnerError> {
        let snapshot = self.snapshot(self.updates)?;
        let broken =
            snapshot.policies.iter().find(|policy| policy.network.parameters.iter().any(|x| !x.is_finite()));
        match broken {
            Some(policy) => Err(self.diverged(&policy.group.name)),
            None => Ok(snapshot),
        }
    }

    fn diverged(&self, policy: &str) -> LearnerError {
        LearnerError::Diverged { policy: policy.into(), updates: self.updates }
    }

    /// Draws a minibatch from the replay buffer.
    fn draw(&mut self) {
        self.replay.sample(self.config.batch_size, &mut self.sampling, &mut self.indices);
        let mut normalizers = vec![&self.groups[0].normalizer; self.spec.agents()];
        for group in &self.groups {
            for &slot in &group.group.slots {
                normalizers[slot] = &group.normalizer;
            }
        }
        self.batch.gather(&self.replay, &self.indices, &self.spec, &normalizers);
    }

    /// Each slot's smoothed target action at the next observations, `[batch, action_size]`.
    fn target_actions(&mut self) -> Result<Vec<Tensor>> {
        let rows = self.batch.rows;
        let mut actions: Vec<Option<Tensor>> = vec![None; self.spec.agents()];
        for group in &self.groups {
            let inputs =
                group.own_observations(&self.batch.next_observations, rows, &self.spec, &self.device)?;
            let outputs = group.actor.forward(&inputs, &group.weights.actor_target.as_detached_tensor())?;
            let mut all = outputs.squeeze(0)?.tanh()?;
            if self.config.target_noise > 0.0 {
                let clip = self.config.target_noise_clip;
                let noise: Vec<f32> = StandardNormal
                    .sample_iter(&mut self.smoothing)
                    .take(all.elem_count())
                    .map(|normal: f32| (self.config.target_noise * normal).clamp(-clip, clip))
                    .collect();
                all = (all.clone() + Tensor::from_vec(noise, all.shape(), &self.device)?)?
                    .clamp(-1f32, 1f32)?;
            }
            for (member, &slot) in group.group.slots.iter().enumerate() {
                actions[slot] = Some(all.narrow(0, member * rows, rows)?);
            }
        }
        Ok(actions.into_iter().map(|action| action.expect("each slot is in one group")).collect())
    }

    /// The critics' inputs and regression targets of one group, its members' rows one below the other:
    /// `[members * batch, inputs]` and `[members * batch, 1]`.
    fn critic_batch(&self, index: usize, target_actions: &[Tensor]) -> Result<(Tensor, Tensor)> {
        let group = &self.groups[index];
        let Batch { rows, observations, next_observations, actions, rewards, continues } = &self.batch;
        let (mut now, mut next) = (Vec::new(), Vec::new());
        let mut next_actions = Vec::with_capacity(group.views.len());
        for view in &group.views {
            view.gather(observations, Some(actions), *rows, &mut now);
            view.gather(next_observations, None, *rows, &mut next);
            let seen: Vec<&Tensor> = view.slots.iter().map(|&slot| &target_actions[slot]).collect();
            next_actions.push(Tensor::cat(&seen, 1)?);
        }
        let count = rows * group.views.len();
        let view = &group.views[0];
        let now = Tensor::from_vec(now, (count, view.observation_size() + view.action_size()), &self.device)?;
        let next = Tensor::from_vec(next, (count, view.observation_size()), &self.device)?;
        let next = Tensor::cat(&[&next, &Tensor::cat(&next_actions, 0)?], 1)?;
        let values =
            group.critics.forward(&next, &group.weights.critics_target.as_detached_tensor())?.min(0)?;
        let agents = self.spec.agents();
        let scaled =
            |slot: usize| rewards.iter().skip(slot).step_by(agents).map(|r| r * self.config.reward_scale);
        let rewards: Vec<f32> = group.group.slots.iter().flat_map(|&slot| scaled(slot)).collect();
        let discounts: Vec<f32> = continues.iter().map(|c| c * self.config.gamma).collect();
        let rewards = Tensor::from_vec(rewards, (count, 1), &self.device)?;
        let discounts = Tensor::from_vec(discounts.repeat(group.views.len()), (count, 1), &self.device)?;
        Ok((now, (rewards + (discounts * values)?)?.detach()))
    }

    /// One step of a group's actor up its first critic.
    fn update_actor(
        &mut self,
        index: usize,
        critic_inputs: &Tensor,
        measure: bool,
        measures: &mut Measures,
    ) -> Result<()> {
        let share = 1.0 / self.groups.len() as f32;
        let group = &mut self.groups[index];
        let own =
            group.own_observations(&self.batch.observations, self.batch.rows, &self.spec, &self.device)?;
        let outputs = group.actor.forward(&own, &group.weights.actor)?.squeeze(0)?;
        let actions = outputs.tanh()?;
        let start = group.views[0].observation_size();
        let columns = start..start + group.group.agent.action_size;
        let critic = group.weights.critics.as_detached_tensor().narrow(
            0,
            0,
            group.first_critic.shape().parameters(),
        )?;
        let values = group.first_critic.forward_columns(critic_inputs, &actions, columns, &critic)?;
        let penalty = (outputs.sqr()?.mean_all()? * f64::from(self.config.action_penalty))?;
        let loss = (penalty - values.mean_all()?)?;
        let gradients = loss.backward()?;
        let weights = &mut group.weights;
        let gradient = reached(gradients.get(&weights.actor))?;
        let (rate, clip) = (self.config.actor_learning_rate, self.config.gradient_clip);
        measures.actor_gradient_norm +=
            share * weights.actor_adam.step(&weights.actor, gradient, rate, clip)?;
        if measure {
            measures.actor_loss += share * loss.to_scalar::<f32>()?;
            let saturated = actions.detach().abs()?.gt(0.95)?.to_dtype(DType::F32)?.mean_all()?;
            measures.saturation += share * saturated.to_scalar::<f32>()?;
        }
        Ok(())
    }
}

fn reached(gradient: Option<&Tensor>) -> Result<&Tensor> {
    match gradient {
        Some(gradient) => Ok(gradient),
        None => candle_core::bail!("no gradient reached the parameters"),
    }
}
