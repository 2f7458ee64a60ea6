//! Transitions: the experience that a game sends to the learner.

/// The joint transitions of one step of the game, as flat rows. Each row is one joint decision.
///
/// All vectors are row-major. Joint vectors concatenate the agents' vectors in the order of the slots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransitionBlock {
    /// Joint observations when the decisions were made, `[rows, joint_observation_size]`, not normalized.
    pub observations: Vec<f32>,
    /// Joint actions taken, including exploration noise, `[rows, joint_action_size]`, each number from -1 to 1.
    pub actions: Vec<f32>,
    /// Rewards summed over the steps of the decision, `[rows, agents]`.
    pub rewards: Vec<f32>,
    /// Joint observations at the end of the decision, before any reset, `[rows, joint_observation_size]`.
    pub next_observations: Vec<f32>,
    /// Whether the game ended the episode, `[rows]`. A time limit does not count: the learner bootstraps through it.
    pub terminated: Vec<bool>,
}

impl TransitionBlock {
    /// Number of transitions in the block.
    pub fn rows(&self) -> usize {
        self.terminated.len()
    }

    /// Whether the block has no transitions.
    pub fn is_empty(&self) -> bool {
        self.terminated.is_empty()
    }

    /// Removes all transitions and keeps the memory for reuse.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.actions.clear();
        self.rewards.clear();
        self.next_observations.clear();
        self.terminated.clear();
    }
}
