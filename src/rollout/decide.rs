use bevy::prelude::*;

use super::{ActingPolicy, Arenas, Experience, RolloutClock, RolloutError, arenas::OtherAgent};
use crate::{
    agent::{Action, ActionOverride, Observation, Reward},
    arena::Episode,
    exploration::{ExplorationConfig, Explorer},
    policy::PolicySnapshot,
    problems::Problems,
    random::{Random, stream},
};

/// The exploration noise on the agents' actions.
#[derive(Resource, Debug)]
pub struct Exploration {
    /// How agents explore.
    pub config: ExplorationConfig,
    /// Whether they explore. If not, actions are the policy's alone.
    pub enabled: bool,
    seed: u64,
    arenas: Vec<(Explorer, Random)>,
    /// Random streams given out so far.
    streams: u64,
}

impl Exploration {
    pub(super) fn new(config: ExplorationConfig, seed: u64) -> Self {
        Self { config, enabled: true, seed, arenas: Vec::new(), streams: 0 }
    }

    /// Makes room for the arenas, each with its own random stream. Each goes on with the stream of the old arena that
    /// `kept` names, if it names one.
    pub(super) fn fit(&mut self, kept: &[Option<usize>]) {
        let mut old: Vec<_> = std::mem::take(&mut self.arenas).into_iter().map(Some).collect();
        for kept in kept {
            let known = kept.and_then(|kept| old[kept].take());
            self.arenas.push(known.unwrap_or_else(|| {
                self.streams += 1;
                (Explorer::default(), stream(self.seed, "exploration", self.streams - 1))
            }));
        }
    }

    /// Starts an episode of arena `index` and returns the scale of its noise.
    pub(super) fn begin(&mut self, index: usize, decisions: u64) -> f32 {
        let (explorer, random) = &mut self.arenas[index];
        explorer.begin(&self.config, decisions, random);
        if self.enabled { explorer.scale() } else { 0.0 }
    }

    fn explore(&mut self, index: usize, decisions: u64, action: &mut [f32]) {
        if !self.enabled {
            return;
        }
        let (explorer, random) = &mut self.arenas[index];
        if decisions < self.config.random_decisions {
            explorer.act_randomly(&self.config, action, random);
        } else if explorer.scale() > 0.0 {
            explorer.perturb(&self.config, action, random);
        }
    }
}

/// Memory that [`decide`] reuses.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    observations: Vec<f32>,
    actions: Vec<f32>,
    /// The policy of each agent that is not trained, by its index among the snapshot's.
    policies: Vec<Option<usize>>,
    /// When `policies` was made: the arenas' generation and the number of swaps.
    made_at: Option<(u64, u64)>,
}

