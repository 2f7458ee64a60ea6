use bevy_rapier3d::rapier::prelude::*;

use crate::games::control::part::Shape;

/// Density of everything whose mass is not given, kg/m³.
pub const DENSITY: f32 = 1000.0;

/// A point in the plane.
pub fn at(x: f32, y: f32) -> Vector {
    Vector::new(x, y, 0.0)
}

/// A solid part of a link, in the frame of the link.
#[derive(Debug, Clone, Copy)]
pub enum Solid {
    /// A capsule between two points.
    Capsule {
        /// One end.
        from: Vector,
        /// The other end.
        to: Vector,
        /// Its radius, m.
        radius: f32,
    },
    /// A ball.
    Ball {
        /// Its center.
        center: Vector,
        /// Its radius, m.
        radius: f32,
    },
    /// A box along the axes.
    Box {
        /// Its center.
        center: Vector,
        /// Half its edges.
        half: Vector,
    },
}

impl Solid {
    /// A capsule in the plane.
    pub fn capsule(from: [f32; 2], to: [f32; 2], radius: f32) -> Self {
        Self::Capsule { from: at(from[0], from[1]), to: at(to[0], to[1]), radius }
    }

    /// Mass of solids, kg.
    pub fn weigh(solids: &[Self]) -> f32 {
        solids.iter().map(|solid| solid.mass(DENSITY).mass()).sum()
    }

    /// Mass properties at a density.
    pub(super) fn mass(self, density: f32) -> MassProperties {
        match self {
            Self::Capsule { from, to, radius } => MassProperties::from_capsule(density, from, to, radius),
            Self::Ball { center, radius } => {
                MassProperties::from_ball(density, radius).transform_by(&Pose::from_translation(center))
            }
            Self::Box { center, half } => {
                MassProperties::from_cuboid(density, half).transform_by(&Pose::from_translation(center))
            }
        }
    }

    /// A collider without mass.
    pub(super) fn collider(self) -> ColliderBuilder {
        match self {
            Self::Capsule { from, to, radius } => ColliderBuilder::capsule_from_endpoints(from, to, radius),
            Self::Ball { center, radius } => ColliderBuilder::ball(radius).translation(center),
            Self::Box { center, half } => ColliderBuilder::cuboid(half.x, half.y, half.z).translation(center),
        }
        .density(0.0)
    }

    /// How it is drawn: its shape and its place in the link.
    pub(super) fn drawn(self) -> (Shape, Pose) {
        match self {
            Self::Capsule { from, to, radius } => {
                let along = to - from;
                let length = along.length();
                let turn = if length > 0.0 {
                    Rotation::from_rotation_arc(Vector::Y, along / length)
                } else {
                    Rotation::IDENTITY
                };
                (
                    Shape::Capsule { half_length: 0.5 * length, radius },
                    Pose::from_parts(0.5 * (from + to), turn),
                )
            }
            Self::Ball { center, radius } => (Shape::Ball { radius }, Pose::from_translation(center)),
            Self::Box { center, half } => (Shape::Box { half: half.into() }, Pose::from_translation(center)),
        }
    }
}
