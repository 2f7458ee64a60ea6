//! Policies as ONNX models, for programs that are not written with this crate.

mod action;
mod builder;
#[cfg(test)]
mod evaluator;
mod flavor;
mod proto;

use prost::Message;

use self::{
    action::add_action,
    builder::GraphBuilder,
    flavor::MASKS,
    proto::{Attribute, Entry, Model, OperatorSet},
};
use super::{Encoder, Network, Normalizer, Policy, forward::NORM_EPSILON};

pub use flavor::{OnnxFlavor, OnnxTensor, UnknownFlavor};

/// The version of the operators. Unity's importer reads versions up to 15.
const OPERATOR_SET: i64 = 15;
/// The version of the file format that belongs to this operator set.
const IR_VERSION: i64 = 8;

impl Policy {
    /// Writes the policy as an ONNX model (opset 15), with the scaling of the observations. It computes what
    /// [`act`](Self::act) computes, for any number of observations at once.
    ///
    /// [`OnnxFlavor::inputs`] and [`OnnxFlavor::outputs`] list its inputs and outputs. `action_masks` has 1 for each
    /// choice that is possible and 0 for the others, as in [`act`](Self::act), but cannot be left out. The metadata
    /// contains the version of this crate, the behavior, and the names of observations and actions as JSON lists.
    pub fn to_onnx(&self, flavor: OnnxFlavor) -> Vec<u8> {
        let agent = &self.group().agent;
        let (inputs, outputs) = (flavor.inputs(agent), flavor.outputs(agent));
        let mut graph = GraphBuilder::default();
        let observation = scale(&mut graph, self.normalizer(), inputs[0].name);
        let raw = layers(&mut graph, self.network(), observation);
        let masked = inputs.iter().any(|input| input.name == MASKS);
        add_action(&mut graph, &agent.action, &raw, masked, flavor);
        let entry = |key: &str, value: String| Entry { key: key.into(), value };
        let names = |names: &[String]| serde_json::json!(names).to_string();
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: env!("CARGO_PKG_NAME").into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(graph.finish(&self.group().name, inputs, outputs)),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPERATOR_SET }],
            metadata_props: vec![
                entry("maddpg_version", env!("CARGO_PKG_VERSION").into()),
                entry("behavior", agent.behavior.clone()),
                entry("observation_names", names(&agent.observation_names)),
                entry("action_names", names(&agent.action.names())),
            ],
        };
        model.encode_to_vec()
    }
}

/// Adds the scaling of the observations, unless it leaves them unchanged.
fn scale(graph: &mut GraphBuilder, normalizer: &Normalizer, observation: &str) -> String {
    let Normalizer { mean, scale, clip } = normalizer;
    if *normalizer == Normalizer::identity(mean.len()) {
        return observation.into();
    }
    let mean = graph.floats("normalizer.mean", &[mean.len()], mean);
    let scale = graph.floats("normalizer.scale", &[scale.len()], scale);
    let centered = graph.node("Sub", &[observation, &mean], "observation.centered", Vec::new());
    let scaled = graph.node("Mul", &[&centered, &scale], "observation.scaled", Vec::new());
    if clip.is_infinite() {
        return scaled;
    }
    let low = graph.floats("normalizer.low", &[], &[-clip]);
    let high = graph.floats("normalizer.high", &[], &[*clip]);
    graph.node("Clip", &[&scaled, &low, &high], "observation.clipped", Vec::new())
}

/// Adds the layers of the network.
fn layers(graph: &mut GraphBuilder, network: &Network, input: String) -> String {
    let Network { shape, parameters } = network;
    let mut below = match shape.encoder() {
        None => input,
        Some(encoder) => encode(graph, encoder, parameters, input),
    };
    for (index, layer) in shape.layers().iter().enumerate() {
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let name = |part: &str| format!("layer.{index}.{part}");
        let weights = graph.floats(&name("weights"), &[inputs, outputs], &parameters[layer.weights.clone()]);
        let bias = graph.floats(&name("bias"), &[outputs], &parameters[layer.bias.clone()]);
        below = graph.node("Gemm", &[&below, &weights, &bias], &name("linear"), Vec::new());
        if let Some([gain, shift]) = &layer.norm {
            let gain = graph.floats(&name("gain"), &[outputs], &parameters[gain.clone()]);
            let shift = graph.floats(&name("shift"), &[outputs], &parameters[shift.clone()]);
            let normalized = normalize(graph, &below, &name("norm"));
            let scaled = graph.node("Mul", &[&normalized, &gain], &name("norm.scaled"), Vec::new());
            below = graph.node("Add", &[&scaled, &shift], &name("norm.shifted"), Vec::new());
        }
        if layer.hidden {
            below = graph.node("Relu", &[&below], &name("relu"), Vec::new());
        }
    }
    below
}

