use std::collections::VecDeque;

use crate::transition::{SlotState, TransitionBlock};

/// Joins the rewards of n decisions of an arena into one transition, for n-step returns: `r1 + gamma r2 + ... + gamma^(n-1) rn`, plus the
/// Q value that the learner expects n decisions later (Mnih et al. 2016, arXiv 1602.01783; for DDPG: Barth-Maron et al. 2018, arXiv
/// 1804.08617).
#[derive(Debug, Default)]
pub(super) struct NStep {
    /// Decisions per transition. With 0 or 1, nothing is joined.
    pub(super) steps: usize,
    /// The learner's discount factor.
    pub(super) gamma: f32,
    /// The decisions of each arena that wait for later rewards, oldest first.
    waiting: Vec<VecDeque<Waiting>>,
    /// Memory for reuse.
    spare: Vec<Waiting>,
}

/// A transition whose end is not known yet.
#[derive(Debug, Default, Clone)]
struct Waiting {
    observation: Vec<f32>,
    mask: Vec<f32>,
    action: Vec<f32>,
    rewards: Vec<f32>,
    slots: Vec<SlotState>,
    discount: f32,
}

impl Waiting {
    /// Appends it to a block that has its next observation already.
    fn append_to(&self, block: &mut TransitionBlock) {
        block.observations.extend_from_slice(&self.observation);
        block.masks.extend_from_slice(&self.mask);
        block.actions.extend_from_slice(&self.action);
        block.rewards.extend_from_slice(&self.rewards);
        block.slots.extend_from_slice(&self.slots);
        block.discounts.push(self.discount);
    }
}

impl NStep {
    /// Makes room for this many arenas.
    pub(super) fn new(arenas: usize) -> Self {
        Self { waiting: vec![VecDeque::new(); arenas], ..Self::default() }
    }

    /// Takes over the waiting decisions of an arena that was at `old_row`.
    pub(super) fn take(&mut self, row: usize, old: &mut Self, old_row: usize) {
        self.waiting[row] = std::mem::take(&mut old.waiting[old_row]);
    }

    /// Forgets the waiting decisions of an arena, because nobody knows how they would have continued.
    pub(super) fn forget(&mut self, row: usize) {
        self.spare.extend(self.waiting[row].drain(..));
    }

    /// Replaces the last transition of `block`, which belongs to this arena, by the transitions that it completes. `is_end` says whether
    /// the episode has ended.
    pub(super) fn join(&mut self, row: usize, is_end: bool, block: &mut TransitionBlock, agents: usize) {
        if self.steps <= 1 {
            return;
        }
        let mut last = self.spare.pop().unwrap_or_default();
        let rows = block.rows() - 1;
        let discount = block.discounts.pop().unwrap_or(0.0);
        let move_last = |from: &mut Vec<f32>, to: &mut Vec<f32>| {
            let start = from.len() / (rows + 1) * rows;
            to.clear();
            to.extend(from.drain(start..));
        };
        move_last(&mut block.observations, &mut last.observation);
        move_last(&mut block.masks, &mut last.mask);
        move_last(&mut block.actions, &mut last.action);
        move_last(&mut block.rewards, &mut last.rewards);
        last.slots.clear();
        last.slots.extend(block.slots.drain(rows * agents..));
        last.discount = discount;

        let waiting = &mut self.waiting[row];
        let mut rows = rows;
        if last.slots.iter().any(|state| state.age_next > 0) {
            // An agent keeps the action that it chose in the last decision. The earlier rows do not have this action, so they end at that
            // decision.
            let next = take_last(&mut block.next_observations, rows + 1);
            let next_masks = take_last(&mut block.next_masks, rows + 1);
            for done in waiting.drain(..) {
                block.next_observations.extend_from_slice(&last.observation);
                block.next_masks.extend_from_slice(&last.mask);
                done.append_to(block);
                rows += 1;
                self.spare.push(done);
            }
            block.next_observations.extend(next);
            block.next_masks.extend(next_masks);
        }
        for earlier in waiting.iter_mut() {
            let weight = self.gamma * earlier.discount;
            earlier.rewards.iter_mut().zip(&last.rewards).for_each(|(sum, reward)| *sum += weight * reward);
            earlier.discount = weight * discount;
            for (state, now) in earlier.slots.iter_mut().zip(&last.slots) {
                *state = SlotState {
                    present_next: now.present_next,
                    ended: now.ended,
                    age_next: now.age_next,
                    ..*state
                };
            }
        }
        let goes_on = !is_end && discount != 0.0 && last.slots.iter().all(is_whole);
        waiting.push_back(last);
        let complete = if goes_on { usize::from(waiting.len() == self.steps) } else { waiting.len() };
        // The end of the last transition is the end of all that are complete.
        for number in 0..complete {
            if number > 0 {
                repeat_last(&mut block.next_observations, rows + number);
                repeat_last(&mut block.next_masks, rows + number);
            }
            let Some(done) = waiting.pop_front() else { break };
            done.append_to(block);
            self.spare.push(done);
        }
        if complete == 0 {
            for numbers in [&mut block.next_observations, &mut block.next_masks] {
                numbers.truncate(numbers.len() / (rows + 1) * rows);
            }
        }
    }
}

