//! Ends, deaths and spawns while episodes end and arenas are set up: each is counted once, and nothing is lost.

mod training_app;

use bevy::prelude::*;
use bevy_maddpg::{
    agent::ActionOverride,
    headless,
    policy::{AgentSpec, ArenaSpec},
    prelude::*,
    transition::{SlotState, TransitionBlock},
};

use training_app::{ended, told, training};

/// An app with a step and a decision at each update. Every agent observes 1 and earns 1 in each step.
fn app(plugins: MaddpgPlugins) -> App {
    let mut app = headless::app(1);
    app.add_plugins(plugins.with_decision_period(1))
        .add_systems(Reset, || {})
        .add_systems(Observe, |mut agents: Query<&mut Observation>| {
            agents.iter_mut().for_each(|mut observation| observation.write(&[1.0]));
        })
        .add_systems(FixedUpdate, |mut rewards: Query<&mut Reward>| {
            rewards.iter_mut().for_each(|mut reward| reward.add(1.0));
        });
    app
}

fn guard() -> Agent {
    Agent::new("guard", 1, 1)
}

fn spawn(app: &mut App, agents: usize) -> (Entity, Vec<Entity>) {
    let arena = app.world_mut().spawn(Arena::default()).id();
    let agents = (0..agents).map(|_| app.world_mut().spawn((guard(), InArena::new(arena))).id()).collect();
    (arena, agents)
}

fn die(app: &mut App, agent: Entity) {
    app.world_mut().get_mut::<Life>(agent).unwrap().terminate();
}

/// The transitions that reached the learner.
fn transitions(app: &mut App) -> TransitionBlock {
    app.world_mut().resource_mut::<Training>().stop().expect("a learner").replay().to_block()
}

#[test]
fn an_episode_that_ends_while_others_are_told_or_set_up_is_recorded_and_told_as_well() {
    for in_reset in [false, true] {
        let mut app = app(training());
        let (leader, _) = spawn(&mut app, 1);
        let (follower, _) = spawn(&mut app, 1);
        let end = move |episode: Option<Mut<Episode>>| {
            if let Some(mut episode) = episode {
                episode.terminate();
            }
        };
        if in_reset {
            app.add_systems(Reset, move |world: &mut World| {
                if world.get::<Episode>(leader).is_some_and(Episode::needs_reset) {
                    end(world.get_mut::<Episode>(follower));
                }
            });
        } else {
            app.add_observer(move |ended: On<EpisodeEnded>, mut episodes: Query<&mut Episode>| {
                if ended.arena == leader {
                    end(episodes.get_mut(follower).ok());
                }
            });
        }
        headless::start(&mut app);
        assert_eq!(ended(&mut app, 3), []);
        app.world_mut().get_mut::<Episode>(leader).unwrap().terminate();
        let episodes = ended(&mut app, 3);
        let of = |arena: Entity| episodes.iter().filter(|episode| episode.arena == arena).collect::<Vec<_>>();
        assert_eq!((of(leader).len(), of(follower).len()), (1, 1), "in `Reset`: {in_reset}: {episodes:?}");
        assert!(!of(follower)[0].truncated && of(follower)[0].returns[0] >= 3.0, "{episodes:?}");
        let block = transitions(&mut app);
        assert_eq!(block.discounts.iter().filter(|discount| **discount == 0.0).count(), 2, "both ends");
        assert_eq!(told(&app), [""; 0]);
    }
}