/// Adds the convolutions, each as a matrix product with the patches under its filters, and puts the features and the other numbers
/// of the observation side by side.
fn encode(graph: &mut GraphBuilder, encoder: &Encoder, parameters: &[f32], input: String) -> String {
    let mut below = input.clone();
    for (index, layer) in encoder.layers().iter().enumerate() {
        let name = |part: &str| format!("convolution.{index}.{part}");
        let (patch, filters) = (layer.patch(), layer.filters);
        let columns: Vec<i64> = layer.window.indices().into_iter().map(|column| column as i64).collect();
        let gathered = gather(graph, &below, &columns, &name("gathered"));
        let patches = reshape(graph, &gathered, patch, &name("patches"));
        let weights = graph.floats(&name("weights"), &[patch, filters], &parameters[layer.weights.clone()]);
        let bias = graph.floats(&name("bias"), &[filters], &parameters[layer.bias.clone()]);
        let places = graph.node("Gemm", &[&patches, &weights, &bias], &name("linear"), Vec::new());
        let places = graph.node("Relu", &[&places], &name("relu"), Vec::new());
        below = reshape(graph, &places, layer.outputs(), &name("output"));
    }
    let others: Vec<i64> = encoder.others().iter().cloned().flatten().map(|column| column as i64).collect();
    if others.is_empty() {
        return below;
    }
    let others = gather(graph, &input, &others, "observation.others");
    graph.concat(&[below, others], "encoded")
}

/// Adds the columns with these indices.
fn gather(graph: &mut GraphBuilder, rows: &str, columns: &[i64], name: &str) -> String {
    let columns = graph.integers(&format!("{name}.columns"), columns);
    graph.node("Gather", &[rows, &columns], name, vec![Attribute::of_integer("axis", 1)])
}

/// Adds the same numbers in rows of another length.
fn reshape(graph: &mut GraphBuilder, rows: &str, columns: usize, name: &str) -> String {
    let shape = graph.integers(&format!("{name}.shape"), &[-1, columns as i64]);
    graph.node("Reshape", &[rows, &shape], name, Vec::new())
}

