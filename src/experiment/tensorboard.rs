//! TensorBoard events: the curves of a run under the names every reader of reinforcement learning
//! knows (those of cleanrl).
//!
//! `tensorboard --logdir <folder>` shows them, live. The horizontal axis (`step`) is joint decisions
//! of all arenas.
//!
//! | tag | value |
//! |---|---|
//! | `charts/episodic_return` | the game's score of an episode |
//! | `charts/episodic_return_<slot>` | return of the agent in that slot, where an arena has several |
//! | `charts/episodic_length` | decisions of an episode |
//! | `charts/score_100` | mean score of the last 100 episodes, from the 100th on |
//! | `measures/NAME` | what the game measures in an episode beside returns |
//! | `charts/exploration_scale` | scale of the exploration noise |
//! | `charts/SPS` | joint decisions per second, over the last second or more |
//! | `charts/updates`, `charts/UPS` | updates so far, and per second since the last report |
//! | `charts/policy_version` | newest policy published |
//! | `charts/replay_fill` | share of the replay buffer in use, 0 to 1 |
//! | `losses/qf_loss`, `losses/actor_loss` | losses of the critics and of the actors |
//! | `losses/qf_values` | mean value the critics give to replayed transitions |
//! | `losses/saturation` | share of the actors' outputs with <code>\|a\| > 0.95</code>, 0 to 1 |
//! | `losses/critic_gradient_norm`, `losses/actor_gradient_norm` | before clipping |

mod event;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use self::event::Event;
use super::output_error::OutputError;
use crate::telemetry::{EpisodeRecord, LearnerRecord};

/// How much wall-clock time a killed process may lose.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Episodes written one by one; from then on every second, fourth, ... so that a long run of short
/// episodes does not fill the disk. TensorBoard itself shows 1,000 points a curve; `metrics.csv`
/// keeps every episode.
const EPISODES_PER_STRIDE: u64 = 20_000;

/// Writes one TensorBoard event file of scalars.
///
/// A resumed run opens a new file in the same folder: TensorBoard joins them.
#[derive(Debug)]
pub struct TensorBoardWriter {
    path: PathBuf,
    file: BufWriter<File>,
    last_flush: Instant,
    episodes: u64,
    /// Decisions and seconds of the episode `charts/SPS` was last taken at.
    last_rate: Option<(u64, f64)>,
}

impl TensorBoardWriter {
    /// Starts a file `events.out.tfevents.<secs>.bevy_maddpg.<process>.<n>` in `folder`, which is
    /// created where it is missing.
    ///
    /// # Errors
    /// [`OutputError::Io`] where the folder or the file cannot be created or written.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self, OutputError> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(OutputError::io("create the folder", folder))?;
        let (path, file) = create_unused(folder)?;
        let mut writer = Self {
            path,
            file: BufWriter::new(file),
            last_flush: Instant::now(),
            episodes: 0,
            last_rate: None,
        };
        writer.write(&Event::file_version(wall_time()))?;
        writer.flush()?;
        Ok(writer)
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one point to the curve `tag` at `step`, in joint decisions of all arenas.
    ///
    /// # Errors
    /// [`OutputError::Io`] where the file cannot be written.
    pub fn write_scalar(&mut self, tag: &str, value: f32, step: u64) -> Result<(), OutputError> {
        let mut event = Event::new(wall_time(), step);
        event.scalar(tag, value);
        self.write(&event)
    }

    /// Adds a finished episode. `score_100` is the mean score of the last 100 episodes, `None` before
    /// there are so many. Past 20,000 episodes only every second is written, past 40,000 every
    /// fourth, and so on.
    ///
    /// # Errors
    /// [`OutputError::Io`] where the file cannot be written.
    pub fn write_episode(
        &mut self,
        record: &EpisodeRecord,
        score_100: Option<f32>,
    ) -> Result<(), OutputError> {
        let stride = (self.episodes / EPISODES_PER_STRIDE + 1).next_power_of_two();
        self.episodes += 1;
        if !self.episodes.is_multiple_of(stride) {
            return self.flush_if_due();
        }
        let mut event = Event::new(wall_time(), record.decisions);
        event.scalar("charts/episodic_return", record.score);
        if record.returns.len() > 1 {
            for (slot, &value) in record.returns.iter().enumerate() {
                event.scalar(&format!("charts/episodic_return_{slot}"), value);
            }
        }
        event.scalar("charts/episodic_length", record.length as f32);
        event.scalar("charts/exploration_scale", record.exploration_scale);
        if let Some(score_100) = score_100 {
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

    /// Adds a learner report that came after `decisions` joint decisions of all arenas.
    ///
    /// # Errors
    /// [`OutputError::Io`] where the file cannot be written.
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

    /// Hands the events to the operating system where the last time was a second ago or longer. Every
    /// write does this too; call it once a frame where writes are rare.
    ///
    /// # Errors
    /// [`OutputError::Io`] where the file cannot be written.
    pub fn flush_if_due(&mut self) -> Result<(), OutputError> {
        if self.last_flush.elapsed() >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands all events to the operating system.
    ///
    /// # Errors
    /// [`OutputError::Io`] where the file cannot be written.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.last_flush = Instant::now();
        self.file.flush().map_err(OutputError::io("write", &self.path))
    }

    fn write(&mut self, event: &Event) -> Result<(), OutputError> {
        event.write_record(&mut self.file).map_err(OutputError::io("write", &self.path))?;
        self.flush_if_due()
    }

    /// The rate since the last point of `charts/SPS`, once a second of the run has passed.
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

/// Creates an event file under a name nothing in `folder` has yet.
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
    use std::collections::BTreeMap;

    use super::event::decode::{self, Scalar};
    use super::*;

    fn episode(number: u64, seconds: f64) -> EpisodeRecord {
        EpisodeRecord {
            episode: number,
            arena: 0,
            length: 20,
            returns: vec![0.5, -0.25],
            score: 0.5,
            truncated: false,
            exploration_scale: 0.75,
            decisions: 20 * number,
            seconds,
            measures: BTreeMap::new(),
        }
    }

    fn curve(scalars: &[Scalar], tag: &str) -> Vec<(u64, f32)> {
        scalars.iter().filter(|scalar| scalar.tag == tag).map(|scalar| (scalar.step, scalar.value)).collect()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TensorBoardWriter::create(folder.path().join("events")).unwrap();
        writer.write_episode(&episode(1, 0.0), None).unwrap();
        writer.write_episode(&episode(2, 0.5), None).unwrap();
        writer.write_episode(&episode(3, 2.0), Some(0.25)).unwrap();
        let report = LearnerRecord {
            critic_loss: 0.125,
            actor_loss: -1.5,
            saturation: 0.0625,
            replay_len: 1,
            replay_capacity: 4,
            ..LearnerRecord::default()
        };
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

    #[test]
    fn episodes_thin_out_in_a_long_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TensorBoardWriter::create(folder.path()).unwrap();
        for number in 1..=60_000 {
            writer.write_episode(&episode(number, 0.0), None).unwrap();
        }
        writer.flush().unwrap();
        let scalars = decode::scalars(&std::fs::read(writer.path()).unwrap());
        let written = curve(&scalars, "charts/episodic_return").len();
        assert_eq!(written, 20_000 + 10_000 + 5_000);
    }
}
