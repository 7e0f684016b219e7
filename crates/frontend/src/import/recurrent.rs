//! Recurrent layers, unrolled: the products of all time steps' inputs are one contraction over the whole sequence,
//! only the products with the state are made step by step.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::Importer;
use super::activation::{Activation, list};
use super::products::matmul;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};
use crate::tensor::Kind;

/// Longest sequence that is unrolled.
const MAX_STEPS: usize = 1024;

#[derive(Clone, Copy, PartialEq)]
enum Cell {
    Rnn,
    Lstm,
    Gru,
}

impl Cell {
    /// Blocks of weight rows.
    fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Rnn => &["Tanh"],
            Self::Lstm => &["Sigmoid", "Tanh", "Tanh"],
            Self::Gru => &["Sigmoid", "Tanh"],
        }
    }
}

/// Lengths and attributes of a node.
struct Layer {
    cell: Cell,
    steps: usize,
    batch: usize,
    hidden: usize,
    dirs: usize,
    /// Whether the batch is the first axis of inputs and outputs.
    batch_first: bool,
    clip: Option<f64>,
    /// For each direction the activation functions.
    functions: Vec<Vec<Activation>>,
    /// GRU: the state is multiplied by its weights before the reset gate. LSTM: the forget gate is 1 - input gate.
    flag: bool,
}

/// Weights of one direction; `[h]` lists hold one entry for each hidden unit.
struct Weights {
    /// Input products and biases of all steps `[steps, batch, gates * h]`.
    inputs: TensorId,
    /// Recurrent weights `[gates * h, h]`: one tensor for all steps.
    recurrent: TensorId,
    /// GRU: bias of the recurrent product of the new state, where it is added inside the reset.
    inner_bias: Option<TensorId>,
    /// LSTM: weights from the cell state to input, output and forget gate.
    peepholes: Option<[TensorId; 3]>,
}

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    let cell = match (n.domain.as_str(), n.op.as_str()) {
        ("", "RNN") => Cell::Rnn,
        ("", "LSTM") => Cell::Lstm,
        ("", "GRU") => Cell::Gru,
        _ => return Ok(None),
    };
    let x = im.arg(n, 0)?;
    let layer = layer(im, n, cell, x)?;
    let x = if layer.batch_first { im.g.permute(x, &[1, 0, 2]) } else { x };
    let lengths = lengths(im, n, &layer)?;
    let state = |im: &mut Importer, input: usize| -> Result<Option<TensorId>> {
        let Some(s) = im.opt(n, input)? else { return Ok(None) };
        let three = im.g.shape(s).len() == 3;
        let s = if layer.batch_first && three { im.g.permute(s, &[1, 0, 2]) } else { s };
        shaped(im, n, s, &[layer.dirs, layer.batch, layer.hidden], "the initial state")?;
        Ok((im.g.as_uniform(s) != Some(0.0)).then_some(s))
    };
    let first_h = state(im, 5)?;
    let first_c = if cell == Cell::Lstm { state(im, 6)? } else { None };
    let (mut rows, mut last_h, mut last_c) = (Vec::new(), Vec::new(), Vec::new());
    for d in 0..layer.dirs {
        let w = weights(im, n, &layer, x, d)?;
        let one = |im: &mut Importer, s: Option<TensorId>| s.map(|s| part(im, s, d, layer.hidden));
        let (h, c) = (one(im, first_h), one(im, first_c));
        let run = unroll(im, n, &layer, &w, (d, lengths), (h, c))?;
        rows.push(run.0);
        last_h.push(run.1);
        last_c.extend(run.2);
    }
    outputs(im, n, &layer, rows, last_h, last_c)
}