#[test]
fn an_episode_with_fewer_agents_than_the_last_one_ends_when_they_have_died() {
    for plugins in [training(), MaddpgPlugins::play(guards(3))] {
        let mut app = app(plugins);
        let (arena, _) = spawn(&mut app, 3);
        app.add_systems(
            Reset,
            move |mut commands: Commands,
                  resets: ArenasToReset,
                  agents: Query<Entity, With<Agent>>,
                  mut is_first: Local<Option<()>>| {
                if resets.contains(arena) && is_first.replace(()).is_some() {
                    agents.iter().for_each(|agent| commands.entity(agent).despawn());
                    for _ in 0..2 {
                        commands.spawn((guard(), InArena::new(arena)));
                    }
                }
            },
        );
        headless::start(&mut app);
        ended(&mut app, 3);
        app.world_mut().get_mut::<Episode>(arena).unwrap().terminate();
        assert_eq!(ended(&mut app, 3).len(), 1);
        let agents: Vec<Entity> =
            app.world_mut().query_filtered::<Entity, With<Agent>>().iter(app.world()).collect();
        assert_eq!(agents.len(), 2);
        for agent in agents {
            die(&mut app, agent);
            app.world_mut().despawn(agent);
        }
        let episodes = ended(&mut app, 3);
        assert_eq!(episodes.len(), 1, "{episodes:?}");
        assert!(!episodes[0].truncated);
    }
}

#[test]
fn what_follows_is_not_known_if_somebody_leaves_as_the_last_one_dies() {
    let mut app = app(training());
    let (_, agents) = spawn(&mut app, 2);
    headless::start(&mut app);
    ended(&mut app, 3);
    // A body stays; the other player disconnects.
    die(&mut app, agents[0]);
    app.world_mut().despawn(agents[1]);
    let episodes = ended(&mut app, 2);
    assert!(episodes.len() == 1 && episodes[0].truncated, "{episodes:?}");
    let block = transitions(&mut app);
    let gone = SlotState { present_next: false, ..SlotState::PRESENT };
    let row = block.slots.chunks_exact(2).position(|row| row == [SlotState { ended: true, ..gone }, gone]);
    assert_eq!(row.map(|row| block.discounts[row]), Some(1.0), "{:?}", block.slots);
}

#[test]
fn an_arena_that_is_spawned_where_an_end_is_told_is_set_up_once() {
    #[derive(Resource, Default)]
    struct SetUp(Vec<Entity>);
    let mut app = app(training());
    let (first, _) = spawn(&mut app, 1);
    app.init_resource::<SetUp>()
        .add_observer(move |ended: On<EpisodeEnded>, mut commands: Commands| {
            if ended.arena == first {
                commands.spawn(Arena::default());
            }
        })
        .add_systems(
            Reset,
            |mut commands: Commands,
             resets: ArenasToReset,
             mut set_up: ResMut<SetUp>,
             members: Query<&InArena>| {
                for arena in resets.iter() {
                    set_up.0.push(arena);
                    if !members.iter().any(|place| place.arena == arena) {
                        commands.spawn((guard(), InArena::new(arena)));
                    }
                }
            },
        );
    headless::start(&mut app);
    ended(&mut app, 3);
    app.world_mut().get_mut::<Episode>(first).unwrap().terminate();
    assert_eq!(ended(&mut app, 4).len(), 1);
    let set_up = &app.world().resource::<SetUp>().0;
    let second = *set_up.iter().find(|arena| **arena != first).expect("a second arena");
    assert_eq!(set_up.iter().filter(|arena| **arena == second).count(), 1, "{set_up:?}");
    let episode = app.world().get::<Episode>(second).unwrap();
    assert_eq!(episode.number(), 0);
    assert!(episode.decisions() > 0 && episode.is_running());
    assert_eq!(app.world_mut().query::<&Agent>().iter(app.world()).count(), 2);
}

#[test]
fn the_dead_do_not_make_slow_agents_decide_more_often() {
    let mut app = app(training());
    let arena = app.world_mut().spawn(Arena::default()).id();
    let [dead, _] = [(); 2].map(|()| app.world_mut().spawn((guard().every(5), InArena::new(arena))).id());
    headless::start(&mut app);
    ended(&mut app, 3);
    die(&mut app, dead);
    ended(&mut app, 5);
    let before = app.world().resource::<RolloutClock>().decisions;
    ended(&mut app, 20);
    let made = app.world().resource::<RolloutClock>().decisions - before;
    assert_eq!(made, 4, "one joint decision for five of the world");
}

