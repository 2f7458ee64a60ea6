//! The choice among the best policies of a run: they play on until one of them is ahead.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use bevy_maddpg::policy::PolicySnapshot;

use super::{Evaluation, best_policy::Candidate};

/// Rounds that it takes until one of [`MOST_POLICIES`] is left.
pub(super) const ROUNDS: u32 = 3;
/// Policies at most.
pub(super) const MOST_POLICIES: usize = 6;
/// The time from one look whether the run is interrupted to the next, while others play.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// The scores of one policy so far.
struct Standing {
    candidate: Candidate,
    episodes: u64,
    mean: f64,
    min: f32,
}

impl Standing {
    fn new(candidate: Candidate) -> Self {
        Self { candidate, episodes: 0, mean: 0.0, min: f32::INFINITY }
    }

    fn add(&mut self, round: &Evaluation) {
        self.episodes += round.episodes;
        self.mean += (f64::from(round.mean) - self.mean) * round.episodes as f64 / self.episodes as f64;
        self.min = self.min.min(round.min);
    }

    /// The policy, with these scores.
    fn into_candidate(self) -> Candidate {
        let Self { mut candidate, episodes, mean, min } = self;
        let score = &mut candidate.score;
        (score.episodes, score.mean, score.min) = (episodes, mean as f32, min);
        candidate
    }
}

/// Lets policies play in rounds of `episodes` each, and returns them with the scores of these games, the best one first; of those that are
/// level, the one that was first before. After each round, the worse half is out, so that most episodes are played by the best ones
/// (sequential halving; Karnin, Koren and Somekh 2013). It ends when only one policy is left, or after a round if it may not go on. `play`
/// plays a number of episodes with a seed, until its flag is set. `None` if `stop` returned true before the end.
pub(super) fn play_off(
    policies: Vec<Candidate>,
    episodes: u32,
    play: impl Fn(&PolicySnapshot, u32, u64, &AtomicBool) -> Option<Evaluation> + Sync,
    may_go_on: impl Fn() -> bool,
    mut stop: impl FnMut() -> bool,
) -> Option<Vec<Candidate>> {
    let mut standings: Vec<_> = policies.into_iter().map(Standing::new).collect();
    let mut left = standings.len();
    let mut round = 0;
    while left > 1 && (round == 0 || may_go_on()) {
        let playing = &mut standings[..left];
        let of_each = episodes / left as u32;
        let is_stopped = AtomicBool::new(false);
        let evaluations: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = playing
                .iter()
                .map(|standing| {
                    let (play, is_stopped) = (&play, &is_stopped);
                    scope.spawn(move || play(&standing.candidate.policy, of_each, round, is_stopped))
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
        for (standing, evaluation) in playing.iter_mut().zip(evaluations) {
            standing.add(&evaluation?);
        }
        playing.sort_by(|a, b| b.mean.total_cmp(&a.mean));
        left = left.div_ceil(2);
        round += 1;
    }
    Some(standings.into_iter().map(Standing::into_candidate).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{catalog::Pendulum, game::Game, statistics::PolicyScore};

    fn candidates(versions: &[u64]) -> Vec<Candidate> {
        let groups = Pendulum.spec().groups(true).unwrap();
        let policies = PolicySnapshot::zeros(&groups).unwrap().policies().to_vec();
        let candidate = |&version: &u64| Candidate {
            policy: Arc::new(PolicySnapshot::new(version, 0, 0, policies.clone()).unwrap()),
            score: PolicyScore { decisions: version, episodes: 32, mean: 9.0, ..PolicyScore::default() },
        };
        versions.iter().map(candidate).collect()
    }

    fn results(ranked: &[Candidate]) -> Vec<(u64, u64, f32, f32)> {
        let of =
            |Candidate { score, .. }: &Candidate| (score.decisions, score.episodes, score.mean, score.min);
        ranked.iter().map(of).collect()
    }

    #[test]
    fn the_worse_half_is_out_after_each_round_and_the_others_play_more() {
        let play = |policy: &PolicySnapshot, episodes: u32, _: u64, _: &AtomicBool| {
            Evaluation::of(&vec![policy.version() as f32; episodes as usize])
        };
        let ranked = play_off(candidates(&[1, 2, 3, 4, 5, 6]), 60, play, || true, || false).unwrap();
        let expected = [(6, 60), (5, 60), (4, 30), (3, 10), (2, 10), (1, 10)];
        let expected =
            expected.map(|(version, episodes)| (version, episodes, version as f32, version as f32));
        assert_eq!(results(&ranked), expected);
    }

    #[test]
    fn of_policies_that_stay_level_the_first_one_wins() {
        let play = |_: &PolicySnapshot, _: u32, round: u64, _: &AtomicBool| {
            Evaluation::of(&[2.0, if round == 0 { 2.0 } else { 1.0 }])
        };
        let ranked = play_off(candidates(&[3, 2, 1]), 60, play, || true, || false).unwrap();
        assert_eq!(results(&ranked), [(3, 4, 1.75, 1.0), (2, 4, 1.75, 1.0), (1, 2, 2.0, 2.0)]);
    }

    #[test]
    fn it_ends_after_a_round_if_it_may_not_go_on() {
        let play = |_: &PolicySnapshot, _: u32, _: u64, _: &AtomicBool| Evaluation::of(&[2.0, 1.0]);
        let ranked = play_off(candidates(&[4, 3, 2]), 60, play, || false, || false).unwrap();
        assert!(ranked.iter().all(|ranked| ranked.score.episodes == 2));
    }

    #[test]
    fn a_policy_that_is_ahead_by_chance_has_to_play_on() {
        // The first policy has all its bad episodes after the first round.
        let play = |policy: &PolicySnapshot, episodes: u32, round: u64, _: &AtomicBool| {
            let is_lucky = policy.version() == 4;
            let bad = if !is_lucky {
                2
            } else if round == 0 {
                0
            } else {
                8
            };
            let scores: Vec<f32> =
                (0..episodes).map(|episode| if episode < bad { 0.0 } else { 2.0 }).collect();
            Evaluation::of(&scores)
        };
        let ranked = play_off(candidates(&[4, 3, 2, 1]), 512, play, || true, || false).unwrap();
        assert_eq!([ranked[0].score.decisions, ranked[0].score.episodes], [3, 384]);
    }

    #[test]
    fn a_play_off_that_is_stopped_has_no_result() {
        let play = |_: &PolicySnapshot, _: u32, _: u64, stop: &AtomicBool| {
            while !stop.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            None
        };
        assert!(play_off(candidates(&[2, 1]), 64, play, || true, || true).is_none());
    }
}
