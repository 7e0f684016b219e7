//! One version of every domain for two files. A file may be read by a later version as long as none of its operators
//! changed its meaning or its form in between; which ones did, the change log of the standard says.

use std::collections::BTreeMap;

use tract_onnx::pb;

use crate::error::{FrontendError, Result};

/// Versions of the standard domain in which operators of older files stopped to be valid, or to mean the same.
const STANDARD: &[(i64, &[&str])] = &[
    (9, &["Upsample", "BatchNormalization", "Scan", "MaxUnpool"]),
    (10, &["Slice", "TopK", "Upsample", "Resize"]),
    (11, &["Clip", "Pad", "Resize", "Scatter", "Loop", "OneHot"]),
    (12, &["Dropout"]),
    (13, &["Softmax", "LogSoftmax", "Hardmax", "Squeeze", "Unsqueeze", "ReduceSum", "Split"]),
    (14, &["BatchNormalization"]),
    (
        18,
        &[
            "ReduceMax",
            "ReduceMin",
            "ReduceMean",
            "ReduceProd",
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceSumSquare",
            "Split",
        ],
    ),
    (20, &["GridSample"]),
    (21, &["GroupNormalization"]),
];
/// The same of the classical domain.
const CLASSICAL: &[(i64, &[&str])] =
    &[(2, &["LabelEncoder"]), (5, &["TreeEnsembleClassifier", "TreeEnsembleRegressor"])];
/// Older files of the standard domain follow other rules of broadcasting.
const OLDEST: i64 = 7;

fn canonical(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

fn versions(model: &pb::ModelProto) -> BTreeMap<String, i64> {
    model.opset_import.iter().map(|o| (canonical(&o.domain).to_string(), o.version)).collect()
}

/// The versions that both files can be read by.
pub(super) fn reconcile(a: &pb::ModelProto, b: &pb::ModelProto) -> Result<Vec<pb::OperatorSetIdProto>> {
    let (va, vb) = (versions(a), versions(b));
    let mut all = va.clone();
    for (domain, &version) in &vb {
        let top = all.entry(domain.clone()).or_insert(version);
        *top = version.max(*top);
    }
    for (model, own, place) in [(a, &va, "first"), (b, &vb, "second")] {
        let Some(graph) = &model.graph else { continue };
        for (domain, &version) in own.iter().filter(|(d, v)| all[*d] > **v) {
            raise(graph, domain, (version, all[domain]), place)?;
        }
    }
    Ok(all.into_iter().map(|(domain, version)| pb::OperatorSetIdProto { domain, version }).collect())
}

/// Whether a graph can be read by a later version of a domain.
fn raise(graph: &pb::GraphProto, domain: &str, (from, to): (i64, i64), place: &str) -> Result<()> {
    let changes = match domain {
        "" => STANDARD,
        "ai.onnx.ml" => CLASSICAL,
        _ => &[],
    };
    for node in &graph.node {
        if canonical(&node.domain) == domain {
            let changed = changes.iter().any(|(v, ops)| from < *v && *v <= to && ops.contains(&node.op_type.as_str()));
            if changed || (domain.is_empty() && from < OLDEST) {
                let name = if domain.is_empty() { "ai.onnx" } else { domain };
                let reason = format!(
                    "{} means something else in version {to} of {name} than in its own {from}; \
                     export both files with one version",
                    node.op_type
                );
                return Err(FrontendError::malformed(format!("node `{}` of the {place} file", node.name), reason));
            }
        }
        for body in node.attribute.iter().filter_map(|a| a.g.as_ref()) {
            raise(body, domain, (from, to), place)?;
        }
    }
    Ok(())
}
