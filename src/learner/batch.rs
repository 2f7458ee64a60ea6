use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};

use super::{config::LearnerConfig, replay::ReplayBuffer};
use crate::{
    policy::{ArenaSpec, Normalizer},
    random::Random,
    transition::TransitionBlock,
};

/// A minibatch of joint transitions, gathered from the replay buffer and normalized. Memory is reused.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: usize,
    /// `[rows, joint_observation_size]`, normalized.
    observations: Vec<f32>,
    next_observations: Vec<f32>,
    /// `[rows, joint_action_size]`.
    actions: Vec<f32>,
    /// Clipped noise on the target actions, `[rows, joint_action_size]`.
    pub(super) noise: Vec<f32>,
    /// `[rows, agents]`.
    pub(super) rewards: Vec<f32>,
    /// 0 where the game ended the episode, 1 elsewhere, `[rows]`.
    pub(super) continues: Vec<f32>,
}

/// The agents that one agent's critic sees, itself first, and how their joint row is laid out: all their
/// observations, then all their actions.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Where each seen agent's observation lies in the joint observation.
    observations: Vec<Range<usize>>,
    /// Where each seen agent's action lies in the joint action.
    actions: Vec<Range<usize>>,
    /// The seen slots, the own one first.
    pub(super) slots: Vec<usize>,
}

impl View {
    /// What the critic of `slot` sees: everybody in the order of the slots from its own on, or itself alone.
    pub(super) fn new(spec: &ArenaSpec, slot: usize, central: bool) -> Self {
        let agents = if central { spec.agents() } else { 1 };
        let slots: Vec<usize> = (0..agents).map(|k| (slot + k) % spec.agents()).collect();
        let range = |start: usize, size: usize| start..start + size;
        Self {
            observations: slots
                .iter()
                .map(|&slot| range(spec.observation_offset(slot), spec.slots[slot].observation_size))
                .collect(),
            actions: slots
                .iter()
                .map(|&slot| range(spec.action_offset(slot), spec.slots[slot].action_size))
                .collect(),
            slots,
        }
    }

    /// Numbers in the observation part of the view.
    pub(super) fn observation_size(&self) -> usize {
        self.observations.iter().map(Range::len).sum()
    }

    /// Numbers in the action part of the view.
    pub(super) fn action_size(&self) -> usize {
        self.actions.iter().map(Range::len).sum()
    }

    /// Where the own action lies in the joint action.
    pub(super) fn own_action(&self) -> Range<usize> {
        self.actions[0].clone()
    }

    /// Appends the view's rows of `rows` joint observations and actions.
    pub(super) fn gather(&self, observations: &[f32], actions: &[f32], rows: usize, out: &mut Vec<f32>) {
        let (width, action_width) = (observations.len() / rows, actions.len() / rows);
        for (observation, action) in observations.chunks_exact(width).zip(actions.chunks_exact(action_width))
        {
            for range in &self.observations {
                out.extend_from_slice(&observation[range.clone()]);
            }
            for range in &self.actions {
                out.extend_from_slice(&action[range.clone()]);
            }
        }
    }

    /// Appends the observation part of the view's rows.
    pub(super) fn gather_observations(&self, observations: &[f32], rows: usize, out: &mut Vec<f32>) {
        for observation in observations.chunks_exact(observations.len() / rows) {
            for range in &self.observations {
                out.extend_from_slice(&observation[range.clone()]);
            }
        }
    }

    /// Appends the own observations of `rows` joint observations.
    pub(super) fn gather_own(&self, observations: &[f32], rows: usize, out: &mut Vec<f32>) {
        for observation in observations.chunks_exact(observations.len() / rows) {
            out.extend_from_slice(&observation[self.observations[0].clone()]);
        }
    }
}

impl Batch {
    /// Joint observations of some rows, flat.
    pub(super) fn observations(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.observations, rows)
    }

    /// Joint next observations of some rows, flat.
    pub(super) fn next_observations(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.next_observations, rows)
    }

    /// Joint actions of some rows, flat.
    pub(super) fn actions(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.actions, rows)
    }

    fn part<'a>(&self, all: &'a [f32], rows: Range<usize>) -> &'a [f32] {
        let width = all.len() / self.rows;
        &all[rows.start * width..rows.end * width]
    }

    /// Fills the batch with the transitions at `indices`; `normalizers` has one entry a slot.
    pub(super) fn gather<'a>(
        &mut self,
        replay: &ReplayBuffer,
        indices: &[usize],
        spec: &ArenaSpec,
        normalizer: impl Fn(usize) -> &'a Normalizer,
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
                for (slot, agent) in spec.slots.iter().enumerate() {
                    let range = offset..offset + agent.observation_size;
                    normalizer(slot).apply(&row[range.clone()], &mut out[range.clone()]);
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

    /// Draws the noise on the target actions.
    pub(super) fn draw_noise(&mut self, config: &LearnerConfig, random: &mut Random) {
        self.noise.resize(self.actions.len(), 0.0);
        if config.target_noise == 0.0 {
            self.noise.fill(0.0);
            return;
        }
        let clip = config.target_noise_clip;
        for noise in &mut self.noise {
            let normal: f32 = StandardNormal.sample(random);
            *noise = (config.target_noise * normal).clamp(-clip, clip);
        }
    }
}
