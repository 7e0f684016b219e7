//! The slow interpreter: every operator written down as its definition says, one index after the other, on
//! 128-bit integers. It is the truth that [`crate::eval`] and everything else is compared with.

use std::borrow::Cow;

use crate::bounds::{floor_div, round_shift};
use crate::check;
use crate::error::EvalError;
use crate::ir::{Access, Contract, Graph, Op, Origin, Params, Piece, Table, TensorId};
use crate::shape::{for_each_index, strides};

/// Evaluates a graph and returns the row-major cells of all its tensors.
///
/// # Shapes
/// `inputs[i]` holds the cells of tensor `graph.inputs[i]`; the result has one list for each tensor.
/// # Errors
/// `Graph` when the graph or the parameters are not well formed; `InputCount`, `InputLength`, `InputRange`.
pub fn run(graph: &Graph, params: &Params, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, EvalError> {
    let mut cells: Vec<Vec<i64>> = given(graph, params, inputs)?.into_iter().map(Cow::into_owned).collect();
    for node in &graph.nodes {
        cells[node.out.0 as usize] = State { graph, cells: &cells }.node(&node.op, node.out);
    }
    Ok(cells)
}

/// Cells of the tensors that no node computes (the others are empty), after all checks of values.
pub(crate) fn given<'a>(
    graph: &'a Graph,
    params: &'a Params,
    inputs: &'a [Vec<i64>],
) -> Result<Vec<Cow<'a, [i64]>>, EvalError> {
    check::check(graph)?;
    check::check_params(graph, params)?;
    let (expected, got) = (graph.inputs.len(), inputs.len());
    if expected != got {
        return Err(EvalError::InputCount { expected, got });
    }
    let mut cells = vec![Cow::Borrowed(&[][..]); graph.tensors.len()];
    for (&id, values) in graph.inputs.iter().zip(inputs) {
        let tensor = graph.tensor("inputs", id)?;
        let name = || tensor.name.clone();
        let (expected, got) = (tensor.cells(), values.len());
        if expected != got {
            return Err(EvalError::InputLength { name: name(), expected, got });
        }
        if let Some(cell) = values.iter().position(|&v| !tensor.range.contains(v)) {
            let (lo, hi) = (tensor.range.lo, tensor.range.hi);
            return Err(EvalError::InputRange { name: name(), cell, value: values[cell], lo, hi });
        }
        cells[id.0 as usize] = Cow::Borrowed(&values[..]);
    }
    for (&id, values) in &params.values {
        cells[id.0 as usize] = Cow::Borrowed(&values[..]);
    }
    for (tensor, cells) in graph.tensors.iter().zip(&mut cells) {
        if let Origin::Const(values) = &tensor.origin {
            *cells = Cow::Borrowed(&values[..]);
        }
    }
    Ok(cells)
}

/// `table[clamp(round(x / 2^shift))]`.
pub(crate) fn look_up(table: &Table, x: i64, shift: u32) -> i64 {
    let last = table.values.len() as i64 - 1;
    table.values[(round_shift(x, shift) - table.lo).clamp(0, last) as usize]
}

/// The tensors computed so far.
struct State<'a> {
    graph: &'a Graph,
    cells: &'a [Vec<i64>],
}

impl State<'_> {
    fn of(&self, id: TensorId) -> &[i64] {
        &self.cells[id.0 as usize]
    }

    fn shape(&self, id: TensorId) -> &[usize] {
        &self.graph.tensors[id.0 as usize].shape
    }

    fn node(&self, op: &Op, out: TensorId) -> Vec<i64> {
        match op {
            Op::Linear { pieces, constant } => self.linear(pieces, *constant, self.shape(out)),
            Op::Reshape(x) => self.of(*x).to_vec(),
            Op::Contract(contract) => self.contract(contract, self.shape(out)),
            Op::Lookup { x, shift, table } => {
                let table = &self.graph.tables[table.0 as usize];
                self.of(*x).iter().map(|&x| look_up(table, x, *shift)).collect()
            }
            Op::Div { num, den } => self.of(*num).iter().zip(self.of(*den)).map(|(&n, &d)| floor_div(n, d)).collect(),
            Op::Sqrt(x) => self.of(*x).iter().map(|x| x.isqrt()).collect(),
            Op::ArgMaxOneHot(x) => {
                let len = self.shape(*x)[self.shape(*x).len() - 1];
                self.of(*x).chunks(len).flat_map(arg_max_one_hot).collect()
            }
            Op::Gather { data, index } => {
                let len: usize = self.shape(*data)[1..].iter().product();
                let rows = self.of(*index).iter().map(|&i| &self.of(*data)[i as usize * len..][..len]);
                rows.collect::<Vec<_>>().concat()
            }
            Op::OneHot { x, depth } => {
                let row = |&x: &i64| (0..*depth as i64).map(move |v| i64::from(v == x));
                self.of(*x).iter().flat_map(row).collect()
            }
        }
    }

    fn linear(&self, pieces: &[Piece], constant: i64, out: &[usize]) -> Vec<i64> {
        let strides = strides(out);
        let mut sums = vec![i128::from(constant); out.iter().product()];
        for piece in pieces {
            let extents = [&piece.extents[..], &piece.sum].concat();
            for_each_index(&extents, |vars| {
                let cell: usize = (0..out.len()).map(|axis| (piece.start[axis] + vars[axis]) * strides[axis]).sum();
                sums[cell] += i128::from(piece.coef) * self.read(&piece.access, vars);
            });
        }
        sums.into_iter().map(bounded).collect()
    }

    fn contract(&self, contract: &Contract, out: &[usize]) -> Vec<i64> {
        let strides = strides(out);
        let mut sums = vec![0i128; out.iter().product()];
        for_each_index(&contract.extents, |vars| {
            let cell: usize = contract.out.iter().zip(&strides).map(|(&var, stride)| vars[var] * stride).sum();
            sums[cell] += self.read(&contract.lhs, vars) * self.read(&contract.rhs, vars);
        });
        sums.into_iter().map(bounded).collect()
    }

    /// The cell that an access reads, or 0 outside the tensor.
    fn read(&self, access: &Access, vars: &[usize]) -> i128 {
        let mut cell = 0;
        for (form, &len) in access.axes.iter().zip(self.shape(access.tensor)) {
            let index = form.at(vars);
            if index < 0 || index >= len as i64 {
                return 0;
            }
            cell = cell * len + index as usize;
        }
        i128::from(self.of(access.tensor)[cell])
    }
}

/// The checker has bounded every sum by 2^61, so nothing is cut off.
fn bounded(sum: i128) -> i64 {
    sum as i64
}

/// 1 at the first largest cell, 0 elsewhere.
fn arg_max_one_hot(row: &[i64]) -> Vec<i64> {
    let mut best = 0;
    for (i, x) in row.iter().enumerate() {
        if *x > row[best] {
            best = i;
        }
    }
    (0..row.len()).map(|i| i64::from(i == best)).collect()
}
