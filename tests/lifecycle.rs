//! What games do with their arenas and agents: menus, deaths, late joiners, ends from any schedule, and mistakes. Nothing panics,
//! nothing is silent, and nothing is learned from wrong data.

mod training_app;

use bevy::{diagnostic::DiagnosticsStore, ecs::entity_disabling::Disabled, prelude::*};
use bevy_maddpg::{
    diagnostics::return_of,
    headless,
    learner::LearnerConfig,
    policy::{AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, Policy},
    prelude::*,
    rollout::{Arenas, Experience, Kind},
    training::kind_path,
    transition::{SlotState, TransitionBlock},
};

use training_app::{ended, told, training};

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
    for ((now, next), slot) in block.observations.iter().zip(&block.next_observations).zip(&block.slots) {
        if slot.present && slot.present_next {
            assert_eq!(*next, now + 1.0, "a transition runs over a reset or belongs to another agent");
        }
        assert!(slot.present || *now == 0.0, "an empty slot has zeros");
        assert!(slot.present_next || *next == 0.0, "an empty slot has zeros");
    }
    block
}

const PLAYS: SlotState = SlotState::PRESENT;
const EMPTY: SlotState = SlotState::EMPTY;
const DIES: SlotState = SlotState { present_next: false, ended: true, ..PLAYS };
const LEAVES: SlotState = SlotState { present_next: false, ..PLAYS };
const JOINS: SlotState = SlotState { present_next: true, ..EMPTY };

/// How often the slot was in each of these states.
fn count(block: &TransitionBlock, states: [SlotState; 5]) -> [usize; 5] {
    states.map(|state| block.slots.iter().filter(|slot| **slot == state).count())
}

/// A policy of guards whose action is always 0.5.
fn guards(count: usize) -> PolicySnapshot {
    guards_that_act(count, 0.5)
}

