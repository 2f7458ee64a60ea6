//! Agents that choose: typed actions, masks and clocks of their own, in an app.

use bevy::prelude::*;
use bevy_maddpg::{
    exploration::{ExplorationConfig, Noise},
    headless,
    learner::DeviceChoice,
    policy::{ActionSpace, PolicySnapshot},
    prelude::*,
    problems::Problems,
};

#[derive(AgentAction, Debug, Clone, Copy, PartialEq)]
enum Step {
    Left,
    Stay,
    Right,
}

#[derive(AgentAction, Debug, Clone, Copy, PartialEq)]
struct Hunt {
    step: Step,
    throw: bool,
    #[action(range = 0.0..=90.0)]
    angle: f32,
}

#[derive(AgentObservation)]
struct View {
    cell: f32,
    near: bool,
}

/// Counts the steps of the game and the new actions that it has seen.
#[derive(Component, Default)]
struct Seen {
    new: u32,
    actions: Vec<Option<Hunt>>,
}

fn config() -> TrainingConfig {
    let mut config = TrainingConfig::default();
    config.learner.learning_starts = 40;
    config.learner.batch_size = 32;
    config.exploration.random_decisions = 20;
    config
}

fn app(decision_period: u32) -> App {
    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::train(config()).with_decision_period(decision_period).with_training(
        |training| {
            training.pace = Pace::Lockstep;
            training.device = DeviceChoice::Cpu;
        },
    ))
    .add_systems(Observe, |mut agents: Query<&mut Observation>, clock: Res<RolloutClock>| {
        for mut observation in &mut agents {
            observation
                .write_view(&View { cell: (clock.step % 7) as f32, near: clock.step.is_multiple_of(2) });
        }
    })
    .add_systems(Reset, || {})
    .add_systems(FixedUpdate, |mut agents: Query<(&Chosen<Hunt>, &mut Seen, &mut Reward)>| {
        for (chosen, mut seen, mut reward) in &mut agents {
            seen.new += u32::from(chosen.is_new());
            seen.actions.push(chosen.get().copied());
            reward.add(if chosen.get().is_some_and(|action| action.step == Step::Right) { 1.0 } else { 0.0 });
        }
    });
    app
}

fn spawn(app: &mut App, change: impl FnOnce(Agent) -> Agent) -> Entity {
    let arena = app.world_mut().spawn(Arena::with_time_limit(30)).id();
    let agent = Agent::of::<View, Hunt>("hunter").map(change);
    app.world_mut().spawn((agent, InArena::new(arena), Seen::default())).id()
}

fn told(app: &App) -> &[String] {
    app.world().resource::<Problems>().told()
}

fn run(app: &mut App, steps: usize) {
    headless::start(app);
    (0..steps).for_each(|_| app.update());
}

#[test]
fn the_game_sees_its_own_type_and_each_action_is_new_once() {
    let mut app = app(4);
    let agent = spawn(&mut app, |agent| agent);
    assert_eq!(
        app.world().get::<Chosen<Hunt>>(agent).unwrap().get(),
        None,
        "nothing is chosen before the start"
    );
    run(&mut app, 80);
    let seen = app.world().get::<Seen>(agent).unwrap();
    assert_eq!((seen.actions.len(), seen.new), (80, 20));
    assert!(
        seen.actions.iter().all(|action| action.is_some_and(|action| (0.0..=90.0).contains(&action.angle)))
    );
    assert!(
        seen.actions.chunks(4).all(|held| held.iter().all(|action| *action == held[0])),
        "actions are held"
    );
    assert!(
        seen.actions.iter().flatten().any(|action| action.throw) && told(&app).is_empty(),
        "{:?}",
        told(&app)
    );
}

