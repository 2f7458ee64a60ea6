//! Bevy diagnostics of the agents and the learner. They are measured once a second. Bevy's diagnostics overlay and its
//! [`LogDiagnosticsPlugin`](bevy::diagnostic::LogDiagnosticsPlugin) show them.
//!
//! | path | what it is |
//! |---|---|
//! | `maddpg/decisions_per_second` | joint decisions per second of wall-clock time |
//! | `maddpg/return/BEHAVIOR` | mean return of the agents of a behavior in their last 100 episodes, with exploration |
//! | `maddpg/updates_per_second` | updates of the learners per second of wall-clock time |
//! | `maddpg/wait_p99` | 99th percentile of the time that the game spends on the learner at a decision, in milliseconds |
//! | `maddpg/dropped_transitions` | joint transitions dropped because the learner was busy |
//! | `maddpg/q_mean/KIND` | mean Q value that the critics give to the actions that were played, in units of rewards |
//! | `maddpg/critic_loss/KIND` | mean squared error of the critics |
//! | `maddpg/saturation/KIND` | saturation: share of the actors' outputs with an absolute value above 0.95, 0 to 1 |
//!
//! KIND is the name of a [kind of arenas](crate::rollout::Arenas::kinds). If there is only one behavior, it is the name of the behavior.
//! If all goes well, the return and the mean Q value rise. If the saturation is near 1, the agents learn nothing more.

#[cfg(feature = "learner")]
mod learner;
mod returns;

#[cfg(feature = "learner")]
pub use learner::{DROPPED_TRANSITIONS, UPDATES_PER_SECOND, WAIT_P99};
pub use returns::return_of;

use std::time::Duration;

use bevy::{
    diagnostic::{
        Diagnostic, DiagnosticMeasurement, DiagnosticPath, Diagnostics, DiagnosticsStore, RegisterDiagnostic,
    },
    platform::time::Instant,
    prelude::*,
};

use crate::rollout::RolloutClock;

/// Joint decisions per second of wall-clock time.
pub const DECISIONS_PER_SECOND: DiagnosticPath = DiagnosticPath::const_new("maddpg/decisions_per_second");

/// Measures the diagnostics of this module once a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiagnosticsPlugin;

impl Plugin for DiagnosticsPlugin {
    fn build(&self, app: &mut App) {
        app.register_diagnostic(diagnostic(DECISIONS_PER_SECOND))
            .add_systems(Last, (measure_decisions, returns::measure));
        #[cfg(feature = "learner")]
        learner::plugin(app);
    }
}

/// Values measured once a second need no smoothing.
fn diagnostic(path: DiagnosticPath) -> Diagnostic {
    Diagnostic::new(path).with_smoothing_factor(0.0)
}

/// Adds a measurement of a diagnostic that may not be registered yet.
fn add(store: &mut DiagnosticsStore, path: DiagnosticPath, value: f64) {
    if store.get(&path).is_none() {
        store.add(diagnostic(path.clone()));
    }
    if let Some(diagnostic) = store.get_mut(&path).filter(|diagnostic| diagnostic.is_enabled) {
        diagnostic.add_measurement(DiagnosticMeasurement { time: Instant::now(), value });
    }
}

/// Says when to measure: at the first call, and whenever a second of wall-clock time has passed. It does not use Bevy's `Time<Real>`,
/// because that may advance by fixed steps in apps without a window.
#[derive(Debug, Default)]
struct EverySecond(Option<Instant>);

impl EverySecond {
    /// The time since the last measurement, which is zero at the first; `None` if it is too early.
    fn passed(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let passed = self.0.map_or(Duration::ZERO, |last| now - last);
        let is_due = self.0.is_none() || passed >= Duration::from_secs(1);
        is_due.then(|| {
            self.0 = Some(now);
            passed
        })
    }
}

/// Turns a growing count into a rate.
#[derive(Debug, Default)]
struct Rate {
    timer: EverySecond,
    before: u64,
}

impl Rate {
    fn measure(&mut self, count: u64) -> Option<f64> {
        let passed = self.timer.passed()?;
        let grown = count.saturating_sub(std::mem::replace(&mut self.before, count));
        (!passed.is_zero()).then(|| grown as f64 / passed.as_secs_f64())
    }
}

fn measure_decisions(mut diagnostics: Diagnostics, clock: Res<RolloutClock>, mut rate: Local<Rate>) {
    if let Some(rate) = rate.measure(clock.decisions.saturating_sub(clock.earlier)) {
        diagnostics.add_measurement(&DECISIONS_PER_SECOND, || rate);
    }
}
