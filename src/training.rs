//! Training inside a running app: the learner's thread as a resource.

mod autosave;
mod exchange;
mod few_arenas;
mod note;
mod plugin;
mod saved_past;
mod start;
mod wait;

pub use self::{autosave::Autosave, plugin::TrainingPlugin};

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bevy::prelude::*;

use self::{saved_past::SavedPast, wait::WaitTimes};
#[cfg(doc)]
use crate::rollout::Arenas;
use crate::{
    FolderLock,
    learner::{CheckpointRequest, Cores, Learner, LearnerRecord, LearnerThread, StopSignal},
    policy::LatestPolicy,
    transition::TransitionBlock,
};

/// A report from a learner, sent every 100 updates: losses, Q values, saturation and more.
#[derive(Message, Debug, Clone, Default, PartialEq)]
pub struct LearnerReport {
    /// The name of the kind of arenas that the learner learns from.
    pub kind: String,
    /// What the learner measured.
    pub record: LearnerRecord,
}

/// The path for the file of one kind of arenas: inserts the name of the kind before the extension. For the kind `hunter+prey`,
/// `run/guard.safetensors` becomes `run/guard.hunter+prey.safetensors`. Characters of the kind's name that cannot be in a file name are
/// percent-encoded as in a URL: `red/wolf` becomes `red%2Fwolf`.
pub fn kind_path(path: &Path, kind: &str) -> PathBuf {
    let kind: String = kind
        .chars()
        .map(|c| match c {
            // All of these are a single byte in UTF-8.
            '\0'..' ' | '\x7f' | '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%' => {
                format!("%{:02X}", u32::from(c))
            }
            _ => c.into(),
        })
        .collect();
    let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
    path.with_extension(match extension {
        Some(extension) => format!("{kind}.{extension}"),
        None => kind,
    })
}

/// The running learners, one for each kind of arenas. A learner starts as soon as there is an arena of its kind.
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
///         training.checkpoint("guard.checkpoint.safetensors", false);
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
    /// The past policies of self-play in the folder of [`Autosave`]. They are dropped before the lock.
    past: Option<SavedPast>,
    /// Reserves the folder of [`Autosave`].
    lock: Option<FolderLock>,
    wait_start: Option<Instant>,
    waits: WaitTimes,
}

/// The learner of one kind of arenas.
#[derive(Debug)]
struct KindLearner {
    kind: String,
    /// Whether it continues from the checkpoint at the [`kind_path`] of its kind. It then also writes its checkpoints there.
    has_own_file: bool,
    /// Updates that it made in earlier runs.
    earlier_updates: u64,
    thread: Option<LearnerThread>,
    spare: TransitionBlock,
    /// What [`Autosave`] notes in the next checkpoint if the app is dropped.
    last_note: String,
    /// Why the learner did not start, or why it had failed when it was stopped.
    failure: Option<String>,
}

impl Training {
    fn threads(&self) -> impl Iterator<Item = &LearnerThread> {
        self.learners.iter().filter_map(|learner| learner.thread.as_ref())
    }

    /// The kinds of arenas that have a learner, in the order in which they started.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.learners.iter().map(|learner| learner.kind.as_str())
    }

    /// The newest policy of the learner that started first. The learner updates it. `None` if no learner has started.
    pub fn latest_policy(&self) -> Option<&LatestPolicy> {
        self.threads().next().map(LearnerThread::latest_policy)
    }

    /// Number of updates of all learners so far, including those of the trainings that they continue.
    pub fn updates(&self) -> u64 {
        self.threads().map(LearnerThread::updates).sum()
    }

    /// Updates of all learners since they were started in this app.
    pub(crate) fn own_updates(&self) -> u64 {
        let of = |learner: &KindLearner| Some(learner.thread.as_ref()?.updates() - learner.earlier_updates);
        self.learners.iter().filter_map(of).sum()
    }

    /// Number of joint transitions that were dropped because a learner was busy.
    pub fn dropped(&self) -> u64 {
        self.threads().map(LearnerThread::dropped).sum()
    }

    /// A percentile of the time that the game spent on the learners at each of the last 4,096 decisions: on waiting, on taking the
    /// newest policy and on sending transitions. `share` is from 0 to 1; 0.99 is the 99th percentile. `None` before the first decision.
    pub fn wait_percentile(&self, share: f32) -> Option<Duration> {
        self.waits.percentile(share)
    }

    /// Why a learner could not start or has failed; `None` if all is well. The game goes on with the last good policy.
    pub fn failure(&self) -> Option<String> {
        self.learners.iter().find_map(KindLearner::failure)
    }

    /// Asks the learners to write a checkpoint, which contains the replay buffer if `with_replay` is true. The game does not wait.
    /// A single learner writes to `path`. Several learners write to the paths that [`kind_path`] gives, and so does a single learner
    /// that continues from such a file.
    pub fn checkpoint(&self, path: impl Into<PathBuf>, with_replay: bool) {
        self.checkpoint_with(&CheckpointRequest {
            path: path.into(),
            with_replay,
            ..CheckpointRequest::default()
        });
    }

    /// As [`checkpoint`](Self::checkpoint), with a [note](Learner::set_note) in the file, such as the game's own counters.
    pub fn checkpoint_with(&self, request: &CheckpointRequest) {
        for learner in &self.learners {
            let mut request = request.clone();
            if self.learners.len() > 1 || learner.has_own_file {
                request.path = kind_path(&request.path, &learner.kind);
            }
            if let Some(thread) = &learner.thread {
                thread.checkpoint(request);
            }
        }
    }

    /// Whether a learner has yet to write a checkpoint that was requested.
    pub fn checkpoint_is_pending(&self) -> bool {
        self.threads().any(LearnerThread::checkpoint_is_pending)
    }

    /// Why the last checkpoint of a learner could not be written; `None` if it was. The learner goes on.
    pub fn checkpoint_failure(&self) -> Option<String> {
        self.threads().find_map(LearnerThread::checkpoint_failure)
    }

    /// Stops the learner that started first and returns it. Waits until the learner has processed everything that was sent to it.
    /// `None` if there is no learner, or if its thread panicked.
    pub fn stop(&mut self) -> Option<Learner> {
        self.learners.first_mut()?.stop()
    }

    /// A signal with which any thread can stop all learners. Each learner stops after its present update. If the game waits for a
    /// learner, it goes on at once. Call [`stop`](Self::stop) afterwards.
    pub fn stop_signal(&self) -> &StopSignal {
        &self.stop
    }

    /// As [`stop`](Self::stop), but for the learner of this kind of arenas.
    pub fn stop_kind(&mut self, kind: &str) -> Option<Learner> {
        self.learners.iter_mut().find(|learner| learner.kind == kind)?.stop()
    }
}

impl KindLearner {
    fn failure(&self) -> Option<String> {
        self.failure.clone().or_else(|| self.thread.as_ref().and_then(LearnerThread::failure))
    }

    fn stop(&mut self) -> Option<Learner> {
        let (learner, failure) = self.thread.take()?.finish();
        self.failure = failure;
        learner
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
        assert_eq!(
            kind_path(Path::new("run/guard.bin"), "red/guard+..\\x"),
            Path::new("run/guard.red%2Fguard+..%5Cx.bin")
        );
    }
}
