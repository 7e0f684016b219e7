//! Inputs of a model from a file, matched by name or by order, checked against the model's description.

use std::path::{Path, PathBuf};

use proveil_frontend::{InputSpec, Kind, Tensor};
use proveil_graph::Graph;

use super::array::{Array, Npz, parse_npy};
use super::{Codes, IoError, ModelTexts, json, read_limited};
use crate::meta::Meta;

/// Largest input file in bytes, and largest array of an archive.
const LIMIT: u64 = 1 << 30;

/// Named arrays of one file.
pub struct InputFile {
    path: PathBuf,
    arrays: Vec<(String, Array)>,
}

/// Test cases: inputs and expected outputs.
pub type Cases = Vec<(Vec<Tensor>, Vec<Tensor>)>;

impl InputFile {
    /// Reads `.json`, `.npz` or `.npy`. In an archive, `case` chooses among `c<case>_in<j>`.
    ///
    /// # Errors
    /// `Read`, `TooLarge`, `Format`.
    pub fn read(path: &Path, case: usize) -> Result<Self, IoError> {
        let bytes = read_limited(path, LIMIT)?;
        let format = |place: &str, reason: String| IoError::Format { path: path.into(), place: place.into(), reason };
        let arrays = match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
            "npz" => {
                let mut npz = Npz::open(bytes, LIMIT).map_err(|e| format("archive", e))?;
                let all = npz.names();
                let prefix = format!("c{case}_in");
                let mut names: Vec<String> = all.iter().filter(|n| n.starts_with(&prefix)).cloned().collect();
                names.sort_by_key(|n| n[prefix.len()..].parse::<usize>().unwrap_or(usize::MAX));
                if names.is_empty() && all.iter().any(|n| n.starts_with("c0_in")) {
                    return Err(format(&format!("case {case}"), "no such case in the archive".into()));
                }
                let plain = names.is_empty();
                let names = if plain { all } else { names };
                let one = |n: String| {
                    let a = npz.array(&n).map_err(|e| format(&format!("array '{n}'"), e))?;
                    Ok((if plain { n } else { String::new() }, a))
                };
                names.into_iter().map(one).collect::<Result<_, IoError>>()?
            }
            "npy" => vec![(String::new(), parse_npy(&bytes).map_err(|e| format("array", e))?)],
            "json" => json::parse(&bytes).map_err(|(place, reason)| format(&place, reason))?,
            other => return Err(format("name", format!("unknown kind of file '{other}'; give .json, .npz or .npy"))),
        };
        Ok(Self { path: path.into(), arrays })
    }

    /// Number of arrays.
    #[must_use]
    pub fn arrays(&self) -> usize {
        self.arrays.len()
    }

    /// The arrays as tensors: in the order of `inputs` if the file has one of these names, else in its own. Texts have
    /// the codes of the model's.
    ///
    /// # Errors
    /// `MissingInput`; `Format` for texts if the model has none.
    pub fn tensors(&self, inputs: &[String], texts: &ModelTexts) -> Result<Vec<Tensor>, IoError> {
        let coded = |array: &Array| {
            let place = "texts".to_string();
            array.coded(texts).map_err(|reason| IoError::Format { path: self.path.clone(), place, reason })
        };
        if !self.is_named(inputs.iter().map(String::as_str)) {
            return self.arrays.iter().map(|(_, a)| coded(a)).collect();
        }
        inputs.iter().enumerate().map(|(k, name)| self.array(name, k, true).and_then(coded)).collect()
    }

    /// What to know of texts that a model does not know: a misspelling is the usual cause.
    #[must_use]
    pub fn unknown(&self, specs: &[InputSpec]) -> Vec<String> {
        let named = self.is_named(specs.iter().map(|s| s.name.as_str()));
        let mut out = Vec::new();
        // A model that knows no texts does nothing with them.
        for (k, spec) in specs.iter().enumerate().filter(|(_, s)| !s.texts.is_empty()) {
            let codes = Codes::new(&spec.texts);
            let Ok(array) = self.array(&spec.name, k, named) else { continue };
            let odd: Vec<_> = array.texts.iter().enumerate().filter(|(_, t)| !codes.knows(t)).collect();
            let Some((cell, text)) = odd.first() else { continue };
            let others = if odd.len() > 1 { format!(", and {} more", odd.len() - 1) } else { String::new() };
            out.push(format!(
                "input '{}': the model does not know the text {text:?} in cell {cell}{others}; check the spelling",
                spec.name
            ));
        }
        out
    }

    /// Whether the file says by name which array is which.
    fn is_named<'a>(&self, mut inputs: impl Iterator<Item = &'a str>) -> bool {
        inputs.any(|name| self.arrays.iter().any(|(n, _)| n == name))
    }

    /// The array for input `k`: of its name in a file that names inputs, else the one at its place.
    fn array(&self, name: &str, k: usize, named: bool) -> Result<&Array, IoError> {
        let found = match named {
            true => self.arrays.iter().find(|(n, _)| n == name),
            false => self.arrays.get(k),
        };
        found.map(|(_, array)| array).ok_or_else(|| {
            let names: Vec<&str> = self.arrays.iter().map(|(n, _)| n.as_str()).collect();
            let found = format!("{} arrays {names:?}", names.len());
            IoError::MissingInput { path: self.path.clone(), input: name.into(), found }
        })
    }

    /// The integers of every input of a model.
    ///
    /// # Errors
    /// `MissingInput`, `Shape`, `Type`, `Value`.
    pub fn encode(&self, specs: &[InputSpec]) -> Result<Vec<Vec<i64>>, IoError> {
        let named = self.is_named(specs.iter().map(|s| s.name.as_str()));
        specs.iter().enumerate().map(|(k, s)| self.one(s, self.array(&s.name, k, named)?)).collect()
    }

    fn one(&self, spec: &InputSpec, array: &Array) -> Result<Vec<i64>, IoError> {
        let (path, input) = (self.path.clone(), spec.name.clone());
        // A file without shapes gives flat lists; row-major order is unambiguous.
        let flat = array.shape.len() == 1 && array.data.len() == spec.shape.iter().product::<usize>();
        if array.shape != spec.shape && !(flat && self.path.extension().is_some_and(|e| e == "json")) {
            return Err(IoError::Shape { path, input, expected: spec.shape.clone(), got: array.shape.clone() });
        }
        let text = array.kind() == Kind::Text;
        if text != (spec.dtype == Kind::Text) {
            let got = if text { "text" } else { "numbers or missing values" }.into();
            return Err(IoError::Type { path, input, expected: kind_name(spec.dtype).into(), got });
        }
        if text {
            let codes = Codes::new(&spec.texts).of(&array.texts);
            return spec.quantise(&codes).map_err(|source| IoError::Value { path, source });
        }
        let whole = array.dtype == "any" || array.kind() != Kind::Float;
        if spec.dtype != Kind::Float && !whole || spec.dtype == Kind::Float && array.kind() == Kind::Bool {
            let expected = kind_name(spec.dtype).to_string();
            return Err(IoError::Type { path, input, expected, got: array.dtype.clone() });
        }
        spec.quantise(&array.data).map_err(|source| IoError::Value { path, source })
    }
}

