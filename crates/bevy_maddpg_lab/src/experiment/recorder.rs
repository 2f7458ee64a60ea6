use std::time::{Duration, Instant};

use bevy::{ecs::system::SystemParam, prelude::*};
use bevy_maddpg::{
    learner::CheckpointRequest,
    parameters::Curriculum,
    rollout::RolloutClock,
    self_play::{Pool, SelfPlay},
    training::{LearnerReport, Training},
};

use super::{
    MetricsWriter, OutputError, RunFolder, TensorBoardWriter,
    best_policy::EvaluationSystems,
    draw_curve, policy_scores,
    rivals::{RivalSystems, SavedRivals},
    run_state::{Earlier, RunState},
};
use crate::statistics::{EpisodeRecord, PolicyScore, RunStatistics, ScoreBoard, StatisticsSystems, Thinning};

/// The first this many episodes and learner reports are all written; later ones are thinned. After ten million of each,
/// `metrics.csv` and the TensorBoard events have about 60,000 rows of each.
const ROWS: usize = 10_000;

/// Writes the output folder of a training run: metrics, TensorBoard events, checkpoints. Needs
/// [`StatisticsPlugin`](crate::statistics::StatisticsPlugin) and
/// [`TrainingPlugin`](bevy_maddpg::training::TrainingPlugin), whose messages it reads.
#[derive(Resource, Debug)]
pub(super) struct Recorder {
    folder: RunFolder,
    save_replay: bool,
    metrics: MetricsWriter,
    tensorboard: TensorBoardWriter,
    episodes: Thinning,
    reports: Thinning,
    /// `None` if the recorder writes no checkpoints.
    checkpoint_every: Option<Duration>,
    /// `None` before the first, or if the next one is due at once.
    last_checkpoint: Option<Instant>,
    /// Why the last checkpoint could not be written, if that was told.
    checkpoint_failure: Option<String>,
    notices: Vec<String>,
    /// Joint decisions after which the newest past policy was taken.
    last_rival: Option<u64>,
    error: Option<OutputError>,
}

impl Recorder {
    /// Opens the files. After an `earlier` part of the run, rows are added to those up to its last checkpoint; later ones are removed,
    /// since the run has not reached them again. `save_replay` says whether checkpoints include the replay buffer, and
    /// `checkpoint_every` how often they are written, if not by someone else.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub(super) fn open(
        folder: RunFolder,
        earlier: Option<&Earlier>,
        save_replay: bool,
        checkpoint_every: Option<Duration>,
    ) -> Result<Self, OutputError> {
        let mut tensorboard = TensorBoardWriter::create(folder.path())?;
        let metrics = match earlier {
            Some(earlier) => {
                tensorboard.purge(earlier.decisions())?;
                MetricsWriter::append(folder.metrics(), earlier.decisions())?
            }
            None => MetricsWriter::create(folder.metrics())?,
        };
        let state = earlier.and_then(|earlier| earlier.state.as_ref());
        Ok(Self {
            metrics,
            tensorboard,
            episodes: state.map_or_else(|| Thinning::new(ROWS), |state| state.episodes.clone()),
            reports: state.map_or_else(|| Thinning::new(ROWS), |state| state.reports.clone()),
            folder,
            save_replay,
            checkpoint_every,
            last_checkpoint: None,
            checkpoint_failure: None,
            notices: Vec::new(),
            last_rival: None,
            error: None,
        })
    }

    /// Adds the recorder to an app, so that it writes while the app runs.
    pub(super) fn add_to(self, app: &mut App) {
        // A checkpoint names past policies, whose files must be there.
        let record = record.after(StatisticsSystems).after(EvaluationSystems).after(RivalSystems);
        app.insert_resource(self).add_systems(Last, record);
    }

    /// Whether an error stopped the recording.
    pub(super) fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Takes the error that stopped the recording, if there was one.
    pub(super) fn take_error(&mut self) -> Option<OutputError> {
        self.error.take()
    }

    /// What happened since the last call that a person should know, and that does not stop the run.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The counters, the scores, the lesson and the past policies of the run, for a checkpoint.
    pub(super) fn state(
        &self,
        statistics: &RunStatistics,
        curriculum: Option<&Curriculum>,
        play: Option<&SelfPlay>,
    ) -> RunState {
        RunState {
            seconds: statistics.seconds(),
            decisions: statistics.status().decisions,
            board: statistics.board().save(),
            episodes: self.episodes.clone(),
            reports: self.reports.clone(),
            lesson: curriculum.and_then(Curriculum::lesson).map(|lesson| lesson.name.clone()),
            lesson_scores: curriculum.map(|curriculum| curriculum.scores().collect()).unwrap_or_default(),
            past: play.map(|play| play.pool().past()),
        }
    }

    /// Asks for a checkpoint at the end of this frame, if the recorder writes any.
    pub(super) fn checkpoint_soon(&mut self) {
        self.last_checkpoint = None;
    }

    /// Asks the learner for a checkpoint with this state, with the policy beside it.
    fn checkpoint(&mut self, training: &Training, state: &RunState) {
        self.last_checkpoint = Some(Instant::now());
        training.checkpoint_with(&CheckpointRequest {
            path: self.folder.checkpoint(),
            with_replay: self.save_replay,
            note: state.to_json(),
            policy: Some(self.folder.last_policy()),
        });
    }

    /// Tells once why checkpoints cannot be written, and when they can be again.
    fn watch_checkpoints(&mut self, training: &Training) {
        let failure = training.checkpoint_failure();
        if failure == self.checkpoint_failure {
            return;
        }
        self.notices.push(match &failure {
            Some(reason) => format!("the checkpoint could not be written, and training goes on: {reason}"),
            None => "checkpoints are written again".into(),
        });
        self.checkpoint_failure = failure;
    }

    /// Flushes all rows.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), OutputError> {
        self.metrics.flush()?;
        self.tensorboard.flush()
    }

    /// Flushes all rows and writes the learning curve.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn finish(&mut self, board: &ScoreBoard, title: &str) -> Result<(), OutputError> {
        self.flush()?;
        draw_curve(self.folder.curve(), board.points(), title, board.bar())
    }

    fn write<'a>(
        &mut self,
        episodes: impl Iterator<Item = &'a EpisodeRecord>,
        reports: impl Iterator<Item = &'a LearnerReport>,
        decisions: u64,
    ) -> Result<(), OutputError> {
        for episode in episodes {
            if self.episodes.keep() {
                self.metrics.write_episode(episode)?;
                self.tensorboard.write_episode(episode)?;
            }
        }
        for LearnerReport { record: report, .. } in reports {
            if self.reports.keep() {
                self.metrics.write_learner(report, decisions)?;
                self.tensorboard.write_learner(report, decisions)?;
            }
        }
        self.metrics.flush_if_due()?;
        self.tensorboard.flush_if_due()
    }

    /// Writes how a policy of the run plays without exploration.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn write_score(&mut self, score: &PolicyScore) -> Result<(), OutputError> {
        policy_scores::append(&self.folder.evaluations(), score)?;
        self.tensorboard.write_scalar("eval/mean_score", score.mean, score.decisions)?;
        self.tensorboard.write_scalar("eval/min_score", score.min, score.decisions)
    }

    /// Writes the ratings of self-play whenever a past policy has been added.
    fn write_ratings(&mut self, pool: &Pool, decisions: u64) -> Result<(), OutputError> {
        let last = pool.rivals().last().and_then(|rival| rival.decisions);
        if last == self.last_rival {
            return Ok(());
        }
        self.last_rival = last;
        let values = [pool.rating(), pool.past_score(), pool.worst_score()];
        for (name, value) in ["rating", "score_past", "score_past_worst"].into_iter().zip(values) {
            if let Some(value) = value {
                self.tensorboard.write_scalar(&format!("self_play/{name}"), value, decisions)?;
            }
        }
        Ok(())
    }
}

