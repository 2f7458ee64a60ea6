//! What games do with their arenas and agents: menus, deaths, late joiners, ends from any schedule, and mistakes. Nothing panics,
//! nothing is silent, and nothing is learned from wrong data.

use bevy::prelude::*;
use bevy_maddpg::{
    exploration::{ExplorationConfig, Noise},
    headless,
    learner::LearnerConfig,
    policy::{AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, Policy},
    prelude::*,
    problems::Problems,
    transition::TransitionBlock,
};

/// The agent's observation: how many steps it has lived.
#[derive(Component, Default)]
struct Age(f32);

fn observe(mut agents: Query<(&Age, &mut Observation)>) {
    agents.iter_mut().for_each(|(age, mut observation)| observation.write(&[age.0]));
}

fn grow(mut agents: Query<(&mut Age, &mut Reward)>) {
    for (mut age, mut reward) in &mut agents {
        age.0 += 1.0;
        reward.add(1.0);
    }
}

fn reset(resets: ArenasToReset, mut agents: Query<(&InArena, &mut Age)>) {
    for (place, mut age) in &mut agents {
        if resets.contains(place.arena) {
            age.0 = 0.0;
        }
    }
}

/// An app with a step and a decision at each update.
fn app(plugins: MaddpgPlugins) -> App {
    let mut app = headless::app(1);
    app.add_plugins(plugins.with_decision_period(1))
        .add_systems(Reset, reset)
        .add_systems(Observe, observe)
        .add_systems(FixedUpdate, grow);
    app
}

fn training() -> MaddpgPlugins {
    let config = TrainingConfig {
        learner: LearnerConfig { learning_starts: 1_000_000, ..default() },
        exploration: ExplorationConfig { noise: Noise::None, random_decisions: 0, ..default() },
    };
    MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep)
}

fn spawn_arena(app: &mut App, agents: usize) -> (Entity, Vec<Entity>) {
    let arena = app.world_mut().spawn(Arena::default()).id();
    let agents = (0..agents).map(|slot| spawn_agent(app, arena, slot)).collect();
    (arena, agents)
}

fn spawn_agent(app: &mut App, arena: Entity, slot: usize) -> Entity {
    app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::slot(arena, slot), Age::default())).id()
}

fn update(app: &mut App, times: usize) {
    (0..times).for_each(|_| app.update());
}

/// The transitions that reached the learner.
fn transitions(app: &mut App) -> TransitionBlock {
    let block = app.world_mut().resource_mut::<Training>().stop().expect("a learner").replay().to_block();
    // Each row is one step of every agent of its arena, from an age to the next.
    for (now, next) in block.observations.iter().zip(&block.next_observations) {
        assert_eq!(*next, now + 1.0, "a transition runs over a reset or belongs to another agent");
    }
    block
}

fn told(app: &App) -> Vec<String> {
    app.world().resource::<Problems>().told().to_vec()
}

/// A policy of guards whose action is always 0.5.
fn guards(count: usize) -> PolicySnapshot {
    guards_that_act(count, 0.5)
}

fn guards_that_act(count: usize, action: f32) -> PolicySnapshot {
    let guard = AgentSpec { behavior: "guard".into(), observation_size: 1, action_size: 1 };
    let policies = ArenaSpec { slots: vec![guard; count] }.groups(true).unwrap().into_iter().map(|group| {
        let network =
            Network { shape: NetworkShape::new(1, &[], 1, false), parameters: vec![0.0, action.atanh()] };
        Policy::new(group, Normalizer::identity(1), network).unwrap()
    });
    PolicySnapshot::new(1, 1, 0, policies.collect()).unwrap()
}

fn action(app: &App, agent: Entity) -> f32 {
    app.world().get::<Action>(agent).unwrap()[0]
}

