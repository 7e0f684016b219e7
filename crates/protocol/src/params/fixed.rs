//! Logarithms in fixed point, so that query counts are the same on every machine: binary logarithms by repeated
//! squaring of a 64-bit mantissa, rounded towards the side that asks for more queries.

/// Fractional bits of a fixed-point logarithm.
pub(crate) const FRACTION_BITS: u32 = 24;
/// One in fixed point.
pub(crate) const ONE: u64 = 1 << FRACTION_BITS;

/// `log2(x)`, rounded down; 0 for `x = 0`.
pub(crate) fn log2_down(x: u64) -> u64 {
    if x == 0 {
        return 0;
    }
    let exponent = u64::from(63 - x.leading_zeros());
    let mut mantissa = u128::from(x << x.leading_zeros());
    let mut log = exponent << FRACTION_BITS;
    for bit in (0..FRACTION_BITS).rev() {
        let square = (mantissa * mantissa) >> 63;
        let carry = square >> 64 != 0;
        log |= u64::from(carry) << bit;
        mantissa = if carry { square >> 1 } else { square };
    }
    log
}

/// `log2(x)`, rounded up; exact for powers of two, 0 for `x = 0`.
pub(crate) fn log2_up(x: u64) -> u64 {
    // Truncated squares lose less than one unit beyond the cut-off digits.
    log2_down(x) + if x.is_power_of_two() || x == 0 { 0 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_known_logarithms() {
        assert_eq!(log2_down(1), 0);
        assert_eq!(log2_up(1 << 40), 40 * ONE);
        // log2(9) = 3.169925001442312, log2(17) = 4.087462841250339
        for (x, milli) in [(9u64, 3_169_925u64), (17, 4_087_462)] {
            assert!(log2_down(x) * 1_000_000 / ONE >= milli - 1 && log2_down(x) * 1_000_000 / ONE <= milli);
            assert!(log2_up(x) > log2_down(x) && log2_up(x) - log2_down(x) < 3);
        }
    }
}