/// The model's name for what cells mean.
#[must_use]
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Float => "float32",
        Kind::Int => "int64",
        Kind::Bool => "bool",
        Kind::Text => crate::meta::TEXT,
    }
}

/// How each input of a compiled model is encoded.
#[must_use]
pub fn input_specs(meta: &Meta, graph: &Graph) -> Vec<InputSpec> {
    let specs = meta.inputs.iter().zip(&graph.inputs).map(|(m, id)| InputSpec {
        name: m.name.clone(),
        shape: m.shape.clone(),
        dtype: match m.dtype.as_str() {
            "int64" => Kind::Int,
            "bool" => Kind::Bool,
            crate::meta::TEXT => Kind::Text,
            _ => Kind::Float,
        },
        scale: m.scale,
        columns: m.columns.clone(),
        range: graph.tensors[id.0 as usize].range,
        missing: m.missing.as_ref().map(|m| m.columns.clone()).unwrap_or_default(),
        texts: if m.is_text() { m.labels.clone() } else { Vec::new() },
        refuse_beyond: None,
    });
    specs.collect()
}

/// Encodes tensors with the inputs' codecs.
///
/// # Errors
/// The front end's, with input and cell.
pub fn encode(specs: &[InputSpec], tensors: &[Tensor]) -> Result<Vec<Vec<i64>>, proveil_frontend::FrontendError> {
    if specs.len() != tensors.len() {
        let (expected, got) = (specs.len(), tensors.len());
        return Err(proveil_frontend::FrontendError::InputCount { expected, got });
    }
    specs.iter().zip(tensors).map(|(s, t)| s.quantise(&t.data)).collect()
}

