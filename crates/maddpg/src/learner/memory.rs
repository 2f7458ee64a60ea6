mod available;

use std::fmt;

use self::available::available;
use super::{
    LearnerConfig, LearnerError,
    engine::lanes,
    replay::{RowSizes, StoredImages},
    view,
};
use crate::policy::{AgentSpec, ArenaSpec, Encoder, PolicyGroup, SpecError};

/// The memory that a learner needs, in bytes. On a GPU, networks and minibatches need memory of the GPU instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// The replay buffer when it is full. Its memory grows with use.
    pub replay_buffer: u64,
    /// The actors with their target networks, averages, gradients and moments.
    pub actors: u64,
    /// The critics with their target networks, gradients and moments.
    pub critics: u64,
    /// The minibatch of one update.
    pub minibatch: u64,
    /// What the learner needs in addition while it writes a checkpoint: a copy of the networks.
    pub checkpoint: u64,
}

/// Bytes of one number.
const NUMBER: u64 = size_of::<f32>() as u64;

/// Number of vectors as long as an actor's parameters: the actor, its target, its average, two moments, three packed copies,
/// and two in published policies. For critics, these are the critics, their targets, two moments, the sum of the gradients
/// and three packed copies. In addition, each has a gradient in every part of the minibatch.
const ACTOR_COPIES: u64 = 10;
const CRITIC_COPIES: u64 = 8;

/// The same vectors in a checkpoint.
const SAVED_ACTOR_COPIES: u64 = 5;
const SAVED_CRITIC_COPIES: u64 = 4;

impl LearnerConfig {
    /// The memory that a learner with these settings needs for arenas of `spec`. This is an estimate, which is close
    /// for large settings. What needs only a few megabytes is left out.
    ///
    /// # Errors
    /// If agents of one behavior observe or act differently, or if the convolutions do not fit an image.
    pub fn memory(&self, spec: &ArenaSpec) -> Result<Memory, SpecError> {
        self.check_images(spec)?;
        let (mut actors, mut critics) = (0u64, 0u64);
        for group in spec.groups(self.share_policies)? {
            // Slots may become empty later.
            let [actor, of_critics] = self.parameters(spec, &group, true).map(or_most);
            actors = actors.saturating_add(actor);
            critics = critics.saturating_add(of_critics);
        }
        let bytes = |copies: u64, numbers: u64| copies.saturating_mul(NUMBER).saturating_mul(numbers);
        let gradients = lanes(self.batch_size) as u64;
        let row = RowSizes::of(spec);
        // The minibatch has two copies of the noise, one of everything else, and five more numbers per agent than the
        // replay buffer.
        let minibatch_row = row.row() + 2 * row.action + 5 * row.agents;
        let rows = |rows: usize, size: usize| bytes(or_most(Some(rows)), or_most(Some(size)));
        let stored = row.stored(StoredImages::of(spec).as_ref());
        let frames = self.replay_capacity.saturating_mul(StoredImages::bytes_per_transition(spec)) as u64;
        Ok(Memory {
            replay_buffer: rows(self.replay_capacity, stored.row()).saturating_add(frames),
            actors: bytes(ACTOR_COPIES + gradients, actors),
            critics: bytes(CRITIC_COPIES + gradients, critics),
            minibatch: rows(self.batch_size, minibatch_row),
            checkpoint: bytes(SAVED_ACTOR_COPIES, actors).saturating_add(bytes(SAVED_CRITIC_COPIES, critics)),
        })
    }

    /// Refuses settings that need more memory than is available, as far as the operating system tells. The process already has `held`
    /// bytes of it.
    pub(super) fn check_memory(&self, spec: &ArenaSpec, held: u64) -> Result<(), LearnerError> {
        let needed = self.memory(spec)?;
        match available() {
            Some(available) if needed.total() > available.saturating_add(held) => {
                Err(LearnerError::Memory { needed, available })
            }
            _ => Ok(()),
        }
    }

    /// Number of parameters of a policy's actor and of its critics together; `None` if there are too many to count.
    pub(super) fn parameters(
        &self,
        spec: &ArenaSpec,
        group: &PolicyGroup,
        has_absences: bool,
    ) -> [Option<usize>; 2] {
        let agent = &group.agent;
        let [observed, acting] = view::seen(self, spec, group, group.slots[0]);
        let presence = usize::from(has_absences);
        let observed = observed.iter().map(|slot| spec.slots[*slot].observation_size).sum::<usize>();
        let further = acting.iter().map(|slot| spec.slots[*slot].action_size() + presence).sum::<usize>();
        let (hidden, layer_norm) = (&self.critic_hidden, self.critic_layer_norm);
        let critic = self.seeing(agent, further, |encoder| {
            let inputs = encoder.map_or(observed + further, Encoder::outputs);
            parameters(inputs, hidden, 1, layer_norm)
        });
        let actor = self.seeing(agent, 0, |encoder| {
            let inputs = encoder.map_or(agent.observation_size, Encoder::outputs);
            parameters(inputs, &self.actor_hidden, agent.action_size(), false)
        });
        let critics = if self.twin_critics { 2 } else { 1 };
        [actor, critic.and_then(|critic| critic.checked_mul(critics))]
    }

