use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use super::{ActionSpace, ImageSpec};

/// What one agent observes and what it can do. A game and its policies must agree on this.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct AgentSpec {
    /// Name of the behavior. Agents of the same behavior share one policy, unless sharing is turned off.
    pub behavior: String,
    /// How many numbers an observation has, with all frames if frames are stacked.
    pub observation_size: usize,
    /// Ranges of the observation that the learner does not normalize, because their numbers are already in a fixed range. Numbers
    /// outside -5 to 5 are clipped, as normalized ones are.
    pub raw: Vec<Range<usize>>,
    /// The names of the numbers of one frame; empty if the game gave none.
    pub observation_names: Vec<String>,
    /// The part of the observation that is an image, if there is one. The learner does not normalize its pixels.
    pub image: Option<ImageSpec>,
    /// What the agent can do.
    pub action: ActionSpace,
}

/// An [`AgentSpec`] in a file. The action space is left out if it has only numbers, without names.
#[derive(Serialize, Deserialize)]
struct Record {
    behavior: String,
    observation_size: usize,
    action_size: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    raw: Vec<Range<usize>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    observation_names: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<ImageSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<ActionSpace>,
}

impl From<AgentSpec> for Record {
    fn from(spec: AgentSpec) -> Self {
        let AgentSpec { behavior, observation_size, raw, observation_names, image, action } = spec;
        let action_size = action.size();
        let action = (!action.is_plain()).then_some(action);
        Self { behavior, observation_size, action_size, raw, observation_names, image, action }
    }
}

impl TryFrom<Record> for AgentSpec {
    type Error = String;

    fn try_from(record: Record) -> Result<Self, String> {
        let Record { behavior, observation_size, action_size, raw, observation_names, image, action } =
            record;
        let action = action.unwrap_or_else(|| ActionSpace::of_numbers(action_size));
        let wrong = |what: String| format!("the behavior `{behavior}` cannot be read: {what}");
        action.check().map_err(wrong)?;
        let size = action.numbers().checked_add(action.choices());
        if size != Some(action_size) {
            return Err(wrong(format!(
                "its action has {action_size} numbers, but its parts have another size"
            )));
        }
        let names = observation_names.len();
        if names > 0 && !observation_size.is_multiple_of(names) {
            return Err(wrong(format!("it has {names} names for {observation_size} observed numbers")));
        }
        if let Some(range) = raw.iter().find(|range| range.start > range.end || range.end > observation_size)
        {
            return Err(wrong(format!(
                "the numbers {range:?} are said to be raw, but it observes only {observation_size}"
            )));
        }
        if let Some(image) = image {
            image.check(observation_size).map_err(wrong)?;
        }
        Ok(Self { behavior, observation_size, raw, observation_names, image, action })
    }
}

impl AgentSpec {
    /// An agent that observes `observation_size` numbers and acts with `numbers` numbers.
    pub fn new(behavior: impl Into<String>, observation_size: usize, numbers: usize) -> Self {
        Self {
            behavior: behavior.into(),
            observation_size,
            raw: Vec::new(),
            observation_names: Vec::new(),
            image: None,
            action: ActionSpace::of_numbers(numbers),
        }
    }

    /// Declares a part of the observation to be an image.
    #[must_use]
    pub fn with_image(mut self, image: ImageSpec) -> Self {
        self.image = Some(image);
        self
    }

    /// Replaces what the agent can do.
    #[must_use]
    pub fn with_action(mut self, action: ActionSpace) -> Self {
        self.action = action;
        self
    }

    /// Length of the agent's action as a vector.
    pub fn action_size(&self) -> usize {
        self.action.size()
    }

    /// How this agent differs from `other`, for example "4 observed numbers instead of 3". `None` if a policy for one of
    /// them can act for the other. Names are compared only if both have them.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.observation_size != other.observation_size {
            let (ours, theirs) = (self.observation_size, other.observation_size);
            return Some(format!("{ours} observed numbers instead of {theirs}"));
        }
        if self.image != other.image {
            let text = |image: Option<ImageSpec>| image.map_or("no image".into(), |image| image.to_string());
            return Some(format!("{} instead of {}", text(self.image), text(other.image)));
        }
        let (ours, theirs) = (&self.observation_names, &other.observation_names);
        if !ours.is_empty() && !theirs.is_empty() {
            if ours.len() != theirs.len() {
                return Some(format!("{} observed names instead of {}", ours.len(), theirs.len()));
            }
            if let Some((index, (ours, theirs))) =
                ours.iter().zip(theirs).enumerate().find(|(_, (ours, theirs))| ours != theirs)
            {
                return Some(format!("`{ours}` instead of `{theirs}` as observed number {index}"));
            }
        }
        Some(format!("an action of {}", self.action.difference(&other.action)?))
    }

    /// As [`difference`](Self::difference), but also compares what matters only to a learner.
    fn difference_in_training(&self, other: &Self) -> Option<String> {
        self.difference(other).or_else(|| {
            let (ours, theirs) = (&self.raw, &other.raw);
            (ours != theirs).then(|| format!("raw numbers at {ours:?} instead of {theirs:?}"))
        })
    }
}

