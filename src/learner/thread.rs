//! The learner on a thread of its own.
//!
//! Transitions go in through a bounded channel, policies come out through a [`PolicySlot`]. The game asks nothing
//! of the learner: if the learner dies, its last policy stays in the slot and [`LearnerThread::failure`] says why.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Instant,
};

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded, select, unbounded};

use super::{Learner, LearnerError, Measures};
use crate::{policy::PolicySlot, telemetry::LearnerRecord, transition::TransitionBlock};

/// How the game and the learner keep step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// The game never waits: what does not fit into the channel is dropped and counted. For play in real time.
    #[default]
    FreeRunning,
    /// The game waits when the learner is more than [`CHANNEL_BLOCKS`] blocks behind, so that the ratio of updates to
    /// decisions stays between `updates_per_decision` and `max_updates_per_decision`. For training at full speed.
    Balanced,
    /// After each block exactly its updates, and each policy acts from the second next decision on: with a seed, the
    /// same binary gives the same weights bit by bit. For repeatable training.
    Lockstep,
}

/// Blocks of transitions that fit into the channel where the game waits for the learner.
pub const CHANNEL_BLOCKS: usize = 8;

/// Blocks that fit where it does not: what a slow moment of the learner must not cost.
const FREE_CHANNEL_BLOCKS: usize = 64;

/// Updates between two reports.
const UPDATES_PER_RECORD: u64 = 100;

/// Updates at most between two policies, where the learner has time to spare.
const UPDATES_PER_POLICY: u64 = 16;

/// Updates that a learner beside a game that does not wait may be behind; those beyond are forgotten.
const BACKLOG: f64 = 256.0;

/// Records that wait to be read; older ones are dropped.
const RECORDS: usize = 1024;

/// The game's end of a running learner. Dropping it stops the thread and joins it.
#[derive(Debug)]
pub struct LearnerThread {
    sender: Option<Sender<TransitionBlock>>,
    checkpoints: Sender<CheckpointRequest>,
    used_blocks: Receiver<TransitionBlock>,
    acknowledged: Receiver<()>,
    records: Receiver<LearnerRecord>,
    slot: PolicySlot,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Learner>>,
    pace: Pace,
    in_flight: u32,
    dropped: u64,
}

/// A checkpoint that is asked for: where, and whether with the replay buffer.
type CheckpointRequest = (PathBuf, bool);

