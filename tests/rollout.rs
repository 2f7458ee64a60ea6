//! The transitions that the rollout passes to a learner, and the arenas it rejects.

use bevy::prelude::*;
use bevy_maddpg::{
    agent::{Action, ActionOverride, Agent, Observation, Reward},
    arena::{Arena, ArenasToObserve, ArenasToReset, Episode, EpisodeEnded, InArena},
    headless,
    learner::{Pace, Preset, TrainingConfig},
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
    problems::Problems,
    rollout::{Arenas, Observe, Reset, RolloutClock, agents_decide},
    training::Training,
};

/// The state of a minimal game: a number that starts at 0 and grows by the agent's action on each step. Each step earns
/// a reward of 1.
#[derive(Component, Default)]
struct Position(f32);

fn reset(resets: ArenasToReset, mut agents: Query<(&InArena, &mut Position)>) {
    for (place, mut position) in &mut agents {
        if resets.contains(place.arena) {
            position.0 = 0.0;
        }
    }
}

fn observe(mut agents: Query<(&Position, &mut Observation)>) {
    for (position, mut observation) in &mut agents {
        observation.write(&[position.0]);
    }
}

fn act(mut agents: Query<(&Action, &mut Position)>) {
    for (action, mut position) in &mut agents {
        position.0 += action[0];
    }
}

fn reward(mut agents: Query<(&InArena, &Position, &mut Reward)>, mut episodes: Query<&mut Episode>) {
    for (place, position, mut reward) in &mut agents {
        reward.add(1.0);
        if position.0 >= 6.5 {
            episodes.get_mut(place.arena).unwrap().terminate();
        }
    }
}

fn game(plugins: MaddpgPlugins, time_limit: u32, frames: usize) -> App {
    let mut app = headless::app(1);
    app.add_plugins(plugins.with_decision_period(2))
        .add_systems(Reset, reset)
        .add_systems(Observe, observe)
        .add_systems(FixedUpdate, (act, reward).chain());
    let arena = app.world_mut().spawn(Arena::with_time_limit(time_limit)).id();
    for slot in 0..2 {
        app.world_mut().spawn((
            Agent::new("walker", 1, 1).with_frames(frames),
            InArena::slot(arena, slot),
            Position::default(),
            ActionOverride(vec![0.5 + 0.5 * slot as f32]),
        ));
    }
    headless::start(&mut app);
    app
}

fn training() -> MaddpgPlugins {
    let mut config =
        TrainingConfig::from_toml(Preset::Matd3, "[learner]\nlearning_starts = 1000000").unwrap();
    config.exploration.random_decisions = 0;
    MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep)
}

/// The transitions that reached the learner.
fn transitions(app: &mut App) -> bevy_maddpg::transition::TransitionBlock {
    let learner = app.world_mut().resource_mut::<Training>().stop().expect("a learner");
    learner.replay().to_block()
}

#[test]
fn a_transition_spans_a_decision_and_ends_before_the_reset() {
    // Slot 1 moves by 1 per step and 2 per decision, so it passes 6.5 in the first step of the fourth decision.
    let mut app = game(training(), 100, 1);
    (0..11).for_each(|_| app.update());
    let rows = transitions(&mut app);
    assert_eq!(rows.observations[..8], [0.0, 0.0, 1.0, 2.0, 2.0, 4.0, 3.0, 6.0]);
    assert_eq!(
        rows.next_observations[..8],
        [1.0, 2.0, 2.0, 4.0, 3.0, 6.0, 3.5, 7.0],
        "the true last observation"
    );
    assert_eq!(rows.actions[..8], [0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0]);
    assert_eq!(
        rows.rewards[..8],
        [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0],
        "the rewards of a decision's steps are summed"
    );
    assert_eq!(rows.discounts[..5], [1.0, 1.0, 1.0, 0.0, 1.0]);
    assert_eq!(rows.observations[8..10], [0.0, 0.0], "the next episode starts from the reset state");
}

#[test]
fn a_time_limit_truncates_and_is_not_a_terminal_state() {
    let mut app = game(training(), 2, 1);
    (0..10).for_each(|_| app.update());
    let ended: Vec<EpisodeEnded> = app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().collect();
    assert!(
        ended
            .iter()
            .all(|episode| episode.truncated && episode.decisions == 2 && episode.returns == [4.0, 4.0])
    );
    let rows = transitions(&mut app);
    assert!(rows.discounts.iter().all(|&discount| discount == 1.0));
    assert_eq!(rows.next_observations[2..4], [2.0, 4.0], "the last observation before the reset");
    assert_eq!(rows.observations[4..6], [0.0, 0.0]);
}

