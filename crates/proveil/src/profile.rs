//! Choice of column heights: a cost model over the sizes of a relation, printed by `inspect`.

use proveil_algebra::log2_ceil;
use proveil_protocol::params::Params;
use proveil_relation::key::{Geometry, Visibility};
use proveil_relation::layout::{Layout, TreeKind};
use proveil_relation::{Home, Relation};

/// What a proof should be good at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Proving time first.
    #[default]
    Fast,
    /// Proof size first.
    Small,
}

/// Predicted cost of one choice of column height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// log2 of the column height.
    pub log_height: usize,
    /// Columns of the model tree.
    pub model_columns: usize,
    /// Base-field columns of the per-proof trees, mask included.
    pub proof_columns: usize,
    /// Predicted proof size in bytes.
    pub bytes: f64,
    /// Predicted proving time that depends on the height, in milliseconds on two cores.
    pub millis: f64,
}

/// Random cells of each kind of column, as powers of two.
fn tops(params: &Params, budget: usize) -> (u8, u8) {
    let model = params.random_cells(budget).ilog2();
    let trace = params.row_queries().next_power_of_two().ilog2();
    (model as u8, trace as u8)
}

/// Geometries worth considering, with their predicted costs.
#[must_use]
pub fn candidates(
    relation: &Relation,
    params: &Params,
    visibility: &Visibility,
    budget: usize,
) -> Vec<(Geometry, Cost)> {
    let (model_log_top, trace_log_top) = tops(params, budget);
    let io_log_top = model_log_top;
    let lowest = if visibility.model_hidden() && relation.tensors.iter().any(|t| t.home == Home::Model) {
        usize::from(model_log_top) + 1
    } else {
        usize::from(trace_log_top) + 2
    };
    let io = |cells: usize| Geometry::standard_io_height(cells, io_log_top);
    let inputs = relation.inputs.iter().map(|i| io(relation.tensors[i.tensor as usize].cells())).collect::<Vec<_>>();
    let outputs =
        relation.outputs.iter().map(|o| io(o.space.iter().map(|n| *n as usize).product())).collect::<Vec<_>>();
    let weights: usize = relation.tensors.iter().filter(|t| t.home == Home::Model).map(|t| t.cells()).sum();
    let span = if weights > 1 << 20 { 13..=18 } else { 10..=17 };
    let mut out = Vec::new();
    for log_height in span.filter(|l| *l >= lowest) {
        let geometry = Geometry {
            log_height: log_height as u8,
            model_log_top,
            trace_log_top,
            io_log_top,
            inputs: inputs.clone(),
            outputs: outputs.clone(),
        };
        let layout = Layout::without_groups(relation, &geometry, visibility);
        out.push((geometry, cost(&layout, params, log_height)));
    }
    out
}

fn cost(layout: &Layout, params: &Params, log_height: usize) -> Cost {
    let main = layout.trees.iter().filter(|t| t.group == 0);
    let (mut model_columns, mut proof_columns) = (0, 0);
    for t in main {
        match t.kind {
            TreeKind::Model => model_columns += t.base_columns(),
            _ => proof_columns += t.base_columns(),
        }
    }
    let cells = (1u64 << log_height) as f64;
    let blowup = f64::from(1u32 << params.log_inv_rate);
    let f_blowup = f64::from(1u32 << params.combination_log_inv_rate);
    let queries = params.row_queries() as f64;
    let columns = (model_columns + proof_columns) as f64;
    let paths = queries * 32.0 * 3.0 * (log_height as f64 + 3.0 - log2_ceil(queries as usize) as f64).max(1.0);
    let bytes = queries * (8.0 * columns + 48.0) + paths + 24.0 * columns + 90_000.0;
    // Nanoseconds on two cores: encoding and hashing, combination and claims, opening of the combination.
    let ns = proof_columns as f64 * cells * blowup * 9.0
        + columns * cells * 14.0
        + cells * f_blowup * 3.0 * 9.0
        + cells * queries * 2.0;
    Cost { log_height, model_columns, proof_columns, bytes, millis: ns / 1e6 }
}

/// The cheapest geometry of a profile. Without a wish for the number of proofs, a commitment allows as many as come at
/// a tenth of extra cost over the least, which is [`LEAST_BUDGET`].
#[must_use]
pub fn choose(
    relation: &Relation,
    params: &Params,
    visibility: &Visibility,
    budget: Option<usize>,
    profile: Profile,
) -> Option<(Geometry, Cost)> {
    let per_kib = match profile {
        Profile::Fast => 0.15,
        Profile::Small => 1.5,
    };
    let score = |c: &Cost| c.millis + c.bytes / 1024.0 * per_kib;
    let best = |budget: usize| {
        let all = candidates(relation, params, visibility, budget);
        all.into_iter().min_by(|a, b| score(&a.1).total_cmp(&score(&b.1)))
    };
    let mut chosen = best(budget.unwrap_or(LEAST_BUDGET))?;
    if budget.is_none() && visibility.model_hidden() {
        let limit = score(&chosen.1) * 1.1;
        let mut proofs = LEAST_BUDGET * 2;
        while let Some(more) = best(proofs).filter(|m| score(&m.1) <= limit && proofs <= MOST_BUDGET) {
            chosen = more;
            proofs *= 2;
        }
    }
    Some(chosen)
}

/// Fewest proofs that a commitment allows by default.
pub const LEAST_BUDGET: usize = 16;
/// Most proofs that a commitment allows without being asked to.
pub const MOST_BUDGET: usize = 1 << 12;
