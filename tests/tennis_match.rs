//! The rules `match` of tennis, each tested on a court with the ball placed where the rule applies, and who plays against whom.

use std::sync::Arc;

use bevy::{math::ops, prelude::*, time::TimeUpdateStrategy};
use bevy_maddpg::{
    agent::{ActionOverride, Observation, PolicyOverride, Untrained},
    arena::{Episode, EpisodeEnded},
    headless,
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
};
use bevy_maddpg_lab::{
    catalog::{Tennis, TennisMatch},
    experiment::evaluate,
    game::{Game, Scripted, Setup, headless_app},
    games::tennis::{Court, Opponent, Rally, Rules, Script, Side, TIME_LIMIT},
};
use bevy_rapier3d::prelude::*;

fn still() -> PolicySnapshot {
    PolicySnapshot::zeros(&TennisMatch::default().spec().groups(true).unwrap()).unwrap()
}

/// A world that takes one step per update. Its rackets stand still unless overridden, and fall.
fn world(game: &TennisMatch, arenas: usize) -> App {
    let setup = Setup { arenas, seed: 1, human: None };
    let mut app = headless_app(game, MaddpgPlugins::play(still()), &setup);
    app.insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
    headless::start(&mut app);
    app.update();
    app
}

fn tennis() -> App {
    world(&TennisMatch::played(None), 1)
}

fn court(app: &mut App) -> (Entity, Court) {
    let (arena, court) = app.world_mut().query::<(Entity, &Court)>().iter(app.world()).next().unwrap();
    (arena, court.clone())
}

/// Moves a body.
fn put(app: &mut App, body: Entity, position: [f32; 2], velocity: [f32; 2]) {
    let mut body = app.world_mut().entity_mut(body);
    let z = body.get::<Transform>().unwrap().translation.z;
    body.get_mut::<Transform>().unwrap().translation = Vec3::new(position[0], position[1], z);
    body.get_mut::<Velocity>().unwrap().linear = Vec3::new(velocity[0], velocity[1], 0.0);
}

/// Places the ball, after `hitter` has hit it over the net.
fn put_ball(app: &mut App, position: [f32; 2], velocity: [f32; 2], hitter: Option<Side>) {
    let (arena, court) = court(app);
    put(app, court.ball, position, velocity);
    let mut rally = app.world_mut().get_mut::<Rally>(arena).unwrap();
    (rally.last_hitter, rally.crossed, rally.bounced) = (hitter, hitter.is_some(), None);
}

/// The returns of the point that ends within so many steps.
fn returns(app: &mut App, steps: u32) -> Option<Vec<f32>> {
    (0..steps).find_map(|_| {
        app.update();
        app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().next().map(|ended| {
            assert!(!ended.truncated);
            ended.returns
        })
    })
}

const LEFT_WINS: [f32; 2] = [1.0, -1.0];
const RIGHT_WINS: [f32; 2] = [-1.0, 1.0];

#[test]
fn a_serve_into_the_own_half_and_a_second_bounce_lose_the_point() {
    for (x, wins, side) in [(-4.0, RIGHT_WINS, Side::Left), (4.0, LEFT_WINS, Side::Right)] {
        let mut app = tennis();
        put_ball(&mut app, [x, -6.0], [0.0, -5.0], None);
        assert_eq!(returns(&mut app, 20).as_deref(), Some(&wins[..]), "nobody has hit it");

        let mut app = tennis();
        put_ball(&mut app, [x, -6.0], [0.0, -4.0], Some(side.other()));
        assert_eq!(returns(&mut app, 20), None, "the first bounce");
        let (arena, _) = court(&mut app);
        assert_eq!(app.world().get::<Rally>(arena).unwrap().bounced, Some(side));
        assert_eq!(returns(&mut app, 100).as_deref(), Some(&wins[..]), "the second bounce");
    }
}

#[test]
fn a_ball_against_the_wall_was_hit_too_long_unless_it_had_bounced() {
    let mut app = tennis();
    put_ball(&mut app, [11.0, 5.0], [8.0, 0.0], Some(Side::Left));
    assert_eq!(returns(&mut app, 20).as_deref(), Some(&RIGHT_WINS[..]));
    let mut app = tennis();
    put_ball(&mut app, [11.0, 5.0], [8.0, 0.0], Some(Side::Left));
    let (arena, _) = court(&mut app);
    app.world_mut().get_mut::<Rally>(arena).unwrap().bounced = Some(Side::Right);
    assert_eq!(returns(&mut app, 20).as_deref(), Some(&LEFT_WINS[..]));
}

