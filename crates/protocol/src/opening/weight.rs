//! The weight of the running claim `sum_i w(i) f(i) = v`: a sum of tensor products, bound one variable at a time.

use alloc::vec::Vec;

use proveil_algebra::{E, F, PrimeCharacteristicRing, eq_table_scaled};

/// One tensor-product weight over the cell index.
enum Tensor {
    /// `eq(point, i)`.
    Eq(Vec<E>),
    /// `x^i`.
    Powers(F),
}

/// A sum of tensor products with coefficients.
pub(super) struct Weight {
    terms: Vec<(E, Tensor)>,
    bound: usize,
}

impl Weight {
    /// `eq(point, i)` on its own.
    pub(super) fn eq(point: &[E]) -> Self {
        Self { terms: alloc::vec![(E::ONE, Tensor::Eq(point.to_vec()))], bound: 0 }
    }

    /// Adds `coeff * eq(point, i)` over the variables that are left.
    pub(super) fn add_eq(&mut self, coeff: E, point: &[E]) {
        let skipped = core::iter::repeat_n(E::ZERO, self.bound);
        self.terms.push((coeff, Tensor::Eq(skipped.chain(point.iter().copied()).collect())));
    }

    /// Adds `coeff * x^i` over the variables that are left.
    pub(super) fn add_powers(&mut self, coeff: E, x: F) {
        self.terms.push((coeff, Tensor::Powers(x)));
    }

    /// Binds the lowest variable to `r`.
    pub(super) fn bind(&mut self, r: E) {
        for (coeff, tensor) in &mut self.terms {
            match tensor {
                Tensor::Eq(point) => {
                    let z = point.get(self.bound).copied().unwrap_or(E::ZERO);
                    let both = z * r;
                    *coeff *= E::ONE - z - r + both + both;
                }
                Tensor::Powers(x) => {
                    *coeff *= E::ONE - r + r * *x;
                    *x = x.square();
                }
            }
        }
        self.bound += 1;
    }

    /// `sum_i w(i) table(i)` over the variables that are left.
    pub(super) fn inner_product(&self, table: &[E]) -> E {
        let term = |(coeff, tensor): &(E, Tensor)| match tensor {
            Tensor::Eq(point) => {
                let weights = eq_table_scaled(point.get(self.bound..).unwrap_or_default(), *coeff);
                weights.iter().zip(table).fold(E::ZERO, |acc, (w, v)| acc + *w * *v)
            }
            Tensor::Powers(x) => *coeff * horner(table, *x),
        };
        self.terms.iter().fold(E::ZERO, |acc, t| acc + term(t))
    }
}

/// `sum_i table(i) x^i`.
pub(super) fn horner(table: &[E], x: F) -> E {
    table.iter().rev().fold(E::ZERO, |acc, v| acc * x + *v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_algebra::eval_mle;

    #[test]
    fn matches_reference_inner_product_after_binding() {
        let e = |v: u64| E::from(F::from_u64(v * v + 7)) * E::from_u64(1 << 40);
        let table: Vec<E> = (0..16).map(e).collect();
        let (tau, z, x): (Vec<E>, Vec<E>, F) = ((20..24).map(e).collect(), (30..33).map(e).collect(), F::from_u64(5));
        let r: Vec<E> = (40..44).map(e).collect();
        let mut weight = Weight::eq(&tau);
        weight.add_powers(e(9), x);
        assert_eq!(weight.inner_product(&table), eval_mle(&table, &tau) + e(9) * horner(&table, x));
        weight.bind(r[0]);
        weight.add_eq(e(10), &z);
        let bound: Vec<E> = table.chunks(2).map(|c| (E::ONE - r[0]) * c[0] + r[0] * c[1]).collect();
        let eq0 = proveil_algebra::eq_points(&tau[..1], &r[..1]);
        let powers = (E::ONE - r[0] + r[0] * x) * horner(&bound, x.square());
        let expected = eq0 * eval_mle(&bound, &tau[1..]) + e(9) * powers + e(10) * eval_mle(&bound, &z);
        assert_eq!(weight.inner_product(&bound), expected);
    }
}
