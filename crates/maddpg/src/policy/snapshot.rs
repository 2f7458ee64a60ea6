use super::{
    AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, PolicyError, PolicyGroup,
    choices::softmax,
    forward::{Activations, PackedNetwork, forward},
};
use crate::kernels::tanh;

/// The policy of one behavior: it maps an observation to an action. Immutable.
#[derive(Debug, Clone)]
pub struct Policy {
    group: PolicyGroup,
    normalizer: Normalizer,
    network: Network,
    /// The network's weights in the layout that the forward pass reads.
    packed: PackedNetwork,
}

/// Reusable buffers of [`Policy::act`].
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    normalized: Vec<f32>,
    activations: Activations,
}

impl PartialEq for Policy {
    /// The packed weights are a copy of the network's, padded to the alignment of their memory.
    fn eq(&self, other: &Self) -> bool {
        (&self.group, &self.normalizer, &self.network) == (&other.group, &other.normalizer, &other.network)
    }
}

impl Policy {
    /// A policy for the agents of `group`. The first outputs of `network`, after tanh, are the numbers of its actions.
    /// The other outputs are the logits of the choices.
    ///
    /// # Errors
    /// [`PolicyError::Invalid`] if a size does not match the agents or a number is not finite.
    pub fn new(group: PolicyGroup, normalizer: Normalizer, network: Network) -> Result<Self, PolicyError> {
        let (observation_size, action_size) = (group.agent.observation_size, group.agent.action_size());
        let Network { shape, parameters } = &network;
        let sizes = [
            ("inputs of the network", shape.inputs(), observation_size),
            ("outputs of the network", shape.outputs(), action_size),
            ("parameters", parameters.len(), shape.parameters()),
            ("means of the normalizer", normalizer.mean.len(), observation_size),
            ("scales of the normalizer", normalizer.scale.len(), observation_size),
        ];
        let wrong_size = sizes.into_iter().find(|(_, found, expected)| found != expected);
        let mut numbers = parameters.iter().chain(&normalizer.mean).chain(&normalizer.scale);
        let reason = match wrong_size {
            Some((what, found, expected)) => format!("it has {found} {what}, expected {expected}"),
            None if numbers.any(|number| !number.is_finite()) => "it has a number that is not finite".into(),
            None => {
                let mut packed = PackedNetwork::default();
                packed.pack(shape, parameters);
                return Ok(Self { group, normalizer, network, packed });
            }
        };
        Err(PolicyError::Invalid { policy: group.name, reason })
    }

    /// The policy's name, the slots it plays, and the sizes of observations and actions.
    pub fn group(&self) -> &PolicyGroup {
        &self.group
    }

    /// The scaling of the observations.
    pub fn normalizer(&self) -> &Normalizer {
        &self.normalizer
    }

    /// The network. Its outputs are the numbers of the action before the tanh, then the logits of the choices.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Computes the actions for `rows` observations, without exploration: in each branch, it makes the most likely of
    /// the possible choices. `observations` is `[rows, observation_size]`; `masks` is `[rows, choices]`, 1 for each
    /// possible choice and 0 for the others, or empty if all choices are possible; `actions` is `[rows, action_size]`.
    /// All are row-major.
    ///
    /// # Panics
    /// If a slice has a different length.
    pub fn act(
        &self,
        observations: &[f32],
        masks: &[f32],
        actions: &mut [f32],
        rows: usize,
        scratch: &mut Scratch,
    ) {
        self.distribution(observations, masks, actions, rows, scratch);
        let space = &self.group.agent.action;
        if !space.branches().is_empty() {
            actions.chunks_exact_mut(space.size()).for_each(|action| space.choose_best(action));
        }
    }

