//! The learner on problems with known answers.

use maddpg::{
    learner::{Device, Learner, LearnerConfig, Preset},
    policy::{AgentSpec, ArenaSpec, Scratch},
    random::{Random, stream},
    transition::{SlotState, TransitionBlock},
};
use rand::RngExt;

fn arena(agents: usize, observation_size: usize) -> ArenaSpec {
    let agent = AgentSpec::new("agent", observation_size, 1);
    ArenaSpec::new(vec![agent; agents])
}

fn config(preset: Preset) -> LearnerConfig {
    LearnerConfig {
        actor_hidden: vec![32, 32],
        critic_hidden: vec![32, 32],
        batch_size: 128,
        learning_starts: 1,
        actor_learning_rate: 3e-3,
        critic_learning_rate: 3e-3,
        reward_scale: 1.0,
        tau: 0.05,
        ..preset.config().learner
    }
}

fn uniform(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.random_range(-1.0..=1.0)).collect()
}

fn update(learner: &mut Learner, times: u32) {
    for _ in 0..times {
        learner.update(false).unwrap();
    }
}

/// Single-decision episodes of two agents. Each observes one number; the reward of agent i is `-(a_i - target_i)²`.
fn one_step_game(rows: usize, random: &mut Random, target: impl Fn(&[f32], usize) -> f32) -> TransitionBlock {
    let (observations, actions) = (uniform(random, rows * 2), uniform(random, rows * 2));
    let rewards = observations.chunks(2).zip(actions.chunks(2)).flat_map(|(o, a)| {
        let error = |agent: usize| a[agent] - target(o, agent);
        [-error(0) * error(0), -error(1) * error(1)]
    });
    TransitionBlock {
        rewards: rewards.collect(),
        next_observations: observations.clone(),
        discounts: vec![0.0; rows],
        slots: vec![SlotState::PRESENT; rows * 2],
        observations,
        actions,
        ..TransitionBlock::default()
    }
}

/// The largest error of the learned actions over a grid of observations.
fn worst_error(learner: &Learner, target: impl Fn(&[f32], usize) -> f32) -> f32 {
    let snapshot = learner.snapshot().unwrap();
    let mut worst = 0.0f32;
    for policy in snapshot.policies() {
        for step in -8..=8 {
            let observation = [step as f32 / 10.0];
            let mut action = [0.0];
            policy.act(&observation, &[], &mut action, 1, &mut Scratch::default());
            for &slot in &policy.group().slots {
                worst = worst.max((action[0] - target(&[observation[0]; 2], slot)).abs());
            }
        }
    }
    worst
}

#[test]
fn every_preset_finds_the_best_action() {
    let target = |observation: &[f32], agent: usize| 0.6 * observation[agent];
    for preset in Preset::ALL {
        let mut random = stream(1, "test", 0);
        let mut learner = Learner::new(config(preset), arena(2, 1), Device::cpu(), 1).unwrap();
        learner.remember(&one_step_game(4_000, &mut random, target));
        let before = worst_error(&learner, target);
        update(&mut learner, 600);
        let after = worst_error(&learner, target);
        // Actors that maximize a smoothed Q function are more exact.
        let bound = if learner.config().target_noise > 0.0 { 0.05 } else { 0.15 };
        assert!(before > 0.4 && after < bound, "{preset}: worst error {before} before, {after} after");
    }
}

#[test]
fn separate_policies_learn_different_roles_where_a_shared_one_cannot() {
    let target = |observation: &[f32], agent: usize| {
        if agent == 0 { 0.6 * observation[0] } else { -0.6 * observation[1] }
    };
    for (share_policies, learns) in [(false, true), (true, false)] {
        let config = LearnerConfig { share_policies, ..config(Preset::Matd3) };
        let mut learner = Learner::new(config, arena(2, 1), Device::cpu(), 2).unwrap();
        learner.remember(&one_step_game(4_000, &mut stream(2, "test", 0), target));
        update(&mut learner, 600);
        assert_eq!(learner.snapshot().unwrap().policies().len(), if share_policies { 1 } else { 2 });
        assert_eq!(worst_error(&learner, target) < 0.1, learns, "shared: {share_policies}");
    }
}

