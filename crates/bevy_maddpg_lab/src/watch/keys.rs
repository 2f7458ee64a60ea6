use bevy::{input::InputSystems, prelude::*};

use super::{Settings, Toast, dashboard::DashboardShown};
use bevy_maddpg::rollout::Exploration;

/// The keys that set the speed, as a multiple of real time.
pub const SPEEDS: [(KeyCode, f32); 4] =
    [(KeyCode::Digit1, 1.0), (KeyCode::Digit2, 2.0), (KeyCode::Digit3, 4.0), (KeyCode::Digit4, 8.0)];

/// Written when the user presses S to save. The app decides what to save, and reports it with a [`Toast`].
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveRequested;

/// The camera views that the key C cycles through. The game names them and moves its camera. Default: none.
#[derive(Resource, Debug, Clone, Default, PartialEq, Eq)]
pub struct CameraViews {
    /// Names of the views, in the order in which C shows them.
    pub names: Vec<&'static str>,
    /// Index of the current view.
    pub current: usize,
}

impl CameraViews {
    /// The views with these names. `current` is limited to the last one.
    pub fn new(names: &[&'static str], current: usize) -> Self {
        Self { names: names.to_vec(), current: current.min(names.len().saturating_sub(1)) }
    }

    /// Name of the current view; empty if there is none.
    pub fn name(&self) -> &'static str {
        self.names.get(self.current).copied().unwrap_or_default()
    }

    /// Switches to the next view; the first one follows the last.
    pub fn advance(&mut self) {
        self.current = (self.current + 1) % self.names.len().max(1);
    }
}

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<CameraViews>()
        .add_message::<SaveRequested>()
        .add_message::<Toast>()
        .add_systems(Startup, start_speed)
        .add_systems(PreUpdate, (control_time, control_window, control_agents).after(InputSystems));
}

fn start_speed(settings: Res<Settings>, mut time: ResMut<Time<Virtual>>) {
    time.set_max_delta(settings.max_delta);
    time.set_relative_speed(settings.speed);
}

/// The speed whose key was just pressed, the highest of several.
fn asked_speed(keys: &ButtonInput<KeyCode>) -> Option<f32> {
    SPEEDS.into_iter().rev().find(|(key, _)| keys.just_pressed(*key)).map(|(_, speed)| speed)
}

fn control_time(keys: Res<ButtonInput<KeyCode>>, mut time: ResMut<Time<Virtual>>) {
    if keys.just_pressed(KeyCode::Space) {
        time.toggle();
    }
    if let Some(speed) = asked_speed(&keys) {
        time.set_relative_speed(speed);
        time.unpause();
    }
}

fn control_window(
    keys: Res<ButtonInput<KeyCode>>,
    mut dashboard: ResMut<DashboardShown>,
    mut views: ResMut<CameraViews>,
    mut exit: MessageWriter<AppExit>,
) {
    if keys.just_pressed(KeyCode::KeyD) {
        dashboard.0 = !dashboard.0;
    }
    if keys.just_pressed(KeyCode::KeyC) && views.names.len() > 1 {
        views.advance();
    }
    if keys.just_pressed(KeyCode::Escape) {
        exit.write(AppExit::Success);
    }
}

fn control_agents(
    keys: Res<ButtonInput<KeyCode>>,
    mut exploration: ResMut<Exploration>,
    mut save: MessageWriter<SaveRequested>,
) {
    if keys.just_pressed(KeyCode::KeyN) {
        exploration.enabled = !exploration.enabled;
    }
    if keys.just_pressed(KeyCode::KeyS) {
        save.write(SaveRequested);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        let mut app = App::new();
        app.add_plugins(bevy::time::TimePlugin)
            .init_resource::<ButtonInput<KeyCode>>()
            .add_systems(Update, control_time);
        app
    }

    fn press(app: &mut App, key: KeyCode) -> (f32, bool) {
        let mut keys = app.world_mut().resource_mut::<ButtonInput<KeyCode>>();
        keys.reset_all();
        keys.press(key);
        app.update();
        let time = app.world().resource::<Time<Virtual>>();
        (time.relative_speed(), time.is_paused())
    }

    #[test]
    fn digits_set_the_speed_and_end_a_pause() {
        let mut app = app();
        assert_eq!(press(&mut app, KeyCode::Space), (1.0, true));
        assert_eq!(press(&mut app, KeyCode::Digit4), (8.0, false));
        assert_eq!(press(&mut app, KeyCode::Digit3), (4.0, false));
        assert_eq!(press(&mut app, KeyCode::KeyX), (4.0, false), "other keys change nothing");
    }

    #[test]
    fn views_come_round() {
        let mut views = CameraViews::new(&["front", "top"], 0);
        views.advance();
        assert_eq!(views.name(), "top");
        views.advance();
        assert_eq!(views.name(), "front");
        let mut none = CameraViews::default();
        none.advance();
        assert_eq!(none.name(), "");
    }
}
