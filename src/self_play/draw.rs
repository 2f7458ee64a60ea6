//! Who plays against whom, drawn at each reset.

use bevy::prelude::*;
use rand::{RngExt, seq::IndexedRandom};

use super::{Rival, RivalKind, SelfPlay, Visitors, tell_of_missing_teams};
use crate::{
    arena::{ArenasToReset, NoExploration},
    policy::ArenaSpec,
    problems::Problems,
    rollout::{Arenas, why_unfit},
};

/// Draws who plays in the arenas that are reset.
pub(super) fn draw(
    mut commands: Commands,
    resets: ArenasToReset,
    mut reset: Query<(Option<&mut Visitors>, Has<NoExploration>)>,
    arenas: Res<Arenas>,
    mut play: ResMut<SelfPlay>,
    mut problems: ResMut<Problems>,
) {
    let SelfPlay { plugin, pool, random, waiting, .. } = &mut *play;
    let kind = arenas.kind_with_teams();
    for arena in resets.iter() {
        let Ok((visitors, is_unexplored)) = reset.get_mut(arena) else { continue };
        let had_visitors = visitors.is_some();
        // A rated rival that leaves takes its own `NoExploration` with it.
        let before = visitors.as_ref().filter(|visitors| visitors.is_rated);
        let was_unexplored = before.map_or(is_unexplored, |visitors| visitors.was_unexplored);
        // The teams of the slots: the game may have despawned its agents, and spawn the next ones at this reset. A new arena may have had
        // none yet.
        let of_arena = arenas.kind_of(arena).or(kind.filter(|_| arenas.kinds().len() == 1));
        let of_arena = of_arena.filter(|own| kind.is_some_and(|kind| kind.name() == own.name()));
        let mut teams: Vec<&str> =
            of_arena.iter().flat_map(|kind| &kind.spec().teams).map(String::as_str).collect();
        teams.sort_unstable();
        teams.dedup();
        let is_team = |visitors: &Visitors| teams.contains(&visitors.team.as_str());
        if let Some(mut visitors) = visitors
            && visitors.games_left > 1
            && is_team(&visitors)
        {
            visitors.games_left -= 1;
            visitors.had_person = false;
            continue;
        }
        if let Some(index) = waiting
            .iter()
            .position(|(_, visitors)| !had_visitors && visitors.games_left > 1 && is_team(visitors))
        {
            let (_, visitors) = waiting.swap_remove(index);
            let games_left = visitors.games_left - 1;
            let visitors = Visitors { games_left, had_person: false, was_unexplored, ..visitors };
            commands.entity(arena).try_insert(visitors);
            continue;
        }
        let draws = random.random::<f32>() < plugin.probability();
        if draws && kind.is_none() && !arenas.kinds().is_empty() {
            tell_of_missing_teams(&mut problems);
        }
        let rival = kind
            .filter(|_| draws && !teams.is_empty())
            .and_then(|kind| pool.draw(random, |rival| fits(rival, kind.spec(), &teams, &mut problems)));
        if rival.is_none() && !had_visitors {
            continue;
        }
        let team = rival.zip(kind).and_then(|(rival, kind)| {
            let fitting = teams.iter().filter(|team| misfit(rival, kind.spec(), team).is_none());
            fitting.collect::<Vec<_>>().choose(random).copied()
        });
        if let (Some(rival), Some(team)) = (rival, team) {
            commands.entity(arena).try_insert(Visitors {
                team: (*team).to_owned(),
                rival: rival.name.clone(),
                is_rated: random.random(),
                games_left: plugin.games.max(1),
                had_person: false,
                was_unexplored,
            });
        } else if had_visitors {
            commands.entity(arena).try_remove::<Visitors>();
        }
    }
    waiting.retain(|(_, visitors)| visitors.games_left > 1);
}

/// Whether a rival can play one of these teams. Reports why it cannot.
fn fits(rival: &Rival, agents: &ArenaSpec, teams: &[&str], problems: &mut Problems) -> bool {
    let misfits: Option<Vec<String>> = teams.iter().map(|team| misfit(rival, agents, team)).collect();
    if let Some(reason) = misfits.as_ref().and_then(|misfits| misfits.first()) {
        problems.tell("rival", &rival.name, || {
            format!(
                "the rival `{}` of self-play does not play, because its policy does not fit: {reason}",
                rival.name
            )
        });
    }
    misfits.is_none()
}

/// Why a rival cannot play a team. `None` if it can.
fn misfit(rival: &Rival, agents: &ArenaSpec, team: &str) -> Option<String> {
    match &rival.kind {
        RivalKind::Policy(policy) => why_unfit(policy, agents, team),
        RivalKind::Script => None,
    }
}
