use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};

use super::{config::LearnerConfig, replay::ReplayBuffer, values::ValueScale};
use crate::{
    policy::{ArenaSpec, Normalizer},
    random::Random,
};

/// The transitions drawn for a minibatch, and how to scale them when they are gathered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw<'a> {
    pub(super) replay: &'a ReplayBuffer,
    pub(super) indices: &'a [usize],
    /// Normalizes joint observations.
    pub(super) normalizer: &'a Normalizer,
    /// The scale of the values that each slot's critic learns.
    pub(super) values: &'a [ValueScale],
    /// The discount factor.
    pub(super) gamma: f32,
    /// Clipped noise on the target actions, `[rows, joint_action_size]`.
    pub(super) noise: &'a [f32],
}

/// A minibatch of joint transitions, or a part of one, gathered from the replay buffer and normalized. Memory is
/// reused.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: usize,
    /// Rows of the whole minibatch.
    pub(super) drawn: usize,
    /// `[rows, joint_observation_size]`, normalized.
    observations: Vec<f32>,
    next_observations: Vec<f32>,
    /// `[rows, joint_action_size]`.
    actions: Vec<f32>,
    /// Clipped noise on the target actions, `[rows, joint_action_size]`.
    pub(super) noise: Vec<f32>,
    /// `[rows, agents]`, in the scale of each agent's values.
    pub(super) rewards: Vec<f32>,
    /// Factor on the next value: 0 if the game ended the episode, else gamma, `[rows]`.
    pub(super) discounts: Vec<f32>,
}

/// The agents that one agent's critic sees, and the layout of the critic's input row: all their observations, then all
/// their actions.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Where the seen agents' observations are in the joint observation; adjacent ranges are merged.
    observations: Vec<Range<usize>>,
    /// Where the seen agents' actions are in the joint action; adjacent ranges are merged.
    actions: Vec<Range<usize>>,
    /// The critic's own slot, and where that slot's observation and action are in the joint vectors.
    #[cfg(any(feature = "gpu", test))]
    pub(super) slot: usize,
    pub(super) own_observation: Range<usize>,
    pub(super) own_action: Range<usize>,
    /// Columns of the input row with the own action.
    pub(super) action_columns: Range<usize>,
    /// The seen slots, in the order of the input row.
    pub(super) slots: Vec<usize>,
}

impl View {
    /// The view of the critic of `slot`, which sees `slots` in this order. `slots` contains `slot`.
    pub(super) fn new(spec: &ArenaSpec, slot: usize, slots: Vec<usize>) -> Self {
        let observation = |&slot: &usize| (spec.observation_offset(slot), spec.slots[slot].observation_size);
        let action = |&slot: &usize| (spec.action_offset(slot), spec.slots[slot].action_size);
        let before = slots.iter().take_while(|&&seen| seen != slot);
        let start = slots.iter().map(|seen| observation(seen).1).sum::<usize>()
            + before.map(|seen| action(seen).1).sum::<usize>();
        Self {
            observations: join(slots.iter().map(observation)),
            actions: join(slots.iter().map(action)),
            #[cfg(any(feature = "gpu", test))]
            slot,
            own_observation: range(observation(&slot)),
            own_action: range(action(&slot)),
            action_columns: range((start, action(&slot).1)),
            slots,
        }
    }

    /// Size of the observation part of an input row.
    pub(super) fn observation_size(&self) -> usize {
        self.observations.iter().map(Range::len).sum()
    }

    /// Size of the action part of an input row.
    pub(super) fn action_size(&self) -> usize {
        self.actions.iter().map(Range::len).sum()
    }

    /// Appends the input rows for `rows` joint observations and actions to `out`.
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

    /// Appends only the observation parts of the input rows to `out`.
    #[cfg(any(feature = "gpu", test))]
    pub(super) fn gather_observations(&self, observations: &[f32], rows: usize, out: &mut Vec<f32>) {
        for observation in observations.chunks_exact(observations.len() / rows) {
            for range in &self.observations {
                out.extend_from_slice(&observation[range.clone()]);
            }
        }
    }

    /// Appends the own observations from `rows` joint observations to `out`.
    pub(super) fn gather_own(&self, observations: &[f32], rows: usize, out: &mut Vec<f32>) {
        for observation in observations.chunks_exact(observations.len() / rows) {
            out.extend_from_slice(&observation[self.own_observation.clone()]);
        }
    }
}

fn range((start, size): (usize, usize)) -> Range<usize> {
    start..start + size
}

/// The ranges with these starts and sizes; a range that starts where the previous one ends is merged with it.
fn join(parts: impl Iterator<Item = (usize, usize)>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for part in parts.map(range) {
        match ranges.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => ranges.push(part),
        }
    }
    ranges
}

impl Batch {
    /// Joint observations of these rows, flat.
    pub(super) fn observations(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.observations, rows)
    }

    /// Joint next observations of these rows, flat.
    pub(super) fn next_observations(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.next_observations, rows)
    }

    /// Joint actions of these rows, flat.
    pub(super) fn actions(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.actions, rows)
    }

    fn part<'a>(&self, all: &'a [f32], rows: Range<usize>) -> &'a [f32] {
        let width = all.len() / self.rows;
        &all[rows.start * width..rows.end * width]
    }

    /// Fills the batch with these rows of a draw.
    pub(super) fn gather(&mut self, draw: &Draw, rows: Range<usize>) {
        let Draw { replay, indices, normalizer, values, gamma, noise } = *draw;
        self.drawn = indices.len();
        let noise_width = noise.len() / self.drawn;
        self.noise.clear();
        self.noise.extend_from_slice(&noise[rows.start * noise_width..rows.end * noise_width]);
        let indices = &indices[rows];
        self.rows = indices.len();
        self.actions.clear();
        self.rewards.clear();
        self.discounts.clear();
        self.observations.clear();
        self.next_observations.clear();
        for &index in indices {
            let transition = replay.transition(index);
            self.observations.extend_from_slice(transition.observation);
            self.next_observations.extend_from_slice(transition.next_observation);
            self.actions.extend_from_slice(transition.action);
            let discount = if transition.terminated { 0.0 } else { gamma };
            let rewards = transition.rewards.iter().zip(values);
            self.rewards.extend(rewards.map(|(reward, scale)| scale.reward(*reward, discount)));
            self.discounts.push(discount);
        }
        normalizer.apply(&mut self.observations);
        normalizer.apply(&mut self.next_observations);
    }
}

/// Draws the clipped noise on the target actions: `rows` joint actions of `width` numbers each.
pub(super) fn draw_noise(
    noise: &mut Vec<f32>,
    rows: usize,
    width: usize,
    config: &LearnerConfig,
    random: &mut Random,
) {
    noise.clear();
    noise.resize(rows * width, 0.0);
    if config.target_noise == 0.0 {
        return;
    }
    let clip = config.target_noise_clip;
    for noise in noise {
        let normal: f32 = StandardNormal.sample(random);
        *noise = (config.target_noise * normal).clamp(-clip, clip);
    }
}
