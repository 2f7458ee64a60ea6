use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bevy_maddpg::write_atomically;
use serde::Serialize;

use super::{ExperimentError, OutputError, Summary};

/// Keeps other processes from writing to the folder of a run, until it is dropped or the process ends.
#[derive(Debug, Clone, bevy::prelude::Resource)]
pub(super) struct FolderLock(
    #[expect(dead_code, reason = "the folder is reserved as long as it lives")] Arc<bevy_maddpg::FolderLock>,
);

/// The output folder of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Creates the folder at `path`. Without a path, creates `runs/NAME-NNN` with the next free number.
    ///
    /// # Errors
    /// If the folder cannot be created or written to, or already holds a run.
    pub fn create(path: Option<&Path>, name: &str) -> Result<Self, ExperimentError> {
        let folder = match path {
            Some(path) => Self(path.into()),
            None => Self::next_free(Path::new("runs"), name)?,
        };
        fs::create_dir_all(&folder.0).map_err(|source| folder.io_error("create", source))?;
        folder.check_writable()?;
        for file in [
            folder.policy(),
            folder.checkpoint(),
            folder.description(),
            folder.metrics(),
            folder.summary(),
            folder.evaluations(),
            // It may be the one that `--config` names.
            folder.config(),
        ] {
            if file.exists() {
                let found = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Err(ExperimentError::FolderInUse { path: folder.0, found });
            }
        }
        Ok(folder)
    }

    /// The folder of an existing run, for reading.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder of a run to resume. `path` may also be its checkpoint.
    ///
    /// # Errors
    /// If there is no such folder, or if it holds no run. A run that was stopped before its first checkpoint counts as one.
    pub fn reopen(path: &Path) -> Result<Self, ExperimentError> {
        let folder = Self(match path.parent() {
            Some(parent) if path.is_file() => parent.into(),
            _ => path.into(),
        });
        if folder.checkpoint().exists() || folder.description().exists() {
            return Ok(folder);
        }
        Err(ExperimentError::NothingToResume { path: path.into(), exists: path.exists() })
    }

    /// Reserves the folder for this process.
    ///
    /// # Errors
    /// If another process has reserved it, or if it cannot be written to.
    pub(super) fn lock(&self) -> Result<FolderLock, ExperimentError> {
        self.check_writable()?;
        let path = self.0.join(".lock");
        let lock = bevy_maddpg::FolderLock::acquire(&self.0).map_err(OutputError::io("create", &path))?;
        lock.map(|lock| FolderLock(Arc::new(lock)))
            .ok_or_else(|| ExperimentError::FolderBusy { path: self.0.clone() })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The trained policy.
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.safetensors")
    }

    /// The last policy of the run. While the run goes on, the policy at the last checkpoint.
    pub fn last_policy(&self) -> PathBuf {
        self.0.join("policy-last.safetensors")
    }

    /// How the run's policies play without exploration.
    pub fn evaluations(&self) -> PathBuf {
        self.0.join("evaluations.csv")
    }

    /// The ratings of the run's policies.
    pub fn ratings(&self) -> PathBuf {
        self.0.join("ratings.csv")
    }

    /// The ratings as a picture.
    pub fn ratings_picture(&self) -> PathBuf {
        self.0.join("ratings.png")
    }

    /// The folder of the past policies of self-play.
    pub fn rivals(&self) -> PathBuf {
        self.0.join("rivals")
    }

    /// Whether the run has ended in order after its last checkpoint, so that its result was chosen.
    pub(super) fn is_finished(&self) -> bool {
        let written = |path: PathBuf| fs::metadata(path)?.modified();
        let is_newer = match (written(self.summary()), written(self.checkpoint())) {
            (Ok(summary), Ok(checkpoint)) => summary >= checkpoint,
            _ => false,
        };
        let summary = || serde_json::from_slice::<Summary>(&fs::read(self.summary()).ok()?).ok();
        is_newer && summary().is_some_and(|summary| summary.finished)
    }

    /// Removes the ratings of an earlier result, since the present one was not chosen by them.
    pub(super) fn remove_ratings(&self) -> Result<(), OutputError> {
        for path in [self.ratings(), self.ratings_picture()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(OutputError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// In a run that can be repeated bit by bit: the best policy at the end of the last part.
    pub(super) fn policy_of_part(&self) -> PathBuf {
        self.0.join("policy-part.safetensors")
    }

    /// The state that the learner needs to continue training.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// What the run was started with: game, preset, seed, arenas.
    pub fn description(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// Every hyperparameter of the run.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// One row per episode and one per learner report.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.csv")
    }

    /// The learning curve.
    pub fn curve(&self) -> PathBuf {
        self.0.join("curve.png")
    }

    /// The summary.
    pub fn summary(&self) -> PathBuf {
        self.0.join("summary.json")
    }

    /// Writes the configuration.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_config(&self, toml: &str) -> Result<(), OutputError> {
        write_atomically(&self.config(), toml.as_bytes()).map_err(OutputError::io("write", &self.config()))
    }

    fn next_free(parent: &Path, name: &str) -> Result<Self, ExperimentError> {
        let mut number = 1;
        loop {
            let folder = Self(parent.join(format!("{name}-{number:03}")));
            // Another run may look for a number at the same time, so the folder itself is what reserves it.
            match fs::create_dir_all(parent).and_then(|()| fs::create_dir(&folder.0)) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(folder.io_error("create", error).into()),
            }
        }
    }

    /// Keeps the best policy so far as that of the part that has just ended.
    pub(super) fn keep_policy_of_part(&self) -> Result<(), OutputError> {
        copy(&self.policy(), &self.policy_of_part())
    }

    /// Makes the best policy at the end of the last part the best one again; none, if there was none.
    pub(super) fn restore_policy_of_part(&self) -> Result<(), OutputError> {
        copy(&self.policy_of_part(), &self.policy())
    }

    /// Writes and removes a test file, so that a run fails at its start instead of its end.
    fn check_writable(&self) -> Result<(), OutputError> {
        let probe = self.0.join(".write-test");
        fs::write(&probe, b"")
            .and_then(|()| fs::remove_file(&probe))
            .map_err(|source| self.io_error("write to", source))
    }

    fn io_error(&self, action: &'static str, source: io::Error) -> OutputError {
        OutputError::Io { action, path: self.0.clone(), source }
    }
}

