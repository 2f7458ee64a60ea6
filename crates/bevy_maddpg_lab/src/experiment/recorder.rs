use std::time::{Duration, Instant};

use bevy::prelude::*;
use bevy_maddpg::{
    rollout::RolloutClock,
    self_play::{Pool, SelfPlay},
    training::{LearnerReport, Training},
};

use super::{
    MetricsWriter, OutputError, PolicyScore, RunFolder, TensorBoardWriter, best_policy::EvaluationSystems,
    draw_curve, policy_scores,
};
use crate::statistics::{EpisodeRecord, ScoreBoard, StatisticsSystems, Thinning};

/// Time between checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// The first this many episodes and learner reports are all written; later ones are thinned. After ten million of each,
/// `metrics.csv` and the TensorBoard events have about 110,000 rows of each.
const ROWS: usize = 20_000;

/// Writes the output folder of a training run: metrics, TensorBoard events, checkpoints. Needs
/// [`StatisticsPlugin`](crate::statistics::StatisticsPlugin) and
/// [`TrainingPlugin`](bevy_maddpg::training::TrainingPlugin), whose messages it reads.
#[derive(Resource, Debug)]
pub struct Recorder {
    folder: RunFolder,
    save_replay: bool,
    metrics: MetricsWriter,
    tensorboard: TensorBoardWriter,
    episodes: Thinning,
    reports: Thinning,
    last_checkpoint: Instant,
    /// Joint decisions after which the newest past policy was taken.
    last_rival: Option<u64>,
    error: Option<OutputError>,
}

impl Recorder {
    /// Opens the files. `resumed` says whether the folder already holds an earlier part of the run, `save_replay`
    /// whether checkpoints include the replay buffer.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn open(folder: RunFolder, resumed: bool, save_replay: bool) -> Result<Self, OutputError> {
        let metrics = if resumed { MetricsWriter::append } else { MetricsWriter::create };
        Ok(Self {
            metrics: metrics(folder.metrics())?,
            tensorboard: TensorBoardWriter::create(folder.path())?,
            folder,
            save_replay,
            episodes: Thinning::new(ROWS),
            reports: Thinning::new(ROWS),
            last_checkpoint: Instant::now(),
            last_rival: None,
            error: None,
        })
    }

    /// Adds the recorder to an app, so that it writes while the app runs.
    pub fn add_to(self, app: &mut App) {
        app.add_message::<PolicyScore>()
            .insert_resource(self)
            .add_systems(Last, record.after(StatisticsSystems).after(EvaluationSystems));
    }

    /// Whether an error stopped the recording.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Takes the error that stopped the recording, if there was one.
    pub fn take_error(&mut self) -> Option<OutputError> {
        self.error.take()
    }

    /// Flushes all rows and writes the learning curve.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(&mut self, board: &ScoreBoard, title: &str) -> Result<(), OutputError> {
        self.metrics.flush()?;
        self.tensorboard.flush()?;
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

    fn write_score(&mut self, score: &PolicyScore) -> Result<(), OutputError> {
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

fn record(
    mut recorder: ResMut<Recorder>,
    mut episodes: MessageReader<EpisodeRecord>,
    mut reports: MessageReader<LearnerReport>,
    mut scores: MessageReader<PolicyScore>,
    clock: Res<RolloutClock>,
    training: Res<Training>,
    self_play: Option<Res<SelfPlay>>,
) {
    if recorder.error.is_none() {
        recorder.error = recorder.write(episodes.read(), reports.read(), clock.decisions).err();
    }
    for score in scores.read() {
        if recorder.error.is_none() {
            recorder.error = recorder.write_score(score).err();
        }
    }
    if let Some(play) = self_play.filter(|_| recorder.error.is_none()) {
        recorder.error = recorder.write_ratings(play.pool(), clock.decisions).err();
    }
    if recorder.last_checkpoint.elapsed() >= CHECKPOINT_EVERY {
        recorder.last_checkpoint = Instant::now();
        training.checkpoint(recorder.folder.checkpoint(), recorder.save_replay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_long_run_stay_small() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "walk").unwrap();
        let mut recorder = Recorder::open(folder, false, false).unwrap();
        let mut report = LearnerReport::default();
        let mut sizes = Vec::new();
        for number in 1..=640_000u64 {
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
            if [20_000, 40_000, 640_000].contains(&number) {
                recorder.metrics.flush().unwrap();
                recorder.tensorboard.flush().unwrap();
                let files = std::fs::read_dir(recorder.folder.path()).unwrap();
                sizes.push(files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>());
            }
        }
        // Each doubling of the run adds half as many rows as the first 20,000 episodes.
        let doubling = sizes[1] - sizes[0];
        assert!(doubling < sizes[0] * 6 / 10, "{sizes:?}");
        assert!(sizes[2] < sizes[1] + 5 * doubling, "{sizes:?}");
    }
}