/// Adds a layer normalization without gain and shift. The fused operator needs a newer operator set.
fn normalize(graph: &mut GraphBuilder, rows: &str, name: &str) -> String {
    let name = |part: &str| format!("{name}.{part}");
    let columns = || vec![Attribute::of_integers("axes", &[1])];
    let epsilon = graph.floats(&name("epsilon"), &[], &[NORM_EPSILON]);
    let mean = graph.node("ReduceMean", &[rows], &name("mean"), columns());
    let centered = graph.node("Sub", &[rows, &mean], &name("centered"), Vec::new());
    let squares = graph.node("Mul", &[&centered, &centered], &name("squares"), Vec::new());
    let variance = graph.node("ReduceMean", &[&squares], &name("variance"), columns());
    let variance = graph.node("Add", &[&variance, &epsilon], &name("variance.positive"), Vec::new());
    let deviation = graph.node("Sqrt", &[&variance], &name("deviation"), Vec::new());
    graph.node("Div", &[&centered, &deviation], &name("normalized"), Vec::new())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::RngExt;

    use super::{
        evaluator::{Value, evaluate},
        proto::Graph,
        *,
    };
    use crate::{
        policy::{ActionSpace, AgentSpec, ArenaSpec, ImageSpec, NetworkShape, Scratch},
        random::stream,
    };

    const OBSERVATION: usize = 5;
    const ROWS: usize = 64;

    /// A random policy. Its last layer is wide enough that numbers and choices vary.
    fn policy(space: &ActionSpace, layer_norm: bool, scaled: bool) -> Policy {
        let agent = AgentSpec::new("a", OBSERVATION, 0).with_action(space.clone());
        let group = ArenaSpec::new(vec![agent]).groups(true).unwrap().remove(0);
        let mut random = stream(1, "policy", 0);
        let shape = NetworkShape::new(OBSERVATION, &[24, 16], space.size(), layer_norm);
        let mut parameters = shape.initialize(1.0, &mut random);
        parameters.iter_mut().for_each(|number| *number += random.random_range(-0.1..0.1f32));
        let mut normalizer = Normalizer::identity(OBSERVATION);
        if scaled {
            normalizer.mean.fill_with(|| random.random_range(-1.0..1.0));
            normalizer.scale.fill_with(|| random.random_range(0.5..3.0));
            normalizer.clip = 1.5;
        }
        Policy::new(group, normalizer, Network { shape, parameters }).unwrap()
    }

    /// Spaces with numbers, choices, and both, with gates and without.
    fn spaces() -> [ActionSpace; 5] {
        let both = ActionSpace::default()
            .with_number("turn")
            .with_number("aim")
            .with_choices("move", 4)
            .with_choices("throw", 2);
        [
            ActionSpace::of_numbers(3),
            ActionSpace::default().with_choices("move", 5),
            ActionSpace::default().with_choices("move", 3).with_choices("throw", 2),
            both.clone(),
            both.only_with("aim", "throw", "1"),
        ]
    }

    fn graph(policy: &Policy, flavor: OnnxFlavor) -> Graph {
        Model::decode(policy.to_onnx(flavor).as_slice()).unwrap().graph.unwrap()
    }

    /// Random observations and masks. Each branch has a possible choice.
    fn inputs(space: &ActionSpace) -> (Vec<f32>, Vec<f32>) {
        let mut random = stream(2, "inputs", 0);
        let observations = (0..ROWS * OBSERVATION).map(|_| random.random_range(-2.0..2.0)).collect();
        let mut masks = Vec::new();
        for _ in 0..ROWS {
            for branch in space.branches() {
                let sure = random.random_range(0..branch.choices.len());
                let mask = (0..branch.choices.len())
                    .map(|index| f32::from(index == sure || random.random::<bool>()));
                masks.extend(mask);
            }
        }
        (observations, masks)
    }

    fn act(policy: &Policy, observations: &[f32], masks: &[f32]) -> Vec<f32> {
        let mut actions = vec![0.0; ROWS * policy.group().agent.action_size()];
        policy.act(observations, masks, &mut actions, ROWS, &mut Scratch::default());
        actions
    }

    fn run(
        policy: &Policy,
        flavor: OnnxFlavor,
        observations: &[f32],
        masks: &[f32],
    ) -> HashMap<String, Value> {
        let agent = &policy.group().agent;
        let inputs: Vec<(&str, Value)> = flavor
            .inputs(agent)
            .into_iter()
            .map(|input| {
                let shape = input.shape.iter().map(|size| size.unwrap_or(ROWS)).collect();
                let numbers = match input.name {
                    "action_masks" => masks.to_vec(),
                    "state_ins" => vec![1.0; ROWS],
                    _ => observations.to_vec(),
                };
                (input.name, (shape, numbers))
            })
            .collect();
        let graph = graph(policy, flavor);
        let mut values = evaluate(&graph, &inputs);
        let outputs = flavor.outputs(agent);
        assert!(graph.output.iter().map(|output| &output.name).eq(outputs.iter().map(|output| output.name)));
        for output in &outputs {
            let shape: Vec<usize> = output.shape.iter().map(|size| size.unwrap_or(ROWS)).collect();
            assert_eq!(values[output.name].0, shape, "{flavor}: {output}");
        }
        values.retain(|name, _| outputs.iter().any(|output| output.name == name));
        values
    }

    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (index, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < 1e-5, "number {index} is {a}, expected {b}");
        }
    }

    #[test]
    fn an_exported_policy_acts_as_the_policy_does() {
        for space in spaces() {
            let (observations, masks) = inputs(&space);
            for (layer_norm, scaled) in [(false, false), (false, true), (true, false), (true, true)] {
                let policy = policy(&space, layer_norm, scaled);
                let expected = act(&policy, &observations, &masks);
                let values = run(&policy, OnnxFlavor::Plain, &observations, &masks);
                assert_close(&values["action"].1, &expected);
            }
        }
    }

    #[test]
    fn a_policy_that_sees_an_image_acts_as_the_policy_does() {
        for others in [0, 1] {
            let image = ImageSpec { frames: 2, ..ImageSpec::grey(6, 5) };
            let size = 2 * (30 + others);
            let agent = AgentSpec::new("eye", size, 3).with_image(image);
            let encoder = Encoder::new(&agent, 0, &[[4, 3, 1].into(), [3, 2, 2].into()]).unwrap().unwrap();
            let group = ArenaSpec::new(vec![agent]).groups(true).unwrap().remove(0);
            let mut random = stream(3, "images", 0);
            let shape = NetworkShape::seeing(encoder, &[12], 3, true);
            let parameters = shape.initialize(1.0, &mut random);
            let normalizer = Normalizer::identity(size);
            let policy = Policy::new(group, normalizer, Network { shape, parameters }).unwrap();
            let observations: Vec<f32> = (0..ROWS * size).map(|_| random.random::<f32>()).collect();
            let values = run(&policy, OnnxFlavor::Plain, &observations, &[]);
            assert_close(&values["action"].1, &act(&policy, &observations, &[]));
        }
    }

    #[test]
    fn unity_gets_the_same_numbers_and_the_indices_of_the_choices() {
        for space in spaces() {
            let (observations, masks) = inputs(&space);
            let policy = policy(&space, true, true);
            let expected = act(&policy, &observations, &masks);
            let values = run(&policy, OnnxFlavor::MlAgents, &observations, &masks);
            assert_eq!((&values["version_number"].1, &values["memory_size"].1), (&vec![3.0], &vec![0.0]));
            let rows = || expected.chunks(space.size());
            if space.numbers() > 0 {
                let numbers: Vec<f32> = rows().flat_map(|row| row[..space.numbers()].to_vec()).collect();
                assert_close(&values["continuous_actions"].1, &numbers);
                assert_eq!(values["continuous_actions"], values["deterministic_continuous_actions"]);
                assert_eq!(values["continuous_action_output_shape"].1, [space.numbers() as f32]);
            }
            if !space.branches().is_empty() {
                let choice = |row: &[f32], branch| space.choice(row, branch).unwrap() as f32;
                let choices: Vec<f32> = rows()
                    .flat_map(|row| (0..space.branches().len()).map(move |branch| choice(row, branch)))
                    .collect();
                assert_eq!(values["discrete_actions"].1, choices);
                assert_eq!(values["discrete_actions"], values["deterministic_discrete_actions"]);
            }
        }
    }

    #[test]
    fn godot_reads_the_same_action() {
        for space in spaces() {
            let (observations, _) = inputs(&space);
            let policy = policy(&space, false, true);
            let values = run(&policy, OnnxFlavor::GodotRl, &observations, &[]);
            let skipped = if space.branches().is_empty() { 0 } else { space.numbers() };
            let row = |row: &[f32]| [&row[..space.numbers()], &row[space.numbers() + skipped..]].concat();
            let (shape, output) = &values["output"];
            let found: Vec<f32> = output.chunks(shape[1]).flat_map(row).collect();
            assert_close(&found, &act(&policy, &observations, &[]));
            assert_eq!(values["state_outs"].1, vec![1.0; ROWS]);
        }
    }

    #[test]
    fn operations_that_change_nothing_are_left_out() {
        let operators = |layer_norm, scaled| -> Vec<String> {
            let graph = graph(&policy(&spaces()[0], layer_norm, scaled), OnnxFlavor::GodotRl);
            graph.node.into_iter().map(|node| node.op_type).collect()
        };
        assert_eq!(
            operators(false, false),
            ["Gemm", "Relu", "Gemm", "Relu", "Gemm", "Tanh", "Concat", "Identity"]
        );
        assert_eq!(operators(false, true)[..4], ["Sub", "Mul", "Clip", "Gemm"]);
        assert!(operators(true, false).contains(&"ReduceMean".to_owned()));
    }

    #[test]
    fn the_metadata_names_behavior_observations_and_actions() {
        let model =
            Model::decode(policy(&spaces()[4], false, false).to_onnx(OnnxFlavor::Plain).as_slice()).unwrap();
        assert_eq!((model.ir_version, model.opset_import[0].version), (8, 15));
        let value = |key: &str| &model.metadata_props.iter().find(|entry| entry.key == key).unwrap().value;
        assert_eq!(value("behavior"), "a");
        assert_eq!(value("maddpg_version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(value("observation_names"), "[]");
        assert!(value("action_names").starts_with(r#"["turn","aim","move: 0""#));
    }
}
