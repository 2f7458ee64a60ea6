//! What every body of the tasks can do.

pub(super) mod arm;
pub(super) mod canada;
pub(super) mod car;
pub(super) mod cart;
pub(super) mod cartpole;
pub(super) mod cheetah;
pub(super) mod gripper;
pub(super) mod hopper;
mod legged;
pub(super) mod pendulum;
pub(super) mod reacher;
pub(super) mod walker;

use std::f32::consts::TAU;

use bevy_rapier3d::rapier::math::Vector;
use rand::{Rng, RngExt};

use super::part::Part;

/// A body with its task.
pub(super) trait Body: Send + Sync {
    /// A copy that continues bit by bit like the original.
    fn copy(&self) -> Box<dyn Body>;
    /// Starts an episode.
    fn reset(&mut self, rng: &mut dyn Rng);
    /// Appends what the agent sees.
    fn observe(&self, out: &mut Vec<f32>);
    /// Advances by one control step with an action between -1 and 1, and returns the reward.
    fn step(&mut self, action: &[f32]) -> f32;
    /// Whether the episode ended early.
    fn terminated(&self) -> bool {
        false
    }
    /// The reward of the suite in this state, where it is sparse.
    fn sparse_score(&self) -> Option<f32> {
        None
    }
    /// Appends everything to draw.
    fn parts(&self, out: &mut Vec<Part>);
    /// Where a camera should look.
    fn focus(&self) -> Vector {
        Vector::ZERO
    }
}

/// A number from a bell curve with a mean of 0.
fn normal(rng: &mut dyn Rng, deviation: f32) -> f32 {
    let radius = (-2.0 * libm::logf(1.0 - rng.random::<f32>())).sqrt();
    deviation * radius * libm::cosf(TAU * rng.random::<f32>())
}

/// A number between `-limit` and `limit`.
fn around(rng: &mut dyn Rng, limit: f32) -> f32 {
    between(rng, -limit, limit)
}

/// A number between two numbers.
fn between(rng: &mut dyn Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}
