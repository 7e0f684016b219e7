//! Points, their encoding as words of the Ethereum virtual machine, and the pairing check.
//!
//! A point of the first group is 64 bytes, `x` then `y`, most significant byte first, zeros for the point at infinity;
//! one of the second group 128 bytes in the order of EIP-197: `x` imaginary, real, `y` imaginary, real. Every accepted
//! string is the only encoding of its point.

use alloc::vec::Vec;
use core::ops::{Add, Mul, Neg, Sub};

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField, Zero};
use proveil_algebra::{Challenge, Scalar, montgomery_limbs};
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::transcript::keccak256;

/// Bytes of a point of the first group.
pub const POINT_BYTES: usize = 64;
/// Bytes of a point of the second group.
pub const TAU_POINT_BYTES: usize = 128;
/// What is hashed to the base of blinds.
pub const BLINDING_LABEL: &[u8] = b"proveil blinding base BN254 1";

/// Bytes that are no point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointError {
    /// Not 64 or 128 bytes.
    #[error("a point has {need} bytes, got {got}")]
    Length {
        /// Needed.
        need: usize,
        /// Given.
        got: usize,
    },
    /// A coordinate that is not reduced.
    #[error("a coordinate of the point is not below the field's modulus")]
    NonCanonical,
    /// Coordinates that satisfy no curve equation.
    #[error("the point is not on the curve BN254")]
    OffCurve,
    /// On the curve of the second group, but outside the group.
    #[error("the point is not in the subgroup of prime order")]
    Subgroup,
}

/// A point of the first group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point(pub(crate) G1Affine);

/// A point of the second group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TauPoint(pub(crate) G2Affine);

/// What a verifier needs of a set-up: `tau` times the generator of the second group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrsKey {
    /// `tau` times the generator.
    pub tau: TauPoint,
    /// Whether `tau` is known to somebody: everything that such a key accepts may be forged.
    pub insecure: bool,
}

pub(crate) fn to_fr(x: &Scalar) -> Fr {
    // Both libraries keep 2^256 x in four limbs.
    Fr::new_unchecked(BigInt::new(montgomery_limbs(x)))
}

fn read_fq(bytes: &[u8]) -> Result<Fq, PointError> {
    let mut limbs = [0u64; 4];
    for (l, b) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *l = u64::from_be_bytes(b.try_into().unwrap_or_default());
    }
    Fq::from_bigint(BigInt::new(limbs)).ok_or(PointError::NonCanonical)
}

fn write_fq(x: &Fq, out: &mut Vec<u8>) {
    for l in x.into_bigint().0.iter().rev() {
        out.extend_from_slice(&l.to_be_bytes());
    }
}

fn coordinates<const N: usize>(bytes: &[u8]) -> Result<[Fq; N], PointError> {
    if bytes.len() != 32 * N {
        return Err(PointError::Length { need: 32 * N, got: bytes.len() });
    }
    let mut out = [Fq::ZERO; N];
    for (x, b) in out.iter_mut().zip(bytes.chunks_exact(32)) {
        *x = read_fq(b)?;
    }
    Ok(out)
}

impl Point {
    /// The point at infinity.
    pub const INFINITY: Self = Self(G1Affine::identity());

    /// The generator `(1, 2)`.
    #[must_use]
    pub fn generator() -> Self {
        Self(G1Affine::generator())
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; POINT_BYTES] {
        let mut bytes = Vec::with_capacity(POINT_BYTES);
        let (x, y) = self.0.xy().unwrap_or((Fq::ZERO, Fq::ZERO));
        write_fq(&x, &mut bytes);
        write_fq(&y, &mut bytes);
        let mut out = [0; POINT_BYTES];
        out.copy_from_slice(&bytes);
        out
    }

    /// Reads an encoding; every point of the curve is in the group.
    ///
    /// # Errors
    /// [`PointError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PointError> {
        let [x, y] = coordinates(bytes)?;
        if x.is_zero() && y.is_zero() {
            return Ok(Self::INFINITY);
        }
        let p = G1Affine::new_unchecked(x, y);
        if p.is_on_curve() { Ok(Self(p)) } else { Err(PointError::OffCurve) }
    }

    /// Reads a point of a proof.
    ///
    /// # Errors
    /// `Truncated`, `NonCanonical`, `Invalid` for a point off the curve.
    pub fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, DecodeError> {
        let offset = r.offset();
        Self::from_bytes(r.take(what, POINT_BYTES)?).map_err(|e| match e {
            PointError::NonCanonical => DecodeError::NonCanonical { what, offset },
            _ => DecodeError::Invalid { what, offset },
        })
    }

    /// `sum_i k_i P_i`; the shorter length counts. For a handful of points.
    #[must_use]
    pub fn combine(points: &[Self], scalars: &[Scalar]) -> Self {
        let bases: Vec<G1Affine> = points.iter().map(|p| p.0).collect();
        let scalars: Vec<Fr> = scalars.iter().map(to_fr).collect();
        Self(G1Projective::msm_unchecked(&bases, &scalars).into_affine())
    }
}

