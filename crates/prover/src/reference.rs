//! The phases computed slowly and literally: what every fast kernel is compared with.
//!
//! Plain loops over cells, straight from the declarations and the documented address rules; no threads, no granules but
//! where an address needs them, no incremental forms. Of the layout only the index space of phase 2
//! ([`proveil_relation::groups`]) is taken as given; columns, addresses, weights and messages are computed anew.
//!
//! Symbols: `alpha`, `beta`, `delta`, `rho`, `kappa`, `tau` as in [`proveil_relation::claims`]; `eq(p, x)` is the product
//! over the bits of `x` of `p_i` or `1 - p_i`. *Cells* are row-major everywhere. Relations must have passed
//! [`proveil_relation::check`]: an index that refers to nothing panics.

use proveil_algebra::{Challenge, E, F, Field, PrimeCharacteristicRing};
use proveil_relation::claims::Point;
use proveil_relation::groups::{Group, Side};
use proveil_relation::key::{Geometry, IoVisibility, Visibility};
use proveil_relation::layout::{Layout, TreeKind};
use proveil_relation::terms::{ProductTerm, Source};
use proveil_relation::{Access, Affine, Coef, Expr, Home, Relation};

/// A place in a column: tree, column, cell.
pub type Place = (usize, usize, usize);

/// Where everything lies, one cell at a time.
#[derive(Clone, Debug)]
pub struct Reference<'a> {
    /// What is placed.
    pub relation: &'a Relation,
    /// Who sees what.
    pub visibility: &'a Visibility,
    /// Trees in transcript order: kind and log2 of the column height.
    pub trees: Vec<(TreeKind, usize)>,
    /// Columns of every tree.
    pub columns: Vec<usize>,
    /// `[tensor][cell]` of the relation's tensors, then multiplicities, then helpers; empty for public tensors.
    pub places: Vec<Vec<Place>>,
    /// `[block][cell]`: lane and address of every look-up cell, then of every table row.
    pub fractions: Vec<Vec<(usize, usize)>>,
    /// `[output][cell]`: addresses of outputs.
    pub outputs: Vec<Vec<usize>>,
    /// Used addresses of a lane.
    pub fill: usize,
    /// log2 of the addresses of a lane.
    pub nv: usize,
    cap: usize,
}

/// Dense fractions of both lanes, `2^nv` each.
#[derive(Clone, Debug)]
pub struct Fractions {
    /// Fingerprints `W_j`; 0 at unused addresses.
    pub fingerprints: [Vec<E>; 2],
    /// Denominators `D_j = alpha - W_j`.
    pub den: [Vec<E>; 2],
    /// Numerators.
    pub num: [Vec<E>; 2],
    /// `N_0 / D_0 + N_1 / D_1`.
    pub helper: Vec<E>,
}

/// Where the cells of a space lie.
struct Addresses<'p> {
    /// Lane or output weight, and address, of every cell.
    at: Vec<(E, usize)>,
    /// The point of the addresses.
    point: &'p [E],
    /// Scale of the source's column.
    scale: E,
}

/// The combination that phase 2 is about, by origin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Combination {
    /// Table ids, constants of expressions and table rows.
    pub public: E,
    /// Linear terms.
    pub linear: E,
    /// Products.
    pub products: E,
}

/// `eq(pt, x)`; 0 when `x` has more bits than the point.
pub fn eq(pt: &[E], x: usize) -> E {
    if pt.len() < usize::BITS as usize && x >> pt.len() != 0 {
        return E::ZERO;
    }
    (0..pt.len()).fold(E::ONE, |a, i| a * if x >> i & 1 == 1 { pt[i] } else { E::ONE - pt[i] })
}

/// The multilinear extension of `2^pt.len()` values.
pub fn extension(values: &[E], pt: &[E]) -> E {
    values.iter().enumerate().fold(E::ZERO, |a, (x, v)| a + eq(pt, x) * *v)
}

/// Visits all settings of index variables, the last one fastest.
pub fn settings(extents: &[usize], mut visit: impl FnMut(&[usize])) {
    let total: usize = extents.iter().product();
    let mut idx = vec![0; extents.len()];
    for mut k in 0..total {
        for (i, n) in idx.iter_mut().zip(extents).rev() {
            (*i, k) = (k % n, k / n);
        }
        visit(&idx);
    }
}

