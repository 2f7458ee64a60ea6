use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Tells learners to stop between two updates. It can be cloned and used from any thread, for example one that handles
/// Ctrl-C.
///
/// After [`stop`](Self::stop), learners make no more updates, not even those that are due, and not even in lockstep. They
/// still store the transitions that they receive, so that a game that waits for a learner goes on at once.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Tells all learners with this signal to stop. This cannot be taken back.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the learners were told to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
