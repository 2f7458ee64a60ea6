use std::time::Instant;

use crate::learner::{Learner, LearnerRecord, UpdateStatistics};

/// Averages the statistics of the updates since the last record.
pub(super) struct Report {
    start: Instant,
    last: Instant,
    updates: u64,
    measured: f32,
    actors_measured: f32,
    sums: UpdateStatistics,
    /// Whether the last measured update skipped the actors. Then the next updates are measured until one includes the
    /// actors.
    pub(super) wants_actors: bool,
}

impl Report {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            last: now,
            updates: 0,
            measured: 0.0,
            actors_measured: 0.0,
            sums: UpdateStatistics::default(),
            wants_actors: false,
        }
    }

    /// Counts an update. `measures` are its statistics, if it was measured.
    pub(super) fn add(&mut self, measures: Option<&UpdateStatistics>) {
        self.updates += 1;
        let Some(measures) = measures else { return };
        self.measured += 1.0;
        self.sums.critic_loss += measures.critic_loss;
        self.sums.q_mean += measures.q_mean;
        self.sums.critic_gradient_norm += measures.critic_gradient_norm;
        self.wants_actors = !measures.actors_updated;
        if measures.actors_updated {
            self.actors_measured += 1.0;
            self.sums.actor_loss += measures.actor_loss;
            self.sums.saturation += measures.saturation;
            self.sums.actor_gradient_norm += measures.actor_gradient_norm;
        }
    }

    pub(super) fn take(&mut self, learner: &Learner) -> LearnerRecord {
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
            critic_gradient_norm: self.sums.critic_gradient_norm / self.measured.max(1.0),
            actor_gradient_norm: self.sums.actor_gradient_norm / self.actors_measured.max(1.0),
            updates_per_second: self.updates as f32 / seconds,
            seconds: now.duration_since(self.start).as_secs_f64(),
        };
        *self = Self { start: self.start, last: now, wants_actors: self.wants_actors, ..Self::new() };
        record
    }
}