fn lengths(space: &[u32], sum: &[u32]) -> Vec<usize> {
    space.iter().chain(sum).map(|n| *n as usize).collect()
}

fn form(a: &Affine, idx: &[usize]) -> i128 {
    a.terms.iter().fold(i128::from(a.offset), |s, (v, c)| s + i128::from(*c) * idx[*v as usize] as i128)
}

/// The cell that an access reads, or `None` where it reads 0.
#[must_use]
pub fn cell(access: &Access, shape: &[u32], idx: &[usize]) -> Option<usize> {
    if !access.guards.iter().all(|g| (0..i128::from(g.bound)).contains(&form(&g.form, idx))) {
        return None;
    }
    access.axes.iter().zip(shape).try_fold(0, |at, (a, n)| {
        let i = form(a, idx);
        (0..i128::from(*n)).contains(&i).then(|| at * *n as usize + i as usize)
    })
}

fn coefficient(c: Coef) -> E {
    let two = F::ONE + F::ONE;
    E::from_int(c.num) * (0..c.shift).fold(F::ONE, |a, _| a * two).inverse()
}

/// log2 of the granule of a last axis: of those of at most `2^cap` cells, and of at most the axis rounded up to a power
/// of two, that pad the axis by at most a third, the one with the fewest cells when each granule counts as eight more.
#[must_use]
pub fn granule(last: usize, cap: usize) -> usize {
    let (mut best, mut least) = (0, usize::MAX);
    for g in 0..=cap {
        let size = 1 << g;
        let chunks = last.div_ceil(size);
        let padding = chunks * size - last;
        let cost = chunks * (size + 8);
        if size < 2 * last && 3 * padding <= last && cost <= least {
            (best, least) = (g, cost);
        }
    }
    best
}

/// A shape cut into granules, one after the other.
struct Granules {
    log: usize,
    /// Cells of each granule.
    cells: Vec<Vec<usize>>,
}

impl Granules {
    fn new(shape: &[u32], cap: usize) -> Self {
        let last = shape.last().map_or(1, |n| *n as usize);
        let total: usize = shape.iter().map(|n| *n as usize).product();
        let log = granule(last, cap);
        let mut cells = Vec::new();
        for line in 0..total / last {
            for from in (0..last).step_by(1 << log) {
                cells.push((from..last.min(from + (1 << log))).map(|i| line * last + i).collect());
            }
        }
        Self { log, cells }
    }

    /// Positions of cells when the granules lie one after the other from 0.
    fn positions(&self) -> Vec<usize> {
        let lines = self.cells.iter().enumerate();
        lines.flat_map(|(r, g)| (0..g.len()).map(move |j| (r << self.log) + j)).collect()
    }
}

/// Indices of items in the order of placement: largest granule first, then in the order of declaration.
fn by_size(items: &[Granules]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|i| (usize::MAX - items[*i].log, *i));
    order
}

/// Lanes and addresses: lane 0 takes half of all granules, rounded up to the largest granule, then lane 1 the rest.
fn lanes(blocks: &[Granules]) -> (Vec<Vec<(usize, usize)>>, usize) {
    let largest = blocks.iter().map(|b| 1usize << b.log).max().unwrap_or(1);
    let total: usize = blocks.iter().map(|b| b.cells.len() << b.log).sum();
    let half = total.div_ceil(2).div_ceil(largest) * largest;
    let mut out: Vec<Vec<(usize, usize)>> = blocks.iter().map(|_| Vec::new()).collect();
    let mut at = 0;
    for i in by_size(blocks) {
        for g in &blocks[i].cells {
            let (lane, from) = if at < half { (0, at) } else { (1, at - half) };
            out[i].extend((0..g.len()).map(|j| (lane, from + j)));
            at += 1 << blocks[i].log;
        }
    }
    (out, half.min(total).max(2))
}

