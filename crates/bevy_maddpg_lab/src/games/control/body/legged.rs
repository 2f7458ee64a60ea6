//! What walks and runs in the plane, from links with capsules.

use std::{f32::consts::PI, sync::Arc};

use bevy_rapier3d::rapier::math::Vector;
use rand::Rng;

use super::between;
use crate::games::control::{
    part::Role,
    world::{Freedom, GRAVITY, Link, Solid, World, at},
};

/// Coordinates of the root: along x and y and about z.
pub(super) const ROOT: usize = 3;

/// One link of a body.
pub(super) struct Limb {
    /// Its parent among the limbs.
    pub parent: usize,
    /// Its joint, in the frame of the parent, m.
    pub anchor: [f32; 2],
    /// Least and greatest angle of its joint, degrees.
    pub limits: [f32; 2],
    /// Torque at full action, N m.
    pub gear: f32,
    /// Stiffness (N m/rad) and friction (N m s) of its joint.
    pub spring: [f32; 2],
    /// Ends of its capsule, m.
    pub capsule: [[f32; 2]; 2],
    /// Radius of its capsule, m.
    pub radius: f32,
}

/// A body.
pub(super) struct Build<'a> {
    /// The capsules of the torso.
    pub torso: &'a [Solid],
    /// The limbs; the torso counts as the first one.
    pub limbs: &'a [Limb],
    /// Height of the torso when the body is built, m.
    pub height: f32,
    /// Inertia of the motors, kg m².
    pub armature: f32,
    /// Mass of all, kg. By default, it is as dense as water.
    pub mass: Option<f32>,
    /// Friction against the floor.
    pub friction: f32,
    /// Seconds of a physics step.
    pub step: f32,
}

/// A planar body with a torso and limbs on a floor.
#[derive(Clone)]
pub(super) struct Legged {
    /// Its world. The links are the torso, which has the number 1, and then the limbs.
    pub world: World,
    start: Arc<World>,
    limits: Arc<[[f32; 2]]>,
    mass: f32,
}

/// The torso's number in its world.
pub(super) const TORSO: usize = 1;

impl Legged {
    /// Builds it.
    pub fn new(build: &Build) -> Self {
        let first = Self::assemble(build, 1.0);
        let Some(mass) = build.mass else { return first };
        Self::assemble(build, mass / first.mass)
    }

    /// Builds it with all masses scaled.
    fn assemble(build: &Build, scale: f32) -> Self {
        let mut world = World::new(build.step, GRAVITY);
        world.floor(build.friction);
        let weigh = |solids: &[Solid]| scale * Solid::weigh(solids);
        world.add(Link {
            freedom: Freedom::Planar,
            anchor: at(0.0, build.height),
            solids: build.torso,
            mass: Some(weigh(build.torso)),
            role: Role::Base,
            ..Link::default()
        });
        for solid in build.torso {
            world.touch(TORSO, *solid, build.friction);
        }
        for limb in build.limbs {
            let solids = [Solid::capsule(limb.capsule[0], limb.capsule[1], limb.radius)];
            let [stiffness, damping] = limb.spring;
            let link = world.add(Link {
                parent: TORSO + limb.parent,
                anchor: at(limb.anchor[0], limb.anchor[1]),
                limits: Some(limb.limits.map(f32::to_radians)),
                damping,
                armature: build.armature,
                stiffness,
                gear: limb.gear,
                solids: &solids,
                mass: Some(weigh(&solids)),
                ..Link::default()
            });
            world.touch(link, solids[0], build.friction);
        }
        let start = world.finish();
        let links = TORSO..=TORSO + build.limbs.len();
        Self {
            mass: links.map(|link| start.mass(link)).sum(),
            limits: build.limbs.iter().map(|limb| limb.limits.map(f32::to_radians)).collect(),
            world: (*start).clone(),
            start,
        }
    }

    /// Starts at random angles, within the limits and with the lowest point on the floor.
    ///
    /// - `lean`: largest angle of the torso, rad
    /// - `share`: how much of the range of each joint is used
    pub fn reset(&mut self, rng: &mut dyn Rng, lean: f32, share: f32) {
        self.world = (*self.start).clone();
        let mut positions = vec![0.0, 0.0, between(rng, -lean, lean)];
        for [low, high] in self.limits.iter() {
            // Around the angle that is nearest to the straight one.
            let middle = 0.0f32.clamp(*low, *high);
            positions.push(middle + share * (between(rng, *low, *high) - middle));
        }
        let speeds = vec![0.0; positions.len()];
        self.world.place(&positions, &speeds);
        let lowest = self.world.parts().map(|part| part.lowest()).fold(f32::INFINITY, f32::min);
        positions[1] = -lowest + 0.001;
        self.world.place(&positions, &speeds);
    }

    /// Appends the height, the angles, and all speeds.
    pub fn observe(&self, out: &mut Vec<f32>) {
        out.push(self.height());
        let lean = self.lean();
        out.extend([libm::cosf(lean), libm::sinf(lean)]);
        let end = self.world.coordinates();
        out.extend(self.world.positions(ROOT..end));
        out.extend(self.world.speeds(0..end));
    }

    /// Height of the torso's origin, m.
    pub fn height(&self) -> f32 {
        self.world.pose(TORSO).translation.y
    }

    /// Angle of the torso, rad.
    pub fn lean(&self) -> f32 {
        (self.world.position(2) + PI).rem_euclid(2.0 * PI) - PI
    }

    /// Speed of the center of mass along x, m/s.
    pub fn speed(&self) -> f32 {
        let links = TORSO..=TORSO + self.limits.len();
        links.map(|link| self.world.mass(link) * self.world.velocity(link).x).sum::<f32>() / self.mass
    }

    /// Mass of all, kg.
    #[cfg(test)]
    pub fn mass(&self) -> f32 {
        self.mass
    }

    /// Where a camera should look.
    pub fn focus(&self) -> Vector {
        at(self.world.pose(TORSO).translation.x, 0.7)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};

    use super::*;

    /// Random torques, five times as strong as the motors, do no harm.
    pub fn survives(body: &mut Legged, gears: usize) {
        let mut rng = SmallRng::seed_from_u64(4);
        body.reset(&mut rng, 0.3, 1.0);
        let mut highest = 0.0f32;
        for _ in 0..300 {
            let action: Vec<f32> = (0..gears).map(|_| rng.random_range(-5.0..5.0)).collect();
            body.world.drive(&action);
            body.world.step(2);
            let end = body.world.coordinates();
            assert!(body.world.positions(0..end).chain(body.world.speeds(0..end)).all(f32::is_finite));
            assert!(body.world.separation() < 1e-3, "Links are {} m apart", body.world.separation());
            highest = highest.max(body.height());
        }
        assert!(highest < 20.0, "It flew to {highest}");
    }

    /// A body without torques falls, comes to rest on the floor, and its joints keep within their limits.
    pub fn comes_to_rest(body: &mut Legged) {
        let mut rng = SmallRng::seed_from_u64(5);
        body.reset(&mut rng, 0.3, 0.5);
        for _ in 0..1600 {
            body.world.step(1);
        }
        let lowest = body.world.parts().map(|part| part.lowest()).fold(f32::INFINITY, f32::min);
        assert!(lowest.abs() < 0.02, "The lowest point is at {lowest}");
        assert!(body.speed().abs() < 0.1, "It slides at {}", body.speed());
        for (coordinate, [low, high]) in (ROOT..).zip(body.limits.iter()) {
            let angle = body.world.position(coordinate);
            assert!((low - 0.1..high + 0.1).contains(&angle), "Joint {coordinate} is at {angle}");
        }
    }
}
