//! The plugins fit into an existing app: they leave its schedules unchanged and run around whichever step the app
//! chooses.

use std::sync::{Arc, Mutex};

use bevy::{
    app::{FixedMain, FixedMainScheduleOrder, MainScheduleOrder},
    diagnostic::{DiagnosticPath, DiagnosticsStore},
    ecs::{
        error::{BevyError, ErrorContext},
        schedule::{
            InternedScheduleLabel, ScheduleLabel, SingleThreadedExecutor, SystemExecutor, SystemSchedule,
        },
    },
    prelude::*,
    reflect::TypePath,
    time::TimeUpdateStrategy,
};
use bevy_maddpg::{diagnostics, headless, prelude::*};

/// An executor that records which schedule it runs.
struct Noting {
    label: InternedScheduleLabel,
    ran: Arc<Mutex<Vec<InternedScheduleLabel>>>,
    inner: SingleThreadedExecutor,
}

impl SystemExecutor for Noting {
    fn init(&mut self, schedule: &SystemSchedule) {
        self.inner.init(schedule);
    }

    fn run(
        &mut self,
        schedule: &mut SystemSchedule,
        world: &mut World,
        skip_systems: Option<&bevy::ecs::schedule::FixedBitSet>,
        error_handler: fn(BevyError, ErrorContext),
    ) {
        self.ran.lock().unwrap().push(self.label);
        self.inner.run(schedule, world, skip_systems, error_handler);
    }

    fn set_apply_final_deferred(&mut self, value: bool) {
        self.inner.set_apply_final_deferred(value);
    }
}

#[test]
fn plugins_do_not_replace_the_executor_of_any_schedule() {
    for timing in [StepTiming::FixedStep, StepTiming::Frame, StepTiming::Manual] {
        let mut app = App::new();
        app.add_plugins(MinimalPlugins).insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
        let world = app.world();
        let main = &world.resource::<MainScheduleOrder>();
        let mut labels = [main.startup_labels.clone(), main.labels.clone()].concat();
        labels.extend(&world.resource::<FixedMainScheduleOrder>().labels);
        labels.extend([Main.intern(), FixedMain.intern()]);
        // `SpawnScene` belongs to a plugin that this app does not add.
        labels
            .retain(|label| world.resource::<Schedules>().contains(*label) || *label == FixedUpdate.intern());
        let ran = Arc::<Mutex<Vec<_>>>::default();
        for &label in &labels {
            app.init_schedule(label).edit_schedule(label, |schedule| {
                schedule.set_executor(Noting {
                    label,
                    ran: ran.clone(),
                    inner: SingleThreadedExecutor::new(),
                });
            });
        }
        app.add_plugins(MaddpgPlugins::train(TrainingConfig::default()).with_timing(timing));
        app.add_systems(FixedUpdate, || ());
        app.finish();
        app.cleanup();
        (0..3).for_each(|_| app.update());
        let ran = ran.lock().unwrap();
        let replaced: Vec<_> = labels.iter().filter(|label| !ran.contains(label)).collect();
        assert!(replaced.is_empty(), "{timing:?}: {replaced:?}");
    }
}

/// The parts of a step in the order in which they ran.
#[derive(Resource, Default)]
struct Order(Vec<&'static str>);

fn note(name: &'static str) -> impl Fn(ResMut<Order>) {
    move |mut order| order.0.push(name)
}

/// Adds one agent that decides on every step, with episodes of one decision, and systems that record the order of a
/// step.
fn noting(app: &mut App, timing: StepTiming) {
    app.add_plugins(
        MaddpgPlugins::train(TrainingConfig::default()).with_timing(timing).with_decision_period(1),
    )
    .init_resource::<Order>()
    .add_systems(Observe, note("observe"))
    .add_systems(Reset, note("reset"));
    let arena = app.world_mut().spawn(Arena::with_time_limit(1)).id();
    app.world_mut().spawn((Agent::new("agent", 1, 1), InArena::slot(arena, 0)));
}

fn take(app: &mut App) -> Vec<&'static str> {
    std::mem::take(&mut app.world_mut().resource_mut::<Order>().0)
}

#[test]
fn fixed_schedules_run_between_the_decision_and_its_result() {
    let mut app = headless::app(1);
    noting(&mut app, StepTiming::FixedStep);
    app.add_systems(FixedFirst, note("first"))
        .add_systems(FixedPreUpdate, note("pre update"))
        .add_systems(FixedUpdate, note("update"))
        .add_systems(FixedPostUpdate, note("post update"))
        .add_systems(FixedLast, note("last"));
    headless::start(&mut app);
    app.update();
    take(&mut app);
    app.update();
    let game = ["first", "pre update", "update", "post update", "last"];
    assert_eq!(take(&mut app), [&["observe"][..], &game, &["observe", "reset"]].concat());
}