/// Puts every granule in the last column, or in a new one if that has no room; returns the number of columns.
fn place(items: &[Granules], tree: usize, room: usize, out: &mut [&mut Vec<Place>]) -> usize {
    let mut used: Vec<usize> = Vec::new();
    for i in by_size(items) {
        for g in &items[i].cells {
            let size = 1 << items[i].log;
            if used.last().is_none_or(|u| u + size > room) {
                used.push(0);
            }
            let column = used.len() - 1;
            out[i].extend((0..g.len()).map(|j| (tree, column, used[column] + j)));
            used[column] += size;
        }
    }
    used.len()
}

/// Trees in transcript order with the height of their columns and their random cells.
fn trees(relation: &Relation, g: &Geometry, v: &Visibility) -> Vec<(TreeKind, usize, Option<u32>)> {
    let height = usize::from(g.log_height);
    let random = |top: u32| v.zero_knowledge.then_some(top);
    let mut io = Vec::new();
    for (k, h) in g.inputs.iter().enumerate().filter(|(k, _)| v.inputs[*k] == IoVisibility::Committed) {
        io.push((TreeKind::Input(k as u32), usize::from(*h), Some(g.io_top)));
    }
    for (k, h) in g.outputs.iter().enumerate().filter(|(k, _)| v.outputs[*k] == IoVisibility::Committed) {
        io.push((TreeKind::Output(k as u32), usize::from(*h), Some(g.io_top)));
    }
    let mut out = Vec::new();
    if relation.tensors.iter().any(|t| t.home == Home::Model) {
        out.push((TreeKind::Model, height, v.model_hidden().then_some(g.model_top)));
    }
    out.extend(io.iter().copied());
    if v.zero_knowledge {
        out.extend(io.iter().map(|(_, h, _)| (TreeKind::Mask, *h, Some(0))));
    }
    out.push((TreeKind::Trace, height, random(g.trace_top)));
    out.push((TreeKind::Helper, height, random(g.trace_top)));
    out
}

impl<'a> Reference<'a> {
    /// Places everything.
    #[must_use]
    pub fn new(relation: &'a Relation, geometry: &Geometry, visibility: &'a Visibility) -> Self {
        let cap_of = |height: usize| height.saturating_sub(3).min(10);
        let cap = cap_of(usize::from(geometry.log_height));
        let rows: Vec<Vec<u32>> = relation.tables.iter().map(proveil_relation::table::Table::space).collect();
        let spaces = relation.lookups.iter().map(|l| Granules::new(&l.space, cap));
        let blocks: Vec<Granules> = spaces.chain(rows.iter().map(|n| Granules::new(n, cap))).collect();
        let (fractions, fill) = lanes(&blocks);
        let plan = trees(relation, geometry, visibility);
        let mut held: Vec<(Option<TreeKind>, Vec<u32>)> = relation
            .tensors
            .iter()
            .map(|t| match &t.home {
                Home::Public(_) => (None, t.shape.clone()),
                Home::Model => (Some(TreeKind::Model), t.shape.clone()),
                Home::Trace => (Some(TreeKind::Trace), t.shape.clone()),
                Home::Output(k) => (Some(TreeKind::Output(*k)), t.shape.clone()),
                Home::Input(k) => match visibility.inputs[*k as usize] {
                    IoVisibility::Public => (None, t.shape.clone()),
                    IoVisibility::Private => (Some(TreeKind::Trace), t.shape.clone()),
                    IoVisibility::Committed => (Some(TreeKind::Input(*k)), t.shape.clone()),
                },
            })
            .collect();
        held.extend(rows.iter().map(|n| (Some(TreeKind::Trace), n.clone())));
        held.push((Some(TreeKind::Helper), vec![fill as u32]));
        let mut places: Vec<Vec<Place>> = held.iter().map(|_| Vec::new()).collect();
        let mut columns = Vec::new();
        for (tree, (kind, height, top)) in plan.iter().enumerate() {
            let room = (1usize << height) - top.map_or(0, |t| t as usize);
            let here = |i: &usize| held[*i].0 == Some(*kind);
            let cap = cap_of(*height);
            let items: Vec<Granules> = (0..held.len()).filter(here).map(|i| Granules::new(&held[i].1, cap)).collect();
            let mut out: Vec<&mut Vec<Place>> =
                places.iter_mut().enumerate().filter(|(i, _)| here(i)).map(|(_, p)| p).collect();
            // What outlives a proof and is hidden has three columns or more, for its sample.
            let lasting = matches!(kind, TreeKind::Model | TreeKind::Input(_) | TreeKind::Output(_)) && top.is_some();
            columns.push(place(&items, tree, room, &mut out).max(if lasting { 3 } else { 0 }));
        }
        let outputs = relation.outputs.iter().map(|o| Granules::new(&o.space, cap).positions()).collect();
        let nv = (0..).find(|n| 1usize << n >= fill).unwrap_or(0);
        let trees = plan.iter().map(|(kind, height, _)| (*kind, *height)).collect();
        Self { relation, visibility, trees, columns, places, fractions, outputs, fill, nv, cap }
    }

