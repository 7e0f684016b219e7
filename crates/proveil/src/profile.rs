//! Choice of column heights, rates and folds: a cost model over the sizes of a relation, printed by `inspect`.
//!
//! The constants are nanoseconds measured on two cores of a server with AVX-512: fitted, with a constant for each model, to
//! what the example `geometries` prints of six models, whose proofs take between 2 and 60 ms; half of its times are met
//! within 3 %. Only their ratios matter for the choice.

use std::collections::BTreeMap;

use proveil_protocol::merkle::LEAF_TAIL_BYTES;
use proveil_protocol::pads;
use proveil_protocol::params::{Params, Queries, Regime, Schedule};
use proveil_protocol::soundness;
use proveil_relation::key::{Geometry, IoVisibility, Visibility};
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

/// Predicted cost of one choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Columns of the model tree.
    pub model_columns: usize,
    /// Base-field columns of the per-proof trees, mask included.
    pub proof_columns: usize,
    /// Predicted bytes of the opening: what depends on the choice.
    pub bytes: f64,
    /// Predicted proving time that depends on the choice, in milliseconds on two cores.
    pub millis: f64,
}

/// One choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Parameters of the opening.
    pub params: Params,
    /// Heights and random cells.
    pub geometry: Geometry,
    /// What it costs.
    pub cost: Cost,
}

/// The parameters that a choice began with, as far as its own tell: those of a profile with other
/// rates, radius, folds and work.
#[must_use]
pub fn origin(chosen: &Params) -> Params {
    let bits = chosen.security_bits;
    let same = |o: &Params| {
        let Params { log_inv_rate, eta_denominator, first_fold, grinding_bits, pad_log_inv_rate, .. } = *chosen;
        Params { log_inv_rate, eta_denominator, first_fold, grinding_bits, pad_log_inv_rate, ..o.clone() } == *chosen
    };
    let profiles = [Params::fast(bits), Params::standard(bits), Params::unique_decoding(bits)];
    profiles.into_iter().find(same).unwrap_or_else(|| chosen.clone())
}

/// What is fixed when geometries are compared.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The claim.
    pub relation: &'a Relation,
    /// Security, regime and the profile's rates and folds.
    pub params: &'a Params,
    /// Who sees what.
    pub visibility: &'a Visibility,
    /// What counts.
    pub profile: Profile,
}

/// Fewest proofs that a commitment allows by default.
pub const LEAST_BUDGET: usize = 8;
/// Most proofs that a commitment allows without being asked to.
pub const MOST_BUDGET: usize = 1 << 12;
/// Proofs that a committed input or output allows by default: the same in every model, so that one commitment fits all.
pub const IO_BUDGET: usize = 32;

/// Nanoseconds for one Blake3 block of one row, many rows at a time.
const HASH: f64 = 10.5;
/// Nanoseconds for one butterfly layer of one codeword symbol.
const LAYER: f64 = 0.12;
/// Nanoseconds for one committed cell in the last sumcheck and the combination.
const CELL: f64 = 11.0;
/// Nanoseconds for one symbol of the combination outside encoding and hashing.
const FOLD: f64 = 3.0;
/// Nanoseconds for one cell of a column's height, however many columns there are: equality tables, masks, folds.
const HEIGHT: f64 = 170.0;
/// By how much trees of few columns, and the claims, cost more than blocks, layers and cells say.
const TREES: f64 = 1.25;
const CLAIMS: f64 = 0.82;
/// Nanoseconds for adding one queried row to the weights, a cell.
const QUERY: f64 = 1.3;
/// Nanoseconds for one byte of the proof.
const BYTE: f64 = 1.7;
/// Nanoseconds for one trial of the proof of work.
const TRIAL: f64 = 7.0;
/// Variables of the products where geometries are compared before the products are laid out.
const USUAL_NK: usize = 10;
/// Denominators `c` of decoding radii that are tried beside the profile's own.
const DENOMINATORS: [u32; 5] = [12, 16, 24, 32, 48];
/// Any number of columns: an opening of one has a challenge less.
const MANY_COLUMNS: usize = 2;
/// Bits of proof of work that are given up for a few more queries where the work would be most of a short proof.
const LESS_WORK: u32 = 6;

