use std::sync::Arc;

use bevy::prelude::*;

use super::{ActingPolicy, Arenas, policy};
use crate::{
    agent::{ActionOverride, Agent, PolicyOverride},
    policy::{Policy, PolicyGroup, PolicySnapshot},
    problems::Problems,
};

/// The resource that says which agents use which policy. It is made again when agents or policies have changed, but not when only the
/// weights of policies have changed.
#[derive(Resource, Debug, Default)]
pub(super) struct Plan {
    /// [`Arenas::generation`] and [`ActingPolicy::swaps`] when they were last compared.
    seen: Option<(u64, u64)>,
    generation: u64,
    /// The policies from which it was made. For each source: the kind of arenas that it is for, and its groups.
    sources: Vec<(Option<String>, Vec<PolicyGroup>)>,
    /// The plan for each kind of arenas.
    pub(super) kinds: Vec<KindPlan>,
    /// The agents outside of the arenas' rows that use the same policy.
    pub(super) others: Vec<AgentBatch>,
    /// Agents outside of the arenas' rows without a policy.
    pub(super) idle: Vec<Entity>,
}

/// Which slots of a kind of arenas use which policy.
#[derive(Debug)]
pub(super) struct KindPlan {
    /// The slots that use the same policy.
    pub(super) batches: Vec<SlotBatch>,
    /// For each slot, whether there is a policy for it.
    pub(super) has_policy: Vec<bool>,
}

/// Slots that use the same policy.
#[derive(Debug)]
pub(super) struct SlotBatch {
    /// The policy: where it comes from, and its index there.
    pub(super) source: usize,
    pub(super) policy: usize,
    pub(super) slots: Vec<usize>,
}

/// Agents that use the same policy.
#[derive(Debug)]
pub(super) struct AgentBatch {
    pub(super) source: Origin,
    /// Its index in the snapshot.
    pub(super) policy: usize,
    pub(super) agents: Vec<Entity>,
}

/// Where the policy of an agent comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// One of the acting policies.
    Acting(usize),
    /// A [`PolicyOverride`].
    Own(Arc<PolicySnapshot>),
}

impl Origin {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Acting(a), Self::Acting(b)) => a == b,
            (Self::Own(a), Self::Own(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// The components of an agent on which the plan depends.
type Member = (&'static Agent, Option<&'static PolicyOverride>, Has<ActionOverride>);

/// Makes a new plan if the present one no longer fits.
pub(super) fn make(
    mut plan: ResMut<Plan>,
    arenas: Res<Arenas>,
    acting: Res<ActingPolicy>,
    agents: Query<Member>,
    mut problems: ResMut<Problems>,
) {
    if plan.seen == Some((arenas.generation, acting.swaps())) {
        return;
    }
    plan.seen = Some((arenas.generation, acting.swaps()));
    let groups = |policies: &'_ [Policy]| policies.iter().map(Policy::group).cloned().collect();
    let is_same = plan.generation == arenas.generation
        && plan.sources.len() == acting.sources().count()
        && plan.sources.iter().zip(acting.sources()).all(|((old_kind, old), (kind, policies))| {
            old_kind.as_deref() == kind && old.iter().eq(policies.iter().map(Policy::group))
        });
    if is_same {
        return;
    }
    plan.generation = arenas.generation;
    plan.sources =
        acting.sources().map(|(kind, policies)| (kind.map(str::to_owned), groups(policies))).collect();
    plan.kinds =
        (0..arenas.kinds().len()).map(|kind| slots(kind, &arenas, &acting, &agents, &mut problems)).collect();
    (plan.others, plan.idle) = others(&arenas, &acting, &agents, &mut problems);
}

fn slots(
    kind: usize,
    arenas: &Arenas,
    acting: &ActingPolicy,
    agents: &Query<Member>,
    problems: &mut Problems,
) -> KindPlan {
    let mut batches: Vec<SlotBatch> = Vec::new();
    let of_kind = &arenas.kinds()[kind];
    let mut has_policy = vec![false; of_kind.spec().agents()];
    for (slot, agent) in of_kind.spec().slots.iter().enumerate() {
        match acting.find(Some(of_kind.name()), slot, agent) {
            Ok((source, policy)) => {
                has_policy[slot] = true;
                let known = batches.iter_mut().find(|batch| (batch.source, batch.policy) == (source, policy));
                match known {
                    Some(batch) => batch.slots.push(slot),
                    None => batches.push(SlotBatch { source, policy, slots: vec![slot] }),
                }
            }
            // A learner that cannot start says so itself.
            Err(_) if arenas.has_learner && acting.is_empty() => {}
            Err(_) if acting.is_awaited() => {}
            Err(reason) => {
                // An override decides for an agent without a policy.
                let is_idle =
                    |agent: &Entity| !agents.get(*agent).is_ok_and(|(.., is_taken_over)| is_taken_over);
                let mut members = arenas.of_kind(kind).filter_map(|entry| entry.agents[slot]);
                if let Some(entity) = members.find(is_idle) {
                    tell_idle(entity, &agent.behavior, &reason, problems);
                }
            }
        }
    }
    KindPlan { batches, has_policy }
}

fn others(
    arenas: &Arenas,
    acting: &ActingPolicy,
    agents: &Query<Member>,
    problems: &mut Problems,
) -> (Vec<AgentBatch>, Vec<Entity>) {
    let (mut batches, mut idle): (Vec<AgentBatch>, Vec<Entity>) = (Vec::new(), Vec::new());
    for other in arenas.others() {
        let Ok((agent, own, is_taken_over)) = agents.get(other.entity) else { continue };
        let spec = agent.spec();
        let found = match own {
            Some(PolicyOverride(snapshot)) => policy::find_in(snapshot, other.slot, &spec)
                .map(|policy| (Origin::Own(snapshot.clone()), policy)),
            None => {
                acting.find(None, other.slot, &spec).map(|(source, policy)| (Origin::Acting(source), policy))
            }
        };
        match found {
            Ok((source, policy)) => {
                let is_same =
                    |batch: &&mut AgentBatch| batch.policy == policy && batch.source.is_same(&source);
                match batches.iter_mut().find(is_same) {
                    Some(batch) => batch.agents.push(other.entity),
                    None => batches.push(AgentBatch { source, policy, agents: vec![other.entity] }),
                }
            }
            Err(reason) => {
                if !acting.is_awaited() && !is_taken_over {
                    tell_idle(other.entity, &spec.behavior, &reason, problems);
                }
                idle.push(other.entity);
            }
        }
    }
    (batches, idle)
}

fn tell_idle(agent: Entity, behavior: &str, reason: &str, problems: &mut Problems) {
    problems.tell("policy", &format!("{behavior}: {reason}"), || {
        format!("agent {agent} of behavior `{behavior}` does nothing: {reason}")
    });
}
