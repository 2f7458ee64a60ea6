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
};

pub(super) fn plugin(app: &mut App) {
    app.add_observer(arrive)
        .add_observer(depart)
        .add_observer(wait)
        .add_observer(join::<InArena>)
        .add_observer(join::<Agent>);
}

/// Marks the agents that a rival plays, so that self-play takes from agents only what it gave them.
#[derive(Component, Debug, Clone)]
pub(super) struct PlayedByRival {
    /// Whether the game had excluded the agent from training before.
    pub(super) was_untrained: bool,
    /// The policy that the game had given the agent before.
    own_policy: Option<PolicyOverride>,
    /// Whether the rival is a script, which gives the agent an [`ActionOverride`] at each decision.
    is_script: bool,
}

/// Lets the rival play a team. By observers, and not where it is drawn, since the game may replace its agents at the same reset.
fn arrive(
    arrived: On<Insert, Visitors>,
    mut commands: Commands,
    arenas: Query<(&Visitors, Option<&ArenaAgents>)>,
    agents: Query<Player, Allow<Disabled>>,
    play: Res<SelfPlay>,
) {
    // The agents may have been despawned; the next ones join.
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

/// The rival of an arena that is despawned plays its remaining games in the next arena, and the game that ends there counts.
fn wait(despawned: On<Despawn, Visitors>, arenas: Query<&Visitors>, mut play: ResMut<SelfPlay>) {
    if let Ok(visitors) = arenas.get(despawned.entity) {
        play.waiting.push((despawned.entity, visitors.clone()));
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

/// Takes from an agent what self-play gave it.
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
    // Between two rivals, the agent still has what the first one gave it.
    let before = played.cloned().unwrap_or(PlayedByRival {
        was_untrained: is_untrained,
        own_policy: policy.cloned(),
        is_script: false,
    });
    let is_script = rival.kind == RivalKind::Script;
    // A person who plays goes on.
    if is_script && is_taken_over && played.is_none() {
        return;
    }
    let mut agent = commands.entity(agent);
    agent.try_insert((Untrained, PlayedByRival { is_script, ..before }));
    match &rival.kind {
        RivalKind::Policy(policy) => agent.try_insert(PolicyOverride(policy.clone())),
        RivalKind::Script => agent.try_insert(PlayedBy(rival.name.clone())),
    };
}
