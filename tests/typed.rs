//! The game's own types as observations and actions: their names and sizes, what an agent has chosen and when, and what is in
//! the policy file.

use bevy::prelude::*;
use bevy_maddpg::{
    exploration::ExplorationConfig,
    headless,
    learner::LearnerConfig,
    policy::{ArenaSpec, Network, NetworkShape, Normalizer, Policy, PolicyGroup},
    prelude::*,
    problems::Problems,
    random::{Random, stream},
};
use rand::RngExt;

#[derive(AgentAction, Debug, Clone, Copy, PartialEq)]
enum Step {
    Up,
    Down,
    TurnLeft,
}

#[derive(AgentAction, Debug, Clone, PartialEq)]
enum Spell {
    Wait,
    Fireball {
        #[action(range = -180.0..=180.0)]
        direction: f32,
        power: f32,
    },
    Blink(Vec2),
}

#[derive(AgentAction, Debug, Clone, PartialEq)]
struct Arm {
    #[action(range = MIN_AIM..=MAX_AIM)]
    aim: f32,
    grip: bool,
}

const MIN_AIM: f32 = 10.0;
const MAX_AIM: f32 = 30.0;

#[derive(AgentAction, Debug, Clone, PartialEq)]
struct Hunt {
    step: Step,
    spell: Spell,
    left: Arm,
    fingers: [bool; 2],
    look: Vec3,
    r#move: f32,
}

