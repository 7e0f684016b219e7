//! The fractions of both lanes, made a few addresses at a time from the integers looked up: denominators are three times
//! as long as anything they are made of, and it costs less to make them twice than to keep them.

use proveil_algebra::{E, F, PrimeCharacteristicRing, base_from_i64};
use proveil_relation::claims::table_id;
use proveil_relation::decl::Relation;
use proveil_relation::layout::{Block, Layout};
use proveil_relation::table::{self, Table};
use rayon::prelude::*;

use super::CHUNK;
use crate::ProveError;
use crate::packed;

/// Most addresses read at a time.
pub(super) const LONGEST: usize = 2 * CHUNK;

/// Values by look-up or table, column and cell.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Those of a witness.
    Integers(&'a [Vec<Vec<i64>>]),
    /// Field elements that need not be small.
    Field(&'a [Vec<Vec<F>>]),
}

impl<'a> Values<'a> {
    fn columns(&self, index: usize) -> Vec<Column<'a>> {
        match self {
            Self::Integers(v) => v.get(index).map_or(vec![], |c| c.iter().map(|c| Column::Integers(c)).collect()),
            Self::Field(v) => v.get(index).map_or(vec![], |c| c.iter().map(|c| Column::Field(c)).collect()),
        }
    }
}

/// One entry of every tuple of a block.
enum Column<'a> {
    Integers(&'a [i64]),
    Field(&'a [F]),
    /// The number of the row.
    Number,
    /// A column of a public table.
    Public(&'a Table, usize),
}

impl Column<'_> {
    /// Cells `from ..`.
    fn read(&self, from: usize, out: &mut [F]) {
        match self {
            Self::Integers(v) => out.iter_mut().zip(&v[from..]).for_each(|(o, x)| *o = base_from_i64(*x)),
            Self::Field(v) => out.copy_from_slice(&v[from..from + out.len()]),
            Self::Number => out.iter_mut().zip(from as u64..).for_each(|(o, x)| *o = F::from_u64(x)),
            Self::Public(table, column) => read_public(table, *column, from, out),
        }
    }
}

fn read_public(table: &Table, column: usize, mut from: usize, mut out: &mut [F]) {
    for part in table.parts() {
        let len = part.len as usize;
        if from >= len {
            from -= len;
            continue;
        }
        let (now, rest) = out.split_at_mut(out.len().min(len - from));
        match &part.columns[column] {
            table::Column::Ramp(s) => {
                now.iter_mut().zip(from as i64..).for_each(|(o, i)| *o = base_from_i64(s.wrapping_add(i)));
            }
            table::Column::Constant(k) => now.fill(base_from_i64(*k)),
            table::Column::Values(v) => now.iter_mut().zip(&v[from..]).for_each(|(o, x)| *o = base_from_i64(*x)),
        }
        (from, out) = (0, rest);
    }
}

/// Tuples of one look-up or rows of one table.
struct Entries<'a> {
    /// Length of the last axis, without and with padding.
    last: usize,
    padded: usize,
    /// `alpha` less the table's number.
    base: E,
    columns: Vec<Column<'a>>,
    /// Multiplicities of rows; tuples count one.
    counts: Option<&'a [i64]>,
}

/// Consecutive addresses of a lane that belong to one block.
#[derive(Clone, Copy)]
struct Segment {
    at: usize,
    len: usize,
    block: usize,
    /// First cell in the block, padding counted.
    from: usize,
}

/// The fractions of both lanes.
pub struct Fractions<'a> {
    /// Used addresses of a lane.
    pub len: usize,
    /// The denominator of an unused address.
    pub alpha: E,
    powers: Vec<E>,
    blocks: Vec<Entries<'a>>,
    /// By lane, ascending.
    segments: [Vec<Segment>; 2],
}

/// Denominators and numerators of a few addresses of both lanes.
pub(super) struct Chunk {
    pub den: [Vec<E>; 2],
    pub num: [Vec<F>; 2],
    columns: Vec<Vec<F>>,
}

impl Chunk {
    pub fn new(cells: usize) -> Self {
        let (den, num) = (vec![E::ZERO; cells], vec![F::ZERO; cells]);
        Self { den: [den.clone(), den], num: [num.clone(), num], columns: Vec::new() }
    }
}

