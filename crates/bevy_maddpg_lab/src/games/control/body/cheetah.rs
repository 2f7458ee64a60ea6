//! A planar cheetah that should run.

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::{
    Body,
    legged::{Build, Legged, Limb},
};
use crate::games::control::{part::Part, world::Solid};

/// Physics steps of one control step.
const STEPS: u32 = 2;
/// Control steps for which it comes to rest before an episode.
const SETTLING: u32 = 25;
/// Speed for the full reward, m/s.
const SPEED: f32 = 10.0;
/// Radius of every capsule, m.
const RADIUS: f32 = 0.046;
/// Friction of a joint without a spring, N m s.
const FREE_DAMPING: f32 = 1.0;

/// See the [module](self).
#[derive(Clone)]
pub(in super::super) struct Cheetah(Legged);

impl Cheetah {
    /// The cheetah, with springs in its joints or without.
    pub fn new(has_springs: bool) -> Self {
        let limb = |parent, anchor, limits, gear, [stiffness, damping]: [f32; 2], capsule| Limb {
            parent,
            anchor,
            limits,
            gear,
            spring: if has_springs { [stiffness, damping] } else { [0.0, FREE_DAMPING] },
            capsule,
            radius: RADIUS,
        };
        Self(Legged::new(&Build {
            torso: &[
                Solid::capsule([-0.5, 0.0], [0.5, 0.0], RADIUS),
                Solid::capsule([0.485, 0.0036], [0.715, 0.1964], RADIUS),
            ],
            // The thigh, shin and foot of the back leg, then of the front leg. Angles are counted forward, so that the leg's tip
            // goes to the front.
            limbs: &[
                limb(0, [-0.5, 0.0], [-60.0, 30.0], 120.0, [240.0, 6.0], along([0.1, -0.13], 218.0, 0.145)),
                limb(1, [0.16, -0.25], [-50.0, 50.0], 90.0, [180.0, 4.5], along([-0.14, -0.07], 116.0, 0.15)),
                limb(
                    2,
                    [-0.28, -0.14],
                    [-50.0, 230.0],
                    60.0,
                    [120.0, 3.0],
                    along([0.03, -0.097], 15.0, 0.094),
                ),
                limb(0, [0.5, 0.0], [-40.0, 57.0], 90.0, [180.0, 4.5], along([-0.07, -0.12], -30.0, 0.133)),
                limb(
                    4,
                    [-0.14, -0.24],
                    [-50.0, 70.0],
                    60.0,
                    [120.0, 3.0],
                    along([0.065, -0.09], 34.0, 0.106),
                ),
                limb(5, [0.13, -0.18], [-28.0, 28.0], 30.0, [60.0, 1.5], along([0.045, -0.07], 34.0, 0.07)),
            ],
            height: 0.7,
            armature: 0.1,
            mass: Some(14.0),
            friction: 1.0,
            step: 0.005,
        }))
    }
}

/// The ends of a capsule, by its middle, its angle from the vertical (degrees, counterclockwise) and half its length.
fn along(middle: [f32; 2], degrees: f32, half: f32) -> [[f32; 2]; 2] {
    let (sine, cosine) = libm::sincosf(degrees.to_radians());
    [-half, half].map(|half| [middle[0] - half * sine, middle[1] + half * cosine])
}

impl Body for Cheetah {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        self.0.reset(rng, 0.0, 0.3);
        self.0.world.drive(&[0.0; 6]);
        self.0.world.step(STEPS * SETTLING);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        self.0.observe(out);
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        self.0.world.drive(action);
        self.0.world.step(STEPS);
        (self.0.speed() / SPEED).clamp(0.0, 1.0)
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
        for has_springs in [true, false] {
            let mut body = Cheetah::new(has_springs).0;
            assert!((body.mass() - 14.0).abs() < 0.01);
            tests::survives(&mut body, 6);
        }
    }

    #[test]
    fn it_comes_to_rest() {
        tests::comes_to_rest(&mut Cheetah::new(true).0);
    }

    #[test]
    fn springs_hold_it_up() {
        use rand::{SeedableRng, rngs::SmallRng};
        let mut body = Cheetah::new(true);
        body.reset(&mut SmallRng::seed_from_u64(1));
        body.0.world.step(400);
        assert!(body.0.height() > 0.45, "It lies at {}", body.0.height());
    }
}
