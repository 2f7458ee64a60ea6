//! A whole training run from the command line: options, output folder, progress, summary.
//!
//! A game becomes a program with three lines: what its agents are, how an app gets the game, how an episode is
//! scored.
//!
//! ```no_run
//! use bevy_maddpg::{experiment::Experiment, games::tennis::{self, TennisPlugin}};
//!
//! fn main() -> std::process::ExitCode {
//!     Experiment::new("tennis", tennis::spec(), |app, setup| {
//!         app.add_plugins(TennisPlugin { arenas: setup.arenas, seed: setup.seed, ..Default::default() });
//!     })
//!     .with_score(tennis::score)
//!     .with_solved(tennis::SOLVED)
//!     .run()
//! }
//! ```
//!
//! | file of the output folder | content |
//! |---|---|
//! | `policy.safetensors` | the trained policy |
//! | `checkpoint.safetensors` | what the learner needs to go on, see `--resume` |
//! | `config.toml` | every hyper-parameter of the run |
//! | `metrics.csv` | one row an episode and one a learner report |
//! | `events.out.tfevents.*` | the same for TensorBoard |
//! | `curve.png` | the learning curve |
//! | `summary.json` | the summary, also the last line on standard output |

mod comparison;
mod curve;
mod error;
mod evaluation;
mod headless;
mod metrics;
mod options;
mod output_error;
mod progress;
mod recorder;
mod run_folder;
mod score_board;
mod summary;
mod tensorboard;
#[cfg(feature = "watch")]
mod window;

pub use comparison::{Compared, draw_comparison};
pub use curve::{CURVE_SIZE, CurvePoint, draw_curve};
pub use error::ExperimentError;
pub use evaluation::{evaluate, evaluate_random};
pub use metrics::{COLUMNS, MetricsWriter};
pub use options::{HumanSide, Options};
pub use output_error::OutputError;
pub use progress::{ProgressGoal, ProgressLine, ProgressStatus};
pub use recorder::{Recorder, RecorderPlugin};
pub use run_folder::RunFolder;
pub use score_board::{SCORE_WINDOW, ScoreBoard, Solved};
pub use summary::{Evaluation, Summary};
pub use tensorboard::TensorBoardWriter;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bevy::app::App;
use clap::Parser;

use crate::{
    headless::display_is_present,
    learner::{Preset, TrainingConfig},
    policy::ArenaSpec,
    policy::PolicySnapshot,
    rollout::RolloutError,
};

/// A game as a program.
pub struct Experiment {
    name: &'static str,
    #[cfg(feature = "watch")]
    title: String,
    spec: ArenaSpec,
    add_game: Box<AddTo>,
    #[cfg(feature = "watch")]
    add_scene: Option<Box<AddTo>>,
    score: fn(&[f32]) -> f32,
    solved: Option<f32>,
    arenas: usize,
    decision_period: u32,
    adapt: Box<Adapt>,
}

type AddTo = dyn Fn(&mut App, &Setup) + Send + Sync;
type Adapt = dyn Fn(&mut TrainingConfig) + Send + Sync;

/// What a game needs to know to be added to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Arenas to spawn.
    pub arenas: usize,
    /// Seed of the game's own randomness.
    pub seed: u64,
    /// The side that a person plays, in a window: 0 is left and 1 is right, of tennis the slots, of the particle worlds
    /// the teams; the pendulum has one side, which is both.
    pub human: Option<usize>,
}

