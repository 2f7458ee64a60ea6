use bevy::{
    ecs::{entity::EntityHashMap, entity_disabling::Disabled, lifecycle::Discard, query::Allow},
    prelude::*,
};

use crate::{
    agent::{Agent, Life, LifeEnd, Reward},
    arena::{Episode, InArena, Measures},
    parameters::Parameters,
};

/// The agents that have left their slots and the arenas that were despawned. They are kept until the arenas are collected again.
#[derive(Resource, Debug, Default)]
pub(super) struct Departed {
    agents: EntityHashMap<Departure>,
    arenas: EntityHashMap<LastEpisode>,
}

/// The episode that was played in an arena when it was despawned.
#[derive(Debug, Clone)]
pub(super) struct LastEpisode {
    pub(super) episode: Episode,
    pub(super) measures: Measures,
    pub(super) parameters: Parameters,
}

/// What an agent had earned when it left its slot, and whether its part in the episode had ended.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Departure {
    pub(super) reward: f32,
    pub(super) episode_return: f32,
    /// How its part in the episode had ended, and the first end since the last decision, if there was one.
    pub(super) end: Option<LifeEnd>,
    pub(super) unrecorded: Option<LifeEnd>,
}

impl Departed {
    /// What an agent had earned when it left; `None` if it has not left, or if that was forgotten.
    pub(super) fn get(&self, agent: Entity) -> Option<Departure> {
        self.agents.get(&agent).copied()
    }

    pub(super) fn take_arenas(&mut self) -> EntityHashMap<LastEpisode> {
        std::mem::take(&mut self.arenas)
    }

    /// Forgets what an agent had earned, because that episode is over.
    pub(super) fn forget(&mut self, agent: Entity) {
        self.agents.remove(&agent);
    }

    pub(super) fn clear(&mut self) {
        self.agents.clear();
    }
}

/// Adds observers for everything by which an agent can leave its slot: it is despawned, disabled, moved to another arena,
/// or becomes another agent. Arenas that are despawned are observed as well.
pub(super) fn watch(app: &mut App) {
    app.init_resource::<Departed>()
        .add_observer(|left: On<Discard, Agent>, mut departed: ResMut<Departed>, agents: Query<Left>| {
            remember(left.entity, &mut departed, &agents);
        })
        .add_observer(|left: On<Discard, InArena>, mut departed: ResMut<Departed>, agents: Query<Left>| {
            remember(left.entity, &mut departed, &agents);
        })
        .add_observer(
            |left: On<Insert, Disabled>,
             mut departed: ResMut<Departed>,
             agents: Query<Left, Allow<Disabled>>| {
                if let Ok(left_by) = agents.get(left.entity) {
                    departed.agents.entry(left.entity).or_insert_with(|| departure(left_by));
                }
            },
        )
        .add_observer(remember_arena);
}

type Left = (&'static Reward, &'static Life);

fn remember(agent: Entity, departed: &mut Departed, agents: &Query<Left>) {
    if let Ok(left) = agents.get(agent) {
        departed.agents.entry(agent).or_insert_with(|| departure(left));
    }
}

fn remember_arena(
    gone: On<Discard, Episode>,
    mut departed: ResMut<Departed>,
    arenas: Query<(&Episode, Option<&Measures>, Option<&Parameters>)>,
) {
    let Ok((episode, measures, parameters)) = arenas.get(gone.entity) else { return };
    let last = LastEpisode {
        episode: episode.clone(),
        measures: measures.cloned().unwrap_or_default(),
        parameters: parameters.cloned().unwrap_or_default(),
    };
    departed.arenas.insert(gone.entity, last);
}

pub(super) fn departure((reward, life): (&Reward, &Life)) -> Departure {
    let (reward, episode_return) = (reward.of_decision(), reward.episode_return());
    Departure { reward, episode_return, end: life.end(), unrecorded: life.unrecorded() }
}