/// The agents of an arena, by slot.
///
/// Joint vectors concatenate the agents' vectors in the order of the slots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArenaSpec {
    /// One entry per slot.
    pub slots: Vec<AgentSpec>,
    /// The team of each slot. If empty, agents of the same behavior form a team.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
}

/// The slots that are played by one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyGroup {
    /// Name of the policy: the behavior, followed by the slot if policies are not shared.
    pub name: String,
    /// The slots, in ascending order; never empty.
    pub slots: Vec<usize>,
    /// Behavior and sizes of the agent in each of these slots.
    pub agent: AgentSpec,
}

/// An arena or a behavior that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Two slots of the same behavior that observe or act differently.
    #[error(
        "agents of behavior `{behavior}` differ: slot {second} has {difference} of slot {first}; give them the same \
         observation and action, or different behavior names"
    )]
    Different {
        /// The behavior of both slots.
        behavior: String,
        /// The lower slot.
        first: usize,
        /// The higher slot.
        second: usize,
        /// What the higher slot has, and what the lower one has instead.
        difference: String,
    },
    /// A behavior that no agent has.
    #[error("no agent has the behavior `{behavior}`; the behaviors are {}", .known.join(", "))]
    UnknownBehavior {
        /// The behavior that was named.
        behavior: String,
        /// The behaviors of the arena's agents.
        known: Vec<String>,
    },
    /// A mirror that does not fit the agents.
    #[error("the mirror of the behavior `{behavior}` cannot be used: {reason}")]
    Mirror {
        /// The behavior.
        behavior: String,
        /// What does not fit.
        reason: String,
    },
    /// Images that the networks cannot see.
    #[error("the image that the behavior `{behavior}` observes cannot be used: {reason}")]
    Image {
        /// The behavior.
        behavior: String,
        /// What was found, what was expected, and what to do.
        reason: String,
    },
    /// An action that cannot be used.
    #[error("the action of the behavior `{behavior}` cannot be used: {reason}")]
    Action {
        /// The behavior.
        behavior: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An arena without agents, or an agent with an empty observation or action.
    #[error("slot {slot} of the arena has no {missing}; every agent needs an observation and an action")]
    Empty {
        /// The slot with the problem.
        slot: usize,
        /// "observation", "action" or "agent".
        missing: &'static str,
    },
}

impl fmt::Display for AgentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { behavior, observation_size, image, action, .. } = self;
        let image = image.map(|image| format!(" with {image}")).unwrap_or_default();
        write!(f, "{behavior} (observes {observation_size} numbers{image}, acts with {action})")
    }
}

impl fmt::Display for ArenaSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agents: Vec<String> = self.slots.iter().map(AgentSpec::to_string).collect();
        f.write_str(&agents.join(", "))
    }
}

