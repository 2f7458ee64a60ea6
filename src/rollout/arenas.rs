use std::fmt;

use bevy::{
    ecs::{entity::EntityHashMap, entity_disabling::Disabled},
    prelude::*,
};

use super::{
    Experience, Exploration, Kind,
    departed::Departed,
    kind::{Candidate, Cast, default_name, spec_of},
};
use crate::{
    agent::{Agent, DecisionClock, Life, Observation, PolicyOverride, Reward, Untrained},
    arena::{Arena, ArenaAgents, Episode, InArena},
    policy::ArenaSpec,
    problems::Problems,
};

/// All arenas, in the order of their entities, their kinds, and the agents that play outside of them.
#[derive(Resource, Debug, Default)]
pub struct Arenas {
    entries: Vec<ArenaEntry>,
    pub(crate) kinds: Vec<Kind>,
    others: Vec<OtherAgent>,
    /// Whether there is, or will be, a learner.
    pub(crate) has_learner: bool,
    /// Where the trainings that are continued come from.
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
    /// The entity with the [`Arena`].
    pub arena: Entity,
    /// The agents, by slot of the arena's kind. `None` where there is none.
    pub agents: Vec<Option<Entity>>,
    /// The kind, as an index into [`Arenas::kinds`], and the arena's row among the arenas of that kind. `None` for an arena
    /// that has never had agents.
    pub(super) place: Option<Place>,
}

/// Where an arena is in [`Experience`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: usize,
    pub(super) row: usize,
}

/// An agent without a slot in an arena, or one with a [`PolicyOverride`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OtherAgent {
    pub(super) entity: Entity,
    pub(super) slot: usize,
    /// The arena in which it has found no slot.
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

    /// The kinds of the arenas. Each has a learner of its own.
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

    /// An arena, with its place among the entries.
    pub(super) fn find(&self, arena: Entity) -> Option<(usize, &ArenaEntry)> {
        let index = self.entries.binary_search_by_key(&arena, |entry| entry.arena).ok()?;
        Some((index, &self.entries[index]))
    }

    /// The teams of an arena's slots.
    pub(crate) fn teams(&self, arena: Entity) -> Option<&[String]> {
        let place = self.entry(arena)?.place?;
        Some(&self.kinds[place.kind].spec.teams)
    }

    fn entry(&self, arena: Entity) -> Option<&ArenaEntry> {
        self.find(arena).map(|(_, entry)| entry)
    }
}

impl ArenaEntry {
    /// The agents that are there.
    pub(super) fn present(&self) -> impl Iterator<Item = Entity> {
        self.agents.iter().copied().flatten()
    }
}

