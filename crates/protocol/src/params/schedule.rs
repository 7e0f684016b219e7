//! Query counts and the level schedule, as deterministic functions of the parameters.

use alloc::vec::Vec;

use super::fixed::{FRACTION_BITS, ONE, log2_down, log2_up};
use super::{MAX_LOG_DOMAIN, Params, ParamsError, Regime};

/// One drawing of distinct positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queries {
    /// Logarithm of the number of leaves.
    pub log_leaves: usize,
    /// Positions drawn; all of them when there are no more.
    pub count: usize,
    /// Proof of work before the drawing; 0, and no nonce is sent, when every position is opened.
    pub grinding_bits: u32,
}

impl Queries {
    pub(crate) fn new(log_leaves: usize, count: usize, grinding_bits: u32) -> Self {
        let shift = u32::try_from(log_leaves).unwrap_or(u32::MAX);
        match 1usize.checked_shl(shift) {
            Some(leaves) if leaves <= count => Self { log_leaves, count: leaves, grinding_bits: 0 },
            _ => Self { log_leaves, count, grinding_bits },
        }
    }
}

/// One committed polynomial of the opening and the fold applied to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Logarithm of the number of coefficients.
    pub log_size: usize,
    /// Logarithm of the inverse rate.
    pub log_inv_rate: usize,
    /// Variables folded: a leaf holds the `2^folds` values that fold to one.
    pub folds: usize,
    /// Queries into this level's tree.
    pub queries: Queries,
}

impl Level {
    /// Base-field elements in a leaf: three for each of the `2^folds` extension values.
    #[must_use]
    pub fn width(&self) -> usize {
        3usize << self.folds
    }
}

/// What is queried and folded, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Queries into the trees of the geometry.
    pub rows: Queries,
    /// The combination first, then its folds; empty when the combination is sent in the clear.
    pub levels: Vec<Level>,
    /// Logarithm of the number of coefficients sent in the clear.
    pub final_log_size: usize,
}

/// `-log2 a` in fixed point, rounded down; 0 when `a >= 1`.
pub(super) fn bits_per_query(params: &Params, log_inv_rate: u32) -> u64 {
    match params.regime {
        Regime::UniqueDecoding => unique_bits_per_query(log_inv_rate),
        Regime::Johnson => {
            let c = u64::from(params.eta_denominator);
            let slack = log2_up(c + 1).saturating_sub(log2_down(c));
            (u64::from(log_inv_rate) << (FRACTION_BITS - 1)).saturating_sub(slack)
        }
    }
}

/// `-log2((1 + rho) / 2)` in fixed point, rounded down.
pub(super) fn unique_bits_per_query(log_inv_rate: u32) -> u64 {
    let sum = 1u64.checked_shl(log_inv_rate).unwrap_or(u64::MAX - 1) + 1;
    ((u64::from(log_inv_rate) + 1) << FRACTION_BITS).saturating_sub(log2_up(sum))
}

/// `ceil((lambda - w) / bits)`.
pub(super) fn query_count(params: &Params, bits: u64) -> usize {
    let need = u64::from(params.security_bits.saturating_sub(params.grinding_bits)) << FRACTION_BITS;
    usize::try_from(need.div_ceil(bits.max(1))).unwrap_or(usize::MAX)
}

pub(super) fn build(params: &Params, log_height: usize) -> Result<Schedule, ParamsError> {
    let rate = usize::from(params.log_inv_rate.max(params.combination_log_inv_rate));
    if log_height + rate > MAX_LOG_DOMAIN {
        let (value, max) = (log_height as u64, (MAX_LOG_DOMAIN - rate) as u64);
        return Err(ParamsError::OutOfRange { field: "log_height", value, min: 0, max });
    }
    let round = |log_leaves, log_inv_rate: usize| {
        let bits = bits_per_query(params, log_inv_rate as u32);
        Queries::new(log_leaves, query_count(params, bits), params.grinding_bits)
    };
    let tree_rate = usize::from(params.log_inv_rate);
    let rows = Queries::new(
        log_height + tree_rate,
        query_count(params, bits_per_query(params, tree_rate as u32)),
        params.grinding_bits,
    );
    let mut schedule = Schedule { rows, levels: Vec::new(), final_log_size: log_height };
    let mut log_inv_rate = usize::from(params.combination_log_inv_rate);
    while schedule.final_log_size > usize::from(params.final_log_size) {
        let log_size = schedule.final_log_size;
        let first = schedule.levels.is_empty();
        let folds = usize::from(if first { params.first_fold } else { params.fold }).min(log_size);
        if !first {
            log_inv_rate = next_rate(params, log_inv_rate, log_size - folds, folds);
        }
        let queries = round(log_size - folds + log_inv_rate, log_inv_rate);
        schedule.levels.push(Level { log_size, log_inv_rate, folds, queries });
        schedule.final_log_size = log_size - folds;
    }
    Ok(schedule)
}

/// The largest rate step whose fold still has `lambda` bits by the most cautious reading.
fn next_rate(params: &Params, log_inv_rate: usize, log_dim: usize, folds: usize) -> usize {
    let steps = (1..=usize::from(params.rate_step)).rev();
    let fits = |step: &usize| match params.regime {
        Regime::UniqueDecoding => true,
        Regime::Johnson => cautious_fold_fits(params, log_inv_rate + step, log_dim, folds),
    };
    log_inv_rate + steps.into_iter().find(fits).unwrap_or(0)
}

