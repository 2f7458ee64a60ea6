//! The rules of tennis, each tested on a court with the ball placed where the rule applies.

use bevy::{prelude::*, time::TimeUpdateStrategy};
use bevy_maddpg::{
    agent::{ActionOverride, Observation, Reward},
    arena::{Arena, Episode, EpisodeEnded},
    exploration::{ExplorationConfig, Noise},
    headless,
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
};
use bevy_maddpg_lab::{
    catalog::Tennis,
    game::{Game, Setup, headless_app},
    games::tennis::{self, Court, Rally, Rules, Side},
};
use bevy_rapier3d::prelude::*;

/// A tennis world that takes one step per update; without exploration, its agents stand still unless overridden.
fn world_of(arenas: usize, exploration: ExplorationConfig) -> App {
    let groups = Tennis.spec().groups(true).unwrap();
    let mut plugins = MaddpgPlugins::play(PolicySnapshot::zeros(&groups).unwrap());
    plugins.rollout.exploration = exploration;
    let mut app = headless_app(&Tennis, plugins, &Setup { arenas, seed: 1, human: None });
    app.insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
    headless::start(&mut app);
    app.update();
    app
}

fn still() -> ExplorationConfig {
    ExplorationConfig { noise: Noise::None, random_decisions: 0, ..default() }
}

fn tennis() -> App {
    world_of(1, still())
}

fn court(app: &mut App) -> (Entity, Court) {
    let (entity, court) = app.world_mut().query::<(Entity, &Court)>().single(app.world()).unwrap();
    (entity, court.clone())
}

/// Places the ball, with `hitter` as its last hitter.
fn put_ball(app: &mut App, position: [f32; 2], velocity: [f32; 2], hitter: Option<Side>) {
    let (arena, court) = court(app);
    let mut ball = app.world_mut().entity_mut(court.ball);
    ball.get_mut::<Transform>().unwrap().translation = Vec3::new(position[0], position[1], court.z);
    ball.get_mut::<Velocity>().unwrap().linear = Vec3::new(velocity[0], velocity[1], 0.0);
    app.world_mut().get_mut::<Rally>(arena).unwrap().last_hitter = hitter;
}

/// Steps until an episode ends, at most `ticks` times.
fn step_until_end(app: &mut App, ticks: u32) -> EpisodeEnded {
    for _ in 0..ticks {
        app.update();
        let mut ended = app.world_mut().resource_mut::<Messages<EpisodeEnded>>();
        if let Some(ended) = ended.drain().next() {
            return ended;
        }
    }
    panic!("no episode ended within {ticks} steps");
}

fn returns(app: &mut App) -> [f32; 2] {
    let (_, court) = court(app);
    court.rackets.map(|racket| app.world().get::<Reward>(racket).unwrap().episode_return())
}

#[test]
fn ball_on_the_floor_is_the_fault_of_that_side() {
    for (x, fault) in [(-4.0, 0), (4.0, 1)] {
        for hitter in [None, Some(Side::Left), Some(Side::Right)] {
            let mut app = tennis();
            put_ball(&mut app, [x, -2.0], [0.0, -5.0], hitter);
            let ended = step_until_end(&mut app, 20);
            let mut expected = [0.0; 2];
            expected[fault] = -0.01;
            assert_eq!(ended.returns, expected);
            assert!(!ended.truncated, "a fault terminates");
        }
    }
}

#[test]
fn ball_on_a_wall_or_the_net_is_the_fault_of_the_last_hitter() {
    for (position, velocity) in
        [([-11.0, 5.0], [-8.0, 0.0]), ([11.0, 5.0], [8.0, 0.0]), ([-1.0, -2.0], [8.0, 0.0])]
    {
        for (hitter, expected) in [(Side::Left, [-0.01, 0.0]), (Side::Right, [0.0, -0.01])] {
            let mut app = tennis();
            put_ball(&mut app, position, velocity, Some(hitter));
            let ended = step_until_end(&mut app, 20);
            assert_eq!(ended.returns, expected, "ball at {position:?}, hit by {hitter:?}");
        }
    }
}

#[test]
fn last_hitter_is_rewarded_once_when_the_ball_has_crossed_the_net() {
    for (hitter, direction, expected) in [(Side::Left, 1.0, [0.1, 0.0]), (Side::Right, -1.0, [0.0, 0.1])] {
        let mut app = tennis();
        put_ball(&mut app, [-direction, 4.0], [6.0 * direction, 0.0], Some(hitter));
        let mut rewarded_at = None;
        for _ in 0..30 {
            app.update();
            let (_, court) = court(&mut app);
            let x = app.world().get::<Transform>(court.ball).unwrap().translation.x * direction;
            if returns(&mut app) == expected {
                rewarded_at.get_or_insert(x);
            } else {
                assert_eq!(returns(&mut app), [0.0; 2]);
                assert!(x < 0.65, "no reward although the ball is at {x}");
            }
        }
        let x = rewarded_at.expect("rewarded");
        assert!(
            x > Rules::Rally.dimensions().ball_radius && x < 0.7,
            "the reward comes when the ball leaves the plane, not at {x}"
        );
    }
}

