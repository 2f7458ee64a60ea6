use std::sync::Arc;

use bevy::math::ops;
use rand::{
    Rng,
    distr::{Distribution, weighted::WeightedIndex},
};

use super::PastPolicy;
use crate::policy::PolicySnapshot;

/// The rivals of self-play: the anchors, which always stay, and the past policies.
#[derive(Debug, Clone)]
pub struct Pool {
    rivals: Vec<Rival>,
    snapshots: usize,
    priority: f32,
}

/// An opponent of the newest policy in self-play. It does not learn.
#[derive(Debug, Clone)]
pub struct Rival {
    /// The name of the anchor, or the number of joint decisions after which the snapshot was taken.
    pub name: String,
    /// What plays: a policy or a script.
    pub kind: RivalKind,
    /// The newest policy's score in the last rated games against it, from 0 (all lost) to 1 (all won); 0.5 before the first game.
    pub score: f32,
    /// Number of rated games against it.
    pub games: u64,
    /// The [rating](Pool::rating) of the policy when the snapshot was taken; `None` for anchors.
    pub rating: Option<f32>,
    /// Joint decisions after which a snapshot was taken; `None` for anchors.
    pub decisions: Option<u64>,
}

/// What plays a rival's team.
#[derive(Debug, Clone, PartialEq)]
pub enum RivalKind {
    /// A policy that does not learn.
    Policy(Arc<PolicySnapshot>),
    /// A script of the game, for agents with [`PlayedBy`](super::PlayedBy).
    Script,
}

/// The smallest weight of a rival in a draw, so that every rival is drawn from time to time.
const LEAST_WEIGHT: f32 = 0.02;

/// How much the result of one game changes a score, after the first games.
const MEMORY: f32 = 0.04;

impl Pool {
    pub(super) fn new(snapshots: usize, priority: f32, anchors: &[(String, RivalKind)]) -> Self {
        let rivals = anchors.iter().map(|(name, kind)| Rival {
            name: name.clone(),
            kind: kind.clone(),
            score: 0.5,
            games: 0,
            rating: None,
            decisions: None,
        });
        Self { rivals: rivals.collect(), snapshots: snapshots.max(1), priority }
    }

    /// The rivals: the anchors, then the snapshots, oldest first.
    pub fn rivals(&self) -> &[Rival] {
        &self.rivals
    }

    /// The past policies, oldest first.
    pub fn past(&self) -> Vec<PastPolicy> {
        let past = self.rivals.iter().filter_map(|rival| Some((rival.decisions?, rival.rating)));
        past.map(|(decisions, rating)| PastPolicy { decisions, rating }).collect()
    }

    /// The newest policy's mean score against past policies, from 0 to 1; `None` before the first rated game against one.
    pub fn past_score(&self) -> Option<f32> {
        let (sum, count) = self.past_scores().fold((0.0, 0), |(sum, count), score| (sum + score, count + 1));
        (count > 0).then(|| sum / count as f32)
    }

    /// The newest policy's lowest score against a past policy, from 0 to 1; `None` before the first rated game against one.
    pub fn worst_score(&self) -> Option<f32> {
        self.past_scores().min_by(f32::total_cmp)
    }

    /// The scores against the past policies with at least one rated game.
    fn past_scores(&self) -> impl Iterator<Item = f32> {
        let met = self.rivals.iter().filter(|rival| rival.decisions.is_some() && rival.games > 0);
        met.map(|rival| rival.score)
    }

    /// Number of games against past policies that count for the [rating](Self::rating).
    pub fn rated_games(&self) -> u64 {
        self.rivals.iter().filter(|rival| rival.rating.is_some()).map(|rival| rival.games).sum()
    }

