use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::policy::{AgentSpec, ArenaSpec, SpecError};

/// How the observation and the action of an agent change when left and right are swapped, as in a mirror.
///
/// In many games, the rules stay the same when left and right are swapped, for example on a soccer field. With mirrors, the
/// learner replaces half of the transitions of each minibatch, on average, by their mirror images, and needs fewer
/// transitions. Because the whole arena is mirrored, every behavior in it needs a mirror.
///
/// ```
/// use maddpg::learner::{LearnerConfig, Mirror};
///
/// // A car observes its speed, its distance to the right of the road's middle, and the nearness of what is ahead on the left
/// // and on the right. It acts by gas and steering.
/// let mirror = Mirror {
///     negated: vec![1],
///     swapped: vec![[2, 3]],
///     negated_actions: vec![1],
///     ..Mirror::default()
/// };
/// let mut config = LearnerConfig::default();
/// config.mirror.insert("car".into(), mirror);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mirror {
    /// Indices of the observed numbers that change their sign, such as positions and velocities to the right.
    pub negated: Vec<usize>,
    /// Pairs of indices of observed numbers that change places, such as what is on the left and on the right.
    pub swapped: Vec<[usize; 2]>,
    /// Indices of the numbers of the action that change their sign.
    pub negated_actions: Vec<usize>,
    /// Pairs of indices of the action that change places: two numbers, or two choices of one branch. The indices of the choices
    /// follow those of the numbers, as in the action as a vector.
    pub swapped_actions: Vec<[usize; 2]>,
}

impl Mirror {
    /// Why the mirror does not fit an agent; `None` if it fits.
    fn problem(&self, agent: &AgentSpec) -> Option<String> {
        let Self { negated, swapped, negated_actions, swapped_actions } = self;
        let numbers = agent.action.numbers();
        if let Some(action) = negated_actions.iter().find(|action| **action >= numbers) {
            return Some(format!(
                "`negated_actions` names the number {action} of the action, which has only {numbers} numbers"
            ));
        }
        // A number may change places with a number, and a choice with a choice of the same branch.
        let mut starts = vec![0, numbers];
        for branch in agent.action.branches() {
            starts.push(starts[starts.len() - 1] + branch.choices.len());
        }
        let part = |action: usize| starts.partition_point(|start| *start <= action);
        if let Some([a, b]) = swapped_actions.iter().find(|[a, b]| part(*a) != part(*b)) {
            return Some(format!(
                "`swapped_actions` names {a} and {b}, which are not in the same part of the action"
            ));
        }
        if let Some(problem) = self.torn_gate(agent) {
            return Some(problem);
        }
        let parts = [
            (negated, swapped, agent.observation_size, ["negated", "swapped"], "observed numbers"),
            (
                negated_actions,
                swapped_actions,
                agent.action_size(),
                ["negated_actions", "swapped_actions"],
                "numbers of the action",
            ),
        ];
        for (negated, swapped, size, [negated_name, swapped_name], what) in parts {
            for (name, named) in [(negated_name, negated.clone()), (swapped_name, swapped.concat())] {
                if let Some(index) = named.iter().find(|index| **index >= size) {
                    return Some(format!("`{name}` names {index}, but there are only {size} {what}"));
                }
                let mut sorted = named;
                sorted.sort_unstable();
                if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                    return Some(format!("`{name}` names {} twice", pair[0]));
                }
            }
        }
        None
    }
}

impl Mirror {
    /// Some numbers are used only with a certain choice. Returns why such a number and its choice do not belong
    /// together in the mirror; `None` if all do.
    fn torn_gate(&self, agent: &AgentSpec) -> Option<String> {
        let image = |index: usize| {
            let of_pair = |[a, b]: &[usize; 2]| match index {
                _ if index == *a => Some(*b),
                _ if index == *b => Some(*a),
                _ => None,
            };
            self.swapped_actions.iter().find_map(of_pair).unwrap_or(index)
        };
        let gates: Vec<(usize, usize)> = agent.action.gates().collect();
        let is_torn = |(number, choice): &&(usize, usize)| !gates.contains(&(image(*number), image(*choice)));
        let (number, choice) = *gates.iter().find(is_torn)?;
        Some(format!(
            "`swapped_actions` turns the number {number}, which counts only with the choice at {choice}, into the number {} with the \
             choice at {}, which do not belong together; swap both or neither",
            image(number),
            image(choice)
        ))
    }
}

/// The mirror images of joint vectors.
#[derive(Debug, Default)]
pub(super) struct Reflection {
    observation: Change,
    action: Change,
    mask: Change,
}

/// How a vector changes.
#[derive(Debug, Default)]
struct Change {
    negated: Vec<usize>,
    swapped: Vec<[usize; 2]>,
}

impl Change {
    fn apply(&self, numbers: &mut [f32]) {
        for [a, b] in &self.swapped {
            numbers.swap(*a, *b);
        }
        for index in &self.negated {
            numbers[*index] = -numbers[*index];
        }
    }
}