#[test]
fn without_arenas_and_agents_nothing_happens() {
    for plugins in [training(), MaddpgPlugins::play(guards(2))] {
        let mut app = app(plugins);
        headless::start(&mut app);
        update(&mut app, 5);
        let (arena, _) = spawn_arena(&mut app, 2);
        update(&mut app, 5);
        app.world_mut().despawn(arena);
        update(&mut app, 5);
        spawn_arena(&mut app, 2);
        update(&mut app, 5);
        assert_eq!(app.world().resource::<RolloutClock>().decisions, 10);
        assert_eq!(told(&app), [""; 0]);
    }
}

#[test]
fn policies_of_two_guards_play_any_number_of_guards() {
    let mut app = app(MaddpgPlugins::play(guards(2)));
    let guards: Vec<Entity> =
        [1, 3, 40].into_iter().flat_map(|count| spawn_arena(&mut app, count).1).collect();
    let alone = app.world_mut().spawn((Agent::new("guard", 1, 1), Age::default())).id();
    headless::start(&mut app);
    update(&mut app, 3);
    for guard in guards.into_iter().chain([alone]) {
        assert!((action(&app, guard) - 0.5).abs() < 1e-6);
    }
    assert_eq!(told(&app), [""; 0]);
}

#[test]
fn agents_with_policies_of_their_own_act_by_them() {
    for plugins in [training(), MaddpgPlugins::play(guards(2))] {
        let mut app = app(plugins);
        let (_, agents) = spawn_arena(&mut app, 2);
        let alone = app.world_mut().spawn((Agent::new("guard", 1, 1), Age::default())).id();
        let [easy, hard] = [-0.25, 0.75].map(|action| PolicyOverride(guards_that_act(1, action).into()));
        app.world_mut().entity_mut(agents[1]).insert(easy.clone());
        app.world_mut().entity_mut(alone).insert(hard);
        headless::start(&mut app);
        update(&mut app, 3);
        assert!((action(&app, agents[1]) + 0.25).abs() < 1e-6 && (action(&app, alone) - 0.75).abs() < 1e-6);
        app.world_mut().entity_mut(agents[1]).remove::<PolicyOverride>();
        update(&mut app, 1);
        // Their ages are the same, and so is what they do.
        assert_eq!(action(&app, agents[1]), action(&app, agents[0]), "the acting policy again");
        if let Some(mut training) = app.world_mut().get_resource_mut::<Training>() {
            let block = training.stop().unwrap().replay().to_block();
            assert!((block.actions[1] + 0.25).abs() < 1e-6, "what it did is learned from");
        }
    }
}

#[test]
fn agents_without_a_fitting_policy_do_nothing_and_say_so_once() {
    let mut app = app(MaddpgPlugins::play(guards(2)));
    let arena = spawn_arena(&mut app, 2).0;
    let wolf = app.world_mut().spawn((Agent::new("wolf", 1, 1), InArena::slot(arena, 2))).id();
    let wide = app.world_mut().spawn(Agent::new("guard", 3, 1)).id();
    headless::start(&mut app);
    update(&mut app, 5);
    assert_eq!((action(&app, wolf), action(&app, wide)), (0.0, 0.0));
    let told = told(&app);
    assert!(told.iter().any(|text| text.contains("`wolf`") && text.contains("no policy")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("`guard`") && text.contains("observes 3")), "{told:?}");
    assert_eq!(told.iter().filter(|text| text.contains("does nothing")).count(), 2, "{told:?}");
}

#[test]
fn an_arena_that_an_agent_has_left_plays_on_and_is_trained_again_when_it_is_complete() {
    let mut app = app(training());
    let (_, stay) = spawn_arena(&mut app, 2);
    let (arena, agents) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    update(&mut app, 10);
    app.world_mut().despawn(agents[0]);
    update(&mut app, 10);
    assert!(told(&app).iter().any(|text| text.contains("slots [1]")), "{:?}", told(&app));
    let age = |app: &App, agent| app.world().get::<Age>(agent).unwrap().0;
    assert_eq!((age(&app, agents[1]), age(&app, stay[1])), (20.0, 20.0), "all others play on");
    spawn_agent(&mut app, arena, 0);
    update(&mut app, 10);
    // The open decisions at the end and at the despawn are not complete.
    assert_eq!(transitions(&mut app).rows(), 29 + 9 + 9);
}

