//! Where everything lies: tensors in columns of commitment trees, look-ups in the address space of fractions,
//! contractions in the index space of phase 2. A pure function of the relation and the geometry in the key.
//!
//! **Cells.** A tensor is row-major; its last axis is cut into granules of `2^g` cells, the last one padded. Granules
//! are placed one after the other at multiples of `2^g`, tensor after tensor, below the top `T` cells of each column
//! (those are random). Padding cells and unused cells are constrained by nothing and assumed to be nothing.
//!
//! **Fractions.** Two lanes of `2^nv` addresses. Every look-up cell and every table row has an address.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use proveil_algebra::log2_ceil;
use proveil_protocol::sample::LEAST_COLUMNS;

use crate::decl::{Home, Relation};
use crate::groups::{self, Cuts, Group};
use crate::key::{Geometry, IoVisibility, Visibility};
use crate::terms::{self, LinearTerm, ProductTerm};

/// What a granule costs, in cells: its weight in every claim, beside the cells' share.
pub const GRANULE_COST: usize = 8;
/// Largest granule, as a power of two.
pub const MAX_GRANULE: usize = 10;

/// Shape of a laid-out tensor or space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Axis lengths (at least one axis).
    pub shape: Vec<usize>,
    /// Product of all axes but the last.
    pub outer: usize,
    /// Last axis.
    pub last: usize,
    /// Cells in a granule, as a power of two.
    pub granule: usize,
}

impl Dims {
    /// Lays out a shape with granules of at most `2^cap` cells. Of those that pad the last axis by at most a third, the
    /// cheapest is taken, the larger one of equals: a granule costs both parties as much as [`GRANULE_COST`] cells.
    #[must_use]
    pub fn new(shape: &[u32], cap: usize) -> Self {
        let mut shape: Vec<usize> = shape.iter().map(|n| *n as usize).collect();
        if shape.is_empty() {
            shape.push(1);
        }
        let last = shape.last().copied().unwrap_or(1);
        let outer = shape.iter().rev().skip(1).product();
        let padded = |g: usize| last.div_ceil(1 << g) << g;
        let fits = |g: &usize| padded(*g) * 3 <= last * 4;
        let cost = |g: &usize| padded(*g) + GRANULE_COST * last.div_ceil(1 << g);
        let granule = (0..=log2_ceil(last).min(cap)).rev().filter(fits).min_by_key(cost).unwrap_or(0);
        Self { shape, outer, last, granule }
    }

    /// Length of the padded last axis.
    #[must_use]
    pub fn padded_last(&self) -> usize {
        self.last.div_ceil(1 << self.granule) << self.granule
    }

    /// Granules of the last axis.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.last.div_ceil(1 << self.granule)
    }

    /// Number of granules.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.outer * self.chunks()
    }

    /// The cells, row-major without padding, that aligned row `row` of `2^granule` cells of the padded layout holds.
    #[must_use]
    pub fn row_cells(&self, row: usize, granule: usize) -> Range<usize> {
        let per = (self.padded_last() >> granule).max(1);
        let line = row / per * self.last;
        let from = ((row % per) << granule).min(self.last);
        line + from..line + (from + (1 << granule)).min(self.last)
    }

    /// Cells including padding.
    #[must_use]
    pub fn padded_cells(&self) -> usize {
        self.rows() << self.granule
    }
}

/// Consecutive granules of a tensor in one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Column of the tree.
    pub column: usize,
    /// First cell in the column.
    pub start: usize,
    /// First granule of the tensor.
    pub row: usize,
    /// Number of granules.
    pub rows: usize,
}

/// What a tree commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TreeKind {
    /// The model.
    Model,
    /// Input number k, committed on its own.
    Input(u32),
    /// Output number k, committed on its own.
    Output(u32),
    /// The mask of a further geometry; of every geometry where columns have no random cells.
    Mask,
    /// Per-proof columns, with the mask of the main geometry.
    Trace,
    /// Look-up helpers (extension columns).
    Helper,
}

/// One commitment tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreePlan {
    /// What it holds.
    pub kind: TreeKind,
    /// Which geometry: 0 is the main one.
    pub group: usize,
    /// Random cells at the top of each column; `None` for a public tree.
    pub top: Option<usize>,
    /// Number of value columns (extension columns for the helper tree), without the mask.
    pub columns: usize,
    /// Whether a mask column (extension) follows the value columns.
    pub mask: bool,
    /// Whether the values are public: nobody commits to them, the verifier evaluates the column.
    pub public: bool,
    /// Whether the commitment outlives a proof and comes with an out-of-domain value (`proveil_protocol::sample`).
    pub sampled: bool,
}

