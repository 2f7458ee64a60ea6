//! The parameters of the game in a run: in the configuration file, in training and in evaluations.

use std::{fs, path::Path, sync::Arc};

use bevy::prelude::*;
use bevy_maddpg::{
    learner::{ConfigError, TrainingConfig},
    parameters::{LessonStarted, Parameter, ParametersConfig, ParametersPlugin},
};

use super::{ExperimentError, Run, RunFolder};
use crate::{game::Game, watch::Toast};

/// The keys of a configuration file that do not concern the learner.
const KEYS: [&str; 2] = ["parameters", "lessons"];

/// `settings` with the changes from a configuration file, without what it says about the parameters of the game.
pub(super) fn training_config(settings: &TrainingConfig, path: &Path) -> Result<TrainingConfig, ConfigError> {
    let text = read(path)?;
    let rest = match toml::from_str::<toml::Table>(&text) {
        Ok(mut table) => {
            KEYS.iter().for_each(|key| _ = table.remove(*key));
            table.to_string()
        }
        // The learner's settings report what is wrong with the text.
        Err(_) => text,
    };
    settings.changed_by(&rest).map_err(|error| error.in_file(path))
}

/// What a configuration file says about the parameters of a game, of which it has those that are `known`.
pub(super) fn parameters_config(path: &Path, known: &[Parameter]) -> Result<ParametersConfig, ConfigError> {
    let invalid = |reason: String| ConfigError::Invalid { path: Some(path.into()), reason };
    let text = read(path)?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    let own: toml::Table = table.into_iter().filter(|(key, _)| KEYS.contains(&key.as_str())).collect();
    let config: ParametersConfig =
        own.try_into().map_err(|error: toml::de::Error| invalid(error.to_string()))?;
    config.check(known).map_err(|error| invalid(error.to_string()))?;
    Ok(config)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.into(), source })
}

/// All settings of a run as TOML.
pub(super) fn to_toml(
    training: &TrainingConfig,
    parameters: &ParametersConfig,
) -> Result<String, ConfigError> {
    let own = toml::to_string(parameters)
        .map_err(|error| ConfigError::Invalid { path: None, reason: error.to_string() })?;
    let training = training.to_toml()?;
    Ok(if own.is_empty() { training } else { format!("{training}\n{own}") })
}

/// Draws the parameters of a game that is trained. A run that is resumed goes on with the lesson that its checkpoint names.
pub(super) fn train(app: &mut App, run: &Run, folder: &RunFolder) -> Result<(), ExperimentError> {
    if run.parameters.is_empty() {
        return Ok(());
    }
    let game = run.game.clone();
    let state = run.earlier.as_ref().and_then(|earlier| earlier.state.as_ref());
    let found = state.and_then(|state| state.lesson.as_deref());
    app.add_plugins(ParametersPlugin {
        known: game.parameters(),
        config: run.parameters.clone(),
        first_lesson: found.map_or(Ok(0), |found| lesson(&run.parameters, found, folder))?,
        first_scores: state.map(|state| state.lesson_scores.clone()).unwrap_or_default(),
        seed: Some(run.setup.seed),
        score: Arc::new(move |episode| game.score(episode)),
    });
    app.add_observer(|started: On<LessonStarted>, toasts: Option<ResMut<Messages<Toast>>>| {
        if let Some(mut toasts) = toasts {
            toasts.write(Toast::new(format!("lesson `{}` starts", started.name)));
        }
    });
    Ok(())
}

/// The index of the lesson with this name in the configuration of the run in a folder.
fn lesson(config: &ParametersConfig, found: &str, folder: &RunFolder) -> Result<usize, ExperimentError> {
    let index = config.lessons.iter().position(|lesson| lesson.name == found);
    index.ok_or_else(|| ExperimentError::UnknownLesson {
        path: folder.config(),
        found: found.into(),
        known: config.lessons.iter().map(|lesson| lesson.name.clone()).collect(),
    })
}

