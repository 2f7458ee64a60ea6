use bevy::{ecs::system::SystemParam, prelude::*};

use super::{
    Arenas, BeforeReset, Experience, Exploration, Reset, RolloutClock,
    departed::{Departed, Departure, LastEpisode, departure},
    frames::{self, Observer},
    rows::{Earner, SlotPart},
};
use crate::{
    agent::{Action, Agent, DecisionClock, Life, LifeEnd, Observation, Reward},
    arena::{Arena, Episode, EpisodeEnded, EpisodeStatus, Measures, NoExploration},
    parameters::Parameters,
    problems::Problems,
};

/// Truncates episodes that have reached their time limit.
pub(super) fn apply_time_limits(
    clock: Res<RolloutClock>,
    known: Res<Arenas>,
    exploration: Res<Exploration>,
    mut arenas: Query<(Entity, &Arena, &mut Episode)>,
    mut problems: ResMut<Problems>,
) {
    if !clock.is_last_of_decision() {
        return;
    }
    for (entity, arena, mut episode) in &mut arenas {
        match arena.time_limit {
            Some(limit) if episode.elapsed >= limit => episode.truncate(),
            None if known.has_learner
                && exploration.config.redraw_decisions == 0
                && episode.decisions() == ENDLESS
                && episode.is_running() =>
            {
                problems.tell("endless", "", || {
                    format!(
                        "the episode of arena {entity} has not ended in {ENDLESS} decisions: without ends there are no returns, lessons do \
                         not move on, and agents explore with the same strength all the time; use `Arena::with_time_limit`, or set \
                         `ExplorationConfig::redraw_decisions`"
                    )
                });
            }
            _ => {}
        }
    }
}

/// An episode that lasts for this many decisions is reported.
const ENDLESS: u32 = 10_000;

/// Ends the episodes in which the parts of all agents are over. If no agent is left in an arena, the parts of its last agents count. If an
/// agent has left since the last decision before its part had ended, the episode is truncated, since nobody knows what would have followed.
pub(super) fn end_without_agents(
    arenas: Res<Arenas>,
    experience: Res<Experience>,
    lives: Query<&Life>,
    over: Query<(), (Changed<Life>, With<Agent>)>,
    mut episodes: Query<&mut Episode>,
    mut generation: Local<u64>,
) {
    if over.is_empty() && *generation == arenas.generation {
        return;
    }
    *generation = arenas.generation;
    for entry in arenas.entries() {
        let ends = lives.iter_many(entry.present()).map(Life::end).collect();
        let parts = entry.place.map_or(&[][..], |place| experience.parts(place));
        let Some(end) = end_of_all(ends, parts) else { continue };
        let left = entry.place.map_or(&[][..], |place| experience.left(place));
        let is_cut_off = left.iter().flatten().any(|left| left.end.is_none());
        if let Ok(mut episode) = episodes.get_mut(entry.arena) {
            if is_cut_off || end == LifeEnd::Truncated {
                episode.truncate();
            } else {
                episode.terminate();
            }
        }
    }
}

pub(super) fn any_needs_reset(episodes: Query<&Episode>) -> bool {
    episodes.iter().any(Episode::needs_reset)
}

pub(super) fn any_has_ended(episodes: Query<&Episode>) -> bool {
    episodes.iter().any(Episode::has_ended)
}

