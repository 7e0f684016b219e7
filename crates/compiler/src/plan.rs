//! How the prover fills the witness: from the values of the graph's tensors, never by evaluating expressions.
//!
//! Every step reads graph values only, so the order of steps does not matter.

use proveil_graph::{Graph, TensorId};
use proveil_relation::{Home, Relation};
use rayon::prelude::*;

use crate::error::WitnessError;

/// Cells of a column that one task cuts.
const CUT: usize = 1 << 15;

/// The recipe for a witness; made by [`crate::lower`] together with the relation.
#[derive(Clone, Debug, Default)]
pub struct WitnessPlan {
    /// Relation tensors that hold the cells of a graph tensor.
    pub(crate) copies: Vec<(u32, TensorId)>,
    /// What fills the other tensors and all tuples.
    pub(crate) steps: Vec<Step>,
    /// Tables of committed rows, with the graph tensors whose rows they hold.
    pub(crate) tables: Vec<(u32, TensorId, RowPlan)>,
    /// Graph tensors that are outputs.
    pub(crate) outputs: Vec<TensorId>,
    num_tables: usize,
    tensors: Vec<bool>,
    lookups: Vec<(String, usize)>,
    cells: Vec<usize>,
}

/// The prover's values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// Cells of every relation tensor, row-major; empty for public constants, and for model tensors if left out.
    pub tensors: Vec<Vec<i64>>,
    /// Tuples by look-up, column of the tuple, and row-major cell of the look-up's space.
    pub tuples: Vec<Vec<Vec<i64>>>,
    /// Committed table rows by table, column behind the number, and row; nothing for tables of public rows.
    pub tables: Vec<Vec<Vec<i64>>>,
    /// Cells of every output.
    pub outputs: Vec<Vec<i64>>,
}

/// What one step fills: tensors and tuples by number.
#[derive(Default)]
struct Part {
    tensors: Vec<(u32, Vec<i64>)>,
    tuples: Vec<(u32, Vec<Vec<i64>>)>,
}

/// A committed digit of a value: bits `offset .. offset + bits`.
#[derive(Clone, Copy, Debug)]
pub struct Limb {
    /// Tensor that holds it.
    pub tensor: u32,
    /// Look-up that ranges it.
    pub lookup: u32,
    /// First bit.
    pub offset: u32,
    /// Number of bits.
    pub bits: u32,
}

/// How rows are cut into columns: the last factor of a row's axes into `columns` parts of `step` cells.
#[derive(Clone, Copy, Debug)]
pub struct RowPlan {
    /// Number of columns.
    pub columns: usize,
    /// Cells of each.
    pub step: usize,
}

impl RowPlan {
    /// The columns of row-major cells. Tables of embeddings have tens of millions.
    fn cut(self, cells: &[i64]) -> Vec<Vec<i64>> {
        let last = self.columns * self.step;
        let lines = (CUT / self.step).max(1);
        let column = |c: usize| {
            let mut out = vec![0; cells.len() / self.columns];
            let parts = out.par_chunks_mut(lines * self.step).zip(cells.par_chunks(lines * last));
            parts.for_each(|(out, cells)| {
                let lines = out.chunks_exact_mut(self.step).zip(cells.chunks_exact(last));
                lines.for_each(|(out, line)| out.copy_from_slice(&line[c * self.step..][..self.step]));
            });
            out
        };
        (0..self.columns).into_par_iter().map(column).collect()
    }
}

/// A ranged value: committed limbs and what is left above them.
#[derive(Clone, Debug)]
pub struct RangePlan {
    /// Committed limbs, lowest first.
    pub limbs: Vec<Limb>,
    /// Look-up of the rest.
    pub top: u32,
    /// Bits below the rest.
    pub offset: u32,
    /// The rest is below this.
    pub rows: u64,
}

