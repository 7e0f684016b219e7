//! `compose`: two model files to one.

use proveil::io::{read_limited, write_atomic};
use serde_json::json;

use super::FILE_LIMIT;
use super::args::ComposeArgs;
use super::failure::Failure;
use super::ui::{Ui, size};

/// Runs the command.
pub fn run(a: &ComposeArgs, ui: &Ui) -> Result<(), Failure> {
    let pair = |p: &String| {
        let parts = p.split_once('=').map(|(from, to)| (from.to_string(), to.to_string()));
        parts.ok_or_else(|| Failure::usage(format!("--connect: '{p}' is not output=input")))
    };
    let pairs = a.pairs.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    let (first, second) = (read_limited(&a.first, FILE_LIMIT)?, read_limited(&a.second, FILE_LIMIT)?);
    let composed = proveil_frontend::compose(&first, &second, &pairs)?;
    write_atomic(&a.output, &composed.onnx, false)?;
    let mut text = format!("joined           {} ({})\n", a.output.display(), size(composed.onnx.len()));
    for (from, to) in &composed.joined {
        text += &format!("feeds            '{from}' of the first file to '{to}' of the second one\n");
    }
    text +=
        &format!("inputs           {}\noutputs          {}\n", composed.inputs.join(", "), composed.outputs.join(", "));
    let joined: Vec<_> = composed.joined.iter().map(|(from, to)| json!({ "output": from, "input": to })).collect();
    let value = json!({
        "model": a.output, "bytes": composed.onnx.len(), "joined": joined, "inputs": composed.inputs,
        "outputs": composed.outputs,
    });
    ui.result(&text, &value);
    Ok(())
}
