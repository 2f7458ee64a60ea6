//! One learner update on one thread; with the feature `cuda`, also on the GPU, as `update/cuda/..`.
//!
//! `update/plain/AGENTSxWIDTHxBATCH` is plain MADDPG with two hidden layers and separate policies, the algorithm of
//! public PyTorch implementations. `update/default/tennis` is the default preset with tennis' observation and action
//! sizes. `update/pixels/cartpole` is a control task that is learned from pictures.

use std::hint::black_box;

use bevy_maddpg::{
    learner::{Device, DeviceChoice, Learner, LearnerConfig, Preset},
    policy::{AgentSpec, ArenaSpec},
    random::stream,
    transition::{SlotState, TransitionBlock},
};
use bevy_maddpg_lab::{
    catalog::{Control, Tennis},
    game::Game,
    games::control::{Sight, Task},
};
use criterion::{Criterion, criterion_group, criterion_main};
use rand::RngExt;

fn filled(config: LearnerConfig, spec: ArenaSpec, device: &Device) -> Learner {
    let rows = 4 * config.batch_size;
    let mut random = stream(0, "bench", 0);
    let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    let block = TransitionBlock {
        observations: draw(rows * spec.joint_observation_size()),
        actions: draw(rows * spec.joint_action_size()),
        rewards: draw(rows * spec.agents()),
        next_observations: draw(rows * spec.joint_observation_size()),
        discounts: vec![1.0; rows],
        slots: vec![SlotState::PRESENT; rows * spec.agents()],
        ..TransitionBlock::default()
    };
    let mut learner = Learner::new(config, spec, device.clone(), 0).expect("a learner");
    learner.remember(&block);
    learner
}

fn plain(
    [agents, width, batch]: [usize; 3],
    [observation_size, action_size]: [usize; 2],
    device: &Device,
) -> Learner {
    let agent = AgentSpec::new("agent", observation_size, action_size);
    let config = LearnerConfig {
        share_policies: false,
        actor_hidden: vec![width; 2],
        critic_hidden: vec![width; 2],
        critic_layer_norm: false,
        batch_size: batch,
        normalize_observations: false,
        policy_average: 1.0,
        ..Preset::Maddpg.config().learner
    };
    filled(config, ArenaSpec::new(vec![agent; agents]), device)
}

fn updates(criterion: &mut Criterion) {
    updates_on(&Device::cpu(), "update", criterion);
    if cfg!(feature = "cuda") {
        let gpu = DeviceChoice::Cuda.open(&LearnerConfig::default(), &Tennis.spec());
        updates_on(&gpu.expect("the feature `cuda` needs a GPU"), "update/cuda", criterion);
    }
}

fn updates_on(device: &Device, group: &str, criterion: &mut Criterion) {
    let mut bench = |name: &str, mut learner: Learner| {
        criterion.bench_function(&format!("{group}/{name}"), |bencher| {
            bencher.iter(|| black_box(learner.update(false).expect("an update")))
        });
    };
    bench("plain/3x64x1024", plain([3, 64, 1024], [18, 5], device));
    bench("plain/2x256x256", plain([2, 256, 256], [24, 2], device));
    bench("plain/2x128x256", plain([2, 128, 256], [24, 2], device));
    bench("default/tennis", filled(Preset::Matd3.config().learner, Tennis.spec(), device));
    let pixels = Control { sight: Sight::Pixels, ..Control::new(Task::Cartpole) };
    let mut config = Preset::Matd3.config();
    pixels.adapt(&mut config);
    bench("pixels/cartpole", filled(config.learner, pixels.spec(), device));
}

criterion_group!(benches, updates);
criterion_main!(benches);
