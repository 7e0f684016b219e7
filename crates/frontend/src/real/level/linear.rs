//! Sums of levelled tensors: a piece keeps the levels of the columns that it goes to, and is cut into runs of equal
//! factors where it cannot.

use proveil_graph::{Access, Affine, TensorId};

use super::{Leveller, Levels, tidy, width};
use crate::error::Result;
use crate::real::{RealOp, RealPiece, RealTensor, Source, identity};
use crate::tensor::Kind;

/// How the factor of what is read depends on the variables.
pub(super) enum Spread {
    /// The same everywhere.
    Even(i32),
    /// By one variable: a power for each of its settings.
    Along(usize, Vec<i32>),
    /// By more than one variable.
    Mixed,
}

/// The factor of a tensor with these levels, as an access reads it; `extents` are the lengths of the variables.
pub(super) fn spread(access: &Access, levels: &Levels, extents: &[usize]) -> Spread {
    let (false, Some(form)) = (levels.is_empty(), access.axes.last()) else { return Spread::Even(0) };
    let level = |at: i64| usize::try_from(at).ok().and_then(|at| levels.get(at)).copied();
    match form.terms[..] {
        [] => Spread::Even(level(form.offset).unwrap_or(0)),
        [(v, k)] => {
            // Outside, zeros are read: any power fits them.
            let mut now = (0..extents[v] as i64).find_map(|i| level(k * i + form.offset)).unwrap_or(0);
            let powers = (0..extents[v] as i64).map(|i| {
                now = level(k * i + form.offset).unwrap_or(now);
                now
            });
            let powers: Vec<i32> = powers.collect();
            if powers.windows(2).all(|w| w[0] == w[1]) { Spread::Even(now) } else { Spread::Along(v, powers) }
        }
        _ => Spread::Mixed,
    }
}

/// Runs of equal powers: first place, length, power.
pub(super) fn runs(powers: &[i32]) -> impl Iterator<Item = (usize, usize, i32)> {
    let mut at = 0;
    powers.chunk_by(|a, b| a == b).map(move |run| {
        at += run.len();
        (at - run.len(), run.len(), run[0])
    })
}

/// All of a tensor, as it is.
pub(super) fn whole(tensor: TensorId, shape: &[usize]) -> RealPiece {
    let access = Access { tensor, axes: identity(shape.len()) };
    RealPiece { start: vec![0; shape.len()], extents: shape.to_vec(), sum: Vec::new(), coef: 1.0, access }
}

/// Keeps `len` settings of a variable of a piece, from `at` on.
pub(super) fn cut_out(p: &mut RealPiece, v: Option<usize>, at: usize, len: usize) {
    let Some(v) = v else { return };
    for form in &mut p.access.axes {
        form.offset += form.terms.iter().filter(|t| t.0 == v).map(|t| t.1 * at as i64).sum::<i64>();
    }
    match v.checked_sub(p.extents.len()) {
        Some(s) => p.sum[s] = len,
        None => {
            p.start[v] += at;
            p.extents[v] = len;
        }
    }
}

/// A piece with the power of two that each of its columns is to be multiplied with.
struct Part {
    piece: RealPiece,
    powers: Vec<i32>,
    constant: bool,
}

