//! The choice among the best policies of a run: they play on until one of them is ahead.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use bevy_maddpg::policy::PolicySnapshot;

use super::{Evaluation, best_policy::Candidate};

/// Episodes that each policy plays in a round.
const EPISODES: u32 = 128;
/// Rounds. The first one of those that are then still level wins. A policy that plays one episode in 200 badly has none of these in 128 episodes
/// with a probability of 0.53, and none in 512 with 0.08.
const ROUNDS: u64 = 4;
/// How often a play-off looks whether it should stop.
const LOOK: Duration = Duration::from_millis(20);

/// Lets policies play until one of them has the highest mean score, and returns them with the scores of these games, the best one
/// first. Those that are not level with the best one are out after each round. `play` plays a number of episodes with a seed,
/// until its flag is set. `None` if `stop` returned true before the end.
pub(super) fn play_off(
    mut policies: Vec<Candidate>,
    play: impl Fn(&PolicySnapshot, u32, u64, &AtomicBool) -> Option<Evaluation> + Sync,
    mut stop: impl FnMut() -> bool,
) -> Option<Vec<Candidate>> {
    for round in 0..ROUNDS {
        let is_stopped = AtomicBool::new(false);
        let evaluations: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = policies
                .iter()
                .map(|Candidate { policy, .. }| scope.spawn(|| play(policy, EPISODES, round, &is_stopped)))
                .collect();
            while !threads.iter().all(ScopedJoinHandle::is_finished) {
                if stop() {
                    is_stopped.store(true, Ordering::Relaxed);
                }
                thread::sleep(LOOK);
            }
            threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
        });
        for (Candidate { score, .. }, evaluation) in policies.iter_mut().zip(evaluations) {
            let Evaluation { episodes, mean, min, .. } = evaluation?;
            let earlier = if round == 0 { 0 } else { score.episodes };
            if earlier == 0 {
                (score.mean, score.min) = (mean, min);
            } else {
                let all = (earlier + episodes) as f32;
                score.mean = (score.mean * earlier as f32 + mean * episodes as f32) / all;
                score.min = score.min.min(min);
            }
            score.episodes = earlier + episodes;
        }
        policies.sort_by(|a, b| b.score.mean.total_cmp(&a.score.mean));
        let best = policies.first()?.score.mean;
        if policies.iter().filter(|policy| policy.score.mean >= best).count() < 2 {
            break;
        }
        if round + 1 < ROUNDS {
            policies.retain(|policy| policy.score.mean >= best);
        }
    }
    Some(policies)
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
        let ranked = play_off(candidates(&[3, 2]), play, || false).unwrap();
        let results: Vec<_> = ranked
            .iter()
            .map(|Candidate { score, .. }| (score.decisions, score.episodes, score.mean, score.min))
            .collect();
        assert_eq!(results, [(3, 8, 1.75, 1.0), (2, 8, 1.75, 1.0)]);
    }

    #[test]
    fn one_round_decides_where_one_policy_is_ahead() {
        use std::sync::atomic::AtomicU32;
        let games = AtomicU32::new(0);
        let play = |_: &PolicySnapshot, episodes: u32, _: u64, _: &AtomicBool| {
            assert_eq!(episodes, EPISODES);
            Evaluation::of(&[games.fetch_add(1, Ordering::Relaxed) as f32])
        };
        let ranked = play_off(candidates(&[3, 2, 1]), play, || false).unwrap();
        assert_eq!(games.load(Ordering::Relaxed), 3);
        assert_eq!(ranked.iter().map(|ranked| ranked.score.mean).collect::<Vec<_>>(), [2.0, 1.0, 0.0]);
    }

    #[test]
    fn a_play_off_that_is_stopped_has_no_result() {
        let play = |_: &PolicySnapshot, _: u32, _: u64, stop: &AtomicBool| {
            while !stop.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            None
        };
        assert!(play_off(candidates(&[2, 1]), play, || true).is_none());
    }
}
