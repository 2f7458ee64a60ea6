//! The scores of a run so far: the mean, the best, the learning curve, and when the game was solved.

use std::collections::BTreeMap;

use bevy_maddpg::score::ScoreWindow;
use serde::{Deserialize, Serialize};

use super::{EpisodeRecord, series::Series};

/// Number of episodes in a mean score.
pub const SCORE_WINDOW: usize = 100;

/// Maximum number of points kept of the learning curve.
const MAX_POINTS: usize = 4_096;

/// One finished episode, as a point of the learning curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u64, f32, Option<f32>)", into = "(u64, f32, Option<f32>)")]
pub struct CurvePoint {
    /// Joint decisions of all arenas when the episode ended.
    pub decisions: u64,
    /// The game's score of the episode.
    pub score: f32,
    /// Mean score of the last 100 episodes; `None` before the 100th.
    pub score_100: Option<f32>,
}

impl From<(u64, f32, Option<f32>)> for CurvePoint {
    fn from((decisions, score, score_100): (u64, f32, Option<f32>)) -> Self {
        Self { decisions, score, score_100 }
    }
}

impl From<CurvePoint> for (u64, f32, Option<f32>) {
    fn from(point: CurvePoint) -> Self {
        (point.decisions, point.score, point.score_100)
    }
}

/// When the mean score of 100 episodes first reached the score that solves the game.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Solved {
    /// Number of the episode that completed this mean.
    pub episodes: u64,
    /// Joint decisions of all arenas at that time.
    pub decisions: u64,
    /// Seconds since the run started.
    pub seconds: f64,
}

/// Summarizes the scores of a run. Its memory is bounded, however long the run is.
#[derive(Debug, Clone)]
pub struct ScoreBoard {
    bar: Option<f32>,
    window: ScoreWindow,
    measures: BTreeMap<String, ScoreWindow>,
    solved: Option<Solved>,
    episodes: u64,
    /// Those since the last episode of an earlier lesson.
    final_episodes: u64,
    last: Option<CurvePoint>,
    points: Series<CurvePoint>,
}

/// A [`ScoreBoard`] as checkpoints contain it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedBoard {
    scores: Vec<f32>,
    best: Option<f32>,
    measures: BTreeMap<String, Vec<f32>>,
    solved: Option<Solved>,
    episodes: u64,
    #[serde(default)]
    final_episodes: u64,
    last: Option<CurvePoint>,
    points: Series<CurvePoint>,
}

impl SavedBoard {
    /// Whether the game was solved.
    pub fn is_solved(&self) -> bool {
        self.solved.is_some()
    }
}

impl ScoreBoard {
    /// The board, to go on from it later.
    pub fn save(&self) -> SavedBoard {
        let scores = |(name, window): (&String, &ScoreWindow)| (name.clone(), window.scores().collect());
        SavedBoard {
            scores: self.window.scores().collect(),
            best: self.window.best(),
            measures: self.measures.iter().map(scores).collect(),
            solved: self.solved,
            episodes: self.episodes,
            final_episodes: self.final_episodes,
            last: self.last,
            points: self.points.clone(),
        }
    }

    /// Goes on from a saved board, with this board's own bar.
    pub fn restore(&mut self, saved: &SavedBoard) {
        let window =
            |scores: &Vec<f32>, best| ScoreWindow::resumed(SCORE_WINDOW, scores.iter().copied(), best);
        *self = Self {
            bar: self.bar,
            window: window(&saved.scores, saved.best),
            measures: saved
                .measures
                .iter()
                .map(|(name, scores)| (name.clone(), window(scores, None)))
                .collect(),
            solved: saved.solved,
            episodes: saved.episodes,
            final_episodes: saved.final_episodes,
            last: saved.last,
            points: saved.points.clone(),
        };
    }

    /// An empty board. The game is solved once the mean score of 100 episodes is at least `bar`, all of them in the last lesson if there
    /// are lessons, and never if `bar` is `None`.
    pub fn new(bar: Option<f32>) -> Self {
        Self {
            bar,
            window: ScoreWindow::new(SCORE_WINDOW),
            measures: BTreeMap::new(),
            solved: None,
            episodes: 0,
            final_episodes: 0,
            last: None,
            points: Series::new(MAX_POINTS),
        }
    }