/// An action of numbers alone, in a tuple struct.
#[derive(AgentAction, Debug, Clone, PartialEq)]
struct Steer(f32, #[action(range = 0.0..=10.0)] f32);

#[derive(AgentObservation, Debug)]
enum Mood {
    Calm,
    VeryAngry,
}

#[derive(AgentObservation, Debug)]
struct Enemy {
    place: Vec2,
    is_near: bool,
}

#[derive(AgentObservation, Debug)]
struct View {
    #[observation(range = 0.0..=100.0)]
    health: f32,
    mood: Mood,
    enemies: [Option<Enemy>; 2],
    #[observation(skip)]
    #[expect(dead_code, reason = "it is for people")]
    note: &'static str,
}

fn view(health: f32) -> View {
    let enemy = Enemy { place: Vec2::new(3.0, 4.0), is_near: true };
    View { health, mood: Mood::VeryAngry, enemies: [None, Some(enemy)], note: "" }
}

#[test]
fn numbers_and_choices_are_called_as_the_fields_and_variants_are() {
    assert_eq!(
        Hunt::space().names(),
        [
            "spell.fireball.direction",
            "spell.fireball.power",
            "spell.blink.0.x",
            "spell.blink.0.y",
            "left.aim",
            "look.x",
            "look.y",
            "look.z",
            "move",
            "step: up",
            "step: down",
            "step: turn_left",
            "spell: wait",
            "spell: fireball",
            "spell: blink",
            "left.grip: no",
            "left.grip: yes",
            "fingers.0: no",
            "fingers.0: yes",
            "fingers.1: no",
            "fingers.1: yes",
        ]
    );
    assert_eq!((Hunt::NUMBERS, Hunt::BRANCHES), (9, 5));
    assert_eq!(Steer::space().names(), ["0", "1"]);
    assert_eq!(Step::space().names(), ["step: up", "step: down", "step: turn_left"]);
    let mut names = Vec::new();
    View::names("", &mut names);
    assert_eq!(
        names,
        [
            "health",
            "mood.calm",
            "mood.very_angry",
            "enemies.0.present",
            "enemies.0.place.x",
            "enemies.0.place.y",
            "enemies.0.is_near",
            "enemies.1.present",
            "enemies.1.place.x",
            "enemies.1.place.y",
            "enemies.1.is_near",
        ]
    );
    assert_eq!(View::SIZE, names.len());
}

/// A random action of this space.
fn random_action<A: AgentAction>(random: &mut Random) -> Vec<f32> {
    let space = A::space();
    let mut action: Vec<f32> = (0..space.size()).map(|_| random.random_range(-1.0..1.0)).collect();
    for branch in 0..space.branches().len() {
        let choices = &mut action[space.columns(branch)];
        choices.fill(0.0);
        let chosen = random.random_range(0..choices.len());
        choices[chosen] = 1.0;
    }
    space.close_gates(&mut action);
    action
}

fn check_round_trips<A: AgentAction + PartialEq + std::fmt::Debug>() {
    let mut random = stream(1, "actions", 0);
    for _ in 0..1000 {
        let action = random_action::<A>(&mut random);
        let value = A::from_action(&action).expect("every choice is made");
        let written = value.to_action();
        let is_near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(
            written.len() == action.len() && written.iter().zip(&action).all(is_near),
            "{action:?} is {value:?}, which is {written:?}"
        );
        // What was rounded once stays as it is.
        let value = A::from_action(&written).expect("every choice is made");
        assert!(value.to_action().iter().zip(&written).all(is_near));
    }
}

#[test]
fn values_and_vectors_can_be_turned_into_each_other() {
    check_round_trips::<Step>();
    check_round_trips::<Spell>();
    check_round_trips::<Hunt>();
    check_round_trips::<Steer>();
    check_round_trips::<[Vec3; 3]>();
    check_round_trips::<bool>();
    for step in [Step::Up, Step::Down, Step::TurnLeft] {
        assert_eq!(Step::from_action(&step.to_action()), Some(step));
    }
}

#[test]
fn the_numbers_of_a_variant_count_only_with_it() {
    let blink = Spell::Blink(Vec2::new(0.5, -0.5));
    assert_eq!(blink.to_action(), [0.0, 0.0, 0.5, -0.5, 0.0, 0.0, 1.0]);
    let mut action = [0.1, 0.2, 0.3, 0.4, 0.0, 1.0, 0.0];
    Spell::space().close_gates(&mut action);
    assert_eq!(action, [0.1, 0.2, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(Spell::from_action(&action), Some(Spell::Fireball { direction: 18.0, power: 0.2 }));
}

#[test]
fn an_action_without_a_choice_or_of_another_length_has_no_value() {
    let mut action = random_action::<Hunt>(&mut stream(2, "actions", 0));
    assert!(Hunt::from_action(&action).is_some());
    assert_eq!(Hunt::from_action(&action[1..]), None);
    let fingers = Hunt::space().columns(4);
    action[fingers].fill(0.0);
    assert_eq!(Hunt::from_action(&action), None);
    assert_eq!(Spell::from_action(&[0.0; 7]), None);
    assert_eq!(Spell::from_action(&[]), None);
    assert_eq!(Steer::from_action(&[0.0; 2]), Some(Steer(0.0, 5.0)));
}

#[test]
fn ranges_are_scaled_and_clamped() {
    let arm = |aim| Arm { aim, grip: false }.to_action()[0];
    assert_eq!([10.0, 20.0, 30.0, 99.0].map(arm), [-1.0, 0.0, 1.0, 1.0]);
    let written = |view: &View| {
        let mut numbers = Vec::new();
        view.write(&mut numbers);
        numbers
    };
    assert_eq!([0.0, 75.0, 1e9].map(|health| written(&view(health))[0]), [-1.0, 0.5, 1.0]);
    assert_eq!(written(&view(50.0)), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 4.0, 1.0]);
    let calm = View { mood: Mood::Calm, ..view(50.0) };
    assert_eq!(written(&calm)[1..3], [1.0, 0.0]);
}

/// A step of the game as its systems saw it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    chosen: bool,
    is_new: bool,
}

#[derive(Resource, Default)]
struct Steps(Vec<Seen>);

const NOTHING: Seen = Seen { chosen: false, is_new: false };
const NEW: Seen = Seen { chosen: true, is_new: true };
const KEPT: Seen = Seen { chosen: true, is_new: false };

fn note<A: AgentAction>(agents: Query<&Chosen<A>>, mut steps: ResMut<Steps>) {
    for chosen in &agents {
        steps.0.push(Seen { chosen: chosen.get().is_some(), is_new: chosen.is_new() });
    }
}

fn training() -> MaddpgPlugins {
    let config = TrainingConfig {
        learner: LearnerConfig { learning_starts: 1_000_000, ..default() },
        exploration: ExplorationConfig { random_decisions: 0, ..default() },
    };
    MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep)
}

/// An app with a step at each update and a decision at every third, which notes what agents of type `A` have chosen.
fn app<A: AgentAction>() -> App {
    let mut app = headless::app(1);
    app.add_plugins(training().with_decision_period(3))
        .init_resource::<Steps>()
        .add_systems(Observe, observe)
        .add_systems(FixedUpdate, note::<A>);
    app
}

fn observe(mut agents: Query<&mut Observation>) {
    agents.iter_mut().for_each(|mut observation| observation.write_view(&view(60.0)));
}

/// The next steps of the game.
fn steps(app: &mut App, count: usize) -> Vec<Seen> {
    (0..count).for_each(|_| app.update());
    std::mem::take(&mut app.world_mut().resource_mut::<Steps>().0)
}

fn spawn<A: AgentAction>(app: &mut App) -> Entity {
    let arena = app.world_mut().spawn(Arena::default()).id();
    app.world_mut().spawn((Agent::of::<View, A>("hunter"), InArena::new(arena))).id()
}

fn chosen<A: AgentAction + Clone>(app: &App, agent: Entity) -> Option<A> {
    app.world().get::<Chosen<A>>(agent).expect("a typed agent").get().cloned()
}

