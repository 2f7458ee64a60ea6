use serde::{Deserialize, Serialize};

/// What the learner reports every 100 updates. One update in ten is measured. Means are over the measured updates since the
/// last report.
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
    /// Joint transitions that the replay buffer can hold.
    pub replay_capacity: usize,
    /// Mean squared temporal-difference error of the critics, in the critics' scale. With normalized values, this is the
    /// share of the values' variance that the critics do not explain.
    pub critic_loss: f32,
    /// Loss of the actors: the penalties minus the critics' mean value of the actors' actions.
    pub actor_loss: f32,
    /// Mean value that the critics give to replayed transitions, in units of the game's rewards.
    pub q_mean: f32,
    /// Share of the numbers of the actors' actions with `|a| > 0.95`, 0 to 1.
    pub saturation: f32,
    /// Norm of the critics' gradients before clipping, averaged over the policies.
    pub critic_gradient_norm: f32,
    /// Norm of the actors' gradients before clipping, averaged over the policies.
    pub actor_gradient_norm: f32,
    /// Updates per second of wall-clock time since the last report.
    pub updates_per_second: f32,
    /// Seconds since the learner started.
    pub seconds: f64,
}
