use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};

use super::{
    choices::gumbel,
    config::LearnerConfig,
    fate::Fate,
    images::{Plane, Shift},
    mirror::Reflection,
    replay::{ReplayBuffer, Transition},
    values::ValueScale,
};
use crate::{
    policy::{ArenaSpec, Normalizer},
    random::Random,
    transition::SlotState,
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
    /// Clipped noise on the numbers of the target actions, and Gumbel noise on the logits of their choices, `[rows,
    /// joint_action_size]`.
    pub(super) noise: &'a [f32],
    /// The agents of the arena, and which rewards each of them earns.
    pub(super) spec: &'a ArenaSpec,
    pub(super) fates: &'a [Fate],
    /// For each policy, how many decisions of the minibatch its critics and its actor learn from.
    pub(super) totals: &'a [Total],
    /// Whether slots can be empty.
    pub(super) has_absences: bool,
    /// How transitions are mirrored, and for each row whether its mirror image replaces it.
    pub(super) reflection: Option<(&'a Reflection, &'a [bool])>,
    /// The images in a joint observation, and how those of each row are moved, now and next; empty if they are not
    /// moved.
    pub(super) images: &'a [Plane],
    pub(super) shifts: &'a [[Shift; 2]],
}

/// How many decisions a policy learns from, as numbers to divide by: at least 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Total {
    pub(super) critic: f32,
    pub(super) actor: f32,
    /// Whether the policy's critics learn from none.
    pub(super) is_empty: bool,
}

