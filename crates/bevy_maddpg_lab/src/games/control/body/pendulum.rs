//! A pendulum whose motor is too weak to lift it at once.

use std::{f32::consts::PI, sync::Arc};

use rand::Rng;

use super::{Body, around};
use crate::games::control::{
    part::{Part, Role},
    tolerance::{near, small},
    world::{GRAVITY, Link, Solid, World, at},
};

/// Physics steps of one control step.
const STEPS: u32 = 4;
/// Distance of the ball from the hinge, m.
const LENGTH: f32 = 0.5;
/// Torque at full action, N m. Gravity pulls with up to 4.9 N m.
const TORQUE: f32 = 1.0;
/// Within this angle from upright, the suite gives a reward, rad.
const BONUS: f32 = 8.0 * PI / 180.0;

/// An angle between -π and π.
pub(super) fn wrapped(angle: f32) -> f32 {
    (angle + PI).rem_euclid(2.0 * PI) - PI
}

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Pendulum {
    world: World,
    start: Arc<World>,
}

impl Pendulum {
    /// The pendulum.
    pub fn new() -> Self {
        let mut world = World::new(0.005, GRAVITY);
        let ball = Solid::Ball { center: at(0.0, LENGTH), radius: 0.05 };
        let link = world.add(Link {
            damping: 0.1,
            gear: TORQUE,
            solids: &[ball],
            mass: Some(1.0),
            role: Role::Tip,
            ..Link::default()
        });
        world.show(link, Solid::capsule([0.0, 0.0], [0.0, LENGTH], 0.02), Role::Link);
        let start = world.finish();
        Self { world: (*start).clone(), start }
    }

    /// The angle, rad: 0 is upright.
    fn angle(&self) -> f32 {
        wrapped(self.world.position(0))
    }
}

impl Body for Pendulum {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.world = (*self.start).clone();
        self.world.place(&[around(rng, PI)], &[0.0]);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        let angle = self.angle();
        out.extend([libm::cosf(angle), libm::sinf(angle), self.world.speed(0)]);
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.world.drive(action);
        self.world.step(STEPS);
        let angle = self.angle();
        let upright = 0.5 * (1.0 + libm::cosf(angle));
        0.5 * (upright + near(angle, [-BONUS, BONUS], 3.0 * BONUS)) * small(action)
    }

    fn sparse_score(&self) -> Option<f32> {
        Some(f32::from(self.angle().abs() < BONUS))
    }

    fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.world.parts());
    }
}
