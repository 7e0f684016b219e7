//! Geometry against parameters, and what the layout of a well-formed relation costs a verifier.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::E;
use proveil_protocol::params::Params;

use super::{KeyError, Limits, length, range};
use crate::decl::{Access, Expr, Home, Relation};
use crate::groups::{self, Group, Side};
use crate::key::{Geometry, IoVisibility, Visibility};
use crate::layout::{Dims, Layout, MAX_GRANULE, TreeKind};
use crate::table::Table;
use crate::weights::{Factor, plan_walk};

/// Heights, random cells and query counts.
pub(super) fn geometry(
    relation: &Relation,
    g: &Geometry,
    visibility: &Visibility,
    params: &Params,
    limits: &Limits,
) -> Result<(), KeyError> {
    length("geometry", "inputs", relation.inputs.len(), g.inputs.len())?;
    length("geometry", "outputs", relation.outputs.len(), g.outputs.len())?;
    height("log_height", "geometry", g.log_height, params, limits)?;
    let top = |field, path: &str, top: u32, log_height: u8| {
        // As many random cells as rows are opened in one proof, or the rows tell about the others.
        let rows = (params.row_queries() as u64).min(1 << (u32::from(log_height) + u32::from(params.log_inv_rate)));
        // The largest granule, an eighth of a column, must fit below them.
        range(field, path, top.into(), rows.into(), (1i128 << log_height) - (1i128 << log_height.saturating_sub(3)))
    };
    if visibility.hiding() {
        top("trace_top", "geometry", g.trace_top, g.log_height)?;
    }
    if visibility.model_hidden() && relation.tensors.iter().any(|t| t.home == Home::Model) {
        top("model_top", "geometry", g.model_top, g.log_height)?;
    }
    let inputs = (0..relation.inputs.len() as u32).filter(|k| visibility.input(*k) == IoVisibility::Committed);
    let outputs = (0..relation.outputs.len() as u32).filter(|k| visibility.output(*k) == IoVisibility::Committed);
    for kind in inputs.map(TreeKind::Input).chain(outputs.map(TreeKind::Output)) {
        let path = format!("{kind:?}");
        let h = g.io_log_height(kind);
        height("committed height", &path, h, params, limits)?;
        top("io_top", &path, g.io_top, h)?;
    }
    Ok(())
}

fn height(field: &'static str, path: &str, h: u8, params: &Params, limits: &Limits) -> Result<(), KeyError> {
    range(field, path, h.into(), 1, limits.log_height.into())?;
    let most = i128::from(limits.queries);
    range("row queries", path, params.row_queries() as i128, 1, most)?;
    range("pad queries", path, params.pad_queries() as i128, 1, most)?;
    let schedule = params.schedule(h.into())?;
    schedule.levels.iter().try_for_each(|l| range("level queries", path, l.queries.count as i128, 0, most))
}

/// Bounds the numbers that the layout and the claims will have.
pub(super) fn costs(
    relation: &Relation,
    geometry: &Geometry,
    visibility: &Visibility,
    limits: &Limits,
) -> Result<(), KeyError> {
    let cap = MAX_GRANULE.min(usize::from(geometry.log_height).saturating_sub(3));
    let spaces = || relation.lookups.iter().map(|l| Dims::new(&l.space, cap));
    let tables = || relation.tables.iter().map(|t| Dims::new(&t.space(), cap));
    let outputs = || relation.outputs.iter().map(|o| Dims::new(&o.space, cap));
    let sum = |dims: &mut dyn Iterator<Item = Dims>, f: fn(&Dims) -> usize| {
        dims.fold(0i128, |a, d| a.saturating_add(f(&d) as i128))
    };
    let fractions = sum(&mut spaces().chain(tables()), Dims::padded_cells);
    range("fractions", "look-ups and tables", fractions, 0, limits.fractions.into())?;
    let rows = sum(&mut spaces().chain(tables()).chain(outputs()), Dims::rows);
    range("row weights", "look-ups, tables and outputs", rows, 0, limits.weights.into())?;
    columns(relation, geometry, visibility, fractions, limits)?;
    num_groups(relation, cap, limits)?;
    walks(relation, &Layout::new(relation, geometry, visibility), rows, limits)
}

/// Columns of all trees, from cells and room; no tree is laid out yet.
fn columns(
    relation: &Relation,
    geometry: &Geometry,
    visibility: &Visibility,
    fractions: i128,
    limits: &Limits,
) -> Result<(), KeyError> {
    let height = |home: &Home| match home {
        Home::Public(_) => None,
        Home::Input(k) => match visibility.input(*k) {
            IoVisibility::Public => None,
            IoVisibility::Private => Some(geometry.log_height),
            IoVisibility::Committed => Some(geometry.io_log_height(TreeKind::Input(*k))),
        },
        // An output that is not committed is in no tree, and its height is not checked.
        Home::Output(k) if visibility.output(*k) != IoVisibility::Committed => None,
        Home::Output(k) => Some(geometry.io_log_height(TreeKind::Output(*k))),
        Home::Model | Home::Trace => Some(geometry.log_height),
    };
    // At least half of a column is free of random cells; last axes are padded by a third at most.
    let needed = |cells: i128, height: u8| (cells.saturating_mul(4) / 3) >> height.saturating_sub(1);
    let tensors = relation.tensors.iter().filter_map(|t| Some((t, height(&t.home)?)));
    let own = tensors.map(|(t, height)| needed(t.cells() as i128, height));
    // Multiplicities, and helpers of one address for two fractions.
    let total = own.fold(needed(fractions.saturating_mul(2), geometry.log_height), i128::saturating_add);
    range("columns", "all trees", total, 0, limits.columns.into())
}