/// A value that is ranged, in terms of graph tensors.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// 0 in so many cells.
    Zero {
        /// Number of cells.
        cells: usize,
    },
    /// `sign * x + offset`.
    Shifted {
        /// Tensor.
        x: TensorId,
        /// 1 or -1.
        sign: i64,
        /// Added.
        offset: i64,
    },
    /// `num - den * q`.
    Remainder {
        /// Numerator.
        num: TensorId,
        /// Denominator.
        den: TensorId,
        /// Quotient.
        q: TensorId,
    },
    /// `den - 1 - (num - den * q)`.
    Gap {
        /// Numerator.
        num: TensorId,
        /// Denominator.
        den: TensorId,
        /// Quotient.
        q: TensorId,
    },
    /// `x - s^2`.
    SquareRemainder {
        /// Operand.
        x: TensorId,
        /// Root.
        s: TensorId,
    },
    /// `2 s - (x - s^2)`.
    SquareGap {
        /// Operand.
        x: TensorId,
        /// Root.
        s: TensorId,
    },
    /// `max - x_i - 1 + sum over k <= i of s_k` in rows of `len`.
    Lead {
        /// Operand.
        x: TensorId,
        /// One-hot maximum.
        s: TensorId,
        /// Row length.
        len: usize,
    },
}

/// The look-ups that follow the digits of a rounded value.
#[derive(Clone, Debug)]
pub enum Head {
    /// `(x, z)`.
    Direct {
        /// Look-up.
        lookup: u32,
    },
    /// `(u, z)` with the rounded value `u`.
    Rounded {
        /// Look-up.
        lookup: u32,
    },
    /// `(h, sigma)` and what makes the result of `sigma` and `low`, where `u - lo = low + 2^bits * h`.
    Saturated {
        /// First argument of the table.
        lo: i64,
        /// Its length as a power of two.
        bits: u32,
        /// Tensor of the sign.
        sigma: u32,
        /// Look-ups of the result.
        cut: Cut,
        /// Look-up of the sign of the bits from `top_offset` on.
        top: u32,
        /// Bits of `h` below its top.
        top_offset: u32,
        /// Limbs of `h` below its top, highest first, each with the sign of all above it (a tensor).
        limbs: Vec<(Limb, u32)>,
        /// Look-ups `(sign above, limb, sign)`, one for each limb.
        links: Vec<u32>,
    },
}

/// How a sign and the bits inside a table's domain make the result.
#[derive(Clone, Debug)]
pub enum Cut {
    /// `(sigma, low, z)`.
    Whole {
        /// Tensor of `low`.
        low: u32,
        /// The look-up.
        lookup: u32,
    },
    /// `(sigma, low_i, cut_i)` for each half, lowest first; then `(lo + cut, z)` unless `z` follows from `cut`.
    Halves {
        /// The halves.
        halves: [Half; 2],
        /// Look-up of the result.
        result: Option<u32>,
    },
}

/// Bits of a value that is cut to its domain.
#[derive(Clone, Copy, Debug)]
pub struct Half {
    /// The bits before, with the look-up of both.
    pub low: Limb,
    /// Tensor of the bits after, if they are committed.
    pub cut: Option<u32>,
}

/// One unit of witness generation.
#[derive(Clone, Debug)]
pub enum Step {
    /// A ranged value.
    Range {
        /// The value.
        value: Value,
        /// Where its parts go.
        plan: RangePlan,
    },
    /// A rounded shift with a table.
    Rescale {
        /// Operand.
        x: TensorId,
        /// Result.
        z: TensorId,
        /// Bits dropped.
        shift: u32,
        /// Digits of what is dropped.
        limbs: Vec<Limb>,
        /// The rest.
        head: Head,
    },
    /// Rows at computed places.
    Gather {
        /// Row numbers.
        index: TensorId,
        /// Result.
        out: TensorId,
        /// The look-up.
        lookup: u32,
        /// Table rows for each row of the data.
        each: usize,
        /// How rows are cut.
        plan: RowPlan,
    },
}

