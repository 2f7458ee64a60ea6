use std::{path::PathBuf, time::Duration};

use bevy::{
    prelude::*,
    render::view::screenshot::{Screenshot, save_to_disk},
    time::TimeUpdateStrategy,
};

use super::{Settings, dashboard::DashboardShown, layout::SceneFoot};

/// A recording of the window as a sequence of pictures.
///
/// Each frame shows the game a fixed time after the one before, however long the machine takes to draw it, so the pictures make a smooth
/// animation.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The folder for the pictures `0000.png`, `0001.png` and so on.
    pub folder: PathBuf,
    /// Number of pictures. The app quits after the last one.
    pub frames: u32,
    /// Pictures per second of the game.
    pub rate: u32,
}

/// Frames that layout, camera and pipelines need to settle on a slow machine.
const SETTLING: u32 = 20;

pub(super) fn plugin(app: &mut App) {
    let Some(recording) = &app.world().resource::<Settings>().recording else { return };
    let frame = Duration::from_secs_f64(1.0 / f64::from(recording.rate.max(1)));
    app.insert_resource(TimeUpdateStrategy::ManualDuration(frame)).add_systems(Last, record);
}

fn record(
    mut commands: Commands,
    settings: Res<Settings>,
    mut dashboard: ResMut<DashboardShown>,
    mut help: Query<&mut Node, With<SceneFoot>>,
    mut exit: MessageWriter<AppExit>,
    mut frame: Local<u32>,
) {
    let Some(recording) = &settings.recording else { return };
    dashboard.0 = false;
    help.iter_mut().for_each(|mut help| help.display = Display::None);
    let taken = frame.checked_sub(SETTLING);
    *frame += 1;
    match taken {
        None => {}
        Some(number) if number < recording.frames => {
            let path = recording.folder.join(format!("{number:04}.png"));
            commands.spawn(Screenshot::primary_window()).observe(save_to_disk(path));
        }
        // The last pictures are still being written.
        Some(number) if number > recording.frames + SETTLING => {
            exit.write(AppExit::Success);
        }
        Some(_) => {}
    }
}
