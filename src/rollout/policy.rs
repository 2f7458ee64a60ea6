use std::sync::Arc;

use bevy::prelude::*;

use crate::{
    agent::Agent,
    policy::{AgentSpec, LatestPolicy, Policy, PolicySnapshot, Scratch},
    problems::Problems,
};

/// The policies in use. They can be replaced at any time; actions that were already decided stay.
///
/// An agent uses the policy of its behavior. While several kinds of arenas are trained, agents of the same behavior in
/// different kinds use the policies of their own learners.
///
/// ```no_run
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// /// From the next decision on, the guards use another policy.
/// fn raise_difficulty(mut acting: ResMut<ActingPolicy>) -> Result {
///     acting.set(PolicySnapshot::load("guard-hard.safetensors")?);
///     Ok(())
/// }
///
/// /// Policies for the behaviors of two games, trained apart.
/// fn load_both(mut acting: ResMut<ActingPolicy>) -> Result {
///     acting.set(PolicySnapshot::load("guard.safetensors")?);
///     acting.add(PolicySnapshot::load("wolf.safetensors")?);
///     Ok(())
/// }
/// # let mut app = App::new();
/// # app.add_systems(Update, (raise_difficulty, load_both));
/// ```
#[derive(Resource, Debug, Default)]
pub struct ActingPolicy {
    sources: Vec<Source>,
    /// What [`set`](Self::set) or [`follow`](Self::follow) has replaced since the last decision.
    replaced: Vec<Source>,
    /// Whether the first policies are still being loaded.
    #[cfg(feature = "asset")]
    pub(crate) is_loading: bool,
    pub(super) scratch: Scratch,
    swaps: u64,
}

/// Where policies come from.
#[derive(Debug, Clone)]
struct Source {
    /// The kind of arenas that they are trained in, if a learner of this app trains them.
    kind: Option<String>,
    latest: LatestPolicy,
    current: Arc<PolicySnapshot>,
    novelty: Novelty,
}

/// Whether policies have yet to be compared with the agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Novelty {
    /// They replaced others.
    Set,
    /// They were added to others.
    Added,
    /// They were compared.
    Compared,
}

impl Source {
    fn new(kind: Option<String>, latest: LatestPolicy, novelty: Novelty) -> Self {
        Self { kind, current: latest.load(), latest, novelty }
    }
}

impl ActingPolicy {
    /// Makes all agents use this snapshot from the next decision on. A learner that starts afterwards takes over for its kind of arenas.
    ///
    /// A snapshot whose policies do not fit the sizes of the agents is refused and reported in
    /// [`Problems`]; the policies before it stay in use.
    pub fn set(&mut self, snapshot: impl Into<Arc<PolicySnapshot>>) {
        self.follow(LatestPolicy::new(snapshot));
    }

    /// Makes all agents use the newest snapshot that a learner publishes, from the next decision on.
    pub fn follow(&mut self, latest: LatestPolicy) {
        let before = std::mem::replace(&mut self.sources, vec![Source::new(None, latest, Novelty::Set)]);
        // If two are set before a decision, the first one was never compared with the agents.
        if !before.iter().any(|source| source.novelty == Novelty::Set) {
            self.replaced = before;
        }
        self.swaps += 1;
    }

    /// Uses this snapshot for its behaviors, in addition to the policies in use. It is refused if it does not fit the agents, as
    /// with [`set`](Self::set).
    pub fn add(&mut self, snapshot: impl Into<Arc<PolicySnapshot>>) {
        self.sources.insert(0, Source::new(None, LatestPolicy::new(snapshot), Novelty::Added));
        self.swaps += 1;
    }

    /// Uses the newest snapshot of the learner of this kind of arenas.
    #[cfg(feature = "learner")]
    pub(crate) fn learn(&mut self, kind: &str, latest: LatestPolicy) {
        self.sources.retain(|source| source.kind.as_deref() != Some(kind));
        self.sources.push(Source::new(Some(kind.into()), latest, Novelty::Compared));
        self.swaps += 1;
    }

    /// The snapshot in use: the one set or added last, or that of the first learner. `None` if there is none yet.
    pub fn snapshot(&self) -> Option<&Arc<PolicySnapshot>> {
        self.sources.first().map(|source| &source.current)
    }

    /// The snapshot that the learner of this kind of arenas trains. `None` if there is no such learner, or if its
    /// policies were replaced.
    pub fn snapshot_of(&self, kind: &str) -> Option<&Arc<PolicySnapshot>> {
        let of_kind = |source: &&Source| source.kind.as_deref() == Some(kind);
        self.sources.iter().find(of_kind).map(|source| &source.current)
    }

    /// How often the policies in use were replaced.
    pub fn swaps(&self) -> u64 {
        self.swaps
    }

    /// Whether there is no policy at all.
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether there is no policy yet, but one is being loaded.
    pub(super) fn is_awaited(&self) -> bool {
        #[cfg(feature = "asset")]
        let is_loading = self.is_loading;
        #[cfg(not(feature = "asset"))]
        let is_loading = false;
        is_loading && self.is_empty()
    }