    /// As [`act`](Self::act), but gives the probability of each choice instead of making one. A choice that is not possible has the
    /// probability 0. [`ActionSpace::sample`](super::ActionSpace::sample) and
    /// [`ActionSpace::choose_best`](super::ActionSpace::choose_best) turn a row into an action.
    ///
    /// # Panics
    /// If a slice has a different length.
    pub fn distribution(
        &self,
        observations: &[f32],
        masks: &[f32],
        actions: &mut [f32],
        rows: usize,
        scratch: &mut Scratch,
    ) {
        let AgentSpec { observation_size, action: space, .. } = &self.group.agent;
        let choices = space.choices();
        assert_eq!(observations.len(), rows * observation_size, "`observations` must hold `rows` rows");
        assert_eq!(actions.len(), rows * space.size(), "`actions` must hold `rows` rows");
        assert!(masks.is_empty() || masks.len() == rows * choices, "`masks` must hold `rows` rows");
        let Scratch { normalized, activations } = scratch;
        normalized.clear();
        normalized.extend_from_slice(observations);
        self.normalizer.apply(normalized);
        let Network { shape, parameters } = &self.network;
        forward(shape, parameters, &self.packed, normalized, rows, activations);
        tanh(actions, activations.outputs());
        if choices == 0 {
            return;
        }
        let outputs = activations.outputs().chunks_exact(space.size());
        for (row, (action, output)) in actions.chunks_exact_mut(space.size()).zip(outputs).enumerate() {
            let mask = masks.get(row * choices..(row + 1) * choices);
            for branch in 0..space.branches().len() {
                let columns = space.columns(branch);
                let mask = mask.map(|mask| &mask[space.mask_columns(branch)]);
                action[columns.clone()].copy_from_slice(&output[columns.clone()]);
                softmax(&mut action[columns], mask.unwrap_or(&[]));
            }
        }
    }
}

/// The policies of all slots of an arena at one moment of training. Immutable; share it in an `Arc`.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySnapshot {
    version: u64,
    updates: u64,
    seed: u64,
    decision_seconds: Option<f64>,
    policies: Vec<Policy>,
    spec: ArenaSpec,
}

impl PolicySnapshot {
    /// The policies of an arena, from a training run with this `seed`, after this many `updates`.
    ///
    /// # Errors
    /// [`PolicyError::Slots`] if the policies do not play each slot from 0 up exactly once.
    pub fn new(version: u64, updates: u64, seed: u64, policies: Vec<Policy>) -> Result<Self, PolicyError> {
        let mut slots: Vec<(usize, &AgentSpec)> = policies
            .iter()
            .flat_map(|policy| policy.group.slots.iter().map(|&slot| (slot, &policy.group.agent)))
            .collect();
        slots.sort_unstable_by_key(|(slot, _)| *slot);
        if slots.is_empty() || slots.iter().enumerate().any(|(index, (slot, _))| index != *slot) {
            return Err(PolicyError::Slots { slots: slots.into_iter().map(|(slot, _)| slot).collect() });
        }
        let spec = ArenaSpec::new(slots.into_iter().map(|(_, agent)| agent.clone()).collect());
        Ok(Self { version, updates, seed, decision_seconds: None, policies, spec })
    }

    /// Increases with each snapshot that a training run publishes; 0 means untrained.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Number of learner updates that produced these policies.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The seed of the training run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time from one decision to the next in the game that trained these policies, in seconds of that game. `None` if it was not
    /// stored, or if it was not always the same.
    pub fn decision_seconds(&self) -> Option<f64> {
        self.decision_seconds
    }

    /// Stores the time from one decision to the next, in seconds of the game, so that a game that decides more or less often can
    /// notice the difference.
    #[must_use]
    pub fn with_decision_seconds(self, decision_seconds: Option<f64>) -> Self {
        Self { decision_seconds, ..self }
    }

