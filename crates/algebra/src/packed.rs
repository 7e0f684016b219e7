//! Long vectors of elements, as many at a time as the vector unit holds. Without one, a pack is one element.

use alloc::vec;
use alloc::vec::Vec;

use p3_field::{ExtensionField, Field, PackedFieldExtension, PackedValue};

use crate::{Challenge, PrimeCharacteristicRing};

type Pack<K> = <K as ExtensionField<<K as Challenge>::Base>>::ExtensionPacking;

#[inline(always)]
fn width<K: Challenge>() -> usize {
    <<K as Challenge>::Base as Field>::Packing::WIDTH
}

#[inline(always)]
fn load<K: Challenge>(v: &[K]) -> Pack<K> {
    let v = v.split_at(width::<K>()).0;
    <Pack<K> as PackedFieldExtension<K::Base, K>>::from_ext_fn(
        #[inline(always)]
        |lane| v[lane],
    )
}

#[inline(always)]
fn store<K: Challenge>(p: &Pack<K>, out: &mut [K]) {
    PackedFieldExtension::<K::Base, K>::to_ext_slice(p, out);
}

/// `sum_i a_i b_i`; the shorter length counts.
#[must_use]
pub fn dot<K: Challenge>(a: &[K], b: &[K]) -> K {
    let (w, n) = (width::<K>(), a.len().min(b.len()));
    let (a, b) = (a.split_at(n).0, b.split_at(n).0);
    let (pa, pb) = (a.chunks_exact(w), b.chunks_exact(w));
    let rest = pa.remainder().iter().zip(pb.remainder()).fold(K::ZERO, |s, (x, y)| s + *x * *y);
    if n < w {
        return rest;
    }
    let mut sum = Pack::<K>::ZERO;
    for (x, y) in pa.zip(pb) {
        sum += load(x) * load(y);
    }
    let mut lanes = vec![K::ZERO; w];
    store(&sum, &mut lanes);
    lanes.into_iter().fold(rest, |s, x| s + x)
}

/// A vector by coordinates over the base field, for products with vectors of the base field.
#[derive(Clone, Debug)]
pub struct Planes<K: Challenge>(Vec<Vec<K::Base>>);

impl<K: Challenge> Planes<K> {
    /// The coordinates of `v`.
    #[must_use]
    pub fn new(v: &[K]) -> Self {
        let plane = |c: usize| {
            let at = |x: &K| x.as_basis_coefficients_slice().get(c).copied().unwrap_or(K::Base::ZERO);
            v.iter().map(at).collect()
        };
        Self((0..K::DIMENSION).map(plane).collect())
    }

    /// `sum_i v_(from + i) b_i`; the shorter length counts.
    #[must_use]
    pub fn dot(&self, from: usize, b: &[K::Base]) -> K {
        type Of<K> = <<K as Challenge>::Base as Field>::Packing;
        let sums = self.0.iter().map(|plane| {
            let a = plane.get(from..).unwrap_or_default();
            let n = a.len().min(b.len());
            let whole = n - n % width::<K>();
            let ((a, x), (b, y)) = (a.split_at(n).0.split_at(whole), b.split_at(n).0.split_at(whole));
            let packs = Of::<K>::pack_slice(a).iter().zip(Of::<K>::pack_slice(b));
            let sum = packs.fold(Of::<K>::ZERO, |s, (x, y)| s + *x * *y);
            let rest = x.iter().zip(y).fold(K::Base::ZERO, |s, (x, y)| s + *x * *y);
            sum.as_slice().iter().fold(rest, |s, x| s + *x)
        });
        let sums: Vec<K::Base> = sums.collect();
        K::from_basis_coefficients_fn(|i| sums.get(i).copied().unwrap_or(K::Base::ZERO))
    }
}

/// Multiplies every element by `c`.
pub fn scale<K: Challenge>(v: &mut [K], c: K) {
    let pack = Pack::<K>::from(c);
    let mut whole = v.chunks_exact_mut(width::<K>());
    (&mut whole).for_each(|x| store(&(load(x) * pack), x));
    whole.into_remainder().iter_mut().for_each(|x| *x *= c);
}

