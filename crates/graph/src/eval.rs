//! The fast evaluator: the same results as [`crate::interpret`], quick enough for convolutional networks with
//! hundreds of millions of multiply-adds.
//!
//! Linear operators and contractions share one kernel. For each it picks one *inner* variable (the last output
//! axis or a summation variable) along which the operands lie contiguously if possible, clips its interval once
//! to where all reads are inside, and runs a plain loop over slices; the other variables are counted through.
//! Sums wrap around in 64 bits, which is exact because the final values are below 2^61.

mod kernel;

use std::borrow::Cow;

use rayon::prelude::*;

use self::kernel::Run;
use crate::bounds::floor_div;
use crate::error::EvalError;
use crate::interpret::{given, look_up};
use crate::ir::{Access, Affine, Contract, Graph, Op, Params, Piece, TensorId};
use crate::shape::strides;

/// Multiply-adds below which an operator is not worth handing to other threads.
const SERIAL_WORK: usize = 1 << 15;

/// Cells that one task of a cell-by-cell operator gets at least.
const CELLS_PER_TASK: usize = 1 << 12;

/// Output rows below which a row is divided among threads.
const FEW_ROWS: usize = 16;

/// Evaluates a graph and returns the row-major cells of all its tensors, like [`crate::interpret::run`].
///
/// # Shapes
/// `inputs[i]` holds the cells of tensor `graph.inputs[i]`; the result has one list for each tensor.
/// # Errors
/// `Graph` when the graph or the parameters are not well formed; `InputCount`, `InputLength`, `InputRange`.
pub fn run_fast(graph: &Graph, params: &Params, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, EvalError> {
    Ok(run_shared(graph, params, inputs)?.into_iter().map(Cow::into_owned).collect())
}

/// [`run_fast`] without copies of parameters, constants and inputs.
///
/// # Errors
/// As [`run_fast`].
pub fn run_shared<'a>(
    graph: &'a Graph,
    params: &'a Params,
    inputs: &'a [Vec<i64>],
) -> Result<Vec<Cow<'a, [i64]>>, EvalError> {
    let mut cells = given(graph, params, inputs)?;
    for node in &graph.nodes {
        cells[node.out.0 as usize] = compute(graph, &cells, &node.op, node.out).into();
    }
    Ok(cells)
}

fn compute(graph: &Graph, cells: &[Cow<'_, [i64]>], op: &Op, out: TensorId) -> Vec<i64> {
    let of = |id: TensorId| &cells[id.0 as usize][..];
    let shape = &graph.tensors[out.0 as usize].shape;
    let map = |x: TensorId, f: &(dyn Fn(i64) -> i64 + Sync)| -> Vec<i64> {
        of(x).par_iter().with_min_len(CELLS_PER_TASK).map(|&x| f(x)).collect()
    };
    match op {
        Op::Linear { pieces, constant } => {
            let terms: Vec<Term> = pieces.iter().map(|piece| Term::of_piece(graph, cells, piece)).collect();
            accumulate(&terms, shape, *constant)
        }
        Op::Reshape(x) => of(*x).to_vec(),
        Op::Contract(contract) => accumulate(&[Term::of_contract(graph, cells, contract)], shape, 0),
        Op::Lookup { x, shift, table } => {
            let table = &graph.tables[table.0 as usize];
            map(*x, &|x| look_up(table, x, *shift))
        }
        Op::Div { num, den } => {
            of(*num).par_iter().zip(of(*den)).with_min_len(CELLS_PER_TASK).map(|(&n, &d)| floor_div(n, d)).collect()
        }
        Op::Sqrt(x) => map(*x, &|x| x.isqrt()),
        Op::ArgMaxOneHot(x) => arg_max(of(*x), shape[shape.len() - 1]),
        Op::Gather { data, index } => gather(of(*data), graph.tensors[data.0 as usize].shape[0], of(*index)),
        Op::OneHot { x, depth } => {
            let mut hot = vec![0; of(*x).len() * depth];
            of(*x).iter().enumerate().for_each(|(i, &v)| hot[i * depth + v as usize] = 1);
            hot
        }
    }
}

fn gather(data: &[i64], num_rows: usize, index: &[i64]) -> Vec<i64> {
    let len = data.len() / num_rows;
    let mut out = vec![0; index.len() * len];
    let rows = out.par_chunks_mut(len).zip(index).with_min_len(CELLS_PER_TASK.div_ceil(len));
    rows.for_each(|(row, &i)| row.copy_from_slice(&data[i as usize * len..][..len]));
    out
}

fn arg_max(cells: &[i64], len: usize) -> Vec<i64> {
    let mut hot = vec![0; cells.len()];
    for (row, hot) in cells.chunks(len).zip(hot.chunks_mut(len)) {
        let first_largest = (1..len).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        hot[first_largest] = 1;
    }
    hot
}

/// One operand of a term: its cells, and for each axis length, stride, index form and the form's coefficient of
/// the inner variable.
struct Operand<'a> {
    cells: &'a [i64],
    axes: Vec<(i64, i64, &'a Affine, i64)>,
}

impl<'a> Operand<'a> {
    fn new(graph: &Graph, cells: &'a [Cow<'_, [i64]>], access: &'a Access) -> Self {
        let shape = &graph.tensors[access.tensor.0 as usize].shape;
        let lengths = shape.iter().zip(strides(shape)).map(|(&len, stride)| (len as i64, stride as i64));
        let axes = lengths.zip(&access.axes).map(|((len, stride), form)| (len, stride, form, 0)).collect();
        Self { cells: &cells[access.tensor.0 as usize], axes }
    }

    /// Cells by which the read moves when a variable moves by one.
    fn stride(&self, var: usize) -> i64 {
        self.axes.iter().map(|(_, stride, form, _)| coefficient(form, var).wrapping_mul(*stride)).sum()
    }

    fn set_inner(&mut self, var: usize) {
        self.axes.iter_mut().for_each(|axis| axis.3 = coefficient(axis.2, var));
    }

    /// Position read for inner variable 0 (which `vars` must hold), perhaps outside; shrinks `span` to the
    /// values of the inner variable for which all indices are inside. `None` when there are none.
    fn locate(&self, vars: &[usize], span: &mut (i64, i64)) -> Option<i64> {
        let mut base = 0i64;
        for &(len, stride, form, coef) in &self.axes {
            let index = form.at(vars);
            match coef {
                0 if index < 0 || index >= len => return None,
                0 => {}
                1 => *span = (span.0.max(-index), span.1.min(len - index)),
                2.. => *span = (span.0.max(ceil_div(-index, coef)), span.1.min(ceil_div(len - index, coef))),
                _ => {
                    let lo = ceil_div(index - len + 1, -coef);
                    *span = (span.0.max(lo), span.1.min(floor_div(index, -coef) + 1));
                }
            }
            base = base.wrapping_add(index.wrapping_mul(stride));
        }
        (span.0 < span.1).then_some(base)
    }
}

