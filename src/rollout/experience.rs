use bevy::prelude::*;

use super::Arenas;
use crate::{
    agent::{Agent, Observation, Reward},
    policy::ArenaSpec,
    problems::Problems,
    transition::TransitionBlock,
};

/// The open decision of each arena, and the completed transitions that wait for the learner.
#[derive(Resource, Debug, Default)]
pub struct Experience {
    /// Joint observations and actions of the open decisions, one row per arena.
    pub(super) observations: Vec<f32>,
    pub(super) actions: Vec<f32>,
    /// Whether the arena has an open decision.
    pub(super) open: Vec<bool>,
    completed: TransitionBlock,
    /// Whether transitions are recorded for a learner.
    pub(crate) recording: bool,
    sizes: (usize, usize),
}

impl Experience {
    /// Transitions that are complete and not yet sent.
    pub fn completed(&self) -> &TransitionBlock {
        &self.completed
    }

    /// Takes the completed transitions and leaves the block `empty` in their place, so that its memory is reused.
    #[cfg(feature = "learner")]
    pub(crate) fn exchange(&mut self, empty: TransitionBlock) -> TransitionBlock {
        std::mem::replace(&mut self.completed, empty)
    }

    /// Makes room for the rows of the arenas with the agents of `spec`. `kept` says, for each row, which old row's open
    /// decision it continues; `None` starts without one.
    pub(super) fn fit(&mut self, spec: &ArenaSpec, kept: &[Option<usize>]) {
        let old = (self.sizes, std::mem::take(&mut self.observations), std::mem::take(&mut self.actions));
        let was_open = std::mem::take(&mut self.open);
        self.sizes = (spec.joint_observation_size(), spec.joint_action_size());
        self.observations = vec![0.0; kept.len() * self.sizes.0];
        self.actions = vec![0.0; kept.len() * self.sizes.1];
        self.open = vec![false; kept.len()];
        let ((observation, action), observations, actions) = old;
        for (row, kept) in kept.iter().enumerate() {
            // Rows are kept only if their agents are the same, so the sizes are the same, too.
            let Some(kept) = kept.filter(|kept| was_open[*kept]) else { continue };
            self.observations[row * observation..][..observation]
                .copy_from_slice(&observations[kept * observation..][..observation]);
            self.actions[row * action..][..action].copy_from_slice(&actions[kept * action..][..action]);
            self.open[row] = true;
        }
    }

    /// Completes the open decision of a row, if there is one, with the agents' stacked observations and rewards. A
    /// transition with a number that is not finite is dropped.
    pub(super) fn close<'a>(
        &mut self,
        row: usize,
        terminated: bool,
        agents: impl Iterator<Item = (&'a [f32], f32)>,
    ) {
        if !std::mem::take(&mut self.open[row]) || !self.recording {
            return;
        }
        let (observation, action) = self.sizes;
        let block = &mut self.completed;
        let (next, rewards) = (block.next_observations.len(), block.rewards.len());
        for (observed, reward) in agents {
            block.next_observations.extend_from_slice(observed);
            block.rewards.push(reward);
        }
        let is_whole = block.next_observations.len() - next == observation
            && block.next_observations[next..].iter().all(|number| number.is_finite());
        if !is_whole {
            block.next_observations.truncate(next);
            block.rewards.truncate(rewards);
            return;
        }
        block.observations.extend_from_slice(&self.observations[row * observation..][..observation]);
        block.actions.extend_from_slice(&self.actions[row * action..][..action]);
        block.terminated.push(terminated);
    }
}

/// Decisions after which an observation or a reward that never changes is reported.
const CONSTANT: u32 = 1_000;

/// Appends the newest observation of every agent to its stacked observations, and reports what is wrong with it.
pub(super) fn push_frames(
    arenas: Res<Arenas>,
    mut agents: Query<(Entity, &Agent, &mut Observation, &mut Reward)>,
    mut problems: ResMut<Problems>,
) {
    for (entity, agent, mut observation, mut reward) in &mut agents {
        push_frame(entity, agent, &mut observation, &mut reward, &arenas, &mut problems);
    }
}

/// Appends an agent's newest observation to its stacked observations, and reports observations and rewards that cannot be
/// used.
pub(super) fn push_frame(
    entity: Entity,
    agent: &Agent,
    observation: &mut Observation,
    reward: &mut Reward,
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
    mut agents: Query<(&Observation, &mut Reward)>,
    behaviors: Query<&Agent>,
) {
    let experience = experience.bypass_change_detection();
    for entry in arenas.entries() {
        if let Some(row) = entry.row {
            let observed = agents
                .iter_many(&entry.agents)
                .map(|(observation, reward)| (observation.stacked(), reward.decision));
            experience.close(row, false, observed);
        }
        for &agent in &entry.agents {
            let Ok((_, mut reward)) = agents.get_mut(agent) else { continue };
            if reward.end_decision() < CONSTANT || !arenas.has_learner {
                continue;
            }
            let behavior = behaviors.get(agent).map_or("", |agent| agent.behavior.as_str());
            problems.tell("constant reward", behavior, || {
                format!(
                    "agent {agent} of behavior `{behavior}` has earned the same reward in {CONSTANT} decisions, so \
                     there is nothing to learn; check that rewards are added, or reward progress toward the goal"
                )
            });
        }
    }
}
