//! Parameters and lessons. A parameter is a named number of the game, such as gravity or a size. Each arena draws its value at random at
//! every reset. Lessons make the game harder as the agents get better.
//!
//! A policy that was trained with one value of gravity or one size of the ball may fail with others. If each episode draws new values
//! (domain randomization, [arXiv 1703.06907](https://arxiv.org/abs/1703.06907)), the policy learns to play with all of them. A
//! curriculum of [lessons](Lesson) begins with an easy game and goes on to harder ones.
//!
//! A game declares each [`Parameter`] with its default and the values that it permits, and reads the component [`Parameters`] of
//! the arena in its [`Reset`] systems. [`ParametersPlugin`] draws the values before these systems run. Without the plugin, all
//! parameters have their defaults.
//!
//! ```
//! use bevy::prelude::*;
//! use bevy_maddpg::{
//!     parameters::{Distribution, Lesson, Parameter, Parameters, ParametersConfig, ParametersPlugin, Until},
//!     prelude::*,
//! };
//!
//! /// How far away the targets are, in meters.
//! const DISTANCE: Parameter = Parameter::new("distance", 1.0, [0.0, 50.0]);
//! /// The wind's acceleration, in m/s².
//! const WIND: Parameter = Parameter::new("wind", 0.0, [-5.0, 5.0]);
//!
//! #[derive(Component)]
//! struct Field {
//!     distance: f32,
//!     wind: f32,
//! }
//!
//! fn set_up(resets: ArenasToReset, mut fields: Query<(Entity, &mut Field, Option<&Parameters>)>) {
//!     for (arena, mut field, parameters) in &mut fields {
//!         if resets.contains(arena) {
//!             *field = Field { distance: DISTANCE.of(parameters), wind: WIND.of(parameters) };
//!         }
//!     }
//! }
//!
//! let config = ParametersConfig::default()
//!     .with("wind", Distribution::Uniform(-2.0, 2.0))
//!     .with_lesson(
//!         Lesson::new("near")
//!             .with("distance", Distribution::Uniform(0.5, 2.0))
//!             .until(Until::Score { at_least: 10.0, episodes: 100 }),
//!     )
//!     .with_lesson(Lesson::new("far").with("distance", Distribution::Uniform(0.5, 30.0)));
//! let mut app = App::new();
//! app.add_plugins((
//!     MinimalPlugins,
//!     MaddpgPlugins::train(TrainingConfig::default()),
//!     ParametersPlugin { known: vec![DISTANCE, WIND], config, ..default() },
//! ))
//! .add_systems(Reset, set_up);
//! ```
//!
//! The settings can also come from a file: [`ParametersConfig`] shows the same ones as TOML.

mod config;
mod curriculum;
mod distribution;
mod lesson;
mod parameter;

pub use config::{ParameterError, ParametersConfig};
pub use curriculum::{Curriculum, LessonStarted};
pub use distribution::Distribution;
pub use lesson::{Lesson, Until};
pub use parameter::{Parameter, Parameters};

use std::fmt;

use bevy::{ecs::schedule::SingleThreadedExecutor, prelude::*};

use crate::{
    arena::{ArenasToReset, EpisodeEnded},
    random::{Random, stream},
    rollout::{BeforeReset, Exploration, RolloutClock},
    score::{Score, mean_return},
    self_play::SelfPlay,
};

#[cfg(doc)]
use crate::rollout::Reset;

/// Draws the parameters of each arena before its reset, and starts the next lesson when one is over. Needs
/// [`RolloutPlugin`](crate::rollout::RolloutPlugin), which [`MaddpgPlugins`](crate::plugin::MaddpgPlugins) contains.
#[derive(Clone)]
pub struct ParametersPlugin {
    /// The parameters that the game has. Default: none.
    pub known: Vec<Parameter>,
    /// How parameters are drawn, and in which lessons. Default: all parameters keep their defaults.
    pub config: ParametersConfig,
    /// The score of an episode, for lessons that end [by score](Until::Score). Default: the mean return of the agents that have played.
    pub score: Score,
    /// The index of the lesson to begin with, for example the lesson that a run had reached that you continue. Default: 0, the first.
    pub first_lesson: usize,
    /// If you continue a run, the last scores of that lesson, oldest first; see [`Curriculum::scores`]. Default: none.
    pub first_scores: Vec<f32>,
    /// The seed of the draws. Default: the seed of the [`RolloutPlugin`](crate::rollout::RolloutPlugin).
    pub seed: Option<u64>,
}

