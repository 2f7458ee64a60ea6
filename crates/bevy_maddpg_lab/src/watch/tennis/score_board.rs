use bevy::prelude::*;

use super::{FrontCourt, scenery::SIDES};
use crate::{
    format,
    game::{PlayedByPerson, Scripted},
    games::tennis::{Rally, Rules, Side},
    watch::{SceneHud, WatchFont, style},
};
use bevy_maddpg::{
    agent::{PolicyOverride, Reward},
    arena::EpisodeEnded,
    self_play::{PlayedBy, Visitors},
};

/// The half of the board that belongs to a side.
#[derive(Component, Debug)]
struct Half(Side);

/// A text on the board.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Score(Side),
    Player(Side),
    Crossings,
}

/// Under the rules `match`, the points that each side has won on the front court, by slot.
#[derive(Resource, Debug, Default)]
struct Points([u32; 2]);

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Points>()
        .add_systems(Startup, spawn)
        .add_systems(Update, (count, refresh).chain().run_if(resource_exists::<FrontCourt>));
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
                            Entry::Score(side),
                            font.text("0.00", 24.0, SIDES[side.slot()].mix(&Color::WHITE, 0.25)),
                        ));
                        half.spawn((Entry::Player(side), font.text("", 11.0, style::MUTED)));
                    });
            }
        })
        .id();
    commands.entity(*hud).add_child(board);
}

/// Counts the points on the front court.
fn count(front: Res<FrontCourt>, mut ended: MessageReader<EpisodeEnded>, mut points: ResMut<Points>) {
    for episode in ended.read().filter(|episode| episode.arena == front.arena) {
        for (points, points_won) in points.0.iter_mut().zip(&episode.returns) {
            *points += u32::from(*points_won > 0.5);
        }
    }
}

/// What shows who plays a racket.
type Racket<'a> = (&'a Reward, Has<PlayedByPerson>, Has<PolicyOverride>, Has<Scripted>, Option<&'a PlayedBy>);

#[expect(clippy::too_many_arguments, reason = "a system takes one parameter per data source")]
fn refresh(
    rules: Res<Rules>,
    front: Res<FrontCourt>,
    points: Res<Points>,
    rallies: Query<&Rally>,
    visitors: Query<&Visitors>,
    rackets: Query<Racket>,
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
            Entry::Score(side) if *rules == Rules::Match => points.0[side.slot()].to_string(),
            Entry::Score(side) => of(side)
                .map_or_else(|_| String::new(), |(reward, ..)| format!("{:.2}", reward.episode_return())),
            Entry::Player(side) => {
                let rival = visitors.get(front.arena).ok().filter(|visitors| visitors.team == side.name());
                let is_person = of(side).is_ok_and(|(_, is_person, ..)| is_person);
                let rival = rival.filter(|_| !is_person).map(|visitors| format::rival(&visitors.rival));
                let who = rival.unwrap_or_else(|| match of(side) {
                    Ok((_, true, ..)) => "you".into(),
                    Ok((_, _, _, true, Some(PlayedBy(script)))) => script.clone(),
                    Ok((_, _, true, _, _)) => "another policy".into(),
                    Ok((_, _, _, true, None)) => "policy of rally".into(),
                    _ => "agent".into(),
                });
                format!("{}, {who}", side.name())
            }
        };
        style::write(&mut text, words);
    }
}
