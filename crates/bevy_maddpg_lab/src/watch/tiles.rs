use bevy::{ecs::system::SystemParam, prelude::*};

use super::{
    dashboard::DashboardPart,
    style::{self, WatchFont},
};
use crate::{
    format,
    statistics::{LearnerStatus, RunStatistics},
};
use bevy_maddpg::{
    arena::Episode,
    exploration::Noise,
    learner::LearnerRecord,
    rollout::{ActingPolicy, Exploration, RolloutClock},
    training::Training,
};

/// A number on the dashboard.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Tile {
    Speed,
    AgentDecisions,
    Updates,
    Episodes,
    Decisions,
    Version,
    Noise,
    Replay,
    Dropped,
    CriticLoss,
    WithoutNoise,
    Value,
    Saturation,
    Wait,
    AllUpdates,
}

/// The value of a tile.
#[derive(Component, Debug)]
struct TileValue(Tile);

/// Tiles per row.
const COLUMNS: usize = 3;
/// Real seconds between two refreshes.
const PERIOD: f64 = 0.25;

impl Tile {
    const ALL: [(Self, &str); 15] = [
        (Self::Speed, "speed"),
        (Self::AgentDecisions, "agent decisions/s"),
        (Self::Updates, "updates/s"),
        (Self::Episodes, "episodes"),
        (Self::Decisions, "joint decisions"),
        (Self::AllUpdates, "updates"),
        (Self::Version, "policy version"),
        (Self::Noise, "exploration"),
        (Self::Replay, "replay buffer"),
        (Self::CriticLoss, "critic loss"),
        (Self::WithoutNoise, "score without noise"),
        (Self::Value, "Q value"),
        (Self::Saturation, "saturation"),
        (Self::Wait, "game wait (p99)"),
        (Self::Dropped, "dropped transitions"),
    ];

    /// Whether the tile has no meaning without a learner.
    fn is_of_learner(self) -> bool {
        !matches!(
            self,
            Self::Speed
                | Self::AgentDecisions
                | Self::Episodes
                | Self::Decisions
                | Self::Version
                | Self::Noise
        )
    }
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn).add_systems(Update, refresh);
}

fn spawn(mut commands: Commands, font: Res<WatchFont>, parts: Query<(Entity, &DashboardPart)>) {
    let Some((part, _)) = parts.iter().find(|(_, part)| **part == DashboardPart::Tiles) else {
        return;
    };
    let grid = Node {
        display: Display::Grid,
        grid_template_columns: RepeatedGridTrack::flex(COLUMNS as u16, 1.0),
        column_gap: px(8),
        row_gap: px(6),
        width: percent(100),
        ..default()
    };
    let tile = Node { flex_direction: FlexDirection::Column, ..default() };
    commands.entity(part).with_children(|part| {
        part.spawn(grid).with_children(|grid| {
            for (kind, label) in Tile::ALL {
                grid.spawn((kind, tile.clone())).with_children(|tile| {
                    tile.spawn(font.text(label, 11.0, style::MUTED));
                    tile.spawn((TileValue(kind), font.text("", 15.0, style::BRIGHT)));
                });
            }
        });
    });
}

/// Where the numbers come from.
#[derive(SystemParam)]
struct Sources<'w, 's> {
    statistics: Res<'w, RunStatistics>,
    clock: Res<'w, RolloutClock>,
    acting: Res<'w, ActingPolicy>,
    training: Option<Res<'w, Training>>,
    exploration: Res<'w, Exploration>,
    episodes: Query<'w, 's, &'static Episode>,
    time: Res<'w, Time<Virtual>>,
}

impl Sources<'_, '_> {
    /// The text of a tile, and whether it is a warning.
    fn value(&self, tile: Tile) -> (String, bool) {
        let (rates, status, report) =
            (self.statistics.rates(), self.statistics.status(), self.statistics.last_report());
        let reported =
            |value: fn(&LearnerRecord) -> f32| report.map(value).map_or_else(|| "-".into(), format::measure);
        let text = match tile {
            Tile::Speed => return self.speed(),
            Tile::AgentDecisions => format::count(rates.decisions * self.statistics.agents() as f64),
            Tile::Updates => format::count(rates.updates),
            Tile::AllUpdates => format::count(status.updates as f64),
            Tile::Episodes => format::count(status.episodes as f64),
            Tile::Decisions => format::count(self.clock.decisions as f64),
            Tile::Version => {
                self.acting.snapshot().map_or_else(|| "-".into(), |policy| policy.version().to_string())
            }
            Tile::Noise => self.noise(),
            Tile::Replay => report.map_or_else(
                || "-".into(),
                |report| {
                    let share = report.replay_len as f64 / report.replay_capacity.max(1) as f64;
                    format!("{} ({:.0}%)", format::count(report.replay_len as f64), share * 100.0)
                },
            ),
            Tile::Dropped => {
                let dropped = status.dropped_transitions;
                return (format::count(dropped as f64), dropped > 0);
            }
            Tile::CriticLoss => reported(|report| report.critic_loss),
            Tile::WithoutNoise => status.score_without_noise.map_or_else(|| "-".into(), format::measure),
            Tile::Value => reported(|report| report.q_mean),
            Tile::Saturation => {
                let saturation = report.map(|report| report.saturation);
                let words = saturation.map_or_else(|| "-".into(), |share| format!("{:.0}%", share * 100.0));
                return (words, saturation.is_some_and(|share| share > 0.9));
            }
            Tile::Wait => match self.training.as_ref().and_then(|training| training.wait_percentile(0.99)) {
                Some(wait) => format::duration(wait),
                None => "-".into(),
            },
        };
        (text, false)
    }

    /// The requested speed, followed by the measured one if the machine cannot keep up.
    fn speed(&self) -> (String, bool) {
        let asked = if self.time.is_paused() { 0.0 } else { self.time.relative_speed() };
        let measured = self.statistics.rates().game_seconds as f32;
        let is_slow = measured > 0.0 && measured < 0.9 * asked;
        let words = if is_slow { format!("{asked}x ({measured:.1}x)") } else { format!("{asked}x") };
        (words, is_slow)
    }

    /// Mean scale of the exploration noise over the arenas.
    fn noise(&self) -> String {
        let running = self.episodes.iter().count().max(1) as f32;
        match () {
            () if !self.exploration.enabled => "off".into(),
            () if self.exploration.config.noise == Noise::None => "none".into(),
            () if self.clock.decisions < self.exploration.config.random_decisions => "random".into(),
            () => {
                format!("{:.2}", self.episodes.iter().map(Episode::exploration_scale).sum::<f32>() / running)
            }
        }
    }
}

fn refresh(
    time: Res<Time<Real>>,
    sources: Sources,
    mut tiles: Query<(&Tile, &mut Node)>,
    mut values: Query<(&TileValue, &mut Text, &mut TextColor)>,
    mut refreshed_at: Local<f64>,
) {
    if time.elapsed_secs_f64() - *refreshed_at < PERIOD {
        return;
    }
    *refreshed_at = time.elapsed_secs_f64();
    let has_learner = *sources.statistics.learner() != LearnerStatus::Absent;
    for (tile, mut node) in &mut tiles {
        let is_shown = has_learner || !tile.is_of_learner();
        let display = if is_shown { Display::Flex } else { Display::None };
        if node.display != display {
            node.display = display;
        }
    }
    for (TileValue(tile), mut text, mut color) in &mut values {
        let (words, is_warning) = sources.value(*tile);
        style::write(&mut text, words);
        color.set_if_neq(TextColor(if is_warning { style::NOTICE } else { style::BRIGHT }));
    }
}