fn guards_that_act(count: usize, action: f32) -> PolicySnapshot {
    let guard = AgentSpec::new("guard", 1, 1);
    let policies = ArenaSpec::new(vec![guard; count]).groups(true).unwrap().into_iter().map(|group| {
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
fn an_arena_that_an_agent_has_left_plays_on_and_its_place_can_be_taken() {
    let mut app = app(training());
    let (_, stay) = spawn_arena(&mut app, 2);
    let (arena, agents) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    update(&mut app, 10);
    app.world_mut().despawn(agents[0]);
    update(&mut app, 10);
    let age = |app: &App, agent| app.world().get::<Age>(agent).unwrap().0;
    assert_eq!((age(&app, agents[1]), age(&app, stay[1])), (20.0, 20.0), "all others play on");
    app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(arena), Age::default()));
    update(&mut app, 10);
    assert_eq!(told(&app), [""; 0]);
    let block = transitions(&mut app);
    assert_eq!(block.rows(), 2 * 29);
    // Of its 29 decisions, the one in which it left is cut off, and 9 more come before, until the newcomer's first one.
    assert_eq!(count(&block, [PLAYS, LEAVES, EMPTY, JOINS, DIES]), [29 * 3 + 9 + 9, 1, 9, 1, 0]);
}

#[test]
fn an_agent_that_dies_earns_its_last_reward_and_is_back_after_the_reset() {
    for despawns in [false, true] {
        let mut app = app(training());
        let (arena, agents) = spawn_arena(&mut app, 2);
        headless::start(&mut app);
        update(&mut app, 5);
        app.world_mut().get_mut::<Reward>(agents[0]).unwrap().add(-7.0);
        app.world_mut().get_mut::<Life>(agents[0]).unwrap().terminate();
        if despawns {
            app.world_mut().despawn(agents[0]);
        }
        update(&mut app, 5);
        if !despawns {
            assert_eq!(action(&app, agents[0]), 0.0);
            assert_eq!(told(&app).len(), 1, "{:?}", told(&app));
            assert!(told(&app)[0].contains("rewarded after its part"), "the game goes on to reward it");
        }
        app.world_mut().get_mut::<Episode>(arena).unwrap().truncate();
        let ended = ended(&mut app, 5);
        if despawns {
            assert_eq!(ended[0].returns, [5.0 - 7.0, 10.0]);
        } else {
            assert!(!app.world().get::<Life>(agents[0]).unwrap().is_over());
        }
        let block = transitions(&mut app);
        let dies = block.slots.iter().position(|slot| *slot == DIES).unwrap();
        assert_eq!(block.rewards[dies], 1.0 - 7.0);
        let [plays, leaves, empty, joins, died] = count(&block, [PLAYS, LEAVES, EMPTY, JOINS, DIES]);
        let after = if despawns { 0 } else { 4 };
        assert_eq!([plays, leaves, joins, died], [14 + 4 + after, 0, 0, 1], "despawns: {despawns}");
        assert_eq!(empty, 28 - plays - died);
    }
}

#[test]
fn an_agent_can_be_disabled_and_enabled_and_moved_to_another_arena() {
    let mut app = app(training());
    let (first, agents) = spawn_arena(&mut app, 2);
    let (second, others) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    update(&mut app, 5);
    app.world_mut().entity_mut(agents[0]).insert(Disabled);
    update(&mut app, 5);
    app.world_mut().entity_mut(agents[0]).remove::<Disabled>();
    update(&mut app, 5);
    app.world_mut().despawn(others[1]);
    app.world_mut().entity_mut(agents[0]).insert(InArena::new(second));
    update(&mut app, 5);
    assert_eq!(told(&app), [""; 0]);
    let arenas = app.world().resource::<Arenas>();
    let members = |arena| &arenas.entries().iter().find(|entry| entry.arena == arena).unwrap().agents;
    assert_eq!(members(first), &[None, Some(agents[1])]);
    assert_eq!(members(second), &[Some(others[0]), Some(agents[0])]);
    let block = transitions(&mut app);
    // It leaves the first arena twice, and so does the other agent of the second one. In whose place it comes is seen
    // one decision later.
    assert_eq!(count(&block, [LEAVES, DIES, JOINS, PLAYS, EMPTY])[..3], [3, 0, 1]);
}

#[test]
fn somebody_who_is_no_longer_an_agent_does_nothing() {
    let mut app = app(MaddpgPlugins::play(guards_that_act(1, 0.5)));
    let (_, agents) = spawn_arena(&mut app, 1);
    update(&mut app, 3);
    assert_eq!(action(&app, agents[0]), 0.5);
    app.world_mut().entity_mut(agents[0]).remove::<Agent>();
    assert_eq!(action(&app, agents[0]), 0.0);
    assert!(!app.world().get::<Action>(agents[0]).unwrap().is_made());
    update(&mut app, 3);
    assert_eq!(action(&app, agents[0]), 0.0);
}

#[test]
fn without_a_free_slot_an_agent_plays_and_is_not_trained() {
    let mut app = app(training());
    let arena = app.world_mut().spawn(Arena::default().with_slots("guard", 3)).id();
    let spawn = |app: &mut App| {
        app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(arena), Age::default())).id()
    };
    spawn(&mut app);
    headless::start(&mut app);
    update(&mut app, 3);
    spawn(&mut app);
    spawn(&mut app);
    update(&mut app, 3);
    assert_eq!(told(&app), [""; 0], "slots were reserved");
    let fourth = spawn(&mut app);
    update(&mut app, 3);
    assert!(told(&app)[0].contains("finds no free slot") && told(&app).len() == 1, "{:?}", told(&app));
    assert_eq!(app.world().get::<Age>(fourth).unwrap().0, 3.0);
    assert_eq!(count(&transitions(&mut app), [PLAYS, JOINS, EMPTY, DIES, LEAVES])[..2], [8 + 5 + 5, 2]);
}

#[test]
fn an_episode_ends_when_the_parts_of_all_its_agents_are_over() {
    let mut app = app(training());
    let (_, agents) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    for expected in [false, true] {
        update(&mut app, 3);
        app.world_mut().get_mut::<Life>(agents[0]).unwrap().terminate();
        update(&mut app, 1);
        assert_eq!(app.world().resource::<Messages<EpisodeEnded>>().len(), 0);
        let mut last = app.world_mut().get_mut::<Life>(agents[1]).unwrap();
        if expected {
            last.truncate()
        } else {
            last.terminate()
        }
        update(&mut app, 1);
        let ended: Vec<EpisodeEnded> =
            app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().collect();
        assert_eq!(ended.iter().map(|ended| ended.truncated).collect::<Vec<_>>(), [expected]);
        assert!(agents.iter().all(|agent| !app.world().get::<Life>(*agent).unwrap().is_over()));
    }
}

