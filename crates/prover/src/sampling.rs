//! Elements for the tests of kernels.

use proveil_algebra::{E, F, PrimeCharacteristicRing, ext_from_coords};

/// A fixed element for each seed, with no small coordinates.
pub fn element(seed: u64) -> E {
    let c = |k: u64| F::from_u64((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7 * k as u32));
    ext_from_coords([c(1), c(2), c(3)])
}
