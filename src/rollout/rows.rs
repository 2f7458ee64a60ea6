use std::ops::Range;

use bevy::{ecs::query::ROQueryItem, prelude::*};

use super::{ArenaEntry, Kind, decide::Member, departed::Departure, n_step::NStep};
use crate::{
    agent::{Action, ActionMask, DecisionClock, Life, LifeEnd, Observation, Reward},
    policy::AgentSpec,
    transition::{SlotState, TransitionBlock},
};

/// The components of an agent that are read and written when a decision is completed.
pub(super) type Earner<'a> =
    (&'a Observation, &'a mut Reward, &'a mut Life, &'a DecisionClock, Option<&'a ActionMask>, &'a Action);

/// The open decisions of the arenas of one kind.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Joint observations, masks and actions when the open decisions were made, one row per arena.
    pub(super) observations: Vec<f32>,
    pub(super) masks: Vec<f32>,
    pub(super) actions: Vec<f32>,
    /// For each arena, whether it has an open decision (`open`), and whether a decision starts now (`starts`).
    pub(super) open: Vec<bool>,
    pub(super) starts: Vec<bool>,
    /// Whether the agent in a slot decides now, `[rows, slots]`.
    pub(super) decides: Vec<bool>,
    /// Whether the agent in a slot acts in the open decision, whether its policy learns from it, and how many decisions of the world ago
    /// it decided if it keeps its action, `[rows, slots]`.
    present: Vec<bool>,
    learns: Vec<bool>,
    pub(super) ages: Vec<u8>,
    /// For how many decisions of the world each open decision has lasted, and the discounted rewards until the last of them,
    /// `[rows, slots]`.
    lasted: Vec<u32>,
    earned: Vec<f32>,
    /// Agents that have left their slots since the last decision, `[rows, slots]`.
    pub(super) left: Vec<Option<Departure>>,
    /// What happened in each slot in this episode, `[rows, slots]`.
    pub(super) parts: Vec<SlotPart>,
    pub(super) completed: TransitionBlock,
    pub(super) n_step: NStep,
    /// Whether transitions are recorded for a learner.
    pub(super) recording: bool,
    pub(super) sizes: Sizes,
    /// The lengths of each slot's vectors, and where they start in the joint vectors.
    lengths: Vec<Lengths>,
    pub(super) offsets: Vec<Offsets>,
}

/// Where the numbers of a slot start in the joint vectors of an arena.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    pub(super) observation: usize,
    pub(super) action: usize,
    pub(super) choices: usize,
}

/// Lengths of the vectors of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    observation: usize,
    action: usize,
    choices: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    observation: usize,
    action: usize,
    choices: usize,
    pub(super) slots: usize,
}

/// What happened in a slot in an episode.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SlotPart {
    /// Whether an agent has decided here.
    pub(super) is_played: bool,
    /// Returns of the agents that have left.
    pub(super) return_left: f32,
    /// The last agent that has left.
    pub(super) last_left: Option<Departure>,
}

/// The decision of one arena. For each slot: the mask, the action, whether its agent decides now, how many decisions ago it decided if it
/// keeps its action, and whether it takes part.
pub(super) struct JointDecision<'a> {
    pub(super) masks: &'a [f32],
    pub(super) actions: &'a mut [f32],
    pub(super) decides: &'a [bool],
    pub(super) ages: &'a [u8],
    pub(super) present: &'a [bool],
}

impl Rows {
    /// Where the slots of an arena are in `[rows, slots]`.
    pub(super) fn slots(&self, row: usize) -> Range<usize> {
        row * self.sizes.slots..(row + 1) * self.sizes.slots
    }

    pub(super) fn new(kind: &Kind) -> Self {
        let spec = &kind.spec;
        let (count, slots) = (kind.rows.len(), spec.agents());
        let sizes = Sizes {
            observation: spec.joint_observation_size(),
            action: spec.joint_action_size(),
            choices: spec.joint_choices(),
            slots,
        };
        Self {
            observations: vec![0.0; count * sizes.observation],
            masks: vec![1.0; count * sizes.choices],
            actions: vec![0.0; count * sizes.action],
            open: vec![false; count],
            starts: vec![false; count],
            decides: vec![false; count * slots],
            present: vec![false; count * slots],
            learns: vec![false; count * slots],
            ages: vec![0; count * slots],
            lasted: vec![0; count],
            earned: vec![0.0; count * slots],
            left: vec![None; count * slots],
            parts: vec![SlotPart::default(); count * slots],
            offsets: (0..slots)
                .map(|slot| Offsets {
                    observation: spec.observation_offset(slot),
                    action: spec.action_offset(slot),
                    choices: spec.choice_offset(slot),
                })
                .collect(),
            lengths: spec.slots.iter().map(Lengths::of).collect(),
            n_step: NStep::new(count),
            sizes,
            ..Self::default()
        }
    }

