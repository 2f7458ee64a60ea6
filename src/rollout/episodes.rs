use bevy::prelude::*;

use super::{Arenas, Experience, Exploration, Reset, RolloutClock, experience};
use crate::{
    agent::{Action, Agent, Observation, Reward},
    arena::{Arena, Episode, EpisodeEnded, EpisodeStatus, Measures},
    problems::Problems,
};

/// Truncates episodes that have reached their time limit.
pub(super) fn apply_time_limits(clock: Res<RolloutClock>, mut arenas: Query<(&Arena, &mut Episode)>) {
    if !clock.is_last_of_decision() {
        return;
    }
    for (arena, mut episode) in &mut arenas {
        if arena.time_limit.is_some_and(|limit| episode.decisions() >= limit) {
            episode.truncate();
        }
    }
}

pub(super) fn any_needs_reset(episodes: Query<&Episode>) -> bool {
    episodes.iter().any(Episode::needs_reset)
}

pub(super) fn any_has_ended(episodes: Query<&Episode>) -> bool {
    episodes
        .iter()
        .any(|episode| matches!(episode.status(), EpisodeStatus::Terminated | EpisodeStatus::Truncated))
}

/// Completes the transitions of ended episodes with their true last observation, and sends [`EpisodeEnded`]. An episode
/// without a decision is reset but not announced, because no policy has played it.
pub(super) fn finish(
    arenas: Res<Arenas>,
    mut experience: ResMut<Experience>,
    mut problems: ResMut<Problems>,
    episodes: Query<(&Episode, Option<&Measures>)>,
    mut agents: Query<(Entity, &Agent, &mut Observation, &mut Reward)>,
    mut ended: MessageWriter<EpisodeEnded>,
    mut commands: Commands,
) {
    for (index, entry) in arenas.entries().iter().enumerate() {
        let Ok((episode, measures)) = episodes.get(entry.arena) else { continue };
        let truncated = match episode.status() {
            EpisodeStatus::Terminated => false,
            EpisodeStatus::Truncated => true,
            EpisodeStatus::New | EpisodeStatus::Running => continue,
        };
        let mut members = agents.iter_many_mut(&entry.agents);
        while let Some((entity, agent, mut observation, mut reward)) = members.fetch_next() {
            experience::push_frame(entity, agent, &mut observation, &mut reward, &arenas, &mut problems);
        }
        if let Some(row) = entry.row {
            let last = agents
                .iter_many(&entry.agents)
                .map(|(_, _, observation, reward)| (observation.stacked(), reward.decision));
            experience.close(row, !truncated, last);
        }
        if episode.decisions() == 0 {
            problems.tell("no decision", "", || {
                format!(
                    "an episode of arena {} ended before its agents made a decision: no `EpisodeEnded` is sent for it; \
                     check that the episode does not end at once after `Reset`",
                    entry.arena
                )
            });
            continue;
        }
        let returns = agents.iter_many(&entry.agents).map(|(.., reward)| reward.episode_return());
        let episode = EpisodeEnded {
            arena: entry.arena,
            index,
            returns: returns.collect(),
            decisions: episode.decisions(),
            truncated,
            exploration_scale: episode.exploration_scale(),
            measures: measures.cloned().unwrap_or_default(),
        };
        commands.trigger(episode.clone());
        ended.write(episode);
    }
}

/// Lets the game set up the arenas that are new or whose episode has ended, and starts their next episodes.
pub(super) fn reset(
    world: &mut World,
    episodes: &mut QueryState<&mut Episode>,
    agents: &mut QueryState<(&mut Observation, &mut Action, &mut Reward)>,
) {
    let has_systems = world.resource::<Schedules>().get(Reset).is_some_and(|reset| reset.systems_len() > 0);
    if !has_systems && episodes.iter(world).any(|episode| episode.status() != EpisodeStatus::New) {
        world.resource_mut::<Problems>().tell("no reset", "", || {
            "an episode has ended, but no system is in the schedule `Reset`: the next episode starts where this one \
             ended; add a system that sets up the `ArenasToReset`"
                .into()
        });
    }
    world.run_schedule(Reset);
    world.resource_scope(|world, arenas: Mut<Arenas>| {
        world.resource_scope(|world, mut exploration: Mut<Exploration>| {
            let decisions = world.resource::<RolloutClock>().decisions;
            for (index, entry) in arenas.entries().iter().enumerate() {
                let Ok(mut episode) = episodes.get_mut(world, entry.arena) else { continue };
                if !episode.needs_reset() {
                    continue;
                }
                episode.begin(exploration.begin(index, decisions));
                let mut members = agents.iter_many_mut(world, &entry.agents);
                while let Some((mut observation, mut action, mut reward)) = members.fetch_next() {
                    observation.clear();
                    action.0.fill(0.0);
                    reward.begin();
                }
            }
        });
    });
}