/// What both ends see.
#[derive(Debug, Default)]
struct Shared {
    updates: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl LearnerThread {
    /// Starts the thread; `slot` holds the learner's fresh policy at once.
    ///
    /// # Errors
    /// If the device fails or the system gives no thread.
    pub fn spawn(learner: Learner, pace: Pace) -> Result<Self, LearnerError> {
        let blocks = if pace == Pace::FreeRunning { FREE_CHANNEL_BLOCKS } else { CHANNEL_BLOCKS };
        let (sender, receiver) = bounded(blocks);
        let (used_sender, used_blocks) = bounded(blocks + 2);
        let (acknowledge, acknowledged) = bounded(CHANNEL_BLOCKS + 2);
        let (record_sender, records) = bounded(RECORDS);
        let (checkpoint_sender, checkpoints) = unbounded();
        let slot = PolicySlot::new(learner.snapshot(learner.updates())?);
        let shared = Arc::new(Shared::default());
        shared.updates.store(learner.updates(), Ordering::Relaxed);
        let worker = Worker {
            owed: 0.0,
            spare: learner.config().max_updates_per_decision - learner.config().updates_per_decision,
            spare_owed: 0.0,
            receiver,
            checkpoints,
            used: used_sender,
            acknowledge,
            records: record_sender,
            slot: slot.clone(),
            shared: shared.clone(),
            report: Report::new(),
            pace,
            learner,
        };
        let thread = std::thread::Builder::new()
            .name("maddpg learner".into())
            .spawn(move || worker.run())
            .map_err(candle_core::Error::wrap)?;
        Ok(Self {
            sender: Some(sender),
            checkpoints: checkpoint_sender,
            used_blocks,
            acknowledged,
            records,
            slot,
            shared,
            thread: Some(thread),
            pace,
            in_flight: 0,
            dropped: 0,
        })
    }

    /// Where the newest policy is to be had.
    pub fn slot(&self) -> &PolicySlot {
        &self.slot
    }

    /// In lockstep, waits until what was sent has been learned from and its policy published. Take the policy after
    /// this and before the next [`send`](Self::send): so the game goes on while that block is learned from, and yet
    /// always acts by the same policy. Returns at once with any other pace.
    pub fn synchronize(&mut self) {
        while self.in_flight > 0 && self.acknowledged.recv().is_ok() {
            self.in_flight -= 1;
        }
    }

    /// Hands over a block of experience and returns an empty one whose memory can be used again.
    pub fn send(&mut self, block: TransitionBlock) -> TransitionBlock {
        let Some(sender) = &self.sender else { return block };
        let refused = match self.pace {
            Pace::FreeRunning => match sender.try_send(block) {
                Ok(()) => None,
                Err(TrySendError::Full(block)) => {
                    self.dropped += block.rows() as u64;
                    Some(block)
                }
                Err(TrySendError::Disconnected(block)) => Some(block),
            },
            Pace::Balanced => sender.send(block).err().map(|error| error.0),
            Pace::Lockstep => {
                self.in_flight += 1;
                sender.send(block).err().map(|error| error.0)
            }
        };
        if let Some(mut block) = refused {
            block.clear();
            return block;
        }
        self.used_blocks.try_recv().unwrap_or_default()
    }

    /// Asks for a checkpoint at `path`, with the replay buffer if `with_replay`. The learner writes it between two
    /// updates; the game does not wait.
    pub fn checkpoint(&self, path: PathBuf, with_replay: bool) {
        // Refused only by a learner that is gone, which `failure` reports.
        let _ = self.checkpoints.send((path, with_replay));
    }

    /// The reports that came since the last call, oldest first.
    pub fn records(&self) -> impl Iterator<Item = LearnerRecord> {
        self.records.try_iter()
    }

    /// Updates done so far.
    pub fn updates(&self) -> u64 {
        self.shared.updates.load(Ordering::Relaxed)
    }

    /// Joint transitions dropped because the learner was busy.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Why the learner stopped, if it did; the last good policy stays in the slot.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the thread once it has done what was sent, and returns the learner; `None` if it had failed.
    pub fn join(mut self) -> Option<Learner> {
        self.stop()
    }

    fn stop(&mut self) -> Option<Learner> {
        self.sender = None;
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

impl Drop for LearnerThread {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread's end.
struct Worker {
    learner: Learner,
    receiver: Receiver<TransitionBlock>,
    checkpoints: Receiver<CheckpointRequest>,
    used: Sender<TransitionBlock>,
    acknowledge: Sender<()>,
    records: Sender<LearnerRecord>,
    slot: PolicySlot,
    shared: Arc<Shared>,
    report: Report,
    pace: Pace,
    /// Updates that the transitions received ask for, and further ones they allow.
    owed: f64,
    spare: f64,
    spare_owed: f64,
}

/// Marks the learner as failed if its thread unwinds.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut failure = self.0.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| {
                "the learner thread panicked; the last good policy stays in use".into()
            });
        }
    }
}