#[test]
fn an_episode_also_ends_when_the_last_agent_that_plays_is_despawned() {
    let mut app = app(training());
    let (_, agents) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    update(&mut app, 3);
    app.world_mut().get_mut::<Life>(agents[0]).unwrap().terminate();
    update(&mut app, 2);
    app.world_mut().despawn(agents[1]);
    let ended = ended(&mut app, 2);
    assert_eq!(ended.iter().map(|ended| ended.returns.clone()).collect::<Vec<_>>(), [[5.0, 5.0]]);
}

#[test]
fn an_episode_ends_when_all_agents_have_died_and_are_gone() {
    for plugins in [training(), MaddpgPlugins::play(guards(2))] {
        let mut app = app(plugins);
        let (arena, agents) = spawn_arena(&mut app, 2);
        app.add_systems(
            Reset,
            move |mut commands: Commands, resets: ArenasToReset, agents: Query<&Agent>| {
                if resets.contains(arena) && agents.is_empty() {
                    for slot in 0..2 {
                        commands.spawn((
                            Agent::new("guard", 1, 1),
                            InArena::slot(arena, slot),
                            Age::default(),
                        ));
                    }
                }
            },
        );
        headless::start(&mut app);
        update(&mut app, 3);
        let die = |app: &mut App, agent: Entity| {
            app.world_mut().get_mut::<Life>(agent).unwrap().terminate();
            app.world_mut().despawn(agent);
        };
        die(&mut app, agents[0]);
        assert_eq!(ended(&mut app, 3), [], "one is left");
        die(&mut app, agents[1]);
        let episodes = ended(&mut app, 2);
        assert_eq!(episodes.len(), 1, "{episodes:?}");
        assert!(!episodes[0].truncated && episodes[0].played == [true; 2], "{episodes:?}");
        assert_eq!(
            app.world_mut().query::<&Agent>().iter(app.world()).count(),
            2,
            "the next episode has begun"
        );
        assert_eq!(ended(&mut app, 3), [], "and goes on");
        assert_eq!(told(&app), [""; 0]);
    }
}

#[test]
fn an_arena_whose_agents_only_left_waits_for_others() {
    let mut app = app(training());
    let (arena, agents) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    update(&mut app, 3);
    app.world_mut().get_mut::<Life>(agents[0]).unwrap().terminate();
    agents.into_iter().for_each(|agent| _ = app.world_mut().despawn(agent));
    assert_eq!(ended(&mut app, 5), []);
    let newcomer = spawn_agent(&mut app, arena, 0);
    assert_eq!(ended(&mut app, 3), []);
    app.world_mut().get_mut::<Life>(newcomer).unwrap().truncate();
    let episodes = ended(&mut app, 2);
    assert!(matches!(&episodes[..], [EpisodeEnded { truncated: true, .. }]), "{episodes:?}");
    assert_eq!(told(&app), [""; 0]);
}

