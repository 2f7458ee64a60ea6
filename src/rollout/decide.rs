use bevy::prelude::*;

use super::{
    ActingPolicy, ArenaEntry, Arenas, Experience, Exploration, Kind, RolloutClock,
    plan::{Plan, SlotBatch},
    rows::{JointDecision, Rows},
};
use crate::{
    agent::{
        Action, ActionMask, ActionOverride, DecisionClock, Life, Observation, PolicyOverride, Reward,
        Untrained,
    },
    arena::Episode,
    policy::{ActionSpace, ArenaSpec, Policy, Scratch},
    problems::Problems,
};

/// Memory for the inputs and outputs of the policies, which is reused.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) observations: Vec<f32>,
    pub(super) masks: Vec<f32>,
    pub(super) actions: Vec<f32>,
}

/// What [`decide`] reads and writes on each agent.
pub(super) type Member<'a> = (
    &'a Observation,
    &'a mut Action,
    &'a mut Reward,
    &'a Life,
    Option<&'a ActionOverride>,
    Has<PolicyOverride>,
    Has<Untrained>,
    &'a DecisionClock,
    Option<&'a ActionMask>,
);

/// Queries the policies for all arenas at once, explores and writes the actions. Counts the decision of every arena in which
/// an agent decides.
#[expect(clippy::too_many_arguments, reason = "a system asks for what it reads and writes")]
pub(super) fn decide(
    mut arenas: ResMut<Arenas>,
    plan: Res<Plan>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut clock: ResMut<RolloutClock>,
    mut problems: ResMut<Problems>,
    mut episodes: Query<&mut Episode>,
    mut agents: Query<Member>,
    mut gathered: Local<Gathered>,
) {
    for (kind, rows) in experience.bypass_change_detection().kinds.iter_mut().enumerate() {
        let spec = arenas.kinds()[kind].spec();
        // Leaves out arenas that were spawned during the last reset, or whose episode ended in it. They must be reset first.
        let is_running = |arena| episodes.get(arena).is_ok_and(Episode::is_running);
        rows.observe(arenas.of_kind(kind), is_running, &agents);
        let all_finite = rows.observations.iter().all(|number| number.is_finite());
        for SlotBatch { source, policy, slots } in &plan.kinds[kind].batches {
            let (snapshot, scratch) = acting.parts(*source);
            gathered.query(&snapshot.policies()[*policy], spec, slots, rows, all_finite, scratch);
        }

        let Kind { decisions, random_decisions, .. } = arenas.kinds()[kind];
        let random_decisions = random_decisions.unwrap_or(exploration.config.random_decisions);
        let mut made = 0;
        for (row, &index) in arenas.kinds()[kind].rows.iter().enumerate() {
            let entry = &arenas.entries()[index];
            let Ok(mut episode) = episodes.get_mut(entry.arena) else { continue };
            if !rows.starts[row] {
                if episode.decisions > 0 && episode.is_running() {
                    episode.elapsed += 1;
                }
                continue;
            }
            if episode.decisions == 0 {
                // Rewards from before the first decision belong to no action.
                let mut members = agents.iter_many_mut(entry.present());
                while let Some((_, _, mut reward, ..)) = members.fetch_next() {
                    reward.begin();
                }
            }
            episode.decisions += 1;
            episode.elapsed += 1;
            made += 1;
            let joint = rows.decision(row);
            exploration.explore(index, decisions, random_decisions, &spec.slots, joint.masks, joint.actions);
            write_actions(spec, &plan.kinds[kind].has_policy, entry, joint, &mut agents, &mut problems);
            rows.open[row] = all_finite || rows.observed(row).iter().all(|number| number.is_finite());
        }
        arenas.bypass_change_detection().kinds[kind].decisions += made;
        clock.decisions += made;
    }
}

