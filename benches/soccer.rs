//! Soccer: one decision of 64 fields (five steps of rapier, 256 players) with the default networks, without a learner; throughput is in
//! agent-decisions.
//!
//! `soccer/decision/vector` observes the numbers of everything on the field, `soccer/decision/rays` 14 thick rays per player, cast by
//! formulas. `.../and rapier rays` and `.../and rapier thin rays` cast the same rays once more with rapier, as balls of 0.5 m and as lines: the
//! difference from `soccer/decision/rays` is what rapier takes for them.

use bevy::prelude::*;
use bevy_maddpg::{
    headless,
    learner::{Device, Learner},
    prelude::*,
    rays::{RayBatch, RaySystems},
};
use bevy_maddpg_lab::{
    catalog::Soccer,
    game::{Game, Setup, headless_app},
    games::soccer::Sight,
};
use bevy_rapier3d::prelude::*;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const FIELDS: usize = 64;

fn world(sight: Sight, add: impl FnOnce(&mut App)) -> App {
    let game = Soccer::played(sight, None);
    let mut config = TrainingConfig::default();
    game.adapt(&mut config);
    config.exploration.random_decisions = 0;
    let learner =
        Learner::new(config.learner, game.spec(), Device::cpu(), 0).expect("the settings are valid");
    let mut plugins = MaddpgPlugins::play(learner.snapshot().expect("a snapshot of the new learner"));
    plugins.rollout.exploration = config.exploration;
    let mut app = headless_app(&game, plugins, &Setup { arenas: FIELDS, ..default() });
    add(&mut app);
    headless::start(&mut app);
    (0..50).for_each(|_| app.update());
    app
}

/// Casts the rays with rapier, as balls or as lines.
fn cast<const THICK: bool>(mut batch: ResMut<RayBatch>, physics: ReadRapierContext) -> Result {
    let physics = physics.single()?;
    for index in 0..batch.rays().len() {
        let ray = batch.rays()[index];
        let others = QueryFilter::new().exclude_rigid_body(ray.agent);
        let hit = if THICK {
            let options = ShapeCastOptions { max_time_of_impact: ray.length, ..default() };
            let ball = bevy_rapier3d::parry::shape::Ball::new(ray.radius);
            let hit = physics.cast_shape(ray.origin, Quat::IDENTITY, ray.direction, &ball, options, others);
            hit.map(|(entity, hit)| (entity, hit.time_of_impact))
        } else {
            physics.cast_ray(ray.origin, ray.direction, ray.length, true, others)
        };
        if let Some((entity, distance)) = hit {
            batch.hit(index, distance, entity);
        }
    }
    Ok(())
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("soccer/decision");
    group.throughput(Throughput::Elements(4 * FIELDS as u64));
    let mut vector = world(Sight::Vector, |_| {});
    group.bench_function("vector", |bencher| bencher.iter(|| vector.update()));
    let mut rays = world(Sight::Rays, |_| {});
    group.bench_function("rays", |bencher| bencher.iter(|| rays.update()));
    let mut thick = world(Sight::Rays, |app| {
        app.add_systems(Observe, cast::<true>.in_set(RaySystems::Cast));
    });
    group.bench_function("rays and rapier rays", |bencher| bencher.iter(|| thick.update()));
    let mut thin = world(Sight::Rays, |app| {
        app.add_systems(Observe, cast::<false>.in_set(RaySystems::Cast));
    });
    group.bench_function("rays and rapier thin rays", |bencher| bencher.iter(|| thin.update()));
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
