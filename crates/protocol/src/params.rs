//! Parameters of the transparent opening and what follows from them: query counts, rates, folds, budgets.
//!
//! Everything is integer arithmetic: prover, verifier and a port in another language get the same counts. The
//! parameters enter the digest of the verifying key through [`Params::encode`]. Whether a set reaches its target is
//! computed by the `soundness` module; the counts here make the *query* rounds reach it and cap the rates so that
//! the folds do too.
//!
//! Symbols: `lambda` security bits, `w` grinding bits, `rho = 2^-log_inv_rate`, `c` the denominator of
//! `eta = sqrt(rho) / c`, `a` the agreement: `sqrt(rho) (1 + 1/c)` (Johnson) or `(1 + rho) / 2` (unique decoding).

use alloc::vec::Vec;

use crate::codec::{DecodeError, Reader};

mod fixed;
mod schedule;

pub use schedule::{Level, Queries, Schedule};

/// Decoding radius that the analysis uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Up to the Johnson bound less `eta`: smaller proofs, theorems in preprints.
    Johnson,
    /// Half the minimum distance: published theorems only.
    UniqueDecoding,
}

/// Parameters that no opening can be run with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A field is out of range.
    #[error("parameter '{field}' is {value}, allowed are {min} to {max}: choose a value in this range")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Least allowed value.
        min: u64,
        /// Greatest allowed value.
        max: u64,
    },
    /// The agreement is not below 1, so queries reject nothing.
    #[error("rate 2^-{log_inv_rate} with eta denominator {eta_denominator}: no query count is sound, lower the rate")]
    NoDistance {
        /// Logarithm of the inverse rate.
        log_inv_rate: u8,
        /// The denominator `c`.
        eta_denominator: u32,
    },
}

/// Two-adicity of the base field: no domain is larger.
pub const MAX_LOG_DOMAIN: usize = 32;

/// The parameter set of a transparent opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Target `lambda` in bits; every query round reaches it.
    pub security_bits: u32,
    /// Decoding radius of the analysis.
    pub regime: Regime,
    /// Logarithm of the inverse rate of all committed trees of a geometry.
    pub log_inv_rate: u8,
    /// `c` in `eta = sqrt(rho) / c`; without effect in unique decoding.
    pub eta_denominator: u32,
    /// Proof-of-work bits `w` before each drawing of positions; 0 sends no nonces.
    pub grinding_bits: u32,
    /// Logarithm of the inverse rate of the combination `F`.
    pub combination_log_inv_rate: u8,
    /// Variables folded in the first level.
    pub first_fold: u8,
    /// Variables folded in each later level.
    pub fold: u8,
    /// Bits by which the inverse rate grows from level to level, as far as the fold's soundness allows.
    pub rate_step: u8,
    /// Largest logarithmic size of a polynomial that is sent in the clear.
    pub final_log_size: u8,
    /// Logarithm of the inverse rate of the pad word, which is decoded uniquely whatever the regime.
    pub pad_log_inv_rate: u8,
}

/// Length of [`Params::encode`] in bytes.
pub const PARAMS_BYTES: usize = 20;

impl Params {
    /// Johnson regime, trees at rate 1/8, `eta = sqrt(rho) / 8`, 16 bits of grinding: the small proof.
    #[must_use]
    pub fn standard(security_bits: u32) -> Self {
        Self {
            security_bits,
            regime: Regime::Johnson,
            log_inv_rate: 3,
            eta_denominator: 8,
            grinding_bits: 16,
            combination_log_inv_rate: 4,
            first_fold: 4,
            fold: 4,
            rate_step: 3,
            final_log_size: 8,
            pad_log_inv_rate: 4,
        }
    }

    /// As [`Params::standard`] with trees at rate 1/4, a wide first fold and slowly growing rates: about a third of
    /// the prover's encoding and hashing, for a larger proof.
    #[must_use]
    pub fn fast(security_bits: u32) -> Self {
        Self {
            log_inv_rate: 2,
            combination_log_inv_rate: 3,
            first_fold: 6,
            rate_step: 1,
            ..Self::standard(security_bits)
        }
    }

    /// As [`Params::standard`] in unique decoding: published theorems throughout, about 1.75 times the proof.
    #[must_use]
    pub fn unique_decoding(security_bits: u32) -> Self {
        Self { regime: Regime::UniqueDecoding, ..Self::standard(security_bits) }
    }

    /// The same with other grinding bits.
    #[must_use]
    pub fn with_grinding(self, grinding_bits: u32) -> Self {
        Self { grinding_bits, ..self }
    }

