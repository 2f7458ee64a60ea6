//! A planar arm whose tip should come to a target.

use std::{f32::consts::PI, sync::Arc};

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{Body, around, between};
use crate::games::control::{
    part::{Part, Role},
    tolerance::{linear, near, small},
    world::{Link, Solid, World, at},
};

/// Physics steps of one control step.
const STEPS: u32 = 4;
/// Length of a link, m.
const LENGTH: f32 = 0.12;
/// Radius of a link, m.
const RADIUS: f32 = 0.01;
/// Torque at full action, N m.
const TORQUE: f32 = 0.05;
/// Friction of a joint, N m s.
const DAMPING: f32 = 0.01;
/// How far the joints after the first one turn, rad.
const BEND: f32 = 160.0 * PI / 180.0;
/// Radius of the target, m.
const TARGET: f32 = 0.015;

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Reacher {
    world: World,
    start: Arc<World>,
    links: usize,
    is_fixed: bool,
    target: Vector,
}

impl Reacher {
    /// An arm of links, with a target that is fixed or random.
    pub fn new(links: usize, is_fixed: bool) -> Self {
        let mut world = World::new(0.005, 0.0);
        let mut parent = World::GROUND;
        for link in 0..links {
            parent = world.add(Link {
                parent,
                anchor: at(if link == 0 { 0.0 } else { LENGTH }, 0.0),
                limits: (link > 0).then_some([-BEND, BEND]),
                damping: DAMPING,
                gear: TORQUE,
                solids: &[Solid::capsule([0.0, 0.0], [LENGTH, 0.0], RADIUS)],
                ..Link::default()
            });
        }
        world.show(parent, Solid::Ball { center: at(LENGTH, 0.0), radius: 1.2 * RADIUS }, Role::Tip);
        let start = world.finish();
        Self { world: (*start).clone(), start, links, is_fixed, target: Self::place(links, 1.0, 0.7) }
    }

    /// A target that the arm can reach.
    ///
    /// - `share`: 0 is as near as it gets, 1 as far
    /// - `angle`: its direction, rad
    fn place(links: usize, share: f32, angle: f32) -> Vector {
        let (nearest, farthest) = match links {
            1 => (LENGTH, LENGTH),
            2 => (0.05, 0.2),
            _ => (0.05, 0.3),
        };
        let distance = nearest + share * (farthest - nearest);
        at(distance * libm::cosf(angle), distance * libm::sinf(angle))
    }

    /// From the tip to the target.
    fn way(&self) -> Vector {
        self.target - self.world.point(self.links, at(LENGTH, 0.0))
    }
}

impl Body for Reacher {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.world = (*self.start).clone();
        let positions: Vec<f32> =
            (0..self.links).map(|link| around(rng, if link == 0 { PI } else { BEND })).collect();
        self.world.place(&positions, &vec![0.0; self.links]);
        if !self.is_fixed {
            self.target = Self::place(self.links, between(rng, 0.0, 1.0), around(rng, PI));
        }
    }

    fn observe(&self, out: &mut Vec<f32>) {
        for angle in self.world.positions(0..self.links) {
            out.extend([libm::cosf(angle), libm::sinf(angle)]);
        }
        out.extend(self.world.speeds(0..self.links));
        let way = self.way();
        out.extend([way.x, way.y].map(|meters| meters / LENGTH));
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.world.drive(action);
        self.world.step(STEPS);
        let distance = self.way().length();
        let reach = 2.0 * LENGTH * self.links as f32;
        let closer = linear(distance, [0.0, 0.0], reach, 0.0);
        (0.3 * closer + 0.7 * near(distance, [0.0, TARGET], 0.05)) * small(action)
    }

    fn sparse_score(&self) -> Option<f32> {
        Some(f32::from(self.way().length() < TARGET + RADIUS))
    }

    fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.world.parts());
        out.push(Part::ball(self.target, TARGET, Role::Target));
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn joints_stop_at_their_limits() {
        for action in [1.0, -1.0] {
            let mut body = Reacher::new(3, true);
            for _ in 0..200 {
                body.step(&[0.0, action, action]);
                for angle in body.world.positions(1..3) {
                    assert!(angle.abs() < BEND + 0.1, "A joint is at {angle}");
                }
            }
            assert!((body.world.position(1) - action * BEND).abs() < 0.05, "{}", body.world.position(1));
        }
    }

    #[test]
    fn the_full_reward_waits_at_the_target() {
        let mut body = Reacher::new(1, true);
        body.world.place(&[0.7], &[0.0]);
        assert!(body.step(&[0.0]) > 0.999);
        assert_eq!(body.sparse_score(), Some(1.0));
        body.world.place(&[0.7 + PI], &[0.0]);
        assert!(body.step(&[0.0]) < 0.01);
        assert_eq!(body.sparse_score(), Some(0.0));
    }

    #[test]
    fn fixed_targets_stay() {
        let mut rng = SmallRng::seed_from_u64(1);
        for (is_fixed, links) in [(true, 2), (false, 2), (false, 1), (false, 3)] {
            let mut body = Reacher::new(links, is_fixed);
            let before = body.target;
            body.reset(&mut rng);
            assert_eq!(body.target == before, is_fixed);
            assert!(body.target.length() <= LENGTH * links as f32 + 1e-6);
        }
    }
}
