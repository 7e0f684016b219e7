//! Agreement, list sizes and mutual correlated agreement of Reed-Solomon codes.

use alloc::vec::Vec;

use crate::params::{Params, Regime};

/// A Reed-Solomon code of `2^log_dim` coefficients at rate `2^-log_inv_rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Logarithm of the number of coefficients.
    pub log_dim: usize,
    /// Logarithm of the inverse rate.
    pub log_inv_rate: usize,
}

/// One reading of a bound on a line `u + z v`: how many `z` make the line agree with the code where `u`, `v` do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineBound {
    /// Number of bad points, independent of the number of words when coefficients are independent.
    pub bad_points: f64,
    /// The theorem.
    pub theorem: &'static str,
    /// Which reading of it; empty where there is one only.
    pub reading: &'static str,
}

impl Code {
    /// Points of the domain.
    #[must_use]
    pub fn domain(self) -> f64 {
        ((self.log_dim + self.log_inv_rate) as f64).exp2()
    }

    fn rate(self) -> f64 {
        (-(self.log_inv_rate as f64)).exp2()
    }

    /// The agreement `a` that a query round enforces.
    #[must_use]
    pub fn agreement(self, params: &Params) -> f64 {
        match params.regime {
            Regime::Johnson => self.rate().sqrt() * (1.0 + 1.0 / f64::from(params.eta_denominator)),
            Regime::UniqueDecoding => (1.0 + self.rate()) / 2.0,
        }
    }

    /// Codeword tuples that agree with a word on `a n` rows: at most `1 / (2 eta sqrt(rho)) = c / (2 rho)`.
    #[must_use]
    pub fn list_size(self, params: &Params) -> f64 {
        match params.regime {
            Regime::Johnson => f64::from(params.eta_denominator) / (2.0 * self.rate()),
            Regime::UniqueDecoding => 1.0,
        }
    }

    /// Every reading of the bound on bad points of a line.
    #[must_use]
    pub fn line_bounds(self, params: &Params) -> Vec<LineBound> {
        match params.regime {
            Regime::UniqueDecoding => Vec::from([LineBound {
                bad_points: self.domain(),
                theorem: "WHIR 2024/1586 Cor. 4.11, from BCIKS 2020/654",
                reading: "",
            }]),
            Regime::Johnson => self.johnson_bounds(self.agreement(params)),
        }
    }

    fn johnson_bounds(self, a: f64) -> Vec<LineBound> {
        let n = self.domain();
        let dim = (self.log_dim as f64).exp2();
        // A code of constants has reduced rate 0; the bounds are stated for one coefficient more.
        let degree = (dim - 1.0).max(1.0);
        let r = degree / n;
        let excess = a - r.sqrt();
        let multiplicity = |x: f64| x.ceil().max(3.0) + 0.5;
        let (t_printed, t) = (multiplicity(r.sqrt() / excess), multiplicity(r.sqrt() / (2.0 * excess)));
        let bchks = |t: f64| (2.0 * t.powi(5) + 3.0 * t * (1.0 - a) * r) * n / (3.0 * r.powf(1.5)) + t / r.sqrt();
        let haboeck = (t / r.sqrt()).powi(7) / 3.0 * (r * n).powi(2);
        let outer = (t / r.sqrt()).ceil() - 1.0;
        let h = (t * t / (3.0 * r)).ceil() - 1.0;
        let theta = (n - dim + 1.0) / ((a * n).ceil() - dim + 1.0);
        let dkt = (2.0 * outer - 1.0) * h + theta * (h + outer + 4.0 * degree * outer * h) + (n - dim) * outer;
        let bound = |bad_points, theorem, reading| LineBound { bad_points, theorem, reading };
        Vec::from([
            bound(bchks(t_printed), "BCHKS25 2025/2055 Thm 4.6", "as printed"),
            bound(bchks(t), "BCHKS25 2025/2055 Thm 4.6", "multiplicity corrected"),
            bound(haboeck, "Haboeck 2025/2110 Thm 2", "most cautious"),
            bound(dkt, "DKT 2026/2056 Thm 5.12", ""),
        ])
    }
}
