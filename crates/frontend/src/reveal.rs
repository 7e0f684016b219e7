//! What is published of the outputs: those that are asked for, each by its policy, and no other.

use proveil_graph::TensorId;

use crate::error::{FrontendError, Result};
use crate::import::{Imported, reaches, reaches_hidden, top_k};
use crate::options::{OutputPolicy, Reveal};
use crate::real::RealGraph;
use crate::tensor::Kind;

/// Applies the policies and takes out the outputs that none is about, so that they are not computed either; returns the
/// names of those.
///
/// # Errors
/// `Malformed` for names that are no outputs, or of an output that has a policy already, for a policy without a name where
/// several outputs may be meant, for thresholds that are no numbers and for more places than there are cells.
pub(crate) fn reveal(imported: &mut Imported, wanted: &[Reveal]) -> Result<Vec<String>> {
    if matches!(wanted, [] | [Reveal { output: None, policy: OutputPolicy::Full }]) {
        return Ok(Vec::new());
    }
    let mut policies: Vec<Option<&OutputPolicy>> = vec![None; imported.outputs.len()];
    for w in wanted {
        let at = place(imported, w)?;
        if policies[at].replace(&w.policy).is_some() {
            return Err(refused(format!("output `{}` has two; give one", imported.outputs[at].0)));
        }
    }
    let (mut outputs, mut labels, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let mut left_out = Vec::new();
    for (k, policy) in policies.into_iter().enumerate() {
        let (name, kind) = imported.outputs[k].clone();
        let Some(policy) = policy else {
            left_out.push(name);
            continue;
        };
        let own = imported.labels.get(k).cloned().unwrap_or_default();
        // Places of cells count through the classes as well; numbers of edges do not.
        let (kind, own) = match policy {
            OutputPolicy::Full => (kind, own),
            OutputPolicy::ArgMax | OutputPolicy::TopK(_) => (Kind::Int, own),
            _ => (Kind::Int, Vec::new()),
        };
        let x = imported.graph.outputs[k];
        ids.push(apply(&mut imported.graph, x, policy)?);
        outputs.push((name, kind));
        labels.push(own);
    }
    (imported.outputs, imported.labels, imported.graph.outputs) = (outputs, labels, ids);
    Ok(left_out)
}

/// The output that a policy is about.
fn place(imported: &Imported, wanted: &Reveal) -> Result<usize> {
    let outputs = &imported.outputs;
    let names = || outputs.iter().map(|o| format!("`{}`", o.0)).collect::<Vec<_>>().join(", ");
    if let Some(name) = &wanted.output {
        let at = outputs.iter().position(|o| o.0 == *name);
        return at.ok_or_else(|| refused(format!("`{name}` is no output; there are {}", names())));
    }
    let mut real = outputs.iter().enumerate().filter(|(_, o)| o.1 == Kind::Float);
    match (outputs.len(), real.next(), real.next()) {
        (1, ..) => Ok(0),
        (_, Some((k, _)), None) => Ok(k),
        _ => Err(refused(format!("which output is meant? Name it: NAME=POLICY; there are {}", names()))),
    }
}

fn refused(problem: String) -> FrontendError {
    FrontendError::malformed("output policy", problem)
}

/// What the policy shows of a tensor.
fn apply(g: &mut RealGraph, x: TensorId, policy: &OutputPolicy) -> Result<TensorId> {
    let numbers: &[f64] = match policy {
        OutputPolicy::Threshold(t) | OutputPolicy::PrivateThreshold(t) => std::slice::from_ref(t),
        OutputPolicy::Bucket(edges) => edges,
        _ => &[],
    };
    if let Some(v) = numbers.iter().find(|v| !v.is_finite()) {
        return Err(refused(format!("{v} is no threshold; give finite numbers")));
    }
    g.scope = "output_policy".into();
    Ok(match policy {
        OutputPolicy::Full => x,
        OutputPolicy::ArgMax => top_k(g, x, 1),
        OutputPolicy::TopK(k) => {
            let len = g.shape(x).last().copied().unwrap_or(1);
            if *k == 0 || *k > len {
                return Err(refused(format!("top-{k} of {len} cells; choose 1 to {len}")));
            }
            top_k(g, x, *k)
        }
        OutputPolicy::Threshold(t) => reaches(g, x, &[*t]),
        OutputPolicy::PrivateThreshold(t) => reaches_hidden(g, x, *t),
        OutputPolicy::Bucket(edges) => reaches(g, x, edges),
    })
}
