//! What random actions and the planner reach.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{planner::Planner, simulation::Simulation, task::Task};

/// Mean reward of a control step, by random actions and by the planner: mean and standard deviation over episodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yardstick {
    /// By random actions, each held for one decision.
    pub random: [f32; 2],
    /// By the [`Planner`].
    pub planner: [f32; 2],
}

impl Yardstick {
    /// 0 for the score of random actions, 1 for that of the planner.
    pub fn normalized(&self, score: f32) -> f32 {
        (score - self.random[0]) / (self.planner[0] - self.random[0])
    }
}

/// Plays episodes by random actions and by the planner. Both play from the same starts.
pub fn yardstick(task: Task, episodes: usize, seed: u64) -> Yardstick {
    let mut random = Vec::new();
    let mut planned = Vec::new();
    let mut planner = Planner::new(task, seed);
    let mut simulation = Simulation::new(task);
    for episode in 0..episodes as u64 {
        let start = SmallRng::seed_from_u64(seed.wrapping_add(episode));
        let mut rng = start.clone();
        simulation.reset(&mut rng);
        let mut action = vec![0.0; task.action_size()];
        random.push(play(&mut simulation, |_, step| {
            if step % task.action_repeat() == 0 {
                action.fill_with(|| rng.random_range(-1.0..=1.0));
            }
            action.clone()
        }));
        simulation.reset(&mut start.clone());
        planner.restart();
        planned.push(play(&mut simulation, |simulation, _| planner.act(simulation).to_vec()));
    }
    Yardstick { random: statistics(&random), planner: statistics(&planned) }
}

/// Plays an episode and returns the mean reward of a control step; steps after an early end count as 0.
fn play(simulation: &mut Simulation, mut act: impl FnMut(&Simulation, u32) -> Vec<f32>) -> f32 {
    let steps = simulation.task().control_steps();
    let mut sum = 0.0;
    for step in 0..steps {
        let action = act(simulation, step);
        sum += simulation.step(&action);
        if simulation.terminated() {
            break;
        }
    }
    sum / steps as f32
}

/// Mean and standard deviation.
fn statistics(numbers: &[f32]) -> [f32; 2] {
    let count = numbers.len() as f32;
    let mean = numbers.iter().sum::<f32>() / count;
    let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f32>() / (count - 1.0).max(1.0);
    [mean, variance.sqrt()]
}
