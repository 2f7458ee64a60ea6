//! Training inside a running app: the learner's thread as a resource.

mod few_arenas;
mod wait;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bevy::prelude::*;

use self::wait::WaitTimes;

use crate::{
    exploration::ExplorationConfig,
    learner::{
        CheckpointRequest, Cores, DeviceChoice, Learner, LearnerConfig, LearnerRecord, LearnerThread, Pace,
        StopSignal, TrainingConfig,
    },
    plugin::{MaddpgPlugins, PolicySource},
    policy::LatestPolicy,
    problems::Problems,
    rollout::{
        ActingPolicy, Arenas, DecideSystems, Experience, Exploration, Kind, RolloutClock, RolloutPlugin,
        StepStart, decision_is_due,
    },
    transition::TransitionBlock,
};

impl MaddpgPlugins {
    /// The agents learn while they play.
    pub fn train(config: TrainingConfig) -> Self {
        Self {
            rollout: RolloutPlugin { exploration: config.exploration, ..RolloutPlugin::default() },
            policy: PolicySource::Learner(Box::new(TrainingPlugin {
                config: config.learner,
                ..TrainingPlugin::default()
            })),
        }
    }

    /// Changes the training: pace, device, a checkpoint to continue from. Has no effect after [`play`](Self::play).
    #[must_use]
    pub fn with_training(mut self, change: impl FnOnce(&mut TrainingPlugin)) -> Self {
        if let PolicySource::Learner(training) = &mut self.policy {
            change(training);
        }
        self
    }
}

/// Starts a learner for each kind of arenas as soon as there are any, sends it the agents' experience, and makes the agents
/// use its newest policies. Needs [`RolloutPlugin`], which must be added first.
#[derive(Debug, Clone, Default)]
pub struct TrainingPlugin {
    /// The settings of all learners except those in `kinds`.
    pub config: LearnerConfig,
    /// The settings of the learners of some kinds of arenas, by the kinds' names. Default: none.
    pub kinds: BTreeMap<String, LearnerConfig>,
    /// How the game and the learner stay in step. Default: the game never waits.
    pub pace: Pace,
    /// The device that the learner computes on. Default: the faster of GPU and CPU.
    pub device: DeviceChoice,
    /// Seed of the weights and the sampling. Default: 0.
    pub seed: u64,
    /// A checkpoint to continue from, with its settings (see `override_settings`) and seed. Default: none. If there are several kinds of arenas, the
    /// learner of each takes the file that [`kind_path`] names.
    pub resume: Option<PathBuf>,
    /// Whether a learner that continues from a checkpoint takes the settings of `config` instead of those in the checkpoint. It does
    /// not start if they differ where they must not; see [`LearnerConfig::changes_from`]. Default: false.
    pub override_settings: bool,
    /// Whether the default settings stay as they are with fewer than 8 arenas. Default: false. A game with few arenas
    /// collects little experience per second, so default settings are replaced by ones with earlier and more updates; the
    /// log says so. Settings that are not the defaults always stay.
    pub keep_defaults: bool,
}

impl Plugin for TrainingPlugin {
    fn build(&self, app: &mut App) {
        app.world_mut().get_resource_or_init::<Arenas>().has_learner = true;
        app.insert_resource(Training {
            plugin: self.clone(),
            cores: Cores::all_but_one(),
            stop: StopSignal::default(),
            learners: Vec::new(),
            wait_start: None,
            waits: WaitTimes::default(),
        })
        .add_message::<LearnerReport>()
        .add_systems(
            StepStart,
            (
                (start, synchronize.run_if(decision_is_due)).chain().in_set(DecideSystems::Synchronize),
                hand_over.in_set(DecideSystems::HandOver).run_if(decision_is_due),
            ),
        )
        .add_systems(Last, report);
    }
}

/// A report from a learner, sent every 100 updates: losses, Q values, saturation and more.
#[derive(Message, Debug, Clone, Default, PartialEq)]
pub struct LearnerReport {
    /// The kind of arenas that it learns from.
    pub kind: String,
    /// What it measured.
    pub record: LearnerRecord,
}

/// The file of one of several kinds of arenas: the kind's name comes before the extension. `run/guard.safetensors` becomes
/// `run/guard.hunter+prey.safetensors`.
pub fn kind_path(path: &Path, kind: &str) -> PathBuf {
    let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
    path.with_extension(match extension {
        Some(extension) => format!("{kind}.{extension}"),
        None => kind.to_owned(),
    })
}