/// The sizes that the phases of a proof depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// log2 of the column height of each geometry.
    pub heights: Vec<usize>,
    /// Trees in transcript order.
    pub trees: Vec<TreePlan>,
    /// log2 of the addresses in a lane.
    pub nv: usize,
    /// Variables that an output address needs.
    pub out_vars: usize,
    /// log2 of the index space of phase 2.
    pub nk: usize,
}

impl TreePlan {
    /// Base-field columns in the tree, mask included.
    #[must_use]
    pub fn base_columns(&self) -> usize {
        (if self.kind == TreeKind::Helper { 3 * self.columns } else { self.columns }) + if self.mask { 3 } else { 0 }
    }
}

/// A tensor and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Shape and granule.
    pub dims: Dims,
    /// Tree, or `None` when the cells are public.
    pub tree: Option<usize>,
    /// Where its granules lie.
    pub segments: Vec<Segment>,
}

/// Part of a block of fractions: consecutive rows in one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSegment {
    /// Lane, 0 or 1.
    pub lane: usize,
    /// First address.
    pub start: usize,
    /// First row of the block.
    pub row: usize,
    /// Number of rows.
    pub rows: usize,
}

/// A block of fractions: a look-up's space or a table's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Shape and granule.
    pub dims: Dims,
    /// Addresses.
    pub segments: Vec<LaneSegment>,
}

/// The whole layout.
#[derive(Clone, Debug)]
pub struct Layout {
    /// log2 of the column height of each geometry.
    pub heights: Vec<usize>,
    /// Trees in transcript order.
    pub trees: Vec<TreePlan>,
    /// The relation's tensors, then one multiplicity tensor for each table, then the helper tensor.
    pub tensors: Vec<Placed>,
    /// One block for each look-up, then one for each table.
    pub blocks: Vec<Block>,
    /// log2 of the addresses in a lane.
    pub nv: usize,
    /// Output spaces, addressed from 0 in granule order.
    pub outputs: Vec<Dims>,
    /// Variables that an output address needs.
    pub out_vars: usize,
    /// Products of all expressions.
    pub products: Vec<ProductTerm>,
    /// Linear terms of all expressions.
    pub linears: Vec<LinearTerm>,
    /// Contractions of phase 2.
    pub groups: Vec<Group>,
    /// log2 of the index space of phase 2.
    pub nk: usize,
    /// Place of the linear entry in the index space of phase 2.
    pub linear_at: usize,
}

impl Layout {
    /// Index of table `t`'s multiplicity tensor.
    #[must_use]
    pub fn multiplicity(&self, relation: &Relation, t: usize) -> usize {
        relation.tensors.len() + t
    }

    /// Index of the helper tensor.
    #[must_use]
    pub fn helper(&self, relation: &Relation) -> usize {
        relation.tensors.len() + relation.tables.len()
    }

    /// The sizes that the phases of a proof depend on.
    #[must_use]
    pub fn outline(&self) -> Outline {
        let Self { heights, trees, nv, out_vars, nk, .. } = self;
        Outline { heights: heights.clone(), trees: trees.clone(), nv: *nv, out_vars: *out_vars, nk: *nk }
    }

    /// Lays out a relation.
    #[must_use]
    pub fn new(relation: &Relation, geometry: &Geometry, visibility: &Visibility) -> Self {
        Self::without_groups(relation, geometry, visibility).with_groups(relation, Cuts::Shortest)
    }

    /// Adds products, linear terms and groups to a layout of cells and fractions.
    #[must_use]
    pub fn with_groups(self, relation: &Relation, cuts: Cuts) -> Self {
        let mut layout = self;
        layout.products = terms::products(relation, &layout.blocks, &layout.outputs);
        layout.linears = terms::linears(relation, &layout.blocks, &layout.outputs);
        (layout.groups, layout.nk, layout.linear_at) = groups::plan(&layout.products, cuts);
        layout
    }

    /// The layout of cells and fractions only, for cost estimates.
    #[must_use]
    pub fn without_groups(relation: &Relation, geometry: &Geometry, visibility: &Visibility) -> Self {
        Self::place_all(relation, geometry, visibility, false)
    }

