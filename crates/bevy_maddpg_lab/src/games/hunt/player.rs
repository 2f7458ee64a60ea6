use bevy::prelude::*;

use super::{AGENTS, Deed, Gear, HUNTERS, HuntArena, script};
use crate::games::puppets::{self, ByScript};
use bevy_maddpg::agent::ActionOverride;

/// Who plays a team.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Player {
    /// The agents' policies.
    #[default]
    Learned,
    /// The team's script: [`greedy`](super::greedy) for hunters, [`fleeing`](super::fleeing) for prey.
    Scripted,
}

/// Sets the actions of the agents that a script plays.
pub(super) fn play_scripts(
    mut commands: Commands,
    arenas: Query<&HuntArena>,
    mut scripted: Query<Option<&mut ActionOverride>, ByScript>,
) {
    for arena in &arenas {
        for slot in 0..AGENTS {
            let Ok(present) = scripted.get_mut(arena.agents[slot]) else { continue };
            let script = if slot < HUNTERS { script::greedy } else { script::fleeing };
            let run = script(&arena.world, slot);
            let gear = if slot < HUNTERS { arena.gear } else { Gear::None };
            let action = gear.action(run, Deed::Run);
            puppets::decide(&mut commands, arena.agents[slot], present, &action);
        }
    }
}
