use bevy::prelude::*;

use super::{ActingPolicy, Experience, Exploration};
use crate::{
    agent::Agent,
    arena::{Arena, ArenaAgents, InArena},
    policy::{AgentSpec, ArenaSpec, PolicyError, PolicySnapshot, SpecError},
};

/// All arenas, in the order of their entities, with their agents by slot.
#[derive(Resource, Debug, Default)]
pub struct Arenas {
    entries: Vec<ArenaEntry>,
    spec: ArenaSpec,
}

/// One arena and its agents.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArenaEntry {
    /// The entity with the [`Arena`].
    pub arena: Entity,
    /// The agents, by slot.
    pub agents: Vec<Entity>,
}

/// Arenas, agents and a policy that do not fit together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// Slots with gaps, or used twice.
    #[error(
        "the agents of arena {arena} have the slots {slots:?}, expected each number from 0 up once; give each agent of an \
         arena its own slot"
    )]
    Slots {
        /// The arena.
        arena: Entity,
        /// The slots found, sorted.
        slots: Vec<usize>,
    },
    /// An arena whose agents differ from the other arenas'.
    #[error(
        "arena {arena} has the agents {found:?}, the other arenas have {expected:?}; all arenas of a world need the same \
         agents"
    )]
    DifferentArenas {
        /// The arena that differs.
        arena: Entity,
        /// Its agents, by slot.
        found: Vec<AgentSpec>,
        /// The agents of the other arenas.
        expected: Vec<AgentSpec>,
    },
    /// Agents of one behavior with different sizes.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A policy for other agents.
    #[error(
        "the policy was trained for the agents {policy:?}, but the arenas have {arenas:?}; behaviors and sizes must be the \
         same, slot by slot"
    )]
    OtherAgents {
        /// The agents that the policy was trained for, by slot.
        policy: Vec<AgentSpec>,
        /// The agents of the arenas, by slot.
        arenas: Vec<AgentSpec>,
    },
    /// A policy file that cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl Arenas {
    /// The arenas, in the order of their entities.
    pub fn entries(&self) -> &[ArenaEntry] {
        &self.entries
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The agents that all arenas have.
    pub fn spec(&self) -> &ArenaSpec {
        &self.spec
    }
}

/// Updates the list of arenas when arenas or agents were added, removed or moved.
pub(super) fn collect(
    mut arenas: ResMut<Arenas>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    found: Query<(Entity, &ArenaAgents), With<Arena>>,
    changed: Query<(), (With<Arena>, Changed<ArenaAgents>)>,
    agents: Query<(&Agent, &InArena)>,
) -> Result {
    if changed.is_empty() && found.iter().len() == arenas.len() {
        return Ok(());
    }
    let mut entries = Vec::new();
    let mut spec: Option<ArenaSpec> = None;
    let mut sorted: Vec<_> = found.iter().collect();
    sorted.sort_unstable_by_key(|(arena, _)| *arena);
    for (arena, members) in sorted {
        let mut slots: Vec<(usize, Entity, &Agent)> = members
            .iter()
            .filter_map(|entity| agents.get(entity).ok().map(|(agent, place)| (place.slot, entity, agent)))
            .collect();
        slots.sort_unstable_by_key(|(slot, ..)| *slot);
        if slots.iter().enumerate().any(|(index, (slot, ..))| index != *slot) {
            let slots = slots.iter().map(|(slot, ..)| *slot).collect();
            return Err(RolloutError::Slots { arena, slots }.into());
        }
        let found = ArenaSpec { slots: slots.iter().map(|(_, _, agent)| agent_spec(agent)).collect() };
        match &spec {
            None => {
                found.groups(true).map_err(RolloutError::from)?;
                spec = Some(found);
            }
            Some(spec) if *spec != found => {
                return Err(RolloutError::DifferentArenas {
                    arena,
                    found: found.slots,
                    expected: spec.slots.clone(),
                }
                .into());
            }
            Some(_) => {}
        }
        entries.push(ArenaEntry { arena, agents: slots.iter().map(|(_, entity, _)| *entity).collect() });
    }
    arenas.entries = entries;
    arenas.spec = spec.unwrap_or_default();
    experience.fit(arenas.len(), &arenas.spec);
    exploration.fit(arenas.len());
    Ok(())
}

/// Until a policy is learned or loaded, agents do nothing. A policy for other agents is refused.
pub(super) fn watch_for_policy(mut acting: ResMut<ActingPolicy>, arenas: Res<Arenas>) -> Result {
    if !arenas.is_changed() || arenas.is_empty() {
        return Ok(());
    }
    if acting.is_empty() {
        let groups = arenas.spec().groups(true).map_err(RolloutError::from)?;
        acting.set(PolicySnapshot::zeros(&groups).map_err(RolloutError::from)?);
    }
    acting.check(arenas.spec())?;
    Ok(())
}

fn agent_spec(agent: &Agent) -> AgentSpec {
    AgentSpec {
        behavior: agent.behavior.clone(),
        observation_size: agent.observation_size * agent.frames,
        action_size: agent.action_size,
    }
}
