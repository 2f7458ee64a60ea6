//! The hot paths do not allocate: decisions within an episode (gathering observations, forward pass, noise, recording,
//! handing over transitions) and the learner's updates.

#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use bevy::prelude::*;
use bevy_maddpg::{
    agent::{Action, Agent, Observation, Reward},
    arena::{Arena, InArena},
    diagnostics::DiagnosticsPlugin,
    headless,
    learner::{Device, Learner, Pace, Preset, TrainingConfig},
    plugin::MaddpgPlugins,
    policy::{AgentSpec, ArenaSpec},
    rollout::{Observe, RolloutClock},
    transition::{SlotState, TransitionBlock},
};

/// The system allocator, with an allocation counter per thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: forwards all calls to the system allocator unchanged.
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

#[test]
fn decisions_within_an_episode_do_not_allocate() {
    let mut config =
        TrainingConfig::from_toml(Preset::Matd3, "[learner]\nlearning_starts = 1000000").expect("a preset");
    config.exploration.random_decisions = 0;
    let plugins = MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep);
    let mut app = headless::app(5);
    // The diagnostics allocate once per second.
    app.add_plugins(plugins.with_decision_period(5).build().disable::<DiagnosticsPlugin>())
        .add_systems(Observe, observe)
        .add_systems(FixedUpdate, reward);
    for _ in 0..64 {
        let arena = app.world_mut().spawn(Arena::default()).id();
        for slot in 0..2 {
            app.world_mut().spawn((Agent::new("agent", 3, 2).with_frames(3), InArena::slot(arena, slot)));
        }
    }
    headless::start(&mut app);
    (0..50).for_each(|_| app.update());
    // The first time that the game has to wait for the learner, the channel allocates. A decision that always allocates
    // would do so in every round.
    let rounds = (0..3).map(|_| {
        let (before, decided) = (ALLOCATIONS.get(), app.world().resource::<RolloutClock>().decisions);
        (0..100).for_each(|_| app.update());
        assert_eq!(app.world().resource::<RolloutClock>().decisions - decided, 6_400);
        ALLOCATIONS.get() - before
    });
    assert_eq!(rounds.min(), Some(0), "in 100 decisions of 64 arenas");
}

#[test]
fn learner_updates_do_not_allocate() {
    let agent = |behavior: &str, observation_size| AgentSpec::new(behavior, observation_size, 2);
    let spec = ArenaSpec::new(vec![agent("runner", 7), agent("chaser", 5), agent("runner", 7)]);
    let rows = 300;
    let block = TransitionBlock {
        observations: vec![0.5; rows * spec.joint_observation_size()],
        actions: vec![0.1; rows * spec.joint_action_size()],
        rewards: vec![1.0; rows * spec.agents()],
        next_observations: vec![0.4; rows * spec.joint_observation_size()],
        discounts: vec![1.0; rows],
        slots: vec![SlotState::PRESENT; rows * spec.agents()],
        ..TransitionBlock::default()
    };
    for preset in Preset::ALL {
        let mut learner =
            Learner::new(preset.config().learner, spec.clone(), Device::cpu(), 0).expect("a learner");
        learner.remember(&block);
        (0..4).for_each(|_| assert!(learner.update(true).is_ok()));
        let before = ALLOCATIONS.get();
        (0..20).for_each(|_| assert!(learner.update(true).is_ok()));
        assert_eq!(ALLOCATIONS.get() - before, 0, "{preset}: allocations in 20 updates");
    }
}
