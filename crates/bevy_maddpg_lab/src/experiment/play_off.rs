//! The choice among the best policies of a run: they play on until one of them is ahead.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use bevy_maddpg::policy::PolicySnapshot;

use super::{Evaluation, best_policy::Candidate};

/// Episodes that each policy plays in a round.
pub(super) const EPISODES: u32 = 128;
/// Rounds. A policy that plays one episode in 200 badly has none of these in 128 episodes with a probability of 0.53, and none in 1,024
/// with 0.006.
const ROUNDS: u64 = 8;
/// A policy is out once it is behind the best one by this many standard errors of the difference.
const CLEARLY: f64 = 2.0;
/// How often a play-off looks whether it should stop.
const LOOK: Duration = Duration::from_millis(20);

/// The scores of one policy so far.
struct Standing {
    candidate: Candidate,
    episodes: f64,
    mean: f64,
    /// Sum of the squared differences from the mean.
    squares: f64,
    min: f32,
    is_out: bool,
}

impl Standing {
    fn new(candidate: Candidate) -> Self {
        Self { candidate, episodes: 0.0, mean: 0.0, squares: 0.0, min: f32::INFINITY, is_out: false }
    }

    /// Adds a round (Chan et al. 1983).
    fn add(&mut self, round: &Evaluation) {
        let (episodes, mean) = (round.episodes as f64, f64::from(round.mean));
        let (all, ahead) = (self.episodes + episodes, mean - self.mean);
        self.squares +=
            episodes * f64::from(round.deviation).powi(2) + ahead * ahead * self.episodes * episodes / all;
        self.mean += ahead * episodes / all;
        self.episodes = all;
        self.min = self.min.min(round.min);
    }

    /// The square of the standard error of the mean.
    fn uncertainty(&self) -> f64 {
        self.squares / (self.episodes * self.episodes)
    }

    /// The policy, with these scores.
    fn into_candidate(self) -> Candidate {
        let Self { mut candidate, episodes, mean, min, .. } = self;
        let score = &mut candidate.score;
        (score.episodes, score.mean, score.min) = (episodes as u64, mean as f32, min);
        candidate
    }
}

