//! Runs a graph, with the operators that are written. Tests compare it with [`Policy::act`](crate::policy::Policy::act).

use std::collections::HashMap;

use super::proto::{FLOAT, Graph, Node, Tensor};

/// The shape of a tensor and its numbers. Whole numbers are kept as `f32` as well.
pub(super) type Value = (Vec<usize>, Vec<f32>);

/// Runs the graph and returns all its tensors by name.
pub(super) fn evaluate(graph: &Graph, inputs: &[(&str, Value)]) -> HashMap<String, Value> {
    let mut values: HashMap<String, Value> =
        inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    values.extend(graph.initializer.iter().map(|tensor| (tensor.name.clone(), read(tensor))));
    for node in &graph.node {
        let inputs: Vec<&Value> = node.input.iter().map(|name| &values[name]).collect();
        let outputs = run(node, &inputs);
        values.extend(node.output.iter().cloned().zip(outputs));
    }
    values
}

fn read(tensor: &Tensor) -> Value {
    let dims = tensor.dims.iter().map(|size| *size as usize).collect();
    let raw = &tensor.raw_data;
    let numbers = if tensor.data_type == FLOAT {
        raw.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    } else {
        raw.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f32).collect()
    };
    (dims, numbers)
}

fn run(node: &Node, inputs: &[&Value]) -> Vec<Value> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let map = |op: fn(f32) -> f32| vec![(inputs[0].0.clone(), inputs[0].1.iter().map(|x| op(*x)).collect())];
    let width = |value: &Value| value.0[1];
    match node.op_type.as_str() {
        "Identity" => map(|x| x),
        "Relu" => map(|x| x.max(0.0)),
        "Sqrt" => map(f32::sqrt),
        "Tanh" => map(libm::tanhf),
        "Sub" => vec![broadcast(inputs, |a, b| a - b)],
        "Add" => vec![broadcast(inputs, |a, b| a + b)],
        "Mul" => vec![broadcast(inputs, |a, b| a * b)],
        "Div" => vec![broadcast(inputs, |a, b| a / b)],
        "Clip" => {
            let (low, high) = (inputs[1].1[0], inputs[2].1[0]);
            vec![(inputs[0].0.clone(), inputs[0].1.iter().map(|x| x.clamp(low, high)).collect())]
        }
        "Constant" => vec![read(attribute("value").unwrap().t.as_ref().unwrap())],
        "ReduceMean" => {
            assert_eq!(attribute("axes").unwrap().ints, [1]);
            let rows = inputs[0].1.chunks(width(inputs[0]));
            let means: Vec<f32> = rows.map(|row| row.iter().sum::<f32>() / row.len() as f32).collect();
            vec![(vec![means.len(), 1], means)]
        }
        "Gemm" => {
            let (inner, columns) = (width(inputs[0]), width(inputs[1]));
            assert_eq!(inputs[1].0[0], inner);
            assert_eq!(inputs[2].0, [columns]);
            let row = |row: &[f32]| -> Vec<f32> {
                let product = |column: usize| {
                    (0..inner).map(|k| f64::from(row[k] * inputs[1].1[k * columns + column])).sum::<f64>()
                };
                (0..columns).map(|column| product(column) as f32 + inputs[2].1[column]).collect()
            };
            let rows: Vec<f32> = inputs[0].1.chunks(inner).flat_map(row).collect();
            vec![(vec![inputs[0].0[0], columns], rows)]
        }
        "ArgMax" => {
            assert_eq!((attribute("axis").unwrap().i, attribute("keepdims").unwrap().i), (Some(1), Some(0)));
            let largest = |row: &[f32]| {
                let best = (0..row.len()).rev().max_by(|a, b| row[*a].total_cmp(&row[*b]));
                best.unwrap() as f32
            };
            let indices: Vec<f32> = inputs[0].1.chunks(width(inputs[0])).map(largest).collect();
            vec![(vec![indices.len()], indices)]
        }
        "OneHot" => {
            let depth = inputs[1].1[0] as usize;
            let vector = |index: &f32| {
                (0..depth).map(|k| inputs[2].1[usize::from(k as f32 == *index)]).collect::<Vec<_>>()
            };
            let vectors: Vec<f32> = inputs[0].1.iter().flat_map(vector).collect();
            vec![(vec![inputs[0].0[0], depth], vectors)]
        }
        "Unsqueeze" => {
            assert_eq!(inputs[1].1, [1.0]);
            vec![(vec![inputs[0].0[0], 1], inputs[0].1.clone())]
        }
        "Concat" => {
            assert_eq!(attribute("axis").unwrap().i, Some(1));
            let rows = inputs[0].0[0];
            let row = |row: usize| {
                inputs.iter().flat_map(move |part| part.1[row * part.0[1]..(row + 1) * part.0[1]].to_vec())
            };
            let all: Vec<f32> = (0..rows).flat_map(row).collect();
            vec![(vec![rows, all.len() / rows], all)]
        }
        "Gather" => {
            assert_eq!(attribute("axis").unwrap().i, Some(1));
            let columns = || inputs[1].1.iter().map(|column| *column as usize);
            let rows = inputs[0].1.chunks(width(inputs[0]));
            let gathered = rows.flat_map(|row| columns().map(|column| row[column]).collect::<Vec<_>>());
            vec![(vec![inputs[0].0[0], inputs[1].1.len()], gathered.collect())]
        }
        "Reshape" => {
            assert_eq!(inputs[1].1[0], -1.0);
            let columns = inputs[1].1[1] as usize;
            vec![(vec![inputs[0].1.len() / columns, columns], inputs[0].1.clone())]
        }
        "Split" => {
            let (rows, mut start) = (inputs[0].0[0], 0);
            let part = |size: &f32| {
                let columns = start..start + *size as usize;
                start = columns.end;
                let part: Vec<f32> = inputs[0]
                    .1
                    .chunks(width(inputs[0]))
                    .flat_map(|row| row[columns.clone()].to_vec())
                    .collect();
                (vec![rows, columns.len()], part)
            };
            inputs[1].1.iter().map(part).collect()
        }
        other => panic!("the evaluator does not know the operator {other}"),
    }
}

/// Combines `[rows, columns]` with a tensor of that shape, one number per row, one number per column, or one number.
fn broadcast(inputs: &[&Value], op: fn(f32, f32) -> f32) -> Value {
    let [(shape, a), (other, b)] = inputs else { panic!("two inputs") };
    let columns = shape[1];
    let numbers = a.iter().enumerate().map(|(index, a)| {
        let at = match other.as_slice() {
            [] => 0,
            [size] => {
                assert_eq!(*size, columns);
                index % columns
            }
            [_, 1] => index / columns,
            _ => {
                assert_eq!(other, shape);
                index
            }
        };
        op(*a, b[at])
    });
    (shape.clone(), numbers.collect())
}