    /// Number of tensors: the relation's, multiplicities, helpers.
    fn helper(&self) -> usize {
        self.relation.tensors.len() + self.relation.tables.len()
    }

    fn shape(&self, tensor: u32) -> &[u32] {
        &self.relation.tensors[tensor as usize].shape
    }

    /// Columns of a tree, `2^height` cells each, from `[tensor][cell]`; tensors without cells are left out.
    #[must_use]
    pub fn spread<T: Copy + Default>(&self, tree: usize, cells: &[Vec<T>]) -> Vec<Vec<T>> {
        let mut out = vec![vec![T::default(); 1 << self.trees[tree].1]; self.columns[tree]];
        for (places, values) in self.places.iter().zip(cells) {
            for ((_, column, at), v) in places.iter().zip(values).filter(|(p, _)| p.0 == tree) {
                out[*column][*at] = *v;
            }
        }
        out
    }

    /// What an expression is at one setting of its space, by origin, without `public` table ids.
    #[must_use]
    pub fn value(&self, tensors: &[Vec<F>], e: &Expr, space: &[usize]) -> Combination {
        let read = |a: &Access, idx: &[usize]| {
            cell(a, self.shape(a.tensor), idx).map_or(F::ZERO, |c| tensors[a.tensor as usize][c])
        };
        let mut out = Combination { public: coefficient(e.constant), ..Combination::default() };
        for l in &e.linear {
            settings(&lengths(&[], &l.sum), |s| {
                out.linear += coefficient(l.coef) * read(&l.access, &[space, s].concat());
            });
        }
        for p in &e.products {
            let k = coefficient(p.coef);
            let mut sum = F::ZERO;
            settings(&lengths(&[], &p.sum), |s| {
                let idx = [space, s].concat();
                sum += read(&p.lhs, &idx) * read(&p.rhs, &idx);
            });
            out.products += k * sum;
        }
        out
    }

    /// Values of an expression at all cells of a space.
    #[must_use]
    pub fn values(&self, tensors: &[Vec<F>], e: &Expr, space: &[u32]) -> Vec<Combination> {
        let mut out = Vec::new();
        settings(&lengths(space, &[]), |idx| out.push(self.value(tensors, e, idx)));
        out
    }

    /// Fingerprints, denominators, numerators and helpers.
    ///
    /// # Shapes
    /// `tensors[t][cell]`, `counts[table][row]`.
    #[must_use]
    pub fn fractions(&self, tensors: &[Vec<F>], counts: &[Vec<i64>], alpha: E, beta: E) -> Fractions {
        let n = 1 << self.nv;
        let mut w = [vec![E::ZERO; n], vec![E::ZERO; n]];
        let mut num = w.clone();
        for (l, at) in self.relation.lookups.iter().zip(&self.fractions) {
            at.iter()
                .for_each(|(lane, x)| (w[*lane][*x], num[*lane][*x]) = (E::from_int(i64::from(l.table) + 1), E::ONE));
            for (c, e) in l.tuple.iter().enumerate() {
                for (v, (lane, x)) in self.values(tensors, e, &l.space).iter().zip(at) {
                    w[*lane][*x] += beta.exp_u64(c as u64 + 1) * v.total();
                }
            }
        }
        let tables = self.relation.tables.iter().zip(&self.fractions[self.relation.lookups.len()..]);
        for (t, (table, at)) in tables.enumerate() {
            for ((row, (lane, x)), m) in table.materialise().iter().zip(at).zip(&counts[t]) {
                w[*lane][*x] = fingerprint(t, row, beta);
                num[*lane][*x] = -E::from_int(*m);
            }
            let Some((space, columns)) = table.expressions() else { continue };
            for (row, ((lane, x), m)) in at.iter().zip(&counts[t]).enumerate() {
                w[*lane][*x] = fingerprint(t, &[row as i64], beta);
                num[*lane][*x] = -E::from_int(*m);
            }
            for (c, e) in columns.iter().enumerate() {
                for (v, (lane, x)) in self.values(tensors, e, space).iter().zip(at) {
                    w[*lane][*x] += beta.exp_u64(c as u64 + 2) * v.total();
                }
            }
        }
        let den = w.clone().map(|w| w.into_iter().map(|w| alpha - w).collect::<Vec<E>>());
        let helper = (0..n).map(|x| num[0][x] * den[0][x].inverse() + num[1][x] * den[1][x].inverse()).collect();
        Fractions { fingerprints: w, den, num, helper }
    }