impl ArenaSpec {
    /// How this arena differs from `other`, for example "slot 1 has 4 observed numbers instead of 3". `None` if what was learned in
    /// one of them can be used in the other. Names are compared only if both have them.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        self.difference_by(other, AgentSpec::difference_in_training)
    }

    /// As [`difference`](Self::difference), without what matters only to a learner.
    pub(crate) fn difference_in_play(&self, other: &Self) -> Option<String> {
        self.difference_by(other, AgentSpec::difference)
    }

    fn difference_by(
        &self,
        other: &Self,
        of_agents: impl Fn(&AgentSpec, &AgentSpec) -> Option<String>,
    ) -> Option<String> {
        let (ours, theirs) = (self.agents(), other.agents());
        if ours != theirs {
            return Some(format!("{ours} agents ({self}) instead of {theirs} ({other})"));
        }
        for (slot, (ours, theirs)) in self.slots.iter().zip(&other.slots).enumerate() {
            if ours.behavior != theirs.behavior {
                let (ours, theirs) = (&ours.behavior, &theirs.behavior);
                return Some(format!("slot {slot} has the behavior `{ours}` instead of `{theirs}`"));
            }
            if let Some(difference) = of_agents(ours, theirs) {
                return Some(format!("slot {slot}, `{}`, has {difference}", ours.behavior));
            }
        }
        let slots = || 0..ours;
        let mates = |spec: &Self, slot| {
            slots().filter(|other| spec.team(*other) == spec.team(slot)).collect::<Vec<_>>()
        };
        let slot = slots().find(|slot| mates(self, *slot) != mates(other, *slot))?;
        Some(format!(
            "slot {slot} is in a team with the slots {:?} instead of {:?}",
            mates(self, slot),
            mates(other, slot)
        ))
    }

    /// Whether a training that was made with the arena `earlier` can continue with the agents of this arena: it can if each of these
    /// agents fits into a slot of `earlier` of its own. There may be fewer agents than before, in another order. Returns the slots with
    /// which the training continues, which are those of `earlier`; `None` if it cannot continue.
    ///
    /// ```
    /// use maddpg::policy::{AgentSpec, ArenaSpec};
    ///
    /// let [guard, wolf] = [AgentSpec::new("guard", 6, 2), AgentSpec::new("wolf", 4, 2)];
    /// let earlier = ArenaSpec::new(vec![guard.clone(), wolf.clone(), wolf.clone()]);
    /// let now = ArenaSpec::new(vec![wolf.clone(), guard.clone()]);
    /// assert_eq!(now.continuing(&earlier), Some(earlier.clone()));
    /// let more_guards = ArenaSpec::new(vec![guard.clone(), guard, wolf]);
    /// assert_eq!(more_guards.continuing(&earlier), None);
    /// ```
    pub fn continuing(&self, earlier: &Self) -> Option<Self> {
        let mut is_used = vec![false; self.agents()];
        let slots = earlier.slots.iter().enumerate().map(|(slot, saved)| {
            let is_like = |own: &usize| {
                let agent = &self.slots[*own];
                agent.behavior == saved.behavior
                    && self.team(*own) == earlier.team(slot)
                    && agent.difference_in_training(saved).is_none()
            };
            let like = || (0..self.agents()).filter(is_like);
            if let Some(own) = like().find(|own| !is_used[*own]) {
                is_used[own] = true;
            }
            // The names of the observed numbers may have changed.
            like().next().map_or_else(|| saved.clone(), |own| self.slots[own].clone())
        });
        let slots = slots.collect();
        let has_teams = !self.teams.is_empty() || !earlier.teams.is_empty();
        let teams = (0..earlier.agents()).filter(|_| has_teams).map(|slot| earlier.team(slot).to_owned());
        is_used.iter().all(|is_used| *is_used).then(|| Self { slots, teams: teams.collect() })
    }

    /// An arena with these agents, by slot. Agents of the same behavior form a team.
    pub fn new(slots: Vec<AgentSpec>) -> Self {
        Self { slots, teams: Vec::new() }
    }

    /// Number of agents in the arena.
    pub fn agents(&self) -> usize {
        self.slots.len()
    }

    /// How many numbers the joint observation has.
    pub fn joint_observation_size(&self) -> usize {
        self.observation_offset(self.slots.len())
    }

    /// How many numbers the joint action has as a vector.
    pub fn joint_action_size(&self) -> usize {
        self.action_offset(self.slots.len())
    }

    /// Where the observation of `slot` starts in the joint observation.
    pub fn observation_offset(&self, slot: usize) -> usize {
        self.slots[..slot].iter().map(|agent| agent.observation_size).sum()
    }

    /// Where the action of `slot` starts in the joint action.
    pub fn action_offset(&self, slot: usize) -> usize {
        self.slots[..slot].iter().map(AgentSpec::action_size).sum()
    }

    /// Number of choices of all agents together.
    pub fn joint_choices(&self) -> usize {
        self.choice_offset(self.slots.len())
    }

    /// Where the choices of `slot` start among those of all agents.
    pub fn choice_offset(&self, slot: usize) -> usize {
        self.slots[..slot].iter().map(|agent| agent.action.choices()).sum()
    }

    /// The name of the team that the agent at `slot` belongs to.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn team(&self, slot: usize) -> &str {
        self.teams.get(slot).unwrap_or(&self.slots[slot].behavior)
    }

    /// Checks that at least one agent has this behavior.
    ///
    /// # Errors
    /// If no agent has it; the error lists the existing behaviors.
    pub fn check_behavior(&self, behavior: &str) -> Result<(), SpecError> {
        if self.slots.iter().any(|agent| agent.behavior == behavior) {
            return Ok(());
        }
        let mut known: Vec<String> = Vec::new();
        for agent in &self.slots {
            if !known.contains(&agent.behavior) {
                known.push(agent.behavior.clone());
            }
        }
        Err(SpecError::UnknownBehavior { behavior: behavior.into(), known })
    }

    /// The slots grouped by policy: one policy per behavior if `share`, otherwise one policy per slot.
    ///
    /// # Errors
    /// If there are no agents, agents of one behavior observe or act differently, a size is zero, or an action has a branch
    /// without choices.
    pub fn groups(&self, share: bool) -> Result<Vec<PolicyGroup>, SpecError> {
        if self.slots.is_empty() {
            return Err(SpecError::Empty { slot: 0, missing: "agent" });
        }
        let mut groups: Vec<PolicyGroup> = Vec::new();
        for (slot, agent) in self.slots.iter().enumerate() {
            for (size, missing) in [(agent.observation_size, "observation"), (agent.action_size(), "action")]
            {
                if size == 0 {
                    return Err(SpecError::Empty { slot, missing });
                }
            }
            agent
                .action
                .check()
                .map_err(|reason| SpecError::Action { behavior: agent.behavior.clone(), reason })?;
            let twin = groups.iter_mut().find(|group| group.agent.behavior == agent.behavior);
            match twin {
                Some(group) if group.agent != *agent => {
                    let difference = agent.difference(&group.agent);
                    return Err(SpecError::Different {
                        behavior: agent.behavior.clone(),
                        first: group.slots[0],
                        second: slot,
                        difference: difference.unwrap_or_else(|| "other names than those".into()),
                    });
                }
                Some(group) if share => group.slots.push(slot),
                _ => groups.push(PolicyGroup {
                    name: if share { agent.behavior.clone() } else { format!("{}#{slot}", agent.behavior) },
                    slots: vec![slot],
                    agent: agent.clone(),
                }),
            }
        }
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(behavior: &str, observation_size: usize) -> AgentSpec {
        AgentSpec::new(behavior, observation_size, 2)
    }

    #[test]
    fn slots_of_one_behavior_share_a_policy_only_if_asked() {
        let spec = ArenaSpec::new(vec![agent("a", 3), agent("b", 4), agent("a", 3)]);
        let shared = spec.groups(true).unwrap();
        assert_eq!(shared.iter().map(|g| g.slots.clone()).collect::<Vec<_>>(), [vec![0, 2], vec![1]]);
        let separate = spec.groups(false).unwrap();
        assert_eq!(separate.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["a#0", "b#1", "a#2"]);
        assert_eq!((spec.joint_observation_size(), spec.observation_offset(2)), (10, 7));
    }

    #[test]
    fn different_sizes_under_one_name_are_named() {
        let spec = ArenaSpec::new(vec![agent("a", 3), agent("a", 4)]);
        let error = spec.groups(true).unwrap_err().to_string();
        assert!(error.contains("slot 1 has 4 observed numbers instead of 3 of slot 0"), "{error}");
        assert!(ArenaSpec::default().groups(true).is_err());
    }

    #[test]
    fn a_policy_is_compared_by_name_where_both_have_names() {
        let named = |names: &[&str]| AgentSpec {
            observation_names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..agent("a", 2)
        };
        let (ours, theirs) = (named(&["speed", "angle"]), named(&["speed", "distance"]));
        assert_eq!(ours.difference(&agent("a", 2)), None);
        assert_eq!(ours.difference(&theirs).unwrap(), "`angle` instead of `distance` as observed number 1");
    }

    #[test]
    fn specs_survive_their_file_and_plain_ones_look_as_before() {
        let plain = agent("a", 3);
        let text = serde_json::to_string(&plain).unwrap();
        assert_eq!(text, r#"{"behavior":"a","observation_size":3,"action_size":2}"#);
        assert_eq!(serde_json::from_str::<AgentSpec>(&text).unwrap(), plain);
        let rich = plain.with_action(ActionSpace::of_numbers(1).with_branch("move", ["left", "right"]));
        let text = serde_json::to_string(&rich).unwrap();
        assert_eq!(serde_json::from_str::<AgentSpec>(&text).unwrap(), rich);
        let wrong = text.replace("\"action_size\":3", "\"action_size\":4");
        assert!(serde_json::from_str::<AgentSpec>(&wrong).is_err());
    }
}
