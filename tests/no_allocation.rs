//! Decisions in the middle of episodes allocate nothing: gathering, noise, recording, handing over.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use bevy::prelude::*;
use bevy_maddpg::{
    agent::{Action, Agent, Observation, Reward},
    arena::{Arena, InArena},
    headless,
    learner::{Pace, Preset, TrainingConfig},
    plugin::MaddpgPlugins,
    policy::{PolicySnapshot, Scratch},
    rollout::{ActingPolicy, AgentSystems, Observe, RolloutClock},
};

/// The system's allocator, counting for each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all calls go to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn observe(mut agents: Query<(&Action, &mut Observation)>) {
    for (action, mut observation) in &mut agents {
        observation.write(&[action[0], action[1], 0.5]);
    }
}

fn reward(mut agents: Query<(&Action, &mut Reward)>) {
    for (action, mut reward) in &mut agents {
        reward.add(action[0]);
    }
}

/// What the matrix products of one forward pass allocate for themselves.
fn allocations_of_forward_pass(snapshot: &PolicySnapshot, rows: usize) -> u64 {
    let group = &snapshot.policies[0].group.agent;
    let observations = vec![0.5; rows * group.observation_size];
    let mut actions = vec![0.0; rows * group.action_size];
    let mut scratch = Scratch::default();
    let mut count = || {
        let before = ALLOCATIONS.get();
        snapshot.policies[0].act(&observations, &mut actions, rows, &mut scratch);
        ALLOCATIONS.get() - before
    };
    count();
    count()
}

#[test]
fn decisions_in_the_middle_of_episodes_allocate_nothing() {
    let mut config =
        TrainingConfig::from_toml(Preset::Matd3, "[learner]\nlearning_starts = 1000000").expect("a preset");
    config.exploration.random_decisions = 0;
    let plugins = MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep);
    let mut app = headless::app(5);
    app.add_plugins(plugins.with_decision_period(5))
        .add_systems(Observe, observe)
        .add_systems(FixedUpdate, reward.in_set(AgentSystems::Reward));
    for _ in 0..64 {
        let arena = app.world_mut().spawn(Arena::default()).id();
        for slot in 0..2 {
            app.world_mut().spawn((Agent::new("agent", 3, 2).with_frames(3), InArena::slot(arena, slot)));
        }
    }
    headless::start(&mut app);
    (0..50).for_each(|_| app.update());
    let (before, decided) = (ALLOCATIONS.get(), app.world().resource::<RolloutClock>().decisions);
    (0..100).for_each(|_| app.update());
    let allocations = ALLOCATIONS.get() - before;
    assert_eq!(app.world().resource::<RolloutClock>().decisions - decided, 6_400);
    let snapshot = app.world().resource::<ActingPolicy>().snapshot().expect("a policy").clone();
    let of_forward_pass = allocations_of_forward_pass(&snapshot, 128);
    assert_eq!(allocations, 100 * of_forward_pass, "allocations in 100 decisions of 64 arenas");
}
