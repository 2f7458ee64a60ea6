use std::{fmt, str::FromStr};

use super::super::AgentSpec;

/// The name of the input that says which choices are possible.
pub(super) const MASKS: &str = "action_masks";

/// The program that will read an exported policy. All flavors compute the same actions, but the names and shapes of
/// their inputs and outputs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnnxFlavor {
    /// Any runtime of ONNX models, such as onnxruntime or Unreal's NNE. The output is one vector, laid out as
    /// [`ActionSpace`](crate::policy::ActionSpace) describes.
    Plain,
    /// Unity, with the package ML-Agents. Choices are numbered within their branch. Unity offers a choice between
    /// stochastic and deterministic actions; both are the action that [`Policy::act`](crate::policy::Policy::act)
    /// computes.
    MlAgents,
    /// Godot, with the plugin Godot RL Agents. It passes no masks, so all choices count as possible. In each branch, it
    /// makes the choice with the largest number. If an action has both numbers and branches, it skips as many values
    /// after the numbers as there are numbers; the model therefore writes the numbers twice.
    GodotRl,
}

/// A name that is not one of an [`OnnxFlavor`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no ONNX flavor `{0}`, only {known}", known = OnnxFlavor::ALL.map(|flavor| format!("`{flavor}`")).join(", "))]
pub struct UnknownFlavor(String);

/// An input or output of an exported policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxTensor {
    /// Its name.
    pub name: &'static str,
    /// Its shape; `None` where the size is the number of observations in the batch.
    pub shape: Vec<Option<usize>>,
    /// Whether its numbers are `i64`. Otherwise, they are `f32`.
    pub integer: bool,
}

impl OnnxFlavor {
    /// All flavors.
    pub const ALL: [Self; 3] = [Self::Plain, Self::MlAgents, Self::GodotRl];

    /// The inputs of the policy of such an agent.
    pub fn inputs(self, agent: &AgentSpec) -> Vec<OnnxTensor> {
        let choices = agent.action.choices();
        let masks = (choices > 0).then(|| OnnxTensor::batch(MASKS, choices));
        let observation = |name| OnnxTensor::batch(name, agent.observation_size);
        match self {
            Self::Plain => [observation("observation")].into_iter().chain(masks).collect(),
            Self::MlAgents => [observation("obs_0")].into_iter().chain(masks).collect(),
            Self::GodotRl => vec![observation("obs"), OnnxTensor::state("state_ins")],
        }
    }

    /// The outputs of the policy of such an agent.
    pub fn outputs(self, agent: &AgentSpec) -> Vec<OnnxTensor> {
        let space = &agent.action;
        let (numbers, branches) = (space.numbers(), space.branches().len());
        match self {
            Self::Plain => vec![OnnxTensor::batch("action", space.size())],
            Self::GodotRl => {
                let skipped = if branches > 0 { numbers } else { 0 };
                vec![OnnxTensor::batch("output", skipped + space.size()), OnnxTensor::state("state_outs")]
            }
            Self::MlAgents => {
                let mut outputs = vec![
                    OnnxTensor::constant("version_number", &[1]),
                    OnnxTensor::constant("memory_size", &[1]),
                ];
                if numbers > 0 {
                    outputs.extend([
                        OnnxTensor::batch("continuous_actions", numbers),
                        OnnxTensor::constant("continuous_action_output_shape", &[1]),
                        OnnxTensor::batch("deterministic_continuous_actions", numbers),
                    ]);
                }
                if branches > 0 {
                    let choices = |name| OnnxTensor { integer: true, ..OnnxTensor::batch(name, branches) };
                    outputs.extend([
                        choices("discrete_actions"),
                        OnnxTensor::constant("discrete_action_output_shape", &[1, branches]),
                        choices("deterministic_discrete_actions"),
                    ]);
                }
                outputs
            }
        }
    }
}

impl OnnxTensor {
    /// One row of this many numbers per observation.
    fn batch(name: &'static str, size: usize) -> Self {
        Self { name, shape: vec![None, Some(size)], integer: false }
    }

