//! A board of numbers, overlaid on the scene.

use bevy::prelude::*;

use super::{
    SceneHud,
    style::{self, WatchFont},
};

/// Adds a board at the top of the scene: numbers side by side, each with a label below it. An entry is the component
/// that identifies the number's text, its label, and its color.
pub(super) fn spawn<E: Component>(
    commands: &mut Commands,
    font: &WatchFont,
    hud: &Single<Entity, With<SceneHud>>,
    entries: impl IntoIterator<Item = (E, String, Color)>,
) {
    let board = Node { column_gap: px(18), padding: UiRect::axes(px(16), px(7)), ..default() };
    let cell = Node {
        flex_direction: FlexDirection::Column,
        align_items: AlignItems::Center,
        min_width: px(56),
        ..default()
    };
    let board = commands
        .spawn(style::panel(board))
        .with_children(|board| {
            for (entry, words, color) in entries {
                board.spawn(cell.clone()).with_children(|cell| {
                    cell.spawn((entry, font.text("0", 22.0, color)));
                    cell.spawn(font.text(words, 11.0, style::MUTED));
                });
            }
        })
        .id();
    commands.entity(**hud).add_child(board);
}
