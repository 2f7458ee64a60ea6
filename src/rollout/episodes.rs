use bevy::prelude::*;

use super::{Arenas, Experience, Exploration, Reset, RolloutClock};
use crate::{
    agent::{Action, Observation, Reward},
    arena::{Arena, Episode, EpisodeEnded, EpisodeStatus, Measures},
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

/// Completes the transitions of ended episodes with their true last observation, and announces the ends.
pub(super) fn finish(
    arenas: Res<Arenas>,
    mut experience: ResMut<Experience>,
    episodes: Query<(&Episode, Option<&Measures>)>,
    mut agents: Query<(&mut Observation, &Reward)>,
    mut ended: MessageWriter<EpisodeEnded>,
    mut commands: Commands,
) -> Result {
    for (index, entry) in arenas.entries().iter().enumerate() {
        let (episode, measures) = episodes.get(entry.arena)?;
        let truncated = match episode.status() {
            EpisodeStatus::Terminated => false,
            EpisodeStatus::Truncated => true,
            EpisodeStatus::New | EpisodeStatus::Running => continue,
        };
        let mut members = agents.iter_many_mut(&entry.agents);
        while let Some((mut observation, _)) = members.fetch_next() {
            observation.push_frame();
        }
        let last =
            agents.iter_many(&entry.agents).map(|(observation, reward)| (observation, reward.decision));
        experience.close(index, !truncated, last);
        let episode = EpisodeEnded {
            arena: entry.arena,
            index,
            returns: agents.iter_many(&entry.agents).map(|(_, reward)| reward.episode_return()).collect(),
            decisions: episode.decisions(),
            truncated,
            exploration_scale: episode.exploration_scale(),
            measures: measures.cloned().unwrap_or_default(),
        };
        commands.trigger(episode.clone());
        ended.write(episode);
    }
    Ok(())
}

/// Lets the game set up the arenas that are new or whose episode has ended, and starts their next episodes.
pub(super) fn reset(
    world: &mut World,
    episodes: &mut QueryState<&mut Episode>,
    agents: &mut QueryState<(&mut Observation, &mut Action, &mut Reward)>,
) -> Result {
    world.run_schedule(Reset);
    world.resource_scope(|world, arenas: Mut<Arenas>| {
        world.resource_scope(|world, mut exploration: Mut<Exploration>| {
            let decisions = world.resource::<RolloutClock>().decisions;
            for (index, entry) in arenas.entries().iter().enumerate() {
                let mut episode = episodes.get_mut(world, entry.arena)?;
                if !episode.needs_reset() {
                    continue;
                }
                episode.begin(exploration.begin(index, decisions));
                let mut members = agents.iter_many_mut(world, &entry.agents);
                while let Some((mut observation, mut action, mut reward)) = members.fetch_next() {
                    observation.clear();
                    action.0.fill(0.0);
                    *reward = Reward::default();
                }
            }
            Ok(())
        })
    })
}
