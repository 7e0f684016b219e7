//! Walks a relation's expressions, tables and claims cell by cell, as `relation::claims` walks them granule by granule.

mod products;
mod public;

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_prover::columns::for_runs;
use proveil_relation::Relation;
use proveil_relation::claims::coef;
use proveil_relation::decl::{Access, Coef, Home};
use proveil_relation::groups::Side;
use proveil_relation::key::{IoVisibility, Visibility};
use proveil_relation::layout::{Block, Dims, Layout};
use proveil_relation::terms::{LinearTerm, Source};

use super::{Key, List, cubes};
use crate::tables::{Low, Mono, integer};

/// Number of the claim about the left operand; the right one's follows.
const OPERANDS: u8 = 4;

/// Why a key has no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// A size that a short key has no room for.
    #[error("{what}: {value} is more than a short key holds ({most})")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        value: usize,
        /// The most.
        most: usize,
    },
}

/// What a cell of a tensor is to a claim.
enum Cell {
    /// A constant.
    Public(i64),
    /// Cell of a column: number of its value, place.
    Column(u8, u32),
}

/// A lane (or output) and an address.
#[derive(Clone, Copy)]
pub(super) struct Address {
    /// Exponent of `delta`.
    lane: u8,
    at: u32,
}

/// The list in the making.
pub(super) struct Builder<'a> {
    relation: &'a Relation,
    layout: &'a Layout,
    visibility: &'a Visibility,
    /// Places of cells by tensor; empty for public tensors.
    places: Vec<Vec<u32>>,
    /// Numbers of values by tree.
    outputs: Vec<Option<u8>>,
    /// Coordinates of `rho`.
    variables: u8,
    products: Vec<(Key, Scalar)>,
    /// The term at hand.
    term: Vec<(Key, Scalar)>,
}

/// The list of a relation under a layout of this backend, where every tree is one column at most.
///
/// # Errors
/// See [`ListError`].
pub fn build(relation: &Relation, layout: &Layout, visibility: &Visibility) -> Result<List, ListError> {
    let (points, outputs) = sizes(layout);
    let mut b = Builder::new(relation, layout, visibility, points[0]);
    b.public_part();
    b.lookups();
    b.linear();
    b.products();
    let mut products = b.products;
    cubes::collect(&mut products);
    let list = List::number(&products, points, outputs);
    let most = |what, value, most| if value > most { Err(ListError::TooLarge { what, value, most }) } else { Ok(()) };
    most("monomials", list.monos.len(), usize::from(u16::MAX))?;
    most("sums", list.lows.len(), usize::from(u16::MAX))?;
    most("bits of a table", list.sizes.piece, 26)?;
    most("rows of the argument", list.sizes.domain, 26)?;
    Ok(list)
}

/// Coordinates of the three points and number of values.
pub(super) fn sizes(layout: &Layout) -> ([usize; 3], usize) {
    let tallest = layout.heights.iter().copied().max().unwrap_or(0);
    let outputs = 2 + layout.trees.iter().filter(|t| t.columns > 0).count();
    ([layout.nv.max(layout.out_vars), layout.nk, tallest], outputs)
}

/// Cells that [`build`] looks at for products and linear terms, which nearly all of its time goes to.
pub(crate) fn reads(layout: &Layout) -> u64 {
    let cells = |extents: &[usize]| extents.iter().fold(1u64, |a, n| a.saturating_mul(*n as u64));
    let operands = layout.groups.iter().map(|g| {
        let sides = [Side::Lhs, Side::Rhs].map(|s| cells(&g.side_extents(s)));
        let sources = layout.products.get(g.term).map_or(1, |t| t.sources.len()) as u64;
        sides.iter().fold(0u64, |a, n| a.saturating_add(*n)).saturating_mul(sources)
    });
    let linear = layout.linears.iter().map(|t| {
        let sums = t.linear.sum.iter().fold(cells(&t.dims.shape), |a, n| a.saturating_mul(u64::from(*n)));
        sums.saturating_mul(t.sources.len() as u64)
    });
    operands.chain(linear).fold(0, u64::saturating_add)
}

