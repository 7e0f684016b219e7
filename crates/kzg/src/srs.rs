//! Set-ups: powers of a secret `tau` in the first group, and `tau` in the second.
//!
//! Whoever knows `tau` can forge any opening, hence any proof. A set-up for production is imported from a public
//! ceremony ([`crate::ptau`]); one made here has a `tau` that everybody can compute, says so in its file, and passes
//! the mark on to every key made from it.
//!
//! **File.** `PVSRS\0\0\1`, one byte that is 1 when the set-up is insecure and else 0, one byte with the logarithm of
//! the number of powers, `tau` in the second group, the powers from `tau^0` on, BLAKE3 of everything before. Points are
//! encoded as in [`crate::curve`].

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::scalar_mul::ScalarMul;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::BigInt;
use proveil_algebra::{PrimeCharacteristicRing, Scalar, scalar_from_limbs};
use proveil_protocol::transcript::keccak256;
use rayon::prelude::*;

use crate::curve::{POINT_BYTES, Point, PointError, SrsKey, TAU_POINT_BYTES, TauPoint, to_fr};

/// First bytes of a file.
pub const MAGIC: [u8; 8] = *b"PVSRS\0\0\x01";
/// Largest set-up, as a power of two.
pub const MAX_LOG_SIZE: u8 = 28;
/// What is hashed to the `tau` of [`Srs::dev`].
pub const DEV_LABEL: &[u8] = b"proveil insecure development set-up 1";

const HEADER: usize = MAGIC.len() + 2 + TAU_POINT_BYTES;

/// Why a set-up is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SrsError {
    /// Not a file of this format.
    #[error("byte {offset}: '{what}' is not as expected in a set-up: make it with `proveil srs import` or `srs dev`")]
    Format {
        /// Field.
        what: &'static str,
        /// Byte offset.
        offset: usize,
    },
    /// Not as many bytes as the header says.
    #[error("a set-up of 2^{log_size} powers has {need} bytes, the file has {got}: copy it again")]
    Length {
        /// Logarithm of the number of powers.
        log_size: u8,
        /// Needed.
        need: usize,
        /// Given.
        got: usize,
    },
    /// The hash at the end is another.
    #[error("the set-up's bytes do not have the hash at its end: copy it again")]
    Digest,
    /// A point is none.
    #[error("power {index} of tau: {source}")]
    Point {
        /// Exponent.
        index: usize,
        /// What is wrong.
        source: PointError,
    },
    /// The point of the second group is none.
    #[error("tau in the second group: {0}")]
    Tau(PointError),
    /// Points that are not powers of one `tau`.
    #[error("the points are not powers of one tau: take the set-up from another source")]
    Inconsistent,
    /// Fewer powers than needed.
    #[error("2^{need} powers of tau are needed, the set-up has 2^{got}: import a file of at least that power")]
    TooSmall {
        /// Needed, as a power of two.
        need: u8,
        /// Given, as a power of two.
        got: u8,
    },
    /// Larger than any set-up may be.
    #[error("2^{0} powers of tau are more than the largest set-up, 2^{MAX_LOG_SIZE}")]
    TooLarge(u8),
}

/// A set-up.
#[derive(Clone, Debug)]
pub struct Srs {
    powers: Vec<G1Affine>,
    key: SrsKey,
}

