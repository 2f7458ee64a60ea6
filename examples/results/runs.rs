use std::{
    fmt,
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    str::FromStr,
    sync::Mutex,
    thread::{self, available_parallelism},
};

use bevy_maddpg::{FolderLock, policy::PolicySnapshot};
use bevy_maddpg_lab::{
    experiment::{COLUMNS, Evaluation, RunFolder, Summary},
    statistics::CurvePoint,
};

use super::{Failure, method::Method, task::Task, tell};

/// Noise-free episodes that a trained policy is evaluated on.
pub(crate) const EPISODES: u32 = 1_000;

/// All trainings, kept in a folder.
pub(crate) struct Runs {
    folder: PathBuf,
    jobs: usize,
}

/// A training of one seed.
#[derive(Clone, Copy)]
pub(crate) struct Training {
    pub(crate) task: Task,
    pub(crate) method: Method,
    pub(crate) seed: u64,
}

/// A finished training.
pub(crate) struct Run {
    folder: RunFolder,
    pub(crate) summary: Summary,
    pub(crate) evaluation: Evaluation,
}

impl Runs {
    /// Trainings in `folder`; `jobs` of those that are missing run at once.
    pub(crate) fn new(folder: PathBuf, jobs: usize) -> Self {
        Self { folder, jobs }
    }

    /// The trainings of seeds `1..=seeds`; runs those that are missing.
    pub(crate) fn seeds(&self, task: Task, method: Method, seeds: u64) -> Result<Vec<Run>, Failure> {
        self.train((1..=seeds).map(|seed| Training { task, method, seed }).collect(), || Ok(()))?;
        self.finished(task, method, seeds)
    }

    /// Those of the trainings of seeds `1..=seeds` that are finished.
    pub(crate) fn finished(&self, task: Task, method: Method, seeds: u64) -> Result<Vec<Run>, Failure> {
        let of_seed = |seed| Run::read(&self.folder(Training { task, method, seed })).transpose();
        (1..=seeds).filter_map(of_seed).collect()
    }

    /// Runs those of the trainings that are missing, and calls `after_each` after each of them. After the first that fails, none is
    /// begun.
    pub(crate) fn train(
        &self,
        trainings: Vec<Training>,
        after_each: impl Fn() -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for training in trainings {
            if Run::read(&self.folder(training))?.is_none() {
                missing.push(training);
            }
        }
        let count = missing.len();
        let queue = Mutex::new(missing.into_iter().zip(1..));
        let after_each = Mutex::new(after_each);
        let next = || queue.lock().expect("no worker panics").next();
        let work = || {
            while let Some((training, number)) = next() {
                tell(&format!("{number} of {count}: {training}"));
                let done = self.run(training).and_then(|()| after_each.lock().expect("no worker panics")());
                if let Err(failure) = done {
                    // The others may take minutes to finish.
                    tell(&failure.to_string());
                    queue.lock().expect("no worker panics").by_ref().for_each(drop);
                    return Err(failure);
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs.min(count)).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
        })
    }

    fn folder(&self, Training { task, method, seed }: Training) -> PathBuf {
        self.folder.join(format!("{task}/{}/seed-{seed}", method.slug()))
    }

    /// Runs a training. What it says is in `log.txt` in its folder.
    fn run(&self, training: Training) -> Result<(), Failure> {
        let folder = self.folder(training);
        let Training { task, method, seed } = training;
        if folder.exists() {
            if FolderLock::acquire(&folder)?.is_none() {
                let path = folder.display();
                return Err(format!(
                    "another process is training in `{path}`; wait until it has ended, or choose another folder with --runs"
                )
                .into());
            }
            // It was interrupted before its evaluation.
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut arguments = method.arguments(seed);
        if let Some(changes) = method.changes() {
            let file = folder.join("changes.toml");
            fs::write(&file, changes)?;
            arguments.extend(["--config".into(), file.display().to_string()]);
        }
        let log = File::create(folder.join("log.txt"))?;
        let status = Command::new(std::env::current_exe()?)
            .args(["train", &task.to_string(), "--out", &folder.display().to_string()])
            .args(arguments)
            // The threads that move bodies.
            .env("RAYON_NUM_THREADS", (cores() / self.jobs).max(1).to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()?;
        if !status.success() {
            let file = folder.join("log.txt");
            return Err(format!("the training failed: {training}; `{}` says why", file.display()).into());
        }
        match Run::read(&folder)? {
            Some(_) => Ok(()),
            None => Err("interrupted; run again to do the remaining trainings".into()),
        }
    }
}

/// The cores that this program may use.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

impl fmt::Display for Training {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, method, seed } = self;
        write!(formatter, "{task}, {}, seed {seed}", method.label())
    }
}

impl Run {
    /// The finished training in a folder; `None` if there is none or it was interrupted.
    fn read(folder: &std::path::Path) -> Result<Option<Self>, Failure> {
        let folder = RunFolder::at(folder);
        let Ok(text) = fs::read_to_string(folder.summary()) else { return Ok(None) };
        let summary: Summary = serde_json::from_str(&text)
            .map_err(|error| format!("`{}`: {error}", folder.summary().display()))?;
        Ok(summary.evaluation.clone().map(|evaluation| Self { folder, evaluation, summary }))
    }

    /// The trained policy.
    pub(crate) fn policy(&self) -> Result<PolicySnapshot, Failure> {
        Ok(PolicySnapshot::load(self.folder.policy())?)
    }

    /// All episodes of the training, with exploration.
    pub(crate) fn curve(&self) -> Result<Vec<CurvePoint>, Failure> {
        let path = self.folder.metrics();
        let mut reader = csv::Reader::from_path(&path)?;
        let column = |name: &str| COLUMNS.iter().position(|column| *column == name);
        let columns = ["kind", "decisions", "score", "score_100"].map(column);
        let [Some(kind), Some(decisions), Some(score), Some(score_100)] = columns else {
            return Err("`metrics.csv` lacks an expected column".into());
        };
        let mut points = Vec::new();
        for row in reader.records() {
            let row = row?;
            if &row[kind] == "episode" {
                points.push(CurvePoint {
                    decisions: number(&row[decisions])?,
                    score: number(&row[score])?,
                    score_100: Some(&row[score_100])
                        .filter(|text| !text.is_empty())
                        .map(number)
                        .transpose()?,
                });
            }
        }
        Ok(points)
    }

    /// The mean of a measure over the episodes without exploration.
    pub(crate) fn measure(&self, name: &str) -> f64 {
        self.evaluation.measures.get(name).map_or(f64::NAN, |value| f64::from(*value))
    }
}

/// Joint decisions after which the mean score of 100 training episodes, with exploration, first reached `score`.
pub(crate) fn reached(curve: &[CurvePoint], score: f64) -> Option<u64> {
    let reached = |point: &&CurvePoint| point.score_100.is_some_and(|mean| f64::from(mean) >= score);
    curve.iter().find(reached).map(|point| point.decisions)
}

fn number<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| format!("`{text}` is not a number").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_another_process_is_training_in_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let runs = Runs::new(parent.path().into(), 1);
        let training = Training { task: Task::Pendulum, method: Method::DEFAULT, seed: 1 };
        let folder = runs.folder(training);
        fs::create_dir_all(&folder).unwrap();
        let lock = FolderLock::acquire(&folder).unwrap();
        assert!(lock.is_some());
        let error = runs.run(training).unwrap_err().to_string();
        assert!(error.contains("another process") && error.contains("seed-1"), "{error}");
        assert!(folder.exists());
    }
}
