use bevy::prelude::*;

use super::cast::{Candidate, Cast};
use crate::{policy::ArenaSpec, problems::Problems};

/// The slots of arenas of one kind: those of the arena with most agents, and for each behavior as many more as another arena has or
/// reserves. If the agents do not fit together, reports this to `problems` and returns no slots.
pub(super) fn spec_of<'a>(casts: &[&Cast<'a>], problems: &mut Problems) -> ArenaSpec {
    let mut slots: Vec<Candidate> = Vec::new();
    let mut largest: Vec<&&Cast<'a>> = casts.iter().collect();
    // The sort is stable, so the first of several arenas with as many agents stays first.
    largest.sort_by_key(|cast| std::cmp::Reverse(cast.agents.len()));
    for cast in &largest {
        match line_up(cast) {
            Ok(found) => {
                slots = found;
                break;
            }
            Err(text) => problems.tell("slots", "", || text),
        }
    }
    if slots.is_empty() {
        return ArenaSpec::default();
    }
    for cast in casts {
        for (agent, wanted) in counts(&cast.agents) {
            let found = slots.iter().filter(|other| agent.is_like(other)).count();
            (found..wanted).for_each(|_| slots.push(agent.clone()));
        }
    }
    for (agent, wanted) in casts.iter().flat_map(|cast| cast.reserved_for) {
        let agent = Candidate::new(Entity::PLACEHOLDER, None, agent);
        let found = slots.iter().filter(|other| agent.is_like(other)).count();
        (found..*wanted).for_each(|_| slots.push(agent.clone()));
    }
    for (behavior, wanted) in casts.iter().flat_map(|cast| cast.reserved) {
        let of_behavior = |slots: &[Candidate<'a>]| -> Vec<Candidate<'a>> {
            slots.iter().filter(|agent| agent.spec.behavior == *behavior).cloned().collect()
        };
        for _ in of_behavior(&slots).len()..*wanted {
            let found = of_behavior(&slots);
            // The agent of which there are fewest.
            let Some((agent, _)) = counts(&found).into_iter().min_by_key(|(_, count)| *count) else {
                problems.tell("reserved", behavior, || {
                    format!(
                        "an arena reserves {wanted} slots for the behavior `{behavior}`, but no agent of this behavior is in an \
                         arena of its kind, so the lengths of its observation and action are not known; use `Arena::with_slots_for`, or spawn one before the first \
                         decision"
                    )
                });
                break;
            };
            slots.push(agent.clone());
        }
    }
    let has_teams = slots.iter().any(|agent| agent.team.is_some());
    let teams = slots.iter().filter(|_| has_teams).map(|agent| agent.team().to_owned()).collect();
    let spec = ArenaSpec { slots: slots.into_iter().map(|agent| agent.spec).collect(), teams };
    if let Err(error) = spec.groups(true) {
        problems.tell("sizes", "", || {
            format!("the agents of arena {} do not fit together: {error}", largest[0].arena)
        });
        return ArenaSpec::default();
    }
    spec
}

/// The agents that differ, and how many there are of each.
fn counts<'a, 'b>(agents: &'b [Candidate<'a>]) -> Vec<(&'b Candidate<'a>, usize)> {
    let mut counts: Vec<(&Candidate, usize)> = Vec::new();
    for agent in agents {
        match counts.iter_mut().find(|(other, _)| agent.is_like(other)) {
            Some((_, count)) => *count += 1,
            None => counts.push((agent, 1)),
        }
    }
    counts
}

/// The agents of an arena in the order of their slots. Agents whose slot the game did not choose take the slots that are
/// free.
fn line_up<'a>(cast: &Cast<'a>) -> Result<Vec<Candidate<'a>>, String> {
    let mut slots: Vec<Option<Candidate>> = vec![None; cast.agents.len()];
    let chosen = || cast.agents.iter().filter_map(|agent| Some((agent.slot?, agent)));
    for (slot, agent) in chosen() {
        match slots.get_mut(slot) {
            Some(place @ None) => *place = Some(agent.clone()),
            _ => {
                let chosen: Vec<usize> = chosen().map(|(slot, _)| slot).collect();
                return Err(format!(
                    "arena {} has agents at the slots {chosen:?}, but slots must be numbered from 0 without gaps and taken \
                     once each; correct the slots, or let agents take a free one with `InArena::new`",
                    cast.arena
                ));
            }
        }
    }
    let mut others = cast.agents.iter().filter(|agent| agent.slot.is_none()).cloned();
    Ok(slots.into_iter().filter_map(|slot| slot.or_else(|| others.next())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::AgentSpec;

    fn entity(index: u32) -> Entity {
        Entity::from_raw_u32(index).expect("a valid index")
    }

    /// An arena with these agents: behavior and chosen slot. The agents are the entities 10, 11, ...
    fn cast<'a>(agents: &[(&str, Option<usize>)], reserved: &'a [(String, usize)]) -> Cast<'a> {
        let agents = agents.iter().enumerate().map(|(index, (behavior, slot))| Candidate {
            entity: entity(10 + index as u32),
            slot: *slot,
            spec: AgentSpec::new(*behavior, 2, 1),
            team: None,
        });
        Cast { arena: entity(1), named: None, reserved, reserved_for: &[], agents: agents.collect() }
    }

    fn behaviors(spec: &ArenaSpec) -> String {
        spec.slots.iter().map(|slot| slot.behavior.as_str()).collect()
    }

    #[test]
    fn a_kind_has_slots_for_the_agents_of_each_of_its_arenas() {
        let mut problems = Problems::default();
        let three = cast(&[("a", None), ("b", None), ("a", None)], &[]);
        let two = cast(&[("b", None), ("b", None)], &[]);
        assert_eq!(behaviors(&spec_of(&[&two, &three], &mut problems)), "abab");
        let reserved = [("a".to_owned(), 3), ("c".to_owned(), 1)];
        let with_room = cast(&[("b", Some(0)), ("a", Some(1))], &reserved);
        assert_eq!(behaviors(&spec_of(&[&with_room], &mut problems)), "baaa");
        assert!(problems.told().len() == 1 && problems.told()[0].contains("`c`"), "{:?}", problems.told());
    }

    #[test]
    fn chosen_slots_are_kept_and_gaps_are_filled_or_told() {
        let mut problems = Problems::default();
        let mixed = cast(&[("a", Some(1)), ("b", None), ("c", None)], &[]);
        assert_eq!(behaviors(&spec_of(&[&mixed], &mut problems)), "bac");
        let gap = cast(&[("a", Some(0)), ("a", Some(2))], &[]);
        assert!(spec_of(&[&gap], &mut problems).slots.is_empty());
        assert!(problems.told()[0].contains("slots [0, 2]"), "{:?}", problems.told());
    }

    #[test]
    fn agents_keep_their_slots_and_newcomers_take_free_ones() {
        let mut problems = Problems::default();
        let all = cast(&[("a", None), ("a", None), ("a", None)], &[]);
        let spec = spec_of(&[&all], &mut problems);
        let [first, second, third] = [10, 11, 12].map(|index| Some(entity(index)));
        assert_eq!(all.seat(&spec, &[]), [first, second, third]);
        let mut later = cast(&[("a", None), ("a", None), ("a", None), ("a", None)], &[]);
        later.agents.remove(0);
        later.agents.swap(0, 2);
        assert_eq!(later.seat(&spec, &[first, second, third]), [Some(entity(13)), second, third]);
        let stranger = cast(&[("b", None)], &[]);
        assert_eq!(stranger.seat(&spec, &[]), [None; 3]);
    }
}
