//! What random actions and the planner reach.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{planner::Planner, plugin::FULL_SCORE, simulation::Simulation, task::Task};

/// What random actions and the planner reached in each task, as measured once: see the function [`yardstick`].
const TABLE: &str = include_str!("../../../assets/control/yardstick.csv");

/// Scores of episodes of a task, 0 to 1,000, by random actions and by the planner: mean and standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yardstick {
    /// By random actions, each held for one decision.
    pub random: [f32; 2],
    /// By the [`Planner`].
    pub planner: [f32; 2],
}

impl Yardstick {
    /// What was measured for a task and is kept in `assets/control/yardstick.csv`; `None` if it was not measured.
    pub fn of(task: Task) -> Option<Self> {
        let row = TABLE.lines().find(|row| row.split(',').next() == Some(task.name()))?;
        let mut numbers = row.split(',').skip(1).map_while(|number| number.parse().ok());
        let mut next = || numbers.next();
        Some(Self { random: [next()?, next()?], planner: [next()?, next()?] })
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

/// Plays an episode and returns its score; steps after an early end count as 0.
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
    FULL_SCORE * sum / steps as f32
}

/// Mean and standard deviation.
fn statistics(numbers: &[f32]) -> [f32; 2] {
    let count = numbers.len() as f32;
    let mean = numbers.iter().sum::<f32>() / count;
    let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f32>() / (count - 1.0).max(1.0);
    [mean, variance.sqrt()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planner_beats_random_actions_in_every_task_that_was_measured() {
        let mut measured = 0;
        for task in Task::ALL {
            if let Some(Yardstick { random, planner }) = Yardstick::of(*task) {
                assert!(planner[0] > random[0], "{task}: {planner:?}, {random:?}");
                measured += 1;
            }
        }
        assert_eq!(
            measured,
            TABLE.lines().count() - 1,
            "the table has only tasks that there are, and a header"
        );
    }
}
