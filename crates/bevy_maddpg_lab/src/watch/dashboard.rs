use bevy::prelude::*;
use bevy_maddpg::{
    self_play::{Pool, SelfPlay},
    training::Training,
};

use super::{
    Settings,
    layout::SideColumn,
    style::{self, WatchFont},
};
use crate::{
    format,
    statistics::{LearnerStatus, RunStatistics, SCORE_WINDOW, Solved},
};

/// Whether the dashboard is visible.
#[derive(Resource, Debug)]
pub(super) struct DashboardShown(pub bool);

/// The dashboard's panel.
#[derive(Component, Debug)]
struct Dashboard;

/// A part of the panel that its own module fills, from top to bottom.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DashboardPart {
    Curve,
    Tiles,
}

/// A text in the panel's header.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Status,
    Failure,
    Score,
    Mean,
    Best,
}

/// Width of the panel's content.
const WIDTH: f32 = 344.0;

pub(super) fn plugin(app: &mut App) {
    let shown = app.world().resource::<Settings>().dashboard;
    app.insert_resource(DashboardShown(shown))
        .add_systems(PreStartup, spawn.after(super::layout::spawn))
        .add_systems(Update, (toggle, refresh));
}

fn spawn(
    mut commands: Commands,
    font: Res<WatchFont>,
    settings: Res<Settings>,
    side: Single<Entity, With<SideColumn>>,
) {
    let node = Node {
        flex_direction: FlexDirection::Column,
        row_gap: px(12),
        padding: UiRect::axes(px(16), px(14)),
        width: px(WIDTH + 34.0),
        ..default()
    };
    let part =
        Node { flex_direction: FlexDirection::Column, row_gap: px(6), width: percent(100), ..default() };
    let panel = commands
        .spawn((Dashboard, style::panel(node)))
        .with_children(|panel| {
            panel.spawn(Node { row_gap: px(4), ..part.clone() }).with_children(|head| {
                head.spawn(font.text(&settings.title, 20.0, style::BRIGHT));
                head.spawn((Head::Status, font.text("", 13.0, style::GOOD)));
                head.spawn((Head::Failure, font.text("", 12.0, style::BAD)));
            });
            panel
                .spawn(Node { align_items: AlignItems::Center, column_gap: px(14), ..default() })
                .with_children(|score| {
                    score.spawn((Head::Score, font.text("", 38.0, style::BRIGHT), TextLayout::no_wrap()));
                    score.spawn(Node { row_gap: px(0), ..part.clone() }).with_children(|lines| {
                        lines.spawn((Head::Mean, font.text("", 13.0, style::MUTED)));
                        lines.spawn((Head::Best, font.text("", 13.0, style::MUTED)));
                    });
                });
            panel.spawn((DashboardPart::Curve, part.clone()));
            panel.spawn((DashboardPart::Tiles, part));
        })
        .id();
    commands.entity(*side).add_child(panel);
}

fn toggle(shown: Res<DashboardShown>, mut panel: Single<&mut Node, With<Dashboard>>) {
    let display = if shown.0 { Display::Flex } else { Display::None };
    if panel.display != display {
        panel.display = display;
    }
}

fn refresh(
    time: Res<Time<Virtual>>,
    statistics: Res<RunStatistics>,
    self_play: Option<Res<SelfPlay>>,
    training: Option<Res<Training>>,
    mut texts: Query<(&Head, &mut Text, &mut TextColor, &mut Node)>,
) {
    let board = statistics.board();
    let score = |score: Option<f32>| score.map_or_else(|| "-".into(), format::score);
    let (state, state_color) = status(statistics.learner(), time.is_paused());
    for (head, mut text, mut color, mut node) in &mut texts {
        let (words, wanted) = match (&self_play, head) {
            (_, Head::Status) => (state.into(), state_color),
            (_, Head::Failure) => {
                let not_saved = || training.as_ref()?.checkpoint_failure();
                let words = match statistics.learner() {
                    LearnerStatus::Failed(reason) => reason.clone(),
                    _ => not_saved().map_or_else(String::new, |reason| format!("Not saved: {reason}")),
                };
                (words, style::BAD)
            }
            (Some(play), Head::Score | Head::Mean | Head::Best) => {
                let color = if *head == Head::Score { style::BRIGHT } else { style::MUTED };
                (rating_words(*head, play.pool()), color)
            }
            (_, Head::Score) => {
                let is_solved = board.bar().zip(board.recent_score()).is_some_and(|(bar, mean)| mean >= bar);
                (score(board.recent_score()), if is_solved { style::GOOD } else { style::BRIGHT })
            }
            (_, Head::Mean) => {
                let episodes = board.episodes().min(SCORE_WINDOW as u64);
                let words = match board.best_score_100() {
                    Some(best) => format!("mean of the last {episodes}, best {}", format::score(best)),
                    None if episodes > 0 => format!("mean of the last {episodes}"),
                    None => "no episode has ended yet".into(),
                };
                (words, style::MUTED)
            }
            (_, Head::Best) => solved_words(board.solved(), board.last().map(|point| point.score)),
        };
        let display = if *head == Head::Failure && words.is_empty() { Display::None } else { Display::Flex };
        if node.display != display {
            node.display = display;
        }
        style::write(&mut text, words);
        color.set_if_neq(TextColor(wanted));
    }
}

/// What the header says about the newest policy of self-play.
fn rating_words(head: Head, pool: &Pool) -> String {
    let percent = |share: f32| format!("{:.0}%", 100.0 * share);
    match (head, pool.rating(), pool.past_score(), pool.worst_score()) {
        (Head::Score, rating, ..) => rating.map_or_else(|| "-".into(), |rating| format!("{rating:.0}")),
        (Head::Mean, None, ..) => "no rating yet: no games against past policies".into(),
        (Head::Mean, ..) => "rating; the first past policy has 1000".into(),
        (_, _, Some(mean), Some(worst)) => {
            format!("scores {} against past policies, {} against the hardest", percent(mean), percent(worst))
        }
        _ => String::new(),
    }
}

fn status(status: &LearnerStatus, is_paused: bool) -> (&'static str, Color) {
    match status {
        LearnerStatus::Failed(_) => ("Learner failed; playing its last policy", style::BAD),
        LearnerStatus::Learning if is_paused => ("Paused; still learning", style::NOTICE),
        _ if is_paused => ("Paused", style::NOTICE),
        LearnerStatus::Absent => ("Playing a fixed policy", style::CURVE),
        LearnerStatus::Gathering => ("Gathering experience", style::NOTICE),
        LearnerStatus::Learning => ("Learning", style::GOOD),
    }
}

fn solved_words(solved: Option<Solved>, last: Option<f32>) -> (String, Color) {
    match solved {
        Some(Solved { episodes, .. }) => {
            (format!("solved after {} episodes", format::count(episodes as f64)), style::GOOD)
        }
        None => (
            last.map_or_else(String::new, |last| format!("last episode {}", format::score(last))),
            style::MUTED,
        ),
    }
}
