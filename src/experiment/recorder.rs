use std::{
    path::Path,
    time::{Duration, Instant},
};

use bevy::prelude::*;

use super::{
    MetricsWriter, OutputError, ProgressStatus, RunFolder, ScoreBoard, Summary, TensorBoardWriter, draw_curve,
};
use crate::{
    arena::EpisodeEnded,
    policy::PolicyError,
    rollout::{ActingPolicy, Arenas, RolloutClock},
    telemetry::{EpisodeRecord, LearnerRecord},
    training::{LearnerReport, Training},
};

/// Time between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// Records a training run in its output folder. Needs
/// [`TrainingPlugin`](crate::training::TrainingPlugin).
pub struct RecorderPlugin {
    /// Where everything is written.
    pub folder: RunFolder,
    /// The score of an episode from its returns by slot.
    pub score: fn(&[f32]) -> f32,
    /// The mean score over 100 episodes at which the game counts as solved.
    pub solved: Option<f32>,
    /// Whether the folder holds an earlier part of the run.
    pub resumed: bool,
    /// Whether checkpoints hold the replay buffer.
    pub save_replay: bool,
}

impl RecorderPlugin {
    /// Opens the files and adds the recorder to an app.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn add_to(self, app: &mut App) -> Result<(), OutputError> {
        let metrics = if self.resumed { MetricsWriter::append } else { MetricsWriter::create };
        app.insert_resource(Recorder {
            metrics: metrics(self.folder.metrics())?,
            tensorboard: TensorBoardWriter::create(self.folder.path())?,
            board: ScoreBoard::new(self.solved),
            start: Instant::now(),
            first_decision: None,
            first_update: None,
            last_checkpoint: Instant::now(),
            learner: LearnerRecord::default(),
            error: None,
            plugin: self,
        })
        .add_systems(Last, record);
        Ok(())
    }
}

/// The record of a run so far.
#[derive(Resource)]
pub struct Recorder {
    plugin: RecorderPlugin,
    metrics: MetricsWriter,
    tensorboard: TensorBoardWriter,
    board: ScoreBoard,
    start: Instant,
    first_decision: Option<u64>,
    first_update: Option<u64>,
    last_checkpoint: Instant,
    learner: LearnerRecord,
    error: Option<OutputError>,
}

impl Recorder {
    /// The scores so far.
    pub fn board(&self) -> &ScoreBoard {
        &self.board
    }

    /// The newest report of the learner.
    pub fn learner(&self) -> &LearnerRecord {
        &self.learner
    }

    /// Seconds since the run started.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Whether an error ended the recording.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Takes the error that ended the recording, if there was one.
    pub fn take_error(&mut self) -> Option<OutputError> {
        self.error.take()
    }

    /// Where the run stands.
    pub fn status(&self, world: &World) -> ProgressStatus {
        let seconds = self.seconds();
        let clock = world.resource::<RolloutClock>();
        let training = world.resource::<Training>();
        let decisions = clock.decisions - self.first_decision.unwrap_or(clock.decisions);
        let updates = training.updates() - self.first_update.unwrap_or(training.updates());
        let agents = world.resource::<Arenas>().spec().agents();
        let acting = world.resource::<ActingPolicy>();
        ProgressStatus {
            seconds,
            decisions: clock.decisions,
            episodes: self.board.episodes(),
            score_100: self.board.score_100(),
            best_score_100: self.board.best_score_100(),
            agent_decisions_per_second: decisions as f64 * agents as f64 / seconds.max(1e-9),
            updates_per_second: updates as f64 / seconds.max(1e-9),
            policy_version: acting.snapshot().map_or(0, |snapshot| snapshot.version),
        }
    }

    /// The summary of the run as it stands.
    pub fn summary(&self, world: &World) -> Summary {
        let status = self.status(world);
        let solved = self.board.solved();
        let training = world.resource::<Training>();
        Summary {
            solved: solved.is_some(),
            solved_at_episodes: solved.map(|solved| solved.episodes),
            solved_at_decisions: solved.map(|solved| solved.decisions),
            solved_at_seconds: solved.map(|solved| solved.seconds),
            score_100: status.score_100,
            best_score_100: status.best_score_100,
            measures: self.board.recent_measures(),
            decisions: status.decisions,
            agent_decisions_per_second: status.agent_decisions_per_second,
            updates: training.updates(),
            updates_per_second: status.updates_per_second,
            dropped_transitions: training.dropped(),
            seconds: status.seconds,
            policy: self.plugin.folder.policy().display().to_string(),
            policy_version: status.policy_version,
            ..Summary::default()
        }
    }

    /// Writes the acting policy to `path`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_policy(&self, world: &World, path: &Path) -> Result<(), PolicyError> {
        match world.resource::<ActingPolicy>().snapshot() {
            Some(snapshot) => snapshot.save(path),
            None => Ok(()),
        }
    }

    /// Writes what is still in memory, and the learning curve.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(&mut self, title: &str) -> Result<(), OutputError> {
        self.metrics.flush()?;
        self.tensorboard.flush()?;
        draw_curve(self.plugin.folder.curve(), self.board.points(), title, self.plugin.solved)
    }

    fn write(
        &mut self,
        episodes: impl Iterator<Item = EpisodeRecord>,
        reports: impl Iterator<Item = LearnerRecord>,
        decisions: u64,
    ) -> Result<(), OutputError> {
        for episode in episodes {
            let mean = self.board.push(&episode);
            self.metrics.write_episode(&episode, mean)?;
            self.tensorboard.write_episode(&episode, mean)?;
        }
        for report in reports {
            self.metrics.write_learner(&report, decisions)?;
            self.tensorboard.write_learner(&report, decisions)?;
            self.learner = report;
        }
        self.metrics.flush_if_due()?;
        self.tensorboard.flush_if_due()
    }
}

fn record(
    mut recorder: ResMut<Recorder>,
    mut ended: MessageReader<EpisodeEnded>,
    mut reports: MessageReader<LearnerReport>,
    clock: Res<RolloutClock>,
    training: Res<Training>,
) {
    let recorder = &mut *recorder;
    recorder.first_decision.get_or_insert(clock.decisions);
    recorder.first_update.get_or_insert(training.updates());
    let (seconds, score, before) = (recorder.seconds(), recorder.plugin.score, recorder.board.episodes());
    let episodes = ended.read().zip(before + 1..).map(|(ended, episode)| EpisodeRecord {
        episode,
        arena: ended.index,
        length: ended.decisions,
        returns: ended.returns.clone(),
        score: score(&ended.returns),
        truncated: ended.truncated,
        exploration_scale: ended.exploration_scale,
        decisions: clock.decisions,
        seconds,
        measures: ended.measures.iter().map(|(name, value)| (name.into(), value)).collect(),
    });
    let reports = reports.read().map(|report| report.0.clone());
    if recorder.error.is_none() {
        recorder.error = recorder.write(episodes, reports, clock.decisions).err();
    }
    if recorder.last_checkpoint.elapsed() >= CHECKPOINT_EVERY {
        recorder.last_checkpoint = Instant::now();
        training.checkpoint(recorder.plugin.folder.checkpoint(), recorder.plugin.save_replay);
    }
}
