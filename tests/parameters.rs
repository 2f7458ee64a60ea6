//! Parameters of the game: when they are drawn, that draws repeat, and how lessons move on.

use bevy::prelude::*;
use bevy_maddpg::{
    headless,
    learner::LearnerConfig,
    parameters::{
        Curriculum, Distribution, Lesson, LessonStarted, Parameter, Parameters, ParametersConfig,
        ParametersPlugin, Until,
    },
    policy::{AgentSpec, ArenaSpec},
    prelude::*,
    self_play::{GameEnded, SelfPlay, SelfPlayPlugin},
};

/// Decisions of an episode.
const LENGTH: u32 = 4;

const WIND: Parameter = Parameter::new("wind", 1.0, [-10.0, 10.0]);
const SIZE: Parameter = Parameter::new("size", 2.0, [0.5, 4.0]);

/// What the game found in its `Reset` systems: the arena, wind and size.
#[derive(Resource, Default)]
struct Found(Vec<(Entity, f32, f32)>);

/// The lessons that were reported.
#[derive(Resource, Default)]
struct Reported(Vec<LessonStarted>);

/// What an agent earns in each episode.
#[derive(Resource)]
struct Earned(f32);

/// A game in which agents only wait, in `arenas` arenas.
fn app(arenas: usize, plugin: Option<ParametersPlugin>) -> App {
    app_with_seed(0, arenas, plugin)
}

fn app_with_seed(seed: u64, arenas: usize, plugin: Option<ParametersPlugin>) -> App {
    let groups = ArenaSpec::new(vec![AgentSpec::new("a", 1, 1)]).groups(true).unwrap();
    let mut app = headless::app(1);
    let policy = PolicySnapshot::zeros(&groups).unwrap();
    app.add_plugins(MaddpgPlugins::play(policy).with_seed(seed).with_decision_period(1));
    if let Some(plugin) = plugin {
        app.add_plugins(ParametersPlugin { known: vec![WIND, SIZE], ..plugin });
    }
    app.init_resource::<Found>()
        .init_resource::<Reported>()
        .insert_resource(Earned(0.0))
        .add_observer(|lesson: On<LessonStarted>, mut reported: ResMut<Reported>| {
            reported.0.push(lesson.event().clone());
        })
        .add_systems(
            Reset,
            |resets: ArenasToReset, parameters: Query<Option<&Parameters>>, mut found: ResMut<Found>| {
                for arena in resets.iter() {
                    let parameters = parameters.get(arena).unwrap();
                    found.0.push((arena, WIND.of(parameters), SIZE.of(parameters)));
                }
            },
        )
        .add_systems(Observe, |mut agents: Query<&mut Observation>| {
            agents.iter_mut().for_each(|mut agent| agent.write(&[0.0]));
        })
        .add_systems(
            FixedUpdate,
            |mut episodes: Query<&mut Episode>, mut rewards: Query<&mut Reward>, earned: Res<Earned>| {
                rewards.iter_mut().for_each(|mut reward| reward.add(earned.0 / LENGTH as f32));
                for mut episode in episodes.iter_mut().filter(|episode| episode.decisions() == LENGTH) {
                    episode.terminate();
                }
            },
        );
    for _ in 0..arenas {
        let arena = app.world_mut().spawn(Arena::default()).id();
        app.world_mut().spawn((Agent::new("a", 1, 1), InArena::new(arena)));
    }
    headless::start(&mut app);
    app
}

fn drawing(config: ParametersConfig) -> Option<ParametersPlugin> {
    Some(ParametersPlugin { config, ..default() })
}

fn play(app: &mut App, episodes: u32) {
    (0..episodes * LENGTH).for_each(|_| app.update());
}

fn found(app: &App) -> &[(Entity, f32, f32)] {
    &app.world().resource::<Found>().0
}

/// The wind in which each arena plays its episodes.
fn winds(app: &App) -> Vec<Vec<f32>> {
    let mut arenas: Vec<Entity> = found(app).iter().map(|(arena, ..)| *arena).collect();
    arenas.sort_unstable();
    arenas.dedup();
    let of = |arena: &Entity| {
        let own = found(app).iter().filter(|(other, ..)| other == arena);
        own.map(|(_, wind, _)| *wind).collect()
    };
    arenas.iter().map(of).collect()
}

fn lesson(app: &App) -> usize {
    app.world().resource::<Curriculum>().lesson_index()
}

#[test]
fn each_episode_has_parameters_of_its_own_before_the_game_sets_it_up() {
    let uniform = ParametersConfig::default().with("wind", Distribution::Uniform(-3.0, 5.0));
    let mut app = app(4, drawing(uniform));
    play(&mut app, 50);
    app.update();
    let winds = winds(&app);
    assert_eq!(winds.len(), 4);
    for own in &winds {
        assert!(own.len() >= 50 && own.iter().all(|wind| (-3.0..=5.0).contains(wind)), "{own:?}");
        assert!(own.windows(2).all(|pair| pair[0] != pair[1]), "drawn anew for each episode");
    }
    assert!(winds[0] != winds[1], "each arena draws its own");
    assert!(found(&app).iter().all(|(.., size)| *size == 2.0), "the others keep their defaults");
    // The component has the values of the present episode.
    let mut arenas = app.world_mut().query::<(Entity, &Parameters)>();
    for (index, (_, parameters)) in arenas.iter(app.world()).enumerate() {
        assert!(winds.iter().any(|own| own.last().copied() == parameters.get("wind")), "{index}");
        assert_eq!(parameters.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["wind", "size"]);
    }
}