impl Gathered {
    /// Queries the policy of these slots for all arenas, and writes its outputs into the joint actions.
    fn query(
        &mut self,
        policy: &Policy,
        spec: &ArenaSpec,
        slots: &[usize],
        rows: &mut Rows,
        all_finite: bool,
        scratch: &mut Scratch,
    ) {
        let Rows {
            observations: joint_observations,
            masks: joint_masks,
            actions: joint_actions,
            decides,
            offsets,
            ..
        } = rows;
        let Self { observations, masks, actions } = self;
        let (agent, choices) = (&policy.group().agent, spec.joint_choices());
        let due = || {
            let rows = decides.chunks_exact(spec.agents());
            rows.map(|decides| slots.iter().copied().filter(|slot| decides[*slot]))
        };
        observations.clear();
        masks.clear();
        let mut count = 0;
        let joint = joint_observations.chunks_exact(spec.joint_observation_size());
        for (row, (joint, slots)) in joint.zip(due()).enumerate() {
            for slot in slots {
                let offset = offsets[slot];
                observations.extend_from_slice(&joint[offset.observation..][..agent.observation_size]);
                if choices > 0 {
                    let own = &joint_masks[row * choices + offset.choices..];
                    masks.extend_from_slice(&own[..agent.action.choices()]);
                }
                count += 1;
            }
        }
        if !all_finite {
            replace_not_finite(observations);
        }
        let size = agent.action_size();
        actions.resize(count * size, 0.0);
        policy.distribution(observations, masks, actions, count, scratch);
        let mut results = actions.chunks_exact(size);
        for (joint, slots) in joint_actions.chunks_exact_mut(spec.joint_action_size()).zip(due()) {
            for (slot, action) in slots.zip(&mut results) {
                joint[offsets[slot].action..][..size].copy_from_slice(action);
            }
        }
    }
}

/// Writes the joint action of an arena to its agents, and what each agent really does to the row: an agent may keep an earlier action, have
/// an override or a policy of its own, or have no policy and do nothing.
fn write_actions(
    spec: &ArenaSpec,
    has_policy: &[bool],
    entry: &ArenaEntry,
    JointDecision { actions, decides, ages, present, .. }: JointDecision,
    agents: &mut Query<Member>,
    problems: &mut Problems,
) {
    let mut rest = actions;
    for (slot, agent) in entry.agents.iter().enumerate() {
        let space = &spec.slots[slot].action;
        let (own, after) = rest.split_at_mut(space.size());
        rest = after;
        if !decides[slot] {
            own.fill(0.0);
        }
        let Some(agent) = *agent else { continue };
        let Ok((_, mut action, _, life, taken_over, is_decided, ..)) = agents.get_mut(agent) else {
            continue;
        };
        if life.is_over() {
            action.clear();
            continue;
        }
        // An agent that has just been replaced by one of other sizes takes part from the next step on.
        if !present[slot] {
            own.fill(0.0);
            action.clear();
            continue;
        }
        if ages[slot] > 0 {
            own.copy_from_slice(&action);
            continue;
        }
        if is_decided {
            own.copy_from_slice(&action);
        }
        let is_taken_over = take_over(space, own, taken_over, agent, problems);
        let is_decided_by_policy = if is_decided { action.is_made() } else { has_policy[slot] };
        if is_decided_by_policy || is_taken_over {
            action.set(own);
        } else {
            own.fill(0.0);
            action.clear();
        }
    }
}

/// Replaces numbers that are not finite with 0, so that policies always compute finite actions.
pub(super) fn replace_not_finite(numbers: &mut [f32]) {
    numbers.iter_mut().filter(|number| !number.is_finite()).for_each(|number| *number = 0.0);
}

/// Replaces an agent's action with its override, if it has a valid one. Returns whether it did.
pub(super) fn take_over(
    space: &ActionSpace,
    action: &mut [f32],
    taken_over: Option<&ActionOverride>,
    agent: Entity,
    problems: &mut Problems,
) -> bool {
    let Some(ActionOverride(numbers)) = taken_over else { return false };
    let makes_choices = || (0..space.branches().len()).all(|branch| space.choice(numbers, branch).is_some());
    if numbers.len() == action.len() && numbers.iter().all(|number| number.is_finite()) && makes_choices() {
        action.iter_mut().zip(numbers).for_each(|(own, number)| *own = number.clamp(-1.0, 1.0));
        space.choose_best(action);
        true
    } else {
        problems.tell("override", "", || {
            let choices = if space.branches().is_empty() { "" } else { ", with a 1 for one choice of each branch" };
            format!(
                "the `ActionOverride` of agent {agent} is {numbers:?}, expected {} finite numbers{choices}: it is ignored",
                action.len()
            )
        });
        false
    }
}
