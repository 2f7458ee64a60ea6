//! Compares what the header of a policy file claims with the tensors in the file, before memory is allocated.

use std::iter;

use serde::{Deserialize, Serialize};

use crate::{
    policy::{AgentSpec, Convolution, Encoder, Network, NetworkShape, Normalizer, Policy, PolicyGroup},
    tensor_file::{SLACK, Tensor, Tensors},
};

/// Everything in a policy except its tensors.
#[derive(Serialize, Deserialize)]
pub(super) struct PolicyHeader {
    pub(super) name: String,
    pub(super) slots: Vec<usize>,
    pub(super) agent: AgentSpec,
    /// The convolutions that process the policy's image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) convolutions: Vec<Convolution>,
    pub(super) hidden: Vec<usize>,
    pub(super) layer_norm: bool,
    /// Clip of the observations; `None` if they are not clipped.
    #[serde(default = "scaled")]
    pub(super) clip: Option<f32>,
}

/// The clip of policies whose file does not contain one.
fn scaled() -> Option<f32> {
    Some(Normalizer::CLIP)
}

/// A policy whose tensors are in the file, with the sizes that its header claims.
pub(super) struct Claim {
    pub(super) header: PolicyHeader,
    encoder: Option<Encoder>,
}

impl Claim {
    /// What the header of a file with this policy claims.
    pub(super) fn of(policy: &Policy) -> Self {
        let (group, shape, clip) = (policy.group(), &policy.network().shape, policy.normalizer().clip);
        let encoder = shape.encoder().cloned();
        let header = PolicyHeader {
            name: group.name.clone(),
            slots: group.slots.clone(),
            agent: group.agent.clone(),
            convolutions: encoder.as_ref().map_or(Vec::new(), |encoder| encoder.convolutions().to_vec()),
            hidden: shape.hidden(),
            layer_norm: shape.layer_norm(),
            clip: clip.is_finite().then_some(clip),
        };
        Self { header, encoder }
    }

    /// Adds the tensors of the policy that this claim was made of.
    pub(super) fn put(&self, policy: &Policy, tensors: &mut Tensors) {
        let mut parameters = &policy.network().parameters[..];
        for (key, shape) in self.layer_tensors() {
            let (data, others) = parameters.split_at(shape.iter().product());
            tensors.insert(key, Tensor { shape, data: data.to_vec() });
            parameters = others;
        }
        let Normalizer { mean, scale, .. } = policy.normalizer();
        for ((key, shape), data) in normalizer_tensors(&self.header).into_iter().zip([mean, scale]) {
            tensors.insert(key, Tensor { shape, data: data.clone() });
        }
    }

    /// Compares the sizes in a header, which may be damaged or crafted, with the tensors that are there.
    pub(super) fn check(header: PolicyHeader, tensors: &Tensors) -> Result<Self, String> {
        let PolicyHeader { name, agent, convolutions, .. } = &header;
        // The size of the observation is checked first, because an image may claim to have as many frames as the
        // observation has numbers.
        check_tensors(normalizer_tensors(&header), tensors)?;
        if agent.image.is_none() && !convolutions.is_empty() {
            return Err(format!("its policy `{name}` has convolutions, but its agent observes no image"));
        }
        // Policies of zeros have no convolutions. They read the pixels like other numbers.
        let encoder = match agent.image {
            Some(image) if convolutions.is_empty() => image.check(agent.observation_size).map(|()| None),
            _ => Encoder::new(agent, 0, convolutions),
        };
        let encoder = encoder.map_err(|reason| format!("its policy `{name}` cannot see: {reason}"))?;
        let claim = Self { header, encoder };
        let name = &claim.header.name;
        if let Some(index) = claim.sizes().iter().position(|size| *size == 0) {
            return Err(format!("layer {index} of its policy `{name}` has 0 inputs, expected 1 or more"));
        }
        check_tensors(claim.layer_tensors(), tensors)?;
        if let Some(clip) = claim.header.clip.filter(|clip| *clip <= 0.0) {
            return Err(format!("the clip of its policy `{name}` is {clip}, expected more than 0"));
        }
        Ok(claim)
    }

