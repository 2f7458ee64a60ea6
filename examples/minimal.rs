//! The smallest game that learns: drones fly to a target, and find out how while you watch.
//!
//! ```sh
//! cargo run --example minimal                # in a window
//! cargo run --example minimal -- --headless  # at full speed, until learned
//! ```

use std::time::Instant;

use bevy::prelude::*;
use bevy_maddpg::{headless, prelude::*};

const ARENAS: usize = 32;
/// Mean return that counts as learned: -0.3 flies the shortest way, -3 stays where it is.
const LEARNED: f32 = -0.6;

/// A drone with its speed and the place it should reach, in meters.
#[derive(Component, Default)]
struct Drone {
    position: Vec2,
    velocity: Vec2,
    target: Vec2,
}

fn main() {
    let mut app = if is_headless() { headless::app(5) } else { App::new() };
    let training = MaddpgPlugins::train(TrainingConfig::default());
    if is_headless() {
        app.add_plugins(training.with_training(|training| training.pace = Pace::Balanced));
    } else {
        app.add_plugins((DefaultPlugins, training)).add_systems(PostStartup, show).add_systems(Update, draw);
    }
    app.insert_resource(Scores(ScoreWindow::new(100), Instant::now()))
        .add_systems(Startup, spawn)
        .add_systems(Reset, place)
        .add_systems(Observe, sense)
        .add_systems(FixedUpdate, (fly, judge).chain())
        .add_systems(Last, report);
    if !is_headless() {
        app.run();
        return;
    }
    headless::start(&mut app);
    while app.should_exit().is_none() {
        app.update();
    }
}

fn is_headless() -> bool {
    std::env::args().any(|argument| argument == "--headless") || !headless::display_is_present(false)
}

fn spawn(mut commands: Commands) {
    for _ in 0..ARENAS {
        let arena = commands.spawn(Arena::with_time_limit(40)).id(); // decisions
        commands.spawn((Agent::new("drone", 4, 2), InArena::new(arena), Drone::default()));
    }
    commands.spawn(Camera2d);
}

fn place(resets: ArenasToReset, mut drones: Query<(&mut Drone, &InArena)>, mut turn: Local<u32>) {
    for (mut drone, in_arena) in &mut drones {
        if resets.contains(in_arena.arena) {
            *turn += 1;
            let target = Vec2::from_angle(*turn as f32 * 2.4) * (0.5 + 0.5 * (*turn as f32 * 0.618).fract());
            *drone = Drone { target, ..default() };
        }
    }
}

fn sense(mut drones: Query<(&Drone, &mut Observation)>) {
    for (drone, mut observation) in &mut drones {
        let way = drone.target - drone.position;
        observation.write(&[way.x, way.y, drone.velocity.x, drone.velocity.y]);
    }
}

fn fly(mut drones: Query<(&Action, &mut Drone)>, time: Res<Time>) {
    for (action, mut drone) in &mut drones {
        drone.velocity += Vec2::new(action[0], action[1]) * 5.0 * time.delta_secs();
        let velocity = drone.velocity;
        drone.position += velocity * time.delta_secs();
    }
}

fn judge(mut drones: Query<(&Drone, &mut Reward)>, time: Res<Time>) {
    for (drone, mut reward) in &mut drones {
        reward.add(-drone.position.distance(drone.target) * time.delta_secs());
    }
}

/// Mean return of the last 100 episodes, and since when.
#[derive(Resource)]
struct Scores(ScoreWindow, Instant);

fn report(
    mut ended: MessageReader<EpisodeEnded>,
    mut scores: ResMut<Scores>,
    mut exit: MessageWriter<AppExit>,
) {
    for episode in ended.read() {
        let before = scores.0.best().is_some_and(|best| best >= LEARNED);
        let mean = scores.0.push(episode.returns[0]).unwrap_or(f32::NEG_INFINITY);
        if mean >= LEARNED && !before {
            println!("learned in {:.1} s: mean return {mean:.2}", scores.1.elapsed().as_secs_f32());
            if is_headless() {
                exit.write(AppExit::Success);
            }
        }
    }
}

/// A square for each drone and a smaller one for its target.
#[derive(Component)]
struct Marker(Entity, bool);

fn show(mut commands: Commands, drones: Query<Entity, With<Drone>>) {
    for drone in &drones {
        let sprite =
            |red, green, blue, size| Sprite::from_color(Color::srgb(red, green, blue), Vec2::splat(size));
        commands.spawn((Marker(drone, false), sprite(0.9, 0.6, 0.2, 8.0)));
        commands.spawn((Marker(drone, true), sprite(0.3, 0.7, 1.0, 16.0)));
    }
}

fn draw(drones: Query<&Drone>, mut markers: Query<(&Marker, &mut Transform)>) {
    for (Marker(drone, is_drone), mut transform) in &mut markers {
        if let Ok(drone) = drones.get(*drone) {
            let place = if *is_drone { drone.position } else { drone.target };
            transform.translation = (place * 300.0).extend(0.0);
        }
    }
}