    /// Addresses of the cells of a source's space; `None` when its output is private.
    fn addresses<'p>(&self, p: &'p Point<E>, source: Source) -> Option<Addresses<'p>> {
        let scale = scale(p, source);
        match source {
            Source::Block(i, _) => {
                let at = self.fractions[i].iter().map(|(l, x)| (p.delta.exp_u64(*l as u64), *x)).collect();
                Some(Addresses { at, point: &p.rho[..self.nv], scale })
            }
            Source::Output(o) => {
                let weight = p.delta.exp_u64(2 + o as u64);
                let at = self.outputs[o].iter().map(|x| (weight, *x)).collect();
                let shown = self.visibility.outputs[o] != IoVisibility::Private;
                shown.then_some(Addresses { at, point: &p.rho, scale })
            }
        }
    }

    /// Weights of the cells of a source's space: lane or output weight times `eq(rho, address)`.
    pub fn address_weights(&self, p: &Point<E>, source: Source) -> Option<Vec<E>> {
        let a = self.addresses(p, source)?;
        Some(a.at.iter().map(|(lane, x)| *lane * eq(a.point, *x)).collect())
    }

    /// All expressions with their sources and spaces.
    fn expressions(&self) -> Vec<(Source, &'a [u32], &'a Expr)> {
        let mut out = Vec::new();
        for (i, l) in self.relation.lookups.iter().enumerate() {
            out.extend(l.tuple.iter().enumerate().map(|(c, e)| (Source::Block(i, c), &l.space[..], e)));
        }
        for (t, table) in self.relation.tables.iter().enumerate() {
            let Some((space, columns)) = table.expressions() else { continue };
            let block = self.relation.lookups.len() + t;
            out.extend(columns.iter().enumerate().map(|(c, e)| (Source::Block(block, c + 1), space, e)));
        }
        out.extend(self.relation.outputs.iter().enumerate().map(|(o, d)| (Source::Output(o), &d.space[..], &d.expr)));
        out
    }

    /// `W_0(rho) + delta W_1(rho) + sum_o delta^(2+o) V_o(rho)` as a sum over cells, by origin.
    #[must_use]
    pub fn combination(&self, p: &Point<E>, tensors: &[Vec<F>]) -> Combination {
        let mut out = Combination::default();
        for (i, l) in self.relation.lookups.iter().enumerate() {
            let weights = self.address_weights(p, Source::Block(i, 0)).unwrap_or_default();
            out.public += weights.iter().copied().sum::<E>() * E::from_int(i64::from(l.table) + 1);
        }
        for (source, space, e) in self.expressions() {
            let Some(weights) = self.address_weights(p, source) else { continue };
            let scale = scale(p, source);
            for (w, v) in weights.iter().zip(self.values(tensors, e, space)) {
                out.public += *w * scale * v.public;
                out.linear += *w * scale * v.linear;
                out.products += *w * scale * v.products;
            }
        }
        for (t, table) in self.relation.tables.iter().enumerate() {
            let numbered = table.expressions().map(|_| (0..table.num_rows() as i64).map(|row| vec![row]).collect());
            let rows: Vec<Vec<i64>> = numbered.unwrap_or_else(|| table.materialise());
            for (row, (lane, x)) in rows.iter().zip(&self.fractions[self.relation.lookups.len() + t]) {
                let w = p.delta.exp_u64(*lane as u64) * eq(&p.rho[..self.nv], *x);
                out.public += w * fingerprint(t, row, p.beta);
            }
        }
        out
    }

    /// Zero weights for every cell of every tensor, multiplicities and helpers included.
    #[must_use]
    pub fn no_weights(&self) -> Vec<Vec<E>> {
        let own =
            self.relation.tensors.iter().map(|t| t.cells()).chain(self.relation.tables.iter().map(|t| t.num_rows()));
        own.chain([self.fill]).map(|n| vec![E::ZERO; n]).collect()
    }

    /// Claims of phase 1 as public parts and weights of every cell: helper at `rho`, sum, numerators of both lanes.
    #[must_use]
    pub fn phase1(&self, p: &Point<E>) -> Vec<(E, Vec<Vec<E>>)> {
        let rho = &p.rho[..self.nv];
        let mut out = vec![(E::ZERO, self.no_weights()), (E::ZERO, self.no_weights())];
        out[0].1[self.helper()] = (0..self.fill).map(|x| eq(rho, x)).collect();
        out[1].1[self.helper()] = vec![E::ONE; self.fill];
        for lane in 0..2 {
            let (mut ones, mut weights) = (E::ZERO, self.no_weights());
            for (b, at) in self.fractions.iter().enumerate() {
                for (i, (_, x)) in at.iter().enumerate().filter(|(_, a)| a.0 == lane) {
                    match b.checked_sub(self.relation.lookups.len()) {
                        None => ones += eq(rho, *x),
                        Some(t) => weights[self.relation.tensors.len() + t][i] -= eq(rho, *x),
                    }
                }
            }
            out.push((ones, weights));
        }
        out
    }

    /// Weights of every cell in the linear part of the combination, less committed outputs.
    #[must_use]
    pub fn linear(&self, p: &Point<E>) -> Vec<Vec<E>> {
        let mut out = self.no_weights();
        for (source, space, e) in self.expressions() {
            let Some(weights) = self.address_weights(p, source) else { continue };
            for l in &e.linear {
                let k = scale(p, source) * coefficient(l.coef);
                settings(&lengths(space, &l.sum), |idx| {
                    if let Some(c) = cell(&l.access, self.shape(l.access.tensor), idx) {
                        out[l.access.tensor as usize][c] += k * weights[row_major(space, idx)];
                    }
                });
            }
        }
        for (t, d) in self.relation.tensors.iter().enumerate() {
            let Home::Output(o) = d.home else { continue };
            if self.visibility.outputs[o as usize] == IoVisibility::Committed {
                let weights = self.address_weights(p, Source::Output(o as usize)).unwrap_or_default();
                out[t].iter_mut().zip(weights).for_each(|(a, w)| *a -= w);
            }
        }
        out
    }

    /// Visits what one operand of a contraction reads: index inside the contraction, cell, weight.
    ///
    /// The operand with the row weights has the coefficient and `eq` of the address bits above the granule, added up
    /// over the term's sources; the one with the low weights has `eq` of the bits below, the same for all of them.
    pub fn side(
        &self,
        p: &Point<E>,
        (g, term): (&Group, &ProductTerm),
        side: Side,
        mut visit: impl FnMut(usize, usize, E),
    ) {
        let claimed = |(s, c): &(Source, Coef)| Some((self.addresses(p, *s)?, coefficient(*c)));
        let sources: Vec<_> = term.sources.iter().filter_map(claimed).collect();
        let space: Vec<u32> = term.dims.shape.iter().map(|n| *n as u32).collect();
        let log = granule(space[space.len() - 1] as usize, self.cap);
        let access = g.access(side);
        settings(&g.side_extents(side), |idx| {
            let Some(c) = cell(access, self.shape(access.tensor), idx) else { return };
            let mut whole = idx.to_vec();
            g.fixed.iter().for_each(|(v, i)| whole[*v] = *i);
            whole[g.space - 1] += g.chunk.unwrap_or(0) << log;
            let at = row_major(&space, &whole);
            let Some((first, _)) = sources.first() else { return };
            let mut w = E::ONE;
            if g.rows_to == side {
                w *= sources.iter().fold(E::ZERO, |a, (s, k)| {
                    let (lane, address) = s.at[at];
                    a + *k * s.scale * lane * eq(&s.point[log..], address >> log)
                });
            }
            if g.low_to == side {
                w *= eq(&first.point[..log], first.at[at].1 & ((1 << log) - 1));
            }
            let (mut index, mut shift) = (0, 0);
            for (v, bits) in &g.kappa {
                index |= idx[*v] << shift;
                shift += bits;
            }
            visit(index, c, w);
        });
    }

    /// The two operand vectors, without the linear entry.
    #[must_use]
    pub fn operands(&self, p: &Point<E>, layout: &Layout, tensors: &[Vec<F>]) -> [Vec<E>; 2] {
        [Side::Lhs, Side::Rhs].map(|side| {
            let mut out = vec![E::ZERO; layout.linear_at + 1];
            for g in &layout.groups {
                let cells = &tensors[g.access(side).tensor as usize];
                self.side(p, (g, &layout.products[g.term]), side, |index, c, w| out[g.offset + index] += w * cells[c]);
            }
            out
        })
    }

    /// Weights of every cell in an operand's value at `kappa`.
    #[must_use]
    pub fn operand_weights(&self, p: &Point<E>, layout: &Layout, kappa: &[E], side: Side) -> Vec<Vec<E>> {
        let mut out = self.no_weights();
        for g in &layout.groups {
            let weights = &mut out[g.access(side).tensor as usize];
            self.side(p, (g, &layout.products[g.term]), side, |index, c, w| {
                weights[c] += w * eq(kappa, g.offset + index)
            });
        }
        out
    }
}