impl Worker {
    fn run(mut self) -> Learner {
        let _alarm = Alarm(self.shared.clone());
        if let Err(error) = self.work() {
            log::error!("{error}; the last good policy stays in use");
            *self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
        self.learner
    }

    fn work(&mut self) -> Result<(), LearnerError> {
        loop {
            let behind = self.pace == Pace::FreeRunning && self.owed >= 1.0;
            let may_update = behind || (self.pace != Pace::Lockstep && self.spare_owed >= 1.0);
            if let Ok((path, with_replay)) = self.checkpoints.try_recv() {
                self.save(&path, with_replay);
            }
            let block = if may_update && self.learner.is_ready() {
                self.receiver.try_recv()
            } else {
                select! {
                    recv(self.receiver) -> block => block.map_err(|_| TryRecvError::Disconnected),
                    recv(self.checkpoints) -> request => {
                        let Ok((path, with_replay)) = request else { return Ok(()) };
                        self.save(&path, with_replay);
                        continue;
                    }
                }
            };
            match block {
                Ok(block) => {
                    self.remember(block);
                    if self.pace == Pace::FreeRunning {
                        // The game does not wait: all that lies in the channel comes before the updates it asks for.
                        while let Ok(block) = self.receiver.try_recv() {
                            self.remember(block);
                        }
                    }
                    self.update_as_owed()?;
                }
                Err(TryRecvError::Empty) => {
                    if self.owed < 1.0 {
                        let updates = self.spare_owed.min(UPDATES_PER_POLICY as f64).floor();
                        self.spare_owed -= updates;
                        self.owed += updates;
                    }
                    self.update_as_owed()?;
                }
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    fn remember(&mut self, mut block: TransitionBlock) {
        self.learner.remember(&block);
        if self.learner.is_ready() {
            let rows = block.rows() as f64;
            self.owed += rows * self.learner.config().updates_per_decision;
            self.spare_owed += rows * self.spare;
        }
        block.clear();
        // A full channel has memory enough.
        let _ = self.used.try_send(block);
    }

    fn save(&self, path: &Path, with_replay: bool) {
        if let Err(error) = self.learner.save(path, with_replay) {
            log::error!("{error}");
        }
    }

    fn update_as_owed(&mut self) -> Result<(), LearnerError> {
        let mut updates = self.owed.floor();
        if self.pace == Pace::FreeRunning {
            // The channel is looked after between a few updates. A backlog that cannot be worked off is forgotten: the
            // game will not slow down.
            self.owed = self.owed.min(BACKLOG);
            updates = updates.min(UPDATES_PER_POLICY as f64);
        }
        self.owed -= updates;
        for _ in 0..updates as u64 {
            let measure = self.learner.updates().is_multiple_of(10);
            let measures = self.learner.update(measure || self.report.wants_actors)?;
            self.report.add(&measures, measure);
            self.shared.updates.store(self.learner.updates(), Ordering::Relaxed);
            if self.learner.updates().is_multiple_of(UPDATES_PER_RECORD) {
                let record = self.report.take(&self.learner);
                // A reader that sleeps misses reports; the learner does not wait for it.
                let _ = self.records.try_send(record);
            }
        }
        if updates > 0.0 {
            self.slot.publish(self.learner.finite_snapshot()?);
        }
        if self.pace == Pace::Lockstep {
            let _ = self.acknowledge.try_send(());
        }
        Ok(())
    }
}

/// Means over the updates since the last record.
struct Report {
    start: Instant,
    last: Instant,
    updates: u64,
    measured: f32,
    actors_measured: f32,
    gradients: f32,
    actor_gradients: f32,
    sums: Measures,
    /// The next update that moves the actors is to be measured.
    wants_actors: bool,
}

impl Report {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            last: now,
            updates: 0,
            measured: 0.0,
            actors_measured: 0.0,
            gradients: 0.0,
            actor_gradients: 0.0,
            sums: Measures::default(),
            wants_actors: false,
        }
    }

    fn add(&mut self, measures: &Measures, measured: bool) {
        self.updates += 1;
        self.gradients += 1.0;
        self.sums.critic_gradient_norm += measures.critic_gradient_norm;
        if measured {
            self.measured += 1.0;
            self.sums.critic_loss += measures.critic_loss;
            self.sums.q_mean += measures.q_mean;
        }
        if measures.actors_updated {
            self.actor_gradients += 1.0;
            self.sums.actor_gradient_norm += measures.actor_gradient_norm;
            if measured || self.wants_actors {
                self.actors_measured += 1.0;
                self.sums.actor_loss += measures.actor_loss;
                self.sums.saturation += measures.saturation;
            }
        }
        self.wants_actors = if measures.actors_updated { false } else { self.wants_actors || measured };
    }

    fn take(&mut self, learner: &Learner) -> LearnerRecord {
        let now = Instant::now();
        let seconds = now.duration_since(self.last).as_secs_f32().max(1e-9);
        let record = LearnerRecord {
            updates: learner.updates(),
            policy_version: learner.updates(),
            transitions: learner.transitions(),
            replay_len: learner.replay().len(),
            replay_capacity: learner.replay().capacity(),
            critic_loss: self.sums.critic_loss / self.measured.max(1.0),
            actor_loss: self.sums.actor_loss / self.actors_measured.max(1.0),
            q_mean: self.sums.q_mean / self.measured.max(1.0),
            saturation: self.sums.saturation / self.actors_measured.max(1.0),
            critic_gradient_norm: self.sums.critic_gradient_norm / self.gradients.max(1.0),
            actor_gradient_norm: self.sums.actor_gradient_norm / self.actor_gradients.max(1.0),
            updates_per_second: self.updates as f32 / seconds,
            seconds: now.duration_since(self.start).as_secs_f64(),
        };
        *self = Self { start: self.start, last: now, wants_actors: self.wants_actors, ..Self::new() };
        record
    }
}
