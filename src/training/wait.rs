use std::time::Duration;

/// How long each of the last decisions spent on the learner.
#[derive(Debug, Default)]
pub(super) struct WaitTimes {
    seconds: Vec<f32>,
    next: usize,
}

/// Decisions over which [`WaitTimes::percentile`] looks back.
const WAITS: usize = 4096;

impl WaitTimes {
    pub(super) fn push(&mut self, wait: Duration) {
        let wait = wait.as_secs_f32();
        if self.seconds.len() < WAITS {
            self.seconds.reserve_exact(WAITS - self.seconds.len());
            self.seconds.push(wait);
        } else {
            self.seconds[self.next] = wait;
            self.next = (self.next + 1) % WAITS;
        }
    }

    /// A percentile of the last decisions' times; `share` is from 0 to 1. `None` before the first decision.
    pub(super) fn percentile(&self, share: f32) -> Option<Duration> {
        let mut seconds = self.seconds.clone();
        seconds.sort_unstable_by(f32::total_cmp);
        let index = ((seconds.len() as f32 * share) as usize).min(seconds.len().checked_sub(1)?);
        Some(Duration::from_secs_f32(seconds[index]))
    }
}
