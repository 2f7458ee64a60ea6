//! Transitions: the experience that a game sends to the learner.

/// The joint transitions of one step of the game, as flat rows. Each row is one joint decision.
///
/// All vectors are row-major. Joint vectors concatenate the agents' vectors in the order of the slots. The numbers of an
/// empty slot are zeros.
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
    /// Weight of what follows the decision, in addition to the learner's `gamma`, `[rows]`: 1 for an ordinary decision,
    /// 0 if the game ended the episode. A time limit does not count as an end: the learner bootstraps through it.
    pub discounts: Vec<f32>,
    /// Which slots had an agent, `[rows, agents]`.
    pub slots: Vec<SlotState>,
}

/// What happened at one slot of an arena during a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotState {
    /// Whether an agent was in the slot and decided.
    pub present: bool,
    /// Whether the same agent, or one that has just come to an empty slot, is there at the end of the decision.
    pub present_next: bool,
    /// Whether the agent's own part in the episode ended by the rules of the game, for example because it died. What
    /// happens to the others afterwards does not concern it, unless its behavior shares the fate of its team.
    pub ended: bool,
    /// Whether the agent's policy learns from the decision. The critics treat the actions of agents that do not learn
    /// as a part of the world.
    pub learns: bool,
}

impl SlotState {
    /// The agent decided, is still there, and learns.
    pub const PRESENT: Self = Self { present: true, present_next: true, ended: false, learns: true };

    /// There was no agent.
    pub const EMPTY: Self = Self { present: false, present_next: false, ended: false, learns: false };

    /// The state as a number from 0 to 15.
    #[cfg(feature = "learner")]
    pub(crate) fn code(self) -> f32 {
        let Self { present, present_next, ended, learns } = self;
        f32::from(
            u8::from(present) | u8::from(present_next) << 1 | u8::from(ended) << 2 | u8::from(learns) << 3,
        )
    }

    /// The state with this [`code`](Self::code).
    #[cfg(feature = "learner")]
    pub(crate) fn from_code(code: f32) -> Self {
        let bits = code as u8;
        let bit = |index: u8| bits >> index & 1 == 1;
        Self { present: bit(0), present_next: bit(1), ended: bit(2), learns: bit(3) }
    }
}

impl TransitionBlock {
    /// Number of transitions in the block.
    pub fn rows(&self) -> usize {
        self.discounts.len()
    }

    /// Whether the block has no transitions.
    pub fn is_empty(&self) -> bool {
        self.discounts.is_empty()
    }

    /// Removes all transitions and keeps the memory for reuse.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.actions.clear();
        self.rewards.clear();
        self.next_observations.clear();
        self.discounts.clear();
        self.slots.clear();
    }
}

#[cfg(all(test, feature = "learner"))]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_a_slot_survives_its_code() {
        for bits in 0..16u8 {
            let state = SlotState::from_code(f32::from(bits));
            assert_eq!(state.code(), f32::from(bits));
        }
        assert_eq!(SlotState::from_code(SlotState::PRESENT.code()), SlotState::PRESENT);
        assert_eq!(SlotState::EMPTY.code(), 0.0);
    }
}
