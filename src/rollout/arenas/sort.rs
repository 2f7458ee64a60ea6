use super::{ArenaEntry, Arenas, EarlierTrainings, Place, cast::Cast, slots::spec_of};
use crate::{
    policy::ArenaSpec,
    problems::Problems,
    rollout::{Kind, kind::default_name},
};

/// Finds the kind of each arena and gives its agents their slots.
pub(super) fn sort_into_kinds(
    casts: &[Cast],
    old: &Arenas,
    problems: &mut Problems,
) -> (Vec<Kind>, Vec<ArenaEntry>) {
    // The kinds with a learner stay, with their places.
    let mut kinds: Vec<Kind> = old.kinds.iter().filter(|kind| kind.is_fixed).cloned().collect();
    kinds.iter_mut().for_each(|kind| kind.rows.clear());
    let mut names: Vec<Option<String>> = Vec::new();
    for cast in casts {
        let before = old.entry(cast.arena).and_then(|entry| entry.place).map(|place| &old.kinds[place.kind]);
        let name = kind_name(cast, before, &kinds, &old.earlier);
        if let (Some(before), Some(name)) = (before.filter(|before| before.is_fixed), &name)
            && before.name != *name
        {
            tell_new_kind(cast, before, name, problems);
        }
        names.push(name);
    }
    // Kinds are numbered in the order in which their arenas were spawned.
    let mut new: Vec<(u32, &String)> = casts
        .iter()
        .zip(&names)
        .filter_map(|(cast, name)| Some((cast.arena.index_u32(), name.as_ref()?)))
        .collect();
    new.sort_unstable();
    for (_, name) in new {
        if kinds.iter().any(|kind| kind.name == *name) {
            continue;
        }
        let of_kind = names.iter().zip(casts).filter(|(other, _)| other.as_ref() == Some(name));
        let members: Vec<&Cast> =
            of_kind.map(|(_, cast)| cast).filter(|cast| !cast.agents.is_empty()).collect();
        let before = old.kinds.iter().find(|kind| kind.name == *name);
        let decisions = before.map_or(0, |kind| kind.decisions);
        let spec = slots_of(name, &members, before, &old.earlier, problems);
        kinds.push(Kind { name: name.clone(), spec, decisions, ..Kind::default() });
    }
    // Learners start in this order, so kinds that cannot be trained come last.
    kinds.sort_by_key(|kind| !kind.is_fixed && kind.spec.slots.is_empty());
    let mut entries = Vec::new();
    for (cast, name) in casts.iter().zip(names) {
        let kind = name.and_then(|name| kinds.iter().position(|kind| kind.name == name));
        let before = old.entry(cast.arena).map_or(&[][..], |entry| &entry.agents);
        let mut entry = ArenaEntry { arena: cast.arena, agents: Vec::new(), place: None };
        if let Some(kind) = kind.filter(|kind| !kinds[*kind].spec.slots.is_empty()) {
            entry.agents = cast.seat(&kinds[kind].spec, before);
            entry.place = Some(Place { kind, row: kinds[kind].rows.len() });
            kinds[kind].rows.push(entries.len());
        }
        entries.push(entry);
    }
    (kinds, entries)
}

/// The slots of a kind that has no learner yet. They stay as they are while every agent has one, so that no agent moves to another slot
/// when one leaves.
fn slots_of(
    kind: &str,
    members: &[&Cast],
    before: Option<&Kind>,
    earlier: &EarlierTrainings,
    problems: &mut Problems,
) -> ArenaSpec {
    let have_all = |spec: &ArenaSpec| members.iter().all(|cast| cast.fits(spec));
    if let Some(before) = before.filter(|before| have_all(&before.spec)) {
        return before.spec.clone();
    }
    let spec = spec_of(members, problems);
    // A training that continues keeps its slots. The order in which the agents were spawned does not matter.
    let continued = earlier.agents(kind).and_then(|earlier| spec.continuing(&earlier));
    continued.filter(have_all).unwrap_or(spec)
}

/// The name of an arena's kind. An arena keeps its kind as long as its agents fit. Otherwise, it takes the kind for exactly its behaviors,
/// if that kind has a learner or was trained earlier, or else a kind with a learner in which its agents can play.
fn kind_name(
    cast: &Cast,
    before: Option<&Kind>,
    kinds: &[Kind],
    earlier: &EarlierTrainings,
) -> Option<String> {
    if let Some(name) = cast.named {
        return Some(name.into());
    }
    let behaviors = cast.behaviors();
    if let Some(before) = before.filter(|kind| kind.has_all(&behaviors)) {
        return Some(before.name.clone());
    }
    let exact = default_name(&behaviors);
    if behaviors.is_empty() {
        return None;
    }
    let fitting = kinds.iter().filter(|kind| kind.name != exact && kind.has_all(&behaviors));
    match fitting.min_by_key(|kind| kind.spec.agents()) {
        Some(kind) if kinds.iter().all(|kind| kind.name != exact) && earlier.agents(&exact).is_none() => {
            Some(kind.name.clone())
        }
        _ => Some(exact),
    }
}

/// Reports that an arena moves to another kind although its present kind has a learner.
fn tell_new_kind(cast: &Cast, before: &Kind, name: &str, problems: &mut Problems) {
    problems.tell("new kind", name, || {
        format!(
            "arena {} has agents for which the learner of its kind `{}` has no slots, so it now belongs to the kind `{name}`, which \
             learns separately; to train them together, reserve slots with `Arena::with_slots_for` before the first decision",
            cast.arena, before.name
        )
    });
}
