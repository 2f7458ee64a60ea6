//! Which policy agents act by: shared ones, their own, several files, and none.

use bevy::prelude::*;
use bevy_maddpg::{
    exploration::{ExplorationConfig, Noise},
    headless,
    learner::LearnerConfig,
    policy::{AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, Policy},
    prelude::*,
    problems::Problems,
};

/// An app with a step and a decision at each update, in which every guard observes the same number.
fn app(plugins: MaddpgPlugins) -> App {
    let mut app = headless::app(1);
    app.add_plugins(plugins.with_decision_period(1)).add_systems(Reset, || {}).add_systems(
        Observe,
        |mut agents: Query<&mut Observation>, mut count: Local<f32>| {
            *count += 1.0;
            agents.iter_mut().for_each(|mut observation| observation.write(&[*count]));
        },
    );
    app
}

fn training(config: LearnerConfig) -> MaddpgPlugins {
    let config = TrainingConfig {
        learner: LearnerConfig { learning_starts: 1_000_000, ..config },
        exploration: ExplorationConfig { noise: Noise::Gaussian, random_decisions: 100, ..default() },
    };
    MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep)
}

fn spawn_arena(app: &mut App, agents: usize) -> (Entity, Vec<Entity>) {
    let arena = app.world_mut().spawn(Arena::default()).id();
    let spawn = |slot| app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::slot(arena, slot))).id();
    (arena, (0..agents).map(spawn).collect())
}

fn update(app: &mut App, times: usize) {
    (0..times).for_each(|_| app.update());
}

fn told(app: &App) -> Vec<String> {
    app.world().resource::<Problems>().told().to_vec()
}

/// A policy of guards whose action is always 0.5.
fn guards(count: usize) -> PolicySnapshot {
    acting("guard", count, 0.5)
}

/// A policy of agents whose action is always the same.
fn acting(behavior: &str, count: usize, action: f32) -> PolicySnapshot {
    let spec = ArenaSpec::new(vec![AgentSpec::new(behavior, 1, 1); count]);
    let policies = spec.groups(true).unwrap().into_iter().map(|group| {
        let network =
            Network { shape: NetworkShape::new(1, &[], 1, false), parameters: vec![0.0, action.atanh()] };
        Policy::new(group, Normalizer::identity(1), network).unwrap()
    });
    PolicySnapshot::new(1, 1, 0, policies.collect()).unwrap()
}

/// A policy of zeros for agents that observe three numbers.
fn wide(behavior: &str) -> PolicySnapshot {
    let spec = ArenaSpec::new(vec![AgentSpec::new(behavior, 3, 1)]);
    PolicySnapshot::zeros(&spec.groups(true).unwrap()).unwrap()
}

fn action(app: &App, agent: Entity) -> f32 {
    app.world().get::<Action>(agent).unwrap()[0]
}

#[test]
fn policies_of_two_guards_play_any_number_of_guards() {
    let mut app = app(MaddpgPlugins::play(guards(2)));
    let guards: Vec<Entity> =
        [1, 3, 40].into_iter().flat_map(|count| spawn_arena(&mut app, count).1).collect();
    let alone = app.world_mut().spawn(Agent::new("guard", 1, 1)).id();
    headless::start(&mut app);
    update(&mut app, 3);
    for guard in guards.into_iter().chain([alone]) {
        assert!((action(&app, guard) - 0.5).abs() < 1e-6);
    }
    assert_eq!(told(&app), [""; 0]);
}

#[test]
fn agents_with_policies_of_their_own_act_by_them() {
    for plugins in [training(LearnerConfig::default()), MaddpgPlugins::play(guards(2))] {
        let mut app = app(plugins);
        let (_, agents) = spawn_arena(&mut app, 2);
        let alone = app.world_mut().spawn(Agent::new("guard", 1, 1)).id();
        let [easy, hard] = [-0.25, 0.75].map(|action| PolicyOverride(acting("guard", 1, action).into()));
        app.world_mut().entity_mut(agents[1]).insert(easy.clone());
        app.world_mut().entity_mut(alone).insert(hard);
        headless::start(&mut app);
        update(&mut app, 3);
        assert!((action(&app, agents[1]) + 0.25).abs() < 1e-6 && (action(&app, alone) - 0.75).abs() < 1e-6);
        app.world_mut().entity_mut(agents[1]).remove::<PolicyOverride>();
        update(&mut app, 1);
        assert!((action(&app, agents[1]) + 0.25).abs() > 1e-6, "the acting policy again");
        if let Some(mut training) = app.world_mut().get_resource_mut::<Training>() {
            let block = training.stop().unwrap().replay().to_block();
            assert!((block.actions[1] + 0.25).abs() < 1e-6, "what it did is learned from");
        }
    }
}