/// Whether the first of `folds` folds to a code of `2^log_dim` coefficients has `lambda` bits when a line has
/// `(l^7 / 3) (r n)^2` bad points, `l = t / sqrt(r)`, `r = (2^log_dim - 1) / n`, `t = max(ceil(c / 2), 3) + 1/2`.
fn cautious_fold_fits(params: &Params, log_inv_rate: usize, log_dim: usize, folds: usize) -> bool {
    const FIELD_BITS: u64 = 192;
    let twice_t = 2 * u64::from(params.eta_denominator.div_ceil(2).max(3)) + 1;
    let degree = 1u64.checked_shl(log_dim as u32).unwrap_or(u64::MAX).saturating_sub(1).max(1);
    // Twice the logarithm, to stay in integers: 14 log t + 7 log n - 3 log(2^log_dim - 1) - 2 log 3 + 2 (folds - 1).
    let plus = 14 * (log2_up(twice_t) - ONE) + 7 * (log_dim + log_inv_rate) as u64 * ONE + 2 * folds as u64 * ONE;
    let minus = 3 * log2_down(degree) + 2 * log2_down(3) + 2 * ONE;
    // A thousandth of a bit is left for the lists' own term.
    let limit = (2 * (FIELD_BITS - u64::from(params.security_bits)) * ONE).saturating_sub(ONE >> 9);
    plus.saturating_sub(minus) <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(params: &Params, log_height: usize) -> Vec<usize> {
        let s = params.schedule(log_height).unwrap();
        core::iter::once(s.rows.count).chain(s.levels.iter().map(|l| l.queries.count)).collect()
    }

    #[test]
    fn matches_reference_query_counts() {
        let johnson = |bits| Params::standard(bits).with_grinding(20);
        assert_eq!(counts(&johnson(128), 18), [82, 60, 33, 23]);
        assert_eq!(counts(&johnson(128), 14), [82, 60, 33]);
        assert_eq!(johnson(100).row_queries(), 61);
        assert_eq!(counts(&Params::unique_decoding(128).with_grinding(20), 18), [131, 119, 110, 109]);
        assert_eq!(Params::unique_decoding(100).with_grinding(20).row_queries(), 97);
        let quarter = Params { log_inv_rate: 2, ..johnson(128) };
        assert_eq!(quarter.row_queries(), 131);
        assert_eq!(Params { log_inv_rate: 1, eta_denominator: 32, ..johnson(128) }.row_queries(), 238);
        assert_eq!(Params { eta_denominator: 32, ..johnson(128) }.row_queries(), 75);
        assert_eq!(johnson(128).pad_queries(), 119);
    }

    #[test]
    fn matches_reference_budgets() {
        let p = Params::standard(128).with_grinding(20);
        assert_eq!([12, 13, 14, 15].map(|log| p.budget(1 << log)), [46, 96, 196, 396]);
        assert_eq!([46, 196].map(|proofs| p.random_cells(proofs)), [4019, 16319]);
        assert_eq!([46, 196].map(|proofs| p.budget(p.random_cells(proofs))), [46, 196]);
        let p = Params::standard(100).with_grinding(20);
        assert_eq!([12, 13, 14, 15].map(|log| p.budget(1 << log)), [64, 131, 265, 534]);
        let p = Params::unique_decoding(128).with_grinding(20);
        assert_eq!((p.budget(4 * 131 + 1), p.budget(4 * 131)), (1, 0));
    }

    #[test]
    fn accepts_rates_only_as_high_as_the_folds_allow() {
        let rates = |l| -> Vec<usize> {
            Params::standard(128).schedule(l).unwrap().levels.iter().map(|l| l.log_inv_rate).collect()
        };
        assert_eq!(rates(18), [4, 7, 10]);
        assert_eq!(rates(19), [4, 7, 9]);
    }

    #[test]
    fn roundtrips_encoding() {
        let unique = Params::unique_decoding(128).with_grinding(7);
        for p in [Params::standard(128), Params::fast(100), unique] {
            let bytes = p.encode();
            assert_eq!(bytes.len(), crate::params::PARAMS_BYTES);
            let mut reader = crate::codec::Reader::new(&bytes);
            assert_eq!(Params::decode(&mut reader).unwrap(), p);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn rejects_parameters_out_of_range() {
        let standard = Params::standard(128);
        for bad in [
            Params { log_inv_rate: 0, ..standard.clone() },
            Params { log_inv_rate: 1, eta_denominator: 2, ..standard.clone() },
            Params { log_inv_rate: 2, eta_denominator: 1, ..standard.clone() },
            Params { grinding_bits: 129, ..standard.clone() },
            Params { fold: 0, ..standard.clone() },
            Params { rate_step: 5, ..standard.clone() },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
            assert!(bad.schedule(10).is_err());
            assert!(Params::decode(&mut crate::codec::Reader::new(&bad.encode())).is_err());
        }
        assert!(matches!(standard.schedule(29), Err(ParamsError::OutOfRange { field: "log_height", .. })));
        let mut bytes = standard.encode();
        bytes[4] = 2;
        assert!(Params::decode(&mut crate::codec::Reader::new(&bytes)).is_err());
    }
}
