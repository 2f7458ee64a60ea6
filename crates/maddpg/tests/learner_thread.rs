//! The learner on its own thread: a free-running game never waits for it, and failures are reported.

use std::time::{Duration, Instant};

use maddpg::{
    learner::{
        CHANNEL_BLOCKS, CheckpointRequest, Device, Learner, LearnerConfig, LearnerThread, Pace, Preset,
    },
    policy::{AgentSpec, ArenaSpec, PolicySnapshot},
    random::stream,
    transition::{SlotState, TransitionBlock},
};
use rand::RngExt;

fn learner(seed: u64) -> Learner {
    learner_with(seed, |_| {})
}

fn learner_with(seed: u64, change: impl FnOnce(&mut LearnerConfig)) -> Learner {
    let mut config = LearnerConfig {
        batch_size: 32,
        learning_starts: 64,
        updates_per_decision: 0.25,
        max_updates_per_decision: 1.0,
        ..Preset::Matd3.config().learner
    };
    change(&mut config);
    Learner::new(config, spec(), Device::cpu(), seed).unwrap()
}

fn spec() -> ArenaSpec {
    ArenaSpec::new(vec![AgentSpec::new("agent", 3, 2); 2])
}

fn block(number: u64, rows: usize) -> TransitionBlock {
    let mut random = stream(9, "test", number);
    let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    TransitionBlock {
        observations: draw(rows * 6),
        actions: draw(rows * 4),
        rewards: draw(rows * 2),
        next_observations: draw(rows * 6),
        discounts: (0..rows).map(|row| if row % 5 == 0 { 0.0 } else { 1.0 }).collect(),
        slots: vec![SlotState::PRESENT; rows * 2],
        ..TransitionBlock::default()
    }
}

fn train(seed: u64, pace: Pace) -> PolicySnapshot {
    let mut thread = LearnerThread::spawn(learner(seed), pace).unwrap();
    for number in 0..40 {
        thread.synchronize();
        thread.send(block(number, 32));
    }
    let learner = thread.join().expect("the learner did not panic");
    learner.snapshot().unwrap()
}

#[test]
fn lockstep_repeats_bit_by_bit_and_makes_exactly_its_updates() {
    let (first, second, other) =
        (train(1, Pace::Lockstep), train(1, Pace::Lockstep), train(2, Pace::Lockstep));
    assert_eq!(first, second);
    assert_ne!(first.policies(), other.policies());
    // The last 39 blocks of 32 transitions count, because then the learner is ready; a quarter of an update per
    // transition.
    assert_eq!(first.updates(), 39 * 8);
}

#[test]
fn balanced_pace_stays_between_its_ratios() {
    let updates = train(1, Pace::Balanced).updates();
    assert!((39 * 8..=39 * 32).contains(&updates), "{updates} updates for {} transitions", 39 * 32);
}

#[test]
fn a_game_that_runs_free_never_waits_and_counts_what_is_dropped() {
    let mut thread = LearnerThread::spawn(learner(1), Pace::FreeRunning).unwrap();
    let mut longest = Duration::ZERO;
    let blocks = 2_000;
    for number in 0..blocks {
        let block = block(number, 32);
        let start = Instant::now();
        thread.send(block);
        longest = longest.max(start.elapsed());
    }
    let dropped = thread.dropped();
    let received = thread.join().unwrap().transitions();
    assert_eq!(received + dropped, blocks * 32);
    assert!(received >= CHANNEL_BLOCKS as u64 * 32);
    // A loose bound: a game that waited for updates would wait for seconds here.
    assert!(longest < Duration::from_millis(500), "the longest `send` took {longest:?}");
}

#[test]
fn a_learner_that_fails_leaves_its_last_good_policy_and_says_why() {
    let mut thread = LearnerThread::spawn(learner(1), Pace::Balanced).unwrap();
    let latest = thread.latest_policy().clone();
    for number in 0..8 {
        thread.send(block(number, 32));
    }
    let poisoned = TransitionBlock { rewards: vec![f32::NAN; 64], ..block(8, 32) };
    let deadline = Instant::now() + Duration::from_secs(20);
    while thread.failure().is_none() && Instant::now() < deadline {
        thread.send(poisoned.clone());
    }
    let failure = thread.failure().expect("the failure is reported");
    assert!(failure.contains("diverged"), "{failure}");
    let returned = thread.send(block(9, 32));
    assert!(returned.is_empty(), "`send` still works");
    let policy = latest.load();
    assert!(
        policy.policies()[0].network().parameters.iter().all(|x| x.is_finite()),
        "the last policy is finite"
    );
}