fn coefficient(form: &Affine, var: usize) -> i64 {
    form.terms.iter().find(|term| term.0 == var).map_or(0, |term| term.1)
}

fn ceil_div(a: i64, b: i64) -> i64 {
    -floor_div(-a, b)
}

/// A sum over index variables that is added to a box of the output.
struct Term<'a> {
    /// Lengths of all variables.
    extents: Vec<usize>,
    /// Variables that are the axes of the box.
    out: Vec<usize>,
    /// Where the box starts.
    start: Vec<usize>,
    /// Summation variables that are counted through (all but the inner one).
    outer: Vec<usize>,
    /// The inner variable, if any.
    inner: Option<usize>,
    /// Whether the inner variable is the last output axis.
    inner_is_out: bool,
    coef: i64,
    lhs: Operand<'a>,
    rhs: Option<Operand<'a>>,
    /// Strides of both operands along the inner variable.
    steps: (i64, i64),
}

impl<'a> Term<'a> {
    fn of_piece(graph: &Graph, cells: &'a [Cow<'_, [i64]>], piece: &'a Piece) -> Self {
        let extents = [&piece.extents[..], &piece.sum].concat();
        let out = (0..piece.extents.len()).collect();
        let lhs = Operand::new(graph, cells, &piece.access);
        Self::plan(extents, out, piece.start.clone(), piece.coef, lhs, None)
    }

    fn of_contract(graph: &Graph, cells: &'a [Cow<'_, [i64]>], contract: &'a Contract) -> Self {
        let Contract { extents, out, lhs, rhs } = contract;
        let (lhs, rhs) = (Operand::new(graph, cells, lhs), Operand::new(graph, cells, rhs));
        Self::plan(extents.clone(), out.clone(), vec![0; out.len()], 1, lhs, Some(rhs))
    }

    /// Picks the inner variable: contiguous reads first, then the longest loop.
    fn plan(
        extents: Vec<usize>,
        out: Vec<usize>,
        start: Vec<usize>,
        coef: i64,
        mut lhs: Operand<'a>,
        mut rhs: Option<Operand<'a>>,
    ) -> Self {
        let mut outer: Vec<usize> = (0..extents.len()).filter(|var| !out.contains(var)).collect();
        let steps = |var: usize, lhs: &Operand, rhs: &Option<Operand>| {
            (lhs.stride(var), rhs.as_ref().map_or(0, |rhs| rhs.stride(var)))
        };
        let rank = |&var: &usize| {
            let (a, b) = steps(var, &lhs, &rhs);
            ((0..=1).contains(&a) && (0..=1).contains(&b), extents[var])
        };
        let inner = outer.iter().copied().chain(out.last().copied()).max_by_key(rank);
        let strides = inner.map_or((0, 0), |var| steps(var, &lhs, &rhs));
        if let Some(var) = inner {
            lhs.set_inner(var);
            rhs.iter_mut().for_each(|rhs| rhs.set_inner(var));
        }
        outer.retain(|&var| Some(var) != inner);
        let inner_is_out = inner.is_some() && inner == out.last().copied();
        Self { extents, out, start, outer, inner, inner_is_out, coef, lhs, rhs, steps: strides }
    }

    fn work(&self) -> usize {
        self.extents.iter().fold(1, |n, &len| n.saturating_mul(len))
    }

    /// Adds the term to `cells`, which lie in the output row with leading index `row` from column `first` on.
    fn add_to(&self, row: &[usize], first: usize, cells: &mut [i64]) {
        let mut vars = vec![0; self.extents.len()];
        for (axis, &index) in row.iter().enumerate() {
            match index.checked_sub(self.start[axis]) {
                Some(local) if local < self.extents[self.out[axis]] => vars[self.out[axis]] = local,
                _ => return,
            }
        }
        let Some(&last) = self.out.last() else {
            cells[0] = cells[0].wrapping_add(self.dot(&mut vars).wrapping_mul(self.coef));
            return;
        };
        let start = self.start[row.len()];
        let from = first.max(start);
        let to = (first + cells.len()).min(start + self.extents[last]);
        if from >= to {
            return;
        }
        let cells = &mut cells[from - first..to - first];
        if self.inner_is_out {
            self.add_row(&mut vars, from - start, cells);
        } else {
            for (i, cell) in cells.iter_mut().enumerate() {
                vars[last] = from - start + i;
                *cell = cell.wrapping_add(self.dot(&mut vars).wrapping_mul(self.coef));
            }
        }
    }

    /// Sum over all summation variables at one output cell; leaves the summation variables at 0.
    fn dot(&self, vars: &mut [usize]) -> i64 {
        let len = self.inner.map_or(1, |var| self.extents[var] as i64);
        let mut sum = 0i64;
        loop {
            let mut span = (0, len);
            if let Some((lhs, rhs)) = self.locate(vars, &mut span) {
                sum = sum.wrapping_add(kernel::dot(lhs, rhs, (span.1 - span.0) as usize));
            }
            if !self.advance(vars) {
                return sum;
            }
        }
    }

    /// Adds the term to a part of an output row that begins at index `from` of the inner variable.
    fn add_row(&self, vars: &mut [usize], from: usize, cells: &mut [i64]) {
        loop {
            let mut span = (from as i64, (from + cells.len()) as i64);
            if let Some((lhs, rhs)) = self.locate(vars, &mut span) {
                let inside = &mut cells[span.0 as usize - from..span.1 as usize - from];
                kernel::add_row(inside, lhs, rhs, self.coef);
            }
            if !self.advance(vars) {
                return;
            }
        }
    }

    /// What both operands read along the inner variable; shrinks `span` to where all reads are inside.
    fn locate(&self, vars: &[usize], span: &mut (i64, i64)) -> Option<(Run<'a>, Option<Run<'a>>)> {
        let left = self.lhs.locate(vars, span)?;
        let right = match &self.rhs {
            Some(rhs) => Some((rhs, rhs.locate(vars, span)?)),
            None => None,
        };
        let first = span.0;
        let run = |operand: &Operand<'a>, base: i64, step: i64| Run {
            cells: operand.cells,
            start: base.wrapping_add(first.wrapping_mul(step)) as usize,
            step,
        };
        Some((run(&self.lhs, left, self.steps.0), right.map(|(rhs, base)| run(rhs, base, self.steps.1))))
    }

    /// Next setting of the outer summation variables; false, with all of them 0 again, after the last.
    fn advance(&self, vars: &mut [usize]) -> bool {
        for &var in self.outer.iter().rev() {
            vars[var] += 1;
            if vars[var] < self.extents[var] {
                return true;
            }
            vars[var] = 0;
        }
        false
    }
}

