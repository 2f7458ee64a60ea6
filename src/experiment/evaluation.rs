use std::collections::BTreeMap;

use bevy::{ecs::message::MessageCursor, prelude::*};

use super::{Evaluation, Experiment, Setup};
use crate::{
    arena::EpisodeEnded, exploration::ExplorationConfig, headless, plugin::MaddpgPlugins,
    policy::PolicySnapshot,
};

/// Most arenas that an evaluation plays at once.
const ARENAS: usize = 128;

/// Plays `episodes` episodes without noise, in arenas of their own, and scores them. Each arena plays equally many, so
/// that short episodes do not count more; `None` if `stop` said so before the end.
pub fn evaluate(
    experiment: &Experiment,
    policy: &PolicySnapshot,
    episodes: u32,
    seed: u64,
    stop: impl FnMut() -> bool,
) -> Option<Evaluation> {
    score(experiment, MaddpgPlugins::play(policy.clone()), episodes, seed, stop)
}

/// As [`evaluate`], with actions drawn uniformly from -1 to 1 at each decision: what every policy is to beat.
pub fn evaluate_random(
    experiment: &Experiment,
    episodes: u32,
    seed: u64,
    stop: impl FnMut() -> bool,
) -> Option<Evaluation> {
    let groups = experiment.spec.groups(true).ok()?;
    let mut plugins = MaddpgPlugins::play(PolicySnapshot::zeros(&groups));
    plugins.rollout.exploration =
        ExplorationConfig { random_decisions: u64::MAX, random_hold: 1, ..ExplorationConfig::default() };
    score(experiment, plugins.with_seed(seed), episodes, seed, stop)
}

fn score(
    experiment: &Experiment,
    plugins: MaddpgPlugins,
    episodes: u32,
    seed: u64,
    mut stop: impl FnMut() -> bool,
) -> Option<Evaluation> {
    let arenas = ARENAS.min(episodes as usize);
    let mut app = headless::app(experiment.decision_period);
    app.add_plugins(plugins.with_decision_period(experiment.decision_period));
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
            scores.push(episode, (experiment.score)(&episode.returns));
        }
    }
    scores.evaluation()
}

/// The first scores of each arena, an equal share of all.
pub(super) struct EpisodeScores {
    left: Vec<usize>,
    scores: Vec<f32>,
    /// Sums of what the game measures.
    measures: BTreeMap<String, f32>,
    wanted: usize,
}

impl EpisodeScores {
    pub(super) fn new(arenas: usize, episodes: usize) -> Self {
        let share = |arena: usize| episodes / arenas + usize::from(arena < episodes % arenas);
        Self {
            left: (0..arenas).map(share).collect(),
            scores: Vec::with_capacity(episodes),
            measures: BTreeMap::new(),
            wanted: episodes,
        }
    }

    pub(super) fn push(&mut self, episode: &EpisodeEnded, score: f32) {
        let Some(left) = self.left.get_mut(episode.index).filter(|left| **left > 0) else {
            return;
        };
        *left -= 1;
        self.scores.push(score);
        for (name, value) in episode.measures.iter() {
            *self.measures.entry(name.into()).or_default() += value;
        }
    }

    /// What the episodes so far come to; `None` before the first.
    pub(super) fn evaluation(&self) -> Option<Evaluation> {
        let mean = |(name, sum): (&String, &f32)| (name.clone(), sum / self.scores.len() as f32);
        let measures = self.measures.iter().map(mean).collect();
        Evaluation::of(&self.scores).map(|evaluation| Evaluation { measures, ..evaluation })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.scores.len() >= self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Measures;

    fn episode(index: usize, touches: f32) -> EpisodeEnded {
        let mut measures = Measures::new(["touches"]);
        measures.values_mut().for_each(|value| *value = touches);
        EpisodeEnded {
            arena: Entity::PLACEHOLDER,
            index,
            returns: Vec::new(),
            decisions: 1,
            truncated: false,
            exploration_scale: 0.0,
            measures,
        }
    }

    #[test]
    fn every_arena_counts_equally() {
        let mut scores = EpisodeScores::new(2, 3);
        for (arena, score) in [(0, 1.0), (0, 2.0), (0, 9.0), (0, 9.0)] {
            scores.push(&episode(arena, score), score);
        }
        assert!(!scores.is_complete(), "the second arena's episode is missing");
        scores.push(&episode(1, 6.0), 3.0);
        assert!(scores.is_complete());
        assert_eq!(scores.scores, [1.0, 2.0, 3.0]);
        let evaluation = scores.evaluation().unwrap();
        assert_eq!((evaluation.mean, &evaluation.measures), (2.0, &[("touches".into(), 3.0)].into()));
    }
}
