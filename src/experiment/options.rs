use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::learner::{ConfigError, DeviceChoice, Preset, TrainingConfig};

/// Trains agents inside the game, or plays with trained ones.
///
/// With a display, opens a window in which the agents learn while you watch. Without one, or with --headless, trains
/// at full speed with a progress bar: for one minute if nothing else says when to stop, then evaluates 100 episodes
/// without noise. Everything for people goes to standard error; the last line on standard output is a summary in
/// JSON.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Options {
    /// Train without a window, at full speed.
    #[arg(long)]
    pub headless: bool,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Arenas that play at once [default: the preset's (frugal: 4), else the game's, 64 unless it says otherwise].
    #[arg(long, value_name = "N")]
    pub arenas: Option<usize>,
    /// Stop as soon as the game is solved.
    #[arg(long)]
    pub until_solved: bool,
    /// Stop after this many minutes of training.
    #[arg(long, value_name = "M", value_parser = positive)]
    pub max_minutes: Option<f64>,
    /// Stop after this many joint decisions (one decision of all agents of one arena).
    #[arg(long, value_name = "N")]
    pub max_decisions: Option<u64>,
    /// Keep game and learner in step: the same seed gives the same policy, bit by bit.
    #[arg(long)]
    pub lockstep: bool,
    /// Folder for everything the run writes [default: runs/GAME-NNN, the next free number].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the training in this output folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["policy", "out", "preset", "config"])]
    pub resume: Option<PathBuf>,
    /// Keep the replay buffer in checkpoints, so that --resume goes on with it (about 400 bytes a decision).
    #[arg(long)]
    pub save_replay: bool,
    /// Only act, by this trained policy; nothing is learned.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Episodes without noise to evaluate: after training, or alone with --policy.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub evaluate: Option<u32>,
    /// Play one side from the keyboard, in the window.
    #[arg(long, value_name = "SIDE")]
    pub human: Option<HumanSide>,
    /// Where the learner computes: cpu, cuda, metal, or auto, which times a few updates at the start and takes the
    /// fastest that the build and the machine have.
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceChoice,
    /// Speed of the game in the window at the start.
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = positive)]
    pub speed: f64,
    /// Settings to start from: matd3, frugal, maddpg, maddpg_2017, ddpg_2017 or ddpg.
    #[arg(long, default_value_t = Preset::default(), value_name = "NAME")]
    pub preset: Preset,
    /// TOML file with hyper-parameters that differ from the preset's; config.toml in an output folder shows all.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write a picture of the window to this file after --screenshot-after seconds, then quit.
    #[arg(long, value_name = "FILE", hide = true)]
    pub screenshot: Option<PathBuf>,
    /// See --screenshot.
    #[arg(long, default_value_t = 10.0, value_name = "S", hide = true)]
    pub screenshot_after: f64,
}

/// A side that a person can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HumanSide {
    /// Slot 0.
    Left,
    /// Slot 1.
    Right,
}

impl HumanSide {
    /// The slot of this side.
    pub fn slot(self) -> usize {
        self as usize
    }
}

impl Options {
    /// These settings with the changes of the configuration file.
    ///
    /// # Errors
    /// If the file cannot be read or used.
    pub fn training_config(&self, settings: TrainingConfig) -> Result<TrainingConfig, ConfigError> {
        match &self.config {
            Some(path) => settings.changed_by_file(path),
            None => Ok(settings),
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a number above 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
        assert_eq!(
            (options.seed, options.human.map(HumanSide::slot), options.preset),
            (7, Some(1), Preset::Ddpg)
        );
        assert!(Options::try_parse_from(["tennis", "--speed", "-1"]).is_err());
        assert!(Options::try_parse_from(["tennis", "--preset", "sac"]).is_err());
    }
}
