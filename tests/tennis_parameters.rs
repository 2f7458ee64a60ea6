//! Tennis with drawn gravity, ball and rackets, and the training program with parameters and lessons.

mod example_program;

use std::{fs, path::Path};

use bevy::{prelude::*, time::TimeUpdateStrategy};
use bevy_maddpg::{
    agent::ActionOverride,
    arena::Episode,
    headless,
    parameters::{Distribution, ParametersConfig, ParametersPlugin},
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
};
use bevy_maddpg_lab::{
    catalog::{Tennis, TennisMatch},
    experiment::evaluate_with,
    game::{Game, Setup, headless_app},
    games::tennis::{Ball, Court, Rules},
};
use bevy_rapier3d::prelude::*;

use example_program::summary;

/// A tennis world that takes one step per update.
fn tennis(game: &dyn Game, config: Option<ParametersConfig>) -> App {
    let groups = game.spec().groups(true).unwrap();
    let plugins = MaddpgPlugins::play(PolicySnapshot::zeros(&groups).unwrap());
    let mut app = headless_app(game, plugins, &Setup { arenas: 2, seed: 1, human: None });
    if let Some(config) = config {
        app.add_plugins(ParametersPlugin { known: game.parameters(), config, ..default() });
    }
    app.insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
    headless::start(&mut app);
    app.update();
    app
}

fn constant(name: &str, value: f32) -> Option<ParametersConfig> {
    Some(ParametersConfig::default().with(name, Distribution::Constant(value)))
}

fn court(app: &mut App) -> Court {
    app.world_mut().query::<&Court>().iter(app.world()).find(|court| court.z == 0.0).unwrap().clone()
}

fn ball(app: &mut App) -> (Vec3, Vec3) {
    let court = court(app);
    let ball = app.world().entity(court.ball);
    (ball.get::<Transform>().unwrap().translation, ball.get::<Velocity>().unwrap().linear)
}

fn restart(app: &mut App) {
    let mut episodes = app.world_mut().query::<&mut Episode>();
    episodes.iter_mut(app.world_mut()).for_each(|mut episode| episode.truncate());
    app.update();
}

/// The height of the ball's center when it touches the floor, in an episode that has just begun.
fn height_at_floor(app: &mut App) -> f32 {
    let court = court(app);
    // Where no racket is.
    app.world_mut().get_mut::<Transform>(court.ball).unwrap().translation.x = 3.0;
    let mut lowest = f32::INFINITY;
    for _ in 0..100 {
        app.update();
        let height = ball(app).0.y;
        // It is a fault, so that the next episode begins.
        if height > lowest + 1.0 {
            return lowest;
        }
        lowest = height;
    }
    panic!("the ball did not touch the floor: {lowest}");
}

#[test]
fn the_ball_falls_as_fast_as_gravity_says() {
    for game in [&Tennis as &dyn Game, &TennisMatch::default()] {
        for gravity in [4.0, 9.81, 20.0] {
            let mut app = tennis(game, constant("gravity", gravity));
            // In the first episode and in later ones.
            for _ in 0..2 {
                (0..10).for_each(|_| app.update());
                let before = ball(&mut app).1.y;
                (0..10).for_each(|_| app.update());
                let lost = before - ball(&mut app).1.y;
                assert!((lost - gravity * 0.2).abs() < 1e-3, "{lost} at {gravity}");
                restart(&mut app);
            }
        }
    }
}

#[test]
fn the_ball_bounces_at_its_radius() {
    let floor = Rules::Rally.dimensions().floor;
    for radius in [0.25, 0.5, 1.0] {
        let mut app = tennis(&Tennis, constant("ball_radius", radius));
        for _ in 0..2 {
            let found = height_at_floor(&mut app) - floor;
            // In one step it moves by 0.18 m at most.
            assert!((found - radius).abs() < 0.19, "{found} with a radius of {radius}");
            restart(&mut app);
        }
    }
}

#[test]
fn a_ball_may_change_its_size_from_episode_to_episode_and_keeps_its_mass() {
    let config = ParametersConfig::default().with("ball_radius", Distribution::Uniform(0.2, 1.2));
    let mut app = tennis(&Tennis, Some(config));
    let floor = Rules::Rally.dimensions().floor;
    let mut radii = Vec::new();
    for _ in 0..8 {
        restart(&mut app);
        let court = court(&mut app);
        let radius = app.world().get::<Ball>(court.ball).unwrap().radius;
        let found = height_at_floor(&mut app) - floor;
        assert!((found - radius).abs() < 0.19, "{found} with a radius of {radius}");
        let handle = *app.world().get::<RapierRigidBodyHandle>(court.ball).unwrap();
        let mut bodies = app.world_mut().query::<&RapierRigidBodySet>();
        let mass = bodies.single(app.world()).unwrap().bodies.get(handle.0).unwrap().mass();
        assert!((mass - 0.75).abs() < 1e-6, "{mass}");
        radii.push(radius);
    }
    assert!(radii.windows(2).all(|pair| pair[0] != pair[1]), "{radii:?}");
}

