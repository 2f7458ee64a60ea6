//! Evaluations during training: policies play without exploration on a thread of their own, and the best of them becomes the result
//! of the run.

mod choice;

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
    interrupt::Interrupt,
    play_off::{LOOK, MOST_POLICIES},
    policy_scores,
};
use crate::{
    game::Game,
    statistics::{PolicyScore, RunStatistics, StatisticsSystems},
};

/// Episodes of an evaluation.
const EPISODES: u32 = 32;
/// The time from the end of an evaluation to the start of the next one, in units of the time that the evaluation took, most of which
/// it waits for a core while the training keeps all of them busy. Policies come and go, so that many have to be seen: half of those of
/// a tennis run play well, and of three there may be none.
const PAUSE: u32 = 2;
/// The least such time, which is also the time from the start of a run that cannot be solved to its first evaluation.
const LEAST_PAUSE: Duration = Duration::from_secs(2);
/// In lockstep, evaluations start at the multiples of this many joint decisions. Each ends when the next one starts, or with its part of
/// the run.
const DECISIONS: u64 = 50_000;
/// Decisions per arena after which an evaluation ends without a result, since some games have episodes that never end.
const MOST_DECISIONS: u32 = 20_000;
/// The episodes start differently from those of other evaluations.
const SEED: u64 = 0x0be5_701c;

/// In lockstep: after how many joint decisions the first evaluation after these is due. This does not depend on where a part of the run
/// began, so that parts may be shorter than the time from one evaluation to the next.
fn next_due(decisions: u64) -> u64 {
    (decisions / DECISIONS + 1) * DECISIONS
}

/// Waits for an evaluation. If the run `is_interrupted` meanwhile, stops the evaluation.
fn wait<T>(evaluation: &JoinHandle<T>, stop: &AtomicBool, is_interrupted: impl Fn() -> bool) {
    while !evaluation.is_finished() {
        if is_interrupted() {
            stop.store(true, Ordering::Relaxed);
        }
        thread::sleep(LOOK);
    }
}

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
    interrupt: Interrupt,
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
        interrupt: Interrupt,
    ) -> Self {
        Self {
            game: game.in_evaluation().map_or_else(|| game.clone(), Arc::from),
            parameters: parameters.clone(),
            seed,
            folder: folder.clone(),
            in_lockstep,
            interrupt,
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
        if decisions > 0 {
            self.due_decisions = next_due(decisions);
        }
        let mut best = self.saved()?;
        if repeats && best.as_ref().is_some_and(|best| best.score.decisions > decisions) {
            self.folder.restore_policy_of_part()?;
            best = self.saved()?;
        }
        self.best.extend(best);
        let best = self.best().map(|best| best.score.policy_version);
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

    /// The best policy so far.
    pub(super) fn best(&self) -> Option<&Candidate> {
        self.best.first()
    }

    fn is_due(&self, decisions: u64) -> bool {
        if self.in_lockstep { decisions >= self.due_decisions } else { Instant::now() >= self.due }
    }

    /// Starts to evaluate a policy.
    fn start(&mut self, policy: &Arc<PolicySnapshot>, decisions: u64) {
        self.due_decisions = next_due(decisions);
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

    /// Takes the result of the running evaluation; waits for it if it is still running, and stops it if a signal stops the run.
    pub(super) fn join(&mut self) -> Option<PolicyScore> {
        let Running { policy, decisions, start, thread } = self.running.take()?;
        let interrupt = self.interrupt;
        wait(&thread, &self.stop, || interrupt.signal().is_some());
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
    let may_start = board.bar().is_none() || board.solved().is_some() || best.best().is_some();
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

    /// The best policy of a run of the pendulum in lockstep.
    fn best_policy(folder: &RunFolder) -> BestPolicy {
        let game: Arc<dyn Game> = Arc::new(Pendulum);
        BestPolicy::new(&game, &ParametersConfig::default(), 1, folder, true, Interrupt::unheard())
    }

    /// A folder and the folder of a run in it.
    fn new_run() -> (tempfile::TempDir, RunFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "pendulum").unwrap();
        (parent, folder)
    }

    /// A policy that was taken after `decisions` and has this mean score.
    fn candidate(decisions: u64, mean: f32) -> Candidate {
        let groups = Pendulum.spec().groups(true).unwrap();
        let policies = PolicySnapshot::zeros(&groups).unwrap().policies().to_vec();
        let policy = Arc::new(PolicySnapshot::new(decisions, decisions, 0, policies).unwrap());
        let score = PolicyScore { decisions, policy_version: decisions, mean, ..PolicyScore::default() };
        Candidate { policy, score }
    }

    #[test]
    fn the_best_policies_are_kept_and_the_best_is_saved() {
        let (_parent, folder) = new_run();
        let mut best = best_policy(&folder);
        for (decisions, mean) in [(1, -3.0), (2, -1.0), (3, -2.0), (4, -1.0), (5, -9.0), (6, -8.0), (7, -7.0)]
        {
            best.add(candidate(decisions, mean));
        }
        let order: Vec<u64> = best.best.iter().map(|candidate| candidate.score.decisions).collect();
        assert_eq!(order, [4, 2, 3, 1, 7, 6]);
        assert_eq!(PolicySnapshot::load(folder.policy()).unwrap().version(), 4);
    }

    #[test]
    fn a_run_that_repeats_a_part_begins_it_with_the_best_policy_before_it() {
        let (_parent, folder) = new_run();
        let find = |best: &mut BestPolicy, decisions, mean| {
            let found = candidate(decisions, mean);
            policy_scores::append(&folder.evaluations(), &found.score).unwrap();
            best.add(found);
        };
        let resumed = |repeats| {
            let mut best = best_policy(&folder);
            best.resume(200, repeats).unwrap();
            best.best().map(|best| best.score.decisions)
        };
        let mut best = best_policy(&folder);
        find(&mut best, 100, -2.0);
        folder.keep_policy_of_part().unwrap();
        find(&mut best, 300, -1.0);
        assert_eq!(resumed(false), Some(300), "nothing that was found is lost");
        assert_eq!(resumed(true), Some(100));
        let rows = std::fs::read_to_string(folder.evaluations()).unwrap();
        assert_eq!(rows.lines().count(), 2, "{rows}");
    }

    #[test]
    fn in_lockstep_evaluations_are_due_at_the_same_decisions_wherever_a_part_begins() {
        let due = [1, DECISIONS - 1, DECISIONS, DECISIONS + 16, 2 * DECISIONS - 1].map(next_due);
        assert_eq!(due, [DECISIONS, DECISIONS, 2 * DECISIONS, 2 * DECISIONS, 2 * DECISIONS]);

        let (_parent, folder) = new_run();
        let is_due = |begin, decisions| {
            let mut best = best_policy(&folder);
            best.resume(begin, true).unwrap();
            best.is_due(decisions)
        };
        let part = 2 * DECISIONS / 5;
        assert!(!is_due(part, 2 * part) && !is_due(2 * part, DECISIONS - 1));
        assert!(is_due(2 * part, DECISIONS));
        assert!(!is_due(3 * part, 2 * DECISIONS - 1));
    }

    #[test]
    fn an_interrupt_stops_the_evaluation_that_is_waited_for() {
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = stop.clone();
        let evaluation = thread::spawn(move || {
            let start = Instant::now();
            while !is_stopped.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(20) {
                thread::yield_now();
            }
        });
        wait(&evaluation, &stop, || true);
        assert!(stop.load(Ordering::Relaxed), "it was not told to stop");
    }
}