#[test]
fn an_agent_that_is_killed_before_its_first_decision_stays_dead() {
    let mut app = app(training());
    let (arena, agents) = spawn(&mut app, 2);
    headless::start(&mut app);
    ended(&mut app, 3);
    app.world_mut().despawn(agents[1]);
    let mut life = Life::default();
    life.terminate();
    let stillborn = app.world_mut().spawn((guard(), InArena::new(arena), life)).id();
    assert_eq!(ended(&mut app, 3), []);
    assert!(app.world().get::<Life>(stillborn).unwrap().is_over());
    die(&mut app, agents[0]);
    assert_eq!(ended(&mut app, 2).len(), 1, "nobody is left");
}

#[test]
fn a_return_is_counted_once_if_an_agent_changes_its_slot() {
    let mut app = app(training());
    let arena = app.world_mut().spawn(Arena::default()).id();
    let [mover, leaver] =
        [0, 1].map(|slot| app.world_mut().spawn((guard(), InArena::slot(arena, slot))).id());
    headless::start(&mut app);
    ended(&mut app, 4);
    app.world_mut().despawn(leaver);
    app.world_mut().entity_mut(mover).insert(InArena::slot(arena, 1));
    ended(&mut app, 4);
    app.world_mut().get_mut::<Episode>(arena).unwrap().terminate();
    let episodes = ended(&mut app, 2);
    let total: f32 = episodes[0].returns.iter().sum();
    assert!((12.0..=14.0).contains(&total), "8 or 9 steps of one and 4 or 5 of the other: {episodes:?}");
}

#[test]
fn an_override_plays_for_an_agent_without_a_policy_as_long_as_it_lives() {
    let mut plugins = MaddpgPlugins::play(guards(1));
    plugins.rollout.strict = true;
    let mut app = app(plugins);
    let arena = app.world_mut().spawn(Arena::default()).id();
    let person = Agent::new("person", 1, 1);
    let here = app.world_mut().spawn((person.clone(), InArena::new(arena), ActionOverride(vec![0.5]))).id();
    // It is asked, and has no slot.
    let alone = app.world_mut().spawn((person.on_demand(), ActionOverride(vec![0.5]))).id();
    headless::start(&mut app);
    ended(&mut app, 2);
    let action = |app: &App, agent: Entity| app.world().get::<Action>(agent).unwrap()[0];
    assert_eq!([here, alone].map(|agent| action(&app, agent)), [0.5; 2]);
    app.world_mut().get_mut::<ActionOverride>(alone).unwrap().0[0] = -0.5;
    ended(&mut app, 2);
    assert_eq!(action(&app, alone), 0.5, "it was not asked");
    app.world_mut().get_mut::<DecisionClock>(alone).unwrap().request();
    ended(&mut app, 2);
    assert_eq!(action(&app, alone), -0.5);
    die(&mut app, alone);
    ended(&mut app, 2);
    assert_eq!(action(&app, alone), 0.0);
}

/// A policy of guards.
fn guards(count: usize) -> PolicySnapshot {
    let spec = ArenaSpec::new(vec![AgentSpec::new("guard", 1, 1); count]);
    PolicySnapshot::zeros(&spec.groups(true).unwrap()).unwrap()
}

#[test]
fn rewards_that_are_added_in_observe_count_once_whatever_happens_in_other_arenas() {
    let mut app = headless::app(1);
    app.add_plugins(training().with_decision_period(1)).add_systems(Reset, || {}).add_systems(
        Observe,
        |mut agents: Query<(&mut Observation, &mut Reward)>| {
            for (mut observation, mut reward) in &mut agents {
                observation.write(&[1.0]);
                reward.add(1.0);
            }
        },
    );
    for limit in [4, 7] {
        let arena = app.world_mut().spawn(Arena::with_time_limit(limit)).id();
        app.world_mut().spawn((guard(), InArena::new(arena)));
    }
    headless::start(&mut app);
    let ended = ended(&mut app, 60);
    for episode in &ended {
        assert_eq!(episode.returns, [episode.decisions as f32], "{episode:?}");
    }
    assert!(ended.len() > 20);
    let block = transitions(&mut app);
    assert!(
        block.rewards.len() > 100 && block.rewards.iter().all(|reward| *reward == 1.0),
        "{:?}",
        block.rewards
    );
}