#[test]
fn rackets_are_as_fast_as_drawn() {
    for speed in [10.0, 30.0, 50.0] {
        let mut app = tennis(&Tennis, constant("racket_speed", speed));
        let court = court(&mut app);
        app.world_mut().entity_mut(court.rackets[0]).insert(ActionOverride(vec![-0.5, 0.0]));
        // Until after the next decision.
        (0..6).for_each(|_| app.update());
        let velocity = app.world().get::<Velocity>(court.rackets[0]).unwrap().linear.x;
        assert!((velocity + 0.5 * speed).abs() < 1e-3, "{velocity} at {speed}");
    }
}

#[test]
fn the_defaults_are_the_game_as_it_is_without_parameters() {
    let run = |config: Option<ParametersConfig>| {
        let mut app = tennis(&Tennis, config);
        let mut path = Vec::new();
        for _ in 0..400 {
            app.update();
            path.push(ball(&mut app));
        }
        path
    };
    let without = run(None);
    let defaults = Tennis.parameters().iter().fold(ParametersConfig::default(), |config, parameter| {
        config.with(parameter.name, Distribution::Constant(parameter.default))
    });
    let same = |other: &[(Vec3, Vec3)]| without.iter().zip(other).take_while(|(a, b)| a == b).count();
    assert_eq!(same(&run(Some(ParametersConfig::default()))), without.len());
    assert_eq!(same(&run(Some(defaults))), without.len());
    assert!(same(&run(constant("gravity", 10.0))) < 5);
}

#[test]
fn evaluations_draw_parameters_too() {
    let policy = PolicySnapshot::load(shipped("policies/tennis.safetensors")).unwrap();
    let mean = |config: Option<ParametersConfig>| {
        let config = config.unwrap_or_default();
        evaluate_with(&Tennis, &policy, &config, 20, 0, || false).unwrap().mean
    };
    assert!(mean(None) > 2.6);
    assert!(mean(constant("gravity", 30.0)) < 1.0);
}

fn shipped(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(path)
}

#[test]
fn the_training_program_keeps_parameters_and_lesson_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (out, config) = (folder.path().join("run"), folder.path().join("mine.toml"));
    let text = "[learner]\nbatch_size = 128\n[parameters]\ngravity = { uniform = [9, 12] }\n\
                [[lessons]]\nname = \"slow\"\nuntil = { decisions = 3000 }\nparameters = { racket_speed = 20 }\n\
                [[lessons]]\nname = \"fast\"\n";
    fs::write(&config, text).unwrap();
    let run = |arguments: &[&str]| example_program::run("tennis", arguments);
    let (out_text, config_text) = (out.to_str().unwrap(), config.to_str().unwrap());
    let output =
        run(&["--config", config_text, "--max-decisions", "6000", "--evaluate", "2", "--out", out_text]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("lesson `fast`"), "{told}");
    assert!(summary(&output).evaluation.is_some());
    let written = fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(written.contains("batch_size = 128") && written.contains("uniform = [9.0, 12.0]"), "{written}");
    let resumed = run(&["--resume", out_text, "--max-decisions", "7000"]);
    let told = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(resumed.status.success() && told.contains("lesson `fast`"), "{told}");
    assert_eq!(fs::read_to_string(out.join("config.toml")).unwrap(), written);

    fs::write(out.join("config.toml"), written.replace("\"fast\"", "\"quick\"")).unwrap();
    let renamed = run(&["--resume", out_text, "--max-decisions", "8000"]);
    let told = String::from_utf8_lossy(&renamed.stderr).into_owned();
    assert!(!renamed.status.success(), "{told}");
    assert!(told.contains("`fast`") && told.contains("config.toml` are: slow, quick"), "{told}");

    fs::write(&config, "[parameters]\nball_size = 1.0").unwrap();
    let output = run(&["--config", config_text]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("mine.toml"), "{told}");
    assert!(told.contains("`parameters.ball_size` is not a parameter of this game"), "{told}");
    assert!(told.contains("`ball_radius` (default 0.5, 0.1 to 1.5)"), "{told}");
}

#[test]
fn the_shipped_settings_of_varied_tennis_can_be_used() {
    let path = shipped("config/tennis-varied.toml");
    let output = example_program::run(
        "tennis",
        &[
            "--policy",
            shipped("policies/tennis.safetensors").to_str().unwrap(),
            "--evaluate",
            "2",
            "--config",
            path.to_str().unwrap(),
        ],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
