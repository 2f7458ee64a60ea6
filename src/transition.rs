//! Experience on its way from the game to the learner.

/// Joint transitions of one tick, as flat rows; each row is one decision of one arena.
///
/// All vectors are row-major; joint vectors hold the agents' vectors in the order of the slots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransitionBlock {
    /// Joint observations when the decisions were made, `[rows, joint_observation_size]`, not normalized.
    pub observations: Vec<f32>,
    /// Joint actions taken, noise included, `[rows, joint_action_size]`, each in -1 to 1.
    pub actions: Vec<f32>,
    /// Rewards summed over the ticks of the decision, `[rows, agents]`.
    pub rewards: Vec<f32>,
    /// Joint observations at the end of the decision, before any reset, `[rows, joint_observation_size]`.
    pub next_observations: Vec<f32>,
    /// Whether the game ended the episode, `[rows]`. A time limit does not count: the learner bootstraps through it.
    pub terminated: Vec<bool>,
}

impl TransitionBlock {
    /// Transitions in the block.
    pub fn rows(&self) -> usize {
        self.terminated.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.terminated.is_empty()
    }

    /// Removes all transitions, keeping the memory.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.actions.clear();
        self.rewards.clear();
        self.next_observations.clear();
        self.terminated.clear();
    }
}