#[test]
fn the_net_stops_only_a_ball_that_has_not_crossed() {
    for (crossed, expected) in [(false, Some(&RIGHT_WINS[..])), (true, None)] {
        let mut app = tennis();
        put_ball(&mut app, [-1.0, -6.5], [8.0, 0.0], Some(Side::Left));
        let (arena, _) = court(&mut app);
        app.world_mut().get_mut::<Rally>(arena).unwrap().crossed = crossed;
        assert_eq!(returns(&mut app, 7).as_deref(), expected, "crossed: {crossed}");
    }
}

#[test]
fn a_racket_may_not_hit_twice_in_a_row_and_a_crossing_is_counted_once() {
    for (hitter, expected) in [(Side::Left, Some(&RIGHT_WINS[..])), (Side::Right, None)] {
        let mut app = tennis();
        let (arena, court) = court(&mut app);
        put(&mut app, court.rackets[0], [-6.0, 0.0], [0.0; 2]);
        put_ball(&mut app, [-5.0, 0.0], [-8.0, 0.0], Some(hitter));
        assert_eq!(returns(&mut app, 10).as_deref(), expected, "last hit by {hitter:?}");
        if expected.is_none() {
            let rally = app.world().get::<Rally>(arena).unwrap();
            assert_eq!((rally.last_hitter, rally.crossed), (Some(Side::Left), false));
            put(&mut app, court.ball, [-0.3, 3.0], [8.0, 0.0]);
            (0..20).for_each(|_| app.update());
            let rally = app.world().get::<Rally>(arena).unwrap();
            assert_eq!((rally.crossings, rally.crossed), (1, true));
        }
    }
}

#[test]
fn actions_turn_the_rackets_and_both_sides_see_the_same() {
    let mut app = tennis();
    let (_, court) = court(&mut app);
    for racket in court.rackets {
        app.world_mut().entity_mut(racket).insert(ActionOverride(vec![0.25, 0.0, 1.0]));
    }
    for (racket, x) in court.rackets.into_iter().zip([-7.0, 7.0]) {
        put(&mut app, racket, [x, 0.0], [0.0; 2]);
    }
    put(&mut app, court.ball, [0.0, 6.0], [0.0; 2]);
    (0..10).for_each(|_| app.update());
    let [left, right] = court.rackets.map(|racket| {
        let transform = app.world().get::<Transform>(racket).unwrap();
        (transform.rotation.to_euler(EulerRot::ZYX).0.to_degrees(), transform.translation.x)
    });
    assert!((left.0 - 145.0).abs() < 0.1 && (right.0 + 145.0).abs() < 0.1, "{left:?}, {right:?}");
    let [left, right] =
        court.rackets.map(|racket| app.world().get::<Observation>(racket).unwrap().frame().to_vec());
    assert_eq!(left[..4], right[..4], "the rackets");
    assert_eq!(left[8], right[8]);
    let half = ops::sin(72.5f32.to_radians());
    assert!((left[8] - half).abs() < 1e-3, "{}", left[8]);
    assert_eq!((left[4], left[6]), (-right[4], -right[6]), "the ball");
}

#[test]
fn a_point_that_nobody_wins_is_cut_off_as_a_draw() {
    let mut app = tennis();
    let (_, court) = court(&mut app);
    app.world_mut().entity_mut(court.ball).insert(GravityScale(0.0));
    put_ball(&mut app, [0.0, 20.0], [0.0; 2], None);
    app.insert_resource(TimeUpdateStrategy::FixedTimesteps(5));
    let ended = (0..TIME_LIMIT + 5).find_map(|_| {
        app.update();
        app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().next()
    });
    let ended = ended.expect("a time limit");
    assert!(ended.truncated);
    let draws = ended.measures.iter().find(|(name, _)| *name == "draws").unwrap().1;
    assert_eq!((ended.returns, draws), (vec![0.0, 0.0], 1.0));
}

#[test]
fn an_opponent_plays_right_and_left_in_turn_and_does_not_learn() {
    let mut app = world(&TennisMatch::played(Some(Opponent::Script(Script::Returner))), 4);
    (0..10).for_each(|_| app.update());
    let mut courts = app.world_mut().query::<&Court>();
    let courts: Vec<Court> = courts.iter(app.world()).cloned().collect();
    for (index, court) in courts.iter().enumerate() {
        let home = [Side::Left, Side::Right][index % 2];
        assert_eq!(court.home, home);
        let [own, visitor] = [home, home.other()].map(|side| app.world().entity(court.rackets[side.slot()]));
        assert!(visitor.contains::<Untrained>() && visitor.contains::<Scripted>());
        assert!(visitor.get::<ActionOverride>().is_some_and(|action| action.0[2] > 0.0));
        assert!(!own.contains::<Untrained>() && !own.contains::<ActionOverride>());
    }
}

