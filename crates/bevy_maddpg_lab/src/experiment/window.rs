use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bevy::{app::MainScheduleOrder, ecs::schedule::ScheduleLabel, log::LogPlugin, prelude::*};

use super::{
    ExperimentError, OutputError, Run, RunFolder, Summary, eprintln_line,
    evaluation::{self, EpisodeScores},
    parameters,
    recorder::{Recorder, can_save},
};
use crate::{
    game::add_game,
    statistics::{PlaysOfPersons, RunStatistics},
    watch::{PlannedScreenshot, Recording, SaveRequested, Toast, WatchPlugin},
};
use bevy_maddpg::{
    arena::EpisodeEnded, headless, learner::Pace, plugin::MaddpgPlugins, policy::PolicySnapshot,
    rollout::RolloutClock, training::Training,
};

/// Runs after [`Last`], so that it sees every exit request of the frame. After that frame the world is gone.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
struct Closing;

/// The result of a run in a window. It is kept outside the world, which is gone when the app returns.
type Outcome = Arc<Mutex<Result<(), ExperimentError>>>;

/// Trains in a window, or plays with `policy` if there is one.
pub(super) fn run(run: &Run, policy: Option<PolicySnapshot>) -> Result<(), ExperimentError> {
    if let Some(folder) = &run.options.record {
        std::fs::create_dir_all(folder).map_err(OutputError::io("create", folder))?;
    }
    let mut app = App::new();
    let window = Window {
        title: format!("{} - bevy_maddpg", run.game.name()),
        resolution: (1280, 720).into(),
        ..default()
    };
    let log = LogPlugin { filter: "wgpu=error,naga=warn".into(), ..default() };
    let plugins = DefaultPlugins.set(WindowPlugin { primary_window: Some(window), ..default() });
    app.add_plugins(plugins.set(log));
    // Most of the time goes into stepping many small arenas, which is faster on one thread.
    headless::run_on_one_thread(&mut app);
    let outcome: Outcome = Arc::new(Mutex::new(Ok(())));
    let mut run = run.clone();
    if let (Some(_), Some(episodes)) = (&policy, run.options.evaluate) {
        // The same episodes as without a window.
        run.setup = evaluation::setup(episodes, run.options.seed);
    }
    let run = &run;
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
    let Run { game, options, .. } = run;
    let recording =
        options.record.clone().map(|folder| Recording { folder, frames: options.record_frames, rate: 20 });
    let screenshot = |path| PlannedScreenshot::new(options.screenshot_after as f32, path);
    app.add_plugins(WatchPlugin {
        title: game.title(),
        speed: options.speed as f32,
        recording,
        screenshots: options.screenshot.iter().map(screenshot).collect(),
        ..default()
    });
    game.add_scene(app, &run.setup);
}

/// Saves on request. Ends the run cleanly at a limit, on Ctrl-C, on a failed write or when the window is closed.
fn add_training_window(run: &Run, app: &mut App, folder: RunFolder, outcome: Outcome) {
    let saved_to = folder.last_policy();
    app.add_systems(
        Update,
        (move |statistics: Res<RunStatistics>,
               training: Res<Training>,
               mut recorder: ResMut<Recorder>,
               mut toasts: MessageWriter<Toast>| {
            let seconds = statistics.seconds();
            toasts.write(Toast::new(if can_save(&training) {
                recorder.checkpoint_soon();
                format!("saving to {} after {seconds:.0} s", saved_to.display())
            } else {
                "nothing is saved: no learner is running".into()
            }));
        })
        .run_if(on_message::<SaveRequested>),
    )
    .add_systems(Update, |mut recorder: ResMut<Recorder>, mut toasts: MessageWriter<Toast>| {
        toasts.write_batch(recorder.take_notices().into_iter().map(Toast::new));
    });
    let run = run.clone();
    let mut finished = false;
    app.init_schedule(Closing);
    app.world_mut().resource_mut::<MainScheduleOrder>().insert_after(Last, Closing);
    app.add_systems(Closing, move |world: &mut World| {
        let (recorder, statistics) = (world.resource::<Recorder>(), world.resource::<RunStatistics>());
        let at_limit = run.limits().reached(statistics, world.resource::<RolloutClock>().decisions);
        let closed = !world.resource::<Messages<AppExit>>().is_empty();
        if finished || !(closed || at_limit || run.is_interrupted() || recorder.has_failed()) {
            return;
        }
        finished = true;
        let result = run
            .finish_training(world, &folder, run.options.evaluate, run.options.evaluate.is_some())
            .and_then(|()| run.outcome());
        *outcome.lock().unwrap_or_else(PoisonError::into_inner) = result;
        if !closed {
            world.write_message(AppExit::Success);
        }
    });
}

/// Plays with a policy, without exploration. With `--evaluate`, scores that many episodes as they are played and then exits. Episodes that
/// a person played in do not count. If it is stopped before the last one, it tells no score: the episodes that have ended so far are the
/// short ones.
fn add_play(run: &Run, app: &mut App, policy: PolicySnapshot, outcome: Outcome) {
    add_game(app, &*run.game, MaddpgPlugins::play(policy.clone()), &run.setup);
    parameters::play(app, &*run.game, &run.parameters, run.setup.seed);
    app.add_plugins(run.statistics());
    let (arenas, run, start) = (run.setup.arenas, run.clone(), Instant::now());
    let mut scores = run
        .options
        .evaluate
        .map(|episodes| episodes as usize)
        .map(|episodes| EpisodeScores::new(arenas.min(episodes), episodes, run.game.warm_up_episodes()));
    app.add_systems(
        Last,
        move |mut ended: MessageReader<EpisodeEnded>,
              plays: PlaysOfPersons,
              mut exits: MessageMutator<AppExit>| {
            let is_interrupted = run.is_interrupted();
            let is_closing = is_interrupted || exits.read().next().is_some();
            if is_interrupted {
                exits.write(AppExit::Success);
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = run.outcome();
            }
            let Some(counted) = &mut scores else { return };
            for episode in ended.read().filter(|episode| !plays.include(episode.arena)) {
                counted.push(episode, run.game.score(episode));
            }
            if !counted.is_complete() {
                if is_closing {
                    let wanted = run.options.evaluate.unwrap_or_default();
                    let count = counted.count();
                    eprintln_line(&format!(
                        "stopped after {count} of {wanted} episodes: there is no evaluation"
                    ));
                    scores = None;
                }
                return;
            }
            let mut summary = Summary {
                finished: true,
                evaluation: counted.evaluation(run.game.yardstick()),
                seconds: start.elapsed().as_secs_f64(),
                ..run.policy_summary(&policy)
            };
            scores = None;
            let result = run.report(&mut summary, None).and_then(|()| run.outcome());
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = result;
            exits.write(AppExit::Success);
        },
    );
}
