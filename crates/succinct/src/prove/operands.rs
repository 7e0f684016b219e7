//! The operand vectors of phase 2.

use std::borrow::Cow;

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_relation::claims::{AddressWeights, Point, side_scale};
use proveil_relation::groups::{Group, Side};
use proveil_relation::layout::{Dims, Layout};
use proveil_relation::weights::{Entry, Factor, plan_walk, walk_rows};
use rayon::prelude::*;

use crate::prepared::scalar;

/// One operand of one group, added to its part of the index space.
fn operand(
    g: &Group,
    side: Side,
    factors: &[Factor<'_, Scalar>],
    scale: Scalar,
    dims: &Dims,
    cells: &[i64],
) -> Vec<Scalar> {
    let extents = g.side_extents(side);
    let access = g.access(side);
    let walk = plan_walk(&extents, factors, access, dims);
    let mut strides = vec![0; extents.len()];
    let mut bits = 0;
    for (v, b) in &g.kappa {
        strides[*v] = 1 << bits;
        bits += b;
    }
    let stride = walk.var.map_or(0, |v| strides[v]);
    let low = walk.low.clone().cells();
    let mut out = vec![Scalar::ZERO; 1 << bits];
    walk_rows(&extents, factors, scale, access, dims, &walk, &strides, None, &mut |v| {
        for (j, (x, w)) in cells[dims.row_cells(v.row, walk.granule)][..v.valid].iter().zip(&low).enumerate() {
            out[v.target + j * stride] += v.weight * *w * scalar(*x);
        }
    });
    out
}

/// Both operand vectors over the whole index space, without the linear entry.
pub fn operands(
    layout: &Layout,
    p: &Point<Scalar>,
    weights: &AddressWeights<Scalar>,
    cells: &[Cow<'_, [i64]>],
) -> [Vec<Scalar>; 2] {
    [Side::Lhs, Side::Rhs].map(|side| {
        let parts = layout.groups.par_iter().filter_map(|g| {
            let (w, dims, scale) = weights.term(layout, p, g)?;
            let factors = g.side_factors(side, dims, &w.rows, &w.low);
            let t = g.access(side).tensor as usize;
            let scale = side_scale(g, side, scale);
            Some((g.offset, operand(g, side, &factors, scale, &layout.tensors[t].dims, &cells[t])))
        });
        let mut out = vec![Scalar::ZERO; 1 << layout.nk];
        for (offset, part) in parts.collect::<Vec<_>>() {
            out[offset..].iter_mut().zip(part).for_each(|(o, x)| *o += x);
        }
        out
    })
}

/// `sum over entries of <weights, cells>`.
pub fn linear_value(layout: &Layout, entries: &[Entry<Scalar>], cells: &[Cow<'_, [i64]>]) -> Scalar {
    let mut acc = Scalar::ZERO;
    for e in entries {
        let d = &layout.tensors[e.tensor].dims;
        for (i, r) in e.rows.iter().enumerate() {
            // Rows behind the tensor have no cells.
            let Some(row) = cells[e.tensor].get(d.row_cells(e.first + i, e.granule)) else { break };
            acc += *r * row.iter().zip(&e.low).fold(Scalar::ZERO, |a, (x, w)| a + *w * scalar(*x));
        }
    }
    acc
}