/// Reads all cases of an archive: arrays `c<k>_in<j>` and `c<k>_out<j>`. Inputs that are texts have the codes of the
/// model's; expected texts are no numbers, hence NaN.
///
/// # Errors
/// `Read`, `TooLarge`, `Format`.
pub fn read_cases(path: &Path, texts: &ModelTexts) -> Result<Cases, IoError> {
    let format = |place: String, reason: String| IoError::Format { path: path.into(), place, reason };
    let mut npz = Npz::open(read_limited(path, LIMIT)?, LIMIT).map_err(|e| format("archive".into(), e))?;
    let names: std::collections::BTreeSet<String> = npz.names().into_iter().collect();
    let mut side = |k: usize, side: &str| {
        let mut list = Vec::new();
        while names.contains(&format!("c{k}_{side}{}", list.len())) {
            let name = format!("c{k}_{side}{}", list.len());
            let array = npz.array(&name).and_then(|a| if side == "in" { a.coded(texts) } else { Ok(a.tensor()) });
            list.push(array.map_err(|e| format(format!("array '{name}'"), e))?);
        }
        Ok::<_, IoError>(list)
    };
    let mut cases = Cases::new();
    loop {
        let (inputs, outputs) = (side(cases.len(), "in")?, side(cases.len(), "out")?);
        if inputs.is_empty() && outputs.is_empty() {
            return Ok(cases);
        }
        cases.push((inputs, outputs));
    }
}

#[cfg(test)]
mod tests {
    use proveil_graph::Range;

    use super::*;

    fn spec(name: &str) -> InputSpec {
        InputSpec {
            name: name.into(),
            shape: vec![2],
            dtype: Kind::Float,
            scale: 0,
            columns: Vec::new(),
            range: Range { lo: -128, hi: 127 },
            missing: Vec::new(),
            texts: Vec::new(),
            refuse_beyond: None,
        }
    }

    fn file(names: &str) -> InputFile {
        let data = format!(r#"{{"input_data": [[1, 2], [3, 4]]{names}}}"#);
        let arrays = json::parse(data.as_bytes()).expect("is well-formed");
        InputFile { path: "in.json".into(), arrays }
    }

    #[test]
    fn accepts_inputs_by_name_in_any_order_and_by_place() {
        let (specs, inputs) = ([spec("a"), spec("b")], ["a".to_string(), "b".to_string()]);
        for (names, want) in [
            ("", [[1, 2], [3, 4]]),
            (r#", "input_names": ["a", "b"]"#, [[1, 2], [3, 4]]),
            (r#", "input_names": ["b", "a"]"#, [[3, 4], [1, 2]]),
            (r#", "input_names": ["p", "q"]"#, [[1, 2], [3, 4]]),
        ] {
            assert_eq!(file(names).encode(&specs).expect("is complete"), want, "{names}");
            let tensors = file(names).tensors(&inputs, &ModelTexts::of(&[])).expect("is complete");
            let cells: Vec<Vec<i64>> = tensors.iter().map(|t| t.data.iter().map(|v| *v as i64).collect()).collect();
            assert_eq!(cells, want, "{names}");
        }
    }

    #[test]
    fn accepts_texts_known_or_not_and_rejects_numbers_for_them() {
        let texts = InputSpec {
            dtype: Kind::Text,
            range: Range { lo: 0, hi: 2 },
            texts: vec!["own".into(), "Möbel".into()],
            ..spec("a")
        };
        let file = |data: &str| InputFile { path: "in.json".into(), arrays: json::parse(data.as_bytes()).unwrap() };
        let specs = [texts, spec("b")];
        let good = file(r#"{"b": [1, 2], "a": ["Möbel", "own"]}"#);
        assert_eq!(good.encode(&specs).unwrap(), [[1, 0], [1, 2]]);
        assert!(good.unknown(&specs).is_empty());
        let odd = file(r#"{"b": [1, 2], "a": ["own", "ovn"]}"#);
        assert_eq!(odd.encode(&specs).unwrap(), [[0, 2], [1, 2]]);
        let told = odd.unknown(&specs);
        assert!(told.len() == 1 && told[0].contains("'a'") && told[0].contains("\"ovn\" in cell 1"), "{told:?}");
        for (data, reason) in [
            (r#"{"a": [0, 1], "b": [1, 2]}"#, "input 'a': expected string, got numbers"),
            (r#"{"a": [null, null], "b": [1, 2]}"#, "input 'a': expected string, got numbers or missing"),
            (r#"{"a": ["own", "own"], "b": ["1", "2"]}"#, "input 'b': expected float32, got text"),
            (r#"{"a": ["own"], "b": [1, 2]}"#, "input 'a': expected shape"),
        ] {
            let got = file(data).encode(&specs).unwrap_err().to_string();
            assert!(got.contains(reason), "{got}");
        }
    }

    /// One array under a name of the model and one under another name: the place of the second says nothing.
    #[test]
    fn rejects_files_that_name_one_input_and_not_the_other() {
        let names = r#", "input_names": ["b", "aa"]"#;
        let refused = |e: IoError| matches!(&e, IoError::MissingInput { input, .. } if input == "a");
        assert!(refused(file(names).encode(&[spec("a"), spec("b")]).expect_err("`a` is missing")));
        let texts = ModelTexts::of(&[]);
        assert!(refused(file(names).tensors(&["a".into(), "b".into()], &texts).expect_err("`a` is missing")));
    }
}