#[test]
fn ball_that_passes_too_high_or_turns_back_earns_nothing() {
    let mut app = tennis();
    put_ball(&mut app, [-1.0, 11.0], [8.0, 2.0], Some(Side::Left));
    (0..25).for_each(|_| app.update());
    assert_eq!(returns(&mut app), [0.0; 2], "passed above the plane");
    // The ball enters the plane from the left and is turned around inside it.
    put_ball(&mut app, [-0.8, 4.0], [4.0, 0.0], Some(Side::Left));
    (0..8).for_each(|_| app.update());
    let (_, court) = court(&mut app);
    app.world_mut().get_mut::<Velocity>(court.ball).unwrap().linear.x = -6.0;
    (0..25).for_each(|_| app.update());
    assert_eq!(returns(&mut app), [0.0; 2], "left on the near side");
    // A ball that crosses toward the last hitter's own side earns nothing.
    put_ball(&mut app, [1.0, 4.0], [-6.0, 0.0], Some(Side::Left));
    (0..25).for_each(|_| app.update());
    assert_eq!(returns(&mut app), [0.0; 2], "crossed toward the hitter's own side");
}

#[test]
fn racket_that_touches_the_ball_becomes_the_last_hitter() {
    let mut app = tennis();
    let (arena, court) = court(&mut app);
    let racket = app.world().get::<Transform>(court.rackets[1]).unwrap().translation;
    put_ball(&mut app, [racket.x, racket.y + 3.0], [0.0, -5.0], None);
    for _ in 0..40 {
        app.update();
        if let Some(hitter) = app.world().get::<Rally>(arena).unwrap().last_hitter {
            assert_eq!(hitter, Side::Right);
            return;
        }
    }
    panic!("the racket never hit the ball");
}

#[test]
fn serves_are_within_range_on_both_sides_and_every_reset_takes_effect() {
    let mut app = world_of(32, still());
    let mut sides = [0; 2];
    for _ in 0..600 {
        app.update();
        let ended: Vec<EpisodeEnded> =
            app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().collect();
        let mut served = Vec::new();
        for ended in ended {
            let world = app.world();
            let court = world.get::<Court>(ended.arena).unwrap();
            let position = |entity: Entity| world.get::<Transform>(entity).unwrap().translation;
            let ball = position(court.ball);
            assert!(
                (6.0..=8.0).contains(&ball.x.abs()) && ball.y == 6.0 && ball.z == court.z,
                "ball at {ball}"
            );
            sides[usize::from(ball.x > 0.0)] += 1;
            for side in Side::BOTH {
                let racket = position(court.rackets[side.slot()]);
                assert!(
                    (6.0..=8.0).contains(&(-racket.x * side.mirror())) && racket.y == -1.5,
                    "racket at {racket}"
                );
            }
            assert!(world.get::<Episode>(ended.arena).unwrap().is_running());
            served.push((court.ball, ball));
        }
        app.update();
        for (entity, ball) in served {
            let fallen = app.world().get::<Transform>(entity).unwrap().translation;
            assert!(
                (fallen - ball).length() < 0.02,
                "the physics should continue from the serve, found {fallen}"
            );
        }
        app.world_mut().resource_mut::<Messages<EpisodeEnded>>().clear();
    }
    assert!(sides.iter().all(|&count| count > 60), "both sides should be equally likely, found {sides:?}");
}

#[test]
fn time_limit_truncates_after_its_number_of_decisions() {
    let mut app = tennis();
    let (arena, _) = court(&mut app);
    app.world_mut().get_mut::<Arena>(arena).unwrap().time_limit = Some(4);
    let ended = step_until_end(&mut app, 4 * tennis::DECISION_PERIOD);
    assert!(ended.truncated);
    assert_eq!(ended.decisions, 4);
    assert_eq!(ended.returns, [0.0; 2]);
    assert_eq!(Arena::with_time_limit(tennis::TIME_LIMIT).time_limit, Some(1000));
}

#[test]
fn ball_speed_is_clamped_and_rackets_stay_off_the_net() {
    let mut app = tennis();
    put_ball(&mut app, [-6.0, 10.0], [30.0, 30.0], None);
    let (_, court) = court(&mut app);
    app.update();
    let velocity = app.world().get::<Velocity>(court.ball).unwrap().linear;
    assert_eq!((velocity.x, velocity.y), (9.0, 9.0));
    for racket in court.rackets {
        app.world_mut().entity_mut(racket).insert(ActionOverride(vec![1.0, -1.0]));
    }
    (0..60).for_each(|_| app.update());
    for side in Side::BOTH {
        let x = app.world().get::<Transform>(court.rackets[side.slot()]).unwrap().translation.x;
        // Each step puts the racket back to 1 m from the net, then moves it by at most 0.6 m.
        assert!((-1.0..=-0.3).contains(&(x * side.mirror())), "{side:?} at {x}");
    }
}