impl Add for Point {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self((self.0 + o.0).into_affine())
    }
}

impl Sub for Point {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self((self.0 - o.0).into_affine())
    }
}

impl Neg for Point {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Mul<Scalar> for Point {
    type Output = Self;
    fn mul(self, k: Scalar) -> Self {
        Self((self.0 * to_fr(&k)).into_affine())
    }
}

impl TauPoint {
    /// The generator.
    #[must_use]
    pub fn generator() -> Self {
        Self(G2Affine::generator())
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; TAU_POINT_BYTES] {
        let mut bytes = Vec::with_capacity(TAU_POINT_BYTES);
        let (x, y) = self.0.xy().unwrap_or((Fq2::ZERO, Fq2::ZERO));
        for c in [x.c1, x.c0, y.c1, y.c0] {
            write_fq(&c, &mut bytes);
        }
        let mut out = [0; TAU_POINT_BYTES];
        out.copy_from_slice(&bytes);
        out
    }

    /// Reads an encoding of a point other than infinity.
    ///
    /// # Errors
    /// [`PointError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PointError> {
        let [x1, x0, y1, y0] = coordinates(bytes)?;
        Self::checked(G2Affine::new_unchecked(Fq2::new(x0, x1), Fq2::new(y0, y1)))
    }

    pub(crate) fn checked(p: G2Affine) -> Result<Self, PointError> {
        if p.is_zero() || !p.is_on_curve() {
            return Err(PointError::OffCurve);
        }
        if p.is_in_correct_subgroup_assuming_on_curve() { Ok(Self(p)) } else { Err(PointError::Subgroup) }
    }
}

impl SrsKey {
    /// Whether `e(left, G2) = e(right, tau G2)`.
    #[must_use]
    pub fn check(&self, left: &Point, right: &Point) -> bool {
        let product = Bn254::multi_pairing([left.0, -right.0], [G2Affine::generator(), self.tau.0]);
        product.0 == <Bn254 as Pairing>::TargetField::ONE
    }
}

/// The base `H` of blinds: the first candidate `x = keccak256(label || counter) mod p` on the curve, with even `y`.
#[must_use]
pub fn blinding_base() -> Point {
    let three = Fq::from(3u64);
    for counter in 0..=u8::MAX {
        let x = Fq::from_be_bytes_mod_order(&keccak256(&[BLINDING_LABEL, &[counter]]));
        if let Some(y) = (x.square() * x + three).sqrt() {
            let even = y.into_bigint().0.first().is_some_and(|l| l & 1 == 0);
            return Point(G1Affine::new_unchecked(x, if even { y } else { -y }));
        }
    }
    // Not reached: the first candidate of this label is on the curve, which a test shows.
    Point::generator()
}

/// Reads a scalar of a proof, as the codec does.
///
/// # Errors
/// `Truncated`, `NonCanonical`.
pub fn read_scalar(r: &mut Reader<'_>, what: &'static str) -> Result<Scalar, DecodeError> {
    let offset = r.offset();
    Scalar::read(r.take(what, Scalar::BYTES)?).ok_or(DecodeError::NonCanonical { what, offset })
}

#[cfg(test)]
mod tests {
    use ark_bn254::g2::Config;
    use ark_ec::short_weierstrass::SWCurveConfig;

    use super::*;

    #[test]
    fn rejects_points_of_the_twist_outside_the_group() {
        let mut found = 0;
        for i in 1..20u64 {
            let x = Fq2::new(Fq::from(i), Fq::ZERO);
            let Some(y) = (x.square() * x + Config::COEFF_B).sqrt() else { continue };
            let p = G2Affine::new_unchecked(x, y);
            assert!(p.is_on_curve());
            assert_eq!(TauPoint::checked(p), Err(PointError::Subgroup));
            assert_eq!(TauPoint::from_bytes(&TauPoint(p).to_bytes()), Err(PointError::Subgroup));
            found += 1;
        }
        assert!(found > 3);
    }

    #[test]
    fn matches_reference_scalars_of_both_libraries() {
        for v in [0, 1, -1, i64::MIN, i64::MAX] {
            let x = <Scalar as Challenge>::from_int(v);
            assert_eq!(to_fr(&x), Fr::from(v));
            assert_eq!(to_fr(&(x * x)), Fr::from(v) * Fr::from(v));
        }
    }
}
