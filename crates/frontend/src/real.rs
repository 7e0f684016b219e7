//! The float mirror of the integer graph: the same few operators with real numbers, every shape concrete and
//! every constant folded. Import writes it, calibration evaluates it, quantisation reads it.

mod build;
pub(crate) mod centre;
mod elementwise;
pub(crate) mod eval;
pub(crate) mod expr;
mod fold;
pub(crate) mod forest;
pub(crate) mod level;
pub(crate) mod missing;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proveil_graph::{Access, Contract, TensorId};

use crate::cells::Cells;
use crate::tensor::Kind;
pub(crate) use build::{broadcast_axes, identity};
use expr::Expr;

/// One summand of a [`RealOp::Linear`]; as `proveil_graph::Piece` with a real factor.
#[derive(Clone, Debug)]
pub(crate) struct RealPiece {
    pub start: Vec<usize>,
    pub extents: Vec<usize>,
    pub sum: Vec<usize>,
    pub coef: f64,
    pub access: Access,
}

impl RealPiece {
    /// Whether the two go to different cells.
    pub fn apart_from(&self, other: &Self) -> bool {
        let before = |a: &Self, b: &Self, i: usize| a.start[i] + a.extents[i] <= b.start[i];
        (0..self.start.len()).any(|i| before(self, other, i) || before(other, self, i))
    }
}

/// Operators on real tensors.
#[derive(Clone, Debug)]
pub(crate) enum RealOp {
    Linear {
        pieces: Vec<RealPiece>,
        constant: f64,
    },
    Reshape(TensorId),
    Contract(Contract),
    /// Cell by cell.
    Map {
        x: TensorId,
        f: Arc<Expr>,
    },
    /// Cell by cell, equal shapes.
    Max(TensorId, TensorId),
    /// 1 at the first largest cell along the last axis.
    ArgMaxOneHot(TensorId),
    /// `x`, where cells that one of `out` marks are below all others of their row.
    Without {
        x: TensorId,
        out: Vec<TensorId>,
    },
    /// Negative indices count from the end; a row of zeros for indices outside.
    OneHot {
        x: TensorId,
        depth: usize,
    },
    /// Row numbers below `len`: negative indices count from the end, indices outside count as the nearest end.
    Index {
        x: TensorId,
        len: usize,
    },
    /// Rows of `data` (its first axis) by number.
    Gather {
        data: TensorId,
        index: TensorId,
    },
    /// Along the last axis.
    Softmax(TensorId),
    /// `max + ln sum exp(x - max)` along the last axis, which keeps length 1.
    LogSumExp(TensorId),
    /// 1 where a cell reaches a hidden threshold.
    Reaches {
        x: TensorId,
        threshold: f64,
    },
    /// Leaves of decision trees: `[rows, features]` to `[rows, trees, columns]`.
    Trees {
        x: TensorId,
        missing: Option<Missing>,
        forest: Arc<forest::Forest>,
    },
    /// 1 where a cell is missing, else 0.
    IsMissing(TensorId),
    /// The cells of `with` where cells of `x` are missing, broadcast to `x`; see [`missing`].
    Fill {
        x: TensorId,
        with: TensorId,
    },
    /// The cells of an input, 0 where `flags` says that they are missing.
    Known {
        x: TensorId,
        flags: TensorId,
    },
    /// `x + flags * gains`, for constant gains of the last axes; `flags` has the shape of `x` and cells 0 and 1.
    AddAt {
        x: TensorId,
        flags: TensorId,
        gains: TensorId,
    },
    /// Quotient of whole numbers rounded towards zero, equal shapes.
    IntDiv {
        num: TensorId,
        den: TensorId,
    },
    Requantise(Requantise),
    /// `times * num / den` rounded to a whole number, equal shapes; 0 where the divisor is not positive.
    RoundDiv {
        num: TensorId,
        den: TensorId,
        times: i64,
    },
}

/// Which cells of an operand are missing.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// 1 where a cell is missing, else 0.
    pub flags: TensorId,
    /// Places of the last axis at which cells may be missing at all, ascending.
    pub columns: Arc<Vec<usize>>,
}

/// `clamp(round(x * factor) + offset, lo, hi)` cell by cell, a whole number.
#[derive(Clone, Debug)]
pub(crate) struct Requantise {
    pub x: TensorId,
    /// One factor, or one for each cell of the last axis.
    pub factors: Arc<Vec<f64>>,
    pub offset: i64,
    pub lo: i64,
    pub hi: i64,
}

