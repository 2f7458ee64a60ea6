use std::{collections::BTreeMap, iter, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    AgentSpec, ArenaSpec, Convolution, Encoder, Network, NetworkShape, Normalizer, Policy, PolicyGroup,
    PolicySnapshot,
};
use crate::tensor_file::{self, Content, FileError, Kind, SLACK, Tensor, TensorView, Tensors};

/// Policy files. Those of policies that also choose, and those of policies that see images, have formats of their own, which
/// versions that do not know them refuse instead of misreading them.
const KIND: Kind = Kind {
    name: "bevy_maddpg policy",
    formats: &[NUMBERS, CHOICES, IMAGES],
    header_part: 3,
    has_bytes: false,
};
const NUMBERS: &str = "bevy_maddpg policy v1";
const CHOICES: &str = "bevy_maddpg policy v2";
const IMAGES: &str = "bevy_maddpg policy v3";

/// Bytes that one entry of the header takes at most, including those of a list that is being moved because it is full.
const ENTRY: usize = 96;

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
    /// The convolutions through which it sees an image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    convolutions: Vec<Convolution>,
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
    /// `NAME.LAYER.bias` and the normalizers; those of convolutions are `NAME.convolution.LAYER.weights` `[patch, filters]` and
    /// `NAME.convolution.LAYER.bias`. Its metadata holds names, slots, sizes, version, updates and seed. An
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
                convolutions: shape.encoder().map_or(Vec::new(), |encoder| encoder.convolutions().to_vec()),
                hidden: shape.hidden(),
                layer_norm: shape.layer_norm(),
                clip: clip.is_finite().then_some(clip),
            }
        });
        let format = self.policies().iter().map(|policy| format(&policy.group().agent)).max();
        let header = Header {
            version: self.version(),
            updates: self.updates(),
            seed: self.seed(),
            policies: policies.collect(),
        };
        Ok(tensor_file::write(path.as_ref(), format.unwrap_or(NUMBERS), &header, &views(&tensors))?)
    }

    /// Reads a policy file. It may come from a stranger: sizes are checked against the bytes that are there before memory is
    /// allocated for them.
    ///
    /// # Errors
    /// If the file is missing, truncated, damaged or not a policy file; the message says which.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        let path = path.as_ref();
        let content = tensor_file::read(path, &KIND)?;
        Ok(read_snapshot(content).map_err(|reason| FileError::damaged(path, KIND.name, reason))?)
    }

    /// Reads a policy file from memory, for example from [`include_bytes!`].
    ///
    /// # Errors
    /// If the content is truncated, damaged or not a policy file.
    pub fn from_bytes(content: &[u8]) -> Result<Self, PolicyError> {
        let snapshot = tensor_file::parse(content, &KIND).and_then(read_snapshot);
        Ok(snapshot.map_err(|reason| FileError::damaged(Path::new("<bytes>"), KIND.name, reason))?)
    }
}

/// The tensors, where they lie.
fn views(tensors: &Tensors) -> BTreeMap<String, TensorView<'_>> {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.view())).collect()
}

/// The first format that can hold a policy of this agent. Later formats can hold it as well, and their names are greater.
fn format(agent: &AgentSpec) -> &'static str {
    if agent.image.is_some() {
        IMAGES
    } else if agent.action.branches().is_empty() {
        NUMBERS
    } else {
        CHOICES
    }
}

