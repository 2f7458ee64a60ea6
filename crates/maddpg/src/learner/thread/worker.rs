use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, TryRecvError, select};

use super::{CheckpointRequest, Cores, Pace, Shared, StopSignal, report::Report};
use crate::{
    learner::{Learner, LearnerError, LearnerRecord},
    policy::LatestPolicy,
    transition::TransitionBlock,
};

/// Number of updates per record.
const UPDATES_PER_RECORD: u64 = 100;

/// One in this many updates is measured.
const UPDATES_PER_MEASURE: u64 = 10;

/// Maximum number of updates from one published policy to the next, while the learner has time to spare or the game
/// never waits.
const UPDATES_PER_POLICY: u64 = 16;

/// How long an idle learner sleeps if the game does not wait.
const NAP: Duration = Duration::from_millis(2);

/// Maximum number of updates that the learner may be behind if the game does not wait. Further ones are skipped.
const BACKLOG: f64 = 256.0;

/// The learner, and its ends of the channels.
pub(super) struct Worker {
    pub(super) learner: Learner,
    pub(super) receiver: Receiver<TransitionBlock>,
    pub(super) checkpoints: Receiver<CheckpointRequest>,
    pub(super) used: Sender<TransitionBlock>,
    pub(super) acknowledge: Sender<()>,
    pub(super) records: Sender<LearnerRecord>,
    pub(super) policy: LatestPolicy,
    pub(super) shared: Arc<Shared>,
    pub(super) report: Report,
    pub(super) pace: Pace,
    pub(super) cores: Cores,
    pub(super) stop: StopSignal,
    /// Number of updates that are due for the received transitions. `spare_owed` is the number of optional updates in
    /// addition, of which each transition adds `spare`.
    pub(super) owed: f64,
    pub(super) spare: f64,
    pub(super) spare_owed: f64,
}

