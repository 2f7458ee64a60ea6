use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::{
    Device, Learner, LearnerError, config::LearnerConfig, replay::StoredImages,
    statistics::RunningStatistics, update::Scaling, values::ValueScale,
};
use crate::{
    policy::{ArenaSpec, PolicyError, PolicyGroup},
    tensor_file::{self, Content, Data, FileError, Kind, TensorView, Tensors},
};

/// The `format` of a checkpoint.
const FORMAT: &str = "bevy_maddpg checkpoint v5";

/// Checkpoints. If there are many slots, a checkpoint consists mostly of names.
const KIND: Kind = Kind { name: FORMAT, formats: &[FORMAT], header_part: 1, has_bytes: true };

/// Name of the tensor with the replay buffer's numbers.
const REPLAY: &str = "replay";

/// Name of the tensor with the frames of one store of images, 8 bits per number.
fn frames(store: usize) -> String {
    format!("replay.frames.{store}")
}

/// The parts of the weights that are as long as an actor, and those as long as all critics of a policy.
const ACTOR_PARTS: [&str; 5] =
    ["actor", "actor_target", "policy", "actor_first_moment", "actor_second_moment"];
const CRITIC_PARTS: [&str; 4] =
    ["critics", "critics_target", "critics_first_moment", "critics_second_moment"];

/// A learner resumed without its replay buffer first collects this many transitions, so that a few recent transitions
/// do not spoil a trained policy.
const REFILL: usize = 20_000;

/// The learner collects at most this many times `learning_starts`, since a single arena needs half an hour for 20,000
/// decisions.
const REFILL_STARTS: usize = 10;

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
    /// The policy beside the checkpoint cannot be written.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The checkpoint belongs to a training with other agents.
    #[error("the checkpoint `{}` does not fit this training: {reason}", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What does not match.
        reason: String,
    },
}

/// What a checkpoint says about its training.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CheckpointInfo {
    /// The agents in an arena, by slot.
    #[serde(rename = "spec")]
    pub agents: ArenaSpec,
    /// The text that the training program stored with [`Learner::set_note`].
    #[serde(default)]
    pub note: String,
}

impl CheckpointInfo {
    /// Reads only this information from a checkpoint. The weights and the replay buffer are not read, so they may be
    /// damaged.
    ///
    /// # Errors
    /// If the file cannot be read or is no checkpoint.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        Ok(tensor_file::read_header(path.as_ref(), &KIND)?)
    }
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
    /// The text of the training program.
    #[serde(default)]
    note: String,
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
    /// Empty in old checkpoints, which do not contain it.
    #[serde(default)]
    largest: Vec<f64>,
}

impl Learner {
    /// Writes everything the learner needs to continue: weights, target networks, optimizer moments, normalizers,
    /// counters, random streams, and the replay buffer if `with_replay`. The file is replaced as a whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written, a weight is not finite, an observation or a reward was not finite, or the device fails.
    pub fn save(&self, path: impl AsRef<Path>, with_replay: bool) -> Result<(), CheckpointError> {
        let mut tensors = BTreeMap::new();
        let mut groups = Vec::new();
        let mut weights = self.engine.weights().map_err(LearnerError::from)?;
        let policies = self.setup.groups.iter().zip(&self.scaling).zip(&self.values);
        for (weights, ((setup, scaling), values)) in weights.iter_mut().zip(policies) {
            let name = &setup.group.name;
            let (actor_steps, critic_steps) = (weights.actor_adam.steps, weights.critics_adam.steps);
            for (part, numbers) in weights.parts() {
                if !numbers.iter().all(|number| number.is_finite()) {
                    return Err(self.diverged(name).into());
                }
                let tensor = TensorView { shape: vec![numbers.len()], data: Data::Numbers(numbers) };
                tensors.insert(format!("{name}.{part}"), tensor);
            }
            let header = GroupHeader {
                name: name.clone(),
                actor_steps,
                critic_steps,
                values: *values,
                count: scaling.statistics.count,
                mean: scaling.statistics.mean.clone(),
                squares: scaling.statistics.squares.clone(),
                largest: scaling.statistics.largest.clone(),
            };
            // A file that could not be loaded must not replace one that can be.
            if header.check(&setup.group).is_err() {
                return Err(self.diverged(name).into());
            }
            groups.push(header);
        }
        if with_replay {
            let data = self.replay.numbers();
            tensors.insert(REPLAY.into(), TensorView { shape: vec![data.len()], data: Data::Numbers(data) });
            let pixels = self.replay.images().into_iter().flat_map(StoredImages::pixels);
            for (store, data) in pixels.enumerate() {
                tensors
                    .insert(frames(store), TensorView { shape: vec![data.len()], data: Data::Bytes(data) });
            }
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
            note: self.note.clone(),
        };
        Ok(tensor_file::write(path.as_ref(), FORMAT, &header, &tensors)?)
    }

