//! The security table of one key: every challenge of its proofs with the sizes of its layout.

use proveil_protocol::pads;
use proveil_protocol::params::{ParamsError, Regime};
use proveil_protocol::soundness::{
    Row, batching_row, claimed_bits, collision_row, equations_row, logup_row, opening_rows, pad_rows, sample_row,
    sumcheck_row, tree_list, zerocheck_row,
};
use proveil_relation::layout::TreeKind;
use proveil_verifier::PreparedKey;
use proveil_verifier::phases::LINEAR_CLAIMS;

/// Rows for a key, in transcript order.
///
/// Trees of further geometries (commitments of their own) are bound to lists of their own, so every challenge over
/// lists loses the logarithm of each further list.
///
/// # Errors
/// Those of [`proveil_protocol::params::Params::schedule`].
pub fn table(key: &PreparedKey) -> Result<Vec<Row>, ParamsError> {
    let (params, layout, relation) = (&key.key.params, &key.layout, &key.key.relation);
    let width = relation.tables.iter().map(|t| t.width()).max().unwrap_or(1) + 1;
    let fractions = 2u64 << layout.nv;
    let outputs = relation.outputs.len();
    let sampled = || layout.trees.iter().filter(|t| t.sampled);
    let mut rows = vec![
        logup_row(params, "fingerprint", fractions, width),
        zerocheck_row(params, "look-ups: zerocheck point", layout.nv.max(layout.out_vars), 1 + outputs),
        sumcheck_row(params, "look-ups: sumcheck round", 4),
        batching_row(params, "lane and output weight", 2 + outputs),
        sumcheck_row(params, "products: sumcheck round", 2),
        batching_row(params, "claim weight", LINEAR_CLAIMS + sampled().count()),
        sumcheck_row(params, "claims: sumcheck round", 2),
    ];
    let further = layout.heights.len().saturating_sub(1) as f64 * tree_list(params).log2();
    rows.iter_mut().for_each(|r| r.bits -= further);
    for t in sampled() {
        let name = match t.kind {
            TreeKind::Input(k) => format!("input {k}: out-of-domain sample"),
            TreeKind::Output(k) => format!("output {k}: out-of-domain sample"),
            _ => "model: out-of-domain sample".into(),
        };
        rows.push(sample_row(params, &name, layout.heights[t.group], t.columns));
    }
    for (group, height) in layout.heights.iter().enumerate() {
        let columns = layout.trees.iter().filter(|t| t.group == group).map(|t| t.base_columns()).sum();
        for mut row in opening_rows(params, *height, columns)? {
            if layout.heights.len() > 1 {
                row.name = format!("geometry {group}: {}", row.name);
            }
            rows.push(row);
        }
    }
    if key.key.visibility.hiding() {
        let shape = key.shape();
        rows.push(equations_row(params, "product triples", 2));
        rows.push(equations_row(params, "equations on pads", shape.equations + 3 * shape.num_products));
        rows.extend(pad_rows(params, pads::log_height(shape.pads, params)));
    }
    rows.push(collision_row(params));
    Ok(rows)
}

/// Whole bits that a key's proofs are proven to have: the least row.
///
/// # Errors
/// As [`table`].
pub fn proven_bits(key: &PreparedKey) -> Result<u32, ParamsError> {
    Ok((claimed_bits(&table(key)?) + 1e-6).floor().max(0.0) as u32)
}

/// Name of a decoding regime.
#[must_use]
pub fn regime_name(regime: Regime) -> &'static str {
    match regime {
        Regime::Johnson => "Johnson",
        Regime::UniqueDecoding => "unique decoding",
    }
}
