//! The particle worlds.
//!
//! `particle/step/NAME` is one decision of 64 arenas through the whole rollout: observing, acting with noise by policies of
//! the default size, the step of the worlds, rewards, resets. Throughput in agent-steps.

use bevy::prelude::*;
use bevy_maddpg::{
    games::particle::{self, ParticlePlugin, Scenario},
    headless,
    learner::Learner,
    prelude::*,
};
use candle_core::Device;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const ARENAS: usize = 64;

fn world(scenario: Scenario) -> App {
    let TrainingConfig { learner, mut exploration } = TrainingConfig::default();
    let learner =
        Learner::new(learner, scenario.spec(), Device::Cpu, 0).expect("the default settings are sound");
    let policy = learner.snapshot(0).expect("a policy fresh from its learner");
    exploration.random_decisions = 0;
    let mut plugins = MaddpgPlugins::play(policy).with_decision_period(particle::DECISION_PERIOD);
    plugins.rollout.exploration = exploration;
    let mut app = headless::app(particle::DECISION_PERIOD);
    app.add_plugins(plugins).add_plugins(ParticlePlugin { scenario, arenas: ARENAS, ..default() });
    headless::start(&mut app);
    (0..particle::TIME_LIMIT).for_each(|_| app.update());
    app
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("particle/step");
    for scenario in Scenario::ALL {
        let mut app = world(scenario);
        group.throughput(Throughput::Elements((ARENAS * scenario.roles().len()) as u64));
        group.bench_function(BenchmarkId::from_parameter(scenario), |bencher| bencher.iter(|| app.update()));
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