/// What a resumed run continues besides its learner and its statistics, as far as the game has it.
#[derive(SystemParam)]
struct Continued<'w> {
    self_play: Option<Res<'w, SelfPlay>>,
    curriculum: Option<Res<'w, Curriculum>>,
    rivals: Option<ResMut<'w, SavedRivals>>,
}

/// Whether there is a learner that can write a checkpoint.
pub(super) fn can_save(training: &Training) -> bool {
    training.latest_policy().is_some() && training.failure().is_none()
}

fn record(
    mut recorder: ResMut<Recorder>,
    mut episodes: MessageReader<EpisodeRecord>,
    mut reports: MessageReader<LearnerReport>,
    mut scores: MessageReader<PolicyScore>,
    clock: Res<RolloutClock>,
    (training, statistics): (Res<Training>, Res<RunStatistics>),
    Continued { self_play, curriculum, mut rivals }: Continued,
) {
    if recorder.error.is_none() {
        recorder.error = recorder.write(episodes.read(), reports.read(), clock.decisions).err();
    }
    for score in scores.read() {
        if recorder.error.is_none() {
            recorder.error = recorder.write_score(score).err();
        }
    }
    if let Some(play) = self_play.as_deref().filter(|_| recorder.error.is_none()) {
        recorder.error = recorder.write_ratings(play.pool(), clock.decisions).err();
    }
    recorder.watch_checkpoints(&training);
    let is_due = recorder
        .checkpoint_every
        .is_some_and(|every| recorder.last_checkpoint.is_none_or(|last| last.elapsed() >= every));
    // The files that a checkpoint names are kept until the next one is written.
    if can_save(&training) && is_due && !training.checkpoint_is_pending() {
        let flushed = recorder.metrics.flush();
        let state = recorder.state(&statistics, curriculum.as_deref(), self_play.as_deref());
        if let Some(rivals) = &mut rivals {
            rivals.keep_those_of(&state, recorder.checkpoint_failure.is_some());
        }
        recorder.checkpoint(&training, &state);
        recorder.error = recorder.error.take().or(flushed.err());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_long_run_stay_small() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "walk").unwrap();
        let mut recorder = Recorder::open(folder, None, false, None).unwrap();
        let mut report = LearnerReport::default();
        let mut sizes = Vec::new();
        for number in 1..=320_000u64 {
            let record = EpisodeRecord {
                episode: number,
                length: 25,
                returns: vec![-12.345_678, 3.210_987],
                score: -12.345_678,
                score_100: Some(-11.234_567),
                exploration_scale: 0.345_678,
                decisions: 25 * number,
                seconds: number as f64 * 0.012_345,
                ..Default::default()
            };
            report.record.updates = 100 * number;
            recorder.write([&record].into_iter(), [&report].into_iter(), record.decisions).unwrap();
            if [10_000, 20_000, 320_000].contains(&number) {
                recorder.metrics.flush().unwrap();
                recorder.tensorboard.flush().unwrap();
                let files = std::fs::read_dir(recorder.folder.path()).unwrap();
                sizes.push(files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>());
            }
        }
        // Each doubling of the run adds half as many rows as the first 10,000 episodes.
        let doubling = sizes[1] - sizes[0];
        assert!(doubling < sizes[0] * 6 / 10, "{sizes:?}");
        assert!(sizes[2] < sizes[1] + 5 * doubling, "{sizes:?}");
    }
}
