//! The compiled model and the codecs between floats and its integers.

use proveil_graph::{Graph, Params, Range};

use crate::error::{FrontendError, Result};
use crate::quantise::Port;
use crate::tensor::Kind;

/// An integer graph with everything needed to use it on floats.
#[derive(Clone, Debug)]
pub struct Model {
    /// The integer program.
    pub graph: Graph,
    /// Values of its parameters.
    pub params: Params,
    /// Inputs in file order.
    pub inputs: Vec<InputSpec>,
    /// Outputs in file order, after the output policy.
    pub outputs: Vec<OutputSpec>,
    /// Accuracy against the float model.
    pub report: Report,
}

impl Model {
    /// The model of `count` independent inferences at once. Every input and output holds that many, one behind the
    /// other along its first axis; parameters, scales and the accuracy report stay.
    ///
    /// # Errors
    /// `Graph` for a count of 0, and when the larger graph leaves the limits of its checker.
    pub fn batched(mut self, count: usize) -> Result<Self> {
        if count == 1 {
            return Ok(self);
        }
        self.graph = proveil_graph::batched(&self.graph, count)?;
        let inputs = self.inputs.iter_mut().map(|s| &mut s.shape);
        let outputs = self.outputs.iter_mut().map(|s| &mut s.shape);
        inputs.chain(outputs).for_each(|shape| match shape.first_mut() {
            Some(len) => *len *= count,
            None => shape.push(count),
        });
        Ok(self)
    }
}

/// How an input is encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Name in the file.
    pub name: String,
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// Meaning of the cells.
    pub dtype: Kind,
    /// Real value = integer * 2^-scale, unless columns have units of their own.
    pub scale: i32,
    /// For each cell of the last axis the power of two that its unit is multiplied with; empty where all are 0.
    pub columns: Vec<i32>,
    /// Accepted integers; reals outside are saturated.
    pub range: Range,
    /// For each cell of the last axis whether it may be missing; empty where none may. The largest integer of the range
    /// stands for a missing cell there, and is no number.
    pub missing: Vec<bool>,
    /// The texts that the model knows, where cells are texts: these are encoded as their places, any other text as their
    /// number. Else empty.
    pub texts: Vec<String>,
    /// Refuse reals farther out than this factor times the range.
    pub refuse_beyond: Option<f64>,
}

/// How an output is decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSpec {
    /// Name in the file.
    pub name: String,
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// Meaning of the cells.
    pub dtype: Kind,
    /// Real value = integer * 2^-scale.
    pub scale: i32,
    /// Names of classes, where the file has them: cell values of a label count through them, columns of scores
    /// stand in their order. Else empty.
    pub labels: Vec<String>,
}

/// Accuracy of the integer model on calibration samples that were not used to choose scales, where there are any.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Samples measured.
    pub samples: usize,
    /// Bits of the widest weights of products, of activations and of tables that the search chose.
    pub bits: (u32, u32, u32),
    /// One entry for each output.
    pub outputs: Vec<OutputError>,
    /// Names of outputs that are not published, and not computed.
    pub left_out: Vec<String>,
    /// Errors along the way on the first sample measured, in execution order.
    pub layers: Vec<LayerError>,
    /// Input cells outside the calibrated range.
    pub saturated: usize,
    /// Look-ups whose operands left the range of their table, over all samples measured.
    pub saturations: Vec<Saturation>,
    /// For each input, the integers between which the samples that set the ranges lie.
    pub inputs: Vec<Range>,
    /// What to know before trusting the numbers.
    pub warnings: Vec<String>,
}

/// Errors at one operator, relative to the largest value of its result.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerError {
    /// Name of the operator's result.
    pub name: String,
    /// Error of the result.
    pub relative: f64,
    /// Part that the operator itself adds: against its float meaning on the operands that it had.
    pub added: f64,
}

/// A look-up that cut off values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saturation {
    /// Name of the node of the integer graph.
    pub name: String,
    /// Cells whose operand lay beyond an end at which its table is not flat.
    pub cells: usize,
}

/// Error of one output.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputError {
    /// Output name.
    pub name: String,
    /// Largest absolute error.
    pub max: f64,
    /// Mean absolute error.
    pub mean: f64,
    /// Largest absolute error over the largest absolute expected value.
    pub relative: f64,
    /// Share of rows (last axis) whose largest cell is at the same place.
    pub label_agreement: f64,
}

/// Real values of one unit, for each cell of the last axis, or one for all: see [`InputSpec::columns`].
#[must_use]
pub fn units(scale: i32, columns: &[i32]) -> Vec<f64> {
    let columns = if columns.is_empty() { &[0] } else { columns };
    columns.iter().map(|own| 2f64.powi(own.saturating_sub(scale))).collect()
}

impl InputSpec {
    pub(crate) fn new(port: Port, refuse_beyond: Option<f64>) -> Self {
        Self {
            name: port.name,
            shape: port.shape,
            dtype: port.kind,
            scale: port.scale,
            columns: Vec::new(),
            range: port.range,
            missing: port.missing,
            texts: Vec::new(),
            refuse_beyond,
        }
    }

    /// Encodes row-major values; reals outside the range saturate, NaN is a missing cell.
    ///
    /// # Errors
    /// `InputShape` for a wrong length, `NotFinite` for infinity and for cells missing where none may be, `InputRange` for fractions in an
    /// integer input, for whole numbers outside the range, and beyond `refuse_beyond`.
    pub fn quantise(&self, values: &[f64]) -> Result<Vec<i64>> {
        self.encode(values).map(|(cells, _)| cells)
    }