#[test]
fn frame_stack_restarts_with_each_episode() {
    let mut app = game(training(), 2, 3);
    (0..8).for_each(|_| app.update());
    let rows = transitions(&mut app);
    let slot_1 = |row: usize| rows.observations[row * 6 + 3..row * 6 + 6].to_vec();
    assert_eq!([slot_1(0), slot_1(1), slot_1(2)], [[0.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]]);
    assert_eq!(rows.next_observations[9..12], [0.0, 2.0, 4.0]);
}

#[test]
fn no_transitions_are_kept_without_a_learner() {
    let agents = bevy_maddpg::policy::AgentSpec::new("walker", 1, 1);
    let spec = bevy_maddpg::policy::ArenaSpec::new(vec![agents; 2]);
    let policy = PolicySnapshot::zeros(&spec.groups(true).unwrap()).unwrap();
    let mut app = game(MaddpgPlugins::play(policy), 2, 1);
    (0..50).for_each(|_| app.update());
    assert!(app.world().resource::<bevy_maddpg::rollout::Experience>().completed(0).unwrap().is_empty());
    assert_eq!(app.world().resource::<RolloutClock>().decisions, 25);
}

#[test]
fn arenas_can_be_added_and_removed() {
    let mut app = game(training(), 3, 1);
    (0..5).for_each(|_| app.update());
    let arena = app.world_mut().spawn(Arena::with_time_limit(3)).id();
    for slot in 0..2 {
        app.world_mut().spawn((Agent::new("walker", 1, 1), InArena::slot(arena, slot), Position::default()));
    }
    (0..5).for_each(|_| app.update());
    assert_eq!(app.world().resource::<Arenas>().len(), 2);
    app.world_mut().despawn(arena);
    (0..5).for_each(|_| app.update());
    assert_eq!(app.world().resource::<Arenas>().len(), 1);
}

/// What a world tells whose arenas have these agents (behavior, slot, observation size).
fn told(arenas: &[&[(&str, usize, usize)]]) -> String {
    let mut app = headless::app(1);
    app.add_plugins(training());
    for agents in arenas {
        let arena = app.world_mut().spawn(Arena::default()).id();
        for &(behavior, slot, size) in *agents {
            app.world_mut().spawn((Agent::new(behavior, size, 1), InArena::slot(arena, slot)));
        }
    }
    headless::start(&mut app);
    app.update();
    app.world().resource::<Problems>().told().join("\n")
}

#[test]
fn agents_that_cannot_be_trained_are_told_by_name() {
    let gap = told(&[&[("a", 0, 1), ("a", 2, 1)]]);
    assert!(gap.contains("slots [0, 2]"), "{gap}");
    let sizes = told(&[&[("a", 0, 1), ("a", 1, 2)]]);
    assert!(sizes.contains("behavior `a`") && sizes.contains("2 observed numbers instead of"), "{sizes}");
}

/// How often a system ran that must run once per decision, and which of two arenas were observed at each run of `Observe`.
#[derive(Resource, Default)]
struct Runs {
    decides: u32,
    observed: Vec<[bool; 2]>,
}

#[test]
fn at_the_end_of_an_episode_only_its_arena_is_observed_and_scripts_do_not_decide_again() {
    let mut app = headless::app(1);
    let arenas = [1, 100].map(|limit| {
        let arena = app.world_mut().spawn(Arena::with_time_limit(limit)).id();
        app.world_mut().spawn((Agent::new("walker", 1, 1), InArena::new(arena), Position::default()));
        arena
    });
    app.init_resource::<Runs>()
        .add_plugins(training().with_decision_period(2))
        .add_systems(Reset, reset)
        .add_systems(
            Observe,
            (
                observe,
                (|mut runs: ResMut<Runs>| runs.decides += 1).run_if(agents_decide),
                move |observed: ArenasToObserve, mut runs: ResMut<Runs>| {
                    runs.observed.push(arenas.map(|arena| observed.contains(arena)));
                },
            ),
        );
    headless::start(&mut app);
    (0..6).for_each(|_| app.update());
    let runs = app.world().resource::<Runs>();
    // Three decisions, each of which is the only one of an episode in the first arena.
    assert_eq!(runs.decides, 3);
    assert_eq!(runs.observed, [[true, true], [true, false]].repeat(3));
}
