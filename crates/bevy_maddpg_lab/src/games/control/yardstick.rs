//! What random actions and the planner reach.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{planner::Planner, plugin::FULL_SCORE, simulation::Simulation, task::Task};

/// What random actions and the planner reached in each task, as measured once: see the function [`yardstick`].
const TABLE: &str = include_str!("../../../assets/control/yardstick.csv");

/// Scores of episodes of a task, 0 to 1,000, by random actions and by the planner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yardstick {
    /// By random actions, each held for one decision.
    pub random: Scores,
    /// By the [`Planner`].
    pub planner: Scores,
}

/// Scores of several episodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Their mean.
    pub mean: f32,
    /// Their standard deviation; 0 for a single episode.
    pub deviation: f32,
    /// How many episodes were played.
    pub episodes: usize,
}

/// Episodes of random actions, which take far less time than those of the planner.
const RANDOM_EPISODES: usize = 200;

impl Yardstick {
    /// What was measured for a task and is kept in `assets/control/yardstick.csv`; `None` if it was not measured.
    pub fn of(task: Task) -> Option<Self> {
        let row = TABLE.lines().find(|row| row.split(',').next() == Some(task.name()))?;
        let mut cells = row.split(',').skip(1);
        let mut scores = || {
            let [mean, deviation, episodes] = [cells.next()?, cells.next()?, cells.next()?];
            Some(Scores {
                mean: mean.parse().ok()?,
                deviation: deviation.parse().ok()?,
                episodes: episodes.parse().ok()?,
            })
        };
        Some(Self { random: scores()?, planner: scores()? })
    }

    /// As a row of the table, with the seed with which it was measured.
    pub fn row(&self, task: Task, seed: u64) -> String {
        let cells = [self.random, self.planner]
            .map(|Scores { mean, deviation, episodes }| format!("{mean:.1},{deviation:.1},{episodes}"));
        format!("{task},{},{seed}", cells.join(","))
    }
}

/// Plays episodes by random actions, and this many by the planner, from the same first starts.
pub fn yardstick(task: Task, episodes: usize, seed: u64) -> Yardstick {
    Yardstick { random: play_randomly(task, RANDOM_EPISODES, seed), planner: plan(task, episodes, seed) }
}

fn play_randomly(task: Task, episodes: usize, seed: u64) -> Scores {
    let mut simulation = Simulation::new(task);
    let mut scores = Vec::new();
    for mut rng in starts(episodes, seed) {
        simulation.reset(&mut rng);
        let mut action = vec![0.0; task.action_size()];
        scores.push(play(&mut simulation, |_, step| {
            if step % task.action_repeat() == 0 {
                action.fill_with(|| rng.random_range(-1.0..=1.0));
            }
            action.clone()
        }));
    }
    Scores::of(&scores)
}

fn plan(task: Task, episodes: usize, seed: u64) -> Scores {
    let mut planner = Planner::new(task, seed);
    let mut simulation = Simulation::new(task);
    let mut scores = Vec::new();
    for mut rng in starts(episodes, seed) {
        simulation.reset(&mut rng);
        planner.restart();
        scores.push(play(&mut simulation, |simulation, _| planner.act(simulation).to_vec()));
    }
    Scores::of(&scores)
}

/// The random streams from which the starts of the episodes are drawn.
fn starts(episodes: usize, seed: u64) -> impl Iterator<Item = SmallRng> {
    (0..episodes as u64).map(move |episode| SmallRng::seed_from_u64(seed.wrapping_add(episode)))
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

impl Scores {
    fn of(scores: &[f32]) -> Self {
        let count = scores.len() as f32;
        let mean = scores.iter().sum::<f32>() / count;
        let squares: f32 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        Self { mean, deviation: (squares / (count - 1.0).max(1.0)).sqrt(), episodes: scores.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planner_beats_random_actions_in_every_task_that_was_measured() {
        let mut measured = 0;
        for task in Task::ALL {
            if let Some(Yardstick { random, planner }) = Yardstick::of(*task) {
                assert!(planner.mean > random.mean, "{task}: {planner:?}, {random:?}");
                assert!(random.episodes >= RANDOM_EPISODES && planner.episodes > 0, "{task}");
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
