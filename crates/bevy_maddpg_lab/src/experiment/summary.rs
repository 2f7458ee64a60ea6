//! The summary of a run: one JSON object, on the last line of standard output and in `summary.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{OutputError, run_folder::write_json};
use crate::{
    games::results::{DRAWS, GOALS_AGAINST, GOALS_FOR, LOSSES, SECONDS, WINS},
    rating::Rating,
    statistics::{PolicyScore, RunStatistics},
};

/// The result of a run. Numbers must be finite: JSON has neither infinity nor NaN, so they become `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Name of the game, such as `tennis`.
    pub game: String,
    /// Seed of all random streams.
    pub seed: u64,
    /// Name of the preset of hyperparameters.
    pub preset: String,
    /// Whether the mean score of 100 episodes reached the score that solves the game.
    pub solved: bool,
    /// Episodes finished when it did; `None` if it did not.
    pub solved_at_episodes: Option<u64>,
    /// Joint decisions of all arenas when it did.
    pub solved_at_decisions: Option<u64>,
    /// Seconds since the start of the run when it did.
    pub solved_at_seconds: Option<f64>,
    /// Mean score of the last 100 training episodes, with exploration noise; `None` before the 100th.
    pub score_100: Option<f32>,
    /// The best such mean of the run.
    pub best_score_100: Option<f32>,
    /// Means of the game's measures over the last 100 training episodes, by name; omitted if it has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f32>,
    /// The rating by which the result was chosen among the policies of the run; omitted if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<Rating>,
    /// How the result plays without exploration, by which it was chosen among the policies of the run; omitted if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<PolicyScore>,
    /// The evaluation without exploration, if there was one.
    pub evaluation: Option<Evaluation>,
    /// Whether the run reached its end: the result of a training was chosen (if not, `--resume` does so), or all episodes of an evaluation
    /// were played.
    #[serde(default = "was_finished")]
    pub finished: bool,
    /// Joint decisions of all arenas.
    pub decisions: u64,
    /// Decisions of single agents per second of wall-clock time, averaged since the run was started or last resumed. With
    /// `--lockstep --save-replay`, a run without a window has parts, and each of them counts as a resume.
    pub agent_decisions_per_second: f64,
    /// Learner updates.
    pub updates: u64,
    /// Learner updates per second of wall-clock time, averaged in the same way.
    pub updates_per_second: f64,
    /// Joint transitions dropped because the learner was busy, since the run was started or last resumed.
    pub dropped_transitions: u64,
    /// Wall-clock seconds of the run, without the evaluation.
    pub seconds: f64,
    /// Path of the policy file; empty if there is none.
    pub policy: String,
    /// Version of that policy.
    pub policy_version: u64,
}

/// In summaries from before this was noted.
fn was_finished() -> bool {
    true
}

/// Scores of episodes without exploration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Episodes played.
    pub episodes: u64,
    /// Mean of their scores.
    pub mean: f32,
    /// The worst score.
    pub min: f32,
    /// The best score.
    pub max: f32,
    /// Standard deviation of the scores.
    #[serde(default)]
    pub deviation: f32,
    /// The mean score on a scale where random actions have 0 and the game's [yardstick](crate::game::Game::yardstick) has 1; omitted if
    /// it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalized: Option<f32>,
    /// Means of the game's measures, by name; omitted if it has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f32>,
    /// Results of the games, if the episodes are games between two teams.
    #[serde(flatten)]
    pub results: Option<GameResults>,
}

/// Results of games between two teams, from the side of the evaluated policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GameResults {
    /// Games played.
    pub games: u64,
    /// Games won.
    pub wins: u64,
    /// Games that nobody won.
    pub draws: u64,
    /// Games lost.
    pub losses: u64,
    /// Goals.
    pub goals_for: u64,
    /// Goals of the other team.
    pub goals_against: u64,
    /// Share of the games that were won.
    pub win_rate: f32,
    /// Mean length of a game, in seconds of the game.
    pub seconds_a_game: f32,
}

