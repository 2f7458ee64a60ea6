//! The scene of the control tasks: bodies in lanes, and a camera that goes with the first one.

mod board;
mod camera;
mod floor;
mod paint;
mod pieces;

use bevy::prelude::*;

use super::{
    CameraViews,
    stage::{Place, SceneSystems, StagePlugin, in_rows, lay_out},
};
use crate::games::control::{ControlArena, Shape, Simulation, Task};
use bevy_maddpg::random::stream;

/// Draws the arenas of [`ControlPlugin`](crate::games::control::ControlPlugin). Add it after [`WatchPlugin`](super::WatchPlugin).
///
/// A link is blue while its joint is idle, and the more orange the closer the joint's torque comes to its limit. Targets are
/// green. The first arena is in front. Bodies that run are in lanes, others side by side.
#[derive(Debug, Clone)]
pub struct ControlScenePlugin {
    /// The task.
    pub task: Task,
    /// The view at the start: 0 is the first body, 1 is all bodies. Default: 0.
    pub view: usize,
}

impl ControlScenePlugin {
    /// The scene of a task.
    pub fn new(task: Task) -> Self {
        Self { task, view: 0 }
    }
}

impl Plugin for ControlScenePlugin {
    fn build(&self, app: &mut App) {
        let layout = Layout::of(self.task);
        app.insert_resource(CameraViews::new(&camera::VIEWS, self.view))
            .add_plugins((
                StagePlugin {
                    light: Vec3::new(-2.0, 6.0, 4.0),
                    air: [10.0 * layout.size, 40.0 * layout.size],
                    shadows: 12.0 * layout.size,
                },
                paint::plugin,
                floor::plugin,
                pieces::plugin,
                camera::plugin,
                board::plugin,
            ))
            .insert_resource(layout)
            .add_systems(Update, (lay_out::<Lane>, spread).chain().in_set(SceneSystems::LayOut));
    }
}

/// The sizes of a scene, m.
#[derive(Resource, Debug, Clone, Copy)]
struct Layout {
    /// Half the height of what the near view shows.
    size: f32,
    /// The height of the floor.
    floor: f32,
    arrangement: Arrangement,
}

/// How the bodies of a scene are arranged.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Arrangement {
    /// One behind the other, with this distance, m.
    Lanes(f32),
    /// In rows, with this distance from one to the next, m.
    Rows(f32),
    /// In rows, seen from above.
    Tracks(f32),
}

impl Layout {
    /// The layout for bodies of this size, from where they can be at the start.
    fn of(task: Task) -> Self {
        let mut simulation = Simulation::new(task);
        simulation.reset(&mut stream(0, "scene", 0));
        let focus = simulation.focus();
        let [mut size, mut floor] = [0.0f32; 2];
        for part in simulation.parts() {
            let reach = reach(part.shape);
            size = size.max(part.position.distance(focus) + reach);
            floor = floor.min(part.position.y - reach);
        }
        let arrangement = match task {
            Task::Cheetah | Task::HardCheetah | Task::Walker => Arrangement::Lanes(1.5 * size),
            Task::Car => {
                return Self { size: 14.0, floor: 0.0, arrangement: Arrangement::Tracks(4.0 * size) };
            }
            _ => Arrangement::Rows(3.0 * size),
        };
        Self { size: 1.2 * size, floor, arrangement }
    }
}

/// The radius of the ball around a shape.
fn reach(shape: Shape) -> f32 {
    match shape {
        Shape::Capsule { half_length, radius } => half_length + radius,
        Shape::Ball { radius } => radius,
        Shape::Box { half } => Vec3::from_array(half).length(),
    }
}

/// The number of an arena's lane. On the entity with the [`ControlArena`].
#[derive(Component, Debug, Clone, Copy)]
struct Lane(usize);

impl Place for Lane {
    type Arena = ControlArena;

    fn of(index: usize) -> Self {
        Self(index)
    }
}

/// The origin of an arena in the scene.
#[derive(Component, Debug, Clone, Copy)]
struct Origin(Vec3);

/// Gives new arenas their origins.
fn spread(mut commands: Commands, arenas: Query<(Entity, &Lane), Added<Lane>>, layout: Res<Layout>) {
    for (arena, lane) in &arenas {
        let origin = match layout.arrangement {
            Arrangement::Lanes(spacing) => Vec3::NEG_Z * (lane.0 as f32 * spacing),
            Arrangement::Rows(spacing) | Arrangement::Tracks(spacing) => in_rows(lane.0, spacing),
        };
        commands.entity(arena).insert(Origin(origin));
    }
}
