//! The learner on its own thread.
//!
//! The game sends transitions through a bounded channel, and the learner publishes policies through a
//! [`LatestPolicy`]. If the learner fails, the game continues with the last policy, and [`LearnerThread::failure`]
//! says why.

mod cores;
mod report;
mod stop_signal;
mod worker;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

pub use self::{cores::Cores, stop_signal::StopSignal};
use self::{report::Report, worker::Worker};
use super::{Learner, LearnerError, LearnerRecord};
use crate::{policy::LatestPolicy, transition::TransitionBlock};

/// Whether the game waits for the learner, and how many updates the learner makes for each decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pace {
    /// The game never waits. If the channel to the learner is full, transitions are dropped and
    /// [counted](LearnerThread::dropped). Use it when people watch or play the game in real time.
    #[default]
    FreeRunning,
    /// The game waits while the learner is more than [`CHANNEL_BLOCKS`] blocks behind, so that the ratio of updates to
    /// joint decisions stays between `updates_per_decision` and `max_updates_per_decision`. Use it to train at full
    /// speed without a window.
    Balanced,
    /// For each block of transitions, the learner makes exactly the updates that are due. In every run, the game uses the resulting
    /// policy from the second decision after the block. On the CPU, the same seed and binary give the same weights, bit for bit, on
    /// processors with the same vector instructions. Use it for training that can be repeated exactly.
    Lockstep,
}

/// Capacity of the channel, in blocks of transitions, when the game waits for the learner.
pub const CHANNEL_BLOCKS: usize = 8;

/// Capacity of the channel when the game does not wait; large enough that the game drops nothing during one slow
/// update.
const FREE_CHANNEL_BLOCKS: usize = 64;

/// Number of unread records that are kept. If there are more, new ones are dropped.
const RECORDS: usize = 1024;

/// The game's handle to a learner that runs on its own thread. Dropping the handle stops the thread and waits for its
/// end.
#[derive(Debug)]
pub struct LearnerThread {
    sender: Option<Sender<TransitionBlock>>,
    checkpoints: Sender<CheckpointRequest>,
    used_blocks: Receiver<TransitionBlock>,
    acknowledged: Receiver<()>,
    records: Receiver<LearnerRecord>,
    policy: LatestPolicy,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Learner>>,
    stop: StopSignal,
    pace: Pace,
    in_flight: u32,
    dropped: u64,
    dropped_while_saving: u64,
}

/// A request for a checkpoint; see [`LearnerThread::checkpoint`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckpointRequest {
    /// The file.
    pub path: PathBuf,
    /// Whether the checkpoint includes the replay buffer.
    pub with_replay: bool,
    /// The [note](Learner::set_note) in the checkpoint.
    pub note: String,
    /// Another file, to which the learner also saves its policies at that moment. Default: none.
    pub policy: Option<PathBuf>,
}

/// State shared by the game and the learner's thread.
#[derive(Debug, Default)]
struct Shared {
    updates: AtomicU64,
    failure: Mutex<Option<String>>,
    checkpoint_failure: Mutex<Option<String>>,
    is_saving: AtomicBool,
    /// Checkpoints that were requested and neither written nor replaced by a later request.
    pending: AtomicU64,
}

impl LearnerThread {
    /// Starts the thread. From the start, [`latest_policy`](Self::latest_policy) contains the learner's current policy.
    ///
    /// # Errors
    /// If the device fails or the operating system cannot start a thread.
    pub fn spawn(learner: Learner, pace: Pace) -> Result<Self, LearnerError> {
        Self::spawn_on(learner, pace, &Cores::new(1), &StopSignal::default())
    }

