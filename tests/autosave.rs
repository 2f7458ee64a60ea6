//! A training in the user's own game saves itself and goes on at the next start; nothing that was learned is lost or overwritten.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bevy::prelude::*;
use bevy_maddpg::{
    headless,
    learner::LearnerConfig,
    parameters::{Curriculum, Lesson, LessonStarted, Parameters, ParametersConfig, ParametersPlugin, Until},
    prelude::*,
    problems::Problems,
    rollout::Arenas,
    self_play::{GameEnded, SelfPlay, SelfPlayPlugin},
    training::Autosave,
};

fn observe(mut agents: Query<(&Agent, &mut Observation)>, mut turn: Local<f32>) {
    *turn = (*turn + 0.37) % 1.0;
    for (agent, mut observation) in &mut agents {
        observation.write(&vec![*turn; agent.spec().observation_size]);
    }
}

fn judge(mut agents: Query<(&Action, &mut Reward)>) {
    agents.iter_mut().for_each(|(action, mut reward)| reward.add(-action[0].abs()));
}

fn settings() -> TrainingConfig {
    let learner = LearnerConfig {
        learning_starts: 64,
        batch_size: 32,
        actor_hidden: vec![8],
        critic_hidden: vec![8],
        ..default()
    };
    TrainingConfig { learner, ..default() }
}

/// A game with one arena, whose agent observes this many numbers.
fn game(config: TrainingConfig, autosave: Autosave, observation_size: usize) -> App {
    let mut app = unstarted(config, autosave, observation_size);
    headless::start(&mut app);
    app
}

/// A game without agents.
fn empty(config: TrainingConfig, autosave: Autosave) -> App {
    let mut app = headless::app(1);
    let plugins = MaddpgPlugins::train(config).with_decision_period(1).with_training(|training| {
        training.pace = Pace::Lockstep;
        training.autosave = Some(autosave);
    });
    app.add_plugins(plugins)
        .add_systems(Reset, || {})
        .add_systems(Observe, observe)
        .add_systems(FixedUpdate, judge);
    app
}

fn unstarted(config: TrainingConfig, autosave: Autosave, observation_size: usize) -> App {
    let mut app = empty(config, autosave);
    app.world_mut().spawn((Arena::with_time_limit(20), Agent::new("guard", observation_size, 1)));
    app
}

/// A game like [`game`] with two agents, which take turns in winning, and with self-play.
fn duel(folder: &Path) -> App {
    let mut app = unstarted_duel(folder);
    spawn_duelists(&mut app);
    headless::start(&mut app);
    app
}

fn spawn_duelists(app: &mut App) {
    let arena = app.world_mut().spawn(Arena::default()).id();
    for team in ["red", "blue"] {
        app.world_mut().spawn((Agent::new("duelist", 2, 1).in_team(team), InArena::new(arena)));
    }
}

fn unstarted_duel(folder: &Path) -> App {
    let mut app = empty(settings(), at_exit(folder));
    let end = |mut duels: Query<(Entity, &mut Episode)>, mut games: MessageWriter<GameEnded>| {
        for (arena, mut episode) in duels.iter_mut().filter(|(_, episode)| episode.decisions() == 5) {
            episode.terminate();
            games.write(GameEnded { arena, winner: Some("red".into()) });
        }
    };
    app.add_plugins(SelfPlayPlugin { snapshot_decisions: 40, ..default() }).add_systems(FixedUpdate, end);
    app
}

/// The past policies of self-play: after how many joint decisions they were taken, and their ratings.
fn past(app: &App) -> Vec<(Option<u64>, Option<String>)> {
    let rivals = app.world().resource::<SelfPlay>().pool().rivals();
    let rounded = |rating: f32| format!("{rating:.1}");
    rivals.iter().map(|rival| (rival.decisions, rival.rating.map(rounded))).collect()
}

#[test]
fn self_play_goes_on_with_its_past_policies() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("training");
    let mut app = duel(&folder);
    play(&mut app, 300);
    exit(&mut app);
    let before = past(&app);
    assert!(before.len() > 3, "{before:?}");
    drop(app);

    let mut app = duel(&folder);
    play(&mut app, 1);
    assert_eq!(past(&app), before);
    play(&mut app, 100);
    assert!(past(&app).len() > before.len(), "new ones follow");
    exit(&mut app);
    drop(app);

    // A training from nothing does not play against policies of another one.
    fs::remove_file(at_exit(&folder).checkpoint("duelist")).unwrap();
    let mut app = duel(&folder);
    play(&mut app, 1);
    assert_eq!(past(&app), []);
}

