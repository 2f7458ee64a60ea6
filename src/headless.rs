//! Apps without a window, stepped by hand as fast as the machine can.
//!
//! ```
//! use bevy::prelude::*;
//! use bevy_maddpg::headless;
//!
//! #[derive(Resource, Default)]
//! struct Ticks(u32);
//!
//! let mut app = headless::app(5);
//! app.init_resource::<Ticks>().add_systems(FixedUpdate, |mut ticks: ResMut<Ticks>| ticks.0 += 1);
//! headless::start(&mut app);
//! app.update();
//! app.update();
//! assert_eq!(app.world().resource::<Ticks>().0, 10, "five fixed steps an update");
//! ```

use std::time::Duration;

use bevy::{
    app::{ScheduleRunnerPlugin, TaskPoolThreadAssignmentPolicy},
    ecs::schedule::{InternedScheduleLabel, ScheduleLabel, SingleThreadedExecutor},
    prelude::*,
    time::TimeUpdateStrategy,
    transform::systems::StaticTransformOptimizations,
};

/// An app whose every update is `ticks` fixed steps, on one thread: many small arenas are stepped faster so.
///
/// Add plugins and systems, then call [`start`], then [`App::update`] as often as needed.
pub fn app(ticks: u32) -> App {
    let mut app = App::new();
    let one_thread = TaskPoolThreadAssignmentPolicy { max_threads: 1, ..TaskPoolOptions::default().compute };
    let task_pools = TaskPoolPlugin {
        task_pool_options: TaskPoolOptions { compute: one_thread, ..TaskPoolOptions::default() },
    };
    app.add_plugins((
        MinimalPlugins.build().disable::<ScheduleRunnerPlugin>().set(task_pools),
        TransformPlugin,
    ))
    // Finding the trees that have not changed wakes other threads each update, which costs more than a tick of a
    // few arenas, and rapier's own propagation would miss bodies with children.
    .insert_resource(StaticTransformOptimizations::Disabled)
    .insert_resource(TimeUpdateStrategy::FixedTimesteps(ticks));
    let labels: [InternedScheduleLabel; 10] = [
        First.intern(),
        PreUpdate.intern(),
        Update.intern(),
        PostUpdate.intern(),
        Last.intern(),
        RunFixedMainLoop.intern(),
        FixedFirst.intern(),
        FixedPreUpdate.intern(),
        FixedPostUpdate.intern(),
        FixedLast.intern(),
    ];
    for label in labels {
        app.edit_schedule(label, |schedule| {
            schedule.set_executor(SingleThreadedExecutor::new());
        });
    }
    app
}

/// Makes an app ready for [`App::update`] by hand, and runs its startup systems.
pub fn start(app: &mut App) {
    // The clamp on long frames must not swallow fixed steps.
    app.world_mut().resource_mut::<Time<Virtual>>().set_max_delta(Duration::from_secs(3600));
    app.finish();
    app.cleanup();
    // The first update runs the startup systems and no fixed step.
    app.update();
}

/// Whether a window can be opened here: false on a Unix machine whose environment names no display.
pub fn display_is_present() -> bool {
    if !cfg!(all(unix, not(target_os = "macos"))) {
        return true;
    }
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("DISPLAY") || (cfg!(feature = "wayland") && is_set("WAYLAND_DISPLAY"))
}
