use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AgentSpec, Network, NetworkShape, Normalizer, Policy, PolicyGroup, PolicySnapshot};
use crate::tensor_file::{self, FileError, Tensor, Tensors};

/// The `format` of a policy file.
const FORMAT: &str = "bevy_maddpg policy v1";

/// A policy that could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is missing, damaged or not a policy.
    #[error(transparent)]
    File(#[from] FileError),
    /// Policies for other agents.
    #[error("the policies are for different agents: {ours:?} and {theirs:?}")]
    OtherAgents {
        /// The agents of the one.
        ours: Vec<AgentSpec>,
        /// The agents of the other.
        theirs: Vec<AgentSpec>,
    },
}

/// Everything about a snapshot but its numbers.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u64,
    updates: u64,
    seed: u64,
    policies: Vec<PolicyHeader>,
}

#[derive(Serialize, Deserialize)]
struct PolicyHeader {
    name: String,
    slots: Vec<usize>,
    agent: AgentSpec,
    hidden: Vec<usize>,
    layer_norm: bool,
    /// The clip of the observations; `None` where they are not clipped.
    #[serde(default = "scaled")]
    clip: Option<f32>,
}

/// The clip of policies that do not name theirs.
fn scaled() -> Option<f32> {
    Some(Normalizer::CLIP)
}

impl PolicySnapshot {
    /// Writes the policy file: one `.safetensors` file with the weights `NAME.LAYER.weights` `[inputs, outputs]`,
    /// `NAME.LAYER.bias` and the normalizers, and with names, slots, sizes, version, updates and seed in its
    /// metadata. The file is replaced whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PolicyError> {
        let mut tensors = Tensors::new();
        for policy in &self.policies {
            write_policy(policy, &mut tensors);
        }
        let policies = self.policies.iter().map(|policy| PolicyHeader {
            name: policy.group.name.clone(),
            slots: policy.group.slots.clone(),
            agent: policy.group.agent.clone(),
            hidden: policy.network.shape.hidden(),
            layer_norm: policy.network.shape.layer_norm(),
            clip: policy.normalizer.clip.is_finite().then_some(policy.normalizer.clip),
        });
        let header = Header {
            version: self.version,
            updates: self.updates,
            seed: self.seed,
            policies: policies.collect(),
        };
        Ok(tensor_file::write(path.as_ref(), FORMAT, &header, &tensors)?)
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// If the file is missing, truncated, damaged or not a policy; the text says which.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        let path = path.as_ref();
        let (header, tensors) = tensor_file::read(path, FORMAT)?;
        Ok(read_snapshot(header, tensors).map_err(|reason| FileError::damaged(path, FORMAT, reason))?)
    }

    /// Reads the content of a policy file, as [`include_bytes!`] gives it.
    ///
    /// # Errors
    /// If the content is truncated, damaged or not a policy.
    pub fn from_bytes(content: &[u8]) -> Result<Self, PolicyError> {
        let snapshot =
            tensor_file::parse(content, FORMAT).and_then(|(header, tensors)| read_snapshot(header, tensors));
        Ok(snapshot.map_err(|reason| FileError::damaged(Path::new("<bytes>"), FORMAT, reason))?)
    }
}

fn write_policy(policy: &Policy, tensors: &mut Tensors) {
    let name = &policy.group.name;
    let mut put = |suffix: &str, shape: &[usize], data: &[f32]| {
        let tensor = Tensor { shape: shape.to_vec(), data: data.to_vec() };
        tensors.insert(format!("{name}.{suffix}"), tensor);
    };
    let Network { shape, parameters } = &policy.network;
    for (index, layer) in shape.layers().iter().enumerate() {
        let outputs = layer.outputs;
        put(&format!("{index}.weights"), &[layer.inputs, outputs], &parameters[layer.weights.clone()]);
        put(&format!("{index}.bias"), &[outputs], &parameters[layer.bias.clone()]);
        if let Some([gain, shift]) = &layer.norm {
            put(&format!("{index}.gain"), &[outputs], &parameters[gain.clone()]);
            put(&format!("{index}.shift"), &[outputs], &parameters[shift.clone()]);
        }
    }
    put("normalizer.mean", &[policy.normalizer.mean.len()], &policy.normalizer.mean);
    put("normalizer.scale", &[policy.normalizer.scale.len()], &policy.normalizer.scale);
}