#[test]
fn an_action_is_new_once_per_decision() {
    let mut app = app::<Hunt>();
    let agent = spawn::<Hunt>(&mut app);
    headless::start(&mut app);
    assert_eq!(chosen::<Hunt>(&app, agent), None, "no decision yet");
    assert_eq!(steps(&mut app, 7), [NEW, KEPT, KEPT, NEW, KEPT, KEPT, NEW]);
    let action = app.world().get::<Action>(agent).expect("an agent").to_vec();
    assert_eq!(chosen::<Hunt>(&app, agent), Hunt::from_action(&action));
    assert_eq!(app.world().resource::<Problems>().told(), [""; 0]);
}

#[test]
fn an_agent_with_a_slower_clock_keeps_its_action() {
    let mut app = app::<Hunt>();
    let arena = app.world_mut().spawn(Arena::default()).id();
    let agent = Agent::of::<View, Hunt>("hunter").with_frames(2).in_team("red").map(|agent| agent.every(2));
    app.world_mut().spawn((agent, InArena::new(arena)));
    headless::start(&mut app);
    assert_eq!(steps(&mut app, 7), [NEW, KEPT, KEPT, KEPT, KEPT, KEPT, NEW]);
}

#[test]
fn nothing_is_chosen_before_the_first_decision_of_an_episode() {
    for reset_late in [false, true] {
        let mut app = app::<Steer>();
        let agent = spawn::<Steer>(&mut app);
        headless::start(&mut app);
        assert_eq!(steps(&mut app, 1), [NEW]);
        let arena = app.world().get::<InArena>(agent).expect("in an arena").arena;
        // Whether the episode ends within a step or between two steps.
        if reset_late {
            app.world_mut().get_mut::<Episode>(arena).expect("an arena").truncate();
        } else {
            app.add_systems(
                FixedUpdate,
                (|mut episodes: Query<&mut Episode>, mut is_done: Local<bool>| {
                    episodes.iter_mut().filter(|_| !*is_done).for_each(|mut episode| episode.truncate());
                    *is_done = true;
                })
                .after(note::<Steer>),
            );
        }
        let kept = if reset_late { NOTHING } else { KEPT };
        assert_eq!(steps(&mut app, 3), [kept, NOTHING, NEW]);
    }
}

#[test]
fn an_agent_whose_part_is_over_chooses_nothing() {
    let mut app = app::<Steer>();
    let arena = app.world_mut().spawn(Arena::default()).id();
    let agents = [0, 1].map(|slot| {
        app.world_mut().spawn((Agent::of::<View, Steer>("hunter"), InArena::slot(arena, slot))).id()
    });
    headless::start(&mut app);
    app.update();
    app.world_mut().get_mut::<Life>(agents[0]).expect("an agent").terminate();
    (0..3).for_each(|_| app.update());
    let is_choosing = agents.map(|agent| chosen::<Steer>(&app, agent).is_some());
    assert_eq!(is_choosing, [false, true]);
}

#[test]
fn an_override_is_decoded_as_well() {
    let mut app = app::<Hunt>();
    let agent = spawn::<Hunt>(&mut app);
    let hunt = Hunt {
        step: Step::TurnLeft,
        spell: Spell::Fireball { direction: 90.0, power: 0.25 },
        left: Arm { aim: 20.0, grip: true },
        fingers: [true, false],
        look: Vec3::new(1.0, 0.0, -1.0),
        r#move: 0.5,
    };
    app.world_mut().entity_mut(agent).insert(ActionOverride(hunt.to_action()));
    headless::start(&mut app);
    app.update();
    assert_eq!(chosen::<Hunt>(&app, agent), Some(hunt));
}

#[test]
fn an_agent_without_a_policy_chooses_nothing_unless_a_script_decides() {
    let mut app = headless::app(1);
    app.add_plugins(RolloutPlugin { decision_period: 1, ..default() });
    let hunter = app.world_mut().spawn(Agent::of::<View, Hunt>("hunter")).id();
    let driver = app.world_mut().spawn(Agent::of::<View, Steer>("driver")).id();
    headless::start(&mut app);
    app.update();
    assert_eq!(chosen::<Hunt>(&app, hunter), None);
    assert_eq!(chosen::<Steer>(&app, driver), None);
    let still = Steer(0.0, 5.0);
    app.world_mut().entity_mut(driver).insert(ActionOverride(still.to_action()));
    app.update();
    assert_eq!(chosen::<Steer>(&app, driver), Some(still));
}