impl<'a> Fractions<'a> {
    /// What the tuples, the values of committed table rows behind their numbers, and the multiplicities are at.
    #[must_use]
    pub fn new(
        relation: &'a Relation,
        layout: &Layout,
        tuples: Values<'a>,
        rows: Values<'a>,
        multiplicities: &'a [Vec<i64>],
        [alpha, beta]: [E; 2],
    ) -> Self {
        let width = relation.tables.iter().map(Table::width).max().unwrap_or(0) as u64;
        let powers: Vec<E> = (1..=width).map(|i| beta.exp_u64(i)).collect();
        let entries = |block: &Block, table: usize, columns, counts| {
            let (last, padded) = (block.dims.last, block.dims.padded_last());
            // Without padding, lines follow each other: all of it is line 0.
            let (last, padded) = if last == padded { (usize::MAX, usize::MAX) } else { (last, padded) };
            Entries { last, padded, base: alpha - table_id::<E>(table), columns, counts }
        };
        let (lookups, tables) = layout.blocks.split_at(relation.lookups.len());
        let looked_up = relation.lookups.iter().zip(lookups).enumerate();
        let mut blocks: Vec<Entries<'a>> =
            looked_up.map(|(i, (l, block))| entries(block, l.table as usize, tuples.columns(i), None)).collect();
        for (t, (table, block)) in relation.tables.iter().zip(tables).enumerate() {
            let columns = match table.expressions() {
                Some(_) => std::iter::once(Column::Number).chain(rows.columns(t)).collect(),
                None => (0..table.width()).map(|c| Column::Public(table, c)).collect(),
            };
            blocks.push(entries(block, t, columns, Some(&multiplicities[t])));
        }
        let len = layout.tensors[layout.helper(relation)].dims.last;
        Self { len, alpha, powers, blocks, segments: segments(layout) }
    }

    /// Fills the first `len` cells of `out` with the fractions at the addresses `at ..`.
    pub(super) fn read(&self, at: usize, len: usize, out: &mut Chunk) {
        for (lane, segments) in self.segments.iter().enumerate() {
            let (den, num) = (&mut out.den[lane][..len], &mut out.num[lane][..len]);
            den.fill(self.alpha);
            num.fill(F::ZERO);
            let first = segments.partition_point(|s| s.at + s.len <= at);
            for s in segments[first..].iter().take_while(|s| s.at < at + len) {
                let (from, to) = (s.at.max(at), (s.at + s.len).min(at + len));
                let range = from - at..to - at;
                let cell = s.from + from - s.at;
                self.read_block(s.block, cell, &mut den[range.clone()], &mut num[range], &mut out.columns);
            }
        }
    }

    /// Fractions of one block, from its cell `from` on, padding counted.
    fn read_block(&self, block: usize, mut from: usize, den: &mut [E], num: &mut [F], scratch: &mut Vec<Vec<F>>) {
        let b = &self.blocks[block];
        scratch.resize_with(b.columns.len().max(scratch.len()), || vec![F::ZERO; LONGEST]);
        let mut done = 0;
        while done < den.len() {
            let (line, inside) = (from / b.padded, from % b.padded);
            let len = (b.padded - inside).min(den.len() - done);
            if let Some(real) = b.last.checked_sub(inside).filter(|n| *n > 0) {
                let (real, cell) = (real.min(len), line * b.last + inside);
                for (column, out) in b.columns.iter().zip(scratch.iter_mut()) {
                    column.read(cell, &mut out[..real]);
                }
                let columns: Vec<&[F]> = scratch[..b.columns.len()].iter().map(|c| &c[..real]).collect();
                packed::combine(&mut den[done..done + real], b.base, &self.powers, &columns);
                let num = &mut num[done..done + real];
                match b.counts {
                    None => num.fill(F::ONE),
                    Some(m) => num.iter_mut().zip(&m[cell..]).for_each(|(o, m)| *o = base_from_i64(-*m)),
                }
            }
            done += len;
            from += len;
        }
    }

    /// `N0/D0 + N1/D1` at every used address.
    ///
    /// # Errors
    /// `Pole` when a denominator is zero (probability below 2^-160): prove again.
    pub fn helpers(&self) -> Result<Vec<E>, ProveError> {
        let mut out = packed::room(self.len, Vec::new());
        let chunks = out.par_chunks_mut(CHUNK).enumerate();
        let done = chunks.map_init(
            || Chunk::new(CHUNK),
            |chunk, (k, out)| {
                let len = out.len();
                self.read(k * CHUNK, len, chunk);
                let [d0, d1] = &chunk.den;
                let [n0, n1] = &chunk.num;
                packed::sums_of_fractions([&d0[..len], &d1[..len]], [&n0[..len], &n1[..len]], out)
            },
        );
        if done.reduce(|| true, |a, b| a & b) { Ok(out) } else { Err(ProveError::Pole) }
    }

    /// All denominators and numerators, by lane and address.
    #[must_use]
    pub fn dense(&self) -> [(Vec<E>, Vec<F>); 2] {
        let mut out = [const { (Vec::new(), Vec::new()) }; 2];
        let mut chunk = Chunk::new(CHUNK);
        for at in (0..self.len).step_by(CHUNK) {
            let len = CHUNK.min(self.len - at);
            self.read(at, len, &mut chunk);
            for (lane, (den, num)) in out.iter_mut().enumerate() {
                den.extend_from_slice(&chunk.den[lane][..len]);
                num.extend_from_slice(&chunk.num[lane][..len]);
            }
        }
        out
    }
}

fn segments(layout: &Layout) -> [Vec<Segment>; 2] {
    let mut out = [Vec::new(), Vec::new()];
    for (block, b) in layout.blocks.iter().enumerate() {
        for s in &b.segments {
            let g = b.dims.granule;
            out[s.lane].push(Segment { at: s.start, len: s.rows << g, block, from: s.row << g });
        }
    }
    out.iter_mut().for_each(|lane| lane.sort_unstable_by_key(|s| s.at));
    out
}