    /// Builds the policy from its tensors.
    pub(super) fn take(self, tensors: &mut Tensors) -> Result<Policy, String> {
        let mut take = |(key, _)| match tensors.remove(&key) {
            Some(tensor) => Ok(tensor.data),
            None => Err(format!("two of its policies have the tensor `{key}`")),
        };
        let PolicyHeader { agent, hidden, layer_norm, .. } = &self.header;
        let (observation, action) = (agent.observation_size, agent.action_size());
        let shape = NetworkShape::behind(self.encoder.clone(), observation, hidden, action, *layer_norm);
        let mut parameters = Vec::with_capacity(shape.parameters());
        for tensor in self.layer_tensors() {
            parameters.extend(take(tensor)?);
        }
        let [mean, scale] = normalizer_tensors(&self.header).map(take);
        let PolicyHeader { name, slots, agent, clip, .. } = self.header;
        let normalizer = Normalizer { mean: mean?, scale: scale?, clip: clip.unwrap_or(f32::INFINITY) };
        let group = PolicyGroup { name, slots, agent };
        Policy::new(group, normalizer, Network { shape, parameters }).map_err(|error| error.to_string())
    }

    /// Number of inputs of each linear layer of the policy, then the size of its action.
    fn sizes(&self) -> Vec<usize> {
        let PolicyHeader { agent, hidden, .. } = &self.header;
        let inputs = self.encoder.as_ref().map_or(agent.observation_size, Encoder::outputs);
        [inputs].iter().chain(hidden).chain(&[agent.action_size()]).copied().collect()
    }

    /// The keys and shapes of the tensors of its layers, in the order of the network's parameters. They are made one by one, since a
    /// crafted header may have many layers and a long name.
    fn layer_tensors(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        let PolicyHeader { name, layer_norm, .. } = &self.header;
        let convolutions = self.encoder.iter().flat_map(Encoder::layers).enumerate();
        let convolutions = convolutions.flat_map(move |(index, layer)| {
            let key = |part: &str| format!("{name}.convolution.{index}.{part}");
            let weights = (key("weights"), vec![layer.patch(), layer.filters]);
            [weights, (key("bias"), vec![layer.filters])]
        });
        let sizes = self.sizes();
        let last = sizes.len() - 2;
        let linear = (0..=last).flat_map(move |index| {
            let (inputs, outputs) = (sizes[index], sizes[index + 1]);
            let is_normalized = *layer_norm && index < last;
            let parts: &[&str] = if is_normalized { &["bias", "gain", "shift"] } else { &["bias"] };
            let vectors = parts.iter().map(move |part| (*part, vec![outputs]));
            let tensors = iter::once(("weights", vec![inputs, outputs])).chain(vectors);
            tensors.map(move |(part, shape)| (format!("{name}.{index}.{part}"), shape))
        });
        convolutions.chain(linear)
    }

    /// Bytes of the columns with which the weights of the layers are padded.
    fn padding(&self) -> usize {
        let convolutions = self.encoder.iter().flat_map(Encoder::layers);
        let convolutions = convolutions.map(|layer| [layer.patch(), layer.filters]);
        let sizes = self.sizes();
        let linear = sizes.windows(2).map(|size| [size[0], size[1]]);
        let padding = convolutions.chain(linear).map(|[inputs, outputs]| {
            let padded = outputs.checked_next_multiple_of(PADDING).unwrap_or(outputs);
            inputs.saturating_mul(padded - outputs).saturating_mul(size_of::<f32>())
        });
        padding.fold(0, usize::saturating_add)
    }
}

/// The weights of a layer are padded to a multiple of at most this many columns, which depends on the width of the
/// vector registers.
const PADDING: usize = 32;

/// Refuses policies that would take much more memory than the size of their file, `size` bytes. This happens if many slots
/// have copies of many names, or if layers with many inputs have so few outputs that their weights are mostly padding.
pub(super) fn check_memory(claims: &[Claim], size: usize) -> Result<(), String> {
    let most = size / 2 + 3 * SLACK / 2;
    let mut total = 0usize;
    for claim in claims {
        let PolicyHeader { name, slots, agent, .. } = &claim.header;
        let copy = memory(agent);
        let copies = slots.len().saturating_mul(copy);
        total = total.saturating_add(copies).saturating_add(claim.padding());
        if total > most {
            let slots = slots.len();
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

/// The keys and shapes of the tensors of a policy's normalizer: mean, then scale.
fn normalizer_tensors(header: &PolicyHeader) -> [(String, Vec<usize>); 2] {
    let PolicyHeader { name, agent, .. } = header;
    ["mean", "scale"].map(|part| (format!("{name}.normalizer.{part}"), vec![agent.observation_size]))
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