fn layer(im: &Importer, n: &Node, cell: Cell, x: TensorId) -> Result<Layer> {
    let batch_first = n.int("layout")?.unwrap_or(0) == 1;
    let shape = im.g.shape(x).to_vec();
    let &[a, b, _] = &shape[..] else {
        return Err(n.malformed(format!("input {shape:?} has not three axes; give [steps, batch, features]")));
    };
    let (steps, batch) = if batch_first { (b, a) } else { (a, b) };
    if steps == 0 || steps > MAX_STEPS {
        let hint = format!("use 1 to {MAX_STEPS} steps");
        return Err(n.unsupported(format!("a sequence of {steps} steps"), hint));
    }
    let direction = n.string("direction")?.unwrap_or_else(|| "forward".into());
    let dirs = match direction.as_str() {
        "forward" | "reverse" => 1,
        "bidirectional" => 2,
        other => return Err(n.malformed(format!("direction `{other}` is not forward, reverse or bidirectional"))),
    };
    let r = im.g.shape(im.arg(n, 2)?).to_vec();
    let hidden = match n.int("hidden_size")? {
        Some(h) => usize::try_from(h).unwrap_or(0),
        None => r.last().copied().unwrap_or(0),
    };
    if hidden == 0 || r != [dirs, cell.gates() * hidden, hidden] {
        let reason = format!("recurrent weights {r:?} do not fit {dirs} directions of {hidden} hidden units");
        return Err(n.malformed(reason));
    }
    let flag = match cell {
        Cell::Rnn => false,
        Cell::Lstm => n.int("input_forget")? == Some(1),
        Cell::Gru => n.int("linear_before_reset")?.is_some_and(|v| v != 0),
    };
    let functions = list(n, cell.functions(), dirs)?;
    let clip = n.float("clip")?.filter(|c| *c > 0.0);
    Ok(Layer { cell, steps, batch, hidden, dirs, batch_first, clip, functions, flag })
}

/// The lengths of the sequences, `[batch]`, unless all of them are as long as the tensor.
fn lengths(im: &Importer, n: &Node, layer: &Layer) -> Result<Option<TensorId>> {
    let Some(given) = im.opt(n, 4)? else { return Ok(None) };
    shaped(im, n, given, &[layer.batch], "the list of sequence lengths")?;
    let steps = layer.steps as f64;
    match im.g.as_const(given) {
        Some(list) if list.iter().all(|len| *len == steps) => Ok(None),
        Some(list) if list.iter().any(|len| *len < 0.0 || *len > steps) => {
            Err(n.malformed(format!("sequence lengths {list:?} of {steps} steps; export the model again")))
        }
        _ => Ok(Some(given)),
    }
}

/// Which sequences have a step.
#[derive(Clone, Copy)]
enum Within {
    All,
    None,
    /// 1 for those that have it, `[batch, 1]`.
    Some(TensorId),
}

fn within(im: &mut Importer, lengths: Option<TensorId>, t: usize) -> Within {
    let Some(lengths) = lengths else { return Within::All };
    let reaches = Expr::un(Un::NonNegative, Expr::affine(1.0, -(t as f64) - 1.0));
    let shape = vec![im.g.get(lengths).cells(), 1];
    let has = im.g.map(lengths, reaches, Kind::Bool);
    let known = im.g.as_const(has).map(|cells| (cells.contains(&1.0), cells.contains(&0.0)));
    match known {
        Some((true, false)) => Within::All,
        Some((false, _)) => Within::None,
        _ => Within::Some(im.g.reshape(has, shape)),
    }
}

fn shaped(im: &Importer, n: &Node, x: TensorId, want: &[usize], what: &str) -> Result<()> {
    if im.g.shape(x) == want {
        return Ok(());
    }
    Err(n.malformed(format!("{what} has shape {:?}, expected {want:?}; export the model again", im.g.shape(x))))
}

/// Entry `d` of the first axis, which is dropped.
fn part(im: &mut Importer, x: TensorId, d: usize, last: usize) -> TensorId {
    let rows = im.g.shape(x)[1];
    im.g.view(x, vec![rows, last], vec![Affine { terms: Vec::new(), offset: d as i64 }, Affine::var(0), Affine::var(1)])
}

/// `count` cells of the last axis from `from` on.
fn columns(im: &mut Importer, x: TensorId, from: usize, count: usize) -> TensorId {
    let rank = im.g.shape(x).len();
    let (mut starts, mut extents) = (vec![0; rank], im.g.shape(x).to_vec());
    (starts[rank - 1], extents[rank - 1]) = (from, count);
    im.g.slice(x, &starts, &extents, &vec![1; rank])
}

fn add(im: &mut Importer, n: &Node, a: TensorId, b: TensorId) -> Result<TensorId> {
    im.g.binary(Bin::Add, a, b).ok_or_else(|| im.clash(n, a, b))
}

