//! The scene of the pendulum: dials on a wall, with a large one in the middle.

mod board;
mod camera;
mod dial;
mod paint;

use bevy::prelude::*;

use super::{
    CameraViews, KeyboardControl,
    stage::{FrontArena, Place, StagePlugin, lay_out},
};
use crate::games::pendulum::PendulumArena;

/// Draws the arenas of [`PendulumPlugin`](crate::games::pendulum::PendulumPlugin). Add it after
/// [`WatchPlugin`](super::WatchPlugin).
///
/// A pendulum is green when its reward is near 0 and red when it is worst. The arrow around its pivot shows the torque;
/// full torque is a half turn. The bright arc of the dial marks the angles that count as upright. The first arena is
/// large and in the middle, with a board of its return, measure, angle, speed and torque.
#[derive(Debug, Clone, Default)]
pub struct PendulumScenePlugin {
    /// Whether a person plays the first arena from the start. The key T toggles this at any time. Default: false.
    pub human: bool,
    /// The view at the start: 0 is the first arena, 1 is all arenas. Default: 0.
    pub view: usize,
}

impl Plugin for PendulumScenePlugin {
    fn build(&self, app: &mut App) {
        let human = self.human;
        app.insert_resource(CameraViews::new(&camera::VIEWS, self.view))
            .add_plugins((
                StagePlugin { light: Vec3::new(-3.0, 4.0, 8.0), air: [40.0, 200.0], shadows: 14.0 },
                paint::plugin,
                dial::plugin,
                camera::plugin,
                board::plugin,
            ))
            .add_systems(Update, (lay_out::<Dial>, dial::build).chain())
            .add_systems(
                Update,
                (move |commands: Commands, front: Res<FrontArena>, arenas: Query<&PendulumArena>| {
                    if let Ok(arena) = arenas.get(front.0) {
                        offer_agent(commands, arena, human);
                    }
                })
                .run_if(resource_added::<FrontArena>),
            );
    }
}

/// Position and size of an arena's dial. On the entity with the [`PendulumArena`].
#[derive(Component, Debug, Clone, Copy)]
struct Dial(Transform);

impl Place for Dial {
    type Arena = PendulumArena;

    fn of(index: usize) -> Self {
        Self(place(index))
    }
}

/// Distance from one small dial to the next.
const SPACING: f32 = 0.66;
/// Size of a small dial, relative to the large one.
const SMALL: f32 = 0.26;
/// How many small dials would fit side by side in place of the large one.
const LARGE: i32 = 4;

/// The place of arena number `index`: the first one is large and in the middle, the others are small and around it.
fn place(index: usize) -> Transform {
    let Some(neighbor) = index.checked_sub(1) else {
        return Transform::IDENTITY;
    };
    let cell = (LARGE + 1..).step_by(2).flat_map(frame).nth(neighbor).unwrap_or_default();
    let place = cell.as_vec2() * SPACING / 2.0;
    Transform::from_translation(place.extend(0.0)).with_scale(Vec3::splat(SMALL))
}

/// The cells of a square frame around the middle, in half cells, starting with those closest to mid height.
fn frame(half: i32) -> Vec<IVec2> {
    let along = || (-half..=half).step_by(2);
    let cells = along().flat_map(|x| along().map(move |y| IVec2::new(x, y)));
    let mut cells: Vec<_> = cells.filter(|cell| cell.abs().max_element() == half).collect();
    cells.sort_by_key(|cell| (cell.y.abs(), cell.x.abs(), -cell.y, cell.x));
    cells
}

/// Lets a person control the first pendulum.
fn offer_agent(mut commands: Commands, arena: &PendulumArena, active: bool) {
    commands.insert_resource(KeyboardControl {
        agent: arena.agent,
        active,
        map: arrows,
        name: "pendulum".into(),
        keys: "left, right".into(),
    });
}

/// The torque for the arrow keys: the left one turns counterclockwise.
fn arrows(keys: &ButtonInput<KeyCode>) -> Vec<f32> {
    let held = |key| f32::from(keys.pressed(key));
    vec![held(KeyCode::ArrowLeft) - held(KeyCode::ArrowRight)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_dials_hang_around_the_large_one() {
        let places: Vec<_> = (0..85).map(place).collect();
        assert_eq!(places[0], Transform::IDENTITY);
        for (index, place) in places.iter().enumerate().skip(1) {
            let distance = place.translation.abs().max_element();
            assert!(distance > paint::DIAL * (1.0 + SMALL), "{index} clears the large one");
            assert!(!places[..index].contains(place), "{index} has a place of its own");
        }
        let beside = places[1..9].iter().all(|place| place.translation.x.abs() == 2.5 * SPACING);
        assert!(beside && places[9].translation.y == 2.5 * SPACING);
    }

    #[test]
    fn arrows_turn_where_they_point_above_the_pivot() {
        let mut keys = ButtonInput::default();
        keys.press(KeyCode::ArrowLeft);
        assert_eq!(arrows(&keys), [1.0], "counterclockwise");
        keys.press(KeyCode::ArrowRight);
        assert_eq!(arrows(&keys), [0.0]);
    }
}