impl Default for ParametersPlugin {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            config: ParametersConfig::default(),
            score: mean_return(),
            first_lesson: 0,
            first_scores: Vec::new(),
            seed: None,
        }
    }
}

impl fmt::Debug for ParametersPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { known, config, score: _, first_lesson, first_scores, seed } = self;
        f.debug_struct("ParametersPlugin")
            .field("known", known)
            .field("config", config)
            .field("first_lesson", first_lesson)
            .field("first_scores", first_scores)
            .field("seed", seed)
            .finish_non_exhaustive()
    }
}

impl Plugin for ParametersPlugin {
    /// # Panics
    /// If the settings do not fit the game's parameters. If they come from a file, call [`ParametersConfig::check`] first.
    fn build(&self, app: &mut App) {
        if let Err(error) = self.config.check(&self.known) {
            panic!("{error}");
        }
        app.insert_resource(Curriculum::new(self))
            .add_message::<EpisodeEnded>()
            .init_schedule(BeforeReset)
            .edit_schedule(BeforeReset, |schedule| {
                schedule.set_executor(SingleThreadedExecutor::new());
            })
            .add_systems(BeforeReset, (advance, draw).chain().in_set(ParameterSystems));
    }

    fn finish(&self, app: &mut App) {
        let of_run = app.world().get_resource::<Exploration>().map_or(0, Exploration::seed);
        app.world_mut().resource_mut::<Curriculum>().seed = self.seed.unwrap_or(of_run);
    }
}

/// The systems in [`BeforeReset`] that start lessons and draw parameters.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ParameterSystems;

/// The random stream of an arena's draws.
#[derive(Component, Debug)]
struct DrawStream(Random);

/// Number of games against past policies that are needed before a rating can end a lesson.
const RATED_GAMES: u64 = 50;

/// Scores the episodes that have ended, and starts the next lesson when the present one is over.
fn advance(
    mut commands: Commands,
    mut ended: MessageReader<EpisodeEnded>,
    mut curriculum: ResMut<Curriculum>,
    clock: Res<RolloutClock>,
    self_play: Option<Res<SelfPlay>>,
) {
    for episode in ended.read() {
        curriculum.count(episode);
    }
    // The result of a few games is luck.
    let rated = self_play.filter(|play| play.pool().rated_games() >= RATED_GAMES);
    let rating = rated.and_then(|play| play.pool().rating());
    while let Some(started) = curriculum.advance(clock.decisions, rating) {
        log::info!("lesson `{}` starts after {} joint decisions", started.name, started.decisions);
        commands.trigger(started);
    }
}

/// Draws the parameters of the arenas that are reset.
fn draw(
    mut commands: Commands,
    resets: ArenasToReset,
    mut arenas: Query<(&mut Parameters, &mut DrawStream)>,
    mut curriculum: ResMut<Curriculum>,
) {
    let mut new = Vec::new();
    for arena in resets.iter() {
        match arenas.get_mut(arena) {
            Ok((mut parameters, mut random)) => curriculum.draw(&mut parameters, &mut random.0),
            Err(_) => new.push(arena),
        }
    }
    // Arenas get their streams in the order of their entities. The crate uses this order everywhere.
    new.sort_unstable();
    for arena in new {
        let mut random = stream(curriculum.seed, "parameters", curriculum.arenas);
        curriculum.arenas += 1;
        let mut parameters = Parameters::default();
        curriculum.draw(&mut parameters, &mut random);
        commands.entity(arena).try_insert((parameters, DrawStream(random)));
    }
}
