use std::{
    fs,
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    str::FromStr,
};

use bevy_maddpg::policy::PolicySnapshot;
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
}

/// A finished training.
pub(crate) struct Run {
    folder: RunFolder,
    pub(crate) summary: Summary,
    pub(crate) evaluation: Evaluation,
}

impl Runs {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The trainings of seeds `1..=seeds`; runs those that are missing.
    pub(crate) fn seeds(&self, task: Task, method: Method, seeds: u64) -> Result<Vec<Run>, Failure> {
        (1..=seeds).map(|seed| self.run(task, method, seed)).collect()
    }

    /// Those of the trainings of seeds `1..=seeds` that are finished.
    pub(crate) fn finished(&self, task: Task, method: Method, seeds: u64) -> Result<Vec<Run>, Failure> {
        let of_seed = |seed| Run::read(&self.folder(task, method, seed)).transpose();
        (1..=seeds).filter_map(of_seed).collect()
    }

    fn folder(&self, task: Task, method: Method, seed: u64) -> PathBuf {
        self.folder.join(format!("{task}/{}/seed-{seed}", method.slug()))
    }

    fn run(&self, task: Task, method: Method, seed: u64) -> Result<Run, Failure> {
        let folder = self.folder(task, method, seed);
        if let Some(run) = Run::read(&folder)? {
            return Ok(run);
        }
        tell(&format!("{task}, {}, seed {seed}", method.label()));
        if folder.exists() {
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
        let mut training = Command::new(std::env::current_exe()?)
            .args(["train", &task.to_string(), "--out", &folder.display().to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        // The summary, which is also in the folder.
        let mut said = String::new();
        if let Some(output) = &mut training.stdout {
            output.read_to_string(&mut said)?;
        }
        if !training.wait()?.success() {
            return Err(format!("the training in `{}` failed", folder.display()).into());
        }
        let finished = Run::read(&folder)?;
        finished.ok_or_else(|| "interrupted; run again to do the remaining trainings".into())
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

    /// The mean of a measure over the noise-free episodes.
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
