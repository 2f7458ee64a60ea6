use std::fmt;

use bevy::prelude::*;

use super::Kind;
use crate::policy::ArenaSpec;

mod cast;
mod collect;
mod others;
mod slots;
mod sort;

pub(super) use collect::{collect, tell_empty, watch};

/// The resource with all arenas (in the order of their entities), their kinds, and the agents that play outside of arenas.
#[derive(Resource, Debug, Default)]
pub struct Arenas {
    entries: Vec<ArenaEntry>,
    pub(crate) kinds: Vec<Kind>,
    others: Vec<OtherAgent>,
    /// Whether there is, or will be, a learner.
    pub(crate) has_learner: bool,
    /// Finds the agents of trainings that are continued.
    pub(crate) earlier: EarlierTrainings,
    /// Whether arenas or agents have changed since the last call of [`collect`].
    stale: bool,
    /// Counts the calls of [`collect`] that changed something.
    pub(super) generation: u64,
}

/// Finds the agents with which a kind of arenas was trained earlier, by the kind's name, if its training is continued.
#[derive(Default)]
pub(crate) struct EarlierTrainings(Option<Box<FindAgents>>);

type FindAgents = dyn Fn(&str) -> Option<ArenaSpec> + Send + Sync;

impl EarlierTrainings {
    #[cfg(feature = "learner")]
    pub(crate) fn found_by(find: impl Fn(&str) -> Option<ArenaSpec> + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(find)))
    }

    fn agents(&self, kind: &str) -> Option<ArenaSpec> {
        self.0.as_ref()?(kind)
    }
}

impl fmt::Debug for EarlierTrainings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EarlierTrainings").finish_non_exhaustive()
    }
}

/// One arena and its agents.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArenaEntry {
    /// The entity with the [`Arena`](crate::arena::Arena).
    pub arena: Entity,
    /// For each slot of the arena's kind, the agent in it. `None` if the slot is empty.
    pub agents: Vec<Option<Entity>>,
    /// The arena's kind and its row in it. `None` for an arena that has never had agents.
    pub(super) place: Option<Place>,
}

/// Where an arena is in [`Experience`]: its kind, as an index into [`Arenas::kinds`], and its row among the arenas of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: usize,
    pub(super) row: usize,
}

/// An agent without a slot in an arena, or one with a [`PolicyOverride`](crate::agent::PolicyOverride).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OtherAgent {
    pub(super) entity: Entity,
    pub(super) slot: usize,
    /// The arena in which the agent has found no slot.
    pub(super) arena: Option<Entity>,
}

impl Arenas {
    /// The arenas, in the order of their entities.
    pub fn entries(&self) -> &[ArenaEntry] {
        &self.entries
    }

    /// How many arenas there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no arena.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The kinds of the arenas. Each kind has its own learner.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    pub(super) fn others(&self) -> &[OtherAgent] {
        &self.others
    }

    /// The arenas of a kind, by row.
    pub(super) fn of_kind(&self, kind: usize) -> impl Iterator<Item = &ArenaEntry> {
        self.kinds[kind].rows.iter().map(|index| &self.entries[*index])
    }

    /// An arena, with its index among the entries.
    pub(super) fn find(&self, arena: Entity) -> Option<(usize, &ArenaEntry)> {
        find(&self.entries, arena)
    }

    /// The kind of an arena that has had agents.
    pub(crate) fn kind_of(&self, arena: Entity) -> Option<&Kind> {
        Some(&self.kinds[self.entry(arena)?.place?.kind])
    }

    /// The first kind whose agents are in at least two teams. Self-play uses this kind.
    pub(crate) fn kind_with_teams(&self) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.spec.teams.iter().any(|team| *team != kind.spec.teams[0]))
    }

    fn entry(&self, arena: Entity) -> Option<&ArenaEntry> {
        self.find(arena).map(|(_, entry)| entry)
    }
}

fn find(entries: &[ArenaEntry], arena: Entity) -> Option<(usize, &ArenaEntry)> {
    let index = entries.binary_search_by_key(&arena, |entry| entry.arena).ok()?;
    Some((index, &entries[index]))
}

impl ArenaEntry {
    /// The agents that are there, with their slots.
    pub(super) fn seated(&self) -> impl Iterator<Item = (Entity, usize)> {
        self.agents.iter().enumerate().filter_map(|(slot, agent)| Some(((*agent)?, slot)))
    }

    /// The agents that are there.
    pub(super) fn present(&self) -> impl Iterator<Item = Entity> {
        self.agents.iter().copied().flatten()
    }
}