fn write_policy(policy: &Policy, tensors: &mut Tensors) {
    let name = &policy.group().name;
    let mut put = |suffix: &str, shape: &[usize], data: &[f32]| {
        let tensor = Tensor { shape: shape.to_vec(), data: data.to_vec() };
        tensors.insert(format!("{name}.{suffix}"), tensor);
    };
    let Network { shape, parameters } = policy.network();
    for (index, layer) in shape.encoder().into_iter().flat_map(Encoder::layers).enumerate() {
        let name = |part: &str| format!("convolution.{index}.{part}");
        put(&name("weights"), &[layer.patch(), layer.filters], &parameters[layer.weights.clone()]);
        put(&name("bias"), &[layer.filters], &parameters[layer.bias.clone()]);
    }
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

fn read_snapshot(content: Content) -> Result<PolicySnapshot, String> {
    let (found, most) = (content.header_entries(), (content.size / 2 + SLACK / 2) / ENTRY);
    if found > most {
        let size = content.size;
        return Err(format!("its header has {found} entries, expected at most {most} in {size} bytes"));
    }
    let header: Header = content.header()?;
    let Content { format: found, mut tensors, size, .. } = content;
    if let Some(policy) = header.policies.iter().find(|policy| format(&policy.agent) > found) {
        let (name, expected) = (&policy.name, format(&policy.agent));
        let what = if policy.agent.image.is_some() { "sees an image" } else { "has choices" };
        return Err(format!("its format is `{found}`, expected `{expected}` as its policy `{name}` {what}"));
    }
    header.policies.iter().try_for_each(|policy| check_sizes(policy, &tensors))?;
    check_memory(&header.policies, size)?;
    let policies = header.policies.into_iter().map(|policy| read_policy(policy, &mut tensors));
    let policies = policies.collect::<Result<Vec<_>, _>>()?;
    let snapshot = PolicySnapshot::new(header.version, header.updates, header.seed, policies)
        .map_err(|error| error.to_string())?;
    if let Some(name) = tensors.keys().next() {
        return Err(format!("it contains a tensor `{name}` that belongs to none of its policies"));
    }
    Ok(snapshot)
}

/// Columns to which the widest vector registers pad the weights of a layer.
const PADDING: usize = 32;

/// Refuses policies that would take much more memory than their file, of `size` bytes, has: because many slots have copies
/// of many names, or because layers with many inputs have so few outputs that their weights are mostly padding.
fn check_memory(policies: &[PolicyHeader], size: usize) -> Result<(), String> {
    let most = size / 2 + 3 * SLACK / 2;
    let mut total = 0usize;
    for policy in policies {
        let copy = memory(&policy.agent);
        let copies = policy.slots.len().saturating_mul(copy);
        let sizes = layer_sizes(policy)?;
        let padding = sizes.iter().map(|[inputs, outputs]| {
            let padded = outputs.checked_next_multiple_of(PADDING).unwrap_or(*outputs);
            inputs.saturating_mul(padded - outputs).saturating_mul(size_of::<f32>())
        });
        total = padding.fold(total.saturating_add(copies), usize::saturating_add);
        if total > most {
            let (name, slots) = (&policy.name, policy.slots.len());
            return Err(format!(
                "up to its policy `{name}`, whose names need {copy} bytes in each of {slots} slots, it needs {total} \
                 bytes for names and for padding layers to {PADDING} outputs, expected at most {most}"
            ));
        }
    }
    Ok(())
}

/// Bytes that a copy of `agent` takes.
fn memory(agent: &AgentSpec) -> usize {
    let AgentSpec { behavior, observation_names, action, .. } = agent;
    let choices = action.branches().iter().flat_map(|branch| iter::once(&branch.name).chain(&branch.choices));
    let names = iter::once(behavior).chain(observation_names).chain(action.number_names()).chain(choices);
    let names = names.map(|name| size_of::<String>() + name.len()).sum::<usize>();
    let lists = (action.branches().len() + action.gates().count()) * size_of::<Vec<String>>();
    size_of::<AgentSpec>() + names + lists
}

/// The convolutions of a policy, which may be only claimed; an error if they do not fit its image.
fn encoder(header: &PolicyHeader) -> Result<Option<Encoder>, String> {
    let PolicyHeader { name, agent, convolutions, .. } = header;
    if agent.image.is_none() && !convolutions.is_empty() {
        return Err(format!("its policy `{name}` has convolutions, but its agent observes no image"));
    }
    Encoder::new(agent, 0, convolutions).map_err(|reason| format!("its policy `{name}` cannot see: {reason}"))
}

/// Inputs and outputs of a policy's layers: its convolutions, then its linear layers.
fn layer_sizes(header: &PolicyHeader) -> Result<Vec<[usize; 2]>, String> {
    let encoder = encoder(header)?;
    let convolutions = encoder.iter().flat_map(Encoder::layers).map(|layer| [layer.patch(), layer.filters]);
    let sizes = sizes(header, encoder.as_ref());
    Ok(convolutions.chain(sizes.windows(2).map(|size| [size[0], size[1]])).collect())
}

/// Sizes of the inputs of a policy's linear layers, and of its action.
fn sizes(header: &PolicyHeader, encoder: Option<&Encoder>) -> Vec<usize> {
    let PolicyHeader { agent, hidden, .. } = header;
    let inputs = encoder.map_or(agent.observation_size, Encoder::outputs);
    [inputs].iter().chain(hidden).chain(&[agent.action_size()]).copied().collect()
}

/// Compares the sizes in the header with the tensors that are there, so that nothing is allocated for sizes that a damaged
/// or crafted header only claims.
fn check_sizes(header: &PolicyHeader, tensors: &Tensors) -> Result<(), String> {
    // The size of the observation first: an image may claim to have as many frames.
    check_tensors(normalizer_tensors(header), tensors)?;
    let encoder = encoder(header)?;
    if let Some(index) = sizes(header, encoder.as_ref()).iter().position(|size| *size == 0) {
        let name = &header.name;
        return Err(format!("layer {index} of its policy `{name}` has 0 inputs, expected 1 or more"));
    }
    check_tensors(layer_tensors(header, encoder.as_ref()), tensors)?;
    if let Some(clip) = header.clip.filter(|clip| *clip <= 0.0) {
        return Err(format!("the clip of its policy `{}` is {clip}, expected more than 0", header.name));
    }
    Ok(())
}

/// Checks that the tensors with these keys are there and have these shapes.
fn check_tensors(
    expected: impl IntoIterator<Item = (String, Vec<usize>)>,
    tensors: &Tensors,
) -> Result<(), String> {
    for (key, shape) in expected {
        match tensors.get(&key) {
            None => return Err(format!("it has no tensor `{key}`")),
            Some(tensor) if tensor.shape != shape => {
                let found = &tensor.shape;
                return Err(format!("its tensor `{key}` has the shape {found:?}, expected {shape:?}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The keys and shapes of the tensors of a policy's layers, in the order of the network's parameters. They are made one by one, since
/// a crafted header may have many layers and a long name.
fn layer_tensors<'a>(
    header: &'a PolicyHeader,
    encoder: Option<&'a Encoder>,
) -> impl Iterator<Item = (String, Vec<usize>)> + 'a {
    let convolutions = encoder.into_iter().flat_map(Encoder::layers).enumerate();
    let convolutions = convolutions.flat_map(move |(index, layer)| {
        let key = |part: &str| format!("{}.convolution.{index}.{part}", header.name);
        let weights = (key("weights"), vec![layer.patch(), layer.filters]);
        [weights, (key("bias"), vec![layer.filters])]
    });
    let sizes = sizes(header, encoder);
    let last = sizes.len() - 2;
    let linear = (0..=last).flat_map(move |index| {
        let (inputs, outputs) = (sizes[index], sizes[index + 1]);
        let is_normalized = header.layer_norm && index < last;
        let parts: &[&str] = if is_normalized { &["bias", "gain", "shift"] } else { &["bias"] };
        let vectors = parts.iter().map(move |part| (*part, vec![outputs]));
        let tensors = iter::once(("weights", vec![inputs, outputs])).chain(vectors);
        tensors.map(move |(part, shape)| (format!("{}.{index}.{part}", header.name), shape))
    });
    convolutions.chain(linear)
}

/// The keys and shapes of the tensors of a policy's normalizer: mean, then scale.
fn normalizer_tensors(header: &PolicyHeader) -> [(String, Vec<usize>); 2] {
    let PolicyHeader { name, agent, .. } = header;
    ["mean", "scale"].map(|part| (format!("{name}.normalizer.{part}"), vec![agent.observation_size]))
}

/// Makes a policy of its tensors, whose sizes were checked.
fn read_policy(header: PolicyHeader, tensors: &mut Tensors) -> Result<Policy, String> {
    let mut take = |(key, _)| match tensors.remove(&key) {
        Some(tensor) => Ok(tensor.data),
        None => Err(format!("two of its policies have the tensor `{key}`")),
    };
    let agent = &header.agent;
    let encoder = encoder(&header)?;
    let (observation, action) = (agent.observation_size, agent.action_size());
    let shape = NetworkShape::behind(encoder, observation, &header.hidden, action, header.layer_norm);
    let mut parameters = Vec::with_capacity(shape.parameters());
    for tensor in layer_tensors(&header, shape.encoder()) {
        parameters.extend(take(tensor)?);
    }
    let [mean, scale] = normalizer_tensors(&header).map(take);
    let normalizer = Normalizer { mean: mean?, scale: scale?, clip: header.clip.unwrap_or(f32::INFINITY) };
    let group = PolicyGroup { name: header.name, slots: header.slots, agent: header.agent };
    Policy::new(group, normalizer, Network { shape, parameters }).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{ActionSpace, ImageSpec};

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
        let content = tensor_file::read(&path, &KIND).unwrap();
        let header: serde_json::Value = content.header().unwrap();
        for size in [0u64, 5, 1 << 31, 1 << 62, u64::MAX] {
            for place in ["/agent/observation_size", "/agent/action_size", "/hidden/0"] {
                let mut crafted = header.clone();
                *crafted.pointer_mut(&format!("/policies/0{place}")).unwrap() = size.into();
                tensor_file::write(&path, NUMBERS, &crafted, &views(&content.tensors)).unwrap();
                let error = PolicySnapshot::load(&path).unwrap_err().to_string();
                assert!(error.contains("expected"), "{place} {size}: {error}");
            }
        }
    }

    #[test]
    fn a_shipped_policy_is_saved_as_it_is() {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/policies/tennis.safetensors");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        PolicySnapshot::load(shipped).unwrap().save(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == std::fs::read(shipped).unwrap());
    }

    #[test]
    fn policies_with_choices_have_a_format_of_their_own() {
        let action = ActionSpace::of_numbers(1).with_branch("move", ["left", "right"]);
        let agent = AgentSpec::new("a", 2, 0).with_action(action);
        let snapshot = PolicySnapshot::zeros(&ArenaSpec::new(vec![agent]).groups(true).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        snapshot.save(&path).unwrap();
        let content = tensor_file::read(&path, &KIND).unwrap();
        assert_eq!(content.format, CHOICES);
        assert_eq!(PolicySnapshot::load(&path).unwrap(), snapshot);
        let header: serde_json::Value = content.header().unwrap();
        tensor_file::write(&path, NUMBERS, &header, &views(&content.tensors)).unwrap();
        let error = PolicySnapshot::load(&path).unwrap_err().to_string();
        assert!(error.contains("policy v1`, expected `bevy_maddpg policy v2` as its policy `a`"), "{error}");
        let next = Kind { formats: &["bevy_maddpg policy v4"], ..KIND };
        let plain = tensor_file::read(&path, &next).unwrap_err().to_string();
        assert!(plain.contains("policy v1`, expected `bevy_maddpg policy v4`"), "{plain}");
    }

    #[test]
    fn policies_that_see_images_come_back_as_they_were_saved() {
        let image = ImageSpec { frames: 2, ..ImageSpec::grey(6, 5) };
        let agent = AgentSpec::new("eye", 64, 2).with_image(image);
        let encoder = Encoder::new(&agent, 0, &[[4, 3, 1].into(), [3, 2, 2].into()]).unwrap().unwrap();
        let group = ArenaSpec::new(vec![agent]).groups(true).unwrap().remove(0);
        let shape = NetworkShape::seeing(encoder, &[8], 2, true);
        let parameters = (0..shape.parameters()).map(|k| k as f32 * 0.01 - 2.0).collect();
        let policy = Policy::new(group, Normalizer::identity(64), Network { shape, parameters }).unwrap();
        let snapshot = PolicySnapshot::new(1, 1, 0, vec![policy]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        snapshot.save(&path).unwrap();
        assert_eq!(PolicySnapshot::load(&path).unwrap(), snapshot);
        let content = tensor_file::read(&path, &KIND).unwrap();
        assert_eq!(content.format, IMAGES);
        let header: serde_json::Value = content.header().unwrap();
        for (place, crafted) in [
            ("/agent/image/width", 1u64 << 62),
            ("/agent/image/frames", 0),
            ("/convolutions/0/0", u64::MAX >> 1),
            ("/convolutions/0/1", 7),
            ("/convolutions/1/2", 0),
        ] {
            let mut header = header.clone();
            *header.pointer_mut(&format!("/policies/0{place}")).unwrap() = crafted.into();
            tensor_file::write(&path, IMAGES, &header, &views(&content.tensors)).unwrap();
            let error = PolicySnapshot::load(&path).unwrap_err().to_string();
            let reasons = ["expected", "needs", "has only", "too many"];
            assert!(reasons.iter().any(|reason| error.contains(reason)), "{place}: {error}");
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
