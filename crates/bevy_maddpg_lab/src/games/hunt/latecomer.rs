//! The hunter that may join late.

use bevy::{ecs::entity_disabling::Disabled, prelude::*};
use rand::RngExt;

use super::{HuntArena, TIME_LIMIT};
use bevy_maddpg::{
    arena::{Episode, EpisodeStatus},
    rollout::RolloutClock,
};

/// Slot of the hunter that may join late.
pub(super) const SLOT: usize = 2;
/// Probability that it does.
const PROBABILITY: f64 = 0.5;

/// Decides for a new episode whether the hunter joins late, and after how many decisions, at most half of the time limit.
/// Until then, its entity is disabled. In the first episode of an arena, it plays from the start.
pub(super) fn hold_back(commands: &mut Commands, arena: &mut HuntArena, episode: &Episode) {
    let is_late = episode.status() != EpisodeStatus::New && arena.random.random_bool(PROBABILITY);
    arena.joins_after = is_late.then(|| arena.random.random_range(1..=TIME_LIMIT / 2));
    let mut hunter = commands.entity(arena.agents[SLOT]);
    if is_late {
        hunter.insert(Disabled);
        arena.world.leave(SLOT);
    } else {
        hunter.remove::<Disabled>();
    }
}

/// Puts the hunters whose time has come into play. They observe and act from the next decision on.
pub(super) fn join(
    mut commands: Commands,
    mut arenas: Query<(&mut HuntArena, &Episode)>,
    clock: Res<RolloutClock>,
) {
    if !clock.is_last_of_decision() {
        return;
    }
    for (mut arena, episode) in &mut arenas {
        let HuntArena { world, agents, joins_after, random, .. } = &mut *arena;
        if joins_after.is_some_and(|decisions| episode.decisions() >= decisions) {
            *joins_after = None;
            world.enter(SLOT, random);
            commands.entity(agents[SLOT]).remove::<Disabled>();
        }
    }
}