impl Step {
    /// A value looked up in one piece.
    pub fn range(value: Value, lookup: u32, rows: u64) -> Self {
        Self::Range { value, plan: RangePlan { limbs: Vec::new(), top: lookup, offset: 0, rows } }
    }
}

impl WitnessPlan {
    /// A plan without steps.
    pub(crate) fn new(graph: &Graph) -> Self {
        Self { cells: graph.tensors.iter().map(|t| t.shape.iter().product()).collect(), ..Self::default() }
    }

    /// Notes what the finished relation looks like.
    pub(crate) fn finish(&mut self, relation: &Relation) {
        self.tensors = relation.tensors.iter().map(|t| matches!(t.home, Home::Model)).collect();
        self.num_tables = relation.tables.len();
        self.lookups = relation.lookups.iter().map(|l| (l.name.clone(), l.tuple.len())).collect();
    }

    /// The witness for one run of the graph.
    ///
    /// # Shapes
    /// `values[t]` are the row-major cells of graph tensor `t`, as the interpreter returns them.
    /// # Errors
    /// `TensorCount`, `CellCount` for values of another graph; `Unprovable` for values that are no run of it.
    pub fn witness<V: AsRef<[i64]>>(&self, graph: &Graph, values: &[V]) -> Result<Witness, WitnessError> {
        self.fill(graph, &values.iter().map(AsRef::as_ref).collect::<Vec<_>>(), true)
    }

    /// Like [`Self::witness`], with the model tensors left empty: they are the same in every proof.
    ///
    /// # Errors
    /// As [`Self::witness`].
    pub fn trace<V: AsRef<[i64]>>(&self, graph: &Graph, values: &[V]) -> Result<Witness, WitnessError> {
        self.fill(graph, &values.iter().map(AsRef::as_ref).collect::<Vec<_>>(), false)
    }

    fn fill(&self, graph: &Graph, values: &[&[i64]], model: bool) -> Result<Witness, WitnessError> {
        if values.len() != self.cells.len() || graph.tensors.len() != self.cells.len() {
            return Err(WitnessError::TensorCount { expected: self.cells.len(), got: values.len() });
        }
        for ((v, &expected), t) in values.iter().zip(&self.cells).zip(&graph.tensors) {
            if v.len() != expected {
                return Err(WitnessError::CellCount { name: t.name.clone(), expected, got: v.len() });
            }
        }
        let of = |id: &TensorId| values[id.0 as usize].to_vec();
        let mut out = Witness {
            tensors: vec![Vec::new(); self.tensors.len()],
            tuples: self.lookups.iter().map(|(_, width)| vec![Vec::new(); *width]).collect(),
            tables: vec![Vec::new(); self.num_tables],
            outputs: self.outputs.iter().map(of).collect(),
        };
        for (table, id, plan) in &self.tables {
            out.tables[*table as usize] = plan.cut(values[id.0 as usize]);
        }
        for (tensor, id) in &self.copies {
            if model || !self.tensors[*tensor as usize] {
                out.tensors[*tensor as usize] = of(id);
            }
        }
        let filled = self.steps.par_iter().map(|step| {
            let mut part = Part::default();
            self.run(step, values, &mut part).map(|()| part)
        });
        for part in filled.collect::<Result<Vec<_>, _>>()? {
            for (tensor, cells) in part.tensors {
                out.tensors[tensor as usize] = cells;
            }
            for (lookup, columns) in part.tuples {
                out.tuples[lookup as usize] = columns;
            }
        }
        Ok(out)
    }

