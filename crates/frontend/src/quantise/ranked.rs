//! Cells that are compared with one another. Rounding them turns near ties, so they are compared as they are where
//! that is cheap.

use proveil_graph::TensorId;

use super::{Quantiser, Rep, bits_of};
use crate::error::Result;
use crate::real::{RealOp, Source};

/// A comparison costs a look-up for each digit of the operand: few cells may be wide.
const FEW_CELLS: usize = 4096;
/// Bits of an operand of a comparison; those that stand below all others need some more.
const WIDEST: u32 = 48;

impl Quantiser<'_> {
    /// The integers whose order decides an arg-max.
    pub(super) fn ranked(&mut self, x: TensorId) -> Result<Rep> {
        let rep = self.rep(x)?;
        let prepared = matches!(self.g.get(x).source, Source::Op(RealOp::Without { .. })) || self.is_of_trees(x);
        let few = self.g.get(x).cells() <= FEW_CELLS && bits_of(self.range(rep.id)) <= WIDEST;
        if prepared || few { Ok(rep) } else { self.narrow(x, self.set.table_bits) }
    }

    /// `x`, with the cells marked by one of `out` moved below its whole range.
    pub(super) fn without(&mut self, x: TensorId, out: &[TensorId]) -> Result<Rep> {
        let row = self.ranked(x)?;
        let range = self.range(row.id);
        let mut terms = vec![(1, row.id)];
        for hot in out {
            terms.push((range.lo - range.hi - 1, self.rep(*hot)?.id));
        }
        let name = self.name("");
        Ok(Rep { id: self.b.combine(&name, &terms, 0, Self::scale_of(row.step))?, step: row.step })
    }
}
