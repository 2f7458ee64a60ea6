//! Saving a training while the game runs and when it ends.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use bevy::{
    app::MainScheduleOrder,
    ecs::schedule::{ScheduleLabel, SingleThreadedExecutor},
    prelude::*,
};

use super::{
    KindLearner, Training, kind_path,
    note::{Noted, resume_lesson},
    saved_past, start,
};
use crate::{
    FolderLock,
    learner::{CheckpointError, CheckpointRequest, Learner},
    parameters::{Curriculum, ParameterSystems},
    problems::warn,
    rollout::{BeforeReset, DecideSystems, StepStart},
};

/// Saves the training while the game runs and when it ends, and continues it when the game starts again.
///
/// The folder contains these files for each [kind](crate::rollout::Kind) of arenas, here for the kind `guard`:
///
/// - `policy.guard.safetensors` is the policy. The shipped game loads it.
/// - `checkpoint.guard.safetensors` is the checkpoint. The learner continues from it. It also names the current lesson of a
///   [curriculum](crate::parameters).
///
/// With [self-play](crate::self_play), the folder `past` in it contains the past policies. Delete the folder to start from nothing.
///
/// - Other threads write the files, so no frame waits for them. Each file is replaced as a whole or not at all. If the process is
///   killed, it loses only what it has learned since the last save.
/// - A learner that continues takes the game's settings, not those in the checkpoint. If agents or settings have changed in a way
///   that does not fit the checkpoint, the learner does not start, [`Training::failure`] says what differs, and the files stay as
///   they are. [`LearnerConfig::changes_from`](crate::learner::LearnerConfig::changes_from) lists what may change.
/// - Only one process at a time can save to a folder. If another process already saves to it, the learners do not start.
/// - The state of a learner that has failed is not saved.
///
/// ```
/// use std::time::Duration;
///
/// use bevy_maddpg::{prelude::*, training::Autosave};
///
/// let plugins = MaddpgPlugins::train(TrainingConfig::default()).with_autosave("training");
/// // The same, but every ten seconds, with everything that the agents have experienced.
/// let plugins = MaddpgPlugins::train(TrainingConfig::default()).with_training(|training| {
///     let every = Duration::from_secs(10);
///     training.autosave = Some(Autosave { every, with_replay: true, ..Autosave::in_folder("training") });
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autosave {
    /// The folder. A relative path starts at the working directory. The folder is created if it does not exist.
    pub folder: PathBuf,
    /// The real time from one save to the next. Default: one minute. If no learner has made an update since the last save, nothing is
    /// saved.
    pub every: Duration,
    /// Whether checkpoints contain the replay buffer, which may be large. Default: false. A learner that continues without it
    /// collects some experience before it makes updates.
    pub with_replay: bool,
}

impl Autosave {
    /// Saves every minute to this folder, without the replay buffer.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), every: Duration::from_secs(60), with_replay: false }
    }

    /// The path of the policy file of a kind of arenas.
    pub fn policy(&self, kind: &str) -> PathBuf {
        kind_path(&self.folder.join("policy.safetensors"), kind)
    }

    /// The path of the checkpoint of a kind of arenas.
    pub fn checkpoint(&self, kind: &str) -> PathBuf {
        kind_path(&self.folder.join("checkpoint.safetensors"), kind)
    }

    /// Whether the folder has a checkpoint, of whichever kind of arenas.
    pub(super) fn has_checkpoint(&self) -> bool {
        self.checkpoints().next().is_some()
    }

    /// The names of the checkpoints in the folder.
    pub(super) fn checkpoints(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.starts_with("checkpoint.") && name.ends_with(".safetensors"))
    }

    /// The folder of the past policies, for games with [self-play](crate::self_play).
    pub fn past(&self) -> PathBuf {
        self.folder.join("past")
    }

    /// Creates the folder and reserves it for this process.
    pub(super) fn lock(&self) -> Result<FolderLock, String> {
        let folder = self.folder.display();
        let cannot = |error| format!("cannot save the training to `{folder}`: {error}");
        fs::create_dir_all(&self.folder).map_err(cannot)?;
        FolderLock::acquire(&self.folder).map_err(cannot)?.ok_or_else(|| {
            format!(
                "another process saves its training to `{folder}`; close it, or save this training to another folder"
            )
        })
    }

    /// What asks a learner to save itself.
    fn request(&self, kind: &str, note: String) -> CheckpointRequest {
        CheckpointRequest {
            path: self.checkpoint(kind),
            with_replay: self.with_replay,
            note,
            policy: Some(self.policy(kind)),
        }
    }

    /// Saves a learner that has stopped.
    fn save(&self, kind: &str, learner: &Learner) -> Result<(), CheckpointError> {
        learner.save(self.checkpoint(kind), self.with_replay)?;
        learner.save_policy(self.policy(kind))
    }

    /// Adds the systems to an app that trains.
    pub(super) fn add_to(app: &mut App) {
        let mut at_the_end = Schedule::new(AfterLast);
        at_the_end
            .set_executor(SingleThreadedExecutor::new())
            .add_systems((save_at_exit, saved_past::save_at_exit));
        app.add_schedule(at_the_end)
            .add_systems(StepStart, saved_past::load.in_set(DecideSystems::Synchronize).after(start::start))
            .add_systems(
                BeforeReset,
                resume_lesson.before(ParameterSystems).run_if(resource_exists::<Curriculum>),
            )
            .add_systems(Last, (save_now_and_then, note, saved_past::save));
        app.world_mut().resource_mut::<MainScheduleOrder>().insert_after(Last, AfterLast);
    }
}

