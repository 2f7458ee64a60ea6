use bevy::{
    ecs::{entity::EntityHashMap, entity_disabling::Disabled},
    prelude::*,
};

use super::{
    ArenaEntry, Arenas,
    cast::{Candidate, Cast},
    find,
    others::others,
    sort::sort_into_kinds,
};
use crate::{
    agent::{Action, Agent, DecisionClock, Life, Observation, PolicyOverride, Reward, Untrained},
    arena::{Arena, ArenaAgents, Episode, InArena},
    problems::Problems,
    rollout::{Experience, Exploration, Kind, departed::Departed},
};

/// Adds observers for every change of arenas and agents, so that the list is rebuilt only after one.
pub(in crate::rollout) fn watch(app: &mut App) {
    watch_component::<Agent>(app);
    watch_component::<PolicyOverride>(app);
    watch_component::<InArena>(app);
    watch_component::<Arena>(app);
    watch_component::<Disabled>(app);
    app.world_mut().resource_mut::<Arenas>().stale = true;
}

fn watch_component<C: Component>(app: &mut App) {
    app.add_observer(|_: On<Insert, C>, mut arenas: ResMut<Arenas>| arenas.stale = true)
        .add_observer(|_: On<Remove, C>, mut arenas: ResMut<Arenas>| arenas.stale = true);
}

