//! Graphs for people: a text with one line for each table, tensor and node, a Graphviz file, and a picture.
//!
//! All three depend on the graph alone, so equal graphs give equal files.

mod svg;

use std::fmt::Write;

pub use svg::to_svg;

use crate::ir::{Access, Affine, Contract, Graph, NodeId, Op, Origin, Piece, Tensor, TensorId};
use crate::shape::operands;

/// The graph as text, in the order: tables, tensors in the order of their numbers (a computed tensor with its
/// operator), inputs, outputs.
///
/// `%3` is tensor 3; `i0, i1, ..` are the box indices or index variables of an operator and `out` lists those
/// that are output axes; a box is written unless it is the whole output. Numbers of cells only are written for constants, and only hulls for tables.
pub fn to_text(graph: &Graph) -> String {
    let mut text = String::new();
    for (i, table) in graph.tables.iter().enumerate() {
        let last = table.lo.saturating_add(table.values.len() as i64 - 1);
        let (lo, hi) = (table.values.iter().min(), table.values.iter().max());
        let hull = lo.zip(hi).map_or(String::new(), |(lo, hi)| format!("{lo}..{hi}"));
        line(&mut text, format_args!("table #{i} {:?} {}..{last} -> {hull}", table.name, table.lo));
    }
    for (i, tensor) in graph.tensors.iter().enumerate() {
        let Tensor { name, shape, range, scale, .. } = tensor;
        let what = definition(graph, tensor);
        let (lo, hi) = (range.lo, range.hi);
        line(&mut text, format_args!("%{i} = {what} : {shape:?} {lo}..{hi} scale {scale} {name:?}"));
    }
    line(&mut text, format_args!("inputs {}", list(&graph.inputs)));
    line(&mut text, format_args!("outputs {}", list(&graph.outputs)));
    text
}

/// The graph in Graphviz's language: boxes for inputs, parameters, constants and nodes, arrows for data.
pub fn to_dot(graph: &Graph) -> String {
    let mut dot = String::from("digraph graph {\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (i, tensor) in graph.tensors.iter().enumerate() {
        let style = match tensor.origin {
            Origin::Input => ", style=filled, fillcolor=\"#d8ead3\"",
            Origin::Param => ", style=filled, fillcolor=\"#fbe5c8\"",
            Origin::Const(_) => ", style=dashed",
            Origin::Node(_) => "",
        };
        let bold = if graph.outputs.contains(&TensorId(i as u32)) { ", penwidth=3" } else { "" };
        let label = labels(graph, tensor).join("\n").replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        line(&mut dot, format_args!("  t{i} [label=\"{label}\"{style}{bold}];"));
    }
    for node in &graph.nodes {
        for id in distinct(operands(&node.op)) {
            line(&mut dot, format_args!("  t{} -> t{};", id.0, node.out.0));
        }
    }
    dot.push_str("}\n");
    dot
}

/// The lines of text in the box of a tensor.
fn labels(graph: &Graph, tensor: &Tensor) -> [String; 3] {
    let kind = match &tensor.origin {
        Origin::Input => "input".to_owned(),
        Origin::Param => "parameter".to_owned(),
        Origin::Const(_) => "constant".to_owned(),
        Origin::Node(id) => graph.nodes.get(id.0 as usize).map_or_else(String::new, |node| summary(graph, &node.op)),
    };
    let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    let shape = if shape.is_empty() { "scalar".to_owned() } else { shape.join("×") };
    [tensor.name.clone(), kind, format!("{shape}  [{}, {}]", tensor.range.lo, tensor.range.hi)]
}

