//! Widths of weights: as fine as the rounding of their products can tell.
//!
//! A product of weights is exact; the look-up behind it drops its last bits. How many it drops is how finely the
//! weights were written, whatever their size: a channel of small weights next to a channel of large ones needs the unit
//! that the *result* asks for, and with that unit both are fine enough. So the unit follows from the result, and the
//! width from the unit. One unit for all channels makes the same products as a power of two for each would, at the same
//! cost, since all of them meet in one rounded result; and it tells nothing of single channels.
//!
//! Dropped bits are free as long as they fit one digit of the proof.

use std::collections::{BTreeMap, BTreeSet};

use proveil_graph::stats::digit_bits;
use proveil_graph::{Contract, Graph, Op, TensorId};

use super::{Quantised, bits_of};

/// Bits of single weights of a real graph, in place of a setting's.
pub(crate) type Widths = BTreeMap<TensorId, u32>;

/// Bits of a weight at most.
const MAX_WIDTH: u32 = 24;
/// Passes over wider weights than that take twice as long, so that those of a tensor with many cells lose up to three bits;
/// where they lack more, some are much smaller than others.
const CHEAP_WIDTH: u32 = 17;
const CUT_WIDTH: u32 = 20;
const MANY_WEIGHTS: usize = 1 << 15;
/// Numbers of dropped bits so close to the largest share its table.
const ALIKE: u32 = 4;

/// What is known of one weight tensor of the integer graph.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Bits that must be dropped so that the rounding of the weights is small next to the rounding of the result.
    wanted: u32,
    /// Bits that are dropped, at most; none where no look-up rounds a product.
    dropped: Option<u32>,
    /// Cells of the tensor.
    cells: usize,
}

/// Wider widths for weights that are coarser than their results can tell: what is dropped behind them then fills one
/// digit, or more where further ones are nearly free (`free_digits`). Weights that are fine enough, or that no look-up rounds, have no
/// entry of their own.
///
/// It depends on shapes, ranges and scales, all of which are public, and on no value.
pub(crate) fn fitted(q: &Quantised, now: &dyn Fn(TensorId) -> u32, free_digits: bool) -> Widths {
    let seen = seen(q);
    let digit = digit_bits(&q.graph);
    let most = |s: &Seen| if free_digits { s.wanted } else { s.wanted.min(digit) };
    let shared = seen.values().filter(|s| s.dropped.is_some()).map(most).max().unwrap_or(0);
    let mut out = Widths::new();
    for (&id, s) in &seen {
        let Some(dropped) = s.dropped else { continue };
        let own = most(s);
        let target = if own + ALIKE >= shared { shared } else { own };
        if target > dropped {
            let width = match (now(id) + target - dropped).min(MAX_WIDTH) {
                w if s.cells >= MANY_WEIGHTS && w <= CUT_WIDTH => w.min(CHEAP_WIDTH),
                w => w,
            };
            if width > now(id) {
                out.insert(id, width);
            }
        }
    }
    out
}

/// What becomes of the products of every weight tensor, by real constant.
fn seen(q: &Quantised) -> BTreeMap<TensorId, Seen> {
    let graph = &q.graph;
    let real: BTreeMap<TensorId, TensorId> = q.weights.iter().map(|&(real, int)| (int, real)).collect();
    let cells = |int: TensorId| graph.get(int).map_or(0, proveil_graph::Tensor::cells);
    let mut out: BTreeMap<TensorId, Seen> =
        real.iter().map(|(int, id)| (*id, Seen { cells: cells(*int), ..Seen::default() })).collect();
    // Weights in each tensor that was not rounded since.
    let mut within: BTreeMap<TensorId, BTreeSet<TensorId>> = BTreeMap::new();
    for node in &graph.nodes {
        let mut own = BTreeSet::new();
        let join = |own: &mut BTreeSet<TensorId>, x: &TensorId| own.extend(within.get(x).into_iter().flatten());
        match &node.op {
            Op::Contract(c) => {
                for (x, other) in [(c.lhs.tensor, c.rhs.tensor), (c.rhs.tensor, c.lhs.tensor)] {
                    join(&mut own, &x);
                    let Some(id) = real.get(&x) else { continue };
                    own.insert(*id);
                    if let Some(s) = out.get_mut(id) {
                        s.wanted = s.wanted.max(wanted(graph, c, other));
                    }
                }
            }
            Op::Linear { pieces, .. } => pieces.iter().for_each(|p| join(&mut own, &p.access.tensor)),
            Op::Reshape(x) => join(&mut own, x),
            Op::Lookup { x, shift, .. } => {
                for id in within.get(x).into_iter().flatten() {
                    if let Some(s) = out.get_mut(id) {
                        s.dropped = s.dropped.max(Some(*shift));
                    }
                }
            }
            _ => {}
        }
        if !own.is_empty() {
            within.insert(node.out, own);
        }
    }
    out
}

/// Bits that a sum of `n` products must drop so that the rounding of weights stays an eighth of that of the result:
/// values have a quarter of the range of the other operand, and errors of `n` terms add up to the root of `n` times one.
fn wanted(graph: &Graph, c: &Contract, other: TensorId) -> u32 {
    let size = graph.get(other).map_or(0, |t| bits_of(t.range)).saturating_sub(1);
    let summed = (0..c.extents.len()).filter(|v| !c.out.contains(v)).map(|v| c.extents[v]);
    let terms = summed.fold(1usize, |n, len| n.saturating_mul(len));
    size + 1 + terms.max(1).ilog2().div_ceil(2)
}