/// `a_i *= b_i`; the shorter length counts.
pub fn multiply<K: Challenge>(a: &mut [K], b: &[K]) {
    let (w, n) = (width::<K>(), a.len().min(b.len()));
    let (a, b) = (a.split_at_mut(n).0, b.split_at(n).0);
    let (mut pa, mut pb) = (a.chunks_exact_mut(w), b.chunks_exact(w));
    (&mut pa).zip(&mut pb).for_each(|(x, y)| store(&(load(x) * load(y)), x));
    pa.into_remainder().iter_mut().zip(pb.remainder()).for_each(|(x, y)| *x *= *y);
}

/// `a_i += c b_i`; the shorter length counts.
pub fn add_scaled<K: Challenge>(a: &mut [K], b: &[K], c: K) {
    let (w, n) = (width::<K>(), a.len().min(b.len()));
    let (a, b) = (a.split_at_mut(n).0, b.split_at(n).0);
    let pack = Pack::<K>::from(c);
    let (mut pa, mut pb) = (a.chunks_exact_mut(w), b.chunks_exact(w));
    (&mut pa).zip(&mut pb).for_each(|(x, y)| store(&(load(x) + load(y) * pack), x));
    pa.into_remainder().iter_mut().zip(pb.remainder()).for_each(|(x, y)| *x += *y * c);
}

/// `scale * eq(pt, x)` for all `x` in `0 .. 2^pt.len()`, lowest bit first.
#[must_use]
pub fn eq_table_scaled<K: Challenge>(pt: &[K], scale: K) -> Vec<K> {
    let w = width::<K>();
    let mut v = vec![K::ZERO; 1 << pt.len()];
    if let Some(first) = v.first_mut() {
        *first = scale;
    }
    for (i, r) in pt.iter().enumerate() {
        let (lo, rest) = v.split_at_mut(1 << i);
        let hi = rest.split_at_mut(1 << i).0;
        let pack = Pack::<K>::from(*r);
        let (mut l, mut h) = (lo.chunks_exact_mut(w), hi.chunks_exact_mut(w));
        for (l, h) in (&mut l).zip(&mut h) {
            let x = load(l);
            let y = x * pack;
            store(&y, h);
            store(&(x - y), l);
        }
        for (l, h) in l.into_remainder().iter_mut().zip(h.into_remainder()) {
            *h = *l * *r;
            *l -= *h;
        }
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{E, F, eq_index, ext_from_coords};

    fn elements(n: u64, seed: u64) -> Vec<E> {
        let c = |i: u64, k: u64| F::from_u64((i * 3 + k + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (0..n).map(|i| ext_from_coords([c(i, 0), c(i, 1), c(i, 2)])).collect()
    }

    #[test]
    fn matches_reference_one_by_one() {
        for n in [0, 1, 7, 8, 9, 16, 100] {
            let (a, b) = (elements(n, 1), elements(n + 3, 2));
            assert_eq!(dot(&a, &b), a.iter().zip(&b).fold(E::ZERO, |s, (x, y)| s + *x * *y));
            let mut scaled = a.clone();
            scale(&mut scaled, b[0]);
            assert_eq!(scaled, a.iter().map(|x| *x * b[0]).collect::<Vec<_>>());
            let mut product = a.clone();
            multiply(&mut product, &b);
            assert_eq!(product, a.iter().zip(&b).map(|(x, y)| *x * *y).collect::<Vec<_>>());
            let base: Vec<F> = (0..n + 2).map(F::from_u64).collect();
            let expected = a.iter().skip(1).zip(&base).fold(E::ZERO, |s, (x, y)| s + *x * *y);
            assert_eq!(Planes::new(&a).dot(1, &base), expected);
            let mut sum = a.clone();
            add_scaled(&mut sum, &b, b[1]);
            assert_eq!(sum, a.iter().zip(&b).map(|(x, y)| *x + *y * b[1]).collect::<Vec<_>>());
        }
        for n in 0..8 {
            let (pt, c) = (elements(n, 5), elements(1, 9)[0]);
            let expected: Vec<E> = (0..1 << n).map(|x| eq_index(&pt, x) * c).collect();
            assert_eq!(eq_table_scaled(&pt, c), expected);
        }
    }
}
