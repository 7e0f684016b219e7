//! Long passes over extension elements, as many at a time as the vector unit holds.
//!
//! Tables are plain slices of elements; packs are put together from neighbouring or every second cell as they are
//! needed, which costs little beside the products. Cells beyond the last whole pack go one by one.

use p3_field::PackedFieldExtension;
use proveil_algebra::{E, ExtensionField, F, Field, PackedValue, PrimeCharacteristicRing};
use rayon::prelude::*;

/// Elements side by side.
pub type Pack = <E as ExtensionField<F>>::ExtensionPacking;
type Base = <F as Field>::Packing;

/// Elements in a pack.
pub const WIDTH: usize = Base::WIDTH;
/// Pairs of cells that one task takes.
const TASK: usize = 1 << 10;

/// Cells `0, step, 2 step, ...` of a slice.
#[inline]
pub fn load(v: &[E], step: usize) -> Pack {
    <Pack as PackedFieldExtension<F, E>>::from_ext_fn(|lane| v[lane * step])
}

#[inline]
fn load_base(v: &[F], step: usize) -> Pack {
    Pack::from(Base::from_fn(|lane| v[lane * step]))
}

/// Writes a pack to the first cells of a slice.
#[inline]
pub fn store(p: &Pack, out: &mut [E]) {
    PackedFieldExtension::<F, E>::to_ext_slice(p, &mut out[..WIDTH]);
}

/// Sum of the elements of a pack.
#[inline]
pub fn total(p: &Pack) -> E {
    let mut lanes = [E::ZERO; WIDTH];
    store(p, &mut lanes);
    lanes.into_iter().fold(E::ZERO, |a, x| a + x)
}

/// Lower cells and differences of pairs, `WIDTH` or one at a time.
trait Pairs {
    fn pack(&self, pair: usize) -> (Pack, Pack);
    fn one(&self, pair: usize) -> (E, E);
}

/// A table with the value of missing cells.
struct Table<'a>(&'a [E], E);

impl Pairs for Table<'_> {
    #[inline]
    fn pack(&self, pair: usize) -> (Pack, Pack) {
        let v = &self.0[2 * pair..2 * (pair + WIDTH)];
        let lo = load(v, 2);
        (lo, load(&v[1..], 2) - lo)
    }
    #[inline]
    fn one(&self, pair: usize) -> (E, E) {
        let lo = self.0[2 * pair];
        (lo, self.0.get(2 * pair + 1).copied().unwrap_or(self.1) - lo)
    }
}

/// A table of base-field elements; missing cells are zero.
struct BaseTable<'a>(&'a [F]);

impl Pairs for BaseTable<'_> {
    #[inline]
    fn pack(&self, pair: usize) -> (Pack, Pack) {
        let v = &self.0[2 * pair..2 * (pair + WIDTH)];
        let lo = load_base(v, 2);
        (lo, load_base(&v[1..], 2) - lo)
    }
    #[inline]
    fn one(&self, pair: usize) -> (E, E) {
        let (lo, hi) = (self.0[2 * pair], self.0.get(2 * pair + 1).copied().unwrap_or(F::ZERO));
        (E::from(lo), E::from(hi - lo))
    }
}

fn fill(out: &mut [E], whole: usize, v: &impl Pairs, r: E, r_pack: Pack) {
    let packed = whole - whole % WIDTH;
    let (head, tail) = out.split_at_mut(packed);
    for (i, o) in head.chunks_exact_mut(WIDTH).enumerate() {
        let (lo, step) = v.pack(i * WIDTH);
        store(&(lo + r_pack * step), o);
    }
    for (i, o) in tail.iter_mut().enumerate() {
        let (lo, step) = v.one(packed + i);
        *o = lo + r * step;
    }
}

/// Cells to be written over, in the memory of `spare` and with what it holds if that is enough. Fresh memory is touched by all threads: the system
/// clears it page by page, which for tables of many millions of cells takes longer than filling them.
#[must_use]
pub fn room(len: usize, mut spare: Vec<E>) -> Vec<E> {
    if spare.capacity() >= len {
        spare.resize(len, E::ZERO);
        return spare;
    }
    drop(spare);
    rayon::iter::repeat_n(E::ZERO, len).with_min_len(TASK << 4).collect()
}

/// Binds the lowest variable to `r`; a missing upper cell counts as `pad`.
#[must_use]
pub fn fold(v: &[E], r: E, pad: E) -> Vec<E> {
    let mut out = room(v.len().div_ceil(2), Vec::new());
    let r_pack = Pack::from(r);
    out.par_chunks_mut(TASK)
        .zip(v.par_chunks(2 * TASK))
        .for_each(|(out, v)| fill(out, v.len() / 2, &Table(v, pad), r, r_pack));
    out
}

