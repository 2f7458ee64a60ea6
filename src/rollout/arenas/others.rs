use bevy::{ecs::entity::EntityHashMap, prelude::*};

use super::{ArenaEntry, OtherAgent, Place, cast::Cast, collect::AgentData};
use crate::{
    agent::Agent,
    arena::{Arena, Episode, InArena},
    problems::Problems,
    rollout::Kind,
};

/// The agents whose decisions are made outside of the arenas' rows. During training, it also reports agents that are not trained, and
/// gives an arena of its own to each agent that has none. Agents of a disabled arena stay in that arena.
#[expect(clippy::too_many_arguments, reason = "it reads what `collect` has found")]
pub(super) fn others(
    casts: &[Cast],
    entries: &[ArenaEntry],
    kinds: &[Kind],
    agents: &Query<AgentData>,
    is_disabled: impl Fn(Entity) -> bool,
    has_learner: bool,
    commands: &mut Commands,
    problems: &mut Problems,
) -> Vec<OtherAgent> {
    let seats: EntityHashMap<usize> = entries.iter().flat_map(ArenaEntry::seated).collect();
    let mut others = Vec::new();
    for (entity, agent, in_arena, has_own_arena, has_own_policy, is_untrained) in agents {
        let seat = seats.get(&entity).copied();
        let is_seated = seat.is_some();
        let index =
            in_arena.and_then(|in_arena| casts.binary_search_by_key(&in_arena.arena, |cast| cast.arena).ok());
        if has_own_arena && in_arena.is_some() {
            // The agent has joined another arena.
            commands.entity(entity).remove::<(Arena, Episode)>();
        }
        if has_learner && !is_seated {
            match index.and_then(|index| entries[index].place) {
                Some(Place { kind, .. }) => tell_no_slot(entity, agent, &kinds[kind], problems),
                None if index.is_none()
                    && !has_own_arena
                    && !is_untrained
                    && !has_own_policy
                    && !in_arena.is_some_and(|in_arena| is_disabled(in_arena.arena)) =>
                {
                    // If the entity of its arena exists, the game may still insert `Arena` on it.
                    let is_built =
                        in_arena.is_some_and(|in_arena| commands.get_entity(in_arena.arena).is_ok());
                    tell_no_arena(entity, agent, in_arena, problems);
                    if !is_built {
                        commands.entity(entity).remove::<InArena>().insert(Arena::default());
                    }
                }
                None => {}
            }
        }
        if has_own_policy || !is_seated {
            let slot = seat.or(in_arena.and_then(|in_arena| in_arena.slot)).unwrap_or(0);
            let arena = in_arena.map(|in_arena| in_arena.arena).filter(|_| !is_seated);
            others.push(OtherAgent { entity, slot, arena });
        }
    }
    others.sort_unstable_by_key(|other| other.entity);
    others
}

fn tell_no_slot(entity: Entity, agent: &Agent, kind: &Kind, problems: &mut Problems) {
    let behavior = &agent.behavior;
    problems.tell("no slot", behavior, || {
        format!(
            "agent {entity} of behavior `{behavior}` finds no free slot in its arena of the kind `{}`, which has the agents \
             {}: it plays without training; reserve slots with `Arena::with_slots_for`, or give it the behavior, sizes and team \
             of a free slot",
            kind.name, kind.spec
        )
    });
}

fn tell_no_arena(entity: Entity, agent: &Agent, in_arena: Option<&InArena>, problems: &mut Problems) {
    let behavior = &agent.behavior;
    problems.tell("no arena", behavior, || {
        match in_arena {
            None => format!(
                "agent {entity} of behavior `{behavior}` is in no arena: it learns alone, in an arena of its own without a time limit; \
                 insert `InArena`, or an `Arena` on the agent itself, or `Untrained` if it should only use its policy"
            ),
            Some(in_arena) => format!(
                "agent {entity} of behavior `{behavior}` is in no arena, because {0} has no `Arena`: it is not trained until {0} has one",
                in_arena.arena
            ),
        }
    });
}
