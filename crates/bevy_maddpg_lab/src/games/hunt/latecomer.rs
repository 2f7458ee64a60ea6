//! The hunter that may join late.

use bevy::prelude::*;
use rand::RngExt;

use super::{HuntArena, HuntWorld, TIME_LIMIT};
use bevy_maddpg::{arena::Episode, random::Random, rollout::RolloutClock};

/// Slot of the hunter that may join late.
pub(super) const SLOT: usize = 2;
/// Probability that it does.
const PROBABILITY: f64 = 0.5;

/// Decides for a new episode after how many decisions the hunter joins, at most half of the time limit; `None` if it
/// plays from the start. In the first case, takes it out of play.
pub(super) fn hold_back(world: &mut HuntWorld, random: &mut Random) -> Option<u32> {
    if !random.random_bool(PROBABILITY) {
        return None;
    }
    world.leave(SLOT);
    Some(random.random_range(1..=TIME_LIMIT / 2))
}

/// Puts the hunters whose time has come into play. They observe and act from the next decision on.
pub(super) fn join(mut arenas: Query<(&mut HuntArena, &Episode)>, clock: Res<RolloutClock>) {
    if !clock.is_last_of_decision() {
        return;
    }
    for (mut arena, episode) in &mut arenas {
        let HuntArena { world, joins_after, random, .. } = &mut *arena;
        if joins_after.is_some_and(|decisions| episode.decisions() >= decisions) {
            *joins_after = None;
            world.enter(SLOT, random);
        }
    }
}