impl Combination {
    /// The value itself.
    pub fn total(&self) -> E {
        self.public + self.linear + self.products
    }
}

fn row_major(space: &[u32], idx: &[usize]) -> usize {
    space.iter().zip(idx).fold(0, |at, (n, i)| at * *n as usize + i)
}

fn scale(p: &Point<E>, source: Source) -> E {
    match source {
        Source::Block(_, c) => p.beta.exp_u64(c as u64 + 1),
        Source::Output(_) => E::ONE,
    }
}

fn fingerprint(table: usize, row: &[i64], beta: E) -> E {
    let id = E::from_int(table as i64 + 1);
    row.iter().enumerate().fold(id, |a, (c, v)| a + beta.exp_u64(c as u64 + 1) * E::from_int(*v))
}

/// A round's message: for every `t` of `at`, the sum over the variables not yet bound of `summand`, which gets all
/// tables' values and the setting of those variables. `bound` are the challenges so far.
#[must_use]
pub fn round(tables: &[&[E]], bound: &[E], at: &[u64], summand: impl Fn(&[E], usize) -> E) -> Vec<E> {
    let message = |t: &u64| {
        let pt = [bound, &[E::from_u64(*t)]].concat();
        let low: Vec<E> = (0..1 << pt.len()).map(|y| eq(&pt, y)).collect();
        let num = tables.first().map_or(0, |v| v.len() >> pt.len());
        (0..num).fold(E::ZERO, |sum, x| {
            let values: Vec<E> = tables
                .iter()
                .map(|v| low.iter().zip(&v[x << pt.len()..]).fold(E::ZERO, |a, (l, v)| a + *l * *v))
                .collect();
            sum + summand(&values, x)
        })
    };
    at.iter().map(message).collect()
}

/// A round of phase 3, values at 0 and 2: every column is a pair of weights and cells; the summand of one with fewer
/// variables is multiplied by `1 - x_i` for each further variable.
#[must_use]
pub fn claim_round(columns: &[(Vec<E>, Vec<E>)], bound: &[E]) -> Vec<E> {
    let mut out = vec![E::ZERO; 2];
    for (omega, cells) in columns {
        let height = (0..).find(|h| 1usize << h >= omega.len()).unwrap_or(0);
        let own = if bound.len() < height {
            round(&[omega, cells], bound, &[0, 2], |v, _| v[0] * v[1])
        } else {
            let (pt, above) = bound.split_at(height);
            let c = above.iter().fold(extension(omega, pt) * extension(cells, pt), |a, x| a * (E::ONE - *x));
            vec![c, -c]
        };
        out.iter_mut().zip(own).for_each(|(a, b)| *a += b);
    }
    out
}