/// Completes the transitions of ended episodes with their true last observation, and sends [`EpisodeEnded`]. If an episode has had no
/// decision, its arena is reset, but nothing is sent, because no policy has played it.
pub(super) fn finish(
    arenas: Res<Arenas>,
    mut experience: ResMut<Experience>,
    mut problems: ResMut<Problems>,
    mut episodes: Query<(&mut Episode, Option<&Measures>, Option<&Parameters>)>,
    mut agents: ParamSet<(Query<Observer>, Query<Earner>)>,
    mut announcer: Announcer,
) {
    for (index, entry) in arenas.entries().iter().enumerate() {
        let Ok((mut episode, measures, parameters)) = episodes.get_mut(entry.arena) else { continue };
        let truncated = match episode.status() {
            EpisodeStatus::Terminated => false,
            EpisodeStatus::Truncated => true,
            EpisodeStatus::New | EpisodeStatus::Running => continue,
        };
        episode.bypass_change_detection().is_finished = true;
        let mut observers = agents.p0();
        let mut members = observers.iter_many_mut(entry.present());
        while let Some(member) = members.fetch_next() {
            frames::push_frame(member, &arenas, &mut problems);
        }
        let agents = agents.p1();
        experience.close(entry, if truncated { 1.0 } else { 0.0 }, true, &agents);
        if episode.decisions() == 0 {
            problems.tell("no decision", "", || {
                format!(
                    "an episode of arena {} ended before its agents made a decision: no `EpisodeEnded` is sent for it; in `Reset`, \
                     change what had ended the episode before, and heal or despawn dead agents, since all that are still in the arena play \
                     again",
                    entry.arena
                )
            });
            continue;
        }
        let parts = entry.place.map_or(&[][..], |place| experience.parts(place));
        let returns = entry.agents.iter().zip(parts).map(|(agent, part)| {
            let here = agent.and_then(|agent| agents.get(agent).ok());
            part.return_left + here.map_or(0.0, |(_, reward, ..)| reward.episode_return())
        });
        announcer.announce(EpisodeEnded {
            index,
            kind: entry.place.map_or_else(String::new, |place| arenas.kinds()[place.kind].name().into()),
            measures: measures.cloned().unwrap_or_default(),
            parameters: parameters.cloned().unwrap_or_default(),
            ..ended(entry.arena, returns.collect(), parts, &episode)
        });
    }
}

/// An [`EpisodeEnded`] with what the episode itself knows.
fn ended(arena: Entity, returns: Vec<f32>, parts: &[SlotPart], episode: &Episode) -> EpisodeEnded {
    EpisodeEnded {
        played: parts.iter().map(|part| part.is_played).collect(),
        decisions: episode.decisions(),
        truncated: episode.status() == EpisodeStatus::Truncated,
        exploration_scale: episode.exploration_scale(),
        ..EpisodeEnded::new(arena, returns)
    }
}

/// Sends [`EpisodeEnded`] to observers and to readers of messages.
#[derive(SystemParam)]
pub(super) struct Announcer<'w, 's> {
    commands: Commands<'w, 's>,
    messages: MessageWriter<'w, EpisodeEnded>,
}

impl Announcer<'_, '_> {
    fn announce(&mut self, episode: EpisodeEnded) {
        self.commands.trigger(episode.clone());
        self.messages.write(episode);
    }
}

/// Completes the episodes of arenas that were despawned since the last step. All of their agents have left. If the game had ended such an
/// episode before, the learner treats it as ended.
pub(super) fn finish_despawned(
    arenas: Res<Arenas>,
    mut departed: ResMut<Departed>,
    mut experience: ResMut<Experience>,
    episodes: Query<(), With<Episode>>,
    agents: Query<Earner>,
    mut announcer: Announcer,
) {
    for (arena, LastEpisode { mut episode, measures, parameters }) in departed.take_arenas() {
        if episodes.contains(arena) {
            // The component `Episode` was only replaced.
            continue;
        }
        // The arena was despawned after its end was recorded, by an observer of the end or by a system in `Reset`.
        if episode.is_finished {
            continue;
        }
        let Some((index, entry)) = arenas.find(arena) else { continue };
        let Some(place) = entry.place else { continue };
        let departures: Vec<(usize, Departure)> = entry
            .seated()
            .map(|(agent, slot)| {
                let known = match agents.get(agent) {
                    Ok((_, reward, life, ..)) => Some(departure((reward, life))),
                    Err(_) => departed.get(agent),
                };
                (slot, known.unwrap_or_default())
            })
            .collect();
        let ends = departures.iter().map(|(_, left)| left.end).collect();
        match end_of_all(ends, experience.parts(place)) {
            Some(LifeEnd::Truncated) => episode.truncate(),
            Some(LifeEnd::Terminated) => episode.terminate(),
            None => {}
        }
        let is_terminated = episode.status() == EpisodeStatus::Terminated;
        for (slot, mut departure) in departures {
            if is_terminated {
                departure.unrecorded.get_or_insert(LifeEnd::Terminated);
            }
            experience.leave(place, slot, Some(departure));
        }
        experience.close(entry, if is_terminated { 0.0 } else { 1.0 }, true, &agents);
        if !episode.is_running() && episode.decisions() > 0 {
            let kind = arenas.kinds()[place.kind].name().into();
            let parts = experience.parts(place);
            let returns = parts.iter().map(|part| part.return_left).collect();
            announcer.announce(EpisodeEnded {
                index,
                kind,
                measures,
                parameters,
                ..ended(arena, returns, parts, &episode)
            });
        }
    }
}