/// Draws the parameters of a game that is played with a trained policy, as in the last lesson.
pub(super) fn play(app: &mut App, game: &dyn Game, parameters: &ParametersConfig, seed: u64) {
    if !parameters.is_empty() {
        let config = parameters.of_last_lesson();
        app.add_plugins(ParametersPlugin { known: game.parameters(), config, seed: Some(seed), ..default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::tennis::Rules;
    use bevy_maddpg::{
        learner::Preset,
        parameters::{Distribution, Lesson, Until},
    };

    const KNOWN: [Parameter; 2] =
        [Parameter::new("gravity", 9.81, [1.0, 30.0]), Parameter::new("size", 1.0, [0.5, 2.0])];

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_has_settings_of_the_learner_and_parameters_of_the_game() {
        let (_folder, path) = file(
            r#"
            [learner]
            batch_size = 512
            [parameters]
            gravity = { uniform = [4, 14.7] }
            [[lessons]]
            name = "small"
            until = { score = { at_least = 0.5 } }
            parameters = { size = 0.5 }
            [[lessons]]
            name = "any"
            parameters = { size = { ranges = [[0.5, 0.7], [1.5, 2.0]] }, gravity = { gaussian = { mean = 9.81, deviation = 1 } } }
            "#,
        );
        let training = training_config(&Preset::Matd3.config(), &path).unwrap();
        assert_eq!(training.learner.batch_size, 512);
        let parameters = parameters_config(&path, &KNOWN).unwrap();
        let gaussian = Distribution::Gaussian { mean: 9.81, deviation: 1.0, clip: None };
        let expected = ParametersConfig::default()
            .with("gravity", Distribution::Uniform(4.0, 14.7))
            .with_lesson(
                Lesson::new("small")
                    .with("size", Distribution::Constant(0.5))
                    .until(Until::Score { at_least: 0.5, episodes: 100 }),
            )
            .with_lesson(
                Lesson::new("any")
                    .with("size", Distribution::Ranges(vec![[0.5, 0.7], [1.5, 2.0]]))
                    .with("gravity", gaussian),
            );
        assert_eq!(parameters, expected);

        // What a run writes to its folder is read back.
        fs::write(&path, to_toml(&training, &parameters).unwrap()).unwrap();
        assert_eq!(training_config(&Preset::Ddpg.config(), &path).unwrap(), training);
        assert_eq!(parameters_config(&path, &KNOWN).unwrap(), parameters);
    }

    #[test]
    fn the_example_of_the_readme_can_be_read() {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
        let text = fs::read_to_string(readme).unwrap();
        let example = text.split("```toml").find(|block| block.contains("[parameters]")).unwrap();
        let example = example.split("```").next().unwrap();
        let others = "name = \"c\"\nuntil = { rating = 1_200 }\n[[lessons]]\nname = \"b\"\nuntil = { decisions = 100_000 }";
        for text in [example.into(), format!("[[lessons]]\n{others}\n[[lessons]]\nname = \"a\"")] {
            let (_folder, path) = file(&text);
            let known = Rules::Rally.parameters();
            assert!(!parameters_config(&path, &known).unwrap().is_empty());
        }
    }

    #[test]
    fn errors_name_the_file_and_the_key() {
        for (text, expected) in [
            (
                "[parameters]\ngravty = 3",
                "`parameters.gravty` is not a parameter of this game, expected `gravity`",
            ),
            ("[parameters]\ngravity = { uniform = [9, 4] }", "`parameters.gravity.uniform` is [9, 4]"),
            ("[parameters]\ngravity = { unifrm = [4, 9] }", "unifrm"),
            ("[parameters]\ngravity = \"low\"", "a number, or a table with `uniform`"),
            ("[parameters]\ngravity = { gaussian = { mean = 9, devation = 1 } }", "devation"),
            ("[[lessons]]\nname = \"a\"\nuntl = 1", "untl"),
            ("[[lessons]]\nname = \"a\"\n[[lessons]]\nname = \"b\"", "`lesson a: until` is missing"),
            ("[parameters", "mine.toml"),
        ] {
            let (_folder, path) = file(text);
            let error = parameters_config(&path, &KNOWN).unwrap_err().to_string();
            assert!(error.contains("mine.toml") && error.contains(expected), "{error}");
        }
    }
}
