//! Transitions: the experience that a game sends to the learner.

/// The joint transitions that a game sends to the learner at once, as flat rows. Each row is one joint decision.
///
/// All vectors are row-major. Joint vectors concatenate the agents' vectors in the order of the slots. The numbers of an
/// empty slot are zeros. Its masks are not read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransitionBlock {
    /// Joint observations when the decisions were made, `[rows, joint_observation_size]`, not normalized.
    pub observations: Vec<f32>,
    /// Joint actions that the agents took, including exploration noise, `[rows, joint_action_size]`: numbers from -1 to
    /// 1, and for each choice 1 if it was made and 0 if not.
    pub actions: Vec<f32>,
    /// Rewards of each agent, summed over the steps of the decision, `[rows, agents]`.
    pub rewards: Vec<f32>,
    /// Joint observations at the end of the decision, before any reset, `[rows, joint_observation_size]`.
    pub next_observations: Vec<f32>,
    /// Factor on the value of what follows the decision, in addition to the learner's `gamma`, `[rows]`: 1 for an ordinary
    /// decision, `gamma^(n - 1)` for one that lasts n times as long, 0 if the game ended the episode. A time limit does
    /// not count as an end: the learner estimates the rewards that would have followed.
    pub discounts: Vec<f32>,
    /// Which slots had an agent, `[rows, agents]`.
    pub slots: Vec<SlotState>,
    /// Which choices were possible when the decisions were made, `[rows, joint_choices]`: 1 or 0. In each branch, at least
    /// one is possible. Empty if no agent has a branch.
    pub masks: Vec<f32>,
    /// Which choices were possible at the end of the decision, `[rows, joint_choices]`, in the same form.
    pub next_masks: Vec<f32>,
}

/// What happened at one slot of an arena during a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotState {
    /// Whether an agent was in the slot and decided.
    pub present: bool,
    /// Whether an agent is in the slot at the end of the decision: the same one, or a new one if the slot was empty.
    pub present_next: bool,
    /// Whether the agent's own part in the episode ended by the rules of the game, for example because it died. Later
    /// rewards do not count for it, unless the learner's setting `team_fate` names its behavior.
    pub ended: bool,
    /// Whether the agent's policy learns from the decision. The critics treat the actions of agents that do not learn
    /// as a part of the game.
    pub learns: bool,
    /// How many rows ago the agent decided: 0 if it decided in this row, more if it still carries out an earlier action. Its
    /// actor learns only from the rows in which it decided.
    pub age: u8,
    /// As `age`, at the end of the decision: 0 if the agent decides then.
    pub age_next: u8,
}

impl SlotState {
    /// The agent decided, is still there, and learns.
    pub const PRESENT: Self =
        Self { present: true, present_next: true, ended: false, learns: true, age: 0, age_next: 0 };

    /// There was no agent.
    pub const EMPTY: Self =
        Self { present: false, present_next: false, ended: false, learns: false, age: 0, age_next: 0 };

    /// The state as a whole number below 2^20, which an `f32` holds exactly.
    #[cfg(feature = "learner")]
    pub(crate) fn code(self) -> f32 {
        let Self { present, present_next, ended, learns, age, age_next } = self;
        let bits =
            u8::from(present) | u8::from(present_next) << 1 | u8::from(ended) << 2 | u8::from(learns) << 3;
        (u32::from(bits) | u32::from(age) << 4 | u32::from(age_next) << 12) as f32
    }

    /// The state with this [`code`](Self::code).
    #[cfg(feature = "learner")]
    pub(crate) fn from_code(code: f32) -> Self {
        let code = code as u32;
        let bit = |index: u32| code >> index & 1 == 1;
        let byte = |from: u32| (code >> from & 255) as u8;
        Self {
            present: bit(0),
            present_next: bit(1),
            ended: bit(2),
            learns: bit(3),
            age: byte(4),
            age_next: byte(12),
        }
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
        self.masks.clear();
        self.next_masks.clear();
    }
}

#[cfg(all(test, feature = "learner"))]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_a_slot_survives_its_code() {
        for code in (0..1 << 20).map(|code| code as f32) {
            assert_eq!(SlotState::from_code(code).code(), code);
        }
        assert_eq!(SlotState::from_code(SlotState::PRESENT.code()), SlotState::PRESENT);
        assert_eq!(SlotState::EMPTY.code(), 0.0);
    }
}
