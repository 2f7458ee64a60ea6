use bevy::prelude::*;

use super::{
    layout::SceneFoot,
    style::{self, WatchFont},
};

/// Real seconds for which a toast is shown.
const SHOWN: f64 = 4.0;

/// A message that the window shows for a few seconds, such as "saved to ...".
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Toast(pub String);

impl Toast {
    /// A toast that shows `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

#[derive(Component, Debug)]
struct ToastPanel;

#[derive(Component, Debug)]
struct ToastText;

pub(super) fn plugin(app: &mut App) {
    app.add_message::<Toast>().add_systems(Startup, spawn).add_systems(Update, show);
}

fn spawn(mut commands: Commands, font: Res<WatchFont>, foot: Single<Entity, With<SceneFoot>>) {
    let node = Node { padding: UiRect::axes(px(16), px(8)), display: Display::None, ..default() };
    let toast = commands
        .spawn((ToastPanel, style::panel(node)))
        .with_children(|panel| {
            panel.spawn((ToastText, font.text("", 15.0, style::BRIGHT)));
        })
        .id();
    commands.entity(*foot).insert_children(0, &[toast]);
}

fn show(
    time: Res<Time<Real>>,
    mut toasts: MessageReader<Toast>,
    mut panel: Single<&mut Node, With<ToastPanel>>,
    mut text: Single<&mut Text, With<ToastText>>,
    mut hide_at: Local<Option<f64>>,
) {
    if let Some(toast) = toasts.read().inspect(|toast| info!("{}", toast.0)).last() {
        style::write(&mut text, toast.0.clone());
        panel.display = Display::Flex;
        *hide_at = Some(time.elapsed_secs_f64() + SHOWN);
    }
    if hide_at.is_some_and(|end| time.elapsed_secs_f64() >= end) {
        panel.display = Display::None;
        *hide_at = None;
    }
}
