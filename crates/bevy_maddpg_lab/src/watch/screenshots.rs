use std::path::PathBuf;

use bevy::{
    prelude::*,
    render::view::screenshot::{Screenshot, ScreenshotCaptured, save_to_disk},
};

use super::{CameraViews, Settings, dashboard::DashboardShown};

/// A screenshot that the app takes of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedScreenshot {
    /// Real seconds after the start at which it is taken, or later if the previous one is not taken yet.
    pub seconds: f32,
    /// The file; its extension sets the format, such as `.png`.
    pub path: PathBuf,
    /// Index of the view in [`CameraViews`]; `None` keeps the current one. Set as soon as the previous one is taken.
    pub view: Option<usize>,
    /// Whether the dashboard is shown. Set as soon as the previous one is taken.
    pub dashboard: bool,
}

impl PlannedScreenshot {
    /// A screenshot after `seconds`, with the dashboard.
    pub fn new(seconds: f32, path: impl Into<PathBuf>) -> Self {
        Self { seconds, path: path.into(), view: None, dashboard: true }
    }
}

/// Frames that layout, camera and pipelines need to settle on a slow machine.
const SETTLING: u32 = 6;

/// Progress through the planned screenshots.
#[derive(Resource, Debug, Default)]
struct Plan {
    /// Index of the next screenshot.
    next: usize,
    /// Frames since its view was set.
    frames: u32,
    /// Whether it is being captured.
    is_capturing: bool,
}

pub(super) fn plugin(app: &mut App) {
    if !app.world().resource::<Settings>().screenshots.is_empty() {
        app.init_resource::<Plan>().add_systems(Last, take);
    }
}

fn take(
    mut commands: Commands,
    settings: Res<Settings>,
    time: Res<Time<Real>>,
    mut plan: ResMut<Plan>,
    mut views: ResMut<CameraViews>,
    mut dashboard: ResMut<DashboardShown>,
    mut exit: MessageWriter<AppExit>,
) {
    if plan.is_capturing {
        return;
    }
    let Some(shot) = settings.screenshots.get(plan.next) else {
        if settings.exit_after_screenshots {
            exit.write(AppExit::Success);
        }
        return;
    };
    if plan.frames == 0 {
        dashboard.0 = shot.dashboard;
        if let Some(view) = shot.view {
            views.current = view;
        }
    }
    plan.frames += 1;
    if time.elapsed_secs() < shot.seconds || plan.frames < SETTLING {
        return;
    }
    plan.is_capturing = true;
    commands.spawn(Screenshot::primary_window()).observe(save_to_disk(shot.path.clone())).observe(
        |_: On<ScreenshotCaptured>, mut plan: ResMut<Plan>| {
            *plan = Plan { next: plan.next + 1, ..default() };
        },
    );
}
