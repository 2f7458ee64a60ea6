//! Agents that see: what is learned from pictures, and what is kept of them.

use maddpg::{
    learner::{Device, Learner, LearnerConfig, Preset},
    policy::{AgentSpec, ArenaSpec, ImageSpec, PolicySnapshot, Scratch},
    random::{Random, stream},
    transition::{SlotState, TransitionBlock},
};
use rand::RngExt;

/// Pictures of 12 x 8 pixels, two at once.
const IMAGE: ImageSpec = ImageSpec { width: 12, height: 8, channels: 1, frames: 2 };
const PIXELS: usize = 96;

fn spec() -> ArenaSpec {
    ArenaSpec::new(vec![AgentSpec::new("eye", 2 * PIXELS, 1).with_image(IMAGE)])
}

fn config() -> LearnerConfig {
    LearnerConfig {
        actor_hidden: vec![32],
        critic_hidden: vec![32],
        convolutions: [[8, 3, 1], [8, 3, 2]].map(Into::into).to_vec(),
        batch_size: 64,
        learning_starts: 1,
        replay_capacity: 2_000,
        policy_average: 1.0,
        ..Preset::Matd3.config().learner
    }
}

/// A picture of a ball, whose brightness at each pixel is the area that the ball covers there.
fn ball(column: f32, row: f32) -> Vec<f32> {
    let pixel = |index: usize| {
        let distance = (index as f32 % 12.0 - column).hypot((index / 12) as f32 - row);
        (1.8 - distance).clamp(0.0, 1.0)
    };
    (0..PIXELS).map(pixel).collect()
}

/// A ball moved from one place to another. The action should be how far it went to the right, as share of four pixels.
fn moving(random: &mut Random) -> (Vec<f32>, f32) {
    let (row, way) = (random.random_range(2.0..6.0f32), random.random_range(-4.0..4.0f32));
    let from = random.random_range(2.0 + (-way).max(0.0)..9.0 - way.max(0.0));
    ([ball(from, row), ball(from + way, row)].concat(), way / 4.0)
}

fn block(rows: usize, random: &mut Random) -> TransitionBlock {
    let mut block = TransitionBlock::default();
    for _ in 0..rows {
        let (observation, best) = moving(random);
        let action = random.random_range(-1.0..=1.0f32);
        block.next_observations.extend(&observation);
        block.observations.extend(observation);
        block.actions.push(action);
        block.rewards.push(-(action - best) * (action - best));
        block.discounts.push(0.0);
        block.slots.push(SlotState::PRESENT);
    }
    block
}

/// Root of the mean squared error of the actions for new pictures.
fn error(snapshot: &PolicySnapshot) -> f32 {
    let mut random = stream(99, "pictures", 0);
    let errors = (0..200).map(|_| {
        let (observation, best) = moving(&mut random);
        let mut action = [0.0];
        snapshot.policies()[0].act(&observation, &[], &mut action, 1, &mut Scratch::default());
        (action[0] - best) * (action[0] - best)
    });
    (errors.sum::<f32>() / 200.0).sqrt()
}

#[test]
fn a_motion_is_seen_in_two_pictures() {
    for image_shift in [0, 1] {
        let mut random = stream(1, "test", 0);
        let config = LearnerConfig { image_shift, ..config() };
        let mut learner = Learner::new(config, spec(), Device::cpu(), 1).unwrap();
        learner.remember(&block(2_000, &mut random));
        let before = error(&learner.snapshot().unwrap());
        for _ in 0..1_500 {
            learner.update(false).unwrap();
        }
        let after = error(&learner.snapshot().unwrap());
        // Actions of 0 have an error of 0.5 or so.
        assert!(before > 0.4 && after < 0.15, "shift {image_shift}: {before} before, {after} after");
    }
}

/// Transitions of one long episode: each observation has the last two of the pictures.
fn episode(steps: usize, random: &mut Random) -> TransitionBlock {
    let picture = |random: &mut Random| ball(random.random_range(0.0..11.0), random.random_range(0.0..7.0));
    let mut block = TransitionBlock::default();
    let mut frames = [vec![0.0; PIXELS], picture(random)];
    for _ in 0..steps {
        block.observations.extend(frames.concat());
        frames = [frames[1].clone(), picture(random)];
        block.next_observations.extend(frames.concat());
        block.actions.push(random.random_range(-1.0..=1.0f32));
        block.rewards.push(random.random_range(-1.0..=1.0f32));
        block.discounts.push(1.0);
        block.slots.push(SlotState::PRESENT);
    }
    block
}

