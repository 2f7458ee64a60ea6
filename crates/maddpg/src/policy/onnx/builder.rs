use super::{
    OnnxTensor,
    proto::{
        Attribute, Dimension, FLOAT, Graph, INT64, Node, Shape, Tensor, TensorType, Type, ValueInfo, sizes,
    },
};

/// Builds a graph, operation by operation. Tensors are known by their names.
#[derive(Default)]
pub(super) struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    /// The finished graph.
    pub(super) fn finish(mut self, name: &str, inputs: Vec<OnnxTensor>, outputs: Vec<OnnxTensor>) -> Graph {
        self.graph.name = name.into();
        self.graph.input = inputs.into_iter().map(declare).collect();
        self.graph.output = outputs.into_iter().map(declare).collect();
        self.graph
    }

    /// Adds an operation with one output, named `output`, and returns that name.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<Attribute>,
    ) -> String {
        self.push(operator, inputs, vec![output.to_owned()], attributes);
        output.into()
    }

    /// Adds weights and returns their name.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], data: &[f32]) -> String {
        self.graph.initializer.push(Tensor::of_floats(name, dims, data));
        name.into()
    }

    /// Adds whole numbers that operations need as an input, and returns their name.
    pub(super) fn integers(&mut self, name: &str, data: &[i64]) -> String {
        self.graph.initializer.push(Tensor::of_integers(name, data));
        name.into()
    }

    /// Adds an output that is always the same.
    pub(super) fn constant(&mut self, name: &str, dims: &[usize], data: &[f32]) {
        let value = Attribute::of_tensor("value", Tensor::of_floats("", dims, data));
        self.node("Constant", &[], name, vec![value]);
    }

    /// Adds a second name for a tensor.
    pub(super) fn rename(&mut self, tensor: &str, name: &str) {
        self.node("Identity", &[tensor], name, Vec::new());
    }

    /// Splits the columns of a tensor into parts of these sizes, named `name` and their index.
    pub(super) fn split(&mut self, tensor: &str, columns: &[usize], name: &str) -> Vec<String> {
        if columns.len() == 1 {
            return vec![tensor.into()];
        }
        let split = self.integers(&format!("{name}.sizes"), &sizes(columns));
        let parts: Vec<String> = (0..columns.len()).map(|index| format!("{name}.{index}")).collect();
        self.push("Split", &[tensor, &split], parts.clone(), vec![Attribute::of_integer("axis", 1)]);
        parts
    }

    /// Puts tensors side by side.
    pub(super) fn concat(&mut self, tensors: &[String], name: &str) -> String {
        let tensors: Vec<&str> = tensors.iter().map(String::as_str).collect();
        self.node("Concat", &tensors, name, vec![Attribute::of_integer("axis", 1)])
    }

    fn push(&mut self, operator: &str, inputs: &[&str], outputs: Vec<String>, attribute: Vec<Attribute>) {
        self.graph.node.push(Node {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            name: format!("{operator}_{}", self.graph.node.len()),
            output: outputs,
            op_type: operator.into(),
            attribute,
        });
    }
}

/// An input or output as the file declares it.
fn declare(tensor: OnnxTensor) -> ValueInfo {
    let dimension = |size: Option<usize>| Dimension {
        dim_value: size.map(|size| size as i64),
        dim_param: size.is_none().then(|| "batch".into()),
    };
    let shape = Shape { dim: tensor.shape.into_iter().map(dimension).collect() };
    let elem_type = if tensor.integer { INT64 } else { FLOAT };
    let tensor_type = Some(TensorType { elem_type, shape: Some(shape) });
    ValueInfo { name: tensor.name.into(), kind: Some(Type { tensor_type }) }
}
