mod claim;

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use self::claim::{Claim, PolicyHeader};
use super::{AgentSpec, PolicySnapshot};
use crate::tensor_file::{self, Content, FileError, Kind, SLACK, TensorView, Tensors};

/// Policy files. Policies with choices and policies that see images have formats of their own. Older versions of this crate,
/// which do not know these formats, then refuse the files instead of misreading them.
const KIND: Kind = Kind {
    name: "bevy_maddpg policy",
    formats: &[NUMBERS, CHOICES, IMAGES],
    header_part: 3,
    has_bytes: false,
};
const NUMBERS: &str = "bevy_maddpg policy v1";
const CHOICES: &str = "bevy_maddpg policy v2";
const IMAGES: &str = "bevy_maddpg policy v3";

/// The most bytes that one entry of the header can take. A list that grows is copied, and both copies count.
const ENTRY: usize = 96;

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is missing, damaged or not a policy file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The two snapshots are for different agents.
    #[error("the policies are for different agents: {difference}")]
    OtherAgents {
        /// What one snapshot has, and what the other has instead.
        difference: String,
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
    /// Absent if the time is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision_seconds: Option<f64>,
    policies: Vec<PolicyHeader>,
}

impl PolicySnapshot {
    /// Writes a policy file: one `.safetensors` file with the weights `NAME.LAYER.weights` `[inputs, outputs]`, `NAME.LAYER.bias` and
    /// the normalizers. The tensors of convolutions are `NAME.convolution.LAYER.weights` `[patch, filters]` and
    /// `NAME.convolution.LAYER.bias`. Its metadata contains names, slots, sizes, version, updates, seed and the time between decisions.
    /// An existing file is replaced atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PolicyError> {
        let mut tensors = Tensors::new();
        let policies = self.policies().iter().map(|policy| {
            let claim = Claim::of(policy);
            claim.put(policy, &mut tensors);
            claim.header
        });
        let policies = policies.collect();
        let format = self.policies().iter().map(|policy| format(&policy.group().agent)).max();
        let header = Header {
            version: self.version(),
            updates: self.updates(),
            seed: self.seed(),
            decision_seconds: self.decision_seconds(),
            policies,
        };
        Ok(tensor_file::write(path.as_ref(), format.unwrap_or(NUMBERS), &header, &views(&tensors))?)
    }

    /// Reads a policy file. The file need not be trusted: before memory is allocated, the sizes that it claims are compared
    /// with the bytes that it has.
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

/// Views of the tensors, without a copy.
fn views(tensors: &Tensors) -> BTreeMap<String, TensorView<'_>> {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.view())).collect()
}

/// The oldest format that can contain a policy of this agent. Newer formats can contain it as well, and their names are
/// later in the alphabet.
fn format(agent: &AgentSpec) -> &'static str {
    if agent.image.is_some() {
        IMAGES
    } else if agent.action.branches().is_empty() {
        NUMBERS
    } else {
        CHOICES
    }
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
    let claims = header.policies.into_iter().map(|policy| Claim::check(policy, &tensors));
    let claims = claims.collect::<Result<Vec<_>, _>>()?;
    claim::check_memory(&claims, size)?;
    let policies = claims.into_iter().map(|claim| claim.take(&mut tensors)).collect::<Result<Vec<_>, _>>()?;
    let snapshot = PolicySnapshot::new(header.version, header.updates, header.seed, policies)
        .map_err(|error| error.to_string())?;
    if let Some(name) = tensors.keys().next() {
        return Err(format!("it contains a tensor `{name}` that belongs to none of its policies"));
    }
    Ok(snapshot.with_decision_seconds(header.decision_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{
        ActionSpace, ArenaSpec, Encoder, ImageSpec, Network, NetworkShape, Normalizer, Policy,
    };

    fn snapshot() -> PolicySnapshot {
        let agent = |behavior: &str| AgentSpec::new(behavior, 3, 2);
        let spec = ArenaSpec::new(vec![agent("a"), agent("b"), agent("a")]);
        let policies = spec.groups(true).unwrap().into_iter().enumerate().map(|(index, group)| {
            let shape = NetworkShape::new(3, &[4], 2, index == 1);
            let parameters = (0..shape.parameters()).map(|k| k as f32 * 0.5).collect();
            Policy::new(group, Normalizer::identity(3), Network { shape, parameters }).unwrap()
        });
        PolicySnapshot::new(7, 7, 0, policies.collect()).unwrap().with_decision_seconds(Some(0.1))
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
    fn policies_of_zeros_for_images_come_back_as_they_were_saved() {
        let agent = AgentSpec::new("eye", 64, 2).with_image(ImageSpec { frames: 2, ..ImageSpec::grey(6, 5) });
        let snapshot = PolicySnapshot::zeros(&ArenaSpec::new(vec![agent]).groups(true).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        snapshot.save(&path).unwrap();
        assert_eq!(PolicySnapshot::load(&path).unwrap(), snapshot);
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
