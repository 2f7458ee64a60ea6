//! Learning still works: tennis is solved from nothing. Fails when any part of the way is broken.

use bevy::prelude::*;
use bevy_maddpg::{
    games::tennis::{self, TennisPlugin},
    headless,
    prelude::*,
};

#[test]
fn tennis_is_solved_from_nothing() {
    // In lockstep, so that the outcome does not depend on the machine's speed. Solved after 70,000 to 110,000
    // joint decisions in all seeds of docs/experiments.md.
    let seed = 12;
    let plugins = MaddpgPlugins::train(TrainingConfig::default())
        .with_seed(seed)
        .with_decision_period(tennis::DECISION_PERIOD)
        .with_training(|training| training.pace = Pace::Lockstep);
    let mut app = headless::app(tennis::DECISION_PERIOD);
    app.add_plugins(plugins).add_plugins(TennisPlugin { seed, ..default() });
    headless::start(&mut app);
    let mut scores = ScoreWindow::new(100);
    while scores.best().is_none_or(|best| best < tennis::SOLVED) {
        app.update();
        let decisions = app.world().resource::<RolloutClock>().decisions;
        assert!(decisions < 250_000, "best mean score {:?} after {decisions} joint decisions", scores.best());
        let mut ended = app.world_mut().resource_mut::<Messages<EpisodeEnded>>();
        for episode in ended.drain() {
            scores.push(tennis::score(&episode.returns));
        }
    }
}
