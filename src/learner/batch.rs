use super::replay::ReplayBuffer;
use crate::{
    policy::{ArenaSpec, Normalizer},
    transition::TransitionBlock,
};

/// A minibatch of joint transitions, gathered from the replay buffer and normalized. Memory is reused.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: usize,
    /// `[rows, joint_observation_size]`, normalized.
    pub(super) observations: Vec<f32>,
    pub(super) next_observations: Vec<f32>,
    /// `[rows, joint_action_size]`.
    pub(super) actions: Vec<f32>,
    /// `[rows, agents]`.
    pub(super) rewards: Vec<f32>,
    /// 0 where the game ended the episode, 1 elsewhere, `[rows]`.
    pub(super) continues: Vec<f32>,
}

/// The agents that one agent's critic sees, itself first, and how their joint row is laid out: all their
/// observations, then all their actions.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Offset and size of each seen agent's observation in the joint observation.
    observations: Vec<(usize, usize)>,
    /// Offset and size of each seen agent's action in the joint action.
    actions: Vec<(usize, usize)>,
    /// The seen slots, the own one first.
    pub(super) slots: Vec<usize>,
}

impl View {
    /// What the critic of `slot` sees: everybody in the order of the slots from its own on, or itself alone.
    pub(super) fn new(spec: &ArenaSpec, slot: usize, central: bool) -> Self {
        let agents = if central { spec.agents() } else { 1 };
        let slots: Vec<usize> = (0..agents).map(|k| (slot + k) % spec.agents()).collect();
        let observations =
            slots.iter().map(|&s| (spec.observation_offset(s), spec.slots[s].observation_size));
        let actions = slots.iter().map(|&s| (spec.action_offset(s), spec.slots[s].action_size));
        Self { observations: observations.collect(), actions: actions.collect(), slots }
    }

    /// Numbers in the observation part of the view.
    pub(super) fn observation_size(&self) -> usize {
        self.observations.iter().map(|(_, size)| size).sum()
    }

    /// Numbers in the action part of the view.
    pub(super) fn action_size(&self) -> usize {
        self.actions.iter().map(|(_, size)| size).sum()
    }

    /// Appends the view's rows of the joint rows; with actions where they are given.
    pub(super) fn gather(
        &self,
        observations: &[f32],
        actions: Option<&[f32]>,
        rows: usize,
        out: &mut Vec<f32>,
    ) {
        let (width, action_width) =
            (observations.len() / rows, actions.map_or(0, |actions| actions.len() / rows));
        for row in 0..rows {
            for &(offset, size) in &self.observations {
                out.extend_from_slice(&observations[row * width + offset..][..size]);
            }
            for &(offset, size) in actions.iter().flat_map(|_| &self.actions) {
                out.extend_from_slice(&actions.unwrap_or_default()[row * action_width + offset..][..size]);
            }
        }
    }
}

impl Batch {
    /// Fills the batch with the transitions at `indices`; `normalizers` has one entry a slot.
    pub(super) fn gather(
        &mut self,
        replay: &ReplayBuffer,
        indices: &[usize],
        spec: &ArenaSpec,
        normalizers: &[&Normalizer],
    ) {
        let TransitionBlock { observations, actions, rewards, next_observations, terminated } = replay.rows();
        let (width, action_width, agents) =
            (spec.joint_observation_size(), spec.joint_action_size(), spec.agents());
        self.rows = indices.len();
        for (target, source) in
            [(&mut self.observations, observations), (&mut self.next_observations, next_observations)]
        {
            target.resize(indices.len() * width, 0.0);
            for (out, &index) in target.chunks_exact_mut(width).zip(indices) {
                let row = &source[index * width..(index + 1) * width];
                let mut offset = 0;
                for (agent, normalizer) in spec.slots.iter().zip(normalizers) {
                    let range = offset..offset + agent.observation_size;
                    normalizer.apply(&row[range.clone()], &mut out[range.clone()]);
                    offset = range.end;
                }
            }
        }
        self.actions.clear();
        self.rewards.clear();
        self.continues.clear();
        for &index in indices {
            self.actions.extend_from_slice(&actions[index * action_width..(index + 1) * action_width]);
            self.rewards.extend_from_slice(&rewards[index * agents..(index + 1) * agents]);
            self.continues.push(if terminated[index] { 0.0 } else { 1.0 });
        }
    }
}