    /// One number per observation.
    fn state(name: &'static str) -> Self {
        Self { name, shape: vec![None], integer: false }
    }

    /// Numbers that are always the same.
    fn constant(name: &'static str, shape: &[usize]) -> Self {
        Self { name, shape: shape.iter().copied().map(Some).collect(), integer: false }
    }
}

impl fmt::Display for OnnxFlavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::MlAgents => "ml-agents",
            Self::GodotRl => "godot-rl",
        })
    }
}

impl FromStr for OnnxFlavor {
    type Err = UnknownFlavor;

    fn from_str(name: &str) -> Result<Self, UnknownFlavor> {
        let flavor = Self::ALL.into_iter().find(|flavor| flavor.to_string() == name);
        flavor.ok_or_else(|| UnknownFlavor(name.into()))
    }
}

impl fmt::Display for OnnxTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, shape, integer } = self;
        let size = |size: &Option<usize>| size.map_or("batch".into(), |size| size.to_string());
        let shape = shape.iter().map(size).collect::<Vec<_>>().join(", ");
        write!(f, "{name} [{shape}] {}", if *integer { "int64" } else { "float32" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ActionSpace;

    fn names(tensors: Vec<OnnxTensor>) -> Vec<String> {
        tensors.iter().map(OnnxTensor::to_string).collect()
    }

    #[test]
    fn names_and_shapes_are_those_that_the_engines_expect() {
        let numbers = AgentSpec::new("a", 8, 2);
        let space = ActionSpace::of_numbers(2).with_choices("move", 3).with_choices("throw", 2);
        let both = AgentSpec::new("a", 8, 0).with_action(space);
        let table = [
            (
                OnnxFlavor::Plain,
                &numbers,
                vec!["observation [batch, 8] float32"],
                vec!["action [batch, 2] float32"],
            ),
            (
                OnnxFlavor::Plain,
                &both,
                vec!["observation [batch, 8] float32", "action_masks [batch, 5] float32"],
                vec!["action [batch, 7] float32"],
            ),
            (
                OnnxFlavor::MlAgents,
                &numbers,
                vec!["obs_0 [batch, 8] float32"],
                vec![
                    "version_number [1] float32",
                    "memory_size [1] float32",
                    "continuous_actions [batch, 2] float32",
                    "continuous_action_output_shape [1] float32",
                    "deterministic_continuous_actions [batch, 2] float32",
                ],
            ),
            (
                OnnxFlavor::MlAgents,
                &both,
                vec!["obs_0 [batch, 8] float32", "action_masks [batch, 5] float32"],
                vec![
                    "version_number [1] float32",
                    "memory_size [1] float32",
                    "continuous_actions [batch, 2] float32",
                    "continuous_action_output_shape [1] float32",
                    "deterministic_continuous_actions [batch, 2] float32",
                    "discrete_actions [batch, 2] int64",
                    "discrete_action_output_shape [1, 2] float32",
                    "deterministic_discrete_actions [batch, 2] int64",
                ],
            ),
            (
                OnnxFlavor::GodotRl,
                &numbers,
                vec!["obs [batch, 8] float32", "state_ins [batch] float32"],
                vec!["output [batch, 2] float32", "state_outs [batch] float32"],
            ),
            (
                OnnxFlavor::GodotRl,
                &both,
                vec!["obs [batch, 8] float32", "state_ins [batch] float32"],
                vec!["output [batch, 9] float32", "state_outs [batch] float32"],
            ),
        ];
        for (flavor, agent, inputs, outputs) in table {
            assert_eq!(names(flavor.inputs(agent)), inputs, "{flavor}");
            assert_eq!(names(flavor.outputs(agent)), outputs, "{flavor}");
        }
    }

    #[test]
    fn a_wrong_flavor_is_answered_with_the_right_ones() {
        for flavor in OnnxFlavor::ALL {
            assert_eq!(flavor.to_string().parse(), Ok(flavor));
        }
        assert_eq!(
            "unity".parse::<OnnxFlavor>().unwrap_err().to_string(),
            "there is no ONNX flavor `unity`, only `plain`, `ml-agents`, `godot-rl`"
        );
    }
}
