//! The learner on a GPU. These tests need one, so they are ignored by default; run them with
//! `tools/cuda-build -- test -p maddpg --features cuda --test gpu -- --ignored`, or with `metal` on a Mac.

use maddpg::{
    learner::{Device, DeviceChoice, Learner, LearnerConfig, Preset, UpdateStatistics},
    policy::{AgentSpec, ArenaSpec, ImageSpec},
    random::stream,
    transition::{SlotState, TransitionBlock},
};
use rand::RngExt;

const ROWS: usize = 2_000;
/// Enough for two rescalings of the values.
const UPDATES: usize = 25;

fn gpu() -> Device {
    let choice = if cfg!(feature = "metal") { DeviceChoice::Metal } else { DeviceChoice::Cuda };
    match choice.open(&LearnerConfig::default(), &spec()) {
        Ok(device) => device,
        Err(error) => panic!("this test needs a GPU: {error}"),
    }
}

/// Two agents that share a behavior, and one with other sizes.
fn spec() -> ArenaSpec {
    let agent = |behavior: &str, observation_size, action_size| {
        AgentSpec::new(behavior, observation_size, action_size)
    };
    ArenaSpec::new(vec![agent("runner", 5, 2), agent("runner", 5, 2), agent("chaser", 7, 1)])
}

fn learner(preset: Preset, device: Device) -> Learner {
    filled(preset.config().learner, spec(), device)
}

/// A learner whose replay buffer holds random transitions.
fn filled(config: LearnerConfig, spec: ArenaSpec, device: Device) -> Learner {
    let agents = spec.agents();
    let mut random = stream(1, "test", 0);
    let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..=1.0)).collect::<Vec<f32>>();
    let block = TransitionBlock {
        observations: draw(ROWS * spec.joint_observation_size()),
        actions: draw(ROWS * spec.joint_action_size()),
        rewards: draw(ROWS * spec.agents()),
        next_observations: draw(ROWS * spec.joint_observation_size()),
        discounts: (0..ROWS).map(|row| if row % 20 == 0 { 0.0 } else { 1.0 }).collect(),
        slots: vec![SlotState::PRESENT; ROWS * agents],
        ..TransitionBlock::default()
    };
    let mut learner = Learner::new(config, spec, device, 1).unwrap();
    learner.remember(&block);
    learner
}

/// Updates on a separate thread, as in a game.
fn updated(mut learner: Learner) -> (Learner, Vec<UpdateStatistics>) {
    let thread = std::thread::spawn(move || {
        let measures = (0..UPDATES).map(|_| learner.update(true).unwrap()).collect();
        (learner, measures)
    });
    thread.join().unwrap()
}

/// The parameters of all policies, one policy after another.
fn parameters(learner: &Learner) -> Vec<f32> {
    let snapshot = learner.snapshot().unwrap();
    snapshot.policies().iter().flat_map(|policy| policy.network().parameters.clone()).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

fn assert_same(preset: Preset, gpu: &UpdateStatistics, cpu: &UpdateStatistics) {
    let numbers = |m: &UpdateStatistics| {
        [m.critic_loss, m.actor_loss, m.q_mean, m.saturation, m.critic_gradient_norm, m.actor_gradient_norm]
    };
    let same = |(gpu, cpu): (f32, f32)| (gpu - cpu).abs() <= 1e-3 * cpu.abs() + 1e-4;
    assert!(
        numbers(gpu).into_iter().zip(numbers(cpu)).all(same),
        "{preset}: {gpu:?} on the GPU, {cpu:?} on the CPU"
    );
}

#[test]
#[ignore = "needs a GPU"]
fn every_preset_learns_on_the_gpu_what_it_learns_on_the_cpu() {
    for preset in Preset::ALL {
        assert_learns_alike(preset, |device| learner(preset, device));
    }
}

/// Compares what the same learner learns on both devices.
fn assert_learns_alike(preset: Preset, on: impl Fn(Device) -> Learner) {
    let start = parameters(&on(Device::cpu()));
    let (on_gpu, gpu_measures) = updated(on(gpu()));
    let (on_cpu, cpu_measures) = updated(on(Device::cpu()));
    for (gpu, cpu) in gpu_measures.iter().zip(&cpu_measures) {
        assert_same(preset, gpu, cpu);
    }
    let (gpu, cpu) = (parameters(&on_gpu), parameters(&on_cpu));
    let (apart, way) = (distance(&gpu, &cpu), distance(&start, &cpu));
    assert!(apart < 0.01 * way, "{preset}: GPU and CPU are {apart} apart after moving by {way}");
}

#[test]
#[ignore = "needs a GPU"]
fn convolutions_learn_on_the_gpu_what_they_learn_on_the_cpu() {
    let image = ImageSpec { width: 24, height: 16, channels: 1, frames: 3 };
    let eye = AgentSpec::new("eye", image.frames * (image.frame_size() + 2), 2).with_image(image);
    let config = LearnerConfig {
        actor_hidden: vec![64],
        critic_hidden: vec![64],
        convolutions: [[16, 5, 2], [16, 3, 2]].map(Into::into).to_vec(),
        image_shift: 2,
        own_observation: vec!["eye".into()],
        batch_size: 64,
        ..Preset::Matd3.config().learner
    };
    assert_learns_alike(Preset::Matd3, |device| {
        filled(config.clone(), ArenaSpec::new(vec![eye.clone(); 2]), device)
    });
}

#[test]
#[ignore = "needs a GPU"]
fn a_learner_saved_on_the_gpu_goes_on_on_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    for preset in Preset::ALL {
        let (on_gpu, _) = updated(learner(preset, gpu()));
        on_gpu.save(&path, true).unwrap();
        let on_cpu = Learner::load(&path, &spec(), Device::cpu()).unwrap();
        assert_eq!(parameters(&on_cpu), parameters(&on_gpu), "{preset}");
        let (_, gpu_measures) = updated(on_gpu);
        let (_, cpu_measures) = updated(on_cpu);
        assert_same(preset, &gpu_measures[0], &cpu_measures[0]);
    }
}

#[test]
#[ignore = "needs a GPU"]
fn auto_opens_a_device_that_learns() {
    // Fail here if there is no GPU to compare with.
    gpu();
    let config = Preset::Matd3.config().learner;
    let device = DeviceChoice::Auto.open(&config, &spec()).unwrap();
    let (learner, _) = updated(learner(Preset::Matd3, device));
    assert!(parameters(&learner).iter().all(|parameter| parameter.is_finite()));
}