fn exprs(relation: &Relation, cap: usize) -> impl Iterator<Item = (&Expr, Dims)> {
    let lookups = relation.lookups.iter().flat_map(move |l| {
        let dims = Dims::new(&l.space, cap);
        l.tuple.iter().map(move |e| (e, dims.clone()))
    });
    let rows = relation.tables.iter().filter_map(Table::expressions).flat_map(move |(space, columns)| {
        let dims = Dims::new(space, cap);
        columns.iter().map(move |e| (e, dims.clone()))
    });
    lookups.chain(rows).chain(relation.outputs.iter().map(move |o| (&o.expr, Dims::new(&o.space, cap))))
}

fn num_groups(relation: &Relation, cap: usize, limits: &Limits) -> Result<(), KeyError> {
    let mut total = 0i128;
    for (e, dims) in exprs(relation, cap) {
        for p in &e.products {
            total = total.saturating_add(groups::count(&dims, p).into());
            range("groups", "all products", total, 0, limits.groups.into())?;
        }
    }
    Ok(())
}

/// Row weights and steps of every functional of phase 2.
fn walks(relation: &Relation, layout: &Layout, rows: i128, limits: &Limits) -> Result<(), KeyError> {
    let (mut weights, mut steps) = (rows, 0i128);
    let mut add = |extents: &[usize], factors: &[Factor<'_, E>], access: &Access| {
        let Some(t) = layout.tensors.get(access.tensor as usize) else { return Ok(()) };
        let walk = plan_walk(extents, factors, access, &t.dims);
        let size = |vars: &mut dyn Iterator<Item = (usize, &usize)>| {
            vars.fold(1i128, |a, (_, n)| a.saturating_mul(*n as i128))
        };
        // Variables that nothing reads are summed over in the table of their factor, the others are walked.
        let summed = |v: usize| !access.uses(v) && factors.iter().filter(|f| f.on(v)).count() == 1;
        let walked = size(&mut extents.iter().enumerate().filter(|(v, _)| !summed(*v))) >> walk.granule;
        let tables = factors.iter().fold(0i128, |a, f| {
            let granule = if let Factor::Space { granule, .. } = f { *granule } else { 0 };
            a.saturating_add(size(&mut extents.iter().enumerate().filter(|(v, _)| f.on(*v))) >> granule)
        });
        steps = steps.saturating_add(walked).saturating_add(tables).saturating_add(1);
        weights = weights.saturating_add((t.dims.padded_cells() >> walk.granule) as i128);
        range("row weights", "all claims", weights, 0, limits.weights.into())?;
        range("walk", "all claims", steps, 0, limits.steps.into())
    };
    for g in &layout.groups {
        let Some(dims) = layout.products.get(g.term).map(|t| &t.dims) else { continue };
        for side in [Side::Lhs, Side::Rhs] {
            add(&g.side_extents(side), &structure(g, side, dims), g.access(side))?;
        }
    }
    for (e, dims) in exprs(relation, layout_cap(layout)) {
        let low = vec![E::default(); dims.granule];
        let vars: Vec<usize> = (0..dims.shape.len()).collect();
        for l in &e.linear {
            let extents: Vec<usize> = dims.shape.iter().copied().chain(l.sum.iter().map(|n| *n as usize)).collect();
            let f = [Factor::Space { vars: vars.clone(), granule: dims.granule, rows: Vec::new().into(), low: &low }];
            add(&extents, &f, &l.access)?;
        }
    }
    Ok(())
}

fn layout_cap(layout: &Layout) -> usize {
    MAX_GRANULE.min(layout.heights.first().copied().unwrap_or(0).saturating_sub(3))
}

/// The factors of one side of a group, with weights left out.
fn structure(g: &Group, side: Side, dims: &Dims) -> Vec<Factor<'static, E>> {
    let point = |bits: usize| vec![E::default(); bits];
    let last = g.space.saturating_sub(1);
    let mut out = Vec::new();
    if g.rows_to == side {
        // Weights on the outer variables; a whole space walks its last axis by granules as an equality factor does.
        out.push(Factor::Outer { vars: (0..last).collect(), rows: Vec::new().into() });
    }
    if g.low_to == side {
        out.push(Factor::Eq { var: last, pt: point(dims.granule) });
    }
    out.extend(g.kappa.iter().map(|(var, bits)| Factor::Eq { var: *var, pt: point(*bits) }));
    out
}
