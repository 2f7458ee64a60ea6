use std::sync::Arc;

use bevy::prelude::*;

use super::RolloutClock;
use crate::{
    agent::Agent,
    policy::{AgentSpec, ArenaSpec, LatestPolicy, Policy, PolicySnapshot, Scratch},
    problems::Problems,
};

/// The resource with the policies in use. You can replace them at any time. Agents keep the actions that they have already decided.
///
/// An agent uses the policy of its behavior. If several kinds of arenas are trained, each kind has its own learner, so agents of the
/// same behavior use different policies in different kinds.
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
///
/// /// Guards were trained alone in yards and together with wolves in forests.
/// fn load_kinds(mut acting: ResMut<ActingPolicy>) -> Result {
///     acting.add_for("guard", PolicySnapshot::load("yard.safetensors")?);
///     acting.add_for("guard+wolf", PolicySnapshot::load("forest.safetensors")?);
///     Ok(())
/// }
/// # let mut app = App::new();
/// # app.add_systems(Update, (raise_difficulty, load_both, load_kinds));
/// ```
#[derive(Resource, Debug, Default)]
pub struct ActingPolicy {
    sources: Vec<Source>,
    /// The sources that [`set`](Self::set) or [`follow`](Self::follow) has replaced since the last decision.
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
    /// The kind of arenas that the policies are for; `None` if they are for all.
    kind: Option<String>,
    latest: LatestPolicy,
    current: Arc<PolicySnapshot>,
    /// Whether it was [added](ActingPolicy::add) to other sources.
    is_added: bool,
    /// Whether it was not compared with the agents yet.
    is_new: bool,
}

impl Source {
    /// A source whose policies are compared with the agents before the next decision.
    fn new(kind: Option<String>, latest: LatestPolicy, is_added: bool) -> Self {
        Self { kind, current: latest.load(), latest, is_added, is_new: true }
    }

    /// Whether this source can take the place of the `other` one: both are for the same kind of arenas, and this one has a policy for each
    /// agent for which the other one has a policy.
    fn covers(&self, other: &Self) -> bool {
        let mut others = other.current.policies().iter().map(|policy| &policy.group().agent);
        let has =
            |agent: &AgentSpec| self.current.policies().iter().any(|policy| policy.group().agent == *agent);
        self.kind == other.kind && others.all(has)
    }
}

impl ActingPolicy {
    /// Makes all agents use this snapshot from the next decision on. If a learner starts afterwards, the agents of its kind of arenas use
    /// the learner's policies instead.
    ///
    /// If the policies of the snapshot do not fit the sizes of the agents, this is reported in [`Problems`], and the previous policies
    /// stay in use.
    pub fn set(&mut self, snapshot: impl Into<Arc<PolicySnapshot>>) {
        self.follow(LatestPolicy::new(snapshot));
    }

    /// Makes all agents use the newest snapshot that a learner publishes, from the next decision on.
    pub fn follow(&mut self, latest: LatestPolicy) {
        self.replace(latest, |_| false);
    }

    /// Makes all agents use this snapshot, except for those that use policies that were [added](Self::add).
    #[cfg(feature = "asset")]
    pub(crate) fn set_beside_added(&mut self, snapshot: Arc<PolicySnapshot>) {
        self.replace(LatestPolicy::new(snapshot), |source| source.is_added);
    }

    fn replace(&mut self, latest: LatestPolicy, is_kept: impl Fn(&Source) -> bool) {
        let (kept, before): (Vec<_>, Vec<_>) = self.sources.drain(..).partition(is_kept);
        self.sources = kept;
        self.sources.push(Source::new(None, latest, false));
        // If two snapshots are set before a decision, the first one was never compared with the agents and must not come back.
        if !before.iter().any(|source| source.is_new && !source.is_added) {
            self.replaced = before;
        }
        self.swaps += 1;
    }

    /// Uses this snapshot for its behaviors, in addition to the policies in use. It takes the place of an earlier snapshot with the same
    /// behaviors. If it does not fit the agents, it is not used, as with [`set`](Self::set).
    pub fn add(&mut self, snapshot: impl Into<Arc<PolicySnapshot>>) {
        self.add_source(None, snapshot.into());
    }

    /// As [`add`](Self::add), but only for arenas of this [kind](crate::arena::Arena::of_kind). Agents in these arenas use this snapshot
    /// rather than other policies for their behavior. Use it for a behavior that was trained in several kinds of arenas.
    pub fn add_for(&mut self, kind: impl Into<String>, snapshot: impl Into<Arc<PolicySnapshot>>) {
        self.add_source(Some(kind.into()), snapshot.into());
    }

    fn add_source(&mut self, kind: Option<String>, snapshot: Arc<PolicySnapshot>) {
        self.sources.insert(0, Source::new(kind, LatestPolicy::new(snapshot), true));
        self.swaps += 1;
    }

    /// Uses the newest snapshot of the learner of this kind of arenas.
    #[cfg(feature = "learner")]
    pub(crate) fn learn(&mut self, kind: &str, latest: LatestPolicy) {
        self.sources.retain(|source| source.kind.as_deref() != Some(kind));
        let source = Source::new(Some(kind.into()), latest, false);
        self.sources.push(Source { is_new: false, ..source });
        self.swaps += 1;
    }

    /// The snapshot in use: the one that was set or added last, or else that of the first learner. `None` if there is none yet.
    pub fn snapshot(&self) -> Option<&Arc<PolicySnapshot>> {
        self.sources.first().map(|source| &source.current)
    }