#[test]
fn a_central_critic_explains_rewards_that_depend_on_the_other_agent() {
    // The reward is the other agent's action, so only a critic that sees that action can predict it.
    let mut losses = Vec::new();
    let (nobody, agent) = (Vec::new(), vec!["agent".to_owned()]);
    for (central_critic, independent, own_observation) in [
        (true, nobody.clone(), nobody.clone()),
        (false, nobody.clone(), nobody.clone()),
        (true, agent.clone(), nobody.clone()),
        (true, nobody, agent.clone()),
        (true, agent.clone(), agent),
    ] {
        let mut random = stream(3, "test", 0);
        let actions = uniform(&mut random, 4_000);
        let rewards = actions.chunks(2).flat_map(|a| [a[1], a[0]]).collect();
        let config = LearnerConfig { central_critic, independent, own_observation, ..config(Preset::Maddpg) };
        let mut learner = Learner::new(config, arena(2, 1), Device::cpu(), 3).unwrap();
        learner.remember(&TransitionBlock {
            observations: vec![0.0; 4_000],
            next_observations: vec![0.0; 4_000],
            discounts: vec![0.0; 2_000],
            slots: vec![SlotState::PRESENT; 4_000],
            actions,
            rewards,
            ..TransitionBlock::default()
        });
        update(&mut learner, 400);
        losses.push(learner.update(true).unwrap().critic_loss);
    }
    assert!(losses[0] < 0.01, "central critic: loss {}", losses[0]);
    assert!(losses[1] > 0.2, "an independent critic cannot predict the reward: loss {}", losses[1]);
    assert_eq!(losses[1], losses[2], "an independent behavior has no central critic");
    assert!(losses[3] < 0.01, "a critic with its own observation sees all actions: loss {}", losses[3]);
    assert_eq!(losses[1], losses[4], "an independent critic sees its own action only");

    let config = LearnerConfig { independent: vec!["prey".into()], ..config(Preset::Maddpg) };
    let error = Learner::new(config, arena(2, 1), Device::cpu(), 3).unwrap_err().to_string();
    assert!(error.contains("`prey`") && error.contains("the behaviors are agent"), "{error}");
}

#[test]
fn values_go_through_time_limits_and_stop_at_terminal_states() {
    // A reward of 1 at every decision has the value 1 / (1 - gamma) without an end, and 1 if the episode ends at once.
    for (discount, value) in [(1.0, 5.0f32), (0.0, 1.0)] {
        let config = LearnerConfig { gamma: 0.8, target_noise: 0.0, ..config(Preset::Matd3) };
        let mut learner = Learner::new(config, arena(1, 1), Device::cpu(), 4).unwrap();
        let mut random = stream(4, "test", 0);
        learner.remember(&TransitionBlock {
            observations: uniform(&mut random, 500),
            actions: uniform(&mut random, 500),
            rewards: vec![1.0; 500],
            next_observations: uniform(&mut random, 500),
            discounts: vec![discount; 500],
            slots: vec![SlotState::PRESENT; 500],
            ..TransitionBlock::default()
        });
        update(&mut learner, 800);
        let learned = learner.update(true).unwrap().q_mean;
        assert!(
            (learned - value).abs() < 0.1 * value,
            "discount {discount}: value {learned}, expected {value}"
        );
    }
}

/// In the first decision of an episode, the first of two agents dies. In the second one, the other agent, now alone, earns
/// 1 and the episode ends. An empty slot contains NaN, which must not reach the learner's numbers.
fn one_dies(episodes: usize) -> TransitionBlock {
    let mut random = stream(6, "test", 0);
    let dies = SlotState { present_next: false, ended: true, ..SlotState::PRESENT };
    let slots = [dies, SlotState::PRESENT, SlotState::EMPTY, SlotState::PRESENT];
    TransitionBlock {
        observations: [0.5, 0.5, f32::NAN, 0.5].repeat(episodes),
        actions: uniform(&mut random, episodes).iter().flat_map(|a| [*a, -a, f32::NAN, 0.5 * a]).collect(),
        rewards: [0.0, 0.0, 0.0, 1.0].repeat(episodes),
        next_observations: [f32::NAN, 0.5, f32::NAN, 0.5].repeat(episodes),
        discounts: [1.0, 0.0].repeat(episodes),
        slots: slots.repeat(episodes),
        ..TransitionBlock::default()
    }
}

#[test]
fn what_follows_a_death_concerns_an_agent_only_if_it_shares_the_fate_of_its_team() {
    // With gamma 0.8, the values are 0 and 0.8, then 1 for the survivor. For the team, they are 0.8 and 0.8, then 1 and 1.
    for (team_fate, mean) in [(vec![], 0.6), (vec!["agent".to_owned()], 0.9)] {
        let config = LearnerConfig { gamma: 0.8, target_noise: 0.0, team_fate, ..config(Preset::Matd3) };
        let mut learner = Learner::new(config, arena(2, 1), Device::cpu(), 6).unwrap();
        learner.remember(&one_dies(250));
        update(&mut learner, 800);
        let learned = learner.update(true).unwrap().q_mean;
        assert!((learned - mean).abs() < 0.03, "mean value {learned}, expected {mean}");
        learner.snapshot().expect("empty slots are not learned from");
    }
}

