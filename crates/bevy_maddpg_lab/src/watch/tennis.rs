//! The tennis scene: courts one behind another, lights, cameras, a score board, and keyboard control of a racket.

mod camera;
mod court_mesh;
mod scenery;
mod score_board;
mod trail;

use bevy::prelude::*;

use super::{CameraViews, KeyboardControl, stage::FrontArena};
use crate::games::tennis::{Court, Rules, Side};

/// Draws the arenas of [`TennisPlugin`](crate::games::tennis::TennisPlugin). Add it after
/// [`WatchPlugin`](super::WatchPlugin).
///
/// The arena at z = 0 is the front court: it has shadows, a ball trail and the score board. The views are the front
/// court, the ball, and all arenas from above.
#[derive(Debug, Clone, Default)]
pub struct TennisScenePlugin {
    /// The slot that a person plays from the start: 0 is left, 1 is right. The key T toggles this at any time. Default:
    /// none; T takes over the left racket.
    pub human: Option<usize>,
    /// The view at the start: 0 is the front court, 1 the ball, 2 all arenas. Default: 0.
    pub view: usize,
}

impl Plugin for TennisScenePlugin {
    fn build(&self, app: &mut App) {
        let human = self.human;
        app.insert_resource(CameraViews::new(&camera::VIEWS, self.view))
            .add_plugins((scenery::plugin, camera::plugin, trail::plugin, score_board::plugin))
            .add_systems(Update, find_front_court.run_if(not(resource_exists::<FrontCourt>)))
            .add_systems(
                Update,
                (move |commands: Commands, rules: Res<Rules>, front: Res<FrontCourt>| {
                    offer_racket(commands, *rules, &front, human);
                })
                .run_if(resource_added::<FrontCourt>),
            );
    }
}

/// The court at z = 0.
#[derive(Resource, Debug, Clone)]
struct FrontCourt {
    /// The entity with the [`Court`].
    arena: Entity,
    ball: Entity,
    rackets: [Entity; 2],
}

fn find_front_court(mut commands: Commands, courts: Query<(Entity, &Court)>) {
    let Some((arena, court)) = courts.iter().max_by(|(_, a), (_, b)| a.z.total_cmp(&b.z)) else {
        return;
    };
    commands.insert_resource(FrontCourt { arena, ball: court.ball, rackets: court.rackets });
    commands.insert_resource(FrontArena(arena));
}

/// Lets a person play a racket of the front court.
fn offer_racket(mut commands: Commands, rules: Rules, front: &FrontCourt, human: Option<usize>) {
    let side = if human == Some(Side::Right.slot()) { Side::Right } else { Side::Left };
    commands.insert_resource(KeyboardControl {
        agent: front.rackets[side.slot()],
        active: human.is_some(),
        map: match (rules, side) {
            (Rules::Rally, Side::Left) => |keys| racket_keys(keys, Side::Left),
            (Rules::Rally, Side::Right) => |keys| racket_keys(keys, Side::Right),
            (Rules::Match, Side::Left) => |keys| flat_racket_keys(keys, Side::Left),
            (Rules::Match, Side::Right) => |keys| flat_racket_keys(keys, Side::Right),
        },
        name: match side {
            Side::Left => "left racket".into(),
            Side::Right => "right racket".into(),
        },
        keys: match rules {
            Rules::Rally => "arrows, Shift to run".into(),
            Rules::Match => "arrows, Shift to run, Down to hold the racket flat".into(),
        },
    });
}

/// Walking pace, as a share of the full action. Full is 30 m/s or 3 m per decision, too fast to play by keyboard.
const WALK: f32 = 0.25;
/// Running pace, with Shift held.
const RUN: f32 = 0.7;

/// The action for the arrow keys: left and right as the person sees them, up jumps.
fn racket_keys(keys: &ButtonInput<KeyCode>, side: Side) -> Vec<f32> {
    let pace = if keys.any_pressed([KeyCode::ShiftLeft, KeyCode::ShiftRight]) { RUN } else { WALK };
    let held = |key, action: f32| if keys.pressed(key) { action } else { 0.0 };
    let right = held(KeyCode::ArrowRight, pace) - held(KeyCode::ArrowLeft, pace);
    vec![right * side.mirror(), held(KeyCode::ArrowUp, 1.0)]
}

/// The angle of a flat racket as an action, and while the arrow down is held.
const ANGLES: [f32; 2] = [0.5, 1.0];

/// The action for the keys under the rules `match`.
fn flat_racket_keys(keys: &ButtonInput<KeyCode>, side: Side) -> Vec<f32> {
    let mut action = racket_keys(keys, side);
    action.push(ANGLES[usize::from(keys.pressed(KeyCode::ArrowDown))]);
    action
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_where_they_point_on_both_sides() {
        let mut keys = ButtonInput::default();
        keys.press(KeyCode::ArrowRight);
        assert_eq!(racket_keys(&keys, Side::Left), [WALK, 0.0], "toward the net");
        assert_eq!(racket_keys(&keys, Side::Right), [-WALK, 0.0], "away from it");
        keys.press(KeyCode::ArrowUp);
        keys.press(KeyCode::ShiftLeft);
        assert_eq!(racket_keys(&keys, Side::Left), [RUN, 1.0]);
    }
}