/// Asks the policies for the actions of all agents at once, adds exploration noise where agents are trained, and writes the
/// actions.
#[expect(clippy::too_many_arguments, reason = "a system asks for what it reads and writes")]
pub(super) fn decide(
    arenas: Res<Arenas>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut clock: ResMut<RolloutClock>,
    mut problems: ResMut<Problems>,
    mut episodes: Query<&mut Episode>,
    mut agents: Query<(&Observation, &mut Action, &mut Reward, Option<&ActionOverride>)>,
    mut gathered: Local<Gathered>,
) {
    let now = (arenas.generation, acting.swaps());
    let Some((snapshot, scratch)) = acting.parts() else { return };
    let spec = arenas.spec();
    let (observation_size, action_size) = (spec.joint_observation_size(), spec.joint_action_size());
    let Experience { observations, actions, open, .. } = &mut *experience;
    let Gathered { observations: rows_in, actions: rows_out, policies, made_at } = &mut *gathered;

    // Agents that are trained are decided for slot by slot, all others by the names of their behaviors.
    let fits = snapshot.spec() == spec;
    if !fits && !open.is_empty() {
        problems.tell("other policy", "", || {
            let (policy, arenas) = (snapshot.spec().slots.clone(), spec.slots.clone());
            format!("{}; the agents do nothing", RolloutError::OtherAgents { policy, arenas })
        });
    }
    if *made_at != Some(now) {
        *made_at = Some(now);
        policies.clear();
        policies.extend(arenas.others().iter().map(|other| {
            let (observation, action, ..) = agents.get(other.entity).ok()?;
            let found = policy_of(&snapshot, other, [observation.stacked().len(), action.len()]);
            if let Err(reason) = &found {
                let OtherAgent { entity, behavior, .. } = other;
                problems.tell("policy", behavior, || {
                    format!("agent {entity} of behavior `{behavior}` does nothing: {reason}")
                });
            }
            found.ok()
        }));
    }

    observations.clear();
    for entry in arenas.rows() {
        for (observation, ..) in agents.iter_many(&entry.agents) {
            observations.extend_from_slice(observation.stacked());
        }
    }
    let rows = open.len();
    for (index, policy) in snapshot.policies().iter().enumerate() {
        let group = policy.group();
        let agent = &group.agent;
        rows_in.clear();
        if fits && rows > 0 {
            for joint in observations.chunks_exact(observation_size) {
                for &slot in &group.slots {
                    rows_in
                        .extend_from_slice(&joint[spec.observation_offset(slot)..][..agent.observation_size]);
                }
            }
        }
        let trained = rows_in.len() / agent.observation_size;
        for (other, _) in arenas.others().iter().zip(&*policies).filter(|(_, policy)| **policy == Some(index))
        {
            if let Ok((observation, ..)) = agents.get(other.entity) {
                rows_in.extend_from_slice(observation.stacked());
            }
        }
        rows_in.iter_mut().filter(|number| !number.is_finite()).for_each(|number| *number = 0.0);
        let count = rows_in.len() / agent.observation_size;
        if count == 0 {
            continue;
        }
        rows_out.resize(count * agent.action_size, 0.0);
        policy.act(rows_in, rows_out, count, scratch);
        let mut decided = rows_out.chunks_exact(agent.action_size);
        if trained > 0 {
            for joint in actions.chunks_exact_mut(action_size) {
                for (&slot, action) in group.slots.iter().zip(&mut decided) {
                    joint[spec.action_offset(slot)..][..agent.action_size].copy_from_slice(action);
                }
            }
        }
        for (other, _) in arenas.others().iter().zip(&*policies).filter(|(_, policy)| **policy == Some(index))
        {
            if let Ok((_, mut action, _, taken_over)) = agents.get_mut(other.entity)
                && let Some(decided) = decided.next()
            {
                action.0.copy_from_slice(decided);
                take_over(&mut action.0, taken_over, other.entity, &mut problems);
            }
        }
    }
    for (other, _) in arenas.others().iter().zip(&*policies).filter(|(_, policy)| policy.is_none()) {
        if let Ok((_, mut action, _, taken_over)) = agents.get_mut(other.entity) {
            action.0.fill(0.0);
            take_over(&mut action.0, taken_over, other.entity, &mut problems);
        }
    }

    let decisions = clock.decisions;
    for (index, entry) in arenas.entries().iter().enumerate() {
        let Ok(mut episode) = episodes.get_mut(entry.arena) else { continue };
        if episode.decisions == 0 {
            // What was earned before the first decision belongs to no action.
            let mut members = agents.iter_many_mut(&entry.agents);
            while let Some((_, _, mut reward, _)) = members.fetch_next() {
                *reward = Reward::default();
            }
        }
        if !entry.agents.is_empty() {
            episode.decisions += 1;
        }
        let Some(row) = entry.row else { continue };
        let joint = &mut actions[row * action_size..][..action_size];
        if !fits {
            joint.fill(0.0);
        }
        exploration.explore(index, decisions, joint);
        let mut offset = 0;
        for &agent in &entry.agents {
            let Ok((_, mut action, _, taken_over)) = agents.get_mut(agent) else { continue };
            let own = &mut joint[offset..offset + action.0.len()];
            take_over(own, taken_over, agent, &mut problems);
            action.0.copy_from_slice(own);
            offset += own.len();
        }
        let observed = &observations[row * observation_size..][..observation_size];
        open[row] = observed.iter().all(|number| number.is_finite());
    }
    clock.decisions += rows as u64;
}

/// The policy of an agent with these sizes of observation and action, by its index among the snapshot's, or why there is
/// none.
fn policy_of(snapshot: &PolicySnapshot, agent: &OtherAgent, sizes: [usize; 2]) -> Result<usize, String> {
    let groups = || snapshot.policies().iter().map(|policy| policy.group()).enumerate();
    let of_behavior = || groups().filter(|(_, group)| group.agent.behavior == agent.behavior);
    // Where each slot has its own policy, that of the agent's slot; else the behavior's.
    let found =
        of_behavior().find(|(_, group)| group.slots.contains(&agent.slot)).or_else(|| of_behavior().next());
    let Some((index, group)) = found else {
        let known: Vec<_> = groups().map(|(_, group)| group.agent.behavior.as_str()).collect();
        return Err(format!(
            "there is no policy for it; the policies are for the behaviors {}",
            known.join(", ")
        ));
    };
    let expected = [group.agent.observation_size, group.agent.action_size];
    if sizes != expected {
        return Err(format!(
            "its policy takes {} numbers and acts with {}, but it observes {} numbers and acts with {}",
            expected[0], expected[1], sizes[0], sizes[1]
        ));
    }
    Ok(index)
}

/// Replaces an agent's action by its override, if it has one that can be used.
fn take_over(
    action: &mut [f32],
    taken_over: Option<&ActionOverride>,
    agent: Entity,
    problems: &mut Problems,
) {
    let Some(ActionOverride(numbers)) = taken_over else { return };
    if numbers.len() == action.len() && numbers.iter().all(|number| number.is_finite()) {
        action.iter_mut().zip(numbers).for_each(|(own, number)| *own = number.clamp(-1.0, 1.0));
    } else {
        problems.tell("override", "", || {
            format!(
                "the `ActionOverride` of agent {agent} is {numbers:?}, expected {} finite numbers; the policy acts instead",
                action.len()
            )
        });
    }
}
