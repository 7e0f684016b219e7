//! Row weights of tensors that an access reads whole, axis by axis: products of whole vectors instead of a walk.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, multiply, scale as scale_all};

use super::{Factor, Walk, prepare};
use crate::decl::{Access, Affine};
use crate::layout::Dims;

/// The weights of all rows of a tensor without padding, every axis of which one variable runs through: those of one factor
/// after the other along the axes that it is on. `None` elsewhere, and where a factor has its axes in another order.
pub(super) fn whole_rows<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    scale: E,
    access: &Access,
    dims: &Dims,
    walk: &Walk<'_, E>,
) -> Option<Vec<E>> {
    let own = |(a, n): (&Affine, &usize)| match a.terms.as_slice() {
        [(v, 1)] if a.offset == 0 && extents.get(*v as usize) == Some(n) => Some(*v as usize),
        _ => None,
    };
    let vars: Vec<usize> = access.axes.iter().zip(&dims.shape).map_while(own).collect();
    let once = vars.iter().enumerate().all(|(i, v)| !vars.iter().take(i).any(|w| w == v));
    let others = extents.iter().enumerate().filter(|(v, _)| !vars.contains(v)).all(|(_, n)| *n == 1);
    let padded = dims.padded_last() != dims.last || walk.partial != 0;
    if vars.len() != dims.shape.len() || !once || !others || padded || !access.guards.is_empty() {
        return None;
    }
    // Steps of an axis, and how far a variable's value moves with each.
    let unit = |v: usize| if walk.var == Some(v) { 1 << walk.granule } else { 1 };
    let steps = |v: &usize| extents.get(*v).map_or(1, |n| n / unit(*v));
    let mut rows = vec![scale; vars.iter().map(steps).product()];
    for f in factors {
        let table = prepare(f, extents, walk);
        let on = |v: &usize| table.strides.iter().find(|s| s.0 == *v).filter(|_| steps(v) > 1);
        let Some(end) = vars.iter().rposition(|v| on(v).is_some()) else {
            scale_all(&mut rows, table.cells.first().copied().unwrap_or(E::ZERO));
            continue;
        };
        let (mut n, mut first) = (1, end + 1);
        for v in vars.iter().take(end + 1).rev().take_while(|v| on(v).is_some() || steps(v) == 1) {
            let dense = on(v).is_none_or(|(_, stride, drop)| stride * (unit(*v) >> drop) == n);
            if !dense {
                return None;
            }
            (n, first) = (n * steps(v), first - 1);
        }
        if vars.iter().take(first).any(|v| on(v).is_some()) || table.cells.len() < n {
            return None;
        }
        let after: usize = vars.iter().skip(end + 1).map(steps).product();
        if after == 1 {
            rows.chunks_mut(n).for_each(|line| multiply(line, &table.cells));
            continue;
        }
        for (part, weight) in rows.chunks_mut(after).zip(table.cells.iter().take(n).cycle()) {
            scale_all(part, *weight);
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decl::Guard;
    use crate::weights::{plan_walk, walk_rows};
    use proveil_algebra::{E, F, PrimeCharacteristicRing};

    fn elements(n: usize, seed: u64) -> Vec<E> {
        let e = |i: usize| E::from(F::from_u64(seed * 1000 + i as u64 * 77 + 5)) * E::from_u64(1 << 40);
        (0..n).map(e).collect()
    }

    /// Rows by the walk, if these are read whole.
    fn matches(extents: &[usize], vars: &[u32], dims: &Dims, factors: &[Factor<'_, E>]) -> bool {
        let axes = vars.iter().map(|v| Affine::var(*v)).collect();
        read(extents, &Access { tensor: 0, axes, guards: vec![] }, dims, factors)
    }

    fn read(extents: &[usize], access: &Access, dims: &Dims, factors: &[Factor<'_, E>]) -> bool {
        let walk = plan_walk(extents, factors, access, dims);
        let scale = E::from_u64(9);
        let mut expected = vec![E::ZERO; dims.padded_cells() >> walk.granule];
        walk_rows(extents, factors, scale, access, dims, &walk, &[], None, &mut |v| expected[v.row] += v.weight);
        let rows = whole_rows(extents, factors, scale, access, dims, &walk);
        assert!(rows.as_ref().is_none_or(|r| *r == expected), "{extents:?} {access:?} {dims:?}");
        rows.is_some()
    }

    #[test]
    fn matches_reference_walk() {
        let dims = Dims { shape: vec![3, 5, 16], outer: 15, last: 16, granule: 2 };
        let (low, points) = (elements(2, 1), [elements(2, 2), elements(3, 3), elements(4, 4)]);
        let space =
            |n: usize| Factor::Space { vars: vec![0, 1, 2], granule: 2, rows: elements(n, 5).into(), low: &low };
        let eq = |var: usize| Factor::Eq { var, pt: points[var].clone() };
        let outer = |vars: &[usize], n: usize| Factor::Outer { vars: vars.to_vec(), rows: elements(n, 6).into() };
        let all = [0, 1, 2];
        let whole: [&[Factor<'_, E>]; 9] = [
            &[],
            &[space(60)],
            &[space(60), eq(1), eq(0)],
            &[space(60), eq(2)],
            &[outer(&[0, 1], 15), eq(2)],
            &[outer(&[0], 3), outer(&[1], 5), outer(&[], 1)],
            &[outer(&[0, 1], 15), eq(0), eq(1), eq(2)],
            &[eq(0), eq(2)],
            &[outer(&[0, 1, 2], 240)],
        ];
        for (i, factors) in whole.iter().enumerate() {
            assert!(matches(&[3, 5, 16], &all, &dims, factors), "{i}");
            // A variable that nothing reads.
            assert!(!matches(&[3, 5, 16, 2], &all, &dims, factors), "{i}");
        }
        // Weights in another order than the axes, on axes that are not neighbours, for fewer places than there are.
        assert!(!matches(&[5, 3, 16], &[1, 0, 2], &dims, &[outer(&[0, 1], 15)]));
        assert!(!matches(&[3, 5, 16], &all, &dims, &[outer(&[0, 2], 48)]));
        assert!(!matches(&[3, 5, 16], &all, &dims, &[Factor::Eq { var: 1, pt: elements(1, 7) }]));
        // Parts of axes, padding, an axis that two variables move.
        assert!(!matches(&[3, 4, 16], &all, &dims, &[eq(1)]));
        let padded = Dims { shape: vec![3, 5, 15], outer: 15, last: 15, granule: 2 };
        assert!(!matches(&[3, 5, 15], &all, &padded, &[eq(2)]));
        let square = Dims { shape: vec![3, 3], outer: 3, last: 3, granule: 0 };
        for factors in [&[][..], &[eq(0)], &[outer(&[], 1)]] {
            assert!(!matches(&[3], &[0, 0], &square, factors));
        }
        assert!(matches(&[1, 3, 5, 16], &[1, 2, 3], &dims, &[outer(&[1], 3)]));
        // An axis read from its second place on, and places that a guard leaves out.
        let plain = Access { tensor: 0, axes: all.map(Affine::var).to_vec(), guards: vec![] };
        assert!(read(&[3, 5, 16], &plain, &dims, &[eq(2)]));
        let mut shifted = plain.clone();
        shifted.axes[0].offset = 1;
        assert!(!read(&[3, 5, 16], &shifted, &dims, &[eq(2)]));
        let guards = vec![Guard { form: Affine::var(1), bound: 4 }];
        assert!(!read(&[3, 5, 16], &Access { guards, ..plain }, &dims, &[eq(2)]));
    }
}