    fn run(&self, step: &Step, values: &[&[i64]], out: &mut Part) -> Result<(), WitnessError> {
        match step {
            Step::Range { value, plan } => {
                let v = value.compute(values);
                for limb in &plan.limbs {
                    out.digit(limb, &v);
                }
                let rest: Vec<i64> = v.iter().map(|v| v >> plan.offset).collect();
                self.demand(plan.top, &rest, 0, plan.rows)?;
                out.tuples.push((plan.top, vec![rest]));
            }
            Step::Rescale { x, z, shift, limbs, head } => {
                let (x, z) = (&values[x.0 as usize], &values[z.0 as usize]);
                let half = if *shift == 0 { 0 } else { 1i64 << (shift - 1) };
                let sum: Vec<i64> = x.iter().map(|x| x.wrapping_add(half)).collect();
                for limb in limbs {
                    out.digit(limb, &sum);
                }
                self.head(head, x, &sum, z, *shift, out)?;
            }
            Step::Gather { index, out: rows, lookup, each, plan } => {
                let places = values[index.0 as usize].iter();
                let numbers = places.flat_map(|i| (0..*each as i64).map(move |m| i * *each as i64 + m)).collect();
                let columns = plan.cut(values[rows.0 as usize]);
                out.tuples.push((*lookup, std::iter::once(numbers).chain(columns).collect()));
            }
        }
        Ok(())
    }

    fn head(
        &self,
        head: &Head,
        x: &[i64],
        sum: &[i64],
        z: &[i64],
        shift: u32,
        out: &mut Part,
    ) -> Result<(), WitnessError> {
        match head {
            Head::Direct { lookup } => out.tuples.push((*lookup, vec![x.to_vec(), z.to_vec()])),
            Head::Rounded { lookup } => {
                out.tuples.push((*lookup, vec![sum.iter().map(|v| v >> shift).collect(), z.to_vec()]));
            }
            Head::Saturated { lo, bits, sigma, cut, top, top_offset, limbs, links } => {
                let above: Vec<i64> = sum.iter().map(|v| (v >> shift) - lo).collect();
                let mask = (1i64 << bits) - 1;
                let lows: Vec<i64> = above.iter().map(|t| t & mask).collect();
                let h: Vec<i64> = above.iter().map(|t| t >> bits).collect();
                let rest: Vec<i64> = h.iter().map(|h| h >> top_offset).collect();
                let mut sign: Vec<i64> = rest.iter().map(|t| t.signum()).collect();
                out.tuples.push((*top, vec![rest, sign.clone()]));
                for ((limb, above), link) in limbs.iter().zip(links) {
                    out.digit(limb, &h);
                    let next: Vec<i64> = h.iter().map(|h| (h >> limb.offset).signum()).collect();
                    out.tuples.push((*link, vec![sign.clone(), limb.of(&h), next.clone()]));
                    out.tensors.push((*above, std::mem::replace(&mut sign, next)));
                }
                cut.fill(*lo, &sign, lows, z, out);
                out.tensors.push((*sigma, sign));
            }
        }
        Ok(())
    }

    fn demand(&self, lookup: u32, values: &[i64], lo: i64, rows: u64) -> Result<(), WitnessError> {
        let bad = |v: &i64| v.checked_sub(lo).is_none_or(|d| d < 0 || d as u64 >= rows);
        match values.iter().position(bad) {
            None => Ok(()),
            Some(cell) => {
                let lookup = self.lookups[lookup as usize].0.clone();
                Err(WitnessError::Unprovable { lookup, cell, value: values[cell] })
            }
        }
    }
}

impl Cut {
    /// What follows from the signs, the bits inside the domain that begins at `lo`, and the results.
    fn fill(&self, lo: i64, sign: &[i64], lows: Vec<i64>, z: &[i64], out: &mut Part) {
        match self {
            Self::Whole { low, lookup } => {
                out.tuples.push((*lookup, vec![sign.to_vec(), lows.clone(), z.to_vec()]));
                out.tensors.push((*low, lows));
            }
            Self::Halves { halves, result } => {
                let mut arguments = vec![lo; lows.len()];
                for half in halves {
                    let (before, mask) = (half.low.of(&lows), (1i64 << half.low.bits) - 1);
                    let end = |(&y, &sigma): (&i64, &i64)| [0, y, mask][(sigma + 1) as usize];
                    let after: Vec<i64> = before.iter().zip(sign).map(end).collect();
                    arguments.iter_mut().zip(&after).for_each(|(u, c)| *u += c << half.low.offset);
                    out.tuples.push((half.low.lookup, vec![sign.to_vec(), before.clone(), after.clone()]));
                    out.tensors.push((half.low.tensor, before));
                    out.tensors.extend(half.cut.map(|t| (t, after)));
                }
                out.tuples.extend(result.map(|lookup| (lookup, vec![arguments, z.to_vec()])));
            }
        }
    }
}