    /// [`Layout::without_groups`], where every public input has a column and a geometry of its own, to which nobody
    /// commits: a verifier that does not evaluate functionals needs one value of it.
    #[must_use]
    pub fn with_public_columns(relation: &Relation, geometry: &Geometry, visibility: &Visibility) -> Self {
        Self::place_all(relation, geometry, visibility, true)
    }

    fn place_all(relation: &Relation, geometry: &Geometry, visibility: &Visibility, public: bool) -> Self {
        let cap = MAX_GRANULE.min(usize::from(geometry.log_height).saturating_sub(3));
        let (blocks, nv, fill) = fraction_blocks(relation, cap);
        let mut trees = plan_trees(relation, geometry, visibility, public);
        let mut heights = vec![usize::from(geometry.log_height)];
        for t in &trees {
            if t.group >= heights.len() {
                heights.push(usize::from(geometry.io_log_height(t.kind)));
            }
        }
        let mut tensors: Vec<Placed> = Vec::new();
        for decl in &relation.tensors {
            let tree = home_tree(&decl.home, &trees, visibility);
            let cap = tree.map_or(cap, |t| column_cap(&trees, &heights, t));
            tensors.push(Placed { dims: Dims::new(&decl.shape, cap), tree, segments: vec![] });
        }
        let find = |k: TreeKind| trees.iter().position(|t| t.kind == k);
        for table in &relation.tables {
            let dims = Dims::new(&table.space(), cap);
            tensors.push(Placed { dims, tree: find(TreeKind::Trace), segments: vec![] });
        }
        tensors.push(Placed { dims: Dims::new(&[fill as u32], cap), tree: find(TreeKind::Helper), segments: vec![] });
        for (i, tree) in trees.iter_mut().enumerate() {
            let height = 1usize << heights.get(tree.group).copied().unwrap_or(0);
            let room = height - tree.top.unwrap_or(0).min(height);
            // Random cells of fewer columns would not make the sample's value uniform.
            let least = if tree.sampled && tree.top.is_some() { LEAST_COLUMNS } else { 0 };
            tree.columns = place(&mut tensors, i, room).max(least);
        }
        let outputs: Vec<Dims> = relation.outputs.iter().map(|o| Dims::new(&o.space, cap)).collect();
        let out_vars = outputs.iter().map(|d| log2_ceil(d.padded_cells())).max().unwrap_or(0);
        let (products, linears, groups, nk, linear_at) = (Vec::new(), Vec::new(), Vec::new(), 0, 0);
        Self { heights, trees, tensors, blocks, nv, outputs, out_vars, products, linears, groups, nk, linear_at }
    }
}

fn column_cap(trees: &[TreePlan], heights: &[usize], tree: usize) -> usize {
    let group = trees.get(tree).map_or(0, |t| t.group);
    MAX_GRANULE.min(heights.get(group).copied().unwrap_or(0).saturating_sub(3))
}

fn home_tree(home: &Home, trees: &[TreePlan], visibility: &Visibility) -> Option<usize> {
    let kind = match home {
        Home::Public(_) => return None,
        Home::Model => TreeKind::Model,
        Home::Trace => TreeKind::Trace,
        Home::Output(k) => TreeKind::Output(*k),
        Home::Input(k) => match visibility.input(*k) {
            IoVisibility::Private => TreeKind::Trace,
            IoVisibility::Public | IoVisibility::Committed => TreeKind::Input(*k),
        },
    };
    trees.iter().position(|t| t.kind == kind)
}

