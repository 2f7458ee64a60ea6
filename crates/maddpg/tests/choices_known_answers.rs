//! Choices in branches on problems with known answers.

use maddpg::{
    learner::{Device, Learner, LearnerConfig},
    policy::{ActionSpace, AgentSpec, ArenaSpec, Scratch},
    random::stream,
    transition::{SlotState, TransitionBlock},
};
use rand::RngExt;

fn config() -> LearnerConfig {
    LearnerConfig {
        actor_hidden: vec![32, 32],
        critic_hidden: vec![32, 32],
        batch_size: 128,
        learning_starts: 1,
        actor_learning_rate: 3e-3,
        normalize_values: false,
        normalize_observations: false,
        ..LearnerConfig::default()
    }
}

fn alone(observation_size: usize, action: ActionSpace) -> ArenaSpec {
    ArenaSpec::new(vec![AgentSpec::new("agent", observation_size, 0).with_action(action)])
}

fn update(learner: &mut Learner, times: u32) {
    for _ in 0..times {
        learner.update(false).unwrap();
    }
}

fn one_hot(choice: usize, choices: usize) -> Vec<f32> {
    (0..choices).map(|other| f32::from(other == choice)).collect()
}

/// What the learned policy does: numbers, and probabilities of choices.
fn distribution(learner: &Learner, observation: &[f32], mask: &[f32]) -> Vec<f32> {
    let snapshot = learner.snapshot().unwrap();
    let policy = &snapshot.policies()[0];
    let mut action = vec![0.0; policy.group().agent.action_size()];
    policy.distribution(observation, mask, &mut action, 1, &mut Scratch::default());
    action
}

fn largest(numbers: &[f32]) -> usize {
    (0..numbers.len()).max_by(|a, b| numbers[*a].total_cmp(&numbers[*b])).unwrap()
}

/// Plays each arm of a bandit equally often.
fn bandit(values: &[f32], rows: usize) -> TransitionBlock {
    let arms = values.len();
    TransitionBlock {
        observations: vec![0.5; rows],
        actions: (0..rows).flat_map(|row| one_hot(row % arms, arms)).collect(),
        rewards: (0..rows).map(|row| values[row % arms]).collect(),
        next_observations: vec![0.5; rows],
        discounts: vec![0.0; rows],
        slots: vec![SlotState::PRESENT; rows],
        masks: vec![1.0; rows * arms],
        next_masks: vec![1.0; rows * arms],
    }
}

#[test]
fn a_bandit_with_entropy_reaches_its_known_distribution() {
    let values = [0.0, 1.0, -0.5, 0.5];
    for entropy in [0.5, 1.0] {
        let config = LearnerConfig { choice_entropy: entropy, ..config() };
        let spec = alone(1, ActionSpace::default().with_choices("arm", values.len()));
        let mut learner = Learner::new(config, spec, Device::cpu(), 1).unwrap();
        learner.remember(&bandit(&values, 400));
        update(&mut learner, 3_000);
        // The maximum of `sum pi Q + entropy H(pi)` is at `pi = softmax(Q / entropy)`.
        let weights = values.map(|value| f64::exp(f64::from(value / entropy)) as f32);
        let found = distribution(&learner, &[0.5], &[]);
        for (found, weight) in found.iter().zip(weights) {
            let expected = weight / weights.iter().sum::<f32>();
            assert!((found - expected).abs() < 0.03, "entropy {entropy}: {found}, expected {expected}");
        }
    }
}

