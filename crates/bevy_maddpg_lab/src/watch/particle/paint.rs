use bevy::prelude::*;

use crate::{
    games::particle::{ParticleArena, Scenario},
    watch::stage::surface,
};

/// The materials of everything that is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Ground,
    Line,
    Blue,
    Orange,
    Pale,
    Stone,
    Red,
    Green,
    Amber,
    Violet,
    /// For goals.
    Light,
    /// For collisions.
    Alarm,
}

impl Paint {
    const ALL: [Self; 12] = [
        Self::Ground,
        Self::Line,
        Self::Blue,
        Self::Orange,
        Self::Pale,
        Self::Stone,
        Self::Red,
        Self::Green,
        Self::Amber,
        Self::Violet,
        Self::Light,
        Self::Alarm,
    ];

    pub(super) fn color(self) -> Color {
        let [red, green, blue] = match self {
            Self::Ground => [0.105, 0.14, 0.20],
            Self::Line => [0.22, 0.28, 0.38],
            Self::Blue => [0.20, 0.53, 1.0],
            Self::Orange => [1.0, 0.47, 0.12],
            Self::Pale => [0.86, 0.90, 0.96],
            Self::Stone => [0.42, 0.46, 0.53],
            Self::Red => [0.93, 0.30, 0.33],
            Self::Green => [0.28, 0.78, 0.42],
            Self::Amber => [0.98, 0.78, 0.25],
            Self::Violet => [0.68, 0.45, 0.98],
            Self::Light => [0.45, 1.0, 0.62],
            Self::Alarm => [1.0, 0.22, 0.20],
        };
        Color::srgb(red, green, blue)
    }

    /// Whether it emits light.
    fn glows(self) -> bool {
        matches!(self, Self::Light | Self::Alarm)
    }
}

/// The paint of an agent.
pub(super) fn of_agent(arena: &ParticleArena, slot: usize) -> Paint {
    match (arena.scenario, arena.scenario.roles()[slot].behavior) {
        (_, "predator" | "adversary" | "eve") => Paint::Orange,
        (_, "speaker" | "alice") => Paint::Pale,
        // The agent has the color of its goal.
        (Scenario::Push, _) => of_landmark(arena, arena.world.goal),
        _ => Paint::Blue,
    }
}

/// The paint of a landmark.
pub(super) fn of_landmark(arena: &ParticleArena, index: usize) -> Paint {
    match arena.scenario {
        Scenario::Spread | Scenario::Adversary => Paint::Pale,
        Scenario::Tag => Paint::Stone,
        Scenario::Push => [Paint::Green, Paint::Violet][index],
        Scenario::SpeakerListener => [Paint::Red, Paint::Green, Paint::Violet][index],
        Scenario::Crypto => of_message(index),
    }
}

/// The paint of a message or a key.
pub(super) fn of_message(index: usize) -> Paint {
    [Paint::Amber, Paint::Violet][index]
}

/// Meshes and materials that all fields share.
#[derive(Resource, Debug)]
pub(super) struct Stock {
    /// Radius 1.
    pub ball: Handle<Mesh>,
    /// Radius 1, height 1.
    pub disc: Handle<Mesh>,
    /// Radius 1 to the center of its tube.
    pub ring: Handle<Mesh>,
    /// Edge length 1.
    pub cube: Handle<Mesh>,
    materials: Vec<Handle<StandardMaterial>>,
}

impl Stock {
    pub(super) fn material(&self, paint: Paint) -> MeshMaterial3d<StandardMaterial> {
        MeshMaterial3d(self.materials[paint as usize].clone())
    }
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, stock_up);
}

fn stock_up(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let material = |paint: Paint| surface(paint.color(), if paint.glows() { 1.0 } else { 0.0 });
    commands.insert_resource(Stock {
        ball: meshes.add(Sphere::new(1.0).mesh().uv(32, 20)),
        disc: meshes.add(Cylinder::new(1.0, 1.0).mesh().resolution(40)),
        ring: meshes.add(Torus { minor_radius: 0.07, major_radius: 1.0 }),
        cube: meshes.add(Cuboid::from_length(1.0)),
        materials: Paint::ALL.map(|paint| materials.add(material(paint))).into(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_paint_has_its_place_in_the_stock() {
        assert!(Paint::ALL.into_iter().enumerate().all(|(index, paint)| paint as usize == index));
    }
}
