//! The summary of a run: one JSON object, on the last line of standard output and in `summary.json`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::output_error::OutputError;

/// What a run came to. Numbers must be finite: JSON knows neither infinity nor NaN and gets `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the example that was run, such as `tennis`.
    pub example: String,
    /// Seed of all random streams.
    pub seed: u64,
    /// Name of the preset of hyper-parameters.
    pub preset: String,
    /// Whether the mean score of 100 episodes reached the bar.
    pub solved: bool,
    /// Episodes finished when it did, `None` where it did not.
    pub solved_at_episodes: Option<u64>,
    /// Joint decisions of all arenas when it did.
    pub solved_at_decisions: Option<u64>,
    /// Seconds since the start of the run when it did.
    pub solved_at_seconds: Option<f64>,
    /// Mean score of the last 100 training episodes, with exploration noise; `None` before the 100th.
    pub score_100: Option<f32>,
    /// The best such mean of the run.
    pub best_score_100: Option<f32>,
    /// Means over the last 100 training episodes of what the game measures beside the score, by name; left out where
    /// it measures nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f32>,
    /// Play without exploration noise after the training, where there was one.
    pub evaluation: Option<Evaluation>,
    /// Joint decisions of all arenas.
    pub decisions: u64,
    /// Decisions of single agents per second of wall-clock time, over the run.
    pub agent_decisions_per_second: f64,
    /// Updates of the learner.
    pub updates: u64,
    /// Updates per second of wall-clock time, over the run.
    pub updates_per_second: f64,
    /// Joint transitions the learner had no time for.
    pub dropped_transitions: u64,
    /// Wall-clock seconds of the run, without the evaluation.
    pub seconds: f64,
    /// Path of the policy file that was written.
    pub policy: String,
    /// Version of that policy.
    pub policy_version: u64,
}

/// Scores of episodes played without exploration noise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Episodes played.
    pub episodes: u64,
    /// Mean of their scores.
    pub mean: f32,
    /// The worst score.
    pub min: f32,
    /// The best score.
    pub max: f32,
    /// Means of what the game measures beside the score, by name; left out where it measures nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f32>,
}

impl Evaluation {
    /// Sums up `scores`, without measures; `None` where there are none.
    pub fn of(scores: &[f32]) -> Option<Self> {
        let (&first, _) = scores.split_first()?;
        let sum: f64 = scores.iter().map(|&score| f64::from(score)).sum();
        Some(Self {
            episodes: scores.len() as u64,
            mean: (sum / scores.len() as f64) as f32,
            min: scores.iter().copied().fold(first, f32::min),
            max: scores.iter().copied().fold(first, f32::max),
            measures: BTreeMap::new(),
        })
    }
}

impl Summary {
    /// The summary as one line of JSON, without a line end.
    pub fn to_json_line(&self) -> String {
        serde_json::to_string(self).expect("a struct of numbers and strings is always JSON")
    }

    /// Writes the summary to `path` as indented JSON: whole or not at all, replacing what is there.
    ///
    /// # Errors
    /// [`OutputError::Io`] where the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        let path = path.as_ref();
        let mut json =
            serde_json::to_string_pretty(self).expect("a struct of numbers and strings is always JSON");
        json.push('\n');
        write_atomically(path, json.as_bytes()).map_err(OutputError::io("write", path))
    }
}

/// Writes a temporary file in the folder of `path`, syncs it and renames it.
fn write_atomically(path: &Path, data: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))?;
    let temporary = path.with_file_name(format!(".{}.tmp{}", name.to_string_lossy(), std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(data).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error that counts is the one above.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            example: "tennis".into(),
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
            "example",
            "seed",
            "preset",
            "solved",
            "solved_at_episodes",
            "solved_at_decisions",
            "solved_at_seconds",
            "score_100",
            "best_score_100",
            "evaluation",
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
