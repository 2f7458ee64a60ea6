use bevy::prelude::*;

use super::color;
use crate::{
    format,
    game::{PlayedByPerson, Scripted},
    games::{
        results::{GOALS_AGAINST, GOALS_FOR},
        soccer::{Field, STEP_SECONDS, Script, Team},
    },
    watch::{SceneHud, WatchFont, stage::FrontArena, style},
};
use bevy_maddpg::{
    agent::PolicyOverride,
    arena::{EpisodeEnded, Measures},
    self_play::Visitors,
};

/// A text on the board.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Goals(Team),
    Player(Team),
    Clock,
}

/// The goals on the first field since the start.
#[derive(Resource, Debug, Default)]
struct Goals([u32; 2]);

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Goals>().add_systems(
        Update,
        (
            spawn.run_if(resource_added::<FrontArena>),
            (count, refresh).chain().run_if(resource_exists::<FrontArena>),
        ),
    );
}

fn spawn(mut commands: Commands, font: Res<WatchFont>, hud: Single<Entity, With<SceneHud>>) {
    let board =
        Node { align_items: AlignItems::Stretch, column_gap: px(4), padding: px(5).all(), ..default() };
    let cell = |width: f32| Node {
        flex_direction: FlexDirection::Column,
        align_items: AlignItems::Center,
        width: px(width),
        padding: UiRect::axes(px(8), px(3)),
        ..default()
    };
    let board = commands
        .spawn(style::panel(board))
        .with_children(|board| {
            for column in [Some(Team::Blue), None, Some(Team::Purple)] {
                let Some(team) = column else {
                    board.spawn(cell(96.0)).with_children(|clock| {
                        clock.spawn((Entry::Clock, font.text("0:00", 24.0, style::BRIGHT)));
                        clock.spawn(font.text("since kick-off", 11.0, style::MUTED));
                    });
                    continue;
                };
                board.spawn(cell(150.0)).with_children(|half| {
                    let bright = color(team).mix(&Color::WHITE, 0.3);
                    half.spawn((Entry::Goals(team), font.text("0", 24.0, bright)));
                    half.spawn((Entry::Player(team), font.text("", 11.0, style::MUTED)));
                });
            }
        })
        .id();
    commands.entity(*hud).add_child(board);
}

/// Counts the goals on the first field.
fn count(
    front: Res<FrontArena>,
    fields: Query<&Field>,
    mut ended: MessageReader<EpisodeEnded>,
    mut goals: ResMut<Goals>,
) {
    for episode in ended.read().filter(|episode| episode.arena == front.0) {
        let home = fields.get(front.0).map_or(Team::Blue, |field| field.home);
        let scored = |measures: &Measures, wanted: &str| {
            measures.iter().find(|(name, _)| *name == wanted).map_or(0, |(_, goals)| goals as u32)
        };
        for (team, name) in [(home, GOALS_FOR), (home.other(), GOALS_AGAINST)] {
            goals.0[usize::from(team == Team::Purple)] += scored(&episode.measures, name);
        }
    }
}

/// Who decides for a player.
type Player<'a> = (Option<&'a Script>, Has<Scripted>, Has<PolicyOverride>, Has<PlayedByPerson>);

fn refresh(
    front: Res<FrontArena>,
    fields: Query<&Field>,
    goals: Res<Goals>,
    visitors: Query<&Visitors>,
    players: Query<Player>,
    mut entries: Query<(&Entry, &mut Text)>,
) {
    let Ok(field) = fields.get(front.0) else { return };
    for (entry, mut text) in &mut entries {
        let words = match *entry {
            Entry::Goals(team) => goals.0[usize::from(team == Team::Purple)].to_string(),
            Entry::Clock => {
                let seconds = field.steps as f64 * STEP_SECONDS;
                format!("{}:{:02}", (seconds / 60.0) as u32, seconds as u32 % 60)
            }
            Entry::Player(team) => {
                let [first, _] = team.slots().map(|slot| players.get(field.players[slot]).ok());
                let is_person = first.is_some_and(|(.., is_person)| is_person);
                let rival = visitors.get(front.0).ok().filter(|visitors| visitors.team == team.name());
                let who = match (rival, first) {
                    (Some(Visitors { rival, .. }), _) => format::rival(rival),
                    (_, Some((Some(script), true, ..))) => script.name().into(),
                    (_, Some((_, _, true, _))) => "another policy".into(),
                    _ => "newest policy".into(),
                };
                let you = if is_person { "you and " } else { "" };
                format!("{}: {you}{who}", team.name())
            }
        };
        style::write(&mut text, words);
    }
}
