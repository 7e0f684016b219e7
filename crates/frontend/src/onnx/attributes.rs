//! Nodes with attributes that are read by type; every error names the node and the attribute.

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::pb;

use super::{DType, Limits, Shared, Subgraph, canonical_domain, tensors};
use crate::error::{FrontendError, Result};
use crate::tensor::{Kind, Tensor};

/// One node of the file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Name of the node, or `#position:op` when it has none.
    pub name: String,
    pub op: String,
    /// Empty for the standard domain.
    pub domain: String,
    /// Version of the node's domain.
    pub opset: i64,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    attributes: HashMap<String, pb::AttributeProto>,
    shared: Arc<Shared>,
}

/// Name of a node, or `#position:op` where it has none.
pub(super) fn name_of(position: usize, proto: &pb::NodeProto) -> String {
    if proto.name.is_empty() { format!("#{position}:{}", proto.op_type) } else { proto.name.clone() }
}

impl Node {
    pub(super) fn from_proto(position: usize, proto: pb::NodeProto, shared: &Arc<Shared>) -> Result<Self> {
        let domain = canonical_domain(&proto.domain);
        Ok(Self {
            name: name_of(position, &proto),
            op: proto.op_type,
            opset: shared.opsets.get(&domain).copied().unwrap_or(1),
            domain,
            inputs: proto.input,
            outputs: proto.output,
            attributes: proto.attribute.into_iter().map(|a| (a.name.clone(), a)).collect(),
            shared: shared.clone(),
        })
    }

    /// A node without inputs, outputs and attributes.
    #[cfg(test)]
    pub fn bare(domain: &str, op: &str) -> Self {
        let proto = pb::NodeProto { name: op.into(), op_type: op.into(), domain: domain.into(), ..Default::default() };
        Self::from_proto(0, proto, &Arc::default()).expect("a node needs a name only")
    }

    /// Names that the node reads: its inputs, and what the bodies in its attributes read from outside or inside.
    pub fn reads(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.inputs.iter().map(String::as_str).collect();
        let mut open: Vec<&pb::GraphProto> = self.attributes.values().filter_map(|a| a.g.as_ref()).collect();
        while let Some(graph) = open.pop() {
            for node in &graph.node {
                names.extend(node.input.iter().map(String::as_str));
                open.extend(node.attribute.iter().filter_map(|a| a.g.as_ref()));
            }
            names.extend(graph.output.iter().map(|o| o.name.as_str()));
        }
        names
    }

    /// The same node with other inputs.
    pub fn with_inputs(&self, inputs: Vec<String>) -> Self {
        Self { inputs, ..self.clone() }
    }

    /// The same node as an operator of the standard domain.
    pub fn renamed(self, op: &str) -> Self {
        Self { op: op.into(), domain: String::new(), ..self }
    }

    /// A node of the standard domain that this one stands for, with some of its attributes, each under a name of its
    /// own.
    pub fn part(&self, op: &str, inputs: Vec<String>, attributes: &[(&str, &str)]) -> Self {
        let taken = |(from, to): &(&str, &str)| self.attributes.get(*from).map(|a| ((*to).to_string(), a.clone()));
        let attributes = attributes.iter().filter_map(taken).collect();
        let opset = self.shared.opsets.get("").copied().unwrap_or(1);
        Self { inputs, outputs: Vec::new(), attributes, opset, ..self.clone() }.renamed(op)
    }

