//! Decisions of agents outside of the trained arenas, and of agents with a policy of their own.

use std::sync::Arc;

use bevy::prelude::*;

use super::{
    ActingPolicy, Arenas,
    arenas::OtherAgent,
    decide::{replace_not_finite, take_over},
};
use crate::{
    agent::{Action, ActionOverride, Observation, PolicyOverride},
    policy::{PolicyGroup, PolicySnapshot},
    problems::Problems,
};

/// Which agents use which policy. Rebuilt when agents or policies have changed.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The generation of the arenas from which it was made.
    generation: Option<u64>,
    /// The groups of the acting snapshot from which it was made.
    groups: Vec<PolicyGroup>,
    batches: Vec<Batch>,
    /// Agents without a policy.
    idle: Vec<Entity>,
}

/// Agents that use the same policy.
#[derive(Debug)]
struct Batch {
    /// The snapshot with their policy, if it is not the acting one.
    own: Option<Arc<PolicySnapshot>>,
    /// The policy, by its index in the snapshot.
    policy: usize,
    agents: Vec<Entity>,
}

impl Plan {
    fn is_made_from(&self, arenas: &Arenas, newest: Option<&PolicySnapshot>) -> bool {
        self.generation == Some(arenas.generation) && self.groups.iter().eq(groups(newest))
    }
}

fn groups(snapshot: Option<&PolicySnapshot>) -> impl Iterator<Item = &PolicyGroup> {
    snapshot.into_iter().flat_map(|snapshot| snapshot.policies()).map(|policy| policy.group())
}

/// Memory that [`decide_others`] reuses.
#[derive(Debug, Default)]
pub(super) struct Rows {
    observations: Vec<f32>,
    actions: Vec<f32>,
}

/// Decides for the agents in [`Arenas::others`], in one batch per policy, without exploration noise.
pub(super) fn decide_others(
    arenas: Res<Arenas>,
    mut acting: ResMut<ActingPolicy>,
    mut problems: ResMut<Problems>,
    mut agents: Query<(&Observation, &mut Action, Option<&ActionOverride>)>,
    overrides: Query<&PolicyOverride>,
    mut plan: Local<Plan>,
    mut rows: Local<Rows>,
) {
    if arenas.others().is_empty() {
        return;
    }
    let (newest, scratch) = acting.parts();
    if !plan.is_made_from(&arenas, newest.as_deref()) {
        *plan = make_plan(&arenas, newest.as_deref(), &agents, &overrides, &mut problems);
    }
    let Rows { observations, actions } = &mut *rows;
    for Batch { own, policy, agents: members } in &plan.batches {
        let Some(snapshot) = own.as_ref().or(newest.as_ref()) else { continue };
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
            if let Ok((_, mut action, taken_over)) = agents.get_mut(member) {
                action.0.copy_from_slice(decided);
                take_over(&mut action.0, taken_over, member, &mut problems);
            }
        }
    }
    for &idle in &plan.idle {
        if let Ok((_, mut action, taken_over)) = agents.get_mut(idle) {
            action.0.fill(0.0);
            take_over(&mut action.0, taken_over, idle, &mut problems);
        }
    }
}

fn make_plan(
    arenas: &Arenas,
    newest: Option<&PolicySnapshot>,
    agents: &Query<(&Observation, &mut Action, Option<&ActionOverride>)>,
    overrides: &Query<&PolicyOverride>,
    problems: &mut Problems,
) -> Plan {
    let mut plan = Plan {
        generation: Some(arenas.generation),
        groups: groups(newest).cloned().collect(),
        ..Plan::default()
    };
    for other in arenas.others() {
        let Ok((observation, action, _)) = agents.get(other.entity) else { continue };
        let own = overrides.get(other.entity).ok().map(|PolicyOverride(snapshot)| snapshot.clone());
        let snapshot = own.as_deref().or(newest);
        let sizes = [observation.stacked().len(), action.len()];
        let found = snapshot.map_or(Err("there is no policy yet; load or train one".into()), |snapshot| {
            policy_of(snapshot, other, sizes)
        });
        match found {
            Ok(policy) => {
                let is_same = |batch: &&mut Batch| {
                    batch.policy == policy
                        && batch.own.as_ref().map(Arc::as_ptr) == own.as_ref().map(Arc::as_ptr)
                };
                match plan.batches.iter_mut().find(is_same) {
                    Some(batch) => batch.agents.push(other.entity),
                    None => plan.batches.push(Batch { own, policy, agents: vec![other.entity] }),
                }
            }
            Err(reason) => {
                let OtherAgent { entity, behavior, .. } = other;
                problems.tell("policy", behavior, || {
                    format!("agent {entity} of behavior `{behavior}` does nothing: {reason}")
                });
                plan.idle.push(*entity);
            }
        }
    }
    plan
}

/// The index of the snapshot's policy for an agent with this observation size and this action size, or why there is
/// none.
fn policy_of(snapshot: &PolicySnapshot, agent: &OtherAgent, sizes: [usize; 2]) -> Result<usize, String> {
    let groups = || groups(Some(snapshot)).enumerate();
    let of_behavior = || groups().filter(|(_, group)| group.agent.behavior == agent.behavior);
    // If each slot has its own policy, that of the agent's slot; otherwise the first one of the behavior.
    let found =
        of_behavior().find(|(_, group)| group.slots.contains(&agent.slot)).or_else(|| of_behavior().next());
    let Some((index, group)) = found else {
        let mut known: Vec<_> = groups().map(|(_, group)| group.agent.behavior.as_str()).collect();
        known.dedup();
        return Err(format!(
            "there is no policy for this behavior, only for {}; correct the name, or train a policy for it",
            known.join(", ")
        ));
    };
    let expected = [group.agent.observation_size, group.agent.action_size];
    if sizes != expected {
        return Err(format!(
            "its policy takes {} numbers and acts with {}, but the agent observes {} and acts with {}; give the \
             `Agent` the sizes of its policy",
            expected[0], expected[1], sizes[0], sizes[1]
        ));
    }
    Ok(index)
}
