//! The cost of training for the game: a windowless app that updates 60 times per second, with training on and off.
//!
//! Not a Criterion benchmark, because the measure of interest is the 99th percentile of the game thread's time while
//! the learner runs on another thread. Prints percentiles of the time per app update in both modes, and their ratios.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use bevy::{prelude::*, time::TimeUpdateStrategy};
use bevy_maddpg::{headless, plugin::MaddpgPlugins, prelude::*};
use bevy_maddpg_lab::{
    catalog::Tennis,
    game::{Setup, headless_app},
};

const FRAME: Duration = Duration::from_nanos(16_666_667);
const FRAMES: usize = 900;
const ROUNDS: usize = 3;

fn world(plugins: MaddpgPlugins) -> App {
    let mut app = headless_app(&Tennis, plugins, &Setup::default());
    app.insert_resource(TimeUpdateStrategy::ManualDuration(FRAME));
    headless::start(&mut app);
    app
}

/// Seconds of the game thread's time for each frame.
fn frames(app: &mut App, count: usize) -> Vec<f64> {
    let mut next = Instant::now();
    (0..count)
        .map(|_| {
            next += FRAME;
            sleep(next.saturating_duration_since(Instant::now()));
            let start = Instant::now();
            app.update();
            start.elapsed().as_secs_f64()
        })
        .collect()
}

fn percentile(seconds: &mut [f64], share: f64) -> f64 {
    seconds.sort_unstable_by(f64::total_cmp);
    seconds[((seconds.len() - 1) as f64 * share) as usize] * 1e6
}

fn main() {
    // `cargo test` also runs benches, but without this argument; then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // Both worlds query their policies but act at random. Otherwise the world that learns would soon play differently
    // and give the physics other contacts to solve.
    let mut config = TrainingConfig::default();
    config.exploration.random_decisions = u64::MAX;
    let mut training = world(MaddpgPlugins::train(config.clone()));
    // Skip the start, until the learner is fully busy.
    while training.world().resource::<Training>().updates() < 100 {
        training.update();
    }
    let policy = training.world().resource::<ActingPolicy>().snapshot().expect("a policy").as_ref().clone();
    let mut plugins = MaddpgPlugins::play(policy);
    plugins.rollout.exploration = config.exploration;
    let mut playing = world(plugins);
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let updates = training.world().resource::<Training>().updates();
        on.extend(frames(&mut training, FRAMES));
        let updates = training.world().resource::<Training>().updates() - updates;
        println!(
            "learner: {:.0} updates/s while the game runs",
            updates as f64 / (FRAMES as f64 * FRAME.as_secs_f64())
        );
        // Wait until the learner has made all the updates that the experience so far allows and goes idle.
        let mut before = u64::MAX;
        while training.world().resource::<Training>().updates() != before {
            before = training.world().resource::<Training>().updates();
            sleep(Duration::from_millis(200));
        }
        off.extend(frames(&mut playing, FRAMES));
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        let (on, off) = (percentile(&mut on, share), percentile(&mut off, share));
        println!("game_frame/{name}: training {on:.0} us, playing {off:.0} us, ratio {:.3}", on / off);
    }
    let wait = training.world().resource::<Training>().wait_percentile(0.99).unwrap_or_default();
    println!("game_frame/wait_p99: {:.1} us per decision to hand over and swap", wait.as_secs_f64() * 1e6);
}