/// The running learners, one for each kind of arenas. Each starts as soon as there is an arena of its kind.
///
/// ```no_run
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// /// Saves the policies and a checkpoint when the player presses S.
/// fn save(keys: Res<ButtonInput<KeyCode>>, acting: Res<ActingPolicy>, training: Res<Training>) {
///     if keys.just_pressed(KeyCode::KeyS) {
///         // The policies, for the game that you ship.
///         if let Some(Err(error)) = acting.snapshot().map(|policy| policy.save("guard.safetensors")) {
///             error!("{error}");
///         }
///         // What the learner needs to continue training later.
///         training.checkpoint("guard.checkpoint.safetensors".into(), false);
///     }
/// }
/// # bevy::ecs::system::assert_is_system(save);
/// ```
#[derive(Resource, Debug)]
pub struct Training {
    plugin: TrainingPlugin,
    cores: Cores,
    stop: StopSignal,
    /// By kind, as in [`Arenas::kinds`].
    learners: Vec<KindLearner>,
    wait_start: Option<Instant>,
    waits: WaitTimes,
}

/// The learner of one kind of arenas.
#[derive(Debug)]
struct KindLearner {
    kind: String,
    thread: Option<LearnerThread>,
    spare: TransitionBlock,
    /// Why the learner did not start.
    start_failure: Option<String>,
}

impl Training {
    fn threads(&self) -> impl Iterator<Item = &LearnerThread> {
        self.learners.iter().filter_map(|learner| learner.thread.as_ref())
    }

    /// The kinds of arenas that have a learner, in the order in which they started.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.learners.iter().map(|learner| learner.kind.as_str())
    }

    /// The newest policy of the first learner, shared with it; `None` before the first arena.
    pub fn latest_policy(&self) -> Option<&LatestPolicy> {
        self.threads().next().map(LearnerThread::latest_policy)
    }

    /// Updates of all learners so far.
    pub fn updates(&self) -> u64 {
        self.threads().map(LearnerThread::updates).sum()
    }

    /// Joint transitions dropped because a learner was busy.
    pub fn dropped(&self) -> u64 {
        self.threads().map(LearnerThread::dropped).sum()
    }

    /// A percentile of the time that the game spends on the learners at a decision, over the last 4,096 decisions:
    /// waiting, taking the newest policy and sending transitions. `share` is from 0 to 1; 0.99 is the 99th percentile.
    /// `None` before the first decision.
    pub fn wait_percentile(&self, share: f32) -> Option<Duration> {
        self.waits.percentile(share)
    }

    /// Why a learner stopped, if one did. The game goes on with the last good policy.
    pub fn failure(&self) -> Option<String> {
        self.learners.iter().find_map(KindLearner::failure)
    }

    /// Asks the learners to write a checkpoint, with the replay buffer if `with_replay`. The game does not wait. The only
    /// learner writes to `path`; several write to the files that [`kind_path`] names.
    pub fn checkpoint(&self, path: PathBuf, with_replay: bool) {
        self.checkpoint_with(&CheckpointRequest { path, with_replay, note: String::new() });
    }

    /// As [`checkpoint`](Self::checkpoint), with a [note](Learner::set_note) in the file, such as the game's own counters.
    pub fn checkpoint_with(&self, request: &CheckpointRequest) {
        for learner in &self.learners {
            let mut request = request.clone();
            if self.learners.len() > 1 {
                request.path = kind_path(&request.path, &learner.kind);
            }
            if let Some(thread) = &learner.thread {
                thread.checkpoint(request);
            }
        }
    }

    /// Why the last checkpoint of a learner could not be written; `None` if it was. The learner goes on.
    pub fn checkpoint_failure(&self) -> Option<String> {
        self.threads().find_map(LearnerThread::checkpoint_failure)
    }

    /// Stops the learner that started first, once it has processed everything that was sent, and returns it. `None` if
    /// there is none, or if its thread panicked.
    pub fn stop(&mut self) -> Option<Learner> {
        self.learners.first_mut()?.thread.take().and_then(LearnerThread::join)
    }

    /// As [`stop`](Self::stop), but all learners stop after the update that they are at, also in lockstep. The learner has
    /// stored everything that was sent.
    pub fn stop_now(&mut self) -> Option<Learner> {
        self.stop.stop();
        self.stop()
    }

    /// The signal that stops all learners between two updates, from any thread. A game that waits for a learner goes on at
    /// once. Call [`stop`](Self::stop) afterwards.
    pub fn stop_signal(&self) -> &StopSignal {
        &self.stop
    }

    /// As [`stop`](Self::stop), for the learner of this kind of arenas.
    pub fn stop_kind(&mut self, kind: &str) -> Option<Learner> {
        let learner = self.learners.iter_mut().find(|learner| learner.kind == kind)?;
        learner.thread.take().and_then(LearnerThread::join)
    }
}

impl KindLearner {
    fn failure(&self) -> Option<String> {
        self.start_failure.clone().or_else(|| self.thread.as_ref().and_then(LearnerThread::failure))
    }
}

impl TrainingPlugin {
    /// The settings for a kind of arenas, adapted to their number.
    fn settings(&self, kind: &Kind, exploration: &mut ExplorationConfig) -> LearnerConfig {
        let mut config = self.kinds.get(kind.name()).unwrap_or(&self.config).clone();
        let arenas = kind.arenas();
        let may_adapt = self.resume.is_none() && !self.keep_defaults;
        if may_adapt && few_arenas::adapt(&mut config, exploration, arenas) {
            log::info!(
                "{arenas} arenas of the kind `{}` are few, so the default settings were replaced: learning_starts {}, \
                 updates_per_decision {}, random_decisions {}",
                kind.name(),
                config.learning_starts,
                config.updates_per_decision,
                exploration.random_decisions
            );
        }
        config
    }

