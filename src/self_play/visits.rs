//! What happens when a rival comes to an arena or leaves it.

use bevy::{
    ecs::{
        entity_disabling::Disabled,
        lifecycle::{Despawn, Discard},
        query::Allow,
    },
    prelude::*,
};

use super::{PlayedBy, Pool, RivalKind, SelfPlay, Visitors};
use crate::{
    agent::{ActionOverride, Agent, PolicyOverride, Untrained},
    arena::{ArenaAgents, InArena, NoExploration},
    rollout::{DecideSystems, RolloutClock, StepStart},
};

pub(super) fn plugin(app: &mut App) {
    app.add_observer(arrive)
        .add_observer(depart)
        .add_observer(wait)
        .add_observer(join::<InArena>)
        .add_observer(join::<Agent>)
        .add_systems(
            StepStart,
            note_persons.after(DecideSystems::Decide).run_if(|clock: Res<RolloutClock>| clock.is_decision()),
        );
}

/// Marks the agents that a rival plays. It remembers what the agent had before, so that self-play later removes only what it has inserted.
#[derive(Component, Debug, Clone)]
struct PlayedByRival {
    /// Whether the game had excluded the agent from training before.
    was_untrained: bool,
    /// The policy that the game had given the agent before.
    own_policy: Option<PolicyOverride>,
    /// Whether the rival is a script, which gives the agent an [`ActionOverride`] at each decision.
    is_script: bool,
}

/// Lets the rival play a team. This is an observer, and not a part of the draw, since the game may replace its agents at the same reset.
fn arrive(
    arrived: On<Insert, Visitors>,
    mut commands: Commands,
    arenas: Query<(&Visitors, Option<&ArenaAgents>)>,
    agents: Query<Player, Allow<Disabled>>,
    play: Res<SelfPlay>,
) {
    // The agents may have been despawned. Then the next ones join.
    let Ok((visitors, members)) = arenas.get(arrived.entity) else { return };
    for entity in members.into_iter().flat_map(|members| members.iter()) {
        if let Ok(player) = agents.get(entity)
            && visitors.are(player.0)
        {
            enter(&mut commands, entity, player, visitors, &play.pool);
        }
    }
    if visitors.is_rated {
        commands.entity(arrived.entity).try_insert(NoExploration);
    }
}

/// Lets the newest policy play again.
fn depart(
    departed: On<Discard, Visitors>,
    mut commands: Commands,
    arenas: Query<(&Visitors, Option<&ArenaAgents>)>,
    agents: Query<&PlayedByRival, Allow<Disabled>>,
) {
    let Ok((visitors, members)) = arenas.get(departed.entity) else { return };
    for agent in members.into_iter().flat_map(|members| members.iter()) {
        if let Ok(played) = agents.get(agent) {
            leave(&mut commands, agent, played);
        }
    }
    if visitors.is_rated && !visitors.was_unexplored {
        commands.entity(departed.entity).try_remove::<NoExploration>();
    }
}

/// If an arena is despawned, its rival plays its remaining games in the next arena. A game that ends with the arena still counts.
fn wait(despawned: On<Despawn, Visitors>, arenas: Query<&Visitors>, mut play: ResMut<SelfPlay>) {
    if let Ok(visitors) = arenas.get(despawned.entity) {
        play.waiting.push((despawned.entity, visitors.clone()));
    }
}

/// What [`note_persons`] reads of an agent that something else than its policy plays.
type TakenOver = (Has<Untrained>, Option<&'static PlayedByRival>);

/// Finds the rated games in which a person plays. A person has taken over an agent that would learn otherwise. If the game itself has
/// excluded an agent from training, a script of the game may play the agent, so it does not count.
fn note_persons(
    mut arenas: Query<(&mut Visitors, &ArenaAgents)>,
    agents: Query<TakenOver, (With<ActionOverride>, Without<PlayedBy>)>,
) {
    for (mut visitors, members) in arenas.iter_mut().filter(|(visitors, _)| visitors.is_rated) {
        let mut taken_over = members.iter().filter_map(|agent| agents.get(agent).ok());
        if taken_over.any(|(is_untrained, rival)| !rival.map_or(is_untrained, |rival| rival.was_untrained)) {
            visitors.had_person = true;
        }
    }
}

/// If an agent joins the team that a rival plays, the rival plays it too. If an agent of the rival joins another team,
/// the rival stops playing it. An agent joins by its place in an arena, or by a new [`Agent`] with another team.
fn join<C: Component>(
    joined: On<Insert, C>,
    mut commands: Commands,
    places: Query<&InArena, Allow<Disabled>>,
    arenas: Query<&Visitors>,
    agents: Query<Player, Allow<Disabled>>,
    play: Res<SelfPlay>,
) {
    let Ok(player @ (agent, _, _, played, _)) = agents.get(joined.entity) else { return };
    if let Some(played) = played {
        leave(&mut commands, joined.entity, played);
    }
    let visitors = places.get(joined.entity).and_then(|in_arena| arenas.get(in_arena.arena)).ok();
    if let Some(visitors) = visitors.filter(|visitors| visitors.are(agent)) {
        enter(&mut commands, joined.entity, player, visitors, &play.pool);
    }
}

/// Removes from an agent what self-play has inserted.
fn leave(commands: &mut Commands, agent: Entity, played: &PlayedByRival) {
    let mut agent = commands.entity(agent);
    agent.try_remove::<PlayedByRival>();
    match &played.own_policy {
        _ if played.is_script => _ = agent.try_remove::<(PlayedBy, ActionOverride)>(),
        Some(own) => _ = agent.try_insert(own.clone()),
        None => _ = agent.try_remove::<PolicyOverride>(),
    }
    if !played.was_untrained {
        agent.try_remove::<Untrained>();
    }
}

/// What self-play reads of an agent.
type Player<'a> =
    (&'a Agent, Has<Untrained>, Option<&'a PolicyOverride>, Option<&'a PlayedByRival>, Has<ActionOverride>);

type PlayerItem<'a> = (&'a Agent, bool, Option<&'a PolicyOverride>, Option<&'a PlayedByRival>, bool);

/// Lets the rival play an agent of its team.
fn enter(
    commands: &mut Commands,
    agent: Entity,
    (_, is_untrained, policy, played, is_taken_over): PlayerItem,
    visitors: &Visitors,
    pool: &Pool,
) {
    let Some(rival) = pool.rivals().iter().find(|rival| rival.name == visitors.rival) else { return };
    // If one rival directly follows another, the agent still has what was inserted for the first one.
    let before = played.cloned().unwrap_or(PlayedByRival {
        was_untrained: is_untrained,
        own_policy: policy.cloned(),
        is_script: false,
    });
    let is_script = rival.kind == RivalKind::Script;
    // If a person plays this agent, the person continues.
    if is_script && is_taken_over && played.is_none_or(|played| !played.is_script) {
        return;
    }
    let mut agent = commands.entity(agent);
    agent.try_insert((Untrained, PlayedByRival { is_script, ..before }));
    match &rival.kind {
        RivalKind::Policy(policy) => agent.try_insert(PolicyOverride(policy.clone())),
        RivalKind::Script => agent.try_insert(PlayedBy(rival.name.clone())),
    };
}
