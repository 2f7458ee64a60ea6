use bevy::prelude::*;

use super::{
    ArenaEntry, Arenas, Kind,
    arenas::Place,
    departed::Departure,
    rows::{Earner, Rows, SlotPart},
};
use crate::{agent::Agent, arena::Episode, problems::Problems, transition::TransitionBlock};

/// The resource with the open decision of each arena, and with the completed transitions that wait for the learners.
#[derive(Resource, Debug, Default)]
pub struct Experience {
    /// By kind, as in [`Arenas::kinds`].
    pub(super) kinds: Vec<Rows>,
    /// Behaviors whose agents share the fate of their team.
    pub(crate) team_fate: Vec<String>,
}

impl Experience {
    /// The transitions of this kind that are complete and not yet sent. `kind` is an index into [`Arenas::kinds`].
    pub fn completed(&self, kind: usize) -> Option<&TransitionBlock> {
        self.kinds.get(kind).map(|rows| &rows.completed)
    }

    /// Starts to record the transitions of a kind for a learner with the discount factor `gamma`. Each transition covers `n_step`
    /// decisions.
    #[cfg(feature = "learner")]
    pub(crate) fn record(&mut self, kind: usize, gamma: f32, n_step: usize) {
        let rows = &mut self.kinds[kind];
        rows.recording = true;
        (rows.n_step.gamma, rows.n_step.steps) = (gamma, n_step);
    }

    /// Stops to record the transitions of a kind, and drops those that are not yet sent.
    #[cfg(feature = "learner")]
    pub(crate) fn stop_recording(&mut self, kind: usize) {
        let rows = &mut self.kinds[kind];
        if std::mem::take(&mut rows.recording) {
            rows.completed = TransitionBlock::default();
        }
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
                    rows.copy(row, &mut old[place.kind], place.row);
                }
            }
            if kind.is_fixed {
                // Kinds with a learner keep their places.
                rows.recording = old[index].recording;
                (rows.n_step.gamma, rows.n_step.steps) = (old[index].n_step.gamma, old[index].n_step.steps);
                rows.completed = std::mem::take(&mut old[index].completed);
            }
            self.kinds.push(rows);
        }
    }

    /// Takes note that an agent has left its slot. If `departure` is `None`, the agent has not played in this episode.
    pub(super) fn leave(&mut self, place: Place, slot: usize, departure: Option<Departure>) {
        let rows = &mut self.kinds[place.kind];
        let slot = rows.slots(place.row).start + slot;
        if let Some(departure) = departure {
            rows.parts[slot].return_left += departure.episode_return;
            rows.parts[slot].last_left = Some(departure);
        }
        rows.left[slot].get_or_insert(departure.unwrap_or_default());
    }

    /// For each slot of an arena, the agent that has left it since the last decision.
    pub(super) fn left(&self, place: Place) -> &[Option<Departure>] {
        let rows = &self.kinds[place.kind];
        &rows.left[rows.slots(place.row)]
    }

    /// What happened in the slots of an arena in its episode.
    pub(super) fn parts(&self, place: Place) -> &[SlotPart] {
        let rows = &self.kinds[place.kind];
        &rows.parts[rows.slots(place.row)]
    }

    /// Starts an episode: nobody has left yet.
    pub(super) fn begin(&mut self, place: Place) {
        let rows = &mut self.kinds[place.kind];
        let slots = rows.slots(place.row);
        rows.left[slots.clone()].fill(None);
        rows.parts[slots].fill(SlotPart::default());
        rows.open[place.row] = false;
        rows.n_step.forget(place.row);
    }

    /// Completes the open decision of an arena whose episode goes on. If all of its agents keep their actions, the decision stays open
    /// until the next decision of the world.
    pub(super) fn go_on(&mut self, entry: &ArenaEntry, agents: &Query<Earner>) {
        let Some(place) = entry.place else { return };
        let rows = &mut self.kinds[place.kind];
        let slots = rows.slots(place.row);
        let present = entry.present().filter_map(|agent| agents.get(agent).ok());
        // Agents that were dead already when the decision was made take no part in it.
        let mut alive = present
            .filter(|(_, _, life, ..)| !life.is_over() || life.unrecorded().is_some())
            .map(|(_, _, life, clock, ..)| (life, clock))
            .peekable();
        let is_kept = alive.peek().is_some()
            && alive.all(|(life, clock)| !clock.is_due() && life.unrecorded().is_none())
            && rows.left[slots].iter().all(Option::is_none);
        if rows.open[place.row] && is_kept {
            rows.keep(place.row, &entry.agents, agents);
        } else {
            self.close(entry, 1.0, false, agents);
        }
    }

    /// Completes the open decision of an arena, if there is one. `discount` is 0 if the game ended the episode, else 1;
    /// `is_end` says whether the episode has ended. A transition with a number that is not finite is dropped.
    pub(super) fn close(&mut self, entry: &ArenaEntry, discount: f32, is_end: bool, agents: &Query<Earner>) {
        let Some(place) = entry.place else { return };
        let rows = &mut self.kinds[place.kind];
        if std::mem::take(&mut rows.open[place.row]) && rows.recording {
            rows.close(place.row, &entry.agents, discount, is_end, agents);
        } else {
            rows.n_step.forget(place.row);
        }
        let slots = rows.slots(place.row);
        rows.left[slots].fill(None);
    }
}

/// Decisions after which an observation or a reward that never changes is reported.
pub(super) const CONSTANT_AFTER: u32 = 1_000;

/// Completes the open decisions of all arenas whose episodes go on.
pub(super) fn close_decisions(
    arenas: Res<Arenas>,
    mut experience: ResMut<Experience>,
    mut problems: ResMut<Problems>,
    mut agents: Query<Earner>,
    behaviors: Query<&Agent>,
    episodes: Query<&Episode>,
) {
    let experience = experience.bypass_change_detection();
    for entry in arenas.entries() {
        // If an episode has ended in the meantime, its decision is completed when the end is recorded.
        if !episodes.get(entry.arena).is_ok_and(Episode::is_running) {
            continue;
        }
        experience.go_on(entry, &agents);
        for agent in entry.present() {
            let Ok((_, mut reward, mut life, ..)) = agents.get_mut(agent) else { continue };
            let is_late = life.is_over() && life.unrecorded().is_none() && reward.of_decision() != 0.0;
            if life.unrecorded().is_some() {
                life.set_recorded();
            }
            let is_constant = reward.end_decision() >= CONSTANT_AFTER && !life.is_over();
            if !arenas.has_learner || !(is_late || is_constant) {
                continue;
            }
            let behavior = behaviors.get(agent).map_or("", |agent| agent.behavior.as_str());
            if is_constant {
                problems.tell("constant reward", behavior, || {
                    format!(
                        "agent {agent} of behavior `{behavior}` has earned the same reward in {CONSTANT_AFTER} decisions, so \
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
