//! The arena: agents that share an episode.

use bevy::prelude::*;

/// A place where agents play episodes together. Its agents point to it with [`InArena`].
///
/// A world can hold any number of arenas with the same agents; they are stepped and decided for together.
#[derive(Component, Debug, Clone, Default, PartialEq, Eq)]
#[require(Episode)]
pub struct Arena {
    /// Decisions after which an episode is truncated; `None` is never.
    pub time_limit: Option<u32>,
}

impl Arena {
    /// An arena whose episodes are truncated after `decisions` decisions.
    pub fn with_time_limit(decisions: u32) -> Self {
        Self { time_limit: Some(decisions) }
    }
}

/// Puts an agent into an arena, at a slot. The slots of an arena go from 0 up without gaps and fix the order of the
/// agents in joint observations, actions and rewards.
#[derive(Component, Debug, Clone, PartialEq, Eq)]
#[relationship(relationship_target = ArenaAgents)]
pub struct InArena {
    /// The entity with the [`Arena`].
    #[relationship]
    pub arena: Entity,
    /// The agent's place in joint vectors.
    pub slot: usize,
}

impl InArena {
    /// At `slot` of `arena`.
    pub fn slot(arena: Entity, slot: usize) -> Self {
        Self { arena, slot }
    }
}

/// The agents of an arena, in no order. Despawning the arena despawns them.
#[derive(Component, Debug, Default)]
#[relationship_target(relationship = InArena, linked_spawn)]
pub struct ArenaAgents(Vec<Entity>);

/// Where the arena's episode stands.
#[derive(Component, Debug, Clone, Default, PartialEq)]
pub struct Episode {
    status: EpisodeStatus,
    pub(crate) decisions: u32,
    pub(crate) number: u64,
    pub(crate) exploration_scale: f32,
}

/// How an episode stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EpisodeStatus {
    /// The arena has not been reset yet.
    #[default]
    New,
    /// Agents play.
    Running,
    /// The game ended it: what follows is worth nothing to the agents.
    Terminated,
    /// It was cut off, by a time limit for example: what would follow is still worth something, and the learner
    /// counts it.
    Truncated,
}

impl Episode {
    /// Ends the episode for a reason of the game: a fault, a goal, a death.
    pub fn terminate(&mut self) {
        if self.status == EpisodeStatus::Running {
            self.status = EpisodeStatus::Terminated;
        }
    }

    /// Cuts the episode off for a reason outside the game.
    pub fn truncate(&mut self) {
        if self.status == EpisodeStatus::Running {
            self.status = EpisodeStatus::Truncated;
        }
    }

    /// How the episode stands.
    pub fn status(&self) -> EpisodeStatus {
        self.status
    }

    /// Whether agents play.
    pub fn is_running(&self) -> bool {
        self.status == EpisodeStatus::Running
    }

    /// Whether the arena is to be set up for a new episode: true in the [`Reset`](crate::rollout::Reset) schedule
    /// for the arenas that are new or have ended.
    pub fn needs_reset(&self) -> bool {
        self.status != EpisodeStatus::Running
    }

    /// Decisions made in this episode.
    pub fn decisions(&self) -> u32 {
        self.decisions
    }

    /// Episodes this arena has finished.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Scale of the exploration noise in this episode.
    pub fn exploration_scale(&self) -> f32 {
        self.exploration_scale
    }

    /// Starts the next episode.
    pub(crate) fn begin(&mut self, exploration_scale: f32) {
        if self.status != EpisodeStatus::New {
            self.number += 1;
        }
        self.status = EpisodeStatus::Running;
        self.decisions = 0;
        self.exploration_scale = exploration_scale;
    }
}

/// What a game measures in an episode beside returns: goals, touches, distances. On the entity with the [`Arena`],
/// where the game has any; the game sets it in [`AgentSystems::Reward`](crate::rollout::AgentSystems::Reward), and
/// each [`EpisodeEnded`] carries it.
#[derive(Component, Debug, Clone, Default, PartialEq)]
pub struct Measures(Vec<(String, f32)>);

impl Measures {
    /// Measures of these names, zero as yet.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(|name| (name.into(), 0.0)).collect())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f32)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The values, in the order of the names.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

/// Written when an episode has ended, before the arena is reset.
#[derive(Message, Debug, Clone, PartialEq)]
pub struct EpisodeEnded {
    /// The arena.
    pub arena: Entity,
    /// Its index among the arenas, in the order of their entities.
    pub index: usize,
    /// Undiscounted return of each agent, by slot.
    pub returns: Vec<f32>,
    /// Decisions of the episode.
    pub decisions: u32,
    /// Whether it was cut off rather than ended by the game.
    pub truncated: bool,
    /// Scale of the exploration noise it was played with.
    pub exploration_scale: f32,
    /// What the game measured in the episode.
    pub measures: Measures,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_of_an_episode_counts() {
        let mut episode = Episode::default();
        episode.terminate();
        assert_eq!(episode.status(), EpisodeStatus::New, "an episode that has not begun cannot end");
        episode.begin(0.1);
        episode.truncate();
        episode.terminate();
        assert_eq!(episode.status(), EpisodeStatus::Truncated);
        episode.begin(0.2);
        assert_eq!((episode.number(), episode.is_running()), (1, true));
    }

    #[test]
    fn despawning_an_arena_despawns_its_agents() {
        let mut world = World::new();
        let arena = world.spawn(Arena::default()).id();
        let agent = world.spawn((crate::agent::Agent::new("a", 1, 1), InArena::slot(arena, 0))).id();
        world.despawn(arena);
        assert!(world.get_entity(agent).is_err());
    }
}
