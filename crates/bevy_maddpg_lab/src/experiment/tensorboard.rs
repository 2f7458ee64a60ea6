//! TensorBoard events: the curves of a run, under the familiar names that cleanrl uses.
//!
//! `tensorboard --logdir <folder>` shows them live. The horizontal axis (`step`) is joint decisions of all arenas.
//!
//! | tag | value |
//! |---|---|
//! | `charts/episodic_return` | the game's score of an episode |
//! | `charts/episodic_return_<slot>` | return of the agent in that slot, if an arena has several agents |
//! | `charts/episodic_length` | decisions of an episode |
//! | `charts/score_100` | mean score of the last 100 episodes, from the 100th on |
//! | `measures/NAME` | the game's measure NAME in an episode |
//! | `self_play/rating`, `self_play/score_past`, `self_play/score_past_worst` | the newest policy's rating, its mean score and its worst score against its own past (0 to 1), at each snapshot; see [`Pool`](bevy_maddpg::self_play::Pool) |
//! | `eval/mean_score`, `eval/min_score` | mean and lowest score of a policy in episodes without exploration, whenever one is evaluated |
//! | `charts/exploration_scale` | scale of the exploration noise |
//! | `charts/SPS` | joint decisions per second, measured over a second or more |
//! | `charts/updates`, `charts/UPS` | updates so far, and per second since the last report |
//! | `charts/policy_version` | version of the newest published policy |
//! | `charts/replay_fill` | share of the replay buffer in use, 0 to 1 |
//! | `losses/qf_loss`, `losses/actor_loss` | losses of the critics and of the actors |
//! | `losses/qf_values` | mean value the critics give to replayed transitions |
//! | `losses/saturation` | share of the actors' outputs with <code>\|a\| > 0.95</code>, 0 to 1 |
//! | `losses/critic_gradient_norm`, `losses/actor_gradient_norm` | global norms of the gradients before clipping |

mod event;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bevy_maddpg::learner::LearnerRecord;

use self::event::Event;
use super::{flush::FlushTimer, output_error::OutputError};
use crate::statistics::EpisodeRecord;

/// Writes one TensorBoard event file of scalars.
///
/// A resumed run opens a new file in the same folder. TensorBoard joins the two; see [`purge`](Self::purge).
#[derive(Debug)]
pub struct TensorBoardWriter {
    path: PathBuf,
    file: BufWriter<File>,
    flush: FlushTimer,
    /// Decisions and seconds at the episode where `charts/SPS` was last measured.
    last_rate: Option<(u64, f64)>,
}

impl TensorBoardWriter {
    /// Creates a file `events.out.tfevents.<secs>.bevy_maddpg.<process>.<n>` in `folder`, and the folder if it is
    /// missing.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the folder or the file cannot be created or written.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self, OutputError> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(OutputError::io("create the folder", folder))?;
        let (path, file) = create_unused(folder)?;
        let mut writer = Self { path, file: BufWriter::new(file), flush: FlushTimer::new(), last_rate: None };
        writer.write(&Event::file_version(wall_time()))?;
        writer.flush()?;
        Ok(writer)
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes TensorBoard drop what earlier files in the folder have after `step`: a resumed run has not reached it again.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn purge(&mut self, step: u64) -> Result<(), OutputError> {
        // TensorBoard drops the events from this step on.
        self.write(&Event::session_start(wall_time(), step + 1))
    }

