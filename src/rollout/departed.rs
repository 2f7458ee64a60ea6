use bevy::{ecs::entity::EntityHashMap, prelude::*};

use crate::agent::{Agent, Observation, Reward};

/// The last observations and rewards of agents that were removed, kept until the arenas are collected again.
#[derive(Resource, Debug, Default)]
pub(super) struct Departed(EntityHashMap<(Vec<f32>, f32)>);

impl Departed {
    /// The stacked observation of an agent that was removed, and the reward of its open decision.
    pub(super) fn get(&self, agent: Entity) -> Option<(&[f32], f32)> {
        self.0.get(&agent).map(|(observation, reward)| (observation.as_slice(), *reward))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

pub(super) fn remember(
    removed: On<Remove, Agent>,
    mut departed: ResMut<Departed>,
    agents: Query<(&Observation, &Reward)>,
) {
    if let Ok((observation, reward)) = agents.get(removed.entity) {
        departed.0.insert(removed.entity, (observation.stacked().to_vec(), reward.decision));
    }
}