#[test]
fn the_mean_return_counts_only_those_that_have_played() {
    let mut app = app(training());
    let arena = app.world_mut().spawn(Arena::with_time_limit(4).with_slots("guard", 4)).id();
    (0..2).for_each(|slot| _ = spawn_agent(&mut app, arena, slot));
    headless::start(&mut app);
    let episodes: Vec<_> = (0..5)
        .flat_map(|_| {
            app.update();
            let messages = app.world().resource::<Messages<EpisodeEnded>>();
            messages.iter_current_update_messages().cloned().collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(episodes[0].returns.len(), 4);
    let store = app.world().resource::<DiagnosticsStore>();
    let shown = store.get(&return_of("guard")).and_then(|diagnostic| diagnostic.value());
    assert_eq!(shown, Some(4.0), "the diagnostics show it");
    assert_eq!(
        (episodes[0].played.clone(), episodes[0].mean_return()),
        (vec![true, true, false, false], 4.0)
    );
}

#[test]
fn agents_whose_arena_is_not_built_yet_are_told_and_join_it_later() {
    let mut app = app(training());
    spawn_arena(&mut app, 1);
    let later = app.world_mut().spawn_empty().id();
    let guard = spawn_agent(&mut app, later, 0);
    headless::start(&mut app);
    update(&mut app, 3);
    assert!(
        told(&app)[0].contains(&format!("{later} has no `Arena`")) && told(&app).len() == 1,
        "{:?}",
        told(&app)
    );
    app.world_mut().entity_mut(later).insert(Arena::default());
    update(&mut app, 3);
    assert_eq!(app.world().get::<InArena>(guard).unwrap().arena, later);
    let arenas = app.world().resource::<Arenas>();
    assert_eq!(arenas.entries().iter().filter(|entry| entry.agents == [Some(guard)]).count(), 1);
}

#[test]
fn nothing_is_decided_or_learned_while_a_state_of_the_game_pauses_it() {
    #[derive(Resource)]
    struct Playing(bool);
    fn plays(playing: Res<Playing>) -> bool {
        playing.0
    }
    let mut app = app(training());
    app.insert_resource(Playing(true))
        .configure_sets(StepStart, AgentSystems::Decide.run_if(plays))
        .configure_sets(StepEnd, AgentSystems::End.run_if(plays));
    let arena = app.world_mut().spawn(Arena::with_time_limit(8)).id();
    spawn_agent(&mut app, arena, 0);
    headless::start(&mut app);
    update(&mut app, 5);
    app.world_mut().resource_mut::<Playing>().0 = false;
    assert_eq!(ended(&mut app, 20), [], "the time limit waits");
    let decisions = app.world().resource::<RolloutClock>().decisions;
    app.world_mut().resource_mut::<Playing>().0 = true;
    let episodes = ended(&mut app, 5);
    assert_eq!((decisions, episodes.len(), episodes[0].decisions), (5, 1, 8));
}

#[test]
fn kinds_of_arenas_learn_side_by_side_and_each_has_its_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = app(training());
    let guards = spawn_arena(&mut app, 2).1;
    let mixed = app.world_mut().spawn(Arena::default()).id();
    let wolf = app.world_mut().spawn((Agent::new("wolf", 1, 2), InArena::new(mixed), Age::default())).id();
    app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(mixed), Age::default()));
    let named = app.world_mut().spawn(Arena::default().of_kind("yard")).id();
    app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(named), Age::default()));
    headless::start(&mut app);
    update(&mut app, 6);
    assert_eq!(told(&app), [""; 0]);
    assert_eq!(
        (action(&app, guards[0]), app.world().get::<Action>(wolf).unwrap().len()),
        (action(&app, guards[1]), 2)
    );
    let path = folder.path().join("run.checkpoint.safetensors");
    let mut training = app.world_mut().resource_mut::<Training>();
    assert_eq!(training.kinds().collect::<Vec<_>>(), ["guard", "guard+wolf", "yard"]);
    training.checkpoint(path.clone(), false);
    let rows = ["guard", "guard+wolf", "yard"].map(|kind| training.stop_kind(kind).unwrap().replay().len());
    assert_eq!(rows, [5; 3]);
    for kind in ["guard", "guard+wolf", "yard"] {
        assert!(kind_path(&path, kind).exists(), "{kind}");
    }
    let acting = app.world().resource::<ActingPolicy>();
    assert_eq!(acting.snapshot_of("guard+wolf").unwrap().spec().agents(), 2);
    assert_eq!(acting.snapshot_of("yard").unwrap().spec().agents(), 1);
}

#[test]
fn a_learner_that_continues_from_the_checkpoint_of_its_kind_writes_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let game = |visits: &[&str], resumed: bool| {
        let resume = resumed.then(|| path.clone());
        let mut app = app(training().with_training(|training| training.resume = resume));
        for behavior in visits {
            let arena = app.world_mut().spawn(Arena::default()).id();
            app.world_mut().spawn((Agent::new(*behavior, 1, 1), InArena::new(arena), Age::default()));
        }
        headless::start(&mut app);
        update(&mut app, 10);
        let before = app.world().resource::<RolloutClock>().decisions;
        let mut training = app.world_mut().resource_mut::<Training>();
        training.checkpoint(&path, false);
        visits.iter().for_each(|kind| _ = training.stop_kind(kind));
        before
    };
    game(&["guard", "wolf"], false);
    let second = game(&["guard"], true);
    assert!(!path.exists(), "the file of the kind is written");
    assert!(game(&["guard"], true) > second, "the third run continues from the second");
}

