use bevy::prelude::*;

use crate::{
    games::control::{Part, Role},
    watch::{stage::surface, style},
};

/// Levels of torque, from none to the limit.
const LEVELS: usize = 16;
/// The color of a link at rest, and at the limit of its torque.
const LINK: [Color; 2] = [Color::srgb(0.36, 0.58, 0.86), Color::srgb(1.0, 0.55, 0.20)];

/// The materials of all parts.
#[derive(Resource, Debug)]
pub(super) struct Paint {
    links: Vec<Handle<StandardMaterial>>,
    base: Handle<StandardMaterial>,
    tip: Handle<StandardMaterial>,
    target: Handle<StandardMaterial>,
    ball: Handle<StandardMaterial>,
}

impl Paint {
    /// The material of a part now.
    pub(super) fn of(&self, part: &Part) -> MeshMaterial3d<StandardMaterial> {
        let material = match part.role {
            Role::Link => &self.links[level(part.effort)],
            Role::Base => &self.base,
            Role::Tip => &self.tip,
            Role::Target => &self.target,
            Role::Ball => &self.ball,
        };
        MeshMaterial3d(material.clone())
    }
}

/// The level of a torque, in units of its limit.
fn level(effort: f32) -> usize {
    (effort.abs().min(1.0) * LEVELS as f32).round() as usize
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, mix);
}

fn mix(mut commands: Commands, mut materials: ResMut<Assets<StandardMaterial>>) {
    let mut material = |color: Color, glow: f32| materials.add(surface(color, glow));
    let [idle, full] = LINK;
    commands.insert_resource(Paint {
        links: (0..=LEVELS)
            .map(|level| material(idle.mix(&full, level as f32 / LEVELS as f32), 0.0))
            .collect(),
        base: material(Color::srgb(0.42, 0.46, 0.53), 0.0),
        tip: material(Color::srgb(0.93, 0.95, 1.0), 0.0),
        target: material(style::GOOD, 0.6),
        ball: material(style::NOTICE, 0.0),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_torque_has_its_level() {
        assert_eq!([0.0, 0.01, -0.5, 1.0, 1.3].map(level), [0, 0, LEVELS / 2, LEVELS, LEVELS]);
    }
}
