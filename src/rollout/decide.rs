use bevy::prelude::*;

use super::{
    ActingPolicy, Arenas, Experience, RolloutClock,
    plan::{Plan, SlotBatch},
    rows::Rows,
};
use crate::{
    agent::{
        Action, ActionMask, ActionOverride, DecisionClock, Life, Observation, PolicyOverride, Reward,
        Untrained,
    },
    arena::Episode,
    exploration::{ExplorationConfig, Explorer},
    policy::{ActionSpace, AgentSpec},
    problems::Problems,
    random::{Random, stream},
};

/// How the agents explore, and how they choose.
#[derive(Resource, Debug)]
pub struct Exploration {
    /// How agents explore.
    pub config: ExplorationConfig,
    /// Whether they explore. If not, an action is the policy's output alone.
    pub enabled: bool,
    /// Whether agents that do not explore draw their choices with the probabilities of the policy. If not, they make the
    /// most likely choice. Default: false. Use it for opponents that should not be predictable.
    pub samples: bool,
    seed: u64,
    /// Draws the choices of agents outside of the arenas' rows.
    others: Random,
    arenas: Vec<(Explorer, Random)>,
    /// Number of random streams started so far.
    streams: u64,
}

impl Exploration {
    pub(super) fn new(config: ExplorationConfig, seed: u64) -> Self {
        let others = stream(seed, "choices of others", 0);
        Self { config, enabled: true, samples: false, seed, others, arenas: Vec::new(), streams: 0 }
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

    /// Starts an episode of arena `index`, in which the agents explore or not, and returns the scale of its noise.
    pub(super) fn begin(&mut self, index: usize, decisions: u64, explores: bool) -> f32 {
        let (explorer, random) = &mut self.arenas[index];
        explorer.begin(&self.config, decisions, random);
        if !explores {
            explorer.rest();
        }
        if self.enabled { explorer.scale() } else { 0.0 }
    }

    /// Turns the outputs of the policies for arena `index` into the joint action of these agents.
    fn explore(
        &mut self,
        index: usize,
        decisions: u64,
        agents: &[AgentSpec],
        masks: &[f32],
        action: &mut [f32],
    ) {
        let (explorer, random) = &mut self.arenas[index];
        explorer.count(&self.config, decisions, random);
        if self.enabled && decisions < self.config.random_decisions {
            explorer.act_randomly(&self.config, agents, masks, action, random);
        } else if self.enabled && explorer.scale() > 0.0 {
            explorer.perturb(&self.config, agents, masks, action, random);
        } else {
            let mut start = 0;
            for space in agents.iter().map(|agent| &agent.action) {
                let own = &mut action[start..start + space.size()];
                choose(space, own, self.samples.then_some(&mut *random));
                start += space.size();
            }
        }
    }

    /// Makes the choices of an agent outside of the arenas' rows.
    pub(super) fn choose(&mut self, space: &ActionSpace, action: &mut [f32]) {
        choose(space, action, self.samples.then_some(&mut self.others));
    }
}

/// Turns probabilities into choices: draws them if there is a random stream, otherwise makes the most likely ones.
fn choose(space: &ActionSpace, action: &mut [f32], random: Option<&mut Random>) {
    match random {
        _ if space.branches().is_empty() => {}
        Some(random) => space.sample(action, &[], 0.0, random),
        None => space.choose_best(action),
    }
}

/// Memory that [`decide`] reuses.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    observations: Vec<f32>,
    masks: Vec<f32>,
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
        let (observation_size, action_size) = (spec.joint_observation_size(), spec.joint_action_size());
        let choices = spec.joint_choices();
        rows.observe(arenas.of_kind(kind), &agents);
        let Rows { observations, masks, actions, open, starts, decides, ages, .. } = rows;
        let all_finite = observations.iter().all(|number| number.is_finite());
        for SlotBatch { source, policy, slots } in &plan.kinds[kind] {
            let (snapshot, scratch) = acting.parts(*source);
            let policy = &snapshot.policies()[*policy];
            let agent = &policy.group().agent;
            let Gathered { observations: rows_in, masks: masks_in, actions: rows_out } = &mut *gathered;
            rows_in.clear();
            masks_in.clear();
            let mut count = 0;
            let of_slots = || {
                decides
                    .chunks_exact(spec.agents())
                    .map(|decides| slots.iter().filter(|slot| decides[**slot]).copied())
            };
            for (row, (joint, slots)) in
                observations.chunks_exact(observation_size).zip(of_slots()).enumerate()
            {
                for slot in slots {
                    let own = &joint[spec.observation_offset(slot)..][..agent.observation_size];
                    rows_in.extend_from_slice(own);
                    if choices > 0 {
                        let masks = &masks[row * choices + spec.choice_offset(slot)..];
                        masks_in.extend_from_slice(&masks[..agent.action.choices()]);
                    }
                    count += 1;
                }
            }
            if !all_finite {
                replace_not_finite(rows_in);
            }
            let own_size = agent.action_size();
            rows_out.resize(count * own_size, 0.0);
            policy.distribution(rows_in, masks_in, rows_out, count, scratch);
            let mut results = rows_out.chunks_exact(own_size);
            for (joint, slots) in actions.chunks_exact_mut(action_size).zip(of_slots()) {
                for (slot, action) in slots.zip(&mut results) {
                    joint[spec.action_offset(slot)..][..own_size].copy_from_slice(action);
                }
            }
        }

        let decisions = arenas.kinds()[kind].decisions;
        let mut made = 0;
        for (row, &index) in arenas.kinds()[kind].rows.iter().enumerate() {
            let entry = &arenas.entries()[index];
            let Ok(mut episode) = episodes.get_mut(entry.arena) else { continue };
            let decides = &decides[row * spec.agents()..][..spec.agents()];
            let ages = &ages[row * spec.agents()..][..spec.agents()];
            if !starts[row] {
                if episode.decisions > 0 {
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
            let joint = &mut actions[row * action_size..][..action_size];
            let joint_mask = &masks[row * choices..(row + 1) * choices];
            exploration.explore(index, decisions, &spec.slots, joint_mask, joint);
            let mut offset = 0;
            for (((slot, agent), decides), age) in spec.slots.iter().zip(&entry.agents).zip(decides).zip(ages)
            {
                let own = &mut joint[offset..offset + slot.action_size()];
                offset += own.len();
                if !decides {
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
                if *age > 0 {
                    own.copy_from_slice(&action);
                    continue;
                }
                if is_decided {
                    own.copy_from_slice(&action);
                }
                take_over(&slot.action, own, taken_over, agent, &mut problems);
                action.set(own);
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

/// Replaces an agent's action with its override, if it has a valid one. Returns whether it has.
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