    /// Writes the [current policies](Self::snapshot) to a policy file.
    ///
    /// # Errors
    /// If the file cannot be written, a weight is not finite, or the device fails.
    pub fn save_policy(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        Ok(self.snapshot()?.save(path)?)
    }

    /// Loads a checkpoint of a training with the agents of `spec`. The settings and the seed come from the checkpoint. The
    /// file need not be trusted: before memory is allocated, the sizes that it claims are compared with the bytes that it
    /// has.
    ///
    /// # Errors
    /// If the file is missing, damaged, or was made with other agents, or if the device fails.
    pub fn load(path: impl AsRef<Path>, spec: &ArenaSpec, device: Device) -> Result<Self, CheckpointError> {
        Self::load_with(path, spec, device, None)
    }

    /// As [`load`](Self::load), but with other settings than those in the checkpoint, if some are given.
    ///
    /// # Errors
    /// As [`load`](Self::load), and if a setting differs that must not change; see [`LearnerConfig::changes_from`].
    pub fn load_with(
        path: impl AsRef<Path>,
        spec: &ArenaSpec,
        device: Device,
        settings: Option<&LearnerConfig>,
    ) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let damaged = |reason: String| FileError::damaged(path, FORMAT, reason);
        let content = tensor_file::read(path, &KIND)?;
        let header: Header = content.header().map_err(damaged)?;
        if let Some(difference) = spec.difference(&header.spec) {
            let reason =
                format!("the agents of this training differ from those in the checkpoint: {difference}");
            return Err(CheckpointError::Mismatch { path: path.into(), reason });
        }
        header.config.check().map_err(LearnerError::from)?;
        if let Some(settings) = settings {
            settings
                .check()
                .and_then(|()| settings.changes_from(&header.config))
                .map_err(LearnerError::from)?;
        }
        let groups = header.spec.groups(header.config.share_policies).map_err(LearnerError::from)?;
        header.check(&groups, &content).map_err(damaged)?;
        let config = settings.unwrap_or(&header.config).clone();
        let Content { mut tensors, mut bytes, .. } = content;
        let held = tensors.get(REPLAY).map_or(0, |replay| replay.data.len() * size_of::<f32>());
        let held = held + bytes.values().map(|frames| frames.len()).sum::<usize>();
        let mut learner = Self::with_memory_held(config, spec.clone(), device, header.seed, held as u64)?;
        if header.has_absences {
            learner.show_absences()?;
        }
        learner.note = header.note;
        learner.updates = header.updates;
        learner.followed = header.updates;
        learner.transitions = header.transitions;
        learner.sampling = header.sampling;
        learner.smoothing = header.smoothing;
        // Without an average, the agents acted with the actor itself, and the average in the file still has the initial
        // weights.
        let acts_itself = header.config.policy_average >= 1.0;
        learner.restore_policies(header.groups, acts_itself, &mut tensors)?;
        let (saved, now) = (&header.config, &learner.setup.config);
        let is_changed = (saved.n_step, saved.gamma) != (now.n_step, now.gamma);
        // Rewards of several decisions were summed with the old settings. Even without n-step returns, this concerns the rewards of
        // actions that agents kept.
        let held = tensors.get(REPLAY).map_or(&[][..], |replay| &replay.data);
        let has_sums = || saved.n_step > 1 || now.n_step > 1 || learner.replay.has_sums(held);
        let is_outdated = is_changed && has_sums();
        match header.replay_next {
            Some(_) if is_outdated => {
                log::warn!(
                    "`n_step` or `gamma` has changed, so the replay buffer in the checkpoint is not used"
                );
                learner.collect_first();
            }
            Some(next) => learner.restore_replay(next, &mut tensors, &mut bytes).map_err(damaged)?,
            None => learner.collect_first(),
        }
        Ok(learner)
    }

    /// Restores the weights and the state of each policy, which were [checked](Header::check) before.
    fn restore_policies(
        &mut self,
        headers: Vec<GroupHeader>,
        acts_itself: bool,
        tensors: &mut Tensors,
    ) -> Result<(), LearnerError> {
        let mut weights = self.engine.weights()?;
        let policies = self.scaling.iter_mut().zip(&mut self.values).zip(&self.setup.groups);
        for ((weights, ((scaling, values), group)), header) in weights.iter_mut().zip(policies).zip(headers) {
            let GroupHeader {
                name,
                actor_steps,
                critic_steps,
                values: saved_values,
                count,
                mean,
                squares,
                mut largest,
            } = header;
            for (part, numbers) in weights.parts() {
                *numbers = take(tensors, &format!("{name}.{part}"));
            }
            if acts_itself {
                weights.policy.clone_from(&weights.actor);
            }
            weights.actor_adam.steps = actor_steps;
            weights.critics_adam.steps = critic_steps;
            *values = saved_values;
            if largest.is_empty() {
                largest = RunningStatistics::largest_of_old(mean.len());
            }
            *scaling = Scaling::new(RunningStatistics { count, mean, squares, largest }, &group.group.agent);
        }
        self.engine.set_weights(weights)?;
        self.refresh_joint_normalizer();
        Ok(())
    }

    /// Restores the replay buffer.
    fn restore_replay(
        &mut self,
        next: usize,
        tensors: &mut Tensors,
        bytes: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<(), String> {
        let stores = self.replay.images().map_or(0, StoredImages::stores);
        let pixels = (0..stores).map(|store| bytes.remove(&frames(store)).unwrap_or_default()).collect();
        self.replay.restore(next, take(tensors, REPLAY), pixels)
    }

    /// Starts with an empty replay buffer, and makes no update before the buffer contains enough transitions for a trained
    /// policy.
    fn collect_first(&mut self) {
        let wanted = usize::try_from(self.transitions).unwrap_or(usize::MAX).min(REFILL);
        let wanted = wanted.min(self.ready_at.saturating_mul(REFILL_STARTS));
        self.ready_at = self.ready_at.max(wanted).min(self.setup.config.replay_capacity);
        log::info!(
            "the learner continues without its replay buffer and first collects {} joint transitions",
            self.ready_at
        );
    }
}

