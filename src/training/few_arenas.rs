use crate::learner::LearnerConfig;

/// With at least this many arenas, the default settings stay as they are.
const ENOUGH: usize = 8;
/// With fewer arenas, the number of random joint decisions at the start.
pub(super) const RANDOM_DECISIONS: u64 = 200;

/// Replaces default settings by settings for a game with few arenas, which collects little experience per second: the first
/// update comes after 200 joint decisions, and there are four updates per decision of the game. If one of these settings is not the
/// default, all of them stay. Returns whether something changed. `docs/experiments.md` has the trials.
pub(super) fn adapt(config: &mut LearnerConfig, arenas: usize) -> bool {
    let pace = |config: &LearnerConfig| {
        (config.learning_starts, config.updates_per_decision, config.max_updates_per_decision)
    };
    if arenas == 0 || arenas >= ENOUGH || pace(config) != pace(&LearnerConfig::default()) {
        return false;
    }
    let updates = 4.0 / arenas as f64;
    config.learning_starts = 200;
    config.updates_per_decision = updates;
    config.max_updates_per_decision = updates;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_the_number_of_arenas_unless_it_was_set() {
        let adapted = |config: &LearnerConfig, arenas| {
            let mut config = config.clone();
            adapt(&mut config, arenas).then_some((config.learning_starts, config.updates_per_decision))
        };
        let default = LearnerConfig::default();
        assert_eq!(adapted(&default, 1), Some((200, 4.0)));
        assert_eq!(adapted(&default, 4), Some((200, 1.0)));
        assert_eq!((adapted(&default, 8), adapted(&default, 64)), (None, None));
        let other = LearnerConfig { gamma: 0.9, team_fate: vec!["a".into()], ..default.clone() };
        assert_eq!(adapted(&other, 1), Some((200, 4.0)), "other settings do not matter");
        assert_eq!(adapted(&LearnerConfig { learning_starts: 500, ..default }, 1), None);
    }
}
