//! What a caller can choose about a compilation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::{FrontendError, Result};
use crate::onnx::Limits;
use crate::search::{MAX_ACTIVATION_BITS, MAX_WEIGHT_BITS};

/// What is published of an output; compiled into the graph.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum OutputPolicy {
    /// The whole tensor.
    #[default]
    Full,
    /// Position of the largest cell along the last axis; ties go to the lowest.
    ArgMax,
    /// Positions of the `k` largest cells along the last axis, best first.
    TopK(usize),
    /// For each cell, how many of the ascending edges it reaches.
    Bucket(Vec<f64>),
    /// For each cell, 1 if it is at least the public threshold.
    Threshold(f64),
    /// As `Threshold`, with a threshold that is part of the hidden model.
    PrivateThreshold(f64),
}

/// Fewest bits of anything.
const MIN_BITS: u32 = 8;

/// What is published of one output.
#[derive(Clone, Debug, PartialEq)]
pub struct Reveal {
    /// Name of the output; `None` for the only one, or the only one of real numbers; with [`OutputPolicy::Full`] and no
    /// other entry for all.
    pub output: Option<String>,
    /// What of it.
    pub policy: OutputPolicy,
}

impl From<OutputPolicy> for Reveal {
    fn from(policy: OutputPolicy) -> Self {
        Self { output: None, policy }
    }
}

/// Settings of [`crate::compile`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Bits of weights, 8 to 16, the same for all; `None` lets the search choose, for each tensor by itself.
    pub weight_bits: Option<u32>,
    /// Bits of activations, 8 to 14; `None` lets the search choose.
    pub activation_bits: Option<u32>,
    /// Largest table is `2^table_bits` rows, 8 to 14; `None` follows the activations.
    pub table_bits: Option<u32>,
    /// Calibrated ranges are widened by this factor, and by more where samples are few: inputs of this size are still
    /// computed correctly. Where thousands of values were seen it is at most 2.
    pub margin: f64,
    /// Bound of every output's relative error: the search takes the cheapest setting that keeps to it, and a model
    /// that no setting brings there is refused. `None` aims at [`Options::TARGET`], and warns where that is missed.
    pub max_error: Option<f64>,
    /// Share of rows of every output, 0 to 1, whose largest cell must be where the float model has it. A model that no
    /// setting brings there is refused; `None` looks at errors only.
    pub min_agreement: Option<f64>,
    /// Refuse inputs farther outside the calibrated range than this factor, instead of saturating them.
    pub refuse_beyond: Option<f64>,
    /// Length of an open first axis.
    pub batch: Option<usize>,
    /// Inferences in one graph, at least 1: see [`crate::Model::batched`].
    pub inferences: usize,
    /// Lengths of open dimensions by symbol.
    pub dims: BTreeMap<String, usize>,
    /// What is published; empty: every output as it is. Else outputs that no entry is about are neither published nor
    /// computed.
    pub reveal: Vec<Reveal>,
    /// Limits of the reader.
    pub limits: Limits,
    /// Directory of external tensor data.
    pub external_data: Option<PathBuf>,
    /// Seed of the samples that are drawn when none are given.
    pub seed: u64,
}

impl Options {
    /// Relative error that the search aims at where no bound is given.
    pub const TARGET: f64 = 0.005;

    /// Relative error that the search aims at.
    pub(crate) fn target(&self) -> f64 {
        self.max_error.unwrap_or(Self::TARGET)
    }

    /// Whether a caller set a bound that must be kept.
    pub(crate) fn is_bounded(&self) -> bool {
        self.max_error.is_some() || self.min_agreement.is_some()
    }

    /// # Errors
    /// `Malformed` for bounds that are no such numbers, which nothing would ever miss, and for widths that are not told apart.
    pub(crate) fn check(&self) -> Result<()> {
        let widths = [
            ("weights", self.weight_bits, MAX_WEIGHT_BITS),
            ("activations", self.activation_bits, MAX_ACTIVATION_BITS),
            ("tables", self.table_bits, MAX_ACTIVATION_BITS),
        ];
        for (what, bits, most) in widths {
            if let Some(bits) = bits.filter(|b| !(MIN_BITS..=most).contains(b)) {
                let problem = format!("{bits} bits of {what}; give {MIN_BITS} to {most}, or none to have them chosen");
                return Err(FrontendError::malformed("options", problem));
            }
        }
        if self.max_error.is_some_and(|e| e.is_nan() || e < 0.0) {
            return Err(FrontendError::malformed("options", "the largest error is no number from 0 on; give a share"));
        }
        if self.min_agreement.is_some_and(|a| !(0.0..=1.0).contains(&a)) {
            return Err(FrontendError::malformed("options", "the least agreement is no number from 0 to 1"));
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight_bits: None,
            activation_bits: None,
            table_bits: None,
            margin: 3.0,
            max_error: None,
            min_agreement: None,
            refuse_beyond: None,
            batch: None,
            inferences: 1,
            dims: BTreeMap::new(),
            reveal: Vec::new(),
            limits: Limits::default(),
            external_data: None,
            seed: 1,
        }
    }
}