    /// The snapshot that only this kind of arenas uses: the one that its learner trains, or one that was [added](Self::add_for) for it.
    /// `None` if there is none.
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

    /// The policies of this source, and memory for their forward passes.
    pub(super) fn parts(&mut self, source: usize) -> (&PolicySnapshot, &mut Scratch) {
        (&self.sources[source].current, &mut self.scratch)
    }

    /// All sources: the kind of arenas that they are for, if they are not for all, and their policies.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Option<&str>, &[Policy])> {
        self.sources.iter().map(|source| (source.kind.as_deref(), source.current.policies()))
    }

    /// The policy for an agent of this spec at a slot of an arena of `kind`, as its source and its index there.
    ///
    /// # Errors
    /// Why there is no such policy.
    pub(super) fn find(
        &self,
        kind: Option<&str>,
        slot: usize,
        agent: &AgentSpec,
    ) -> Result<(usize, usize), String> {
        let is_own = |source: &Source| kind.is_some() && source.kind.as_deref() == kind;
        let sources = || self.sources.iter().enumerate();
        // Policies for all kinds come before policies for other kinds.
        let own = sources().filter(|(_, source)| is_own(source));
        let general = sources().filter(|(_, source)| source.kind.is_none());
        let of_others = sources().filter(|(_, source)| source.kind.is_some() && !is_own(source));
        let mut wrong = None;
        for (index, source) in own.chain(general).chain(of_others) {
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
            no_policy(self.sources().flat_map(|(_, policies)| policies))
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

/// Why an agent has no policy, if none of these policies is for its behavior.
fn no_policy<'a>(policies: impl Iterator<Item = &'a Policy>) -> String {
    let mut known: Vec<_> = policies.map(|policy| policy.group().agent.behavior.as_str()).collect();
    known.dedup();
    format!(
        "there is no policy for this behavior, only for {}; correct the name, or train a policy for it",
        known.join(", ")
    )
}

/// The index of the snapshot's policy for an agent. `None` if it has no policy for the behavior, an error if that policy
/// does not fit.
fn find(snapshot: &PolicySnapshot, slot: usize, agent: &AgentSpec) -> Option<Result<usize, String>> {
    let groups = || snapshot.policies().iter().map(|policy| policy.group()).enumerate();
    let of_behavior = || groups().filter(|(_, group)| group.agent.behavior == agent.behavior);
    // If each slot has its own policy, takes that of the agent's slot, otherwise the first one of the behavior.
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

/// Why a snapshot cannot play all agents of a team.
pub(crate) fn why_unfit(snapshot: &PolicySnapshot, agents: &ArenaSpec, team: &str) -> Option<String> {
    let mut of_team = agents.slots.iter().enumerate().filter(|(slot, _)| agents.team(*slot) == team);
    of_team.find_map(|(slot, agent)| find_in(snapshot, slot, agent).err())
}

/// The index of the snapshot's policy for an agent, or why it has none.
pub(super) fn find_in(snapshot: &PolicySnapshot, slot: usize, agent: &AgentSpec) -> Result<usize, String> {
    find(snapshot, slot, agent).unwrap_or_else(|| Err(no_policy(snapshot.policies().iter())))
}

/// Takes the newest snapshots for the decision that follows. Refuses policies that were just set or added if they do not fit.
pub(super) fn swap(
    mut acting: ResMut<ActingPolicy>,
    agents: Query<&Agent>,
    clock: Res<RolloutClock>,
    fixed: Option<Res<Time<Fixed>>>,
    mut problems: ResMut<Problems>,
) {
    acting.refresh();
    if !acting.sources.iter().any(|source| source.is_new) {
        return;
    }
    let here = clock.decision_seconds(fixed.as_deref());
    for source in acting.sources.iter().filter(|source| source.is_new) {
        tell_of_other_pace(&source.current, here, &mut problems);
    }
    let replaced = std::mem::take(&mut acting.replaced);
    let is_alone = acting.sources.len() == 1;
    let mut sources: Vec<Source> = Vec::new();
    for mut source in std::mem::take(&mut acting.sources) {
        if sources.iter().any(|newer| newer.is_added && newer.covers(&source)) {
            continue;
        }
        let is_new = std::mem::take(&mut source.is_new);
        let is_kept = !is_new || if source.is_added { is_alone } else { replaced.is_empty() };
        let Some((behavior, reason)) = misfit(&source.current, &agents).filter(|_| !is_kept) else {
            sources.push(source);
            continue;
        };
        let instead = if source.is_added {
            "The other policies stay in use"
        } else {
            sources.extend_from_slice(&replaced);
            "The policy before it stays in use"
        };
        problems.tell("refused policy", &format!("{behavior}: {reason}"), || {
            format!(
                "a policy was set or added that does not fit the behavior `{behavior}`: {reason}. {instead}"
            )
        });
        acting.swaps += 1;
    }
    acting.sources = sources;
}

/// Reports a policy that was trained with more or less time between decisions than in this game.
fn tell_of_other_pace(policy: &PolicySnapshot, here: Option<f64>, problems: &mut Problems) {
    let (Some(trained), Some(here)) = (policy.decision_seconds(), here) else { return };
    if (trained / here - 1.0).abs() > 0.01 {
        problems.tell("pace", "", || {
            format!(
                "a policy was trained with a decision every {trained:.4} s, but agents decide every {here:.4} s, so they may play badly; use the \
                 same `with_decision_period` and the same timestep of `Time<Fixed>` as in training"
            )
        });
    }
}

/// If there are agents of a behavior for which the snapshot has a policy, but the policy fits none of them: the behavior, and why not.
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
