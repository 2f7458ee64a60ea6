//! The choice of a run's result among its best policies, by their play without exploration.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bevy_maddpg::policy::PolicySnapshot;

use super::{BestPolicy, Candidate, EPISODES, SEED, score_of};
use crate::{
    experiment::{
        evaluation::evaluate_with,
        play_off::{MOST_POLICIES, ROUNDS, play_off},
    },
    statistics::PolicyScore,
};

/// Least episodes of a policy in a round of the play-off at the end of the run. Where episodes take long, fewer policies play on.
const LEAST_EPISODES: u32 = 64;
/// The share of the time of the training that the play-off may take, and the least such time. In lockstep it takes the time that its
/// episodes need.
const FINAL_SHARE: f64 = 0.1;
const LEAST_FINAL: Duration = Duration::from_secs(30);
/// An evaluation takes about this many times as long while the training keeps all cores busy.
const BUSY: f64 = 3.0;
/// The episodes of the finals start differently from those of the evaluations during training.
const FINAL_SEED: u64 = 0xf1a1_701c;

impl BestPolicy {
    /// Chooses the result of a run whose last policy is `last`, after `decisions` joint decisions and `seconds` of training. If the run
    /// `is_complete`, the last policy is evaluated too, and the best ones play further episodes, which alone decide, unless episodes
    /// take so long that there is no time for them. `None` if no policy was evaluated. Also returns the scores that are new, the result's
    /// last.
    pub(in crate::experiment) fn choose(
        &mut self,
        last: &Arc<PolicySnapshot>,
        decisions: u64,
        seconds: f64,
        is_complete: bool,
    ) -> (Option<Candidate>, Vec<PolicyScore>) {
        if !is_complete {
            self.stop.store(true, Ordering::Relaxed);
        }
        let mut scores = Vec::from_iter(self.join());
        if is_complete && !self.best.is_empty() {
            scores.extend(self.evaluate_last(last, decisions));
            scores.extend(self.play_on(seconds));
        }
        (self.best.first().cloned(), scores)
    }

    /// Evaluates the last policy of the run, unless it is one of the best already.
    fn evaluate_last(&mut self, last: &Arc<PolicySnapshot>, decisions: u64) -> Option<PolicyScore> {
        if self.best.iter().any(|best| best.score.policy_version == last.version()) {
            return None;
        }
        let (interrupt, seed) = (self.interrupt, self.seed ^ SEED);
        let stop = || interrupt.signal().is_some();
        let evaluation = evaluate_with(&*self.game, last, &self.parameters, EPISODES, seed, stop)?;
        let score = score_of(decisions, last, &evaluation);
        self.best.insert(0, Candidate { policy: last.clone(), score: score.clone() });
        self.best.sort_by(|a, b| b.score.mean.total_cmp(&a.score.mean));
        Some(score)
    }

    /// Lets the best policies play on. Returns the winner's score, or `None` if there was no play-off or a signal stopped it.
    fn play_on(&mut self, seconds: f64) -> Option<PolicyScore> {
        let time = LEAST_FINAL.max(Duration::from_secs_f64(FINAL_SHARE * seconds));
        let episodes = self.episodes_of_round(time);
        self.best.truncate(((episodes / LEAST_EPISODES) as usize).clamp(1, MOST_POLICIES));
        if self.best.len() < 2 {
            return None;
        }
        let (game, parameters, seed) = (&*self.game, &self.parameters, self.seed);
        let play = |policy: &PolicySnapshot, episodes: u32, round: u64, is_stopped: &AtomicBool| {
            let seed = (seed ^ FINAL_SEED).wrapping_add(round);
            evaluate_with(game, policy, parameters, episodes, seed, || is_stopped.load(Ordering::Relaxed))
        };
        let start = Instant::now();
        let may_go_on = || self.in_lockstep || start.elapsed() < time;
        let interrupt = self.interrupt;
        let stop = || interrupt.signal().is_some();
        self.best = play_off(self.best.clone(), episodes, play, may_go_on, stop)?;
        self.best.first().map(|winner| winner.score.clone())
    }

    /// Episodes of each round of a play-off that may take this long.
    fn episodes_of_round(&self, time: Duration) -> u32 {
        let most = self.game.play_off_episodes();
        if self.in_lockstep {
            return most;
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let of_one = self.took.as_secs_f64() / BUSY / f64::from(EPISODES);
        // A number that is too large becomes the largest one.
        let episodes = (time.as_secs_f64() / f64::from(ROUNDS) * cores as f64 / of_one) as u32;
        episodes.min(most)
    }
}

#[cfg(test)]
mod tests {
    use bevy::app::App;
    use bevy_maddpg::{parameters::ParametersConfig, policy::ArenaSpec};

    use super::*;
    use crate::{
        catalog::Pendulum,
        experiment::{RunFolder, interrupt::Interrupt},
        game::{Game, Setup},
    };

    /// The pendulum with a play-off of two policies.
    struct Short;

    impl Game for Short {
        fn name(&self) -> &str {
            "short"
        }

        fn spec(&self) -> ArenaSpec {
            Pendulum.spec()
        }

        fn add(&self, app: &mut App, setup: &Setup) {
            Pendulum.add(app, setup);
        }

        fn decision_period(&self) -> u32 {
            Pendulum.decision_period()
        }

        fn play_off_episodes(&self) -> u32 {
            2 * LEAST_EPISODES
        }
    }

    #[test]
    fn only_scores_that_are_new_are_returned() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "short").unwrap();
        let groups = Short.spec().groups(true).unwrap();
        let policies = PolicySnapshot::zeros(&groups).unwrap().policies().to_vec();
        let policy = |version| Arc::new(PolicySnapshot::new(version, 1, 0, policies.clone()).unwrap());
        let game: Arc<dyn Game> = Arc::new(Short);
        let mut best =
            BestPolicy::new(&game, &ParametersConfig::default(), 1, &folder, true, Interrupt::unheard());
        let mut score = PolicyScore::default();
        (score.policy_version, score.episodes, score.mean) = (3, 32, -1_200.0);
        best.add(Candidate { policy: policy(3), score });

        let (chosen, scores) = best.choose(&policy(5), 70, 9.0, false);
        assert_eq!(chosen.unwrap().score.policy_version, 3);
        assert!(scores.is_empty(), "a run that was stopped evaluates nothing: {scores:?}");

        let (chosen, scores) = best.choose(&policy(5), 70, 9.0, true);
        let chosen = chosen.unwrap().score;
        assert_eq!(scores.len(), 2, "{scores:?}");
        assert_eq!([scores[0].policy_version, scores[0].decisions, scores[0].episodes], [5, 70, 32]);
        assert_eq!((&scores[1], scores[1].episodes), (&chosen, u64::from(LEAST_EPISODES)));
    }
}