/// Fills an output with `constant` plus all terms.
fn accumulate(terms: &[Term], shape: &[usize], constant: i64) -> Vec<i64> {
    let (lead, row_len) = shape.split_last().map_or((shape, 1), |(last, lead)| (lead, *last));
    let rows: usize = lead.iter().product();
    let mut out = vec![constant; rows * row_len];
    let index = |mut row: usize| {
        let mut index = vec![0; lead.len()];
        for axis in (0..lead.len()).rev() {
            index[axis] = row % lead[axis];
            row /= lead[axis];
        }
        index
    };
    let fill = |row: &[usize], first: usize, cells: &mut [i64]| {
        terms.iter().for_each(|term| term.add_to(row, first, cells));
    };
    let work = terms.iter().fold(0usize, |sum, term| sum.saturating_add(term.work()));
    if work < SERIAL_WORK {
        out.chunks_mut(row_len).enumerate().for_each(|(i, row)| fill(&index(i), 0, row));
    } else if rows >= FEW_ROWS {
        let rows_per_task = (rows.saturating_mul(SERIAL_WORK / 4) / work).max(1);
        let chunks = out.par_chunks_mut(row_len).enumerate().with_min_len(rows_per_task);
        chunks.for_each(|(i, row)| fill(&index(i), 0, row));
    } else {
        let part = row_len.div_ceil(FEW_ROWS);
        for (i, row) in out.chunks_mut(row_len).enumerate() {
            let index = index(i);
            row.par_chunks_mut(part).enumerate().for_each(|(j, cells)| fill(&index, j * part, cells));
        }
    }
    out
}
