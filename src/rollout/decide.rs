use bevy::prelude::*;

use super::{ActingPolicy, Arenas, Experience, RolloutClock};
use crate::{
    agent::{Action, ActionOverride, Observation},
    arena::Episode,
    exploration::{ExplorationConfig, Explorer},
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
}

impl Exploration {
    pub(super) fn new(config: ExplorationConfig, seed: u64) -> Self {
        Self { config, enabled: true, seed, arenas: Vec::new() }
    }

    /// Makes room for `arenas` arenas, each with a random stream of its own.
    pub(super) fn fit(&mut self, arenas: usize) {
        let first = self.arenas.len() as u64;
        self.arenas.truncate(arenas);
        let streams = (first..arenas as u64).map(|index| stream(self.seed, "exploration", index));
        self.arenas.extend(streams.map(|random| (Explorer::default(), random)));
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

/// Asks the policies for the actions of all arenas at once, adds exploration noise and writes the actions.
#[expect(clippy::too_many_arguments, reason = "a system asks for what it reads and writes")]
pub(super) fn decide(
    arenas: Res<Arenas>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    mut exploration: ResMut<Exploration>,
    mut clock: ResMut<RolloutClock>,
    mut episodes: Query<&mut Episode>,
    mut agents: Query<(&Observation, &mut Action, Option<&ActionOverride>)>,
    mut gathered: Local<Gathered>,
) -> Result {
    let Some((snapshot, scratch)) = acting.parts() else {
        return Ok(());
    };
    let spec = arenas.spec();
    let (observation_size, action_size) = (spec.joint_observation_size(), spec.joint_action_size());
    let Experience { observations, actions, open, .. } = &mut *experience;

    observations.clear();
    for entry in arenas.entries() {
        for (observation, ..) in agents.iter_many(&entry.agents) {
            observations.extend_from_slice(observation.stacked());
        }
    }

    let Gathered { observations: rows_in, actions: rows_out } = &mut *gathered;
    for policy in snapshot.policies() {
        let group = policy.group();
        let agent = &group.agent;
        rows_in.clear();
        for joint in observations.chunks_exact(observation_size) {
            for &slot in &group.slots {
                rows_in.extend_from_slice(&joint[spec.observation_offset(slot)..][..agent.observation_size]);
            }
        }
        let rows = arenas.len() * group.slots.len();
        rows_out.resize(rows * agent.action_size, 0.0);
        policy.act(rows_in, rows_out, rows, scratch);
        let mut decided = rows_out.chunks_exact(agent.action_size);
        for joint in actions.chunks_exact_mut(action_size) {
            for (&slot, action) in group.slots.iter().zip(&mut decided) {
                joint[spec.action_offset(slot)..][..agent.action_size].copy_from_slice(action);
            }
        }
    }

    let decisions = clock.decisions;
    for (index, (entry, joint)) in
        arenas.entries().iter().zip(actions.chunks_exact_mut(action_size)).enumerate()
    {
        exploration.explore(index, decisions, joint);
        let mut offset = 0;
        let mut members = agents.iter_many_mut(&entry.agents);
        while let Some((_, mut action, taken_over)) = members.fetch_next() {
            let own = &mut joint[offset..offset + action.0.len()];
            if let Some(ActionOverride(numbers)) = taken_over {
                own.iter_mut().zip(numbers).for_each(|(own, number)| *own = number.clamp(-1.0, 1.0));
            }
            action.0.copy_from_slice(own);
            offset += own.len();
        }
        open[index] = true;
        episodes.get_mut(entry.arena)?.decisions += 1;
    }
    clock.decisions += arenas.len() as u64;
    Ok(())
}
