//! Evaluations during training: policies play without exploration on a thread of their own, and the best of them becomes the result
//! of the run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bevy::prelude::*;
use bevy_maddpg::{
    parameters::ParametersConfig,
    policy::PolicySnapshot,
    rollout::{ActingPolicy, RolloutClock},
};

use super::{
    Evaluation, ExperimentError, RunFolder, eprintln_line,
    evaluation::evaluate_with,
    play_off::{MOST_POLICIES, ROUNDS, play_off},
    policy_scores,
};
use crate::{
    game::Game,
    statistics::{PolicyScore, RunStatistics, StatisticsSystems},
};

/// Episodes of an evaluation.
const EPISODES: u32 = 32;
/// Least episodes of a policy in a round of the play-off at the end of the run. Where episodes take long, fewer policies play on.
const LEAST_EPISODES: u32 = 64;
/// The share of the time of the training that the play-off may take, and the least such time. In lockstep it takes the time that its
/// episodes need.
const FINAL_SHARE: f64 = 0.1;
const LEAST_FINAL: Duration = Duration::from_secs(30);
/// An evaluation takes about this many times as long while the training keeps all cores busy.
const BUSY: f64 = 3.0;
/// The time from the end of an evaluation to the start of the next one, in units of the time that the evaluation took, most of which
/// it waits for a core while the training keeps all of them busy. Policies come and go, so that many have to be seen: half of those of
/// a tennis run play well, and of three there may be none.
const PAUSE: u32 = 2;
/// The least such time, which is also the time from the start of a run that cannot be solved to its first evaluation.
const LEAST_PAUSE: Duration = Duration::from_secs(2);
/// In lockstep: joint decisions from the start of one evaluation to the next.
const DECISIONS: u64 = 50_000;
/// Decisions per arena after which an evaluation ends without a result, since some games have episodes that never end.
const MOST_DECISIONS: u32 = 20_000;
/// The episodes start differently from those of other evaluations, and those of the finals differently from both.
const SEED: u64 = 0x0be5_701c;
const FINAL_SEED: u64 = 0xf1a1_701c;

fn score_of(decisions: u64, policy: &PolicySnapshot, evaluation: &Evaluation) -> PolicyScore {
    let mut score = PolicyScore::default();
    (score.decisions, score.policy_version) = (decisions, policy.version());
    (score.episodes, score.mean, score.min) = (evaluation.episodes, evaluation.mean, evaluation.min);
    score
}

/// The system in [`Last`] that evaluates policies, before the recorder writes the results.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EvaluationSystems;

/// A policy that may become the result.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) policy: Arc<PolicySnapshot>,
    pub(super) score: PolicyScore,
}

/// An evaluation that is running.
struct Running {
    policy: Arc<PolicySnapshot>,
    decisions: u64,
    start: Instant,
    thread: JoinHandle<Option<Evaluation>>,
}

/// Evaluates policies during training, and keeps the best.
#[derive(Resource)]
pub(super) struct BestPolicy {
    game: Arc<dyn Game>,
    parameters: ParametersConfig,
    seed: u64,
    folder: RunFolder,
    /// Whether evaluations start and end at fixed joint decisions, so that the same seed gives the same result.
    in_lockstep: bool,
    /// At most [`MOST_POLICIES`], the one with the highest mean score first.
    best: Vec<Candidate>,
    running: Option<Running>,
    /// Ends the running evaluation without a result.
    stop: Arc<AtomicBool>,
    /// How long the last evaluation took.
    took: Duration,
    due: Instant,
    due_decisions: u64,
    /// Whether an evaluation had no result.
    has_failed: bool,
}

impl BestPolicy {
    pub(super) fn new(
        game: &Arc<dyn Game>,
        parameters: &ParametersConfig,
        seed: u64,
        folder: &RunFolder,
        in_lockstep: bool,
    ) -> Self {
        Self {
            game: game.in_evaluation().map_or_else(|| game.clone(), Arc::from),
            parameters: parameters.clone(),
            seed,
            folder: folder.clone(),
            in_lockstep,
            best: Vec::new(),
            running: None,
            stop: Arc::default(),
            took: Duration::ZERO,
            due: Instant::now() + LEAST_PAUSE,
            due_decisions: if game.solved().is_some() { 0 } else { DECISIONS },
            has_failed: false,
        }
    }

    /// Goes on after an earlier part of the run, which made `decisions` joint decisions, with its best policy. A run that `repeats` what
    /// came after this part will find later policies again.
    pub(super) fn resume(&mut self, decisions: u64, repeats: bool) -> Result<(), ExperimentError> {
        self.due_decisions = if decisions == 0 { self.due_decisions } else { decisions + DECISIONS };
        let mut best = self.saved()?;
        if repeats {
            if best.as_ref().is_some_and(|best| best.score.decisions > decisions) {
                self.folder.restore_policy_of_part()?;
                best = self.saved()?;
            } else {
                self.folder.keep_policy_of_part()?;
            }
        }
        self.best.extend(best);
        let best = self.score().map(|score| score.policy_version);
        Ok(policy_scores::cut(&self.folder.evaluations(), decisions, best)?)
    }

