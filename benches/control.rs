//! Control tasks. `control/step/TASK` is one control step of one body: physics, reward, observation. `control/decision/TASK` is one
//! decision of 64 arenas (as many control steps as the task holds an action) with the default networks, without a learner; throughput
//! is in control steps.

use bevy_maddpg::{
    headless,
    learner::{Device, Learner},
    prelude::*,
};
use bevy_maddpg_lab::{
    catalog::Control,
    game::{Game, Setup, headless_app},
    games::control::{Simulation, Task},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

const ARENAS: usize = 64;

/// One task of each body.
const TASKS: [Task; 12] = [
    Task::Cart,
    Task::Pendulum,
    Task::Cartpole,
    Task::CartpoleSerialDouble,
    Task::Reacher,
    Task::Reacher3dFixedTarget,
    Task::Canada2d,
    Task::Gripper,
    Task::Car,
    Task::Cheetah,
    Task::Walker,
    Task::Hopper,
];

/// A body that moves at random and starts anew at the end of an episode.
struct Mover {
    simulation: Simulation,
    rng: SmallRng,
    action: Vec<f32>,
    observation: Vec<f32>,
    steps: u32,
}

impl Mover {
    fn new(task: Task) -> Self {
        let (mut simulation, mut rng) = (Simulation::new(task), SmallRng::seed_from_u64(1));
        simulation.reset(&mut rng);
        Self { simulation, rng, action: vec![0.0; task.action_size()], observation: Vec::new(), steps: 0 }
    }

    fn step(&mut self) -> f32 {
        self.steps += 1;
        if self.steps > self.simulation.task().control_steps() || self.simulation.terminated() {
            self.simulation.reset(&mut self.rng);
            self.steps = 0;
        }
        for action in &mut self.action {
            *action = self.rng.random_range(-1.0..1.0);
        }
        let reward = self.simulation.step(&self.action);
        self.simulation.observe(&mut self.observation);
        reward
    }
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("control/step");
    group.throughput(Throughput::Elements(1));
    for task in TASKS {
        let mut mover = Mover::new(task);
        group.bench_function(task.name(), |bencher| bencher.iter(|| mover.step()));
    }
    group.finish();
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("control/decision");
    for task in TASKS {
        let game = Control::new(task);
        let mut config = TrainingConfig::default();
        game.adapt(&mut config);
        let learner =
            Learner::new(config.learner, game.spec(), Device::cpu(), 0).expect("the settings are valid");
        let mut plugins = MaddpgPlugins::play(learner.snapshot().expect("a snapshot of the new learner"));
        plugins.rollout.exploration = config.exploration;
        let mut app = headless_app(&game, plugins, &Setup { arenas: ARENAS, ..Setup::default() });
        headless::start(&mut app);
        group.throughput(Throughput::Elements((ARENAS * task.action_repeat() as usize) as u64));
        group.bench_function(task.name(), |bencher| bencher.iter(|| app.update()));
    }
    group.finish();
}

criterion_group!(benches, steps, decisions);
criterion_main!(benches);