impl Wish<'_> {
    fn committed_io(&self) -> bool {
        let v = self.visibility;
        v.inputs.iter().chain(&v.outputs).any(|x| *x == IoVisibility::Committed)
    }

    /// Parameter sets worth considering. Committed inputs and outputs keep the given one: their trees are to be opened
    /// beside those of other models too.
    fn variants(&self) -> Vec<Params> {
        let given = self.params;
        if self.committed_io() {
            return vec![given.clone()];
        }
        let mut out = Vec::new();
        for rate in given.log_inv_rate..=given.log_inv_rate + 2 {
            for (first_fold, less) in [(4, 0), (5, 0), (6, 0), (4, LESS_WORK), (5, LESS_WORK), (6, LESS_WORK)] {
                let grinding_bits = given.grinding_bits.saturating_sub(less);
                let p = Params { log_inv_rate: rate, first_fold, grinding_bits, ..given.clone() };
                if p.validate().is_ok() && !out.contains(&p) {
                    out.push(p);
                }
            }
        }
        out
    }

    /// Choices worth considering, with their predicted costs.
    #[must_use]
    pub fn candidates(&self, budget: Option<usize>) -> Vec<Choice> {
        let mut out = Vec::new();
        for params in self.variants() {
            self.heights(&params, budget, &mut out);
        }
        out
    }

    fn heights(&self, given: &Params, budget: Option<usize>, out: &mut Vec<Choice>) {
        let cells = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let io_top = cells(given.random_cells(budget.unwrap_or(IO_BUDGET)));
        let relation = self.relation;
        let hidden_model = self.visibility.model_hidden() && relation.tensors.iter().any(|t| t.home == Home::Model);
        let io = |cells: usize| Geometry::standard_io_height(cells, io_top);
        let inputs: Vec<u8> = relation.inputs.iter().map(|i| io(relation.tensors[i.tensor as usize].cells())).collect();
        let outputs: Vec<u8> =
            relation.outputs.iter().map(|o| io(o.space.iter().map(|n| *n as usize).product())).collect();
        let weights: usize = relation.tensors.iter().filter(|t| t.home == Home::Model).map(|t| t.cells()).sum();
        let span = if weights > 1 << 20 { 13..=18 } else { 10..=17 };
        for log_height in span {
            let params = &if self.committed_io() { given.clone() } else { widest(given, log_height.into()) };
            let model_top = cells(params.random_cells(budget.unwrap_or(LEAST_BUDGET)));
            let trace_top = cells(params.row_queries());
            // At most seven eighths of a column are random.
            if u64::from(if hidden_model { model_top } else { trace_top }) * 8 > 7 << log_height {
                continue;
            }
            let (inputs, outputs) = (inputs.clone(), outputs.clone());
            let geometry = Geometry { log_height, model_top, trace_top, io_top, inputs, outputs };
            let layout = Layout::without_groups(relation, &geometry, self.visibility);
            let Ok(schedule) = params.schedule(log_height.into()) else { continue };
            let hiding = self.visibility.hiding();
            let cost = predict(&layout, 0, &schedule, hiding).0;
            let with = |pad_log_inv_rate: u8| {
                let params = Params { pad_log_inv_rate, ..params.clone() };
                let (ns, bytes) = if hiding { pad_cost(&params, pads_of(&layout)) } else { (0.0, 0.0) };
                let cost = Cost { millis: cost.millis + ns / 1e6, bytes: cost.bytes + bytes, ..cost };
                Choice { params, geometry: geometry.clone(), cost }
            };
            // A rate that leaves more words to choose from is worth it only where the pads' height is the same.
            let given = params.pad_log_inv_rate;
            let rates = (given.saturating_sub(2)..=given).filter(|r| *r == given || (hiding && *r > 0));
            out.extend(rates.map(with).min_by(|a, b| self.score(&a.cost).total_cmp(&self.score(&b.cost))));
        }
    }

    /// Of the choices worth considering the cheapest for each height and rate, and whatever was `chosen`.
    #[must_use]
    pub fn compared(&self, budget: Option<usize>, chosen: impl Fn(&Choice) -> bool) -> Vec<Choice> {
        let mut best: BTreeMap<(u8, u8), Choice> = BTreeMap::new();
        for c in self.candidates(budget) {
            let at = (c.params.log_inv_rate, c.geometry.log_height);
            let better = |b: &Choice| !chosen(b) && (chosen(&c) || self.score(&c.cost) < self.score(&b.cost));
            if best.get(&at).is_none_or(better) {
                best.insert(at, c);
            }
        }
        best.into_values().collect()
    }

    /// What is made as small as possible: milliseconds, and some for each KiB of the proof.
    #[must_use]
    pub fn score(&self, c: &Cost) -> f64 {
        let per_kib = match self.profile {
            Profile::Fast => 0.035,
            Profile::Small => 1.5,
        };
        c.millis + c.bytes / 1024.0 * per_kib
    }

    fn best(&self, budget: Option<usize>) -> Option<Choice> {
        let all = self.candidates(budget);
        all.into_iter().min_by(|a, b| self.score(&a.cost).total_cmp(&self.score(&b.cost)))
    }

    /// The cheapest choice. Without a wish for the number of proofs, a commitment allows as many as come at a twentieth of
    /// extra cost over the least, which is [`LEAST_BUDGET`], and with columns of the same height.
    #[must_use]
    pub fn choose(&self, budget: Option<usize>) -> Option<Choice> {
        let mut chosen = self.best(budget)?;
        if budget.is_none() && self.visibility.model_hidden() {
            let (limit, height) = (self.score(&chosen.cost) * 1.05, chosen.geometry.log_height);
            let fits = |m: &Choice| self.score(&m.cost) <= limit && m.geometry.log_height == height;
            let mut proofs = 2 * LEAST_BUDGET;
            while let Some(more) = self.best(Some(proofs)).filter(|m| fits(m) && proofs <= MOST_BUDGET) {
                let Geometry { io_top, inputs, outputs, .. } = chosen.geometry;
                chosen = Choice { geometry: Geometry { io_top, inputs, outputs, ..more.geometry }, ..more };
                proofs *= 2;
            }
        }
        Some(chosen)
    }
}