#[test]
fn agents_without_a_fitting_policy_do_nothing_and_each_reason_is_told_once() {
    let mut app = app(MaddpgPlugins::play(guards(2)));
    let (arena, agents) = spawn_arena(&mut app, 2);
    // It has a seat and a policy of its own, which does not fit.
    let lost = agents[1];
    app.world_mut().entity_mut(lost).insert(PolicyOverride(wide("guard").into()));
    let wolf = app.world_mut().spawn((Agent::new("wolf", 1, 1), InArena::slot(arena, 2))).id();
    let wide = app.world_mut().spawn(Agent::new("guard", 3, 1)).id();
    headless::start(&mut app);
    update(&mut app, 5);
    for idle in [wolf, wide, lost] {
        let action = app.world().get::<Action>(idle).unwrap();
        assert!(!action.is_made() && action[0] == 0.0, "{action:?}");
    }
    let told = told(&app);
    assert!(told.iter().any(|text| text.contains("`wolf`") && text.contains("no policy")), "{told:?}");
    assert!(
        told.iter().any(|text| text.contains("`guard`") && text.contains("3 observed numbers instead of 1")),
        "{told:?}"
    );
    assert_eq!(told.iter().filter(|text| text.contains("does nothing")).count(), 3, "{told:?}");
}

#[test]
fn a_policy_for_other_sizes_is_refused_by_name_and_the_old_one_stays() {
    let mut app = app(MaddpgPlugins::play(guards(2)));
    let (_, agents) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    update(&mut app, 2);
    app.world_mut().resource_mut::<ActingPolicy>().set(wide("guard"));
    update(&mut app, 2);
    assert!((action(&app, agents[0]) - 0.5).abs() < 1e-6, "the old policy acts");
    assert_eq!(told(&app).len(), 1);
    assert!(told(&app)[0].contains("`guard`") && told(&app)[0].contains("stays in use"), "{:?}", told(&app));
    app.world_mut().resource_mut::<ActingPolicy>().set(acting("guard", 1, -0.5));
    update(&mut app, 2);
    assert!((action(&app, agents[0]) + 0.5).abs() < 1e-6);
    // Two that do not fit, before the next decision.
    app.world_mut().resource_mut::<ActingPolicy>().set(wide("guard"));
    app.world_mut().resource_mut::<ActingPolicy>().set(wide("guard"));
    update(&mut app, 2);
    assert!((action(&app, agents[0]) + 0.5).abs() < 1e-6, "the policy before both stays in use");
}

#[test]
fn policies_of_several_files_play_together() {
    let mut app = app(MaddpgPlugins::play(guards(1)));
    let (arena, agents) = spawn_arena(&mut app, 1);
    let wolf = app.world_mut().spawn((Agent::new("wolf", 1, 1), InArena::new(arena))).id();
    headless::start(&mut app);
    app.world_mut().resource_mut::<ActingPolicy>().add(acting("wolf", 1, 0.25));
    update(&mut app, 2);
    assert!((action(&app, agents[0]) - 0.5).abs() < 1e-6 && (action(&app, wolf) - 0.25).abs() < 1e-6);
    assert_eq!(told(&app), [""; 0]);
}

