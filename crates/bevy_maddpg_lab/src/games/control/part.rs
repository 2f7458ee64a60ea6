//! What there is to draw.

use bevy_rapier3d::rapier::math::{Rotation, Vector};

/// The shape of a [`Part`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A capsule along y.
    Capsule {
        /// Half the distance of the centers of its round ends, m.
        half_length: f32,
        /// Its radius, m.
        radius: f32,
    },
    /// A ball.
    Ball {
        /// Its radius, m.
        radius: f32,
    },
    /// A box.
    Box {
        /// Half its edges, m.
        half: [f32; 3],
    },
}

/// What a [`Part`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// What carries the body: the cart of a pole, the torso of a runner, the edge of a track.
    Base,
    /// A link.
    Link,
    /// What should come to the target.
    Tip,
    /// The target.
    Target,
    /// A ball that is pushed or carried.
    Ball,
}

/// A piece of a body or of its surroundings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Its shape.
    pub shape: Shape,
    /// Where it is, m.
    pub position: Vector,
    /// How it is turned.
    pub rotation: Rotation,
    /// What it is.
    pub role: Role,
    /// Torque at its joint as share of the largest one, -1 to 1.
    pub effort: f32,
}

impl Part {
    /// A ball.
    pub(super) fn ball(position: Vector, radius: f32, role: Role) -> Self {
        Self { shape: Shape::Ball { radius }, position, rotation: Rotation::IDENTITY, role, effort: 0.0 }
    }

    /// Height of its lowest point, m.
    pub(super) fn lowest(&self) -> f32 {
        let below = match self.shape {
            Shape::Capsule { half_length, radius } => {
                half_length * (self.rotation * Vector::Y).y.abs() + radius
            }
            Shape::Ball { radius } => radius,
            Shape::Box { half } => {
                let [x, y, z] = half;
                [Vector::X * x, Vector::Y * y, Vector::Z * z]
                    .map(|edge| (self.rotation * edge).y.abs())
                    .iter()
                    .sum()
            }
        };
        self.position.y - below
    }
}
