//! From an ONNX file to a package: the front end's result with the description that keys carry.

use proveil_frontend::{Model, Options, Report, Tensor, compile};
use proveil_prover::Committed;

use crate::error::Error;
use crate::io::kind_name;
use crate::meta::{IoMeta, Meta, Missing};
use crate::package::{CompileOptions, Package, compile_graph};

/// A package with what is known about its accuracy.
pub struct Compiled {
    /// The package.
    pub package: Package,
    /// Its model commitment, to be handed to [`crate::Engine::with_model`].
    pub model: Option<Committed>,
    /// Accuracy on samples.
    pub report: Report,
}

/// Names, shapes and scales of a front-end model.
#[must_use]
pub fn describe(model: &Model, name: &str) -> Meta {
    let seen = |k: usize| model.report.inputs.get(k).map(|r| (r.lo, r.hi));
    let inputs = model.inputs.iter().enumerate().map(|(k, s)| IoMeta {
        name: s.name.clone(),
        shape: s.shape.clone(),
        dtype: kind_name(s.dtype).into(),
        scale: s.scale,
        columns: s.columns.clone(),
        calibrated: seen(k),
        missing: (!s.missing.is_empty()).then(|| Missing { code: s.range.hi, columns: s.missing.clone() }),
        labels: s.texts.clone(),
    });
    let outputs = model.outputs.iter().map(|s| IoMeta {
        name: s.name.clone(),
        shape: s.shape.clone(),
        dtype: kind_name(s.dtype).into(),
        scale: s.scale,
        columns: Vec::new(),
        calibrated: None,
        missing: None,
        labels: s.labels.clone(),
    });
    Meta { name: name.into(), inputs: inputs.collect(), outputs: outputs.collect(), registration: None }
}

/// Compiles an ONNX file.
///
/// # Errors
/// Those of [`proveil_frontend::compile`] and of [`compile_graph`].
pub fn compile_onnx(
    onnx: &[u8],
    samples: &[Vec<Tensor>],
    front: &Options,
    options: &CompileOptions,
) -> Result<Compiled, Error> {
    let model = compile(onnx, samples, front)?;
    let meta = describe(&model, &options.name);
    let (package, committed) = compile_graph(model.graph, model.params, &meta, options)?;
    Ok(Compiled { package, model: committed, report: model.report })
}
