//! A training that goes on with other settings than those that it began with.

use std::path::Path;

use maddpg::{
    learner::{Device, Learner, LearnerConfig},
    policy::{AgentSpec, ArenaSpec, PolicySnapshot},
    random::stream,
    transition::{SlotState, TransitionBlock},
};
use rand::RngExt;

fn config() -> LearnerConfig {
    LearnerConfig {
        actor_hidden: vec![8],
        critic_hidden: vec![8],
        batch_size: 16,
        learning_starts: 32,
        replay_capacity: 1_000,
        policy_average: 1.0,
        ..LearnerConfig::default()
    }
}

fn spec() -> ArenaSpec {
    ArenaSpec::new(vec![AgentSpec::new("guard", 3, 1), AgentSpec::new("thief", 2, 1)])
}

/// A learner that has made updates and was saved to `path`.
fn trained(config: LearnerConfig, path: &Path) -> Learner {
    trained_on(config, 1.0, path)
}

/// As [`trained`], with rows of this discount.
fn trained_on(config: LearnerConfig, discount: f32, path: &Path) -> Learner {
    let mut learner = Learner::new(config, spec(), Device::cpu(), 1).unwrap();
    let mut random = stream(1, "test", 0);
    let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    let rows = 64;
    learner.remember(&TransitionBlock {
        observations: draw(rows * 5),
        actions: draw(rows * 2),
        rewards: draw(rows * 2),
        next_observations: draw(rows * 5),
        discounts: vec![discount; rows],
        slots: vec![SlotState::PRESENT; rows * 2],
        ..TransitionBlock::default()
    });
    for _ in 0..100 {
        learner.update(false).unwrap();
    }
    learner.save(path, true).unwrap();
    learner
}

fn resumed(path: &Path, config: &LearnerConfig) -> Learner {
    Learner::load_with(path, &spec(), Device::cpu(), Some(config)).unwrap()
}

/// Whether two learners act by the same weights.
fn act_alike(a: &PolicySnapshot, b: &PolicySnapshot) -> bool {
    a.policies().iter().zip(b.policies()).all(|(a, b)| a.network() == b.network())
}

#[test]
fn an_average_that_is_switched_on_begins_with_what_was_learned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let learner = trained(config(), &path);
    let acted = learner.snapshot().unwrap();
    let average = resumed(&path, &LearnerConfig { policy_average: 0.01, ..config() });
    assert!(act_alike(&average.snapshot().unwrap(), &acted));
}

#[test]
fn what_differs_from_the_agents_of_a_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    trained(config(), &path);
    let load = |change: &dyn Fn(&mut ArenaSpec)| {
        let mut changed = spec();
        change(&mut changed);
        Learner::load(&path, &changed, Device::cpu()).map(|learner| learner.spec() == &changed)
    };
    // Names that were not there before change nothing that was learned.
    assert!(load(&|spec| spec.slots[1].observation_names = vec!["x".into(), "y".into()]).unwrap());
    let refusal = |change: &dyn Fn(&mut ArenaSpec)| load(change).unwrap_err().to_string();
    for (refused, expected) in [
        (
            refusal(&|spec| spec.slots[0].observation_size = 4),
            "slot 0, `guard`, has 4 observed numbers instead of 3",
        ),
        (
            refusal(&|spec| spec.slots[1].behavior = "wolf".into()),
            "slot 1 has the behavior `wolf` instead of `thief`",
        ),
        (refusal(&|spec| _ = spec.slots.pop()), "1 agents"),
        (refusal(&|spec| spec.slots[0].raw.push(0..1)), "has raw numbers at [0..1] instead of []"),
        (
            refusal(&|spec| spec.teams = vec!["all".into(); 2]),
            "slot 0 is in a team with the slots [0, 1] instead of [0]",
        ),
    ] {
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn an_update_without_transitions_changes_nothing() {
    let mut learner = Learner::new(config(), spec(), Device::cpu(), 1).unwrap();
    let before = learner.snapshot().unwrap();
    assert!(!learner.update(true).unwrap().actors_updated);
    assert_eq!(learner.updates(), 0);
    assert!(act_alike(&learner.snapshot().unwrap(), &before));
}

#[test]
fn a_replay_buffer_whose_sums_were_made_with_other_settings_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let saved = LearnerConfig { n_step: 3, ..config() };
    trained(saved.clone(), &path);
    for (changed, is_used) in [
        (saved.clone(), true),
        (LearnerConfig { batch_size: 8, ..saved.clone() }, true),
        (LearnerConfig { n_step: 5, ..saved.clone() }, false),
        (LearnerConfig { gamma: 0.9, ..saved.clone() }, false),
    ] {
        let learner = resumed(&path, &changed);
        assert_eq!(!learner.replay().is_empty(), is_used, "{:?}", (changed.n_step, changed.gamma));
        assert_eq!(learner.is_ready(), is_used);
    }
    // Rows of a single decision do not depend on the discount factor.
    trained(config(), &path);
    assert!(!resumed(&path, &LearnerConfig { gamma: 0.9, ..config() }).replay().is_empty());
    // Those of actions that were kept for several decisions do.
    trained_on(config(), 0.97, &path);
    assert!(resumed(&path, &LearnerConfig { gamma: 0.9, ..config() }).replay().is_empty());
    assert!(!resumed(&path, &LearnerConfig { batch_size: 8, ..config() }).replay().is_empty());
}

#[test]
fn a_checkpoint_that_could_not_be_read_replaces_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut learner = trained(config(), &path);
    let mut observations = vec![0.5; 5];
    observations[1] = f32::NAN;
    learner.remember(&TransitionBlock {
        next_observations: observations.clone(),
        observations,
        actions: vec![0.0; 2],
        rewards: vec![0.0; 2],
        discounts: vec![1.0],
        slots: vec![SlotState::PRESENT; 2],
        ..TransitionBlock::default()
    });
    learner.save(&path, true).unwrap_err();
    assert_eq!(resumed(&path, &config()).transitions(), 64);
}
