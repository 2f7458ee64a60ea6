//! Decisions of agents outside of the arenas' rows, and of agents with a policy of their own.

use bevy::prelude::*;

use super::{
    ActingPolicy,
    decide::{replace_not_finite, take_over},
    plan::{AgentBatch, Origin, Plan},
};
use crate::{
    agent::{Action, ActionOverride, Life, Observation},
    problems::Problems,
};

/// Memory that [`decide_others`] reuses.
#[derive(Debug, Default)]
pub(super) struct Rows {
    observations: Vec<f32>,
    actions: Vec<f32>,
}

/// Decides for the agents in [`Plan::others`], in one batch per policy, without exploration noise.
pub(super) fn decide_others(
    plan: Res<Plan>,
    mut acting: ResMut<ActingPolicy>,
    mut problems: ResMut<Problems>,
    mut agents: Query<(&Observation, &mut Action, &Life, Option<&ActionOverride>)>,
    mut rows: Local<Rows>,
) {
    let Rows { observations, actions } = &mut *rows;
    for AgentBatch { source, policy, agents: members } in &plan.others {
        let (snapshot, scratch) = match source {
            Origin::Acting(source) => acting.parts(*source),
            Origin::Own(snapshot) => (&**snapshot, &mut acting.scratch),
        };
        let policy = &snapshot.policies()[*policy];
        let agent = &policy.group().agent;
        observations.clear();
        for &member in members {
            let start = observations.len();
            if let Ok((observation, ..)) = agents.get(member) {
                observations.extend_from_slice(observation.stacked());
            }
            observations.resize(start + agent.observation_size, 0.0);
        }
        replace_not_finite(observations);
        actions.resize(members.len() * agent.action_size, 0.0);
        policy.act(observations, actions, members.len(), scratch);
        for (&member, decided) in members.iter().zip(actions.chunks_exact(agent.action_size)) {
            let Ok((_, mut action, life, taken_over)) = agents.get_mut(member) else { continue };
            if life.is_over() {
                action.0.fill(0.0);
            } else {
                action.0.copy_from_slice(decided);
                take_over(&mut action.0, taken_over, member, &mut problems);
            }
        }
    }
    for &idle in &plan.idle {
        if let Ok((_, mut action, _, taken_over)) = agents.get_mut(idle) {
            action.0.fill(0.0);
            take_over(&mut action.0, taken_over, idle, &mut problems);
        }
    }
}
