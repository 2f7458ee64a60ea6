//! Training inside a running app: the learner's thread as a resource.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bevy::{
    ecs::{intern::Interned, schedule::ScheduleLabel},
    prelude::*,
};

use crate::{
    learner::{DeviceChoice, Learner, LearnerConfig, LearnerThread, Pace},
    policy::PolicySlot,
    rollout::{ActingPolicy, Arenas, DecideSystems, Experience, RolloutClock, decision_is_due},
    telemetry::LearnerRecord,
    transition::TransitionBlock,
};

/// Starts a learner as soon as there are arenas, feeds it and acts by its newest policy.
/// Needs [`RolloutPlugin`](crate::rollout::RolloutPlugin).
#[derive(Debug, Clone)]
pub struct TrainingPlugin {
    /// The schedule that the rollout runs in. Default: [`FixedUpdate`].
    pub schedule: Interned<dyn ScheduleLabel>,
    /// The learner's settings.
    pub config: LearnerConfig,
    /// How game and learner keep step. Default: the game never waits.
    pub pace: Pace,
    /// Where the learner computes. Default: the faster of GPU and CPU.
    pub device: DeviceChoice,
    /// Seed of the weights and the sampling. Default: 0.
    pub seed: u64,
    /// A checkpoint to go on from, with its settings and seed. Default: none.
    pub resume: Option<PathBuf>,
}

impl Default for TrainingPlugin {
    fn default() -> Self {
        Self {
            schedule: FixedUpdate.intern(),
            config: LearnerConfig::default(),
            pace: Pace::default(),
            device: DeviceChoice::default(),
            seed: 0,
            resume: None,
        }
    }
}

impl Plugin for TrainingPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(Training {
            plugin: self.clone(),
            thread: None,
            spare: TransitionBlock::default(),
            wait_start: None,
        })
        .add_message::<LearnerReport>()
        .add_systems(
            self.schedule,
            (
                (start, synchronize.run_if(decision_is_due)).chain().in_set(DecideSystems::Synchronize),
                hand_over.in_set(DecideSystems::HandOver).run_if(decision_is_due),
            ),
        )
        .add_systems(Last, report);
    }
}

/// A report of the learner, as it comes in.
#[derive(Message, Debug, Clone, PartialEq)]
pub struct LearnerReport(pub LearnerRecord);

/// The running learner.
#[derive(Resource, Debug)]
pub struct Training {
    plugin: TrainingPlugin,
    thread: Option<LearnerThread>,
    spare: TransitionBlock,
    wait_start: Option<Instant>,
}

impl Training {
    /// Where the newest policy is to be had; `None` before the first arena.
    pub fn slot(&self) -> Option<&PolicySlot> {
        self.thread.as_ref().map(LearnerThread::slot)
    }

    /// Updates done so far.
    pub fn updates(&self) -> u64 {
        self.thread.as_ref().map_or(0, LearnerThread::updates)
    }

    /// Joint transitions dropped because the learner was busy.
    pub fn dropped(&self) -> u64 {
        self.thread.as_ref().map_or(0, LearnerThread::dropped)
    }

    /// Why the learner stopped, if it did; the game goes on with its last good policy.
    pub fn failure(&self) -> Option<String> {
        self.thread.as_ref().and_then(LearnerThread::failure)
    }

    /// Asks the learner for a checkpoint at `path`, with the replay buffer if `with_replay`.
    pub fn checkpoint(&self, path: PathBuf, with_replay: bool) {
        if let Some(thread) = &self.thread {
            thread.checkpoint(path, with_replay);
        }
    }

    /// Stops the learner once it has done what was sent, and returns it; `None` if there is none or it failed.
    pub fn stop(&mut self) -> Option<Learner> {
        self.thread.take().and_then(LearnerThread::join)
    }
}

/// Starts the learner when the arenas are known.
fn start(
    mut training: ResMut<Training>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    mut clock: ResMut<RolloutClock>,
    arenas: Res<Arenas>,
    mut started: Local<bool>,
) -> Result {
    if *started || arenas.is_empty() {
        return Ok(());
    }
    *started = true;
    let TrainingPlugin { config, pace, device, seed, resume, .. } = training.plugin.clone();
    let device = device.open(&config, arenas.spec())?;
    let learner = match resume {
        Some(path) => Learner::load(&path, arenas.spec(), device)?,
        None => Learner::new(config, arenas.spec().clone(), device, seed)?,
    };
    clock.decisions = learner.transitions();
    let thread = LearnerThread::spawn(learner, pace)?;
    acting.follow(thread.slot().clone());
    experience.recording = true;
    training.thread = Some(thread);
    Ok(())
}

/// In lockstep, waits for the learner; starts the clock on what the learner costs the game.
fn synchronize(mut training: ResMut<Training>) {
    training.wait_start = Some(Instant::now());
    if let Some(thread) = &mut training.thread {
        thread.synchronize();
    }
}

/// Gives the learner what has been experienced since the last decision.
fn hand_over(
    mut training: ResMut<Training>,
    mut experience: ResMut<Experience>,
    mut acting: ResMut<ActingPolicy>,
) {
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
        acting.note_wait(start.elapsed());
    }
}

fn report(
    training: Res<Training>,
    mut reports: MessageWriter<LearnerReport>,
    mut told: Local<bool>,
    mut last: Local<Option<Instant>>,
) {
    // A few times a second is enough for any reader.
    if last.is_some_and(|last| last.elapsed() < Duration::from_millis(50)) {
        return;
    }
    *last = Some(Instant::now());
    let Some(thread) = &training.thread else { return };
    reports.write_batch(thread.records().map(LearnerReport));
    if let Some(failure) = thread.failure().filter(|_| !*told) {
        *told = true;
        error!("{failure}");
    }
}