impl Reflection {
    /// The mirror images of an arena; `None` if there are no mirrors.
    pub(super) fn of(
        spec: &ArenaSpec,
        mirrors: &BTreeMap<String, Mirror>,
    ) -> Result<Option<Self>, SpecError> {
        if mirrors.is_empty() {
            return Ok(None);
        }
        let mut all = Self::default();
        for (slot, agent) in spec.slots.iter().enumerate() {
            let wrong = |reason| SpecError::Mirror { behavior: agent.behavior.clone(), reason };
            let missing = || wrong("it has none, but other behaviors in the arena have one".into());
            let mirror = mirrors.get(&agent.behavior).ok_or_else(missing)?;
            mirror.problem(agent).map_or(Ok(()), |reason| Err(wrong(reason)))?;
            let (observation, action) = (spec.observation_offset(slot), spec.action_offset(slot));
            all.observation.negated.extend(mirror.negated.iter().map(|index| observation + index));
            all.observation
                .swapped
                .extend(mirror.swapped.iter().map(|pair| pair.map(|index| observation + index)));
            all.action.negated.extend(mirror.negated_actions.iter().map(|index| action + index));
            let pairs = mirror.swapped_actions.iter();
            all.action.swapped.extend(pairs.clone().map(|pair| pair.map(|index| action + index)));
            let (choices, numbers) = (spec.choice_offset(slot), agent.action.numbers());
            let pairs = pairs.filter(|pair| pair[0] >= numbers);
            all.mask.swapped.extend(pairs.map(|pair| pair.map(|index| choices + index - numbers)));
        }
        Ok(Some(all))
    }

    /// Replaces a joint observation by its mirror image.
    pub(super) fn apply_to_observation(&self, observation: &mut [f32]) {
        self.observation.apply(observation);
    }

