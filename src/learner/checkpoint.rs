use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor as CandleTensor, Var};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::{
    Learner, LearnerError,
    config::LearnerConfig,
    replay::{ReplayBuffer, RowSizes},
    update::Group,
};
use crate::{
    policy::ArenaSpec,
    tensor_file::{self, FileError, Tensor, Tensors},
    transition::TransitionBlock,
};

/// The `format` of a checkpoint.
const FORMAT: &str = "bevy_maddpg checkpoint v1";

/// A learner resumed without its replay buffer collects so many transitions before it goes on: a trained policy
/// should not be bent by the little it has just seen.
const REFILL: usize = 20_000;

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The device.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// A checkpoint of another game or other settings.
    #[error("the checkpoint `{}` does not fit this training: {reason}", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    spec: ArenaSpec,
    config: LearnerConfig,
    seed: u64,
    updates: u64,
    transitions: u64,
    sampling: Xoshiro256PlusPlus,
    smoothing: Xoshiro256PlusPlus,
    groups: Vec<GroupHeader>,
    replay: Option<ReplayHeader>,
}

#[derive(Serialize, Deserialize)]
struct GroupHeader {
    name: String,
    actor_steps: u64,
    critic_steps: u64,
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct ReplayHeader {
    next: usize,
    len: usize,
}

impl Learner {
    /// Writes everything the learner needs to go on: weights, targets, optimizer moments, normalizers, counters,
    /// random streams, and the replay buffer if `with_replay`. The file is replaced whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written or the device fails.
    pub fn save(&self, path: &Path, with_replay: bool) -> Result<(), CheckpointError> {
        let mut tensors = Tensors::new();
        let mut groups = Vec::new();
        for group in &self.groups {
            for (name, var) in parts(group) {
                let data = var.as_detached_tensor().to_vec1().map_err(LearnerError::from)?;
                let shape = vec![data.len()];
                tensors.insert(format!("{}.{name}", group.group.name), Tensor { shape, data });
            }
            groups.push(GroupHeader {
                name: group.group.name.clone(),
                actor_steps: group.weights.actor_adam.steps,
                critic_steps: group.weights.critics_adam.steps,
                count: group.statistics.count,
                mean: group.statistics.mean.clone(),
                squares: group.statistics.squares.clone(),
            });
        }
        let rows = self.replay.rows();
        if with_replay {
            let terminated: Vec<f32> = rows.terminated.iter().map(|&t| if t { 1.0 } else { 0.0 }).collect();
            for (name, data) in [
                ("observations", &rows.observations),
                ("actions", &rows.actions),
                ("rewards", &rows.rewards),
                ("next_observations", &rows.next_observations),
                ("terminated", &terminated),
            ] {
                let (shape, data) = (vec![data.len()], data.clone());
                tensors.insert(format!("replay/{name}"), Tensor { shape, data });
            }
        }
        let header = Header {
            spec: self.spec.clone(),
            config: self.config.clone(),
            seed: self.seed,
            updates: self.updates,
            transitions: self.transitions,
            sampling: self.sampling.clone(),
            smoothing: self.smoothing.clone(),
            groups,
            replay: with_replay.then(|| ReplayHeader { next: self.replay.next(), len: self.replay.len() }),
        };
        Ok(tensor_file::write(path, FORMAT, &header, &tensors)?)
    }

    /// Reads a checkpoint of a training of `spec`; the settings and the seed are the checkpoint's.
    ///
    /// # Errors
    /// If the file is missing, damaged, or of another game.
    pub fn load(path: &Path, spec: &ArenaSpec, device: Device) -> Result<Self, CheckpointError> {
        let (header, mut tensors): (Header, Tensors) = tensor_file::read(path, FORMAT)?;
        if header.spec != *spec {
            return Err(CheckpointError::Mismatch {
                path: path.into(),
                reason: format!(
                    "it was made with the agents {:?}, here are {:?}",
                    header.spec.slots, spec.slots
                ),
            });
        }
        let damaged = |reason: String| FileError::damaged(path, FORMAT, reason);
        let mut take = |name: &str, length: Option<usize>| {
            let tensor = tensors.remove(name).ok_or_else(|| damaged(format!("it has no tensor `{name}`")))?;
            match length {
                Some(length) if tensor.data.len() != length => {
                    let found = tensor.data.len();
                    Err(damaged(format!("its tensor `{name}` has {found} numbers, expected {length}")))
                }
                _ => Ok(tensor.data),
            }
        };
        let mut learner = Self::new(header.config, header.spec, device.clone(), header.seed)?;
        if learner.groups.len() != header.groups.len() {
            return Err(damaged(format!(
                "it has {} policies, expected {}",
                header.groups.len(),
                learner.groups.len()
            ))
            .into());
        }
        for (group, saved) in learner.groups.iter_mut().zip(header.groups) {
            for (name, var) in parts(group) {
                let data = take(&format!("{}.{name}", saved.name), Some(var.elem_count()))?;
                let tensor =
                    CandleTensor::from_vec(data, var.shape(), &device).map_err(LearnerError::from)?;
                var.set(&tensor).map_err(LearnerError::from)?;
            }
            if saved.mean.len() != group.statistics.mean.len() || saved.squares.len() != saved.mean.len() {
                return Err(damaged(format!("its statistics of `{}` have the wrong size", saved.name)).into());
            }
            group.weights.actor_adam.steps = saved.actor_steps;
            group.weights.critics_adam.steps = saved.critic_steps;
            group.statistics.count = saved.count;
            group.statistics.mean = saved.mean;
            group.statistics.squares = saved.squares;
            group.refresh_normalizer();
        }
        if let Some(ReplayHeader { next, len }) = header.replay {
            let sizes = RowSizes {
                observation: spec.joint_observation_size(),
                action: spec.joint_action_size(),
                agents: spec.agents(),
            };
            let capacity = learner.config.replay_capacity;
            if len > capacity || next > len {
                return Err(damaged(format!(
                    "its replay buffer holds {len} of {capacity} and writes at {next}"
                ))
                .into());
            }
            let rows = TransitionBlock {
                observations: take("replay/observations", Some(len * sizes.observation))?,
                actions: take("replay/actions", Some(len * sizes.action))?,
                rewards: take("replay/rewards", Some(len * sizes.agents))?,
                next_observations: take("replay/next_observations", Some(len * sizes.observation))?,
                terminated: take("replay/terminated", Some(len))?.into_iter().map(|t| t > 0.5).collect(),
            };
            learner.replay = ReplayBuffer::restore(sizes, capacity, next, rows);
        } else {
            let wanted = usize::try_from(header.transitions).unwrap_or(usize::MAX).min(REFILL);
            learner.ready_at = learner.ready_at.max(wanted).min(learner.config.replay_capacity);
        }
        learner.updates = header.updates;
        learner.transitions = header.transitions;
        learner.sampling = header.sampling;
        learner.smoothing = header.smoothing;
        Ok(learner)
    }
}

/// The tensors of a group's state, by name.
fn parts(group: &Group) -> [(&'static str, &Var); 9] {
    let weights = &group.weights;
    let ([actor_m, actor_v], [critics_m, critics_v]) =
        (&weights.actor_adam.moments, &weights.critics_adam.moments);
    [
        ("actor", &weights.actor),
        ("actor_target", &weights.actor_target),
        ("policy", &weights.policy),
        ("actor_first_moment", actor_m),
        ("actor_second_moment", actor_v),
        ("critics", &weights.critics),
        ("critics_target", &weights.critics_target),
        ("critics_first_moment", critics_m),
        ("critics_second_moment", critics_v),
    ]
}