impl RealOp {
    /// Operands in order.
    pub fn operands(&self) -> Vec<TensorId> {
        match self {
            Self::Linear { pieces, .. } => pieces.iter().map(|p| p.access.tensor).collect(),
            Self::Contract(c) => vec![c.lhs.tensor, c.rhs.tensor],
            Self::Max(a, b) | Self::IntDiv { num: a, den: b } | Self::RoundDiv { num: a, den: b, .. } => {
                vec![*a, *b]
            }
            Self::Gather { data, index } => vec![*data, *index],
            Self::Fill { x, with } => vec![*x, *with],
            Self::Known { x, flags } => vec![*x, *flags],
            Self::AddAt { x, flags, gains } => vec![*x, *flags, *gains],
            Self::Trees { x, missing, .. } => std::iter::once(*x).chain(missing.iter().map(|m| m.flags)).collect(),
            Self::Without { x, out } => std::iter::once(x).chain(out).copied().collect(),
            Self::Requantise(r) => vec![r.x],
            Self::Reshape(x)
            | Self::Map { x, .. }
            | Self::ArgMaxOneHot(x)
            | Self::OneHot { x, .. }
            | Self::Index { x, .. }
            | Self::Reaches { x, .. }
            | Self::IsMissing(x)
            | Self::Softmax(x)
            | Self::LogSumExp(x) => vec![*x],
        }
    }

    /// The operator on other operands, in order.
    pub fn on(&self, ids: &[TensorId]) -> Self {
        let mut op = self.clone();
        let slots: Vec<&mut TensorId> = match &mut op {
            Self::Linear { pieces, .. } => pieces.iter_mut().map(|p| &mut p.access.tensor).collect(),
            Self::Contract(c) => vec![&mut c.lhs.tensor, &mut c.rhs.tensor],
            Self::Max(a, b) | Self::IntDiv { num: a, den: b } | Self::RoundDiv { num: a, den: b, .. } => vec![a, b],
            Self::Gather { data, index } => vec![data, index],
            Self::Fill { x, with } => vec![x, with],
            Self::Known { x, flags } => vec![x, flags],
            Self::AddAt { x, flags, gains } => vec![x, flags, gains],
            Self::Trees { x, missing, .. } => {
                std::iter::once(x).chain(missing.iter_mut().map(|m| &mut m.flags)).collect()
            }
            Self::Without { x, out } => std::iter::once(x).chain(out).collect(),
            Self::Requantise(r) => vec![&mut r.x],
            Self::Reshape(x)
            | Self::Map { x, .. }
            | Self::ArgMaxOneHot(x)
            | Self::OneHot { x, .. }
            | Self::Index { x, .. }
            | Self::Reaches { x, .. }
            | Self::IsMissing(x)
            | Self::Softmax(x)
            | Self::LogSumExp(x) => vec![x],
        };
        slots.into_iter().zip(ids).for_each(|(slot, id)| *slot = *id);
        op
    }
}

/// Where a real tensor comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Position in [`RealGraph::inputs`].
    Input,
    /// Cells; `secret` if they come from weights rather than from shapes and index arithmetic.
    Const {
        data: Cells,
        secret: bool,
    },
    Op(RealOp),
}

/// A tensor with the operator that defines it.
#[derive(Clone, Debug)]
pub(crate) struct RealTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: Kind,
    pub source: Source,
}