    /// Replaces joint vectors by their mirror images.
    pub(super) fn apply(&self, observations: [&mut [f32]; 2], action: &mut [f32], masks: [&mut [f32]; 2]) {
        observations.into_iter().for_each(|observation| self.observation.apply(observation));
        self.action.apply(action);
        masks.into_iter().filter(|mask| !mask.is_empty()).for_each(|mask| self.mask.apply(mask));
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::{
        learner::{Device, Learner, LearnerConfig},
        policy::{ActionSpace, Scratch},
        transition::{SlotState, TransitionBlock},
    };

    fn agent() -> AgentSpec {
        let action = ActionSpace::of_numbers(2).with_branch("turn", ["left", "straight", "right"]);
        AgentSpec::new("car", 4, 0).with_action(action)
    }

    fn mirror() -> Mirror {
        Mirror {
            negated: vec![1],
            swapped: vec![[2, 3]],
            negated_actions: vec![1],
            swapped_actions: vec![[2, 4]],
        }
    }

    #[test]
    fn each_slot_is_reflected_and_twice_is_as_before() {
        let spec = ArenaSpec::new(vec![agent(), agent()]);
        let reflection = Reflection::of(&spec, &BTreeMap::from([("car".into(), mirror())])).unwrap().unwrap();
        let before: [Vec<f32>; 5] =
            [8, 8, 10, 6, 6].map(|size| (0..size).map(|index| 1.0 + index as f32).collect());
        let mut now = before.clone();
        let reflect = |now: &mut [Vec<f32>; 5]| {
            let [observation, next, action, mask, next_mask] = now;
            reflection.apply([observation, next], action, [mask, next_mask]);
        };
        reflect(&mut now);
        assert_eq!(now[0], [1.0, -2.0, 4.0, 3.0, 5.0, -6.0, 8.0, 7.0]);
        assert_eq!(now[2], [1.0, -2.0, 5.0, 4.0, 3.0, 6.0, -7.0, 10.0, 9.0, 8.0]);
        assert_eq!(now[4], [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        reflect(&mut now);
        assert_eq!(now, before);
    }

    #[test]
    fn a_mirror_that_does_not_fit_is_refused_by_name() {
        let error = |mirror: Mirror| {
            let config = LearnerConfig {
                mirror: BTreeMap::from([("car".into(), mirror)]),
                ..LearnerConfig::default()
            };
            let spec = ArenaSpec::new(vec![agent()]);
            Learner::new(config, spec, Device::cpu(), 0).unwrap_err().to_string()
        };
        let found = error(Mirror { negated: vec![4], ..Mirror::default() });
        assert!(
            found.contains("`car`") && found.contains("`negated` names 4") && found.contains("only 4"),
            "{found}"
        );
        let found = error(Mirror { swapped: vec![[0, 1], [1, 2]], ..Mirror::default() });
        assert!(found.contains("`swapped` names 1 twice"), "{found}");
        let found = error(Mirror { negated_actions: vec![2], ..Mirror::default() });
        assert!(found.contains("`negated_actions` names the number 2"), "{found}");
        for pair in [[1, 2], [4, 9]] {
            let found = error(Mirror { swapped_actions: vec![pair], ..Mirror::default() });
            assert!(found.contains("`swapped_actions`"), "{found}");
        }
        let config =
            LearnerConfig { mirror: BTreeMap::from([("car".into(), mirror())]), ..LearnerConfig::default() };
        let others = ArenaSpec::new(vec![agent(), AgentSpec::new("truck", 1, 1)]);
        let found = Learner::new(config, others, Device::cpu(), 0).unwrap_err().to_string();
        assert!(found.contains("`truck`"), "{found}");
    }

    /// In training, the agent always observes more than 0.2, where 0.5 is the best action. Returns how far its action is
    /// from -0.5 on the other side.
    fn error_on_the_other_side(mirror: BTreeMap<String, Mirror>) -> f32 {
        let config = LearnerConfig {
            mirror,
            actor_hidden: vec![32],
            critic_hidden: vec![32, 32],
            normalize_observations: false,
            learning_starts: 1,
            ..LearnerConfig::default()
        };
        let spec = ArenaSpec::new(vec![AgentSpec::new("agent", 1, 1)]);
        let mut learner = Learner::new(config, spec, Device::cpu(), 1).unwrap();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let rows = 4_000;
        let observations: Vec<f32> = (0..rows).map(|_| random.random_range(0.2..0.9)).collect();
        let actions: Vec<f32> = (0..rows).map(|_| random.random_range(-1.0..1.0)).collect();
        learner.remember(&TransitionBlock {
            rewards: actions.iter().map(|a| -(0.5 - a) * (0.5 - a)).collect(),
            next_observations: observations.clone(),
            observations,
            actions,
            discounts: vec![0.0; rows],
            slots: vec![SlotState { ended: true, ..SlotState::PRESENT }; rows],
            ..TransitionBlock::default()
        });
        for _ in 0..1_500 {
            learner.update(false).unwrap();
        }
        let policy = learner.snapshot().unwrap();
        let mut action = [0.0];
        let mut worst = 0.0f32;
        for x in [-0.3, -0.5, -0.8] {
            policy.policies()[0].act(&[x], &[], &mut action, 1, &mut Scratch::default());
            worst = worst.max((action[0] + 0.5).abs());
        }
        worst
    }

    #[test]
    fn a_mirror_must_not_tear_a_number_from_its_choice() {
        let action = ActionSpace::default()
            .with_number("aim left")
            .with_number("aim right")
            .with_branch("throw", ["left", "right"])
            .only_with("aim left", "throw", "left")
            .only_with("aim right", "throw", "right");
        let agent = AgentSpec::new("thrower", 1, 0).with_action(action);
        let problem = |swapped_actions| Mirror { swapped_actions, ..Mirror::default() }.problem(&agent);
        assert_eq!(problem(vec![[0, 1], [2, 3]]), None);
        for torn in [vec![[2, 3]], vec![[0, 1]]] {
            let found = problem(torn).unwrap();
            assert!(found.contains("`swapped_actions`") && found.contains("swap both or neither"), "{found}");
        }
    }

    #[test]
    fn observations_are_scaled_by_what_is_seen_on_both_sides() {
        let mirror = Mirror { negated: vec![0], swapped: vec![[1, 2]], ..Mirror::default() };
        let config =
            LearnerConfig { mirror: BTreeMap::from([("agent".into(), mirror)]), ..LearnerConfig::default() };
        let spec = ArenaSpec::new(vec![AgentSpec::new("agent", 3, 1)]);
        let mut learner = Learner::new(config, spec, Device::cpu(), 1).unwrap();
        let observations: Vec<f32> = (0..50).flat_map(|row| [1.0 + row as f32, row as f32, 200.0]).collect();
        learner.remember(&TransitionBlock {
            rewards: vec![0.0; 50],
            next_observations: observations.clone(),
            observations,
            actions: vec![0.0; 50],
            discounts: vec![1.0; 50],
            slots: vec![SlotState::PRESENT; 50],
            ..TransitionBlock::default()
        });
        let policy = learner.snapshot().unwrap();
        let normalizer = policy.policies()[0].normalizer();
        let [mean, left, right] = [0, 1, 2].map(|index| normalizer.mean[index]);
        assert!(mean.abs() < 1e-4, "{mean}");
        assert!((left - right).abs() < 1e-3 && normalizer.scale[1] == normalizer.scale[2], "{left}, {right}");
    }

    #[test]
    fn what_was_seen_on_one_side_is_known_on_the_other() {
        let mirror = Mirror { negated: vec![0], negated_actions: vec![0], ..Mirror::default() };
        let with = error_on_the_other_side(BTreeMap::from([("agent".into(), mirror)]));
        let without = error_on_the_other_side(BTreeMap::new());
        assert!(with < 0.3 && without > 0.5, "with a mirror {with}, without {without}");
    }
}
