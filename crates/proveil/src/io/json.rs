//! Inputs as JSON: lists by the inputs' names, or `input_data` with one list for each input in order; lists are nested as
//! the shape says, or flat; `null` is a missing value, and texts are texts. Beside `input_data`, `input_shapes`, `input_names` and
//! `input_dtypes` are optional and other entries are not read.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::array::Array;

#[derive(Default)]
struct File {
    input_data: Option<Vec<Cells>>,
    input_shapes: Option<Vec<Vec<usize>>>,
    input_names: Option<Vec<String>>,
    input_dtypes: Option<Vec<String>>,
    /// All other entries.
    named: Vec<(String, Cells)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cells {
    List(Vec<Cells>),
    Number(f64),
    Bool(bool),
    Text(String),
    Missing,
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = File;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(r#"an object of lists, {"NAME": [..]}"#)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
                let (mut file, mut seen) = (File::default(), std::collections::HashSet::new());
                while let Some(key) = map.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("'{key}' is given twice")));
                    }
                    match key.as_str() {
                        "input_data" => file.input_data = map.next_value()?,
                        "input_shapes" => file.input_shapes = map.next_value()?,
                        "input_names" => file.input_names = map.next_value()?,
                        "input_dtypes" => file.input_dtypes = map.next_value()?,
                        _ => file.named.push((key, map.next_value()?)),
                    }
                }
                Ok(file)
            }
        }
        from.deserialize_map(Entries)
    }
}

/// A list of cells with its shape.
#[derive(Default)]
struct Flat {
    shape: Vec<usize>,
    data: Vec<f64>,
    bools: usize,
    texts: Vec<String>,
}

impl Flat {
    fn of(cells: &Cells) -> Result<Self, String> {
        let mut flat = Self { shape: lengths(cells), ..Self::default() };
        flat.fill(cells, 0)?;
        if !flat.texts.is_empty() && flat.texts.len() < flat.data.len() {
            return Err("holds texts beside numbers or null; give an input texts only".into());
        }
        Ok(flat)
    }

    /// Appends what a list at some depth holds.
    fn fill(&mut self, cells: &Cells, depth: usize) -> Result<(), String> {
        let cell = match cells {
            Cells::List(list) if self.shape.get(depth) == Some(&list.len()) => {
                return list.iter().try_for_each(|part| self.fill(part, depth + 1));
            }
            Cells::Other(_) => return Err("holds what is no cell; give numbers, true, false, null or texts".into()),
            _ if matches!(cells, Cells::List(_)) || depth < self.shape.len() => {
                return Err(format!("its lists are not all of shape {:?}; give every row the same length", self.shape));
            }
            Cells::Number(v) => *v,
            Cells::Bool(b) => {
                self.bools += 1;
                f64::from(u8::from(*b))
            }
            Cells::Text(text) => {
                self.texts.push(text.clone());
                f64::NAN
            }
            _ => f64::NAN,
        };
        self.data.push(cell);
        Ok(())
    }
}

/// Lengths of a list, of its first part, of that one's first part and so on.
fn lengths(cells: &Cells) -> Vec<usize> {
    let Cells::List(list) = cells else { return Vec::new() };
    let inner = list.first().map(lengths).unwrap_or_default();
    std::iter::once(list.len()).chain(inner).collect()
}

