//! A planner that tries random actions on copies of the simulation.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{simulation::Simulation, task::Task};

/// Plans that are tried each time.
const SAMPLES: usize = 64;
/// The best ones, whose mean is the new plan.
const ELITE: usize = 8;
/// Control steps between two plans.
const PERIOD: usize = 2;
/// Standard deviations of the noise on plans, which take turns.
const NOISES: [f32; 3] = [0.5, 0.15, 0.04];

/// Plays a task by trying 64 plans on copies of its simulation, each time from the true state. It needs no training; the scores
/// of policies are measured by it.
///
/// A plan holds each action for a tenth of a second or so and looks as many control steps ahead as the task says. Every second control
/// step, new plans vary the last one; the mean of the eight best replaces it, or the best one where that is better.
///
/// It is a sharp-eyed but not a perfect player: where actions that are not corrected at once lead astray, as with poles on top
/// of each other, policies can do better.
#[derive(Debug, Clone)]
pub struct Planner {
    task: Task,
    seed: u64,
    rng: SmallRng,
    /// Control steps since the start.
    time: usize,
    /// The actions of the plan, one hold after the other.
    plan: Vec<f32>,
    action: Vec<f32>,
}

impl Planner {
    /// A planner for a task. The same seed makes the same plans.
    pub fn new(task: Task, seed: u64) -> Self {
        let mut planner = Self {
            task,
            seed,
            rng: SmallRng::seed_from_u64(seed),
            time: 0,
            plan: Vec::new(),
            action: Vec::new(),
        };
        planner.restart();
        planner
    }

    /// Forgets the plan. Call it at the start of an episode.
    pub fn restart(&mut self) {
        self.seed = self.seed.wrapping_add(1);
        self.rng = SmallRng::seed_from_u64(self.seed);
        self.time = 0;
        self.plan.clear();
        // The first hold may be nearly over.
        let holds = self.task.horizon_steps().div_ceil(self.task.hold_steps()) + 1;
        self.plan.resize(holds * self.task.action_size(), 0.0);
        self.action.clear();
        self.action.resize(self.task.action_size(), 0.0);
    }

    /// The action for the next control step.
    pub fn act(&mut self, simulation: &Simulation) -> &[f32] {
        let size = self.task.action_size();
        let phase = self.time % self.task.hold_steps();
        if phase == 0 && self.time > 0 {
            self.plan.rotate_left(size);
            let last = self.plan.len() - size;
            self.plan.copy_within(last - size..last, last);
        }
        if self.time.is_multiple_of(PERIOD) {
            self.improve(simulation, phase);
        }
        self.time += 1;
        self.action.copy_from_slice(&self.plan[..size]);
        &self.action
    }

    /// The last action.
    pub fn action(&self) -> &[f32] {
        &self.action
    }

    /// Replaces the plan by a better one.
    fn improve(&mut self, simulation: &Simulation, phase: usize) {
        let mut tried: Vec<(f32, Vec<f32>)> = Vec::with_capacity(SAMPLES);
        for sample in 0..SAMPLES - 1 {
            let mut plan = self.plan.clone();
            if sample > 0 {
                let noise = NOISES[sample % NOISES.len()];
                for action in &mut plan {
                    *action = (*action + noise * normal(&mut self.rng)).clamp(-1.0, 1.0);
                }
            }
            tried.push((self.value(simulation, &plan, phase), plan));
        }
        tried.sort_by(|(first, _), (second, _)| second.total_cmp(first));
        let mut mean = vec![0.0; self.plan.len()];
        for (_, plan) in &tried[..ELITE] {
            for (mean, action) in mean.iter_mut().zip(plan) {
                *mean += action / ELITE as f32;
            }
        }
        self.plan =
            if self.value(simulation, &mean, phase) > tried[0].0 { mean } else { tried.swap_remove(0).1 };
    }

    /// The reward of a plan.
    fn value(&self, simulation: &Simulation, plan: &[f32], phase: usize) -> f32 {
        let mut simulation = simulation.clone();
        let mut value = 0.0;
        for step in 0..self.task.horizon_steps() {
            let hold = (phase + step) / self.task.hold_steps();
            let size = self.task.action_size();
            value += simulation.step(&plan[hold * size..(hold + 1) * size]);
            if simulation.terminated() {
                break;
            }
        }
        value
    }
}

/// A number from a bell curve.
fn normal(rng: &mut SmallRng) -> f32 {
    let radius = (-2.0 * libm::logf(1.0 - rng.random::<f32>())).sqrt();
    radius * libm::cosf(std::f32::consts::TAU * rng.random::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The actions and the mean reward of a planner's first control steps.
    fn play(task: Task, steps: usize) -> (Vec<f32>, f32) {
        let mut simulation = Simulation::new(task);
        simulation.reset(&mut SmallRng::seed_from_u64(1));
        let mut planner = Planner::new(task, 7);
        let mut actions = Vec::new();
        let mut sum = 0.0;
        for _ in 0..steps {
            let action = planner.act(&simulation);
            actions.extend_from_slice(action);
            sum += simulation.step(action);
        }
        (actions, sum / steps as f32)
    }

    #[test]
    fn the_same_seed_makes_the_same_plans() {
        let (actions, _) = play(Task::Pendulum, 6);
        assert!(actions.iter().all(|action| action.abs() <= 1.0));
        assert_eq!(play(Task::Pendulum, 6).0, actions);
    }

    #[test]
    fn it_drives_a_car() {
        let (_, reward) = play(Task::Car, 200);
        assert!(reward > 0.35, "The reward is {reward}");
    }
}
