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
//! | `checkpoint.safetensors` | the state that `--resume` needs to continue training, with the lesson that the run is in |
//! | `run.json` | what the run was started with: game, preset, seed, arenas |
//! | `config.toml` | every hyperparameter of the run, and the parameters of the game that are drawn |
//! | `metrics.csv` | one row per episode and one per learner report |
//! | `events.out.tfevents.*` | the same data for TensorBoard |
//! | `curve.png` | the learning curve |
//! | `evaluations.csv` | how the run's policies play without exploration; the best is `policy.safetensors` |
//! | `policy-last.safetensors` | the last policy; while the run goes on, that of the last checkpoint |
//! | `policy-part.safetensors` | with `--lockstep --save-replay`: the best policy at the last checkpoint, from which a resumed run goes on |
//! | `ratings.csv`, `ratings.png` | in games with rivals: the ratings of the run's policies, of which the best is `policy.safetensors` |
//! | `rivals` | in games with self-play: the past policies, with which `--resume` goes on |
//! | `summary.json` | the summary, also the last line on standard output |
//!
//! The files stay small even in long runs. The first 10,000 episodes and the first 10,000 learner reports are all
//! written; after that, every second one until there have been 20,000, every fourth until 40,000, and so on. Each
//! doubling of the run adds about 5,000 rows of each kind, 5 MB in total (a row takes about 90 bytes in `metrics.csv` and
//! 200 to 400 in the events). A night of 12 hours with ten million episodes and 65 million updates takes about 45 MB.
//!
//! A run that was stopped or killed goes on with `--resume`. Each checkpoint contains the counters, the scores and the curve of the run,
//! its lesson and the names of its past policies, so that the clock, the numbers of episodes and the limits are those of one run. Rows that
//! were written after the checkpoint are removed. If the run was killed before its first checkpoint, which it writes as soon as it trains,
//! it starts from the beginning.

mod best_policy;
mod comparison;
mod curve;
mod error;
mod evaluation;
mod flush;
mod headless;
mod interrupt;
mod limits;
mod metrics;
mod options;
mod output_error;
mod parameters;
mod play_off;
mod policy_scores;
mod progress;
mod rating_curve;
mod recorder;
mod report;
mod rivals;
mod run_folder;
mod run_state;
mod selection;
mod summary;
mod tensorboard;
mod training;
mod window;

pub use comparison::{Compared, draw_comparison};
pub use curve::{CURVE_SIZE, draw_curve};
pub use error::ExperimentError;
pub use evaluation::{evaluate, evaluate_random, evaluate_with};
pub use metrics::{COLUMNS, MetricsWriter};
pub use options::Options;
pub use output_error::OutputError;
pub use progress::{ProgressGoal, ProgressLine};
pub use run_folder::RunFolder;
pub use summary::{Evaluation, GameResults, Summary};
pub use tensorboard::TensorBoardWriter;

use std::{process::ExitCode, sync::Arc};

use bevy_maddpg::{
    headless::display_problem,
    learner::{Preset, TrainingConfig},
    parameters::ParametersConfig,
    policy::PolicySnapshot,
};
use clap::Parser;

use self::{interrupt::Interrupt, run_folder::FolderLock, run_state::Earlier};
use crate::{
    game::{Game, Setup},
    statistics::StatisticsPlugin,
};

/// A training program for a game.
pub struct Experiment {
    game: Arc<dyn Game>,
    policy: Option<PolicySnapshot>,
}

impl Experiment {
    /// Creates a training program for `game`.
    pub fn new(game: impl Game + 'static) -> Self {
        Self { game: Arc::new(game), policy: None }
    }

    /// Creates a training program for a game whose type is only known at run time.
    pub fn boxed(game: Box<dyn Game>) -> Self {
        Self { game: game.into(), policy: None }
    }

    /// Plays with this policy instead of training, unless the options name another one.
    #[must_use]
    pub fn with_policy(mut self, policy: PolicySnapshot) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Runs with the options from the command line. Prints errors and the summary.
    pub fn run(self) -> ExitCode {
        self.run_by(Options::parse())
    }

