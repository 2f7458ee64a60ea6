use super::{
    AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, PolicyError, PolicyGroup,
    forward::{Activations, PackedNetwork, forward},
};
use crate::kernels::tanh;

/// One behavior's policy: normalized observation in, action in -1 to 1 out.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name, the slots it plays and their sizes.
    pub group: PolicyGroup,
    /// Scaling of the observations.
    pub normalizer: Normalizer,
    /// The network; its outputs go through tanh.
    pub network: Network,
}

/// Reused memory of [`Policy::act`].
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    normalized: Vec<f32>,
    packed: PackedNetwork,
    activations: Activations,
}

impl Policy {
    /// Actions without noise of `rows` observations, both row-major: `[rows, observation_size]` in,
    /// `[rows, action_size]` out.
    ///
    /// # Panics
    /// If the slices do not hold that many numbers.
    pub fn act(&self, observations: &[f32], actions: &mut [f32], rows: usize, scratch: &mut Scratch) {
        let AgentSpec { observation_size, action_size, .. } = self.group.agent;
        assert_eq!(observations.len(), rows * observation_size, "whole rows of observations");
        assert_eq!(actions.len(), rows * action_size, "whole rows of actions");
        let Scratch { normalized, packed, activations } = scratch;
        normalized.clear();
        normalized.extend_from_slice(observations);
        self.normalizer.apply(normalized);
        let Network { shape, parameters } = &self.network;
        packed.pack(shape, parameters);
        forward(shape, parameters, packed, normalized, rows, activations);
        tanh(actions, activations.outputs());
    }
}

/// The policies of all slots of an arena at one moment of training. Immutable; share it in an `Arc`.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySnapshot {
    /// Grows with every publication of one training; 0 is untrained.
    pub version: u64,
    /// Learner updates that made it.
    pub updates: u64,
    /// Seed of the training.
    pub seed: u64,
    /// One policy a group of slots; each slot is in exactly one.
    pub policies: Vec<Policy>,
}

impl PolicySnapshot {
    /// A snapshot whose networks always answer zero: what acts before the learner has spoken.
    pub fn zeros(groups: &[PolicyGroup]) -> Self {
        let policies = groups
            .iter()
            .map(|group| {
                let shape =
                    NetworkShape::new(group.agent.observation_size, &[], group.agent.action_size, false);
                Policy {
                    group: group.clone(),
                    normalizer: Normalizer::identity(group.agent.observation_size),
                    network: Network { parameters: vec![0.0; shape.parameters()], shape },
                }
            })
            .collect();
        Self { version: 0, updates: 0, seed: 0, policies }
    }

    /// These policies, but for the agents at `slots`: they play by those of `other`. So policies of different trainings
    /// meet.
    ///
    /// # Errors
    /// If the two are for different agents.
    pub fn with_slots_of(&self, other: &Self, slots: &[usize]) -> Result<Self, PolicyError> {
        if self.spec() != other.spec() {
            return Err(PolicyError::OtherAgents { ours: self.spec().slots, theirs: other.spec().slots });
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
        Ok(Self { policies, ..*self })
    }

    /// The arena these policies play.
    pub fn spec(&self) -> ArenaSpec {
        let count = self.policies.iter().map(|policy| policy.group.slots.len()).sum();
        let mut slots = vec![None; count];
        for group in self.policies.iter().map(|policy| &policy.group) {
            for &slot in &group.slots {
                slots[slot] = Some(group.agent.clone());
            }
        }
        ArenaSpec { slots: slots.into_iter().flatten().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Policies of an adversary and two agents that share one, which always act `action`.
    fn constant(action: f32, share: bool) -> PolicySnapshot {
        let agent =
            |behavior: &str| AgentSpec { behavior: behavior.into(), observation_size: 2, action_size: 1 };
        let spec = ArenaSpec { slots: vec![agent("adversary"), agent("agent"), agent("agent")] };
        let mut snapshot = PolicySnapshot::zeros(&spec.groups(share).unwrap());
        for policy in &mut snapshot.policies {
            policy.network.parameters[2] = action.atanh();
        }
        snapshot
    }

    fn actions(snapshot: &PolicySnapshot) -> Vec<f32> {
        let mut actions = vec![0.0; 3];
        for policy in &snapshot.policies {
            let mut action = [0.0];
            policy.act(&[0.3, 0.4], &mut action, 1, &mut Scratch::default());
            policy.group.slots.iter().for_each(|&slot| actions[slot] = action[0]);
        }
        actions
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
        let other = PolicySnapshot::zeros(&[]);
        assert!(constant(0.5, true).with_slots_of(&other, &[0]).is_err());
    }
}