/// The numbers of a tensor. [`Header::check`] has made sure that it exists.
fn take(tensors: &mut Tensors, name: &str) -> Vec<f32> {
    tensors.remove(name).map_or_else(Vec::new, |tensor| tensor.data)
}

/// Counters in a checkpoint are at most this, so that they never overflow.
const MOST: u64 = 1 << 53;

impl Header {
    /// Compares everything in the file with what a learner for these policies needs, so that nothing is allocated for sizes
    /// that a damaged or crafted header only claims. The settings were checked.
    fn check(&self, groups: &[PolicyGroup], content: &Content) -> Result<(), String> {
        let Content { tensors, bytes, .. } = content;
        for (name, stream) in [("sampling", &self.sampling), ("smoothing", &self.smoothing)] {
            if is_stuck(stream) {
                return Err(format!(
                    "its random stream `{name}` is all zeros, of which no random numbers can be made"
                ));
            }
        }
        at_most("updates", self.updates, MOST)?;
        at_most("transitions", self.transitions, MOST)?;
        let (found, expected) = (self.groups.len(), groups.len());
        if found != expected {
            return Err(format!("it has {found} policies, expected {expected}"));
        }
        let mut known = 0;
        for (saved, group) in self.groups.iter().zip(groups) {
            saved.check(group)?;
            let [actor, critics] = self.config.parameters(&self.spec, group, self.has_absences);
            let parts = ACTOR_PARTS.into_iter().map(|part| (part, actor));
            for (part, expected) in parts.chain(CRITIC_PARTS.map(|part| (part, critics))) {
                let name = format!("{}.{part}", saved.name);
                let found = numbers(tensors, &name)?.len();
                if Some(found) != expected {
                    let expected = expected.map_or("fewer".into(), |expected| expected.to_string());
                    return Err(format!("its tensor `{name}` has {found} numbers, expected {expected}"));
                }
                known += 1;
            }
        }
        if self.replay_next.is_some() {
            // Empty slots may hold any numbers.
            tensors.get(REPLAY).ok_or_else(|| format!("it has no tensor `{REPLAY}`"))?;
            known += 1;
        }
        let stores = StoredImages::of(&self.spec).filter(|_| self.replay_next.is_some());
        for store in 0..stores.map_or(0, |images| images.stores()) {
            let name = frames(store);
            bytes.get(&name).ok_or_else(|| format!("it has no tensor `{name}`"))?;
            known += 1;
        }
        match tensors.len() + bytes.len() {
            found if found != known => Err(format!("it has {found} tensors, expected {known}")),
            _ => Ok(()),
        }
    }
}

