//! What a caller can choose about a compilation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::onnx::Limits;

/// What is revealed of the first output; compiled into the graph.
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
    /// The search takes the cheapest setting whose relative error is at most this.
    pub max_error: f64,
    /// The search goes on while rows of an output have their largest cell elsewhere than in the float model more often
    /// than this share, 0 to 1, allows; `None` to look at errors only.
    pub min_agreement: Option<f64>,
    /// Refuse inputs farther outside the calibrated range than this factor, instead of saturating them.
    pub refuse_beyond: Option<f64>,
    /// Length of an open first axis.
    pub batch: Option<usize>,
    /// Inferences in one graph, at least 1: see [`crate::Model::batched`].
    pub inferences: usize,
    /// Lengths of open dimensions by symbol.
    pub dims: BTreeMap<String, usize>,
    /// What is revealed of the first output.
    pub output: OutputPolicy,
    /// Limits of the reader.
    pub limits: Limits,
    /// Directory of external tensor data.
    pub external_data: Option<PathBuf>,
    /// Seed of the samples that are drawn when none are given.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight_bits: None,
            activation_bits: None,
            table_bits: None,
            margin: 3.0,
            max_error: 0.005,
            min_agreement: None,
            refuse_beyond: None,
            batch: None,
            inferences: 1,
            dims: BTreeMap::new(),
            output: OutputPolicy::Full,
            limits: Limits::default(),
            external_data: None,
            seed: 1,
        }
    }
}
