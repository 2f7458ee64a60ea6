use std::collections::BTreeMap;

use bevy::{ecs::message::MessageCursor, prelude::*};

use super::{Evaluation, GameResults, parameters};
use bevy_maddpg::{
    arena::EpisodeEnded, exploration::ExplorationConfig, headless, parameters::ParametersConfig,
    plugin::MaddpgPlugins, policy::PolicySnapshot,
};

use crate::game::{Game, Setup, headless_app};

/// Maximum number of arenas in an evaluation.
const ARENAS: usize = 128;

/// Plays `episodes` episodes without exploration in separate arenas and scores them. Each arena contributes an equal share, so
/// that short episodes are not overrepresented. `None` if `stop` returns true before the end.
pub fn evaluate(
    game: &dyn Game,
    policy: &PolicySnapshot,
    episodes: u32,
    seed: u64,
    stop: impl FnMut() -> bool,
) -> Option<Evaluation> {
    evaluate_with(game, policy, &ParametersConfig::default(), episodes, seed, stop)
}

/// Like [`evaluate`], in episodes whose parameters are drawn as in the last lesson of `parameters`.
///
/// # Panics
/// If the game does not have these parameters. [`ParametersConfig::check`] tells.
pub fn evaluate_with(
    game: &dyn Game,
    policy: &PolicySnapshot,
    parameters: &ParametersConfig,
    episodes: u32,
    seed: u64,
    stop: impl FnMut() -> bool,
) -> Option<Evaluation> {
    score(game, MaddpgPlugins::play(policy.clone()), parameters, episodes, seed, stop)
}

/// Like [`evaluate`], but draws actions uniformly from -1 to 1 at each decision: the baseline that every policy should
/// beat.
pub fn evaluate_random(
    game: &dyn Game,
    episodes: u32,
    seed: u64,
    stop: impl FnMut() -> bool,
) -> Option<Evaluation> {
    let groups = game.spec().groups(true).ok()?;
    let mut plugins = MaddpgPlugins::play(PolicySnapshot::zeros(&groups).ok()?);
    plugins.rollout.exploration =
        ExplorationConfig { random_decisions: u64::MAX, random_hold: 1, ..ExplorationConfig::default() };
    score(game, plugins.with_seed(seed), &ParametersConfig::default(), episodes, seed, stop)
}

/// How a game is set up to score a policy: with other start positions than in a training with this seed.
pub(super) fn setup(episodes: u32, seed: u64) -> Setup {
    Setup { arenas: ARENAS.min(episodes as usize), seed: seed ^ 0x5eed_e7a1, human: None }
}

fn score(
    game: &dyn Game,
    plugins: MaddpgPlugins,
    parameters: &ParametersConfig,
    episodes: u32,
    seed: u64,
    mut stop: impl FnMut() -> bool,
) -> Option<Evaluation> {
    let setup = setup(episodes, seed);
    let arenas = setup.arenas;
    let yardstick = game.yardstick();
    let mut app = headless_app(game, plugins, &setup);
    parameters::play(&mut app, game, parameters, setup.seed);
    headless::start(&mut app);
    let mut scores = EpisodeScores::new(arenas, episodes as usize, game.warm_up_episodes());
    let mut cursor = MessageCursor::<EpisodeEnded>::default();
    while !scores.is_complete() {
        if stop() {
            return None;
        }
        app.update();
        let ended = app.world().resource::<Messages<EpisodeEnded>>();
        for episode in cursor.read(ended) {
            scores.push(episode, game.score(episode));
        }
    }
    scores.evaluation(yardstick)
}

/// Collects the scores of each arena's first episodes, an equal share from each.
pub(super) struct EpisodeScores {
    /// Episodes of each arena that are left out, and that count after them.
    warm_up: Vec<usize>,
    left: Vec<usize>,
    scores: Vec<f32>,
    /// Sums of the game's measures, by name.
    measures: BTreeMap<String, f32>,
    wanted: usize,
}

impl EpisodeScores {
    /// Leaves out the first `warm_up` episodes of each arena.
    pub(super) fn new(arenas: usize, episodes: usize, warm_up: usize) -> Self {
        let share = |arena: usize| episodes / arenas + usize::from(arena < episodes % arenas);
        Self {
            warm_up: vec![warm_up; arenas],
            left: (0..arenas).map(share).collect(),
            scores: Vec::with_capacity(episodes),
            measures: BTreeMap::new(),
            wanted: episodes,
        }
    }

    pub(super) fn push(&mut self, episode: &EpisodeEnded, score: f32) {
        if let Some(warm_up) = self.warm_up.get_mut(episode.index).filter(|warm_up| **warm_up > 0) {
            *warm_up -= 1;
            return;
        }
        let Some(left) = self.left.get_mut(episode.index).filter(|left| **left > 0) else {
            return;
        };
        *left -= 1;
        self.scores.push(score);
        for (name, value) in episode.measures.iter() {
            *self.measures.entry(name.into()).or_default() += value;
        }
    }

    /// How many episodes have counted so far.
    pub(super) fn count(&self) -> usize {
        self.scores.len()
    }

    /// The evaluation of the episodes so far, normalized by the game's yardstick; `None` before the first.
    pub(super) fn evaluation(&self, yardstick: Option<[f32; 2]>) -> Option<Evaluation> {
        let mean = |(name, sum): (&String, &f32)| (name.clone(), sum / self.scores.len() as f32);
        let measures = self.measures.iter().map(mean).collect();
        let results = GameResults::of(self.scores.len() as u64, &self.measures);
        Evaluation::of(&self.scores).map(|evaluation| {
            let normalized = yardstick.map(|[random, good]| (evaluation.mean - random) / (good - random));
            Evaluation { measures, results, normalized, ..evaluation }
        })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.scores.len() >= self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_maddpg::arena::Measures;

    fn episode(index: usize, touches: f32) -> EpisodeEnded {
        let mut measures = Measures::new(["touches"]);
        measures.values_mut().for_each(|value| *value = touches);
        let mut episode = EpisodeEnded::new(Entity::PLACEHOLDER, Vec::new());
        (episode.index, episode.measures) = (index, measures);
        episode
    }

    #[test]
    fn every_arena_counts_equally() {
        let mut scores = EpisodeScores::new(2, 3, 1);
        // The first episodes are left out.
        scores.push(&episode(0, 50.0), 50.0);
        scores.push(&episode(1, 50.0), 50.0);
        for (arena, score) in [(0, 1.0), (0, 2.0), (0, 9.0), (0, 9.0)] {
            scores.push(&episode(arena, score), score);
        }
        assert!(!scores.is_complete(), "the second arena's episode is missing");
        scores.push(&episode(1, 6.0), 3.0);
        assert!(scores.is_complete());
        assert_eq!(scores.scores, [1.0, 2.0, 3.0]);
        let evaluation = scores.evaluation(Some([1.0, 5.0])).unwrap();
        assert_eq!((evaluation.mean, &evaluation.measures), (2.0, &[("touches".into(), 3.0)].into()));
        assert_eq!(evaluation.normalized, Some(0.25));
    }
}