#[test]
fn a_policy_of_either_rules_can_be_the_opponent_and_others_are_named() {
    let rally = Arc::new(PolicySnapshot::load("assets/policies/tennis.safetensors").unwrap());
    let opponent = Opponent::Policy(rally);
    assert_eq!(opponent.difference(), None);
    let mut app = world(&TennisMatch::played(Some(opponent)), 1);
    (0..30).for_each(|_| app.update());
    let (_, court) = court(&mut app);
    let action = app.world().get::<ActionOverride>(court.rackets[1]).unwrap().0.clone();
    assert!(action[0] != 0.0 && action[2] == 1.0, "it plays with its racket tilted: {action:?}");

    let own = Opponent::Policy(Arc::new(still()));
    assert_eq!(own.difference(), None);
    let mut app = world(&TennisMatch::played(Some(own)), 1);
    let (_, court) = self::court(&mut app);
    assert!(app.world().get::<PolicyOverride>(court.rackets[1]).is_some());

    let other = bevy_maddpg_lab::catalog::Pendulum.spec().groups(true).unwrap();
    let other = Opponent::Policy(Arc::new(PolicySnapshot::zeros(&other).unwrap()));
    assert!(other.difference().unwrap().contains("27 observed numbers"), "{:?}", other.difference());
    assert_ne!(Tennis.spec(), TennisMatch::default().spec());
    assert_eq!(Rules::Match.dimensions().ball_radius, 0.25);
}

#[test]
fn who_stands_still_loses_to_the_returner_more_than_to_random_play() {
    let results = Script::ALL.map(|(_, script)| {
        let game = TennisMatch::played(Some(Opponent::Script(script)));
        evaluate(&game, &still(), 400, 3, || false).unwrap().results.unwrap()
    });
    let [random, returner] = &results;
    assert_eq!(random.games, 400);
    assert!(returner.losses > random.losses + 40, "{results:?}");
    assert!(results.iter().all(|results| results.wins + results.draws + results.losses == results.games));
}

#[test]
fn half_of_the_points_of_a_training_begin_in_the_middle_of_a_rally() {
    let game = TennisMatch { self_play: None, ..TennisMatch::default() };
    let mut app = world(&game, 200);
    let mut courts = app.world_mut().query::<(&Court, &Rally)>();
    let courts: Vec<(Court, Rally)> =
        courts.iter(app.world()).map(|(court, rally)| (court.clone(), *rally)).collect();
    let mut in_play = 0;
    for (court, rally) in &courts {
        let ball = app.world().entity(court.ball);
        let (x, speed) =
            (ball.get::<Transform>().unwrap().translation.x, ball.get::<Velocity>().unwrap().linear.x);
        let Some(hitter) = rally.last_hitter else {
            assert!((6.0..8.0).contains(&x.abs()) && speed == 0.0, "a serve");
            continue;
        };
        in_play += 1;
        assert!(speed * hitter.mirror() > 2.9, "the ball flies away from who has hit it");
        for side in Side::BOTH {
            let racket = app.world().get::<Transform>(court.rackets[side.slot()]).unwrap().translation;
            assert!(racket.x * side.mirror() < -1.0, "each on its own side");
            let is_behind = racket.x.abs() > x.abs() + 0.9;
            assert!(
                side != hitter || is_behind,
                "who has hit the ball does not touch it: {} and {x}",
                racket.x
            );
        }
    }
    assert!((70..130).contains(&in_play), "{in_play} of 200");
}

#[test]
fn points_begin_anew_after_a_point() {
    let mut app = tennis();
    put_ball(&mut app, [-4.0, -6.0], [0.0, -5.0], None);
    assert!(returns(&mut app, 20).is_some());
    let (arena, court) = court(&mut app);
    app.update();
    let rally = *app.world().get::<Rally>(arena).unwrap();
    assert_eq!(rally, Rally::default());
    assert!(app.world().get::<Episode>(arena).unwrap().is_running());
    let ball = app.world().get::<Transform>(court.ball).unwrap().translation;
    assert!((6.0..8.0).contains(&ball.x.abs()) && ball.y > 5.0, "{ball}");
}