    /// As [`InputSpec::quantise`], with the number of cells that were saturated.
    ///
    /// # Errors
    /// As [`InputSpec::quantise`].
    pub fn encode(&self, values: &[f64]) -> Result<(Vec<i64>, usize)> {
        if values.len() != self.shape.iter().product::<usize>() {
            let (expected, got) = (self.shape.clone(), vec![values.len()]);
            return Err(FrontendError::InputShape { tensor: self.name.clone(), expected, got });
        }
        let lo = self.range.lo as f64;
        let mut saturated = 0;
        let mut cells = Vec::with_capacity(values.len());
        let units = units(self.scale, &self.columns);
        for ((index, &value), &unit) in values.iter().enumerate().zip(units.iter().cycle()) {
            let gaps = self.missing.get(index % self.missing.len().max(1)) == Some(&true);
            if gaps && value.is_nan() {
                cells.push(self.range.hi);
                continue;
            }
            if !value.is_finite() {
                return Err(not_finite(&self.name, index, value, self.shape.last().copied()));
            }
            let hi = (self.range.hi - i64::from(gaps)) as f64;
            let refuse = |hint: &str| {
                let tensor = self.name.clone();
                FrontendError::InputRange { tensor, index, value, lo: lo * unit, hi: hi * unit, hint: hint.into() }
            };
            if self.dtype != Kind::Float && (value.fract() != 0.0 || value < lo || value > hi) {
                return Err(refuse("give a whole number in this range, or compile with samples that reach it"));
            }
            let cell = (value / unit).round();
            if let Some(factor) = self.refuse_beyond
                && (cell < lo.min(0.0) * factor || cell > hi * factor)
            {
                return Err(refuse("compile with samples that reach this value"));
            }
            saturated += usize::from(cell < lo || cell > hi);
            cells.push(cell.clamp(lo, hi) as i64);
        }
        Ok((cells, saturated))
    }
}

/// Error for numbers where an input takes texts, or the other way round.
pub(crate) fn text_or_number(tensor: &str, takes_text: bool) -> FrontendError {
    let place = format!("input `{tensor}`");
    match takes_text {
        true => FrontendError::malformed(place, "takes texts and was given numbers; give texts"),
        false => FrontendError::malformed(place, "takes numbers and was given texts; give numbers"),
    }
}

/// Error for an input's cell that is not finite.
pub(crate) fn not_finite(tensor: &str, index: usize, value: f64, width: Option<usize>) -> FrontendError {
    let column = index % width.unwrap_or(1).max(1);
    let hint = match value.is_nan() {
        true => format!(
            "it is missing, and no calibration sample misses a value in column {column}: impute it, or compile with calibration data with missing values"
        ),
        false => "repair the value".into(),
    };
    FrontendError::NotFinite { tensor: tensor.into(), index, value, hint }
}

impl OutputSpec {
    pub(crate) fn new(port: Port, name: String, kind: Kind, labels: Vec<String>) -> Self {
        Self { name, shape: port.shape, dtype: kind, scale: port.scale, labels }
    }

    /// Decodes the integers of the graph.
    pub fn dequantise(&self, cells: &[i64]) -> Vec<f64> {
        let unit = 2f64.powi(-self.scale);
        cells.iter().map(|&c| c as f64 * unit).collect()
    }
}

impl OutputError {
    /// Error of an output from its pairs of decoded and expected values, relative to `top`.
    pub(crate) fn of(spec: &OutputSpec, pairs: &[(Vec<f64>, Vec<f64>)], top: f64) -> Self {
        let error = Self::measure(&spec.name, spec.shape.last().copied().unwrap_or(1), pairs);
        let relative = if top > 0.0 { error.max / top } else { error.max };
        Self { relative, ..error }
    }

    /// Mean error in the unit of [`Self::relative`].
    pub(crate) fn relative_mean(&self) -> f64 {
        if self.max > 0.0 { self.mean / self.max * self.relative } else { 0.0 }
    }

    /// Compares decoded with expected values, where these are finite numbers.
    pub fn measure(name: &str, row: usize, pairs: &[(Vec<f64>, Vec<f64>)]) -> Self {
        let (mut max, mut sum, mut top, mut cells, mut rows, mut same) = (0f64, 0.0, 0f64, 0usize, 0usize, 0usize);
        for (got, want) in pairs {
            for (g, w) in got.iter().zip(want).filter(|(_, w)| w.is_finite()) {
                max = max.max((g - w).abs());
                sum += (g - w).abs();
                top = top.max(w.abs());
                cells += 1;
            }
            for (g, w) in got.chunks(row.max(1)).zip(want.chunks(row.max(1))) {
                rows += 1;
                same += usize::from(largest(g) == largest(w));
            }
        }
        let relative = if top > 0.0 { max / top } else { max };
        let mean = sum / cells.max(1) as f64;
        Self { name: name.into(), max, mean, relative, label_agreement: same as f64 / rows.max(1) as f64 }
    }
}

fn largest(row: &[f64]) -> usize {
    let mut best = 0;
    for (i, v) in row.iter().enumerate() {
        if *v > row[best] {
            best = i;
        }
    }
    best
}