/// `sum_i a(i) b(i)`, by all threads.
pub fn dot(a: &[E], b: &[E]) -> E {
    let parts = a.par_chunks(2 * TASK).zip(b.par_chunks(2 * TASK));
    parts.map(|(a, b)| proveil_algebra::dot(a, b)).reduce(|| E::ZERO, |x, y| x + y)
}

/// `table += coeff * other`.
pub fn add_scaled(table: &mut [E], coeff: E, other: &[E]) {
    let c = Pack::from(coeff);
    table.par_chunks_mut(2 * TASK).zip(other.par_chunks(2 * TASK)).for_each(|(t, o)| {
        let whole = t.len().min(o.len()) / WIDTH * WIDTH;
        for (t, o) in t[..whole].chunks_exact_mut(WIDTH).zip(o.chunks_exact(WIDTH)) {
            store(&(load(t, 1) + c * load(o, 1)), t);
        }
        t[whole..].iter_mut().zip(&o[whole..]).for_each(|(t, o)| *t += coeff * *o);
    });
}

/// Value at 0 and leading coefficient of `X -> sum_i a(X, i) b(X, i)`, `X` the lowest variable; a missing upper cell is
/// zero.
pub fn round_with_lead(a: &[E], b: &[E]) -> [E; 2] {
    round::<true>(a, b)
}

/// Values at 0 and 2 of the same polynomial.
pub fn round_with_two(a: &[E], b: &[E]) -> [E; 2] {
    round::<false>(a, b)
}

fn round<const LEAD: bool>(a: &[E], b: &[E]) -> [E; 2] {
    let one = |(a, b): (&[E], &[E])| {
        let pairs = a.len().div_ceil(2);
        let (ta, tb) = (Table(a, E::ZERO), Table(b, E::ZERO));
        let packed = a.len().min(b.len()) / 2 / WIDTH * WIDTH;
        let mut sum = [Pack::ZERO; 2];
        for i in (0..packed).step_by(WIDTH) {
            let ((x, dx), (y, dy)) = (ta.pack(i), tb.pack(i));
            sum[0] += x * y;
            sum[1] += if LEAD { dx * dy } else { (x + dx + dx) * (y + dy + dy) };
        }
        let mut out = sum.map(|s| total(&s));
        for i in packed..pairs {
            let ((x, dx), (y, dy)) = (ta.one(i), tb.one(i));
            out[0] += x * y;
            out[1] += if LEAD { dx * dy } else { (x + dx + dx) * (y + dy + dy) };
        }
        out
    };
    let parts = a.par_chunks(2 * TASK).zip(b.par_chunks(2 * TASK)).map(one);
    parts.reduce(|| [E::ZERO; 2], |p, q| [p[0] + q[0], p[1] + q[1]])
}

/// Cells of a table, some of which may be missing at its end.
#[derive(Clone, Copy)]
pub enum Cells<'a> {
    /// Extension elements and the value of missing ones.
    Ext(&'a [E], E),
    /// Base-field elements; missing ones are zero.
    Base(&'a [F]),
}

impl Cells<'_> {
    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Ext(v, _) => v.len(),
            Self::Base(v) => v.len(),
        }
    }
}

impl Pairs for Cells<'_> {
    #[inline]
    fn pack(&self, pair: usize) -> (Pack, Pack) {
        match self {
            Self::Ext(v, pad) => Table(v, *pad).pack(pair),
            Self::Base(v) => BaseTable(v).pack(pair),
        }
    }
    #[inline]
    fn one(&self, pair: usize) -> (E, E) {
        match self {
            Self::Ext(v, pad) => Table(v, *pad).one(pair),
            Self::Base(v) => BaseTable(v).one(pair),
        }
    }
}

/// Binds the lowest variable of a few cells to `r`.
///
/// # Shapes
/// `out` has half as many cells, rounded up.
pub fn fold_into(cells: &Cells<'_>, r: E, out: &mut [E]) {
    match cells {
        Cells::Ext(v, pad) => fill(out, v.len() / 2, &Table(v, *pad), r, Pack::from(r)),
        Cells::Base(v) => fill(out, v.len() / 2, &BaseTable(v), r, Pack::from(r)),
    }
}

