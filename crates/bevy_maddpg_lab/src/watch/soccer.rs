//! The scene of soccer: a stadium around the first field, the other fields around it, a score board, and keyboard control of a
//! player.

mod board;
mod camera;
mod pitch;
mod players;

use bevy::prelude::*;

use super::{
    CameraViews, KeyboardControl,
    stage::{FrontArena, StagePlugin},
};
use crate::games::soccer::{Field, Team};

/// Draws the arenas of [`SoccerPlugin`](crate::games::soccer::SoccerPlugin). Add it after [`WatchPlugin`](super::WatchPlugin).
///
/// The first field is in front, in a stadium. The views are this field, the ball, and all fields.
#[derive(Debug, Clone, Default)]
pub struct SoccerScenePlugin {
    /// The team in which a person plays from the start: 0 is blue, 1 is purple. The key T toggles this at any time. Default: none;
    /// T takes over a blue player.
    pub human: Option<usize>,
    /// The view at the start: 0 is the first field, 1 the ball, 2 all fields. Default: 0.
    pub view: usize,
}

impl Plugin for SoccerScenePlugin {
    fn build(&self, app: &mut App) {
        let human = self.human;
        app.insert_resource(CameraViews::new(&camera::VIEWS, self.view))
            .add_plugins((
                StagePlugin { light: Vec3::new(-14.0, 30.0, 16.0), air: [70.0, 420.0], shadows: 75.0 },
                pitch::plugin,
                players::plugin,
                camera::plugin,
                board::plugin,
            ))
            .add_systems(PreUpdate, find_front.run_if(not(resource_exists::<FrontArena>)))
            .add_systems(
                Update,
                (move |commands: Commands, front: Res<FrontArena>, fields: Query<&Field>| {
                    if let Ok(field) = fields.get(front.0) {
                        offer_player(commands, field, human);
                    }
                })
                .run_if(resource_added::<FrontArena>),
            );
    }
}

/// The colors of the teams.
fn color(team: Team) -> Color {
    match team {
        Team::Blue => Color::srgb(0.16, 0.46, 1.0),
        Team::Purple => Color::srgb(0.67, 0.28, 0.95),
    }
}

fn find_front(mut commands: Commands, fields: Query<(Entity, &Field)>) {
    if let Some((front, _)) =
        fields.iter().min_by(|(_, a), (_, b)| a.center.length().total_cmp(&b.center.length()))
    {
        commands.insert_resource(FrontArena(front));
    }
}

/// Lets a person play the first player of a team.
fn offer_player(mut commands: Commands, field: &Field, human: Option<usize>) {
    let team = Team::BOTH[human.unwrap_or(0).min(1)];
    commands.insert_resource(KeyboardControl {
        agent: field.players[team.slots()[0]],
        active: human.is_some(),
        map: steer,
        name: format!("{} 1", team.name()),
        keys: "arrows run and turn, comma and period sidestep".into(),
    });
}

/// The action for the held keys: arrows run and turn, comma and period step to the side.
fn steer(keys: &ButtonInput<KeyCode>) -> Vec<f32> {
    let held = |key| f32::from(keys.pressed(key));
    vec![
        held(KeyCode::ArrowUp) - held(KeyCode::ArrowDown),
        held(KeyCode::Period) - held(KeyCode::Comma),
        held(KeyCode::ArrowRight) - held(KeyCode::ArrowLeft),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_run_and_turn() {
        let mut keys = ButtonInput::default();
        keys.press(KeyCode::ArrowUp);
        keys.press(KeyCode::ArrowLeft);
        assert_eq!(steer(&keys), [1.0, 0.0, -1.0]);
    }
}