#[test]
fn a_learner_that_knows_of_empty_slots_continues_from_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut learner = Learner::new(config(Preset::Matd3), arena(2, 1), Device::cpu(), 7).unwrap();
    learner.remember(&one_step_game(200, &mut stream(7, "test", 0), |_, _| 0.2));
    update(&mut learner, 5);
    learner.remember(&one_dies(100));
    update(&mut learner, 5);
    learner.save(&path, true).unwrap();
    let mut resumed = Learner::load(&path, &arena(2, 1), Device::cpu()).unwrap();
    update(&mut learner, 5);
    update(&mut resumed, 5);
    assert_eq!(learner.snapshot().unwrap(), resumed.snapshot().unwrap());
}

#[test]
fn observations_of_any_scale_are_learned_from() {
    for (unit, offset) in [(100.0, 500.0), (1e-4, 0.0), (1e-6, 1e-4)] {
        let mut learner = Learner::new(config(Preset::Matd3), arena(2, 1), Device::cpu(), 5).unwrap();
        let mut random = stream(5, "test", 0);
        let mut block = one_step_game(4_000, &mut random, |observation, agent| 0.6 * observation[agent]);
        for field in [&mut block.observations, &mut block.next_observations] {
            field.iter_mut().for_each(|x| *x = offset + unit * *x);
        }
        learner.remember(&block);
        update(&mut learner, 600);
        let snapshot = learner.snapshot().unwrap();
        let policy = &snapshot.policies()[0];
        for observation in [-0.8f32, 0.0, 0.8] {
            let mut action = [0.0];
            policy.act(&[offset + unit * observation], &[], &mut action, 1, &mut Scratch::default());
            let error = (action[0] - 0.6 * observation).abs();
            assert!(error < 0.1, "{observation} x {unit} + {offset}: {}", action[0]);
        }
    }
}

#[test]
fn rewards_of_any_scale_and_offset_are_learned_from() {
    let target = |observation: &[f32], agent: usize| 0.6 * observation[agent];
    for (scale, offset) in [(1e3, -5e3), (1e-3, 0.2), (1e-9, 0.0)] {
        let mut learner = Learner::new(config(Preset::Matd3), arena(2, 1), Device::cpu(), 7).unwrap();
        let mut block = one_step_game(4_000, &mut stream(7, "test", 0), target);
        block.rewards.iter_mut().for_each(|reward| *reward = scale * *reward + offset);
        learner.remember(&block);
        update(&mut learner, 600);
        let (worst, value) = (worst_error(&learner, target), learner.update(true).unwrap().q_mean);
        assert!(worst < 0.05, "rewards x {scale} + {offset}: worst error {worst}");
        let mean = block.rewards.iter().sum::<f32>() / 8_000.0;
        assert!((value - mean).abs() < 0.1 * scale, "values are in units of the rewards: {value}, {mean}");
    }
}

#[test]
fn rewards_that_come_late_are_learned_from() {
    let target = |observation: &[f32], agent: usize| 0.6 * observation[agent];
    for scale in [1e-4, 1.0, 1e4] {
        let mut learner = Learner::new(config(Preset::Matd3), arena(2, 1), Device::cpu(), 8).unwrap();
        let mut block = one_step_game(4_000, &mut stream(8, "test", 0), target);
        learner.remember(&TransitionBlock { rewards: vec![0.0; 8_000], ..block.clone() });
        update(&mut learner, 100);
        block.rewards.iter_mut().for_each(|reward| *reward *= scale);
        learner.remember(&block);
        let first = learner.update(true).unwrap().critic_loss;
        assert!(first < 10.0, "rewards x {scale}: {first}");
        update(&mut learner, 900);
        let worst = worst_error(&learner, target);
        assert!(worst < 0.15, "rewards x {scale}: worst error {worst}");
    }
}

#[test]
fn a_checkpoint_goes_on_exactly_where_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let spec = arena(2, 1);
    let mut learner = Learner::new(config(Preset::Matd3), spec.clone(), Device::cpu(), 6).unwrap();
    learner.remember(&one_step_game(300, &mut stream(6, "test", 0), |o, agent| o[agent]));
    update(&mut learner, 33);
    learner.save(&path, true).unwrap();
    let mut resumed = Learner::load(&path, &spec, Device::cpu()).unwrap();
    for learner in [&mut learner, &mut resumed] {
        update(learner, 20);
    }
    assert_eq!(learner.snapshot().unwrap(), resumed.snapshot().unwrap());
    assert_eq!((resumed.updates(), resumed.transitions()), (53, 300));

    let error = Learner::load(&path, &arena(3, 1), Device::cpu()).unwrap_err().to_string();
    assert!(error.contains("does not fit"), "{error}");
    let content = std::fs::read(&path).unwrap();
    std::fs::write(&path, &content[..content.len() / 2]).unwrap();
    let error = Learner::load(&path, &spec, Device::cpu()).unwrap_err().to_string();
    assert!(error.contains("checkpoint.safetensors"), "{error}");
}
