//! The window: a dashboard with a live learning curve, keyboard controls, adjustable speed and smooth motion.
//!
//! [`WatchPlugin`] works with any game of this crate. It reads what the rollout and the learner publish. It changes
//! only time, [`Exploration::enabled`](bevy_maddpg::rollout::Exploration::enabled) and, while a person plays an agent,
//! that agent's [`ActionOverride`](bevy_maddpg::agent::ActionOverride). Add it after `DefaultPlugins`.
//!
//! | key | what it does |
//! |---|---|
//! | Space | pause and resume |
//! | 1 2 3 4 | run at 1, 2, 4, 8 times real time; each step runs the same at every speed |
//! | C | show the next of the [`CameraViews`] |
//! | N | turn exploration noise on or off |
//! | T | take over the agent of [`KeyboardControl`], or hand it back |
//! | I | inspect the agents of the first arena, one after the other: what each senses, does and earns |
//! | S | write [`SaveRequested`], for the app to handle |
//! | D | show or hide the dashboard |
//! | Esc | quit |
//!
//! A game that draws its own scene uses [`Follow`] for visuals that move smoothly between steps, [`SceneInset`] to keep
//! its subject clear of the dashboard, and [`SceneHud`] to overlay its own user interface on the scene.

mod axis;
mod board;
mod canvas;
pub mod cartpole;
mod catch_up;
pub mod control;
mod dashboard;
mod fans;
mod follow;
mod help;
pub mod hunt;
mod inspect;
mod keyboard;
mod keys;
mod layout;
mod mesh_builder;
mod motion;
pub mod particle;
pub mod pendulum;
mod plot;
mod recording;
mod screenshots;
pub mod soccer;
mod stage;
mod style;
pub mod tennis;
mod tiles;
mod toast;

pub use follow::Follow;
pub use inspect::Inspected;
pub use keyboard::KeyboardControl;
pub use keys::{CameraViews, SPEEDS, SaveRequested};
pub use layout::{SceneHud, SceneInset};
pub use recording::Recording;
pub use screenshots::PlannedScreenshot;
pub use style::WatchFont;
pub use toast::Toast;

use std::time::Duration;

use bevy::prelude::*;

/// The window of an app with arenas. Needs `DefaultPlugins`, [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins) and
/// [`StatisticsPlugin`](crate::statistics::StatisticsPlugin).
#[derive(Debug, Clone)]
pub struct WatchPlugin {
    /// Heading of the dashboard. Default: `bevy_maddpg`.
    pub title: String,
    /// Speed at the start, as a multiple of real time. Default: 1.
    pub speed: f32,
    /// The most real time that one frame catches up on; longer frames slow the game down. Default: 0.5 s, so the
    /// game keeps its speed at 2 frames per second or more.
    pub max_delta: Duration,
    /// Whether the dashboard is shown at the start. Default: true.
    pub dashboard: bool,
    /// Whether the user interface scales with the window; the scale is 1 at 1280 x 720. Default: true.
    pub scale_ui: bool,
    /// Screenshots to take, in order. Default: none.
    pub screenshots: Vec<PlannedScreenshot>,
    /// Pictures for an animation. Default: none.
    pub recording: Option<Recording>,
    /// Whether the app quits after the last screenshot. Default: true.
    pub exit_after_screenshots: bool,
}

impl Default for WatchPlugin {
    fn default() -> Self {
        Self {
            title: "bevy_maddpg".into(),
            speed: 1.0,
            max_delta: Duration::from_millis(500),
            dashboard: true,
            scale_ui: true,
            screenshots: Vec::new(),
            recording: None,
            exit_after_screenshots: true,
        }
    }
}

/// The plugin's settings, as a resource for its systems.
#[derive(Resource, Debug, Deref)]
struct Settings(WatchPlugin);

impl Plugin for WatchPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(Settings(self.clone())).add_plugins((
            catch_up::plugin,
            follow::plugin,
            keys::plugin,
            keyboard::plugin,
            layout::plugin,
            dashboard::plugin,
            plot::plugin,
            tiles::plugin,
            inspect::plugin,
            fans::plugin,
            help::plugin,
            toast::plugin,
            screenshots::plugin,
            recording::plugin,
        ));
    }
}