/// A minibatch of joint transitions, or a part of one, gathered from the replay buffer and normalized. Memory is
/// reused.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: usize,
    pub(super) totals: Vec<Total>,
    /// `[rows, joint_observation_size]`, normalized.
    observations: Vec<f32>,
    next_observations: Vec<f32>,
    /// `[rows, joint_action_size]`.
    actions: Vec<f32>,
    /// Noise on the target actions, `[rows, joint_action_size]`.
    pub(super) noise: Vec<f32>,
    /// Which choices are possible, now and next, `[rows, joint_choices]`.
    masks: Vec<f32>,
    next_masks: Vec<f32>,
    /// `[rows, agents]`, in the scale of each agent's values.
    pub(super) rewards: Vec<f32>,
    /// Factor on the next value, `[rows, agents]`: gamma, or 0 if nothing follows for the agent.
    pub(super) discounts: Vec<f32>,
    /// Whether the critics of each slot's policy, and its actor, learn from the row: 1 or 0, `[rows, agents]`.
    pub(super) critic_weights: Vec<f32>,
    pub(super) actor_weights: Vec<f32>,
    /// Whether each slot has an agent, now and next, `[rows, agents]`: 1 if it decides, less the longer it keeps an earlier
    /// action, 0 if there is none. Empty if all slots always decide.
    present: Vec<f32>,
    present_next: Vec<f32>,
    /// How each slot acts next, `[rows, agents]`. Empty if all slots act by their policies.
    acts_next: Vec<NextAction>,
    /// An image while it is moved.
    moved: Vec<f32>,
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

    /// Which slots have an agent in these rows, flat; empty if all have one.
    pub(super) fn present(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.present, rows)
    }

    /// Which slots have an agent at the end of these rows, flat; empty if all have one.
    pub(super) fn present_next(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.present_next, rows)
    }

    /// Joint masks of these rows, flat; empty if there are no branches.
    pub(super) fn masks(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.masks, rows)
    }

    /// Joint masks at the end of these rows, flat; empty if there are no branches.
    pub(super) fn next_masks(&self, rows: Range<usize>) -> &[f32] {
        self.part(&self.next_masks, rows)
    }

    /// What the slots do at the end of these rows, flat; empty if all do what their policies say.
    pub(super) fn acts_next(&self, rows: Range<usize>) -> &[NextAction] {
        self.part(&self.acts_next, rows)
    }

    fn part<'a, T>(&self, all: &'a [T], rows: Range<usize>) -> &'a [T] {
        let width = all.len() / self.rows;
        &all[rows.start * width..rows.end * width]
    }

    /// Fills the batch with these rows of a draw.
    pub(super) fn gather(&mut self, draw: &Draw, rows: Range<usize>) {
        let Draw {
            replay,
            indices,
            normalizer,
            values,
            gamma,
            noise,
            spec,
            fates,
            totals,
            has_absences,
            reflection,
            images,
            shifts,
        } = *draw;
        let noise_width = noise.len() / indices.len();
        self.noise.clear();
        self.noise.extend_from_slice(&noise[rows.start * noise_width..rows.end * noise_width]);
        self.totals.clear();
        self.totals.extend_from_slice(totals);
        let reflection = reflection.map(|(reflection, reflected)| (reflection, &reflected[rows.clone()]));
        let shifts = shifts.get(rows.clone()).unwrap_or_default();
        let indices = &indices[rows];
        self.rows = indices.len();
        for numbers in [
            &mut self.actions,
            &mut self.rewards,
            &mut self.discounts,
            &mut self.observations,
            &mut self.next_observations,
            &mut self.critic_weights,
            &mut self.actor_weights,
            &mut self.present,
            &mut self.present_next,
            &mut self.masks,
            &mut self.next_masks,
        ] {
            numbers.clear();
        }
        self.acts_next.clear();
        let width = spec.joint_observation_size();
        for (row, &index) in indices.iter().enumerate() {
            let transition = replay.transition(index);
            replay.read_observation(transition.observation, &mut self.observations);
            replay.read_observation(transition.next_observation, &mut self.next_observations);
            if let Some([now, next]) = shifts.get(row) {
                let start = row * width;
                for plane in images {
                    now.apply(&mut self.observations[start..], plane, &mut self.moved);
                    next.apply(&mut self.next_observations[start..], plane, &mut self.moved);
                }
            }
            self.actions.extend_from_slice(transition.action);
            self.masks.extend_from_slice(transition.mask);
            self.next_masks.extend_from_slice(transition.next_mask);
            for (slot, (scale, fate)) in values.iter().zip(fates).enumerate() {
                let outcome = fate.outcome(&transition, slot);
                let discount = if outcome.continues { gamma * transition.discount } else { 0.0 };
                self.rewards.push(scale.reward(outcome.reward, discount));
                self.discounts.push(discount);
                self.critic_weights.push(f32::from(outcome.is_known));
                self.actor_weights.push(f32::from(outcome.is_known_to_actor));
            }
            if let Some((reflection, _)) = reflection.filter(|(_, reflected)| reflected[row]) {
                self.reflect(reflection, &transition, width);
            }
        }
        normalizer.apply(&mut self.observations);
        normalizer.apply(&mut self.next_observations);
        if has_absences {
            self.mark_absences(draw, indices, spec);
        }
    }

    /// Replaces the last row, which holds this transition, by its mirror image.
    fn reflect(&mut self, reflection: &Reflection, transition: &Transition, width: usize) {
        fn last(all: &mut [f32], size: usize) -> &mut [f32] {
            let start = all.len() - size;
            &mut all[start..]
        }
        reflection.apply(
            [last(&mut self.observations, width), last(&mut self.next_observations, width)],
            last(&mut self.actions, transition.action.len()),
            [
                last(&mut self.masks, transition.mask.len()),
                last(&mut self.next_masks, transition.next_mask.len()),
            ],
        );
    }

    /// Notes which slots are empty, and sets their numbers to neutral values.
    fn mark_absences(&mut self, draw: &Draw, indices: &[usize], spec: &ArenaSpec) {
        let (width, action_width) = (spec.joint_observation_size(), spec.joint_action_size());
        for (row, &index) in indices.iter().enumerate() {
            let transition = draw.replay.transition(index);
            let (mut start, mut action_start) = (row * width, row * action_width);
            for (slot, agent) in spec.slots.iter().enumerate() {
                let state = transition.slot(slot);
                let observation = start..start + agent.observation_size;
                let action = action_start..action_start + agent.action_size();
                (start, action_start) = (observation.end, action.end);
                self.present.push(presence(state.present, state.age));
                self.present_next.push(presence(state.present_next, state.age_next));
                // Agents that have just joined will act by their policies. The actions of agents that do not learn are
                // a part of the game.
                self.acts_next.push(match state {
                    SlotState { present_next: true, age_next: 1.., .. } => NextAction::Kept,
                    SlotState { present_next: true, learns: true, .. }
                    | SlotState { present_next: true, present: false, .. } => NextAction::Chosen,
                    _ => NextAction::None,
                });
                let choices = agent.action.choices();
                let masks = row * spec.joint_choices() + spec.choice_offset(slot)..;
                if !state.present {
                    self.observations[observation.clone()].fill(0.0);
                    self.masks[masks.clone()][..choices].fill(1.0);
                }
                if !state.present_next {
                    self.next_observations[observation].fill(0.0);
                    self.next_masks[masks][..choices].fill(1.0);
                }
                if !(state.present && state.learns) {
                    self.actions[action].fill(0.0);
                }
            }
        }
    }
}

/// What an agent does at the end of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextAction {
    /// It acts by its policy.
    Chosen,
    /// It keeps the action of the row.
    Kept,
    /// It does nothing, or nothing that the critics should see.
    None,
}

/// The number that tells the critics whether an agent is present, and how long ago it decided.
fn presence(is_present: bool, age: u8) -> f32 {
    if is_present { 1.0 / (1.0 + f32::from(age)) } else { 0.0 }
}

/// Draws the noise on the target actions of `rows` joint actions: clipped normal noise on the numbers, Gumbel noise on the
/// choices. `is_choice` says for each column which of the two it is.
pub(super) fn draw_noise(
    noise: &mut Vec<f32>,
    rows: usize,
    is_choice: &[bool],
    config: &LearnerConfig,
    random: &mut Random,
) {
    noise.clear();
    noise.resize(rows * is_choice.len(), 0.0);
    if config.target_noise == 0.0 && !is_choice.contains(&true) {
        return;
    }
    let clip = config.target_noise_clip;
    for row in noise.chunks_exact_mut(is_choice.len()) {
        for (noise, is_choice) in row.iter_mut().zip(is_choice) {
            *noise = if *is_choice {
                gumbel(random)
            } else {
                let normal: f32 = StandardNormal.sample(random);
                (config.target_noise * normal).clamp(-clip, clip)
            };
        }
    }
}
