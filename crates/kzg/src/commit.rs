//! Commitments: `sum_i f_i tau^i G + blind H`.
//!
//! Scalars of absolute value below 2, 2^8, 2^16, 2^32, 2^64 are summed apart, in as few windows as their size needs, so
//! that the integers of a witness cost a fraction of full scalars.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::PrimeField;
use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use rayon::prelude::*;

use crate::curve::{Point, blinding_base, to_fr};
use crate::srs::{Srs, SrsError};

/// Fewest terms of a sum that are worth a thread.
const CHUNK: usize = 256;

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
    Ok(sum(bases, coefficients, to_fr))
}

/// The commitment to integers, without a blind.
///
/// # Errors
/// `TooSmall`.
pub fn commit_ints(srs: &Srs, cells: &[i64]) -> Result<Point, SrsError> {
    let bases = srs.powers(cells.len())?;
    Ok(sum(bases, cells, |v| Fr::from(*v)))
}

fn sum<T: Sync>(bases: &[G1Affine], scalars: &[T], convert: impl Fn(&T) -> Fr + Sync) -> Point {
    let chunk = scalars.len().div_ceil(rayon::current_num_threads().max(1)).max(CHUNK);
    let parts = bases.par_chunks(chunk).zip(scalars.par_chunks(chunk)).map(|(b, s)| {
        let integers: Vec<_> = s.iter().map(|x| convert(x).into_bigint()).collect();
        G1Projective::msm_bigint(b, &integers)
    });
    Point(parts.sum::<G1Projective>().into_affine())
}
