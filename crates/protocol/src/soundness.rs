//! The security table: one row for each challenge, its bits of round-by-round soundness, and where they come from.
//!
//! The claim is the least row ([`claimed_bits`]), in the random-oracle model with classical adversaries: a prover who
//! makes `Q` hash calls forges with probability at most `(Q + rounds) 2^-claimed + 3 (Q^2 + 1) / 2^256`. Bounds of
//! the Johnson regime are in preprints, and the literature disagrees on their constants: the rows that use them
//! appear once for each reading, and the least counts. Nothing here decides acceptance; the query counts, which do,
//! are integers in `params`.
//!
//! Symbols: `E` the challenge field, `n` domain, `k` coefficients, `rho = k / n`, `r = (k - 1) / n`,
//! `a = sqrt(rho) (1 + 1/c)` agreement, `L = c / (2 rho)` list size, whatever the number of interleaved words; in
//! unique decoding `a = (1 + rho) / 2`, `L = 1`. A challenge falsely satisfied by `x` values has `log2(|E| / x)` bits.
//! Any tree of one geometry counts once in `L`: all are queried at the same positions.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::params::{Level, Params, ParamsError, Queries, Regime};

mod proximity;

pub use proximity::{Code, LineBound};

/// `log2(p^3)`, `p = 2^64 - 2^32 + 1`.
pub const FIELD_BITS: f64 = 191.999_999_998_992_4;
/// Bits of a query round that opens every position: only a hash collision is left.
pub const EXHAUSTIVE_BITS: f64 = 256.0;

/// One challenge of the protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Challenge and place.
    pub name: String,
    /// `-log2` of the round-by-round error.
    pub bits: f64,
    /// Regime of the analysis.
    pub regime: Regime,
    /// What the bound rests on.
    pub theorem: &'static str,
    /// Which reading of a disputed bound this is; empty where there is one only.
    pub reading: &'static str,
}

/// The least row: what may be claimed. 0 for an empty table.
#[must_use]
pub fn claimed_bits(rows: &[Row]) -> f64 {
    rows.iter().map(|r| r.bits).reduce(f64::min).unwrap_or(0.0)
}

/// Bits of an algebraic check that at most `bad` of all challenges pass falsely.
#[must_use]
pub fn algebraic_bits(bad: f64) -> f64 {
    FIELD_BITS - bad.max(1.0).log2()
}

fn row(params: &Params, name: &str, bits: f64, theorem: &'static str) -> Row {
    Row { name: name.to_string(), bits, regime: params.regime, theorem, reading: "" }
}

/// Size of the list that the trees of a geometry are bound to.
#[must_use]
pub fn tree_list(params: &Params) -> f64 {
    Code { log_dim: 0, log_inv_rate: params.log_inv_rate.into() }.list_size(params)
}

/// A sumcheck round of the given degree: `degree L / |E|`.
#[must_use]
pub fn sumcheck_row(params: &Params, name: &str, degree: usize) -> Row {
    let bad = degree as f64 * tree_list(params);
    row(params, name, algebraic_bits(bad), "Lund, Fortnow, Karloff, Nisan 1992, over the list")
}

/// The fingerprint challenges of a look-up with `fractions` fractions and table rows together, tuples of
/// `tuple_width` entries: `2 L fractions (tuple_width - 1) / |E|`.
#[must_use]
pub fn logup_row(params: &Params, name: &str, fractions: u64, tuple_width: usize) -> Row {
    let degree = tuple_width.saturating_sub(1).max(1) as f64;
    let bad = 2.0 * tree_list(params) * fractions as f64 * degree;
    row(params, name, algebraic_bits(bad), "Haboeck 2022/1530, over the list")
}

/// The challenges of a zerocheck with `variables` variables and `constraints` batched constraints:
/// `L (variables + constraints - 1) / |E|`.
#[must_use]
pub fn zerocheck_row(params: &Params, name: &str, variables: usize, constraints: usize) -> Row {
    let bad = tree_list(params) * (variables + constraints).saturating_sub(1) as f64;
    row(params, name, algebraic_bits(bad), "Schwartz, Zippel, over the list")
}

/// A batching of `claims` claims on columns by powers of a challenge: `(claims - 1) L / |E|`.
#[must_use]
pub fn batching_row(params: &Params, name: &str, claims: usize) -> Row {
    let bad = tree_list(params) * claims.saturating_sub(1) as f64;
    row(params, name, algebraic_bits(bad), "Schwartz, Zippel, over the list")
}