#[test]
fn an_episode_that_ends_as_its_agent_dies_is_learned_as_ended() {
    #[derive(Resource)]
    struct Dying(Entity);

    let mut app = app(training());
    let (_, agents) = spawn_arena(&mut app, 2);
    app.insert_resource(Dying(agents[0])).add_systems(
        FixedUpdate,
        (|mut commands: Commands,
          dying: Res<Dying>,
          ages: Query<&Age>,
          mut episodes: Query<&mut Episode>| {
            if ages.get(dying.0).is_ok_and(|age| age.0 == 5.0) {
                commands.entity(dying.0).despawn();
                episodes.iter_mut().for_each(|mut episode| episode.terminate());
            }
        })
        .after(grow),
    );
    headless::start(&mut app);
    let mut ends = 0;
    for _ in 0..10 {
        app.update();
        ends += app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().count();
    }
    assert_eq!(ends, 1);
    let block = app.world_mut().resource_mut::<Training>().stop().unwrap().replay().to_block();
    assert_eq!(block.terminated, [false, false, false, false, true]);
    assert_eq!(block.rewards, [1.0; 10]);
}

#[test]
fn the_end_of_an_episode_counts_from_any_schedule() {
    fn terminate(mut episodes: Query<&mut Episode>, mut agents: Query<(&Age, &mut Reward)>) {
        for (age, mut reward) in &mut agents {
            if age.0 >= 4.0 {
                reward.add(10.0);
                episodes.iter_mut().for_each(|mut episode| episode.terminate());
            }
        }
    }

    let mut blocks = Vec::new();
    for place in 0..4 {
        let mut app = app(training());
        match place {
            0 => app.add_systems(FixedUpdate, terminate.after(grow)),
            1 => app.add_systems(FixedPostUpdate, terminate),
            2 => app.add_systems(Update, terminate),
            _ => app.add_observer(|_: On<Add, Camera>, mut commands: Commands| {
                commands.run_system_cached(terminate)
            }),
        };
        spawn_arena(&mut app, 1);
        headless::start(&mut app);
        let mut returns = Vec::new();
        for _ in 0..13 {
            app.update();
            if place == 3 {
                app.world_mut().spawn(Camera::default());
                app.world_mut().flush();
            }
            let mut ended = app.world_mut().resource_mut::<Messages<EpisodeEnded>>();
            returns.extend(ended.drain().map(|ended| ended.returns[0]));
        }
        assert_eq!(returns, [14.0; 3], "place {place}");
        blocks.push(transitions(&mut app));
    }
    assert_eq!(blocks[0].terminated[..8], [false, false, false, true, false, false, false, true]);
    assert_eq!(blocks[0].rewards[..4], [1.0, 1.0, 1.0, 11.0]);
    assert!(
        blocks.iter().all(|block| block.rows() >= 12 && block.terminated[..12] == blocks[0].terminated[..12])
    );
    assert!(blocks.iter().all(|block| block.rewards[..12] == blocks[0].rewards[..12]));
}

