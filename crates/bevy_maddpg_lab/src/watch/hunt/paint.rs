use std::f32::consts::FRAC_PI_2;

use bevy::prelude::*;

use crate::{games::hunt::HALF_FIELD, watch::stage::surface};

/// The materials of everything that is drawn, except marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Ground,
    Line,
    Wall,
    Pillar,
    Hunter,
    /// For the disc under a hunter.
    Foot,
    Prey,
    /// For the agent that a person plays.
    Light,
}

impl Paint {
    const ALL: [Self; 8] = [
        Self::Ground,
        Self::Line,
        Self::Wall,
        Self::Pillar,
        Self::Hunter,
        Self::Foot,
        Self::Prey,
        Self::Light,
    ];

    pub(super) fn color(self) -> Color {
        let [red, green, blue] = match self {
            Self::Ground => [0.105, 0.14, 0.20],
            Self::Line => [0.13, 0.175, 0.25],
            Self::Wall => [0.24, 0.30, 0.40],
            Self::Pillar => [0.42, 0.46, 0.53],
            Self::Hunter => [1.0, 0.47, 0.12],
            Self::Foot => [0.45, 0.17, 0.04],
            Self::Prey => [0.20, 0.58, 1.0],
            Self::Light => [0.45, 1.0, 0.62],
        };
        Color::srgb(red, green, blue)
    }
}

/// Height of the walls, m.
const WALL_HEIGHT: f32 = 0.05;
/// Thickness of the walls, m.
const WALL: f32 = 0.05;
/// Distance from one line on the ground to the next, m.
const LINE_SPACING: f32 = 0.5;
/// Number of steps in which a mark fades.
const FADING: usize = 24;
/// Opacity of a new mark.
const OPACITY: f32 = 0.9;

/// Meshes and materials that all fields share.
#[derive(Resource, Debug)]
pub(super) struct Stock {
    /// The ground of a field.
    pub ground: Handle<Mesh>,
    /// The lines on the ground.
    pub lines: Handle<Mesh>,
    /// The four walls.
    pub walls: Handle<Mesh>,
    /// Radius 1, height 1.
    pub disc: Handle<Mesh>,
    /// Radius 1.
    pub ball: Handle<Mesh>,
    /// Length 2, pointing along x.
    pub arrow: Handle<Mesh>,
    /// Radius 1 to the center of its tube.
    pub ring: Handle<Mesh>,
    materials: Vec<Handle<StandardMaterial>>,
    /// The materials of marks, from new to old.
    marks: Vec<Handle<StandardMaterial>>,
}

impl Stock {
    pub(super) fn material(&self, paint: Paint) -> MeshMaterial3d<StandardMaterial> {
        MeshMaterial3d(self.materials[paint as usize].clone())
    }

    /// The material of a mark after this share of its time, 0 to 1.
    pub(super) fn mark(&self, age: f32) -> MeshMaterial3d<StandardMaterial> {
        MeshMaterial3d(self.marks[fading(age)].clone())
    }
}

/// The step of fading after this share of a mark's time.
fn fading(age: f32) -> usize {
    ((age * FADING as f32) as usize).min(FADING - 1)
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, stock_up);
}

fn stock_up(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) -> Result {
    let edge = 2.0 * (HALF_FIELD + WALL);
    let paint = |paint: Paint| surface(paint.color(), if paint == Paint::Light { 1.0 } else { 0.0 });
    let mark = |step: usize| StandardMaterial {
        alpha_mode: AlphaMode::Blend,
        unlit: true,
        ..surface(Color::srgba(1.0, 0.86, 0.55, OPACITY * (1.0 - step as f32 / FADING as f32)), 0.0)
    };
    commands.insert_resource(Stock {
        ground: meshes.add(block(Vec3::new(0.0, -0.03, 0.0), Vec3::new(edge, 0.06, edge))),
        lines: meshes.add(merged(lines())?),
        walls: meshes.add(merged(walls())?),
        disc: meshes.add(Cylinder::new(1.0, 1.0).mesh().resolution(48)),
        ball: meshes.add(Sphere::new(1.0).mesh().uv(32, 20)),
        arrow: meshes.add(
            Cone::new(0.78, 2.0).mesh().resolution(32).build().rotated_by(Quat::from_rotation_z(-FRAC_PI_2)),
        ),
        ring: meshes.add(Torus { minor_radius: 0.08, major_radius: 1.0 }),
        materials: Paint::ALL.map(|one| materials.add(paint(one))).into(),
        marks: (0..FADING).map(|step| materials.add(mark(step))).collect(),
    });
    Ok(())
}

fn block(center: Vec3, size: Vec3) -> Mesh {
    Cuboid::from_size(size).mesh().build().translated_by(center)
}

/// Lines along both axes, from wall to wall.
fn lines() -> impl Iterator<Item = Mesh> {
    let count = (HALF_FIELD / LINE_SPACING).ceil() as i32 - 1;
    (-count..=count).flat_map(|index| {
        let along = index as f32 * LINE_SPACING;
        let [wide, long, high] = [0.008, 2.0 * HALF_FIELD, 0.004];
        [
            block(Vec3::X * along, Vec3::new(wide, high, long)),
            block(Vec3::Z * along, Vec3::new(long, high, wide)),
        ]
    })
}

fn walls() -> impl Iterator<Item = Mesh> {
    let middle = HALF_FIELD + WALL / 2.0;
    let long = 2.0 * (HALF_FIELD + WALL);
    [-1.0, 1.0].into_iter().flat_map(move |end| {
        let up = Vec3::Y * (WALL_HEIGHT / 2.0);
        [
            block(Vec3::X * (end * middle) + up, Vec3::new(WALL, WALL_HEIGHT, long)),
            block(Vec3::Z * (end * middle) + up, Vec3::new(2.0 * HALF_FIELD, WALL_HEIGHT, WALL)),
        ]
    })
}

/// One mesh of all these parts.
fn merged(parts: impl IntoIterator<Item = Mesh>) -> Result<Mesh> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().ok_or("a mesh without parts")?;
    for part in parts {
        whole.merge(&part)?;
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_paint_has_its_place_in_the_stock() {
        assert!(Paint::ALL.into_iter().enumerate().all(|(index, paint)| paint as usize == index));
    }

    #[test]
    fn marks_fade_step_by_step() {
        assert_eq!([0.0, 0.5, 0.999, 1.0].map(fading), [0, FADING / 2, FADING - 1, FADING - 1]);
    }

    #[test]
    fn walls_are_one_mesh() {
        let walls = merged(walls()).unwrap();
        assert_eq!(walls.count_vertices(), 4 * 24);
    }
}