    /// Adds one point to the curve `tag` at `step`, in joint decisions of all arenas.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn write_scalar(&mut self, tag: &str, value: f32, step: u64) -> Result<(), OutputError> {
        let mut event = Event::new(wall_time(), step);
        event.scalar(tag, value);
        self.write(&event)
    }

    /// Adds a finished episode.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn write_episode(&mut self, record: &EpisodeRecord) -> Result<(), OutputError> {
        let mut event = Event::new(wall_time(), record.decisions);
        event.scalar("charts/episodic_return", record.score);
        if record.returns.len() > 1 {
            for (slot, &value) in record.returns.iter().enumerate() {
                event.scalar(&format!("charts/episodic_return_{slot}"), value);
            }
        }
        event.scalar("charts/episodic_length", record.length as f32);
        event.scalar("charts/exploration_scale", record.exploration_scale);
        if let Some(score_100) = record.score_100 {
            event.scalar("charts/score_100", score_100);
        }
        for (name, value) in &record.measures {
            event.scalar(&format!("measures/{name}"), *value);
        }
        if let Some(rate) = self.decisions_per_second(record) {
            event.scalar("charts/SPS", rate);
        }
        self.write(&event)
    }

    /// Adds a learner report received after `decisions` joint decisions of all arenas.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn write_learner(&mut self, record: &LearnerRecord, decisions: u64) -> Result<(), OutputError> {
        let mut event = Event::new(wall_time(), decisions);
        event.scalar("losses/qf_loss", record.critic_loss);
        event.scalar("losses/actor_loss", record.actor_loss);
        event.scalar("losses/qf_values", record.q_mean);
        event.scalar("losses/saturation", record.saturation);
        event.scalar("losses/critic_gradient_norm", record.critic_gradient_norm);
        event.scalar("losses/actor_gradient_norm", record.actor_gradient_norm);
        event.scalar("charts/updates", record.updates as f32);
        event.scalar("charts/UPS", record.updates_per_second);
        event.scalar("charts/policy_version", record.policy_version as f32);
        if record.replay_capacity > 0 {
            let fill = record.replay_len as f32 / record.replay_capacity as f32;
            event.scalar("charts/replay_fill", fill);
        }
        self.write(&event)
    }

    /// Flushes the events to the operating system if the last flush was a second or more ago. Every write does this
    /// too; call it once per frame if writes are rare.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn flush_if_due(&mut self) -> Result<(), OutputError> {
        if self.flush.is_due() {
            self.flush()?;
        }
        Ok(())
    }

    /// Flushes all events to the operating system.
    ///
    /// # Errors
    /// [`OutputError::Io`] if the file cannot be written.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.flush.restart();
        self.file.flush().map_err(OutputError::io("write", &self.path))
    }

    fn write(&mut self, event: &Event) -> Result<(), OutputError> {
        event.write_record(&mut self.file).map_err(OutputError::io("write", &self.path))?;
        self.flush_if_due()
    }

    /// The rate since the last point of `charts/SPS`; `None` until a second has passed.
    fn decisions_per_second(&mut self, record: &EpisodeRecord) -> Option<f32> {
        let Some((decisions, seconds)) = self.last_rate else {
            self.last_rate = Some((record.decisions, record.seconds));
            return None;
        };
        let passed = record.seconds - seconds;
        if (0.0..1.0).contains(&passed) {
            return None;
        }
        self.last_rate = Some((record.decisions, record.seconds));
        let done = record.decisions.checked_sub(decisions)?;
        (passed > 0.0).then(|| (done as f64 / passed) as f32)
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Creates an event file with a name that is not yet used in `folder`.
fn create_unused(folder: &Path) -> Result<(PathBuf, File), OutputError> {
    let (seconds, process) = (wall_time() as u64, std::process::id());
    let mut number = 0;
    loop {
        let name = format!("events.out.tfevents.{seconds}.bevy_maddpg.{process}.{number}");
        let path = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(OutputError::io("create", &path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::event::decode::{self, Scalar};
    use super::*;

    fn episode(number: u64, seconds: f64) -> EpisodeRecord {
        EpisodeRecord {
            episode: number,
            length: 20,
            returns: vec![0.5, -0.25],
            score: 0.5,
            exploration_scale: 0.75,
            decisions: 20 * number,
            seconds,
            ..EpisodeRecord::default()
        }
    }

    fn curve(scalars: &[Scalar], tag: &str) -> Vec<(u64, f32)> {
        scalars.iter().filter(|scalar| scalar.tag == tag).map(|scalar| (scalar.step, scalar.value)).collect()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TensorBoardWriter::create(folder.path().join("events")).unwrap();
        writer.write_episode(&episode(1, 0.0)).unwrap();
        writer.write_episode(&episode(2, 0.5)).unwrap();
        writer.write_episode(&EpisodeRecord { score_100: Some(0.25), ..episode(3, 2.0) }).unwrap();
        let mut report = LearnerRecord::default();
        (report.critic_loss, report.actor_loss, report.saturation) = (0.125, -1.5, 0.0625);
        (report.replay_len, report.replay_capacity) = (1, 4);
        writer.write_learner(&report, 70).unwrap();
        writer.write_scalar("evaluation/score", 2.5, 1 << 40).unwrap();
        writer.flush().unwrap();

        let name = writer.path().file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("events.out.tfevents."));
        let scalars = decode::scalars(&std::fs::read(writer.path()).unwrap());
        assert_eq!(curve(&scalars, "charts/episodic_return"), [(20, 0.5), (40, 0.5), (60, 0.5)]);
        assert_eq!(curve(&scalars, "charts/episodic_return_1")[0], (20, -0.25));
        assert_eq!(curve(&scalars, "charts/score_100"), [(60, 0.25)]);
        assert_eq!(curve(&scalars, "charts/SPS"), [(60, 20.0)]);
        assert_eq!(curve(&scalars, "losses/qf_loss"), [(70, 0.125)]);
        assert_eq!(curve(&scalars, "losses/actor_loss"), [(70, -1.5)]);
        assert_eq!(curve(&scalars, "losses/saturation"), [(70, 0.0625)]);
        assert_eq!(curve(&scalars, "charts/replay_fill"), [(70, 0.25)]);
        assert_eq!(curve(&scalars, "evaluation/score"), [(1 << 40, 2.5)]);
    }

    #[test]
    fn two_writers_in_one_second_have_a_file_each() {
        let folder = tempfile::tempdir().unwrap();
        let one = TensorBoardWriter::create(folder.path()).unwrap();
        let two = TensorBoardWriter::create(folder.path()).unwrap();
        assert_ne!(one.path(), two.path());
    }
}