/// Adds observers for every change of arenas and agents, so that the list is rebuilt only after one.
pub(super) fn watch(app: &mut App) {
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

/// What [`collect`] reads of each arena and of each agent.
type ArenaData = (Entity, &'static Arena, Option<&'static ArenaAgents>, Option<&'static Agent>, Has<InArena>);
type AgentData =
    (Entity, &'static Agent, Option<&'static InArena>, Has<Arena>, Has<PolicyOverride>, Has<Untrained>);

/// Rebuilds the list of arenas if arenas or agents have changed.
#[expect(clippy::too_many_arguments, reason = "a system asks for what it reads and writes")]
pub(super) fn collect(
    mut commands: Commands,
    mut arenas: ResMut<Arenas>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut departed: ResMut<Departed>,
    mut problems: ResMut<Problems>,
    found: Query<ArenaData, With<Episode>>,
    agents: Query<AgentData>,
    disabled: Query<(), (With<Arena>, With<Disabled>)>,
    mut states: Query<(&mut Observation, &mut Reward, &mut Life, &mut DecisionClock)>,
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

    // Those that have left their slot have ended an open decision.
    for old in &arenas.entries {
        let Some(place) = old.place else { continue };
        let now = entries.binary_search_by_key(&old.arena, |entry| entry.arena).map(|index| &entries[index]);
        let Ok(now) = now else { continue };
        let is_same_kind = now.place.is_some_and(|now| kinds[now.kind].name == arenas.kinds[place.kind].name);
        for (slot, agent) in old.agents.iter().enumerate() {
            let Some(agent) = agent else { continue };
            if !is_same_kind || now.agents.get(slot) != Some(&Some(*agent)) {
                experience.leave(place, slot, departed.get(*agent));
            }
        }
    }
    departed.clear();
    // Newcomers start anew.
    let before: EntityHashMap<Entity> =
        arenas.entries.iter().flat_map(|entry| entry.present().map(|agent| (agent, entry.arena))).collect();
    for entry in &entries {
        for agent in entry.present().filter(|agent| before.get(agent) != Some(&entry.arena)) {
            if let Ok((mut observation, mut reward, mut life, mut clock)) = states.get_mut(agent) {
                observation.clear();
                reward.begin();
                life.set_if_neq(Life::default());
                clock.request();
            }
        }
    }

    let old_index =
        |entry: &ArenaEntry| arenas.entries.binary_search_by_key(&entry.arena, |old| old.arena).ok();
    let kept_entries: Vec<Option<usize>> = entries.iter().map(old_index).collect();
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
            .filter_map(|(entity, agent, place, ..)| Some(Candidate::new(entity, place?.slot, agent)))
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

/// Finds the kind of each arena and gives its agents their slots.
fn sort_into_kinds(casts: &[Cast], old: &Arenas, problems: &mut Problems) -> (Vec<Kind>, Vec<ArenaEntry>) {
    // The kinds with a learner stay, with their places.
    let mut kinds: Vec<Kind> = old.kinds.iter().filter(|kind| kind.is_fixed).cloned().collect();
    kinds.iter_mut().for_each(|kind| kind.rows.clear());
    let mut names: Vec<Option<String>> = Vec::new();
    for cast in casts {
        let before = old.entry(cast.arena).and_then(|entry| entry.place).map(|place| &old.kinds[place.kind]);
        let name = kind_name(cast, before, &kinds, &old.earlier);
        if let (Some(before), Some(name)) = (before.filter(|before| before.is_fixed), &name)
            && before.name != *name
        {
            tell_new_kind(cast, before, name, problems);
        }
        names.push(name);
    }
    // Kinds are numbered in the order in which their arenas were spawned.
    let mut new: Vec<(u32, &String)> = casts
        .iter()
        .zip(&names)
        .filter_map(|(cast, name)| Some((cast.arena.index_u32(), name.as_ref()?)))
        .collect();
    new.sort_unstable();
    for (_, name) in new {
        if kinds.iter().any(|kind| kind.name == *name) {
            continue;
        }
        let of_kind = names.iter().zip(casts).filter(|(other, _)| other.as_ref() == Some(name));
        let members: Vec<&Cast> =
            of_kind.map(|(_, cast)| cast).filter(|cast| !cast.agents.is_empty()).collect();
        let before = old.kinds.iter().find(|kind| kind.name == *name);
        let decisions = before.map_or(0, |kind| kind.decisions);
        // Slots stay as long as everybody has one, so that nobody moves when somebody leaves.
        let spec = match before {
            Some(kind) if members.iter().all(|cast| cast.fits(&kind.spec)) => kind.spec.clone(),
            _ => {
                let spec = spec_of(&members, problems);
                // A training that continues goes on with its slots, whatever the order in which the agents were spawned.
                let continued = old.earlier.agents(name).and_then(|earlier| spec.continuing(&earlier));
                continued.filter(|slots| members.iter().all(|cast| cast.fits(slots))).unwrap_or(spec)
            }
        };
        kinds.push(Kind { name: name.clone(), spec, decisions, ..Kind::default() });
    }
    // Learners start in this order, so kinds that cannot be trained come last.
    kinds.sort_by_key(|kind| !kind.is_fixed && kind.spec.slots.is_empty());
    let mut entries = Vec::new();
    for (cast, name) in casts.iter().zip(names) {
        let kind = name.and_then(|name| kinds.iter().position(|kind| kind.name == name));
        let before = old.entry(cast.arena).map_or(&[][..], |entry| &entry.agents);
        let mut entry = ArenaEntry { arena: cast.arena, agents: Vec::new(), place: None };
        if let Some(kind) = kind.filter(|kind| !kinds[*kind].spec.slots.is_empty()) {
            entry.agents = cast.seat(&kinds[kind].spec, before);
            entry.place = Some(Place { kind, row: kinds[kind].rows.len() });
            kinds[kind].rows.push(entries.len());
        }
        entries.push(entry);
    }
    (kinds, entries)
}

/// The name of an arena's kind. An arena keeps its kind as long as its agents fit; otherwise it takes the one for exactly
/// its behaviors if it has a learner or was trained earlier, or one with a learner in which they can play.
fn kind_name(
    cast: &Cast,
    before: Option<&Kind>,
    kinds: &[Kind],
    earlier: &EarlierTrainings,
) -> Option<String> {
    if let Some(name) = cast.named {
        return Some(name.into());
    }
    let behaviors = cast.behaviors();
    if let Some(before) = before.filter(|kind| kind.has_all(&behaviors)) {
        return Some(before.name.clone());
    }
    let exact = default_name(&behaviors);
    if behaviors.is_empty() {
        return None;
    }
    let fitting = kinds.iter().filter(|kind| kind.name != exact && kind.has_all(&behaviors));
    match fitting.min_by_key(|kind| kind.spec.agents()) {
        Some(kind) if kinds.iter().all(|kind| kind.name != exact) && earlier.agents(&exact).is_none() => {
            Some(kind.name.clone())
        }
        _ => Some(exact),
    }
}

/// An arena moves to another kind although its own has a learner.
fn tell_new_kind(cast: &Cast, before: &Kind, name: &str, problems: &mut Problems) {
    problems.tell("new kind", name, || {
        format!(
            "arena {} had the kind `{}`, whose learner has no slots for all of its present agents, so its kind is now `{name}`, which \
             learns separately; to train them together, reserve slots with `Arena::with_slots_for` before the first decision",
            cast.arena, before.name
        )
    });
}

/// The agents that are decided for outside of the arenas' rows. While training, tells which agents are not trained, and
/// gives agents that are in no arena one of their own. Those of a disabled arena stay in it.
#[expect(clippy::too_many_arguments, reason = "it reads what `collect` has found")]
fn others(
    casts: &[Cast],
    entries: &[ArenaEntry],
    kinds: &[Kind],
    agents: &Query<AgentData>,
    is_disabled: impl Fn(Entity) -> bool,
    has_learner: bool,
    commands: &mut Commands,
    problems: &mut Problems,
) -> Vec<OtherAgent> {
    let of_entry = |entry: &ArenaEntry| {
        let agents = entry.agents.iter().enumerate();
        agents.filter_map(|(slot, agent)| Some(((*agent)?, slot))).collect::<Vec<_>>()
    };
    let seats: EntityHashMap<usize> = entries.iter().flat_map(of_entry).collect();
    let mut others = Vec::new();
    for (entity, agent, place, has_own_arena, has_own_policy, is_untrained) in agents {
        let seat = seats.get(&entity).copied();
        let is_seated = seat.is_some();
        let index = place.and_then(|place| casts.binary_search_by_key(&place.arena, |cast| cast.arena).ok());
        if has_own_arena && place.is_some() {
            // It has joined another arena.
            commands.entity(entity).remove::<(Arena, Episode)>();
        }
        if has_learner && !is_seated {
            match index.and_then(|index| entries[index].place) {
                Some(Place { kind, .. }) => tell_no_slot(entity, agent, &kinds[kind], problems),
                None if index.is_none()
                    && !has_own_arena
                    && !is_untrained
                    && !has_own_policy
                    && !place.is_some_and(|place| is_disabled(place.arena)) =>
                {
                    // Its arena may still be built.
                    let is_built = place.is_some_and(|place| commands.get_entity(place.arena).is_ok());
                    tell_no_arena(entity, agent, place, problems);
                    if !is_built {
                        commands.entity(entity).remove::<InArena>().insert(Arena::default());
                    }
                }
                None => {}
            }
        }
        if has_own_policy || !is_seated {
            let slot = seat.or(place.and_then(|place| place.slot)).unwrap_or(0);
            let arena = place.map(|place| place.arena).filter(|_| !is_seated);
            others.push(OtherAgent { entity, slot, arena });
        }
    }
    others.sort_unstable_by_key(|other| other.entity);
    others
}

/// Tells which arenas have never had agents, once the game has set them up and so had the time to spawn some.
pub(super) fn tell_empty(
    arenas: Res<Arenas>,
    members: Query<(Option<&ArenaAgents>, Has<Agent>)>,
    mut problems: ResMut<Problems>,
    mut seen: Local<u64>,
) {
    if *seen == arenas.generation || !arenas.has_learner {
        return;
    }
    *seen = arenas.generation;
    // Where all agents of an arena have left, others may come.
    for ArenaEntry { arena, .. } in arenas.entries().iter().filter(|entry| entry.place.is_none()) {
        let has_none = |(members, is_agent): (Option<&ArenaAgents>, bool)| {
            !is_agent && members.is_none_or(|members| members.is_empty())
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

fn tell_no_arena(entity: Entity, agent: &Agent, place: Option<&InArena>, problems: &mut Problems) {
    let behavior = &agent.behavior;
    problems.tell("no arena", behavior, || {
        match place {
            None => format!(
                "agent {entity} of behavior `{behavior}` is in no arena: it learns alone, in an arena of its own without a time limit; \
                 insert `InArena`, or an `Arena` on the agent itself, or `Untrained` if it should only use its policy"
            ),
            Some(place) => format!(
                "agent {entity} of behavior `{behavior}` is in no arena, because {0} has no `Arena`: it is not trained until {0} has one",
                place.arena
            ),
        }
    });
}