#[test]
fn a_policy_knows_the_names_that_it_was_trained_with() {
    let mut app = app(1);
    spawn(&mut app, |agent| agent);
    run(&mut app, 80);
    let snapshot = app.world().resource::<ActingPolicy>().snapshot().unwrap().clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hunter.safetensors");
    snapshot.save(&path).unwrap();
    let loaded = PolicySnapshot::load(&path).unwrap();
    assert_eq!(loaded, *snapshot);
    let agent = &loaded.spec().slots[0];
    assert_eq!(agent.observation_names, ["cell", "near"]);
    assert_eq!(
        agent.action.names(),
        ["angle", "step: left", "step: stay", "step: right", "throw: no", "throw: yes"]
    );

    // An agent with other choices does not use it, and says why.
    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::play(loaded));
    #[derive(AgentAction)]
    struct Other {
        step: bool,
        throw: bool,
        angle: [f32; 2],
    }
    let other = app.world_mut().spawn(Agent::of::<View, Other>("hunter")).id();
    run(&mut app, 5);
    assert!(app.world().get::<Chosen<Other>>(other).unwrap().get().is_none());
    assert!(
        told(&app).iter().any(|text| text.contains("an action of 2 numbers instead of 1")),
        "{:?}",
        told(&app)
    );
}

#[test]
fn a_forbidden_choice_is_never_made_and_the_learner_is_told() {
    let mut app = app(1);
    let agent = spawn(&mut app, |agent| agent);
    app.add_systems(Observe, |mut masks: Query<&mut ActionMask>, clock: Res<RolloutClock>| {
        for mut mask in &mut masks {
            mask.forbid("step", if clock.step.is_multiple_of(2) { Step::Left } else { Step::Right });
            mask.forbid("throw", true);
        }
    });
    run(&mut app, 300);
    let seen = &app.world().get::<Seen>(agent).unwrap().actions;
    for (step, action) in seen.iter().enumerate() {
        let action = action.unwrap();
        assert!(
            !action.throw && action.step != if step % 2 == 0 { Step::Left } else { Step::Right },
            "{step}: {action:?}"
        );
    }
    assert!(seen.iter().flatten().any(|action| action.step == Step::Left));
    let learner = app.world_mut().resource_mut::<Training>().stop().unwrap();
    assert!(learner.updates() > 0);
    let block = learner.replay().to_block();
    // Every 30th row ends an episode. Its end is observed before the next step is counted.
    for (row, (mask, next)) in block.masks.chunks(5).zip(block.next_masks.chunks(5)).enumerate() {
        let [now, then] = [[0.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0, 0.0]];
        let (now, then) = if row % 2 == 0 { (now, then) } else { (then, now) };
        let then = if row % 30 == 29 { now } else { then };
        assert_eq!((mask, next), (&now[..], &then[..]), "row {row}");
    }
}

#[test]
fn wrong_masks_and_overrides_are_told_and_harm_nothing() {
    let mut app = app(1);
    let agent = spawn(&mut app, |agent| agent);
    app.world_mut().entity_mut(agent).insert(ActionOverride(vec![0.5, 1.0, 0.0, 0.0, 0.0, 0.0]));
    app.add_systems(Observe, |mut masks: Query<&mut ActionMask>| {
        masks.iter_mut().for_each(|mut mask| (0..3).for_each(|choice| mask.forbid("step", choice)));
    });
    run(&mut app, 10);
    let problems = told(&app).join("\n");
    assert!(problems.contains("every choice of the branch `step` is forbidden"), "{problems}");
    assert!(
        problems.contains("`ActionOverride`") && problems.contains("one choice of each branch"),
        "{problems}"
    );
    let action = Hunt { step: Step::Stay, throw: true, angle: 90.0 };
    app.world_mut().entity_mut(agent).insert(ActionOverride(action.to_action()));
    app.update();
    assert_eq!(app.world().get::<Chosen<Hunt>>(agent).unwrap().get(), Some(&action));
}

/// The probabilities of an untrained policy are almost equal, so draws differ and the most likely choice does not.
#[test]
fn trained_agents_make_the_most_likely_choice_or_draw_one() {
    for samples in [false, true] {
        let learner = {
            let mut app = app(1);
            spawn(&mut app, |agent| agent);
            run(&mut app, 5);
            app.world_mut().resource_mut::<Training>().stop().unwrap()
        };
        let mut app = headless::app(1);
        app.add_plugins(MaddpgPlugins::play(learner.snapshot().unwrap()).with_decision_period(1))
            .add_systems(Observe, |mut agents: Query<&mut Observation>| {
                agents.iter_mut().for_each(|mut observation| observation.write(&[1.0, 0.0]));
            });
        app.world_mut().resource_mut::<Exploration>().samples = samples;
        let agent = app.world_mut().spawn(Agent::of::<View, Hunt>("hunter")).id();
        headless::start(&mut app);
        let mut steps = Vec::new();
        for _ in 0..60 {
            app.update();
            steps.push(app.world().get::<Chosen<Hunt>>(agent).unwrap().get().unwrap().step);
        }
        let differ = steps.iter().any(|step| *step != steps[0]);
        assert_eq!(differ, samples);
    }
}

