//! What people need to read inputs and outputs; carried in the verifying key as JSON and bound by its digest.

use serde::{Deserialize, Serialize};

/// Name, shape and scale of an input or an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoMeta {
    /// Name in the model file.
    pub name: String,
    /// Axis lengths, row-major.
    pub shape: Vec<usize>,
    /// `float32`, `int64` or `bool`.
    pub dtype: String,
    /// Real value = integer * 2^-scale, unless columns have units of their own.
    pub scale: i32,
    /// Of an input: for each cell of the last axis the power of two that its unit is multiplied with. Empty where all
    /// are 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<i32>,
    /// Of an input: smallest and largest integer of the samples that set its range. Inputs beyond are unlike them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<(i64, i64)>,
    /// Of an input: how missing cells are told, where there may be any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Names of classes: cell values of a label count through them, columns of scores stand in their order. Empty
    /// where the model file has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// Missing cells of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The integer that says that a cell is missing: the largest one of the input's range. It is no number then.
    pub code: i64,
    /// For each cell of the last axis whether it may be missing; where it may not, the code is a number like others.
    pub columns: Vec<bool>,
}

/// Everything readable about a compiled model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Name of the model.
    pub name: String,
    /// Inputs in order.
    pub inputs: Vec<IoMeta>,
    /// Outputs in order.
    pub outputs: Vec<IoMeta>,
    /// Digest of the registration key in hexadecimal, if the model has weights.
    #[serde(default)]
    pub registration: Option<String>,
}

impl IoMeta {
    /// Integers as real numbers; NaN where a cell is missing.
    #[must_use]
    pub fn real(&self, values: &[i64]) -> Vec<f64> {
        let units = proveil_frontend::units(self.scale, &self.columns);
        // Many cells at a time where all are alike: logits may be millions.
        if let ([unit], None) = (&units[..], &self.missing) {
            return values.iter().map(|v| *v as f64 * unit).collect();
        }
        let one = |(i, (v, unit)): (usize, (&i64, &f64))| match self.is_missing(i, *v) {
            true => f64::NAN,
            false => *v as f64 * unit,
        };
        values.iter().zip(units.iter().cycle()).enumerate().map(one).collect()
    }

    /// Whether an integer at a place says that the cell is missing.
    #[must_use]
    pub fn is_missing(&self, place: usize, value: i64) -> bool {
        self.missing
            .as_ref()
            .is_some_and(|m| value == m.code && m.columns.get(place % m.columns.len().max(1)) == Some(&true))
    }

    /// Whether contracts and people see an input's integers, since no one unit makes numbers of all of them.
    #[must_use]
    pub fn is_encoded(&self) -> bool {
        !self.columns.is_empty() || self.missing.is_some()
    }

    /// Number of cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Meta {
    /// Canonical JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`Meta::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are no such JSON.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_of_reals_by_columns_and_missing_cells() {
        let mut meta = IoMeta {
            name: "x".into(),
            shape: vec![2, 2],
            dtype: "float32".into(),
            scale: 3,
            columns: Vec::new(),
            calibrated: None,
            missing: None,
            labels: Vec::new(),
        };
        let cells = [7, -9, 7, i64::from(i32::MAX)];
        assert_eq!(meta.real(&cells), [0.875, -1.125, 0.875, 268_435_455.875]);
        assert_eq!(meta.real(&[]), [0.0; 0]);
        meta.missing = Some(Missing { code: 7, columns: vec![false, true] });
        assert_eq!(meta.real(&cells)[..3], [0.875, -1.125, 0.875]);
        meta.missing = Some(Missing { code: 7, columns: vec![true, false] });
        assert!(meta.real(&cells)[0].is_nan() && meta.real(&cells)[2].is_nan());
        (meta.missing, meta.columns) = (None, vec![1, -1]);
        assert_eq!(meta.real(&cells)[..3], [1.75, -0.5625, 1.75]);
    }
}
