//! `metrics.csv`: one row per episode and one per learner report.
//!
//! Both kinds of row share one header; cells that do not apply to a row are empty. In pandas:
//! `rows = pandas.read_csv("metrics.csv"); episodes = rows[rows.kind == "episode"]`.
//!
//! | column | rows | meaning |
//! |---|---|---|
//! | `kind` | both | `episode` or `learner` |
//! | `decisions` | both | joint decisions of all arenas so far |
//! | `seconds` | both | since the start of the run (episode rows) or of the learner (learner rows) |
//! | `episode` | episode | number of the episode, from 1 |
//! | `arena` | episode | index of its arena |
//! | `length` | episode | decisions in the episode |
//! | `score` | episode | the game's score |
//! | `score_100` | episode | mean score of the last 100 episodes, empty before the 100th |
//! | `returns` | episode | undiscounted return of each agent by slot, separated by spaces |
//! | `truncated` | episode | `true` if it was cut off, for example by a time limit |
//! | `exploration_scale` | episode | scale of its exploration noise |
//! | `updates` | learner | updates so far |
//! | `policy_version` | learner | version of the newest published policy |
//! | `transitions` | learner | joint transitions received so far |
//! | `replay_len`, `replay_capacity` | learner | joint transitions in the replay buffer, and its capacity |
//! | `critic_loss`, `actor_loss`, `q_mean` | learner | as in [`LearnerRecord`] |
//! | `saturation` | learner | share of the actors' outputs with <code>\|a\| > 0.95</code>, 0 to 1 |
//! | `critic_gradient_norm`, `actor_gradient_norm` | learner | global norms of the gradients before clipping |
//! | `updates_per_second` | learner | updates per second of wall-clock time since the last report |

mod existing_file;

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use bevy_maddpg::learner::LearnerRecord;
use serde::Serialize;

use super::{flush::FlushTimer, output_error::OutputError};
use crate::statistics::EpisodeRecord;

/// The columns of `metrics.csv`, in order.
pub const COLUMNS: [&str; 23] = [
    "kind",
    "decisions",
    "seconds",
    "episode",
    "arena",
    "length",
    "score",
    "score_100",
    "returns",
    "truncated",
    "exploration_scale",
    "updates",
    "policy_version",
    "transitions",
    "replay_len",
    "replay_capacity",
    "critic_loss",
    "actor_loss",
    "q_mean",
    "saturation",
    "critic_gradient_norm",
    "actor_gradient_norm",
    "updates_per_second",
];

/// Writes `metrics.csv`. Rows are buffered. They reach the file at the first write or
/// [`flush_if_due`](Self::flush_if_due) that comes a second or more after the last flush, and when the writer is
/// dropped.
#[derive(Debug)]
pub struct MetricsWriter {
    path: PathBuf,
    csv: csv::Writer<File>,
    flush: FlushTimer,
}

