//! What a critic sees.

use std::ops::Range;

use super::config::LearnerConfig;
use crate::policy::{AgentSpec, ArenaSpec, PolicyGroup, SpecError};

/// What one agent's critic sees, and the layout of the critic's input row: the observations of some agents, then the actions of
/// some agents, and, if slots can be empty, one number for each agent whose action is seen: 1 if it decides, less if it keeps
/// an earlier action, 0 if it is absent.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Where the seen agents' observations are in the joint observation; adjacent ranges are merged.
    observations: Vec<Range<usize>>,
    /// Where the seen agents' actions are in the joint action; adjacent ranges are merged.
    actions: Vec<Range<usize>>,
    /// The critic's own slot, and where that slot's observation and action are in the joint vectors.
    pub(super) slot: usize,
    pub(super) own_observation: Range<usize>,
    pub(super) own_action: Range<usize>,
    /// Where the slot's choices are in the joint mask.
    pub(super) own_choices: Range<usize>,
    /// Columns of the input row that contain the agent's own action.
    pub(super) action_columns: Range<usize>,
    /// The slots whose observations are seen, in the order of the input row.
    pub(super) observed: Vec<usize>,
    /// The slots whose actions are seen, in the order of the input row.
    pub(super) slots: Vec<usize>,
}

impl View {
    /// The view of the critic of the agent at `slot`, which is played by the policy of `group`.
    pub(super) fn of(config: &LearnerConfig, spec: &ArenaSpec, group: &PolicyGroup, slot: usize) -> Self {
        let [observed, slots] = seen(config, spec, group, slot);
        Self::new(spec, slot, observed, slots)
    }

    /// The view of the critic of `slot`, which sees the observations of `observed` and the actions of `slots`, in these orders. `slots`
    /// contains `slot`.
    pub(super) fn new(spec: &ArenaSpec, slot: usize, observed: Vec<usize>, slots: Vec<usize>) -> Self {
        let observation = |&slot: &usize| (spec.observation_offset(slot), spec.slots[slot].observation_size);
        let action = |&slot: &usize| (spec.action_offset(slot), spec.slots[slot].action_size());
        let before = slots.iter().take_while(|&&seen| seen != slot);
        let start = observed.iter().map(|seen| observation(seen).1).sum::<usize>()
            + before.map(|seen| action(seen).1).sum::<usize>();
        Self {
            observations: join(observed.iter().map(observation)),
            actions: join(slots.iter().map(action)),
            slot,
            own_observation: range(observation(&slot)),
            own_action: range(action(&slot)),
            own_choices: range((spec.choice_offset(slot), spec.slots[slot].action.choices())),
            action_columns: range((start, action(&slot).1)),
            observed,
            slots,
        }
    }

    /// Refuses critics that would see the images of several agents, or the image of another agent.
    pub(super) fn check_images(&self, spec: &ArenaSpec) -> Result<(), SpecError> {
        let agent = &spec.slots[self.slot];
        let mut others =
            self.observed.iter().filter(|slot| **slot != self.slot).map(|slot| &spec.slots[*slot]);
        let has_image = |other: &&AgentSpec| other.image.or(agent.image).is_some();
        match others.find(has_image) {
            None => Ok(()),
            Some(other) => Err(SpecError::Image {
                behavior: other.image.map_or(&agent.behavior, |_| &other.behavior).clone(),
                reason: format!(
                    "the critics of `{behavior}` would see the observations of several agents, but a critic that sees images can see \
                     only those of its own agent; name `{behavior}` in `own_observation` or `independent`",
                    behavior = agent.behavior,
                ),
            }),
        }
    }

    /// The slots whose observations and whose actions are seen.
    pub(super) fn seen(&self) -> (&[usize], &[usize]) {
        (&self.observed, &self.slots)
    }

    /// Size of the observation part of an input row.
    pub(super) fn observation_size(&self) -> usize {
        self.observations.iter().map(Range::len).sum()
    }

    /// Size of the action part of an input row.
    pub(super) fn action_size(&self) -> usize {
        self.actions.iter().map(Range::len).sum()
    }

    /// Appends the input rows for these joint observations and actions to `out`. `present` says which slots have an
    /// agent; it is empty if all have one.
    pub(super) fn gather(
        &self,
        observations: &[f32],
        actions: &[f32],
        present: &[f32],
        rows: usize,
        out: &mut Vec<f32>,
    ) {
        let (width, action_width) = (observations.len() / rows, actions.len() / rows);
        let mut present = present.chunks_exact((present.len() / rows).max(1));
        for (observation, action) in observations.chunks_exact(width).zip(actions.chunks_exact(action_width))
        {
            for range in &self.observations {
                out.extend_from_slice(&observation[range.clone()]);
            }
            for range in &self.actions {
                out.extend_from_slice(&action[range.clone()]);
            }
            if let Some(present) = present.next() {
                out.extend(self.slots.iter().map(|slot| present[*slot]));
            }
        }
    }

    /// Appends only the presence parts of the input rows to `out`.
    #[cfg(any(feature = "gpu", test))]
    pub(super) fn gather_presence(&self, present: &[f32], agents: usize, out: &mut Vec<f32>) {
        for present in present.chunks_exact(agents) {
            out.extend(self.slots.iter().map(|slot| present[*slot]));
        }
    }

