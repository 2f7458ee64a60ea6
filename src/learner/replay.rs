use rand::{Rng, RngExt};

use crate::transition::TransitionBlock;

/// Ring of the last joint transitions, one flat vector a field. Memory grows with use, up to the capacity.
#[derive(Debug, Clone)]
pub struct ReplayBuffer {
    sizes: RowSizes,
    capacity: usize,
    next: usize,
    rows: TransitionBlock,
}

/// Numbers in one transition's row of each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSizes {
    /// Of the joint observation.
    pub observation: usize,
    /// Of the joint action.
    pub action: usize,
    /// Of the joint reward: the agents.
    pub agents: usize,
}

impl ReplayBuffer {
    /// An empty ring for `capacity` transitions, at least 1.
    pub fn new(sizes: RowSizes, capacity: usize) -> Self {
        Self { sizes, capacity: capacity.max(1), next: 0, rows: TransitionBlock::default() }
    }

    /// Transitions stored.
    pub fn len(&self) -> usize {
        self.rows.rows()
    }

    /// Whether none is stored.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Transitions it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// All stored transitions; the oldest is not the first once the ring has closed.
    pub fn rows(&self) -> &TransitionBlock {
        &self.rows
    }

    /// Where the next transition will be written.
    pub(crate) fn next(&self) -> usize {
        self.next
    }

    /// A ring with these contents.
    pub(crate) fn restore(sizes: RowSizes, capacity: usize, next: usize, rows: TransitionBlock) -> Self {
        Self { sizes, capacity, next, rows }
    }

    /// Stores a block, overwriting the oldest transitions when full.
    ///
    /// # Panics
    /// If the block's rows have other sizes than the ring's.
    pub fn push(&mut self, block: &TransitionBlock) {
        let RowSizes { observation, action, agents } = self.sizes;
        let count = block.rows();
        assert_eq!(block.observations.len(), count * observation, "whole joint observations");
        assert_eq!(block.actions.len(), count * action, "whole joint actions");
        let mut done = 0;
        while done < count {
            let run = (count - done).min(self.capacity - self.next);
            let (next, to) = (self.next, done + run);
            write(
                &mut self.rows.observations,
                &block.observations[done * observation..to * observation],
                next * observation,
            );
            write(&mut self.rows.actions, &block.actions[done * action..to * action], next * action);
            write(&mut self.rows.rewards, &block.rewards[done * agents..to * agents], next * agents);
            let next_observations = &block.next_observations[done * observation..to * observation];
            write(&mut self.rows.next_observations, next_observations, next * observation);
            write(&mut self.rows.terminated, &block.terminated[done..to], next);
            self.next = (next + run) % self.capacity;
            done = to;
        }
    }

    /// Draws `count` indices uniformly, with replacement. The ring must not be empty.
    pub fn sample(&self, count: usize, random: &mut impl Rng, indices: &mut Vec<usize>) {
        indices.clear();
        indices.extend((0..count).map(|_| random.random_range(0..self.len())));
    }
}

/// Overwrites `target` from `start` on, appending what reaches past its end.
fn write<T: Copy>(target: &mut Vec<T>, values: &[T], start: usize) {
    let over = (target.len() - start).min(values.len());
    target[start..start + over].copy_from_slice(&values[..over]);
    target.extend_from_slice(&values[over..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZES: RowSizes = RowSizes { observation: 2, action: 1, agents: 1 };

    fn block(values: std::ops::Range<usize>) -> TransitionBlock {
        TransitionBlock {
            observations: values.clone().flat_map(|v| [v as f32, -(v as f32)]).collect(),
            actions: values.clone().map(|v| v as f32).collect(),
            rewards: values.clone().map(|v| v as f32).collect(),
            next_observations: values.clone().flat_map(|v| [v as f32 + 1.0, 0.0]).collect(),
            terminated: values.map(|v| v % 3 == 0).collect(),
        }
    }

    proptest! {
        #[test]
        fn the_ring_holds_the_newest_transitions_whole(capacity in 1usize..20, lengths in prop::collection::vec(0usize..30, 1..10)) {
            let mut ring = ReplayBuffer::new(SIZES, capacity);
            let mut pushed = 0;
            for length in lengths {
                ring.push(&block(pushed..pushed + length));
                pushed += length;
                let mut kept: Vec<usize> = ring.rows().actions.iter().map(|&a| a as usize).collect();
                for (row, &value) in kept.iter().enumerate() {
                    let expected = block(value..value + 1);
                    prop_assert_eq!(&ring.rows().observations[row * 2..row * 2 + 2], &expected.observations[..]);
                    prop_assert_eq!(&ring.rows().next_observations[row * 2..row * 2 + 2], &expected.next_observations[..]);
                    prop_assert_eq!(ring.rows().terminated[row], expected.terminated[0]);
                }
                kept.sort_unstable();
                let newest: Vec<usize> = (pushed.saturating_sub(capacity)..pushed).collect();
                prop_assert_eq!(kept, newest);
            }
        }
    }
}
