//! Poles on a cart that should stand upright: one, two or three, on top of each other or side by side.

use std::{f32::consts::PI, sync::Arc};

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{Body, around, cart, normal};
use crate::games::control::{
    part::{Part, Role},
    tolerance::{near, small},
    world::{GRAVITY, Link, Solid, World, at},
};

/// Physics steps of one control step.
const STEPS: u32 = 2;
/// Radius of a pole, m.
const RADIUS: f32 = 0.045;
/// Mass of a pole of 1 m, kg.
const MASS: f32 = 0.1;
/// Friction of a hinge, N m s.
const HINGE_DAMPING: f32 = 2e-6;

/// How the poles hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Poles {
    /// One stands on the tip of another; all are 1 m long.
    OnTop(usize),
    /// Two stand on the cart. They are 1 m and 0.5 m long: equal ones would not obey.
    SideBySide,
}

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Cartpole {
    world: World,
    start: Arc<World>,
    poles: Poles,
    hangs_at_start: bool,
}

impl Cartpole {
    /// A cart with poles, which stand or hang at the start.
    pub fn new(poles: Poles, hangs_at_start: bool) -> Self {
        let mut world = World::new(0.005, GRAVITY);
        let cart = cart::add(&mut world);
        let mut add = |parent: usize, anchor: Vector, length: f32, role: Role| {
            world.add(Link {
                parent,
                anchor,
                damping: HINGE_DAMPING,
                solids: &[Solid::capsule([0.0, 0.0], [0.0, length], RADIUS)],
                mass: Some(MASS * length),
                role,
                ..Link::default()
            })
        };
        match poles {
            Poles::OnTop(count) => {
                let mut parent = add(cart, Vector::ZERO, 1.0, Role::Link);
                for _ in 1..count {
                    parent = add(parent, at(0.0, 1.0), 1.0, Role::Link);
                }
            }
            Poles::SideBySide => {
                add(cart, Vector::new(0.0, 0.0, -0.06), 1.0, Role::Link);
                add(cart, Vector::new(0.0, 0.0, 0.06), 0.5, Role::Link);
            }
        }
        let start = world.finish();
        Self { world: (*start).clone(), start, poles, hangs_at_start }
    }

    /// How many poles there are.
    fn count(&self) -> usize {
        self.world.coordinates() - 1
    }

    /// Angle (rad, 0 is upright) and angular speed of every pole, against the world.
    fn angles(&self) -> impl Iterator<Item = (f32, f32)> {
        let mut below = (0.0, 0.0);
        (1..=self.count()).map(move |coordinate| {
            let own = (self.world.position(coordinate), self.world.speed(coordinate));
            match self.poles {
                Poles::OnTop(_) => {
                    below = (below.0 + own.0, below.1 + own.1);
                    below
                }
                Poles::SideBySide => own,
            }
        })
    }
}

impl Body for Cartpole {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.world = (*self.start).clone();
        let count = self.count();
        let mut positions = Vec::with_capacity(count + 1);
        if self.hangs_at_start {
            positions.push(normal(rng, 0.01));
            positions.push(PI + normal(rng, 0.01));
            positions.extend((1..count).map(|_| normal(rng, 0.1)));
        } else {
            positions.push(around(rng, 0.1));
            positions.extend((0..count).map(|_| around(rng, 0.034)));
        }
        let speeds: Vec<f32> = positions.iter().map(|_| normal(rng, 0.01)).collect();
        self.world.place(&positions, &speeds);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        out.extend([self.world.position(0), self.world.speed(0)]);
        for (angle, speed) in self.angles() {
            out.extend([libm::cosf(angle), libm::sinf(angle), speed]);
        }
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.world.drive(action);
        self.world.step(STEPS);
        let count = self.count();
        let upright: f32 =
            self.angles().map(|(angle, _)| 0.5 * (1.0 + libm::cosf(angle))).sum::<f32>() / count as f32;
        let centered = 0.5 * (1.0 + near(self.world.position(0), [0.0, 0.0], 2.0));
        let slow =
            self.world.speeds(1..count + 1).map(|speed| near(speed, [0.0, 0.0], 5.0)).fold(1.0, f32::min);
        upright * small(action) * 0.5 * (1.0 + slow) * centered
    }

    fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.world.parts());
    }
}

#[cfg(test)]
mod tests {
    use super::{super::cart::RAIL, *};

    #[test]
    fn the_rail_ends() {
        let mut body = Cartpole::new(Poles::OnTop(1), false);
        for _ in 0..500 {
            body.step(&[1.0]);
        }
        let end = body.world.position(0);
        assert!((end - RAIL).abs() < 0.02, "The cart is at {end}");
    }
}
