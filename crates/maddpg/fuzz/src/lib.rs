//! The learners whose files the fuzz targets begin with and expect.

use maddpg::{
    learner::{Device, Learner, LearnerConfig},
    policy::{ActionSpace, AgentSpec, ArenaSpec},
    transition::{SlotState, TransitionBlock},
};

/// Two agents that also choose and one that does not.
pub fn spec() -> ArenaSpec {
    let action = ActionSpace::default()
        .with_number("aim")
        .with_branch("throw", ["no", "yes"])
        .only_with("aim", "throw", "yes");
    let hunter = || AgentSpec::new("hunter", 2, 0).with_action(action.clone());
    ArenaSpec::new(vec![hunter(), hunter(), AgentSpec::new("b", 1, 1)])
}

/// A small learner with a few updates behind it.
pub fn learner() -> Learner {
    let config = LearnerConfig {
        actor_hidden: vec![2],
        critic_hidden: vec![2],
        batch_size: 2,
        replay_capacity: 4,
        learning_starts: 1,
        ..LearnerConfig::default()
    };
    let (spec, rows) = (spec(), 3);
    let block = TransitionBlock {
        observations: vec![0.5; rows * spec.joint_observation_size()],
        actions: vec![0.0; rows * spec.joint_action_size()],
        rewards: vec![1.0; rows * spec.agents()],
        next_observations: vec![0.4; rows * spec.joint_observation_size()],
        discounts: vec![1.0; rows],
        slots: vec![SlotState::PRESENT; rows * spec.agents()],
        masks: vec![1.0; rows * spec.joint_choices()],
        next_masks: vec![1.0; rows * spec.joint_choices()],
    };
    let mut learner = Learner::new(config, spec, Device::cpu(), 0).expect("the settings are valid");
    learner.remember(&block);
    for _ in 0..3 {
        learner.update(true).expect("the learner is sound");
    }
    learner
}
