use std::path::PathBuf;

use clap::Parser;

use bevy_maddpg::{
    learner::{ConfigError, DeviceChoice, Preset, TrainingConfig},
    parameters::{Parameter, ParametersConfig},
};

use super::{ExperimentError, RunFolder, parameters};

/// Trains agents inside the game, or plays with trained ones.
///
/// With a display, opens a window in which the agents learn while you watch. Without a display, or with --headless,
/// trains at full speed and shows a progress bar. If no option says when to stop, headless training takes one minute
/// and is followed by an evaluation on 100 episodes without exploration. Messages go to standard error; the last line on
/// standard output is a summary in JSON.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Options {
    /// Train without a window, at full speed.
    #[arg(long)]
    pub headless: bool,
    /// Seed for all random numbers.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Number of arenas in which to train or, in the window, to play [default: 4 with --preset frugal, otherwise the game's own
    /// default, usually 64]. Evaluations always play in up to 128 arenas.
    #[arg(long, value_name = "N")]
    pub arenas: Option<usize>,
    /// Stop as soon as the game is solved.
    #[arg(long)]
    pub until_solved: bool,
    /// Stop after this many minutes of training, including those before a resume.
    #[arg(long, value_name = "M", value_parser = span)]
    pub max_minutes: Option<f64>,
    /// Stop after this many joint decisions (a joint decision is one decision of all agents of one arena).
    #[arg(long, value_name = "N")]
    pub max_decisions: Option<u64>,
    /// Run the game and the learner in lockstep. With --device cpu and --max-decisions or --until-solved, the same seed then gives
    /// the same policy, bit for bit, on processors with the same vector instructions.
    #[arg(long)]
    pub lockstep: bool,
    /// Folder for all output files [default: runs/GAME-NNN with the next free number].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Resume the training run in this output folder. It keeps its seed, preset, arenas and counters;
    /// --max-minutes and --max-decisions count from its first start. You may edit its config.toml before you resume it, except the settings
    /// of the networks, the size of the replay buffer, and how observations, rewards and values are scaled.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = [
            "policy",
            "out",
            "preset",
            "config",
            "seed",
            "arenas",
            "lockstep",
            "checkpoint_decisions",
        ]
    )]
    pub resume: Option<PathBuf>,
    /// Seconds from one checkpoint to the next. A run that is killed loses at most this much training time.
    #[arg(long, default_value_t = 60.0, value_name = "S", value_parser = span)]
    pub checkpoint_every: f64,
    /// Save the replay buffer in checkpoints, so that --resume restores it (in tennis about 400 bytes per joint decision). With --lockstep
    /// and without a window, a run that was killed and resumed then ends with the same policy as one that was not, bit for bit.
    #[arg(long)]
    pub save_replay: bool,
    /// Joint decisions from one checkpoint to the next with --lockstep and --save-replay, instead of
    /// --checkpoint-every. Each checkpoint truncates all running episodes.
    #[arg(
        long,
        default_value_t = 200_000,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        requires_all = ["lockstep", "save_replay"]
    )]
    pub checkpoint_decisions: u64,
    /// Play with this trained policy instead of training. With --headless, evaluate it.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["out", "until_solved", "max_minutes", "max_decisions", "lockstep", "save_replay"]
    )]
    pub policy: Option<PathBuf>,
    /// Evaluate the policy in this many episodes without exploration, after training or, with --policy, instead of training.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub evaluate: Option<u32>,
    /// Play one side yourself, with the keyboard in the window: left or right in tennis, blue or purple in soccer, a team in the particle
    /// worlds and the hunt, pendulum in the pendulum, cart in CartPole.
    #[arg(long, value_name = "SIDE")]
    pub human: Option<String>,
    /// Device for the learner: cpu, cuda, metal or auto. With auto, a few updates are timed at the start and the
    /// fastest device that the build and the machine support is used.
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceChoice,
    /// Initial speed of the game in the window, in multiples of real time, at most 1000. The window shows the speed that is reached.
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = speed)]
    pub speed: f64,
    /// Preset of hyperparameters: matd3, frugal, maddpg, maddpg_2017, ddpg_2017, ddpg or ddpg_2015.
    #[arg(long, default_value_t = Preset::default(), value_name = "NAME")]
    pub preset: Preset,
    /// TOML file with hyperparameters that override the preset's; config.toml in an output folder lists them all. Its tables
    /// `parameters` and `lessons` say which parameters of the game are drawn for each episode, also in an evaluation.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Save a screenshot of the window to this file after --screenshot-after seconds, then quit.
    #[arg(long, value_name = "FILE", hide = true)]
    pub screenshot: Option<PathBuf>,
    /// See --screenshot.
    #[arg(long, default_value_t = 10.0, value_name = "S", hide = true)]
    pub screenshot_after: f64,
    /// Write pictures of the window to this folder, 20 for each second of the game, then quit.
    #[arg(long, value_name = "DIR", hide = true)]
    pub record: Option<PathBuf>,
    /// Number of pictures for --record.
    #[arg(long, default_value_t = 120, value_name = "N", hide = true)]
    pub record_frames: u32,
}