#[test]
fn an_episode_that_has_ended_says_what_it_was_played_with() {
    #[derive(Resource, Default)]
    struct Ended(Vec<(Entity, f32)>);
    let uniform = ParametersConfig::default().with("wind", Distribution::Uniform(-3.0, 5.0));
    let mut app = app(2, drawing(uniform));
    app.init_resource::<Ended>().add_observer(|episode: On<EpisodeEnded>, mut ended: ResMut<Ended>| {
        ended.0.push((episode.arena, episode.parameters.get("wind").unwrap()));
    });
    play(&mut app, 10);
    let ended = &app.world().resource::<Ended>().0;
    assert!(ended.len() >= 18);
    for (index, (arena, wind)) in ended.iter().enumerate() {
        let number = ended[..index].iter().filter(|(other, _)| other == arena).count();
        let own = found(&app).iter().filter(|(other, ..)| other == arena).nth(number).unwrap();
        assert_eq!(own.1, *wind);
    }
}

#[test]
fn without_a_seed_of_their_own_parameters_follow_the_seed_of_the_run() {
    let draws = |seed: u64| {
        let config = ParametersConfig::default()
            .with("wind", Distribution::Gaussian { mean: 0.0, deviation: 2.0, clip: None });
        let mut app = app_with_seed(seed, 3, Some(ParametersPlugin { config, ..default() }));
        play(&mut app, 20);
        winds(&app)
    };
    assert_eq!(draws(5), draws(5));
    assert_ne!(draws(5), draws(6));
}

#[test]
fn the_same_seed_gives_the_same_draws() {
    let draws = |seed: u64, arenas: usize| {
        let config = ParametersConfig::default()
            .with("wind", Distribution::Gaussian { mean: 0.0, deviation: 2.0, clip: None });
        let mut app = app(arenas, Some(ParametersPlugin { config, seed: Some(seed), ..default() }));
        play(&mut app, 20);
        winds(&app)
    };
    let first = draws(5, 3);
    assert_eq!(first, draws(5, 3));
    assert_ne!(first, draws(6, 3));
    assert_eq!(first[..2], draws(5, 2)[..], "what an arena draws does not depend on the other arenas");
}

#[test]
fn draws_never_leave_what_the_game_permits() {
    let config = ParametersConfig::default()
        .with("size", Distribution::Gaussian { mean: 2.0, deviation: 5.0, clip: None });
    let mut app = app(8, drawing(config));
    play(&mut app, 30);
    let sizes: Vec<f32> = found(&app).iter().map(|(.., size)| *size).collect();
    assert!(sizes.iter().all(|size| (0.5..=4.0).contains(size)));
    assert!(sizes.contains(&0.5) && sizes.contains(&4.0));
}

#[test]
fn without_the_plugin_or_with_empty_settings_all_parameters_have_their_defaults() {
    for plugin in [None, drawing(ParametersConfig::default())] {
        let mut app = app(3, plugin);
        play(&mut app, 5);
        assert!(
            found(&app).len() >= 15 && found(&app).iter().all(|(_, wind, size)| [*wind, *size] == [1.0, 2.0])
        );
    }
}

#[test]
fn an_arena_that_comes_later_draws_too() {
    let config = ParametersConfig::default().with("wind", Distribution::Uniform(3.0, 5.0));
    let mut app = app(1, drawing(config));
    play(&mut app, 2);
    let late = app.world_mut().spawn(Arena::default()).id();
    app.world_mut().spawn((Agent::new("a", 1, 1), InArena::new(late)));
    play(&mut app, 2);
    let own: Vec<f32> =
        found(&app).iter().filter(|(arena, ..)| *arena == late).map(|(_, wind, _)| *wind).collect();
    assert!(own.len() >= 2 && own.iter().all(|wind| (3.0..=5.0).contains(wind)), "{own:?}");
}

#[test]
#[should_panic(
    expected = "`parameters.wnd` is not a parameter of this game, expected `wind` (default 1, -10 to 10)"
)]
fn an_unknown_parameter_is_refused() {
    let _ = app(1, drawing(ParametersConfig::default().with("wnd", Distribution::Constant(1.0))));
}

/// Wind in the first lesson, none in the second.
fn lessons(until: Until) -> ParametersConfig {
    ParametersConfig::default()
        .with_lesson(Lesson::new("windy").with("wind", Distribution::Constant(5.0)).until(until))
        .with_lesson(Lesson::new("calm").with("wind", Distribution::Constant(0.0)))
}