    /// Adds an episode and returns the mean score of the last 100; `None` before the 100th. A score or a measure that is not finite counts
    /// as 0.
    pub fn push(&mut self, record: &EpisodeRecord) -> Option<f32> {
        let finite = |number: f32| if number.is_finite() { number } else { 0.0 };
        let score = finite(record.score);
        let score_100 = self.window.push(score);
        for (name, value) in &record.measures {
            let window = self.measures.entry(name.clone());
            window.or_insert_with(|| ScoreWindow::new(SCORE_WINDOW)).push(finite(*value));
        }
        self.episodes = record.episode;
        self.final_episodes = if record.earlier_lesson { 0 } else { self.final_episodes + 1 };
        let is_final = self.final_episodes >= SCORE_WINDOW as u64;
        let reached = is_final && score_100.zip(self.bar).is_some_and(|(mean, bar)| mean >= bar);
        if reached && self.solved.is_none() {
            self.solved = Some(Solved {
                episodes: record.episode,
                decisions: record.decisions,
                seconds: record.seconds,
            });
        }
        let point = CurvePoint { decisions: record.decisions, score, score_100 };
        self.last = Some(point);
        self.points.push(point);
        score_100
    }

    /// When the game was solved; `None` if it has not been.
    pub fn solved(&self) -> Option<Solved> {
        self.solved
    }

    /// The mean score that solves the game.
    pub fn bar(&self) -> Option<f32> {
        self.bar
    }

    /// Mean score of the last 100 episodes; `None` before the 100th.
    pub fn score_100(&self) -> Option<f32> {
        self.last.and_then(|point| point.score_100)
    }

    /// Mean score of the last 100 episodes, or of all if there are fewer; `None` before the first.
    pub fn recent_score(&self) -> Option<f32> {
        self.window.mean()
    }

    /// Means of the game's measures over the last 100 episodes, or over all if there are fewer, by name.
    pub fn recent_measures(&self) -> BTreeMap<String, f32> {
        let mean = |(name, window): (&String, &ScoreWindow)| Some((name.clone(), window.mean()?));
        self.measures.iter().filter_map(mean).collect()
    }

    /// The best mean score of 100 episodes so far.
    pub fn best_score_100(&self) -> Option<f32> {
        self.window.best()
    }

    /// Number of finished episodes.
    pub fn episodes(&self) -> u64 {
        self.episodes
    }

    /// The learning curve: all episodes of a short run, an evenly spaced sample of a long one.
    pub fn points(&self) -> &[CurvePoint] {
        self.points.items()
    }

    /// The last episode; `None` before the first.
    pub fn last(&self) -> Option<CurvePoint> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(number: u64, score: f32) -> EpisodeRecord {
        EpisodeRecord {
            episode: number,
            score,
            decisions: 10 * number,
            seconds: number as f64,
            ..Default::default()
        }
    }

    #[test]
    fn scores_and_measures_that_are_no_numbers_count_as_0() {
        let mut board = ScoreBoard::new(Some(0.5));
        board.push(&EpisodeRecord {
            measures: [("hits".into(), f32::NAN)].into(),
            ..episode(1, f32::INFINITY)
        });
        for number in 2..=100 {
            board.push(&episode(number, 1.0));
        }
        assert_eq!(board.recent_score(), Some(0.99));
        let text = serde_json::to_string(&board.save()).unwrap();
        assert!(serde_json::from_str::<SavedBoard>(&text).is_ok(), "{text}");
    }

    #[test]
    fn a_game_with_lessons_is_solved_in_the_last_one() {
        let mut board = ScoreBoard::new(Some(0.5));
        for number in 1..=150 {
            board.push(&EpisodeRecord { earlier_lesson: true, ..episode(number, 2.0) });
        }
        assert_eq!(board.solved(), None, "the lesson was too easy");
        for number in 151..=249 {
            board.push(&episode(number, 1.0));
        }
        assert_eq!(board.solved(), None, "one of the last 100 episodes was of an earlier lesson");
        board.push(&episode(250, 1.0));
        assert_eq!(board.solved().map(|solved| solved.episodes), Some(250));
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
    fn a_restored_board_goes_on_as_if_it_had_not_stopped() {
        let mut whole = ScoreBoard::new(Some(0.5));
        let score = |number: u64| (number % 7) as f32 / 7.0;
        for number in 1..=150 {
            whole.push(&EpisodeRecord {
                measures: [("hits".into(), 1.0)].into(),
                ..episode(number, score(number))
            });
        }
        let saved: SavedBoard = serde_json::from_str(&serde_json::to_string(&whole.save()).unwrap()).unwrap();
        let mut resumed = ScoreBoard::new(Some(0.5));
        resumed.restore(&saved);
        for number in 151..=9_000 {
            let record = episode(number, score(number));
            assert_eq!(whole.push(&record), resumed.push(&record));
        }
        assert_eq!((whole.solved(), whole.best_score_100()), (resumed.solved(), resumed.best_score_100()));
        assert_eq!((whole.points(), whole.recent_measures()), (resumed.points(), resumed.recent_measures()));
        assert_eq!(whole.episodes(), resumed.episodes());
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
