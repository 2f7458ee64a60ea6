use crate::policy::ArenaSpec;

/// Arenas in which the same agents can play. They share a learner.
#[derive(Debug, Clone, Default)]
pub struct Kind {
    pub(super) name: String,
    pub(super) spec: ArenaSpec,
    /// The arenas by row: indices into [`Arenas::entries`](super::Arenas::entries).
    pub(super) rows: Vec<usize>,
    /// Joint decisions made in arenas of this kind.
    pub(crate) decisions: u64,
    /// Joint decisions at the start that are random, if not as many as
    /// [`ExplorationConfig::random_decisions`](crate::exploration::ExplorationConfig::random_decisions) says.
    pub(crate) random_decisions: Option<u64>,
    /// Whether a learner has started with `spec`, which can then no longer change.
    pub(crate) is_fixed: bool,
}

impl Kind {
    /// The name: the one that the game gave, or the sorted names of the agents' behaviors, joined by `+`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The agents that can play in an arena of this kind, by slot. Empty if its agents do not fit together.
    pub fn spec(&self) -> &ArenaSpec {
        &self.spec
    }

    /// Number of arenas of this kind.
    pub fn arenas(&self) -> usize {
        self.rows.len()
    }

    /// Whether agents of all these behaviors can play in it.
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

/// The name of a kind that the game gave none: the names of its behaviors, which are sorted.
pub(super) fn default_name(behaviors: &[&str]) -> String {
    behaviors.join("+")
}

/// The name that a kind with these agents has if the game gives it none.
#[cfg(feature = "learner")]
pub(crate) fn default_name_of(agents: &ArenaSpec) -> String {
    default_name(&sorted(agents.slots.iter().map(|agent| agent.behavior.as_str())))
}