/// What [`collect`] reads of each arena.
type ArenaData = (Entity, &'static Arena, Option<&'static ArenaAgents>, Option<&'static Agent>, Has<InArena>);

/// What [`collect`] reads of each agent.
pub(super) type AgentData =
    (Entity, &'static Agent, Option<&'static InArena>, Has<Arena>, Has<PolicyOverride>, Has<Untrained>);

/// The state of an agent, which is set back when it is new in an arena.
type AgentState = (
    &'static mut Observation,
    &'static mut Action,
    &'static mut Reward,
    &'static mut Life,
    &'static mut DecisionClock,
);

/// Rebuilds the list of arenas if arenas or agents have changed.
#[expect(clippy::too_many_arguments, reason = "a system asks for what it reads and writes")]
pub(in crate::rollout) fn collect(
    mut commands: Commands,
    mut arenas: ResMut<Arenas>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut departed: ResMut<Departed>,
    mut problems: ResMut<Problems>,
    found: Query<ArenaData, With<Episode>>,
    agents: Query<AgentData>,
    disabled: Query<(), (With<Arena>, With<Disabled>)>,
    mut states: Query<AgentState>,
) {
    if !arenas.stale {
        return;
    }
    let mut casts: Vec<Cast> = found
        .iter()
        .filter(|(.., agent, is_placed)| agent.is_none() || !is_placed)
        .map(|(entity, arena, members, agent, _)| cast_of(entity, arena, members, agent, &agents))
        .collect();
    casts.sort_unstable_by_key(|cast| cast.arena);
    let (kinds, entries) = sort_into_kinds(&casts, &arenas, &mut problems);
    let is_disabled = |arena| disabled.contains(arena);
    let has_learner = arenas.has_learner;
    let others =
        others(&casts, &entries, &kinds, &agents, is_disabled, has_learner, &mut commands, &mut problems);

    leave_slots(&arenas, &entries, &kinds, &mut experience, &departed);
    start_newcomers(&arenas, &entries, &departed, &mut states);
    departed.clear();

    let kept_entries: Vec<Option<usize>> =
        entries.iter().map(|entry| arenas.find(entry.arena).map(|(index, _)| index)).collect();
    experience.fit(&kinds, |kind, row| {
        let old = arenas.entries[kept_entries[kinds[kind].rows[row]]?].place?;
        let (old_kind, kind) = (&arenas.kinds[old.kind], &kinds[kind]);
        (old_kind.name == kind.name && old_kind.spec == kind.spec).then_some(old)
    });
    exploration.fit(&kept_entries);
    arenas.entries = entries;
    arenas.kinds = kinds;
    arenas.others = others;
    arenas.stale = false;
    arenas.generation += 1;
}

/// Ends the open decisions of the agents that have left their slot.
fn leave_slots(
    old: &Arenas,
    entries: &[ArenaEntry],
    kinds: &[Kind],
    experience: &mut Experience,
    departed: &Departed,
) {
    for old_entry in &old.entries {
        let Some(place) = old_entry.place else { continue };
        let Some((_, now)) = find(entries, old_entry.arena) else { continue };
        let is_same_kind = now.place.is_some_and(|now| kinds[now.kind].name == old.kinds[place.kind].name);
        for (slot, agent) in old_entry.agents.iter().enumerate() {
            let Some(agent) = agent else { continue };
            if !is_same_kind || now.agents.get(slot) != Some(&Some(*agent)) {
                experience.leave(place, slot, departed.get(*agent));
            }
        }
    }
}

/// Sets back the state of agents that are new in their arena.
fn start_newcomers(
    old: &Arenas,
    entries: &[ArenaEntry],
    departed: &Departed,
    states: &mut Query<AgentState>,
) {
    let before: EntityHashMap<(Entity, usize)> = old
        .entries
        .iter()
        .flat_map(|entry| entry.seated().map(|(agent, slot)| (agent, (entry.arena, slot))))
        .collect();
    for entry in entries {
        for (agent, slot) in entry.seated() {
            let before = before.get(&agent);
            if before == Some(&(entry.arena, slot)) {
                continue;
            }
            let Ok((mut observation, mut action, mut reward, mut life, mut clock)) = states.get_mut(agent)
            else {
                continue;
            };
            if before.is_some_and(|(arena, _)| *arena == entry.arena) {
                // Its earlier rewards were counted in the slot that it left.
                if departed.get(agent).is_some() {
                    reward.begin();
                }
                continue;
            }
            observation.clear();
            action.clear();
            reward.begin();
            // An agent that was spawned and killed before its first decision stays dead.
            if !(life.is_over() && life.is_added()) {
                life.set_if_neq(Life::default());
            }
            clock.request();
        }
    }
}

fn cast_of<'a>(
    entity: Entity,
    arena: &'a Arena,
    members: Option<&ArenaAgents>,
    agent: Option<&'a Agent>,
    agents: &'a Query<AgentData>,
) -> Cast<'a> {
    let mut agents: Vec<_> = match agent {
        // An agent that plays alone has the arena on its own entity.
        Some(agent) => vec![Candidate::new(entity, None, agent)],
        None => members
            .into_iter()
            .flat_map(|members| members.iter())
            .filter_map(|entity| agents.get(entity).ok())
            .filter_map(|(entity, agent, in_arena, ..)| Some(Candidate::new(entity, in_arena?.slot, agent)))
            .collect(),
    };
    agents.sort_unstable_by_key(|agent| (agent.slot.unwrap_or(usize::MAX), agent.entity.index_u32()));
    Cast {
        arena: entity,
        named: arena.kind.as_deref(),
        reserved: &arena.slots,
        reserved_for: &arena.slots_for,
        agents,
    }
}

/// Reports arenas that have never had agents. It runs after the game has set them up, so that the game had the time to spawn agents.
pub(in crate::rollout) fn tell_empty(
    arenas: Res<Arenas>,
    members: Query<(&Arena, Option<&ArenaAgents>, Has<Agent>)>,
    mut problems: ResMut<Problems>,
    mut seen: Local<u64>,
) {
    if *seen == arenas.generation || !arenas.has_learner {
        return;
    }
    *seen = arenas.generation;
    // Leaves out arenas that all agents have left, and arenas with reserved slots, since agents may still come.
    for ArenaEntry { arena, .. } in arenas.entries().iter().filter(|entry| entry.place.is_none()) {
        let has_none = |(arena, members, is_agent): (&Arena, Option<&ArenaAgents>, bool)| {
            let reserves = !(arena.slots.is_empty() && arena.slots_for.is_empty());
            !is_agent && !reserves && members.is_none_or(|members| members.is_empty())
        };
        if members.get(*arena).is_ok_and(has_none) {
            problems.tell("empty arena", "", || {
                format!(
                    "arena {arena} has no agents; insert `InArena::new({arena})` on an entity with an `Agent`"
                )
            });
        }
    }
}