#[test]
fn a_policy_that_is_added_and_does_not_fit_is_refused_and_the_others_stay() {
    let mut app = app(MaddpgPlugins::play(guards(1)));
    let (arena, agents) = spawn_arena(&mut app, 1);
    let wolf = app.world_mut().spawn((Agent::new("wolf", 1, 1), InArena::new(arena))).id();
    headless::start(&mut app);
    update(&mut app, 2);
    let mut policies = app.world_mut().resource_mut::<ActingPolicy>();
    policies.set(acting("guard", 1, -0.5));
    policies.add(wide("wolf"));
    update(&mut app, 2);
    assert!((action(&app, agents[0]) + 0.5).abs() < 1e-6, "what was set fits");
    assert!(told(&app).iter().any(|text| text.contains("other policies stay in use")), "{:?}", told(&app));
    let mut policies = app.world_mut().resource_mut::<ActingPolicy>();
    policies.set(wide("guard"));
    policies.add(acting("wolf", 1, 0.25));
    update(&mut app, 2);
    assert!((action(&app, agents[0]) + 0.5).abs() < 1e-6, "what was set does not fit");
    assert!((action(&app, wolf) - 0.25).abs() < 1e-6, "what was added does");
}

#[test]
fn agents_do_nothing_while_they_have_no_policy() {
    // The learner cannot start, and the agents would begin with random actions.
    let mut app = app(training(LearnerConfig { independent: vec!["typo".into()], ..default() }));
    let (_, agents) = spawn_arena(&mut app, 2);
    app.world_mut().entity_mut(agents[1]).insert(ActionOverride(vec![0.75]));
    headless::start(&mut app);
    update(&mut app, 3);
    assert!(app.world().resource::<Training>().failure().is_some_and(|text| text.contains("typo")));
    let [idle, taken_over] = [0, 1].map(|agent| app.world().get::<Action>(agents[agent]).unwrap());
    assert!(!idle.is_made() && idle[0] == 0.0, "{idle:?}");
    assert!(taken_over.is_made() && taken_over[0] == 0.75, "{taken_over:?}");
}

#[test]
fn a_policy_that_is_added_for_some_agents_of_a_behavior_is_kept() {
    let mut app = app(MaddpgPlugins::play(guards(1)));
    let (_, agents) = spawn_arena(&mut app, 1);
    let far = app.world_mut().spawn(Arena::default().of_kind("far")).id();
    let watcher = app.world_mut().spawn((Agent::new("guard", 3, 1), InArena::new(far))).id();
    headless::start(&mut app);
    app.world_mut().resource_mut::<ActingPolicy>().add(wide("guard"));
    update(&mut app, 2);
    let is_made = |agent| app.world().get::<Action>(agent).unwrap().is_made();
    assert!(is_made(agents[0]) && is_made(watcher), "{:?}", told(&app));
}

#[test]
fn a_policy_that_is_added_again_takes_the_place_of_the_one_before() {
    let mut app = app(MaddpgPlugins::play(guards(1)));
    let (arena, agents) = spawn_arena(&mut app, 1);
    let wolf = app.world_mut().spawn((Agent::new("wolf", 1, 1), InArena::new(arena))).id();
    headless::start(&mut app);
    for number in 1..=50 {
        // As at every start of a level.
        app.world_mut().resource_mut::<ActingPolicy>().add(acting("wolf", 1, 0.01 * number as f32));
        update(&mut app, 2);
    }
    assert!((action(&app, agents[0]) - 0.5).abs() < 1e-6 && (action(&app, wolf) - 0.5).abs() < 1e-6);
    let text = format!("{:?}", app.world().resource::<ActingPolicy>());
    assert_eq!(text.matches("Source {").count(), 2, "one for guards and one for wolves");
}

#[test]
fn kinds_of_arenas_can_have_policies_of_their_own_for_the_same_behavior() {
    let mut app = app(MaddpgPlugins::play(guards(1)));
    let (_, alone) = spawn_arena(&mut app, 1);
    let (forest, guards) = spawn_arena(&mut app, 1);
    app.world_mut().spawn((Agent::new("wolf", 1, 1), InArena::new(forest)));
    headless::start(&mut app);
    let mut policies = app.world_mut().resource_mut::<ActingPolicy>();
    policies.add_for("guard+wolf", acting("guard", 1, -0.25));
    policies.add(acting("wolf", 1, 0.75));
    update(&mut app, 2);
    assert!((action(&app, alone[0]) - 0.5).abs() < 1e-6 && (action(&app, guards[0]) + 0.25).abs() < 1e-6);
    assert_eq!(told(&app), [""; 0]);
}

