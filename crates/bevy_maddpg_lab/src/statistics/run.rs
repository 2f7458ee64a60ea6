use std::time::Instant;

use bevy::prelude::*;
use bevy_maddpg::{
    arena::EpisodeEnded,
    learner::LearnerRecord,
    rollout::{ActingPolicy, Arenas, RolloutClock},
    score::Score,
    training::Training,
};

use super::{EpisodeRecord, SavedBoard, ScoreBoard};

/// The statistics of a run, up to date after [`StatisticsSystems`](super::StatisticsSystems).
#[derive(Resource)]
pub struct RunStatistics {
    score: Score,
    board: ScoreBoard,
    learner: LearnerStatus,
    report: Option<LearnerRecord>,
    without_noise: Option<f32>,
    start: Instant,
    /// Seconds of the run before this process.
    seconds_before: f64,
    agents: usize,
    policy_version: u64,
    dropped: u64,
    counts: Counts,
    /// The counts at the start of this process; above zero if the run was resumed.
    first: Option<Counts>,
    rates: Rates,
    /// State at the last measurement of the rates: seconds of the run, seconds of the game, counts.
    measured: (f64, f64, Counts),
}

/// Whether there is a learner, and what it is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LearnerStatus {
    /// There is no learner.
    #[default]
    Absent,
    /// It is collecting experience and has not made an update yet.
    Gathering,
    /// It is making updates.
    Learning,
    /// It failed, for this reason.
    Failed(String),
}

/// Rates per second of wall-clock time, measured over about the last second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Rates {
    /// Joint decisions.
    pub decisions: f64,
    /// Learner updates.
    pub updates: f64,
    /// Seconds of game time.
    pub game_seconds: f64,
}

/// The state of a run, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct RunStatus {
    /// Seconds of the run, without the time between its parts if it was resumed.
    pub seconds: f64,
    /// Joint decisions of all arenas, including those before the checkpoint that the run resumed from.
    pub decisions: u64,
    /// Episodes finished.
    pub episodes: u64,
    /// Mean score of the last 100 episodes; `None` before the 100th.
    pub score_100: Option<f32>,
    /// The best such mean.
    pub best_score_100: Option<f32>,
    /// Mean score of the newest policy that was evaluated without exploration.
    pub score_without_noise: Option<f32>,
    /// Decisions of single agents per second of wall-clock time, since the run was started or resumed.
    pub agent_decisions_per_second: f64,
    /// Learner updates.
    pub updates: u64,
    /// Learner updates per second of wall-clock time, since the run was started or resumed.
    pub updates_per_second: f64,
    /// Joint transitions dropped because the learner was busy, since the run was started or resumed.
    pub dropped_transitions: u64,
    /// Version of the acting policy.
    pub policy_version: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    decisions: u64,
    updates: u64,
}

/// Seconds over which rates are measured.
const RATE_SECONDS: f64 = 1.0;

impl RunStatistics {
    pub(super) fn new(score: Score, solved: Option<f32>) -> Self {
        Self {
            score,
            board: ScoreBoard::new(solved),
            learner: LearnerStatus::default(),
            report: None,
            without_noise: None,
            start: Instant::now(),
            seconds_before: 0.0,
            agents: 0,
            policy_version: 0,
            dropped: 0,
            counts: Counts::default(),
            first: None,
            rates: Rates::default(),
            measured: (0.0, 0.0, Counts::default()),
        }
    }

    /// Goes on from an earlier part of the run, which had these scores and counters.
    pub fn resume(&mut self, board: Option<&SavedBoard>, seconds: f64, decisions: u64, updates: u64) {
        if let Some(board) = board {
            self.board.restore(board);
        }
        self.seconds_before = seconds;
        self.counts = Counts { decisions, updates };
        self.first = Some(self.counts);
        self.measured = (seconds, 0.0, self.counts);
    }

    /// The scores so far.
    pub fn board(&self) -> &ScoreBoard {
        &self.board
    }

    /// Whether there is a learner, and what it is doing.
    pub fn learner(&self) -> &LearnerStatus {
        &self.learner
    }

    /// The newest report of the learner; `None` before the first.
    pub fn last_report(&self) -> Option<&LearnerRecord> {
        self.report.as_ref()
    }

    /// The current rates.
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// Number of agents in each arena.
    pub fn agents(&self) -> usize {
        self.agents
    }

    /// Seconds of the run, without the time between its parts if it was resumed.
    pub fn seconds(&self) -> f64 {
        self.seconds_before + self.start.elapsed().as_secs_f64()
    }

    /// The state of the run.
    pub fn status(&self) -> RunStatus {
        let seconds = self.seconds();
        let first = self.first.unwrap_or(self.counts);
        let elapsed = (seconds - self.seconds_before).max(1e-9);
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / elapsed;
        RunStatus {
            seconds,
            decisions: self.counts.decisions,
            episodes: self.board.episodes(),
            score_100: self.board.score_100(),
            best_score_100: self.board.best_score_100(),
            score_without_noise: self.without_noise,
            agent_decisions_per_second: per_second(self.counts.decisions, first.decisions)
                * self.agents as f64,
            updates: self.counts.updates,
            updates_per_second: per_second(self.counts.updates, first.updates),
            dropped_transitions: self.dropped,
            policy_version: self.policy_version,
        }
    }

    pub(super) fn count(
        &mut self,
        clock: &RolloutClock,
        arenas: &Arenas,
        acting: &ActingPolicy,
        training: Option<&Training>,
    ) {
        self.agents = arenas.kinds().first().map_or(0, |kind| kind.spec().agents());
        self.policy_version = acting.snapshot().map_or(0, |snapshot| snapshot.version());
        self.counts.decisions = clock.decisions.max(self.first.map_or(0, |first| first.decisions));
        if let Some(training) = training {
            self.counts.updates = training.updates();
            self.dropped = training.dropped();
            self.learner = match training.failure() {
                Some(reason) => LearnerStatus::Failed(reason),
                None if training.updates() == 0 => LearnerStatus::Gathering,
                None => LearnerStatus::Learning,
            };
        }
        self.first.get_or_insert(self.counts);
    }

    /// Adds an episode that has just ended, in the last lesson or in an earlier one, and returns its record.
    pub(super) fn record(&mut self, ended: &EpisodeEnded, earlier_lesson: bool) -> EpisodeRecord {
        let mut record = EpisodeRecord {
            episode: self.board.episodes() + 1,
            arena: ended.index,
            length: ended.decisions,
            returns: ended.returns.clone(),
            score: (self.score)(ended),
            score_100: None,
            truncated: ended.truncated,
            exploration_scale: ended.exploration_scale,
            decisions: self.counts.decisions,
            seconds: self.seconds(),
            measures: ended.measures.iter().map(|(name, value)| (name.into(), value)).collect(),
            earlier_lesson,
        };
        record.score_100 = self.board.push(&record);
        record
    }

    pub(super) fn score_without_noise(&mut self, mean: f32) {
        self.without_noise = Some(mean);
    }

    pub(super) fn report(&mut self, report: &LearnerRecord) {
        self.report = Some(report.clone());
    }

    pub(super) fn measure_rates(&mut self, game_seconds: f64) {
        let now = self.seconds();
        let (then, game_then, before) = self.measured;
        let passed = now - then;
        if passed < RATE_SECONDS {
            return;
        }
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / passed;
        self.rates = Rates {
            decisions: rate(self.counts.decisions, before.decisions),
            updates: rate(self.counts.updates, before.updates),
            game_seconds: (game_seconds - game_then) / passed,
        };
        self.measured = (now, game_seconds, self.counts);
    }
}