#[test]
fn experience_memory_comes_back_to_be_used_again() {
    let mut thread = LearnerThread::spawn(learner(1), Pace::Lockstep).unwrap();
    let mut reused = 0;
    for number in 0..20 {
        thread.synchronize();
        let empty = thread.send(block(number, 32));
        assert!(empty.is_empty());
        reused += usize::from(empty.observations.capacity() >= 32 * 6);
    }
    assert!(reused > 15, "{reused} of 20 blocks were reused");
}

/// A learner that has a million updates to make.
fn overloaded(pace: Pace) -> LearnerThread {
    let ratio = 1000.0;
    let learner = learner_with(1, |config| {
        (config.updates_per_decision, config.max_updates_per_decision) = (ratio, ratio);
    });
    let mut thread = LearnerThread::spawn(learner, pace).unwrap();
    for number in 0..4 {
        thread.send(block(number, 32));
    }
    while thread.updates() == 0 && thread.failure().is_none() {
        std::thread::yield_now();
    }
    thread
}

#[test]
fn a_learner_that_is_stopped_now_makes_no_more_updates_but_stores_everything() {
    for pace in [Pace::FreeRunning, Pace::Balanced, Pace::Lockstep] {
        let thread = overloaded(pace);
        let start = Instant::now();
        thread.stop_signal().stop();
        let learner = thread.join().unwrap();
        assert!(start.elapsed() < Duration::from_secs(2), "{pace:?}: {:?}", start.elapsed());
        assert_eq!(learner.transitions(), 4 * 32, "{pace:?}");
    }
}

#[test]
fn a_game_that_waits_for_a_learner_goes_on_when_the_learner_is_told_to_stop() {
    for pace in [Pace::Balanced, Pace::Lockstep] {
        let mut thread = overloaded(pace);
        let signal = thread.stop_signal().clone();
        let start = Instant::now();
        let handler = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            signal.stop();
        });
        for number in 4..30 {
            thread.synchronize();
            thread.send(block(number, 32));
        }
        let learner = thread.join().unwrap();
        handler.join().unwrap();
        assert!(start.elapsed() < Duration::from_secs(2), "{pace:?}: {:?}", start.elapsed());
        assert_eq!(learner.transitions(), 30 * 32, "{pace:?}");
    }
}

#[test]
fn every_checkpoint_that_was_asked_for_is_written_before_the_learner_ends() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..3).map(|number| folder.path().join(format!("{number}.safetensors"))).collect();
    for pace in [Pace::FreeRunning, Pace::Balanced, Pace::Lockstep] {
        let mut thread = LearnerThread::spawn(learner(1), pace).unwrap();
        thread.send(block(0, 32));
        for path in &paths {
            thread.checkpoint(CheckpointRequest { path: path.clone(), ..CheckpointRequest::default() });
        }
        thread.join().unwrap();
        for path in &paths {
            std::fs::remove_file(path)
                .unwrap_or_else(|error| panic!("{pace:?}, {}: {error}", path.display()));
        }
    }
}

#[test]
fn a_learner_without_its_replay_buffer_waits_for_ten_times_its_first_experience_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut before = learner(1);
    (0..100).for_each(|number| before.remember(&block(number, 32)));
    before.save(&path, false).unwrap();
    let mut after = Learner::load(&path, &spec(), Device::cpu()).unwrap();
    let mut rows = 0;
    while !after.is_ready() {
        after.remember(&block(rows, 32));
        rows += 32;
    }
    assert_eq!(rows, 640);
}

#[test]
fn in_lockstep_any_number_of_blocks_may_be_sent_before_waiting() {
    let mut thread = LearnerThread::spawn(learner(1), Pace::Lockstep).unwrap();
    for number in 0..3 * CHANNEL_BLOCKS as u64 {
        thread.send(block(number, 32));
    }
    thread.synchronize();
    let updates = thread.updates();
    assert_eq!(thread.join().unwrap().updates(), updates, "all updates were made");
}

#[test]
fn of_several_requests_for_one_file_only_the_last_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let request = |name: &str, note: String| CheckpointRequest {
        path: folder.path().join(name),
        note,
        ..CheckpointRequest::default()
    };
    let thread = overloaded(Pace::FreeRunning);
    assert!(!thread.checkpoint_is_pending());
    for number in 0..1_000 {
        thread.checkpoint(request("a.safetensors", number.to_string()));
    }
    thread.checkpoint(request("b.safetensors", "b".into()));
    assert!(thread.checkpoint_is_pending());
    let start = Instant::now();
    while thread.checkpoint_is_pending() {
        assert!(start.elapsed() < Duration::from_secs(20), "a thousand requests are a thousand checkpoints");
        std::thread::sleep(Duration::from_millis(1));
    }
    for (name, note) in [("a.safetensors", "999"), ("b.safetensors", "b")] {
        let learner = Learner::load(folder.path().join(name), &spec(), Device::cpu()).unwrap();
        assert_eq!(learner.note(), note);
    }
}
