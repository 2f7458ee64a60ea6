use bevy::prelude::*;

use super::{
    CameraViews, KeyboardControl,
    layout::SceneFoot,
    style::{self, WatchFont},
};
use bevy_maddpg::{exploration::Noise, rollout::Exploration};

use crate::statistics::{LearnerStatus, RunStatistics};

/// An entry of the help line: what a key does.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Help {
    Pause,
    Speed,
    Camera,
    Noise,
    Inspect,
    TakeOver,
    Save,
    Dashboard,
    Quit,
}

impl Help {
    const ALL: [(Self, &str); 9] = [
        (Self::Pause, "Space"),
        (Self::Speed, "1 2 3 4"),
        (Self::Camera, "C"),
        (Self::Noise, "N"),
        (Self::Inspect, "I"),
        (Self::TakeOver, "T"),
        (Self::Save, "S"),
        (Self::Dashboard, "D"),
        (Self::Quit, "Esc"),
    ];
}

/// The label next to a key.
#[derive(Component, Debug)]
struct HelpText(Help);

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn).add_systems(Update, refresh);
}

fn spawn(mut commands: Commands, font: Res<WatchFont>, foot: Single<Entity, With<SceneFoot>>) {
    let line = Node {
        flex_wrap: FlexWrap::Wrap,
        justify_content: JustifyContent::Center,
        column_gap: px(9),
        row_gap: px(6),
        padding: UiRect::axes(px(10), px(7)),
        max_width: percent(100),
        ..default()
    };
    let item = Node { align_items: AlignItems::Center, column_gap: px(5), ..default() };
    let cap = Node {
        padding: UiRect::axes(px(5), px(1)),
        border: px(1).all(),
        border_radius: BorderRadius::all(px(4)),
        ..default()
    };
    let line = commands
        .spawn(style::panel(line))
        .with_children(|line| {
            for (help, key) in Help::ALL {
                line.spawn((help, item.clone())).with_children(|item| {
                    item.spawn((cap.clone(), BorderColor::all(style::MUTED))).with_children(|cap| {
                        cap.spawn(font.text(key, 12.0, style::BRIGHT));
                    });
                    item.spawn((HelpText(help), font.text("", 13.0, style::MUTED)));
                });
            }
        })
        .id();
    commands.entity(*foot).add_child(line);
}

fn refresh(
    time: Res<Time<Virtual>>,
    views: Res<CameraViews>,
    exploration: Res<Exploration>,
    control: Option<Res<KeyboardControl>>,
    statistics: Res<RunStatistics>,
    mut items: Query<(&Help, &mut Node)>,
    mut texts: Query<(&HelpText, &mut Text)>,
) {
    let has_noise = exploration.config.noise != Noise::None || exploration.config.random_decisions > 0;
    for (help, mut node) in &mut items {
        let is_shown = match help {
            Help::Camera => views.names.len() > 1,
            Help::Noise => has_noise,
            Help::TakeOver => control.is_some(),
            Help::Save => *statistics.learner() != LearnerStatus::Absent,
            Help::Pause | Help::Speed | Help::Inspect | Help::Dashboard | Help::Quit => true,
        };
        let display = if is_shown { Display::Flex } else { Display::None };
        if node.display != display {
            node.display = display;
        }
    }
    for (HelpText(help), mut text) in &mut texts {
        let words = match help {
            Help::Pause if time.is_paused() => "resume".into(),
            Help::Pause => "pause".into(),
            Help::Speed => format!("speed: {}x", time.relative_speed()),
            Help::Camera => format!("camera: {}", views.name()),
            Help::Noise if exploration.enabled => "noise: on".into(),
            Help::Noise => "noise: off".into(),
            Help::Inspect => "inspect".into(),
            Help::TakeOver => control.as_deref().map_or_else(String::new, control_words),
            Help::Save => "save".into(),
            Help::Dashboard => "dashboard".into(),
            Help::Quit => "quit".into(),
        };
        style::write(&mut text, words);
    }
}

fn control_words(control: &KeyboardControl) -> String {
    if control.active {
        format!("stop playing {} ({})", control.name, control.keys)
    } else {
        format!("play {}", control.name)
    }
}