/// `sum_x eq(x) (h D0 D1 - N0 D1 - N1 D0)(X, x)` at `X` = 0, 2 and 3, of a few cells of `h, D0, D1, N0, N1`.
///
/// # Shapes
/// `eq` has at least half as many cells, rounded up.
pub fn fraction_round(eq: &[E], t: &[Cells<'_>; 5]) -> [E; 3] {
    let cells = t[0].len();
    let (pairs, packed) = (cells.div_ceil(2), cells / 2 / WIDTH * WIDTH);
    let mut sum = [Pack::ZERO; 3];
    for x in (0..packed).step_by(WIDTH) {
        let v = values(load(&eq[x..x + WIDTH], 1), t.each_ref().map(|t| t.pack(x)));
        sum.iter_mut().zip(v).for_each(|(s, v)| *s += v);
    }
    let mut out = sum.map(|s| total(&s));
    for (x, eq) in (packed..pairs).zip(&eq[packed..]) {
        let v = values(*eq, t.each_ref().map(|t| t.one(x)));
        out.iter_mut().zip(v).for_each(|(o, v)| *o += v);
    }
    out
}

/// `e (h D0 D1 - N0 D1 - N1 D0)` at 0, 2 and 3, from the lines of the five factors.
#[inline]
fn values<A: PrimeCharacteristicRing + Copy>(e: A, mut lines: [(A, A); 5]) -> [A; 3] {
    let value = |l: &[(A, A); 5]| {
        let [h, d0, d1, n0, n1] = l.map(|p| p.0);
        e * (d1 * (h * d0 - n0) - n1 * d0)
    };
    let advance = |l: &mut [(A, A); 5]| l.iter_mut().for_each(|p| p.0 += p.1);
    let at0 = value(&lines);
    advance(&mut lines);
    advance(&mut lines);
    let at2 = value(&lines);
    advance(&mut lines);
    [at0, at2, value(&lines)]
}

/// `N0/D0 + N1/D1` cell by cell, with one inversion; `false`, and rubbish, when a denominator is zero.
pub fn sums_of_fractions(den: [&[E]; 2], num: [&[F]; 2], out: &mut [E]) -> bool {
    let whole = out.len() / WIDTH * WIDTH;
    let pack = |i: usize| (load(&den[0][i..], 1), load(&den[1][i..], 1));
    // Prefix products in every lane, one inversion of all lanes, then backwards.
    let mut prefix = Vec::with_capacity(whole / WIDTH);
    let mut acc = Pack::ONE;
    for i in (0..whole).step_by(WIDTH) {
        prefix.push(acc);
        let (d0, d1) = pack(i);
        acc *= d0 * d1;
    }
    let mut lanes = [E::ONE; WIDTH];
    store(&acc, &mut lanes);
    let mut tail: Vec<E> = (whole..out.len()).map(|i| den[0][i] * den[1][i]).collect();
    tail.extend(lanes);
    let Some(inverses) = invert(&tail) else { return false };
    let (rest, lanes) = inverses.split_at(out.len() - whole);
    let mut inv = load(lanes, 1);
    for i in (0..whole).step_by(WIDTH).rev() {
        let (d0, d1) = pack(i);
        let n = num.map(|n| *Base::from_slice(&n[i..i + WIDTH]));
        let sum = d1 * n[0] + d0 * n[1];
        store(&(sum * inv * prefix[i / WIDTH]), &mut out[i..]);
        inv *= d0 * d1;
    }
    for (i, inv) in (whole..out.len()).zip(rest) {
        out[i] = (den[1][i] * num[0][i] + den[0][i] * num[1][i]) * *inv;
    }
    true
}

/// All inverses by one inversion; `None` when one is zero.
fn invert(xs: &[E]) -> Option<Vec<E>> {
    let mut prefix = Vec::with_capacity(xs.len());
    let mut acc = E::ONE;
    for x in xs {
        prefix.push(acc);
        acc *= *x;
    }
    let mut inv = acc.try_inverse()?;
    for (p, x) in prefix.iter_mut().zip(xs).rev() {
        *p *= inv;
        inv *= *x;
    }
    Some(prefix)
}

/// `base - sum_c powers[c] columns[c](i)` cell by cell.
pub fn combine(out: &mut [E], base: E, powers: &[E], columns: &[&[F]]) {
    let whole = out.len() / WIDTH * WIDTH;
    let (head, tail) = out.split_at_mut(whole);
    let packs: Vec<Pack> = powers.iter().map(|p| Pack::from(*p)).collect();
    for (k, o) in head.chunks_exact_mut(WIDTH).enumerate() {
        let at = k * WIDTH;
        let mut acc = Pack::from(base);
        for (c, p) in columns.iter().zip(&packs) {
            acc -= *p * *Base::from_slice(&c[at..at + WIDTH]);
        }
        store(&acc, o);
    }
    for (i, o) in tail.iter_mut().enumerate() {
        *o = columns.iter().zip(powers).fold(base, |a, (c, p)| a - *p * c[whole + i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::element;
    use proveil_algebra::ext_coords;

    fn table(n: usize, seed: u64) -> Vec<E> {
        (0..n as u64).map(|i| element(seed * 100_003 + i)).collect()
    }

    fn base(n: usize, seed: u64) -> Vec<F> {
        table(n, seed).iter().map(|x| ext_coords(x)[1]).collect()
    }

    const LENGTHS: [usize; 10] = [1, 2, 7, 8, 15, 16, 17, 64, 2047, 5003];

    #[test]
    fn matches_reference_folds_and_sums() {
        for n in LENGTHS {
            let (a, b, f) = (table(n, 1), table(n, 2), base(n, 3));
            let (r, pad) = (element(7), element(8));
            let pair = |v: &[E], i: usize, pad: E| (v[2 * i], v.get(2 * i + 1).copied().unwrap_or(pad));
            let bind = |v: &[E], i: usize, pad: E| pair(v, i, pad).0 + r * (pair(v, i, pad).1 - pair(v, i, pad).0);
            let expected: Vec<E> = (0..n.div_ceil(2)).map(|i| bind(&a, i, pad)).collect();
            assert_eq!(fold(&a, r, pad), expected);
            let lifted: Vec<E> = f.iter().map(|x| E::from(*x)).collect();
            let mut folded = vec![E::ZERO; n.div_ceil(2)];
            fold_into(&Cells::Base(&f), r, &mut folded);
            assert_eq!(folded, fold(&lifted, r, E::ZERO));
            fold_into(&Cells::Ext(&a, pad), r, &mut folded);
            assert_eq!(folded, expected);
            assert_eq!(dot(&a, &b), a.iter().zip(&b).fold(E::ZERO, |s, (x, y)| s + *x * *y));
            let mut sum = a.clone();
            add_scaled(&mut sum, r, &b);
            assert!(sum.iter().zip(a.iter().zip(&b)).all(|(s, (a, b))| *s == *a + r * *b));
            let polynomial = |x: E| {
                (0..n.div_ceil(2)).fold(E::ZERO, |s, i| {
                    let (p, q) = (pair(&a, i, E::ZERO), pair(&b, i, E::ZERO));
                    s + (p.0 + x * (p.1 - p.0)) * (q.0 + x * (q.1 - q.0))
                })
            };
            let (at0, at2) = (polynomial(E::ZERO), polynomial(E::TWO));
            assert_eq!(round_with_two(&a, &b), [at0, at2]);
            let [start, lead] = round_with_lead(&a, &b);
            assert_eq!((start, lead.double()), (at0, at2 - polynomial(E::ONE).double() + at0));
        }
    }

    #[test]
    fn matches_reference_fractions() {
        for n in LENGTHS {
            let (den, num) = ([table(n, 4), table(n, 5)], [base(n, 6), base(n, 7)]);
            let views = |v: &'_ [Vec<E>; 2]| [v[0].clone(), v[1].clone()];
            let d = views(&den);
            let mut h = vec![E::ZERO; n];
            assert!(sums_of_fractions([&d[0], &d[1]], [&num[0], &num[1]], &mut h));
            for i in 0..n {
                assert_eq!(h[i] * den[0][i] * den[1][i], den[1][i] * num[0][i] + den[0][i] * num[1][i]);
            }
            let mut zero = d[1].clone();
            zero[n / 2] = E::ZERO;
            assert!(!sums_of_fractions([&d[0], &zero], [&num[0], &num[1]], &mut h.clone()));

            let (eq, alpha, h) = (table(n.div_ceil(2), 8), element(9), table(n, 10));
            let lifted = [0, 1].map(|k: usize| num[k].iter().map(|x| E::from(*x)).collect::<Vec<E>>());
            let expected = [0u64, 2, 3].map(|x| {
                let at = |v: &[E], i: usize, pad: E| {
                    let hi = v.get(2 * i + 1).copied().unwrap_or(pad);
                    v[2 * i] + E::from_u64(x) * (hi - v[2 * i])
                };
                (0..n.div_ceil(2)).fold(E::ZERO, |s, i| {
                    let (d0, d1) = (at(&d[0], i, alpha), at(&d[1], i, alpha));
                    let (n0, n1) = (at(&lifted[0], i, E::ZERO), at(&lifted[1], i, E::ZERO));
                    s + eq[i] * (at(&h, i, E::ZERO) * d0 * d1 - n0 * d1 - n1 * d0)
                })
            });
            let fractions = [Cells::Ext(&h, E::ZERO), Cells::Ext(&d[0], alpha), Cells::Ext(&d[1], alpha)];
            let base = [Cells::Base(&num[0]), Cells::Base(&num[1])];
            let ext = [Cells::Ext(&lifted[0], E::ZERO), Cells::Ext(&lifted[1], E::ZERO)];
            for [n0, n1] in [base, ext] {
                let [h, d0, d1] = fractions;
                assert_eq!(fraction_round(&eq, &[h, d0, d1, n0, n1]), expected);
            }
            let mut w = vec![E::ZERO; n];
            combine(&mut w, alpha, &eq[..1], &[&num[0]]);
            assert!((0..n).all(|i| w[i] == alpha - eq[0] * num[0][i]));
        }
    }
}
