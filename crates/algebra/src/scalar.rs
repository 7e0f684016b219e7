//! The field of the succinct backend: scalars of the curve BN254, about 2^253.6 of them.
//!
//! Encodings are 32 bytes, *most significant byte first*: the words of the Ethereum virtual machine.

use alloc::vec::Vec;

use p3_bn254::Bn254;
use p3_field::RawDataSerializable;
use p3_field::integers::QuotientMap;

use crate::Challenge;

/// A scalar of BN254.
pub type Scalar = Bn254;

/// The modulus, least significant limb first.
pub const SCALAR_MODULUS: [u64; 4] =
    [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];

/// `2^-256`, whose Montgomery form is 1: a product with it is the canonical representative.
const MONTGOMERY_INVERSE: Bn254 =
    Bn254::new([0xdc5b_a005_6db1_194e, 0x090e_f5a9_e111_ec87, 0xc826_0de4_aeb8_5d5d, 0x15eb_f951_82c5_551c]);

/// The canonical representative, least significant limb first.
#[must_use]
pub fn scalar_limbs(x: &Scalar) -> [u64; 4] {
    montgomery_limbs(&(*x * MONTGOMERY_INVERSE))
}

/// Limbs of `2^256 x`, least significant first: how arithmetic libraries keep the element in memory.
#[must_use]
pub fn montgomery_limbs(x: &Scalar) -> [u64; 4] {
    let bytes = x.into_bytes();
    let mut limbs = [0; 4];
    for (l, b) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *l = u64::from_le_bytes(b.try_into().unwrap_or_default());
    }
    limbs
}

/// The residue of a 256-bit number, least significant limb first.
pub fn scalar_from_limbs(limbs: [u64; 4]) -> Scalar {
    Bn254::new(limbs)
}

fn limbs_be(bytes: &[u8]) -> Option<[u64; 4]> {
    if bytes.len() != 32 {
        return None;
    }
    let mut limbs = [0; 4];
    for (l, b) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *l = u64::from_be_bytes(b.try_into().ok()?);
    }
    Some(limbs)
}

impl Challenge for Scalar {
    type Base = Self;
    const BYTES: usize = 32;
    const UNIFORM_BYTES: usize = 32;

    fn from_int(v: i64) -> Self {
        <Self as QuotientMap<i64>>::from_int(v)
    }

    fn base_from_int(v: i64) -> Self {
        <Self as QuotientMap<i64>>::from_int(v)
    }

    fn write(&self, out: &mut Vec<u8>) {
        for l in scalar_limbs(self).iter().rev() {
            out.extend_from_slice(&l.to_be_bytes());
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let limbs = limbs_be(bytes)?;
        (limbs.iter().rev().cmp(SCALAR_MODULUS.iter().rev()).is_lt()).then(|| Self::new(limbs))
    }

    /// The residue of a 256-bit number, never `None`. Each residue has probability at most `6 / 2^256`, 1.14 times that
    /// of the uniform distribution: 0.2 bits of soundness, for a challenge that costs a contract one instruction.
    fn from_uniform(bytes: &[u8]) -> Option<Self> {
        limbs_be(bytes).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use p3_field::{Field, PrimeCharacteristicRing, PrimeField};

    use super::*;

    #[test]
    fn roundtrips_canonical_encodings() {
        for v in [0, 1, -1, 7, i64::MAX, i64::MIN] {
            let x = <Scalar as Challenge>::from_int(v) * Scalar::GENERATOR.exp_u64(v as u64 & 0xffff);
            let mut bytes = Vec::new();
            x.write(&mut bytes);
            assert_eq!(bytes.len(), 32);
            assert_eq!(Scalar::read(&bytes), Some(x));
            let digits = x.as_canonical_biguint().to_u64_digits();
            let limbs = scalar_limbs(&x);
            assert_eq!(&limbs[..digits.len()], &digits[..]);
            assert!(limbs[digits.len()..].iter().all(|l| *l == 0));
        }
        assert_eq!(scalar_limbs(&Scalar::ONE), [1, 0, 0, 0]);
    }

    #[test]
    fn rejects_scalars_that_are_not_reduced() {
        let bytes = |limbs: [u64; 4]| limbs.iter().rev().flat_map(|l| l.to_be_bytes()).collect::<Vec<_>>();
        let mut m = SCALAR_MODULUS;
        assert_eq!(Scalar::read(&bytes(m)), None);
        m[0] += 1;
        assert_eq!(Scalar::read(&bytes(m)), None);
        m[0] -= 2;
        assert_eq!(Scalar::read(&bytes(m)), Some(-Scalar::ONE));
        assert_eq!(Scalar::read(&[0xff; 32]), None);
        assert_eq!(Scalar::read(&[0; 31]), None);
        assert_eq!(Scalar::read(&[0; 33]), None);
    }

    #[test]
    fn matches_reference_residues_of_any_word() {
        let mut word = [0xff; 32];
        let (mut expected, base) = (Scalar::ZERO, Scalar::from_u64(256));
        word.iter().for_each(|b| expected = expected * base + Scalar::from_u64(u64::from(*b)));
        assert_eq!(Scalar::from_uniform(&word), Some(expected));
        word[0] = 0;
        assert_ne!(Scalar::from_uniform(&word), Some(expected));
    }
}