#[test]
fn agents_that_are_not_trained_are_a_part_of_the_world_for_the_others() {
    let mut app = app(training());
    let (_, agents) = spawn_arena(&mut app, 2);
    app.world_mut().entity_mut(agents[1]).insert((Untrained, ActionOverride(vec![0.5])));
    headless::start(&mut app);
    update(&mut app, 5);
    let scripted = SlotState { learns: false, ..PLAYS };
    assert_eq!(count(&transitions(&mut app), [PLAYS, scripted, EMPTY, JOINS, DIES])[..2], [4, 4]);
}

#[test]
fn an_agent_alone_may_have_the_arena_on_its_own_entity() {
    let mut app = app(training());
    app.world_mut().spawn((Agent::new("guard", 1, 1), Arena::with_time_limit(4), Age::default()));
    app.add_systems(Reset, |resets: ArenasToReset, mut ages: Query<(Entity, &mut Age)>| {
        for (_, mut age) in ages.iter_mut().filter(|(entity, _)| resets.contains(*entity)) {
            age.0 = 0.0;
        }
    });
    headless::start(&mut app);
    assert_eq!(ended(&mut app, 9).len(), 2);
    assert_eq!(told(&app), [""; 0]);
    assert_eq!(transitions(&mut app).rows(), 8);
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
    assert_eq!(block.discounts, [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(block.rewards[..10], [1.0; 10]);
}

#[test]
fn an_episode_that_ends_as_its_arena_is_despawned_is_learned_as_ended() {
    let mut app = app(training());
    let (arena, _) = spawn_arena(&mut app, 2);
    app.add_systems(
        FixedUpdate,
        (move |mut commands: Commands, ages: Query<&Age>, mut episodes: Query<&mut Episode>| {
            if ages.iter().any(|age| age.0 == 5.0) {
                episodes.iter_mut().for_each(|mut episode| episode.terminate());
                commands.entity(arena).despawn();
            }
        })
        .after(grow),
    );
    headless::start(&mut app);
    let ended = ended(&mut app, 10);
    assert_eq!(ended.len(), 1);
    let EpisodeEnded { returns, decisions, truncated, .. } = &ended[0];
    assert_eq!((&returns[..], *decisions, *truncated), (&[5.0, 5.0][..], 5, false));
    let block = transitions(&mut app);
    assert_eq!(block.discounts, [1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(block.rewards, [1.0; 10]);
    assert_eq!(count(&block, [PLAYS, DIES, LEAVES, JOINS, EMPTY])[..2], [8, 2]);
}

#[test]
fn what_was_played_in_an_arena_that_is_despawned_is_not_lost() {
    let mut app = app(training());
    let (arena, _) = spawn_arena(&mut app, 1);
    headless::start(&mut app);
    update(&mut app, 5);
    app.world_mut().despawn(arena);
    assert_eq!(ended(&mut app, 3), []);
    assert_eq!(count(&transitions(&mut app), [PLAYS, DIES, LEAVES, JOINS, EMPTY]), [4, 0, 1, 0, 0]);
}

#[test]
fn agents_of_a_disabled_arena_stay_in_it() {
    let mut app = app(training());
    let (arena, agents) = spawn_arena(&mut app, 2);
    headless::start(&mut app);
    update(&mut app, 5);
    app.world_mut().entity_mut(arena).insert(Disabled);
    update(&mut app, 5);
    app.world_mut().entity_mut(arena).remove::<Disabled>();
    update(&mut app, 5);
    assert_eq!(told(&app), [""; 0]);
    let entry = &app.world().resource::<Arenas>().entries()[0];
    assert_eq!((entry.arena, &entry.agents), (arena, &agents.into_iter().map(Some).collect()));
    transitions(&mut app);
}

#[test]
fn after_its_learner_has_stopped_the_game_records_nothing() {
    let mut app = app(training());
    spawn_arena(&mut app, 1);
    headless::start(&mut app);
    update(&mut app, 5);
    app.world_mut().resource_mut::<Training>().stop();
    update(&mut app, 5);
    let waiting = app.world().resource::<Experience>().completed(0).unwrap();
    assert!(waiting.is_empty(), "{} transitions wait for nobody", waiting.rows());
}

#[test]
fn common_settings_may_name_behaviors_of_one_kind() {
    let mut config = TrainingConfig::default();
    config.learner.independent = vec!["wolf".into()];
    let mut app = app(MaddpgPlugins::train(config));
    spawn_arena(&mut app, 2);
    let arena = app.world_mut().spawn(Arena::default()).id();
    app.world_mut().spawn((Agent::new("wolf", 1, 1), InArena::new(arena), Age::default()));
    headless::start(&mut app);
    update(&mut app, 3);
    let training = app.world().resource::<Training>();
    assert_eq!((training.kinds().count(), training.failure()), (2, None));
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
    assert_eq!(blocks[0].discounts[..8], [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(blocks[0].rewards[..4], [1.0, 1.0, 1.0, 11.0]);
    assert!(
        blocks.iter().all(|block| block.rows() >= 12 && block.discounts[..12] == blocks[0].discounts[..12])
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
fn an_agent_may_become_another_in_any_schedule() {
    fn become_another(
        mut commands: Commands,
        agents: Query<(Entity, &Agent), With<Age>>,
        mut calls: Local<u32>,
    ) {
        *calls += 1;
        for (entity, agent) in agents.iter().filter(|_| *calls % 3 == 1) {
            let size = if agent.observation_size == 1 { 3 } else { 1 };
            commands.entity(entity).insert(Agent::new("guard", size, size));
        }
    }

    fn another_may_become_another(
        mut commands: Commands,
        agents: Query<(Entity, &Agent), With<Age>>,
        mut calls: Local<u32>,
    ) {
        *calls += 1;
        // Not before the learner has started.
        if *calls == 1 {
            return;
        }
        // One agent at a time, so that a row of its arena starts; and only what it does, so that what it observes fits.
        let index = *calls as usize % 3;
        if let Some((entity, agent)) = agents.iter().nth(index) {
            let size = if agent.action.size() == 1 { 3 } else { 1 };
            commands.entity(entity).insert(Agent::new("guard", 1, size));
        }
    }

    for place in 0..8 {
        let mut app = app(training());
        app.add_systems(FixedUpdate, |mut episodes: Query<&mut Episode>| {
            episodes
                .iter_mut()
                .filter(|episode| episode.decisions() == 3)
                .for_each(|mut episode| episode.terminate());
        });
        match place {
            0 => app.add_systems(Reset, become_another),
            1 => app.add_systems(Observe, become_another),
            2 => app.add_systems(FixedUpdate, become_another),
            3 => app.add_systems(Update, become_another),
            4 => app.add_systems(Reset, another_may_become_another),
            5 => app.add_systems(Observe, another_may_become_another),
            6 => app.add_systems(FixedUpdate, another_may_become_another),
            _ => app.add_systems(Update, another_may_become_another),
        };
        spawn_arena(&mut app, 2);
        spawn_arena(&mut app, 1);
        headless::start(&mut app);
        update(&mut app, 40);
        let learner = app.world_mut().resource_mut::<Training>().stop();
        assert!(learner.is_some(), "place {place}: the learner panicked");
    }
}

#[test]
fn arenas_with_different_numbers_of_agents_share_a_learner() {
    let mut app = app(training());
    (0..3).for_each(|_| _ = spawn_arena(&mut app, 2));
    spawn_arena(&mut app, 3);
    headless::start(&mut app);
    update(&mut app, 5);
    assert_eq!(told(&app), [""; 0]);
    let block = transitions(&mut app);
    assert_eq!(block.rows(), 4 * 4);
    assert_eq!(count(&block, [PLAYS, EMPTY, LEAVES, JOINS, DIES]), [4 * 9, 4 * 3, 0, 0, 0]);
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

/// The result of a game is often its only reward.
#[test]
fn a_reward_at_the_end_of_each_episode_is_something_to_learn_from() {
    let mut app = app(training());
    app.add_systems(FixedLast, |mut arenas: Query<&mut Episode>, mut agents: Query<&mut Reward>| {
        for mut episode in arenas.iter_mut().filter(|episode| episode.decisions() == 10) {
            agents.iter_mut().for_each(|mut reward| reward.add(1.0));
            episode.terminate();
        }
    });
    spawn_arena(&mut app, 1);
    headless::start(&mut app);
    update(&mut app, 1_200);
    assert!(told(&app).is_empty(), "{:?}", told(&app));
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

/// The memory that the process uses, in bytes, where the system tells.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(4096 * status.split_whitespace().nth(1)?.parse::<usize>().ok()?)
}

#[test]
fn ten_minutes_of_a_hundred_spawns_a_second_do_not_let_the_app_grow() {
    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::play(guards(1)))
        .add_systems(Reset, reset)
        .add_systems(Observe, observe)
        .add_systems(FixedUpdate, grow);
    let (arena, _) = spawn_arena(&mut app, 3);
    headless::start(&mut app);
    let mut spawned = std::collections::VecDeque::new();
    let mut memory = None;
    // 64 fixed steps a second.
    for step in 0..600 * 64 {
        for _ in 0..(step + 1) * 100 / 64 - step * 100 / 64 {
            let agent = (Agent::new("guard", 1, 1), Age::default());
            let agent = match step % 3 {
                0 => app.world_mut().spawn(agent).id(),
                _ => app.world_mut().spawn((agent, InArena::new(arena))).id(),
            };
            spawned.push_back(agent);
            if spawned.len() > 100 {
                app.world_mut().despawn(spawned.pop_front().unwrap());
            }
        }
        app.update();
        if step == 120 * 64 {
            memory = resident();
        }
    }
    assert_eq!(app.world().resource::<Arenas>().len(), 1);
    assert_eq!(app.world_mut().query::<&Agent>().iter(app.world()).count(), 103);
    assert_eq!(told(&app), [""; 0]);
    if let (Some(before), Some(after)) = (memory, resident()) {
        assert!(after < before + (16 << 20), "{before} bytes after two minutes, {after} after ten");
    }
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
    assert_eq!(app.world().resource::<Arenas>().len(), 1);
    assert!(transitions(&mut app).rows() >= 299);
}

#[test]
fn what_an_agent_earned_before_it_was_disabled_in_reset_belongs_to_the_last_episode() {
    let mut app = app(training());
    let arena = app.world_mut().spawn(Arena::with_time_limit(3)).id();
    let agents = [0, 1].map(|slot| spawn_agent(&mut app, arena, slot));
    // In every second episode, the second agent is missing.
    app.add_systems(Reset, move |mut commands: Commands, resets: ArenasToReset, mut number: Local<u32>| {
        if resets.contains(arena) {
            let mut second = commands.entity(agents[1]);
            if *number % 2 == 1 {
                second.insert(Disabled)
            } else {
                second.remove::<Disabled>()
            };
            *number += 1;
        }
    });
    headless::start(&mut app);
    let returns: Vec<_> = ended(&mut app, 12).into_iter().map(|episode| episode.returns).collect();
    assert_eq!(returns, [[3.0, 3.0], [3.0, 0.0], [3.0, 3.0], [3.0, 0.0]]);
}

#[test]
fn an_episode_is_announced_once_if_an_observer_of_its_end_despawns_the_arena() {
    for by_reset in [false, true] {
        let mut app = app(training());
        let arena = app.world_mut().spawn(Arena::with_time_limit(3)).id();
        spawn_agent(&mut app, arena, 0);
        if by_reset {
            app.add_systems(Reset, move |mut commands: Commands, episodes: Query<&Episode>| {
                if episodes.get(arena).is_ok_and(|episode| episode.has_ended()) {
                    commands.entity(arena).despawn();
                }
            });
        } else {
            app.add_observer(|ended: On<EpisodeEnded>, mut commands: Commands| {
                commands.entity(ended.arena).despawn();
            });
        }
        headless::start(&mut app);
        let returns: Vec<_> = ended(&mut app, 8).into_iter().map(|episode| episode.returns).collect();
        assert_eq!(returns, [[3.0]], "despawned in Reset: {by_reset}");
        assert_eq!(transitions(&mut app).rewards, [1.0; 3]);
    }
}

#[test]
fn a_behavior_of_a_later_wave_joins_the_training_if_it_has_slots() {
    let archer = || Agent::new("archer", 1, 2);
    for has_slot in [true, false] {
        let mut app = app(training());
        let arena = Arena::default().with_slots("guard", 3);
        let arena = if has_slot { arena.with_slots_for(archer(), 1) } else { arena };
        let arena = app.world_mut().spawn(arena).id();
        app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(arena), Age::default()));
        headless::start(&mut app);
        update(&mut app, 5);
        let late = app.world_mut().spawn((archer(), InArena::new(arena), Age::default())).id();
        app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(arena), Age::default()));
        update(&mut app, 5);
        assert!(app.world().get::<Action>(late).unwrap().is_made());
        let kinds: Vec<&str> = app.world().resource::<Arenas>().kinds().iter().map(Kind::name).collect();
        if has_slot {
            assert_eq!((kinds, told(&app)), (vec!["archer+guard"], vec![]));
            let slots = app.world().resource::<Arenas>().kinds()[0].spec().agents();
            assert_eq!(slots, 4);
            let block = transitions(&mut app);
            let learn = |slots: &[SlotState]| slots.iter().filter(|state| state.learns).count();
            assert_eq!(block.slots.chunks(4).map(learn).max(), Some(3));
        } else {
            assert_eq!(kinds, ["guard", "archer+guard"]);
            assert!(told(&app)[0].contains("`Arena::with_slots_for`"), "{:?}", told(&app));
        }
    }
}

#[test]
fn reserved_slots_are_shared_by_the_teams() {
    let mut app = app(training());
    let arena = app.world_mut().spawn(Arena::default().with_slots("guard", 4)).id();
    let join = |app: &mut App, team: &str| {
        let agent = Agent::new("guard", 1, 1).in_team(team);
        app.world_mut().spawn((agent, InArena::new(arena), Age::default()));
    };
    ["red", "blue"].into_iter().for_each(|team| join(&mut app, team));
    headless::start(&mut app);
    update(&mut app, 3);
    ["blue", "red"].into_iter().for_each(|team| join(&mut app, team));
    update(&mut app, 3);
    assert_eq!(told(&app), [""; 0]);
}

#[test]
fn agents_that_are_spawned_in_reset_play_from_the_first_decision_on() {
    let mut plugins = training();
    plugins.rollout.strict = true;
    let mut app = app(plugins);
    app.world_mut().spawn(Arena::default());
    app.add_systems(Reset, |mut commands: Commands, resets: ArenasToReset, agents: Query<&InArena>| {
        for arena in resets.iter().filter(|arena| agents.iter().all(|place| place.arena != *arena)) {
            commands.spawn((Agent::new("guard", 1, 1), InArena::new(arena), Age::default()));
        }
    });
    headless::start(&mut app);
    update(&mut app, 1);
    let mut agents = app.world_mut().query::<&Action>();
    assert!(agents.single(app.world()).unwrap().is_made());
    let clock = app.world().resource::<RolloutClock>();
    assert_eq!(clock.decisions, 1);
}

#[test]
fn an_agent_without_a_slot_takes_part_again_after_a_reset() {
    let mut app = app(training());
    let (arena, _) = spawn_arena(&mut app, 1);
    headless::start(&mut app);
    update(&mut app, 2);
    let extra = app.world_mut().spawn((Agent::new("guard", 1, 1), InArena::new(arena), Age::default())).id();
    update(&mut app, 2);
    assert!(told(&app)[0].contains("no free slot"), "{:?}", told(&app));
    app.world_mut().get_mut::<Life>(extra).unwrap().terminate();
    update(&mut app, 2);
    assert!(!app.world().get::<Action>(extra).unwrap().is_made());
    app.world_mut().get_mut::<Episode>(arena).unwrap().truncate();
    update(&mut app, 2);
    assert!(!app.world().get::<Life>(extra).unwrap().is_over());
    assert!(app.world().get::<Action>(extra).unwrap().is_made());
}

#[test]
fn a_checkpoint_of_a_learner_that_has_stopped_does_not_stay_pending() {
    let mut app = app(training());
    spawn_arena(&mut app, 1);
    headless::start(&mut app);
    update(&mut app, 3);
    app.world().resource::<Training>().stop_signal().stop();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    app.world().resource::<Training>().checkpoint(&path, false);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while app.world().resource::<Training>().checkpoint_is_pending() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(path.exists(), "a learner that makes no more updates still saves");
}