#[test]
fn a_transition_with_a_number_that_is_not_finite_is_refused_and_training_goes_on() {
    let mut app = app(training());
    let (_, agents) = spawn_arena(&mut app, 1);
    headless::start(&mut app);
    update(&mut app, 3);
    app.world_mut().get_mut::<Age>(agents[0]).unwrap().0 = f32::NAN;
    update(&mut app, 3);
    assert!(action(&app, agents[0]).is_finite());
    app.world_mut().get_mut::<Age>(agents[0]).unwrap().0 = 0.0;
    app.world_mut().get_mut::<Reward>(agents[0]).unwrap().add(f32::INFINITY);
    update(&mut app, 4);
    app.world_mut().entity_mut(agents[0]).insert(ActionOverride(vec![f32::NAN]));
    update(&mut app, 1);
    app.world_mut().entity_mut(agents[0]).insert(ActionOverride(vec![0.1, 0.2]));
    update(&mut app, 1);
    assert!(action(&app, agents[0]).is_finite());
    let told = told(&app);
    for expected in ["observes NaN at index 0", "the reward inf", "`ActionOverride`"] {
        assert!(told.iter().any(|text| text.contains(expected)), "{expected}: {told:?}");
    }
    assert_eq!(told.len(), 3, "each once: {told:?}");
    let block = transitions(&mut app);
    assert!(block.rows() >= 6 && block.actions.iter().all(|number| number.is_finite()));
}

#[test]
fn an_observation_of_a_wrong_length_is_refused_by_name() {
    let mut app = app(training());
    let arena = app.world_mut().spawn(Arena::default()).id();
    app.world_mut().spawn((Agent::new("guard", 2, 1), InArena::slot(arena, 0), Age::default()));
    headless::start(&mut app);
    update(&mut app, 3);
    let told = told(&app);
    assert!(told[0].contains("`guard`") && told[0].contains("1 numbers, expected 2"), "{told:?}");
}

#[test]
fn an_agent_that_is_inserted_anew_with_other_sizes_leaves_the_training() {
    let mut app = app(training());
    let (_, _) = spawn_arena(&mut app, 2);
    let (_, agents) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    update(&mut app, 5);
    app.world_mut().entity_mut(agents[0]).insert(Agent::new("guard", 3, 2));
    update(&mut app, 5);
    assert!(told(&app).iter().any(|text| text.contains("without training")), "{:?}", told(&app));
    app.world_mut().entity_mut(agents[0]).insert(Agent::new("guard", 1, 1));
    update(&mut app, 5);
    assert!(transitions(&mut app).rows() >= 14 + 4 + 4);
}

#[test]
fn arenas_with_other_agents_are_played_without_training() {
    let mut app = app(training());
    (0..3).for_each(|_| _ = spawn_arena(&mut app, 2));
    let (_, others) = spawn_arena(&mut app, 3);
    headless::start(&mut app);
    update(&mut app, 5);
    assert_eq!(app.world().get::<Age>(others[2]).unwrap().0, 5.0);
    assert!(told(&app)[0].contains("all arenas that are trained need the same agents"), "{:?}", told(&app));
    assert_eq!(transitions(&mut app).rows(), 3 * 4);
}

#[test]
fn an_episode_without_a_decision_is_not_scored() {
    let mut app = app(training());
    let (arena, _) = spawn_arena(&mut app, 1);
    headless::start(&mut app);
    update(&mut app, 3);
    // Over at its start, several times.
    app.add_systems(Update, |mut episodes: Query<&mut Episode>| {
        episodes
            .iter_mut()
            .filter(|episode| episode.decisions() == 0)
            .for_each(|mut episode| episode.terminate());
    });
    app.world_mut().get_mut::<Episode>(arena).unwrap().truncate();
    let mut lengths = Vec::new();
    for _ in 0..6 {
        app.update();
        lengths.extend(
            app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().map(|ended| ended.decisions),
        );
    }
    assert!(lengths.iter().all(|decisions| *decisions > 0), "{lengths:?}");
}

#[test]
fn settings_out_of_range_and_other_failures_of_the_learner_are_seen_and_do_not_stop_the_game() {
    for config in [
        LearnerConfig { batch_size: 0, ..default() },
        LearnerConfig { actor_hidden: vec![0], ..default() },
        LearnerConfig { gamma: 1.5, ..default() },
    ] {
        let mut app = app(MaddpgPlugins::train(TrainingConfig { learner: config, ..default() }));
        let (_, agents) = spawn_arena(&mut app, 1);
        headless::start(&mut app);
        update(&mut app, 5);
        assert_eq!(app.world().get::<Age>(agents[0]).unwrap().0, 5.0);
        let failure = app.world().resource::<Training>().failure().unwrap();
        assert!(failure.contains("cannot start") && failure.contains("expected"), "{failure}");
    }
}

