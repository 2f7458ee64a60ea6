use std::collections::BTreeMap;

use bevy::{
    diagnostic::{DiagnosticPath, DiagnosticsStore},
    prelude::*,
};

use super::{EverySecond, add};
use crate::{arena::EpisodeEnded, rollout::Arenas, score::ScoreWindow};

/// Episodes over which returns are averaged.
const EPISODES: usize = 100;

/// The diagnostic with the mean return of the agents of this behavior in their last 100 episodes.
pub fn return_of(behavior: &str) -> DiagnosticPath {
    DiagnosticPath::new(format!("maddpg/return/{behavior}"))
}

/// The returns of each behavior, and when they were last shown.
#[derive(Debug, Default)]
pub(super) struct Returns {
    windows: BTreeMap<String, ScoreWindow>,
    timer: EverySecond,
    is_new: bool,
}

pub(super) fn measure(
    mut episodes: MessageReader<EpisodeEnded>,
    arenas: Res<Arenas>,
    mut store: ResMut<DiagnosticsStore>,
    mut returns: Local<Returns>,
) {
    for episode in episodes.read() {
        let Some(kind) = arenas.kinds().iter().find(|kind| kind.name() == episode.kind) else { continue };
        returns.is_new = true;
        let played =
            episode.returns.iter().zip(&episode.played).map(|(value, played)| played.then_some(*value));
        for (slot, value) in kind.spec().slots.iter().zip(played) {
            let Some(value) = value else { continue };
            let window = returns.windows.entry(slot.behavior.clone());
            window.or_insert_with(|| ScoreWindow::new(EPISODES)).push(value);
        }
    }
    if !returns.is_new || returns.timer.passed().is_none() {
        return;
    }
    returns.is_new = false;
    for (behavior, window) in &returns.windows {
        if let Some(mean) = window.mean() {
            add(&mut store, return_of(behavior), f64::from(mean));
        }
    }
}