impl Options {
    /// `settings` with the changes from the `--config` file, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn training_config(&self, settings: TrainingConfig) -> Result<TrainingConfig, ConfigError> {
        match &self.config {
            Some(path) => parameters::training_config(&settings, path),
            None => Ok(settings),
        }
    }

    /// How the parameters of the game, of which it has those that are `known`, are drawn: as the `--config` file says or, in a run that
    /// is resumed, as before.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn parameters_config(&self, known: &[Parameter]) -> Result<ParametersConfig, ConfigError> {
        let resumed = self.resume.as_deref().map(|path| RunFolder::at(path).config());
        match self.config.clone().or(resumed.filter(|path| path.exists())) {
            Some(path) => parameters::parameters_config(&path, known),
            None => Ok(ParametersConfig::default()),
        }
    }

    /// Joint decisions from one checkpoint to the next of a headless run that can be repeated bit by bit after a resume; `None` if the
    /// run has checkpoints after fixed times instead.
    pub(super) fn decisions_of_part(&self) -> Option<u64> {
        (self.lockstep && self.save_replay).then_some(self.checkpoint_decisions)
    }

    /// The index in `sides` of the side that a person plays; `None` without `--human`.
    ///
    /// # Errors
    /// [`ExperimentError::UnknownSide`] if the game has no such side.
    pub fn human_side(&self, sides: &[String]) -> Result<Option<usize>, ExperimentError> {
        let Some(side) = &self.human else { return Ok(None) };
        match sides.iter().position(|known| known == side) {
            Some(index) => Ok(Some(index)),
            None => Err(ExperimentError::UnknownSide { found: side.clone(), known: sides.to_vec() }),
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.01..=1000.0).contains(speed));
    speed.ok_or_else(|| "expected a number from 0.01 to 1000".into())
}

/// Reads seconds or minutes.
fn span(text: &str) -> Result<f64, String> {
    // Longer ones do not fit into a `Duration`.
    let span = text.parse().ok().filter(|span: &f64| *span > 0.0 && *span <= 1e9);
    span.ok_or_else(|| "expected a number above 0, at most 1e9".into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;
    use crate::{
        catalog::{CartPole, Pendulum, Soccer, Tennis},
        game::Game,
    };

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
        let options = Options::parse_from([
            "tennis",
            "--headless",
            "--seed",
            "7",
            "--human",
            "right",
            "--preset",
            "ddpg",
        ]);
        assert_eq!((options.seed, options.preset), (7, Preset::Ddpg));
        assert_eq!(options.human_side(&["left".into(), "right".into()]).unwrap(), Some(1));
        let error = options.human_side(&["predators".into(), "prey".into()]).unwrap_err().to_string();
        assert!(error.contains("`right`") && error.contains("predators, prey"), "{error}");
        assert!(Options::try_parse_from(["tennis", "--speed", "-1"]).is_err());
        assert!(Options::try_parse_from(["tennis", "--preset", "sac"]).is_err());
        let parts = ["tennis", "--checkpoint-decisions", "9", "--lockstep", "--save-replay"];
        assert!(Options::try_parse_from(parts).is_ok());
        assert!(Options::try_parse_from(&parts[..4]).is_err(), "it would have no effect");
        let resumed = ["tennis", "--resume", "run", "--checkpoint-decisions", "9"];
        let error = Options::try_parse_from(resumed).unwrap_err().to_string();
        assert!(error.contains("--resume") && error.contains("cannot be used with"), "{error}");
    }

    #[test]
    fn times_that_are_too_long_are_refused() {
        for option in ["--checkpoint-every", "--max-minutes"] {
            for text in ["1e30", "inf", "NaN", "0", "-1"] {
                let error = Options::try_parse_from(["tennis", &format!("{option}={text}")]).unwrap_err();
                assert!(error.to_string().contains("at most 1e9"), "{error}");
            }
            let longest = Options::try_parse_from(["tennis", &format!("{option}=1e9")]).unwrap();
            assert!(Duration::try_from_secs_f64(longest.checkpoint_every).is_ok());
        }
    }

    #[test]
    fn the_help_names_the_sides_of_the_games() {
        let command = Options::command();
        let human = command.get_arguments().find(|argument| argument.get_id() == "human").unwrap();
        let help = human.get_help().unwrap().to_string();
        let words: Vec<&str> = help.split(|letter: char| !letter.is_alphabetic()).collect();
        for sides in [Tennis.sides(), Soccer::default().sides(), Pendulum.sides(), CartPole.sides()] {
            assert!(sides.iter().all(|side| words.contains(&side.as_str())), "{sides:?}: {help}");
        }
    }
}
