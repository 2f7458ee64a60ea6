use bevy::{ecs::entity_disabling::Disabled, prelude::*};

use super::{
    ActingPolicy, Experience, Exploration,
    departed::{self, Departed},
};
use crate::{
    agent::{Agent, Observation, PolicyOverride, Reward},
    arena::{Arena, ArenaAgents, Episode, EpisodeStatus, InArena},
    policy::{AgentSpec, ArenaSpec, PolicySnapshot},
    problems::Problems,
};

/// All arenas, in the order of their entities, and the agents that no trained arena decides for.
#[derive(Resource, Debug, Default)]
pub struct Arenas {
    entries: Vec<ArenaEntry>,
    others: Vec<OtherAgent>,
    spec: ArenaSpec,
    /// Whether there is, or will be, a learner.
    pub(crate) has_learner: bool,
    /// Whether the learner has started with `spec`, which can then no longer change.
    pub(crate) is_fixed: bool,
    /// Whether arenas or agents have changed since the last call of [`collect`].
    stale: bool,
    /// [`ActingPolicy::swaps`] at that call.
    swaps: u64,
    /// Counts the calls of [`collect`] that changed something.
    pub(super) generation: u64,
}

/// One arena and its agents.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArenaEntry {
    /// The entity with the [`Arena`].
    pub arena: Entity,
    /// The agents, by slot.
    pub agents: Vec<Entity>,
    /// The arena's row in [`Experience`], if it is complete and its agents are those of [`Arenas::spec`].
    pub(super) row: Option<usize>,
}

/// An agent outside of the trained arenas, or one with a [`PolicyOverride`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OtherAgent {
    pub(super) entity: Entity,
    pub(super) behavior: String,
    pub(super) slot: usize,
}

/// A policy that does not fit the arenas.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// The policy was trained for other agents.
    #[error(
        "the policy was trained for the agents {policy}; but the arenas have {arenas}; behaviors and sizes must be the \
         same, slot by slot"
    )]
    OtherAgents {
        /// The agents that the policy was trained for.
        policy: ArenaSpec,
        /// The agents of the arenas.
        arenas: ArenaSpec,
    },
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

    /// The agents that are trained, by slot: those of the arenas with a row.
    pub fn spec(&self) -> &ArenaSpec {
        &self.spec
    }

    /// The arenas with the agents that are trained.
    pub(super) fn rows(&self) -> impl Iterator<Item = &ArenaEntry> {
        self.entries.iter().filter(|entry| entry.row.is_some())
    }

    /// How many arenas have a row.
    pub(crate) fn row_count(&self) -> usize {
        self.rows().count()
    }

    pub(super) fn others(&self) -> &[OtherAgent] {
        &self.others
    }
}

/// Adds observers for every change of arenas and agents, so that the list is rebuilt only after one.
pub(super) fn watch(app: &mut App) {
    watch_component::<Agent>(app);
    watch_component::<PolicyOverride>(app);
    watch_component::<InArena>(app);
    watch_component::<Arena>(app);
    watch_component::<Disabled>(app);
    app.add_observer(departed::remember);
    app.world_mut().resource_mut::<Arenas>().stale = true;
}

fn watch_component<C: Component>(app: &mut App) {
    app.add_observer(|_: On<Insert, C>, mut arenas: ResMut<Arenas>| arenas.stale = true)
        .add_observer(|_: On<Remove, C>, mut arenas: ResMut<Arenas>| arenas.stale = true);
}

/// An arena with its agents by slot, and whether each slot from 0 up is taken once.
struct Members<'a> {
    arena: Entity,
    episode: &'a Episode,
    agents: Vec<(usize, Entity, &'a Agent)>,
    spec: ArenaSpec,
    is_complete: bool,
}

/// What [`collect`] reads of each agent.
type AgentData = (Entity, &'static Agent, Option<&'static InArena>, Has<PolicyOverride>);

