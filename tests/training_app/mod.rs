//! An app that trains, what happens in it, and what it tells.

use bevy::prelude::*;
use bevy_maddpg::{
    exploration::{ExplorationConfig, Noise},
    learner::LearnerConfig,
    prelude::*,
    problems::Problems,
};

/// Plugins for a training that makes no update, in which agents act without exploration noise.
pub fn training() -> MaddpgPlugins {
    let config = TrainingConfig {
        learner: LearnerConfig { learning_starts: 1_000_000, ..default() },
        exploration: ExplorationConfig { noise: Noise::None, random_decisions: 0, ..default() },
    };
    MaddpgPlugins::train(config).with_training(|training| training.pace = Pace::Lockstep)
}

/// The episodes that end in this many updates.
pub fn ended(app: &mut App, times: usize) -> Vec<EpisodeEnded> {
    let mut all = Vec::new();
    for _ in 0..times {
        app.update();
        all.extend(app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain());
    }
    all
}

/// The problems that were told.
pub fn told(app: &App) -> Vec<String> {
    app.world().resource::<Problems>().told().to_vec()
}