#[test]
fn the_best_arm_is_found_unless_it_is_forbidden() {
    let mut random = stream(2, "arms", 0);
    for arms in [2, 5, 9] {
        let mut values: Vec<f32> = (0..arms).map(|_| random.random_range(-1.0..0.5)).collect();
        let (best, second) = (arms - 1, arms / 2 - usize::from(arms == 2));
        values[best] = 1.0;
        values[second] = 0.75;
        let spec = alone(1, ActionSpace::default().with_choices("arm", arms));
        let mut learner = Learner::new(config(), spec, Device::cpu(), 2).unwrap();
        let mut forbidden = vec![1.0; arms];
        forbidden[best] = 0.0;
        // In half of the rows, which the policy can tell apart, the best arm is forbidden.
        let mut block = bandit(&values, 200 * arms);
        let rows = block.rows();
        for row in (0..rows).filter(|row| row / arms % 2 == 1) {
            (block.observations[row], block.next_observations[row]) = (-0.5, -0.5);
            block.masks[row * arms..(row + 1) * arms].copy_from_slice(&forbidden);
            if row % arms == best {
                block.actions[row * arms..(row + 1) * arms].copy_from_slice(&one_hot(second, arms));
                block.rewards[row] = values[second];
            }
        }
        learner.remember(&block);
        update(&mut learner, 4_000);
        let free = distribution(&learner, &[0.5], &[]);
        assert_eq!(largest(&free), best, "{arms} arms: {free:?}");
        let masked = distribution(&learner, &[-0.5], &forbidden);
        assert_eq!(masked[best], 0.0);
        assert_eq!(largest(&masked), second, "{arms} arms: {masked:?}");
    }
}

/// The gapped straight-through estimator follows one choice at a time, so it may stay at an arm that is only good.
#[test]
fn the_estimator_for_many_choices_finds_a_good_arm() {
    for seed in 0..4 {
        let mut random = stream(seed, "arms", 0);
        let values: Vec<f32> = (0..40).map(|_| random.random_range(-1.0..1.0)).collect();
        let config = LearnerConfig { exact_choices: 16, ..config() };
        let spec = alone(1, ActionSpace::default().with_choices("arm", 40));
        let mut learner = Learner::new(config, spec, Device::cpu(), seed).unwrap();
        learner.remember(&bandit(&values, 4_000));
        update(&mut learner, 2_000);
        let found = values[largest(&distribution(&learner, &[0.5], &[]))];
        let best = values.iter().copied().fold(-1.0, f32::max);
        assert!(found > best - 0.1, "seed {seed}: the arm is worth {found}, the best one {best}");
    }
}

/// In the first state, the agent can stop, which earns 2, or go on to the second state. There, the first choice earns 10 and
/// the second one 1; but after going on, the first one is forbidden. Some episodes start in the second state, where it is not.
#[test]
fn what_is_forbidden_in_the_next_state_is_not_expected() {
    let (first, second) = ([1.0, 0.0], [0.0, 1.0]);
    let mut block = TransitionBlock::default();
    let mut push = |observation: [f32; 2], choice, mask: [f32; 2], reward, next: Option<[f32; 2]>| {
        block.observations.extend(observation);
        block.masks.extend(mask);
        block.actions.extend(one_hot(choice, 2));
        block.rewards.push(reward);
        block.next_observations.extend(next.unwrap_or(observation));
        block.next_masks.extend([0.0, 1.0]);
        block.discounts.push(if next.is_some() { 1.0 } else { 0.0 });
        block.slots.push(SlotState::PRESENT);
    };
    for _ in 0..100 {
        push(first, 0, [1.0; 2], 2.0, None);
        push(first, 1, [1.0; 2], 0.0, Some(second));
        push(second, 1, [0.0, 1.0], 1.0, None);
        push(second, 0, [1.0; 2], 10.0, None);
        push(second, 1, [1.0; 2], 1.0, None);
    }
    let spec = alone(2, ActionSpace::default().with_choices("move", 2));
    let mut learner = Learner::new(config(), spec.clone(), Device::cpu(), 3).unwrap();
    learner.remember(&block);
    update(&mut learner, 3_000);
    assert!(distribution(&learner, &first, &[])[0] > 0.9, "it stops, because going on earns only 1");
    assert!(distribution(&learner, &second, &[])[0] > 0.9, "it takes 10 where it can");
    assert_eq!(distribution(&learner, &second, &[0.0, 1.0]), [0.0, 1.0]);
    // Where nothing is forbidden next, it goes on.
    block.next_masks.fill(1.0);
    let mut learner = Learner::new(config(), spec, Device::cpu(), 3).unwrap();
    learner.remember(&block);
    update(&mut learner, 3_000);
    assert!(distribution(&learner, &first, &[])[1] > 0.9, "it goes on to take 10");
}