impl GameResults {
    /// The results of `games` episodes whose measures have these sums; `None` if they do not measure games.
    pub fn of(games: u64, sums: &BTreeMap<String, f32>) -> Option<Self> {
        let sum = |name: &str| sums.get(name).copied();
        let count = |name: &str| sum(name).map(|sum| sum.round() as u64);
        let wins = count(WINS)?;
        Some(Self {
            games,
            wins,
            draws: count(DRAWS)?,
            losses: count(LOSSES)?,
            goals_for: count(GOALS_FOR)?,
            goals_against: count(GOALS_AGAINST)?,
            win_rate: wins as f32 / games.max(1) as f32,
            seconds_a_game: sum(SECONDS)? / games.max(1) as f32,
        })
    }
}

impl Evaluation {
    /// Summarizes `scores`, without measures; `None` if there are none.
    pub fn of(scores: &[f32]) -> Option<Self> {
        let (&first, _) = scores.split_first()?;
        let count = scores.len() as f64;
        let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / count;
        let variance = scores.iter().map(|&score| (f64::from(score) - mean).powi(2)).sum::<f64>() / count;
        Some(Self {
            episodes: scores.len() as u64,
            mean: mean as f32,
            deviation: variance.sqrt() as f32,
            min: scores.iter().copied().fold(first, f32::min),
            max: scores.iter().copied().fold(first, f32::max),
            normalized: None,
            measures: BTreeMap::new(),
            results: None,
        })
    }
}

impl Summary {
    /// The summary of a training run so far.
    pub fn of(statistics: &RunStatistics) -> Self {
        let (status, board) = (statistics.status(), statistics.board());
        let solved = board.solved();
        Self {
            solved: solved.is_some(),
            solved_at_episodes: solved.map(|solved| solved.episodes),
            solved_at_decisions: solved.map(|solved| solved.decisions),
            solved_at_seconds: solved.map(|solved| solved.seconds),
            score_100: status.score_100,
            best_score_100: status.best_score_100,
            measures: board.recent_measures(),
            decisions: status.decisions,
            agent_decisions_per_second: status.agent_decisions_per_second,
            updates: status.updates,
            updates_per_second: status.updates_per_second,
            dropped_transitions: status.dropped_transitions,
            seconds: status.seconds,
            policy_version: status.policy_version,
            ..Self::default()
        }
    }

    /// The summary as one line of JSON, without a newline.
    pub fn to_json_line(&self) -> String {
        serde_json::to_string(self).expect("a struct of numbers and strings is always JSON")
    }

    /// Writes the summary to `path` as indented JSON, atomically. An existing file is replaced.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        write_json(path.as_ref(), self)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn summary() -> Summary {
        Summary {
            game: "tennis".into(),
            preset: "matd3".into(),
            best_score_100: Some(0.25),
            evaluation: Evaluation::of(&[1.0, 2.0, 6.0]),
            policy: "runs/tennis/policy.safetensors".into(),
            ..Summary::default()
        }
    }

    #[test]
    fn a_json_line_is_one_line_with_the_fields_in_order() {
        let line = summary().to_json_line();
        assert!(!line.contains('\n'));
        let fields = [
            "game",
            "seed",
            "preset",
            "solved",
            "solved_at_episodes",
            "solved_at_decisions",
            "solved_at_seconds",
            "score_100",
            "best_score_100",
            "evaluation",
            "finished",
            "decisions",
            "agent_decisions_per_second",
            "updates",
            "updates_per_second",
            "dropped_transitions",
            "seconds",
            "policy",
            "policy_version",
        ];
        let places: Vec<_> = fields.iter().map(|field| line.find(&format!("\"{field}\":"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{line}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object.as_object().unwrap().len(), fields.len());
        assert!(object["solved_at_seconds"].is_null());
        assert_eq!(object["evaluation"]["max"], 6.0);
    }

    #[test]
    fn a_written_summary_is_read_back_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        Summary::default().write(&path).unwrap();
        summary().write(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = summary().write(folder.path().join("missing/summary.json")).unwrap_err();
        assert!(error.to_string().contains("missing/summary.json"), "{error}");
    }

    #[test]
    fn an_evaluation_of_no_episodes_is_none() {
        assert_eq!(Evaluation::of(&[]), None);
        let evaluation = Evaluation::of(&[-1.0, 2.0]).unwrap();
        assert_eq!((evaluation.mean, evaluation.min, evaluation.max), (0.5, -1.0, 2.0));
    }
}
