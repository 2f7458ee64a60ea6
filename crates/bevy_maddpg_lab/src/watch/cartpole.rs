//! The scene of the cart and pole: tracks in rows, with the first one in front.

mod board;
mod camera;
mod track;

use bevy::prelude::*;

use super::{
    CameraViews, KeyboardControl,
    stage::{FrontArena, Place, SceneSystems, StagePlugin, in_rows, lay_out},
};
use crate::games::cartpole::{Cart, Push};
use bevy_maddpg::typed::AgentAction;

/// Draws the carts of [`CartPolePlugin`](crate::games::cartpole::CartPolePlugin). Add it after
/// [`WatchPlugin`](super::WatchPlugin).
///
/// An arrow beside a cart shows the last push. A pole is green upright and red where it falls. The first cart is in front, with
/// a board of its steps, position and angle.
#[derive(Debug, Clone, Default)]
pub struct CartPoleScenePlugin {
    /// Whether a person plays the first cart from the start. The key T toggles this at any time. Default: false.
    pub human: bool,
    /// The view at the start: 0 is the first cart, 1 is all carts. Default: 0.
    pub view: usize,
}

impl Plugin for CartPoleScenePlugin {
    fn build(&self, app: &mut App) {
        let human = self.human;
        app.insert_resource(CameraViews::new(&camera::VIEWS, self.view))
            .add_plugins((
                StagePlugin { light: Vec3::new(-3.0, 6.0, 8.0), air: [30.0, 90.0], shadows: 14.0 },
                track::plugin,
                camera::plugin,
                board::plugin,
            ))
            .add_systems(
                Update,
                (lay_out::<Track>.in_set(SceneSystems::LayOut), track::build.in_set(SceneSystems::Build)),
            )
            .add_systems(
                Update,
                (move |mut commands: Commands, front: Res<FrontArena>| {
                    commands.insert_resource(KeyboardControl {
                        agent: front.0,
                        active: human,
                        map: arrows,
                        name: "cart".into(),
                        keys: "left, right".into(),
                    });
                })
                .run_if(resource_added::<FrontArena>),
            );
    }
}

/// The middle of a cart's track. On the entity with the [`Cart`].
#[derive(Component, Debug, Clone, Copy)]
struct Track(Vec3);

impl Place for Track {
    type Arena = Cart;

    fn of(index: usize) -> Self {
        Self(in_rows(index, SPACING))
    }
}

/// Distance from one track to the next.
const SPACING: f32 = 6.4;

/// The push for the arrow keys. The cart cannot stand still: without a key, it is pushed to the left.
fn arrows(keys: &ButtonInput<KeyCode>) -> Vec<f32> {
    if keys.pressed(KeyCode::ArrowRight) { Push::Right } else { Push::Left }.to_action()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_push_where_they_point() {
        let mut keys = ButtonInput::default();
        assert_eq!(arrows(&keys), [1.0, 0.0]);
        keys.press(KeyCode::ArrowRight);
        assert_eq!(arrows(&keys), [0.0, 1.0]);
    }
}
