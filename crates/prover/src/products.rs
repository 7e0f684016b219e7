//! Phase 2, the prover's half: the two operand vectors over the contraction index, and their inner-product sumcheck.
//!
//! The passes over weights and activations work on small integers: challenges are cut into 32-bit limbs, limb times
//! integer sums stay in 64 bits for `2^14` additions, and are reduced to field elements once.

use std::collections::BTreeMap;

use proveil_algebra::{E, F, PrimeCharacteristicRing, base_from_i64, ext_coords, ext_from_coords, log2_ceil};
use proveil_relation::claims::{AddressWeights, Point, side_scale};
use proveil_relation::groups::{Group, Side};
use proveil_relation::layout::{Dims, Layout};
use proveil_relation::weights::{Entry, Factor, plan_walk, walk_rows};
use rayon::prelude::*;

use crate::packed;
use crate::talk::Talk;

/// Cells that are read at once, at most, as a power of two: more would leave too few pieces for the threads.
const ROW_BITS: usize = 10;
/// Integers up to this size go through the limb kernels.
const SMALL: i64 = 1 << 16;
const MAX_ADDS: usize = 1 << 14;

/// Three coordinates in two 32-bit limbs each.
#[inline]
fn limbs(x: &E) -> [i64; 6] {
    use p3_field::PrimeField64;
    let c = ext_coords(x).map(|c| c.as_canonical_u64());
    [c[0] & 0xffff_ffff, c[0] >> 32, c[1] & 0xffff_ffff, c[1] >> 32, c[2] & 0xffff_ffff, c[2] >> 32].map(|v| v as i64)
}

#[inline]
fn join(l: [i64; 6]) -> E {
    let two32 = F::from_u64(1 << 32);
    let c = |lo: i64, hi: i64| base_from_i64(lo) + base_from_i64(hi) * two32;
    ext_from_coords([c(l[0], l[1]), c(l[2], l[3]), c(l[4], l[5])])
}

/// `sum_j w_j v_j` with the limbs of `w` as planes.
#[inline]
fn dot_small(planes: &[Vec<i64>; 6], v: &[i64]) -> E {
    let mut acc = [0i64; 6];
    for (a, p) in acc.iter_mut().zip(planes) {
        *a = v.iter().zip(p).map(|(x, w)| x * w).sum();
    }
    join(acc)
}

/// A vector of sums of `weight * integers`, accumulated in limbs.
struct Accumulator {
    out: Vec<E>,
    planes: [Vec<i64>; 6],
    adds: usize,
}

impl Accumulator {
    fn new(len: usize) -> Self {
        Self { out: vec![E::ZERO; len], planes: std::array::from_fn(|_| vec![0; len]), adds: 0 }
    }

    /// `out[at + j] += w * v[j]`.
    fn axpy(&mut self, at: usize, w: &E, v: &[i64]) {
        for (p, l) in self.planes.iter_mut().zip(limbs(w)) {
            p[at..at + v.len()].iter_mut().zip(v).for_each(|(a, x)| *a += l * x);
        }
        self.adds += 1;
        if self.adds == MAX_ADDS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        for i in 0..self.out.len() {
            self.out[i] += join(std::array::from_fn(|k| std::mem::take(&mut self.planes[k][i])));
        }
        self.adds = 0;
    }

    fn finish(mut self) -> Vec<E> {
        self.flush();
        self.out
    }
}

/// A tensor's integers with what the kernels need to know of them.
pub struct Cells<'a> {
    values: &'a [i64],
    small: bool,
}

impl<'a> Cells<'a> {
    /// Inspects the cells.
    #[must_use]
    pub fn new(values: &'a [i64]) -> Self {
        Self { values, small: values.par_iter().with_min_len(1 << 12).all(|v| (-SMALL..SMALL).contains(v)) }
    }
}

