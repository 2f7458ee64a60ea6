//! A planar arm with two fingers that should lift a ball to a target.

use std::sync::Arc;

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{Body, around};
use crate::games::control::{
    part::{Part, Role},
    tolerance::{near, small},
    world::{GRAVITY, Link, Solid, World, at},
};

/// Physics steps of one control step.
const STEPS: u32 = 4;
/// Height of the shoulder, m.
const SHOULDER: f32 = 0.58;
/// Lengths of the upper arm, the forearm and the hand, m.
const LENGTHS: [f32; 3] = [0.25, 0.2, 0.06];
/// Torques at full action of the shoulder, the elbow and the wrist, N m.
const TORQUES: [f32; 3] = [4.0, 2.0, 1.0];
/// How far they turn, degrees. At 0, the arm hangs straight down.
const LIMITS: [[f32; 2]; 3] = [[-120.0, 120.0], [-150.0, 150.0], [-90.0, 90.0]];
/// Half the distance of the fingers' joints, m.
const HALF_PALM: f32 = 0.035;
/// Length of a finger, m.
const FINGER: f32 = 0.09;
/// Radius of a link, m.
const RADIUS: f32 = 0.015;
/// Radius of a finger, m.
const FINGER_RADIUS: f32 = 0.01;
/// Torque at full action of a finger, N m.
const GRIP: f32 = 0.5;
/// How far a finger closes and opens, degrees.
const FINGER_LIMITS: [f32; 2] = [-25.0, 40.0];
/// Friction of a joint as share of its torque.
const DAMPING: f32 = 0.15;
/// Inertia of a motor, kg m².
const ARMATURE: f32 = 0.005;
/// Radius of the ball, m.
const BALL: f32 = 0.03;
/// Mass of the ball, kg.
const BALL_MASS: f32 = 0.05;
/// Where the ball should go.
const TARGET: Vector = Vector::new(0.1, 0.3, 0.0);
/// Friction of the ball and the fingers.
const FRICTION: f32 = 1.5;

/// The hand's number in the world.
const HAND: usize = 3;

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Gripper {
    world: World,
    start: Arc<World>,
}

impl Gripper {
    /// The arm and the ball.
    pub fn new() -> Self {
        let mut world = World::new(0.005, GRAVITY);
        world.floor(1.0);
        world.add_ball(BALL, BALL_MASS, 0.5, 0.0, FRICTION);
        let mut parent = World::GROUND;
        let mut anchor = at(0.0, SHOULDER);
        for ((length, gear), limits) in LENGTHS.into_iter().zip(TORQUES).zip(LIMITS) {
            let mut solids = vec![Solid::capsule([0.0, 0.0], [0.0, -length], RADIUS)];
            if world.links() == HAND {
                solids.push(Solid::capsule([-HALF_PALM, -length], [HALF_PALM, -length], FINGER_RADIUS));
            }
            parent = world.add(Link {
                parent,
                anchor,
                limits: Some(limits.map(f32::to_radians)),
                damping: DAMPING * gear,
                armature: ARMATURE,
                gear,
                solids: &solids,
                ..Link::default()
            });
            for solid in solids {
                world.touch(parent, solid, 0.5);
            }
            anchor = at(0.0, -length);
        }
        for side in [-1.0, 1.0] {
            // Positive angles open the fingers.
            let [closed, open] = FINGER_LIMITS.map(f32::to_radians);
            let solids = [Solid::capsule([0.0, 0.0], [0.0, -FINGER], FINGER_RADIUS)];
            let finger = world.add(Link {
                parent: HAND,
                anchor: anchor + at(side * HALF_PALM, 0.0),
                limits: Some(if side > 0.0 { [closed, open] } else { [-open, -closed] }),
                damping: DAMPING * GRIP,
                armature: 0.2 * ARMATURE,
                gear: side * GRIP,
                solids: &solids,
                role: Role::Tip,
                ..Link::default()
            });
            world.touch(finger, solids[0], FRICTION);
        }
        world.show(World::GROUND, Solid::Ball { center: TARGET, radius: 0.5 * BALL }, Role::Target);
        world.place_ball(at(0.0, BALL));
        let start = world.finish();
        Self { world: (*start).clone(), start }
    }

    /// The middle between the fingers.
    fn palm(&self) -> Vector {
        self.world.point(HAND, at(0.0, -LENGTHS[2] - 0.6 * FINGER))
    }
}

impl Body for Gripper {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.world = (*self.start).clone();
        let bend = around(rng, 0.3);
        let positions = [-0.6 + bend, 1.2 + around(rng, 0.2), -0.6 + around(rng, 0.2), 0.0, 0.0];
        self.world.place(&positions, &[0.0; 5]);
        self.world.place_ball(at(around(rng, 0.1), BALL));
    }

    fn observe(&self, out: &mut Vec<f32>) {
        out.extend(self.world.positions(0..5));
        out.extend(self.world.speeds(0..5));
        let (ball, velocity, palm) = (self.world.ball(), self.world.ball_velocity(), self.palm());
        let hand = self.world.pose(HAND).rotation * Vector::Y;
        for way in [ball, velocity, ball - palm, TARGET - ball, hand] {
            out.extend([way.x, way.y]);
        }
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.world.drive(action);
        self.world.step(STEPS);
        let ball = self.world.ball();
        let grasped = near((ball - self.palm()).length(), [0.0, 0.01], 0.25);
        let carried = near((TARGET - ball).length(), [0.0, 0.01], 0.3);
        (0.3 * grasped + 0.7 * carried) * small(action)
    }

    fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.world.parts());
        out.push(Part::ball(self.world.ball(), BALL, Role::Ball));
    }

    fn focus(&self) -> Vector {
        at(0.0, 0.5 * SHOULDER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingers_hold_the_ball() {
        let mut body = Gripper::new();
        body.world.place(&[-0.6, 1.2, -0.6, -0.2, 0.2], &[0.0; 5]);
        body.world.place_ball(body.palm());
        // The arm falls, and the ball falls with it.
        for _ in 0..60 {
            body.step(&[0.0, 0.0, 0.0, -1.0, -1.0]);
        }
        let way = body.world.ball() - body.palm();
        assert!(way.length() < 0.04, "The ball is off by {way}");
    }

    #[test]
    fn positive_actions_open_the_fingers() {
        let mut body = Gripper::new();
        for _ in 0..50 {
            body.step(&[0.0, 0.0, 0.0, 1.0, 1.0]);
        }
        let open = FINGER_LIMITS[1].to_radians();
        assert!((body.world.position(3) + open).abs() < 0.05, "{}", body.world.position(3));
        assert!((body.world.position(4) - open).abs() < 0.05, "{}", body.world.position(4));
    }

    #[test]
    fn the_ball_rests_on_the_floor() {
        let mut body = Gripper::new();
        body.world.place(&[-1.5, 0.0, 0.0, 0.0, 0.0], &[0.0; 5]);
        for _ in 0..20 {
            body.world.step(1);
        }
        assert!((body.world.ball().y - BALL).abs() < 0.003, "{}", body.world.ball());
    }
}
