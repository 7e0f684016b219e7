//! Conditions and loops whose course does not depend on the inputs: bodies are imported as often as they run.

use std::collections::HashMap;

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::{Node, Subgraph};
use crate::real::expr::Bin;
use crate::tensor::Kind;

/// Most iterations that are unrolled.
const MAX_TRIPS: usize = 4096;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() {
        return Ok(None);
    }
    Ok(Some(match n.op.as_str() {
        "If" => branch(im, n)?,
        "Loop" => repeat(im, n)?,
        "Scan" => scan(im, n)?,
        _ => return Ok(None),
    }))
}

/// A body with its constants, which are imported once.
struct Body {
    graph: Subgraph,
    constants: Vec<(String, TensorId)>,
}

fn body(im: &mut Importer, n: &Node, attribute: &str) -> Result<Body> {
    let graph = n.subgraph(attribute, im.limits)?;
    let graph = graph.ok_or_else(|| n.malformed(format!("attribute `{attribute}` is missing")))?;
    let mut names: Vec<_> = graph.constants.iter().collect();
    names.sort_by_key(|(name, _)| name.as_str());
    let mut constants = Vec::new();
    for (name, t) in names {
        constants.push((name.clone(), im.g.constant(t)));
    }
    im.types.extend(graph.types.iter().map(|(name, t)| (name.clone(), *t)));
    Ok(Body { graph, constants })
}

/// One run of a body; names of the outer graph are visible in it, its own are not visible outside.
fn run(im: &mut Importer, n: &Node, body: &Body, inputs: &[TensorId]) -> Result<Vec<TensorId>> {
    if body.graph.inputs.len() != inputs.len() {
        let (got, want) = (inputs.len(), body.graph.inputs.len());
        return Err(n.malformed(format!("its body takes {want} inputs, got {got}")));
    }
    let outer: HashMap<String, TensorId> = im.env.clone();
    im.env.extend(body.constants.iter().cloned());
    im.env.extend(body.graph.inputs.iter().cloned().zip(inputs.iter().copied()));
    im.depth += 1;
    let done = if im.depth > 8 {
        Err(n.unsupported("bodies are nested more than 8 deep", "flatten the model"))
    } else {
        im.nodes(&body.graph.nodes)
    };
    im.depth -= 1;
    let outputs = done.and_then(|()| {
        body.graph
            .outputs
            .iter()
            .map(|name| {
                let id = im.env.get(name).copied();
                id.ok_or_else(|| n.malformed(format!("output `{name}` of its body is defined by no node")))
            })
            .collect()
    });
    im.env = outer;
    im.g.scope = n.name.clone();
    outputs
}

/// Both branches and a choice where the condition depends on the inputs, else the branch that is taken.
fn branch(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let condition = im.arg(n, 0)?;
    let (yes, no) = ("then_branch", "else_branch");
    if let Some(c) = im.g.as_uniform(condition) {
        let taken = body(im, n, if c != 0.0 { yes } else { no })?;
        return run(im, n, &taken, &[]);
    }
    let (yes, no) = (body(im, n, yes)?, body(im, n, no)?);
    let (a, b) = (run(im, n, &yes, &[])?, run(im, n, &no, &[])?);
    if a.len() != b.len() || a.iter().zip(&b).any(|(&a, &b)| im.g.shape(a) != im.g.shape(b)) {
        let hint = "make the condition a constant, or the shapes of both branches equal";
        return Err(n.unsupported("its condition depends on the inputs and its branches have other shapes", hint));
    }
    let condition = im.g.reshape(condition, Vec::new());
    let other = im.g.not(condition);
    let mut out = Vec::new();
    for (a, b) in a.into_iter().zip(b) {
        let shape = im.g.shape(a).to_vec();
        let kind = if im.g.kind(a) == im.g.kind(b) { im.g.kind(a) } else { Kind::Float };
        if [a, b].iter().any(|x| im.g.kind(*x) == Kind::Text) {
            return Err(n.unsupported("its branches are texts, and its condition depends on the inputs", "use `Where`"));
        }
        let (a, b) = (im.g.multiply(condition, a, &shape), im.g.multiply(other, b, &shape));
        let y = im.g.binary(Bin::Add, a, b).ok_or_else(|| im.clash(n, a, b))?;
        out.push(im.g.retyped(y, kind));
    }
    Ok(out)
}

/// Puts tensors of equal shape one behind the other along a new axis.
fn stack(im: &mut Importer, n: &Node, parts: &[TensorId], axis: i64) -> Result<TensorId> {
    let Some(&first) = parts.first() else {
        return Err(n.unsupported("an output of no iterations", "run the body at least once"));
    };
    let mut shape = im.g.shape(first).to_vec();
    let axis = im.axis(n, axis, shape.len() + 1)?;
    shape.insert(axis, 1);
    let mut wide = Vec::new();
    for &p in parts {
        if im.g.shape(p) != im.g.shape(first) {
            return Err(im.clash(n, first, p));
        }
        wide.push(im.g.reshape(p, shape.clone()));
    }
    Ok(im.g.concat(&wide, axis))
}