/// How an episode ends because the parts of all its agents are over. `None` if some part is not. `ends` has the ends of the parts of the
/// agents that are there. If nobody is, the parts of those that were there last count.
fn end_of_all(mut ends: Vec<Option<LifeEnd>>, parts: &[SlotPart]) -> Option<LifeEnd> {
    if ends.is_empty() {
        ends.extend(parts.iter().filter_map(|part| part.last_left).map(|left| left.end));
    }
    if ends.is_empty() || ends.contains(&None) {
        return None;
    }
    let is_truncated = ends.contains(&Some(LifeEnd::Truncated));
    Some(if is_truncated { LifeEnd::Truncated } else { LifeEnd::Terminated })
}

/// Lets the game set up the arenas that are new or whose episode has ended, and starts their next episodes.
pub(super) fn reset(
    world: &mut World,
    episodes: &mut QueryState<&mut Episode>,
    measured: &mut QueryState<(&Episode, &mut Measures)>,
    agents: &mut QueryState<(&mut Observation, &mut Action, &mut Reward, &mut Life, &mut DecisionClock)>,
) {
    let has_systems = world.resource::<Schedules>().get(Reset).is_some_and(|reset| reset.systems_len() > 0);
    if !has_systems && episodes.iter(world).any(|episode| episode.status() != EpisodeStatus::New) {
        world.resource_mut::<Problems>().tell("no reset", "", || {
            "an episode has ended, but no system is in the schedule `Reset`: the next episode starts where this one \
             ended; add a system that sets up the `ArenasToReset`"
                .into()
        });
    }
    for (episode, mut measures) in measured.iter_mut(world) {
        if episode.needs_reset() {
            measures.values_mut().for_each(|value| *value = 0.0);
        }
    }
    // If no plugin has added this schedule, nothing is drawn.
    let _ = world.try_run_schedule(BeforeReset);
    world.run_schedule(Reset);
    world.resource_scope(|world, arenas: Mut<Arenas>| {
        let without_slot: Vec<(Entity, Entity)> =
            arenas.others().iter().filter_map(|other| Some((other.arena?, other.entity))).collect();
        world.resource_scope(|world, mut exploration: Mut<Exploration>| {
            world.resource_scope(|world, mut experience: Mut<Experience>| {
                for (index, entry) in arenas.entries().iter().enumerate() {
                    if !episodes.get(world, entry.arena).is_ok_and(Episode::needs_reset) {
                        continue;
                    }
                    let decisions = entry.place.map_or(0, |place| arenas.kinds()[place.kind].decisions);
                    let explores = !world.entity(entry.arena).contains::<NoExploration>();
                    let Ok(mut episode) = episodes.get_mut(world, entry.arena) else { continue };
                    episode.begin(exploration.begin(index, decisions, explores));
                    if let Some(place) = entry.place {
                        experience.begin(place);
                    }
                    // Agents that have left during the reset have earned nothing in this episode.
                    let mut departed = world.resource_mut::<Departed>();
                    entry.present().for_each(|agent| departed.forget(agent));
                    let others = without_slot.iter().filter(|(arena, _)| *arena == entry.arena);
                    let members = entry.present().chain(others.map(|(_, agent)| *agent));
                    let mut members = agents.iter_many_mut(world, members);
                    while let Some((mut observation, mut action, mut reward, mut life, mut clock)) =
                        members.fetch_next()
                    {
                        observation.clear();
                        action.clear();
                        reward.begin();
                        life.set_if_neq(Life::default());
                        clock.request();
                    }
                }
            });
        });
    });
}
