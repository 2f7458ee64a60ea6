use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, Policy, PolicyGroup, PolicySnapshot};
use crate::tensor_file::{self, FileError, Tensor, Tensors};

/// The `format` of a policy file.
const FORMAT: &str = "bevy_maddpg policy v1";

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is missing, damaged or not a policy file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The two snapshots are for different agents.
    #[error("the policies are for different agents: {ours}; and {theirs}")]
    OtherAgents {
        /// The agents of one snapshot.
        ours: ArenaSpec,
        /// The agents of the other.
        theirs: ArenaSpec,
    },
    /// The parts of a policy do not fit together.
    #[error("the policy `{policy}` cannot be used: {reason}")]
    Invalid {
        /// The name of the policy.
        policy: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// Some slot has no policy, or more than one.
    #[error("the policies play the slots {slots:?}, but each slot from 0 up needs exactly one policy")]
    Slots {
        /// The slots that the policies play, sorted.
        slots: Vec<usize>,
    },
}

/// Everything in a snapshot except its tensors.
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
    /// Clip of the observations; `None` if they are not clipped.
    #[serde(default = "scaled")]
    clip: Option<f32>,
}

/// The clip of policies whose file does not contain one.
fn scaled() -> Option<f32> {
    Some(Normalizer::CLIP)
}

impl PolicySnapshot {
    /// Writes a policy file: one `.safetensors` file with the weights `NAME.LAYER.weights` `[inputs, outputs]`,
    /// `NAME.LAYER.bias` and the normalizers. Its metadata holds names, slots, sizes, version, updates and seed. An
    /// existing file is replaced atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PolicyError> {
        let mut tensors = Tensors::new();
        for policy in self.policies() {
            write_policy(policy, &mut tensors);
        }
        let policies = self.policies().iter().map(|policy| {
            let (group, shape, clip) = (policy.group(), &policy.network().shape, policy.normalizer().clip);
            PolicyHeader {
                name: group.name.clone(),
                slots: group.slots.clone(),
                agent: group.agent.clone(),
                hidden: shape.hidden(),
                layer_norm: shape.layer_norm(),
                clip: clip.is_finite().then_some(clip),
            }
        });
        let header = Header {
            version: self.version(),
            updates: self.updates(),
            seed: self.seed(),
            policies: policies.collect(),
        };
        Ok(tensor_file::write(path.as_ref(), FORMAT, &header, &tensors)?)
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// If the file is missing, truncated, damaged or not a policy file; the message says which.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        let path = path.as_ref();
        let (header, tensors) = tensor_file::read(path, FORMAT)?;
        Ok(read_snapshot(header, tensors).map_err(|reason| FileError::damaged(path, FORMAT, reason))?)
    }

    /// Reads a policy file from memory, for example from [`include_bytes!`].
    ///
    /// # Errors
    /// If the content is truncated, damaged or not a policy file.
    pub fn from_bytes(content: &[u8]) -> Result<Self, PolicyError> {
        let snapshot =
            tensor_file::parse(content, FORMAT).and_then(|(header, tensors)| read_snapshot(header, tensors));
        Ok(snapshot.map_err(|reason| FileError::damaged(Path::new("<bytes>"), FORMAT, reason))?)
    }
}

fn write_policy(policy: &Policy, tensors: &mut Tensors) {
    let name = &policy.group().name;
    let mut put = |suffix: &str, shape: &[usize], data: &[f32]| {
        let tensor = Tensor { shape: shape.to_vec(), data: data.to_vec() };
        tensors.insert(format!("{name}.{suffix}"), tensor);
    };
    let Network { shape, parameters } = policy.network();
    for (index, layer) in shape.layers().iter().enumerate() {
        let outputs = layer.outputs;
        put(&format!("{index}.weights"), &[layer.inputs, outputs], &parameters[layer.weights.clone()]);
        put(&format!("{index}.bias"), &[outputs], &parameters[layer.bias.clone()]);
        if let Some([gain, shift]) = &layer.norm {
            put(&format!("{index}.gain"), &[outputs], &parameters[gain.clone()]);
            put(&format!("{index}.shift"), &[outputs], &parameters[shift.clone()]);
        }
    }
    let Normalizer { mean, scale, .. } = policy.normalizer();
    put("normalizer.mean", &[mean.len()], mean);
    put("normalizer.scale", &[scale.len()], scale);
}

