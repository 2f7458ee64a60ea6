mod scaling;
mod value_scales;

use std::{iter, sync::Arc};

use rand::RngExt;

pub(super) use self::scaling::Scaling;
use super::{
    batch::{Draw, Total, draw_noise},
    config::{ConfigError, LearnerConfig},
    device::Device,
    engine::{self, Engine, EngineError, Setup, UpdateStatistics, Weights},
    images::Shift,
    memory::{Bytes, Memory},
    replay::ReplayBuffer,
    statistics::RunningStatistics,
    values::ValueScale,
};
use crate::{
    policy::{ArenaSpec, Network, Normalizer, Policy, PolicySnapshot, SpecError},
    random::{Random, stream},
    transition::TransitionBlock,
};

/// The MADDPG learner: replay buffer, networks and updates, all on the calling thread.
///
/// One update (Lowe et al. 2017, algorithm 1, with TD3's improvements as settings) uses one minibatch for all agents:
///
/// 1. The target actors compute all agents' actions at the next observations; clipped noise smooths them.
/// 2. The critics of each policy regress to `reward + gamma * value`, where `value` is the lower one of the target
///    critics' values. If the game ended the episode, they regress to the reward alone. A time limit does not count as
///    an end.
/// 3. Every `policy_delay` updates, each actor maximizes the first critic's value of its own action, smoothed by the
///    same noise. The other agents' actions come from the replay buffer. Then all target networks move towards the
///    trained networks (Polyak averaging).
///
/// Choices are drawn from the target policies in step 1. In step 3, a branch with at most
/// [`exact_choices`](LearnerConfig::exact_choices) choices follows the exact gradient of the expected value over its
/// choices. A branch with more choices follows the gapped straight-through estimator.
#[derive(Debug)]
pub struct Learner {
    pub(super) setup: Arc<Setup>,
    pub(super) engine: Box<dyn Engine>,
    device: Device,
    shares_work: bool,
    pub(super) seed: u64,
    pub(super) scaling: Vec<Scaling>,
    pub(super) replay: ReplayBuffer,
    /// The scale of each policy's values.
    pub(super) values: Vec<ValueScale>,
    pub(super) transitions: u64,
    pub(super) updates: u64,
    /// Number of updates that the value scales have taken into account.
    pub(super) followed: u64,
    /// Number of transitions that must be stored before updates start.
    pub(super) ready_at: usize,
    pub(super) sampling: Random,
    pub(super) smoothing: Random,
    /// Normalizes joint observations.
    joint: Normalizer,
    indices: Vec<usize>,
    /// Which rows of the minibatch are replaced by their mirror images; empty without mirrors.
    reflected: Vec<bool>,
    /// How the images in each row of the minibatch are moved, now and next; empty if they are not moved.
    shifts: Vec<[Shift; 2]>,
    noise: Vec<f32>,
    totals: Vec<Total>,
    pub(super) note: String,
    decision_seconds: Option<f64>,
    measures: Vec<UpdateStatistics>,
    /// `values` by slot.
    slot_values: Vec<ValueScale>,
}

/// Number of updates from one change of the value scales to the next.
const UPDATES_PER_RESCALING: u64 = 10;

/// A learner that cannot be created or cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnerError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The agents do not match each other or the settings.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The settings need more memory than there is.
    #[error(
        "the settings need {needed}, but only {} of memory is available; lower `{}`, or free memory",
        Bytes(*.available), .needed.largest()
    )]
    Memory {
        /// What the settings need.
        needed: Memory,
        /// How much memory is available, in bytes.
        available: u64,
    },
    /// The device failed.
    #[error("the learner's device failed: {0}; the device `cpu` needs neither a driver nor a GPU")]
    Device(String),
    /// The operating system could not start the learner's thread.
    #[error("cannot start the learner's thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The weights or the critics' loss are no longer finite.
    #[error(
        "training diverged: the weights of policy `{policy}` are no longer finite after {updates} updates; lower the \
         learning rates or `gradient_clip`, or check the rewards for NaN and infinity"
    )]
    Diverged {
        /// The policy's name.
        policy: String,
        /// Updates done so far.
        updates: u64,
    },
}

