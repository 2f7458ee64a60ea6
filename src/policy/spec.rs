use serde::{Deserialize, Serialize};

/// What one agent senses and does: the contract between a game and its policies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Name of the behavior. Agents of the same behavior share one policy.
    pub behavior: String,
    /// Numbers in an observation, stacked frames included.
    pub observation_size: usize,
    /// Numbers in an action, each in -1 to 1.
    pub action_size: usize,
}

/// The agents of an arena, by slot. All arenas of a world have the same.
///
/// Joint vectors are the agents' vectors one after another, in the order of the slots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArenaSpec {
    /// One entry a slot.
    pub slots: Vec<AgentSpec>,
}

/// Slots that are played by one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyGroup {
    /// Name of the policy: the behavior, with the slot where policies are not shared.
    pub name: String,
    /// The slots, in ascending order; never empty.
    pub slots: Vec<usize>,
    /// What each of them senses and does.
    pub agent: AgentSpec,
}

/// Agents that cannot share a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Two slots of the same behavior with different sizes.
    #[error(
        "agents of behavior `{behavior}` differ: slot {first} observes {} and acts {}, slot {second} observes {} \
         and acts {}; give them the same sizes, or different behavior names",
        .sizes[0].0, .sizes[0].1, .sizes[1].0, .sizes[1].1
    )]
    DifferentSizes {
        /// The behavior both slots name.
        behavior: String,
        /// The lower slot.
        first: usize,
        /// The higher slot.
        second: usize,
        /// Observation and action size of the two.
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
    /// An arena without agents, or an agent that senses or does nothing.
    #[error("slot {slot} of the arena has no {missing}; every agent needs at least one number of each")]
    Empty {
        /// The slot at fault.
        slot: usize,
        /// "observation", "action" or "agent".
        missing: &'static str,
    },
}

impl ArenaSpec {
    /// Agents in an arena.
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

    /// Whether some agent has this behavior.
    ///
    /// # Errors
    /// If none has; the error names those there are.
    pub fn check_behavior(&self, behavior: &str) -> Result<(), SpecError> {
        if self.slots.iter().any(|agent| agent.behavior == behavior) {
            return Ok(());
        }
        let mut known: Vec<_> = self.slots.iter().map(|agent| agent.behavior.clone()).collect();
        known.dedup();
        Err(SpecError::UnknownBehavior { behavior: behavior.into(), known })
    }

    /// The slots grouped by policy: by behavior if `share`, else one policy a slot.
    ///
    /// # Errors
    /// If the agents of one behavior differ in size, or a size is zero.
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
        let spec = ArenaSpec { slots: vec![agent("a", 3), agent("b", 4), agent("a", 3)] };
        let shared = spec.groups(true).unwrap();
        assert_eq!(shared.iter().map(|g| g.slots.clone()).collect::<Vec<_>>(), [vec![0, 2], vec![1]]);
        let separate = spec.groups(false).unwrap();
        assert_eq!(separate.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["a#0", "b#1", "a#2"]);
        assert_eq!((spec.joint_observation_size(), spec.observation_offset(2)), (10, 7));
    }

    #[test]
    fn different_sizes_under_one_name_are_named() {
        let spec = ArenaSpec { slots: vec![agent("a", 3), agent("a", 4)] };
        let error = spec.groups(true).unwrap_err().to_string();
        assert!(error.contains("slot 0 observes 3") && error.contains("slot 1 observes 4"), "{error}");
        assert!(ArenaSpec::default().groups(true).is_err());
    }
}
