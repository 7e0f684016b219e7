//! The range of every operator's output, from the ranges and shapes of its operands only.
//!
//! # Rules
//! - *Linear.* Each piece adds, to the cells of its box, `coef *` the range of what it reads (0 included if the
//!   access can leave the tensor), once for each setting of its summation variables. The box arrangement is cut
//!   into cells of constant coverage, so disjoint boxes (concatenation) are not added up, and cells that no
//!   piece covers count as 0.
//! - *Contract.* Number of summed terms times the interval of one product; when both operands are one access, of
//!   one square.
//! - *Lookup.* Hull of the table values that the rounded and clamped operand can reach.
//! - *Div, Sqrt, ArgMaxOneHot, OneHot.* Exact.
//! - *Gather.* The range of the data.
//!
//! Interval arithmetic forgets that two operands come from one tensor; [`crate::identities`] lists the few
//! compositions (maximum, selection) whose exact range is used instead.
//!
//! All arithmetic is on 128-bit integers; a result outside `|x| < 2^61` is refused, so that 64-bit arithmetic
//! never overflows and equality in a 64-bit field means equality of integers.
//!
//! The functions expect an operator that [`crate::check`] finds well formed.

use crate::error::GraphError;
use crate::identities;
use crate::ir::{Access, Contract, Graph, Op, Piece, Range, Table, TensorId};
use crate::shape;

/// Every cell of every tensor is smaller than this in absolute value.
pub const LIMIT: i64 = 1 << 61;

/// Number of (piece, segment) visits after which the arrangement of boxes is no longer cut exactly.
const VISIT_BUDGET: usize = 1 << 22;

pub(crate) type Wide = (i128, i128);

/// Range of the output of an operator with the given output shape.
///
/// # Errors
/// `Unbounded` when the range leaves `|x| < 2^61`; `Domain` when an operand is outside the operator's domain;
/// `UnknownTensor`, `UnknownTable`.
pub fn output_range(graph: &Graph, name: &str, op: &Op, out_shape: &[usize]) -> Result<Range, GraphError> {
    let range = |id: TensorId| graph.tensor(name, id).map(|t| t.range);
    let wide = match op {
        Op::Linear { pieces, constant } => linear(graph, name, pieces, *constant, out_shape)?,
        Op::Reshape(x) => widen(range(*x)?),
        Op::Contract(contract) => contraction(graph, name, contract)?,
        Op::Lookup { x, shift, table } => {
            let count = graph.tables.len();
            let missing = || GraphError::UnknownTable { name: name.to_owned(), table: *table, count };
            widen(lookup(graph.tables.get(table.0 as usize).ok_or_else(missing)?, range(*x)?, *shift))
        }
        Op::Div { num, den } => {
            require(graph, name, *den, 1, i64::MAX, "at least 1")?;
            widen(quotient(range(*num)?, range(*den)?))
        }
        Op::Sqrt(x) => {
            require(graph, name, *x, 0, i64::MAX, "at least 0")?;
            let x = range(*x)?;
            (i128::from(x.lo.isqrt()), i128::from(x.hi.isqrt()))
        }
        Op::ArgMaxOneHot(_) => (i128::from(out_shape.last() == Some(&1)), 1),
        Op::Gather { data, index } => {
            let rows = graph.tensor(name, *data)?.shape.first().copied().unwrap_or(1);
            require(graph, name, *index, 0, rows as i64 - 1, "0 to the length of the data's first axis, less 1")?;
            widen(range(*data)?)
        }
        Op::OneHot { x, depth } => {
            require(graph, name, *x, 0, *depth as i64 - 1, "0 to depth - 1")?;
            (i128::from(*depth == 1), 1)
        }
    };
    narrow(name, identities::refine(graph, op, out_shape).map_or(wide, |r| (wide.0.max(r.0), wide.1.min(r.1))))
}

/// The interval as a [`Range`], if it stays within `|x| < 2^61`.
///
/// # Errors
/// `Unbounded`, blaming `name`.
pub fn narrow(name: &str, (lo, hi): (i128, i128)) -> Result<Range, GraphError> {
    let limit = i128::from(LIMIT);
    match (i64::try_from(lo), i64::try_from(hi)) {
        (Ok(l), Ok(h)) if -limit < lo && hi < limit => Ok(Range { lo: l, hi: h }),
        _ => Err(GraphError::Unbounded { name: name.to_owned(), lo, hi }),
    }
}

/// `floor((x + 2^(shift-1)) / 2^shift)`, and `x` itself for shift 0: rounds half up.
pub fn round_shift(x: i64, shift: u32) -> i64 {
    if shift == 0 { x } else { (x + (1 << (shift - 1))) >> shift }
}

/// `floor(num / den)` for positive `den`.
pub fn floor_div(num: i64, den: i64) -> i64 {
    num.div_euclid(den)
}

fn widen(range: Range) -> Wide {
    (i128::from(range.lo), i128::from(range.hi))
}

fn require(graph: &Graph, name: &str, id: TensorId, lo: i64, hi: i64, needs: &str) -> Result<(), GraphError> {
    let operand = graph.tensor(name, id)?;
    let Range { lo: got_lo, hi: got_hi } = operand.range;
    if lo <= got_lo && got_hi <= hi {
        return Ok(());
    }
    let needs = format!("values of {needs}");
    Err(GraphError::Domain { name: name.to_owned(), operand: operand.name.clone(), lo: got_lo, hi: got_hi, needs })
}

