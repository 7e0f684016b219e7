//! Inputs as JSON: `input_data` holds one flat list for each input, with `null` for missing values; `input_shapes`, `input_names` and `input_dtypes`
//! are optional.

use serde::Deserialize;

use super::array::Array;

#[derive(Deserialize)]
struct File {
    input_data: Vec<Vec<Cell>>,
    input_shapes: Option<Vec<Vec<usize>>>,
    input_names: Option<Vec<String>>,
    input_dtypes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cell {
    Number(f64),
    Bool(bool),
    Missing,
}

/// Reads the file; arrays without a shape are flat, names without an entry are empty.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(String, Array)>, (String, String)> {
    let file: File = serde_json::from_slice(bytes)
        .map_err(|e| (format!("line {}, column {}", e.line(), e.column()), e.to_string()))?;
    let count = file.input_data.len();
    let lists = [
        ("input_shapes", file.input_shapes.as_ref().map(Vec::len)),
        ("input_names", file.input_names.as_ref().map(Vec::len)),
        ("input_dtypes", file.input_dtypes.as_ref().map(Vec::len)),
    ];
    if let Some((name, Some(n))) = lists.into_iter().find(|(_, n)| n.is_some_and(|n| n != count)) {
        return Err((name.into(), format!("{n} entries for {count} lists in input_data; give one for each")));
    }
    let mut out = Vec::new();
    for (k, cells) in file.input_data.into_iter().enumerate() {
        let shape = file.input_shapes.as_ref().map_or_else(|| vec![cells.len()], |s| s[k].clone());
        let bools = !cells.is_empty() && cells.iter().all(|c| matches!(c, Cell::Bool(_)));
        let data: Vec<f64> = cells
            .into_iter()
            .map(|c| match c {
                Cell::Number(v) => v,
                Cell::Bool(b) => f64::from(u8::from(b)),
                Cell::Missing => f64::NAN,
            })
            .collect();
        if shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)) != Some(data.len()) {
            return Err((format!("input_shapes[{k}]"), format!("{shape:?} does not fit {} values", data.len())));
        }
        let dtype = match file.input_dtypes.as_ref().map(|d| d[k].as_str()) {
            Some(name) => {
                letters(name).ok_or_else(|| (format!("input_dtypes[{k}]"), format!("unknown type '{name}'")))?
            }
            None if bools => "b1",
            None if data.iter().all(|v| v.fract() == 0.0) => "any",
            None => "f4",
        };
        let name = file.input_names.as_ref().map(|n| n[k].clone()).unwrap_or_default();
        out.push((name, Array { shape, dtype: dtype.into(), data }));
    }
    Ok(out)
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
        _ => return None,
    })
}
