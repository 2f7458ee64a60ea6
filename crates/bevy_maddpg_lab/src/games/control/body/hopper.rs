//! A planar hopper on one leg that should stand.

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{
    Body,
    legged::{Build, Legged, Limb},
};
use crate::games::control::{
    part::Part,
    tolerance::{linear, small},
    world::{Solid, at},
};

/// Physics steps of one control step.
const STEPS: u32 = 4;
/// Height of the torso over the foot while it stands, m.
const STANDING: f32 = 0.6;
/// The foot's number in the world.
const FOOT: usize = 5;

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Hopper(Legged);

impl Hopper {
    /// The hopper.
    pub fn new() -> Self {
        let limb = |parent, anchor, limits, gear, capsule, radius| Limb {
            parent,
            anchor,
            limits,
            gear,
            spring: [0.0, 0.05],
            capsule,
            radius,
        };
        Self(Legged::new(&Build {
            torso: &[
                Solid::capsule([0.0, -0.05], [0.0, 0.2], 0.0653),
                Solid::capsule([0.08, 0.13], [0.15, 0.14], 0.03),
            ],
            // The pelvis, the thigh, the calf and the foot. Angles are counted forward.
            limbs: &[
                limb(0, [0.0, -0.05], [-30.0, 30.0], 30.0, [[0.0, 0.0], [0.0, -0.15]], 0.065),
                limb(1, [0.0, -0.2], [-10.0, 170.0], 40.0, [[0.0, 0.0], [0.0, -0.33]], 0.04),
                limb(2, [0.0, -0.33], [-150.0, -5.0], 30.0, [[0.0, 0.0], [0.0, -0.32]], 0.03),
                limb(3, [0.0, -0.32], [-45.0, 45.0], 10.0, [[-0.08, 0.0], [0.17, 0.0]], 0.04),
            ],
            height: 1.0,
            armature: 0.2,
            mass: None,
            friction: 1.0,
            step: 0.005,
        }))
    }

    /// Height of the torso's middle over the foot's middle, m.
    fn height(&self) -> f32 {
        let torso = self.0.world.point(super::legged::TORSO, at(0.0, 0.075));
        torso.y - self.0.world.point(FOOT, at(0.045, 0.0)).y
    }
}

impl Body for Hopper {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.0.reset(rng, 0.3, 0.3);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        self.0.observe(out);
        // How far the heel and the toe are above the floor.
        out.extend([-0.08, 0.17].map(|x| self.0.world.point(FOOT, at(x, 0.0)).y - 0.04));
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.0.world.drive(action);
        self.0.world.step(STEPS);
        linear(self.height(), [STANDING, 2.0], 1.5 * STANDING, 0.0) * small(action)
    }

    fn sparse_score(&self) -> Option<f32> {
        Some(f32::from((STANDING..2.0).contains(&self.height())))
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
        let mut body = Hopper::new().0;
        assert!((body.mass() - 12.4).abs() < 0.5, "It weighs {}", body.mass());
        tests::survives(&mut body, 4);
    }

    #[test]
    fn it_comes_to_rest() {
        tests::comes_to_rest(&mut Hopper::new().0);
    }
}
