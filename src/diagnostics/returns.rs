use std::{collections::BTreeMap, time::Duration};

use bevy::{
    diagnostic::{DiagnosticPath, DiagnosticsStore},
    platform::time::Instant,
    prelude::*,
};

use super::add;
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
    shown: Option<Instant>,
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
            match returns.windows.get_mut(&slot.behavior) {
                Some(window) => _ = window.push(value),
                None => {
                    let mut window = ScoreWindow::new(EPISODES);
                    window.push(value);
                    returns.windows.insert(slot.behavior.clone(), window);
                }
            }
        }
    }
    let now = Instant::now();
    if !returns.is_new || returns.shown.is_some_and(|shown| now - shown < Duration::from_secs(1)) {
        return;
    }
    (returns.is_new, returns.shown) = (false, Some(now));
    for (behavior, window) in &returns.windows {
        if let Some(mean) = window.mean() {
            add(&mut store, now, return_of(behavior), f64::from(mean));
        }
    }
}