/// The same with the widest decoding radius, of those worth considering, at which an opening of columns of
/// `2^log_height` cells still has the bits that are asked for: the radius `1 - sqrt(rho) (1 + 1/c)` grows with `c`, and
/// fewer rows need be opened, while the bounds on bad challenges, far below the target in short columns, grow as `c^7` at
/// worst. No level of the opening may have a higher rate for it.
fn widest(given: &Params, log_height: usize) -> Params {
    if given.regime != Regime::Johnson {
        return given.clone();
    }
    let rates = |p: &Params| -> Option<Vec<usize>> {
        Some(p.schedule(log_height).ok()?.levels.iter().map(|l| l.log_inv_rate).collect())
    };
    let own = rates(given);
    let fits = |p: &Params| {
        let proven = soundness::opening_rows(p, log_height, MANY_COLUMNS).map(|rows| soundness::claimed_bits(&rows));
        proven.is_ok_and(|bits| bits >= f64::from(p.security_bits)) && rates(p) == own
    };
    let wider = DENOMINATORS.into_iter().filter(|c| *c > given.eta_denominator);
    let mut wider = wider.map(|eta_denominator| Params { eta_denominator, ..given.clone() });
    wider.rfind(fits).unwrap_or_else(|| given.clone())
}

/// Blocks hashed for a row of `bytes` bytes, its tail, salt and inner node included.
fn blocks(bytes: usize, salted: bool) -> f64 {
    (bytes + LEAF_TAIL_BYTES).div_ceil(64) as f64 + 1.0 + if salted { 0.25 } else { 0.0 }
}

/// Predicted nanoseconds of the proof of work before a drawing of positions.
fn work(q: Queries) -> f64 {
    f64::from(1u32 << q.grinding_bits.min(31)) * TRIAL * f64::from(u32::from(q.grinding_bits > 0))
}

/// Pads of a proof over a layout: one for each message of the phases, four for each of the five products of messages.
fn pads_of(layout: &Layout) -> usize {
    let heights = layout.heights.iter().copied().max().unwrap_or_default();
    let columns: usize = layout.trees.iter().map(|t| t.columns + usize::from(t.mask)).sum();
    3 * layout.nv + 6 + 2 * layout.nk.max(USUAL_NK) + 2 + 2 * heights + columns + 4 * 5
}

/// Nanoseconds and bytes of the commitment to so many pads and of its opening.
pub(crate) fn pad_cost(params: &Params, pads: usize) -> (f64, f64) {
    let log_height = pads::log_height(pads, params);
    let log_leaves = log_height + usize::from(params.pad_log_inv_rate);
    let round = params.pad_query_round(log_height);
    let ns = tree_ns(log_leaves, pads::WIDTH, log_height, true) + work(round);
    (ns, rows_bytes(log_leaves, round.count, pads::WIDTH) + 24.0 * (1u64 << log_height) as f64)
}

/// Siblings in the opening of `count` of `2^log_leaves` leaves: of every layer's pairs, those with one known node. A node
/// of a layer of `m` is not known with probability about `e^(-count / m)`.
fn siblings(log_leaves: usize, count: usize) -> f64 {
    let layer = |log: usize| {
        let nodes = (log as f64).exp2();
        let unknown = (-(count as f64) / nodes).exp();
        nodes * unknown * (1.0 - unknown)
    };
    (1..=log_leaves).map(layer).sum()
}