impl MetricsWriter {
    /// Creates the file at `path`. An existing file is overwritten.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be created or written.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, OutputError> {
        let path = path.into();
        let file = File::create(&path).map_err(OutputError::io("create", &path))?;
        Self::start(path, file, true)
    }

    /// Opens the file at `path` for appending, or creates it if there is none. Removes the rows after `decisions` joint decisions, and an
    /// incomplete last line, which a killed process may have left.
    ///
    /// # Errors
    /// [`OutputError::Columns`] if the file has another header, [`OutputError::Io`] if it cannot be read or written.
    pub fn append(path: impl Into<PathBuf>, decisions: u64) -> Result<Self, OutputError> {
        let path = path.into();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(OutputError::io("open", &path))?;
        let kept = existing_file::rows_until(&mut file, &path, decisions)?;
        file.set_len(kept)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(OutputError::io("append to", &path))?;
        Self::start(path, file, kept == 0)
    }

    fn start(path: PathBuf, file: File, header: bool) -> Result<Self, OutputError> {
        let mut writer = Self {
            path,
            csv: csv::WriterBuilder::new().has_headers(false).from_writer(file),
            flush: FlushTimer::new(),
        };
        if header {
            let written = writer.csv.write_record(COLUMNS);
            writer.check(written)?;
            writer.flush()?;
        }
        Ok(writer)
    }

    /// Adds a row for a finished episode.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn write_episode(&mut self, record: &EpisodeRecord) -> Result<(), OutputError> {
        let returns: Vec<String> = record.returns.iter().map(f32::to_string).collect();
        self.write(&Row {
            kind: "episode",
            decisions: record.decisions,
            seconds: record.seconds,
            episode: Some(record.episode),
            arena: Some(record.arena),
            length: Some(record.length),
            score: Some(record.score),
            score_100: record.score_100,
            returns: Some(returns.join(" ")),
            truncated: Some(record.truncated),
            exploration_scale: Some(record.exploration_scale),
            ..Row::default()
        })
    }

    /// Adds a row for a learner report received after `decisions` joint decisions of all arenas.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn write_learner(&mut self, record: &LearnerRecord, decisions: u64) -> Result<(), OutputError> {
        self.write(&Row {
            kind: "learner",
            decisions,
            seconds: record.seconds,
            updates: Some(record.updates),
            policy_version: Some(record.policy_version),
            transitions: Some(record.transitions),
            replay_len: Some(record.replay_len),
            replay_capacity: Some(record.replay_capacity),
            critic_loss: Some(record.critic_loss),
            actor_loss: Some(record.actor_loss),
            q_mean: Some(record.q_mean),
            saturation: Some(record.saturation),
            critic_gradient_norm: Some(record.critic_gradient_norm),
            actor_gradient_norm: Some(record.actor_gradient_norm),
            updates_per_second: Some(record.updates_per_second),
            ..Row::default()
        })
    }

    /// Flushes the rows to the operating system if the last flush was a second or more ago. Every write does this too;
    /// call it once per frame if writes are rare.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn flush_if_due(&mut self) -> Result<(), OutputError> {
        if self.flush.is_due() {
            self.flush()?;
        }
        Ok(())
    }

    /// Flushes all rows to the operating system.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.flush.restart();
        self.csv.flush().map_err(OutputError::io("write", &self.path))
    }

    fn write(&mut self, row: &Row) -> Result<(), OutputError> {
        let written = self.csv.serialize(row);
        self.check(written)?;
        self.flush_if_due()
    }

    fn check(&self, written: csv::Result<()>) -> Result<(), OutputError> {
        written.map_err(|error| OutputError::io("write", &self.path)(error.into()))
    }
}

/// One row. The fields are the [`COLUMNS`], in the same order.
#[derive(Debug, Default, Serialize)]
struct Row {
    kind: &'static str,
    decisions: u64,
    seconds: f64,
    episode: Option<u64>,
    arena: Option<usize>,
    length: Option<u32>,
    score: Option<f32>,
    score_100: Option<f32>,
    returns: Option<String>,
    truncated: Option<bool>,
    exploration_scale: Option<f32>,
    updates: Option<u64>,
    policy_version: Option<u64>,
    transitions: Option<u64>,
    replay_len: Option<usize>,
    replay_capacity: Option<usize>,
    critic_loss: Option<f32>,
    actor_loss: Option<f32>,
    q_mean: Option<f32>,
    saturation: Option<f32>,
    critic_gradient_norm: Option<f32>,
    actor_gradient_norm: Option<f32>,
    updates_per_second: Option<f32>,
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;

    fn episode(number: u64) -> EpisodeRecord {
        EpisodeRecord {
            episode: number,
            arena: 3,
            length: 31,
            returns: vec![0.1, -0.01],
            score: 0.1,
            exploration_scale: 0.5,
            decisions: 31 * number,
            seconds: 0.25,
            ..EpisodeRecord::default()
        }
    }

    /// The cells of a column, by its name in the header.
    fn column(path: &Path, name: &str) -> Vec<String> {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let at = reader.headers().unwrap().iter().position(|column| column == name);
        let at = at.unwrap_or_else(|| panic!("no column {name}"));
        reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
    }

