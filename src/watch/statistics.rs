use bevy::prelude::*;

use super::{KeyboardControl, Settings, curve::LearningCurve};
use crate::{
    arena::{EpisodeEnded, InArena},
    rollout::RolloutClock,
    telemetry::LearnerRecord,
};

/// How the learner stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "learner"), expect(dead_code, reason = "where none is built, there is none"))]
pub(super) enum LearnerStatus {
    /// There is none.
    #[default]
    Absent,
    /// It has not made an update yet.
    Gathering,
    /// It learns.
    Learning,
    /// It stopped, for this reason.
    Failed(String),
}

/// What the dashboard shows, gathered over the run.
#[derive(Resource, Debug)]
pub(super) struct Statistics {
    pub curve: LearningCurve,
    pub last_score: Option<f32>,
    pub status: LearnerStatus,
    /// The newest report.
    pub report: Option<LearnerRecord>,
    pub updates: u64,
    pub dropped: u64,
    pub rates: Rates,
    mark: Mark,
}

/// What happened a second of real time, lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rates {
    /// Joint decisions.
    pub decisions: f32,
    /// Updates.
    pub updates: f32,
    /// Seconds of the game.
    pub game_seconds: f32,
}

/// Counters at the last measurement of the rates.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    real: f64,
    game: f64,
    decisions: u64,
    updates: u64,
}

/// Real seconds over which rates are measured.
const RATE_SECONDS: f64 = 1.0;

pub(super) fn plugin(app: &mut App) {
    let window = app.world().resource::<Settings>().score_window;
    app.add_message::<EpisodeEnded>()
        .insert_resource(Statistics {
            curve: LearningCurve::new(window),
            last_score: None,
            status: LearnerStatus::default(),
            report: None,
            updates: 0,
            dropped: 0,
            rates: Rates::default(),
            mark: Mark::default(),
        })
        .add_systems(Update, (note_episodes, measure_rates).chain());
    #[cfg(feature = "learner")]
    app.add_message::<crate::training::LearnerReport>()
        .add_systems(Update, ask_learner.before(measure_rates));
}

fn note_episodes(
    settings: Res<Settings>,
    clock: Res<RolloutClock>,
    control: Option<Res<KeyboardControl>>,
    places: Query<&InArena>,
    mut ended: MessageReader<EpisodeEnded>,
    mut statistics: ResMut<Statistics>,
) {
    let person = control.filter(|control| control.active).and_then(|control| places.get(control.agent).ok());
    for episode in ended.read() {
        // What a person plays says nothing about the policy.
        if person.is_some_and(|place| place.arena == episode.arena) {
            continue;
        }
        let score = (settings.score)(&episode.returns);
        statistics.last_score = Some(score);
        statistics.curve.push(clock.decisions, score, settings.solved);
    }
}

#[cfg(feature = "learner")]
fn ask_learner(
    training: Option<Res<crate::training::Training>>,
    mut reports: MessageReader<crate::training::LearnerReport>,
    mut statistics: ResMut<Statistics>,
) {
    if let Some(report) = reports.read().last() {
        statistics.report = Some(report.0.clone());
    }
    let Some(training) = training else { return };
    statistics.updates = training.updates();
    statistics.dropped = training.dropped();
    statistics.status = match training.failure() {
        Some(reason) => LearnerStatus::Failed(reason),
        None if training.updates() == 0 => LearnerStatus::Gathering,
        None => LearnerStatus::Learning,
    };
}

fn measure_rates(
    real: Res<Time<Real>>,
    game: Res<Time<Virtual>>,
    clock: Res<RolloutClock>,
    mut statistics: ResMut<Statistics>,
) {
    let now = Mark {
        real: real.elapsed_secs_f64(),
        game: game.elapsed_secs_f64(),
        decisions: clock.decisions,
        updates: statistics.updates,
    };
    let mark = statistics.mark;
    let seconds = now.real - mark.real;
    if seconds < RATE_SECONDS {
        return;
    }
    let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds) as f32;
    statistics.rates = Rates {
        decisions: rate(now.decisions, mark.decisions),
        updates: rate(now.updates, mark.updates),
        game_seconds: ((now.game - mark.game) / seconds) as f32,
    };
    statistics.mark = now;
}
