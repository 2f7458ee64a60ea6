mod frames;

use std::ops::Range;

use rand::{Rng, RngExt};

pub(super) use self::frames::{MOST_FRAMES, StoredImages};
use crate::{
    policy::ArenaSpec,
    transition::{SlotState, TransitionBlock},
};

/// A ring buffer of the newest joint transitions. Each transition is contiguous in memory, so that a minibatch, which
/// draws transitions at random, reads one place in memory per transition instead of one per field. The memory grows
/// with the number of transitions, up to the capacity.
///
/// Each frame of an image is stored only once, with 8 bits per number. In the transitions, a number (its index) stands
/// for the frame.
#[derive(Debug, Clone)]
pub struct ReplayBuffer {
    sizes: RowSizes,
    /// As `sizes`, but with the size of a joint observation as it is stored.
    stored: RowSizes,
    images: Option<StoredImages>,
    capacity: usize,
    next: usize,
    /// Row by row: observation, action, rewards, next observation, the codes of the slots' states, the discount, and the
    /// masks now and next.
    numbers: Vec<f32>,
    /// Whether some slot of some stored transition was not [`SlotState::PRESENT`].
    has_absences: bool,
}

/// How many numbers each field of one transition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSizes {
    /// Size of the joint observation.
    pub observation: usize,
    /// Size of the joint action.
    pub action: usize,
    /// Number of agents, which is the size of the rewards.
    pub agents: usize,
    /// Number of choices of all agents, which is the size of the masks.
    pub choices: usize,
}

/// One stored transition, with the fields of [`TransitionBlock`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition<'a> {
    /// The joint observation as it is stored: the observation itself, unless it contains an image. See
    /// [`ReplayBuffer::read_observation`].
    pub observation: &'a [f32],
    /// Joint action.
    pub action: &'a [f32],
    /// Each agent's reward.
    pub rewards: &'a [f32],
    /// The joint observation at the end of the decision, as it is stored.
    pub next_observation: &'a [f32],
    /// Factor on the value of what follows, in addition to the learner's `gamma`; 0 if the game ended the episode.
    pub discount: f32,
    /// The codes of the slots' states.
    slots: &'a [f32],
    /// Which choices were possible: 1 or 0.
    pub mask: &'a [f32],
    /// Which choices were possible at the end of the decision.
    pub next_mask: &'a [f32],
}

impl Transition<'_> {
    /// What happened at this slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn slot(&self, slot: usize) -> SlotState {
        SlotState::from_code(self.slots[slot])
    }
}

impl RowSizes {
    /// The sizes for arenas of `spec`.
    pub fn of(spec: &ArenaSpec) -> Self {
        Self {
            observation: spec.joint_observation_size(),
            action: spec.joint_action_size(),
            agents: spec.agents(),
            choices: spec.joint_choices(),
        }
    }

    /// These sizes, but with the size of a joint observation as it is stored if it contains `images`.
    pub(super) fn stored(self, images: Option<&StoredImages>) -> Self {
        Self { observation: images.map_or(self.observation, StoredImages::stored_size), ..self }
    }

    /// How many numbers a whole transition has.
    pub(super) fn row(&self) -> usize {
        2 * self.observation + self.action + 2 * self.agents + 1 + 2 * self.choices
    }

    /// Where the next observation is in a row.
    fn next_observation(&self) -> Range<usize> {
        let start = self.observation + self.action + self.agents;
        start..start + self.observation
    }

    /// Where the discount is in a row.
    fn discount(&self) -> usize {
        self.next_observation().end + self.agents
    }
}

impl ReplayBuffer {
    /// An empty buffer for `capacity` transitions, at least 1, of arenas without images.
    pub fn new(sizes: RowSizes, capacity: usize) -> Self {
        Self {
            sizes,
            stored: sizes,
            images: None,
            capacity: capacity.max(1),
            next: 0,
            numbers: Vec::new(),
            has_absences: false,
        }
    }

    /// An empty buffer for `capacity` transitions, at least 1, of arenas of `spec`.
    pub fn of(spec: &ArenaSpec, capacity: usize) -> Self {
        let (sizes, images) = (RowSizes::of(spec), StoredImages::of(spec));
        Self { stored: sizes.stored(images.as_ref()), images, ..Self::new(sizes, capacity) }
    }

    /// Number of stored transitions.
    pub fn len(&self) -> usize {
        self.numbers.len() / self.stored.row()
    }