/// A number that is exactly zero is a decision as well.
#[test]
fn a_policy_may_decide_to_do_nothing() {
    #[derive(AgentAction, Debug, Clone, PartialEq)]
    struct Push(f32);
    let mut app = headless::app(1);
    let agent = Agent::of::<View, Push>("guard").spec();
    let size = agent.observation_size;
    let shape = NetworkShape::new(size, &[], 1, false);
    let network = Network { shape, parameters: vec![0.0; size + 1] };
    let group = ArenaSpec::new(vec![agent]).groups(true).unwrap().remove(0);
    let policy = Policy::new(group, Normalizer::identity(size), network).unwrap();
    let snapshot = PolicySnapshot::new(1, 1, 0, vec![policy]).unwrap();
    app.add_plugins(MaddpgPlugins::play(snapshot).with_decision_period(1)).add_systems(Observe, observe);
    let agent = app.world_mut().spawn(Agent::of::<View, Push>("guard")).id();
    headless::start(&mut app);
    assert_eq!(chosen::<Push>(&app, agent), None);
    app.update();
    assert_eq!(chosen::<Push>(&app, agent), Some(Push(0.0)));
}

#[test]
fn agents_of_several_types_may_be_spawned_in_any_schedule() {
    let mut app = app::<Hunt>();
    app.add_systems(FixedUpdate, note::<Spell>);
    fn spawn_once<A: AgentAction>(behavior: &str) -> impl FnMut(Commands, Local<bool>) {
        move |mut commands, mut is_done| {
            if !std::mem::replace(&mut is_done, true) {
                let arena = commands.spawn(Arena::default()).id();
                commands.spawn((Agent::of::<View, A>(behavior), InArena::new(arena)));
            }
        }
    }
    app.add_systems(StepStart, spawn_once::<Hunt>("hunter"))
        .add_systems(Observe, spawn_once::<Spell>("wizard"))
        .add_systems(StepEnd, spawn_once::<Steer>("driver"));
    headless::start(&mut app);
    (0..6).for_each(|_| app.update());
    steps(&mut app, 0);
    let seen = steps(&mut app, 3);
    assert_eq!(seen, [NEW, NEW, KEPT, KEPT, KEPT, KEPT]);
    let mut drivers = app.world_mut().query::<&Chosen<Steer>>();
    assert!(drivers.single(app.world()).expect("one driver").get().is_some());
}

#[test]
fn choices_are_forbidden_by_value() {
    let mut app = app::<Hunt>();
    app.add_systems(Observe, |mut masks: Query<&mut ActionMask>| {
        for mut mask in &mut masks {
            mask.forbid("step", Step::Up);
            mask.forbid("step", Step::TurnLeft);
            mask.forbid("left.grip", true);
            mask.forbid("spell", Spell::Wait);
        }
    });
    let agent = spawn::<Hunt>(&mut app);
    headless::start(&mut app);
    for _ in 0..20 {
        app.update();
        let hunt = chosen::<Hunt>(&app, agent).expect("it decides");
        assert!(hunt.step == Step::Down && !hunt.left.grip && hunt.spell != Spell::Wait, "{hunt:?}");
    }
    assert_eq!(app.world().resource::<Problems>().told(), [""; 0]);
}

#[test]
fn a_view_of_another_size_is_reported() {
    let mut app = headless::app(1);
    app.add_plugins(training().with_decision_period(1)).add_systems(
        Observe,
        |mut agents: Query<&mut Observation>| {
            agents.iter_mut().for_each(|mut observation| observation.write_view(&Vec2::ONE));
        },
    );
    spawn::<Step>(&mut app);
    headless::start(&mut app);
    app.update();
    assert!(app.world().resource::<Problems>().told()[0].contains("`hunter`"));
}

#[test]
fn names_are_in_the_policy_file() {
    let config = TrainingConfig {
        learner: LearnerConfig { learning_starts: 64, batch_size: 16, ..default() },
        ..default()
    };
    let plugins = MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep);
    let mut app = headless::app(1);
    app.add_plugins(plugins.with_decision_period(1)).add_systems(
        Observe,
        |mut agents: Query<&mut Observation>| {
            agents.iter_mut().for_each(|mut observation| observation.write_view(&view(60.0)));
        },
    );
    for _ in 0..16 {
        spawn::<Hunt>(&mut app);
    }
    headless::start(&mut app);
    (0..100).for_each(|_| app.update());
    let training = app.world().resource::<Training>();
    assert!(training.failure().is_none());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hunter.safetensors");
    let snapshot = app.world().resource::<ActingPolicy>().snapshot().expect("a policy").clone();
    snapshot.save(&path).expect("a file");
    let loaded = PolicySnapshot::load(&path).expect("a policy");
    let PolicyGroup { agent, .. } = loaded.policies()[0].group();
    assert_eq!(agent.action, Hunt::space());
    assert_eq!(agent.observation_names[..3], ["health", "mood.calm", "mood.very_angry"]);
}
