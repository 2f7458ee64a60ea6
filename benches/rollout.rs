//! Acting: decisions of whole worlds, the policy's forward pass, and the policy swap.
//!
//! `rollout/tennis/ARENAS` times one decision of all arenas (five steps), with exploration noise and recording but
//! without a learner; throughput is in agent-decisions. `rollout/crowd/1000` is one step with a decision of 1,000 agents
//! outside of any arena, and `rollout/tennis/64 by 8 policies` lets the agents of 64 arenas act by eight policies in turn. `physics/tennis/64` times only rapier's steps, as many and with
//! the same bodies in the same states, replayed from a recorded rollout.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bevy::prelude::*;
use bevy_maddpg::{
    headless,
    plugin::MaddpgPlugins,
    policy::{
        AgentSpec, ArenaSpec, LatestPolicy, Network, NetworkShape, Normalizer, Policy, PolicySnapshot,
        Scratch,
    },
    prelude::*,
    random::stream,
};
use bevy_maddpg_lab::{
    catalog::Tennis,
    game::{Setup, headless_app},
    games::tennis,
};
use bevy_rapier3d::{
    prelude::*,
    rapier::{dynamics::RigidBodyHandle, math::Pose},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn policy() -> PolicySnapshot {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/policies/tennis.safetensors");
    PolicySnapshot::load(path).expect("the shipped policy")
}

fn world(arenas: usize) -> App {
    let mut plugins = MaddpgPlugins::play(policy());
    plugins.rollout.exploration = TrainingConfig::default().exploration;
    plugins.rollout.exploration.random_decisions = 0;
    let mut app = headless_app(&Tennis, plugins, &Setup { arenas, ..default() });
    headless::start(&mut app);
    (0..20).for_each(|_| app.update());
    app
}

/// The game's changes to rapier's bodies between two physics steps: moved rackets, clamped balls, serves.
#[derive(Resource, Default)]
struct Recording {
    ticks: Vec<Vec<(RigidBodyHandle, State)>>,
    after_step: Vec<(RigidBodyHandle, State)>,
}

/// A body's position and linear velocity.
type State = (Pose, Vec3);

fn states(bodies: &RapierRigidBodySet) -> impl Iterator<Item = (RigidBodyHandle, State)> {
    bodies.bodies.iter().map(|(handle, body)| (handle, (*body.position(), body.linvel())))
}

fn note_changes(bodies: Single<&RapierRigidBodySet>, mut recording: ResMut<Recording>) {
    let Recording { ticks, after_step } = &mut *recording;
    let changed = states(&bodies).zip(after_step.iter()).filter(|(now, before)| now != *before);
    ticks.push(changed.map(|(now, _)| now).collect());
}

fn note_result(bodies: Single<&RapierRigidBodySet>, mut recording: ResMut<Recording>) {
    recording.after_step = states(&bodies).collect();
}

/// Decisions per recording.
const RECORDED: usize = 400;

/// The game's 64 arenas with rapier's step alone. Applies the recorded changes to the bodies, so that they go through
/// the same states bit by bit, including contacts.
struct Replay {
    app: App,
    physics: QueryState<(
        &'static mut RapierContextSimulation,
        &'static mut RapierContextColliders,
        &'static mut RapierContextJoints,
        &'static mut RapierRigidBodySet,
        &'static RapierConfiguration,
    )>,
    ticks: Vec<Vec<(RigidBodyHandle, State)>>,
    next: usize,
}

impl Replay {
    fn record() -> Self {
        let mut app = world(64);
        app.init_resource::<Recording>().add_systems(
            FixedUpdate,
            (
                note_changes.after(PhysicsSet::SyncBackend).before(PhysicsSet::StepSimulation),
                note_result.after(PhysicsSet::StepSimulation).before(PhysicsSet::Writeback),
            ),
        );
        app.world_mut().run_system_cached(note_result).expect("one physics world");
        (0..RECORDED).for_each(|_| app.update());
        let ticks = app.world_mut().remove_resource::<Recording>().expect("inserted above").ticks;
        let mut replay = Self::from_start(ticks);
        (0..RECORDED).for_each(|_| replay.decision());
        let ends = [app.world_mut(), replay.app.world_mut()].map(|world| {
            states(world.query::<&RapierRigidBodySet>().single(world).expect("one")).collect::<Vec<_>>()
        });
        assert!(ends[0] == ends[1], "the replay should match the game's physics bit by bit");
        Self::from_start(replay.ticks)
    }

    fn from_start(ticks: Vec<Vec<(RigidBodyHandle, State)>>) -> Self {
        let mut app = world(64);
        Self { physics: app.world_mut().query(), app, ticks, next: 0 }
    }

    fn decision(&mut self) {
        let (mut simulation, mut colliders, mut joints, mut bodies, configuration) =
            self.physics.single_mut(self.app.world_mut()).expect("one physics world");
        let simulation = &mut *simulation;
        let joints = &mut *joints;
        for changes in &self.ticks[self.next..self.next + tennis::DECISION_PERIOD as usize] {
            for (handle, (position, velocity)) in changes {
                let body = bodies.bodies.get_mut(*handle).expect("the same bodies");
                if body.position() != position {
                    body.set_position(*position, true);
                }
                body.set_linvel(*velocity, true);
            }
            simulation.pipeline.step(
                configuration.gravity,
                &simulation.integration_parameters,
                &mut simulation.islands,
                &mut simulation.broad_phase,
                &mut simulation.narrow_phase,
                &mut bodies.bodies,
                &mut colliders.colliders,
                &mut joints.impulse_joints,
                &mut joints.multibody_joints,
                &mut simulation.ccd_solver,
                &(),
                &(),
            );
        }
        self.next += tennis::DECISION_PERIOD as usize;
    }

    fn time(&mut self, decisions: u64) -> Duration {
        let mut time = Duration::ZERO;
        for _ in 0..decisions {
            if self.next == self.ticks.len() {
                *self = Self::from_start(std::mem::take(&mut self.ticks));
            }
            let start = Instant::now();
            self.decision();
            time += start.elapsed();
        }
        time
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
    let mut replay = Replay::record();
    let mut group = criterion.benchmark_group("physics/tennis");
    group.throughput(Throughput::Elements(128));
    group.bench_function("64", |bencher| bencher.iter_custom(|decisions| replay.time(decisions)));
    group.finish();
}

/// A game's crowd: 1,000 agents of three behaviors outside of any arena, each with a policy 24-64-64-2.
fn crowd() -> App {
    let behaviors = ["guard", "wolf", "villager"];
    let mut random = stream(0, "bench", 0);
    let slots = behaviors.map(|behavior| AgentSpec::new(behavior, 24, 2)).into();
    let policies = ArenaSpec::new(slots).groups(true).expect("three behaviors").into_iter().map(|group| {
        let shape = NetworkShape::new(24, &[64, 64], 2, false);
        let network = Network { parameters: shape.initialize(0.1, &mut random), shape };
        Policy::new(group, Normalizer::identity(24), network).expect("sizes that fit")
    });
    let policy = PolicySnapshot::new(1, 1, 0, policies.collect()).expect("each slot once");
    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::play(policy).with_decision_period(1)).add_systems(
        Observe,
        |mut agents: Query<&mut Observation>| {
            agents.iter_mut().for_each(|mut observation| observation.write(&[0.5; 24]));
        },
    );
    for index in 0..1_000 {
        app.world_mut().spawn(Agent::new(behaviors[index % 3], 24, 2));
    }
    headless::start(&mut app);
    (0..20).for_each(|_| app.update());
    app
}

/// 64 tennis arenas whose agents act by eight policies in turn.
fn eight_policies() -> App {
    let mut app = world(64);
    let policies: Vec<_> = (0..8).map(|_| PolicyOverride(policy().into())).collect();
    let mut agents = app.world_mut().query_filtered::<Entity, With<Agent>>();
    let agents: Vec<Entity> = agents.iter(app.world()).collect();
    for (index, agent) in agents.into_iter().enumerate() {
        app.world_mut().entity_mut(agent).insert(policies[index % 8].clone());
    }
    (0..20).for_each(|_| app.update());
    app
}

fn crowds(criterion: &mut Criterion) {
    let mut app = crowd();
    criterion.bench_function("rollout/crowd/1000", |bencher| bencher.iter(|| app.update()));
    let mut app = eight_policies();
    criterion.bench_function("rollout/tennis/64 by 8 policies", |bencher| bencher.iter(|| app.update()));
}

fn policies(criterion: &mut Criterion) {
    let snapshot = policy();
    let (observations, mut actions) = (vec![0.5; 128 * 24], vec![0.0; 128 * 2]);
    let mut scratch = Scratch::default();
    let mut group = criterion.benchmark_group("policy/forward");
    group.throughput(Throughput::Elements(128));
    group.bench_function("128x24x64x64x2", |bencher| {
        bencher.iter(|| {
            snapshot.policies()[0].act(black_box(&observations), &[], &mut actions, 128, &mut scratch)
        });
    });
    group.finish();
    let slot = LatestPolicy::new(snapshot.clone());
    criterion.bench_function("swap/read", |bencher| bencher.iter(|| black_box(slot.load())));
    criterion.bench_function("swap/publish", |bencher| {
        bencher.iter_batched(
            || snapshot.clone(),
            |snapshot| slot.publish(snapshot),
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, rollouts, crowds, policies);
criterion_main!(benches);