/// One operand of one group over the group's index space, for settings with `range` of one variable.
fn operand(
    g: &Group,
    side: Side,
    factors: &[Factor<'_, E>],
    scale: E,
    dims: &Dims,
    cells: &Cells<'_>,
    range: Option<(usize, usize, usize)>,
) -> Vec<E> {
    let extents = g.side_extents(side);
    let access = g.access(side);
    let walk = plan_walk(&extents, factors, access, dims);
    let mut strides = vec![0; extents.len()];
    let mut at = 0;
    for (v, bits) in &g.kappa {
        strides[*v] = 1 << at;
        at += bits;
    }
    let per = dims.padded_last() >> walk.granule;
    let row_cells = |row: usize, valid: usize| {
        let from = row / per * dims.last + ((row % per) << walk.granule);
        &cells.values[from..from + valid]
    };
    let stride = walk.var.map_or(0, |v| strides[v]);
    let low = walk.low.clone().cells();
    let unit = low.iter().all(|w| *w == E::ONE);
    let mut acc = Accumulator::new(1 << at);
    let planes: [Vec<i64>; 6] = if stride == 0 && !unit && cells.small {
        let l: Vec<[i64; 6]> = low.iter().map(limbs).collect();
        std::array::from_fn(|k| l.iter().map(|x| x[k]).collect())
    } else {
        std::array::from_fn(|_| Vec::new())
    };
    walk_rows(&extents, factors, scale, access, dims, &walk, &strides, range, &mut |v| {
        let src = row_cells(v.row, v.valid);
        if stride == 0 && unit {
            let sum = src.iter().fold(F::ZERO, |a, x| a + base_from_i64(*x));
            acc.out[v.target] += v.weight * sum;
        } else if stride == 0 {
            let s = if cells.small {
                dot_small(&planes, src)
            } else {
                src.iter().zip(&low).fold(E::ZERO, |a, (x, w)| a + *w * base_from_i64(*x))
            };
            acc.out[v.target] += v.weight * s;
        } else if unit && stride == 1 && cells.small && src.len() > 4 {
            acc.axpy(v.target, &v.weight, src);
        } else {
            for (j, (x, w)) in src.iter().zip(&low).enumerate() {
                let w = if unit { v.weight } else { v.weight * *w };
                acc.out[v.target + j * stride] += w * base_from_i64(*x);
            }
        }
    });
    acc.finish()
}

/// A tensor laid out in longer rows. Integers lie in memory without padding, so that the granules of its columns, short where
/// the last axis is just above a power of two, need not be walked one by one.
fn in_long_rows(dims: &Dims) -> Dims {
    Dims { granule: dims.granule.max(log2_ceil(dims.last).min(ROW_BITS)), ..dims.clone() }
}

/// Splits a side's work along its longest variable when it is large.
fn operand_parallel(
    g: &Group,
    side: Side,
    factors: &[Factor<'_, E>],
    scale: E,
    dims: &Dims,
    cells: &Cells<'_>,
) -> Vec<E> {
    let extents = g.side_extents(side);
    let work: usize = extents.iter().product();
    let walk = plan_walk(&extents, factors, g.access(side), dims);
    let steps = |v: usize| if walk.var == Some(v) { extents[v].div_ceil(1 << walk.granule) } else { extents[v] };
    let Some(var) = (0..extents.len()).max_by_key(|v| steps(*v)) else {
        return operand(g, side, factors, scale, dims, cells, None);
    };
    let parts = (work >> 16).clamp(1, 4 * rayon::current_num_threads()).min(steps(var));
    if parts == 1 {
        return operand(g, side, factors, scale, dims, cells, None);
    }
    let n = steps(var);
    (0..parts)
        .into_par_iter()
        .map(|i| operand(g, side, factors, scale, dims, cells, Some((var, n * i / parts, n * (i + 1) / parts))))
        .reduce_with(|mut a, b| {
            a.iter_mut().zip(&b).for_each(|(x, y)| *x += *y);
            a
        })
        .unwrap_or_default()
}

/// The operand vectors over the whole index space, without the linear entry.
#[must_use]
pub fn operands(layout: &Layout, p: &Point<E>, weights: &AddressWeights<E>, cells: &[Cells<'_>]) -> [Vec<E>; 2] {
    let len = layout.linear_at + 1;
    [Side::Lhs, Side::Rhs].map(|side| {
        // Operands that differ by their scale only are computed once.
        let mut seen = BTreeMap::new();
        for (g, space) in layout.groups.iter().filter_map(|g| Some((g, weights.term(layout, p, g)?))) {
            seen.entry(g.first[side.index()]).or_insert_with(|| (g, space, Vec::new())).2.push((g, space.2));
        }
        let vectors = seen.into_values().collect::<Vec<_>>().into_par_iter().map(|(g, (w, dims, _), same)| {
            let factors = g.side_factors(side, dims, &w.rows, &w.low);
            let t = g.access(side).tensor as usize;
            let dims = in_long_rows(&layout.tensors[t].dims);
            let vector = operand_parallel(g, side, &factors, E::ONE, &dims, &cells[t]);
            (vector, same)
        });
        let mut out = vec![E::ZERO; len];
        for (vector, same) in vectors.collect::<Vec<_>>() {
            for (g, scale) in same {
                let scale = side_scale(g, side, scale);
                let to = &mut out[g.offset..g.offset + vector.len()];
                to.iter_mut().zip(&vector).for_each(|(o, x)| *o = scale * *x);
            }
        }
        out
    })
}

/// `sum over entries of <weights, cells>`.
pub fn linear_value(layout: &Layout, entries: &[Entry<E>], cells: &[Cells<'_>]) -> E {
    entries
        .par_iter()
        .map(|e| {
            let d = &layout.tensors[e.tensor].dims;
            let values = cells[e.tensor].values;
            let rows = e.rows.par_iter().enumerate().with_min_len(64).filter(|(_, r)| **r != E::ZERO);
            let row = |(i, r): (usize, &E)| {
                let row = &values[d.row_cells(e.first + i, e.granule)];
                *r * row.iter().zip(&e.low).fold(E::ZERO, |a, (x, w)| a + *w * base_from_i64(*x))
            };
            rows.map(row).reduce(|| E::ZERO, |a, b| a + b)
        })
        .reduce(|| E::ZERO, |a, b| a + b)
}

/// Inner-product sumcheck of two vectors (missing cells are zero); returns the point and both values there.
pub fn inner_product(talk: &mut Talk<'_>, label: &'static str, rounds: usize, pair: [Vec<E>; 2]) -> (Vec<E>, [E; 2]) {
    let (point, [[a, b]]) = inner_products(talk, label, rounds, [pair]);
    (point, [a[0], b[0]])
}

/// Sumcheck of a sum of inner products (missing cells are zero); returns the point and what is left of the vectors, the
/// value there in cell 0.
pub fn inner_products<const N: usize>(
    talk: &mut Talk<'_>,
    label: &'static str,
    rounds: usize,
    mut pairs: [[Vec<E>; 2]; N],
) -> (Vec<E>, [[Vec<E>; 2]; N]) {
    let mut point = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let mut sum = [E::ZERO; 2];
        for [a, b] in &pairs {
            sum.iter_mut().zip(packed::round_with_two(a, b)).for_each(|(s, x)| *s += x);
        }
        sum.into_iter().for_each(|x| talk.message(label, x));
        let r: E = talk.transcript.challenge(label);
        pairs.iter_mut().flatten().for_each(|v| *v = packed::fold(v, r, E::ZERO));
        point.push(r);
    }
    (point, pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_relation::groups::{Cuts, split};
    use proveil_relation::{Access, Affine, Coef, Product};

    const OUTER: usize = 5;

    fn access(axes: Vec<Affine>) -> Access {
        Access { tensor: 0, axes, guards: Vec::new() }
    }

    /// Small or large integers, and weights, that differ from cell to cell.
    fn cell(i: usize, small: bool) -> i64 {
        (i as i64 * 7919 + 5) % 1009 - 504 + if small { 0 } else { (i as i64 % 3) << 40 }
    }

    fn weight(i: usize) -> E {
        ext_from_coords([3, 5, 11].map(|k| base_from_i64((i as i64 + 2) * 1_000_003 * k)))
    }

    /// Where a setting of the variables reads, row-major without padding.
    fn place(a: &Access, dims: &Dims, at: &[usize]) -> usize {
        let of = |f: &Affine| f.terms.iter().map(|(v, c)| c * at[*v as usize] as i64).sum::<i64>() + f.offset;
        a.axes.iter().zip(&dims.shape).fold(0, |i, (f, n)| i * n + of(f) as usize)
    }

    /// `sum over settings of weights * cell`, at the place of its index.
    fn reference(g: &Group, side: Side, dims: &Dims, rows: &[E], low: &[E], values: &[i64]) -> Vec<E> {
        let extents = g.side_extents(side);
        let mut out = vec![E::ZERO; 1 << g.bits()];
        let eq = proveil_algebra::eq_table(low);
        let (space, count) = (&g.extents[..g.space], extents.iter().product());
        let chunk = g.chunk.unwrap_or(0);
        for i in 0..count {
            let (mut rest, mut at) = (i, vec![0; extents.len()]);
            for v in (0..extents.len()).rev() {
                (at[v], rest) = (rest % extents[v], rest / extents[v]);
            }
            let mut w = E::ONE;
            if g.rows_to == side {
                w *= rows[at[0] * rows.len() / space[0] + chunk];
            }
            if g.low_to == side {
                w *= eq[at[1]];
            }
            let (target, _) = g.kappa.iter().fold((0, 0), |(t, bits), (v, n)| (t + (at[*v] << bits), bits + n));
            out[target] += w * base_from_i64(values[place(g.access(side), dims, &at)]);
        }
        out
    }

    #[test]
    fn matches_reference_of_rows_of_any_length() {
        for (last, inner, small) in [(17, 17, true), (9, 33, false), (16, 64, true), (20, 1030, true), (5, 3, false)] {
            // `sum over k of lhs[j, k] rhs[i, k]`, addresses by i and j.
            let p = Product {
                coef: Coef { num: 1, shift: 0 },
                sum: vec![inner as u32],
                lhs: access(vec![Affine::var(1), Affine::var(2)]),
                rhs: access(vec![Affine::var(0), Affine::var(2)]),
            };
            let space = Dims::new(&[OUTER as u32, last as u32], 16);
            let rows: Vec<E> = (0..space.rows()).map(weight).collect();
            let low: Vec<E> = (0..space.granule).map(|i| weight(i + 99)).collect();
            let sides =
                [(Side::Lhs, last), (Side::Rhs, OUTER)].map(|(s, n)| (s, Dims::new(&[n as u32, inner as u32], 16)));
            for g in split(0, &space, &p, Cuts::Shortest) {
                for (side, dims) in &sides {
                    let values: Vec<i64> = (0..dims.outer * inner).map(|i| cell(i, small)).collect();
                    let factors = g.side_factors(*side, &space, &rows, &low);
                    let expected = reference(&g, *side, dims, &rows, &low, &values);
                    for dims in [dims.clone(), in_long_rows(dims)] {
                        let got = operand(&g, *side, &factors, E::ONE, &dims, &Cells::new(&values), None);
                        assert!(got == expected, "{last} {inner} {side:?} in rows of {} bits", dims.granule);
                    }
                }
            }
        }
    }
}
