use bevy::prelude::*;

use super::{ArenaEntry, Arenas, Kind, arenas::Place, decide::Member, departed::Departure};
use crate::{
    agent::{Agent, Life, LifeEnd, Observation, Reward},
    problems::Problems,
    transition::{SlotState, TransitionBlock},
};

/// The open decision of each arena, and the completed transitions that wait for the learners.
#[derive(Resource, Debug, Default)]
pub struct Experience {
    /// By kind, as in [`Arenas::kinds`].
    pub(super) kinds: Vec<Rows>,
    /// Behaviors whose agents share the fate of their team.
    pub(crate) team_fate: Vec<String>,
}

/// The open decisions of the arenas of one kind.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Joint observations and actions, one row per arena.
    pub(super) observations: Vec<f32>,
    pub(super) actions: Vec<f32>,
    /// Whether the arena has an open decision.
    pub(super) open: Vec<bool>,
    /// Who decided, and whose policy learns from it, `[rows, slots]`.
    pub(super) decided: Vec<bool>,
    pub(super) learns: Vec<bool>,
    /// Agents that have left their slots since the last decision, `[rows, slots]`.
    left: Vec<Option<Departure>>,
    /// Returns of the agents that have left their slots in this episode, `[rows, slots]`.
    returns_left: Vec<f32>,
    completed: TransitionBlock,
    /// Whether transitions are recorded for a learner.
    recording: bool,
    sizes: Sizes,
    /// Size of the observation of each slot.
    observation_sizes: Vec<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sizes {
    observation: usize,
    action: usize,
    slots: usize,
}

impl Experience {
    /// Transitions of this kind, as an index into [`Arenas::kinds`], that are complete and not yet sent.
    pub fn completed(&self, kind: usize) -> Option<&TransitionBlock> {
        self.kinds.get(kind).map(|rows| &rows.completed)
    }

    /// Starts to record the transitions of a kind.
    #[cfg(feature = "learner")]
    pub(crate) fn record(&mut self, kind: usize) {
        self.kinds[kind].recording = true;
    }

    /// Takes the completed transitions of a kind and leaves the block `empty` in their place, so that its memory is reused.
    #[cfg(feature = "learner")]
    pub(crate) fn exchange(&mut self, kind: usize, empty: TransitionBlock) -> TransitionBlock {
        std::mem::replace(&mut self.kinds[kind].completed, empty)
    }

    /// Makes room for the arenas of these kinds. `kept` says, for a kind and a row, which old row it continues.
    pub(super) fn fit(&mut self, kinds: &[Kind], kept: impl Fn(usize, usize) -> Option<Place>) {
        let mut old = std::mem::take(&mut self.kinds);
        for (index, kind) in kinds.iter().enumerate() {
            let mut rows = Rows::new(kind);
            for row in 0..kind.rows.len() {
                if let Some(place) = kept(index, row) {
                    rows.copy(row, &old[place.kind], place.row);
                }
            }
            if kind.is_fixed {
                // Kinds with a learner keep their places.
                rows.recording = old[index].recording;
                rows.completed = std::mem::take(&mut old[index].completed);
            }
            self.kinds.push(rows);
        }
    }

    /// Notes that an agent has left its slot.
    pub(super) fn leave(&mut self, place: Place, slot: usize, departure: Departure) {
        let rows = &mut self.kinds[place.kind];
        let slot = place.row * rows.sizes.slots + slot;
        rows.returns_left[slot] += departure.episode_return;
        rows.left[slot].get_or_insert(departure);
    }

    /// What agents that have left their slots had earned in the episode, by slot.
    pub(super) fn returns_left(&self, place: Place) -> &[f32] {
        let rows = &self.kinds[place.kind];
        &rows.returns_left[place.row * rows.sizes.slots..][..rows.sizes.slots]
    }

    /// Starts an episode: nobody has left yet.
    pub(super) fn begin(&mut self, place: Place) {
        let rows = &mut self.kinds[place.kind];
        let slots = place.row * rows.sizes.slots..(place.row + 1) * rows.sizes.slots;
        rows.left[slots.clone()].fill(None);
        rows.returns_left[slots].fill(0.0);
        rows.open[place.row] = false;
    }

    /// Completes the open decision of an arena, if there is one. `discount` is 0 if the game ended the episode, else 1. A
    /// transition with a number that is not finite is dropped.
    pub(super) fn close(&mut self, entry: &ArenaEntry, discount: f32, agents: &Query<Earner>) {
        let Some(place) = entry.place else { return };
        let rows = &mut self.kinds[place.kind];
        if std::mem::take(&mut rows.open[place.row]) && rows.recording {
            rows.close(place.row, &entry.agents, discount, agents);
        }
        rows.left[place.row * rows.sizes.slots..][..rows.sizes.slots].fill(None);
    }
}