/// Rebuilds the list of arenas if arenas or agents have changed.
#[expect(clippy::too_many_arguments, reason = "a system asks for what it reads and writes")]
pub(super) fn collect(
    mut arenas: ResMut<Arenas>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut departed: ResMut<Departed>,
    mut problems: ResMut<Problems>,
    acting: Res<ActingPolicy>,
    found: Query<(Entity, Option<&ArenaAgents>, &Episode), With<Arena>>,
    agents: Query<AgentData>,
    observed: Query<(&Observation, &Reward)>,
) {
    let policy = acting.snapshot().map(|snapshot| snapshot.spec());
    let is_other_policy = !arenas.is_fixed
        && arenas.swaps != acting.swaps()
        && policy.is_some_and(|policy| *policy != arenas.spec);
    if !arenas.stale && !is_other_policy {
        return;
    }
    let mut members: Vec<Members> =
        found.iter().map(|(arena, members, episode)| members_of(arena, members, episode, &agents)).collect();
    members.sort_unstable_by_key(|members| members.arena);
    let spec = match arenas.is_fixed {
        true => arenas.spec.clone(),
        false => choose_spec(&members, policy, &mut problems),
    };
    let problems = arenas.has_learner.then_some(&mut *problems);
    let (entries, others) = sort_agents(&members, &spec, &agents, problems);

    // If the game terminated the episode in the step in which it despawned an agent, the arena's open decision is still
    // completed. Otherwise it is dropped, because the next observation of that agent is not known.
    for old in &arenas.entries {
        let now =
            members.binary_search_by_key(&old.arena, |members| members.arena).map(|index| &members[index]);
        let (Some(row), Ok(now)) = (old.row, now) else { continue };
        let is_here = |agent: &Entity| now.agents.iter().any(|(_, entity, _)| entity == agent);
        if now.episode.status() == EpisodeStatus::Terminated && !old.agents.iter().all(is_here) {
            let last = old.agents.iter().map(|&agent| match observed.get(agent) {
                Ok((observation, reward)) => (observation.stacked(), reward.decision),
                Err(_) => departed.get(agent).unwrap_or_default(),
            });
            experience.close(row, true, last);
        }
    }
    departed.clear();

    let old = |entry: &ArenaEntry| arenas.entries.binary_search_by_key(&entry.arena, |old| old.arena).ok();
    let kept_entries: Vec<Option<usize>> = entries.iter().map(old).collect();
    let is_same_spec = arenas.spec == spec;
    let kept_rows: Vec<Option<usize>> = entries
        .iter()
        .zip(&kept_entries)
        .filter(|(entry, _)| entry.row.is_some())
        .map(|(entry, kept)| {
            let old = &arenas.entries[(*kept)?];
            old.row.filter(|_| is_same_spec && old.agents == entry.agents)
        })
        .collect();
    experience.fit(&spec, &kept_rows);
    exploration.fit(&kept_entries);
    arenas.entries = entries;
    arenas.others = others;
    arenas.spec = spec;
    arenas.stale = false;
    arenas.swaps = acting.swaps();
    arenas.generation += 1;
}

fn members_of<'a>(
    arena: Entity,
    members: Option<&ArenaAgents>,
    episode: &'a Episode,
    agents: &'a Query<AgentData>,
) -> Members<'a> {
    let members = members.into_iter().flat_map(|members| members.iter());
    let mut agents: Vec<_> = members
        .filter_map(|entity| agents.get(entity).ok())
        .filter_map(|(entity, agent, place, _)| Some((place?.slot, entity, agent)))
        .collect();
    agents.sort_unstable_by_key(|(slot, ..)| *slot);
    let is_complete =
        !agents.is_empty() && agents.iter().enumerate().all(|(index, (slot, ..))| index == *slot);
    let spec = ArenaSpec { slots: agents.iter().map(|(_, _, agent)| agent_spec(agent)).collect() };
    Members { arena, episode, agents, spec, is_complete }
}