/// Interval of one read, 0 included if some setting reads outside the tensor.
pub(crate) fn read(graph: &Graph, name: &str, access: &Access, extents: &[usize]) -> Result<Wide, GraphError> {
    let tensor = graph.tensor(name, access.tensor)?;
    let (lo, hi) = widen(tensor.range);
    Ok(if access.leaves(&tensor.shape, extents) { (lo.min(0), hi.max(0)) } else { (lo, hi) })
}

fn times(a: Wide, b: Wide) -> Wide {
    let corners = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
    corners.iter().fold((corners[0], corners[0]), |(lo, hi), &x| (lo.min(x), hi.max(x)))
}

fn square((lo, hi): Wide) -> Wide {
    let least = if lo <= 0 && hi >= 0 { 0 } else { (lo * lo).min(hi * hi) };
    (least, (lo * lo).max(hi * hi))
}

fn scale(name: &str, (lo, hi): Wide, factor: i128) -> Result<Wide, GraphError> {
    let scaled = |x: i128| x.checked_mul(factor);
    let unbounded = GraphError::Unbounded { name: name.to_owned(), lo, hi };
    let (a, b) = scaled(lo).zip(scaled(hi)).ok_or(unbounded)?;
    Ok((a.min(b), a.max(b)))
}

fn contraction(graph: &Graph, name: &str, contract: &Contract) -> Result<Wide, GraphError> {
    let Contract { extents, out, lhs, rhs } = contract;
    let summed: Vec<_> = (0..extents.len()).filter(|var| !out.contains(var)).map(|var| extents[var]).collect();
    let terms = shape::product(name, "summed terms", &summed)?;
    let (left, right) = (read(graph, name, lhs, extents)?, read(graph, name, rhs, extents)?);
    let product = if lhs == rhs { square(left) } else { times(left, right) };
    scale(name, product, terms as i128)
}

fn lookup(table: &Table, x: Range, shift: u32) -> Range {
    let last = table.values.len() as i64 - 1;
    let at = |x: i64| (round_shift(x, shift) - table.lo).clamp(0, last) as usize;
    let reach = &table.values[at(x.lo)..=at(x.hi)];
    reach.iter().fold(Range::exactly(reach[0]), |r, &v| Range { lo: r.lo.min(v), hi: r.hi.max(v) })
}

/// The quotient is monotone in the numerator and, for a fixed numerator, in the denominator.
fn quotient(num: Range, den: Range) -> Range {
    let lo = floor_div(num.lo, den.lo).min(floor_div(num.lo, den.hi));
    let hi = floor_div(num.hi, den.lo).max(floor_div(num.hi, den.hi));
    Range { lo, hi }
}

fn linear(graph: &Graph, name: &str, pieces: &[Piece], constant: i64, out: &[usize]) -> Result<Wide, GraphError> {
    let mut sums = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let extents = [&piece.extents[..], &piece.sum].concat();
        let terms = shape::product(name, "summed terms", &piece.sum)?;
        let one = scale(name, read(graph, name, &piece.access, &extents)?, i128::from(piece.coef))?;
        let sum = scale(name, one, terms as i128)?;
        // Each sum is kept far below 2^127 so that adding up any list of pieces cannot overflow.
        if sum.0 < -(1 << 96) || sum.1 > 1 << 96 {
            return Err(GraphError::Unbounded { name: name.to_owned(), lo: sum.0, hi: sum.1 });
        }
        sums.push(sum);
    }
    let mut arrangement = Arrangement { pieces, sums: &sums, out, visits: 0, hull: None };
    let all: Vec<usize> = (0..pieces.len()).collect();
    let (lo, hi) = match arrangement.cut(0, &all) {
        Some(()) => arrangement.hull.unwrap_or((0, 0)),
        None => sums.iter().fold((0, 0), |hull, s| (hull.0 + s.0.min(0), hull.1 + s.1.max(0))),
    };
    Ok((lo + i128::from(constant), hi + i128::from(constant)))
}

/// Cuts the output into boxes on which the same pieces add up, one axis after the other.
struct Arrangement<'a> {
    pieces: &'a [Piece],
    sums: &'a [Wide],
    out: &'a [usize],
    visits: usize,
    hull: Option<Wide>,
}

impl Arrangement<'_> {
    /// Adds to the hull what the `active` pieces can sum to; `None` once the budget is spent.
    fn cut(&mut self, axis: usize, active: &[usize]) -> Option<()> {
        self.visits += active.len() + 1;
        if self.visits > VISIT_BUDGET {
            return None;
        }
        if axis == self.out.len() || active.is_empty() {
            let sum = active.iter().fold((0, 0), |s, &i| (s.0 + self.sums[i].0, s.1 + self.sums[i].1));
            self.hull = Some(self.hull.map_or(sum, |h| (h.0.min(sum.0), h.1.max(sum.1))));
            return Some(());
        }
        let span = |i: usize| {
            let piece = &self.pieces[i];
            (piece.start[axis], piece.start[axis] + piece.extents[axis])
        };
        let mut ends = vec![0, self.out[axis]];
        ends.extend(active.iter().flat_map(|&i| <[usize; 2]>::from(span(i))));
        ends.sort_unstable();
        ends.dedup();
        let mut waiting: Vec<(usize, usize, usize)> = active.iter().map(|&i| (span(i).0, span(i).1, i)).collect();
        waiting.sort_unstable_by(|a, b| b.cmp(a));
        let mut inside: Vec<(usize, usize)> = Vec::new();
        for window in ends.windows(2) {
            inside.retain(|&(end, _)| end > window[0]);
            while let Some((_, end, i)) = waiting.pop_if(|next| next.0 == window[0]) {
                inside.push((end, i));
            }
            let pieces: Vec<usize> = inside.iter().map(|&(_, i)| i).collect();
            self.cut(axis + 1, &pieces)?;
        }
        Some(())
    }
}
