use std::{
    f32::consts::{FRAC_PI_2, PI, TAU},
    ops::RangeInclusive,
};

use bevy::{mesh::ConeAnchor, prelude::*};

use crate::{
    games::pendulum::{MAX_TORQUE, UPRIGHT},
    watch::{stage::surface, style},
};

/// Radius of a dial's edge.
pub(super) const DIAL: f32 = 1.2;
/// Radius of the torque arrow.
pub(super) const ARROW: f32 = 0.36;
/// Half the thickness of lines.
const LINE: f32 = 0.012;
/// Half the thickness of the torque arrow.
const ARROW_LINE: f32 = 0.022;
/// Angle that the arrow spans at full torque.
const ARROW_ANGLE: f32 = PI;
/// Levels of arrows from no torque to full torque, and of colors from the best reward to the worst.
const LEVELS: usize = 32;
/// The reward of hanging still.
const HANGING: f32 = -PI * PI;

/// Meshes and materials that all dials share.
#[derive(Resource, Debug)]
pub(super) struct Stock {
    /// Radius 1, height 1, facing the camera.
    pub disc: Handle<Mesh>,
    /// The dial's edge.
    pub edge: Handle<Mesh>,
    /// The part of the edge where a pendulum counts as upright.
    pub upright: Handle<Mesh>,
    /// Length 1 between the centers of its ends.
    pub rod: Handle<Mesh>,
    /// Radius 1.
    pub ball: Handle<Mesh>,
    /// The arrow's head, pointing from its origin along y.
    pub head: Handle<Mesh>,
    /// The arrows for increasing torque, counterclockwise from x.
    arrows: Vec<Handle<Mesh>>,
    /// Materials from the best reward to the worst.
    rewards: Vec<Handle<StandardMaterial>>,
    pub ground: Handle<StandardMaterial>,
    pub line: Handle<StandardMaterial>,
    pub goal: Handle<StandardMaterial>,
    pub axle: Handle<StandardMaterial>,
    pub torque: Handle<StandardMaterial>,
}

impl Stock {
    /// The arrow of a torque in N m, and its angle; `None` if the torque is close to zero.
    pub(super) fn arrow(&self, torque: f32) -> Option<(&Handle<Mesh>, f32)> {
        let level = level(torque.abs() / MAX_TORQUE as f32);
        (level > 0).then(|| (&self.arrows[level - 1], angle(level)))
    }

    /// The material of a pendulum with this reward.
    pub(super) fn reward(&self, reward: f32) -> MeshMaterial3d<StandardMaterial> {
        MeshMaterial3d(self.rewards[level((reward / HANGING).sqrt())].clone())
    }
}

/// The level of a share; shares above 1 have the level of 1.
fn level(share: f32) -> usize {
    (share.min(1.0) * LEVELS as f32).round() as usize
}

/// The angle of a level's arrow.
fn angle(level: usize) -> f32 {
    ARROW_ANGLE * level as f32 / LEVELS as f32
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, stock_up);
}

fn stock_up(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    // Turns the x-z plane into the x-y plane, where angles are counterclockwise from x.
    let upended = Quat::from_rotation_x(-FRAC_PI_2);
    let arc = |radius: f32, half_thickness: f32, angles: RangeInclusive<f32>| {
        let torus = Torus { minor_radius: half_thickness, major_radius: radius };
        let builder = torus.mesh().minor_resolution(12).major_resolution(96).angle_range(angles);
        builder.build().rotated_by(upended)
    };
    let upright = UPRIGHT as f32;
    let mut material = |color: Color, glow: f32| materials.add(surface(color, glow));
    commands.insert_resource(Stock {
        disc: meshes.add(Cylinder::new(1.0, 1.0).mesh().resolution(96).build().rotated_by(upended)),
        edge: meshes.add(arc(DIAL, LINE, 0.0..=TAU)),
        upright: meshes.add(arc(DIAL, 2.0 * LINE, FRAC_PI_2 - upright..=FRAC_PI_2 + upright)),
        rod: meshes.add(Capsule3d::new(0.045, 1.0)),
        ball: meshes.add(Sphere::new(1.0).mesh().uv(32, 20)),
        head: meshes.add(Cone::new(3.2 * ARROW_LINE, 7.0 * ARROW_LINE).mesh().anchor(ConeAnchor::Base)),
        arrows: (1..=LEVELS).map(|level| meshes.add(arc(ARROW, ARROW_LINE, 0.0..=angle(level)))).collect(),
        rewards: (0..=LEVELS)
            .map(|level| material(style::grade(level as f32 / LEVELS as f32), 0.0))
            .collect(),
        ground: material(Color::srgb(0.105, 0.14, 0.20), 0.0),
        line: material(Color::srgb(0.22, 0.28, 0.38), 0.0),
        goal: material(Color::srgb(0.45, 1.0, 0.62), 1.0),
        axle: material(Color::srgb(0.42, 0.46, 0.53), 0.0),
        torque: material(style::CURVE, 0.4),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_torque_has_its_level() {
        assert_eq!([0.0, 0.01, 0.5, 1.0, 1.3].map(level), [0, 0, 16, 32, 32]);
        assert_eq!(angle(LEVELS), ARROW_ANGLE);
    }
}
