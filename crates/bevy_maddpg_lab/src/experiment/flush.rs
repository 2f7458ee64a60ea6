use std::time::{Duration, Instant};

/// Time between flushes: a killed process loses the rows since the last one.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Tells when buffered rows must be flushed to the operating system.
#[derive(Debug)]
pub(super) struct FlushTimer(Instant);

impl FlushTimer {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn is_due(&self) -> bool {
        self.0.elapsed() >= FLUSH_EVERY
    }

    pub(super) fn restart(&mut self) {
        *self = Self::new();
    }
}
