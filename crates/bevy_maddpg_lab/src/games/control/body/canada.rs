//! A planar arm that should hit a ball to a target, on a table seen from above.

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
const LENGTH: f32 = 0.15;
/// Radius of a link, m.
const RADIUS: f32 = 0.015;
/// Torque at full action of each joint, N m.
const TORQUES: [f32; 3] = [0.6, 0.3, 0.1];
/// Friction of a joint as share of its torque.
const DAMPING: f32 = 0.12;
/// How far the joints after the first one turn, rad.
const BEND: f32 = 150.0 * PI / 180.0;
/// Radius of the ball, m.
const BALL: f32 = 0.04;
/// Mass of the ball, kg.
const BALL_MASS: f32 = 0.1;
/// Share of its speed that the ball loses in a second.
const BALL_DAMPING: f32 = 4.0;
/// Radius of the target, m.
const TARGET: f32 = 0.05;

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Canada {
    world: World,
    start: Arc<World>,
    target: Vector,
}

impl Canada {
    /// The arm and the ball.
    pub fn new() -> Self {
        let mut world = World::new(0.005, 0.0);
        world.add_ball(BALL, BALL_MASS, BALL_DAMPING, 0.5, 0.5);
        let mut parent = World::GROUND;
        for (link, gear) in TORQUES.into_iter().enumerate() {
            let solids = [Solid::capsule([0.0, 0.0], [LENGTH, 0.0], RADIUS)];
            parent = world.add(Link {
                parent,
                anchor: at(if link == 0 { 0.0 } else { LENGTH }, 0.0),
                limits: (link > 0).then_some([-BEND, BEND]),
                damping: DAMPING * gear,
                gear,
                solids: &solids,
                ..Link::default()
            });
            world.touch(parent, solids[0], 0.5);
        }
        world.show(parent, Solid::Ball { center: at(LENGTH, 0.0), radius: 1.2 * RADIUS }, Role::Tip);
        world.place_ball(at(0.0, 0.3));
        let start = world.finish();
        Self { world: (*start).clone(), start, target: at(0.0, 0.5) }
    }

    /// The arm's tip.
    fn tip(&self) -> Vector {
        self.world.point(TORQUES.len(), at(LENGTH, 0.0))
    }

    /// Distance of the ball from the target, m.
    fn distance(&self) -> f32 {
        (self.target - self.world.ball()).length()
    }
}

/// A place in front of the arm.
fn front(rng: &mut dyn Rng, [nearest, farthest]: [f32; 2], spread: f32) -> Vector {
    let (distance, angle) = (between(rng, nearest, farthest), 0.5 * PI + around(rng, spread));
    at(distance * libm::cosf(angle), distance * libm::sinf(angle))
}

impl Body for Canada {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.world = (*self.start).clone();
        // The arm starts behind, where it does not touch the ball.
        let positions = [-0.5 * PI + around(rng, 0.5), around(rng, 0.5), around(rng, 0.5)];
        self.world.place(&positions, &[0.0; 3]);
        self.world.place_ball(front(rng, [0.2, 0.35], 0.8));
        self.target = front(rng, [0.2, 0.42], 1.0);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        for angle in self.world.positions(0..3) {
            out.extend([libm::cosf(angle), libm::sinf(angle)]);
        }
        out.extend(self.world.speeds(0..3));
        let (ball, velocity, tip) = (self.world.ball(), self.world.ball_velocity(), self.tip());
        for way in [ball, velocity, tip - ball, self.target - ball] {
            out.extend([way.x, way.y]);
        }
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.world.drive(action);
        self.world.step(STEPS);
        let at_target = near(self.distance(), [0.0, TARGET - BALL], 0.15);
        let at_ball = linear((self.tip() - self.world.ball()).length(), [0.0, BALL + RADIUS], 0.9, 0.0);
        (0.2 * at_ball.max(at_target) + 0.8 * at_target) * small(action)
    }

    fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.world.parts());
        out.push(Part::ball(self.world.ball(), BALL, Role::Ball));
        out.push(Part::ball(self.target - TARGET * Vector::Z, TARGET, Role::Target));
    }

    fn focus(&self) -> Vector {
        at(0.0, 0.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arm_hits_the_ball() {
        let mut body = Canada::new();
        body.world.place(&[0.0; 3], &[0.0; 3]);
        for _ in 0..50 {
            body.step(&[1.0, 0.0, 0.0]);
        }
        let ball = body.world.ball();
        assert!(ball.x < -0.05 && ball.z == 0.0, "The ball is at {ball}");
    }

    #[test]
    fn the_ball_slows_down() {
        let mut body = Canada::new();
        body.world.place(&[-1.5, 0.0, 0.0], &[0.0; 3]);
        body.world.place_ball(at(0.0, 0.3));
        body.step(&[0.0; 3]);
        assert_eq!(body.world.ball(), at(0.0, 0.3));
    }
}