impl Experiment {
    /// The game `name` whose arenas have the agents of `spec`, added to an app by `add_game`.
    pub fn new(
        name: &'static str,
        spec: ArenaSpec,
        add_game: impl Fn(&mut App, &Setup) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            #[cfg(feature = "watch")]
            title: name.into(),
            spec,
            add_game: Box::new(add_game),
            #[cfg(feature = "watch")]
            add_scene: None,
            score: |returns| returns.iter().sum::<f32>() / returns.len() as f32,
            solved: None,
            arenas: 64,
            decision_period: 5,
            adapt: Box::new(|_| {}),
        }
    }

    /// The heading of the window's dashboard; default: the name.
    #[cfg(feature = "watch")]
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What draws the game in a window.
    #[cfg(feature = "watch")]
    #[must_use]
    pub fn with_scene(mut self, add_scene: impl Fn(&mut App, &Setup) + Send + Sync + 'static) -> Self {
        self.add_scene = Some(Box::new(add_scene));
        self
    }

    /// The score of an episode from its returns by slot; default: their mean.
    #[must_use]
    pub fn with_score(mut self, score: fn(&[f32]) -> f32) -> Self {
        self.score = score;
        self
    }

    /// The mean score over 100 episodes at which the game counts as solved; default: never.
    #[must_use]
    pub fn with_solved(mut self, score: f32) -> Self {
        self.solved = Some(score);
        self
    }

    /// Arenas if the command line names no number; default 64.
    #[must_use]
    pub fn with_arenas(mut self, arenas: usize) -> Self {
        self.arenas = arenas;
        self
    }

    /// What suits this game better than the default preset's settings: its discount, its pace. Other presets stay as they
    /// are.
    #[must_use]
    pub fn with_settings(mut self, adapt: impl Fn(&mut TrainingConfig) + Send + Sync + 'static) -> Self {
        self.adapt = Box::new(adapt);
        self
    }

    /// Ticks from one decision to the next; default 5.
    #[must_use]
    pub fn with_decision_period(mut self, ticks: u32) -> Self {
        self.decision_period = ticks;
        self
    }

    /// Runs by the program's command line. Prints errors and the summary.
    pub fn run(self) -> ExitCode {
        self.run_by(Options::parse())
    }

    /// Runs by options that the program has parsed along with its own. Prints errors and the summary.
    pub fn run_by(self, options: Options) -> ExitCode {
        match self.run_with(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln_line(&format!("error: {error}"));
                ExitCode::FAILURE
            }
        }
    }

    /// Runs by these options: trains, evaluates or plays, in a window or headless.
    ///
    /// # Errors
    /// What the options ask for that cannot be done, before anything is started; later, what cannot be written.
    pub fn run_with(self, options: Options) -> Result<(), ExperimentError> {
        let interrupted = listen_for_interrupts()?;
        let policy = options.policy.as_deref().map(|path| self.load_policy(path)).transpose()?;
        let config = options.training_config(self.preset_config(options.preset))?;
        options.device.check()?;
        if options.arenas == Some(0) {
            return Err(ExperimentError::NoArenas);
        }
        let run = Run {
            arenas: options.arenas.or(options.preset.arenas()).unwrap_or(self.arenas),
            experiment: Arc::new(self),
            options,
            config,
            interrupted,
        };
        let has_display = display_is_present();
        let headless = run.options.headless || !has_display || !cfg!(feature = "watch");
        if headless && !run.options.headless {
            eprintln_line("no display: running headless (see --help)");
        }
        #[cfg(feature = "watch")]
        if !headless {
            return window::run(&run, policy);
        }
        match policy {
            Some(policy) => headless::evaluate_policy(&run, &policy),
            None => headless::train(&run),
        }
    }

    /// The preset's settings for this game.
    fn preset_config(&self, preset: Preset) -> TrainingConfig {
        let mut config = preset.config();
        if preset == Preset::default() {
            (self.adapt)(&mut config);
        }
        config
    }

    fn load_policy(&self, path: &std::path::Path) -> Result<PolicySnapshot, ExperimentError> {
        let policy = PolicySnapshot::load(path)?;
        if policy.spec() != self.spec {
            return Err(ExperimentError::OtherGame {
                path: path.into(),
                source: RolloutError::OtherAgents {
                    policy: policy.spec().slots,
                    arenas: self.spec.slots.clone(),
                },
            });
        }
        Ok(policy)
    }
}

/// One run of an experiment: everything decided before it starts.
#[derive(Clone)]
struct Run {
    experiment: Arc<Experiment>,
    options: Options,
    arenas: usize,
    config: TrainingConfig,
    interrupted: Arc<AtomicBool>,
}

impl Run {
    /// What the game needs to know.
    fn setup(&self) -> Setup {
        Setup { arenas: self.arenas, seed: self.options.seed, human: self.options.human.map(HumanSide::slot) }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// A flag that Ctrl-C raises; a second Ctrl-C ends the process at once.
fn listen_for_interrupts() -> Result<Arc<AtomicBool>, ExperimentError> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    let result = ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    match result {
        // A program that runs two experiments has the handler of the first.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(flag),
        Err(error) => Err(ExperimentError::Interrupts(error)),
    }
}

/// Prints a line for a person, on standard error.
fn eprintln_line(text: &str) {
    use std::io::Write;
    // Nobody can be told that standard error is gone.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints the line for a program, on standard output.
fn println_line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
