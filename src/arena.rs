//! The arena: agents that share an episode.

use bevy::prelude::*;

use crate::agent::Agent;

mod episode;

pub use episode::{ArenasToObserve, ArenasToReset, Episode, EpisodeEnded, EpisodeStatus, Measures};

/// In an arena, agents play episodes together. Its agents point to it with [`InArena`]. An agent that plays alone may have
/// the `Arena` on its own entity.
///
/// A world can contain any number of arenas, of any number of kinds. Each kind has its own learner. Arenas in which agents of
/// the same behaviors play are of the same kind, however many agents there are. If such arenas should have different learners,
/// give their kinds different names with [`of_kind`](Self::of_kind).
///
/// You can change the time limit at any time. To change the kind or the slots, insert the component again.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq, Eq)]
#[require(Episode)]
#[reflect(Component)]
pub struct Arena {
    /// Decisions of the world after which an episode is truncated. `None` means that there is no time limit.
    pub time_limit: Option<u32>,
    /// The name of its kind. If `None`, the name consists of the sorted behaviors of its agents and of those that have
    /// [reserved slots](Self::with_slots_for), joined by `+`.
    pub kind: Option<String>,
    /// The smallest number of slots for agents of these behaviors; see [`with_slots`](Self::with_slots).
    pub slots: Vec<(String, usize)>,
    /// The smallest number of slots for agents like these; see [`with_slots_for`](Self::with_slots_for).
    pub slots_for: Vec<(Agent, usize)>,
}

impl Arena {
    /// An arena whose episodes are truncated after `decisions` decisions.
    pub fn with_time_limit(decisions: u32) -> Self {
        Self { time_limit: Some(decisions), ..Self::default() }
    }

    /// Gives the arena's kind a name.
    #[must_use]
    pub fn of_kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Reserves slots for `count` agents of this behavior. This is needed only if some of them join after the learner has started,
    /// and no arena of this kind had as many of them at the start. At least one of them must be there at the start. If agents of
    /// this behavior are in several teams, the slots are divided among the teams as equally as possible.
    #[must_use]
    pub fn with_slots(mut self, behavior: impl Into<String>, count: usize) -> Self {
        self.slots.push((behavior.into(), count));
        self
    }

    /// Reserves slots for `count` agents with the behavior, team and sizes of this one. This is needed if such agents join after the
    /// learner has started and none of them was there at the start, for example because they come in a later wave. If an agent joins
    /// an arena that has no slot for its behavior, the arena becomes one of another kind, whose learner starts from nothing.
    ///
    /// ```
    /// use bevy::prelude::*;
    /// use bevy_maddpg::prelude::*;
    ///
    /// fn spawn(mut commands: Commands) {
    ///     // The first wave has two grunts. Later ones have up to five, and an archer.
    ///     let [grunt, archer] = [Agent::new("grunt", 6, 2), Agent::new("archer", 8, 2)];
    ///     let arena = Arena::default().with_slots("grunt", 5).with_slots_for(archer, 1);
    ///     let arena = commands.spawn(arena).id();
    ///     for _ in 0..2 {
    ///         commands.spawn((grunt.clone(), InArena::new(arena)));
    ///     }
    /// }
    /// # let mut app = App::new();
    /// # app.add_systems(Startup, spawn).update();
    /// ```
    #[must_use]
    pub fn with_slots_for(mut self, agent: impl Into<Agent>, count: usize) -> Self {
        self.slots_for.push((agent.into(), count));
        self
    }
}

/// Puts an agent into an arena. The agent takes a slot, which is its index in joint observations, actions and rewards.
///
/// Usually [`new`](Self::new) is enough: the agent takes the first free slot for its behavior. With
/// [`slot`](Self::slot), the game chooses the slots. The slots of all agents of the arena must then be numbered from 0 without gaps.
#[derive(Component, Reflect, Debug, Clone, PartialEq, Eq)]
#[reflect(Component)]
#[relationship(relationship_target = ArenaAgents)]
pub struct InArena {
    /// The entity with the [`Arena`].
    #[relationship]
    pub arena: Entity,
    /// The agent's slot, if the game chooses it.
    pub slot: Option<usize>,
}

impl InArena {
    /// Puts the agent into this arena, at the first free slot for its behavior.
    pub fn new(arena: Entity) -> Self {
        Self { arena, slot: None }
    }

    /// Puts the agent into this arena, at this slot.
    pub fn slot(arena: Entity, slot: usize) -> Self {
        Self { arena, slot: Some(slot) }
    }

    /// The arena of an agent. An agent without an `InArena` is its own arena.
    pub fn arena_of(agent: Entity, in_arena: Option<&Self>) -> Entity {
        in_arena.map_or(agent, |in_arena| in_arena.arena)
    }
}

/// The agents of an arena, in no particular order. Despawning the arena despawns them.
#[derive(Component, Reflect, Debug, Default)]
#[reflect(Component)]
#[relationship_target(relationship = InArena, linked_spawn)]
pub struct ArenaAgents(Vec<Entity>);

/// Agents do not explore in episodes that begin while their arena has this component. Use it, for example, to measure how well they
/// play. The learner still learns from these episodes. The random actions at the start of a training
/// ([`random_decisions`](crate::exploration::ExplorationConfig::random_decisions)) stay random.
#[derive(Component, Reflect, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[reflect(Component)]
pub struct NoExploration;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn despawning_an_arena_despawns_its_agents() {
        let mut world = World::new();
        let arena = world.spawn(Arena::default()).id();
        let agent = world.spawn((crate::agent::Agent::new("a", 1, 1), InArena::slot(arena, 0))).id();
        world.despawn(arena);
        assert!(world.get_entity(agent).is_err());
    }
}