/// Predicted nanoseconds of the work that the geometry decides, by stage of a proof.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    /// Encoding and hashing of the trees made in this proof, without helpers.
    pub commit: f64,
    /// The same for the helper columns.
    pub helper: f64,
    /// Last sumcheck.
    pub claims: f64,
    /// Opening.
    pub opening: f64,
}

/// Nanoseconds for encoding and hashing one tree.
pub(crate) fn tree_ns(log_leaves: usize, width: usize, log_height: usize, salted: bool) -> f64 {
    let symbols = (1u64 << log_leaves) as f64;
    symbols * (blocks(8 * width, salted) * HASH + width as f64 * log_height as f64 * LAYER)
}

/// Bytes of `count` opened rows of `width` cells, with salts and siblings.
pub(crate) fn rows_bytes(log_leaves: usize, count: usize, width: usize) -> f64 {
    count as f64 * (8.0 * width as f64 + 16.0) + siblings(log_leaves, count) * 32.0
}

/// What a geometry of a layout costs, altogether and by stage.
pub(crate) fn predict(layout: &Layout, group: usize, schedule: &Schedule, hiding: bool) -> (Cost, Parts) {
    let log_height = layout.heights.get(group).copied().unwrap_or_default();
    let main = || layout.trees.iter().filter(|t| t.group == group);
    let (mut model_columns, mut proof_columns) = (0, 0);
    let cells = (1u64 << log_height) as f64;
    let rows = schedule.rows;
    let mut parts = Parts::default();
    let mut bytes = 0.0;
    for t in main() {
        let width = t.base_columns();
        bytes += rows_bytes(rows.log_leaves, rows.count, width);
        if t.kind == TreeKind::Model {
            model_columns += width;
        } else {
            proof_columns += width;
            let part = if t.kind == TreeKind::Helper { &mut parts.helper } else { &mut parts.commit };
            *part += tree_ns(rows.log_leaves, width, log_height, hiding);
        }
    }
    let columns = (model_columns + proof_columns) as f64;
    parts.claims = columns * cells * CELL + f64::from(u32::from(hiding)) * 3.0 * cells;
    bytes += 24.0 * columns;
    let ns = &mut parts.opening;
    *ns += cells * FOLD + cells * rows.count as f64 * QUERY + work(rows);
    for level in &schedule.levels {
        let width = level.width();
        let size = level.log_size - level.folds;
        *ns += tree_ns(level.queries.log_leaves, width, size, false);
        let folded = (1u64 << size) as f64;
        *ns += folded * level.queries.count as f64 * QUERY;
        *ns += work(level.queries);
        bytes += level.queries.count as f64 * 8.0 * width as f64;
        bytes += siblings(level.queries.log_leaves, level.queries.count) * 32.0;
    }
    bytes += 24.0 * (1u64 << schedule.final_log_size) as f64;
    *ns += bytes * BYTE;
    let trees = parts.commit + parts.helper;
    let ns = cells * HEIGHT + TREES * trees + CLAIMS * parts.claims + parts.opening;
    (Cost { model_columns, proof_columns, bytes, millis: ns / 1e6 }, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_wide_radii_only_with_the_bits_asked_for() {
        let bits = |p: &Params, height: usize| {
            let rows = soundness::opening_rows(p, height, MANY_COLUMNS).unwrap();
            soundness::claimed_bits(&rows)
        };
        let (mut widths, mut refused) = (Vec::new(), 0);
        for given in [Params::fast(128), Params::standard(128), Params::fast(100)] {
            for height in 8..=19 {
                let p = widest(&given, height);
                assert!(bits(&p, height) >= f64::from(p.security_bits), "{p:?} 2^{height}");
                assert!(p.row_queries() <= given.row_queries());
                assert_eq!(Params { eta_denominator: given.eta_denominator, ..p.clone() }, given);
                widths.push(p.eta_denominator);
                for c in DENOMINATORS.into_iter().filter(|c| *c > p.eta_denominator) {
                    let beyond = Params { eta_denominator: c, ..given.clone() };
                    let levels = |p: &Params| {
                        p.schedule(height).map(|s| s.levels.iter().map(|l| l.log_inv_rate).collect::<Vec<_>>())
                    };
                    let lacks =
                        beyond.schedule(height).is_err() || bits(&beyond, height) < f64::from(given.security_bits);
                    assert!(lacks || levels(&beyond).ok() != levels(&given).ok(), "2^{height} could take {c}");
                    refused += 1;
                }
            }
        }
        assert!(widths.contains(&48) && widths.contains(&8) && refused > 0, "{widths:?}");
        let unique = Params::unique_decoding(128);
        assert_eq!(widest(&unique, 10), unique);
    }
}