fn repeat(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let most = im.const_ints(n, 0)?.and_then(|v| v.first().copied());
    let mut condition = im.opt(n, 1)?;
    let mut carried = (2..n.inputs.len()).map(|i| im.arg(n, i)).collect::<Result<Vec<_>>>()?;
    let body = body(im, n, "body")?;
    let too_many =
        || n.unsupported(format!("more than {MAX_TRIPS} iterations"), "unroll less, or export a shorter loop");
    // A condition may end it earlier, but one that is not there does not.
    if n.inputs.get(1).is_none_or(String::is_empty) && most.is_none_or(|m| m > MAX_TRIPS as i64) {
        return Err(too_many());
    }
    let Some(scans) = body.graph.outputs.len().checked_sub(1 + carried.len()) else {
        return Err(n.malformed("its body has too few outputs"));
    };
    let mut parts: Vec<Vec<TensorId>> = vec![Vec::new(); scans];
    let mut trip = 0;
    while most.is_none_or(|m| (trip as i64) < m) {
        match condition.map(|c| im.g.as_uniform(c)) {
            Some(Some(0.0)) => break,
            Some(None) => {
                let hint = "export the loop with a fixed number of iterations";
                return Err(n.unsupported("its condition depends on the inputs", hint));
            }
            _ => {}
        }
        if trip >= MAX_TRIPS {
            return Err(too_many());
        }
        let (number, go) = (im.g.scalar(trip as f64, Kind::Int), im.g.scalar(1.0, Kind::Bool));
        let mut inputs = vec![number, condition.unwrap_or(go)];
        inputs.extend(&carried);
        let outputs = run(im, n, &body, &inputs)?;
        condition = Some(outputs[0]);
        let rest = &outputs[1..];
        for (part, &x) in parts.iter_mut().zip(&rest[carried.len()..]) {
            part.push(x);
        }
        carried = rest[..carried.len()].to_vec();
        trip += 1;
    }
    let mut out = carried;
    let wanted = n.outputs.len().saturating_sub(out.len());
    for part in parts.iter().take(wanted) {
        out.push(stack(im, n, part, 0)?);
    }
    Ok(out)
}

fn scan(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    if n.opset < 9 {
        return Err(n.unsupported("it has a batch axis", "export with opset 9 or later"));
    }
    let all = (0..n.inputs.len()).map(|i| im.arg(n, i)).collect::<Result<Vec<_>>>()?;
    let count = n.int("num_scan_inputs")?.and_then(|c| usize::try_from(c).ok()).unwrap_or(0);
    let Some(states) = all.len().checked_sub(count).filter(|_| count > 0) else {
        return Err(n.malformed(format!("{count} scanned inputs of {}", all.len())));
    };
    let body = body(im, n, "body")?;
    let list = |name: &str, len: usize| -> Result<Vec<i64>> {
        let given = n.ints(name)?.unwrap_or_else(|| vec![0; len]);
        if given.len() == len {
            Ok(given)
        } else {
            Err(n.malformed(format!("attribute `{name}` has not {len} entries")))
        }
    };
    let Some(scans) = body.graph.outputs.len().checked_sub(states) else {
        return Err(n.malformed("its body has too few outputs"));
    };
    let (axes, back) = (list("scan_input_axes", count)?, list("scan_input_directions", count)?);
    let (out_axes, out_back) = (list("scan_output_axes", scans)?, list("scan_output_directions", scans)?);
    let mut sequences = Vec::new();
    for (i, &x) in all[states..].iter().enumerate() {
        let axis = im.axis(n, axes[i], im.g.shape(x).len())?;
        sequences.push((x, axis, back[i] == 1));
    }
    let steps = sequences.first().map_or(0, |&(x, axis, _)| im.g.shape(x)[axis]);
    if steps > MAX_TRIPS || sequences.iter().any(|&(x, axis, _)| im.g.shape(x)[axis] != steps) {
        return Err(n.unsupported(format!("sequences of {steps} or other steps"), format!("use at most {MAX_TRIPS}")));
    }
    let mut state = all[..states].to_vec();
    let mut parts: Vec<Vec<TensorId>> = vec![Vec::new(); scans];
    for t in 0..steps {
        let mut inputs = state.clone();
        for &(x, axis, back) in &sequences {
            let one = im.g.take(x, axis, &[if back { steps - 1 - t } else { t }]);
            let mut shape = im.g.shape(one).to_vec();
            shape.remove(axis);
            inputs.push(im.g.reshape(one, shape));
        }
        let outputs = run(im, n, &body, &inputs)?;
        state = outputs[..states].to_vec();
        parts.iter_mut().zip(&outputs[states..]).for_each(|(part, &x)| part.push(x));
    }
    let mut out = state;
    for (i, mut part) in parts.into_iter().enumerate() {
        if out_back[i] == 1 {
            part.reverse();
        }
        out.push(stack(im, n, &part, out_axes[i])?);
    }
    Ok(out)
}