/// Trees in transcript order: model, committed inputs, committed outputs, masks of their geometries, trace, helpers.
fn plan_trees(relation: &Relation, geometry: &Geometry, visibility: &Visibility, public: bool) -> Vec<TreePlan> {
    let zk = visibility.hiding();
    let top = |t: u32| zk.then_some(t as usize);
    let mut out = Vec::new();
    let plan = |kind, group, top, mask| TreePlan { kind, group, top, columns: 0, mask, public: false, sampled: false };
    let sampled = |plan| TreePlan { sampled: !public, ..plan };
    if relation.tensors.iter().any(|t| t.home == Home::Model) {
        let top = visibility.model_hidden().then_some(geometry.model_top as usize);
        out.push(sampled(plan(TreeKind::Model, 0, top, false)));
    }
    let mut group = 0;
    let mut further = Vec::new();
    for k in 0..relation.inputs.len() as u32 {
        let seen = visibility.input(k);
        if seen == IoVisibility::Committed || (public && seen == IoVisibility::Public) {
            group += 1;
            further.push((TreeKind::Input(k), group, seen == IoVisibility::Public));
        }
    }
    for k in 0..relation.outputs.len() as u32 {
        if visibility.output(k) == IoVisibility::Committed {
            group += 1;
            further.push((TreeKind::Output(k), group, false));
        }
    }
    out.extend(further.iter().map(|(k, g, public)| {
        let top = (!public).then_some(geometry.io_top as usize);
        TreePlan { public: *public, ..sampled(plan(*k, *g, top, false)) }
    }));
    if zk {
        let hidden = further.iter().filter(|(.., public)| !public);
        out.extend(hidden.map(|(_, g, _)| plan(TreeKind::Mask, *g, Some(0), true)));
    }
    // Commitments that hide without random cells hold one column each, so the mask is a tree of its own.
    let apart = zk && geometry.trace_top == 0;
    if apart {
        out.push(plan(TreeKind::Mask, 0, Some(0), true));
    }
    out.push(plan(TreeKind::Trace, 0, top(geometry.trace_top), zk && !apart));
    out.push(plan(TreeKind::Helper, 0, top(geometry.trace_top), false));
    out
}

/// Places the granules of all tensors of a tree, largest granules first; returns the number of columns. What is left of
/// a column that has no room for the next granule stays free: a column costs the prover as many elements as its
/// smallest granules ask for, so small ones keep together.
fn place(tensors: &mut [Placed], tree: usize, room: usize) -> usize {
    let mut order: Vec<usize> =
        (0..tensors.len()).filter(|i| tensors.get(*i).is_some_and(|t| t.tree == Some(tree))).collect();
    order.sort_by_key(|i| (core::cmp::Reverse(tensors.get(*i).map_or(0, |t| t.dims.granule)), *i));
    let mut used: Vec<usize> = Vec::new();
    let mut first = 0;
    for i in order {
        let Some(t) = tensors.get_mut(i) else { continue };
        let g = t.dims.granule;
        let (mut row, total) = (0, t.dims.rows());
        while row < total {
            if first == used.len() {
                used.push(0);
            }
            let Some(u) = used.get_mut(first) else { break };
            let rows = ((room - *u) >> g).min(total - row);
            if rows == 0 {
                // No column has room, which `check` refuses.
                if *u == 0 {
                    break;
                }
                first += 1;
                continue;
            }
            t.segments.push(Segment { column: first, start: *u, row, rows });
            *u += rows << g;
            row += rows;
        }
    }
    used.len()
}

/// Addresses of all fractions: (blocks, log2 of the lane length, used lane length).
fn fraction_blocks(relation: &Relation, cap: usize) -> (Vec<Block>, usize, usize) {
    let mut blocks: Vec<Block> = relation
        .lookups
        .iter()
        .map(|l| Dims::new(&l.space, cap))
        .chain(relation.tables.iter().map(|t| Dims::new(&t.space(), cap)))
        .map(|dims| Block { dims, segments: vec![] })
        .collect();
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|i| (core::cmp::Reverse(blocks.get(*i).map_or(0, |b| b.dims.granule)), *i));
    let top = blocks.iter().map(|b| b.dims.granule).max().unwrap_or(0);
    let total: usize = blocks.iter().map(|b| b.dims.padded_cells()).sum();
    let half = (total.div_ceil(2)).div_ceil(1 << top) << top;
    let (mut lane, mut at, mut fill) = (0, 0, 0);
    for i in order {
        let Some(b) = blocks.get_mut(i) else { continue };
        let g = b.dims.granule;
        let (mut row, rows) = (0, b.dims.rows());
        while row < rows {
            let room = if lane == 0 { half.saturating_sub(at) >> g } else { usize::MAX };
            let take = room.min(rows - row);
            if take == 0 {
                (lane, at) = (1, 0);
                continue;
            }
            b.segments.push(LaneSegment { lane, start: at, row, rows: take });
            at += take << g;
            row += take;
            fill = fill.max(at);
        }
    }
    let fill = fill.max(2);
    (blocks, log2_ceil(fill), fill)
}