impl Limb {
    fn of(&self, values: &[i64]) -> Vec<i64> {
        let mask = (1i64 << self.bits) - 1;
        values.iter().map(|v| (v >> self.offset) & mask).collect()
    }
}

impl Part {
    /// Stores a digit of every value, as tensor and as tuple.
    fn digit(&mut self, limb: &Limb, of: &[i64]) {
        let digits = limb.of(of);
        self.tuples.push((limb.lookup, vec![digits.clone()]));
        self.tensors.push((limb.tensor, digits));
    }
}

impl Value {
    fn compute(&self, values: &[&[i64]]) -> Vec<i64> {
        let of = |id: TensorId| values[id.0 as usize].iter().copied();
        match *self {
            Self::Zero { cells } => vec![0; cells],
            Self::Shifted { x, sign, offset } => of(x).map(|x| x.wrapping_mul(sign).wrapping_add(offset)).collect(),
            Self::Remainder { num, den, q } => {
                of(num).zip(of(den).zip(of(q))).map(|(n, (d, q))| n.wrapping_sub(d.wrapping_mul(q))).collect()
            }
            Self::Gap { num, den, q } => {
                let rest = |n: i64, d: i64, q: i64| d.wrapping_sub(1).wrapping_sub(n).wrapping_add(d.wrapping_mul(q));
                of(num).zip(of(den).zip(of(q))).map(|(n, (d, q))| rest(n, d, q)).collect()
            }
            Self::SquareRemainder { x, s } => {
                of(x).zip(of(s)).map(|(x, s)| x.wrapping_sub(s.wrapping_mul(s))).collect()
            }
            Self::SquareGap { x, s } => {
                let gap = |x: i64, s: i64| s.wrapping_mul(s).wrapping_add(s.wrapping_mul(2)).wrapping_sub(x);
                of(x).zip(of(s)).map(|(x, s)| gap(x, s)).collect()
            }
            Self::Lead { x, s, len } => lead(values[x.0 as usize], values[s.0 as usize], len),
        }
    }
}

fn lead(x: &[i64], s: &[i64], len: usize) -> Vec<i64> {
    let mut out = Vec::with_capacity(x.len());
    for (x, s) in x.chunks(len.max(1)).zip(s.chunks(len.max(1))) {
        let max: i64 = x.iter().zip(s).fold(0i64, |m, (x, s)| m.wrapping_add(x.wrapping_mul(*s)));
        let mut seen = 0;
        for (x, s) in x.iter().zip(s) {
            seen += s;
            out.push(max.wrapping_sub(*x).wrapping_sub(1).wrapping_add(seen));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_cuts() {
        // More lines than one task has, and a part of one.
        for (columns, step, lines) in [(1, 3, 5), (4, 1, 2), (3, 5, CUT / 5 * 2 + 7)] {
            let cells: Vec<i64> = (0..(columns * step * lines) as i64).collect();
            let cut = RowPlan { columns, step }.cut(&cells);
            let at = |c: usize, i: usize| ((i / step * columns + c) * step + i % step) as i64;
            for (c, column) in cut.iter().enumerate() {
                assert_eq!(column.len(), step * lines);
                assert!(column.iter().enumerate().all(|(i, x)| *x == at(c, i)), "{columns} {step} column {c}");
            }
            assert_eq!(cut.len(), columns);
        }
    }
}