/// What an agent earns and how its rows are discounted if it decides every `period` decisions of the world.
#[test]
fn a_longer_decision_is_one_row_with_its_own_discount() {
    let mut app = app(2);
    let agent = spawn(&mut app, |agent| agent.every(3));
    run(&mut app, 2 * 31);
    let seen = app.world().get::<Seen>(agent).unwrap();
    // 30 decisions of the world until the time limit, and the first of the next episode.
    assert_eq!(seen.new, 11);
    let experience = app.world_mut().resource_mut::<Training>().stop().unwrap();
    let block = experience.replay().to_block();
    let gamma = config().learner.gamma;
    assert_eq!(block.rows(), 10);
    for discount in &block.discounts {
        assert!((discount - gamma.powi(2)).abs() < 1e-6, "{discount}");
    }
    for (row, reward) in block.rewards.iter().enumerate() {
        let is_right = block.actions[row * 6 + 3] == 1.0;
        // Each decision of the world has two steps.
        let expected = if is_right { 2.0 * (1.0 + gamma + gamma * gamma) } else { 0.0 };
        assert!((reward - expected).abs() < 1e-5, "row {row}: {reward}, expected {expected}");
    }
}

#[test]
fn agents_with_different_clocks_share_an_arena() {
    let mut app = app(1);
    let arena = app.world_mut().spawn(Arena::with_time_limit(12)).id();
    let mut spawn = |clock: fn(Agent) -> Agent| {
        let agent = Agent::of::<View, Hunt>("hunter").map(clock);
        app.world_mut().spawn((agent, InArena::new(arena), Seen::default())).id()
    };
    let (fast, slow) = (spawn(|agent| agent), spawn(|agent| agent.every(4)));
    run(&mut app, 13);
    let new = |agent| app.world().get::<Seen>(agent).unwrap().new;
    assert_eq!((new(fast), new(slow)), (13, 4));
    let learner = app.world_mut().resource_mut::<Training>().stop().unwrap();
    let states: Vec<_> = (0..8).map(|row| learner.replay().transition(row).slot(1)).collect();
    assert_eq!(states.iter().map(|state| state.age).collect::<Vec<_>>(), [0, 1, 2, 3, 0, 1, 2, 3]);
    assert_eq!(states.iter().map(|state| state.age_next).collect::<Vec<_>>(), [1, 2, 3, 0, 1, 2, 3, 0]);
    assert!((0..8).all(|row| learner.replay().transition(row).slot(0).age == 0));
    let held = |row: usize| learner.replay().transition(row).action[6..].to_vec();
    assert!(held(0) == held(3) && held(4) == held(7), "a slow agent keeps its action");
    assert_eq!(
        learner.replay().transition(11).slot(1).age_next,
        0,
        "nothing is kept beyond the end of an episode"
    );
}

#[test]
fn a_swarm_takes_turns_and_others_decide_on_demand() {
    let mut app = app(1);
    let swarm: Vec<Entity> = (0..12).map(|_| spawn(&mut app, |agent| agent.staggered(4))).collect();
    let asked = spawn(&mut app, |agent| agent.on_demand());
    headless::start(&mut app);
    let mut per_step = Vec::new();
    for step in 0..20 {
        if step == 10 {
            app.world_mut().get_mut::<DecisionClock>(asked).unwrap().request();
        }
        app.update();
        let due = |agent: &&Entity| app.world().get::<DecisionClock>(**agent).unwrap().is_due();
        per_step.push(swarm.iter().filter(due).count());
    }
    assert_eq!(per_step[0], 12, "everybody decides at the start");
    assert!(per_step[1..].iter().all(|count| *count == 3), "{per_step:?}");
    assert_eq!(app.world().get::<Seen>(asked).unwrap().new, 2);
}