impl Srs {
    /// A set-up of `2^log_size` powers whose `tau` is the hash of [`DEV_LABEL`]: for development, and marked so.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn dev(log_size: u8) -> Result<Self, SrsError> {
        let mut limbs = [0; 4];
        for (l, b) in limbs.iter_mut().zip(keccak256(&[DEV_LABEL]).chunks_exact(8)) {
            *l = u64::from_be_bytes(b.try_into().unwrap_or_default());
        }
        Self::with_tau(scalar_from_limbs(limbs), log_size)
    }

    /// A set-up with a known `tau`; marked insecure.
    ///
    /// # Errors
    /// `TooLarge`; `Inconsistent` for `tau = 0`, which has no powers.
    pub fn with_tau(tau: Scalar, log_size: u8) -> Result<Self, SrsError> {
        if log_size > MAX_LOG_SIZE {
            return Err(SrsError::TooLarge(log_size));
        }
        let point = (G2Affine::generator() * to_fr(&tau)).into_affine();
        let tau_point = TauPoint::checked(point).map_err(|_| SrsError::Inconsistent)?;
        let scalars: Vec<Fr> = tau.powers().take(1 << log_size).map(|x| to_fr(&x)).collect();
        let powers = G1Projective::from(G1Affine::generator()).batch_mul(&scalars);
        Ok(Self { powers, key: SrsKey { tau: tau_point, insecure: true } })
    }

    /// Powers that a file of a ceremony gives, unchecked but for being points.
    pub(crate) fn from_parts(powers: Vec<G1Affine>, tau: TauPoint) -> Self {
        Self { powers, key: SrsKey { tau, insecure: false } }
    }

    /// What a verifier needs.
    #[must_use]
    pub fn key(&self) -> SrsKey {
        self.key
    }

    /// Logarithm of the number of powers.
    #[must_use]
    pub fn log_size(&self) -> u8 {
        self.powers.len().ilog2() as u8
    }

    /// The first `n` powers.
    ///
    /// # Errors
    /// `TooSmall`.
    pub(crate) fn powers(&self, n: usize) -> Result<&[G1Affine], SrsError> {
        let need = proveil_algebra::log2_ceil(n) as u8;
        self.powers.get(..n).ok_or(SrsError::TooSmall { need, got: self.log_size() })
    }

    /// Checks that every power is the one before times `tau`, by one random combination.
    ///
    /// # Soundness
    /// `2^-128`, over coins drawn here.
    /// # Errors
    /// `Inconsistent`.
    pub fn check(&self) -> Result<(), SrsError> {
        let one = BigInt::from(1u64);
        let coins: Vec<BigInt<4>> = std::iter::once(one)
            .chain(std::iter::repeat_with(|| BigInt::new([rand::random(), rand::random(), 0, 0])))
            .take(self.powers.len().saturating_sub(1))
            .collect();
        let sum = |points: &[G1Affine]| {
            let parts = points.par_chunks(1 << 12).zip(coins.par_chunks(1 << 12));
            Point(parts.map(|(p, c)| G1Projective::msm_bigint(p, c)).sum::<G1Projective>().into_affine())
        };
        let starts = self.powers.first() == Some(&G1Affine::generator());
        let (upper, lower) = (sum(self.powers.get(1..).unwrap_or_default()), sum(&self.powers));
        if starts && self.powers.len() > 1 && self.key.check(&upper, &lower) {
            Ok(())
        } else {
            Err(SrsError::Inconsistent)
        }
    }

    /// The file of a set-up.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.powers.len() * POINT_BYTES + 32);
        out.extend(MAGIC);
        out.extend([u8::from(self.key.insecure), self.log_size()]);
        out.extend(self.key.tau.to_bytes());
        let points: Vec<[u8; POINT_BYTES]> = self.powers.par_iter().map(|p| Point(*p).to_bytes()).collect();
        points.iter().for_each(|p| out.extend(p));
        let digest = blake3::hash(&out);
        out.extend(digest.as_bytes());
        out
    }

    /// Reads a file; of its powers the first `2^log_size`, or all.
    ///
    /// Checks form, hash, that the points are on the curve and that the first two are 1 and `tau`; that all powers are
    /// right is the business of [`Srs::check`], which [`crate::ptau::import`] runs.
    ///
    /// # Errors
    /// `Format`, `Length`, `Digest`, `Point`, `Tau`, `Inconsistent`, `TooSmall`.
    pub fn decode(bytes: &[u8], log_size: Option<u8>) -> Result<Self, SrsError> {
        let format = |what, offset| SrsError::Format { what, offset };
        let (Some((header, body)), true) = (bytes.split_at_checked(HEADER), bytes.starts_with(&MAGIC)) else {
            return Err(format("magic", 0));
        };
        let (insecure, size) = match header.get(MAGIC.len()..MAGIC.len() + 2) {
            Some([f @ (0 | 1), n]) if *n <= MAX_LOG_SIZE => (*f == 1, *n),
            Some([0 | 1, _]) => return Err(format("number of powers", MAGIC.len() + 1)),
            _ => return Err(format("mark", MAGIC.len())),
        };
        let need = HEADER + (POINT_BYTES << size) + 32;
        if bytes.len() != need {
            return Err(SrsError::Length { log_size: size, need, got: bytes.len() });
        }
        let (hashed, digest) = bytes.split_at(need - 32);
        if blake3::hash(hashed).as_bytes() != digest {
            return Err(SrsError::Digest);
        }
        let wanted = log_size.unwrap_or(size);
        if wanted > size {
            return Err(SrsError::TooSmall { need: wanted, got: size });
        }
        let tau = header.get(MAGIC.len() + 2..).unwrap_or_default();
        let tau = TauPoint::from_bytes(tau).map_err(SrsError::Tau)?;
        let body = body.get(..POINT_BYTES << wanted).unwrap_or_default();
        let point = |(index, b): (usize, &[u8])| match Point::from_bytes(b) {
            Ok(p) if p == Point::INFINITY => Err(SrsError::Point { index, source: PointError::OffCurve }),
            Ok(p) => Ok(p.0),
            Err(source) => Err(SrsError::Point { index, source }),
        };
        let powers: Vec<G1Affine> = body.par_chunks(POINT_BYTES).enumerate().map(point).collect::<Result<_, _>>()?;
        let srs = Self { powers, key: SrsKey { tau, insecure } };
        let second = srs.powers.get(1).is_none_or(|p| srs.key.check(&Point(*p), &Point::generator()));
        if srs.powers.first() != Some(&G1Affine::generator()) || !second {
            return Err(SrsError::Inconsistent);
        }
        Ok(srs)
    }
}
