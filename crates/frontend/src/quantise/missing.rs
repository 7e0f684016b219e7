//! Missing cells of inputs. The largest integer of such an input's range says that a cell is missing and is no number; flags
//! come from one comparison with it, and numbers from the input less that integer where the flag is set.

use proveil_graph::{Access, Contract, Piece, TensorId};

use super::{Quantiser, Rep, bit_range, exponent};
use crate::error::Result;
use crate::real::{RealGraph, RealOp, Source, broadcast_axes, identity};

/// Bits of what is put in, at most, and by how much it may exceed calibrated numbers.
const MAX_FILL: i32 = 44;
const FILL_ROOM: f64 = 4.0;

impl Quantiser<'_> {
    /// 1 where a cell of an input is missing.
    pub(super) fn is_missing(&mut self, x: TensorId) -> Result<Rep> {
        let (input, shape) = (self.rep(x)?.id, self.g.get(x).shape.clone());
        let code = self.range(input).hi;
        let columns = self.g.missing.get(&x).cloned().unwrap_or_default();
        let reached = |q: &mut Self, id| q.compare(Rep { id, step: 1.0 }, 1.0, -(code as f64), false);
        let (Some(last), false) = (shape.len().checked_sub(1), columns.iter().all(|may| *may)) else {
            return reached(self, input);
        };
        // Only columns that may miss cells are compared.
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        let (mut at, mut kept) = (0, 0);
        for run in columns.chunk_by(|a, b| a == b) {
            if run[0] {
                runs.push((at, kept, run.len()));
                kept += run.len();
            }
            at += run.len();
        }
        let compact = [&shape[..last], &[kept]].concat();
        let moved = |tensor: TensorId, from: usize, to: usize, len: usize| {
            let (mut start, mut extents) = (vec![0; shape.len()], shape.clone());
            (start[last], extents[last]) = (to, len);
            let mut axes = identity(shape.len());
            axes[last].offset = from as i64;
            Piece { start, extents, sum: Vec::new(), coef: 1, access: Access { tensor, axes } }
        };
        let pieces = runs.iter().map(|&(full, own, len)| moved(input, full, own, len)).collect();
        let name = self.name("cells");
        let cells = self.b.linear(&name, &compact, pieces, 0, 0)?;
        let flags = reached(self, cells)?.id;
        let pieces = runs.iter().map(|&(full, own, len)| moved(flags, own, full, len)).collect();
        let name = self.name("");
        Ok(Rep { id: self.b.linear(&name, &shape, pieces, 0, 0)?, step: 1.0 })
    }

    /// The cells of an input, 0 where they are missing.
    pub(super) fn known(&mut self, x: TensorId, flags: TensorId) -> Result<Rep> {
        let (x, flags) = (self.rep(x)?, self.rep(flags)?);
        let code = self.range(x.id).hi;
        let name = self.name("");
        let id = self.b.combine(&name, &[(1, x.id), (-code, flags.id)], 0, Self::scale_of(x.step))?;
        Ok(Rep { id, step: x.step })
    }

    /// `x + flags * gains`, with gains in units of `x`: what is put in is as fine as what is not.
    pub(super) fn add_at(&mut self, id: TensorId, x: TensorId, flags: TensorId, gains: TensorId) -> Result<Rep> {
        let (rep, flags) = (self.rep(x)?, self.rep(flags)?);
        let gain = self.g.get(gains);
        // As wide as calibrated numbers are apart, whatever is put in.
        let reach = (self.span(x).reach() + self.span(id).reach()) * FILL_ROOM;
        let wanted = exponent(reach / rep.step + 1.0) + 1;
        let range = bit_range(wanted.clamp(2, MAX_FILL) as u32, true);
        let cell = |v: &f64| (v / rep.step).round().clamp(range.lo as f64, range.hi as f64) as i64;
        let cells = self.g.as_const(gains).map_or(Vec::new(), |data| data.iter().map(cell).collect());
        let (scale, name) = (Self::scale_of(rep.step), self.name("fill"));
        let fill = self.b.param(&name, &gain.shape, range, scale, cells)?;
        let shape = self.g.get(x).shape.clone();
        let vars: Vec<usize> = (0..shape.len()).collect();
        let skip = gain.shape.len().saturating_sub(shape.len());
        let mut axes = vec![proveil_graph::Affine::default(); skip];
        axes.extend(broadcast_axes(&gain.shape[skip..], &vars));
        let product = Contract {
            extents: shape.clone(),
            out: vars,
            lhs: Access { tensor: fill, axes },
            rhs: Access { tensor: flags.id, axes: identity(shape.len()) },
        };
        let name = self.name("put");
        let put = self.b.contract(&name, product)?;
        let name = self.name("");
        Ok(Rep { id: self.b.combine(&name, &[(1, rep.id), (1, put)], 0, scale)?, step: rep.step })
    }
}

impl RealGraph {
    /// The input that a tensor is, but for its missing cells, which may be filled.
    pub(super) fn filled_input(&self, id: TensorId) -> Option<TensorId> {
        let inner = match &self.get(id).source {
            Source::Op(RealOp::AddAt { x, .. }) => *x,
            Source::Op(RealOp::Known { .. }) => id,
            _ => return None,
        };
        self.missing.keys().find(|input| self.reads_unchanged(inner, **input)).copied()
    }
}
