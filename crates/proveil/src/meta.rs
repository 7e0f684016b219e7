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
    /// Names of classes: cell values of a label count through them, columns of scores stand in their order. Empty
    /// where the model file has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
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
    /// Integers as real numbers.
    #[must_use]
    pub fn real(&self, values: &[i64]) -> Vec<f64> {
        let units = proveil_frontend::units(self.scale, &self.columns);
        values.iter().zip(units.iter().cycle()).map(|(v, unit)| *v as f64 * unit).collect()
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