/// Replaces a file by another one, or removes it if there is no other.
fn copy(from: &Path, to: &Path) -> Result<(), OutputError> {
    match fs::read(from) {
        Ok(content) => write_atomically(to, &content).map_err(OutputError::io("write", to)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(OutputError::io("remove", to)(error))
            }
            _ => Ok(()),
        },
        Err(error) => Err(OutputError::io("read", from)(error)),
    }
}

/// Writes numbers and strings as indented JSON, atomically. An existing file is replaced.
pub(super) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), OutputError> {
    let mut json =
        serde_json::to_string_pretty(content).expect("a struct of numbers and strings is always JSON");
    json.push('\n');
    write_atomically(path, json.as_bytes()).map_err(OutputError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_run_is_not_written_over() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let folder = RunFolder::create(Some(&path), "tennis").unwrap();
        fs::write(folder.metrics(), "x").unwrap();
        let error = RunFolder::create(Some(&path), "tennis").unwrap_err().to_string();
        assert!(error.contains("metrics.csv") && error.contains("--resume"), "{error}");
        assert!(RunFolder::reopen(&path).unwrap_err().to_string().contains("holds no run"));
        fs::write(folder.checkpoint(), "x").unwrap();
        assert_eq!(RunFolder::reopen(&path).unwrap(), folder);
        assert_eq!(
            RunFolder::reopen(&folder.checkpoint()).unwrap(),
            folder,
            "the checkpoint stands for its folder"
        );
        let missing = RunFolder::reopen(&parent.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("none") && missing.contains("does not exist"), "{missing}");
    }

    #[test]
    fn a_file_that_a_run_would_write_over_is_refused_even_without_a_run() {
        for name in ["config.toml", "evaluations.csv"] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), "x").unwrap();
            let error = RunFolder::create(Some(folder.path()), "tennis").unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "x");
        }
    }

    #[test]
    fn each_run_gets_a_number_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let [first, second] =
            [(); 2].map(|()| RunFolder::next_free(&parent.path().join("runs"), "game").unwrap());
        assert!(first.path().ends_with("game-001") && second.path().ends_with("game-002"));
        assert!(first.path().exists(), "the folder itself reserves the number");
    }

    #[test]
    fn a_folder_is_reserved_for_one_process() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "tennis").unwrap();
        let lock = folder.lock().unwrap();
        assert!(matches!(folder.lock(), Err(ExperimentError::FolderBusy { .. })));
        drop(lock);
        assert!(folder.lock().is_ok());
    }

    #[test]
    fn a_path_under_a_file_is_refused_by_name() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("file"), "x").unwrap();
        let error =
            RunFolder::create(Some(&parent.path().join("file/run")), "tennis").unwrap_err().to_string();
        assert!(error.contains("file/run"), "{error}");
    }
}
