//! The particle worlds.
//!
//! `particle/step/NAME` times one decision of 64 arenas through the whole rollout: observing, acting with noise and
//! policies of the default size, stepping the worlds, rewards and resets. Throughput is in agent-steps.

use bevy::prelude::*;
use bevy_maddpg::{
    headless,
    learner::{Device, Learner},
    prelude::*,
};
use bevy_maddpg_lab::{
    catalog::Particle,
    game::{Setup, headless_app},
    games::particle::{self, Scenario},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const ARENAS: usize = 64;

fn world(scenario: Scenario) -> App {
    let TrainingConfig { learner, mut exploration } = TrainingConfig::default();
    let learner =
        Learner::new(learner, scenario.spec(), Device::cpu(), 0).expect("the default settings are valid");
    let policy = learner.snapshot().expect("a snapshot of the new learner");
    exploration.random_decisions = 0;
    let mut plugins = MaddpgPlugins::play(policy);
    plugins.rollout.exploration = exploration;
    let mut app = headless_app(&Particle::new(scenario), plugins, &Setup { arenas: ARENAS, ..default() });
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