impl From<EngineError> for LearnerError {
    fn from(error: EngineError) -> Self {
        // The lines after the first are a backtrace, if backtraces are enabled.
        Self::Device(error.to_string().lines().next().unwrap_or_default().into())
    }
}

impl Learner {
    /// Creates a learner with new random weights for arenas whose agents are those in `spec`.
    ///
    /// # Errors
    /// If a setting is out of range, if the settings need more memory than is available, if agents of one behavior observe
    /// or act differently, if the settings name a behavior that no agent has or do not fit the agents, or if the device
    /// fails.
    pub fn new(
        config: LearnerConfig,
        spec: ArenaSpec,
        device: Device,
        seed: u64,
    ) -> Result<Self, LearnerError> {
        Self::with_memory_held(config, spec, device, seed, 0)
    }

    /// As [`new`](Self::new), for a process that already holds `held` bytes of the memory that the learner needs.
    pub(super) fn with_memory_held(
        config: LearnerConfig,
        spec: ArenaSpec,
        device: Device,
        seed: u64,
        held: u64,
    ) -> Result<Self, LearnerError> {
        config.check()?;
        config.check_memory(&spec, held)?;
        let mut initial = stream(seed, "weights", 0);
        let setup = Setup::new(config, spec, false)?;
        let Setup { config, spec, groups, .. } = &setup;
        let weights = groups.iter().map(|group| Weights::new(group, config, &mut initial)).collect();
        let scaling = groups.iter().map(|group| &group.group.agent);
        let scaling = scaling.map(|agent| Scaling::new(RunningStatistics::new(Scaling::size(agent)), agent));
        let scaling = scaling.collect();
        let replay = ReplayBuffer::of(spec, config.replay_capacity);
        let joint = Normalizer::identity(spec.joint_observation_size());
        let setup = Arc::new(setup);
        Ok(Self {
            ready_at: setup.config.learning_starts.max(1),
            replay,
            scaling,
            measures: vec![UpdateStatistics::default(); setup.groups.len()],
            values: vec![ValueScale::fixed(setup.config.reward_scale); setup.groups.len()],
            slot_values: vec![ValueScale::fixed(1.0); setup.spec.agents()],
            setup: setup.clone(),
            engine: engine::open(setup, weights, &device)?,
            device,
            shares_work: false,
            seed,
            transitions: 0,
            updates: 0,
            followed: 0,
            sampling: stream(seed, "replay sampling", 0),
            smoothing: stream(seed, "target smoothing", 0),
            joint,
            indices: Vec::new(),
            reflected: Vec::new(),
            shifts: Vec::new(),
            noise: Vec::new(),
            totals: Vec::new(),
            note: String::new(),
            decision_seconds: None,
        })
    }

    /// The text that was stored with [`set_note`](Self::set_note), also by the training that wrote the loaded checkpoint.
    /// Empty if there is none.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Stores a text in all checkpoints from now on. Use it for what the training program must find again, such as its
    /// counters.
    pub fn set_note(&mut self, note: String) {
        self.note = note;
    }

    /// Stores the time from one decision to the next, in seconds of the game, in all snapshots from now on; see
    /// [`PolicySnapshot::decision_seconds`].
    pub fn set_decision_seconds(&mut self, seconds: Option<f64>) {
        self.decision_seconds = seconds;
    }

    /// The learner's settings.
    pub fn config(&self) -> &LearnerConfig {
        &self.setup.config
    }

    /// The agents of the arenas that the learner learns from.
    pub fn spec(&self) -> &ArenaSpec {
        &self.setup.spec
    }