/// Runs after [`Last`], because games may still decide to exit in `Last`.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
struct AfterLast;

/// Saves all learners whenever it is time. If a learner could not be saved, tells why.
fn save_now_and_then(
    training: Res<Training>,
    noted: Noted,
    mut last: Local<Option<(Instant, u64)>>,
    mut told: Local<Option<String>>,
) {
    let Some(autosave) = &training.plugin.autosave else { return };
    let failure = training.checkpoint_failure();
    if failure != *told {
        // If the app has a logger, the learner's thread has already written the failure to the log.
        if let Some(failure) = failure.as_ref().filter(|_| log::max_level() == log::LevelFilter::Off) {
            warn(&format!("the training goes on, but could not be saved: {failure}"));
        }
        *told = failure;
    }
    let updates = training.updates();
    let (then, saved) = last.get_or_insert_with(|| (Instant::now(), updates));
    if then.elapsed() < autosave.every || updates == *saved {
        return;
    }
    (*then, *saved) = (Instant::now(), updates);
    for KindLearner { kind, thread, .. } in &training.learners {
        if let Some(thread) = thread {
            thread.checkpoint(autosave.request(kind, noted.note(kind)));
        }
    }
}

/// The real time from one call of [`Training::note`] to the next.
const NOTE: Duration = Duration::from_millis(20);

/// Notes what a checkpoint needs from the world, in case the app is dropped before the next note.
fn note(mut training: ResMut<Training>, noted: Noted, mut last: Local<Option<(Instant, usize)>>) {
    let count = training.learners.len();
    if last.is_some_and(|(last, learners)| last.elapsed() < NOTE && learners == count) {
        return;
    }
    *last = Some((Instant::now(), count));
    training.note(&noted);
}

/// Stops all learners and saves them when the app exits.
fn save_at_exit(mut exits: MessageReader<AppExit>, mut training: ResMut<Training>, noted: Noted) {
    if exits.read().next().is_none() {
        return;
    }
    training.note(&noted);
    training.save_and_stop();
}

impl Training {
    /// Notes what a checkpoint would need now.
    fn note(&mut self, noted: &Noted) {
        self.learners.iter_mut().for_each(|learner| learner.last_note = noted.note(&learner.kind));
    }

    /// Stops all learners and saves them, if there is an [`Autosave`].
    fn save_and_stop(&mut self) {
        let Some(autosave) = &self.plugin.autosave else { return };
        self.stop.stop();
        for learner in &mut self.learners {
            let has_failed = learner.failure().is_some();
            let stopped = learner.thread.take().and_then(|thread| thread.join()).filter(|_| !has_failed);
            let save = |mut stopped: Learner| {
                stopped.set_note(learner.last_note.clone());
                autosave.save(&learner.kind, &stopped)
            };
            if let Some(Err(error)) = stopped.map(save) {
                warn(&error.to_string());
            }
        }
    }
}

/// Also saves the training of an app that ends without [`AppExit`], for example when a headless program has made its last update.
impl Drop for Training {
    fn drop(&mut self) {
        if self.updates() > 0 {
            self.save_and_stop();
        }
    }
}