/// Whether the agent decided, is still there and decides again, or the slot stays empty.
fn is_whole(state: &SlotState) -> bool {
    let is_empty = !state.present && !state.present_next;
    is_empty || (state.present && state.present_next && !state.ended && state.age == 0 && state.age_next == 0)
}

/// Removes the last of `rows` rows.
fn take_last(numbers: &mut Vec<f32>, rows: usize) -> Vec<f32> {
    numbers.split_off(numbers.len() / rows * (rows - 1))
}

/// Appends the last of `rows` rows once more.
fn repeat_last(numbers: &mut Vec<f32>, rows: usize) {
    let start = numbers.len() / rows * (rows - 1);
    numbers.extend_from_within(start..);
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAMMA: f32 = 0.5;

    /// One decision of an arena with one agent: its observation is its number.
    fn push(block: &mut TransitionBlock, number: usize, discount: f32, state: SlotState) {
        block.observations.push(number as f32);
        block.actions.extend([number as f32, 0.0]);
        block.rewards.push(1.0 + number as f32);
        block.next_observations.push(number as f32 + 1.0);
        block.discounts.push(discount);
        block.slots.push(state);
    }

    /// The transitions of an episode of `length` decisions. `end` is the discount of the last.
    fn joined(steps: usize, length: usize, end: f32) -> TransitionBlock {
        let mut n_step = NStep { steps, gamma: GAMMA, ..NStep::new(1) };
        let mut block = TransitionBlock::default();
        for number in 0..length {
            let is_end = number + 1 == length;
            push(&mut block, number, if is_end { end } else { 1.0 }, SlotState::PRESENT);
            n_step.join(0, is_end, &mut block, 1);
        }
        assert!(n_step.waiting[0].is_empty(), "nothing waits after the end");
        block
    }

    #[test]
    fn each_decision_earns_the_discounted_rewards_of_the_next_ones() {
        for (steps, length, end) in (1..6)
            .flat_map(|steps| (1..12).flat_map(move |length| [(steps, length, 0.0), (steps, length, 1.0)]))
        {
            let block = joined(steps, length, end);
            assert_eq!(block.rows(), length);
            for row in 0..length {
                let number = block.observations[row] as usize;
                assert_eq!(block.actions[2 * row], number as f32);
                let last = (number + steps).min(length);
                let discount = |decisions: usize| GAMMA.powi(decisions as i32);
                let rewards: f32 =
                    (number..last).map(|later| discount(later - number) * (1.0 + later as f32)).sum();
                assert!((block.rewards[row] - rewards).abs() < 1e-5);
                assert_eq!(block.next_observations[row], last as f32);
                let weight = if last == length { end } else { 1.0 };
                assert_eq!(block.discounts[row], weight * discount(last - number - 1));
            }
        }
    }

    #[test]
    fn rows_end_where_an_action_was_chosen_that_is_kept_later() {
        let mut n_step = NStep { steps: 3, gamma: GAMMA, ..NStep::new(1) };
        let mut block = TransitionBlock::default();
        push(&mut block, 0, 1.0, SlotState::PRESENT);
        n_step.join(0, false, &mut block, 1);
        push(&mut block, 1, 1.0, SlotState { age_next: 1, ..SlotState::PRESENT });
        n_step.join(0, false, &mut block, 1);
        assert_eq!(block.observations, [0.0, 1.0]);
        // What follows the first decision is valued where the second one is made.
        assert_eq!(block.next_observations, [1.0, 2.0]);
        assert_eq!(block.rewards, [1.0, 2.0]);
        assert_eq!(block.slots.iter().map(|state| state.age_next).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn an_agent_that_leaves_or_dies_ends_what_is_joined() {
        let mut n_step = NStep { steps: 3, gamma: GAMMA, ..NStep::new(1) };
        let mut block = TransitionBlock::default();
        push(&mut block, 0, 1.0, SlotState::PRESENT);
        n_step.join(0, false, &mut block, 1);
        assert_eq!((block.rows(), block.next_observations.len()), (0, 0));
        push(&mut block, 1, 1.0, SlotState { present_next: false, ended: true, ..SlotState::PRESENT });
        n_step.join(0, false, &mut block, 1);
        assert_eq!(block.observations, [0.0, 1.0]);
        assert_eq!(block.rewards, [1.0 + GAMMA * 2.0, 2.0]);
        assert!(block.slots.iter().all(|state| state.ended && !state.present_next));
        // After a gap, nothing is joined over it.
        push(&mut block, 2, 1.0, SlotState::PRESENT);
        n_step.join(0, false, &mut block, 1);
        n_step.forget(0);
        push(&mut block, 9, 1.0, SlotState::PRESENT);
        n_step.join(0, true, &mut block, 1);
        assert_eq!(block.observations, [0.0, 1.0, 9.0]);
    }
}