    /// As [`spawn`](Self::spawn), for a program with several learners: those with the same `cores` take turns, and those
    /// with the same `stop` are stopped together.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_on(
        learner: Learner,
        pace: Pace,
        cores: &Cores,
        stop: &StopSignal,
    ) -> Result<Self, LearnerError> {
        let blocks = if pace == Pace::FreeRunning { FREE_CHANNEL_BLOCKS } else { CHANNEL_BLOCKS };
        let (sender, receiver) = bounded(blocks);
        let (used_sender, used_blocks) = bounded(blocks + 2);
        let (acknowledge, acknowledged) = unbounded();
        let (record_sender, records) = bounded(RECORDS);
        let (checkpoint_sender, checkpoints) = unbounded();
        let policy = LatestPolicy::new(learner.snapshot()?);
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
            policy: policy.clone(),
            shared: shared.clone(),
            report: Report::new(),
            pace,
            cores: cores.clone(),
            stop: stop.clone(),
            learner,
        };
        let thread = std::thread::Builder::new()
            .name("maddpg learner".into())
            .spawn(move || worker.run())
            .map_err(LearnerError::Thread)?;
        Ok(Self {
            sender: Some(sender),
            checkpoints: checkpoint_sender,
            used_blocks,
            acknowledged,
            records,
            policy,
            shared,
            thread: Some(thread),
            stop: stop.clone(),
            pace,
            in_flight: 0,
            dropped: 0,
            dropped_while_saving: 0,
        })
    }

    /// The newest policy, shared with the learner.
    pub fn latest_policy(&self) -> &LatestPolicy {
        &self.policy
    }

    /// In lockstep, waits until the learner has trained on every block sent and has published the resulting policy.
    /// With any other pace, returns at once. Load the policy after this call and before the next [`send`](Self::send).
    /// The game then continues while the learner trains on the next block, and still acts with the same policy in every
    /// run.
    pub fn synchronize(&mut self) {
        while self.in_flight > 0 && self.acknowledged.recv().is_ok() {
            self.in_flight -= 1;
        }
    }

    /// Sends a block of transitions to the learner and returns an empty block, whose memory can be reused for the next
    /// transitions.
    pub fn send(&mut self, block: TransitionBlock) -> TransitionBlock {
        let Some(sender) = &self.sender else { return block };
        let refused = match self.pace {
            Pace::FreeRunning => match sender.try_send(block) {
                Ok(()) => None,
                Err(TrySendError::Full(block)) => {
                    self.dropped += block.rows() as u64;
                    if self.shared.is_saving.load(Ordering::Relaxed) {
                        self.dropped_while_saving += block.rows() as u64;
                    }
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

    /// Requests a checkpoint. The learner writes it between updates; the game does not wait. If several requests for the same file are
    /// pending, the file is written once: with the last note, and with the replay buffer if any of the requests asked for it.
    pub fn checkpoint(&self, request: CheckpointRequest) {
        self.shared.pending.fetch_add(1, Ordering::Relaxed);
        // Sending fails only if the learner has stopped, which `failure` reports.
        let _ = self.checkpoints.send(request);
    }

    /// Whether the learner is running and has not yet handled a requested checkpoint.
    pub fn checkpoint_is_pending(&self) -> bool {
        self.has_requests() && self.is_running()
    }

    fn has_requests(&self) -> bool {
        self.shared.pending.load(Ordering::Relaxed) > 0
    }

    fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Why the last checkpoint could not be written; `None` if it was written, or if there is none yet. While another
    /// one is pending, this is still about the one before, unless the learner has stopped.
    pub fn checkpoint_failure(&self) -> Option<String> {
        if !self.is_running() && self.has_requests() {
            return Some("the learner had stopped, so the last checkpoint was not written".into());
        }
        self.shared.checkpoint_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The records that arrived since the last call, oldest first.
    pub fn records(&self) -> impl Iterator<Item = LearnerRecord> {
        self.records.try_iter()
    }

    /// Updates done so far.
    pub fn updates(&self) -> u64 {
        self.shared.updates.load(Ordering::Relaxed)
    }

    /// Joint transitions dropped because the channel was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many of the [dropped](Self::dropped) transitions were sent while the learner wrote a checkpoint.
    pub fn dropped_while_saving(&self) -> u64 {
        self.dropped_while_saving
    }

    /// Why the learner failed, if it did. The last good policy stays available.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the thread after the updates that are due for the blocks already sent (with [`Pace::FreeRunning`], after at
    /// most a few of them), and returns the learner; `None` if the thread panicked.
    pub fn join(self) -> Option<Learner> {
        self.finish().0
    }

    /// As [`join`](Self::join). Also returns why the learner failed, if it failed before it stopped.
    pub fn finish(mut self) -> (Option<Learner>, Option<String>) {
        (self.wait(), self.failure())
    }

    /// The signal that stops this learner between two updates. After this signal, [`join`](Self::join) waits only until the current
    /// update is done and all blocks that were sent are stored. Other learners with the same signal stop as well.
    pub fn stop_signal(&self) -> &StopSignal {
        &self.stop
    }

    fn wait(&mut self) -> Option<Learner> {
        self.sender = None;
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

impl Drop for LearnerThread {
    fn drop(&mut self) {
        self.wait();
    }
}
