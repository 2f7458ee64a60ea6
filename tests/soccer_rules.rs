//! The rules of soccer, each tested on a field with the ball placed where the rule applies.

use bevy::{prelude::*, time::TimeUpdateStrategy};
use bevy_maddpg::{
    agent::{Action, ActionOverride, PolicyOverride, Reward, Untrained},
    arena::{Episode, EpisodeEnded},
    headless,
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
    rollout::{Exploration, RolloutClock},
};
use bevy_maddpg_lab::{
    catalog::Soccer,
    experiment::evaluate,
    game::{Game, Scripted, Setup, headless_app},
    games::soccer::{
        DECISION_PERIOD, Field, Opponent, Player, STEP_SECONDS, Scatter, Script, Shaping, Sight, TIME_LIMIT,
        Team, dimensions::*,
    },
};
use bevy_rapier3d::prelude::*;

/// A world that takes one step per update. Its players stand still unless overridden.
fn world(game: &Soccer, arenas: usize) -> App {
    let policy = PolicySnapshot::zeros(&game.spec().groups(true).unwrap()).unwrap();
    let mut app = headless_app(game, MaddpgPlugins::play(policy), &Setup { arenas, seed: 1, human: None });
    app.insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
    headless::start(&mut app);
    app.update();
    app
}

fn soccer() -> App {
    world(&Soccer::played(Sight::Vector, None), 1)
}

fn field(app: &mut App) -> Field {
    app.world_mut().query::<&Field>().iter(app.world()).next().unwrap().clone()
}

/// Moves a body on the field.
fn put(app: &mut App, body: Entity, position: [f32; 2], velocity: [f32; 2]) {
    let center = field(app).center;
    let mut body = app.world_mut().entity_mut(body);
    let at = center + Vec2::from(position);
    body.get_mut::<Transform>().unwrap().translation = Vec3::new(at.x, HEIGHT, at.y);
    body.get_mut::<Velocity>().unwrap().linear = Vec3::new(velocity[0], 0.0, velocity[1]);
}

fn motion(app: &App, body: Entity) -> (Vec2, Vec2) {
    let (transform, velocity) = (app.world().get::<Transform>(body), app.world().get::<Velocity>(body));
    (transform.unwrap().translation.xz(), velocity.unwrap().linear.xz())
}

/// Puts the players into their own corners, out of the way.
fn clear(app: &mut App) {
    let field = field(app);
    for (slot, player) in field.players.into_iter().enumerate() {
        let side = -Team::of_slots()[slot].mirror();
        put(app, player, [side * 10.0, if slot % 2 == 0 { -6.0 } else { 6.0 }], [0.0; 2]);
    }
}

fn ended(app: &mut App, steps: u32) -> Option<EpisodeEnded> {
    (0..steps).find_map(|_| {
        app.update();
        app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().next()
    })
}

#[test]
fn a_goal_ends_the_episode_and_is_worth_less_the_later_it_is_scored() {
    for (direction, waited) in [(1.0, 0), (-1.0, 0), (1.0, 100)] {
        let mut app = soccer();
        clear(&mut app);
        let ball = field(&mut app).ball;
        put(&mut app, ball, [0.0, 0.0], [0.0; 2]);
        (0..waited).for_each(|_| app.update());
        put(&mut app, ball, [direction * 14.0, 3.0], [direction * 12.0, 0.0]);
        let steps = field(&mut app).steps;
        let ended = ended(&mut app, 20).expect("a goal");
        assert!(!ended.truncated);
        let share = |steps: u32| 1.0 - steps as f32 / (TIME_LIMIT * DECISION_PERIOD) as f32;
        let [scorers, others] = if direction > 0.0 { [[0, 1], [2, 3]] } else { [[2, 3], [0, 1]] };
        for slot in scorers {
            assert!(ended.returns[slot] < share(steps) && ended.returns[slot] > share(steps + 20));
        }
        assert!(others.iter().all(|slot| ended.returns[*slot] == -1.0), "{:?}", ended.returns);
        let measures: Vec<f32> = ended.measures.iter().map(|(_, value)| value).collect();
        let won = if direction > 0.0 { [1.0, 0.0, 0.0, 1.0, 0.0] } else { [0.0, 0.0, 1.0, 0.0, 1.0] };
        assert_eq!(measures[..5], won);
    }
}

