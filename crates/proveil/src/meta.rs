//! What people need to read inputs and outputs; carried in the verifying key as JSON and bound by its digest.

use proveil_frontend::Kind;
use proveil_relation::key::IoValue;
use serde::{Deserialize, Serialize};

use crate::io::kind_name;

/// The type of inputs and outputs that are texts.
pub const TEXT: &str = "string";
/// Most texts of an input or output, and their bytes.
const MAX_TEXTS: usize = 1 << 14;
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Name, shape and scale of an input or an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoMeta {
    /// Name in the model file.
    pub name: String,
    /// Axis lengths, row-major.
    pub shape: Vec<usize>,
    /// `float32`, `int64`, `bool` or [`TEXT`].
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
    /// where the model file has none. Of texts: those that the model knows, each only once; a cell is a place in the list,
    /// and its length stands for any other text.
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

    /// Whether cells are texts.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.dtype == TEXT
    }

    /// Whether integers stand for texts: those of texts, and those of labels whose classes have names.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.is_text() || !self.labels.is_empty() && self.dtype == kind_name(Kind::Int)
    }

    /// The texts that integers stand for; `None` for those that the model does not know.
    #[must_use]
    pub fn texts(&self, values: &[i64]) -> Vec<Option<String>> {
        let text = |v: &i64| usize::try_from(*v).ok().and_then(|at| self.labels.get(at)).cloned();
        values.iter().map(text).collect()
    }

    /// What is wrong with the list of texts.
    fn refused(&self) -> Option<String> {
        if !self.is_text() {
            return None;
        }
        let mut seen = std::collections::HashSet::new();
        let bytes: usize = self.labels.iter().map(String::len).sum();
        let name = &self.name;
        match self.labels.iter().find(|text| !seen.insert(text.as_str())) {
            Some(text) => Some(format!("'{name}' lists the text {text:?} twice")),
            None if self.labels.len() > MAX_TEXTS || bytes > MAX_TEXT_BYTES => {
                Some(format!("'{name}' lists {} texts of {bytes} bytes, too many", self.labels.len()))
            }
            None => None,
        }
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
    /// When the bytes are no such JSON, and for lists of texts that are too long or have one twice.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let meta: Self = serde_json::from_slice(bytes)?;
        let refused = meta.inputs.iter().chain(&meta.outputs).find_map(IoMeta::refused);
        refused.map_or(Ok(meta), |reason| Err(serde::de::Error::custom(reason)))
    }

    /// Cells of public inputs or outputs that stand for texts, by name.
    pub(crate) fn shown(list: &[IoMeta], values: &[IoValue]) -> Vec<(String, Vec<Option<String>>)> {
        let texts = |(m, v): (&IoMeta, &IoValue)| match v {
            IoValue::Public(v) if m.is_named() => Some((m.name.clone(), m.texts(v))),
            _ => None,
        };
        list.iter().zip(values).filter_map(texts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_lists_of_texts_that_are_ambiguous_or_too_long() {
        let meta = |dtype: &str, labels: Vec<String>| {
            let io = IoMeta {
                name: "x".into(),
                shape: vec![2],
                dtype: dtype.into(),
                scale: 0,
                columns: Vec::new(),
                calibrated: None,
                missing: None,
                labels,
            };
            Meta { inputs: vec![io], ..Meta::default() }
        };
        let read = |m: Meta| Meta::from_bytes(&m.to_bytes()).map_err(|e| e.to_string());
        let good = meta(TEXT, vec!["own".into(), String::new()]);
        assert_eq!(read(good.clone()), Ok(good.clone()));
        let (own, none) = (Some("own".to_string()), None);
        assert_eq!(good.inputs[0].texts(&[0, 2, -1, i64::MAX]), [own, none.clone(), none.clone(), none]);
        let twice = vec!["own".to_string(), "own".into()];
        assert!(read(meta(TEXT, twice.clone())).unwrap_err().contains("\"own\" twice"));
        assert!(read(meta("int64", twice)).is_ok());
        let many: Vec<String> = (0..=MAX_TEXTS).map(|i| i.to_string()).collect();
        assert!(read(meta(TEXT, many[1..].to_vec())).is_ok());
        assert!(read(meta(TEXT, many)).unwrap_err().contains("too many"));
        assert!(read(meta(TEXT, vec!["x".repeat(MAX_TEXT_BYTES + 1)])).unwrap_err().contains("too many"));
    }

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
