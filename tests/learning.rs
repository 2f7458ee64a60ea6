//! End-to-end check that learning works: tennis is solved from scratch.

use bevy::prelude::*;
use bevy_maddpg::{headless, prelude::*};
use bevy_maddpg_lab::{
    catalog::Tennis,
    game::{Game, Setup, headless_app},
};

#[test]
fn tennis_is_solved_from_scratch() {
    // Lockstep makes the outcome independent of the machine's speed. All seeds in docs/experiments.md solve the task
    // after 70,000 to 110,000 joint decisions.
    let seed = 12;
    let plugins = MaddpgPlugins::train(TrainingConfig::default())
        .with_seed(seed)
        .with_training(|training| training.pace = Pace::Lockstep);
    let mut app = headless_app(&Tennis, plugins, &Setup { seed, ..default() });
    headless::start(&mut app);
    let bar = Tennis.solved().unwrap();
    let mut scores = ScoreWindow::new(100);
    while scores.best().is_none_or(|best| best < bar) {
        app.update();
        let decisions = app.world().resource::<RolloutClock>().decisions;
        assert!(decisions < 250_000, "best mean score {:?} after {decisions} joint decisions", scores.best());
        let mut ended = app.world_mut().resource_mut::<Messages<EpisodeEnded>>();
        for episode in ended.drain() {
            scores.push(Tennis.score(&episode.returns));
        }
    }
}
