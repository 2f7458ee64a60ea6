//! Decisions of agents outside of the arenas' rows, and of agents with a policy of their own.

use bevy::prelude::*;

use super::{
    ActingPolicy, Exploration,
    decide::{Gathered, replace_not_finite, take_over},
    plan::{AgentBatch, Origin, Plan},
    rows::Lengths,
};
use crate::{
    agent::{Action, ActionMask, ActionOverride, Agent, DecisionClock, Life, Observation},
    problems::Problems,
};

/// What [`decide_others`] reads and writes on each agent.
type Other<'a> = (
    &'a Agent,
    &'a Observation,
    &'a mut Action,
    &'a Life,
    Option<&'a ActionOverride>,
    &'a DecisionClock,
    Option<&'a ActionMask>,
);

/// Decides for the agents in [`Plan::others`], in one batch per policy, without exploration noise.
pub(super) fn decide_others(
    plan: Res<Plan>,
    mut acting: ResMut<ActingPolicy>,
    mut exploration: ResMut<Exploration>,
    mut problems: ResMut<Problems>,
    mut agents: Query<Other>,
    mut gathered: Local<Gathered>,
    mut due: Local<Vec<Entity>>,
) {
    let Gathered { observations, masks, actions } = &mut *gathered;
    for AgentBatch { source, policy, agents: members } in &plan.others {
        let (snapshot, scratch) = match source {
            Origin::Acting(source) => acting.parts(*source),
            Origin::Own(snapshot) => (&**snapshot, &mut acting.scratch),
        };
        let policy = &snapshot.policies()[*policy];
        let agent = &policy.group().agent;
        let lengths = Lengths::of(agent);
        observations.clear();
        masks.clear();
        due.clear();
        for &member in members {
            let Ok((_, observation, mut action, life, _, clock, mask)) = agents.get_mut(member) else {
                continue;
            };
            if life.is_over() {
                action.clear();
                continue;
            }
            // An agent that has just been replaced by one of other sizes decides from the next decision on.
            if clock.is_due() && lengths.fit(observation, action.len(), mask) {
                observations.extend_from_slice(observation.stacked());
                masks.extend_from_slice(mask.map_or(&[], ActionMask::possible));
                due.push(member);
            }
        }
        replace_not_finite(observations);
        actions.resize(due.len() * agent.action_size(), 0.0);
        policy.distribution(observations, masks, actions, due.len(), scratch);
        for (&member, decided) in due.iter().zip(actions.chunks_exact_mut(agent.action_size())) {
            let Ok((_, _, mut action, _, taken_over, ..)) = agents.get_mut(member) else { continue };
            exploration.choose(&agent.action, decided);
            take_over(&agent.action, decided, taken_over, member, &mut problems);
            action.set(decided);
        }
    }
    for &idle in &plan.idle {
        if let Ok((agent, _, mut action, life, taken_over, clock, _)) = agents.get_mut(idle) {
            if life.is_over() {
                action.clear();
                continue;
            }
            if !clock.is_due() {
                continue;
            }
            actions.clear();
            actions.resize(agent.action.size(), 0.0);
            if take_over(&agent.action, actions, taken_over, idle, &mut problems) {
                action.set(actions);
            } else {
                action.clear();
            }
        }
    }
}