#[test]
fn frame_timing_steps_around_update() {
    let mut app = headless::app(0);
    noting(&mut app, StepTiming::Frame);
    app.add_systems(Update, note("update")).add_systems(PostUpdate, note("post update"));
    headless::start(&mut app);
    app.update();
    take(&mut app);
    app.update();
    assert_eq!(take(&mut app), ["observe", "update", "post update", "observe", "reset"]);
}

#[test]
fn in_frame_timing_nothing_is_decided_while_the_game_is_paused() {
    let mut app = headless::app(0);
    noting(&mut app, StepTiming::Frame);
    headless::start(&mut app);
    app.update();
    let decisions = |app: &App| app.world().resource::<RolloutClock>().decisions;
    let before = decisions(&app);
    app.world_mut().resource_mut::<Time<Virtual>>().pause();
    (0..3).for_each(|_| app.update());
    assert_eq!(decisions(&app), before);
    app.world_mut().resource_mut::<Time<Virtual>>().unpause();
    (0..3).for_each(|_| app.update());
    assert_eq!(decisions(&app), before + 3);
}

#[test]
fn app_can_run_the_step_itself() {
    let mut app = headless::app(1);
    noting(&mut app, StepTiming::Manual);
    headless::start(&mut app);
    (0..3).for_each(|_| app.update());
    assert_eq!(take(&mut app), [""; 0], "the app has not run a step yet");
    let world = app.world_mut();
    world.run_schedule(StepStart);
    world.run_schedule(StepEnd);
    assert_eq!(world.resource::<RolloutClock>().decisions, 1);
}

#[test]
fn episode_end_is_a_message_and_an_event_on_its_arena() {
    #[derive(Resource, Default)]
    struct Seen(Vec<(Entity, u32, bool)>);

    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::train(TrainingConfig::default()).with_decision_period(1))
        .init_resource::<Seen>();
    let arenas = [2, 3].map(|limit| app.world_mut().spawn(Arena::with_time_limit(limit)).id());
    for arena in arenas {
        app.world_mut().spawn((Agent::new("agent", 1, 1), InArena::slot(arena, 0)));
    }
    app.world_mut().entity_mut(arenas[1]).observe(
        |ended: On<EpisodeEnded>, episodes: Query<&Episode>, mut seen: ResMut<Seen>| {
            let is_running = episodes.get(ended.arena).unwrap().is_running();
            seen.0.push((ended.arena, ended.decisions, is_running));
        },
    );
    headless::start(&mut app);
    let mut messages = 0;
    for _ in 0..6 {
        app.update();
        messages += app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().count();
    }
    assert_eq!(messages, 3 + 2);
    assert_eq!(app.world().resource::<Seen>().0, [(arenas[1], 3, false); 2], "one arena, not yet reset");
}

#[test]
fn components_are_reflected() {
    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::train(TrainingConfig::default()));
    let registry = app.world().resource::<AppTypeRegistry>().read();
    let names = [
        Agent::type_path(),
        Observation::type_path(),
        Action::type_path(),
        Reward::type_path(),
        ActionOverride::type_path(),
        InArena::type_path(),
        Arena::type_path(),
        ArenaAgents::type_path(),
        Episode::type_path(),
        Measures::type_path(),
    ];
    for name in names {
        let registration =
            registry.get_with_type_path(name).unwrap_or_else(|| panic!("{name} is registered"));
        assert!(registration.data::<ReflectComponent>().is_some(), "{name}");
    }
}

#[test]
fn decisions_and_updates_are_bevy_diagnostics() {
    let mut app = headless::app(1);
    noting(&mut app, StepTiming::FixedStep);
    headless::start(&mut app);
    let start = std::time::Instant::now();
    while start.elapsed().as_secs_f64() < 2.5 {
        app.update();
    }
    let store = app.world().resource::<DiagnosticsStore>();
    let value = |path: DiagnosticPath| store.get(&path).and_then(|diagnostic| diagnostic.value());
    assert!(value(diagnostics::DECISIONS_PER_SECOND).is_some_and(|rate| rate > 0.0));
    for path in [diagnostics::UPDATES_PER_SECOND, diagnostics::WAIT_P99, diagnostics::DROPPED_TRANSITIONS] {
        assert!(value(path.clone()).is_some_and(|value| value >= 0.0), "{path:?}");
    }
    for name in ["return", "q_mean", "critic_loss", "saturation"] {
        let of_behaviors = store.iter().filter(|diagnostic| diagnostic.path().as_str().contains(name));
        let values: Vec<f64> = of_behaviors.filter_map(|diagnostic| diagnostic.value()).collect();
        assert!(!values.is_empty() && values.iter().all(|value| value.is_finite()), "{name}: {values:?}");
    }
}
