//! Commitments: `sum_i f_i tau^i G + blind H`.
//!
//! Sums run over as many digits as the largest scalar has, in absolute value, so that the integers of a witness cost a
//! fraction of full scalars.

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use rayon::prelude::*;

use crate::curve::{Point, blinding_base, to_fr};
use crate::msm::{self, Signed};
use crate::srs::{Srs, SrsError};

/// `f_i` for `i` up to the degree, and the blind, both as committed.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Coefficients.
    pub coefficients: Vec<Scalar>,
    /// Multiple of the blinding base.
    pub blind: Scalar,
    /// The commitment.
    pub point: Point,
}

impl Committed {
    /// Commits to coefficients with a blind; zero for what is public.
    ///
    /// # Errors
    /// `TooSmall` when the set-up has fewer powers than there are coefficients.
    pub fn new(srs: &Srs, coefficients: Vec<Scalar>, blind: Scalar) -> Result<Self, SrsError> {
        let point = blinded(commit(srs, &coefficients)?, blind);
        Ok(Self { coefficients, blind, point })
    }

    /// `sum_i k_i f_i` with its blind and commitment, from `(k_i, f_i)`.
    #[must_use]
    pub fn combine(terms: &[(Scalar, &Self)]) -> Self {
        let len = terms.iter().map(|(_, f)| f.coefficients.len()).max().unwrap_or(0);
        let mut out = Self { coefficients: vec![Scalar::ZERO; len], ..Self::default() };
        for (k, f) in terms {
            out.coefficients.par_iter_mut().zip(&f.coefficients).for_each(|(o, x)| *o += *k * *x);
            out.blind += *k * f.blind;
        }
        let points: Vec<Point> = terms.iter().map(|(_, f)| f.point).collect();
        let scalars: Vec<Scalar> = terms.iter().map(|(k, _)| *k).collect();
        out.point = Point::combine(&points, &scalars);
        out
    }
}

/// Adds a blind to a commitment.
#[must_use]
pub fn blinded(point: Point, blind: Scalar) -> Point {
    if blind == Scalar::ZERO { point } else { point + blinding_base() * blind }
}

/// The commitment to coefficients, without a blind.
///
/// # Errors
/// `TooSmall`.
pub fn commit(srs: &Srs, coefficients: &[Scalar]) -> Result<Point, SrsError> {
    let bases = srs.powers(coefficients.len())?;
    let scalars: Vec<Signed> = coefficients.par_iter().map(|x| Signed::of_scalar(to_fr(x))).collect();
    Ok(Point(msm::affine_sum(bases, &scalars)))
}

/// [`commit`] for public columns in which many cells are equal: time says which.
///
/// # Errors
/// `TooSmall`.
pub fn commit_repeated(srs: &Srs, coefficients: &[Scalar]) -> Result<Point, SrsError> {
    let bases = srs.powers(coefficients.len())?;
    let scalars: Vec<Signed> = coefficients.par_iter().map(|x| Signed::of_scalar(to_fr(x))).collect();
    Ok(Point(msm::repeated_sum(bases, &scalars)))
}

/// The commitment to integers, without a blind.
///
/// # Errors
/// `TooSmall`.
pub fn commit_ints(srs: &Srs, cells: &[i64]) -> Result<Point, SrsError> {
    let bases = srs.powers(cells.len())?;
    let scalars: Vec<Signed> = cells.par_iter().map(|v| Signed::of_int(*v)).collect();
    Ok(Point(msm::affine_sum(bases, &scalars)))
}
