//! A planar walker on two legs that should walk.

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{
    Body,
    legged::{Build, Legged, Limb},
};
use crate::games::control::{
    part::Part,
    tolerance::{linear, near},
    world::Solid,
};

/// Physics steps of one control step.
const STEPS: u32 = 5;
/// Speed of a walk, m/s.
const SPEED: f32 = 1.0;
/// Height of the torso while it stands, m.
const STANDING: f32 = 1.2;

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Walker(Legged);

impl Walker {
    /// The walker.
    pub fn new() -> Self {
        let limb = |parent, anchor, limits, gear, capsule, radius| Limb {
            parent,
            anchor,
            limits,
            gear,
            spring: [0.0, 0.1],
            capsule,
            radius,
        };
        let thigh = || limb(0, [0.0, -0.3], [-20.0, 100.0], 100.0, [[0.0, -0.45], [0.0, 0.0]], 0.05);
        let shin = |thigh| limb(thigh, [0.0, -0.45], [-150.0, 0.0], 50.0, [[0.0, -0.5], [0.0, 0.0]], 0.04);
        let foot = |shin| limb(shin, [0.0, -0.5], [-45.0, 45.0], 20.0, [[-0.04, 0.0], [0.16, 0.0]], 0.05);
        Self(Legged::new(&Build {
            torso: &[Solid::capsule([0.0, -0.3], [0.0, 0.3], 0.07)],
            limbs: &[thigh(), shin(1), foot(2), thigh(), shin(4), foot(5)],
            height: 1.3,
            armature: 0.01,
            mass: None,
            friction: 0.7,
            step: 0.005,
        }))
    }
}

impl Body for Walker {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.0.reset(rng, 0.1, 0.2);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        self.0.observe(out);
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.0.world.drive(action);
        self.0.world.step(STEPS);
        let high = near(self.0.height(), [STANDING, f32::INFINITY], 0.5 * STANDING);
        let upright = 0.5 * (1.0 + libm::cosf(self.0.lean()));
        let stands = (3.0 * high + upright) / 4.0;
        let walks = linear(self.0.speed(), [SPEED, f32::INFINITY], 0.5 * SPEED, 0.5);
        stands * (5.0 * walks + 1.0) / 6.0
    }

    fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.0.world.parts());
    }

    fn focus(&self) -> Vector {
        self.0.focus()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::legged::tests, *};

    #[test]
    fn it_is_robust() {
        let mut body = Walker::new().0;
        assert!((body.mass() - 28.5).abs() < 0.5, "It weighs {}", body.mass());
        tests::survives(&mut body, 6);
    }

    #[test]
    fn it_comes_to_rest() {
        tests::comes_to_rest(&mut Walker::new().0);
    }
}
