//! Agents that see small pictures, in an app.

use bevy::prelude::*;
use bevy_maddpg::{headless, learner::DeviceChoice, policy::ImageSpec, prelude::*, problems::Problems};

const IMAGE: ImageSpec = ImageSpec { width: 16, height: 12, channels: 1, frames: 1 };

/// How far right the ball is, -1 to 1.
#[derive(Component, Default)]
struct Ball(f32);

/// An arena shows a ball in a picture. Its agent should say where it is, and has one decision.
fn app(change: impl FnOnce(&mut TrainingConfig)) -> App {
    let mut config = TrainingConfig::default();
    config.learner.learning_starts = 200;
    config.learner.batch_size = 64;
    config.learner.replay_capacity = 4_000;
    config.learner.updates_per_decision = 0.25;
    config.learner.convolutions = vec![[8, 4, 2].into(), [8, 3, 2].into()];
    config.exploration.random_decisions = 500;
    change(&mut config);
    let mut app = headless::app(1);
    let plugins = MaddpgPlugins::train(config).with_decision_period(1).with_training(|training| {
        training.pace = Pace::Lockstep;
        training.device = DeviceChoice::Cpu;
    });
    app.add_plugins(plugins).add_systems(Reset, place).add_systems(Observe, see).add_systems(
        FixedUpdate,
        |mut agents: Query<(&Ball, &Action, &mut Reward)>| {
            for (ball, action, mut reward) in &mut agents {
                reward.add(-(action[0] - ball.0).abs());
            }
        },
    );
    app
}

fn spawn(app: &mut App, agents: usize) {
    let arena = app.world_mut().spawn(Arena::with_time_limit(1)).id();
    for _ in 0..agents {
        let agent = Agent::new("eye", IMAGE.frame_size() + 1, 1).with_image(IMAGE).with_frames(2);
        app.world_mut().spawn((agent, InArena::new(arena), Ball::default()));
    }
}

fn place(resets: ArenasToReset, mut balls: Query<(&mut Ball, &InArena)>, mut turn: Local<u32>) {
    for (mut ball, _) in balls.iter_mut().filter(|(_, place)| resets.contains(place.arena)) {
        *turn += 1;
        ball.0 = 2.0 * (*turn as f32 * 0.618).fract() - 1.0;
    }
}

/// Draws the ball. The number behind the picture says nothing.
fn see(mut agents: Query<(&Ball, &mut Observation)>) {
    for (ball, mut observation) in &mut agents {
        let center = Vec2::new(7.5 + 6.5 * ball.0, 5.5);
        let pixel = |index: usize| {
            let pixel = Vec2::new((index % IMAGE.width) as f32, (index / IMAGE.width) as f32);
            (2.0 - pixel.distance(center)).clamp(0.0, 1.0)
        };
        let picture: Vec<f32> = (0..IMAGE.frame_size()).map(pixel).chain([0.5]).collect();
        observation.write(&picture);
    }
}

fn told(app: &App) -> String {
    app.world().resource::<Problems>().told().join("\n")
}

#[test]
fn an_agent_learns_what_a_picture_shows() {
    let mut app = app(|_| ());
    (0..8).for_each(|_| spawn(&mut app, 1));
    headless::start(&mut app);
    let mut mean_without_noise = |updates: u32| {
        (0..updates).for_each(|_| app.update());
        app.world_mut().resource_mut::<Exploration>().enabled = false;
        let mut scores = ScoreWindow::new(200);
        for _ in 0..30 {
            app.update();
            let mut ended = app.world_mut().resource_mut::<Messages<EpisodeEnded>>();
            for episode in ended.drain() {
                scores.push(episode.returns[0]);
            }
        }
        app.world_mut().resource_mut::<Exploration>().enabled = true;
        scores.mean().unwrap()
    };
    let means = [mean_without_noise(1), mean_without_noise(1_500)];
    // An agent that does not look earns -0.5 at best.
    assert!(means[0] < -0.4 && means[1] > -0.12, "{means:?}");
    assert_eq!(told(&app), "");
}

#[test]
fn a_pixel_that_is_no_brightness_is_told() {
    let mut app = app(|_| ());
    spawn(&mut app, 1);
    let bright = |mut agents: Query<&mut Observation>| {
        agents.iter_mut().for_each(|mut agent| agent.write(&[[200.0; 192].as_slice(), &[0.5]].concat()));
    };
    app.add_systems(Observe, bright.after(see));
    headless::start(&mut app);
    (0..3).for_each(|_| app.update());
    assert!(told(&app).contains("a pixel of 200, expected a brightness from 0 to 1"), "{}", told(&app));
}

#[test]
fn critics_that_would_see_several_pictures_are_told_what_to_do() {
    let mut app = app(|_| ());
    spawn(&mut app, 2);
    headless::start(&mut app);
    (0..3).for_each(|_| app.update());
    let failure = app.world().resource::<Training>().failure().unwrap_or_default();
    assert!(failure.contains("name `eye` in `own_observation`"), "{failure}");

    let mut app = self::app(|config| config.learner.own_observation = vec!["eye".into()]);
    spawn(&mut app, 2);
    headless::start(&mut app);
    (0..3).for_each(|_| app.update());
    assert_eq!(app.world().resource::<Training>().failure(), None);
    assert_eq!(told(&app), "");
}

#[test]
#[should_panic(expected = "an observation of 10 numbers cannot start with an image of 192 numbers")]
fn an_image_that_does_not_fit_is_refused() {
    let _ = Agent::new("eye", 10, 1).with_image(IMAGE);
}
