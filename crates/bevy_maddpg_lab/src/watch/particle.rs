//! The scene of the particle worlds: fields side by side, bodies colored by role, goals, collisions and messages.

mod board;
mod bodies;
mod camera;
mod labels;
mod paint;
mod tokens;
mod voices;

use bevy::prelude::*;

use super::{
    CameraViews, KeyboardControl,
    keyboard::arrows,
    stage::{FrontArena, Place, SceneSystems, StagePlugin, in_rows, lay_out},
};
use crate::games::particle::{ParticleArena, Scenario};

/// Draws the arenas of [`ParticlePlugin`](crate::games::particle::ParticlePlugin). Add it after
/// [`WatchPlugin`](super::WatchPlugin).
///
/// The first arena is in front, with names and a board of its returns and measures. A goal has a bright ring. Agents
/// that collide have a red ring; in `simple_tag`, predators and prey that touch. Each number that an agent says is a
/// bar behind it, as high as the number. In covert communication, the first two bars of Bob and Eve have the colors of
/// the two messages. So do the message (a disc in front of Alice), the key (cubes in front of Alice and Bob), and the
/// message that Bob and Eve each guess (discs in front of them).
#[derive(Debug, Clone, Default)]
pub struct ParticleScenePlugin {
    /// The team that a person plays in from the start, 0 or 1 in the order of
    /// [`Scenario::teams`](crate::games::particle::Scenario::teams). The key T toggles this at any time. Default: none;
    /// T takes over an agent of the last team.
    pub human: Option<usize>,
    /// The view at the start: 0 is the first arena, 1 is all arenas. Default: 0.
    pub view: usize,
}

impl Plugin for ParticleScenePlugin {
    fn build(&self, app: &mut App) {
        let human = self.human;
        app.insert_resource(CameraViews::new(&camera::VIEWS, self.view))
            .add_plugins((
                StagePlugin { light: Vec3::new(-3.0, 8.0, 4.0), air: [20.0, 90.0], shadows: 14.0 },
                paint::plugin,
                bodies::plugin,
                tokens::plugin,
                voices::plugin,
                camera::plugin,
                labels::plugin,
                board::plugin,
            ))
            .add_systems(Update, lay_out::<Field>.in_set(SceneSystems::LayOut))
            .add_systems(
                Update,
                (move |commands: Commands, front: Res<FrontArena>, arenas: Query<&ParticleArena>| {
                    if let Ok(arena) = arenas.get(front.0) {
                        offer_agent(commands, arena, human);
                    }
                })
                .run_if(resource_added::<FrontArena>),
            );
    }
}

/// Center of an arena's field. On the entity with the [`ParticleArena`].
#[derive(Component, Debug, Clone, Copy)]
struct Field(Vec3);

impl Place for Field {
    type Arena = ParticleArena;

    fn of(index: usize) -> Self {
        Self(place(index))
    }
}

/// Distance from one field to the next.
const SPACING: f32 = 3.0;

/// The center of field number `index`.
fn place(index: usize) -> Vec3 {
    in_rows(index, SPACING)
}

/// Lets a person play the first agent of the team that can move, if there is one.
fn offer_agent(mut commands: Commands, arena: &ParticleArena, human: Option<usize>) {
    let teams = arena.scenario.teams();
    let team = &teams[human.unwrap_or(teams.len()).min(teams.len() - 1)];
    let moves = |slot: &&usize| arena.world.agents()[**slot].movable;
    let Some(&slot) = team.slots.iter().find(moves) else {
        return;
    };
    commands.insert_resource(KeyboardControl {
        agent: arena.agents[slot],
        active: human.is_some(),
        map: if arena.discrete { moves_by_arrows } else { arrows },
        name: name(arena.scenario, slot),
        keys: "arrows".into(),
    });
}

/// The move to choose for the arrow keys.
fn moves_by_arrows(keys: &ButtonInput<KeyCode>) -> Vec<f32> {
    let arrows = [KeyCode::ArrowLeft, KeyCode::ArrowRight, KeyCode::ArrowDown, KeyCode::ArrowUp];
    let pressed = arrows.iter().position(|key| keys.pressed(*key)).map_or(0, |index| index + 1);
    (0..5).map(|choice| f32::from(choice == pressed)).collect()
}

/// An agent's name: its behavior, numbered if several agents share it.
fn name(scenario: Scenario, slot: usize) -> String {
    let roles = scenario.roles();
    let behavior = roles[slot].behavior;
    let twins = |role: &&crate::games::particle::Role| role.behavior == behavior;
    if roles.iter().filter(twins).count() == 1 {
        return behavior.into();
    }
    format!("{behavior} {}", roles[..=slot].iter().filter(twins).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_side_by_side_around_the_first() {
        assert_eq!(place(0), Vec3::ZERO);
        assert_eq!([place(1).x, place(2).x, place(8).x], [3.0, -3.0, -12.0]);
        assert_eq!(place(9), Vec3::new(0.0, 0.0, -3.0));
    }

    #[test]
    fn twins_are_numbered() {
        assert_eq!(name(Scenario::Tag, 1), "predator 2");
        assert_eq!(name(Scenario::Tag, 3), "prey");
    }
}