#[test]
fn a_lesson_moves_on_by_score_and_is_reported_once() {
    let mut app = app(4, drawing(lessons(Until::Score { at_least: 3.0, episodes: 10 })));
    app.world_mut().resource_mut::<Earned>().0 = 2.9;
    play(&mut app, 20);
    assert_eq!((lesson(&app), app.world().resource::<Reported>().0.len()), (0, 0), "too low a score");
    assert!(found(&app).iter().all(|(_, wind, _)| *wind == 5.0));
    app.world_mut().resource_mut::<Earned>().0 = 3.1;
    play(&mut app, 20);
    assert_eq!(lesson(&app), 1);
    let reported = &app.world().resource::<Reported>().0;
    assert_eq!(reported.len(), 1);
    assert_eq!((reported[0].index, reported[0].name.as_str()), (1, "calm"));
    assert!(reported[0].decisions > 20 * 4 * u64::from(LENGTH));
    assert_eq!(found(&app).last().unwrap().1, 0.0);
    let of_lesson = app.world_mut().query::<&Parameters>().iter(app.world()).map(Parameters::lesson).max();
    assert_eq!(of_lesson, Some(1));
}

#[test]
fn the_score_is_the_games_own() {
    let config = lessons(Until::Score { at_least: 6.0, episodes: 10 });
    let score = std::sync::Arc::new(|episode: &EpisodeEnded| 2.0 * episode.returns[0]);
    let mut app = app(4, Some(ParametersPlugin { config, score, ..default() }));
    app.world_mut().resource_mut::<Earned>().0 = 3.1;
    play(&mut app, 20);
    assert_eq!(lesson(&app), 1);
}

#[test]
fn a_lesson_moves_on_by_progress() {
    let mut app = app(4, drawing(lessons(Until::Decisions(100))));
    play(&mut app, 5);
    assert_eq!(lesson(&app), 0, "{} decisions", app.world().resource::<RolloutClock>().decisions);
    play(&mut app, 5);
    assert_eq!(lesson(&app), 1);
    let decisions = app.world().resource::<Reported>().0[0].decisions;
    assert!((100..100 + 4 * u64::from(LENGTH)).contains(&decisions), "{decisions}");
}

#[test]
fn a_lesson_moves_on_by_the_rating_of_self_play() {
    let rated = |rating: f32| {
        let config = ParametersConfig::default()
            .with_lesson(Lesson::new("first").until(Until::Rating(rating)))
            .with_lesson(Lesson::new("second"));
        let self_play = SelfPlayPlugin { share: 1.0, snapshot_decisions: 40, games: 1, ..default() };
        let mut app = headless::app(1);
        let learner = LearnerConfig { learning_starts: 1_000_000, ..default() };
        let plugins = MaddpgPlugins::train(TrainingConfig { learner, ..default() }).with_decision_period(1);
        app.add_plugins((plugins, self_play, ParametersPlugin { config, ..default() }))
            .add_systems(Observe, |mut agents: Query<&mut Observation>| {
                agents.iter_mut().for_each(|mut agent| agent.write(&[0.0]));
            })
            .add_systems(
                FixedUpdate,
                |mut arenas: Query<(Entity, &mut Episode)>, mut games: MessageWriter<GameEnded>| {
                    for (arena, mut episode) in &mut arenas {
                        if episode.decisions() == LENGTH {
                            episode.terminate();
                            games.write(GameEnded { arena, winner: None });
                        }
                    }
                },
            );
        for _ in 0..8 {
            let arena = app.world_mut().spawn(Arena::default()).id();
            for (slot, team) in ["red", "blue"].into_iter().enumerate() {
                app.world_mut().spawn((Agent::new("a", 1, 1).in_team(team), InArena::slot(arena, slot)));
            }
        }
        headless::start(&mut app);
        let mut play = |games| {
            play(&mut app, games);
            let games = app.world().resource::<SelfPlay>().pool().rated_games();
            (lesson(&app), games >= 50)
        };
        let first = play(5);
        (first, play(30))
    };
    // All games are draws, so that the rating stays at 1,000.
    assert_eq!(rated(990.0), ((0, false), (1, true)), "a few games do not tell");
    assert_eq!(rated(1_100.0).1, (0, true));
}

#[test]
fn a_run_can_begin_with_a_later_lesson() {
    let config = lessons(Until::Decisions(1_000_000));
    let mut app = app(1, Some(ParametersPlugin { config, first_lesson: 1, ..default() }));
    play(&mut app, 2);
    assert!(found(&app).iter().all(|(_, wind, _)| *wind == 0.0));
    assert!(app.world().resource::<Reported>().0.is_empty(), "only changes are reported");
}

#[test]
fn a_run_that_is_continued_goes_on_with_the_scores_of_its_lesson() {
    let config = lessons(Until::Score { at_least: 3.0, episodes: 10 });
    let mut app = app(1, Some(ParametersPlugin { config, first_scores: vec![4.0; 9], ..default() }));
    app.world_mut().resource_mut::<Earned>().0 = 4.0;
    assert_eq!(app.world().resource::<Curriculum>().scores().count(), 9);
    play(&mut app, 3);
    assert_eq!(lesson(&app), 1);
}
