//! The score of an episode, and the mean score of the last episodes.

use std::{collections::VecDeque, sync::Arc};

use crate::arena::EpisodeEnded;

/// A function that scores an episode, for example by its returns or by its [`Measures`](crate::arena::Measures).
pub type Score = Arc<dyn Fn(&EpisodeEnded) -> f32 + Send + Sync>;

/// The default score: the mean return of the agents that have played.
pub fn mean_return() -> Score {
    Arc::new(EpisodeEnded::mean_return)
}

/// The mean score of the last `window` episodes, and the best such mean so far.
///
/// ```
/// use bevy_maddpg::score::ScoreWindow;
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
    /// A window over the last `window` episodes. A `window` of 0 counts as 1.
    pub fn new(window: usize) -> Self {
        Self { window: window.max(1), scores: VecDeque::new(), best: None }
    }

    /// A window that continues an earlier one, from its scores (oldest first) and its best mean.
    pub fn resumed(window: usize, scores: impl IntoIterator<Item = f32>, best: Option<f32>) -> Self {
        let mut resumed = Self::new(window);
        scores.into_iter().for_each(|score| _ = resumed.push(score));
        resumed.best = best;
        resumed
    }

    /// The scores in the window, oldest first.
    pub fn scores(&self) -> impl Iterator<Item = f32> {
        self.scores.iter().copied()
    }

    /// Adds a score. Returns the mean of the window, or `None` while the window is not full.
    pub fn push(&mut self, score: f32) -> Option<f32> {
        if self.scores.len() == self.window {
            self.scores.pop_front();
        }
        self.scores.push_back(score);
        let mean = self.mean().filter(|_| self.scores.len() == self.window)?;
        self.best = Some(self.best.map_or(mean, |best| best.max(mean)));
        Some(mean)
    }

    /// Mean of the scores in the window, even if it is not full; `None` before the first score.
    pub fn mean(&self) -> Option<f32> {
        let sum: f64 = self.scores.iter().map(|&score| f64::from(score)).sum();
        (!self.scores.is_empty()).then(|| (sum / self.scores.len() as f64) as f32)
    }

    /// The best mean of a full window so far; `None` if no window has been full.
    pub fn best(&self) -> Option<f32> {
        self.best
    }
}
