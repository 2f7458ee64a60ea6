//! The learner on a thread of its own.
//!
//! Transitions go in through a bounded channel, policies come out through a [`PolicySlot`]. The game asks nothing
//! of the learner: if the learner dies, its last policy stays in the slot and [`LearnerThread::failure`] says why.

mod report;
mod worker;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use self::{report::Report, worker::Worker};
use super::{Learner, LearnerError};
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
