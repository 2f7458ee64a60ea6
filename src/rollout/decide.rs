use bevy::prelude::*;

use super::{ActingPolicy, Arenas, Experience, RolloutClock, RolloutError};
use crate::{
    agent::{Action, ActionOverride, Observation, PolicyOverride, Reward},
    arena::Episode,
    exploration::{ExplorationConfig, Explorer},
    problems::Problems,
    random::{Random, stream},
};

/// The exploration noise on the agents' actions.
#[derive(Resource, Debug)]
pub struct Exploration {
    /// How agents explore.
    pub config: ExplorationConfig,
    /// Whether they explore. If not, an action is the policy's output alone.
    pub enabled: bool,
    seed: u64,
    arenas: Vec<(Explorer, Random)>,
    /// Number of random streams started so far.
    streams: u64,
}

impl Exploration {
    pub(super) fn new(config: ExplorationConfig, seed: u64) -> Self {
        Self { config, enabled: true, seed, arenas: Vec::new(), streams: 0 }
    }

    /// Makes room for the arenas, each with its own random stream. `kept` says, for each arena, which old arena's
    /// stream it continues; `None` starts a new stream.
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
}

/// What [`decide`] reads and writes on each agent.
type Member<'a> =
    (&'a Observation, &'a mut Action, &'a mut Reward, Option<&'a ActionOverride>, Has<PolicyOverride>);

/// Queries the policies for all trained arenas at once, adds exploration noise and writes the actions. Counts the
/// decision of every arena.
#[expect(clippy::too_many_arguments, reason = "a system asks for what it reads and writes")]
pub(super) fn decide(
    arenas: Res<Arenas>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut clock: ResMut<RolloutClock>,
    mut problems: ResMut<Problems>,
    mut episodes: Query<&mut Episode>,
    mut agents: Query<Member>,
    mut gathered: Local<Gathered>,
) {
    let (snapshot, scratch) = acting.parts();
    let spec = arenas.spec();
    let (observation_size, action_size) = (spec.joint_observation_size(), spec.joint_action_size());
    let Experience { observations, actions, open, .. } = &mut *experience;
    observations.clear();
    for entry in arenas.rows() {
        for (observation, ..) in agents.iter_many(&entry.agents) {
            observations.extend_from_slice(observation.stacked());
        }
    }
    let rows = open.len();
    let all_finite = observations.iter().all(|number| number.is_finite());
    match snapshot {
        _ if rows == 0 => {}
        Some(snapshot) if snapshot.spec() == spec => {
            let Gathered { observations: rows_in, actions: rows_out } = &mut *gathered;
            for policy in snapshot.policies() {
                let group = policy.group();
                let agent = &group.agent;
                rows_in.clear();
                for joint in observations.chunks_exact(observation_size) {
                    for &slot in &group.slots {
                        let own = &joint[spec.observation_offset(slot)..][..agent.observation_size];
                        rows_in.extend_from_slice(own);
                    }
                }
                if !all_finite {
                    replace_not_finite(rows_in);
                }
                rows_out.resize(rows * group.slots.len() * agent.action_size, 0.0);
                policy.act(rows_in, rows_out, rows * group.slots.len(), scratch);
                let mut decided = rows_out.chunks_exact(agent.action_size);
                for joint in actions.chunks_exact_mut(action_size) {
                    for (&slot, action) in group.slots.iter().zip(&mut decided) {
                        joint[spec.action_offset(slot)..][..agent.action_size].copy_from_slice(action);
                    }
                }
            }
        }
        Some(snapshot) => {
            actions.fill(0.0);
            problems.tell("other policy", "", || {
                let (policy, arenas) = (snapshot.spec().clone(), spec.clone());
                let error = RolloutError::OtherAgents { policy, arenas };
                format!("{error}. Until a policy that fits is set, the agents do nothing")
            });
        }
        None => actions.fill(0.0),
    }

    let decisions = clock.decisions;
    for (index, entry) in arenas.entries().iter().enumerate() {
        let Ok(mut episode) = episodes.get_mut(entry.arena) else { continue };
        if episode.decisions == 0 {
            // Rewards from before the first decision belong to no action.
            let mut members = agents.iter_many_mut(&entry.agents);
            while let Some((_, _, mut reward, ..)) = members.fetch_next() {
                reward.begin();
            }
        }
        if !entry.agents.is_empty() {
            episode.decisions += 1;
        }
        let Some(row) = entry.row else { continue };
        let joint = &mut actions[row * action_size..][..action_size];
        exploration.explore(index, decisions, joint);
        let mut offset = 0;
        for &agent in &entry.agents {
            let Ok((_, mut action, _, taken_over, is_decided)) = agents.get_mut(agent) else { continue };
            let own = &mut joint[offset..offset + action.0.len()];
            if is_decided {
                own.copy_from_slice(&action.0);
            }
            take_over(own, taken_over, agent, &mut problems);
            action.0.copy_from_slice(own);
            offset += own.len();
        }
        let observed = &observations[row * observation_size..][..observation_size];
        open[row] = all_finite || observed.iter().all(|number| number.is_finite());
    }
    clock.decisions += rows as u64;
}

/// Replaces numbers that are not finite with 0, so that a policy gives actions that are.
pub(super) fn replace_not_finite(numbers: &mut [f32]) {
    numbers.iter_mut().filter(|number| !number.is_finite()).for_each(|number| *number = 0.0);
}

/// Replaces an agent's action with its override, if it has a valid one.
pub(super) fn take_over(
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
                "the `ActionOverride` of agent {agent} is {numbers:?}, expected {} finite numbers: it is ignored",
                action.len()
            )
        });
    }
}
