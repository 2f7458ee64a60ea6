//! Bevy diagnostics of the agents and the learner.

#[cfg(feature = "learner")]
mod learner;

#[cfg(feature = "learner")]
pub use learner::{DROPPED_TRANSITIONS, UPDATES_PER_SECOND, WAIT_P99};

use std::time::{Duration, Instant};

use bevy::{
    diagnostic::{Diagnostic, DiagnosticPath, Diagnostics, RegisterDiagnostic},
    prelude::*,
};

use crate::rollout::RolloutClock;

/// Joint decisions per second of wall-clock time.
pub const DECISIONS_PER_SECOND: DiagnosticPath = DiagnosticPath::const_new("maddpg/decisions_per_second");

/// Measures the diagnostics of this module once a second. Bevy's diagnostics overlay and its log plugin show them.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiagnosticsPlugin;

impl Plugin for DiagnosticsPlugin {
    fn build(&self, app: &mut App) {
        app.register_diagnostic(diagnostic(DECISIONS_PER_SECOND)).add_systems(Last, measure_decisions);
        #[cfg(feature = "learner")]
        learner::plugin(app);
    }
}

/// Values measured once a second need no smoothing.
fn diagnostic(path: DiagnosticPath) -> Diagnostic {
    Diagnostic::new(path).with_smoothing_factor(0.0)
}

/// Turns a growing count into a rate, once a second.
#[derive(Debug, Default)]
struct Rate(Option<(Instant, u64)>);

impl Rate {
    fn measure(&mut self, count: u64) -> Option<f64> {
        let now = Instant::now();
        let (since, before) = *self.0.get_or_insert((now, count));
        let passed = now - since;
        if passed < Duration::from_secs(1) {
            return None;
        }
        self.0 = Some((now, count));
        Some(count.saturating_sub(before) as f64 / passed.as_secs_f64())
    }
}

fn measure_decisions(mut diagnostics: Diagnostics, clock: Res<RolloutClock>, mut rate: Local<Rate>) {
    if let Some(rate) = rate.measure(clock.decisions.saturating_sub(clock.earlier)) {
        diagnostics.add_measurement(&DECISIONS_PER_SECOND, || rate);
    }
}
