//! A cart on a rail that should come to the middle.

use std::sync::Arc;

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{Body, around, normal};
use crate::games::control::{
    part::{Part, Role},
    tolerance::{near, small},
    world::{Freedom, GRAVITY, Link, Solid, World, at},
};

/// Physics steps of one control step.
const STEPS: u32 = 2;

/// Half the length of the rail, m.
pub(super) const RAIL: f32 = 1.8;
/// Friction of the rail, N s/m.
pub(super) const RAIL_DAMPING: f32 = 5e-4;
/// Force at full action, N.
pub(super) const FORCE: f32 = 10.0;

/// Adds a cart of 1 kg on a rail to a world.
pub(super) fn add(world: &mut World) -> usize {
    let rail = Solid::Capsule { from: at(-RAIL, -0.05), to: at(RAIL, -0.05), radius: 0.02 };
    world.show(World::GROUND, rail, Role::Base);
    world.add(Link {
        freedom: Freedom::SlideX,
        limits: Some([-RAIL, RAIL]),
        damping: RAIL_DAMPING,
        gear: FORCE,
        solids: &[Solid::Box { center: Vector::ZERO, half: Vector::new(0.2, 0.1, 0.1) }],
        mass: Some(1.0),
        role: Role::Base,
        ..Link::default()
    })
}

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Cart {
    world: World,
    start: Arc<World>,
}

impl Cart {
    /// The cart.
    pub fn new() -> Self {
        let mut world = World::new(0.005, GRAVITY);
        add(&mut world);
        world.show(World::GROUND, Solid::Ball { center: at(0.0, -0.2), radius: 0.05 }, Role::Target);
        let start = world.finish();
        Self { world: (*start).clone(), start }
    }
}

impl Body for Cart {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.world = (*self.start).clone();
        self.world.place(&[around(rng, 1.5)], &[normal(rng, 0.1)]);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        out.extend([self.world.position(0), self.world.speed(0)]);
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.world.drive(action);
        self.world.step(STEPS);
        near(self.world.position(0), [-0.02, 0.02], 0.6) * small(action)
    }

    fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.world.parts());
    }
}