fn read_snapshot(header: Header, mut tensors: Tensors) -> Result<PolicySnapshot, String> {
    let policies = header.policies.into_iter().map(|policy| read_policy(policy, &mut tensors));
    let policies = policies.collect::<Result<Vec<_>, _>>()?;
    let snapshot = PolicySnapshot::new(header.version, header.updates, header.seed, policies)
        .map_err(|error| error.to_string())?;
    if let Some(name) = tensors.keys().next() {
        return Err(format!("it contains a tensor `{name}` that belongs to none of its policies"));
    }
    Ok(snapshot)
}

/// Compares the sizes in the header with the tensors that are there, so that nothing is allocated for sizes that a damaged
/// or crafted header only claims.
fn check_sizes(header: &PolicyHeader, tensors: &Tensors) -> Result<(), String> {
    let PolicyHeader { name, agent, hidden, .. } = header;
    let sizes: Vec<usize> =
        [agent.observation_size].iter().chain(hidden).chain(&[agent.action_size()]).copied().collect();
    for (index, size) in sizes.windows(2).enumerate() {
        let key = format!("{name}.{index}.weights");
        match tensors.get(&key) {
            None => return Err(format!("it has no tensor `{key}`")),
            Some(tensor) if tensor.shape != size => {
                let found = &tensor.shape;
                return Err(format!("its tensor `{key}` has the shape {found:?}, expected {size:?}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn read_policy(header: PolicyHeader, tensors: &mut Tensors) -> Result<Policy, String> {
    check_sizes(&header, tensors)?;
    let PolicyHeader { name, agent, .. } = &header;
    let mut take = |suffix: &str, shape: &[usize]| {
        let key = format!("{name}.{suffix}");
        let tensor = tensors.remove(&key).ok_or_else(|| format!("it has no tensor `{key}`"))?;
        if tensor.shape != shape {
            return Err(format!("its tensor `{key}` has the shape {:?}, expected {shape:?}", tensor.shape));
        }
        Ok(tensor.data)
    };
    let shape =
        NetworkShape::new(agent.observation_size, &header.hidden, agent.action_size(), header.layer_norm);
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
    let group = PolicyGroup { name: header.name, slots: header.slots, agent: header.agent };
    Policy::new(group, normalizer, Network { shape, parameters }).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> PolicySnapshot {
        let agent = |behavior: &str| AgentSpec::new(behavior, 3, 2);
        let spec = ArenaSpec::new(vec![agent("a"), agent("b"), agent("a")]);
        let policies = spec.groups(true).unwrap().into_iter().enumerate().map(|(index, group)| {
            let shape = NetworkShape::new(3, &[4], 2, index == 1);
            let parameters = (0..shape.parameters()).map(|k| k as f32 * 0.5).collect();
            Policy::new(group, Normalizer::identity(3), Network { shape, parameters }).unwrap()
        });
        PolicySnapshot::new(7, 7, 0, policies.collect()).unwrap()
    }

    #[test]
    fn a_policy_comes_back_as_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        snapshot().save(&path).unwrap();
        assert_eq!(PolicySnapshot::load(&path).unwrap(), snapshot());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left behind");
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
                assert_eq!(read, snapshot(), "flipping bit {bit} changed the policy without an error");
            }
        }
    }

    #[test]
    fn sizes_that_a_header_only_claims_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        snapshot().save(&path).unwrap();
        let (header, tensors): (serde_json::Value, Tensors) = tensor_file::read(&path, FORMAT).unwrap();
        for size in [0u64, 5, 1 << 31, 1 << 62, u64::MAX] {
            for place in ["/agent/observation_size", "/agent/action_size", "/hidden/0"] {
                let mut crafted = header.clone();
                *crafted.pointer_mut(&format!("/policies/0{place}")).unwrap() = size.into();
                tensor_file::write(&path, FORMAT, &crafted, &tensors).unwrap();
                let error = PolicySnapshot::load(&path).unwrap_err().to_string();
                assert!(error.contains("expected"), "{place} {size}: {error}");
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