#[test]
fn beside_the_goal_the_ball_stays_in_play() {
    let mut app = soccer();
    clear(&mut app);
    let ball = field(&mut app).ball;
    put(&mut app, ball, [11.0, 5.5], [12.0, 0.0]);
    assert!(ended(&mut app, 40).is_none());
    assert!(motion(&app, ball).0.x < HALF_LENGTH, "it bounces off the corner wall");
}

#[test]
fn nothing_leaves_the_field_at_full_speed() {
    let mut app = soccer();
    let field = field(&mut app);
    for number in 0..24 {
        clear(&mut app);
        let direction = Vec2::from_angle(number as f32 * std::f32::consts::TAU / 24.0);
        put(&mut app, field.ball, [0.0, 0.0], (60.0 * direction).to_array());
        let player = field.players[number % 4];
        put(&mut app, player, [0.0, 3.0], (34.0 * direction).to_array());
        for _ in 0..60 {
            app.update();
            for body in field.players.into_iter().chain([field.ball]) {
                let (at, speed) = motion(&app, body);
                let is_inside = at.x.abs() < HALF_LENGTH + GOAL_DEPTH && at.y.abs() < HALF_WIDTH;
                assert!(is_inside && speed.is_finite(), "{body} is at {at}");
                let height = app.world().get::<Transform>(body).unwrap().translation.y;
                assert_eq!(height, HEIGHT, "nothing moves up or down");
            }
        }
    }
}

#[test]
fn a_player_that_runs_forward_kicks_the_ball_and_one_that_runs_backward_does_not() {
    let mut speeds = Vec::new();
    for forward in [1.0, 0.0] {
        let mut app = soccer();
        clear(&mut app);
        let field = field(&mut app);
        let player = field.players[0];
        app.world_mut().entity_mut(player).insert(ActionOverride(vec![forward, 0.0, 0.0]));
        app.world_mut().get_mut::<Player>(player).unwrap().facing = Vec2::X;
        (0..DECISION_PERIOD).for_each(|_| app.update());
        put(&mut app, field.ball, [0.0, 0.0], [0.0; 2]);
        put(&mut app, player, [-1.3, 0.0], [9.0, 0.0]);
        let fastest = (0..10).fold(0.0f32, |fastest, _| {
            app.update();
            fastest.max(motion(&app, field.ball).1.x)
        });
        speeds.push(fastest);
    }
    assert!(speeds[0] - speeds[1] > 13.0, "a kick adds 13.3 m/s: {speeds:?}");
    assert!(speeds[1] < 16.0, "without a kick, the ball only bounces: {speeds:?}");
}

#[test]
fn players_run_as_fast_as_in_the_original_and_turn_to_their_right() {
    let mut app = soccer();
    clear(&mut app);
    let field = field(&mut app);
    let fastest = |app: &mut App, action: [f32; 3]| {
        let player = field.players[1];
        put(app, player, [-12.0, 3.0], [0.0; 2]);
        app.world_mut().get_mut::<Player>(player).unwrap().facing = Vec2::X;
        app.world_mut().entity_mut(player).insert(ActionOverride(action.to_vec()));
        (0..DECISION_PERIOD).for_each(|_| app.update());
        put(app, player, [-12.0, 3.0], [0.0; 2]);
        let mut fastest = Vec2::ZERO;
        for _ in 0..30 {
            app.update();
            fastest = fastest.max(motion(app, player).1);
        }
        fastest
    };
    let forward = fastest(&mut app, [1.0, 0.0, 0.0]).x;
    assert!((24.0..34.0).contains(&forward), "{forward} m/s forward");
    let sideways = fastest(&mut app, [0.0, 1.0, 0.0]).y;
    assert!((5.0..10.5).contains(&sideways), "{sideways} m/s to the right, which is +z");
    let player = field.players[1];
    app.world_mut().entity_mut(player).insert(ActionOverride(vec![0.0, 0.0, 1.0]));
    (0..DECISION_PERIOD).for_each(|_| app.update());
    app.world_mut().get_mut::<Player>(player).unwrap().facing = Vec2::X;
    (0..25).for_each(|_| app.update());
    let angle = app.world().get::<Player>(player).unwrap().facing.to_angle().to_degrees();
    let expected = 100.0 * 25.0 * STEP_SECONDS as f32;
    assert!((angle - expected).abs() < 0.5, "turned by {angle}°, expected {expected}°");
}

