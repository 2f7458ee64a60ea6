use bevy::{input::InputSystems, prelude::*};

use crate::game::PlayedByPerson;
use bevy_maddpg::agent::ActionOverride;

/// An agent that a person can take over with the key T, and its controls.
///
/// The game inserts this resource. The agent decides no more often than the others, so the person plays on equal
/// terms. Episodes of its arena that end while a person plays are left out of the learning curve. An agent that a script plays is
/// handed back to its script.
#[derive(Resource, Debug, Clone)]
pub struct KeyboardControl {
    /// The entity with the [`Agent`](bevy_maddpg::agent::Agent).
    pub agent: Entity,
    /// Whether the person is playing it now.
    pub active: bool,
    /// Turns the held keys into an action of the agent's action size, each number in -1 to 1.
    pub map: fn(&ButtonInput<KeyCode>) -> Vec<f32>,
    /// The agent's name in the window, for example "left racket".
    pub name: String,
    /// The keys as the window shows them, for example "arrow keys".
    pub keys: String,
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(PreUpdate, take_over.run_if(resource_exists::<KeyboardControl>).after(InputSystems));
}

/// The action of an agent that moves in the plane, for the arrow keys: it moves where they point.
pub(super) fn arrows(keys: &ButtonInput<KeyCode>) -> Vec<f32> {
    let held = |key| f32::from(keys.pressed(key));
    vec![
        held(KeyCode::ArrowRight) - held(KeyCode::ArrowLeft),
        held(KeyCode::ArrowUp) - held(KeyCode::ArrowDown),
    ]
}

fn take_over(
    mut commands: Commands,
    keys: Res<ButtonInput<KeyCode>>,
    mut control: ResMut<KeyboardControl>,
    mut overrides: Query<&mut ActionOverride>,
    played: Query<(), With<PlayedByPerson>>,
) {
    let was_active = control.active;
    if keys.just_pressed(KeyCode::KeyT) {
        control.active = !was_active;
    }
    let agent = control.agent;
    if control.active {
        if !played.contains(agent) {
            commands.entity(agent).try_insert(PlayedByPerson);
        }
        let wanted = ActionOverride((control.map)(&keys));
        match overrides.get_mut(agent) {
            Ok(mut present) => {
                present.set_if_neq(wanted);
            }
            Err(_) => {
                commands.entity(agent).try_insert(wanted);
            }
        }
    } else if was_active {
        commands.entity(agent).try_remove::<(ActionOverride, PlayedByPerson)>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An app in which a person can take over the returned agent, and move it up.
    fn app() -> (App, Entity) {
        let mut app = App::new();
        app.init_resource::<ButtonInput<KeyCode>>().add_systems(Update, take_over);
        let agent = app.world_mut().spawn_empty().id();
        app.insert_resource(KeyboardControl {
            agent,
            active: false,
            map: |keys| vec![if keys.pressed(KeyCode::ArrowUp) { 1.0 } else { 0.0 }],
            name: "it".into(),
            keys: "up".into(),
        });
        (app, agent)
    }

    fn press(app: &mut App, keys: &[KeyCode]) {
        let mut input = app.world_mut().resource_mut::<ButtonInput<KeyCode>>();
        input.reset_all();
        keys.iter().for_each(|key| input.press(*key));
        app.update();
    }

    #[test]
    fn t_takes_the_agent_over_and_hands_it_back() {
        let (mut app, agent) = app();
        let mut press = |keys: &[KeyCode]| {
            press(&mut app, keys);
            app.world().get::<ActionOverride>(agent).cloned()
        };
        assert_eq!(press(&[]), None);
        assert_eq!(press(&[KeyCode::KeyT]), Some(ActionOverride(vec![0.0])));
        assert_eq!(press(&[KeyCode::ArrowUp]), Some(ActionOverride(vec![1.0])));
        assert_eq!(press(&[KeyCode::KeyT]), None);
    }

    #[test]
    fn a_script_can_see_that_a_person_plays() {
        let (mut app, agent) = app();
        let mut is_played = |keys: &[KeyCode]| {
            press(&mut app, keys);
            app.world().entity(agent).contains::<PlayedByPerson>()
        };
        assert!(is_played(&[KeyCode::KeyT]));
        assert!(is_played(&[KeyCode::ArrowUp]));
        assert!(!is_played(&[KeyCode::KeyT]));
    }
}