#[test]
fn past_policies_stay_if_a_new_behavior_learns_first() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = duel(parent.path());
    play(&mut app, 300);
    exit(&mut app);
    let before = past(&app);
    drop(app);

    // A new version of the game has a crowd, which is there before the duelists; in its first session they do not come at all.
    for duelists_come in [false, true, true] {
        let mut app = unstarted_duel(parent.path());
        app.world_mut().spawn((Arena::default(), Agent::new("crowd", 2, 1)));
        headless::start(&mut app);
        play(&mut app, 20);
        assert_eq!(past(&app), [], "nobody can play against them yet");
        if duelists_come {
            spawn_duelists(&mut app);
            play(&mut app, 5);
            assert!(past(&app).starts_with(&before), "{:?}", past(&app));
        }
        exit(&mut app);
        let files = fs::read_dir(at_exit(parent.path()).past()).unwrap().count();
        let kept = if duelists_come { past(&app).len() } else { before.len() };
        assert_eq!(files, kept + 1, "the past policies and their ratings");
    }
}

#[test]
fn past_policies_of_another_behavior_are_neither_used_nor_lost() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = duel(parent.path());
    play(&mut app, 300);
    exit(&mut app);
    drop(app);
    let files = || fs::read_dir(at_exit(parent.path()).past()).unwrap().count();
    let before = files();

    // The behavior has another name now.
    let mut app = unstarted_duel(parent.path());
    let arena = app.world_mut().spawn(Arena::default()).id();
    for team in ["red", "blue"] {
        app.world_mut().spawn((Agent::new("boxer", 2, 1).in_team(team), InArena::new(arena)));
    }
    headless::start(&mut app);
    play(&mut app, 1);
    assert_eq!(past(&app), []);
    play(&mut app, 300);
    assert!(past(&app).len() > 3, "new ones are taken: {:?}", past(&app));
    let told = app.world().resource::<Problems>().told();
    assert!(!told.iter().any(|text| text.contains("does nothing")), "{told:?}");
    exit(&mut app);
    assert_eq!(files(), before);
}

#[test]
fn a_past_policy_that_is_damaged_stays_and_the_game_goes_on() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = duel(parent.path());
    play(&mut app, 300);
    exit(&mut app);
    let (first, _) = past(&app)[0];
    drop(app);
    let damaged = at_exit(parent.path()).past().join(format!("{}.safetensors", first.unwrap()));
    fs::write(&damaged, b"half a file").unwrap();
    let files = || fs::read_dir(at_exit(parent.path()).past()).unwrap().count();
    let before = files();
    for _ in 0..2 {
        let mut app = duel(parent.path());
        play(&mut app, 300);
        assert!(training(&app).updates() > 0);
        exit(&mut app);
        assert_eq!((fs::read(&damaged).unwrap(), files()), (b"half a file".to_vec(), before));
    }
}

/// A game like [`game`] with two lessons, the first of which ends after 150 joint decisions.
fn school(folder: &Path) -> App {
    let mut app = unstarted(settings(), at_exit(folder), 3);
    let config = ParametersConfig::default()
        .with_lesson(Lesson::new("first").until(Until::Decisions(150)))
        .with_lesson(Lesson::new("second").until(Until::Decisions(5_000)))
        .with_lesson(Lesson::new("third"));
    app.add_plugins(ParametersPlugin { config, ..default() });
    headless::start(&mut app);
    app
}

fn lesson(app: &App) -> usize {
    app.world().resource::<Curriculum>().lesson_index()
}

