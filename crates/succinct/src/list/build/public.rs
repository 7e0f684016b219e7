//! Public parts: what the claim of phase 2 has besides products and linear terms, and constants of phase 3's claims.

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_relation::decl::Expr;
use proveil_relation::layout::{Block, LaneSegment};
use proveil_relation::table::{Column, Part};

use super::{Address, Builder, OPERANDS, address, rows, scalar_of};
use crate::list::Key;
use crate::tables::{Kind, Low, Mono, integer};
use proveil_relation::terms::Source;

impl Builder<'_> {
    /// Everything of both public parts but public tensors.
    pub(super) fn public_part(&mut self) {
        let (relation, layout) = (self.relation, self.layout);
        let (looked, tables) = layout.blocks.split_at(relation.lookups.len());
        for (l, b) in relation.lookups.iter().zip(looked) {
            self.constants(b, l.table as usize, 0, &l.tuple);
            self.indicator(b);
        }
        for o in 0..relation.outputs.len() {
            let source = Source::Output(o);
            let weight = scalar_of(relation.outputs[o].expr.constant);
            if self.claimed(source) && weight != Scalar::ZERO {
                let (dims, rows, _) = self.space(source);
                for cell in 0..dims.outer * dims.last {
                    let key = self.at_address(address(dims, &rows, cell));
                    self.term.push((key, weight));
                }
                self.end_term();
            }
        }
        for (t, (table, b)) in relation.tables.iter().zip(tables).enumerate() {
            match table.expressions() {
                Some((_, columns)) => {
                    self.constants(b, t, 1, columns);
                    self.numbers(b);
                }
                None => b.segments.iter().for_each(|s| self.public_rows(t, table.parts(), b, s)),
            }
        }
        // The linear entry's left operand is 1.
        let mono = Mono { output: 1, claim: OPERANDS, off: 2, ..Mono::default() };
        self.products.push((Key { mono, low: Low::default(), at: [0, layout.linear_at as u32, 0] }, Scalar::ONE));
    }

    /// A table's id and the constants of a tuple, on all cells of a block.
    fn constants(&mut self, b: &Block, table: usize, first: usize, tuple: &[Expr]) {
        let constants = tuple.iter().zip(first + 1..).map(|(e, c)| (c, scalar_of(e.constant)));
        let id = (0, integer(table as i64 + 1));
        for (column, weight) in [id].into_iter().chain(constants.filter(|c| c.1 != Scalar::ZERO)) {
            self.on_block(b, weight, |m| m.column = column as u8);
        }
    }

    /// Numerators of look-ups.
    fn indicator(&mut self, b: &Block) {
        self.on_block(b, Scalar::ONE, |m| (m.output, m.claim, m.lane) = (1, 2 + m.lane, 0));
    }

    fn on_block(&mut self, b: &Block, weight: Scalar, change: impl Fn(&mut Mono)) {
        let rows = rows(b);
        for cell in 0..b.dims.outer * b.dims.last {
            let mut key = self.at_address(address(&b.dims, &rows, cell));
            change(&mut key.mono);
            self.term.push((key, weight));
        }
        self.end_term();
    }

    /// Row numbers of a table of committed rows.
    fn numbers(&mut self, b: &Block) {
        let rows = rows(b);
        let mut run: Option<(Address, i64, usize)> = None;
        for cell in 0..b.dims.outer * b.dims.last {
            let a = address(&b.dims, &rows, cell);
            match &mut run {
                Some((first, _, len)) if a.lane == first.lane && a.at as usize == first.at as usize + *len => *len += 1,
                _ => {
                    if let Some((first, start, len)) = run.replace((a, cell as i64, 1)) {
                        self.ramp(first, start, len, 1);
                    }
                }
            }
        }
        if let Some((first, start, len)) = run {
            self.ramp(first, start, len, 1);
        }
    }

    /// `sum_(i < len) eq(rho, address + i) (start + i)`, by aligned blocks.
    fn ramp(&mut self, first: Address, start: i64, len: usize, column: u8) {
        let (mut at, end) = (first.at as usize, first.at as usize + len);
        while at < end {
            let mut bits = at.trailing_zeros().min(31);
            while at + (1 << bits) > end {
                bits -= 1;
            }
            let mut key = self.at_address(Address { at: at as u32, ..first });
            key.mono.column = column;
            let low = |kind| Low { kind: if bits == 0 { Kind::Addresses } else { kind }, bits: bits as u8 };
            let value = start + (at - first.at as usize) as i64;
            self.products.push((Key { low: low(Kind::Addresses), ..key }, integer(value)));
            if bits > 0 {
                self.products.push((Key { low: low(Kind::Ramp), ..key }, Scalar::ONE));
            }
            at += 1 << bits;
        }
    }

    /// The rows of a public table that lie in one segment of its block.
    fn public_rows(&mut self, table: usize, parts: &[Part], b: &Block, s: &LaneSegment) {
        let granule = b.dims.granule;
        let (from, to) = (s.row << granule, ((s.row + s.rows) << granule).min(b.dims.last));
        let place = |row: usize| Address { lane: s.lane as u8, at: (s.start + row - from) as u32 };
        let mut at = 0;
        for p in parts {
            let (first, end) = (at.clamp(from, to), (at + p.len as usize).clamp(from, to));
            for row in first..end {
                self.term.push((self.at_address(place(row)), integer(table as i64 + 1)));
            }
            for (c, column) in p.columns.iter().zip(1u8..).map(|(column, c)| (c, column)) {
                match column {
                    Column::Ramp(v) if first < end => {
                        self.ramp(place(first), v.wrapping_add((first - at) as i64), end - first, c);
                    }
                    Column::Ramp(_) => {}
                    Column::Constant(_) | Column::Values(_) => {
                        for row in first..end {
                            let v = match column {
                                Column::Values(v) => v[row - at],
                                Column::Constant(v) | Column::Ramp(v) => *v,
                            };
                            let mut key = self.at_address(place(row));
                            key.mono.column = c;
                            self.term.push((key, integer(v)));
                        }
                    }
                }
            }
            at += p.len as usize;
        }
        self.end_term();
    }
}