    /// Appends only the observation parts of the input rows to `out`.
    #[cfg(any(feature = "gpu", test))]
    pub(super) fn gather_observations(&self, observations: &[f32], rows: usize, out: &mut Vec<f32>) {
        for observation in observations.chunks_exact(observations.len() / rows) {
            for range in &self.observations {
                out.extend_from_slice(&observation[range.clone()]);
            }
        }
    }

    /// Appends the own masks from `rows` joint masks to `out`.
    pub(super) fn gather_masks(&self, masks: &[f32], rows: usize, out: &mut Vec<f32>) {
        if !self.own_choices.is_empty() {
            for mask in masks.chunks_exact(masks.len() / rows) {
                out.extend_from_slice(&mask[self.own_choices.clone()]);
            }
        }
    }

    /// Appends the own observations from `rows` joint observations to `out`.
    pub(super) fn gather_own(&self, observations: &[f32], rows: usize, out: &mut Vec<f32>) {
        for observation in observations.chunks_exact(observations.len() / rows) {
            out.extend_from_slice(&observation[self.own_observation.clone()]);
        }
    }
}

/// The slots whose observations the critic of the agent at `slot` sees, and the slots whose actions it sees. The policy of `group` plays
/// this slot.
pub(super) fn seen(
    config: &LearnerConfig,
    spec: &ArenaSpec,
    group: &PolicyGroup,
    slot: usize,
) -> [Vec<usize>; 2] {
    let behavior = &group.agent.behavior;
    let slots = if !config.central_critic || config.independent.contains(behavior) {
        vec![slot]
    } else if group.slots.len() > 1 {
        from_own_side(spec, slot)
    } else {
        (0..spec.agents()).collect()
    };
    let observed = if config.own_observation.contains(behavior) { vec![slot] } else { slots.clone() };
    [observed, slots]
}

/// The order in which a critic that several slots share sees the slots: the agent itself, its team-mates from its own slot on,
/// then the others. Each team is ordered behavior by behavior, the agent's own behavior first. In this way, a column always has
/// the same meaning: a team-mate of a certain behavior, or a certain opponent.
fn from_own_side(spec: &ArenaSpec, slot: usize) -> Vec<usize> {
    let agents = spec.agents();
    let behavior = |slot: usize| spec.slots[slot].behavior.as_str();
    let mut behaviors = vec![behavior(slot)];
    for other in (0..agents).map(behavior) {
        if !behaviors.contains(&other) {
            behaviors.push(other);
        }
    }
    let is_mate = |other: &usize| spec.team(*other) == spec.team(slot);
    let mates = (0..agents).map(|k| (slot + k) % agents).filter(is_mate);
    let mut order: Vec<usize> = mates.chain((0..agents).filter(|other| !is_mate(other))).collect();
    let rank = |other: usize| behaviors.iter().position(|known| *known == behavior(other));
    order.sort_by_key(|other| (!is_mate(other), rank(*other)));
    order
}

fn range((start, size): (usize, usize)) -> Range<usize> {
    start..start + size
}

/// The ranges with these starts and sizes; a range that starts where the previous one ends is merged with it.
fn join(parts: impl Iterator<Item = (usize, usize)>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for part in parts.map(range) {
        match ranges.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => ranges.push(part),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_critic_sees_itself_then_its_team_then_the_others() {
        let agent = |behavior: &str| AgentSpec::new(behavior, 1, 1);
        let mut spec = ArenaSpec::new(["wolf", "sheep", "wolf", "wolf"].map(agent).to_vec());
        assert_eq!(from_own_side(&spec, 0), [0, 2, 3, 1]);
        assert_eq!(from_own_side(&spec, 3), [3, 0, 2, 1]);
        // Two teams of one behavior.
        spec.slots.iter_mut().for_each(|slot| slot.behavior = "player".into());
        spec.teams = ["red", "blue", "red", "blue"].map(String::from).to_vec();
        assert_eq!(from_own_side(&spec, 2), [2, 0, 1, 3]);
        assert_eq!(from_own_side(&spec, 3), [3, 1, 0, 2]);
        // Two teams with two roles, which their slots list in different orders.
        let roles = ["keeper", "striker", "striker", "striker", "keeper", "striker"];
        spec = ArenaSpec::new(roles.map(agent).to_vec());
        spec.teams = ["red", "red", "red", "blue", "blue", "blue"].map(String::from).to_vec();
        let roles_seen =
            |slot| from_own_side(&spec, slot).into_iter().map(|slot| roles[slot]).collect::<Vec<_>>();
        assert_eq!(from_own_side(&spec, 2), [2, 1, 0, 3, 5, 4]);
        for striker in [1, 2, 3, 5] {
            assert_eq!(roles_seen(striker), ["striker", "striker", "keeper", "striker", "striker", "keeper"]);
        }
        for keeper in [0, 4] {
            assert_eq!(roles_seen(keeper), ["keeper", "striker", "striker", "keeper", "striker", "striker"]);
        }
    }
}