/// The out-of-domain value of a commitment of `columns` base-field columns of `2^log_height` cells that several proofs
/// open: two members of the list have the same one, `L (L - 1) / 2 (log_height + columns - 1) / |E|`.
#[must_use]
pub fn sample_row(params: &Params, name: &str, log_height: usize, columns: usize) -> Row {
    let list = tree_list(params);
    let bad = list * (list - 1.0) / 2.0 * (log_height + columns).saturating_sub(1) as f64;
    row(params, name, algebraic_bits(bad), "Schwartz, Zippel on pairs")
}

/// A batching of `equations` equations that contain no columns, by powers of a challenge: `(equations - 1) / |E|`.
/// With `equations = 2` also the sacrifice of product triples: one challenge saves one false product.
#[must_use]
pub fn equations_row(params: &Params, name: &str, equations: usize) -> Row {
    let bits = algebraic_bits(equations.saturating_sub(1) as f64);
    row(params, name, bits, "Schwartz, Zippel")
}

/// The opening of a pad word of `2^log_height` cells against its mask: the combining challenge and the positions.
/// The pad word is decoded uniquely in either regime.
#[must_use]
pub fn pad_rows(params: &Params, log_height: usize) -> Vec<Row> {
    let unique = Params { regime: Regime::UniqueDecoding, ..params.clone() };
    let code = Code { log_dim: log_height, log_inv_rate: params.pad_log_inv_rate.into() };
    let combine = algebraic_bits(code.domain() + 1.0);
    let queries = params.pad_query_round(log_height);
    Vec::from([
        row(&unique, "pads: combination", combine, "BCIKS 2020/654 as in WHIR Cor. 4.11"),
        row(&unique, "pads: positions", query_bits(&unique, &queries, code), "agreement^queries and grinding"),
    ])
}

/// Collisions of the 256-bit hash.
#[must_use]
pub fn collision_row(params: &Params) -> Row {
    row(params, "hash collisions", 128.0, "birthday bound on Blake3 with 256 bits")
}

/// The rows of the opening of `num_columns` columns of `2^log_height` cells.
///
/// # Errors
/// Those of [`Params::schedule`].
pub fn opening_rows(params: &Params, log_height: usize, num_columns: usize) -> Result<Vec<Row>, ParamsError> {
    let schedule = params.schedule(log_height)?;
    let code = Code { log_dim: log_height, log_inv_rate: params.log_inv_rate.into() };
    let mut rows = Vec::new();
    if num_columns > 1 {
        rows.extend(code.line_bounds(params).iter().map(|b| {
            let bad = b.bad_points + code.list_size(params);
            bound_row(params, "combination of the columns", bad, b)
        }));
    }
    if let Some(first) = schedule.levels.first() {
        rows.extend(out_of_domain_row(params, first, 0));
    }
    let bits = query_bits(params, &schedule.rows, code);
    rows.push(row(params, "row positions", bits, "agreement^queries and grinding"));
    let mut asked = schedule.rows.count;
    for (index, level) in schedule.levels.iter().enumerate() {
        if index > 0 {
            rows.extend(out_of_domain_row(params, level, index));
        }
        rows.push(level_batching_row(params, level, index, asked));
        rows.extend(fold_rows(params, level, index));
        let bits = query_bits(params, &level.queries, level_code(level));
        rows.push(row(params, &format!("level {index}: positions"), bits, "agreement^queries and grinding"));
        asked = level.queries.count;
    }
    Ok(rows)
}

/// The interleaved code of a level's leaves.
fn level_code(level: &Level) -> Code {
    Code { log_dim: level.log_size - level.folds, log_inv_rate: level.log_inv_rate }
}

fn bound_row(params: &Params, name: &str, bad: f64, bound: &LineBound) -> Row {
    Row { reading: bound.reading, ..row(params, name, algebraic_bits(bad), bound.theorem) }
}

/// The list's members agree at a random point of `E^log_size`; no row in unique decoding, where there is one member.
fn out_of_domain_row(params: &Params, level: &Level, index: usize) -> Option<Row> {
    let list = level_code(level).list_size(params);
    let pairs = list * (list - 1.0) / 2.0;
    let bits = algebraic_bits(pairs * level.log_size as f64);
    (pairs > 0.0)
        .then(|| row(params, &format!("level {index}: out-of-domain point"), bits, "Schwartz, Zippel on pairs"))
}

/// The running claim, the out-of-domain value and `rows` rows by powers of a challenge.
fn level_batching_row(params: &Params, level: &Level, index: usize, rows: usize) -> Row {
    let bad = (rows as f64 + 1.0) * level_code(level).list_size(params);
    row(params, &format!("level {index}: batching"), algebraic_bits(bad), "Schwartz, Zippel, over the list")
}

