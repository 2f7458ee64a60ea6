use bevy::prelude::*;

/// What the agent senses. The game writes it with [`write`](Self::write) in the schedule [`Observe`](crate::rollout::Observe).
#[derive(Component, Reflect, Debug, Clone, Default)]
#[reflect(Component)]
pub struct Observation {
    frame: Vec<f32>,
    stack: Vec<f32>,
    /// How many numbers, at the end of the frame, are written by sensors.
    sensed: usize,
    /// The length of the last write that was refused.
    refused: Option<usize>,
    is_written: bool,
    /// The frame of the last decision, and the number of decisions for which it has been the same.
    last: Vec<f32>,
    unchanged: u32,
    /// The number of decisions for which all numbers of sensors have been 0.
    blind: u32,
}

impl Observation {
    /// Makes room for frames of `size` numbers, of which sensors write the last `sensed`. The policy sees the last `frames` frames.
    /// All numbers are 0.
    pub(super) fn fit(&mut self, size: usize, sensed: usize, frames: usize) {
        self.frame = vec![0.0; size];
        self.sensed = sensed.min(size);
        self.stack = vec![0.0; size * frames.max(1)];
    }

    /// Writes the current observation: finite numbers in any unit, which the learner normalizes. Their count must be the agent's
    /// `observation_size`, without the numbers that [sensors](crate::rays) write.
    ///
    /// An observation of another length is ignored and reported in [`Problems`](crate::problems::Problems).
    pub fn write(&mut self, frame: &[f32]) {
        self.is_written = true;
        let own = self.own();
        if frame.len() == own {
            self.frame[..own].copy_from_slice(frame);
        } else {
            self.refused = Some(frame.len());
        }
    }

    /// Writes an observation of `size` numbers, which `write` appends to an empty vector.
    pub(crate) fn write_with(&mut self, size: usize, write: impl FnOnce(&mut Vec<f32>)) {
        self.is_written = true;
        if size != self.own() {
            self.refused = Some(size);
            return;
        }
        // Keeps the numbers of sensors.
        self.frame.drain(..size);
        write(&mut self.frame);
        let written = self.frame.len() - self.sensed;
        if written != size {
            self.refused = Some(written);
            self.frame.resize(size + self.sensed, 0.0);
        }
        self.frame.rotate_left(self.sensed);
    }

    /// How many numbers the game writes.
    fn own(&self) -> usize {
        self.frame.len() - self.sensed
    }

    /// Writes the numbers of a sensor, behind those of the game.
    pub(crate) fn write_sensed(&mut self, numbers: &[f32]) {
        let own = self.own();
        if numbers.len() == self.sensed {
            self.is_written |= own == 0;
            self.frame[own..].copy_from_slice(numbers);
        } else {
            self.refused = Some(own + numbers.len());
        }
    }

    /// The observation that was written last, with the numbers of sensors at its end.
    pub fn frame(&self) -> &[f32] {
        &self.frame
    }

    /// What the policy saw at the last decision: the last `frames` observations, oldest first.
    pub fn stacked(&self) -> &[f32] {
        &self.stack
    }

    /// The length of a write that was refused since the last call.
    pub(crate) fn take_refused(&mut self) -> Option<usize> {
        self.refused.take()
    }

    /// Whether the game has written an observation.
    pub(crate) fn is_written(&self) -> bool {
        self.is_written
    }

    /// Number of decisions for which the observation has been the same.
    pub(crate) fn unchanged(&self) -> u32 {
        self.unchanged
    }

    /// Number of decisions for which all numbers of the agent's sensors have been 0.
    pub(crate) fn blind(&self) -> u32 {
        self.blind
    }

    /// Appends the current observation to the stack and drops the oldest.
    pub(crate) fn push_frame(&mut self) {
        let size = self.frame.len();
        if self.last == self.frame {
            self.unchanged = self.unchanged.saturating_add(1);
        } else {
            self.unchanged = 0;
            self.last.clone_from(&self.frame);
        }
        let sensed = &self.frame[self.own()..];
        let is_blind = !sensed.is_empty() && sensed.iter().all(|number| *number == 0.0);
        self.blind = if is_blind { self.blind.saturating_add(1) } else { 0 };
        self.stack.copy_within(size.., 0);
        let start = self.stack.len() - size;
        self.stack[start..].copy_from_slice(&self.frame);
    }

    /// Sets all stacked observations to zero.
    pub(crate) fn clear(&mut self) {
        self.stack.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Action, Agent};

    #[test]
    fn frames_are_stacked_oldest_first_over_zeros() {
        let mut world = World::new();
        let entity = world.spawn(Agent::new("a", 2, 1).with_frames(3)).id();
        let mut agent = world.entity_mut(entity);
        let mut observation = agent.get_mut::<Observation>().expect("required");
        for frame in [[1.0, 2.0], [3.0, 4.0]] {
            observation.write(&frame);
            observation.push_frame();
        }
        assert_eq!(observation.stacked(), [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        observation.clear();
        assert_eq!(observation.stacked(), [0.0; 6]);
        assert_eq!(agent.get::<Action>().expect("required").len(), 1);
    }
}