    /// Whether no transition is stored.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Number of transitions that the buffer can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The transition at `index`. Once the buffer has wrapped around, the oldest is no longer the first.
    ///
    /// # Panics
    /// If `index` is not less than [`len`](Self::len).
    pub fn transition(&self, index: usize) -> Transition<'_> {
        let size = self.stored.row();
        let (observation, rest) =
            self.numbers[index * size..(index + 1) * size].split_at(self.stored.observation);
        let (action, rest) = rest.split_at(self.sizes.action);
        let (rewards, rest) = rest.split_at(self.sizes.agents);
        let (next_observation, rest) = rest.split_at(self.stored.observation);
        let (slots, rest) = rest.split_at(self.sizes.agents);
        let (discount, masks) = rest.split_at(1);
        let (mask, next_mask) = masks.split_at(self.sizes.choices);
        let discount = discount[0];
        Transition { observation, action, rewards, next_observation, discount, slots, mask, next_mask }
    }

    /// Appends a joint observation to `out`, with its images. `stored` is the [`observation`](Transition::observation)
    /// or [`next_observation`](Transition::next_observation) of a transition of this buffer.
    pub fn read_observation(&self, stored: &[f32], out: &mut Vec<f32>) {
        match &self.images {
            None => out.extend_from_slice(stored),
            Some(images) => images.read(stored, out),
        }
    }

    /// A copy of all stored transitions, in index order.
    pub fn to_block(&self) -> TransitionBlock {
        let mut block = TransitionBlock::default();
        for transition in (0..self.len()).map(|index| self.transition(index)) {
            self.read_observation(transition.observation, &mut block.observations);
            block.actions.extend_from_slice(transition.action);
            block.rewards.extend_from_slice(transition.rewards);
            self.read_observation(transition.next_observation, &mut block.next_observations);
            block.discounts.push(transition.discount);
            block.slots.extend(transition.slots.iter().map(|code| SlotState::from_code(*code)));
            block.masks.extend_from_slice(transition.mask);
            block.next_masks.extend_from_slice(transition.next_mask);
        }
        block
    }

    /// Whether, since the buffer was created, some slot of some transition was not [`SlotState::PRESENT`].
    pub(crate) fn has_absences(&self) -> bool {
        self.has_absences
    }

    /// The index at which the next transition will be written.
    pub(crate) fn next(&self) -> usize {
        self.next
    }

    /// All numbers, row by row.
    pub(crate) fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// The frames of images, if there are any.
    pub(super) fn images(&self) -> Option<&StoredImages> {
        self.images.as_ref()
    }

    /// Replaces the contents, if `numbers` consists of whole rows, fits the capacity, and `next` can be the next write position.
    /// `pixels` contains the frames of each store of images.
    pub(crate) fn restore(
        &mut self,
        next: usize,
        numbers: Vec<f32>,
        pixels: Vec<Vec<u8>>,
    ) -> Result<(), String> {
        let (size, found) = (self.stored.row(), numbers.len());
        let rows = found / size;
        let is_next = if rows < self.capacity { next == rows } else { next < rows };
        if !found.is_multiple_of(size) || rows > self.capacity || !is_next {
            let capacity = self.capacity;
            return Err(format!(
                "its replay buffer has {found} numbers and writes at row {next}; expected up to {capacity} rows of {size}, \
                 written at the end until it is full"
            ));
        }
        if let Some(images) = &mut self.images {
            let (observation, next) = (self.stored.observation, self.stored.next_observation());
            let stored = numbers.chunks_exact(size);
            let stored = stored.flat_map(|row| [&row[..observation], &row[next.clone()]]);
            images.restore(pixels, stored)?;
        }
        (self.next, self.numbers) = (next, numbers);
        let is_absent =
            |transition: Transition| transition.slots.iter().any(|code| *code != SlotState::PRESENT.code());
        self.has_absences = (0..rows).any(|index| is_absent(self.transition(index)));
        Ok(())
    }

    /// Whether some of these rows, in the form of [`numbers`](Self::numbers), cover several decisions, so that their rewards are
    /// discounted sums.
    pub(crate) fn has_sums(&self, numbers: &[f32]) -> bool {
        let discount = self.stored.discount();
        numbers.chunks_exact(self.stored.row()).any(|row| row[discount] != 0.0 && row[discount] != 1.0)
    }

    /// Stores a block. If the buffer is full, the new transitions overwrite the oldest ones.
    ///
    /// # Panics
    /// If the sizes of the block's rows differ from the buffer's.
    pub fn push(&mut self, block: &TransitionBlock) {
        let RowSizes { observation, action, agents, choices } = self.sizes;
        let count = block.rows();
        assert_eq!(block.observations.len(), count * observation, "wrong length of `observations`");
        assert_eq!(block.actions.len(), count * action, "wrong length of `actions`");
        assert_eq!(block.rewards.len(), count * agents, "wrong length of `rewards`");
        assert_eq!(block.next_observations.len(), count * observation, "wrong length of `next_observations`");
        assert_eq!(block.slots.len(), count * agents, "wrong length of `slots`");
        assert_eq!(block.masks.len(), count * choices, "wrong length of `masks`");
        assert_eq!(block.next_masks.len(), count * choices, "wrong length of `next_masks`");
        self.has_absences |= block.slots.iter().any(|slot| *slot != SlotState::PRESENT);
        let size = self.stored.row();
        let stored = self.stored.observation;
        for row in 0..count {
            let start = self.next * size;
            if let Some(images) = self.images.as_mut().filter(|_| start < self.numbers.len()) {
                let old = &self.numbers[start..start + size];
                images.release(&old[..stored]);
                images.release(&old[self.stored.next_observation()]);
            }
            if start == self.numbers.len() {
                if start + size > self.numbers.capacity() {
                    // Double, but never beyond what a full buffer needs.
                    let rows = (2 * self.len()).clamp(16, self.capacity.max(16)).min(self.capacity);
                    self.numbers.reserve_exact(rows * size - start);
                }
                self.numbers.resize(start + size, 0.0);
            }
            let slot = &mut self.numbers[start..start + size];
            let (now, rest) = slot.split_at_mut(stored);
            let (actions, rest) = rest.split_at_mut(action);
            let (rewards, rest) = rest.split_at_mut(agents);
            let (next, slot) = rest.split_at_mut(stored);
            for (field, values) in [(now, &block.observations), (next, &block.next_observations)] {
                let values = &values[row * observation..(row + 1) * observation];
                match &mut self.images {
                    None => field.copy_from_slice(values),
                    Some(images) => images.add(values, field),
                }
            }
            actions.copy_from_slice(&block.actions[row * action..(row + 1) * action]);
            rewards.copy_from_slice(&block.rewards[row * agents..(row + 1) * agents]);
            for (code, state) in slot.iter_mut().zip(&block.slots[row * agents..(row + 1) * agents]) {
                *code = state.code();
            }
            slot[agents] = block.discounts[row];
            let (mask, next_mask) = slot[agents + 1..].split_at_mut(choices);
            mask.copy_from_slice(&block.masks[row * choices..(row + 1) * choices]);
            next_mask.copy_from_slice(&block.next_masks[row * choices..(row + 1) * choices]);
            self.next = (self.next + 1) % self.capacity;
        }
    }

    /// Draws `count` indices uniformly, with replacement. The buffer must not be empty.
    pub fn sample(&self, count: usize, random: &mut impl Rng, indices: &mut Vec<usize>) {
        indices.clear();
        indices.extend((0..count).map(|_| random.random_range(0..self.len())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZES: RowSizes = RowSizes { observation: 2, action: 1, agents: 1, choices: 2 };

    fn block(values: std::ops::Range<usize>) -> TransitionBlock {
        TransitionBlock {
            observations: values.clone().flat_map(|v| [v as f32, -(v as f32)]).collect(),
            actions: values.clone().map(|v| v as f32).collect(),
            rewards: values.clone().map(|v| v as f32).collect(),
            next_observations: values.clone().flat_map(|v| [v as f32 + 1.0, 0.0]).collect(),
            discounts: values.clone().map(|v| if v % 3 == 0 { 0.0 } else { 1.0 }).collect(),
            slots: values
                .clone()
                .map(|v| if v % 5 == 0 { SlotState::EMPTY } else { SlotState::PRESENT })
                .collect(),
            masks: values.clone().flat_map(|v| [1.0, (v % 2) as f32]).collect(),
            next_masks: values.flat_map(|v| [(v % 3) as f32, 1.0]).collect(),
        }
    }

    #[test]
    fn memory_grows_with_use_up_to_the_capacity() {
        let mut ring = ReplayBuffer::new(SIZES, 100);
        assert_eq!(ring.numbers.capacity(), 0);
        ring.push(&block(0..40));
        assert!(ring.numbers.capacity() < 100 * SIZES.row());
        ring.push(&block(40..200));
        assert_eq!(ring.numbers.capacity(), 100 * SIZES.row());
    }

    proptest! {
        #[test]
        fn the_ring_holds_the_newest_transitions_whole(capacity in 1usize..20, lengths in prop::collection::vec(0usize..30, 1..10)) {
            let mut ring = ReplayBuffer::new(SIZES, capacity);
            let mut pushed = 0;
            for length in lengths {
                ring.push(&block(pushed..pushed + length));
                pushed += length;
                let mut kept = Vec::new();
                for transition in (0..ring.len()).map(|index| ring.transition(index)) {
                    let value = transition.action[0] as usize;
                    let expected = block(value..value + 1);
                    prop_assert_eq!(transition.observation, &expected.observations[..]);
                    prop_assert_eq!(transition.rewards, &expected.rewards[..]);
                    prop_assert_eq!(transition.next_observation, &expected.next_observations[..]);
                    prop_assert_eq!(transition.discount, expected.discounts[0]);
                    prop_assert_eq!(transition.slot(0), expected.slots[0]);
                    prop_assert_eq!(transition.mask, &expected.masks[..]);
                    prop_assert_eq!(transition.next_mask, &expected.next_masks[..]);
                    kept.push(value);
                }
                prop_assert_eq!(ring.to_block().rows(), ring.len());
                kept.sort_unstable();
                let newest: Vec<usize> = (pushed.saturating_sub(capacity)..pushed).collect();
                prop_assert_eq!(kept, newest);
            }
        }
    }
}
