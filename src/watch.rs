//! The window: a dashboard with a live learning curve, keys, speed, smooth motion.
//!
//! [`WatchPlugin`] works with any game of this crate; it reads what the rollout and the learner publish and changes
//! nothing but time, [`Exploration::enabled`](crate::rollout::Exploration::enabled) and, where a person takes over an
//! agent, that agent's [`ActionOverride`](crate::agent::ActionOverride). Add it after `DefaultPlugins`.
//!
//! | key | what it does |
//! |---|---|
//! | Space | pause and go on |
//! | 1 2 3 4 | 1, 2, 4, 8 times real time; each tick runs the same at every speed |
//! | C | next [`CameraViews`] |
//! | N | exploration noise on and off |
//! | T | take over the agent of [`KeyboardControl`], hand it back |
//! | S | [`SaveRequested`], for the app to handle |
//! | D | dashboard on and off |
//! | Esc | quit |
//!
//! A game that draws itself uses [`Follow`] for visuals that move smoothly between ticks, [`SceneInset`] to keep its
//! subject out of the dashboard, and [`SceneHud`] to put user interface of its own over the scene.

#[cfg(any(feature = "particle", feature = "pendulum"))]
mod board;
mod canvas;
mod control;
mod curve;
mod dashboard;
mod follow;
mod format;
mod help;
mod keys;
mod layout;
#[cfg(feature = "particle")]
pub mod particle;
#[cfg(feature = "pendulum")]
pub mod pendulum;
mod plot;
mod screenshots;
#[cfg(any(feature = "particle", feature = "pendulum"))]
mod stage;
mod statistics;
mod style;
#[cfg(feature = "games")]
pub mod tennis;
mod tiles;
mod toast;

pub use control::KeyboardControl;
pub use follow::Follow;
pub use keys::{CameraViews, SPEEDS, SaveRequested};
pub use layout::{SceneHud, SceneInset};
pub use screenshots::PlannedScreenshot;
pub use style::WatchFont;
pub use toast::Toast;

use std::time::Duration;

use bevy::{
    ecs::{intern::Interned, schedule::ScheduleLabel},
    prelude::*,
};

/// The window on a world of arenas. Needs `DefaultPlugins` and
/// [`MaddpgPlugins`](crate::plugin::MaddpgPlugins).
#[derive(Debug, Clone)]
pub struct WatchPlugin {
    /// Heading of the dashboard. Default: the name of this crate.
    pub title: String,
    /// The score of an episode from the agents' undiscounted returns, by slot. Default: the largest.
    pub score: fn(&[f32]) -> f32,
    /// Episodes in the mean that the learning curve shows. Default: 100.
    pub score_window: usize,
    /// Mean score at which the task counts as solved: the dashed line. Default: none.
    pub solved: Option<f32>,
    /// The schedule that the rollout runs in. Default: [`FixedUpdate`].
    pub schedule: Interned<dyn ScheduleLabel>,
    /// Speed at the start, in times of real time. Default: 1.
    pub speed: f32,
    /// Real time that one frame makes up for at most; a slower frame slows the simulation down. Default: 0.5 s, so
    /// that the speed is real from 2 frames a second up.
    pub max_delta: Duration,
    /// Whether the dashboard is shown at the start. Default: true.
    pub dashboard: bool,
    /// Whether user interface grows with the window, from 1 at 1280 x 720. Default: true.
    pub scale_ui: bool,
    /// Screenshots to take, in this order. Default: none.
    pub screenshots: Vec<PlannedScreenshot>,
    /// Whether the app quits after the last of them. Default: true.
    pub exit_after_screenshots: bool,
}

impl Default for WatchPlugin {
    fn default() -> Self {
        Self {
            title: "bevy_maddpg".into(),
            score: |returns| returns.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            score_window: 100,
            solved: None,
            schedule: FixedUpdate.intern(),
            speed: 1.0,
            max_delta: Duration::from_millis(500),
            dashboard: true,
            scale_ui: true,
            screenshots: Vec::new(),
            exit_after_screenshots: true,
        }
    }
}

/// The plugin's settings, for its systems.
#[derive(Resource, Debug, Deref)]
struct Settings(WatchPlugin);

impl Plugin for WatchPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(Settings(self.clone())).add_plugins((
            follow::FollowPlugin { schedule: self.schedule },
            statistics::plugin,
            keys::plugin,
            control::plugin,
            layout::plugin,
            dashboard::plugin,
            plot::plugin,
            tiles::plugin,
            help::plugin,
            toast::plugin,
            screenshots::plugin,
        ));
    }
}