#[test]
fn each_reason_why_a_policy_does_not_fit_is_told() {
    let mut app = app(MaddpgPlugins::play(guards(1)));
    spawn_arena(&mut app, 1);
    headless::start(&mut app);
    update(&mut app, 2);
    let two_actions = ArenaSpec::new(vec![AgentSpec::new("guard", 1, 2)]);
    let two_actions = PolicySnapshot::zeros(&two_actions.groups(true).unwrap()).unwrap();
    for policy in [wide("guard"), two_actions, wide("guard")] {
        app.world_mut().resource_mut::<ActingPolicy>().set(policy);
        update(&mut app, 2);
    }
    assert_eq!(told(&app).len(), 2, "{:?}", told(&app));
}

#[test]
fn kinds_with_equal_agents_keep_their_own_policies_whatever_is_added_later() {
    let mut app = app(MaddpgPlugins::play(guards(1)));
    let mut spawn = |kind: &str| {
        let arena = app.world_mut().spawn(Arena::default().of_kind(kind)).id();
        app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(arena))).id()
    };
    let (far, near) = (spawn("far"), spawn("near"));
    headless::start(&mut app);
    let mut add = |kind: &str, value: f32| {
        app.world_mut().resource_mut::<ActingPolicy>().add_for(kind, acting("guard", 1, value));
        update(&mut app, 2);
        [far, near].map(|guard| (10.0 * action(&app, guard)).round())
    };
    assert_eq!(add("far", 0.1), [1.0, 5.0]);
    assert_eq!(add("near", 0.2), [1.0, 2.0]);
    assert_eq!(add("far", 0.3), [3.0, 2.0]);
    assert_eq!(add("near", -0.4), [3.0, -4.0]);
}

#[test]
fn an_agent_with_a_policy_of_its_own_plays_that_of_its_slot() {
    // One policy per slot, as a learner without shared policies makes them.
    let spec = ArenaSpec::new(vec![AgentSpec::new("guard", 1, 1); 2]);
    let policies = spec.groups(false).unwrap().into_iter().zip([-0.25_f32, 0.75]).map(|(group, action)| {
        let network =
            Network { shape: NetworkShape::new(1, &[], 1, false), parameters: vec![0.0, action.atanh()] };
        Policy::new(group, Normalizer::identity(1), network).unwrap()
    });
    let own = std::sync::Arc::new(PolicySnapshot::new(1, 1, 0, policies.collect()).unwrap());
    let mut app = app(MaddpgPlugins::play(guards(2)));
    let arena = app.world_mut().spawn(Arena::default()).id();
    let agents = [(); 2].map(|()| {
        let own = PolicyOverride(own.clone());
        app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(arena), own)).id()
    });
    headless::start(&mut app);
    update(&mut app, 2);
    let actions = agents.map(|agent| (4.0 * action(&app, agent)).round());
    assert_eq!(actions, [-1.0, 3.0]);
}

#[test]
fn a_game_that_decides_less_often_than_the_one_that_trained_its_policy_is_told() {
    let mut trained = app(training(default()).with_decision_period(1));
    spawn_arena(&mut trained, 1);
    headless::start(&mut trained);
    update(&mut trained, 3);
    let learner = trained.world_mut().resource_mut::<Training>().stop().unwrap();
    let policy = learner.snapshot().unwrap();
    let step = trained.world().resource::<Time<Fixed>>().timestep().as_secs_f64();
    assert_eq!(policy.decision_seconds(), Some(step));
    for (period, timing, is_told) in
        [(1, StepTiming::FixedStep, false), (5, StepTiming::FixedStep, true), (5, StepTiming::Frame, false)]
    {
        let mut app = headless::app(1);
        let plugins = MaddpgPlugins::play(policy.clone()).with_decision_period(period).with_timing(timing);
        app.add_plugins(plugins);
        spawn_arena(&mut app, 1);
        headless::start(&mut app);
        update(&mut app, 3);
        let told = told(&app);
        assert_eq!(told.iter().any(|text| text.contains("every 0.0781 s")), is_told, "{told:?}");
    }
}