/// Reads the file; names without an entry are empty.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(String, Array)>, (String, String)> {
    let file: File = serde_json::from_slice(bytes)
        .map_err(|e| (format!("line {}, column {}", e.line(), e.column()), e.to_string()))?;
    let Some(lists) = file.input_data else {
        if file.named.is_empty() {
            return Err(("object".into(), r#"holds no inputs; give {"NAME": [..]} for each"#.into()));
        }
        let read = |(name, cells): (String, Cells)| {
            let flat = Flat::of(&cells).map_err(|reason| (format!("'{name}'"), reason))?;
            Ok((name, array(flat, None)))
        };
        return file.named.into_iter().map(read).collect();
    };
    let count = lists.len();
    let beside = [
        ("input_shapes", file.input_shapes.as_ref().map(Vec::len)),
        ("input_names", file.input_names.as_ref().map(Vec::len)),
        ("input_dtypes", file.input_dtypes.as_ref().map(Vec::len)),
    ];
    if let Some((name, Some(n))) = beside.into_iter().find(|(_, n)| n.is_some_and(|n| n != count)) {
        return Err((name.into(), format!("{n} entries for {count} lists in input_data; give one for each")));
    }
    let mut out = Vec::new();
    for (k, cells) in lists.iter().enumerate() {
        let mut flat = Flat::of(cells).map_err(|reason| (format!("input_data[{k}]"), reason))?;
        if let Some(shape) = file.input_shapes.as_ref().map(|s| s[k].clone()) {
            if shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)) != Some(flat.data.len()) {
                return Err((
                    format!("input_shapes[{k}]"),
                    format!("{shape:?} does not fit {} values", flat.data.len()),
                ));
            }
            flat.shape = shape;
        }
        let dtype = file.input_dtypes.as_ref().map(|d| {
            let unknown = || (format!("input_dtypes[{k}]"), format!("unknown type '{}'", d[k]));
            letters(&d[k]).ok_or_else(unknown)
        });
        let name = file.input_names.as_ref().map(|n| n[k].clone()).unwrap_or_default();
        out.push((name, array(flat, dtype.transpose()?)));
    }
    Ok(out)
}

/// An array of the type that was said or that the cells look like.
fn array(flat: Flat, said: Option<&str>) -> Array {
    let dtype = match said {
        _ if !flat.texts.is_empty() => "U",
        Some(letters) => letters,
        None if !flat.data.is_empty() && flat.bools == flat.data.len() => "b1",
        None if flat.data.iter().all(|v| v.fract() == 0.0) => "any",
        None => "f4",
    };
    Array { shape: flat.shape, dtype: dtype.into(), data: flat.data, texts: flat.texts }
}

fn letters(name: &str) -> Option<&'static str> {
    Some(match name {
        "float" | "float32" => "f4",
        "float16" | "bfloat16" => "f2",
        "double" | "float64" => "f8",
        "int64" => "i8",
        "int32" => "i4",
        "int16" => "i2",
        "int8" => "i1",
        "uint8" => "u1",
        "uint16" => "u2",
        "uint32" => "u4",
        "uint64" => "u8",
        "bool" => "b1",
        "string" | "str" => "U",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_lists_by_name_nested_or_flat() {
        let arrays = parse(br#"{"x": [[1, 2.5], [null, 4]], "n": 7, "flags": [true, false], "none": []}"#).unwrap();
        let said: Vec<_> = arrays.iter().map(|(n, a)| (n.as_str(), a.shape.clone(), a.dtype.as_str())).collect();
        assert_eq!(
            said,
            [("x", vec![2, 2], "f4"), ("n", vec![], "any"), ("flags", vec![2], "b1"), ("none", vec![0], "any")]
        );
        assert_eq!(arrays[0].1.data[..2], [1.0, 2.5]);
        assert!(arrays[0].1.data[2].is_nan());
        let listed = parse(br#"{"output_data": ["a", {}], "input_data": [[[1, 2], [3, 4]], [5]]}"#).unwrap();
        assert_eq!(listed.iter().map(|(_, a)| a.shape.clone()).collect::<Vec<_>>(), [vec![2, 2], vec![1]]);
    }

    #[test]
    fn rejects_what_is_no_array_by_name() {
        for (text, place, reason) in [
            (r#"{"x": [[1, 2], [3]]}"#, "'x'", "not all of shape [2, 2]"),
            (r#"{"x": [[1], 3]}"#, "'x'", "not all of shape [2, 1]"),
            (r#"{"x": [1, [3]]}"#, "'x'", "not all of shape [2]"),
            (r#"{"x": [], "y": [[], [1]]}"#, "'y'", "not all of shape [2, 0]"),
            (r#"{"x": [{}]}"#, "'x'", "no cell"),
            (r#"{"input_data": [[1, "a"]]}"#, "input_data[0]", "texts only"),
            (r#"{"x": ["a", null]}"#, "'x'", "texts only"),
            (r#"{"x": [1], "x": [2]}"#, "line 1", "given twice"),
            ("{}", "object", "NAME"),
            ("[1]", "line 1", "object of lists"),
        ] {
            let (at, why) = parse(text.as_bytes()).unwrap_err();
            assert!(at.contains(place) && why.contains(reason), "{text}: {at}: {why}");
        }
        let deep = format!(r#"{{"x": {}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(deep.as_bytes()).is_err());
    }
}