impl RealTensor {
    pub fn cells(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A program on real tensors, in execution order.
#[derive(Clone, Debug, Default)]
pub(crate) struct RealGraph {
    pub tensors: Vec<RealTensor>,
    pub inputs: Vec<TensorId>,
    pub outputs: Vec<TensorId>,
    /// Node that is being imported: prefix of the names of new tensors.
    pub scope: String,
    /// Tensors of equal role in the steps of a loop, by role: see [`RealGraph::share_range`].
    pub shared: BTreeMap<String, Vec<TensorId>>,
    /// Constants that are transpositions of others, which keep their identity through them.
    pub turned: BTreeMap<TensorId, (TensorId, Vec<usize>)>,
    /// Bits of the element type of constants whose cells are integers of the file, signed.
    pub int_bits: BTreeMap<TensorId, u32>,
    /// Inputs whose columns have powers of two of their own.
    pub levelled: BTreeSet<TensorId>,
    /// Whether sums and products of constants wait until they are read.
    pub defers: bool,
    /// How many texts the file knows: codes of texts are at most that.
    pub texts: usize,
    /// Inputs with cells that may be missing: whether they may, for each cell of the last axis.
    pub missing: BTreeMap<TensorId, Vec<bool>>,
}

impl RealGraph {
    pub fn get(&self, id: TensorId) -> &RealTensor {
        &self.tensors[id.0 as usize]
    }

    pub fn shape(&self, id: TensorId) -> &[usize] {
        &self.get(id).shape
    }

    pub fn kind(&self, id: TensorId) -> Kind {
        self.get(id).kind
    }

    /// Cells of a constant.
    pub fn as_const(&self, id: TensorId) -> Option<&Cells> {
        match &self.get(id).source {
            Source::Const { data, .. } => Some(data),
            _ => None,
        }
    }

    /// Whether an operator reads the tensor.
    pub fn is_read(&self, id: TensorId) -> bool {
        self.tensors.iter().any(|t| matches!(&t.source, Source::Op(op) if op.operands().contains(&id)))
    }

    /// Whether whatever reads the tensor makes real numbers of it by sums, or compares it in trees.
    pub fn is_cast_only(&self, id: TensorId) -> bool {
        let fine = |t: &RealTensor| match &t.source {
            Source::Op(RealOp::Linear { .. }) if t.kind == Kind::Float => true,
            Source::Op(RealOp::Trees { .. }) => true,
            Source::Op(op) => !op.operands().contains(&id),
            _ => true,
        };
        !self.outputs.contains(&id) && self.tensors.iter().all(fine)
    }

    /// The value of a public constant whose cells are all equal. Weights have none: that they are equal is a secret,
    /// which the form of the graph must not tell.
    pub fn as_uniform(&self, id: TensorId) -> Option<f64> {
        let Source::Const { data, secret: false } = &self.get(id).source else { return None };
        let first = *data.first()?;
        data.iter().all(|&v| v == first).then_some(first)
    }

    /// Tensors of one role get one calibrated range, hence one unit, one table and one copy of the weights that
    /// they are multiplied with.
    pub fn share_range(&mut self, role: &str, x: TensorId) {
        if self.as_const(x).is_none() {
            self.shared.entry(role.to_string()).or_default().push(x);
        }
    }

    /// Which tensors a soft-max reads.
    pub fn softmax_operands(&self) -> Vec<bool> {
        let mut out = vec![false; self.tensors.len()];
        for t in &self.tensors {
            if let Source::Op(RealOp::Softmax(x)) = &t.source {
                out[x.0 as usize] = true;
            }
        }
        out
    }

    /// Which tensors a step function reads, directly or through sums, views and maxima.
    pub fn sharp(&self, live: &[bool]) -> Vec<bool> {
        self.read_by(live, |op| match op {
            RealOp::Map { f, .. } => f.jumps(),
            RealOp::Requantise(_) | RealOp::RoundDiv { .. } | RealOp::Trees { .. } => true,
            _ => false,
        })
    }

    /// Which tensors a quotient of whole numbers reads, directly or through sums, views and maxima.
    pub fn divided(&self, live: &[bool]) -> Vec<bool> {
        self.read_by(live, |op| matches!(op, RealOp::RoundDiv { .. }))
    }

    /// Whether trees read what functions gave, however it was arranged, added and multiplied since.
    pub fn has_trees_behind_functions(&self, live: &[bool]) -> bool {
        let mut behind = vec![false; self.tensors.len()];
        for i in (0..self.tensors.len()).rev() {
            let t = &self.tensors[i];
            let (true, Source::Op(op)) = (live[i], &t.source) else { continue };
            let is_trees = matches!(op, RealOp::Trees { .. });
            let rounds = match op {
                RealOp::Map { f, .. } => t.kind == Kind::Float && !f.jumps(),
                RealOp::Softmax(_) | RealOp::LogSumExp(_) => true,
                _ => false,
            };
            if behind[i] && rounds {
                return true;
            }
            if is_trees || behind[i] {
                op.operands().iter().for_each(|x| behind[x.0 as usize] = true);
            }
        }
        false
    }

    fn read_by(&self, live: &[bool], reader: impl Fn(&RealOp) -> bool) -> Vec<bool> {
        let mut marked = vec![false; self.tensors.len()];
        for i in (0..self.tensors.len()).rev() {
            let (true, Source::Op(op)) = (live[i], &self.tensors[i].source) else { continue };
            let through =
                matches!(op, RealOp::Linear { .. } | RealOp::Reshape(_) | RealOp::Max(..) | RealOp::Gather { .. });
            let through = through || matches!(op, RealOp::Known { .. } | RealOp::AddAt { .. });
            if reader(op) || (through && marked[i]) {
                op.operands().iter().for_each(|x| marked[x.0 as usize] = true);
            }
        }
        marked
    }

    /// Which tensors the outputs depend on (inputs always count).
    pub fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.tensors.len()];
        for id in self.outputs.iter().chain(&self.inputs) {
            live[id.0 as usize] = true;
        }
        for i in (0..self.tensors.len()).rev() {
            if let (true, Source::Op(op)) = (live[i], &self.tensors[i].source) {
                op.operands().iter().for_each(|x| live[x.0 as usize] = true);
            }
        }
        live
    }
}
