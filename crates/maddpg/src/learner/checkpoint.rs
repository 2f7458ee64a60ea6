use std::path::{Path, PathBuf};

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::{
    Device, Learner, LearnerError, config::LearnerConfig, statistics::RunningStatistics, update::Scaling,
    values::ValueScale,
};
use crate::{
    policy::ArenaSpec,
    tensor_file::{self, FileError, Tensor, Tensors},
};

/// The `format` of a checkpoint.
const FORMAT: &str = "bevy_maddpg checkpoint v4";

/// Name of the tensor with the replay buffer's numbers.
const REPLAY: &str = "replay";

/// A learner resumed without its replay buffer first collects this many transitions, so that a trained policy is not
/// skewed by a few recent samples.
const REFILL: usize = 20_000;

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be written or read, or it is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The learner cannot be created, or its device failed.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// The checkpoint belongs to a training with other agents.
    #[error("the checkpoint `{}` does not fit this training: {reason}", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What does not match.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    spec: ArenaSpec,
    config: LearnerConfig,
    /// Whether the critics are told which slots are empty.
    has_absences: bool,
    seed: u64,
    updates: u64,
    transitions: u64,
    sampling: Xoshiro256PlusPlus,
    smoothing: Xoshiro256PlusPlus,
    groups: Vec<GroupHeader>,
    /// The replay buffer's next write position, if the buffer is in the file.
    replay_next: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct GroupHeader {
    name: String,
    actor_steps: u64,
    critic_steps: u64,
    values: ValueScale,
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Learner {
    /// Writes everything the learner needs to continue: weights, target networks, optimizer moments, normalizers,
    /// counters, random streams, and the replay buffer if `with_replay`. The file is replaced as a whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written or the device fails.
    pub fn save(&self, path: &Path, with_replay: bool) -> Result<(), CheckpointError> {
        let mut tensors = Tensors::new();
        let mut groups = Vec::new();
        let weights = self.engine.weights().map_err(LearnerError::from)?;
        let policies = self.setup.groups.iter().zip(&self.scaling).zip(&self.values);
        for (mut weights, ((setup, scaling), values)) in weights.into_iter().zip(policies) {
            let name = &setup.group.name;
            for (part, numbers) in weights.parts() {
                let tensor = Tensor { shape: vec![numbers.len()], data: std::mem::take(numbers) };
                tensors.insert(format!("{name}.{part}"), tensor);
            }
            groups.push(GroupHeader {
                name: name.clone(),
                actor_steps: weights.actor_adam.steps,
                critic_steps: weights.critics_adam.steps,
                values: *values,
                count: scaling.statistics.count,
                mean: scaling.statistics.mean.clone(),
                squares: scaling.statistics.squares.clone(),
            });
        }
        if with_replay {
            let data = self.replay.numbers().to_vec();
            tensors.insert(REPLAY.into(), Tensor { shape: vec![data.len()], data });
        }
        let header = Header {
            spec: self.setup.spec.clone(),
            config: self.setup.config.clone(),
            has_absences: self.setup.has_absences,
            seed: self.seed,
            updates: self.updates,
            transitions: self.transitions,
            sampling: self.sampling.clone(),
            smoothing: self.smoothing.clone(),
            groups,
            replay_next: with_replay.then(|| self.replay.next()),
        };
        Ok(tensor_file::write(path, FORMAT, &header, &tensors)?)
    }

    /// Loads a checkpoint of a training with the agents of `spec`. The settings and the seed come from the checkpoint.
    ///
    /// # Errors
    /// If the file is missing, damaged, or was made with other agents, or if the device fails.
    pub fn load(path: &Path, spec: &ArenaSpec, device: Device) -> Result<Self, CheckpointError> {
        let (header, mut tensors): (Header, Tensors) = tensor_file::read(path, FORMAT)?;
        if header.spec != *spec {
            return Err(CheckpointError::Mismatch {
                path: path.into(),
                reason: format!("it was made with the agents {}; but this training has {spec}", header.spec),
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
        let mut learner = Self::new(header.config, header.spec, device, header.seed)?;
        if header.has_absences {
            learner.show_absences()?;
        }
        let mut weights = learner.engine.weights().map_err(LearnerError::from)?;
        if weights.len() != header.groups.len() {
            let (found, expected) = (header.groups.len(), weights.len());
            return Err(damaged(format!("it has {found} policies, expected {expected}")).into());
        }
        let policies = learner.scaling.iter_mut().zip(&mut learner.values);
        for ((weights, (scaling, values)), saved) in weights.iter_mut().zip(policies).zip(header.groups) {
            for (part, numbers) in weights.parts() {
                *numbers = take(&format!("{}.{part}", saved.name), Some(numbers.len()))?;
            }
            weights.actor_adam.steps = saved.actor_steps;
            weights.critics_adam.steps = saved.critic_steps;
            *values = saved.values;
            let GroupHeader { name, count, mean, squares, .. } = saved;
            let size = scaling.statistics.mean.len();
            if mean.len() != size || squares.len() != size {
                return Err(damaged(format!("its statistics of `{name}` have the wrong size")).into());
            }
            *scaling = Scaling::new(RunningStatistics { count, mean, squares });
        }
        learner.engine.set_weights(weights).map_err(LearnerError::from)?;
        learner.refresh_joint_normalizer();
        if let Some(next) = header.replay_next {
            learner.replay.restore(next, take(REPLAY, None)?).map_err(damaged)?;
        } else {
            let wanted = usize::try_from(header.transitions).unwrap_or(usize::MAX).min(REFILL);
            learner.ready_at = learner.ready_at.max(wanted).min(learner.setup.config.replay_capacity);
        }
        learner.updates = header.updates;
        learner.transitions = header.transitions;
        learner.sampling = header.sampling;
        learner.smoothing = header.smoothing;
        Ok(learner)
    }
}
