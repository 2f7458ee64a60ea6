//! A complete training program: command-line options, output folder, progress, evaluation, summary.
//!
//! ```no_run
//! use bevy_maddpg_lab::{catalog::Tennis, experiment::Experiment};
//!
//! fn main() -> std::process::ExitCode {
//!     Experiment::new(Tennis).run()
//! }
//! ```
//!
//! Describe your own game as a [`Game`] to train it with the same options.
//!
//! | file in the output folder | content |
//! |---|---|
//! | `policy.safetensors` | the trained policy |
//! | `checkpoint.safetensors` | the state that `--resume` needs to continue training |
//! | `config.toml` | every hyperparameter of the run |
//! | `metrics.csv` | one row per episode and one per learner report |
//! | `events.out.tfevents.*` | the same data for TensorBoard |
//! | `curve.png` | the learning curve |
//! | `evaluations.csv` | how the run's policies play without exploration; the best is `policy.safetensors` |
//! | `policy-last.safetensors` | the last policy, if another one became the result |
//! | `ratings.csv`, `ratings.png` | in games with rivals: the ratings of the run's policies, of which the best is `policy.safetensors` |
//! | `rivals` | in games with self-play: the past policies, with which `--resume` goes on |
//! | `summary.json` | the summary, also the last line on standard output |
//!
//! The files stay small even in long runs. The first 20,000 episodes and the first 20,000 learner reports are all
//! written; after that, every second one until there have been 40,000, every fourth until 80,000, and so on. Each
//! doubling of the run adds about 10,000 rows of each kind, 10 MB in total (a row takes about 90 bytes in `metrics.csv` and
//! 200 to 400 in the events). A night of 12 hours with ten million episodes and 65 million updates takes about 90 MB.

mod best_policy;
mod comparison;
mod curve;
mod error;
mod evaluation;
mod flush;
mod headless;
mod metrics;
mod options;
mod output_error;
mod policy_scores;
mod progress;
mod rating_curve;
mod recorder;
mod rivals;
mod run_folder;
mod selection;
mod summary;
mod tensorboard;
mod window;

pub use best_policy::PolicyScore;
pub use comparison::{Compared, draw_comparison};
pub use curve::{CURVE_SIZE, draw_curve};
pub use error::ExperimentError;
pub use evaluation::{evaluate, evaluate_random};
pub use metrics::{COLUMNS, MetricsWriter};
pub use options::Options;
pub use output_error::OutputError;
pub use progress::{ProgressGoal, ProgressLine};
pub use recorder::Recorder;
pub use run_folder::RunFolder;
pub use summary::{Evaluation, GameResults, Summary};
pub use tensorboard::TensorBoardWriter;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bevy_maddpg::{
    headless::display_is_present,
    learner::{Preset, TrainingConfig},
    policy::PolicySnapshot,
};
use clap::Parser;

use crate::{
    game::{Game, Setup},
    statistics::StatisticsPlugin,
};

/// A training program for a game.
pub struct Experiment {
    game: Arc<dyn Game>,
}

impl Experiment {
    /// Creates a training program for `game`.
    pub fn new(game: impl Game + 'static) -> Self {
        Self { game: Arc::new(game) }
    }

    /// Creates a training program for a game whose type is only known at run time.
    pub fn boxed(game: Box<dyn Game>) -> Self {
        Self { game: game.into() }
    }

    /// Runs with the options from the command line. Prints errors and the summary.
    pub fn run(self) -> ExitCode {
        self.run_by(Options::parse())
    }

    /// Runs with options that your program has parsed together with its own. Prints errors and the summary.
    pub fn run_by(self, options: Options) -> ExitCode {
        match self.run_with(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln_line(&format!("error: {error}"));
                ExitCode::FAILURE
            }
        }
    }

    /// Runs with these options: trains, evaluates or plays, in a window or headless.
    ///
    /// # Errors
    /// Before anything starts, if an option is invalid or cannot be satisfied; later, if a file cannot be written or
    /// the learner fails.
    pub fn run_with(self, options: Options) -> Result<(), ExperimentError> {
        let interrupted = listen_for_interrupts()?;
        let game = self.game;
        let policy = options.policy.as_deref().map(|path| load_policy(&*game, path)).transpose()?;
        let config = options.training_config(preset_config(&*game, options.preset))?;
        let human = options.human_side(&game.sides())?;
        options.device.check()?;
        if options.arenas == Some(0) {
            return Err(ExperimentError::NoArenas);
        }
        if options.until_solved && game.solved().is_none() {
            return Err(ExperimentError::NeverSolved { game: game.name().into() });
        }
        let run = Run {
            setup: Setup {
                arenas: options.arenas.or(options.preset.arenas()).unwrap_or(game.arenas()),
                seed: options.seed,
                human,
            },
            game,
            options,
            config,
            interrupted,
        };
        let has_display = display_is_present();
        if !has_display && !run.options.headless {
            eprintln_line("no display: running headless (see --help)");
        }
        match policy {
            policy if has_display && !run.options.headless => window::run(&run, policy),
            Some(policy) => headless::evaluate_policy(&run, &policy),
            None => headless::train(&run),
        }
    }
}

/// The preset's settings. The game adapts only the default preset.
fn preset_config(game: &dyn Game, preset: Preset) -> TrainingConfig {
    let mut config = preset.config();
    if preset == Preset::default() {
        game.adapt(&mut config);
    }
    config
}

fn load_policy(game: &dyn Game, path: &std::path::Path) -> Result<PolicySnapshot, ExperimentError> {
    let policy = PolicySnapshot::load(path)?;
    let spec = game.spec();
    if !spec.slots.iter().all(|agent| policy.spec().slots.contains(agent)) {
        return Err(ExperimentError::OtherGame {
            path: path.into(),
            policy: policy.spec().clone(),
            game: spec,
        });
    }
    Ok(policy)
}

/// One run of an experiment, with everything that is decided before it starts.
#[derive(Clone)]
struct Run {
    game: Arc<dyn Game>,
    options: Options,
    setup: Setup,
    config: TrainingConfig,
    interrupted: Arc<AtomicBool>,
}

impl Run {
    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The plugin that keeps the run's statistics, with episodes scored by the game.
    fn statistics(&self) -> StatisticsPlugin {
        let game = self.game.clone();
        StatisticsPlugin { score: Arc::new(move |returns| game.score(returns)), solved: self.game.solved() }
    }
}

/// Returns a flag that Ctrl-C sets. A second Ctrl-C ends the process at once.
fn listen_for_interrupts() -> Result<Arc<AtomicBool>, ExperimentError> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    let result = ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    match result {
        // A handler is already installed, for example by an earlier experiment in the same program. It stays in place.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(flag),
        Err(error) => Err(ExperimentError::Interrupts(error)),
    }
}

/// Prints a line for people, on standard error.
fn eprintln_line(text: &str) {
    use std::io::Write;
    // If standard error is closed, there is nowhere left to report it.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a line for other programs, on standard output.
fn println_line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
