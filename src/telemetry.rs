//! What a run reports: one record per finished episode, one per learner report.
//!
//! These two records are the only source of metrics. The window, `metrics.csv`, the TensorBoard
//! events and the summary are readers of them.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// One finished episode of one arena.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpisodeRecord {
    /// Number of this episode in the run, from 1, in the order of ending over all arenas.
    pub episode: u64,
    /// Index of the arena it was played in.
    pub arena: usize,
    /// Decisions of the episode.
    pub length: u32,
    /// Undiscounted sum of rewards of each agent, by slot.
    pub returns: Vec<f32>,
    /// The game's score of the episode (tennis: the maximum of `returns`).
    pub score: f32,
    /// Whether a time limit ended it, rather than the game.
    pub truncated: bool,
    /// Scale of the exploration noise it was played with, 0 where there was none.
    pub exploration_scale: f32,
    /// Joint decisions of all arenas so far.
    pub decisions: u64,
    /// Seconds since the run started.
    pub seconds: f64,
    /// What the game measured beside returns, by name.
    #[serde(default)]
    pub measures: BTreeMap<String, f32>,
}

/// What the learner reports every few updates; means are over the updates since the last report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Mean squared temporal-difference error of the critics, in their scale: with normalized values, the share of the
    /// values' variance that they do not explain.
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

/// Mean score over the last `window` episodes, and when it first reached a bar.
///
/// ```
/// use bevy_maddpg::telemetry::ScoreWindow;
///
/// let mut scores = ScoreWindow::new(2);
/// assert_eq!(scores.push(1.0), None, "one episode is not a full window");
/// assert_eq!(scores.push(2.0), Some(1.5));
/// assert_eq!(scores.push(4.0), Some(3.0));
/// assert_eq!(scores.best(), Some(3.0));
/// ```
#[derive(Debug, Clone)]
pub struct ScoreWindow {
    window: usize,
    scores: VecDeque<f32>,
    best: Option<f32>,
}

impl ScoreWindow {
    /// A window over the last `window` episodes; at least 1.
    pub fn new(window: usize) -> Self {
        Self { window: window.max(1), scores: VecDeque::new(), best: None }
    }

    /// Takes one more score; returns the mean once the window is full.
    pub fn push(&mut self, score: f32) -> Option<f32> {
        if self.scores.len() == self.window {
            self.scores.pop_front();
        }
        self.scores.push_back(score);
        let mean = self.mean().filter(|_| self.scores.len() == self.window)?;
        self.best = Some(self.best.map_or(mean, |best| best.max(mean)));
        Some(mean)
    }

    /// Mean over the scores seen, at most `window` of them; `None` before the first.
    pub fn mean(&self) -> Option<f32> {
        let sum: f64 = self.scores.iter().map(|&score| f64::from(score)).sum();
        (!self.scores.is_empty()).then(|| (sum / self.scores.len() as f64) as f32)
    }

    /// The best mean of a full window so far.
    pub fn best(&self) -> Option<f32> {
        self.best
    }
}
