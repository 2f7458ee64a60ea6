use bevy_rapier3d::rapier::prelude::*;

use super::{Solid, World};
use crate::games::control::part::Role;

/// How a link moves relative to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freedom {
    /// Along x.
    SlideX,
    /// About x.
    HingeX,
    /// About y.
    HingeY,
    /// About z, which is the axis of planar bodies.
    HingeZ,
    /// Along x and y and about z.
    Planar,
}

impl Freedom {
    /// The free axes, in the order of the coordinates.
    pub(super) fn axes(self) -> &'static [JointAxis] {
        match self {
            Self::SlideX => &[JointAxis::LinX],
            Self::HingeX => &[JointAxis::AngX],
            Self::HingeY => &[JointAxis::AngY],
            Self::HingeZ => &[JointAxis::AngZ],
            Self::Planar => &[JointAxis::LinX, JointAxis::LinY, JointAxis::AngZ],
        }
    }
}

/// A link to add to a body. Its frame has its origin in its joint and, at coordinates of 0, the axes of the world.
#[derive(Debug, Clone)]
pub struct Link<'a> {
    /// The link to which it is jointed; [`World::GROUND`] is fixed.
    pub parent: usize,
    /// Where its joint is, in the frame of the parent.
    pub anchor: Vector,
    /// How it moves.
    pub freedom: Freedom,
    /// Least and greatest coordinate of its joint, rad or m.
    pub limits: Option<[f32; 2]>,
    /// Torque per speed against its motion.
    pub damping: f32,
    /// Inertia of the motor.
    pub armature: f32,
    /// Stiffness of the spring that pulls it to the coordinate 0.
    pub stiffness: f32,
    /// Torque (N m) or force (N) at full action; 0 without a motor.
    pub gear: f32,
    /// What it is made of.
    pub solids: &'a [Solid],
    /// Its mass, kg. By default, by [`DENSITY`](super::DENSITY).
    pub mass: Option<f32>,
    /// What it is.
    pub role: Role,
}

impl Default for Link<'_> {
    fn default() -> Self {
        Self {
            parent: World::GROUND,
            anchor: Vector::ZERO,
            freedom: Freedom::HingeZ,
            limits: None,
            damping: 0.0,
            armature: 0.0,
            stiffness: 0.0,
            gear: 0.0,
            solids: &[],
            mass: None,
            role: Role::Link,
        }
    }
}
