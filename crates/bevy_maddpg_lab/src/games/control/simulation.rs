//! A task's body and its surroundings.

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{
    body::{
        Body,
        arm::Arm,
        canada::Canada,
        car::Car,
        cart::Cart,
        cartpole::{Cartpole, Poles},
        cheetah::Cheetah,
        gripper::Gripper,
        hopper::Hopper,
        pendulum::Pendulum,
        reacher::Reacher,
        walker::Walker,
    },
    part::Part,
    task::Task,
};

/// A task's body and its surroundings. A clone continues bit by bit like the original.
///
/// It starts in an arbitrary state: call [`reset`](Self::reset) first.
pub struct Simulation {
    task: Task,
    body: Box<dyn Body>,
    action: Vec<f32>,
}

impl Clone for Simulation {
    fn clone(&self) -> Self {
        Self { task: self.task, body: self.body.copy(), action: self.action.clone() }
    }
}

impl Simulation {
    /// The simulation of a task.
    pub fn new(task: Task) -> Self {
        let body: Box<dyn Body> = match task {
            Task::Cart => Box::new(Cart::new()),
            Task::Pendulum => Box::new(Pendulum::new()),
            Task::CartpoleBalance => Box::new(Cartpole::new(Poles::OnTop(1), false)),
            Task::FixedReacherSingle => Box::new(Reacher::new(1, true)),
            Task::ReacherSingle => Box::new(Reacher::new(1, false)),
            Task::FixedReacherDouble => Box::new(Reacher::new(2, true)),
            Task::FixedReacher => Box::new(Reacher::new(3, true)),
            Task::Reacher => Box::new(Reacher::new(3, false)),
            Task::CartpoleParallelDouble => Box::new(Cartpole::new(Poles::SideBySide, false)),
            Task::CartpoleSerialDouble => Box::new(Cartpole::new(Poles::OnTop(2), false)),
            Task::Car => Box::new(Car::new()),
            Task::Reacher3dFixedTarget => Box::new(Arm::new()),
            Task::Canada2d => Box::new(Canada::new()),
            Task::Gripper => Box::new(Gripper::new()),
            Task::Cheetah => Box::new(Cheetah::new(true)),
            Task::HardCheetah => Box::new(Cheetah::new(false)),
            Task::Walker => Box::new(Walker::new()),
            Task::Hopper => Box::new(Hopper::new()),
            Task::CartpoleSerialTriple => Box::new(Cartpole::new(Poles::OnTop(3), false)),
            Task::Cartpole => Box::new(Cartpole::new(Poles::OnTop(1), true)),
        };
        Self { task, body, action: vec![0.0; task.action_size()] }
    }

    /// The task.
    pub fn task(&self) -> Task {
        self.task
    }

    /// Starts an episode. The same random numbers start the same episode, whatever happened before.
    pub fn reset(&mut self, rng: &mut impl Rng) {
        self.body.reset(rng);
    }

    /// Replaces the contents of `out` by an observation.
    pub fn observe(&self, out: &mut Vec<f32>) {
        out.clear();
        self.body.observe(out);
    }

    /// Advances by one control step and returns the reward, 0 to 1. Actions outside of -1 to 1 are clamped; what is not a number
    /// counts as 0.
    pub fn step(&mut self, action: &[f32]) -> f32 {
        assert_eq!(action.len(), self.action.len(), "The action of {} has the wrong size", self.task);
        for (own, action) in self.action.iter_mut().zip(action) {
            *own = if action.is_nan() { 0.0 } else { action.clamp(-1.0, 1.0) };
        }
        self.body.step(&self.action).clamp(0.0, 1.0)
    }

    /// Whether the episode ended early. From here on there is no reward.
    pub fn terminated(&self) -> bool {
        self.body.terminated()
    }

    /// The reward of the control suite in this state, where it is [sparse](Task::is_sparse_in_the_suite).
    pub fn sparse_score(&self) -> Option<f32> {
        self.body.sparse_score()
    }

    /// Everything to draw. Planar bodies lie in the plane of x and y, with y up.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        let mut parts = Vec::new();
        self.body.parts(&mut parts);
        parts.into_iter()
    }

    /// Where a camera should look, m.
    pub fn focus(&self) -> Vector {
        self.body.focus()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};

    use super::*;

    /// The bits of an episode of random actions: rewards and observations.
    fn bits(simulation: &mut Simulation, rng: &mut SmallRng, steps: usize) -> Vec<u32> {
        let mut observation = Vec::new();
        let mut bits = Vec::new();
        for _ in 0..steps {
            let action: Vec<f32> =
                (0..simulation.task().action_size()).map(|_| rng.random_range(-1.0..1.0)).collect();
            bits.push(simulation.step(&action).to_bits());
            simulation.observe(&mut observation);
            bits.extend(observation.iter().map(|number| number.to_bits()));
        }
        bits
    }

    #[test]
    fn numbers_are_finite_and_rewards_are_shares() {
        for task in Task::ALL {
            let mut simulation = Simulation::new(*task);
            let mut rng = SmallRng::seed_from_u64(1);
            let mut observation = Vec::new();
            let mut sum = 0.0;
            simulation.reset(&mut rng);
            for _ in 0..200 {
                let action: Vec<f32> = (0..task.action_size()).map(|_| rng.random_range(-2.0..2.0)).collect();
                let reward = simulation.step(&action);
                assert!((0.0..=1.0).contains(&reward), "{task}: {reward}");
                sum += reward;
                simulation.observe(&mut observation);
                assert_eq!(observation.len(), task.observation_size(), "{task}");
                assert!(observation.iter().all(|number| number.is_finite()), "{task}: {observation:?}");
                assert_eq!(simulation.sparse_score().is_some(), task.is_sparse_in_the_suite(), "{task}");
                assert!(simulation.parts().all(|part| part.position.is_finite() && part.effort.abs() <= 1.0));
                if simulation.terminated() {
                    simulation.reset(&mut rng);
                }
            }
            assert!(sum > 0.0, "{task} gives no reward");
            assert!(simulation.focus().is_finite());
        }
    }

    #[test]
    fn the_same_seed_plays_the_same_episode() {
        for task in Task::ALL {
            let mut first = Simulation::new(*task);
            let mut rng = SmallRng::seed_from_u64(2);
            first.reset(&mut rng);
            let expected = bits(&mut first, &mut rng, 60);
            // After other steps, too.
            let mut rng = SmallRng::seed_from_u64(2);
            first.reset(&mut rng);
            assert!(bits(&mut first, &mut rng, 60) == expected, "{task} differs after a reset");
        }
    }

    #[test]
    fn a_clone_continues_bit_by_bit() {
        for task in Task::ALL {
            let mut simulation = Simulation::new(*task);
            let mut rng = SmallRng::seed_from_u64(3);
            simulation.reset(&mut rng);
            bits(&mut simulation, &mut rng, 30);
            // On another thread, so that nothing can be left over in the memory of the solver.
            let (mut clone, mut same) = (simulation.clone(), rng.clone());
            let other = std::thread::spawn(move || bits(&mut clone, &mut same, 60));
            let own = bits(&mut simulation, &mut rng, 60);
            assert!(own == other.join().unwrap(), "{task} differs");
        }
    }
}