    /// Stores in which arenas a decision starts, which agents decide there and which keep their actions, and what each agent observes. The
    /// actions of these arenas are zeros until they are decided. In arenas whose episode is not running, no decision starts.
    pub(super) fn observe<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a ArenaEntry>,
        is_running: impl Fn(Entity) -> bool,
        agents: &Query<Member>,
    ) {
        let Sizes { observation, action, choices, slots } = self.sizes;
        self.decides.fill(false);
        for (row, entry) in entries.enumerate() {
            let at = row * slots;
            if !is_running(entry.arena) {
                self.starts[row] = false;
                continue;
            }
            let here = |agent: &Option<Entity>| {
                let here = agent.and_then(|agent| agents.get(agent).ok());
                here.filter(|(_, _, _, life, ..)| !life.is_over())
            };
            if self.open[row] {
                // Everybody has kept its action so far.
                let mut clocks = entry.agents.iter().filter_map(here).map(|(.., clock, _)| clock.is_due());
                let first = clocks.next();
                self.open[row] = first.is_some();
                self.starts[row] = first == Some(true) || clocks.any(|is_due| is_due);
                if !self.starts[row] {
                    continue;
                }
            }
            self.starts[row] = false;
            self.lasted[row] = 0;
            self.earned[at..at + slots].fill(0.0);
            self.actions[row * action..(row + 1) * action].fill(0.0);
            let mut observations = &mut self.observations[row * observation..(row + 1) * observation];
            let mut masks = &mut self.masks[row * choices..(row + 1) * choices];
            for (slot, agent) in entry.agents.iter().enumerate() {
                let lengths = self.lengths[slot];
                let (own, rest) = observations.split_at_mut(lengths.observation);
                let (own_mask, rest_of_masks) = masks.split_at_mut(lengths.choices);
                (observations, masks) = (rest, rest_of_masks);
                // An agent that has just been replaced by one of other sizes takes part from the next step on.
                let here =
                    here(agent).filter(|(seen, action, .., mask)| lengths.fit(seen, action.len(), *mask));
                self.present[at + slot] = here.is_some();
                self.starts[row] |= here.is_some();
                self.parts[at + slot].is_played |= here.is_some();
                let Some((seen, .., is_untrained, clock, mask)) = here else {
                    self.learns[at + slot] = false;
                    self.ages[at + slot] = 0;
                    own.fill(0.0);
                    own_mask.fill(1.0);
                    continue;
                };
                self.decides[at + slot] = clock.is_due();
                self.learns[at + slot] = !is_untrained;
                self.ages[at + slot] = clock.age();
                own.copy_from_slice(seen.stacked());
                match mask {
                    Some(mask) => own_mask.copy_from_slice(mask.possible()),
                    None => own_mask.fill(1.0),
                }
            }
        }
    }

    /// The decision of an arena that starts now.
    pub(super) fn decision(&mut self, row: usize) -> JointDecision<'_> {
        let Sizes { action, choices, slots, .. } = self.sizes;
        JointDecision {
            masks: &self.masks[row * choices..][..choices],
            actions: &mut self.actions[row * action..][..action],
            decides: &self.decides[row * slots..][..slots],
            ages: &self.ages[row * slots..][..slots],
            present: &self.present[row * slots..][..slots],
        }
    }

    /// The joint observation of an arena's open decision.
    pub(super) fn observed(&self, row: usize) -> &[f32] {
        let size = self.sizes.observation;
        &self.observations[row * size..][..size]
    }

    /// Copies an old row of the same sizes.
    pub(super) fn copy(&mut self, row: usize, old: &mut Self, old_row: usize) {
        let Sizes { observation, action, choices, slots } = self.sizes;
        let [from, to] = [old_row, row];
        self.observations[to * observation..][..observation]
            .copy_from_slice(&old.observations[from * observation..][..observation]);
        self.masks[to * choices..][..choices].copy_from_slice(&old.masks[from * choices..][..choices]);
        self.actions[to * action..][..action].copy_from_slice(&old.actions[from * action..][..action]);
        self.open[to] = old.open[from];
        self.lasted[to] = old.lasted[from];
        self.n_step.take(to, &mut old.n_step, from);
        let [from, to] = [from, to].map(|row| row * slots..(row + 1) * slots);
        self.present[to.clone()].copy_from_slice(&old.present[from.clone()]);
        self.learns[to.clone()].copy_from_slice(&old.learns[from.clone()]);
        self.ages[to.clone()].copy_from_slice(&old.ages[from.clone()]);
        self.earned[to.clone()].copy_from_slice(&old.earned[from.clone()]);
        self.left[to.clone()].copy_from_slice(&old.left[from.clone()]);
        self.parts[to].copy_from_slice(&old.parts[from]);
    }

    /// The discount for what follows the open decision, which depends on how long the decision has lasted.
    fn discount(&self, row: usize) -> f32 {
        match self.lasted[row] {
            0 => 1.0,
            decisions => self.n_step.gamma.powi(decisions as i32),
        }
    }

    /// Lets the open decision last longer, and adds the rewards so far.
    pub(super) fn keep(&mut self, row: usize, members: &[Option<Entity>], agents: &Query<Earner>) {
        let discount = self.discount(row);
        let earned = &mut self.earned[row * self.sizes.slots..][..members.len()];
        for (earned, member) in earned.iter_mut().zip(members) {
            if let Some((_, reward, ..)) = member.and_then(|member| agents.get(member).ok()) {
                *earned += discount * reward.of_decision();
            }
        }
        self.lasted[row] += 1;
    }

    /// Appends a completed transition, unless no agent acted or a number is not finite.
    pub(super) fn close(
        &mut self,
        row: usize,
        members: &[Option<Entity>],
        discount: f32,
        is_end: bool,
        agents: &Query<Earner>,
    ) {
        let Sizes { observation, action, choices, slots } = self.sizes;
        let of_length = self.discount(row);
        let mut block = std::mem::take(&mut self.completed);
        let (next, rewards, states) = (block.next_observations.len(), block.rewards.len(), block.slots.len());
        let next_masks = block.next_masks.len();
        for (slot, member) in members.iter().enumerate() {
            let here = member.and_then(|member| agents.get(member).ok());
            let Outcome { state, reward, next } = self.outcome(row, slot, here, is_end);
            let lengths = self.lengths[slot];
            match next {
                Some((observation, _)) => block.next_observations.extend_from_slice(observation.stacked()),
                None => {
                    block.next_observations.resize(block.next_observations.len() + lengths.observation, 0.0)
                }
            }
            match next.and_then(|(_, mask)| mask) {
                Some(mask) => block.next_masks.extend_from_slice(mask.possible()),
                None => block.next_masks.resize(block.next_masks.len() + lengths.choices, 1.0),
            }
            block.rewards.push(if self.lasted[row] == 0 {
                reward
            } else {
                self.earned[row * slots + slot] + of_length * reward
            });
            block.slots.push(state);
        }
        let mut numbers = block.next_observations[next..].iter().chain(&block.rewards[rewards..]);
        let is_whole = numbers.all(|number| number.is_finite())
            && block.slots[states..].iter().any(|state| state.present);
        if !is_whole {
            block.next_observations.truncate(next);
            block.next_masks.truncate(next_masks);
            block.rewards.truncate(rewards);
            block.slots.truncate(states);
            self.n_step.forget(row);
        } else {
            block.observations.extend_from_slice(&self.observations[row * observation..][..observation]);
            block.masks.extend_from_slice(&self.masks[row * choices..][..choices]);
            block.actions.extend_from_slice(&self.actions[row * action..][..action]);
            block.discounts.push(discount * of_length);
            self.n_step.join(row, is_end, &mut block, slots);
        }
        self.completed = block;
    }

    /// The outcome of the open decision of an arena in one slot, in which the agent `here` is now.
    fn outcome<'a>(
        &self,
        row: usize,
        slot: usize,
        here: Option<ROQueryItem<'a, 'a, Earner<'static>>>,
        is_end: bool,
    ) -> Outcome<'a> {
        let place = row * self.sizes.slots + slot;
        let (present, learns, age) = (self.present[place], self.learns[place], self.ages[place]);
        let ended = |end, reward| {
            let ended = present && end == Some(LifeEnd::Terminated);
            let learns = present && learns;
            let state = SlotState { present, present_next: false, ended, learns, age, age_next: 0 };
            Outcome { state, reward, next: None }
        };
        if let Some(left) = self.left[place] {
            // If another agent came in its place, that agent has not decided yet.
            return ended(left.unrecorded, left.reward);
        }
        let Some((observation, reward, life, clock, mask, action)) = here else {
            return Outcome { state: SlotState::EMPTY, reward: 0.0, next: None };
        };
        if life.is_over() || life.unrecorded().is_some() {
            return ended(life.unrecorded(), reward.of_decision());
        }
        if !self.lengths[slot].fit(observation, action.len(), mask) {
            // It has just been replaced by an agent of other sizes.
            return ended(None, reward.of_decision());
        }
        let next = Some((observation, mask));
        if present {
            let age_next = if is_end { 0 } else { clock.age() };
            let state = SlotState { learns, age, age_next, ..SlotState::PRESENT };
            Outcome { state, reward: reward.of_decision(), next }
        } else {
            Outcome { state: SlotState { present_next: true, ..SlotState::EMPTY }, reward: 0.0, next }
        }
    }
}

/// The outcome of a decision in one slot: the state of its agent, the rewards, and the next observation.
struct Outcome<'a> {
    state: SlotState,
    reward: f32,
    next: Option<(&'a Observation, Option<&'a ActionMask>)>,
}

impl Lengths {
    pub(super) fn of(agent: &AgentSpec) -> Self {
        Self {
            observation: agent.observation_size,
            action: agent.action_size(),
            choices: agent.action.choices(),
        }
    }

    /// Whether they fit an agent with this observation, an action of this length, and this mask.
    pub(super) fn fit(&self, observation: &Observation, action: usize, mask: Option<&ActionMask>) -> bool {
        self.observation == observation.stacked().len()
            && self.action == action
            && self.choices == mask.map_or(0, |mask| mask.possible().len())
    }
}