    #[test]
    fn both_kinds_share_one_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut writer = MetricsWriter::create(&path).unwrap();
        writer.write_episode(&episode(1)).unwrap();
        let mut report = LearnerRecord::default();
        (report.updates, report.critic_loss, report.updates_per_second) = (7, 0.125, 90.0);
        writer.write_learner(&report, 40).unwrap();
        drop(writer);

        assert_eq!(column(&path, "kind"), ["episode", "learner"]);
        assert_eq!(column(&path, "decisions"), ["31", "40"]);
        assert_eq!(column(&path, "score"), ["0.1", ""]);
        assert_eq!(column(&path, "score_100"), ["", ""]);
        assert_eq!(column(&path, "returns"), ["0.1 -0.01", ""]);
        assert_eq!(column(&path, "truncated"), ["false", ""]);
        assert_eq!(column(&path, "exploration_scale"), ["0.5", ""]);
        assert_eq!(column(&path, "updates"), ["", "7"]);
        assert_eq!(column(&path, "critic_loss"), ["", "0.125"]);
        assert_eq!(column(&path, "updates_per_second"), ["", "90.0"]);
    }

    #[test]
    fn rows_have_the_columns_of_the_header_in_its_order() {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.serialize(Row::default()).unwrap();
        let text = String::from_utf8(csv.into_inner().unwrap()).unwrap();
        assert_eq!(text.lines().next(), Some(COLUMNS.join(",").as_str()));
    }

    #[test]
    fn appending_writes_no_second_header_and_drops_an_unfinished_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        MetricsWriter::append(&path, u64::MAX).unwrap().write_episode(&episode(1)).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"episode,62,0.").unwrap();
        MetricsWriter::append(&path, u64::MAX)
            .unwrap()
            .write_episode(&EpisodeRecord { score_100: Some(0.5), ..episode(2) })
            .unwrap();

        assert_eq!(column(&path, "episode"), ["1", "2"]);
        assert_eq!(column(&path, "score_100"), ["", "0.5"]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("kind").count(), 1);
    }

    #[test]
    fn rows_after_the_checkpoint_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut writer = MetricsWriter::create(&path).unwrap();
        for number in 1..=3 {
            writer.write_episode(&EpisodeRecord { decisions: 100 * number, ..episode(number) }).unwrap();
        }
        drop(writer);
        MetricsWriter::append(&path, 200).unwrap();
        assert_eq!(column(&path, "decisions"), ["100", "200"]);
    }

    #[test]
    fn a_file_that_a_spreadsheet_saved_is_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        MetricsWriter::create(&path).unwrap().write_episode(&episode(1)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for saved in [format!("\u{feff}{text}"), text.replace('\n', "\r\n")] {
            std::fs::write(&path, saved).unwrap();
            MetricsWriter::append(&path, u64::MAX).unwrap().write_episode(&episode(2)).unwrap();
            assert_eq!(column(&path, "episode"), ["1", "2"]);
        }
    }

    #[test]
    fn appending_to_a_torn_header_writes_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        std::fs::write(&path, "kind,deci").unwrap();
        MetricsWriter::append(&path, u64::MAX).unwrap().write_episode(&episode(1)).unwrap();
        assert_eq!(column(&path, "episode"), ["1"]);
    }

    #[test]
    fn appending_to_a_foreign_file_is_refused_by_name_and_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        for foreign in ["step,reward\n1,2".to_owned(), "notes".to_owned(), COLUMNS.join(",") + ",more\n"] {
            std::fs::write(&path, &foreign).unwrap();
            let error = MetricsWriter::append(&path, u64::MAX).unwrap_err();
            assert!(matches!(error, OutputError::Columns { .. }));
            assert!(error.to_string().contains("metrics.csv"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
        }
    }

    #[test]
    fn a_row_reaches_the_file_within_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut writer = MetricsWriter::create(&path).unwrap();
        writer.write_episode(&episode(1)).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(1));
        writer.flush_if_due().unwrap();
        assert_eq!(column(&path, "episode"), ["1"]);
    }
}