    /// The policies. Each slot of the arena is played by exactly one of them.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Policies whose numbers are always zero and whose choices all have the same probability. Use them, for example,
    /// to start a game before anything has been trained.
    ///
    /// # Errors
    /// [`PolicyError::Slots`] if the groups do not contain each slot from 0 up exactly once.
    pub fn zeros(groups: &[PolicyGroup]) -> Result<Self, PolicyError> {
        let policies = groups.iter().map(|group| {
            let observation_size = group.agent.observation_size;
            let shape = NetworkShape::new(observation_size, &[], group.agent.action_size(), false);
            let network = Network { parameters: vec![0.0; shape.parameters()], shape };
            Policy::new(group.clone(), Normalizer::identity(observation_size), network)
        });
        Self::new(0, 0, 0, policies.collect::<Result<_, _>>()?)
    }

    /// A copy in which the agents at `slots` use the policies of `other`. Use it to let policies from different
    /// training runs play against each other.
    ///
    /// # Errors
    /// [`PolicyError::OtherAgents`] if the two snapshots are for different agents.
    pub fn with_slots_of(&self, other: &Self, slots: &[usize]) -> Result<Self, PolicyError> {
        if let Some(difference) = self.spec.difference_in_play(&other.spec) {
            return Err(PolicyError::OtherAgents { difference });
        }
        let part = |snapshot: &Self, theirs: bool| {
            let of_slots = move |policy: &Policy| {
                let mut policy = policy.clone();
                policy.group.slots.retain(|slot| slots.contains(slot) == theirs);
                (!policy.group.slots.is_empty()).then_some(policy)
            };
            snapshot.policies.iter().filter_map(of_slots).collect::<Vec<_>>()
        };
        let (mut policies, others) = (part(self, false), part(other, true));
        for mut policy in others {
            while policies.iter().any(|known| known.group.name == policy.group.name) {
                policy.group.name.push('\'');
            }
            policies.push(policy);
        }
        let snapshot = Self::new(self.version, self.updates, self.seed, policies)?;
        Ok(snapshot.with_decision_seconds(self.decision_seconds))
    }