    /// Runs with options that your program has parsed together with its own. Prints errors and the summary.
    pub fn run_by(self, options: Options) -> ExitCode {
        match self.run_with(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(ExperimentError::Interrupted { signal }) => ExitCode::from(128 + signal as u8),
            Err(error) => {
                eprintln_line(&format!("error: {error}"));
                ExitCode::FAILURE
            }
        }
    }

    /// Runs with these options: trains, evaluates or plays, in a window or headless.
    ///
    /// # Errors
    /// Before anything starts, if an option is invalid or cannot be satisfied; later, if a file cannot be written, if
    /// the learner fails, or if a signal stops the run, after everything was saved.
    pub fn run_with(self, mut options: Options) -> Result<(), ExperimentError> {
        let interrupt = Interrupt::listen()?;
        let game = self.game;
        let folder = options.resume.as_deref().map(RunFolder::reopen).transpose()?;
        // Nobody else may write to the folder from before its checkpoint is read.
        let lock = folder.as_ref().map(RunFolder::lock).transpose()?;
        if let Some(folder) = &folder {
            options.resume = Some(folder.path().into());
            run_state::continue_with(folder, &*game, &mut options)?;
        }
        let policy = match &options.policy {
            Some(path) => Some(load_policy(&*game, path)?),
            None => self.policy,
        };
        let mut config = options.training_config(preset_config(&*game, options.preset))?;
        let mut earlier = None;
        if let Some(folder) = &folder {
            config = run_state::settings(folder, config)?;
            earlier = Earlier::load(folder, &*game, &config)?;
        }
        let parameters = options.parameters_config(&game.parameters())?;
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
                seed: earlier.as_ref().map_or(options.seed, |earlier| earlier.seed(options.seed)),
                human,
            },
            game,
            options,
            config,
            parameters,
            earlier,
            lock,
            interrupt,
        };
        let reached = run.earlier.as_ref().and_then(|earlier| run.limits().reached_by(earlier));
        if let (Some(reached), Some(folder)) = (&reached, &folder) {
            if folder.is_finished() {
                eprintln_line(&format!(
                    "nothing to do: {reached}; nothing was changed; to train longer, change that option; to evaluate the result, give it to \
                     --policy with --evaluate"
                ));
                return Ok(());
            }
            eprintln_line(&format!(
                "{reached}, but it was stopped before its result was chosen, which is done now"
            ));
        }
        let may_have_window = !run.options.headless && reached.is_none();
        let problem = if may_have_window { display_problem(cfg!(feature = "wayland")) } else { None };
        if let Some(problem) = &problem {
            eprintln_line(&format!("{problem}: running headless (see --help)"));
        }
        let has_window = may_have_window && problem.is_none();
        if human.is_some() && !has_window {
            eprintln_line("nobody can play without a window: --human is ignored");
        }
        if human.is_some() && has_window && policy.is_some() && run.options.evaluate.is_some() {
            return Err(ExperimentError::HumanInEvaluation);
        }
        match policy {
            policy if has_window => window::run(&run, policy),
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
    parameters: ParametersConfig,
    /// The part of the run before this process.
    earlier: Option<Earlier>,
    /// Reserves the folder of a run that is resumed.
    lock: Option<FolderLock>,
    interrupt: Interrupt,
}

impl Run {
    fn is_interrupted(&self) -> bool {
        self.interrupt.signal().is_some()
    }

    /// The result of the program after everything was saved.
    fn outcome(&self) -> Result<(), ExperimentError> {
        self.interrupt.signal().map_or(Ok(()), |signal| Err(ExperimentError::Interrupted { signal }))
    }

    /// The plugin that keeps the run's statistics, with episodes scored by the game.
    fn statistics(&self) -> StatisticsPlugin {
        let game = self.game.clone();
        StatisticsPlugin { score: Arc::new(move |episode| game.score(episode)), solved: self.game.solved() }
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
