//! An arm with seven joints in space whose tip should come to a fixed target.

use std::sync::Arc;

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{Body, around};
use crate::games::control::{
    part::{Part, Role},
    tolerance::{linear, near, small},
    world::{Freedom, Link, Solid, World},
};

/// Physics steps of one control step.
const STEPS: u32 = 4;
/// Radius of a link, m.
const RADIUS: f32 = 0.03;
/// Radius of the target, m.
const TARGET: f32 = 0.03;
/// How far the target is, m.
const PLACE: Vector = Vector::new(0.3, 0.35, 0.25);
/// Friction of a joint as share of its torque: a joint without load turns at 4 rad/s.
const DAMPING: f32 = 0.25;
/// Inertia of a motor, kg m².
const ARMATURE: f32 = 0.02;
/// How joints turn, their largest angle (degrees), their torque (N m), and the length of the link after them (m).
const JOINTS: [(Freedom, f32, f32, f32); 7] = [
    (Freedom::HingeY, 170.0, 8.0, 0.05),
    (Freedom::HingeZ, 110.0, 8.0, 0.15),
    (Freedom::HingeX, 170.0, 4.0, 0.15),
    (Freedom::HingeZ, 140.0, 4.0, 0.15),
    (Freedom::HingeX, 170.0, 2.0, 0.15),
    (Freedom::HingeZ, 110.0, 2.0, 0.05),
    (Freedom::HingeY, 110.0, 1.0, 0.1),
];
/// How far the arm reaches, m.
const REACH: f32 = 0.8;

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Arm {
    world: World,
    start: Arc<World>,
}

impl Arm {
    /// The arm. Gravity is balanced.
    pub fn new() -> Self {
        let mut world = World::new(0.005, 0.0);
        let mut parent = World::GROUND;
        let mut anchor = Vector::ZERO;
        for (freedom, limit, gear, length) in JOINTS {
            let end = length * Vector::X;
            parent = world.add(Link {
                parent,
                anchor,
                freedom,
                limits: Some([-limit, limit].map(f32::to_radians)),
                damping: DAMPING * gear,
                armature: ARMATURE,
                gear,
                solids: &[Solid::Capsule { from: Vector::ZERO, to: end, radius: RADIUS }],
                ..Link::default()
            });
            anchor = end;
        }
        world.show(parent, Solid::Ball { center: anchor, radius: 1.2 * RADIUS }, Role::Tip);
        world.show(World::GROUND, Solid::Ball { center: PLACE, radius: TARGET }, Role::Target);
        let start = world.finish();
        Self { world: (*start).clone(), start }
    }

    /// From the tip to the target.
    fn way(&self) -> Vector {
        let (.., length) = JOINTS[JOINTS.len() - 1];
        PLACE - self.world.point(JOINTS.len(), length * Vector::X)
    }
}

impl Body for Arm {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.world = (*self.start).clone();
        let positions = JOINTS.map(|(_, limit, ..)| around(rng, limit.to_radians()));
        self.world.place(&positions, &[0.0; JOINTS.len()]);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        out.extend(self.world.positions(0..JOINTS.len()));
        out.extend(self.world.speeds(0..JOINTS.len()));
        out.extend(<[f32; 3]>::from(self.way()));
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.world.drive(action);
        self.world.step(STEPS);
        let distance = self.way().length();
        let closer = linear(distance, [0.0, 0.0], 2.0 * REACH, 0.0);
        (0.3 * closer + 0.7 * near(distance, [0.0, TARGET], 0.2)) * small(action)
    }

    fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.world.parts());
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn joints_keep_within_their_limits() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut body = Arm::new();
        for _ in 0..4 {
            body.reset(&mut rng);
            let action: [f32; 7] = std::array::from_fn(|_| if rng.random::<bool>() { 1.0 } else { -1.0 });
            for _ in 0..150 {
                body.step(&action);
                for (coordinate, (_, limit, ..)) in JOINTS.into_iter().enumerate() {
                    let angle = body.world.position(coordinate).to_degrees();
                    assert!(angle.abs() < limit + 6.0, "Joint {coordinate} is at {angle}");
                }
            }
        }
    }

    #[test]
    fn it_reaches_and_turns_as_it_should() {
        let mut body = Arm::new();
        assert!((body.way() - (PLACE - REACH * Vector::X)).length() < 1e-5);
        // A quarter about y, then a quarter about the turned z: up.
        let quarter = std::f32::consts::FRAC_PI_2;
        body.world.place(&[quarter, quarter, 0.0, 0.0, 0.0, 0.0, 0.0], &[0.0; 7]);
        let tip = PLACE - body.way();
        assert!((tip - Vector::new(0.0, 0.75, -0.05)).length() < 1e-5, "{tip}");
    }

    #[test]
    fn it_is_robust() {
        let mut rng = SmallRng::seed_from_u64(2);
        let mut body = Arm::new();
        body.reset(&mut rng);
        for _ in 0..200 {
            let action: [f32; 7] = std::array::from_fn(|_| rng.random_range(-5.0..5.0));
            body.world.drive(&action);
            body.world.step(2);
            assert!(body.world.positions(0..7).chain(body.world.speeds(0..7)).all(f32::is_finite));
            assert!(body.world.separation() < 1e-3, "Links are {} m apart", body.world.separation());
        }
    }
}
