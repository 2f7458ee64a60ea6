use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bevy::{app::MainScheduleOrder, ecs::schedule::ScheduleLabel, log::LogPlugin, prelude::*};

use super::{ExperimentError, Recorder, Run, RunFolder, Summary, evaluation::EpisodeScores};
use crate::{
    arena::EpisodeEnded,
    learner::Pace,
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
    rollout::RolloutClock,
    training::Training,
    watch::{PlannedScreenshot, SaveRequested, Toast, WatchPlugin},
};

/// Runs after [`Last`], so that it sees every wish to exit of the frame: after it, the world is gone.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
struct Closing;

/// What came of a run in a window; the app and its world are gone when it returns.
type Outcome = Arc<Mutex<Result<(), ExperimentError>>>;

/// Trains, or plays by `policy`, in a window.
pub(super) fn run(run: &Run, policy: Option<PolicySnapshot>) -> Result<(), ExperimentError> {
    let mut app = App::new();
    let window = Window {
        title: format!("{} - bevy_maddpg", run.experiment.name),
        resolution: (1280, 720).into(),
        ..default()
    };
    let log = LogPlugin { filter: "wgpu=error,naga=warn".into(), ..default() };
    let plugins = DefaultPlugins.set(WindowPlugin { primary_window: Some(window), ..default() });
    app.add_plugins(plugins.set(log));
    let outcome: Outcome = Arc::new(Mutex::new(Ok(())));
    match policy {
        Some(policy) => add_play(run, &mut app, policy, outcome.clone()),
        None => {
            let folder = run.add_training(&mut app, Pace::FreeRunning)?;
            add_training_window(run, &mut app, folder, outcome.clone());
        }
    }
    add_watch(run, &mut app);
    app.run();
    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *outcome, Ok(()))
}

fn add_watch(run: &Run, app: &mut App) {
    let Run { experiment, options, .. } = run;
    let screenshot = |path| PlannedScreenshot::new(options.screenshot_after as f32, path);
    app.add_plugins(WatchPlugin {
        title: experiment.title.clone(),
        score: experiment.score,
        solved: experiment.solved,
        speed: options.speed as f32,
        screenshots: options.screenshot.iter().map(screenshot).collect(),
        ..default()
    });
    if let Some(add_scene) = &experiment.add_scene {
        add_scene(app, &run.setup());
    }
}

/// Saves on request, and ends the run properly when the window is closed, on Ctrl-C or at a limit.
fn add_training_window(run: &Run, app: &mut App, folder: RunFolder, outcome: Outcome) {
    let save_replay = run.options.save_replay;
    let saved_to = folder.clone();
    app.add_systems(
        Update,
        (move |recorder: Res<Recorder>,
               acting: Res<crate::rollout::ActingPolicy>,
               training: Res<Training>,
               mut toasts: MessageWriter<Toast>| {
            training.checkpoint(saved_to.checkpoint(), save_replay);
            let saved = acting.snapshot().map_or(Ok(()), |snapshot| snapshot.save(saved_to.policy()));
            toasts.write(Toast::new(match saved {
                Ok(()) => {
                    format!("saved to {} after {:.0} s", saved_to.policy().display(), recorder.seconds())
                }
                Err(error) => error.to_string(),
            }));
        })
        .run_if(on_message::<SaveRequested>),
    );
    let run = run.clone();
    let mut finished = false;
    app.init_schedule(Closing);
    app.world_mut().resource_mut::<MainScheduleOrder>().insert_after(Last, Closing);
    app.add_systems(Closing, move |world: &mut World| {
        let recorder = world.resource::<Recorder>();
        let at_limit = run.limits().reached(recorder, world.resource::<RolloutClock>().decisions);
        let closed = !world.resource::<Messages<AppExit>>().is_empty();
        if finished || !(closed || at_limit || run.is_interrupted() || recorder.has_failed()) {
            return;
        }
        finished = true;
        let result = run.finish_training(world, &folder, run.options.evaluate);
        *outcome.lock().unwrap_or_else(PoisonError::into_inner) = result;
        if !closed {
            world.write_message(AppExit::Success);
        }
    });
}

/// Plays by a policy without noise; with `--evaluate`, scores episodes as they are played and ends with them.
fn add_play(run: &Run, app: &mut App, policy: PolicySnapshot, outcome: Outcome) {
    let plugins = MaddpgPlugins::play(policy.clone()).with_decision_period(run.experiment.decision_period);
    app.add_plugins(plugins);
    (run.experiment.add_game)(app, &run.setup());
    let (arenas, run, start) = (run.arenas, run.clone(), Instant::now());
    let mut scores = run
        .options
        .evaluate
        .map(|episodes| EpisodeScores::new(arenas.min(episodes as usize), episodes as usize));
    app.add_systems(Last, move |mut ended: MessageReader<EpisodeEnded>, mut exit: MessageWriter<AppExit>| {
        if run.is_interrupted() {
            exit.write(AppExit::Success);
        }
        let Some(counted) = &mut scores else { return };
        for episode in ended.read() {
            counted.push(episode, (run.experiment.score)(&episode.returns));
        }
        if !counted.is_complete() {
            return;
        }
        let mut summary = Summary {
            evaluation: counted.evaluation(),
            seconds: start.elapsed().as_secs_f64(),
            ..run.policy_summary(&policy)
        };
        scores = None;
        *outcome.lock().unwrap_or_else(PoisonError::into_inner) = run.report(&mut summary, None);
        exit.write(AppExit::Success);
    });
}
