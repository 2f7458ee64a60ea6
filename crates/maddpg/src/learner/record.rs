use serde::{Deserialize, Serialize};

/// What the learner reports every 100 updates. Means are over the updates since the last report that were measured: one in ten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LearnerRecord {
    /// Updates done so far.
    pub updates: u64,
    /// Version of the newest policy published.
    pub policy_version: u64,
    /// Joint transitions received so far.
    pub transitions: u64,
    /// Joint transitions in the replay buffer.
    pub replay_len: usize,
    /// Joint transitions the replay buffer can hold.
    pub replay_capacity: usize,
    /// Mean squared temporal-difference error of the critics, in the critics' scale. With normalized values, this is the
    /// share of the values' variance that the critics do not explain.
    pub critic_loss: f32,
    /// Loss of the actors: minus the critics' mean value of their actions, plus penalties.
    pub actor_loss: f32,
    /// Mean value the critics give to replayed transitions, in units of the game's rewards.
    pub q_mean: f32,
    /// Share of the actors' outputs with `|a| > 0.95`, 0 to 1.
    pub saturation: f32,
    /// Global norm of the critics' gradients before clipping.
    pub critic_gradient_norm: f32,
    /// Global norm of the actors' gradients before clipping.
    pub actor_gradient_norm: f32,
    /// Updates per second of wall-clock time since the last report.
    pub updates_per_second: f32,
    /// Seconds since the learner started.
    pub seconds: f64,
}