    /// The same node with a number as an attribute.
    pub fn with_float(mut self, name: &str, value: f64) -> Self {
        let a = pb::AttributeProto { name: name.into(), r#type: 1, f: value as f32, ..Default::default() };
        self.attributes.insert(name.into(), a);
        self
    }

    /// The same node with a whole number as an attribute.
    pub fn with_int(mut self, name: &str, value: i64) -> Self {
        let a = pb::AttributeProto { name: name.into(), r#type: 2, i: value, ..Default::default() };
        self.attributes.insert(name.into(), a);
        self
    }

    /// The same node less some attributes.
    pub fn without(mut self, names: &[&str]) -> Self {
        self.attributes.retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// Element type of a tensor attribute.
    pub fn tensor_type(&self, name: &str) -> Option<DType> {
        self.attributes.get(name).and_then(|a| a.t.as_ref()).and_then(|t| DType::from_code(t.data_type))
    }

    /// Operator with its domain, for messages.
    pub fn qualified_op(&self) -> String {
        if self.domain.is_empty() { self.op.clone() } else { format!("{}.{}", self.domain, self.op) }
    }

    /// Error for a use of the operator that is not supported.
    pub fn unsupported(&self, reason: impl Into<String>, hint: impl Into<String>) -> FrontendError {
        FrontendError::Unsupported {
            node: self.name.clone(),
            op: self.qualified_op(),
            opset: self.opset,
            reason: reason.into(),
            hint: hint.into(),
        }
    }

    /// Error for a node that breaks the ONNX specification.
    pub fn malformed(&self, reason: impl Into<String>) -> FrontendError {
        FrontendError::malformed(self.place(), reason)
    }

    /// The node in messages.
    pub fn place(&self) -> String {
        format!("node `{}` ({}, opset {})", self.name, self.qualified_op(), self.opset)
    }

    fn typed<'a, T>(&'a self, name: &str, kind: i32, get: impl Fn(&'a pb::AttributeProto) -> T) -> Result<Option<T>> {
        match self.attributes.get(name) {
            None => Ok(None),
            // Files of the first IR versions leave the type tag at 0.
            Some(a) if a.r#type == kind || a.r#type == 0 => Ok(Some(get(a))),
            Some(a) => Err(self.malformed(format!(
                "attribute `{name}` has type code {}, expected {kind}; export the model again",
                a.r#type
            ))),
        }
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        self.typed(name, 2, |a| a.i)
    }

    pub fn float(&self, name: &str) -> Result<Option<f64>> {
        let value = self.typed(name, 1, |a| f64::from(a.f))?;
        match value {
            Some(v) if !v.is_finite() => Err(self.malformed(format!("attribute `{name}` is {v}; repair the value"))),
            v => Ok(v),
        }
    }

    /// A number; none where it is missing or not a number.
    pub fn float_or_nan(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.typed(name, 1, |a| f64::from(a.f))?.filter(|v| !v.is_nan()))
    }

    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        self.typed(name, 7, |a| a.ints.clone())
    }

    pub fn floats(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let values = self.typed(name, 6, |a| a.floats.iter().map(|&v| f64::from(v)).collect::<Vec<_>>())?;
        match values.as_ref().and_then(|v| v.iter().position(|x| !x.is_finite())) {
            Some(i) => Err(self.malformed(format!("attribute `{name}` element {i} is not finite; repair the value"))),
            None => Ok(values),
        }
    }

    /// Numbers that need not be finite.
    pub fn floats_or_infinite(&self, name: &str) -> Result<Option<Vec<f64>>> {
        self.typed(name, 6, |a| a.floats.iter().map(|&v| f64::from(v)).collect())
    }

    pub fn string(&self, name: &str) -> Result<Option<String>> {
        self.typed(name, 3, |a| String::from_utf8_lossy(&a.s).into_owned())
    }

    pub fn strings(&self, name: &str) -> Result<Option<Vec<String>>> {
        self.typed(name, 8, |a| a.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect())
    }

    /// Shape and texts of a tensor, if it holds texts.
    pub fn texts(&self, name: &str, limits: &Limits) -> Result<Option<(Vec<usize>, Vec<String>)>> {
        match self.typed(name, 4, |a| a.t.as_ref())? {
            Some(Some(t)) if t.data_type == super::TEXT => {
                let (t, texts) = super::text(t, limits)?;
                Ok(Some((t.shape, texts)))
            }
            _ => Ok(None),
        }
    }

    /// Numbers of a tensor, which need not be finite; none where it is missing.
    pub fn tensor_numbers(&self, name: &str, limits: &Limits) -> Result<Vec<f64>> {
        match self.typed(name, 4, |a| a.t.as_ref())? {
            Some(Some(t)) => super::numbers(t, &self.name, limits),
            _ => Ok(Vec::new()),
        }
    }

    /// A graph: the body of a loop or a condition.
    pub fn subgraph(&self, name: &str, limits: &Limits) -> Result<Option<Subgraph>> {
        match self.typed(name, 5, |a| a.g.as_ref())? {
            Some(Some(g)) => super::subgraph(g, &self.shared, &self.name, limits).map(Some),
            Some(None) => Err(self.malformed(format!("attribute `{name}` holds no graph; export the model again"))),
            None => Ok(None),
        }
    }

    /// Below which number cells of the node's result mask.
    fn low(&self) -> Option<f64> {
        let constant = matches!(self.op.as_str(), "Constant" | "ConstantOfShape");
        self.outputs.first().filter(|_| constant).and_then(|name| self.shared.shown.low(name))
    }

    /// Whether the result's size shows nowhere: differences within its rows are all that counts.
    pub fn is_compared(&self) -> bool {
        self.outputs.first().is_some_and(|name| self.shared.shown.is_compared(name))
    }

    /// Numbers as a tensor, which need not be finite where the node's result masks.
    pub fn floats_or_mask(&self, shape: Vec<usize>, data: Vec<f64>) -> Result<Tensor> {
        tensors::finite(Tensor { shape, kind: Kind::Float, data }, &self.name, self.low())
    }

    pub fn tensor(&self, name: &str, limits: &Limits) -> Result<Option<Tensor>> {
        match self.typed(name, 4, |a| a.t.as_ref())? {
            Some(Some(t)) => super::constant(t, &self.name, limits, self.low()).map(Some),
            Some(None) => Err(self.malformed(format!("attribute `{name}` holds no tensor; export the model again"))),
            None => Ok(None),
        }
    }
}
