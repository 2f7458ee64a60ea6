use super::{config::LearnerConfig, replay::Transition};
use crate::policy::ArenaSpec;

/// What an agent earns, and what follows its own end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It earns its own rewards, until its own end.
    Own,
    /// It earns the rewards of its team, also those after its own end. The numbers are the slots of the team.
    Team(Vec<usize>),
}

/// What a transition means for the agent at one slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub(super) reward: f32,
    /// Whether rewards can follow for the agent.
    pub(super) continues: bool,
    /// Whether the reward and what follows are known, so that the agent's critics learn from the transition.
    pub(super) is_known: bool,
    /// Whether the agent also decided, so that its actor learns from it.
    pub(super) is_known_to_actor: bool,
}

impl Fate {
    /// The fate of the agent at `slot`.
    pub(super) fn of(spec: &ArenaSpec, config: &LearnerConfig, slot: usize) -> Self {
        if !config.team_fate.contains(&spec.slots[slot].behavior) {
            return Self::Own;
        }
        let team = spec.team(slot);
        Self::Team((0..spec.agents()).filter(|mate| spec.team(*mate) == team).collect())
    }

    /// What the agent at `slot` earns of the joint rewards.
    pub(super) fn reward(&self, rewards: &[f32], slot: usize) -> f32 {
        match self {
            Self::Own => rewards[slot],
            Self::Team(mates) => mates.iter().map(|mate| rewards[*mate]).sum(),
        }
    }

    /// What `transition` means for the agent at `slot`.
    pub(super) fn outcome(&self, transition: &Transition, slot: usize) -> Outcome {
        let own = transition.slot(slot);
        let is_over = transition.discount == 0.0;
        let reward = self.reward(transition.rewards, slot);
        match self {
            Self::Own => {
                // If an agent leaves the arena before its own end, it is not known what would have followed.
                let is_known = own.present && own.learns && (own.ended || own.present_next || is_over);
                Outcome {
                    reward,
                    continues: !own.ended,
                    is_known,
                    is_known_to_actor: is_known && own.age == 0,
                }
            }
            Self::Team(mates) => {
                let mates = || mates.iter().map(|mate| (*mate, transition.slot(*mate)));
                let continues = mates().any(|(_, state)| state.present_next);
                let has_ended = mates().all(|(_, state)| !state.present || state.ended);
                let learns = mates().any(|(_, state)| state.present && state.learns);
                // If an agent does not learn, its actions are a part of the game, and its decisions are not those of its
                // policy.
                let is_own = !own.present || own.learns;
                let is_known = is_own && learns && (continues || has_ended || is_over);
                Outcome {
                    reward,
                    continues,
                    is_known,
                    is_known_to_actor: is_known && own.present && own.age == 0,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        learner::replay::{ReplayBuffer, RowSizes},
        transition::{SlotState, TransitionBlock},
    };

    const PLAYS: SlotState = SlotState::PRESENT;
    const EMPTY: SlotState = SlotState::EMPTY;
    const DIES: SlotState = SlotState { present_next: false, ended: true, ..PLAYS };
    const LEAVES: SlotState = SlotState { present_next: false, ..PLAYS };
    const JOINS: SlotState = SlotState { present_next: true, ..EMPTY };
    const KEEPS: SlotState = SlotState { age: 2, ..PLAYS };
    const SCRIPTED: SlotState = SlotState { learns: false, ..PLAYS };

    /// The outcome for the first of two agents, of which the first earns 1 and the second 2.
    fn outcome(fate: &Fate, slots: [SlotState; 2], discount: f32) -> (f32, bool, bool, bool) {
        let mut replay = ReplayBuffer::new(RowSizes { observation: 2, action: 2, agents: 2, choices: 0 }, 1);
        replay.push(&TransitionBlock {
            observations: vec![0.0; 2],
            actions: vec![0.0; 2],
            rewards: vec![1.0, 2.0],
            next_observations: vec![0.0; 2],
            discounts: vec![discount],
            slots: slots.to_vec(),
            ..TransitionBlock::default()
        });
        let Outcome { reward, continues, is_known, is_known_to_actor } =
            fate.outcome(&replay.transition(0), 0);
        (reward, continues, is_known, is_known_to_actor)
    }

    #[test]
    fn nothing_after_its_end_concerns_an_agent_with_its_own_fate() {
        let own = |slots, discount| outcome(&Fate::Own, slots, discount);
        assert_eq!(own([PLAYS, PLAYS], 1.0), (1.0, true, true, true));
        assert_eq!(own([DIES, PLAYS], 1.0), (1.0, false, true, true));
        assert!(!own([LEAVES, PLAYS], 1.0).2, "what would have followed is not known");
        assert!(own([LEAVES, PLAYS], 0.0).2, "but nothing follows the end of the episode");
        assert!(!own([EMPTY, PLAYS], 1.0).2);
        assert!(!own([JOINS, PLAYS], 1.0).2, "a newcomer has not decided yet");
        assert!(!own([SCRIPTED, PLAYS], 1.0).2);
        assert_eq!(own([KEEPS, PLAYS], 1.0), (1.0, true, true, false), "its actor has not decided");
    }

    #[test]
    fn a_team_goes_on_as_long_as_one_member_plays() {
        let team = |slots, discount| outcome(&Fate::Team(vec![0, 1]), slots, discount);
        assert_eq!(team([PLAYS, PLAYS], 1.0), (3.0, true, true, true));
        assert_eq!(team([DIES, PLAYS], 1.0), (3.0, true, true, true));
        assert_eq!(
            team([EMPTY, PLAYS], 1.0),
            (3.0, true, true, false),
            "its critics learn what follows its end"
        );
        assert_eq!(team([EMPTY, DIES], 1.0), (3.0, false, true, false));
        assert!(!team([SCRIPTED, PLAYS], 1.0).2, "a script decided for it");
        assert_eq!(team([PLAYS, SCRIPTED], 1.0), (3.0, true, true, true));
        assert!(!team([EMPTY, LEAVES], 1.0).2);
        assert!(!team([EMPTY, EMPTY], 1.0).2);
        assert_eq!(team([LEAVES, PLAYS], 1.0), (3.0, true, true, true), "the team goes on without it");
    }
}
