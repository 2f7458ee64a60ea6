use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};

use super::{config::LearnerConfig, replay::ReplayBuffer, values::ValueScale};
use crate::{
    policy::{ArenaSpec, Normalizer},
    random::Random,
};

/// Which transitions make a minibatch, drawn but not yet gathered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw<'a> {
    pub(super) replay: &'a ReplayBuffer,
    pub(super) indices: &'a [usize],
    /// The scaling of joint observations.
    pub(super) normalizer: &'a Normalizer,
    /// The scale that each slot's critic learns values in.
    pub(super) values: &'a [ValueScale],
    /// The discount factor.
    pub(super) gamma: f32,
    /// Clipped noise on the target actions, `[rows, joint_action_size]`.
    pub(super) noise: &'a [f32],
}

/// A minibatch of joint transitions, or a part of it, gathered from the replay buffer and normalized. Memory is reused.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: usize,
    /// Rows of the whole draw.
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
    /// What the next value counts: 0 where the game ended the episode, gamma elsewhere, `[rows]`.
    pub(super) discounts: Vec<f32>,
}

/// The agents that one agent's critic sees, and how their joint row is laid out: all their observations, then all their
/// actions.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Where the seen agents' observations lie in the joint observation, neighbors as one.
    observations: Vec<Range<usize>>,
    /// Where the seen agents' actions lie in the joint action, neighbors as one.
    actions: Vec<Range<usize>>,
    /// The own slot, and where its observation and action lie.
    pub(super) slot: usize,
    pub(super) own_observation: Range<usize>,
    pub(super) own_action: Range<usize>,
    /// Columns of the row that hold the own action.
    pub(super) action_columns: Range<usize>,
    /// The seen slots in the order of the row.
    pub(super) slots: Vec<usize>,
}

impl View {
    /// What the critic of `slot` sees when it sees `slots`, itself among them, in this order.
    pub(super) fn new(spec: &ArenaSpec, slot: usize, slots: Vec<usize>) -> Self {
        let observation = |&slot: &usize| (spec.observation_offset(slot), spec.slots[slot].observation_size);
        let action = |&slot: &usize| (spec.action_offset(slot), spec.slots[slot].action_size);
        let before = slots.iter().take_while(|&&seen| seen != slot);
        let start = slots.iter().map(|seen| observation(seen).1).sum::<usize>()
            + before.map(|seen| action(seen).1).sum::<usize>();
        Self {
            observations: join(slots.iter().map(observation)),
            actions: join(slots.iter().map(action)),
            slot,
            own_observation: range(observation(&slot)),
            own_action: range(action(&slot)),
            action_columns: range((start, action(&slot).1)),
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
            out.extend_from_slice(&observation[self.own_observation.clone()]);
        }
    }
}

fn range((start, size): (usize, usize)) -> Range<usize> {
    start..start + size
}

/// Ranges of these starts and sizes; one that starts where the last ends goes on with it.
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

    /// Fills the batch with some rows of a draw.
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

/// Draws the noise on the target actions of `rows` joint actions of `width` numbers.
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