    /// The policy of this source at this index, and memory for its forward pass.
    pub(super) fn parts(&mut self, source: usize) -> (&PolicySnapshot, &mut Scratch) {
        (&self.sources[source].current, &mut self.scratch)
    }

    /// The policies of all sources.
    pub(super) fn policies(&self) -> impl Iterator<Item = &[Policy]> {
        self.sources.iter().map(|source| source.current.policies())
    }

    /// The policy for an agent of this spec at a slot of an arena of `kind`: source and index, or why there is none.
    pub(super) fn find(
        &self,
        kind: Option<&str>,
        slot: usize,
        agent: &AgentSpec,
    ) -> Result<(usize, usize), String> {
        let is_own = |source: &Source| kind.is_some() && source.kind.as_deref() == kind;
        let sources = || self.sources.iter().enumerate();
        let own = sources().filter(|(_, source)| is_own(source));
        let rest = sources().filter(|(_, source)| !is_own(source));
        let mut wrong = None;
        for (index, source) in own.chain(rest) {
            match find(&source.current, slot, agent) {
                Some(Ok(policy)) => return Ok((index, policy)),
                Some(Err(reason)) => wrong = wrong.or(Some(reason)),
                None => {}
            }
        }
        Err(wrong.unwrap_or_else(|| {
            if self.sources.is_empty() {
                return "there is no policy yet; load or train one".into();
            }
            no_policy(self.policies().flatten())
        }))
    }

    fn refresh(&mut self) {
        for source in &mut self.sources {
            let newest = source.latest.load();
            if !Arc::ptr_eq(&source.current, &newest) {
                source.current = newest;
                self.swaps += 1;
            }
        }
    }
}

/// Why no policy fits, if none is for the behavior.
pub(super) fn no_policy<'a>(policies: impl Iterator<Item = &'a Policy>) -> String {
    let mut known: Vec<_> = policies.map(|policy| policy.group().agent.behavior.as_str()).collect();
    known.dedup();
    format!(
        "there is no policy for this behavior, only for {}; correct the name, or train a policy for it",
        known.join(", ")
    )
}

/// The index of the snapshot's policy for an agent. `None` if it has no policy for the behavior, an error if that policy
/// does not fit.
pub(super) fn find(
    snapshot: &PolicySnapshot,
    slot: usize,
    agent: &AgentSpec,
) -> Option<Result<usize, String>> {
    let groups = || snapshot.policies().iter().map(|policy| policy.group()).enumerate();
    let of_behavior = || groups().filter(|(_, group)| group.agent.behavior == agent.behavior);
    // If each slot has its own policy, that of the agent's slot; otherwise the first one of the behavior.
    let found = of_behavior().find(|(_, group)| group.slots.contains(&slot)).or_else(|| of_behavior().next());
    let (index, group) = found?;
    Some(match agent.difference(&group.agent) {
        None => Ok(index),
        Some(difference) => Err(format!(
            "its policy was trained for another agent: this one has {difference}; make the `Agent` like the one of its \
             policy, or train a policy for it"
        )),
    })
}

/// Takes the newest snapshots for the decision that follows. Refuses policies that were just set or added if they do not fit.
pub(super) fn swap(mut acting: ResMut<ActingPolicy>, agents: Query<&Agent>, mut problems: ResMut<Problems>) {
    acting.refresh();
    if acting.sources.iter().all(|source| source.novelty == Novelty::Compared) {
        return;
    }
    let replaced = std::mem::take(&mut acting.replaced);
    let is_alone = acting.sources.len() == 1;
    let mut sources = Vec::new();
    for mut source in std::mem::take(&mut acting.sources) {
        let novelty = std::mem::replace(&mut source.novelty, Novelty::Compared);
        let is_kept = match novelty {
            Novelty::Compared => true,
            Novelty::Set => replaced.is_empty(),
            Novelty::Added => is_alone,
        };
        let Some((behavior, reason)) = misfit(&source.current, &agents).filter(|_| !is_kept) else {
            sources.push(source);
            continue;
        };
        let instead = match novelty {
            Novelty::Set => {
                sources.extend_from_slice(&replaced);
                "The policy before it stays in use"
            }
            _ => "The other policies stay in use",
        };
        problems.tell("refused policy", &behavior, || {
            format!(
                "a policy was set or added that does not fit the behavior `{behavior}`: {reason}. {instead}"
            )
        });
        acting.swaps += 1;
    }
    acting.sources = sources;
}

/// The behavior of an agent that one of the policies is for but does not fit, and why it does not, if no agent of that behavior fits.
fn misfit(snapshot: &PolicySnapshot, agents: &Query<&Agent>) -> Option<(String, String)> {
    let mut misfit = None;
    for spec in agents.iter().map(Agent::spec) {
        match find(snapshot, 0, &spec) {
            Some(Ok(_)) => return None,
            Some(Err(reason)) => misfit = misfit.or(Some((spec.behavior, reason))),
            None => {}
        }
    }
    misfit
}
