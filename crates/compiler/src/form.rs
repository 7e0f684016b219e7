//! Affine forms over index variables with known lengths: intervals, substitution, and the removal of conditions
//! and summation variables that have no effect. All functions refuse, with `None`, what leaves 64 bits.

use proveil_relation::{Access, Affine, Guard};

/// Smallest and largest value of a form when variable `v` runs over `0 .. extents[v]`.
pub fn interval(form: &Affine, extents: &[u32]) -> (i128, i128) {
    let start = i128::from(form.offset);
    form.terms.iter().fold((start, start), |(lo, hi), &(var, coef)| {
        let last = i128::from(extents.get(var as usize).copied().unwrap_or(1)) - 1;
        let reach = i128::from(coef) * last;
        (lo + reach.min(0), hi + reach.max(0))
    })
}

/// Whether the form leaves `0 .. bound` for some setting.
pub fn leaves(form: &Affine, bound: u64, extents: &[u32]) -> bool {
    let (lo, hi) = interval(form, extents);
    lo < 0 || hi >= i128::from(bound)
}

/// Whether the form is outside `0 .. bound` for every setting.
pub fn never(form: &Affine, bound: u64, extents: &[u32]) -> bool {
    let (lo, hi) = interval(form, extents);
    hi < 0 || lo >= i128::from(bound)
}

/// `form` with variable `v` replaced by `by[v]`.
pub fn substitute(form: &Affine, by: &[Affine]) -> Option<Affine> {
    let mut out = Affine::constant(form.offset);
    for &(var, coef) in &form.terms {
        add_scaled(&mut out, by.get(var as usize)?, coef)?;
    }
    Some(out)
}

/// `to += coef * form`, terms kept sorted and without zeros.
pub fn add_scaled(to: &mut Affine, form: &Affine, coef: i64) -> Option<()> {
    to.offset = to.offset.checked_add(form.offset.checked_mul(coef)?)?;
    for &(var, c) in &form.terms {
        let c = c.checked_mul(coef)?;
        match to.terms.binary_search_by_key(&var, |t| t.0) {
            Ok(at) => to.terms[at].1 = to.terms[at].1.checked_add(c)?,
            Err(at) => to.terms.insert(at, (var, c)),
        }
    }
    to.terms.retain(|t| t.1 != 0);
    Some(())
}

/// `access` with variable `v` replaced by `by[v]` in axes and guards.
pub fn substitute_access(access: &Access, by: &[Affine]) -> Option<Access> {
    let axes = access.axes.iter().map(|a| substitute(a, by)).collect::<Option<Vec<_>>>()?;
    let guards = access.guards.iter().map(|g| Some(Guard { form: substitute(&g.form, by)?, bound: g.bound }));
    Some(Access { tensor: access.tensor, axes, guards: guards.collect::<Option<Vec<_>>>()? })
}

/// Removes guards that always hold, that repeat, or that an axis of the tensor already implies.
/// Returns `false` when the access reads 0 everywhere.
pub fn simplify(access: &mut Access, shape: &[u32], extents: &[u32]) -> bool {
    if access.axes.iter().zip(shape).any(|(a, &n)| never(a, u64::from(n), extents)) {
        return false;
    }
    if access.guards.iter().any(|g| never(&g.form, g.bound, extents)) {
        return false;
    }
    let guards = std::mem::take(&mut access.guards);
    for guard in guards {
        let implied = access.axes.iter().zip(shape).any(|(a, &n)| *a == guard.form && u64::from(n) <= guard.bound);
        if leaves(&guard.form, guard.bound, extents) && !implied && !access.guards.contains(&guard) {
            access.guards.push(guard);
        }
    }
    true
}

/// Renumbers variables of an access by a list: variable `v` becomes `to[v]`.
pub fn renumber(access: &Access, to: &[u32]) -> Option<Access> {
    let by: Vec<Affine> = to.iter().map(|&v| Affine::var(v)).collect();
    substitute_access(access, &by)
}

/// Greatest common divisor.
pub fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_effective_guards() {
        let form = Affine { terms: vec![(0, 1)], offset: -1 };
        let mut a = Access {
            tensor: 0,
            axes: vec![Affine::var(0)],
            guards: vec![Guard { form: Affine::var(0), bound: 4 }, Guard { form, bound: 4 }],
        };
        assert!(simplify(&mut a, &[4], &[4]));
        assert_eq!(a.guards.len(), 1);
        assert!(!simplify(&mut Access { axes: vec![Affine::constant(4)], ..a }, &[4], &[4]));
    }

    #[test]
    fn rejects_coefficients_beyond_64_bits() {
        let big = Affine { terms: vec![(0, i64::MAX)], offset: 0 };
        assert_eq!(substitute(&big, &[Affine { terms: vec![(0, 2)], offset: 0 }]), None);
    }
}
