use std::sync::Arc;

use candle_core::Device;

use super::{
    batch::{Draw, draw_noise},
    config::LearnerConfig,
    engine::{self, Engine, GroupSetup, Measures, Setup, Weights},
    replay::{ReplayBuffer, RowSizes},
    statistics::RunningStatistics,
    values::ValueScale,
};
use crate::{
    policy::{ArenaSpec, Network, Normalizer, Policy, PolicySnapshot, SpecError},
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
/// 3. every `policy_delay` updates, its actor climbs the first critic's value of its own action, smoothed by the same
///    noise, the other agents' actions as replayed, and all targets follow by Polyak averaging.
#[derive(Debug)]
pub struct Learner {
    pub(super) setup: Arc<Setup>,
    pub(super) engine: Box<dyn Engine>,
    pub(super) seed: u64,
    pub(super) scaling: Vec<Scaling>,
    pub(super) replay: ReplayBuffer,
    /// The scale of each policy's values.
    pub(super) values: Vec<ValueScale>,
    pub(super) transitions: u64,
    pub(super) updates: u64,
    /// Transitions that must be stored before the next update.
    pub(super) ready_at: usize,
    pub(super) sampling: Random,
    pub(super) smoothing: Random,
    /// The scaling of joint observations.
    joint: Normalizer,
    indices: Vec<usize>,
    noise: Vec<f32>,
    measures: Vec<Measures>,
    /// `values` by slot.
    slot_values: Vec<ValueScale>,
}

/// Updates from one move of the values' scale to the next.
const UPDATES_PER_RESCALING: u64 = 10;

/// How the observations of one policy's agents are scaled.
#[derive(Debug)]
pub(super) struct Scaling {
    pub(super) statistics: RunningStatistics,
    normalizer: Normalizer,
}

impl Scaling {
    pub(super) fn new(statistics: RunningStatistics) -> Self {
        Self { normalizer: statistics.normalizer(), statistics }
    }
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
    /// If the agents of one behavior differ in size, a behavior that the settings name is missing, or the device fails.
    pub fn new(
        config: LearnerConfig,
        spec: ArenaSpec,
        device: Device,
        seed: u64,
    ) -> std::result::Result<Self, LearnerError> {
        let mut initial = stream(seed, "weights", 0);
        config.independent.iter().try_for_each(|behavior| spec.check_behavior(behavior))?;
        let groups = spec.groups(config.share_policies)?;
        let groups: Vec<_> = groups.into_iter().map(|group| GroupSetup::new(group, &config, &spec)).collect();
        let weights = groups.iter().map(|group| Weights::new(group, &config, &mut initial)).collect();
        let scaling = groups.iter().map(|group| group.group.agent.observation_size);
        let scaling = scaling.map(|size| Scaling::new(RunningStatistics::new(size))).collect();
        let sizes = RowSizes::of(&spec);
        let setup = Arc::new(Setup { config, spec, groups });
        Ok(Self {
            ready_at: setup.config.learning_starts.max(1),
            replay: ReplayBuffer::new(sizes, setup.config.replay_capacity),
            scaling,
            measures: vec![Measures::default(); setup.groups.len()],
            values: vec![ValueScale::fixed(setup.config.reward_scale); setup.groups.len()],
            slot_values: vec![ValueScale::fixed(1.0); setup.spec.agents()],
            setup: setup.clone(),
            engine: engine::open(setup, weights, &device)?,
            seed,
            transitions: 0,
            updates: 0,
            sampling: stream(seed, "replay sampling", 0),
            smoothing: stream(seed, "target smoothing", 0),
            joint: Normalizer::identity(sizes.observation),
            indices: Vec::new(),
            noise: Vec::new(),
        })
    }

    /// The learner's settings.
    pub fn config(&self) -> &LearnerConfig {
        &self.setup.config
    }

    /// The arenas it learns from.
    pub fn spec(&self) -> &ArenaSpec {
        &self.setup.spec
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
        let Setup { config, spec, groups } = &*self.setup;
        if !config.normalize_observations {
            return;
        }
        for (scaling, group) in self.scaling.iter_mut().zip(groups) {
            let size = group.group.agent.observation_size;
            for &slot in &group.group.slots {
                let offset = spec.observation_offset(slot);
                for row in block.observations.chunks_exact(spec.joint_observation_size()) {
                    scaling.statistics.push(&row[offset..offset + size]);
                }
            }
            scaling.normalizer = scaling.statistics.normalizer();
        }
        self.refresh_joint_normalizer();
    }

    /// Puts the policies' normalizers together, slot by slot.
    pub(super) fn refresh_joint_normalizer(&mut self) {
        let Setup { spec, groups, .. } = &*self.setup;
        for (scaling, group) in self.scaling.iter().zip(groups) {
            for &slot in &group.group.slots {
                let start = spec.observation_offset(slot);
                let range = start..start + group.group.agent.observation_size;
                self.joint.mean[range.clone()].copy_from_slice(&scaling.normalizer.mean);
                self.joint.scale[range].copy_from_slice(&scaling.normalizer.scale);
                self.joint.clip = scaling.normalizer.clip;
            }
        }
    }

    /// One update of all policies. Measuring reads numbers back from a GPU; where `measure` is false all measures are
    /// zero.
    ///
    /// # Errors
    /// If the tensor library fails, or the weights stop being finite (checked where measured).
    pub fn update(&mut self, measure: bool) -> std::result::Result<Measures, LearnerError> {
        let Setup { config, spec, groups } = &*self.setup;
        if config.normalize_values && self.updates == 0 {
            for (values, group) in self.values.iter_mut().zip(groups) {
                *values = ValueScale::guess(&self.replay, &group.group.slots, config.gamma);
            }
        }
        for (values, group) in self.values.iter().zip(groups) {
            group.group.slots.iter().for_each(|&slot| self.slot_values[slot] = *values);
        }
        self.replay.sample(config.batch_size, &mut self.sampling, &mut self.indices);
        let width = spec.joint_action_size();
        draw_noise(&mut self.noise, config.batch_size, width, config, &mut self.smoothing);
        self.updates += 1;
        let actors_too = self.updates.is_multiple_of(u64::from(config.policy_delay));
        let draw = Draw {
            replay: &self.replay,
            indices: &self.indices,
            normalizer: &self.joint,
            values: &self.slot_values,
            gamma: config.gamma,
            noise: &self.noise,
        };
        let rescale = config.normalize_values && self.updates.is_multiple_of(UPDATES_PER_RESCALING);
        let measured = (measure || rescale).then_some(&mut self.measures[..]);
        self.engine.update(&draw, actors_too, measured)?;
        let mean = if measure { self.mean_measures()? } else { Measures::default() };
        if rescale {
            self.rescale_values()?;
        }
        Ok(Measures { actors_updated: actors_too, ..mean })
    }

    /// What was just measured, averaged over the policies.
    fn mean_measures(&self) -> std::result::Result<Measures, LearnerError> {
        let mut mean = Measures::default();
        let share = 1.0 / self.measures.len() as f32;
        for ((measures, setup), values) in self.measures.iter().zip(&self.setup.groups).zip(&self.values) {
            if !measures.critic_loss.is_finite() {
                return Err(self.diverged(&setup.group.name));
            }
            mean.critic_loss += share * measures.critic_loss;
            mean.actor_loss += share * measures.actor_loss;
            mean.q_mean += share * values.value(measures.q_mean);
            mean.saturation += share * measures.saturation;
            mean.critic_gradient_norm += share * measures.critic_gradient_norm;
            mean.actor_gradient_norm += share * measures.actor_gradient_norm;
        }
        Ok(mean)
    }

    /// Moves the scales of values after what the critics were just seen to regress to.
    fn rescale_values(&mut self) -> std::result::Result<(), LearnerError> {
        for (index, (values, measures)) in self.values.iter_mut().zip(&self.measures).enumerate() {
            if measures.target_square.is_finite() {
                let rescaling = values.follow(measures.target_mean, measures.target_square);
                self.engine.rescale_values(index, rescaling)?;
            }
        }
        Ok(())
    }

    /// The policies that act now, averaged as the settings say, with the noise-free networks and normalizers that act.
    ///
    /// # Errors
    /// If the device fails.
    pub fn snapshot(&self, version: u64) -> std::result::Result<PolicySnapshot, LearnerError> {
        let policies = self.setup.groups.iter().zip(&self.scaling).enumerate();
        let policies = policies.map(|(index, (setup, scaling))| {
            Ok(Policy {
                group: setup.group.clone(),
                normalizer: scaling.normalizer.clone(),
                network: Network { shape: setup.actor.clone(), parameters: self.engine.acting(index)? },
            })
        });
        Ok(PolicySnapshot {
            version,
            updates: self.updates,
            seed: self.seed,
            policies: policies.collect::<candle_core::Result<_>>()?,
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

    /// Computes on a second thread as well, of the `rayon` pool that the calling thread belongs to, if the device lets
    /// it. The numbers stay the same.
    pub(super) fn share_work(&mut self) {
        self.engine.share_work();
    }

    fn diverged(&self, policy: &str) -> LearnerError {
        LearnerError::Diverged { policy: policy.into(), updates: self.updates }
    }
}
