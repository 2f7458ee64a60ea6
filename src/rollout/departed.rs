use bevy::{
    ecs::{entity::EntityHashMap, entity_disabling::Disabled, lifecycle::Discard, query::Allow},
    prelude::*,
};

use crate::{
    agent::{Agent, Life, LifeEnd, Reward},
    arena::InArena,
};

/// What is known of agents that have left their slot, kept until the arenas are collected again.
#[derive(Resource, Debug, Default)]
pub(super) struct Departed(EntityHashMap<Departure>);

/// What an agent had earned when it left its slot, and whether its part in the episode had ended.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Departure {
    pub(super) reward: f32,
    pub(super) episode_return: f32,
    pub(super) end: Option<LifeEnd>,
}

impl Departed {
    pub(super) fn get(&self, agent: Entity) -> Departure {
        self.0.get(&agent).copied().unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Adds observers for everything by which an agent can leave its slot: it is despawned, disabled, moved to another arena,
/// or becomes another agent.
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
                    departed.0.entry(left.entity).or_insert_with(|| departure(left_by));
                }
            },
        );
}

type Left = (&'static Reward, &'static Life);

fn remember(agent: Entity, departed: &mut Departed, agents: &Query<Left>) {
    if let Ok(left) = agents.get(agent) {
        departed.0.entry(agent).or_insert_with(|| departure(left));
    }
}

fn departure((reward, life): (&Reward, &Life)) -> Departure {
    let (reward, episode_return) = (reward.of_decision(), reward.episode_return());
    Departure { reward, episode_return, end: life.unrecorded() }
}
