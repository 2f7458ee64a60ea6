//! The score of a run so far: its mean, its best, its curve, and when it was solved.

use std::collections::BTreeMap;

use super::curve::CurvePoint;
use crate::telemetry::{EpisodeRecord, ScoreWindow};

/// Episodes a mean score is taken over.
pub const SCORE_WINDOW: usize = 100;

/// Points of the curve held at most; past it every other one is dropped.
const MAX_POINTS: usize = 20_000;

/// When the mean score of 100 episodes first reached the bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solved {
    /// Number of the episode that did it.
    pub episodes: u64,
    /// Joint decisions of all arenas at that time.
    pub decisions: u64,
    /// Seconds since the run started.
    pub seconds: f64,
}

/// Reads the episodes of a run and sums up their scores. Its memory is bounded, however long the run.
#[derive(Debug, Clone)]
pub struct ScoreBoard {
    bar: Option<f32>,
    window: ScoreWindow,
    score_100: Option<f32>,
    measures: BTreeMap<String, ScoreWindow>,
    solved: Option<Solved>,
    episodes: u64,
    points: Vec<CurvePoint>,
    /// Episodes read.
    read: u64,
    /// Every so many episodes are a point of the curve.
    stride: u64,
}

impl ScoreBoard {
    /// An empty board. The run is solved when the mean score of 100 episodes is `bar` or more; never
    /// where that is `None`.
    pub fn new(bar: Option<f32>) -> Self {
        Self {
            bar,
            window: ScoreWindow::new(SCORE_WINDOW),
            score_100: None,
            measures: BTreeMap::new(),
            solved: None,
            episodes: 0,
            points: Vec::new(),
            read: 0,
            stride: 1,
        }
    }

    /// Takes one more episode; returns the mean score of the last 100, `None` before the 100th.
    pub fn push(&mut self, record: &EpisodeRecord) -> Option<f32> {
        self.score_100 = self.window.push(record.score);
        for (name, value) in &record.measures {
            match self.measures.get_mut(name) {
                Some(window) => _ = window.push(*value),
                None => {
                    let mut window = ScoreWindow::new(SCORE_WINDOW);
                    window.push(*value);
                    self.measures.insert(name.clone(), window);
                }
            }
        }
        self.episodes = record.episode;
        let reached = self.score_100.zip(self.bar).is_some_and(|(mean, bar)| mean >= bar);
        if reached && self.solved.is_none() {
            self.solved = Some(Solved {
                episodes: record.episode,
                decisions: record.decisions,
                seconds: record.seconds,
            });
        }
        if self.read.is_multiple_of(self.stride) {
            self.points.push(CurvePoint {
                decisions: record.decisions,
                score: record.score,
                score_100: self.score_100,
            });
        }
        self.read += 1;
        if self.points.len() > MAX_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
        self.score_100
    }

    /// When the bar was first reached; `None` where it was not.
    pub fn solved(&self) -> Option<Solved> {
        self.solved
    }

    /// The score that solves the run.
    pub fn bar(&self) -> Option<f32> {
        self.bar
    }

    /// Mean score of the last 100 episodes; `None` before the 100th.
    pub fn score_100(&self) -> Option<f32> {
        self.score_100
    }

    /// Mean score of the last episodes, at most 100 of them; `None` before the first.
    pub fn recent_score(&self) -> Option<f32> {
        self.window.mean()
    }

    /// Means over the last episodes, at most 100 of them, of what the game measures beside returns.
    pub fn recent_measures(&self) -> BTreeMap<String, f32> {
        let mean = |(name, window): (&String, &ScoreWindow)| Some((name.clone(), window.mean()?));
        self.measures.iter().filter_map(mean).collect()
    }

    /// The best mean score of 100 episodes so far.
    pub fn best_score_100(&self) -> Option<f32> {
        self.window.best()
    }

    /// Number of the last episode, which is how many the run has finished.
    pub fn episodes(&self) -> u64 {
        self.episodes
    }

    /// The learning curve: every episode of a short run, evenly thinned out in a long one.
    pub fn points(&self) -> &[CurvePoint] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(number: u64, score: f32) -> EpisodeRecord {
        EpisodeRecord {
            episode: number,
            arena: 0,
            length: 10,
            returns: vec![score],
            score,
            truncated: false,
            exploration_scale: 0.0,
            decisions: 10 * number,
            seconds: number as f64,
            measures: BTreeMap::new(),
        }
    }

    #[test]
    fn a_run_is_solved_once_when_a_full_window_reaches_the_bar() {
        let mut board = ScoreBoard::new(Some(0.5));
        for number in 1..=99 {
            assert_eq!(board.push(&episode(number, 1.0)), None);
        }
        assert_eq!((board.solved(), board.recent_score()), (None, Some(1.0)));
        assert_eq!(board.push(&episode(100, 1.0)), Some(1.0));
        let solved = Solved { episodes: 100, decisions: 1_000, seconds: 100.0 };
        assert_eq!(board.solved(), Some(solved));
        for number in 101..=300 {
            board.push(&episode(number, 0.0));
        }
        assert_eq!(board.solved(), Some(solved), "it stays solved");
        assert_eq!((board.score_100(), board.best_score_100()), (Some(0.0), Some(1.0)));
        assert_eq!(board.episodes(), 300);
    }

    #[test]
    fn measures_have_the_mean_of_the_last_hundred_episodes() {
        let mut board = ScoreBoard::new(None);
        for number in 1..=150 {
            let touches = if number <= 50 { 9.0 } else { number as f32 % 2.0 };
            board.push(&EpisodeRecord {
                measures: [("touches".into(), touches)].into(),
                ..episode(number, 0.0)
            });
        }
        assert_eq!(board.recent_measures(), [("touches".into(), 0.5)].into());
    }

    #[test]
    fn exactly_the_bar_is_enough_and_no_bar_is_never_solved() {
        let (mut bar, mut none) = (ScoreBoard::new(Some(0.5)), ScoreBoard::new(None));
        for number in 1..=100 {
            bar.push(&episode(number, 0.5));
            none.push(&episode(number, 0.5));
        }
        assert!(bar.solved().is_some() && none.solved().is_none());
    }

    #[test]
    fn the_curve_of_a_long_run_is_bounded_and_even() {
        let mut board = ScoreBoard::new(None);
        for number in 1..=100_001 {
            board.push(&episode(number, 0.0));
            assert!(board.points().len() <= MAX_POINTS);
        }
        let points = board.points();
        assert!(points.len() > MAX_POINTS / 2);
        assert_eq!(points[0].decisions, 10);
        let step = points[1].decisions - points[0].decisions;
        assert!(points.windows(2).all(|pair| pair[1].decisions - pair[0].decisions == step));
    }
}