    /// Number of parameters of a network whose inputs are what `agent` observes and `further` numbers: those of the linear layers,
    /// and those of the convolutions if it observes an image.
    fn seeing(
        &self,
        agent: &AgentSpec,
        further: usize,
        linear: impl Fn(Option<&Encoder>) -> Option<usize>,
    ) -> Option<usize> {
        let encoder = self.encoder(agent, further).ok()?;
        let convolutions = encoder.as_ref().map_or(0, Encoder::parameters);
        linear(encoder.as_ref())?.checked_add(convolutions)
    }
}

/// Number of parameters of a [`NetworkShape`](crate::policy::NetworkShape) with these sizes; `None` if too many to count.
fn parameters(inputs: usize, hidden: &[usize], outputs: usize, layer_norm: bool) -> Option<usize> {
    let vectors = if layer_norm { 3 } else { 1 };
    let mut below = inputs;
    let mut total = 0usize;
    for size in hidden {
        total = total.checked_add(below.checked_add(vectors)?.checked_mul(*size)?)?;
        below = *size;
    }
    total.checked_add(below.checked_add(1)?.checked_mul(outputs)?)
}

fn or_most(count: Option<usize>) -> u64 {
    count.and_then(|count| u64::try_from(count).ok()).unwrap_or(u64::MAX)
}

impl Memory {
    /// The sum of all parts.
    pub fn total(&self) -> u64 {
        self.parts().iter().fold(0, |total: u64, (part, ..)| total.saturating_add(*part))
    }

    /// Each part, what it is for, and the setting that it grows with.
    fn parts(&self) -> [(u64, &'static str, &'static str); 5] {
        let Self { replay_buffer, actors, critics, minibatch, checkpoint } = *self;
        let larger = if actors > critics { "actor_hidden" } else { "critic_hidden" };
        [
            (replay_buffer, "the replay buffer", "replay_capacity"),
            (actors, "the actors", "actor_hidden"),
            (critics, "the critics", "critic_hidden"),
            (minibatch, "the minibatch", "batch_size"),
            (checkpoint, "writing a checkpoint", larger),
        ]
    }

    /// The setting that needs most memory.
    pub(super) fn largest(&self) -> &'static str {
        self.parts().into_iter().max_by_key(|(part, ..)| *part).map_or("replay_capacity", |(.., key)| key)
    }
}

/// The total, then the parts that are 1% of it or more, largest first.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.parts();
        parts.sort_by_key(|(part, ..)| std::cmp::Reverse(*part));
        write!(f, "{}:", Bytes(self.total()))?;
        let shown = parts.iter().filter(|(part, ..)| *part >= self.total() / 100);
        for (index, (part, purpose, key)) in shown.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma} {} for {purpose} (`{key}`)", Bytes(*part))?;
        }
        Ok(())
    }
}

/// A number of bytes in readable form, such as `23.1 GB`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
        let bytes = self.0 as f64;
        match units.iter().find(|(unit, _)| bytes >= *unit) {
            Some((unit, name)) => write!(f, "{:.1} {name}", bytes / unit),
            None => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Device, Learner};

    fn spec() -> ArenaSpec {
        ArenaSpec::new(vec![AgentSpec::new("agent", 24, 2); 2])
    }

    #[test]
    fn the_default_needs_what_its_replay_buffer_holds() {
        let memory = LearnerConfig::default().memory(&spec()).unwrap();
        // Two observations, an action, a reward and a state of each agent, and one discount, a million times.
        assert_eq!(memory.replay_buffer, 4 * 1_000_000 * (2 * (2 * 24 + 2 + 2) + 1));
        assert!(memory.total() < memory.replay_buffer + 10_000_000, "{memory}");
        assert_eq!(memory.largest(), "replay_capacity");
    }

    #[test]
    fn networks_are_counted_as_they_are_made() {
        let config = LearnerConfig { critic_layer_norm: true, ..LearnerConfig::default() };
        let learner = Learner::new(config.clone(), spec(), Device::cpu(), 0).unwrap();
        for group in &learner.setup.groups {
            let expected = [group.actor.parameters(), group.critics * group.critic.parameters()];
            assert_eq!(config.parameters(&spec(), &group.group, false), expected.map(Some));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn settings_that_need_more_memory_than_there_is_are_refused() {
        let error =
            |config: LearnerConfig| Learner::new(config, spec(), Device::cpu(), 0).unwrap_err().to_string();
        let found = error(LearnerConfig { replay_capacity: 5_000_000_000, ..LearnerConfig::default() });
        for part in ["2.1 TB for the replay buffer (`replay_capacity`)", "available"] {
            assert!(found.contains(part), "{found}");
        }
        let found = error(LearnerConfig {
            batch_size: 1 << 20,
            replay_capacity: 1 << 20,
            critic_hidden: vec![1 << 14; 2],
            ..LearnerConfig::default()
        });
        assert!(found.contains("for the minibatch (`batch_size`)"), "{found}");
        let found = error(LearnerConfig { critic_hidden: vec![1_000_000; 2], ..LearnerConfig::default() });
        assert!(found.contains("for the critics") && found.contains("lower `critic_hidden`"), "{found}");
        let found = error(LearnerConfig { actor_hidden: vec![1 << 32; 3], ..LearnerConfig::default() });
        assert!(found.contains("lower `actor_hidden`"), "{found}");
    }
}
