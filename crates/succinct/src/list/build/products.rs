//! Operands of phase 2.

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_relation::claims::coef;
use proveil_relation::groups::{Group, Side};

use super::{Address, Builder, OPERANDS, read, settings};
use crate::list::Key;
use crate::tables::{Low, Mono};

/// The part of an address that an operand carries.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    None,
    /// That of the granule.
    Rows,
    /// That of the cell inside a granule.
    Inside,
    Whole,
}

impl Builder<'_> {
    /// Both operands of every contraction.
    pub(super) fn products(&mut self) {
        let layout = self.layout;
        for g in &layout.groups {
            let term = &layout.products[g.term];
            let claimed: Vec<_> = term.sources.iter().filter(|s| self.claimed(s.0)).collect();
            if claimed.is_empty() {
                continue;
            }
            for side in [Side::Lhs, Side::Rhs] {
                let part = match (g.rows_to == side, g.low_to == side) {
                    (true, true) => Part::Whole,
                    (true, false) => Part::Rows,
                    (false, true) => Part::Inside,
                    (false, false) => Part::None,
                };
                // Weights of rows, with all that goes with them, are those of every source.
                if matches!(part, Part::None | Part::Inside) {
                    self.operand(g, side, part, &[], Mono::default(), Scalar::ONE);
                    self.end_term();
                    continue;
                }
                for (source, c) in &claimed {
                    let (_, rows, column) = self.space(*source);
                    self.operand(g, side, part, &rows, Mono { column, ..Mono::default() }, coef(*c));
                    self.end_term();
                }
            }
        }
    }

    fn operand(&mut self, g: &Group, side: Side, part: Part, rows: &[Address], mono: Mono, weight: Scalar) {
        let layout = self.layout;
        let dims = &layout.products[g.term].dims;
        let access = g.access(side);
        let tensor = access.tensor as usize;
        let shape = &layout.tensors[tensor].dims.shape;
        let (last, granule, chunks) = (g.space - 1, dims.granule, dims.chunks());
        let pinned = |v: usize, idx: &[usize]| g.fixed.iter().find(|f| f.0 == v).map_or(idx[v], |f| f.1);
        let mono = Mono { claim: OPERANDS + side.index() as u8, ..mono };
        settings(&g.side_extents(side), |idx| {
            let Some(cell) = read(shape, access, idx, 0) else { return };
            let line = (0..last).fold(0, |a, v| a * dims.shape[v] + pinned(v, idx));
            // Uncut, the last axis is whole; cut, it is one granule.
            let chunk = g.chunk.unwrap_or(idx[last] >> granule);
            let inside = idx[last] & ((1 << granule) - 1);
            let row = || rows[line * chunks + chunk];
            let (lane, at, bits) = match part {
                Part::None => (0, 0, [0, 0]),
                Part::Inside => (0, inside as u32, [0, granule as u8]),
                Part::Rows => (row().lane, row().at, [granule as u8, self.address_bits(row().lane)]),
                Part::Whole => (row().lane, row().at + inside as u32, [0, self.address_bits(row().lane)]),
            };
            let address = if bits[0] < bits[1] { bits } else { [0, 0] };
            let mono = Mono { lane, address, ..mono };
            let mut index = g.offset;
            let mut shift = 0;
            for (v, bits) in &g.kappa {
                index += idx[*v] << shift;
                shift += bits;
            }
            self.reads(tensor, cell, Key { mono, low: Low::default(), at: [at, index as u32, 0] }, weight);
        });
    }
}
