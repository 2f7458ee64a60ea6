use super::{
    AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, PolicyGroup,
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
