//! Checkpoints with the replay buffer are written from the buffer and read into it, without a copy of it.

#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use maddpg::{
    learner::{Device, Learner, LearnerConfig},
    policy::{AgentSpec, ArenaSpec},
    transition::{SlotState, TransitionBlock},
};

/// The system allocator, with counters per thread: the bytes that are in use, and the most that ever were.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    LIVE.set(LIVE.get() + change);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: forwards all calls to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that `work` has in use in addition to what was before, and what it returns.
fn most_in_use<T>(work: impl FnOnce() -> T) -> (isize, T) {
    PEAK.set(LIVE.get());
    let before = LIVE.get();
    let result = work();
    (PEAK.get() - before, result)
}

#[test]
fn a_replay_buffer_is_saved_and_loaded_without_a_copy() {
    let spec = ArenaSpec::new(vec![AgentSpec::new("agent", 24, 2); 2]);
    let config = LearnerConfig { replay_capacity: 100_000, ..LearnerConfig::default() };
    let mut learner = Learner::new(config, spec.clone(), Device::cpu(), 0).unwrap();
    let rows = 100_000;
    learner.remember(&TransitionBlock {
        observations: (0..rows * 48).map(|x| x as f32).collect(),
        actions: vec![0.5; rows * 4],
        rewards: vec![1.0; rows * 2],
        next_observations: vec![0.4; rows * 48],
        discounts: vec![1.0; rows],
        slots: vec![SlotState::PRESENT; rows * 2],
        ..TransitionBlock::default()
    });
    let buffer = (rows * (2 * 48 + 4 + 2 + 2 + 1) * 4) as isize;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let slack = 3_000_000;

    let (most, saved) = most_in_use(|| learner.save(&path, true));
    saved.unwrap();
    assert!(most < slack, "{most} bytes to save a buffer of {buffer}");

    let (most, loaded) = most_in_use(|| Learner::load(&path, &spec, Device::cpu()));
    assert!(most < buffer + slack, "{most} bytes to load a buffer of {buffer}");
    assert_eq!(loaded.unwrap().replay().to_block(), learner.replay().to_block());
}
