//! What training costs the game: an app without a window that ticks 60 times a second, with training on and off.
//!
//! Not a criterion bench: what matters is the game thread's 99th percentile while the learner works beside it.
//! Prints, for each mode in turn, the percentiles of the time that an update of the app took, and their ratio.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use bevy::{prelude::*, time::TimeUpdateStrategy};
use bevy_maddpg::{
    games::tennis::{self, TennisPlugin},
    headless,
    plugin::MaddpgPlugins,
    prelude::*,
};

const FRAME: Duration = Duration::from_nanos(16_666_667);
const FRAMES: usize = 900;
const ROUNDS: usize = 3;

fn world(plugins: MaddpgPlugins) -> App {
    let mut app = headless::app(1);
    app.insert_resource(TimeUpdateStrategy::ManualDuration(FRAME))
        .add_plugins(plugins.with_decision_period(tennis::DECISION_PERIOD))
        .add_plugins(TennisPlugin::default());
    headless::start(&mut app);
    app
}

/// Seconds that each of the frames took the game thread.
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
    // `cargo test` runs benches too, with this argument missing: nothing to measure then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // Both worlds act at random, after asking their policies: else the one that learns would soon play another game,
    // with other contacts for the physics to solve.
    let mut config = TrainingConfig::default();
    config.exploration.random_decisions = u64::MAX;
    let mut training = world(MaddpgPlugins::train(config.clone()));
    // Past the start, when the learner has work for all its time.
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
            "learner: {:.0} updates/s beside the game",
            updates as f64 / (FRAMES as f64 * FRAME.as_secs_f64())
        );
        // The learner rests once it has made all the updates that the experience allows.
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
    let wait = training.world().resource::<ActingPolicy>().wait_percentile(0.99).unwrap_or_default();
    println!("game_frame/wait_p99: {:.1} us a decision for hand-over and swap", wait.as_secs_f64() * 1e6);
}