#[test]
fn an_agent_that_dies_while_it_keeps_an_action_ends_its_row() {
    let mut app = app(1);
    let agent = spawn(&mut app, |agent| agent.every(5));
    run(&mut app, 7);
    app.world_mut().get_mut::<Life>(agent).unwrap().terminate();
    app.update();
    app.update();
    let learner = app.world_mut().resource_mut::<Training>().stop().unwrap();
    let block = learner.replay().to_block();
    assert_eq!(block.rows(), 2);
    let gamma = config().learner.gamma;
    assert!((block.discounts[0] - gamma.powi(4)).abs() < 1e-6);
    assert_eq!(block.discounts[1], 0.0);
}

/// Agents that only choose learn to choose what is rewarded.
#[test]
fn choosing_agents_learn() {
    let mut app = app(1);
    for _ in 0..8 {
        spawn(&mut app, |agent| agent);
    }
    app.world_mut().resource_mut::<Exploration>().config =
        ExplorationConfig { noise: Noise::Gaussian, random_decisions: 200, ..ExplorationConfig::default() };
    run(&mut app, 1_000);
    let snapshot = app.world().resource::<ActingPolicy>().snapshot().unwrap().clone();
    let mut action = vec![0.0; 6];
    for cell in 0..7 {
        let view = [cell as f32, 1.0];
        snapshot.policies()[0].act(&view, &[], &mut action, 1, &mut bevy_maddpg::policy::Scratch::default());
        assert_eq!(Hunt::from_action(&action).unwrap().step, Step::Right, "cell {cell}");
    }
}

#[test]
fn a_branch_without_choices_is_told_and_does_not_stop_the_game() {
    let mut app = app(1);
    let arena = app.world_mut().spawn(Arena::default()).id();
    let action = ActionSpace::of_numbers(1).with_choices("target", 0);
    let agent = Agent::new("hunter", 2, 0).with_action(action);
    app.world_mut().spawn((agent, InArena::new(arena)));
    run(&mut app, 10);
    let problems = told(&app).join("\n");
    assert!(problems.contains("branch `target` has no choices"), "{problems}");
    assert!(!problems.contains("forbidden"), "{problems}");
}

#[test]
fn masks_of_arenas_that_go_on_are_not_judged_when_another_arena_ends() {
    let mut app = app(1);
    let slow = spawn(&mut app, |agent| agent);
    spawn(&mut app, |agent| agent);
    let slow = app.world().get::<InArena>(slow).unwrap().arena;
    // What is forbidden changes in each step.
    app.add_systems(Observe, |mut masks: Query<&mut ActionMask>, mut turn: Local<bool>| {
        *turn = !*turn;
        masks.iter_mut().for_each(|mut mask| mask.forbid("throw", *turn));
    });
    app.add_systems(FixedUpdate, move |mut episodes: Query<(Entity, &mut Episode)>| {
        let others = episodes.iter_mut().filter(|(arena, _)| *arena != slow);
        others.for_each(|(_, mut episode)| episode.terminate());
    });
    run(&mut app, 20);
    assert_eq!(told(&app), [""; 0]);
}

#[test]
fn a_revived_agent_decides_at_once_whatever_its_clock_says() {
    let mut app = app(1);
    let agent = spawn(&mut app, |agent| agent.every(10));
    // A mate keeps the episode running.
    let arena = app.world().get::<InArena>(agent).unwrap().arena;
    app.world_mut().spawn((
        Agent::of::<View, Hunt>("hunter").every(10),
        InArena::new(arena),
        Seen::default(),
    ));
    run(&mut app, 12);
    app.world_mut().get_mut::<Life>(agent).unwrap().terminate();
    app.update();
    assert!(!app.world().get::<Action>(agent).unwrap().is_made());
    app.world_mut().get_mut::<Life>(agent).unwrap().revive();
    app.update();
    assert!(app.world().get::<Action>(agent).unwrap().is_made());
}