/// An operator in a few words.
fn summary(graph: &Graph, op: &Op) -> String {
    match op {
        Op::Linear { pieces, .. } if pieces.len() == 1 => "linear".to_owned(),
        Op::Linear { pieces, .. } => format!("linear, {} pieces", pieces.len()),
        Op::Reshape(_) => "reshape".to_owned(),
        Op::Contract(_) => "contract".to_owned(),
        Op::Lookup { shift, table, .. } => {
            let name = graph.tables.get(table.0 as usize).map_or("?", |table| &table.name);
            if *shift == 0 { format!("lookup {name}") } else { format!("lookup {name} >> {shift}") }
        }
        Op::Div { .. } => "div".to_owned(),
        Op::Sqrt(_) => "sqrt".to_owned(),
        Op::ArgMaxOneHot(_) => "arg_max_one_hot".to_owned(),
        Op::OneHot { depth, .. } => format!("one_hot {depth}"),
        Op::Gather { .. } => "gather".to_owned(),
    }
}

fn definition(graph: &Graph, tensor: &Tensor) -> String {
    match &tensor.origin {
        Origin::Input => "input".to_owned(),
        Origin::Param => "param".to_owned(),
        Origin::Const(cells) => format!("const({} cells)", cells.len()),
        Origin::Node(NodeId(id)) => match graph.nodes.get(*id as usize) {
            Some(node) => operator(&node.op, &tensor.shape),
            None => format!("node {id}"),
        },
    }
}

fn operator(op: &Op, out: &[usize]) -> String {
    match op {
        Op::Linear { pieces, constant } => {
            let terms: Vec<String> = pieces.iter().map(|p| piece(p, out)).collect();
            let constant = if *constant == 0 && !terms.is_empty() { None } else { Some(constant.to_string()) };
            format!("linear({})", constant.into_iter().chain(terms).collect::<Vec<_>>().join(" + "))
        }
        Op::Reshape(x) => format!("reshape(%{})", x.0),
        Op::Contract(Contract { extents, out, lhs, rhs }) => {
            format!("contract({} * {}, extents {extents:?}, out {out:?})", access(lhs), access(rhs))
        }
        Op::Lookup { x, shift: 0, table } => format!("lookup(%{}, #{})", x.0, table.0),
        Op::Lookup { x, shift, table } => format!("lookup(%{} >> {shift}, #{})", x.0, table.0),
        Op::Div { num, den } => format!("div(%{}, %{})", num.0, den.0),
        Op::Sqrt(x) => format!("sqrt(%{})", x.0),
        Op::ArgMaxOneHot(x) => format!("arg_max_one_hot(%{})", x.0),
        Op::OneHot { x, depth } => format!("one_hot(%{}, {depth})", x.0),
        Op::Gather { data, index } => format!("gather(%{}, %{})", data.0, index.0),
    }
}

fn piece(piece: &Piece, out: &[usize]) -> String {
    let sum = if piece.sum.is_empty() { String::new() } else { format!(" sum {:?}", piece.sum) };
    let whole = piece.extents == out;
    let place = if whole { String::new() } else { format!(" at {:?} + {:?}", piece.start, piece.extents) };
    let coef = if piece.coef == 1 { String::new() } else { format!("{} * ", piece.coef) };
    format!("{coef}{}{place}{sum}", access(&piece.access))
}

fn access(access: &Access) -> String {
    let axes: Vec<String> = access.axes.iter().map(affine).collect();
    format!("%{}[{}]", access.tensor.0, axes.join(", "))
}

fn affine(form: &Affine) -> String {
    let term = |&(var, coef): &(usize, i64)| if coef == 1 { format!("i{var}") } else { format!("{coef}*i{var}") };
    let mut parts: Vec<String> = form.terms.iter().map(term).collect();
    if form.offset != 0 || parts.is_empty() {
        parts.push(form.offset.to_string());
    }
    parts.join(" + ").replace("+ -", "- ")
}

fn list(ids: &[TensorId]) -> String {
    ids.iter().map(|id| format!("%{}", id.0)).collect::<Vec<_>>().join(" ")
}

fn distinct(mut ids: Vec<TensorId>) -> Vec<TensorId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn line(text: &mut String, what: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}