impl GroupHeader {
    fn check(&self, group: &PolicyGroup) -> Result<(), String> {
        let Self { name, values, count, mean, squares, largest, .. } = self;
        if *name != group.name {
            return Err(format!("it has a policy `{name}`, expected `{}`", group.name));
        }
        at_most("actor_steps", self.actor_steps, MOST)?;
        at_most("critic_steps", self.critic_steps, MOST)?;
        let size = Scaling::size(&group.agent);
        let is_whole = largest.is_empty() || largest.len() == size;
        if mean.len() != size || squares.len() != size || !is_whole {
            let (means, squares, largest) = (mean.len(), squares.len(), largest.len());
            return Err(format!(
                "its statistics of `{name}` have {means} means, {squares} squares and {largest} largest values, expected \
                 {size} of each"
            ));
        }
        let is_small = |number: &f64| (*number as f32).is_finite();
        let is_square = |number: &f64| number.is_finite() && *number >= 0.0;
        if !is_square(count) || !mean.iter().all(is_small) || !squares.iter().chain(largest).all(is_square) {
            return Err(format!(
                "its statistics of `{name}` have a number that is out of range, expected finite means, and 0 or more for \
                 their number, their squares and their largest values"
            ));
        }
        if !values.is_finite() || values.deviation <= 0.0 {
            let ValueScale { mean, deviation, .. } = values;
            return Err(format!(
                "the values of `{name}` have the mean {mean} and the deviation {deviation}, expected finite numbers and \
                 a deviation of more than 0"
            ));
        }
        Ok(())
    }
}

/// Whether a random stream gives nothing but zeros.
fn is_stuck(stream: &Xoshiro256PlusPlus) -> bool {
    let mut stream = stream.clone();
    // If the four words of its state are not all zeros, at least one of four steps gives a number that is not 0.
    (0..4).all(|_| stream.next_u64() == 0)
}

fn at_most(what: &str, found: u64, most: u64) -> Result<(), String> {
    if found > most { Err(format!("its `{what}` is {found}, expected at most {most}")) } else { Ok(()) }
}

/// The numbers of a tensor, all finite.
fn numbers<'a>(tensors: &'a Tensors, name: &str) -> Result<&'a [f32], String> {
    let data = &tensors.get(name).ok_or_else(|| format!("it has no tensor `{name}`"))?.data;
    match data.iter().find(|number| !number.is_finite()) {
        Some(number) => Err(format!("its tensor `{name}` has the number {number}, expected finite numbers")),
        None => Ok(data),
    }
}
