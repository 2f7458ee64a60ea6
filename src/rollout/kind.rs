use crate::policy::ArenaSpec;

/// A kind of arenas. The same agents can play in all arenas of a kind, and these arenas share a learner.
#[derive(Debug, Clone, Default)]
pub struct Kind {
    pub(super) name: String,
    pub(super) spec: ArenaSpec,
    /// The arenas by row: indices into [`Arenas::entries`](super::Arenas::entries).
    pub(super) rows: Vec<usize>,
    /// Joint decisions made in arenas of this kind.
    pub(crate) decisions: u64,
    /// The number of random joint decisions at the start. If `None`,
    /// [`ExplorationConfig::random_decisions`](crate::exploration::ExplorationConfig::random_decisions) applies.
    pub(crate) random_decisions: Option<u64>,
    /// Whether a learner has started with `spec`. After that, `spec` cannot change.
    pub(crate) is_fixed: bool,
}

impl Kind {
    /// The name that the game gave to the kind, or else the sorted names of its behaviors, joined by `+`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For each slot, the agent that can play there in an arena of this kind. Empty if the agents of its arenas do not fit together.
    pub fn spec(&self) -> &ArenaSpec {
        &self.spec
    }

    /// Number of arenas of this kind.
    pub fn arenas(&self) -> usize {
        self.rows.len()
    }

    /// Whether agents of all these behaviors can play in an arena of this kind.
    pub(super) fn has_all(&self, behaviors: &[&str]) -> bool {
        behaviors.iter().all(|behavior| self.spec.slots.iter().any(|slot| slot.behavior == *behavior))
    }
}

/// The different behaviors, sorted.
pub(super) fn sorted<'a>(behaviors: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut behaviors: Vec<&str> = behaviors.collect();
    behaviors.sort_unstable();
    behaviors.dedup();
    behaviors
}

/// The name of a kind with these sorted behaviors, for a kind to which the game gave no name.
pub(super) fn default_name(behaviors: &[&str]) -> String {
    behaviors.join("+")
}

/// The name of a kind with these agents, if the game gives it no name.
#[cfg(feature = "learner")]
pub(crate) fn default_name_of(agents: &ArenaSpec) -> String {
    default_name(&sorted(agents.slots.iter().map(|agent| agent.behavior.as_str())))
}
