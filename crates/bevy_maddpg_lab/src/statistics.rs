//! Statistics of a run: one record per finished episode, and totals, mean scores and rates.
//!
//! [`StatisticsPlugin`] turns each [`EpisodeEnded`] into an [`EpisodeRecord`] and keeps [`RunStatistics`]. The window,
//! `metrics.csv`, the TensorBoard events, the progress line and the summary all read these two and the learner's
//! reports; none of them counts or scores by itself.

mod persons;
mod policy_score;
mod record;
mod run;
mod score_board;
mod series;

pub(crate) use persons::PlaysOfPersons;
pub use policy_score::PolicyScore;
pub use record::EpisodeRecord;
pub use run::{LearnerStatus, Rates, RunStatistics, RunStatus};
pub use score_board::{CurvePoint, SCORE_WINDOW, SavedBoard, ScoreBoard, Solved};
pub use series::Thinning;

use std::fmt;

use bevy::prelude::*;
use bevy_maddpg::{
    arena::EpisodeEnded,
    parameters::Curriculum,
    rollout::{ActingPolicy, Arenas, RolloutClock},
    score::{Score, mean_return},
    training::{LearnerReport, Training},
};

/// Keeps the statistics of a run. Needs [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins).
///
/// Episodes in which an agent was [played by a person](crate::game::PlayedByPerson), if only for a while, are left out, because they say
/// nothing about the policy.
#[derive(Clone)]
pub struct StatisticsPlugin {
    /// The score of an episode. Default: the mean return.
    pub score: Score,
    /// Mean score over 100 episodes at which the game counts as solved. Default: none.
    pub solved: Option<f32>,
}

impl Default for StatisticsPlugin {
    fn default() -> Self {
        Self { score: mean_return(), solved: None }
    }
}

impl fmt::Debug for StatisticsPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatisticsPlugin").field("solved", &self.solved).finish_non_exhaustive()
    }
}

/// The systems in [`Last`] that update the statistics. After them, the statistics include the current frame.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatisticsSystems;

impl Plugin for StatisticsPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(persons::plugin)
            .add_message::<EpisodeEnded>()
            .add_message::<EpisodeRecord>()
            .add_message::<LearnerReport>()
            .add_message::<PolicyScore>()
            .insert_resource(RunStatistics::new(self.score.clone(), self.solved))
            .add_systems(
                Last,
                (count, record_episodes, read_reports, read_scores, measure_rates)
                    .chain()
                    .in_set(StatisticsSystems),
            );
    }
}

fn count(
    mut statistics: ResMut<RunStatistics>,
    clock: Res<RolloutClock>,
    arenas: Res<Arenas>,
    acting: Res<ActingPolicy>,
    training: Option<Res<Training>>,
) {
    statistics.count(&clock, &arenas, &acting, training.as_deref());
}

fn record_episodes(
    mut statistics: ResMut<RunStatistics>,
    mut ended: MessageReader<EpisodeEnded>,
    mut records: MessageWriter<EpisodeRecord>,
    plays: PlaysOfPersons,
    curriculum: Option<Res<Curriculum>>,
) {
    for episode in ended.read().filter(|episode| !plays.include(episode.arena)) {
        let lessons = curriculum.as_ref().map_or(0, |curriculum| curriculum.config().lessons.len());
        let earlier_lesson = episode.parameters.lesson() + 1 < lessons;
        records.write(statistics.record(episode, earlier_lesson));
    }
}

fn read_reports(mut statistics: ResMut<RunStatistics>, mut reports: MessageReader<LearnerReport>) {
    if let Some(report) = reports.read().last() {
        statistics.report(&report.record);
    }
}

fn read_scores(mut statistics: ResMut<RunStatistics>, mut scores: MessageReader<PolicyScore>) {
    for score in scores.read() {
        statistics.score_without_noise(score.mean);
    }
}

fn measure_rates(mut statistics: ResMut<RunStatistics>, time: Res<Time<Virtual>>) {
    statistics.measure_rates(time.elapsed_secs_f64());
}
