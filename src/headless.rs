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

use bevy::{
    app::{ScheduleRunnerPlugin, TaskPoolThreadAssignmentPolicy},
    ecs::schedule::{InternedScheduleLabel, ScheduleLabel, SingleThreadedExecutor},
    prelude::*,
    time::TimeUpdateStrategy,
    transform::systems::StaticTransformOptimizations,
};

/// An app that runs `steps` fixed steps per update, on one thread.
///
/// Add plugins and systems, call [`start`], then call [`App::update`] as often as needed.
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
    // Finding the trees that have not changed wakes other threads at each update, which costs more than a step of a few
    // arenas, and rapier's own propagation would miss bodies with children.
    .insert_resource(StaticTransformOptimizations::Disabled)
    .insert_resource(TimeUpdateStrategy::FixedTimesteps(steps));
    run_on_one_thread(&mut app);
    app
}

/// Makes Bevy's own schedules run their systems one after another. Many small arenas are stepped faster so, because a
/// multi-threaded executor spends more time waking threads than their systems take. Only for an app that is yours.
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

/// Prepares an app for calls of [`App::update`], and runs its startup systems.
pub fn start(app: &mut App) {
    // Bevy's limit on the length of a frame must not drop fixed steps.
    app.world_mut().resource_mut::<Time<Virtual>>().set_max_delta(Duration::from_secs(3600));
    app.finish();
    app.cleanup();
    // The first update runs the startup systems and no fixed step.
    app.update();
}