    /// Starts a learner. Also returns how many joint transitions it has received in earlier runs.
    fn open(
        &self,
        kind: &Kind,
        config: LearnerConfig,
        exploration: &ExplorationConfig,
        cores: &Cores,
        stop: &StopSignal,
    ) -> std::result::Result<(LearnerThread, u64), BevyError> {
        config.check()?;
        exploration.check()?;
        let device = self.device.open(&config, kind.spec())?;
        let learner = match &self.resume {
            Some(path) => {
                let own = kind_path(path, kind.name());
                let settings = self.override_settings.then_some(&config);
                Learner::load_with(if own.exists() { &own } else { path }, kind.spec(), device, settings)?
            }
            None => Learner::new(config, kind.spec().clone(), device, self.seed)?,
        };
        let transitions = learner.transitions();
        Ok((LearnerThread::spawn_on(learner, self.pace, cores, stop)?, transitions))
    }
}

/// Starts a learner for each new kind of arenas.
fn start(
    mut training: ResMut<Training>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut clock: ResMut<RolloutClock>,
    mut arenas: ResMut<Arenas>,
) {
    // The kinds with a learner come first, in the order in which the learners started.
    for index in training.learners.len()..arenas.kinds().len() {
        let kind = &mut arenas.kinds[index];
        if kind.arenas() == 0 {
            return;
        }
        let config = training.plugin.settings(kind, &mut exploration.config);
        experience.team_fate.extend(config.team_fate.iter().cloned());
        let mut learner = KindLearner {
            kind: kind.name().into(),
            thread: None,
            spare: TransitionBlock::default(),
            start_failure: None,
        };
        let (gamma, n_step) = (config.gamma, config.n_step as usize);
        match training.plugin.open(kind, config, &exploration.config, &training.cores, &training.stop) {
            Ok((thread, transitions)) => {
                kind.decisions = transitions;
                clock.decisions += transitions;
                acting.learn(kind.name(), thread.latest_policy().clone());
                experience.record(index, gamma, n_step);
                learner.thread = Some(thread);
            }
            Err(error) => learner.start_failure = Some(format!("the learner cannot start: {error}")),
        }
        kind.is_fixed = true;
        training.learners.push(learner);
    }
}

/// In lockstep, waits for the learners. Also starts to measure the time that the game spends on them.
fn synchronize(mut training: ResMut<Training>) {
    training.wait_start = Some(Instant::now());
    for thread in training.learners.iter_mut().filter_map(|learner| learner.thread.as_mut()) {
        thread.synchronize();
    }
}

/// Sends the transitions since the last decision to the learners.
fn hand_over(mut training: ResMut<Training>, mut experience: ResMut<Experience>) {
    let training = &mut *training;
    let mut has_sent = false;
    for (kind, learner) in training.learners.iter_mut().enumerate() {
        let Some(thread) = &mut learner.thread else { continue };
        if experience.completed(kind).is_none_or(TransitionBlock::is_empty) {
            continue;
        }
        let block = experience.exchange(kind, std::mem::take(&mut learner.spare));
        learner.spare = thread.send(block);
        has_sent = true;
    }
    if let Some(start) = training.wait_start.take_if(|_| has_sent) {
        training.waits.push(start.elapsed());
    }
}

fn report(
    training: Res<Training>,
    mut reports: MessageWriter<LearnerReport>,
    mut problems: ResMut<Problems>,
    mut told: Local<Vec<String>>,
    mut last: Local<Option<Instant>>,
) {
    // No reader needs reports more often.
    if last.is_some_and(|last| last.elapsed() < Duration::from_millis(50)) {
        return;
    }
    *last = Some(Instant::now());
    for learner in &training.learners {
        let kind = &learner.kind;
        if let Some(thread) = &learner.thread {
            reports.write_batch(thread.records().map(|record| LearnerReport { kind: kind.clone(), record }));
            if thread.dropped() > 0 {
                problems.tell("dropped", kind, || {
                    format!(
                        "the learner cannot keep up: {} joint transitions have been dropped so far; lower \
                         `updates_per_decision`, use fewer arenas or smaller networks, or choose `Pace::Balanced`",
                        thread.dropped()
                    )
                });
            }
        }
        if let Some(failure) = learner.failure().filter(|_| !told.contains(kind)) {
            told.push(kind.clone());
            crate::problems::warn(&failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_files_of_its_own() {
        let of = |path: &str| kind_path(Path::new(path), "a+b");
        assert_eq!(
            of("run.1/guard.checkpoint.safetensors"),
            Path::new("run.1/guard.checkpoint.a+b.safetensors")
        );
        assert_eq!(of("guard"), Path::new("guard.a+b"));
    }
}
