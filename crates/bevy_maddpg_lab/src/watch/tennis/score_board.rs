use bevy::prelude::*;

use super::{FrontCourt, scenery::SIDES};
use crate::{
    games::tennis::{Rally, Side},
    watch::{SceneHud, WatchFont, style},
};
use bevy_maddpg::agent::{ActionOverride, Reward};

/// The half of the board that belongs to a side.
#[derive(Component, Debug)]
struct Half(Side);

/// A text on the board.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Return(Side),
    Player(Side),
    Crossings,
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn).add_systems(Update, refresh.run_if(resource_exists::<FrontCourt>));
}

fn spawn(mut commands: Commands, font: Res<WatchFont>, hud: Single<Entity, With<SceneHud>>) {
    let board =
        Node { align_items: AlignItems::Stretch, column_gap: px(4), padding: px(5).all(), ..default() };
    let cell = |width: f32| Node {
        flex_direction: FlexDirection::Column,
        align_items: AlignItems::Center,
        width: px(width),
        padding: UiRect::axes(px(8), px(3)),
        border: px(2).all(),
        border_radius: BorderRadius::all(px(7)),
        ..default()
    };
    let board = commands
        .spawn(style::panel(board))
        .with_children(|board| {
            for column in [Some(Side::Left), None, Some(Side::Right)] {
                let Some(side) = column else {
                    board.spawn(cell(96.0)).with_children(|rally| {
                        rally.spawn((Entry::Crossings, font.text("0", 24.0, style::BRIGHT)));
                        rally.spawn(font.text("net crossings", 11.0, style::MUTED));
                    });
                    continue;
                };
                board
                    .spawn((
                        Half(side),
                        cell(118.0),
                        BackgroundColor(Color::NONE),
                        BorderColor::all(Color::NONE),
                    ))
                    .with_children(|half| {
                        half.spawn((
                            Entry::Return(side),
                            font.text("0.00", 24.0, SIDES[side.slot()].mix(&Color::WHITE, 0.25)),
                        ));
                        half.spawn((Entry::Player(side), font.text("", 11.0, style::MUTED)));
                    });
            }
        })
        .id();
    commands.entity(*hud).add_child(board);
}

fn refresh(
    front: Res<FrontCourt>,
    rallies: Query<&Rally>,
    rackets: Query<(&Reward, Has<ActionOverride>)>,
    mut halves: Query<(&Half, &mut BackgroundColor, &mut BorderColor)>,
    mut entries: Query<(&Entry, &mut Text)>,
) {
    let Ok(rally) = rallies.get(front.arena) else {
        return;
    };
    for (Half(side), mut ground, mut border) in &mut halves {
        let has_hit = rally.last_hitter == Some(*side);
        let color = SIDES[side.slot()];
        ground.set_if_neq(BackgroundColor(if has_hit { color.with_alpha(0.22) } else { Color::NONE }));
        border.set_if_neq(BorderColor::all(if has_hit { color } else { Color::NONE }));
    }
    for (entry, mut text) in &mut entries {
        let of = |side: Side| rackets.get(front.rackets[side.slot()]);
        let words = match *entry {
            Entry::Crossings => rally.crossings.to_string(),
            Entry::Return(side) => of(side)
                .map_or_else(|_| String::new(), |(reward, _)| format!("{:.2}", reward.episode_return())),
            Entry::Player(side) => {
                let who = if of(side).is_ok_and(|(_, is_person)| is_person) { "you" } else { "agent" };
                format!("{}, {who}", if side == Side::Left { "left" } else { "right" })
            }
        };
        style::write(&mut text, words);
    }
}