fn mul(im: &mut Importer, n: &Node, a: TensorId, b: TensorId) -> Result<TensorId> {
    im.g.binary(Bin::Mul, a, b).ok_or_else(|| im.clash(n, a, b))
}

fn weights(im: &mut Importer, n: &Node, layer: &Layer, x: TensorId, d: usize) -> Result<Weights> {
    let (h, rows) = (layer.hidden, layer.cell.gates() * layer.hidden);
    let features = im.g.shape(x)[2];
    let w = im.arg(n, 1)?;
    shaped(im, n, w, &[layer.dirs, rows, features], "the input weights")?;
    let r = im.arg(n, 2)?;
    let (w, recurrent) = (part(im, w, d, features), part(im, r, d, h));
    let w = im.g.permute(w, &[1, 0]);
    let mut inputs = matmul(im, n, x, w)?;
    let mut inner_bias = None;
    if let Some(b) = im.opt(n, 3)? {
        shaped(im, n, b, &[layer.dirs, 2 * rows], "the bias")?;
        let own = im.g.slice(b, &[d, 0], &[1, 2 * rows], &[1, 1]);
        let own = im.g.reshape(own, vec![2 * rows]);
        let mut for_input = columns(im, own, 0, rows);
        let for_state = columns(im, own, rows, rows);
        if layer.cell == Cell::Gru && layer.flag {
            let gates = columns(im, for_state, 0, 2 * h);
            let gates = im.g.pad(gates, &[0], &[h], 0.0);
            for_input = add(im, n, for_input, gates)?;
            inner_bias = Some(columns(im, for_state, 2 * h, h));
        } else {
            for_input = add(im, n, for_input, for_state)?;
        }
        inputs = add(im, n, inputs, for_input)?;
    }
    let mut peepholes = None;
    if layer.cell == Cell::Lstm
        && let Some(p) = im.opt(n, 7)?
    {
        shaped(im, n, p, &[layer.dirs, 3 * h], "the peephole weights")?;
        let mut gate = |i: usize| {
            let row = im.g.slice(p, &[d, i * h], &[1, h], &[1, 1]);
            im.g.reshape(row, vec![h])
        };
        peepholes = Some([gate(0), gate(1), gate(2)]);
    }
    Ok(Weights { inputs, recurrent, inner_bias, peepholes })
}

type Run = (TensorId, TensorId, Option<TensorId>);

/// All steps of one direction: states `[steps, batch, h]` in the order of the input, last state, last cell state. A
/// sequence keeps its state in steps behind its end, and shows zeros there.
fn unroll(
    im: &mut Importer,
    n: &Node,
    layer: &Layer,
    w: &Weights,
    (d, lengths): (usize, Option<TensorId>),
    first: (Option<TensorId>, Option<TensorId>),
) -> Result<Run> {
    let backwards = d == 1 || n.string("direction")?.as_deref() == Some("reverse");
    let (mut h, mut c) = first;
    let mut rows = Vec::new();
    let wide = vec![1, layer.batch, layer.hidden];
    let nothing = im.public(vec![layer.batch, layer.hidden], Kind::Float, vec![0.0; layer.batch * layer.hidden]);
    for i in 0..layer.steps {
        let t = if backwards { layer.steps - 1 - i } else { i };
        let has = within(im, lengths, t);
        if let Within::None = has {
            rows.push(im.g.reshape(nothing, wide.clone()));
            continue;
        }
        let mut step = Step { im, n, layer, w, functions: &layer.functions[d], t };
        let (mut state, mut cell) = match layer.cell {
            Cell::Rnn => (step.rnn(h)?, None),
            Cell::Lstm => step.lstm(h, c).map(|(state, cell)| (state, Some(cell)))?,
            Cell::Gru => (step.gru(h)?, None),
        };
        let mut shown = state;
        if let Within::Some(has) = has {
            state = step.kept("lasting", has, h, state)?;
            cell = cell.map(|cell| step.kept("lasting_cell", has, c, cell)).transpose()?;
            shown = if h.is_some() { mul(im, n, has, state)? } else { state };
        }
        (h, c) = (Some(state), cell);
        rows.push(im.g.reshape(shown, wide.clone()));
    }
    if backwards {
        rows.reverse();
    }
    let c = if layer.cell == Cell::Lstm { Some(c.unwrap_or(nothing)) } else { None };
    Ok((im.g.concat(&rows, 0), h.unwrap_or(nothing), c))
}