    /// The best policy in the folder of the run.
    fn saved(&self) -> Result<Option<Candidate>, ExperimentError> {
        if !self.folder.policy().exists() {
            return Ok(None);
        }
        let policy = PolicySnapshot::load(self.folder.policy())?;
        let score = policy_scores::of(&self.folder.evaluations(), policy.version());
        Ok(score.map(|score| Candidate { policy: Arc::new(policy), score }))
    }

    /// Adds the evaluations to an app that trains.
    pub(super) fn add_to(self, app: &mut App) {
        app.insert_resource(self)
            .add_systems(Last, evaluate_now.in_set(EvaluationSystems).after(StatisticsSystems));
    }

    /// The score of the best policy so far.
    pub(super) fn score(&self) -> Option<&PolicyScore> {
        self.best.first().map(|best| &best.score)
    }

    fn is_due(&self, decisions: u64) -> bool {
        if self.in_lockstep { decisions >= self.due_decisions } else { Instant::now() >= self.due }
    }

    /// Starts to evaluate a policy.
    fn start(&mut self, policy: &Arc<PolicySnapshot>, decisions: u64) {
        self.due_decisions = decisions + DECISIONS;
        let (game, parameters, plays) = (self.game.clone(), self.parameters.clone(), policy.clone());
        let (seed, stop) = (self.seed ^ SEED, self.stop.clone());
        let mut updates = 0;
        let stop = move || {
            updates += 1;
            updates > MOST_DECISIONS || stop.load(Ordering::Relaxed)
        };
        let thread = thread::Builder::new()
            .name("evaluation".into())
            .spawn(move || evaluate_with(&*game, &plays, &parameters, EPISODES, seed, stop));
        match thread {
            Ok(thread) => {
                let (policy, start) = (policy.clone(), Instant::now());
                self.running = Some(Running { policy, decisions, start, thread });
            }
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Without evaluations, the result of the run is its last policy.
    fn fail(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.has_failed, true) {
            eprintln_line(&format!("policies cannot be evaluated during training: {reason}"));
        }
    }

    /// Takes the result of the running evaluation; waits for it if it is still running.
    pub(super) fn join(&mut self) -> Option<PolicyScore> {
        let Running { policy, decisions, start, thread } = self.running.take()?;
        let evaluation = thread.join();
        self.took = start.elapsed();
        self.due = Instant::now() + (PAUSE * self.took).max(LEAST_PAUSE);
        match evaluation {
            Ok(Some(evaluation)) => {
                let score = score_of(decisions, &policy, &evaluation);
                self.add(Candidate { policy, score: score.clone() });
                Some(score)
            }
            Ok(None) if self.stop.load(Ordering::Relaxed) => None,
            Ok(None) => {
                self.fail(&format!("{EPISODES} episodes did not end within {MOST_DECISIONS} decisions"));
                None
            }
            Err(_) => {
                self.fail("the evaluation panicked");
                None
            }
        }
    }

    /// Ranks a candidate. Of two with the same mean score, the later one comes first.
    fn add(&mut self, candidate: Candidate) {
        // A resumed run may reach its best policy again.
        self.best.retain(|other| other.score.policy_version != candidate.score.policy_version);
        let rank = self.best.partition_point(|other| other.score.mean > candidate.score.mean);
        if rank == 0
            && let Err(error) = candidate.policy.save(self.folder.policy())
        {
            eprintln_line(&error.to_string());
        }
        self.best.insert(rank, candidate);
        self.best.truncate(MOST_POLICIES);
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

    /// Chooses the result of a run whose last policy is `last`, after `decisions` joint decisions and `seconds` of training. If the run
    /// `is_complete`, the last policy is evaluated too, and the best ones play further episodes, which alone decide, unless episodes
    /// take so long that there is no time for them. `None` if no policy was evaluated.
    pub(super) fn choose(
        &mut self,
        last: &Arc<PolicySnapshot>,
        decisions: u64,
        seconds: f64,
        is_complete: bool,
        mut stop: impl FnMut() -> bool,
    ) -> Option<Candidate> {
        if !is_complete {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.join();
        let is_new = self.best.iter().all(|best| best.score.policy_version != last.version());
        if is_complete && !self.best.is_empty() {
            let (game, parameters, seed) = (&*self.game, &self.parameters, self.seed);
            let evaluation = if is_new {
                evaluate_with(game, last, parameters, EPISODES, seed ^ SEED, &mut stop)
            } else {
                None
            };
            let mut finalists = self.best.clone();
            if let Some(evaluation) = evaluation {
                let score = score_of(decisions, last, &evaluation);
                finalists.insert(0, Candidate { policy: last.clone(), score });
                finalists.sort_by(|a, b| b.score.mean.total_cmp(&a.score.mean));
            }
            let time = LEAST_FINAL.max(Duration::from_secs_f64(FINAL_SHARE * seconds));
            let episodes = self.episodes_of_round(time);
            finalists.truncate(((episodes / LEAST_EPISODES) as usize).clamp(1, MOST_POLICIES));
            self.best.clone_from(&finalists);
            let play = |policy: &PolicySnapshot, episodes: u32, round: u64, is_stopped: &AtomicBool| {
                let seed = (seed ^ FINAL_SEED).wrapping_add(round);
                evaluate_with(game, policy, parameters, episodes, seed, || is_stopped.load(Ordering::Relaxed))
            };
            let start = Instant::now();
            let may_go_on = || self.in_lockstep || start.elapsed() < time;
            if finalists.len() > 1
                && let Some(ranked) = play_off(finalists, episodes, play, may_go_on, stop)
            {
                self.best = ranked;
            }
        }
        self.best.first().cloned()
    }
}

impl Drop for BestPolicy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(running) = self.running.take() {
            // A panic of the evaluation was only of its own.
            let _ = running.thread.join();
        }
    }
}

/// Evaluates the acting policy whenever it is time. A game with a score that counts as solved is not evaluated before it is solved,
/// so that it is solved as soon as possible.
fn evaluate_now(
    mut best: ResMut<BestPolicy>,
    mut scores: MessageWriter<PolicyScore>,
    statistics: Res<RunStatistics>,
    clock: Res<RolloutClock>,
    acting: Res<ActingPolicy>,
) {
    let is_due = best.is_due(clock.decisions);
    let is_over = best.running.as_ref().is_some_and(|running| running.thread.is_finished());
    if best.running.is_some() && (if best.in_lockstep { is_due } else { is_over }) {
        scores.write_batch(best.join());
        return;
    }
    let board = statistics.board();
    let may_start = board.bar().is_none() || board.solved().is_some() || best.score().is_some();
    let policy = acting.snapshot().filter(|policy| policy.updates() > 0);
    if let Some(policy) = policy
        && is_due
        && may_start
        && best.running.is_none()
        && !best.has_failed
    {
        best.start(policy, clock.decisions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Pendulum;

    #[test]
    fn the_best_policies_are_kept_and_the_best_is_saved() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "pendulum").unwrap();
        let game: Arc<dyn Game> = Arc::new(Pendulum);
        let mut best = BestPolicy::new(&game, &ParametersConfig::default(), 1, &folder, true);
        let groups = game.spec().groups(true).unwrap();
        for (decisions, mean) in [(1, -3.0), (2, -1.0), (3, -2.0), (4, -1.0), (5, -9.0), (6, -8.0), (7, -7.0)]
        {
            let policy = Arc::new(PolicySnapshot::zeros(&groups).unwrap());
            best.add(Candidate {
                policy,
                score: PolicyScore { decisions, policy_version: decisions, mean, ..PolicyScore::default() },
            });
        }
        let order: Vec<u64> = best.best.iter().map(|candidate| candidate.score.decisions).collect();
        assert_eq!(order, [4, 2, 3, 1, 7, 6]);
        assert!(folder.policy().exists());
    }

    #[test]
    fn a_run_that_repeats_a_part_begins_it_with_the_best_policy_before_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "pendulum").unwrap();
        let game: Arc<dyn Game> = Arc::new(Pendulum);
        let groups = game.spec().groups(true).unwrap();
        let new = || BestPolicy::new(&game, &ParametersConfig::default(), 1, &folder, true);
        let find = |best: &mut BestPolicy, decisions, mean| {
            let policies = PolicySnapshot::zeros(&groups).unwrap().policies().to_vec();
            let policy = Arc::new(PolicySnapshot::new(decisions, decisions, 0, policies).unwrap());
            let score = PolicyScore { decisions, policy_version: decisions, mean, ..PolicyScore::default() };
            policy_scores::append(&folder.evaluations(), &score).unwrap();
            best.add(Candidate { policy, score });
        };
        let resumed = |repeats| {
            let mut best = new();
            best.resume(200, repeats).unwrap();
            best.score().map(|score| score.decisions)
        };
        let mut best = new();
        find(&mut best, 100, -2.0);
        folder.keep_policy_of_part().unwrap();
        find(&mut best, 300, -1.0);
        assert_eq!(resumed(false), Some(300), "nothing that was found is lost");
        assert_eq!(resumed(true), Some(100));
        let rows = std::fs::read_to_string(folder.evaluations()).unwrap();
        assert_eq!(rows.lines().count(), 2, "{rows}");
    }
}