impl Rows {
    fn new(kind: &Kind) -> Self {
        let spec = &kind.spec;
        let (count, slots) = (kind.rows.len(), spec.agents());
        let sizes =
            Sizes { observation: spec.joint_observation_size(), action: spec.joint_action_size(), slots };
        Self {
            observations: vec![0.0; count * sizes.observation],
            actions: vec![0.0; count * sizes.action],
            open: vec![false; count],
            decided: vec![false; count * slots],
            learns: vec![false; count * slots],
            left: vec![None; count * slots],
            returns_left: vec![0.0; count * slots],
            observation_sizes: spec.slots.iter().map(|slot| slot.observation_size).collect(),
            sizes,
            ..Self::default()
        }
    }

    /// Notes who is there to decide, and what each observes.
    pub(super) fn observe<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a ArenaEntry>,
        agents: &Query<Member>,
    ) {
        self.observations.clear();
        self.decided.clear();
        self.learns.clear();
        for entry in entries {
            for (agent, size) in entry.agents.iter().zip(&self.observation_sizes) {
                let here = agent
                    .and_then(|agent| agents.get(agent).ok())
                    .filter(|(.., life, _, _, _)| !life.is_over());
                let is_untrained = here.is_some_and(|(.., is_untrained)| is_untrained);
                self.decided.push(here.is_some());
                self.learns.push(here.is_some() && !is_untrained);
                match here {
                    Some((observation, ..)) => self.observations.extend_from_slice(observation.stacked()),
                    None => self.observations.resize(self.observations.len() + size, 0.0),
                }
            }
        }
    }

    /// Copies an old row of the same sizes.
    fn copy(&mut self, row: usize, old: &Self, old_row: usize) {
        let Sizes { observation, action, slots } = self.sizes;
        let [from, to] = [old_row, row];
        self.observations[to * observation..][..observation]
            .copy_from_slice(&old.observations[from * observation..][..observation]);
        self.actions[to * action..][..action].copy_from_slice(&old.actions[from * action..][..action]);
        self.open[to] = old.open[from];
        let [from, to] = [from, to].map(|row| row * slots..(row + 1) * slots);
        self.decided[to.clone()].copy_from_slice(&old.decided[from.clone()]);
        self.learns[to.clone()].copy_from_slice(&old.learns[from.clone()]);
        self.left[to.clone()].copy_from_slice(&old.left[from.clone()]);
        self.returns_left[to].copy_from_slice(&old.returns_left[from]);
    }

    /// Appends a completed transition, unless nobody decided or a number is not finite.
    fn close(&mut self, row: usize, members: &[Option<Entity>], discount: f32, agents: &Query<Earner>) {
        let Sizes { observation, action, slots } = self.sizes;
        let block = &mut self.completed;
        let (next, rewards, states) = (block.next_observations.len(), block.rewards.len(), block.slots.len());
        for (slot, member) in members.iter().enumerate() {
            let place = row * slots + slot;
            let (decided, learns) = (self.decided[place], self.learns[place]);
            let ends = |end| SlotState {
                present: decided,
                present_next: false,
                ended: decided && end == Some(LifeEnd::Terminated),
                learns: decided && learns,
            };
            let here = member.and_then(|member| agents.get(member).ok());
            let (state, reward, observed) = match (self.left[place], here) {
                // Whoever came in its place has not decided yet.
                (Some(left), _) => (ends(left.end), left.reward, None),
                (None, Some((_, reward, life))) if life.is_over() || life.unrecorded().is_some() => {
                    (ends(life.unrecorded()), reward.of_decision(), None)
                }
                (None, Some((observation, reward, _))) if decided => {
                    (SlotState { learns, ..SlotState::PRESENT }, reward.of_decision(), Some(observation))
                }
                (None, Some((observation, ..))) => {
                    (SlotState { present_next: true, ..SlotState::EMPTY }, 0.0, Some(observation))
                }
                (None, None) => (SlotState::EMPTY, 0.0, None),
            };
            match observed {
                Some(observation) => block.next_observations.extend_from_slice(observation.stacked()),
                None => block
                    .next_observations
                    .resize(block.next_observations.len() + self.observation_sizes[slot], 0.0),
            }
            block.rewards.push(reward);
            block.slots.push(state);
        }
        let is_whole = block.next_observations[next..].iter().all(|number| number.is_finite())
            && block.slots[states..].iter().any(|state| state.present);
        if !is_whole {
            block.next_observations.truncate(next);
            block.rewards.truncate(rewards);
            block.slots.truncate(states);
            return;
        }
        block.observations.extend_from_slice(&self.observations[row * observation..][..observation]);
        block.actions.extend_from_slice(&self.actions[row * action..][..action]);
        block.discounts.push(discount);
    }
}

