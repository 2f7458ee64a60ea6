//! Apps without a window, which run as fast as the machine can.
//!
//! ```
//! use bevy::prelude::*;
//! use bevy_maddpg::headless;
//!
//! #[derive(Resource, Default)]
//! struct Steps(u32);
//!
//! let mut app = headless::app(5);
//! app.init_resource::<Steps>().add_systems(FixedUpdate, |mut steps: ResMut<Steps>| steps.0 += 1);
//! headless::start(&mut app);
//! app.update();
//! app.update();
//! assert_eq!(app.world().resource::<Steps>().0, 10, "five fixed steps an update");
//! ```

mod display;

pub use display::{display_is_present, display_problem};

use std::time::Duration;

use crate::{
    problems::Problems,
    rollout::{RolloutPlugin, StepTiming},
};

use bevy::{
    app::{ScheduleRunnerPlugin, TaskPoolThreadAssignmentPolicy},
    ecs::schedule::{InternedScheduleLabel, ScheduleLabel, SingleThreadedExecutor},
    prelude::*,
    time::TimeUpdateStrategy,
    transform::systems::StaticTransformOptimizations,
};

/// An app that runs `steps` fixed steps per update, on one thread. With more steps per update, the app runs faster. For a game whose
/// logic is in [`Update`], `steps` must be 1, since each update is one frame of the game. Such a frame is as long as a fixed step.
///
/// Add plugins and systems, call [`start`], and then call [`App::update`] as often as you need.
pub fn app(steps: u32) -> App {
    let mut app = App::new();
    let one_thread = TaskPoolThreadAssignmentPolicy { max_threads: 1, ..TaskPoolOptions::default().compute };
    let task_pools = TaskPoolPlugin {
        task_pool_options: TaskPoolOptions { compute: one_thread, ..TaskPoolOptions::default() },
    };
    app.add_plugins((
        MinimalPlugins.build().disable::<ScheduleRunnerPlugin>().set(task_pools),
        TransformPlugin,
    ))
    // To find the trees that have not changed, Bevy wakes other threads at each update. This takes longer than a step of a few arenas.
    // Also, rapier's own propagation would miss bodies with children.
    .insert_resource(StaticTransformOptimizations::Disabled)
    .insert_resource(TimeUpdateStrategy::FixedTimesteps(steps));
    run_on_one_thread(&mut app);
    app
}

/// Makes Bevy's own schedules run their systems one after another. Use it for games with many small arenas in an app of your own. They
/// run faster this way, because a multi-threaded executor takes longer to wake threads than the systems take.
pub fn run_on_one_thread(app: &mut App) {
    let labels: [InternedScheduleLabel; 14] = [
        PreStartup.intern(),
        Startup.intern(),
        PostStartup.intern(),
        First.intern(),
        PreUpdate.intern(),
        Update.intern(),
        PostUpdate.intern(),
        Last.intern(),
        RunFixedMainLoop.intern(),
        FixedFirst.intern(),
        FixedPreUpdate.intern(),
        FixedUpdate.intern(),
        FixedPostUpdate.intern(),
        FixedLast.intern(),
    ];
    for label in labels {
        app.edit_schedule(label, |schedule| {
            schedule.set_executor(SingleThreadedExecutor::new());
        });
    }
}

/// Prepares an app of [`app`](fn@app) for calls of [`App::update`], and runs its startup systems. Call it once, after you have added
/// plugins and systems.
pub fn start(app: &mut App) {
    // Bevy limits the length of a frame. Without a higher limit, it would drop fixed steps.
    app.world_mut().resource_mut::<Time<Virtual>>().set_max_delta(Duration::from_secs(3600));
    app.finish();
    app.cleanup();
    let steps = match app.world().resource::<TimeUpdateStrategy>() {
        TimeUpdateStrategy::FixedTimesteps(steps) => *steps,
        _ => 1,
    };
    let is_in_frames = |plugin: &&RolloutPlugin| plugin.timing == StepTiming::Frame;
    if steps > 1 && app.get_added_plugins::<RolloutPlugin>().iter().any(is_in_frames) {
        let text = format!(
            "agents decide in frames (`StepTiming::Frame`), but each update of this app lasts {steps} fixed steps, so each frame of the \
             game is {steps} times as long as in a window; use `headless::app(1)`"
        );
        app.world_mut().resource_mut::<Problems>().tell("coarse frames", "", || text);
    }
    // The first update runs the startup systems and no fixed step.
    app.update();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_in_frames_is_told_if_an_update_lasts_several_steps() {
        for (steps, timing, is_told) in
            [(5, StepTiming::Frame, true), (1, StepTiming::Frame, false), (5, StepTiming::FixedStep, false)]
        {
            let mut app = app(steps);
            app.add_plugins(RolloutPlugin { timing, ..default() });
            start(&mut app);
            let told = app.world().resource::<Problems>().told();
            assert_eq!(told.iter().any(|text| text.contains("`headless::app(1)`")), is_told, "{told:?}");
        }
    }
}