/// One time step; tensors of equal role share their calibrated range with those of the other steps.
struct Step<'s, 'a, 'l> {
    im: &'s mut Importer<'a>,
    n: &'s Node,
    layer: &'l Layer,
    w: &'l Weights,
    functions: &'l [Activation],
    t: usize,
}

impl Step<'_, '_, '_> {
    fn shared(&mut self, role: &str, x: TensorId) -> TensorId {
        let key = format!("{}/{role}", self.n.name);
        self.im.g.share_range(&key, x);
        x
    }

    /// The input products of gates `from .. from + count` at this step `[batch, count * h]`.
    fn inputs(&mut self, from: usize, count: usize) -> TensorId {
        let (b, h) = (self.layer.batch, self.layer.hidden);
        let t = Affine { terms: Vec::new(), offset: self.t as i64 };
        let axes = vec![t, Affine::var(0), Affine::new(&[(1, 1)], (from * h) as i64)];
        self.im.g.view(self.w.inputs, vec![b, count * h], axes)
    }

    /// The products of a state with the weights of gates `from .. from + count`.
    fn recurrent(&mut self, state: TensorId, from: usize, count: usize) -> TensorId {
        let (b, h) = (self.layer.batch, self.layer.hidden);
        let row = Affine::new(&[(1, 1)], (from * h) as i64);
        let lhs = Access { tensor: self.w.recurrent, axes: vec![row, Affine::var(2)] };
        let rhs = Access { tensor: state, axes: vec![Affine::var(0), Affine::var(2)] };
        self.im.g.contract(Contract { extents: vec![b, count * h, h], out: vec![0, 1], lhs, rhs })
    }

    /// Sums of input and state products of some gates.
    fn gates(&mut self, state: Option<TensorId>, from: usize, count: usize) -> Result<TensorId> {
        let x = self.inputs(from, count);
        let sum = match state {
            Some(s) => {
                let y = self.recurrent(s, from, count);
                add(self.im, self.n, x, y)?
            }
            None => x,
        };
        Ok(self.shared(&format!("gates{from}"), sum))
    }

    /// Activation function `f` after clipping.
    fn activate(&mut self, role: &str, f: usize, x: TensorId) -> TensorId {
        let mut inner = Expr::X;
        if let Some(c) = self.layer.clip {
            inner = Expr::bin(Bin::Min, Expr::bin(Bin::Max, inner, Expr::Const(-c)), Expr::Const(c));
        }
        let y = self.im.g.map(x, self.functions[f].expr().of(&inner), Kind::Float);
        self.shared(role, y)
    }

    /// `new` where a sequence has this step, else `old`.
    fn kept(&mut self, role: &str, has: TensorId, old: Option<TensorId>, new: TensorId) -> Result<TensorId> {
        let Some(old) = old else { return self.times(role, has, new) };
        let gap = self.im.g.binary(Bin::Sub, new, old).ok_or_else(|| self.im.clash(self.n, new, old))?;
        let gap = self.times(&format!("{role}/gap"), has, gap)?;
        self.plus(role, old, gap)
    }

    fn rnn(&mut self, h: Option<TensorId>) -> Result<TensorId> {
        let sum = self.gates(h, 0, 1)?;
        Ok(self.activate("state", 0, sum))
    }

    fn times(&mut self, role: &str, a: TensorId, b: TensorId) -> Result<TensorId> {
        let y = mul(self.im, self.n, a, b)?;
        Ok(self.shared(role, y))
    }

    fn plus(&mut self, role: &str, a: TensorId, b: TensorId) -> Result<TensorId> {
        let y = add(self.im, self.n, a, b)?;
        Ok(self.shared(role, y))
    }

    /// Gates are stored in the order input, output, forget, cell.
    fn lstm(&mut self, h: Option<TensorId>, c: Option<TensorId>) -> Result<(TensorId, TensorId)> {
        let k = self.layer.hidden;
        let (input, forget, output) = match self.w.peepholes {
            None => {
                let sums = self.gates(h, 0, 3)?;
                let all = self.activate("gate", 0, sums);
                let mut gate = |i: usize| columns(self.im, all, i * k, k);
                (gate(0), gate(2), Some(gate(1)))
            }
            Some([pi, _, pf]) => {
                let seen = |step: &mut Self, from: usize, p: TensorId| -> Result<TensorId> {
                    let mut sum = step.gates(h, from, 1)?;
                    if let Some(c) = c {
                        let peep = step.times(&format!("peep{from}"), p, c)?;
                        sum = step.plus(&format!("seen{from}"), sum, peep)?;
                    }
                    Ok(step.activate("gate", 0, sum))
                };
                (seen(self, 0, pi)?, seen(self, 2, pf)?, None)
            }
        };
        let sum = self.gates(h, 3, 1)?;
        let new = self.activate("new", 1, sum);
        let mut cell = self.times("added", input, new)?;
        if let Some(c) = c {
            let keep =
                if self.layer.flag { self.im.g.map(input, Expr::affine(-1.0, 1.0), Kind::Float) } else { forget };
            let kept = self.times("kept", keep, c)?;
            cell = self.plus("cell", cell, kept)?;
        } else {
            cell = self.shared("cell", cell);
        }
        let output = match (output, self.w.peepholes) {
            (Some(o), _) => o,
            (None, Some([_, po, _])) => {
                let sum = self.gates(h, 1, 1)?;
                let peep = self.times("peep1", po, cell)?;
                let sum = self.plus("seen1", sum, peep)?;
                self.activate("gate", 0, sum)
            }
            (None, None) => return Err(self.n.malformed("the output gate has no weights")),
        };
        let shown = self.activate("shown", 2, cell);
        Ok((self.times("state", output, shown)?, cell))
    }

    /// Gates are stored in the order update, reset, new state: `h' = new + update (h - new)`.
    fn gru(&mut self, h: Option<TensorId>) -> Result<TensorId> {
        let k = self.layer.hidden;
        let sums = self.gates(h, 0, 2)?;
        let both = self.activate("gate", 0, sums);
        let (update, reset) = (columns(self.im, both, 0, k), columns(self.im, both, k, k));
        let mut sum = self.inputs(2, 1);
        if self.layer.flag {
            let inner = match (h, self.w.inner_bias) {
                (Some(h), bias) => {
                    let y = self.recurrent(h, 2, 1);
                    Some(if let Some(b) = bias { self.plus("inner", y, b)? } else { y })
                }
                (None, bias) => bias,
            };
            if let Some(inner) = inner {
                let kept = self.times("kept", reset, inner)?;
                sum = add(self.im, self.n, sum, kept)?;
            }
        } else if let Some(h) = h {
            let kept = self.times("kept", reset, h)?;
            let y = self.recurrent(kept, 2, 1);
            sum = add(self.im, self.n, sum, y)?;
        }
        let sum = self.shared("gates2", sum);
        let new = self.activate("new", 1, sum);
        let gap = match h {
            Some(h) => self.im.g.binary(Bin::Sub, h, new).ok_or_else(|| self.im.clash(self.n, h, new))?,
            None => self.im.g.map(new, Expr::affine(-1.0, 0.0), Kind::Float),
        };
        let gap = self.shared("gap", gap);
        let step = self.times("step", update, gap)?;
        self.plus("state", new, step)
    }
}

fn outputs(
    im: &mut Importer,
    n: &Node,
    layer: &Layer,
    rows: Vec<TensorId>,
    last_h: Vec<TensorId>,
    last_c: Vec<TensorId>,
) -> Result<Option<Vec<TensorId>>> {
    let (s, b, h) = (layer.steps, layer.batch, layer.hidden);
    let used = |i: usize| n.outputs.get(i).is_some_and(|o| !o.is_empty());
    let mut wide: Vec<TensorId> = Vec::new();
    for &row in &rows {
        wide.push(im.g.reshape(row, vec![s, 1, b, h]));
    }
    let all = im.g.concat(&wide, 1);
    let all = if layer.batch_first && used(0) { im.g.permute(all, &[2, 0, 1, 3]) } else { all };
    let mut out = vec![all];
    for (i, states) in [(1, last_h), (2, last_c)] {
        if states.is_empty() {
            continue;
        }
        let mut wide = Vec::new();
        for &state in &states {
            wide.push(im.g.reshape(state, vec![1, b, h]));
        }
        let last = im.g.concat(&wide, 0);
        out.push(if layer.batch_first && used(i) { im.g.permute(last, &[1, 0, 2]) } else { last });
    }
    Ok(Some(out))
}