#[test]
fn games_start_as_specified() {
    let mut app = world(&Soccer::played(Sight::Vector, None), 64);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let mut arenas = app.world_mut().query::<&mut Episode>();
        arenas.iter_mut(app.world_mut()).for_each(|mut episode| episode.truncate());
        app.update();
        let fields: Vec<Field> = app.world_mut().query::<&Field>().iter(app.world()).cloned().collect();
        for field in fields {
            let (ball, speed) = motion(&app, field.ball);
            let ball = ball - field.center;
            assert!(ball.abs().max_element() <= 2.51 && speed == Vec2::ZERO, "{ball}");
            seen.push(ball.x);
            for (slot, player) in field.players.into_iter().enumerate() {
                let mirror = Team::of_slots()[slot].mirror();
                let at = mirror * (motion(&app, player).0 - field.center);
                assert!((-13.2..=-3.18).contains(&at.x) && (at.y.abs() - 1.2).abs() < 1e-4, "{at}");
                let facing = mirror * app.world().get::<Player>(player).unwrap().facing;
                assert!(facing.to_angle().to_degrees().abs() <= 10.1);
            }
        }
    }
    let [low, high] = [f32::min, f32::max].map(|pick| seen.iter().copied().reduce(pick).unwrap());
    assert!(low < -2.0 && high > 2.0, "kick-offs differ: {low} to {high}");
}

#[test]
fn a_game_without_a_goal_is_cut_off_as_a_draw() {
    let mut app = soccer();
    clear(&mut app);
    let ball = field(&mut app).ball;
    put(&mut app, ball, [0.0, 0.0], [0.0; 2]);
    let ended = ended(&mut app, TIME_LIMIT * DECISION_PERIOD + 5).expect("a time-out");
    assert!(ended.truncated && ended.decisions == TIME_LIMIT);
    assert_eq!(ended.returns, [0.0; 4]);
    let draws = ended.measures.iter().find(|(name, _)| *name == "draws").unwrap();
    assert_eq!(draws.1, 1.0);
}

#[test]
fn shaping_pays_for_coming_closer_until_it_has_faded() {
    let game = Soccer { scatter: Scatter::NONE, self_play: None, ..Soccer::default() };
    let earned = |shaping: Shaping, decisions: u64| {
        let mut app = world(&Soccer { shaping, ..game.clone() }, 1);
        app.world_mut().resource_mut::<RolloutClock>().decisions = decisions;
        clear(&mut app);
        let field = field(&mut app);
        put(&mut app, field.ball, [0.0, 0.0], [0.0; 2]);
        (0..5).for_each(|_| app.update());
        let before = app.world().get::<Reward>(field.players[0]).unwrap().episode_return();
        put(&mut app, field.players[0], [-2.25, -6.0], [0.0; 2]);
        (0..2).for_each(|_| app.update());
        app.world().get::<Reward>(field.players[0]).unwrap().episode_return() - before
    };
    let shaping = Shaping { approach: 0.3, progress: 0.0, decisions: 1_000_000 };
    let (from, to) = (10.0f32.hypot(6.0), 2.25f32.hypot(6.0));
    for (decisions, share) in [(0, 1.0), (500_000, 0.5), (1_000_000, 0.0), (2_000_000, 0.0)] {
        let expected = share * 0.3 * (from - to) / 15.5;
        let found = earned(shaping, decisions);
        assert!((found - expected).abs() <= 0.01 * share, "{found}, expected {expected} after {decisions}");
    }
    assert_eq!(earned(Shaping::NONE, 0), 0.0);
}

#[test]
fn an_opponent_plays_blue_and_purple_in_turn_and_does_not_learn() {
    for (opponent, is_script) in [
        (Opponent::Script(Script::Chaser), true),
        (
            Opponent::Policy(std::sync::Arc::new(
                PolicySnapshot::zeros(&Soccer::played(Sight::Vector, None).spec().groups(true).unwrap())
                    .unwrap(),
            )),
            false,
        ),
    ] {
        let mut app = world(&Soccer::played(Sight::Vector, Some(opponent)), 4);
        (0..10).for_each(|_| app.update());
        let fields: Vec<Field> = app.world_mut().query::<&Field>().iter(app.world()).cloned().collect();
        let homes: Vec<Team> = fields.iter().map(|field| field.home).collect();
        assert_eq!(homes, [Team::Blue, Team::Purple, Team::Blue, Team::Purple]);
        for field in fields {
            for (slot, player) in field.players.into_iter().enumerate() {
                let is_visitor = Team::of_slots()[slot] != field.home;
                let player = app.world().entity(player);
                assert_eq!(player.contains::<Untrained>(), is_visitor);
                assert_eq!(player.contains::<Scripted>(), is_visitor && is_script);
                assert_eq!(player.contains::<PolicyOverride>(), is_visitor && !is_script);
                let acts = player.get::<Action>().unwrap().iter().any(|number| *number != 0.0);
                assert_eq!(acts, is_visitor && is_script, "the policy of zeros stands still");
            }
        }
    }
}