/// Calls `visit` with every setting of variables of these lengths.
pub(super) fn settings(extents: &[usize], mut visit: impl FnMut(&[usize])) {
    if extents.contains(&0) {
        return;
    }
    let mut idx = vec![0; extents.len()];
    loop {
        visit(&idx);
        let Some(v) = (0..extents.len()).rev().find(|v| idx[*v] + 1 < extents[*v]) else { return };
        idx[v] += 1;
        idx[v + 1..].fill(0);
    }
}

/// The cell that an access reads, row-major, `further` cells along the last axis.
fn read(shape: &[usize], access: &Access, idx: &[usize], further: i64) -> Option<usize> {
    if access.guards.iter().any(|g| u64::try_from(g.form.at(idx)).map_or(true, |v| v >= g.bound)) {
        return None;
    }
    let mut cell = 0;
    for (i, (form, n)) in access.axes.iter().zip(shape).enumerate() {
        let v = form.at(idx) + if i + 1 == shape.len() { further } else { 0 };
        cell = cell * n + usize::try_from(v).ok().filter(|v| v < n)?;
    }
    Some(cell)
}

/// Lane and address of every row of a block.
fn rows(block: &Block) -> Vec<Address> {
    let mut out = vec![Address { lane: 0, at: 0 }; block.dims.rows()];
    for s in &block.segments {
        for (i, slot) in out[s.row..s.row + s.rows].iter_mut().enumerate() {
            *slot = Address { lane: s.lane as u8, at: (s.start + (i << block.dims.granule)) as u32 };
        }
    }
    out
}

/// Address of a cell, row-major, from those of rows.
fn address(dims: &Dims, rows: &[Address], cell: usize) -> Address {
    let (line, along) = (cell / dims.last, cell % dims.last);
    let row = rows[line * dims.chunks() + (along >> dims.granule)];
    Address { at: row.at + (along & ((1 << dims.granule) - 1)) as u32, ..row }
}

impl<'a> Builder<'a> {
    fn new(relation: &'a Relation, layout: &'a Layout, visibility: &'a Visibility, variables: usize) -> Self {
        let mut places = Vec::new();
        for placed in &layout.tensors {
            let mut own = vec![0; if placed.tree.is_some() { placed.dims.outer * placed.dims.last } else { 0 }];
            if placed.tree.is_some() {
                for_runs(placed, |_, at, from, len| (0..len).for_each(|i| own[from + i] = (at + i) as u32));
            }
            places.push(own);
        }
        let mut count = 1;
        let mut number = |columns: usize| {
            count += u8::from(columns > 0);
            (columns > 0).then_some(count)
        };
        let outputs = layout.trees.iter().map(|t| number(t.columns)).collect();
        let (products, term) = (Vec::new(), Vec::new());
        Self { relation, layout, visibility, places, outputs, variables: variables as u8, products, term }
    }

    fn cell(&self, tensor: usize, cell: usize) -> Cell {
        match self.relation.tensors.get(tensor).map(|t| &t.home) {
            Some(Home::Public(values)) => Cell::Public(values[cell]),
            _ => {
                let output = self.layout.tensors[tensor].tree.and_then(|t| self.outputs[t]).unwrap_or_default();
                Cell::Column(output, self.places[tensor][cell])
            }
        }
    }

    /// Bits of an address of a source: outputs read all of `rho`.
    fn address_bits(&self, lane: u8) -> u8 {
        if lane < 2 { self.layout.nv as u8 } else { self.variables }
    }

    /// Adds `weight` times the cell to the term, with the factors of `key`, whose output and cell are filled in.
    fn reads(&mut self, tensor: usize, cell: usize, mut key: Key, weight: Scalar) {
        match self.cell(tensor, cell) {
            Cell::Public(v) => {
                (key.mono.output, key.mono.off) = (1, key.mono.off | 2);
                self.term.push((key, weight * integer(v)));
            }
            Cell::Column(output, place) => {
                key.mono.output = output;
                key.at[2] = place;
                self.term.push((key, weight));
            }
        }
    }

    /// Joins what the term has and begins another one.
    fn end_term(&mut self) {
        let term = core::mem::take(&mut self.term);
        self.products.extend(cubes::join(term));
    }

    /// A key that reads an address and nothing else.
    fn at_address(&self, a: Address) -> Key {
        let address = [0, self.address_bits(a.lane)];
        let mono = Mono { lane: a.lane, address, off: 3, ..Mono::default() };
        Key { mono, low: Low::default(), at: [a.at, 0, 0] }
    }

