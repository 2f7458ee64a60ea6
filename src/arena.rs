//! The arena: agents that share an episode.

use bevy::prelude::*;

use crate::agent::Agent;

mod episode;

pub use episode::{ArenasToObserve, ArenasToReset, Episode, EpisodeEnded, EpisodeStatus, Measures};

/// A place where agents play episodes together. Its agents point to it with [`InArena`]. An agent that plays alone may have
/// the `Arena` on its own entity.
///
/// A world can contain any number of arenas, of any number of kinds. Each kind has a learner of its own. Arenas in which
/// agents of the same behaviors play are of the same kind, however many agents there are; to tell such arenas apart, give
/// the kinds names with [`of_kind`](Self::of_kind).
///
/// The time limit may be changed at any time. To change the kind or the slots, insert the component anew.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq, Eq)]
#[require(Episode)]
#[reflect(Component)]
pub struct Arena {
    /// Decisions of the world after which an episode is truncated; `None` means never.
    pub time_limit: Option<u32>,
    /// The name of its kind. If `None`, the sorted names of the behaviors of its agents and of those that have
    /// [slots](Self::with_slots_for), joined by `+`.
    pub kind: Option<String>,
    /// The least number of slots for the agents of these behaviors.
    pub slots: Vec<(String, usize)>,
    /// The least number of slots for agents like these.
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

    /// Reserves slots for `count` agents of this behavior. Needed only if some of them join after the learner has started,
    /// and no arena of this kind has as many before. At least one of them must be there before. If agents of this behavior are in several
    /// teams, the teams get equally many slots as far as possible.
    #[must_use]
    pub fn with_slots(mut self, behavior: impl Into<String>, count: usize) -> Self {
        self.slots.push((behavior.into(), count));
        self
    }

    /// Reserves slots for `count` agents like this one: of its behavior, team and sizes. Needed if such agents join after the learner has
    /// started, and none is there before, for example because they come with a later wave. An arena with agents of a behavior for which it
    /// has no slot becomes one of another kind, whose learner starts from nothing.
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

/// Puts an agent into an arena. It takes a slot, which is its index in joint observations, actions and rewards.
///
/// Usually [`new`](Self::new) is enough: the agent takes the first free slot for its behavior. With
/// [`slot`](Self::slot), the game chooses the slots. They are then numbered from 0 without gaps.
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
    /// In this arena, at the first free slot for its behavior.
    pub fn new(arena: Entity) -> Self {
        Self { arena, slot: None }
    }

    /// In this arena, at this slot.
    pub fn slot(arena: Entity, slot: usize) -> Self {
        Self { arena, slot: Some(slot) }
    }

    /// The arena of an agent: without an `InArena`, it is the agent's own entity.
    pub fn arena_of(agent: Entity, in_arena: Option<&Self>) -> Entity {
        in_arena.map_or(agent, |in_arena| in_arena.arena)
    }
}

/// The agents of an arena, in no particular order. Despawning the arena despawns them.
#[derive(Component, Reflect, Debug, Default)]
#[reflect(Component)]
#[relationship_target(relationship = InArena, linked_spawn)]
pub struct ArenaAgents(Vec<Entity>);

/// In episodes that begin while an arena has this component, its agents do not explore, for example to measure how well they play. The
/// learner still learns from these episodes. At the start of a training, agents act randomly nevertheless
/// ([`random_decisions`](crate::exploration::ExplorationConfig::random_decisions)).
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