#[test]
fn the_scripts_are_as_strong_as_they_were() {
    let wins = |own: Script, other: Script| {
        let mut app = world(&Soccer::played(Sight::Vector, Some(Opponent::Script(other))), 32);
        app.insert_resource(TimeUpdateStrategy::FixedTimesteps(DECISION_PERIOD));
        let players: Vec<Entity> = app
            .world_mut()
            .query_filtered::<Entity, (With<Player>, Without<Scripted>)>()
            .iter(app.world())
            .collect();
        for player in players {
            app.world_mut().entity_mut(player).insert((own, Scripted, Untrained));
        }
        app.world_mut().resource_mut::<Exploration>().enabled = false;
        let (mut won, mut games) = (0.0, 0.0);
        while games < 200.0 {
            app.update();
            for game in app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain() {
                games += 1.0;
                won += game.measures.iter().find(|(name, _)| *name == "wins").unwrap().1;
            }
        }
        won / games
    };
    let rates = [
        wins(Script::Chaser, Script::Random),
        wins(Script::Chaser, Script::Simple),
        wins(Script::Simple, Script::Random),
    ];
    println!("chaser against random and simple, simple against random: {rates:?}");
    assert!(rates[0] > 0.85 && rates[1] > 0.6 && rates[2] > 0.6, "{rates:?}");
}

#[test]
fn the_shipped_policies_play_soccer_and_the_hard_one_is_the_stronger() {
    let load = |name: &str| {
        PolicySnapshot::load(format!("assets/policies/soccer-{name}.safetensors")).expect("a shipped policy")
    };
    let [easy, medium, hard] = ["easy", "medium", "hard"].map(load);
    let won = |policy: &PolicySnapshot, opponent: Opponent| {
        let game = Soccer::played(Sight::Vector, Some(opponent));
        evaluate(&game, policy, 300, 5, || false).unwrap().results.unwrap().win_rate
    };
    let against_simple = won(&hard, Opponent::Script(Script::Simple));
    assert!(against_simple > 0.8, "hard against simple: {against_simple}");
    for (name, weaker) in [("easy", easy), ("medium", medium)] {
        let rate = won(&hard, Opponent::Policy(weaker.into()));
        assert!(rate > 0.55, "hard against {name}: {rate}");
    }
}

/// Where ball and player are after 40 steps, in which the player runs into the ball while it turns and pushes to the side, and where
/// it then looks. With `side` -1, everything is seen in a mirror along the field.
fn played_in_a_mirror(side: f32) -> [Vec2; 3] {
    let mut app = soccer();
    clear(&mut app);
    let field = field(&mut app);
    let player = field.players[0];
    app.world_mut().entity_mut(player).insert(ActionOverride(vec![1.0, side * 0.5, side * 0.4]));
    (0..DECISION_PERIOD).for_each(|_| app.update());
    put(&mut app, field.ball, [0.0, side * 0.6], [0.0; 2]);
    put(&mut app, player, [-3.0, side * 0.5], [0.0; 2]);
    app.world_mut().get_mut::<Player>(player).unwrap().facing = Vec2::new(1.0, side * 0.1).normalize();
    (0..40).for_each(|_| app.update());
    let seen = |vector: Vec2| Vec2::new(vector.x, side * vector.y);
    let [ball, own] = [field.ball, player].map(|body| motion(&app, body).0 - field.center);
    [ball, own, app.world().get::<Player>(player).unwrap().facing].map(seen)
}

#[test]
fn the_game_is_the_same_in_a_mirror() {
    let (here, there) = (played_in_a_mirror(1.0), played_in_a_mirror(-1.0));
    assert!(here[0].length() > 2.0, "the player meets the ball: {here:?}");
    for (here, there) in here.into_iter().zip(there) {
        assert!(here.distance(there) < 0.02, "{here} and {there}");
    }
}