    /// The agents that these policies are for, by slot.
    pub fn spec(&self) -> &ArenaSpec {
        &self.spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ActionSpace;

    /// Policies for one adversary and two agents of one behavior. Every agent always acts `action`.
    fn constant(action: f32, share: bool) -> PolicySnapshot {
        let agent = |behavior: &str| AgentSpec::new(behavior, 2, 1);
        let spec = ArenaSpec::new(vec![agent("adversary"), agent("agent"), agent("agent")]);
        let groups = spec.groups(share).unwrap();
        let policies = groups.into_iter().map(|group| {
            let shape = NetworkShape::new(2, &[], 1, false);
            let network = Network { shape, parameters: vec![0.0, 0.0, action.atanh()] };
            Policy::new(group, Normalizer::identity(2), network).unwrap()
        });
        PolicySnapshot::new(0, 0, 0, policies.collect()).unwrap()
    }

    fn actions(snapshot: &PolicySnapshot) -> Vec<f32> {
        let mut actions = vec![0.0; 3];
        for policy in &snapshot.policies {
            let mut action = [0.0];
            policy.act(&[0.3, 0.4], &[], &mut action, 1, &mut Scratch::default());
            policy.group.slots.iter().for_each(|&slot| actions[slot] = action[0]);
        }
        actions
    }

    #[test]
    fn a_policy_with_a_wrong_size_or_a_number_that_is_not_finite_is_refused() {
        let group = constant(0.5, true).policies()[0].group().clone();
        let network = |inputs, number: f32| {
            let shape = NetworkShape::new(inputs, &[], 1, false);
            Network { parameters: vec![number; shape.parameters()], shape }
        };
        let error =
            |normalizer, network| Policy::new(group.clone(), normalizer, network).unwrap_err().to_string();
        let sizes = error(Normalizer::identity(2), network(3, 0.0));
        assert!(sizes.contains("3 inputs of the network, expected 2"), "{sizes}");
        let means = error(Normalizer::identity(1), network(2, 0.0));
        assert!(means.contains("1 means of the normalizer, expected 2"), "{means}");
        assert!(error(Normalizer::identity(2), network(2, f32::NAN)).contains("not finite"));
    }

    #[test]
    fn a_policy_chooses_the_most_likely_choice_that_is_possible() {
        let action = ActionSpace::default()
            .with_number("aim")
            .with_choices("move", 3)
            .with_choices("throw", 2)
            .only_with("aim", "throw", "1");
        let agent = AgentSpec::new("a", 1, 0).with_action(action);
        let group = ArenaSpec::new(vec![agent]).groups(true).unwrap().remove(0);
        // Without an observation, the outputs are the biases.
        let parameters = [vec![0.0; 6], vec![0.5, 1.0, 3.0, 2.0, 0.0, 1.0]].concat();
        let network = Network { shape: NetworkShape::new(1, &[], 6, false), parameters };
        let policy = Policy::new(group, Normalizer::identity(1), network).unwrap();
        let (mut actions, mut scratch) = ([0.0; 12], Scratch::default());
        policy.act(&[0.0; 2], &[], &mut actions, 2, &mut scratch);
        assert!((actions[0] - libm::tanhf(0.5)).abs() < 1e-6);
        assert_eq!(actions[1..6], [0.0, 1.0, 0.0, 0.0, 1.0]);
        let masks = [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
        policy.act(&[0.0; 2], &masks, &mut actions, 2, &mut scratch);
        assert_eq!(actions[1..6], [0.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(actions[6..], [0.0, 0.0, 1.0, 0.0, 1.0, 0.0], "who does not throw does not aim");
        policy.distribution(&[0.0; 2], &masks, &mut actions, 2, &mut scratch);
        assert_eq!((actions[2], actions[11]), (0.0, 0.0));
        assert!((actions[1] - 1.0 / (1.0 + libm::expf(1.0))).abs() < 1e-6);
    }

    #[test]
    fn a_snapshot_plays_each_slot_once() {
        let [adversary, agents] = [0, 1].map(|index| constant(0.5, true).policies()[index].clone());
        let error = |policies| PolicySnapshot::new(0, 0, 0, policies).unwrap_err().to_string();
        assert!(error(vec![agents.clone()]).contains("[1, 2]"));
        assert!(error(vec![adversary.clone(), agents, adversary]).contains("[0, 0, 1, 2]"));
        assert!(PolicySnapshot::zeros(&[]).is_err());
    }

    #[test]
    fn policies_that_scale_other_numbers_meet() {
        let ours = constant(0.5, true);
        let mut policies = constant(-0.5, true).policies;
        policies[1].group.agent.raw.push(0..1);
        let theirs = PolicySnapshot::new(0, 0, 0, policies).unwrap();
        let mixed = ours.with_slots_of(&theirs, &[2]).unwrap();
        let found = actions(&mixed);
        assert!(found.iter().zip([0.5, 0.5, -0.5]).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn policies_of_two_trainings_meet() {
        for (ours, theirs) in [(true, true), (true, false), (false, true)] {
            let (ours, theirs) = (constant(0.5, ours), constant(-0.5, theirs));
            for (slots, expected) in
                [(vec![0], [-0.5, 0.5, 0.5]), (vec![1, 2], [0.5, -0.5, -0.5]), (vec![2], [0.5, 0.5, -0.5])]
            {
                let mixed = ours.with_slots_of(&theirs, &slots).unwrap();
                assert_eq!(mixed.spec(), ours.spec());
                let found = actions(&mixed);
                assert!(
                    found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
                    "{slots:?}: {found:?}"
                );
                let folder = tempfile::tempdir().unwrap();
                mixed.save(folder.path().join("mixed")).unwrap();
                assert_eq!(PolicySnapshot::load(folder.path().join("mixed")).unwrap(), mixed);
            }
        }
        let alone = PolicySnapshot::zeros(&constant(0.5, true).spec().groups(true).unwrap()[..1]).unwrap();
        let error = constant(0.5, true).with_slots_of(&alone, &[0]).unwrap_err().to_string();
        assert!(error.contains("3 agents") && error.contains("instead of 1"), "{error}");
    }
}
