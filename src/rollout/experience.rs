use bevy::prelude::*;

use super::Arenas;
use crate::{
    agent::{Observation, Reward},
    policy::ArenaSpec,
    transition::TransitionBlock,
};

/// The open decision of each arena, and the completed transitions that wait for the learner.
#[derive(Resource, Debug, Default)]
pub struct Experience {
    /// Joint observations and actions of the open decisions, one row per arena.
    pub(super) observations: Vec<f32>,
    pub(super) actions: Vec<f32>,
    /// Whether the arena has an open decision.
    pub(super) open: Vec<bool>,
    completed: TransitionBlock,
    /// Whether transitions are recorded for a learner.
    pub(crate) recording: bool,
    sizes: (usize, usize),
}

impl Experience {
    /// Transitions that are complete and not yet sent.
    pub fn completed(&self) -> &TransitionBlock {
        &self.completed
    }

    /// Takes the completed transitions and leaves an empty block, so that its memory is reused.
    #[cfg(feature = "learner")]
    pub(crate) fn exchange(&mut self, empty: TransitionBlock) -> TransitionBlock {
        std::mem::replace(&mut self.completed, empty)
    }

    /// Makes room for `arenas` arenas and drops all open decisions.
    pub(super) fn fit(&mut self, arenas: usize, spec: &ArenaSpec) {
        self.sizes = (spec.joint_observation_size(), spec.joint_action_size());
        self.observations = vec![0.0; arenas * self.sizes.0];
        self.actions = vec![0.0; arenas * self.sizes.1];
        self.open = vec![false; arenas];
    }

    /// Completes the open decision of arena `index`, if there is one, with what its agents observe now.
    pub(super) fn close<'a>(
        &mut self,
        index: usize,
        terminated: bool,
        agents: impl Iterator<Item = (&'a Observation, f32)>,
    ) {
        if !std::mem::take(&mut self.open[index]) || !self.recording {
            return;
        }
        let (observation, action) = self.sizes;
        let block = &mut self.completed;
        block
            .observations
            .extend_from_slice(&self.observations[index * observation..(index + 1) * observation]);
        block.actions.extend_from_slice(&self.actions[index * action..(index + 1) * action]);
        for (next, reward) in agents {
            block.next_observations.extend_from_slice(next.stacked());
            block.rewards.push(reward);
        }
        block.terminated.push(terminated);
    }
}

/// Appends what was just observed to every agent's stacked observations.
pub(super) fn push_frames(mut agents: Query<&mut Observation>) {
    for mut observation in &mut agents {
        observation.push_frame();
    }
}

/// Completes the open decisions of all arenas. Their episodes go on.
pub(super) fn close_decisions(
    arenas: Res<Arenas>,
    mut experience: ResMut<Experience>,
    mut agents: Query<(&Observation, &mut Reward)>,
) {
    let experience = experience.bypass_change_detection();
    for (index, entry) in arenas.entries().iter().enumerate() {
        let observed =
            agents.iter_many(&entry.agents).map(|(observation, reward)| (observation, reward.decision));
        experience.close(index, false, observed);
        let mut members = agents.iter_many_mut(&entry.agents);
        while let Some((_, mut reward)) = members.fetch_next() {
            reward.decision = 0.0;
        }
    }
}
