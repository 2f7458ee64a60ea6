//! Acting: decisions of whole worlds, the policy's forward pass, the swap.
//!
//! `rollout/tennis/ARENAS` is one decision of all arenas, five ticks, acting with noise and recording, without a
//! learner; throughput in agent-decisions. `physics/tennis/64` is the same number of ticks of the same bodies under
//! rapier alone.

use std::hint::black_box;

use bevy::{ecs::message::MessageRegistry, prelude::*};
use bevy_maddpg::{
    games::tennis::{self, TennisPlugin},
    headless,
    plugin::MaddpgPlugins,
    policy::{PolicySlot, PolicySnapshot, Scratch},
    prelude::*,
};
use bevy_rapier3d::prelude::*;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn policy() -> PolicySnapshot {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/policies/tennis.safetensors");
    PolicySnapshot::load(path).expect("the shipped policy")
}

fn world(arenas: usize) -> App {
    let mut plugins = MaddpgPlugins::play(policy()).with_decision_period(tennis::DECISION_PERIOD);
    plugins.rollout.exploration = TrainingConfig::default().exploration;
    plugins.rollout.exploration.random_decisions = 0;
    let mut app = headless::app(tennis::DECISION_PERIOD);
    app.add_plugins(plugins).add_plugins(TennisPlugin { arenas, ..default() });
    headless::start(&mut app);
    (0..20).for_each(|_| app.update());
    app
}

/// The bodies of 64 arenas in a world of rapier alone: no agents, no rules but the clamp on the balls' speed, without
/// which perfectly elastic balls grow faster and faster, and dearer. Without serves the bodies jam after a while: see
/// docs/benchmarks.md.
fn bare_physics() -> App {
    let mut app = headless::app(tennis::DECISION_PERIOD);
    app.insert_resource(TimestepMode::Fixed { dt: tennis::TICK_SECONDS as f32, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_seconds(tennis::TICK_SECONDS))
        .add_plugins(RapierPhysicsPlugin::<NoUserData>::default().in_fixed_schedule())
        .add_systems(Startup, |mut commands: Commands| {
            for index in 0..64 {
                tennis::spawn(&mut commands, index, 0);
            }
        })
        .add_systems(FixedUpdate, clamp_balls.after(PhysicsSet::Writeback));
    MessageRegistry::register_message::<CollisionEvent>(app.world_mut());
    headless::start(&mut app);
    (0..20).for_each(|_| app.update());
    app
}

fn clamp_balls(mut balls: Query<&mut Velocity, With<tennis::Ball>>) {
    for mut velocity in &mut balls {
        let clamped = velocity.linear.clamp(Vec3::splat(-9.0), Vec3::splat(9.0));
        if velocity.linear != clamped {
            velocity.linear = clamped;
        }
    }
}

fn rollouts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rollout/tennis");
    for arenas in [1, 64, 256, 1024] {
        let mut app = world(arenas);
        group.throughput(Throughput::Elements(2 * arenas as u64));
        group.bench_function(BenchmarkId::from_parameter(arenas), |bencher| bencher.iter(|| app.update()));
    }
    group.finish();
    let mut app = bare_physics();
    let mut group = criterion.benchmark_group("physics/tennis");
    group.throughput(Throughput::Elements(128));
    group.bench_function("64", |bencher| bencher.iter(|| app.update()));
    group.finish();
}

fn policies(criterion: &mut Criterion) {
    let snapshot = policy();
    let (observations, mut actions) = (vec![0.5; 128 * 24], vec![0.0; 128 * 2]);
    let mut scratch = Scratch::default();
    let mut group = criterion.benchmark_group("policy/forward");
    group.throughput(Throughput::Elements(128));
    group.bench_function("128x24x64x64x2", |bencher| {
        bencher.iter(|| snapshot.policies[0].act(black_box(&observations), &mut actions, 128, &mut scratch));
    });
    group.finish();
    let slot = PolicySlot::new(snapshot.clone());
    criterion.bench_function("swap/read", |bencher| bencher.iter(|| black_box(slot.load())));
    criterion.bench_function("swap/publish", |bencher| {
        bencher.iter_batched(
            || snapshot.clone(),
            |snapshot| slot.publish(snapshot),
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, rollouts, policies);
criterion_main!(benches);