/// Sorts the agents into the arenas, those with the agents of `spec` with a row, and all agents that are decided for
/// outside of the rows. Reports to `problems`, if there are any to report to, which agents are not trained.
fn sort_agents(
    members: &[Members],
    spec: &ArenaSpec,
    agents: &Query<AgentData>,
    mut problems: Option<&mut Problems>,
) -> (Vec<ArenaEntry>, Vec<OtherAgent>) {
    let mut entries = Vec::new();
    let mut trained = Vec::new();
    let mut rows = 0..;
    for members in members {
        let is_trained = members.is_complete && members.spec == *spec;
        let agents: Vec<Entity> = members.agents.iter().map(|(_, entity, _)| *entity).collect();
        if is_trained {
            trained.extend_from_slice(&agents);
        } else if let Some(problems) = &mut problems {
            tell_untrained(members, spec, problems);
        }
        let row = is_trained.then(|| rows.next()).flatten();
        entries.push(ArenaEntry { arena: members.arena, agents, row });
    }
    trained.sort_unstable();

    let mut others = Vec::new();
    for (entity, agent, place, has_own_policy) in agents {
        if !has_own_policy && trained.binary_search(&entity).is_ok() {
            continue;
        }
        let is_found = |arena| members.binary_search_by_key(&arena, |members| members.arena).is_ok();
        if let Some(problems) = &mut problems
            && !place.is_some_and(|place| is_found(place.arena))
        {
            problems.tell("no arena", &agent.behavior, || {
                format!(
                    "agent {entity} of behavior `{}` is in no arena: it uses the policy of its behavior but is not \
                     trained; spawn an `Arena` and insert `InArena` on the agent",
                    agent.behavior
                )
            });
        }
        let slot = place.map_or(0, |place| place.slot);
        others.push(OtherAgent { entity, behavior: agent.behavior.clone(), slot });
    }
    others.sort_unstable_by_key(|other| other.entity);
    (entries, others)
}

/// Chooses the agents that are decided for slot by slot, and trained if there is a learner: those that the acting
/// policy was trained for, if an arena has them. Without a policy, those that most arenas have.
fn choose_spec(members: &[Members], policy: Option<&ArenaSpec>, problems: &mut Problems) -> ArenaSpec {
    if let Some(policy) = policy {
        let is_played = members.iter().any(|members| members.is_complete && members.spec == *policy);
        return if is_played { policy.clone() } else { ArenaSpec::default() };
    }
    let mut counts: Vec<(&ArenaSpec, usize)> = Vec::new();
    for members in members.iter().filter(|members| members.is_complete) {
        match counts.iter_mut().find(|(spec, _)| **spec == members.spec) {
            Some((_, count)) => *count += 1,
            None => match members.spec.groups(true) {
                Ok(_) => counts.push((&members.spec, 1)),
                Err(error) => problems.tell("sizes", "", || {
                    format!("the agents of arena {} cannot be trained: {error}", members.arena)
                }),
            },
        }
    }
    // In a tie, the first one wins.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(spec, _)| (*spec).clone()).unwrap_or_default()
}

fn tell_untrained(members: &Members, spec: &ArenaSpec, problems: &mut Problems) {
    let Members { arena, agents, is_complete, .. } = members;
    if agents.is_empty() {
        problems.tell("empty arena", "", || {
            format!(
                "arena {arena} has no agents; insert `InArena::slot({arena}, 0)` on an entity with an `Agent`"
            )
        });
    } else if !is_complete {
        let slots: Vec<usize> = agents.iter().map(|(slot, ..)| *slot).collect();
        problems.tell("slots", "", || {
            format!(
                "arena {arena} has agents at the slots {slots:?}, but slots must be numbered from 0 without gaps and \
                 taken once each: until they are, the arena is played without training; correct the slots in \
                 `InArena`, or spawn the missing agents"
            )
        });
    } else if !spec.slots.is_empty() {
        problems.tell("other agents", "", || {
            format!(
                "arena {arena} has the agents {}; but the trained agents are {spec}: it is played without training, \
                 because all arenas that are trained need the same agents; give its agents the same behaviors and \
                 sizes, slot by slot",
                members.spec
            )
        });
    }
}

fn agent_spec(agent: &Agent) -> AgentSpec {
    AgentSpec {
        behavior: agent.behavior.clone(),
        observation_size: agent.observation_size * agent.frames,
        action_size: agent.action_size,
    }
}

/// Makes agents do nothing until a policy is trained or loaded.
pub(super) fn start_with_zeros(mut acting: ResMut<ActingPolicy>, arenas: Res<Arenas>) {
    if !acting.is_empty() || arenas.row_count() == 0 {
        return;
    }
    let zeros = arenas.spec().groups(true).ok().and_then(|groups| PolicySnapshot::zeros(&groups).ok());
    if let Some(zeros) = zeros {
        acting.set(zeros);
    }
}
