//! Ranges of what texts make, which follow from the file and not from samples: a text that no sample holds is as good as
//! any other.

use proveil_graph::TensorId;

use crate::quantise::Span;
use crate::real::{RealGraph, RealOp, Source};
use crate::tensor::Kind;

/// Most arguments of a function that are tried.
const MAX_ARGUMENTS: f64 = (1u64 << 16) as f64;

/// Smallest and largest value.
type Ends = (f64, f64);

/// Replaces the ranges that samples gave to texts, and to what functions and sums make of texts alone.
pub(super) fn spans(g: &RealGraph, spans: &mut [Span]) {
    let mut known: Vec<Option<Ends>> = Vec::with_capacity(g.tensors.len());
    for (t, span) in g.tensors.iter().zip(spans) {
        let of = |id: TensorId| known.get(id.0 as usize).copied().flatten();
        let own = match &t.source {
            Source::Input => (t.kind == Kind::Text).then_some((0.0, g.texts as f64)),
            Source::Const { .. } => None,
            Source::Op(RealOp::Reshape(x)) => of(*x),
            Source::Op(RealOp::Map { x, f }) => of(*x).and_then(|ends| image(ends, g.get(*x).kind, |v| f.at(v))),
            Source::Op(RealOp::Linear { pieces, constant }) if pieces.iter().any(|p| of(p.access.tensor).is_some()) => {
                let operand = |x: TensorId| of(x).or_else(|| g.as_const(x).map(|cells| ends_of(cells)));
                let parts: Option<Vec<Ends>> = pieces
                    .iter()
                    .map(|p| {
                        let times = p.coef * p.sum.iter().product::<usize>() as f64;
                        operand(p.access.tensor).map(|(lo, hi)| ordered(lo * times, hi * times))
                    })
                    .collect();
                // Pieces that lie apart are alternatives, of which each cell has one at most; others add up.
                let apart = (0..pieces.len()).all(|i| pieces[..i].iter().all(|p| p.apart_from(&pieces[i])));
                parts.map(|parts| {
                    let join = |(lo, hi): Ends, (a, b): Ends| match apart {
                        true => (lo.min(a), hi.max(b)),
                        false => (lo + a.min(0.0), hi + b.max(0.0)),
                    };
                    let (lo, hi) = parts.into_iter().fold((0.0, 0.0), join);
                    (lo + constant, hi + constant)
                })
            }
            Source::Op(_) => None,
        };
        if let Some((lo, hi)) = own {
            *span = Span::new(lo, hi);
        }
        known.push(own);
    }
}

fn ordered(a: f64, b: f64) -> Ends {
    (a.min(b), a.max(b))
}

fn ends_of(cells: &[f64]) -> Ends {
    cells.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(*v), hi.max(*v)))
}

/// What a function makes of all whole numbers between two ends.
fn image((lo, hi): Ends, kind: Kind, f: impl Fn(f64) -> f64) -> Option<Ends> {
    let tried = kind != Kind::Float && hi - lo < MAX_ARGUMENTS;
    let cells: Vec<f64> = tried.then(|| (lo as i64..=hi as i64).map(|v| f(v as f64)).collect())?;
    cells.iter().all(|v| v.is_finite()).then(|| ends_of(&cells))
}
