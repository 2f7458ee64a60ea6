//! What a run needs to go on as if it had not stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use bevy_maddpg::{
    learner::{CheckpointError, Device, Learner, Preset, TrainingConfig},
    random::stream,
    self_play::PastPolicy,
};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{ExperimentError, Options, RunFolder, eprintln_line, parameters};
use crate::{
    game::Game,
    statistics::{RunStatistics, SavedBoard, Thinning},
};

/// What a run was started with: `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunDescription {
    pub(super) game: String,
    pub(super) preset: Preset,
    pub(super) seed: u64,
    pub(super) arenas: usize,
    pub(super) lockstep: bool,
    /// Joint decisions of a part, if the run has parts, each of which goes on as a resumed run does.
    #[serde(default)]
    pub(super) decisions_of_part: Option<u64>,
    /// Whether its last session had parts. A session in a window has none.
    #[serde(default)]
    pub(super) has_parts: bool,
    /// Whether checkpoints contain the replay buffer.
    #[serde(default)]
    pub(super) save_replay: bool,
    /// The game's own settings.
    #[serde(default)]
    pub(super) settings: BTreeMap<String, String>,
}

impl RunDescription {
    /// Reads the description of a run; `None` if there is none, because an older version made the run.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ExperimentError> {
        let damaged = |reason: String| ExperimentError::DamagedRun { path: path.into(), reason };
        match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| damaged(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(damaged(error.to_string())),
        }
    }
}

/// The counters and scores of a run, its lesson and its past policies. Each checkpoint contains them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RunState {
    /// Seconds of training.
    pub(super) seconds: f64,
    /// Joint decisions of all arenas.
    pub(super) decisions: u64,
    pub(super) board: SavedBoard,
    /// How the rows of `metrics.csv` were thinned out.
    pub(super) episodes: Thinning,
    pub(super) reports: Thinning,
    /// The name of the lesson that it is in; `None` without lessons.
    #[serde(default)]
    pub(super) lesson: Option<String>,
    /// The last scores in that lesson, if it ends by score.
    #[serde(default)]
    pub(super) lesson_scores: Vec<f32>,
    /// The past policies of self-play, whose files are in the folder of the run. `None` without self-play, and in checkpoints of older
    /// versions.
    #[serde(default)]
    pub(super) past: Option<Vec<PastPolicy>>,
}

impl RunState {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An earlier part of a run, from its checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    /// `None` if the checkpoint has no state, because a game or an older version made it.
    pub(super) state: Option<RunState>,
    /// Joint transitions that the learner has received.
    pub(super) transitions: u64,
    pub(super) updates: u64,
}

impl Earlier {
    /// Reads the checkpoint in `folder`. `None` if the run was stopped before its first one. Tells which settings changed since.
    pub(super) fn load(
        folder: &RunFolder,
        game: &dyn Game,
        config: &TrainingConfig,
    ) -> Result<Option<Self>, ExperimentError> {
        let path = folder.checkpoint();
        if !path.exists() {
            eprintln_line(&format!(
                "the run in {} was stopped before its first checkpoint, so it starts from the beginning",
                folder.path().display()
            ));
            return Ok(None);
        }
        let learner = Learner::load(&path, &game.spec(), Device::cpu())?;
        let changes = config.learner.changes_from(learner.config())?;
        if !changes.is_empty() {
            eprintln_line(&format!("settings that differ from the checkpoint's: {}", changes.join(", ")));
        }
        let damaged = |error: serde_json::Error| ExperimentError::DamagedRun {
            path: path.clone(),
            reason: format!("the state of the run in it cannot be read: {error}"),
        };
        let state = match learner.note() {
            "" => None,
            note => Some(serde_json::from_str(note).map_err(damaged)?),
        };
        let earlier = Self { state, transitions: learner.transitions(), updates: learner.updates() };
        eprintln_line(&format!(
            "resuming after {} joint decisions and {:.1} s of training",
            earlier.decisions(),
            earlier.seconds()
        ));
        Ok(Some(earlier))
    }

    /// The part of a run that ends with this learner.
    pub(super) fn ending_with(learner: &Learner, state: RunState) -> Self {
        Self { state: Some(state), transitions: learner.transitions(), updates: learner.updates() }
    }

    /// Joint decisions of all arenas so far.
    pub(super) fn decisions(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.decisions).max(self.transitions)
    }

    pub(super) fn seconds(&self) -> f64 {
        self.state.as_ref().map_or(0.0, |state| state.seconds)
    }

    /// The seed of what follows. With the run's own seed, the same random numbers would come again.
    pub(super) fn seed(&self, seed: u64) -> u64 {
        stream(seed, "resumed run", self.decisions()).random()
    }

    /// Continues the run's statistics.
    pub(super) fn restore(&self, statistics: &mut RunStatistics) {
        let board = self.state.as_ref().map(|state| &state.board);
        statistics.resume(board, self.seconds(), self.decisions(), self.updates);
    }
}