#[test]
fn what_makes_learning_impossible_is_told() {
    let mut app = headless::app(1);
    app.add_plugins(training().with_decision_period(1)).add_systems(
        Observe,
        |mut agents: Query<(&Agent, &mut Observation)>| {
            for (_, mut observation) in agents.iter_mut().filter(|(agent, _)| agent.behavior == "guard") {
                observation.write(&[1.0]);
            }
        },
    );
    let arena = app.world_mut().spawn(Arena::with_time_limit(100)).id();
    for (slot, behavior) in ["guard", "thief"].into_iter().enumerate() {
        app.world_mut().spawn((Agent::new(behavior, 1, 1), InArena::slot(arena, slot)));
    }
    headless::start(&mut app);
    update(&mut app, 1_200);
    let told = told(&app);
    for expected in [
        "no system writes the observation of agent",
        "no system is in the schedule `Reset`",
        "`guard` has been the same for 1000 decisions",
        "`thief` has earned the same reward in 1000 decisions",
    ] {
        assert!(told.iter().any(|text| text.contains(expected)), "{expected}: {told:?}");
    }
}

#[test]
fn one_arena_in_real_time_is_updated_within_twenty_seconds() {
    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::train(TrainingConfig::default()).with_training(|training| {
        training.pace = Pace::Lockstep;
    }))
    .add_systems(Observe, observe)
    .add_systems(Reset, reset)
    .add_systems(FixedUpdate, grow);
    spawn_arena(&mut app, 1);
    headless::start(&mut app);
    // 64 fixed steps per second.
    update(&mut app, 20 * 64);
    assert!(app.world().resource::<Training>().updates() > 0);
}

#[test]
fn an_agent_without_an_arena_is_told_while_training() {
    let mut app = app(training());
    spawn_arena(&mut app, 1);
    app.world_mut().spawn((Agent::new("guard", 1, 1), Age::default()));
    let empty = app.world_mut().spawn(Arena::default()).id();
    headless::start(&mut app);
    update(&mut app, 3);
    let told = told(&app);
    assert!(told.iter().any(|text| text.contains("is in no arena") && text.contains("`guard`")), "{told:?}");
    assert!(told.iter().any(|text| text.contains(&format!("arena {empty} has no agents"))), "{told:?}");
}

#[test]
#[should_panic(expected = "is in no arena")]
fn a_strict_app_panics_at_a_problem() {
    let mut plugins = training();
    plugins.rollout.strict = true;
    let mut app = app(plugins);
    app.world_mut().spawn((Agent::new("guard", 1, 1), Age::default()));
    headless::start(&mut app);
    update(&mut app, 3);
}

#[test]
fn agents_that_come_and_go_all_the_time_leave_nothing_behind() {
    let mut app = app(training());
    spawn_arena(&mut app, 1);
    headless::start(&mut app);
    for round in 0..300 {
        let (arena, agents) = spawn_arena(&mut app, 1);
        app.update();
        match round % 3 {
            0 => _ = app.world_mut().despawn(arena),
            1 => _ = app.world_mut().despawn(agents[0]) && app.world_mut().despawn(arena),
            _ => _ = app.world_mut().entity_mut(agents[0]).remove::<InArena>().id(),
        }
        if round % 3 == 2 {
            app.world_mut().despawn(agents[0]);
            app.world_mut().despawn(arena);
        }
    }
    app.update();
    assert_eq!(app.world().resource::<bevy_maddpg::rollout::Arenas>().len(), 1);
    assert!(transitions(&mut app).rows() >= 299);
}