/// The agent aims by a number and chooses whether to shoot. A shot earns `1 - 4 (aim - target)²`; not to shoot earns 0.5. The
/// number belongs to the shot.
#[test]
fn numbers_and_choices_are_learned_together() {
    let action = ActionSpace::default()
        .with_number("aim")
        .with_branch("shoot", ["no", "yes"])
        .only_with("aim", "shoot", "yes");
    let target = |observation: f32| 0.6 * observation;
    // A shot at a target on the left can hit only half as well, so there it is better not to shoot.
    let worth = |observation: f32, aim: f32| {
        let hit = 1.0 - 4.0 * (aim - target(observation)).powi(2);
        if observation < 0.0 { hit - 0.8 } else { hit }
    };
    let mut random = stream(4, "shots", 0);
    let mut block = TransitionBlock::default();
    for row in 0..4_000 {
        let observation = random.random_range(-1.0..1.0);
        let aim = if row % 2 == 1 { random.random_range(-1.0..1.0) } else { 0.0 };
        block.observations.push(observation);
        block.actions.push(aim);
        block.actions.extend(one_hot(row % 2, 2));
        block.rewards.push(if row % 2 == 1 { worth(observation, aim) } else { 0.5 });
        block.next_observations.push(observation);
        block.discounts.push(0.0);
        block.slots.push(SlotState::PRESENT);
        block.masks.extend([1.0; 2]);
        block.next_masks.extend([1.0; 2]);
    }
    let mut learner = Learner::new(config(), alone(1, action), Device::cpu(), 4).unwrap();
    learner.remember(&block);
    update(&mut learner, 2_000);
    for observation in [0.3, 0.6, 0.9] {
        let action = distribution(&learner, &[observation], &[]);
        assert!(action[2] > 0.8, "it shoots at {observation}: {action:?}");
        assert!((action[0] - target(observation)).abs() < 0.12, "it aims at {observation}: {action:?}");
        assert!(
            distribution(&learner, &[-observation], &[])[1] > 0.8,
            "it does not shoot at {}",
            -observation
        );
    }
}

#[test]
fn a_learner_of_choices_continues_from_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let spec = alone(1, ActionSpace::default().with_choices("arm", 3));
    let mut learner = Learner::new(config(), spec.clone(), Device::cpu(), 5).unwrap();
    learner.remember(&bandit(&[0.0, 0.5, 1.0], 300));
    update(&mut learner, 7);
    learner.save(&path, true).unwrap();
    let mut resumed = Learner::load(&path, &spec, Device::cpu()).unwrap();
    update(&mut learner, 5);
    update(&mut resumed, 5);
    assert_eq!(learner.snapshot().unwrap(), resumed.snapshot().unwrap());
    let other = alone(1, ActionSpace::default().with_choices("leg", 3));
    let error = Learner::load(&path, &other, Device::cpu()).unwrap_err().to_string();
    assert!(error.contains("`arm`") && error.contains("`leg`"), "{error}");
}

#[test]
fn the_masks_of_an_empty_slot_are_not_read() {
    let agent =
        AgentSpec::new("agent", 1, 0).with_action(ActionSpace::default().with_branch("arm", ["a", "b"]));
    let spec = ArenaSpec::new(vec![agent; 2]);
    let mut learner = Learner::new(config(), spec, Device::cpu(), 1).unwrap();
    let rows = 64;
    learner.remember(&TransitionBlock {
        observations: [0.5, 0.0].repeat(rows),
        actions: [1.0, 0.0, 0.0, 0.0].repeat(rows),
        rewards: vec![1.0; 2 * rows],
        next_observations: [0.5, 0.0].repeat(rows),
        discounts: vec![1.0; rows],
        slots: [SlotState::PRESENT, SlotState::EMPTY].repeat(rows),
        masks: [1.0, 1.0, 0.0, 0.0].repeat(rows),
        next_masks: [1.0, 1.0, 0.0, 0.0].repeat(rows),
    });
    update(&mut learner, 20);
    let learned = distribution(&learner, &[0.5], &[1.0, 1.0]);
    assert!(learned.iter().all(|probability| probability.is_finite()), "{learned:?}");
    learner.snapshot().unwrap();
}