    /// The rating of the newest policy: how much it has improved since the first snapshot, which has a rating of 1,000. It is estimated
    /// from the scores against past policies. If a policy has 400 points more than another, it wins against that one 10 times as often as
    /// it loses (the Bradley-Terry model, on the scale of chess). Errors add up from snapshot to snapshot, so the rating does not tell how
    /// strong the policy is against other opponents. `None` before the first rated game against a snapshot.
    pub fn rating(&self) -> Option<f32> {
        let met = || self.rivals.iter().filter(|rival| rival.games > 0);
        // A drawn game is added to each rival's games, so that a policy that wins all games also gets a finite rating. The score contains
        // this game until the running mean forgets it.
        let games: Vec<[f32; 3]> = met()
            .filter_map(|rival| {
                let games = (rival.games + 1) as f32;
                let (points, games) = if games <= 1.0 / MEMORY {
                    (rival.score * games, games)
                } else {
                    (rival.score / MEMORY + 0.5, 1.0 / MEMORY + 1.0)
                };
                Some([rival.rating?, points, games])
            })
            .collect();
        if games.is_empty() {
            return None;
        }
        // Finds the rating at which the expected number of points equals the number of points won.
        let surplus = |own: f32| -> f32 {
            let expected = |rating: f32| 1.0 / (1.0 + ops::powf(10.0, (rating - own) / 400.0));
            games.iter().map(|[rating, points, games]| points - games * expected(*rating)).sum()
        };
        let [mut low, mut high] =
            games.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], [rating, ..]| {
                [low.min(*rating), high.max(*rating)]
            });
        (low, high) = (low - 2_000.0, high + 2_000.0);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if surplus(middle) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(0.5 * (low + high))
    }

    /// Adds a snapshot. If there are too many, drops the one whose removal leaves the smallest gap, relative to its age.
    pub(super) fn push(&mut self, policy: Arc<PolicySnapshot>, decisions: u64, rating: Option<f32>) {
        let name = decisions.to_string();
        let kind = RivalKind::Policy(policy);
        let last = self.rivals.iter().rev().find_map(|rival| rival.rating);
        let rating = rating.or_else(|| self.rating()).or(last).or(Some(1_000.0));
        let later = |rival: &Rival| rival.decisions.is_some_and(|later| later > decisions);
        let place = self.rivals.iter().position(later).unwrap_or(self.rivals.len());
        let decisions = Some(decisions);
        self.rivals.insert(place, Rival { name, kind, score: 0.5, games: 0, rating, decisions });
        let taken: Vec<(usize, u64)> = self
            .rivals
            .iter()
            .enumerate()
            .filter_map(|(index, rival)| Some((index, rival.decisions?)))
            .collect();
        if taken.len() > self.snapshots {
            let newest = taken[taken.len() - 1].1;
            let gap = |window: &&[(usize, u64)]| {
                let [(_, before), (_, own), (_, after)] = **window else { return f64::INFINITY };
                (after - before) as f64 / (newest - own) as f64
            };
            let dropped = taken
                .windows(3)
                .min_by(|a, b| gap(a).total_cmp(&gap(b)))
                .map_or(taken[0].0, |window| window[1].0);
            self.rivals.remove(dropped);
        }
    }

    /// Draws one of the rivals that fit. Rivals that are hard to beat are drawn more often (prioritized fictitious self-play; AlphaStar,
    /// Vinyals et al. 2019).
    pub(super) fn draw(&self, random: &mut impl Rng, mut fits: impl FnMut(&Rival) -> bool) -> Option<&Rival> {
        let weight = |rival: &Rival| ops::powf((1.0 - rival.score).max(0.0), self.priority).max(LEAST_WEIGHT);
        let weights = self.rivals.iter().map(|rival| if fits(rival) { weight(rival) } else { 0.0 });
        let index = WeightedIndex::new(weights).ok()?.sample(random);
        Some(&self.rivals[index])
    }

    /// Records the newest policy's score in a game.
    pub(super) fn record(&mut self, name: &str, score: f32) {
        if let Some(rival) = self.rivals.iter_mut().find(|rival| rival.name == name) {
            rival.games += 1;
            // At first the mean over one drawn game and the games so far, later a running mean.
            let share = MEMORY.max(1.0 / (rival.games + 1) as f32);
            rival.score += share * (score - rival.score);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    fn policy() -> Arc<PolicySnapshot> {
        let groups = crate::policy::ArenaSpec::new(vec![crate::policy::AgentSpec::new("a", 1, 1)]);
        Arc::new(PolicySnapshot::zeros(&groups.groups(true).unwrap()).unwrap())
    }

    #[test]
    fn snapshots_reach_back_to_the_beginning_and_are_denser_toward_the_present() {
        let mut pool = Pool::new(6, 1.0, &[("script".into(), RivalKind::Script)]);
        (1..=64).for_each(|number| pool.push(policy(), 10 * number, None));
        let taken: Vec<u64> = pool.rivals().iter().filter_map(|rival| rival.decisions).collect();
        assert_eq!(taken.len(), 6);
        assert_eq!((taken[0], taken[5]), (10, 640));
        let gaps: Vec<u64> = taken.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[4] < gaps[1], "{taken:?}");
        assert_eq!(pool.rivals()[0].name, "script", "anchors stay");
    }

    #[test]
    fn a_policy_that_beats_its_past_is_rated_higher() {
        let mut pool = Pool::new(9, 1.0, &[("script".into(), RivalKind::Script)]);
        pool.record("script", 1.0);
        assert_eq!(pool.rating(), None, "the script has no rating");
        pool.push(policy(), 10, None);
        assert_eq!(pool.rating(), None, "no game");
        let mut after_a_win = pool.clone();
        after_a_win.record("10", 1.0);
        let rating = after_a_win.rating().unwrap();
        assert!((1_190.0..1_192.0).contains(&rating), "one win and one draw are 1.5 of 2 points: {rating}");
        // It wins three of four games, which is 191 points.
        let mut play = |name: &str| (0..400).for_each(|game| pool.record(name, f32::from(game % 4 > 0)));
        play("10");
        let rating = pool.rating().unwrap();
        assert!((1_150.0..1_230.0).contains(&rating), "{rating}");
        pool.push(policy(), 20, None);
        assert_eq!(pool.rivals()[2].rating, Some(rating));
        for _ in 0..200 {
            pool.record("10", 1.0);
            pool.record("20", 1.0);
        }
        assert!(
            (rating + 300.0..3_000.0).contains(&pool.rating().unwrap()),
            "it wins all games: {:?}",
            pool.rating()
        );
    }

    #[test]
    fn rivals_that_are_hard_to_beat_are_drawn_more_often() {
        let mut pool =
            Pool::new(9, 1.0, &[("easy".into(), RivalKind::Script), ("hard".into(), RivalKind::Script)]);
        for _ in 0..200 {
            pool.record("easy", 1.0);
            pool.record("hard", 0.0);
        }
        assert!(pool.rivals()[0].score > 0.95 && pool.rivals()[1].score < 0.05);
        let mut random = stream(1, "draw", 0);
        let hard = (0..1_000)
            .filter(|_| pool.draw(&mut random, |_| true).is_some_and(|rival| rival.name == "hard"))
            .count();
        assert!((900..1_000).contains(&hard), "{hard}");
    }
}
