//! The scene of the hunt: walled fields side by side, with pillars, hunters, prey, and marks where prey were caught.

mod board;
mod bodies;
mod camera;
mod field;
mod marks;
mod paint;

use bevy::prelude::*;

use super::{
    CameraViews, KeyboardControl,
    keyboard::arrows,
    stage::{FrontArena, Place, SceneSystems, StagePlugin, in_rows, lay_out},
};
use crate::games::hunt::{Deed, Gear, HUNTERS, HuntArena};

/// Draws the arenas of [`HuntPlugin`](crate::games::hunt::HuntPlugin). Add it after
/// [`WatchPlugin`](super::WatchPlugin).
///
/// Hunters are orange arrows that point where they run, prey are blue balls. Where a prey is caught, a ring spreads and
/// fades. A hunter that joins late grows out of the ground. The agent that a person plays has a bright ring. The first
/// arena is in front, with a board of its measures.
#[derive(Debug, Clone, Default)]
pub struct HuntScenePlugin {
    /// The team that a person plays in from the start: 0 for the hunters, 1 for the prey. The key T toggles this at any
    /// time. Default: none; T takes over a hunter.
    pub human: Option<usize>,
    /// The view at the start: 0 is the first arena, 1 is all arenas. Default: 0.
    pub view: usize,
}

impl Plugin for HuntScenePlugin {
    fn build(&self, app: &mut App) {
        let human = self.human;
        app.insert_resource(CameraViews::new(&camera::VIEWS, self.view))
            .add_plugins((
                StagePlugin { light: Vec3::new(-4.0, 7.0, 3.5), air: [20.0, 90.0], shadows: 14.0 },
                paint::plugin,
                field::plugin,
                bodies::plugin,
                marks::plugin,
                camera::plugin,
                board::plugin,
            ))
            .add_systems(Update, lay_out::<Field>.in_set(SceneSystems::LayOut))
            .add_systems(
                Update,
                (move |commands: Commands, front: Res<FrontArena>, arenas: Query<&HuntArena>| {
                    if let Ok(arena) = arenas.get(front.0) {
                        offer_agent(commands, arena, human);
                    }
                })
                .run_if(resource_added::<FrontArena>),
            );
    }
}

/// Center of an arena's field. On the entity with the [`HuntArena`].
#[derive(Component, Debug, Clone, Copy)]
struct Field(Vec3);

impl Field {
    /// Converts a position in the field to one in the scene.
    fn at(self, position: Vec2, height: f32) -> Vec3 {
        self.0 + Vec3::new(position.x, height, -position.y)
    }
}

impl Place for Field {
    type Arena = HuntArena;

    fn of(index: usize) -> Self {
        Self(place(index))
    }
}

/// Distance from one field to the next.
const SPACING: f32 = 2.7;

/// The center of field number `index`.
fn place(index: usize) -> Vec3 {
    in_rows(index, SPACING)
}

/// Lets a person play the first agent of a team.
fn offer_agent(mut commands: Commands, arena: &HuntArena, human: Option<usize>) {
    let (slot, name) = if human == Some(1) { (HUNTERS, "a prey") } else { (0, "a hunter") };
    commands.insert_resource(KeyboardControl {
        agent: arena.agents[slot],
        active: human.is_some(),
        map: match (slot, arena.gear) {
            (0, Gear::Choices) => |keys| Gear::Choices.action(direction(keys), deed(keys)),
            (0, Gear::Numbers) => |keys| Gear::Numbers.action(direction(keys), deed(keys)),
            _ => arrows,
        },
        name: name.into(),
        keys: if slot == 0 && arena.gear != Gear::None { "arrows, X dash, Z net" } else { "arrows" }.into(),
    });
}

fn direction(keys: &ButtonInput<KeyCode>) -> Vec2 {
    let [x, y] = arrows(keys)[..] else { return Vec2::ZERO };
    Vec2::new(x, y)
}

fn deed(keys: &ButtonInput<KeyCode>) -> Deed {
    match (keys.pressed(KeyCode::KeyZ), keys.pressed(KeyCode::KeyX)) {
        (true, _) => Deed::Net,
        (false, true) => Deed::Dash,
        (false, false) => Deed::Run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_side_by_side_around_the_first() {
        assert_eq!(place(0), Vec3::ZERO);
        assert_eq!([place(1).x, place(2).x, place(8).x], [1.0, -1.0, -4.0].map(|x| x * SPACING));
        assert_eq!(place(9), Vec3::new(0.0, 0.0, -SPACING));
    }

    #[test]
    fn arrows_go_where_they_point() {
        let mut keys = ButtonInput::default();
        keys.press(KeyCode::ArrowUp);
        keys.press(KeyCode::ArrowLeft);
        assert_eq!(arrows(&keys), [-1.0, 1.0]);
    }
}
