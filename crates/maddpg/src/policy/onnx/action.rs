//! From the outputs of the network to the outputs of the model.

use super::{
    builder::GraphBuilder,
    flavor::{MASKS, OnnxFlavor},
    proto::Attribute,
};
use crate::policy::ActionSpace;

/// Subtracted from the logits of choices that are not possible; far more than any logit.
const IMPOSSIBLE: f32 = 1e9;

/// Adds all operations after the network, whose outputs are in `raw`.
pub(super) fn add_action(
    graph: &mut GraphBuilder,
    space: &ActionSpace,
    raw: &str,
    masked: bool,
    flavor: OnnxFlavor,
) {
    let sizes: Vec<usize> = [space.numbers(), space.choices()].into_iter().filter(|size| *size > 0).collect();
    let mut parts = graph.split(raw, &sizes, "outputs").into_iter();
    let raw_numbers = if space.numbers() > 0 { parts.next() } else { None };
    let choices = parts.next().map(|logits| choices(graph, space, logits, masked)).unwrap_or_default();
    let gated = space.gates().next().is_some();
    let is_needed = gated || flavor != OnnxFlavor::MlAgents;
    let one_hot = if is_needed { one_hot(graph, space, &choices) } else { Vec::new() };
    let mut numbers = raw_numbers.map(|raw| graph.node("Tanh", &[&raw], "numbers", Vec::new()));
    if gated {
        numbers = numbers.map(|numbers| close_gates(graph, space, &numbers, &one_hot));
    }
    match flavor {
        OnnxFlavor::Plain => {
            let columns: Vec<String> = numbers.into_iter().chain(one_hot).collect();
            graph.concat(&columns, "action");
        }
        OnnxFlavor::MlAgents => ml_agents(graph, space, numbers, &choices),
        OnnxFlavor::GodotRl => {
            let skipped = numbers.clone().filter(|_| !one_hot.is_empty());
            let columns: Vec<String> = numbers.into_iter().chain(skipped).chain(one_hot).collect();
            graph.concat(&columns, "output");
            graph.rename("state_ins", "state_outs");
        }
    }
}

/// Adds the choice with the largest logit in each branch. Returns the names of their indices, `[batch]` each.
fn choices(graph: &mut GraphBuilder, space: &ActionSpace, mut logits: String, masked: bool) -> Vec<String> {
    if masked {
        let one = graph.floats("masks.one", &[], &[1.0]);
        let impossible = graph.floats("masks.impossible", &[], &[IMPOSSIBLE]);
        let below_zero = graph.node("Sub", &[MASKS, &one], "masks.below_zero", Vec::new());
        let penalty = graph.node("Mul", &[&below_zero, &impossible], "masks.penalty", Vec::new());
        logits = graph.node("Add", &[&logits, &penalty], "logits", Vec::new());
    }
    let branches = graph.split(&logits, &branch_sizes(space), "branches");
    let choice = |(index, logits): (usize, &String)| {
        let row = vec![Attribute::of_integer("axis", 1), Attribute::of_integer("keepdims", 0)];
        graph.node("ArgMax", &[logits], &format!("choice.{index}"), row)
    };
    branches.iter().enumerate().map(choice).collect()
}

/// Adds each choice as a one-hot vector, `[batch, choices]`.
fn one_hot(graph: &mut GraphBuilder, space: &ActionSpace, choices: &[String]) -> Vec<String> {
    let mut vectors = Vec::new();
    for (choice, count) in choices.iter().zip(branch_sizes(space)) {
        let name = |part: &str| format!("{choice}.{part}");
        let depth = graph.integers(&name("count"), &[count as i64]);
        let values = graph.floats(&name("values"), &[2], &[0.0, 1.0]);
        vectors.push(graph.node("OneHot", &[choice, &depth, &values], &name("one_hot"), Vec::new()));
    }
    vectors
}

/// Multiplies each number that belongs to a choice with 1 if that choice was made and with 0 otherwise.
fn close_gates(graph: &mut GraphBuilder, space: &ActionSpace, numbers: &str, one_hot: &[String]) -> String {
    let count = space.numbers();
    let (mut matrix, mut always) = (vec![0.0; space.choices() * count], vec![1.0; count]);
    for (number, column) in space.gates() {
        matrix[(column - count) * count + number] = 1.0;
        always[number] = 0.0;
    }
    let one_hot = graph.concat(one_hot, "choices");
    let matrix = graph.floats("gates", &[space.choices(), count], &matrix);
    let always = graph.floats("gates.always_open", &[count], &always);
    let open = graph.node("Gemm", &[&one_hot, &matrix, &always], "gates.open", Vec::new());
    graph.node("Mul", &[numbers, &open], "numbers.gated", Vec::new())
}

/// Adds the outputs that Unity's ML-Agents reads. `version_number` 3 is the format of ML-Agents 2.0 and newer.
fn ml_agents(graph: &mut GraphBuilder, space: &ActionSpace, numbers: Option<String>, choices: &[String]) {
    graph.constant("version_number", &[1], &[3.0]);
    graph.constant("memory_size", &[1], &[0.0]);
    if let Some(numbers) = numbers {
        graph.rename(&numbers, "continuous_actions");
        graph.rename(&numbers, "deterministic_continuous_actions");
        graph.constant("continuous_action_output_shape", &[1], &[space.numbers() as f32]);
    }
    if !choices.is_empty() {
        let axes = graph.integers("choices.axes", &[1]);
        let mut columns = Vec::new();
        for choice in choices {
            let name = format!("{choice}.column");
            columns.push(graph.node("Unsqueeze", &[choice, &axes], &name, Vec::new()));
        }
        graph.concat(&columns, "discrete_actions");
        graph.rename("discrete_actions", "deterministic_discrete_actions");
        let sizes: Vec<f32> = branch_sizes(space).into_iter().map(|size| size as f32).collect();
        graph.constant("discrete_action_output_shape", &[1, sizes.len()], &sizes);
    }
}

/// Number of choices in each branch.
fn branch_sizes(space: &ActionSpace) -> Vec<usize> {
    space.branches().iter().map(|branch| branch.choices.len()).collect()
}