#[test]
fn a_curriculum_goes_on_with_its_lesson() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = school(parent.path());
    play(&mut app, 200);
    assert_eq!(lesson(&app), 1);
    exit(&mut app);
    drop(app);
    let mut app = school(parent.path());
    let starts = Arc::new(AtomicU32::new(0));
    let counted = starts.clone();
    app.add_observer(move |_: On<LessonStarted>| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    play(&mut app, 1);
    assert_eq!((lesson(&app), starts.load(Ordering::Relaxed)), (1, 0), "no lesson is repeated");
    let drawn = app.world_mut().query::<&Parameters>().single(app.world()).unwrap().lesson();
    assert_eq!(drawn, 1, "nor is it in the first episode");
    exit(&mut app);
    drop(app);

    // A training from nothing begins with the first lesson, and so does what continues it.
    fs::remove_file(at_exit(parent.path()).checkpoint("guard")).unwrap();
    for _ in 0..2 {
        let mut app = school(parent.path());
        play(&mut app, 70);
        assert_eq!(lesson(&app), 0);
        exit(&mut app);
    }
}

#[test]
fn a_training_that_ends_in_its_first_frame_keeps_its_lesson() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = school(parent.path());
    play(&mut app, 200);
    exit(&mut app);
    drop(app);
    let mut app = school(parent.path());
    // The learner starts, and then a system of the game panics before the end of the frame.
    app.world_mut().run_schedule(StepStart);
    assert!(training(&app).updates() > 0);
    drop(app);
    let mut app = school(parent.path());
    play(&mut app, 1);
    assert_eq!(lesson(&app), 1);
    assert!(app.world().resource::<RolloutClock>().decisions >= 200);
}

fn play(app: &mut App, decisions: u32) {
    (0..decisions).for_each(|_| app.update());
}

fn exit(app: &mut App) {
    app.world_mut().write_message(AppExit::Success);
    app.update();
}

fn training(app: &App) -> &Training {
    app.world().resource::<Training>()
}

/// A game that has learned something and has saved it to this folder at its exit.
fn train_in(folder: &Path) {
    let mut app = game(settings(), at_exit(folder), 3);
    play(&mut app, 100);
    exit(&mut app);
}

fn checkpoint(folder: &Path) -> Vec<u8> {
    fs::read(at_exit(folder).checkpoint("guard")).unwrap()
}

/// Saves only at the exit.
fn at_exit(folder: &Path) -> Autosave {
    Autosave { every: Duration::MAX, ..Autosave::in_folder(folder) }
}

fn files(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[test]
fn a_game_that_starts_again_goes_on_with_its_training() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/training");
    let mut app = game(settings(), at_exit(&folder), 3);
    play(&mut app, 200);
    let updates = training(&app).updates();
    assert!(updates > 0);
    exit(&mut app);
    drop(app);
    assert_eq!(files(&folder), ["checkpoint.guard.safetensors", "policy.guard.safetensors"]);
    let policy = PolicySnapshot::load(folder.join("policy.guard.safetensors")).unwrap();
    assert!(policy.updates() >= updates);

    let mut app = game(settings(), at_exit(&folder), 3);
    play(&mut app, 1);
    assert!(training(&app).updates() >= updates, "{:?}", training(&app).failure());
    let acting = app.world().resource::<ActingPolicy>().snapshot().unwrap();
    assert_eq!(acting.policies()[0].network(), policy.policies()[0].network());
    assert!(app.world().resource::<RolloutClock>().decisions >= 200, "exploration goes on where it was");
}

#[test]
fn each_kind_of_arenas_has_files_of_its_own() {
    let parent = tempfile::tempdir().unwrap();
    let start = |decisions| {
        let mut app = game(settings(), at_exit(parent.path()), 3);
        app.world_mut().spawn((Arena::with_time_limit(20), Agent::new("red/wolf", 2, 1)));
        play(&mut app, decisions);
        app
    };
    let mut app = start(100);
    let updates = training(&app).updates();
    exit(&mut app);
    drop(app);
    let expected =
        ["guard", "red%2Fwolf"].map(|kind| [format!("checkpoint.{kind}"), format!("policy.{kind}")]);
    let mut expected = expected.concat().iter().map(|name| format!("{name}.safetensors")).collect::<Vec<_>>();
    expected.sort();
    assert_eq!(files(parent.path()), expected);
    let app = start(1);
    assert_eq!(training(&app).failure(), None);
    assert!(training(&app).updates() >= updates, "both go on");
}

#[test]
fn a_training_is_saved_while_the_game_runs() {
    let parent = tempfile::tempdir().unwrap();
    let autosave = Autosave { every: Duration::ZERO, ..Autosave::in_folder(parent.path()) };
    let mut app = game(settings(), autosave.clone(), 3);
    play(&mut app, 100);
    let end = Instant::now() + Duration::from_secs(30);
    while !autosave.policy("guard").exists() {
        assert!(Instant::now() < end, "not saved: {:?}", training(&app).checkpoint_failure());
        app.update();
    }
    assert!(autosave.checkpoint("guard").exists());
}