/// Lets policies play in rounds, and returns them with the scores of these games, the best one first; of those that are level, the one that
/// was first before. Whoever is clearly behind is out. It ends when only one policy is left, or after a round if it may not go on.
/// `play` plays a number of episodes with a seed, until its flag is set. `None` if `stop` returned true before the end.
pub(super) fn play_off(
    policies: Vec<Candidate>,
    play: impl Fn(&PolicySnapshot, u32, u64, &AtomicBool) -> Option<Evaluation> + Sync,
    may_go_on: impl Fn() -> bool,
    mut stop: impl FnMut() -> bool,
) -> Option<Vec<Candidate>> {
    let mut standings: Vec<_> = policies.into_iter().map(Standing::new).collect();
    for round in 0..ROUNDS {
        let is_stopped = AtomicBool::new(false);
        let evaluations: Vec<_> = thread::scope(|scope| {
            let playing = standings.iter().filter(|standing| !standing.is_out);
            let threads: Vec<_> = playing
                .map(|standing| {
                    let (play, is_stopped) = (&play, &is_stopped);
                    scope.spawn(move || play(&standing.candidate.policy, EPISODES, round, is_stopped))
                })
                .collect();
            while !threads.iter().all(ScopedJoinHandle::is_finished) {
                if stop() {
                    is_stopped.store(true, Ordering::Relaxed);
                }
                thread::sleep(LOOK);
            }
            threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
        });
        let playing = standings.iter_mut().filter(|standing| !standing.is_out);
        for (standing, evaluation) in playing.zip(evaluations) {
            standing.add(&evaluation?);
        }
        standings.sort_by(|a, b| a.is_out.cmp(&b.is_out).then(b.mean.total_cmp(&a.mean)));
        let Some(best) = standings.first() else { break };
        let (mean, uncertainty) = (best.mean, best.uncertainty());
        for standing in &mut standings[1..] {
            let error = (uncertainty + standing.uncertainty()).sqrt();
            standing.is_out |= mean - standing.mean > CLEARLY * error;
        }
        if standings.iter().filter(|standing| !standing.is_out).count() < 2 || !may_go_on() {
            break;
        }
    }
    Some(standings.into_iter().map(Standing::into_candidate).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{catalog::Pendulum, game::Game, statistics::PolicyScore};

    fn candidates(decisions: &[u64]) -> Vec<Candidate> {
        let groups = Pendulum.spec().groups(true).unwrap();
        let policy = Arc::new(PolicySnapshot::zeros(&groups).unwrap());
        let candidate = |&decisions: &u64| Candidate {
            policy: policy.clone(),
            score: PolicyScore { decisions, episodes: 32, mean: 9.0, ..PolicyScore::default() },
        };
        decisions.iter().map(candidate).collect()
    }

    #[test]
    fn level_policies_play_on_and_the_first_one_wins_if_they_stay_level() {
        let play = |_: &PolicySnapshot, _: u32, round: u64, _: &AtomicBool| {
            Evaluation::of(&[2.0, if round < 2 { 2.0 } else { 1.0 }])
        };
        let ranked = play_off(candidates(&[3, 2]), play, || true, || false).unwrap();
        let results: Vec<_> = ranked
            .iter()
            .map(|Candidate { score, .. }| (score.decisions, score.episodes, score.mean, score.min))
            .collect();
        assert_eq!(results, [(3, 16, 1.625, 1.0), (2, 16, 1.625, 1.0)]);
    }

    #[test]
    fn one_round_decides_where_one_policy_is_ahead() {
        use std::sync::atomic::AtomicU32;
        let games = AtomicU32::new(0);
        let play = |_: &PolicySnapshot, episodes: u32, _: u64, _: &AtomicBool| {
            assert_eq!(episodes, EPISODES);
            Evaluation::of(&[games.fetch_add(1, Ordering::Relaxed) as f32])
        };
        let ranked = play_off(candidates(&[3, 2, 1]), play, || true, || false).unwrap();
        assert_eq!(games.load(Ordering::Relaxed), 3);
        assert_eq!(ranked.iter().map(|ranked| ranked.score.mean).collect::<Vec<_>>(), [2.0, 1.0, 0.0]);
    }

    #[test]
    fn it_ends_after_a_round_if_it_may_not_go_on() {
        let play = |_: &PolicySnapshot, _: u32, _: u64, _: &AtomicBool| Evaluation::of(&[2.0, 1.0]);
        let ranked = play_off(candidates(&[3, 2]), play, || false, || false).unwrap();
        assert!(ranked.iter().all(|ranked| ranked.score.episodes == 2));
    }

    #[test]
    fn a_policy_that_is_ahead_by_chance_has_to_play_on() {
        // The first policy has all its bad episodes after the first round.
        let play = |policy: &PolicySnapshot, _: u32, round: u64, _: &AtomicBool| {
            let is_lucky = policy.version() == 1;
            let bad = if !is_lucky {
                2
            } else if round == 0 {
                0
            } else {
                4
            };
            let scores: Vec<f32> = (0..128).map(|episode| if episode < bad { 0.0 } else { 2.0 }).collect();
            Evaluation::of(&scores)
        };
        let versions = [1, 2].map(|version| {
            let groups = Pendulum.spec().groups(true).unwrap();
            let policies = PolicySnapshot::zeros(&groups).unwrap().policies().to_vec();
            let policy = Arc::new(PolicySnapshot::new(version, 0, 0, policies).unwrap());
            Candidate { policy, score: PolicyScore { policy_version: version, ..PolicyScore::default() } }
        });
        let ranked = play_off(versions.to_vec(), play, || true, || false).unwrap();
        let results: Vec<_> =
            ranked.iter().map(|ranked| (ranked.score.policy_version, ranked.score.episodes)).collect();
        assert_eq!(results, [(2, 1024), (1, 1024)]);
        assert!((ranked[0].score.mean - 2.0 * (1.0 - 2.0 / 128.0)).abs() < 1e-4);
    }

    #[test]
    fn a_play_off_that_is_stopped_has_no_result() {
        let play = |_: &PolicySnapshot, _: u32, _: u64, stop: &AtomicBool| {
            while !stop.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            None
        };
        assert!(play_off(candidates(&[2, 1]), play, || true, || true).is_none());
    }
}