#[test]
fn an_arena_that_is_despawned_with_its_dead_agents_tells_the_end_of_its_episode() {
    for truncated in [false, true] {
        let mut app = app(training());
        // One that plays alone, and an arena whose agent dies before it.
        let alone = app.world_mut().spawn((Arena::default(), guard())).id();
        let (arena, agents) = spawn(&mut app, 1);
        headless::start(&mut app);
        app.update();
        (0..4).for_each(|_| app.update());
        for agent in [alone, agents[0]] {
            let mut life = app.world_mut().get_mut::<Life>(agent).unwrap();
            if truncated { life.truncate() } else { life.terminate() }
        }
        app.world_mut().despawn(alone);
        app.world_mut().despawn(arena);
        let ended = ended(&mut app, 3);
        assert_eq!(ended.len(), 2);
        for episode in ended {
            assert_eq!((episode.truncated, episode.decisions), (truncated, 5));
            assert_eq!(episode.returns, [5.0]);
        }
    }
}

#[test]
fn what_a_game_measures_begins_at_zero_in_each_episode() {
    let mut app = app(training());
    app.add_systems(FixedUpdate, |mut arenas: Query<&mut Measures>| {
        arenas.iter_mut().for_each(|mut measures| measures.add("steps", 1.0));
    });
    app.world_mut().spawn((Arena::with_time_limit(4), guard(), Measures::default()));
    headless::start(&mut app);
    let ended = ended(&mut app, 20);
    assert!(ended.len() > 3);
    for episode in ended {
        assert_eq!(episode.measures.get("steps"), Some(4.0));
    }
}

#[test]
fn an_arena_may_wait_for_its_first_wave_if_it_reserves_slots() {
    let mut app = app(training());
    let level = app.world_mut().spawn(Arena::default().with_slots_for(guard(), 3)).id();
    headless::start(&mut app);
    (0..10).for_each(|_| app.update());
    app.world_mut().spawn((guard(), InArena::new(level)));
    (0..10).for_each(|_| app.update());
    assert!(told(&app).is_empty(), "{:?}", told(&app));
}

#[test]
fn an_episode_that_does_not_end_is_told() {
    for (redraw_decisions, is_told) in [(0, true), (100, false)] {
        let mut plugins = training().with_decision_period(1);
        plugins.rollout.exploration.redraw_decisions = redraw_decisions;
        let mut app = headless::app(1);
        app.add_plugins(plugins).add_systems(Reset, || {});
        app.add_systems(Observe, |mut agents: Query<&mut Observation>, mut turn: Local<f32>| {
            *turn += 1.0;
            agents.iter_mut().for_each(|mut observation| observation.write(&[*turn]));
        })
        .add_systems(FixedUpdate, |mut rewards: Query<&mut Reward>, mut turn: Local<f32>| {
            *turn += 1.0;
            rewards.iter_mut().for_each(|mut reward| reward.add(*turn));
        });
        spawn(&mut app, 1);
        headless::start(&mut app);
        (0..9_990).for_each(|_| app.update());
        assert!(told(&app).is_empty(), "{:?}", told(&app));
        (0..20).for_each(|_| app.update());
        let told = told(&app);
        assert_eq!(told.len(), usize::from(is_told), "{told:?}");
        assert!(told.iter().all(|text| text.contains("with_time_limit")), "{told:?}");
    }
}

#[test]
fn a_game_in_frames_that_learns_at_another_speed_is_told() {
    for (timing, speed, is_told) in
        [(StepTiming::Frame, 8.0, true), (StepTiming::Frame, 1.0, false), (StepTiming::FixedStep, 8.0, false)]
    {
        let mut app = app(training().with_timing(timing));
        spawn(&mut app, 1);
        headless::start(&mut app);
        app.world_mut().resource_mut::<Time<Virtual>>().set_relative_speed(speed);
        (0..5).for_each(|_| app.update());
        assert_eq!(
            told(&app).iter().any(|text| text.contains("8 times as fast")),
            is_told,
            "{:?}",
            told(&app)
        );
    }
}