#[test]
fn nothing_is_saved_while_nothing_is_learned() {
    let parent = tempfile::tempdir().unwrap();
    let autosave = Autosave { every: Duration::ZERO, ..Autosave::in_folder(parent.path()) };
    let mut app = game(settings(), autosave, 3);
    play(&mut app, 50);
    assert!(files(parent.path()).is_empty(), "{:?}", files(parent.path()));
}

#[test]
fn a_game_that_decides_to_exit_in_its_last_schedule_is_saved() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = game(settings(), at_exit(parent.path()), 3);
    app.add_systems(Last, |clock: Res<RolloutClock>, mut exit: MessageWriter<AppExit>| {
        if clock.decisions == 100 {
            exit.write(AppExit::Success);
        }
    });
    while app.should_exit().is_none() {
        app.update();
    }
    assert_eq!(files(parent.path()).len(), 2);
}

#[test]
fn the_settings_in_the_code_count() {
    let parent = tempfile::tempdir().unwrap();
    train_in(parent.path());
    let mut changed = settings();
    changed.learner.gamma = 0.5;
    let mut app = game(changed.clone(), at_exit(parent.path()), 3);
    play(&mut app, 1);
    let learner = app.world_mut().resource_mut::<Training>().stop().unwrap();
    assert_eq!(learner.config().gamma, 0.5);

    // Another number of neurons does not fit the weights.
    changed.learner.actor_hidden = vec![9];
    let before = checkpoint(parent.path());
    drop(app);
    let mut app = game(changed, at_exit(parent.path()), 3);
    play(&mut app, 1);
    let failure = training(&app).failure().unwrap();
    assert!(
        failure.contains("actor_hidden") && failure.contains("checkpoint.guard.safetensors"),
        "{failure}"
    );
    exit(&mut app);
    assert!(checkpoint(parent.path()) == before);
}

#[test]
fn a_checkpoint_of_other_agents_stays_and_the_game_goes_on() {
    let parent = tempfile::tempdir().unwrap();
    train_in(parent.path());
    let before = checkpoint(parent.path());
    let mut app = game(settings(), at_exit(parent.path()), 4);
    play(&mut app, 100);
    let failure = training(&app).failure().unwrap();
    assert!(failure.contains("does not fit this training"), "{failure}");
    assert!(failure.contains("to start from nothing, move"), "{failure}");
    exit(&mut app);
    assert!(checkpoint(parent.path()) == before);
}

#[test]
fn a_damaged_checkpoint_stays_and_is_reported() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("checkpoint.guard.safetensors");
    fs::write(&path, b"half a file").unwrap();
    let mut app = game(settings(), at_exit(parent.path()), 3);
    play(&mut app, 100);
    let failure = training(&app).failure().unwrap();
    assert!(failure.contains("is not a valid") && failure.contains("move"), "{failure}");
    assert!(!failure.contains('\n'), "no backtrace: {failure}");
    exit(&mut app);
    assert_eq!(fs::read(&path).unwrap(), b"half a file");
}

#[test]
fn two_games_cannot_save_to_the_same_folder() {
    let parent = tempfile::tempdir().unwrap();
    let mut first = game(settings(), at_exit(parent.path()), 3);
    play(&mut first, 1);
    let mut second = game(settings(), at_exit(parent.path()), 3);
    play(&mut second, 1);
    let failure = training(&second).failure().unwrap();
    assert!(failure.contains("another process saves its training to"), "{failure}");
    assert_eq!(training(&first).failure(), None);
    drop(first);
    let mut third = game(settings(), at_exit(parent.path()), 3);
    play(&mut third, 1);
    assert_eq!(training(&third).failure(), None);
}

#[test]
fn a_folder_that_cannot_be_created_is_reported() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, b"").unwrap();
    let mut app = game(settings(), at_exit(&file.join("training")), 3);
    play(&mut app, 10);
    let failure = training(&app).failure().unwrap();
    assert!(failure.contains("cannot save the training to"), "{failure}");
    exit(&mut app);
}