    /// Whether anything is claimed of a source.
    fn claimed(&self, source: Source) -> bool {
        match source {
            Source::Block(..) => true,
            Source::Output(o) => self.visibility.output(o as u32) != IoVisibility::Private,
        }
    }

    /// Shape and addresses of the rows of a source's space, exponent of `beta`.
    fn space(&self, source: Source) -> (&'a Dims, Vec<Address>, u8) {
        match source {
            Source::Block(i, c) => {
                let b = &self.layout.blocks[i];
                (&b.dims, rows(b), c as u8 + 1)
            }
            Source::Output(o) => {
                let dims = &self.layout.outputs[o];
                let row = |r: usize| Address { lane: o as u8 + 2, at: (r << dims.granule) as u32 };
                (dims, (0..dims.rows()).map(row).collect(), 0)
            }
        }
    }

    /// Claims about multiplicities and the helper.
    fn lookups(&mut self) {
        let first = self.relation.lookups.len();
        for (t, b) in self.layout.blocks.iter().skip(first).enumerate() {
            let rows = rows(b);
            let tensor = self.layout.multiplicity(self.relation, t);
            for cell in 0..b.dims.outer * b.dims.last {
                let a = address(&b.dims, &rows, cell);
                let mut key = self.at_address(a);
                (key.mono.claim, key.mono.lane, key.mono.off) = (2 + a.lane, 0, 1);
                self.reads(tensor, cell, key, -Scalar::ONE);
            }
            self.end_term();
        }
        let helper = self.layout.helper(self.relation);
        let cells = self.layout.tensors[helper].dims.last;
        for cell in 0..cells {
            let mut key = self.at_address(Address { lane: 0, at: cell as u32 });
            key.mono.off = 1;
            self.reads(helper, cell, key, Scalar::ONE);
        }
        self.end_term();
        for cell in 0..cells {
            let mono = Mono { claim: 1, off: 1, ..Mono::default() };
            self.reads(helper, cell, Key { mono, low: Low::default(), at: [0; 3] }, Scalar::ONE);
        }
        self.end_term();
    }

    /// Linear terms and committed outputs.
    fn linear(&mut self) {
        for term in &self.layout.linears {
            for (k, (source, c)) in term.sources.iter().enumerate() {
                if self.claimed(*source) {
                    self.linear_term(term, *source, coef(*c), term.step * k as i64);
                    self.end_term();
                }
            }
        }
        for (t, decl) in self.relation.tensors.iter().enumerate() {
            let Home::Output(o) = decl.home else { continue };
            if self.visibility.output(o) != IoVisibility::Committed {
                continue;
            }
            let (dims, rows, _) = self.space(Source::Output(o as usize));
            for cell in 0..decl.cells() {
                let key = self.at_linear(address(dims, &rows, cell), 0);
                self.reads(t, cell, key, -Scalar::ONE);
            }
            self.end_term();
        }
    }

    /// A key of the linear entry of phase 2.
    fn at_linear(&self, a: Address, column: u8) -> Key {
        let mut key = self.at_address(a);
        (key.mono.claim, key.mono.column, key.mono.off) = (OPERANDS + 1, column, 0);
        key.at[1] = self.layout.linear_at as u32;
        key
    }

    fn linear_term(&mut self, term: &LinearTerm, source: Source, weight: Scalar, further: i64) {
        let (dims, rows, column) = self.space(source);
        let access = &term.linear.access;
        let tensor = access.tensor as usize;
        let shape = &self.layout.tensors[tensor].dims.shape;
        let sums: Vec<usize> = term.linear.sum.iter().map(|n| *n as usize).collect();
        let extents = [&dims.shape[..], &sums].concat();
        let per = sums.iter().product::<usize>().max(1);
        let mut count = 0;
        settings(&extents, |idx| {
            if let Some(cell) = read(shape, access, idx, further) {
                let key = self.at_linear(address(dims, &rows, count / per), column);
                self.reads(tensor, cell, key, weight);
            }
            count += 1;
        });
    }
}

/// A coefficient as a scalar.
fn scalar_of(c: Coef) -> Scalar {
    coef(c)
}
