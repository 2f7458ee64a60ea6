use std::fmt;

use serde::{Deserialize, Serialize};

/// Sizes of one agent's observations and actions: the contract between a game and its policies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Name of the behavior. Agents of the same behavior share one policy, unless sharing is turned off.
    pub behavior: String,
    /// Numbers in an observation, including stacked frames.
    pub observation_size: usize,
    /// Numbers in an action, each from -1 to 1.
    pub action_size: usize,
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
    /// Two slots of the same behavior with different sizes.
    #[error(
        "agents of behavior `{behavior}` have different sizes: slot {first} observes {} numbers and acts with {}, \
         slot {second} observes {} and acts with {}; give them the same sizes or different behavior names",
        .sizes[0].0, .sizes[0].1, .sizes[1].0, .sizes[1].1
    )]
    DifferentSizes {
        /// The behavior of both slots.
        behavior: String,
        /// The lower slot.
        first: usize,
        /// The higher slot.
        second: usize,
        /// Observation size and action size of each of the two slots.
        sizes: [(usize, usize); 2],
    },
    /// A behavior that no agent has.
    #[error("no agent has the behavior `{behavior}`; the behaviors are {}", .known.join(", "))]
    UnknownBehavior {
        /// The behavior that was named.
        behavior: String,
        /// The behaviors of the arena's agents.
        known: Vec<String>,
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
        let Self { behavior, observation_size, action_size } = self;
        write!(f, "{behavior} (observes {observation_size} numbers, acts with {action_size})")
    }
}

impl fmt::Display for ArenaSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agents: Vec<String> = self.slots.iter().map(AgentSpec::to_string).collect();
        f.write_str(&agents.join(", "))
    }
}

impl ArenaSpec {
    /// An arena with these agents, by slot. Agents of the same behavior form a team.
    pub fn new(slots: Vec<AgentSpec>) -> Self {
        Self { slots, teams: Vec::new() }
    }

    /// Number of agents in the arena.
    pub fn agents(&self) -> usize {
        self.slots.len()
    }

    /// Numbers in the joint observation.
    pub fn joint_observation_size(&self) -> usize {
        self.observation_offset(self.slots.len())
    }

    /// Numbers in the joint action.
    pub fn joint_action_size(&self) -> usize {
        self.action_offset(self.slots.len())
    }

    /// Where the observation of `slot` starts in the joint observation.
    pub fn observation_offset(&self, slot: usize) -> usize {
        self.slots[..slot].iter().map(|agent| agent.observation_size).sum()
    }

    /// Where the action of `slot` starts in the joint action.
    pub fn action_offset(&self, slot: usize) -> usize {
        self.slots[..slot].iter().map(|agent| agent.action_size).sum()
    }

    /// The name of the team that the agent at `slot` belongs to.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn team(&self, slot: usize) -> &str {
        self.teams.get(slot).unwrap_or(&self.slots[slot].behavior)
    }

    /// Checks that some agent has this behavior.
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
    /// If there are no agents, the agents of one behavior have different sizes, or a size is zero.
    pub fn groups(&self, share: bool) -> Result<Vec<PolicyGroup>, SpecError> {
        if self.slots.is_empty() {
            return Err(SpecError::Empty { slot: 0, missing: "agent" });
        }
        let mut groups: Vec<PolicyGroup> = Vec::new();
        for (slot, agent) in self.slots.iter().enumerate() {
            for (size, missing) in [(agent.observation_size, "observation"), (agent.action_size, "action")] {
                if size == 0 {
                    return Err(SpecError::Empty { slot, missing });
                }
            }
            let twin = groups.iter_mut().find(|group| group.agent.behavior == agent.behavior);
            match twin {
                Some(group) if group.agent != *agent => {
                    return Err(SpecError::DifferentSizes {
                        behavior: agent.behavior.clone(),
                        first: group.slots[0],
                        second: slot,
                        sizes: [&group.agent, agent].map(|a| (a.observation_size, a.action_size)),
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
        AgentSpec { behavior: behavior.into(), observation_size, action_size: 2 }
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
        assert!(error.contains("slot 0 observes 3") && error.contains("slot 1 observes 4"), "{error}");
        assert!(ArenaSpec::default().groups(true).is_err());
    }
}