/// Decisions after which an observation or a reward that never changes is reported.
const CONSTANT: u32 = 1_000;

/// What completing a decision reads and writes on each agent.
pub(super) type Earner<'a> = (&'a Observation, &'a mut Reward, &'a mut Life);

/// What [`push_frames`] reads and writes on each agent.
pub(super) type Observer<'a> = (Entity, &'a Agent, &'a mut Observation, &'a mut Reward, &'a Life);

/// Appends the newest observation of every agent to its stacked observations, and reports what is wrong with it.
pub(super) fn push_frames(arenas: Res<Arenas>, mut agents: Query<Observer>, mut problems: ResMut<Problems>) {
    for agent in &mut agents {
        push_frame(agent, &arenas, &mut problems);
    }
}

/// Appends an agent's newest observation to its stacked observations, and reports observations and rewards that cannot be
/// used.
pub(super) fn push_frame(
    (entity, agent, mut observation, mut reward, life): (
        Entity,
        &Agent,
        Mut<Observation>,
        Mut<Reward>,
        &Life,
    ),
    arenas: &Arenas,
    problems: &mut Problems,
) {
    let behavior = &agent.behavior;
    if let Some(found) = observation.take_refused() {
        problems.tell("length", behavior, || {
            format!(
                "agent {entity} of behavior `{behavior}` was given an observation of {found} numbers, expected {}: it \
                 keeps its previous one; write as many numbers as the agent's `observation_size`",
                agent.observation_size
            )
        });
    }
    if life.is_over() {
        observation.push_frame();
        return;
    }
    if !observation.is_written() {
        problems.tell("unwritten", behavior, || {
            format!(
                "no system writes the observation of agent {entity} of behavior `{behavior}`, so it stays zero; write \
                 it in the schedule `Observe`"
            )
        });
    } else if arenas.has_learner && observation.unchanged() >= CONSTANT {
        problems.tell("constant observation", behavior, || {
            format!(
                "the observation of agent {entity} of behavior `{behavior}` has been the same for {CONSTANT} \
                 decisions, so its policy cannot react to anything; check the system that writes it"
            )
        });
    }
    if let Some(index) = observation.frame().iter().position(|number| !number.is_finite()) {
        problems.tell("observation", behavior, || {
            format!(
                "agent {entity} of behavior `{behavior}` observes {} at index {index}: its policy sees 0 there, and \
                 the transition is dropped; check for divisions by zero",
                observation.frame()[index]
            )
        });
    }
    if let Some(refused) = reward.refused.take() {
        problems.tell("reward", behavior, || {
            format!(
                "agent {entity} of behavior `{behavior}` was given the reward {refused}, which is ignored; rewards \
                 must be finite, so check for divisions by zero"
            )
        });
    }
    observation.push_frame();
}

/// Completes the open decisions of all arenas. Their episodes go on.
pub(super) fn close_decisions(
    arenas: Res<Arenas>,
    mut experience: ResMut<Experience>,
    mut problems: ResMut<Problems>,
    mut agents: Query<Earner>,
    behaviors: Query<&Agent>,
) {
    let experience = experience.bypass_change_detection();
    for entry in arenas.entries() {
        experience.close(entry, 1.0, &agents);
        for agent in entry.present() {
            let Ok((_, mut reward, mut life)) = agents.get_mut(agent) else { continue };
            let is_late = life.is_over() && life.unrecorded().is_none() && reward.of_decision() != 0.0;
            if life.unrecorded().is_some() {
                life.set_recorded();
            }
            let is_constant = reward.end_decision() >= CONSTANT && !life.is_over();
            if !arenas.has_learner || !(is_late || is_constant) {
                continue;
            }
            let behavior = behaviors.get(agent).map_or("", |agent| agent.behavior.as_str());
            if is_constant {
                problems.tell("constant reward", behavior, || {
                    format!(
                        "agent {agent} of behavior `{behavior}` has earned the same reward in {CONSTANT} decisions, so \
                         there is nothing to learn; check that rewards are added, or reward progress toward the goal"
                    )
                });
            } else if !experience.team_fate.iter().any(|name| name == behavior) {
                problems.tell("late reward", behavior, || {
                    format!(
                        "agent {agent} of behavior `{behavior}` was rewarded after its part in the episode was over: \
                         nothing is learned from that; reward it before, or add the behavior to `team_fate`"
                    )
                });
            }
        }
    }
}