/// Sets the options with which the run in this folder was started.
pub(super) fn continue_with(
    folder: &RunFolder,
    game: &dyn Game,
    options: &mut Options,
) -> Result<(), ExperimentError> {
    let Some(description) = RunDescription::read(&folder.description())? else { return Ok(()) };
    if description.game != game.name() {
        return Err(ExperimentError::RunOfOtherGame {
            path: folder.path().into(),
            found: description.game,
            game: game.name().into(),
        });
    }
    let settings = game.settings();
    // The run may have settings that this game lacks, and the other way round: two games may have the same name.
    for option in BTreeSet::from_iter(description.settings.keys().chain(settings.keys())) {
        let [found, now] = [&description.settings, &settings].map(|settings| settings.get(option).cloned());
        if found != now {
            let (path, option) = (folder.path().into(), option.clone());
            return Err(ExperimentError::RunOfOtherSettings { path, option, found, now });
        }
    }
    options.preset = description.preset;
    options.seed = description.seed;
    options.arenas = Some(description.arenas);
    options.lockstep = description.lockstep;
    options.save_replay |= description.save_replay;
    if let Some(decisions) = description.decisions_of_part {
        (options.save_replay, options.checkpoint_decisions) = (true, decisions);
    }
    Ok(())
}

/// The settings in the folder of a run, or these if there are none.
pub(super) fn settings(
    folder: &RunFolder,
    config: TrainingConfig,
) -> Result<TrainingConfig, ExperimentError> {
    let path = folder.config();
    Ok(if path.exists() { parameters::training_config(&config, &path)? } else { config })
}

impl From<bevy_maddpg::learner::LearnerError> for ExperimentError {
    fn from(error: bevy_maddpg::learner::LearnerError) -> Self {
        Self::Checkpoint(CheckpointError::Learner(error))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        catalog::{Control, Pendulum},
        games::control::{Sight, Task},
        statistics::ScoreBoard,
    };

    #[test]
    fn a_state_comes_back_and_one_of_an_older_version_has_neither_lesson_nor_past() {
        let state = RunState {
            seconds: 7.5,
            decisions: 90,
            board: ScoreBoard::new(None).save(),
            episodes: Thinning::new(9),
            reports: Thinning::new(9),
            lesson: Some("fast".into()),
            lesson_scores: vec![0.5],
            past: Some(vec![PastPolicy { decisions: 40, rating: Some(1_000.1) }]),
        };
        let text = state.to_json();
        let read: RunState = serde_json::from_str(&text).unwrap();
        assert_eq!((read.decisions, read.lesson, read.past), (90, state.lesson, state.past));
        let mut older: serde_json::Value = serde_json::from_str(&text).unwrap();
        for field in ["lesson", "past"] {
            assert!(older.as_object_mut().unwrap().remove(field).is_some());
        }
        let read: RunState = serde_json::from_str(&older.to_string()).unwrap();
        assert_eq!((read.decisions, read.lesson, read.past), (90, None, None));
    }

    #[test]
    fn a_description_that_cannot_be_read_is_not_taken_for_an_older_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        assert_eq!(RunDescription::read(&path).unwrap(), None);
        for damaged in [&b"{\"game\": \"ten\xff"[..], b"{", b""] {
            fs::write(&path, damaged).unwrap();
            let error = RunDescription::read(&path).unwrap_err().to_string();
            assert!(error.contains("run.json"), "{error}");
        }
    }

    #[test]
    fn a_run_of_another_game_with_the_same_name_or_with_other_settings_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let control = Control::new(Task::Pendulum);
        let seeing = Control { sight: Sight::Pixels, ..control };
        let games: [&dyn Game; 3] = [&Pendulum, &control, &seeing];
        let resume = |number: usize, game: &dyn Game| {
            let folder = RunFolder::at(parent.path().join(number.to_string()));
            let mut options = Options::parse_from(["program"]);
            let resumed = continue_with(&folder, game, &mut options);
            resumed.map(|()| options.arenas).map_err(|error| error.to_string())
        };
        for (number, game) in games.into_iter().enumerate() {
            let description = RunDescription {
                game: game.name().into(),
                preset: Preset::default(),
                seed: 5,
                arenas: 3,
                lockstep: false,
                decisions_of_part: None,
                has_parts: false,
                save_replay: false,
                settings: game.settings(),
            };
            let folder = RunFolder::create(Some(&parent.path().join(number.to_string())), "run").unwrap();
            fs::write(folder.description(), serde_json::to_string(&description).unwrap()).unwrap();
            assert_eq!(resume(number, game), Ok(Some(3)));
        }
        for (run, game, words) in [
            (0, 1, ["was started with no `--task`", "has `--task pendulum`"]),
            (1, 0, ["was started with `--task pendulum`", "has no `--task`"]),
            (1, 2, ["was started with no `--pixels`", "has `--pixels`"]),
            (2, 1, ["was started with `--pixels`", "has no `--pixels`"]),
        ] {
            let error = resume(run, games[game]).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}
