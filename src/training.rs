//! Training inside a running app: the learner's thread as a resource.

mod few_arenas;
mod wait;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bevy::prelude::*;

use self::wait::WaitTimes;

use crate::{
    learner::{DeviceChoice, Learner, LearnerConfig, LearnerRecord, LearnerThread, Pace, TrainingConfig},
    plugin::{MaddpgPlugins, PolicySource},
    policy::{ArenaSpec, LatestPolicy},
    problems::Problems,
    rollout::{
        ActingPolicy, Arenas, DecideSystems, Experience, Exploration, RolloutClock, RolloutPlugin, StepStart,
        decision_is_due,
    },
    transition::TransitionBlock,
};

impl MaddpgPlugins {
    /// The agents learn while they play.
    pub fn train(config: TrainingConfig) -> Self {
        Self {
            rollout: RolloutPlugin { exploration: config.exploration, ..RolloutPlugin::default() },
            policy: PolicySource::Learner(TrainingPlugin {
                config: config.learner,
                ..TrainingPlugin::default()
            }),
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

/// Starts a learner as soon as there are arenas, sends it the agents' experience, and makes the agents use its newest
/// policies. Needs [`RolloutPlugin`], which must be added first.
#[derive(Debug, Clone, Default)]
pub struct TrainingPlugin {
    /// The learner's settings.
    pub config: LearnerConfig,
    /// How the game and the learner stay in step. Default: the game never waits.
    pub pace: Pace,
    /// The device that the learner computes on. Default: the faster of GPU and CPU.
    pub device: DeviceChoice,
    /// Seed of the weights and the sampling. Default: 0.
    pub seed: u64,
    /// A checkpoint to continue from, with its settings and seed. Default: none.
    pub resume: Option<PathBuf>,
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
            thread: None,
            spare: TransitionBlock::default(),
            wait_start: None,
            waits: WaitTimes::default(),
            start_failure: None,
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

/// A report from the learner, sent every 100 updates: losses, Q values, saturation and more.
#[derive(Message, Debug, Clone, PartialEq)]
pub struct LearnerReport(pub LearnerRecord);

/// The running learner. It starts as soon as there is an arena to train.
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
    thread: Option<LearnerThread>,
    spare: TransitionBlock,
    wait_start: Option<Instant>,
    waits: WaitTimes,
    /// Why the learner did not start.
    start_failure: Option<String>,
}

impl Training {
    /// The newest policy, shared with the learner; `None` before the first arena.
    pub fn latest_policy(&self) -> Option<&LatestPolicy> {
        self.thread.as_ref().map(LearnerThread::latest_policy)
    }

    /// Updates done so far.
    pub fn updates(&self) -> u64 {
        self.thread.as_ref().map_or(0, LearnerThread::updates)
    }

    /// Joint transitions dropped because the learner was busy.
    pub fn dropped(&self) -> u64 {
        self.thread.as_ref().map_or(0, LearnerThread::dropped)
    }

    /// A percentile of the time that the game spends on the learner at a decision, over the last 4,096 decisions:
    /// waiting, taking the newest policy and sending transitions. `share` is from 0 to 1; 0.99 is the 99th percentile.
    /// `None` before the first decision.
    pub fn wait_percentile(&self, share: f32) -> Option<Duration> {
        self.waits.percentile(share)
    }

    /// Why the learner stopped, if it did. The game goes on with the last good policy.
    pub fn failure(&self) -> Option<String> {
        self.start_failure.clone().or_else(|| self.thread.as_ref().and_then(LearnerThread::failure))
    }

    /// Asks the learner to write a checkpoint to `path`, with the replay buffer if `with_replay`. The game does not
    /// wait.
    pub fn checkpoint(&self, path: PathBuf, with_replay: bool) {
        if let Some(thread) = &self.thread {
            thread.checkpoint(path, with_replay);
        }
    }

    /// Stops the learner once it has processed everything that was sent, and returns it. `None` if there is none, or if
    /// its thread panicked.
    pub fn stop(&mut self) -> Option<Learner> {
        self.thread.take().and_then(LearnerThread::join)
    }
}

/// Starts the learner when there are arenas to train.
fn start(
    mut training: ResMut<Training>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut clock: ResMut<RolloutClock>,
    mut arenas: ResMut<Arenas>,
    mut started: Local<bool>,
) {
    let rows = if *started { 0 } else { arenas.row_count() };
    if rows == 0 {
        return;
    }
    *started = true;
    let TrainingPlugin { config, resume, keep_defaults, .. } = &mut training.plugin;
    if resume.is_none() && !*keep_defaults && few_arenas::adapt(config, &mut exploration.config, rows) {
        log::info!(
            "{rows} arenas are few, so the default settings were replaced: learning_starts {}, updates_per_decision {}, \
             random_decisions {}",
            config.learning_starts,
            config.updates_per_decision,
            exploration.config.random_decisions
        );
    }
    match open(&training.plugin, arenas.spec()) {
        Ok((thread, transitions)) => {
            clock.decisions = transitions;
            acting.follow(thread.latest_policy().clone());
            experience.recording = true;
            arenas.is_fixed = true;
            training.thread = Some(thread);
        }
        Err(error) => training.start_failure = Some(format!("the learner cannot start: {error}")),
    }
}

/// Starts a learner for these agents. Also returns how many joint transitions it has received in earlier runs.
fn open(plugin: &TrainingPlugin, spec: &ArenaSpec) -> std::result::Result<(LearnerThread, u64), BevyError> {
    let TrainingPlugin { config, pace, device, seed, resume, .. } = plugin.clone();
    config.check()?;
    let device = device.open(&config, spec)?;
    let learner = match resume {
        Some(path) => Learner::load(&path, spec, device)?,
        None => Learner::new(config, spec.clone(), device, seed)?,
    };
    let transitions = learner.transitions();
    Ok((LearnerThread::spawn(learner, pace)?, transitions))
}

/// In lockstep, waits for the learner. Also starts to measure the time that the game spends on it.
fn synchronize(mut training: ResMut<Training>) {
    training.wait_start = Some(Instant::now());
    if let Some(thread) = &mut training.thread {
        thread.synchronize();
    }
}

/// Sends the transitions since the last decision to the learner.
fn hand_over(mut training: ResMut<Training>, mut experience: ResMut<Experience>) {
    let training = &mut *training;
    let Some(thread) = &mut training.thread else {
        return;
    };
    if experience.completed().is_empty() {
        return;
    }
    let block = experience.exchange(std::mem::take(&mut training.spare));
    training.spare = thread.send(block);
    if let Some(start) = training.wait_start.take() {
        training.waits.push(start.elapsed());
    }
}

fn report(
    training: Res<Training>,
    mut reports: MessageWriter<LearnerReport>,
    mut problems: ResMut<Problems>,
    mut told: Local<bool>,
    mut last: Local<Option<Instant>>,
) {
    // No reader needs reports more often.
    if last.is_some_and(|last| last.elapsed() < Duration::from_millis(50)) {
        return;
    }
    *last = Some(Instant::now());
    if let Some(thread) = &training.thread {
        reports.write_batch(thread.records().map(LearnerReport));
        if thread.dropped() > 0 {
            problems.tell("dropped", "", || {
                format!(
                    "the learner cannot keep up: {} joint transitions have been dropped so far; lower \
                     `updates_per_decision`, use fewer arenas or smaller networks, or choose `Pace::Balanced`",
                    thread.dropped()
                )
            });
        }
    }
    if let Some(failure) = training.failure().filter(|_| !*told) {
        *told = true;
        crate::problems::warn(&failure);
    }
}
