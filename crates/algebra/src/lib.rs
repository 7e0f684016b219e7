//! Fields, multilinear helpers and their conventions. The only home of third-party field types.
//!
//! **Variable order.** A point `pt` of `n` variables addresses tables of `2^n` cells; bit `i` of a cell index
//! belongs to `pt[i]` (lowest bit first). Binding variables goes from `pt[0]` upwards.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

mod integers;
mod packed;
mod scalar;
mod tasks;

use alloc::vec::Vec;
use p3_field::{BasedVectorSpace, PrimeField64};
pub use p3_field::{ExtensionField, Field, PackedValue, PrimeCharacteristicRing, TwoAdicField};
use p3_goldilocks::Goldilocks;

pub use integers::IntegerWeights;
pub use packed::{Planes, add_scaled, dot, eq_table_scaled, multiply, scale};

pub use tasks::{InTurn, Tasks};

pub use scalar::{SCALAR_MODULUS, Scalar, montgomery_limbs, scalar_from_limbs, scalar_limbs};

/// The base field of the transparent backend: Goldilocks, `p = 2^64 - 2^32 + 1`.
pub type F = Goldilocks;
/// Its cubic extension `F[X] / (X^3 - X - 1)`.
pub type E = p3_field::extension::CubicTrinomialExtensionField<Goldilocks>;

/// The field that challenges, messages and all protocol arithmetic live in.
///
/// Implemented by [`E`] for the transparent backend and by [`Scalar`] (its own base) for the succinct one.
pub trait Challenge: Field + ExtensionField<Self::Base> {
    /// The field of committed integers.
    type Base: Field;
    /// Length of [`Challenge::write`]'s encoding in bytes.
    const BYTES: usize;
    /// Uniform bytes needed by [`Challenge::from_uniform`].
    const UNIFORM_BYTES: usize;
    /// The integer as a field element.
    fn from_int(v: i64) -> Self;
    /// The integer as a base-field element.
    fn base_from_int(v: i64) -> Self::Base;
    /// `[low, high]` with `x = low + 2^32 high`; `None` where elements do not fit two halves.
    fn halves(x: Self::Base) -> Option<[i32; 2]> {
        let _ = x;
        None
    }
    /// Appends the canonical encoding: coordinates of [`E`] least significant byte first, [`Scalar`] as a word of the
    /// Ethereum virtual machine.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads a canonical encoding of exactly [`Challenge::BYTES`] bytes; `None` if a coordinate is not reduced.
    fn read(bytes: &[u8]) -> Option<Self>;
    /// An element from uniform bytes: by rejection where `None` asks for fresh bytes, else as the field documents.
    fn from_uniform(bytes: &[u8]) -> Option<Self>;
}

impl Challenge for E {
    type Base = F;
    const BYTES: usize = 24;
    const UNIFORM_BYTES: usize = 24;
    fn from_int(v: i64) -> Self {
        Self::from(base_from_i64(v))
    }
    fn base_from_int(v: i64) -> F {
        base_from_i64(v)
    }
    fn halves(x: F) -> Option<[i32; 2]> {
        let x = x.as_canonical_u64();
        // The largest that is left as it is must have its upper half below 2^31 when the lower one is negative.
        let signed = if x < F::ORDER_U64 / 2 { x as i64 } else { x.wrapping_sub(F::ORDER_U64) as i64 };
        let low = signed as i32;
        Some([low, ((signed - i64::from(low)) >> 32) as i32])
    }
    fn write(&self, out: &mut Vec<u8>) {
        for c in self.as_basis_coefficients_slice() {
            write_base(*c, out);
        }
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::BYTES {
            return None;
        }
        let mut c = [F::ZERO; 3];
        for (x, b) in c.iter_mut().zip(bytes.chunks_exact(8)) {
            *x = read_base(b)?;
        }
        Self::from_basis_coefficients_slice(&c)
    }
    fn from_uniform(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes)
    }
}

/// The integer modulo `p`.
#[inline]
pub fn base_from_i64(v: i64) -> F {
    // A negative one plus `p`, without a branch: signs are as good as random.
    F::from_u64((v as u64).wrapping_add(F::ORDER_U64 & ((v >> 63) as u64)))
}

/// The representative of least absolute value, if it fits 63 bits.
#[must_use]
pub fn base_to_i64(v: F) -> Option<i64> {
    let x = v.as_canonical_u64();
    if x <= F::ORDER_U64 / 2 { i64::try_from(x).ok() } else { i64::try_from(F::ORDER_U64 - x).ok().map(|y| -y) }
}

/// The canonical representative.
#[must_use]
#[inline]
pub fn canonical(v: &F) -> u64 {
    v.as_canonical_u64()
}

/// Appends 8 little-endian bytes of the canonical representative.
pub fn write_base(v: F, out: &mut Vec<u8>) {
    out.extend_from_slice(&v.as_canonical_u64().to_le_bytes());
}

/// Reads 8 little-endian bytes; `None` if the value is not below the modulus.
#[must_use]
pub fn read_base(bytes: &[u8]) -> Option<F> {
    let v = u64::from_le_bytes(bytes.try_into().ok()?);
    (v < F::ORDER_U64).then(|| F::from_u64(v))
}

/// An extension element from its three base coordinates.
pub fn ext_from_coords(c: [F; 3]) -> E {
    E::from_basis_coefficients_fn(|i| if i < 3 { c[i] } else { F::ZERO })
}

/// The three base coordinates.
pub fn ext_coords(e: &E) -> [F; 3] {
    let s = e.as_basis_coefficients_slice();
    [s[0], s[1], s[2]]
}

/// `eq(pt, x)` for all `x` in `0 .. 2^pt.len()`, lowest bit first.
#[must_use]
pub fn eq_table<K: Challenge>(pt: &[K]) -> Vec<K> {
    eq_table_scaled(pt, K::ONE)
}

/// `eq(a, b) = prod (a b + (1-a)(1-b))`; the shorter length counts.
#[must_use]
pub fn eq_points<K: Field>(a: &[K], b: &[K]) -> K {
    a.iter().zip(b).fold(K::ONE, |acc, (x, y)| {
        let xy = *x * *y;
        acc * (xy + xy - *x - *y + K::ONE)
    })
}

/// `eq(pt, bits of k)`; bits of `k` above `pt.len()` must be 0, else the result is 0.
#[must_use]
pub fn eq_index<K: Field>(pt: &[K], k: u64) -> K {
    if pt.len() < 64 && k >> pt.len() != 0 {
        return K::ZERO;
    }
    pt.iter().enumerate().fold(K::ONE, |acc, (i, x)| acc * if i < 64 && k >> i & 1 == 1 { *x } else { K::ONE - *x })
}

/// Value at `pt` of the multilinear extension of `table` (`2^pt.len()` cells; missing cells count as 0).
#[must_use]
pub fn eval_mle<K: Challenge>(table: &[K], pt: &[K]) -> K {
    dot(&eq_table(pt), table)
}

/// Smallest `k` with `2^k >= n` (0 for `n <= 1`).
#[must_use]
pub fn log2_ceil(n: usize) -> usize {
    n.max(1).next_power_of_two().trailing_zeros() as usize
}
