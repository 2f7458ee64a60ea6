use bevy::{ecs::message::MessageCursor, prelude::*};

use super::{Evaluation, Experiment, Setup};
use crate::{arena::EpisodeEnded, headless, plugin::MaddpgPlugins, policy::PolicySnapshot};

/// Most arenas that an evaluation plays at once.
const ARENAS: usize = 128;

/// Plays `episodes` episodes without noise, in arenas of their own, and scores them. Each arena plays equally many, so
/// that short episodes do not count more; `None` if `stop` said so before the end.
pub fn evaluate(
    experiment: &Experiment,
    policy: &PolicySnapshot,
    episodes: u32,
    seed: u64,
    mut stop: impl FnMut() -> bool,
) -> Option<Evaluation> {
    let arenas = ARENAS.min(episodes as usize);
    let mut app = headless::app(experiment.decision_period);
    app.add_plugins(MaddpgPlugins::play(policy.clone()).with_decision_period(experiment.decision_period));
    let setup = Setup {
        arenas,
        // Not the positions that were trained on.
        seed: seed ^ 0x5eed_e7a1,
        human: None,
    };
    (experiment.add_game)(&mut app, &setup);
    headless::start(&mut app);
    let mut scores = EpisodeScores::new(arenas, episodes as usize);
    let mut cursor = MessageCursor::<EpisodeEnded>::default();
    while !scores.is_complete() {
        if stop() {
            return None;
        }
        app.update();
        let ended = app.world().resource::<Messages<EpisodeEnded>>();
        for episode in cursor.read(ended) {
            scores.push(episode.index, (experiment.score)(&episode.returns));
        }
    }
    Evaluation::of(&scores.scores)
}

/// The first scores of each arena, an equal share of all.
pub(super) struct EpisodeScores {
    left: Vec<usize>,
    scores: Vec<f32>,
    wanted: usize,
}

impl EpisodeScores {
    pub(super) fn new(arenas: usize, episodes: usize) -> Self {
        let share = |arena: usize| episodes / arenas + usize::from(arena < episodes % arenas);
        Self {
            left: (0..arenas).map(share).collect(),
            scores: Vec::with_capacity(episodes),
            wanted: episodes,
        }
    }

    pub(super) fn push(&mut self, arena: usize, score: f32) {
        if let Some(left) = self.left.get_mut(arena).filter(|left| **left > 0) {
            *left -= 1;
            self.scores.push(score);
        }
    }

    #[cfg(feature = "watch")]
    pub(super) fn scores(&self) -> &[f32] {
        &self.scores
    }

    pub(super) fn is_complete(&self) -> bool {
        self.scores.len() >= self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arena_counts_equally() {
        let mut scores = EpisodeScores::new(2, 3);
        for (arena, score) in [(0, 1.0), (0, 2.0), (0, 9.0), (0, 9.0)] {
            scores.push(arena, score);
        }
        assert!(!scores.is_complete(), "the second arena's episode is missing");
        scores.push(1, 3.0);
        assert!(scores.is_complete());
        assert_eq!(scores.scores, [1.0, 2.0, 3.0]);
    }
}