#[test]
fn racket_jumps_only_from_below_its_starting_height() {
    let mut app = tennis();
    let (_, court) = court(&mut app);
    app.world_mut().entity_mut(court.rackets[0]).insert(ActionOverride(vec![0.0, 1.0]));
    let (mut fastest, mut highest) = (0.0f32, -9.0f32);
    for _ in 0..60 {
        app.update();
        fastest = fastest.max(app.world().get::<Velocity>(court.rackets[0]).unwrap().linear.y);
        highest = highest.max(app.world().get::<Transform>(court.rackets[0]).unwrap().translation.y);
    }
    assert!((6.5..=7.0).contains(&fastest), "a jump starts at 7 m/s, found {fastest}");
    assert!(highest > 0.0 && highest < 1.2, "7 m/s from -1.5 m reaches about 1 m, found {highest}");
}

#[test]
fn ball_never_tunnels_through_a_racket_at_full_speed() {
    // Rackets move at 30 m/s toward balls at 40 different distances in front of them.
    let mut app = world_of(40, still());
    let courts: Vec<(Entity, Court)> =
        app.world_mut().query::<(Entity, &Court)>().iter(app.world()).map(|(e, c)| (e, c.clone())).collect();
    for (index, (_, court)) in courts.iter().enumerate() {
        let distance = 2.0 + 0.05 * index as f32;
        let world = app.world_mut();
        world.get_mut::<Transform>(court.rackets[0]).unwrap().translation = Vec3::new(-8.0, 2.0, court.z);
        let mut ball = world.entity_mut(court.ball);
        ball.get_mut::<Transform>().unwrap().translation = Vec3::new(-8.0 + distance, 2.0, court.z);
        ball.get_mut::<Velocity>().unwrap().linear = Vec3::new(-9.0, 0.0, 0.0);
        world.entity_mut(court.rackets[0]).insert(ActionOverride(vec![1.0, -1.0]));
    }
    (0..12).for_each(|_| app.update());
    for (arena, court) in &courts {
        let hitter = app.world().get::<Rally>(*arena).unwrap().last_hitter;
        assert_eq!(
            hitter,
            Some(Side::Left),
            "the ball on the court at {} passed through the racket",
            court.z
        );
    }
}

#[test]
fn both_sides_observe_the_same_game() {
    let mut app = tennis();
    let (_, court) = court(&mut app);
    let mut seen = Vec::new();
    for mirror in [1.0, -1.0] {
        put_ball(&mut app, [-3.0 * mirror, 4.0], [2.0 * mirror, 1.0], None);
        for side in Side::BOTH {
            let mut racket = app.world_mut().entity_mut(court.rackets[side.slot()]);
            racket.get_mut::<Transform>().unwrap().translation =
                Vec3::new(-7.0 * side.mirror(), -1.5, court.z);
            racket.get_mut::<Velocity>().unwrap().linear = Vec3::ZERO;
        }
        app.world_mut().run_schedule(bevy_maddpg::rollout::Observe);
        let frame =
            |slot: usize| app.world().get::<Observation>(court.rackets[slot]).unwrap().frame().to_vec();
        seen.push([frame(0), frame(1)]);
    }
    assert_eq!(seen[0][0], seen[1][1], "left observes what right observes in the mirrored game");
    assert_eq!(seen[0][1], seen[1][0]);
    assert_eq!(seen[0][0], [-7.0, -1.5, 0.0, 0.0, -3.0, 4.0, 2.0, 1.0]);
}

#[test]
fn random_play_scores_almost_zero() {
    let random = ExplorationConfig { random_decisions: u64::MAX, random_hold: 1, ..still() };
    let mut app = world_of(64, random);
    let mut scores = Vec::new();
    while scores.len() < 1_000 {
        app.update();
        let mut ended = app.world_mut().resource_mut::<Messages<EpisodeEnded>>();
        scores.extend(ended.drain().map(|ended| tennis::score(&ended.returns)));
    }
    let mean = scores.iter().sum::<f32>() / scores.len() as f32;
    assert!((0.0..=0.02).contains(&mean), "mean score {mean}");
}

#[test]
fn rapier_message_buffers_stay_bounded() {
    let mut app = world_of(8, still());
    let mut most = 0;
    for _ in 0..2_000 {
        app.update();
        most = most.max(app.world().resource::<Messages<CollisionEvent>>().len());
    }
    assert!(most > 0 && most < 200, "{most} messages at once");
}
