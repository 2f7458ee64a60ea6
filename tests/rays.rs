//! Ray sensors: what they see, in which order, with which back end, and that the learner leaves their numbers as they are.

use bevy::prelude::*;
use bevy_maddpg::{
    agent::{Agent, Observation},
    exploration::{ExplorationConfig, Noise},
    headless,
    learner::LearnerConfig,
    prelude::*,
    problems::Problems,
    random::stream,
    rays::{
        AnalyticRays, Detectable, RayBatch, RayPlane, RayPlugin, RayPose, RaySensor, RaySystems, RayTarget,
    },
};
use bevy_rapier3d::prelude::*;
use rand::RngExt;

const WALL: u8 = 0;
const BALL: u8 = 1;

/// Rays 90 degrees to the left, forward, and 90 degrees to the right, 10 m long.
fn eyes() -> RaySensor {
    RaySensor::fan(3, 180.0, 10.0, [WALL, BALL])
}

fn app() -> (App, Entity) {
    let mut app = headless::app(1);
    let config = TrainingConfig {
        learner: LearnerConfig { learning_starts: 1_000_000, ..default() },
        exploration: ExplorationConfig { noise: Noise::None, random_decisions: 0, ..default() },
    };
    let training = MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep);
    app.add_plugins((training.with_decision_period(1), AnalyticRays::default())).add_systems(Reset, || {});
    let arena = app.world_mut().spawn(Arena::default()).id();
    (app, arena)
}

/// An agent at the origin that looks toward negative z, with two numbers of its own.
fn spawn_guard(app: &mut App, arena: Entity) -> Entity {
    let agent = Agent::new("guard", 2, 1).with_rays(&eyes()).with_frames(2);
    app.world_mut().spawn((agent, eyes(), InArena::new(arena), Transform::default())).id()
}

fn spawn_wall(app: &mut App, arena: Entity, from: [f32; 2], to: [f32; 2]) {
    let [from, to] = [from, to].map(|[x, z]| Vec3::new(x, 0.0, z));
    app.world_mut().spawn((Detectable(WALL), RayTarget::Wall { arena, from, to }));
}

fn spawn_ball(app: &mut App, arena: Entity, x: f32, z: f32) -> Entity {
    let ball = (Detectable(BALL), RayTarget::Ball { arena, radius: 1.0 }, Transform::from_xyz(x, 0.0, z));
    app.world_mut().spawn(ball).id()
}

fn close(found: &[f32], expected: &[f32]) {
    let is_close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(found.len() == expected.len() && is_close, "{found:?}, expected {expected:?}");
}

#[test]
fn an_agent_with_an_arena_of_its_own_sees_what_is_in_it() {
    let (mut app, _) = app();
    let agent = Agent::new("guard", 0, 1).with_rays(&eyes());
    let guard = app.world_mut().spawn((agent, eyes(), Arena::default(), Transform::default())).id();
    spawn_wall(&mut app, guard, [-9.0, -5.0], [9.0, -5.0]);
    headless::start(&mut app);
    app.update();
    let seen = app.world().get::<Observation>(guard).unwrap().frame();
    assert!(seen.iter().any(|number| *number != 0.0), "{seen:?}");
}

#[test]
fn a_known_scene_gives_the_exact_fan_behind_the_game_s_own_numbers() {
    let (mut app, arena) = app();
    let guard = spawn_guard(&mut app, arena);
    // A wall 5 m ahead with a ball in front of it, a ball 4 m to the right, nothing to the left.
    spawn_wall(&mut app, arena, [-9.0, -5.0], [9.0, -5.0]);
    let ball = spawn_ball(&mut app, arena, 0.0, -3.0);
    spawn_ball(&mut app, arena, 5.0, 0.0);
    // The same things in another arena are not seen.
    let other = app.world_mut().spawn(Arena::default()).id();
    spawn_ball(&mut app, other, -2.0, 0.0);
    app.add_systems(Observe, |mut agents: Query<&mut Observation>| {
        agents.iter_mut().for_each(|mut observation| observation.write(&[7.0, -7.0]));
    });
    headless::start(&mut app);
    app.update();
    let frame = app.world().get::<Observation>(guard).unwrap().frame().to_vec();
    close(&frame, &[7.0, -7.0, 0.0, 0.0, 0.0, 0.8, 0.0, 0.6]);
    // Without the ball, the ray reaches the wall.
    app.world_mut().despawn(ball);
    app.update();
    let observation = app.world().get::<Observation>(guard).unwrap();
    close(observation.frame(), &[7.0, -7.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.6]);
    assert_eq!(observation.stacked().len(), 16);
    let batch = app.world().resource::<RayBatch>();
    assert_eq!((batch.rays().len(), batch.hit_of(0)), (3, None));
}

