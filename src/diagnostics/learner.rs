use bevy::{
    diagnostic::{DiagnosticPath, Diagnostics, DiagnosticsStore, RegisterDiagnostic},
    prelude::*,
};

use super::{EverySecond, Rate, add, diagnostic};
use crate::training::{LearnerReport, Training};

/// Updates of the learner per second of wall-clock time.
pub const UPDATES_PER_SECOND: DiagnosticPath = DiagnosticPath::const_new("maddpg/updates_per_second");

/// 99th percentile of the time that the game spends on the learner at a decision, in milliseconds; see [`Training::wait_percentile`].
pub const WAIT_P99: DiagnosticPath = DiagnosticPath::const_new("maddpg/wait_p99");

/// Joint transitions dropped so far because the learner was busy.
pub const DROPPED_TRANSITIONS: DiagnosticPath = DiagnosticPath::const_new("maddpg/dropped_transitions");

pub(super) fn plugin(app: &mut App) {
    app.register_diagnostic(diagnostic(UPDATES_PER_SECOND))
        .register_diagnostic(diagnostic(WAIT_P99).with_suffix(" ms"))
        .register_diagnostic(diagnostic(DROPPED_TRANSITIONS))
        .add_systems(Last, (measure, measure_reports).run_if(resource_exists::<Training>));
}

fn measure(mut diagnostics: Diagnostics, training: Res<Training>, mut rate: Local<Rate>) {
    let Some(rate) = rate.measure(training.own_updates()) else { return };
    diagnostics.add_measurement(&UPDATES_PER_SECOND, || rate);
    diagnostics.add_measurement(&DROPPED_TRANSITIONS, || training.dropped() as f64);
    if let Some(wait) = training.wait_percentile(0.99) {
        diagnostics.add_measurement(&WAIT_P99, || wait.as_secs_f64() * 1e3);
    }
}

fn measure_reports(
    mut reports: MessageReader<LearnerReport>,
    mut store: ResMut<DiagnosticsStore>,
    mut timer: Local<EverySecond>,
) {
    if reports.is_empty() || timer.passed().is_none() {
        return;
    }
    for LearnerReport { kind, record } in reports.read() {
        for (name, value) in [
            ("q_mean", record.q_mean),
            ("critic_loss", record.critic_loss),
            ("saturation", record.saturation),
        ] {
            let path = DiagnosticPath::new(format!("maddpg/{name}/{kind}"));
            add(&mut store, path, value.into());
        }
    }
}