/// Records a failure if the thread panics.
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
    pub(super) fn run(mut self) -> Learner {
        let _alarm = Alarm(self.shared.clone());
        let _helper = if self.pace == Pace::FreeRunning { None } else { self.share_work() };
        if let Err(error) = self.work() {
            log::error!("{error}; the last good policy stays in use");
            *self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
        self.learner
    }

    /// While the game waits for the learner, the learner uses all cores, the game's included. If the game never waits, this
    /// is not called and the learner keeps to its own core.
    fn share_work(&mut self) -> Option<rayon::ThreadPool> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(self.learner.most_threads());
        if threads < 2 {
            return None;
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .use_current_thread()
            .thread_name(|index| format!("maddpg learner {}", index + 1));
        let pool = pool.build().ok()?;
        self.learner.share_work();
        Some(pool)
    }

    fn work(&mut self) -> Result<(), LearnerError> {
        loop {
            let behind = self.pace == Pace::FreeRunning && self.owed >= 1.0;
            let may_update = behind || (self.pace != Pace::Lockstep && self.spare_owed >= 1.0);
            let may_update = may_update && !self.stop.is_stopped();
            self.save_as_requested();
            let idle = !may_update || !self.learner.is_ready();
            let block = if !idle || self.pace == Pace::FreeRunning {
                self.receiver.try_recv()
            } else {
                select! {
                    recv(self.receiver) -> block => block.map_err(|_| TryRecvError::Disconnected),
                    recv(self.checkpoints) -> request => {
                        self.save_all(request.into_iter().collect());
                        continue;
                    }
                }
            };
            match block {
                Ok(block) => {
                    self.remember(block);
                    if self.pace == Pace::FreeRunning {
                        // Empty the channel before updating, since the game drops what does not fit into it.
                        while let Ok(block) = self.receiver.try_recv() {
                            self.remember(block);
                        }
                    }
                    self.update_as_owed()?;
                }
                // Waking a blocked learner would cost the game a system call, so the learner polls.
                Err(TryRecvError::Empty) if idle => std::thread::sleep(NAP),
                Err(TryRecvError::Empty) => {
                    if self.owed < 1.0 {
                        let updates = self.spare_owed.min(UPDATES_PER_POLICY as f64).floor();
                        self.spare_owed -= updates;
                        self.owed += updates;
                    }
                    self.update_as_owed()?;
                }
                Err(TryRecvError::Disconnected) => {
                    self.save_as_requested();
                    return Ok(());
                }
            }
        }
    }

    fn save_as_requested(&mut self) {
        self.save_all(Vec::new());
    }

    /// Writes the requested checkpoints: `first` and those that are still in the channel. If there are several requests for the same
    /// file, it is written once, with everything that was asked for.
    fn save_all(&mut self, first: Vec<CheckpointRequest>) {
        let mut requests = first;
        requests.extend(self.checkpoints.try_iter());
        let count = requests.len() as u64;
        let mut merged: Vec<CheckpointRequest> = Vec::new();
        for request in requests {
            match merged.iter_mut().find(|earlier| earlier.path == request.path) {
                Some(earlier) => {
                    earlier.with_replay |= request.with_replay;
                    earlier.note = request.note;
                    earlier.policy = request.policy.or(earlier.policy.take());
                }
                None => merged.push(request),
            }
        }
        if !merged.is_empty() {
            let failures: Vec<_> = merged.into_iter().filter_map(|request| self.save(request)).collect();
            let failure = failures.into_iter().next();
            *self.shared.checkpoint_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        }
        self.shared.pending.fetch_sub(count, Ordering::Relaxed);
    }

    fn remember(&mut self, mut block: TransitionBlock) {
        self.learner.remember(&block);
        if self.learner.is_ready() {
            let rows = block.rows() as f64;
            self.owed += rows * self.learner.config().updates_per_decision;
            self.spare_owed += rows * self.spare;
            if self.pace == Pace::FreeRunning {
                self.spare_owed = self.spare_owed.min(BACKLOG);
            }
        }
        block.clear();
        // If the channel is full, there are already enough blocks to reuse.
        let _ = self.used.try_send(block);
    }

    /// Writes a checkpoint. Returns the reason if that failed.
    fn save(
        &mut self,
        CheckpointRequest { path, with_replay, note, policy }: CheckpointRequest,
    ) -> Option<String> {
        self.learner.set_note(note);
        self.shared.is_saving.store(true, Ordering::Relaxed);
        let saved = self.learner.save(&path, with_replay);
        let saved = saved.and_then(|()| policy.map_or(Ok(()), |path| self.learner.save_policy(&path)));
        self.shared.is_saving.store(false, Ordering::Relaxed);
        let failure = saved.err().map(|error| error.to_string());
        if let Some(error) = &failure {
            log::error!("{error}");
        }
        failure
    }

    fn update_as_owed(&mut self) -> Result<(), LearnerError> {
        let mut updates = self.owed.floor();
        if self.pace == Pace::FreeRunning {
            // Return to the channel after a few updates. If the backlog is too large, skip a part of it, since the game
            // does not slow down.
            self.owed = self.owed.min(BACKLOG);
            updates = updates.min(UPDATES_PER_POLICY as f64);
        }
        self.owed -= updates;
        let cores = self.cores.clone();
        let permit = (updates > 0.0).then(|| cores.wait());
        let before = self.learner.updates();
        for _ in 0..updates as u64 {
            if self.stop.is_stopped() {
                break;
            }
            let next = self.learner.updates() + 1;
            let measure = next.is_multiple_of(UPDATES_PER_MEASURE) || self.report.wants_actors;
            let measures = self.learner.update(measure)?;
            self.report.add(measure.then_some(&measures));
            self.shared.updates.store(self.learner.updates(), Ordering::Relaxed);
            if self.learner.updates().is_multiple_of(UPDATES_PER_RECORD) {
                let record = self.report.take(&self.learner);
                // If the game does not read its records, new ones are lost; the learner does not wait.
                let _ = self.records.try_send(record);
            }
        }
        if self.learner.updates() > before {
            self.policy.publish(self.learner.snapshot()?);
        }
        drop(permit);
        if self.pace == Pace::Lockstep {
            // Sending fails only if the game's handle no longer exists.
            let _ = self.acknowledge.send(());
        }
        Ok(())
    }
}
