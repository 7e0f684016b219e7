//! Whether a file imports, without calibration data: every node that does not, not just the first.

use std::collections::BTreeMap;

use crate::error::{FrontendError, Result};
use crate::import::survey;
use crate::onnx::{ReadOptions, Texts, build, decode, open_dimension};
use crate::options::Options;

/// Open dimensions that are closed one after the other before giving up.
const MAX_OPEN: usize = 64;

/// What a check of a file finds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// Names and shapes of the inputs.
    pub inputs: Vec<(String, Vec<usize>)>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
    /// Nodes of the file.
    pub nodes: usize,
    /// How often each operator occurs, with its domain.
    pub operators: BTreeMap<String, usize>,
    /// Open dimensions that were taken as 1 for the check.
    pub assumed: Vec<String>,
    /// Why it does not import; empty if it does.
    pub problems: Vec<Problem>,
    /// Nodes of known operators that could not be looked at further, because they read what a failed node makes.
    pub unchecked: usize,
}

/// One node that does not import.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Name of the node, or its position and operator.
    pub node: String,
    /// Operator.
    pub operator: String,
    /// Domain; empty for the standard one.
    pub domain: String,
    /// Version of the domain in the file.
    pub opset: i64,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// The texts that a file knows, in the order of their codes, if its inputs may be texts.
///
/// # Errors
/// `Decode`, `TooLarge` and `Malformed`.
pub fn texts(onnx: &[u8]) -> Result<Vec<String>> {
    let graph = decode(onnx, &Options::default().limits)?.graph.unwrap_or_default();
    Ok(Texts::of(&graph)?.list().to_vec())
}

/// Imports a file as far as it goes. Open dimensions that the options leave open count as 1.
///
/// # Errors
/// `Decode`, `TooLarge`, `NotFinite` and `Malformed` for files that cannot be read at all.
pub fn check(onnx: &[u8], options: &Options) -> Result<Survey> {
    let (mut batch, mut dims, mut assumed) = (options.batch, options.dims.clone(), Vec::new());
    let message = decode(onnx, &options.limits)?;
    let model = loop {
        let read_options = ReadOptions {
            batch,
            dims: &dims,
            limits: &options.limits,
            external_data: options.external_data.as_deref(),
            sample_shapes: None,
        };
        match open_dimension(&message, &read_options) {
            Some((tensor, 0, symbol)) if batch.is_none() && symbol == "?" => {
                assumed.push(format!("first axis of `{tensor}`"));
                batch = Some(1);
            }
            Some((.., symbol)) if symbol != "?" && assumed.len() < MAX_OPEN => {
                assumed.push(format!("`{symbol}`"));
                dims.insert(symbol, 1);
            }
            _ => break build(message, &read_options)?,
        }
    };
    let mut operators = BTreeMap::new();
    for n in &model.nodes {
        *operators.entry(n.qualified_op()).or_insert(0) += 1;
    }
    let (failed, unchecked) = survey(&model, &options.limits)?;
    let problem = |(at, error): (usize, FrontendError)| {
        let n = &model.nodes[at];
        Problem {
            node: n.name.clone(),
            operator: n.op.clone(),
            domain: n.domain.clone(),
            opset: n.opset,
            message: error.to_string(),
        }
    };
    Ok(Survey {
        inputs: model.inputs.iter().map(|d| (d.name.clone(), d.shape.clone())).collect(),
        outputs: model.outputs.iter().map(|o| o.0.clone()).collect(),
        nodes: model.nodes.len(),
        operators,
        assumed,
        problems: failed.into_iter().map(problem).collect(),
        unchecked,
    })
}