#[test]
fn pictures_come_back_with_8_bits_also_from_a_checkpoint() {
    let mut random = stream(2, "test", 0);
    let block = episode(2_500, &mut random);
    let config = LearnerConfig { image_shift: 1, ..config() };
    let mut learner = Learner::new(config, spec(), Device::cpu(), 1).unwrap();
    learner.remember(&block);
    let kept = learner.replay().to_block();
    // The newest 2,000 are kept; the oldest of them follows the newest.
    let row = 2 * PIXELS;
    let newest = [&block.observations[2_000 * row..], &block.observations[500 * row..2_000 * row]].concat();
    assert_eq!(kept.observations.len(), newest.len());
    let worst = kept.observations.iter().zip(&newest).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
    assert!(worst < 0.51 / 255.0, "{worst}");

    learner.update(false).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    learner.save(&path, true).unwrap();
    // 2,000 pictures and a few more, once each, and not two observations of two pictures for each transition.
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size < 2_010 * (PIXELS as u64 + 40) + 200_000, "{size} bytes");
    let mut loaded = Learner::load(&path, &spec(), Device::cpu()).unwrap();
    assert_eq!(loaded.replay().to_block(), kept);
    for _ in 0..3 {
        let more = episode(300, &mut random);
        for learner in [&mut learner, &mut loaded] {
            learner.remember(&more);
            learner.update(false).unwrap();
        }
    }
    assert_eq!(loaded.replay().to_block(), learner.replay().to_block());
    assert_eq!(loaded.snapshot().unwrap(), learner.snapshot().unwrap(), "training goes on bit by bit");
}

#[test]
fn the_memory_of_pictures_is_known_before() {
    let config = LearnerConfig { replay_capacity: 100_000, ..config() };
    let memory = config.memory(&spec()).unwrap();
    let pictures = 100_000 * PIXELS as u64;
    assert!((pictures..2 * pictures + 10_000_000).contains(&memory.replay_buffer), "{memory}");
}

#[test]
fn checkpoints_hold_no_statistics_of_pixels_but_those_of_the_other_numbers() {
    // Large pictures for small networks, with one number beside the picture.
    let image = ImageSpec { width: 64, height: 64, channels: 3, frames: 1 };
    let spec = ArenaSpec::new(vec![AgentSpec::new("eye", image.frame_size() + 1, 1).with_image(image)]);
    let convolutions = [[4, 8, 4], [4, 3, 2]].map(Into::into).to_vec();
    let config = LearnerConfig { actor_hidden: vec![4], critic_hidden: vec![4], convolutions, ..config() };
    let mut learner = Learner::new(config, spec.clone(), Device::cpu(), 1).unwrap();
    let rows = 4;
    let observations = |first: f32| {
        let row = |row: usize| {
            let mut row = vec![first + row as f32];
            row.splice(0..0, vec![0.5; image.frame_size()]);
            row
        };
        (0..rows).flat_map(row).collect::<Vec<_>>()
    };
    learner.remember(&TransitionBlock {
        observations: observations(10.0),
        actions: vec![0.0; rows],
        rewards: vec![0.0; rows],
        next_observations: observations(11.0),
        discounts: vec![1.0; rows],
        slots: vec![SlotState::PRESENT; rows],
        ..TransitionBlock::default()
    });
    let normalizer = |learner: &Learner| learner.snapshot().unwrap().policies()[0].normalizer().clone();
    let before = normalizer(&learner);
    assert_eq!((before.mean[0], before.scale[0]), (0.0, 1.0), "pixels stay as they are");
    let last = image.frame_size();
    assert_eq!(before.mean[last], 11.5);
    assert!((before.scale[last] - 1.0 / 1.25f32.sqrt()).abs() < 1e-6);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    learner.save(&path, false).unwrap();
    let loaded = Learner::load(&path, &spec, Device::cpu()).unwrap();
    assert_eq!(normalizer(&loaded), before);
}