/// The first fold of a level, its weakest: `2^(folds - 1)` pairs are folded at once, and a sumcheck round of degree 2
/// is run over the list.
fn fold_rows(params: &Params, level: &Level, index: usize) -> Vec<Row> {
    let code = level_code(level);
    let pairs = (level.folds as f64 - 1.0).exp2();
    let name = format!("level {index}: fold");
    let make = |b: &LineBound| bound_row(params, &name, 2.0 * code.list_size(params) + pairs * b.bad_points, b);
    code.line_bounds(params).iter().map(make).collect()
}

fn query_bits(params: &Params, queries: &Queries, code: Code) -> f64 {
    if queries.count as f64 >= (queries.log_leaves as f64).exp2() {
        return EXHAUSTIVE_BITS;
    }
    f64::from(queries.grinding_bits) - queries.count as f64 * code.agreement(params).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        opening_rows(&Params::standard(128).with_grinding(20), 18, 115).unwrap()
    }

    fn bits(name: &str) -> Vec<f64> {
        rows().iter().filter(|r| r.name == name).map(|r| r.bits).collect()
    }

    /// Whole bits; the field is 1e-9 bits short of 192.
    fn whole(bits: f64) -> f64 {
        (bits + 1e-6).floor()
    }

    fn whole_bits(name: &str) -> Vec<f64> {
        bits(name).into_iter().map(whole).collect()
    }

    /// The reference prints one decimal, cut off or rounded.
    fn assert_printed(bits: f64, printed: f64) {
        assert!((bits - printed).abs() < 0.1, "{bits}, not {printed}");
    }

    #[test]
    fn matches_reference_table_of_the_opening() {
        assert_eq!(whole_bits("combination of the columns"), [151.0, 156.0, 131.0, 160.0]);
        assert_eq!(whole_bits("level 0: out-of-domain point"), [176.0]);
        assert_eq!(whole_bits("level 0: batching"), [179.0]);
        let folds = [0, 1, 2].map(|i| bits(&format!("level {i}: fold")));
        assert_eq!([0, 1, 2].map(|i| whole(folds[i][0])), [150.0, 146.0, 143.0]);
        assert_eq!([0, 1].map(|i| whole(folds[i][2])), [133.0, 130.0]);
        assert_printed(folds[2][2], 128.4);
        assert_printed(bits("row positions")[0], 129.0);
        for (level, printed) in [129.8, 129.9, 131.0].into_iter().enumerate() {
            assert_printed(bits(&format!("level {level}: positions"))[0], printed);
        }
        for level in [1, 2] {
            assert!(bits(&format!("level {level}: out-of-domain point"))[0] >= 165.0);
            assert!(bits(&format!("level {level}: batching"))[0] >= 170.0);
        }
        assert_printed(claimed_bits(&rows()), 128.4);
    }

    #[test]
    fn matches_reference_rows_of_other_protocols() {
        let p = Params::standard(128).with_grinding(20);
        let whole = |r: Row| whole(r.bits);
        assert_eq!(whole(logup_row(&p, "fingerprint", 1 << 24, 4)), 160.0);
        assert_eq!(whole(zerocheck_row(&p, "rho0, lambda", 24, 8)), 182.0);
        assert_eq!(whole(sumcheck_row(&p, "phase 1", 4)), 185.0);
        assert_eq!(whole(sumcheck_row(&p, "phase 2", 2)), 186.0);
        assert_eq!(whole(batching_row(&p, "gamma", 40)), 181.0);
        assert_eq!(whole(batching_row(&p, "delta", 2)), 187.0);
        assert_eq!(whole(sample_row(&p, "sample", 14, 51)), 177.0);
        assert_eq!(whole(sample_row(&Params::unique_decoding(128), "sample", 14, 51)), 192.0);
        assert_eq!(whole(equations_row(&p, "e", 2)), 192.0);
        let pads = pad_rows(&p, 9);
        assert_eq!(pads[0].bits.floor(), 178.0);
        assert_printed(pads[1].bits, 128.5);
    }

    #[test]
    fn accepts_standard_profiles_at_their_target() {
        for bits in [100, 128] {
            for params in [Params::standard(bits), Params::fast(bits), Params::unique_decoding(bits)] {
                for log_height in 2..=19 {
                    let rows = opening_rows(&params, log_height, 300).unwrap();
                    let claimed = claimed_bits(&rows);
                    assert!(claimed >= f64::from(bits), "{params:?} 2^{log_height}: {claimed}");
                }
            }
        }
    }

    #[test]
    fn rejects_claims_above_the_weakest_reading() {
        // One more variable of height costs the most cautious reading two bits, beyond any schedule's reach.
        let rows = opening_rows(&Params::standard(128), 20, 300).unwrap();
        assert!(claimed_bits(&rows) < 128.0);
        assert_eq!(rows.iter().min_by(|a, b| a.bits.total_cmp(&b.bits)).unwrap().name, "combination of the columns");
        assert_eq!(claimed_bits(&[]), 0.0);
    }
}