#[test]
fn a_thick_ray_sees_what_its_agent_touches_and_only_in_that_direction() {
    let (mut app, arena) = app();
    // One ray ahead and two behind.
    let eyes = RaySensor::fan(3, 360.0, 10.0, [WALL, BALL]).with_radius(0.5);
    let agent = Agent::new("guard", 0, 1).with_rays(&eyes);
    let guard = app.world_mut().spawn((agent, eyes, InArena::new(arena), Transform::default())).id();
    // Physics lets bodies overlap a little.
    spawn_wall(&mut app, arena, [-9.0, -0.499], [9.0, -0.499]);
    headless::start(&mut app);
    app.update();
    close(app.world().get::<Observation>(guard).unwrap().frame(), &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    spawn_ball(&mut app, arena, 0.0, 1.499);
    app.update();
    close(app.world().get::<Observation>(guard).unwrap().frame(), &[0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn rays_that_never_find_anything_are_told() {
    let mut app = headless::app(1);
    let training = MaddpgPlugins::train(TrainingConfig::default());
    app.add_plugins((training.with_decision_period(1), RayPlugin)).add_systems(Reset, || {});
    app.add_systems(Observe, |mut agents: Query<&mut Observation>, mut count: Local<f32>| {
        *count += 1.0;
        agents.iter_mut().for_each(|mut observation| observation.write(&[*count, 0.0]));
    });
    let arena = app.world_mut().spawn(Arena::default()).id();
    spawn_guard(&mut app, arena);
    headless::start(&mut app);
    (0..1_100).for_each(|_| app.update());
    let told = app.world().resource::<Problems>().told();
    assert!(
        told.iter().any(|text| text.contains("RaySystems::Cast") && text.contains("`guard`")),
        "{told:?}"
    );
}

#[test]
fn the_first_observation_after_a_reset_sees_the_new_places() {
    let (mut app, arena) = app();
    let guard = spawn_guard(&mut app, arena);
    let ball = spawn_ball(&mut app, arena, 0.0, -3.0);
    app.add_systems(Reset, move |mut bodies: Query<&mut Transform>, mut count: Local<f32>| {
        *count += 1.0;
        bodies.get_mut(ball).unwrap().translation.z = -3.0 - *count;
    });
    headless::start(&mut app);
    app.update();
    for expected in [0.7, 0.6, 0.5] {
        close(&app.world().get::<Observation>(guard).unwrap().frame()[5..6], &[expected]);
        app.world_mut().get_mut::<Episode>(arena).unwrap().truncate();
        app.update();
        app.update();
    }
}

#[test]
fn what_rays_give_is_not_normalized() {
    let (mut app, arena) = app();
    spawn_guard(&mut app, arena);
    spawn_ball(&mut app, arena, 0.0, -3.0);
    app.add_systems(Observe, |mut agents: Query<&mut Observation>, mut count: Local<f32>| {
        *count += 10.0;
        agents.iter_mut().for_each(|mut observation| observation.write(&[*count, 1.0]));
    });
    headless::start(&mut app);
    (0..200).for_each(|_| app.update());
    let learner = app.world_mut().resource_mut::<Training>().stop().unwrap();
    let policy = learner.snapshot().unwrap();
    let normalizer = policy.policies()[0].normalizer();
    for frame in [0, 8] {
        assert!(normalizer.scale[frame] < 0.01, "the game's own numbers are normalized");
        assert!(normalizer.mean[frame + 2..frame + 8].iter().all(|mean| *mean == 0.0));
        assert!(normalizer.scale[frame + 2..frame + 8].iter().all(|scale| *scale == 1.0));
    }
    assert_eq!(policy.spec().slots[0].raw, [2..8, 10..16]);
}

/// Casts the rays with rapier, as in the documentation.
fn cast(mut batch: ResMut<RayBatch>, physics: ReadRapierContext) -> Result {
    let physics = physics.single()?;
    for index in 0..batch.rays().len() {
        let ray = batch.rays()[index];
        let others = QueryFilter::new().exclude_rigid_body(ray.agent);
        if let Some((entity, distance)) =
            physics.cast_ray(ray.origin, ray.direction, ray.length, true, others)
        {
            batch.hit(index, distance, entity);
        }
    }
    Ok(())
}

/// What 64 rays give among random balls and walls.
fn among_random_things(is_analytic: bool, seed: u64) -> Vec<f32> {
    let mut app = headless::app(1);
    let eyes = RaySensor::fan(64, 354.0, 12.0, [WALL, BALL]);
    app.add_plugins(RapierPhysicsPlugin::<NoUserData>::default().in_schedule(FixedUpdate))
        .add_plugins(MaddpgPlugins::train(TrainingConfig::default()).with_decision_period(1));
    if is_analytic {
        app.add_plugins(AnalyticRays::default());
    } else {
        app.add_plugins(RayPlugin).add_systems(Observe, cast.in_set(RaySystems::Cast));
    }
    let arena = app.world_mut().spawn(Arena::default()).id();
    let agent = Agent::new("guard", 0, 1).with_rays(&eyes);
    let pose = RayPose(Transform::default());
    let guard = app.world_mut().spawn((agent, eyes, pose, InArena::new(arena), Transform::default())).id();
    let mut random = stream(seed, "things", 0);
    for _ in 0..8 {
        let place = Vec2::from_angle(random.random_range(0.0..6.0f32)) * random.random_range(2.0..11.0f32);
        let at = Vec3::new(place.x, 0.0, place.y);
        app.world_mut().spawn((
            (Detectable(BALL), RayTarget::Ball { arena, radius: 0.8 }),
            Transform::from_translation(at),
            Collider::ball(0.8),
        ));
        // A thin wall across the way.
        let (middle, half) = (at * 0.9, random.random_range(0.3..1.5f32));
        let turn = Quat::from_rotation_y(random.random_range(0.0..3.1f32));
        let end = turn * Vec3::X * half;
        app.world_mut().spawn((
            (Detectable(WALL), RayTarget::Wall { arena, from: middle - end, to: middle + end }),
            Transform::from_translation(middle).with_rotation(turn),
            Collider::cuboid(half, 1.0, 1e-5),
        ));
    }
    headless::start(&mut app);
    (0..3).for_each(|_| app.update());
    app.world().get::<Observation>(guard).unwrap().frame().to_vec()
}

#[test]
fn rapier_and_formulas_agree() {
    let mut hits = 0;
    for seed in 0..6 {
        let [formulas, rapier] = [true, false].map(|is_analytic| among_random_things(is_analytic, seed));
        assert_eq!(formulas.len(), 128);
        let differing = formulas.iter().zip(&rapier).filter(|(a, b)| (*a - *b).abs() > 1e-4).count();
        // A ray may just miss what the other just hits.
        assert!(differing <= 4, "seed {seed}: {differing} of 128 numbers differ");
        hits += formulas.iter().filter(|number| **number > 0.0).count();
    }
    assert!(hits > 100, "{hits} rays hit something");
}

#[test]
fn agents_of_a_flat_game_see_by_rays_and_rays_out_of_the_plane_are_told() {
    for (plane, is_posed, is_told) in [
        (RayPlane::Flat, true, false),
        (RayPlane::Ground, true, true),
        (RayPlane::Flat, false, true),
        (RayPlane::Ground, false, false),
    ] {
        let mut app = headless::app(1);
        app.add_plugins((RolloutPlugin { decision_period: 1, ..default() }, AnalyticRays { plane }))
            .add_systems(Observe, |mut agents: Query<&mut Observation>| {
                agents.iter_mut().for_each(|mut agent| agent.write(&[]))
            });
        let arena = app.world_mut().spawn(Arena::default()).id();
        let eyes = RaySensor::fan(3, 180.0, 10.0, [BALL]);
        let agent = Agent::new("guard", 0, 1).with_rays(&eyes);
        let pose = RayPose::in_2d(Vec2::new(1.0, 2.0), Vec2::Y);
        let agent = app.world_mut().spawn((agent, eyes, InArena::new(arena), Transform::default())).id();
        if is_posed {
            app.world_mut().entity_mut(agent).insert(pose);
        }
        for (x, y) in [(1.0, 8.0), (4.0, 2.0)] {
            let ball = RayTarget::Ball { arena, radius: 1.0 };
            app.world_mut().spawn((Detectable(BALL), ball, Transform::from_xyz(x, y, 0.5)));
        }
        headless::start(&mut app);
        (0..3).for_each(|_| app.update());
        let told = app.world().resource::<Problems>().told();
        assert_eq!(told.iter().any(|text| text.contains("RayPose::in_2d")), is_told, "{told:?}");
        if plane == RayPlane::Flat && is_posed {
            // Nothing to the left, a ball 5 m ahead, one 2 m to the right.
            close(app.world().get::<Observation>(agent).unwrap().frame(), &[0.0, 0.5, 0.8]);
        }
    }
}

#[test]
fn a_tilted_agent_sees_as_far_along_the_ground() {
    let (mut app, arena) = app();
    let guard = spawn_guard(&mut app, arena);
    spawn_ball(&mut app, arena, 0.0, -8.0);
    app.world_mut().get_mut::<Transform>(guard).unwrap().rotation = Quat::from_rotation_x(0.3);
    app.add_systems(Observe, |mut agents: Query<&mut Observation>| {
        agents.iter_mut().for_each(|mut agent| agent.write(&[0.0, 0.0]));
    });
    headless::start(&mut app);
    app.update();
    let seen = app.world().get::<Observation>(guard).unwrap().frame().to_vec();
    close(&seen, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0]);
}