    /// The seed that the learner was created with.
    pub fn seed(&self) -> u64 {
        self.seed
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

    /// Whether enough transitions are stored to start updating. [`update`](Self::update) itself does not check this.
    pub fn is_ready(&self) -> bool {
        self.replay.len() >= self.ready_at
    }

    /// Stores a block of transitions in the replay buffer and updates the observation statistics.
    ///
    /// # Panics
    /// If the sizes of the block's rows do not match the learner's arenas.
    pub fn remember(&mut self, block: &TransitionBlock) {
        self.replay.push(block);
        self.transitions += block.rows() as u64;
        let Setup { config, spec, groups, fates, reflection, .. } = &*self.setup;
        for (values, group) in self.values.iter_mut().zip(groups) {
            for rewards in block.rewards.chunks_exact(spec.agents()) {
                group.group.slots.iter().for_each(|slot| values.see(fates[*slot].reward(rewards, *slot)));
            }
        }
        if !config.normalize_observations {
            return;
        }
        // With a mirror, half of the transitions that the learner learns from are mirror images.
        let images = reflection.as_ref().map(|reflection| {
            let mut images = block.observations.clone();
            let rows = images.chunks_exact_mut(spec.joint_observation_size());
            rows.for_each(|row| reflection.apply_to_observation(row));
            images
        });
        for (scaling, group) in self.scaling.iter_mut().zip(groups) {
            let size = group.group.agent.observation_size;
            for observations in iter::once(&block.observations).chain(&images) {
                for &slot in &group.group.slots {
                    let offset = spec.observation_offset(slot);
                    let states = block.slots.chunks_exact(spec.agents()).map(|states| states[slot]);
                    for (row, state) in observations.chunks_exact(spec.joint_observation_size()).zip(states) {
                        if state.present {
                            scaling.see(&row[offset..offset + size], &group.group.agent);
                        }
                    }
                }
            }
            scaling.refresh(&group.group.agent);
        }
        self.refresh_joint_normalizer();
    }

    /// Assembles the normalizer of joint observations from the policies' normalizers.
    pub(super) fn refresh_joint_normalizer(&mut self) {
        let Setup { spec, groups, .. } = &*self.setup;
        let mut clip = f32::INFINITY;
        for (scaling, group) in self.scaling.iter().zip(groups) {
            for &slot in &group.group.slots {
                let start = spec.observation_offset(slot);
                let range = start..start + group.group.agent.observation_size;
                self.joint.mean[range.clone()].copy_from_slice(&scaling.normalizer.mean);
                self.joint.scale[range].copy_from_slice(&scaling.normalizer.scale);
                clip = clip.min(scaling.normalizer.clip);
            }
        }
        self.joint.clip = clip;
    }

    /// Updates all policies once, if the replay buffer has any transitions. If `measure` is false, all measured numbers are
    /// zero. On a GPU, measuring takes time, because the numbers must be read back.
    ///
    /// # Errors
    /// If the device fails, or if the critic loss is not finite (checked only if `measure` is true).
    pub fn update(&mut self, measure: bool) -> Result<UpdateStatistics, LearnerError> {
        if self.replay.is_empty() {
            return Ok(UpdateStatistics::default());
        }
        if self.replay.has_absences() && !self.setup.has_absences {
            self.show_absences()?;
        }
        self.guess_values();
        let Setup { config, spec, groups, fates, reflection, images, has_absences, is_choice } = &*self.setup;
        for (values, group) in self.values.iter().zip(groups) {
            group.group.slots.iter().for_each(|&slot| self.slot_values[slot] = *values);
        }
        self.replay.sample(config.batch_size, &mut self.sampling, &mut self.indices);
        self.reflected.clear();
        if reflection.is_some() {
            self.reflected.extend((0..config.batch_size).map(|_| self.sampling.random::<bool>()));
        }
        self.shifts.clear();
        if config.image_shift > 0 && !images.is_empty() {
            let mut draw = || Shift::draw(config.image_shift, &mut self.sampling);
            self.shifts.extend((0..config.batch_size).map(|_| [draw(), draw()]));
        }
        draw_noise(&mut self.noise, config.batch_size, is_choice, config, &mut self.smoothing);
        count_decisions(&self.setup, &self.replay, &self.indices, &mut self.totals);
        self.updates += 1;
        let actors_too = self.updates.is_multiple_of(u64::from(config.policy_delay));
        let draw = Draw {
            replay: &self.replay,
            indices: &self.indices,
            normalizer: &self.joint,
            values: &self.slot_values,
            gamma: config.gamma,
            noise: &self.noise,
            spec,
            fates,
            totals: &self.totals,
            has_absences: *has_absences,
            reflection: reflection.as_ref().map(|reflection| (reflection, &self.reflected[..])),
            images,
            shifts: &self.shifts,
        };
        let rescale = config.normalize_values && self.updates.is_multiple_of(UPDATES_PER_RESCALING);
        let is_measured = measure || rescale || self.engine.measures_at_no_cost();
        let follow = config.normalize_values && is_measured;
        let measured = (measure || follow).then_some(&mut self.measures[..]);
        self.engine.update(&draw, actors_too, measured)?;
        let mean = if measure { self.mean_measures()? } else { UpdateStatistics::default() };
        if follow {
            self.follow_values();
        }
        if rescale {
            self.rescale_values()?;
        }
        Ok(UpdateStatistics { actors_updated: actors_too, ..mean })
    }

    /// From now on, the critics' inputs say which slots are empty. At first, the critics still give the same values.
    pub(super) fn show_absences(&mut self) -> Result<(), LearnerError> {
        let Setup { config, spec, groups, .. } = &*self.setup;
        let setup = Setup::new(config.clone(), spec.clone(), true)?;
        let mut weights = self.engine.weights()?;
        for (weights, (old, new)) in weights.iter_mut().zip(groups.iter().zip(&setup.groups)) {
            weights.widen_critics(&old.critic, &new.critic);
        }
        self.setup = Arc::new(setup);
        self.engine = engine::open(self.setup.clone(), weights, &self.device)?;
        if self.shares_work {
            self.engine.share_work();
        }
        Ok(())
    }

    /// The statistics of the last update, averaged over the policies.
    fn mean_measures(&self) -> Result<UpdateStatistics, LearnerError> {
        let mut mean = UpdateStatistics::default();
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

    /// The current policies, without exploration noise. Their version is the number of updates done.
    ///
    /// # Errors
    /// [`LearnerError::Diverged`] if a weight is not finite, [`LearnerError::Device`] if the device fails.
    pub fn snapshot(&self) -> Result<PolicySnapshot, LearnerError> {
        let policies = self.setup.groups.iter().zip(&self.scaling).enumerate();
        let policies = policies.map(|(index, (setup, scaling))| {
            let network = Network { shape: setup.actor.clone(), parameters: self.engine.acting(index)? };
            Policy::new(setup.group.clone(), scaling.normalizer.clone(), network)
                .map_err(|_| self.diverged(&setup.group.name))
        });
        let policies = policies.collect::<Result<_, LearnerError>>()?;
        let snapshot = PolicySnapshot::new(self.updates, self.updates, self.seed, policies)
            .expect("the groups of an arena contain each slot exactly once");
        Ok(snapshot.with_decision_seconds(self.decision_seconds))
    }

    /// How many threads can share the work of an update.
    pub(super) fn most_threads(&self) -> usize {
        self.engine.most_threads()
    }

    /// From now on, the threads of the `rayon` pool that the calling thread belongs to share the work of an update, if the
    /// engine can. The results stay the same.
    pub(super) fn share_work(&mut self) {
        self.shares_work = true;
        self.engine.share_work();
    }

    pub(super) fn diverged(&self, policy: &str) -> LearnerError {
        LearnerError::Diverged { policy: policy.into(), updates: self.updates }
    }
}

/// Counts, for each policy, the decisions of a minibatch that its critics and its actor learn from.
pub(super) fn count_decisions(
    setup: &Setup,
    replay: &ReplayBuffer,
    indices: &[usize],
    totals: &mut Vec<Total>,
) {
    totals.clear();
    for group in setup.groups.iter().map(|group| &group.group) {
        let mut total = Total { critic: 0.0, actor: 0.0, is_empty: false };
        if setup.has_absences {
            for transition in indices.iter().map(|index| replay.transition(*index)) {
                for &slot in &group.slots {
                    let outcome = setup.fates[slot].outcome(&transition, slot);
                    total.critic += f32::from(outcome.is_known);
                    total.actor += f32::from(outcome.is_known_to_actor);
                }
            }
        } else {
            let all = (indices.len() * group.slots.len()) as f32;
            total = Total { critic: all, actor: all, ..total };
        }
        totals.push(Total {
            critic: total.critic.max(1.0),
            actor: total.actor.max(1.0),
            is_empty: total.critic == 0.0,
        });
    }
}
