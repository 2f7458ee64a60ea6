use bevy::prelude::*;

use super::{
    ActingPolicy, Arenas, Experience, RolloutClock,
    experience::Rows,
    plan::{Plan, SlotBatch},
};
use crate::{
    agent::{Action, ActionOverride, Life, Observation, PolicyOverride, Reward, Untrained},
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
pub(super) type Member<'a> = (
    &'a Observation,
    &'a mut Action,
    &'a mut Reward,
    &'a Life,
    Option<&'a ActionOverride>,
    Has<PolicyOverride>,
    Has<Untrained>,
);

/// Queries the policies for all arenas at once, adds exploration noise and writes the actions. Counts the decision of every
/// arena.
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
        let (observation_size, action_size) = (spec.joint_observation_size(), spec.joint_action_size());
        rows.observe(arenas.of_kind(kind), &agents);
        let Rows { observations, actions, open, decided, .. } = rows;
        let all_finite = observations.iter().all(|number| number.is_finite());
        actions.fill(0.0);
        for SlotBatch { source, policy, slots } in &plan.kinds[kind] {
            let (snapshot, scratch) = acting.parts(*source);
            let policy = &snapshot.policies()[*policy];
            let agent = &policy.group().agent;
            let Gathered { observations: rows_in, actions: rows_out } = &mut *gathered;
            rows_in.clear();
            let mut count = 0;
            let of_slots = || {
                decided
                    .chunks_exact(spec.agents())
                    .map(|decided| slots.iter().filter(|slot| decided[**slot]).copied())
            };
            for (joint, slots) in observations.chunks_exact(observation_size).zip(of_slots()) {
                for slot in slots {
                    let own = &joint[spec.observation_offset(slot)..][..agent.observation_size];
                    rows_in.extend_from_slice(own);
                    count += 1;
                }
            }
            if !all_finite {
                replace_not_finite(rows_in);
            }
            rows_out.resize(count * agent.action_size, 0.0);
            policy.act(rows_in, rows_out, count, scratch);
            let mut results = rows_out.chunks_exact(agent.action_size);
            for (joint, slots) in actions.chunks_exact_mut(action_size).zip(of_slots()) {
                for (slot, action) in slots.zip(&mut results) {
                    joint[spec.action_offset(slot)..][..agent.action_size].copy_from_slice(action);
                }
            }
        }

        let decisions = arenas.kinds()[kind].decisions;
        let mut made = 0;
        for (row, &index) in arenas.kinds()[kind].rows.iter().enumerate() {
            let entry = &arenas.entries()[index];
            let Ok(mut episode) = episodes.get_mut(entry.arena) else { continue };
            let decided = &decided[row * spec.agents()..][..spec.agents()];
            if !decided.contains(&true) {
                open[row] = false;
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
            made += 1;
            let joint = &mut actions[row * action_size..][..action_size];
            exploration.explore(index, decisions, joint);
            let mut offset = 0;
            for ((slot, agent), decided) in spec.slots.iter().zip(&entry.agents).zip(decided) {
                let own = &mut joint[offset..offset + slot.action_size];
                offset += own.len();
                if !decided {
                    own.fill(0.0);
                }
                let Some(agent) = *agent else { continue };
                let Ok((_, mut action, _, life, taken_over, is_decided, _)) = agents.get_mut(agent) else {
                    continue;
                };
                if life.is_over() {
                    action.0.fill(0.0);
                    continue;
                }
                if is_decided {
                    own.copy_from_slice(&action.0);
                }
                take_over(own, taken_over, agent, &mut problems);
                action.0.copy_from_slice(own);
            }
            let observed = &observations[row * observation_size..][..observation_size];
            open[row] = all_finite || observed.iter().all(|number| number.is_finite());
        }
        arenas.bypass_change_detection().kinds[kind].decisions += made;
        clock.decisions += made;
    }
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