impl Leveller<'_> {
    pub(super) fn linear(
        &mut self,
        i: usize,
        t: &RealTensor,
        pieces: &[RealPiece],
        constant: f64,
    ) -> Result<(TensorId, Levels)> {
        let mut parts = Vec::new();
        for p in pieces {
            self.parts(t, p, &mut parts)?;
        }
        // Columns are levelled by their own sizes, whatever they are made of: factors of pieces are exact.
        let mut levels = self.columns.get(i).map(super::Columns::levels).unwrap_or_default();
        levels.resize(width(t), 0);
        let mut out = Vec::new();
        for p in parts {
            self.fitted(p, &levels, &mut out);
        }
        let (pieces, (levels, moved)) = self.with_constant(&t.shape, out, constant, levels);
        let constant = if moved { 0.0 } else { constant };
        let id = self.push(t, RealOp::Linear { pieces, constant });
        Ok((id, tidy(levels)))
    }

    /// Columns put beside each other, levelled by their own sizes if they are real numbers.
    pub(super) fn beside(&mut self, i: usize, t: &RealTensor, pieces: Vec<RealPiece>) -> (TensorId, Levels) {
        let own = self.columns.get(i).filter(|_| t.kind == Kind::Float);
        let mut levels = own.map(super::Columns::levels).unwrap_or_default();
        levels.resize(width(t), 0);
        let mut out = Vec::new();
        for piece in pieces {
            let powers = vec![0; piece.extents.last().copied().unwrap_or(1)];
            self.fitted(Part { piece, powers, constant: false }, &levels, &mut out);
        }
        let id = self.push(t, RealOp::Linear { pieces: out, constant: 0.0 });
        (id, tidy(levels))
    }

    /// What a piece reads, cut so that factors depend on its column only.
    fn parts(&mut self, t: &RealTensor, p: &RealPiece, out: &mut Vec<Part>) -> Result<()> {
        let (new, levels) = self.made(p.access.tensor)?.clone();
        let mut piece = p.clone();
        piece.access.tensor = new;
        let constant = self.new.as_const(new).is_some();
        let extents = [&p.extents[..], &p.sum].concat();
        let last = t.shape.len().checked_sub(1);
        let columns = p.extents.last().copied().unwrap_or(1);
        let even = |piece, power| Part { piece, powers: vec![power; columns], constant };
        match spread(&p.access, &levels, &extents) {
            Spread::Even(power) => out.push(even(piece, power)),
            Spread::Along(v, powers) if Some(v) == last => out.push(Part { piece, powers, constant }),
            Spread::Along(v, powers) => {
                for (at, len, power) in runs(&powers) {
                    let mut run = piece.clone();
                    cut_out(&mut run, Some(v), at, len);
                    out.push(even(run, power));
                }
            }
            Spread::Mixed => {
                piece.access.tensor = self.plain(p.access.tensor)?;
                out.push(even(piece, 0));
            }
        }
        Ok(())
    }

    /// A part with factors for columns that are levelled like the whole.
    fn fitted(&mut self, mut p: Part, levels: &Levels, out: &mut Vec<RealPiece>) {
        let from = p.piece.start.last().copied().unwrap_or(0);
        let rest: Vec<i32> = p.powers.iter().zip(&levels[from..]).map(|(own, level)| own - level).collect();
        let last = p.piece.extents.len().checked_sub(1);
        if p.constant && rest.iter().any(|r| *r != 0) {
            let axis = p.piece.access.axes.len().checked_sub(1);
            let form = p.piece.access.axes.last().filter(|f| last.is_some_and(|v| f.terms == [(v, 1)]));
            if let (Some(axis), Some(form)) = (axis, form) {
                let place = |i: usize| usize::try_from(i as i64 - form.offset).ok().and_then(|i| rest.get(i)).copied();
                if let Some(scaled) = self.scaled(p.piece.access.tensor, axis, &|i| place(i).unwrap_or(0)) {
                    p.piece.access.tensor = scaled;
                    return out.push(p.piece);
                }
            }
        }
        for (at, len, power) in runs(&rest) {
            let mut run = p.piece.clone();
            cut_out(&mut run, last, at, len);
            run.coef *= 2f64.powi(power);
            out.push(run);
        }
    }

    /// Pieces of a sum with a constant, for columns with levels; and whether the constant is among them now.
    pub(super) fn with_constant(
        &mut self,
        shape: &[usize],
        mut pieces: Vec<RealPiece>,
        constant: f64,
        levels: Levels,
    ) -> (Vec<RealPiece>, (Levels, bool)) {
        if constant == 0.0 || levels.iter().all(|l| *l == 0) {
            return (pieces, (levels, false));
        }
        let data: Vec<f64> = levels.iter().map(|l| constant * 2f64.powi(-l)).collect();
        let row = self.new.public(vec![data.len()], Kind::Float, data);
        let axes = match shape.len().checked_sub(1) {
            Some(last) => vec![Affine::var(last)],
            None => vec![Affine::default()],
        };
        pieces.push(RealPiece { access: Access { tensor: row, axes }, ..whole(row, shape) });
        (pieces, (levels, true))
    }

    /// A constant with powers of two along an axis; `None` if it is none, or whole numbers of the file.
    pub(super) fn scaled(&mut self, id: TensorId, axis: usize, power: &dyn Fn(usize) -> i32) -> Option<TensorId> {
        let t = self.new.get(id);
        let Source::Const { data, secret } = &t.source else { return None };
        if t.kind != Kind::Float || self.new.int_bits.contains_key(&id) {
            return None;
        }
        let (len, stride) = (t.shape[axis], self.new.strides(id)[axis]);
        let data = data.iter().enumerate().map(|(i, v)| v * 2f64.powi(power(i / stride.max(1) % len.max(1))));
        let source = Source::Const { data: data.collect::<Vec<_>>().into(), secret: *secret };
        let (name, shape) = (t.name.clone(), t.shape.clone());
        let scope = std::mem::replace(&mut self.new.scope, name);
        let id = self.new.push(shape, Kind::Float, source);
        self.new.scope = scope;
        Some(id)
    }
}