fn read_snapshot(header: Header, mut tensors: Tensors) -> Result<PolicySnapshot, String> {
    let policies = header.policies.into_iter().map(|policy| read_policy(policy, &mut tensors));
    let snapshot = PolicySnapshot {
        version: header.version,
        updates: header.updates,
        seed: header.seed,
        policies: policies.collect::<Result<Vec<_>, _>>()?,
    };
    let mut slots: Vec<usize> = snapshot.policies.iter().flat_map(|p| p.group.slots.clone()).collect();
    slots.sort_unstable();
    if slots.is_empty() || slots.iter().enumerate().any(|(index, &slot)| index != slot) {
        return Err(format!("its policies play the slots {slots:?}, expected each from 0 on once"));
    }
    if let Some(name) = tensors.keys().next() {
        return Err(format!("it holds a tensor `{name}` that belongs to none of its policies"));
    }
    Ok(snapshot)
}

fn read_policy(header: PolicyHeader, tensors: &mut Tensors) -> Result<Policy, String> {
    let PolicyHeader { name, agent, .. } = &header;
    let mut take = |suffix: &str, shape: &[usize]| {
        let key = format!("{name}.{suffix}");
        let tensor = tensors.remove(&key).ok_or_else(|| format!("it has no tensor `{key}`"))?;
        if tensor.shape != shape {
            return Err(format!("its tensor `{key}` has the shape {:?}, expected {shape:?}", tensor.shape));
        }
        if tensor.data.iter().any(|x| !x.is_finite()) {
            return Err(format!("its tensor `{key}` holds a number that is not finite"));
        }
        Ok(tensor.data)
    };
    let shape =
        NetworkShape::new(agent.observation_size, &header.hidden, agent.action_size, header.layer_norm);
    let mut parameters = vec![0.0; shape.parameters()];
    for (index, layer) in shape.layers().iter().enumerate() {
        let outputs = layer.outputs;
        let weights = take(&format!("{index}.weights"), &[layer.inputs, outputs])?;
        parameters[layer.weights.clone()].copy_from_slice(&weights);
        parameters[layer.bias.clone()].copy_from_slice(&take(&format!("{index}.bias"), &[outputs])?);
        if let Some([gain, shift]) = &layer.norm {
            parameters[gain.clone()].copy_from_slice(&take(&format!("{index}.gain"), &[outputs])?);
            parameters[shift.clone()].copy_from_slice(&take(&format!("{index}.shift"), &[outputs])?);
        }
    }
    let normalizer = Normalizer {
        mean: take("normalizer.mean", &[agent.observation_size])?,
        scale: take("normalizer.scale", &[agent.observation_size])?,
        clip: header.clip.unwrap_or(f32::INFINITY),
    };
    Ok(Policy {
        group: PolicyGroup { name: header.name, slots: header.slots, agent: header.agent },
        normalizer,
        network: Network { shape, parameters },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ArenaSpec;

    fn snapshot() -> PolicySnapshot {
        let agent =
            |behavior: &str| AgentSpec { behavior: behavior.into(), observation_size: 3, action_size: 2 };
        let spec = ArenaSpec { slots: vec![agent("a"), agent("b"), agent("a")] };
        let mut snapshot = PolicySnapshot::zeros(&spec.groups(true).unwrap());
        let shape = NetworkShape::new(3, &[4], 2, true);
        snapshot.policies[1].network =
            Network { parameters: (0..shape.parameters()).map(|k| k as f32 * 0.5).collect(), shape };
        snapshot.version = 7;
        snapshot
    }

    #[test]
    fn a_policy_comes_back_as_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        snapshot().save(&path).unwrap();
        assert_eq!(PolicySnapshot::load(&path).unwrap(), snapshot());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused_or_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        snapshot().save(&path).unwrap();
        let content = std::fs::read(&path).unwrap();
        for length in (0..content.len()).step_by(7) {
            assert!(PolicySnapshot::from_bytes(&content[..length]).is_err(), "truncated to {length}");
        }
        for bit in 0..content.len() * 8 {
            let mut damaged = content.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = PolicySnapshot::from_bytes(&damaged) {
                assert_eq!(read, snapshot(), "bit {bit} changed the policy unnoticed");
            }
        }
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let missing = PolicySnapshot::load(folder.path().join("none.safetensors")).unwrap_err().to_string();
        assert!(missing.contains("none.safetensors") && missing.contains("cannot read"), "{missing}");
        let path = folder.path().join("text.safetensors");
        std::fs::write(&path, "hello").unwrap();
        let text = PolicySnapshot::load(&path).unwrap_err().to_string();
        assert!(text.contains("text.safetensors") && text.contains("policy"), "{text}");
    }
}