    /// Checks that the fields are in range and that queries can reject.
    ///
    /// # Errors
    /// `OutOfRange`, `NoDistance`.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let ranges = [
            ("security_bits", self.security_bits, 1, 192),
            ("log_inv_rate", self.log_inv_rate.into(), 1, 16),
            ("eta_denominator", self.eta_denominator, 1, 1 << 16),
            ("grinding_bits", self.grinding_bits, 0, 48.min(self.security_bits)),
            ("combination_log_inv_rate", self.combination_log_inv_rate.into(), 1, 16),
            ("first_fold", self.first_fold.into(), 1, 10),
            ("fold", self.fold.into(), 1, 10),
            ("rate_step", self.rate_step.into(), 0, 10.min(self.fold.min(self.first_fold)).into()),
            ("final_log_size", self.final_log_size.into(), 0, 14),
            ("pad_log_inv_rate", self.pad_log_inv_rate.into(), 1, 16),
        ];
        for (field, value, min, max) in ranges {
            if value < min || value > max {
                let (value, min, max) = (value.into(), min.into(), max.into());
                return Err(ParamsError::OutOfRange { field, value, min, max });
            }
        }
        for log_inv_rate in [self.log_inv_rate, self.combination_log_inv_rate] {
            if schedule::bits_per_query(self, log_inv_rate.into()) == 0 {
                return Err(ParamsError::NoDistance { log_inv_rate, eta_denominator: self.eta_denominator });
            }
        }
        Ok(())
    }

    /// The canonical encoding, [`PARAMS_BYTES`] long: the fields in order of declaration, little-endian.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PARAMS_BYTES);
        out.extend(self.security_bits.to_le_bytes());
        out.push(match self.regime {
            Regime::Johnson => 0,
            Regime::UniqueDecoding => 1,
        });
        out.push(self.log_inv_rate);
        out.extend(self.eta_denominator.to_le_bytes());
        out.extend(self.grinding_bits.to_le_bytes());
        let tail = [self.combination_log_inv_rate, self.first_fold, self.fold, self.rate_step, self.final_log_size];
        out.extend(tail);
        out.push(self.pad_log_inv_rate);
        out
    }

    /// Reads [`Params::encode`] and validates it.
    ///
    /// # Errors
    /// `Truncated`; `Invalid` for an unknown regime or values that [`Params::validate`] refuses.
    pub fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let start = reader.offset();
        let security_bits = read_u32(reader, "security_bits")?;
        let offset = reader.offset();
        let regime = match read_u8(reader, "regime")? {
            0 => Regime::Johnson,
            1 => Regime::UniqueDecoding,
            _ => return Err(DecodeError::Invalid { what: "regime", offset }),
        };
        let params = Self {
            security_bits,
            regime,
            log_inv_rate: read_u8(reader, "log_inv_rate")?,
            eta_denominator: read_u32(reader, "eta_denominator")?,
            grinding_bits: read_u32(reader, "grinding_bits")?,
            combination_log_inv_rate: read_u8(reader, "combination_log_inv_rate")?,
            first_fold: read_u8(reader, "first_fold")?,
            fold: read_u8(reader, "fold")?,
            rate_step: read_u8(reader, "rate_step")?,
            final_log_size: read_u8(reader, "final_log_size")?,
            pad_log_inv_rate: read_u8(reader, "pad_log_inv_rate")?,
        };
        params.validate().map_err(|_| DecodeError::Invalid { what: "params", offset: start })?;
        Ok(params)
    }

    /// Rows opened of every tree of a geometry in one proof, unless the domain has fewer.
    #[must_use]
    pub fn row_queries(&self) -> usize {
        schedule::query_count(self, schedule::bits_per_query(self, self.log_inv_rate.into()))
    }

    /// Rows opened of the pad word, which is decoded uniquely, unless its domain has fewer.
    #[must_use]
    pub fn pad_queries(&self) -> usize {
        schedule::query_count(self, schedule::unique_bits_per_query(self.pad_log_inv_rate.into()))
    }

    /// Query round of a pad word of `2^log_height` cells.
    #[must_use]
    pub fn pad_query_round(&self, log_height: usize) -> Queries {
        Queries::new(log_height + usize::from(self.pad_log_inv_rate), self.pad_queries(), self.grinding_bits)
    }

    /// Random cells `T` that a tree needs for `proofs` proofs, a registration and two refreshes, which open as many rows
    /// as a proof: `T >= (proofs + 3) q + 1`. One cell more than opened rows makes the sample's value uniform.
    #[must_use]
    pub fn random_cells(&self, proofs: usize) -> usize {
        proofs.saturating_add(3).saturating_mul(self.row_queries()).saturating_add(1)
    }

    /// Proofs that `random_cells` random cells allow: the inverse of [`Params::random_cells`].
    #[must_use]
    pub fn budget(&self, random_cells: usize) -> usize {
        let rows = random_cells.saturating_sub(1);
        rows.checked_div(self.row_queries()).unwrap_or(0).saturating_sub(3)
    }

    /// Queries, rates and folds for columns of `2^log_height` cells.
    ///
    /// # Errors
    /// Those of [`Params::validate`]; `OutOfRange` for `log_height` when a domain would exceed [`MAX_LOG_DOMAIN`].
    pub fn schedule(&self, log_height: usize) -> Result<Schedule, ParamsError> {
        self.validate()?;
        schedule::build(self, log_height)
    }
}

fn read_u8(reader: &mut Reader, what: &'static str) -> Result<u8, DecodeError> {
    Ok(reader.take(what, 1)?.first().copied().unwrap_or_default())
}

fn read_u32(reader: &mut Reader, what: &'static str) -> Result<u32, DecodeError> {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(reader.take(what, 4)?);
    Ok(u32::from_le_bytes(bytes))
}
