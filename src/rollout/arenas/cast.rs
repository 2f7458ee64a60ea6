use std::collections::HashMap;

use bevy::{ecs::entity::EntityHashMap, prelude::*};

use crate::{
    agent::Agent,
    policy::{AgentSpec, ArenaSpec},
    rollout::kind::sorted,
};

/// An arena and the agents that want to play in it.
pub(super) struct Cast<'a> {
    pub(super) arena: Entity,
    /// The name of its kind, if the game gave one.
    pub(super) named: Option<&'a str>,
    /// The smallest number of slots for behaviors.
    pub(super) reserved: &'a [(String, usize)],
    /// The smallest number of slots for agents like these.
    pub(super) reserved_for: &'a [(Agent, usize)],
    /// The agents. Those whose slot the game chose come first, by slot.
    pub(super) agents: Vec<Candidate<'a>>,
}

/// An agent that wants to play in an arena.
#[derive(Clone)]
pub(super) struct Candidate<'a> {
    pub(super) entity: Entity,
    /// The slot, if the game chose it.
    pub(super) slot: Option<usize>,
    pub(super) spec: AgentSpec,
    pub(super) team: Option<&'a str>,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(entity: Entity, slot: Option<usize>, agent: &'a Agent) -> Self {
        Self { entity, slot, spec: agent.spec(), team: agent.team.as_deref() }
    }

    pub(super) fn team(&self) -> &str {
        self.team.unwrap_or(&self.spec.behavior)
    }

    /// Whether the two agents can take each other's slot.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.spec == other.spec && self.team() == other.team()
    }

    /// Whether it can play at this slot.
    fn fits(&self, spec: &ArenaSpec, slot: usize) -> bool {
        spec.slots.get(slot) == Some(&self.spec) && spec.team(slot) == self.team()
    }
}

impl Cast<'_> {
    /// The behaviors of the agents and of those that have slots, sorted. Empty if there are no agents.
    pub(super) fn behaviors(&self) -> Vec<&str> {
        if self.agents.is_empty() {
            return Vec::new();
        }
        let agents = self.agents.iter().map(|agent| agent.spec.behavior.as_str());
        sorted(agents.chain(self.reserved_for.iter().map(|(agent, _)| agent.behavior.as_str())))
    }

    /// Whether there is a slot for each agent in an arena of `spec`.
    pub(super) fn fits(&self, spec: &ArenaSpec) -> bool {
        self.seat(spec, &[]).iter().flatten().count() == self.agents.len()
    }

    /// The agent in each slot of an arena of `spec`. Agents keep the slots that they had `before`, unless the game chose other slots.
    /// Agents for which there is no slot are left out.
    pub(super) fn seat(&self, spec: &ArenaSpec, before: &[Option<Entity>]) -> Vec<Option<Entity>> {
        let mut slots = vec![None; spec.agents()];
        let mut place = |agent: &Candidate, slot: usize| {
            let fits = agent.fits(spec, slot) && slots[slot].is_none();
            if fits {
                slots[slot] = Some(agent.entity);
            }
            fits
        };
        let chosen = self.agents.iter().filter_map(|agent| Some((agent, agent.slot?)));
        chosen.for_each(|(agent, slot)| _ = place(agent, slot));
        let before: EntityHashMap<usize> =
            before.iter().enumerate().filter_map(|(slot, agent)| Some(((*agent)?, slot))).collect();
        let mut others: Vec<&Candidate> = self.agents.iter().filter(|agent| agent.slot.is_none()).collect();
        others.retain(|agent| !before.get(&agent.entity).is_some_and(|slot| place(agent, *slot)));
        // The first slot that may be free, for each behavior and team.
        let mut first: HashMap<(&str, &str), usize> = HashMap::new();
        for agent in others {
            let first = first.entry((&agent.spec.behavior, agent.team())).or_default();
            let found = (*first..spec.agents()).find(|slot| place(agent, *slot));
            *first = found.map_or(spec.agents(), |slot| slot + 1);
        }
        slots
    }
}
