//! `check`: whether a model file imports, and which nodes do not.

use proveil::io::read_limited;
use proveil_frontend::{Options, Survey, check};
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::{CheckArgs, dimensions};
use super::compile::folder_of;
use super::failure::{Failure, UNSUPPORTED};
use super::ui::Ui;

/// Runs the command.
pub fn run(a: &CheckArgs, ui: &Ui) -> Result<(), Failure> {
    let onnx = read_limited(&a.model, FILE_LIMIT)?;
    let mut options = Options::default();
    (options.batch, options.dims) = (a.batch, dimensions(&a.dims)?);
    options.external_data = folder_of(&a.model);
    let survey = check(&onnx, &options).map_err(|e| Failure::from(e).at(&a.model))?;
    ui.result(&text(&survey), &json(&survey));
    match survey.problems.len() {
        0 => Ok(()),
        n => Err(Failure::new(UNSUPPORTED, format!("{n} of {} nodes do not import", survey.nodes)).at(&a.model)),
    }
}

fn text(s: &Survey) -> String {
    let mut text = String::new();
    for (name, shape) in &s.inputs {
        text += &format!("input            '{name}' {shape:?}\n");
    }
    for name in &s.outputs {
        text += &format!("output           '{name}'\n");
    }
    let operators: Vec<String> = s.operators.iter().map(|(name, n)| format!("{name} {n}")).collect();
    text += &format!("nodes            {}: {}\n", s.nodes, operators.join(", "));
    if !s.assumed.is_empty() {
        text += &format!("taken as 1       {}; set with --batch or --dim\n", s.assumed.join(", "));
    }
    for p in &s.problems {
        text += &format!("does not import  {}\n", p.message);
    }
    if s.unchecked > 0 {
        text += &format!("not looked at    {} nodes of known operators behind those\n", s.unchecked);
    }
    if s.problems.is_empty() {
        text += "the file imports\n";
    }
    text
}

fn json(s: &Survey) -> Value {
    let problems: Vec<Value> = s
        .problems
        .iter()
        .map(|p| json!({ "node": p.node, "operator": p.operator, "domain": p.domain, "opset": p.opset, "message": p.message }))
        .collect();
    let inputs: Vec<Value> = s.inputs.iter().map(|(n, d)| json!({ "name": n, "shape": d })).collect();
    json!({
        "imports": s.problems.is_empty(), "inputs": inputs, "outputs": s.outputs, "nodes": s.nodes,
        "operators": s.operators, "assumed": s.assumed, "problems": problems, "unchecked": s.unchecked,
    })
}
