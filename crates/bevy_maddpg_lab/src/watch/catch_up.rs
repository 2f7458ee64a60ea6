//! Limits how much of the game one frame catches up on, so that the window stays usable at any speed.

use std::time::{Duration, Instant};

use bevy::prelude::*;

use super::Settings;

/// The game's steps may always take this many seconds in a frame, and as long as the rest of the frame where that takes longer, up to a
/// bound. A game that cannot reach the requested speed within this is slower.
const BUDGET: f64 = 0.1;
const MOST: f64 = 0.5;

/// How quickly the measured time of a step follows the newest frame.
const RATE: f64 = 0.3;

/// What a step of the game costs.
#[derive(Resource, Debug, Default)]
struct StepCost {
    start: Option<Instant>,
    steps: u32,
    /// Seconds of a step, smoothed; 0 before the first step.
    seconds: f64,
    /// Seconds that all steps of the last frame took.
    last_frame: f64,
}

pub(super) fn plugin(app: &mut App) {
    // The pictures of a recording are a fixed time apart, however long the steps take.
    if app.world().resource::<Settings>().recording.is_some() {
        return;
    }
    app.init_resource::<StepCost>()
        .add_systems(RunFixedMainLoop, start.in_set(RunFixedMainLoopSystems::BeforeFixedMainLoop))
        .add_systems(FixedLast, |mut cost: ResMut<StepCost>| cost.steps += 1)
        .add_systems(RunFixedMainLoop, limit.in_set(RunFixedMainLoopSystems::AfterFixedMainLoop));
}

fn start(mut cost: ResMut<StepCost>) {
    cost.start = Some(Instant::now());
    cost.steps = 0;
}

fn limit(
    mut cost: ResMut<StepCost>,
    mut time: ResMut<Time<Virtual>>,
    fixed: Res<Time<Fixed>>,
    real: Res<Time<Real>>,
    settings: Res<Settings>,
) {
    // The frame that has just ended contains the last steps.
    let budget = (real.delta_secs_f64() - cost.last_frame).clamp(BUDGET, MOST);
    cost.last_frame = 0.0;
    if let Some(start) = cost.start.filter(|_| cost.steps > 0) {
        cost.last_frame = start.elapsed().as_secs_f64();
        let seconds = cost.last_frame / f64::from(cost.steps);
        let rate = if cost.seconds == 0.0 { 1.0 } else { RATE };
        cost.seconds += rate * (seconds - cost.seconds);
    }
    let most = longest_frame(budget, cost.seconds, fixed.timestep(), time.relative_speed_f64());
    let most = most.min(settings.max_delta);
    if most != time.max_delta() {
        time.set_max_delta(most);
    }
}

/// The real time that one frame may catch up on, so that its steps take at most `budget` seconds; at least one step.
fn longest_frame(budget: f64, step_cost: f64, timestep: Duration, speed: f64) -> Duration {
    // Before the first measurement, a step is assumed to cost as much as the whole budget.
    let steps = if step_cost > 0.0 { (budget / step_cost).max(1.0) } else { 1.0 };
    Duration::from_secs_f64((steps * timestep.as_secs_f64() / speed.max(1e-3)).clamp(1e-6, 3600.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::{Recording, WatchPlugin};

    #[test]
    fn a_recording_is_not_slowed_down() {
        for rate in [None, Some(20)] {
            let recording = rate.map(|rate| Recording { folder: "pictures".into(), frames: 1, rate });
            let mut app = App::new();
            app.insert_resource(Settings(WatchPlugin { recording, ..default() }));
            plugin(&mut app);
            assert_eq!(app.world().contains_resource::<StepCost>(), rate.is_none());
        }
    }

    #[test]
    fn the_steps_of_a_frame_fit_into_the_budget_at_any_speed() {
        let step = Duration::from_millis(20);
        for speed in [1.0, 8.0, 1000.0] {
            for cost in [1e-5, 1e-3, 0.02] {
                let real = longest_frame(BUDGET, cost, step, speed).as_secs_f64();
                let steps = real * speed / step.as_secs_f64();
                assert!(steps * cost <= BUDGET * 1.001, "{steps} steps of {cost} s at {speed}x");
            }
        }
        let slow = longest_frame(BUDGET, 5.0, step, 2.0).as_secs_f64();
        assert!((slow - 0.01).abs() < 1e-9, "at least one step: {slow}");
    }
}