#[test]
fn a_training_goes_on_if_it_cannot_be_saved() {
    let parent = tempfile::tempdir().unwrap();
    let autosave = Autosave { every: Duration::ZERO, ..Autosave::in_folder(parent.path()) };
    // A folder is in the way of the file.
    fs::create_dir(autosave.policy("guard")).unwrap();
    let mut app = game(settings(), autosave.clone(), 3);
    play(&mut app, 100);
    let end = Instant::now() + Duration::from_secs(30);
    while training(&app).checkpoint_failure().is_none() {
        assert!(Instant::now() < end, "the failure was not noticed");
        app.update();
    }
    let updates = training(&app).updates();
    play(&mut app, 100);
    assert!(training(&app).updates() > updates);
    assert_eq!(training(&app).failure(), None);
    exit(&mut app);
    assert!(autosave.checkpoint("guard").exists());
}

#[test]
fn an_app_that_is_dropped_without_an_exit_is_saved() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = duel(parent.path());
    play(&mut app, 300);
    // What else there is to save is noted from time to time.
    std::thread::sleep(Duration::from_millis(30));
    play(&mut app, 1);
    let (updates, before) = (training(&app).updates(), past(&app));
    drop(app);
    let mut app = duel(parent.path());
    play(&mut app, 1);
    assert!(training(&app).updates() >= updates);
    assert_eq!(past(&app), before);
    assert!(before.len() > 3 && app.world().resource::<RolloutClock>().decisions >= 300);
}

/// A game with these agents in one arena, which is saved to a folder at its end.
fn mixed(folder: &Path, behaviors: &[&str]) -> App {
    let mut app = empty(settings(), Autosave { with_replay: true, ..at_exit(folder) });
    let arena = app.world_mut().spawn(Arena::with_time_limit(20)).id();
    for behavior in behaviors {
        app.world_mut().spawn((Agent::new(*behavior, 2, 1), InArena::new(arena)));
    }
    headless::start(&mut app);
    app
}

fn slots(app: &App) -> Vec<String> {
    let kind = &app.world().resource::<Arenas>().kinds()[0];
    kind.spec().slots.iter().map(|slot| slot.behavior.clone()).collect()
}

#[test]
fn a_training_goes_on_with_fewer_agents_and_in_another_order() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("training");
    let mut updates = 0;
    for behaviors in [["guard", "guard", "wolf"].as_slice(), &["wolf", "guard", "guard"], &["guard", "wolf"]]
    {
        let mut app = mixed(&folder, behaviors);
        play(&mut app, 215);
        assert_eq!(training(&app).failure(), None, "{behaviors:?}");
        assert!(training(&app).updates() > updates, "it goes on");
        assert_eq!(slots(&app), ["guard", "guard", "wolf"]);
        let mut actions = app.world_mut().query::<&Action>();
        assert!(actions.iter(app.world()).all(Action::is_made));
        updates = training(&app).updates();
        exit(&mut app);
    }
    let mut app = mixed(&folder, &["guard", "wolf", "wolf"]);
    play(&mut app, 3);
    let failure = training(&app).failure().unwrap();
    assert!(failure.contains("differ from those in the checkpoint"), "{failure}");
}

#[test]
fn agents_whose_learner_cannot_start_play_by_the_policy_that_was_saved_last() {
    let parent = tempfile::tempdir().unwrap();
    train_in(parent.path());
    let mut first = game(settings(), at_exit(parent.path()), 3);
    play(&mut first, 3);
    // The folder is in use.
    let mut second = game(settings(), at_exit(parent.path()), 3);
    play(&mut second, 3);
    let failure = training(&second).failure().unwrap();
    assert!(failure.contains("another process") && failure.contains("saved last"), "{failure}");
    let mut actions = second.world_mut().query::<&Action>();
    assert!(actions.single(second.world()).unwrap().is_made());
}

#[test]
fn what_names_a_behavior_that_nobody_has_is_refused_with_advice() {
    let parent = tempfile::tempdir().unwrap();
    let mut config = settings();
    config.learner.team_fate = vec!["wolf".into()];
    let mut app = game(config, at_exit(parent.path()), 2);
    play(&mut app, 3);
    let failure = training(&app).failure().unwrap();
    assert!(failure.contains("`wolf`") && failure.contains("`TrainingPlugin::kinds`"), "{failure}");
}
