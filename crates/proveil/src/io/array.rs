//! NumPy's array files (`.npy`) and archives of them (`.npz`), read without trusting any length in them.

use std::io::{Cursor, Read};

use proveil_frontend::{Kind, Tensor};

/// Most cells that one array may have.
const MAX_CELLS: usize = 1 << 28;

/// A dense row-major array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// Element type in NumPy's letters: `f4`, `f8`, `i8`, `i4`, `u1`, `b1`, ...
    pub dtype: String,
    /// Cells; integers beyond 2^53 are refused.
    pub data: Vec<f64>,
}

impl Array {
    /// What the cells mean.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.dtype.as_bytes().first() {
            Some(b'b') => Kind::Bool,
            Some(b'i' | b'u') => Kind::Int,
            _ => Kind::Float,
        }
    }

    /// The array as a tensor.
    #[must_use]
    pub fn tensor(&self) -> Tensor {
        Tensor { shape: self.shape.clone(), kind: self.kind(), data: self.data.clone() }
    }

    /// Row `i` of the first axis, with that axis kept at length 1.
    #[must_use]
    pub fn row(&self, i: usize) -> Option<Self> {
        let rows = *self.shape.first()?;
        let cells = self.data.len().checked_div(rows)?;
        let data = self.data.get(i * cells..(i + 1) * cells)?.to_vec();
        let shape = std::iter::once(1).chain(self.shape[1..].iter().copied()).collect();
        Some(Self { shape, dtype: self.dtype.clone(), data })
    }
}

/// Reads one `.npy` file.
///
/// # Errors
/// A message with the offending field.
pub fn parse_npy(bytes: &[u8]) -> Result<Array, String> {
    let body = |at: usize| bytes.get(at..).ok_or("the header is cut off; copy the file again");
    if bytes.get(..6) != Some(b"\x93NUMPY") {
        return Err("not a NumPy array; save it with numpy.save".into());
    }
    let (start, len) = match bytes.get(6) {
        Some(1) => (10, body(8)?.get(..2).map(|b| usize::from(b[0]) | usize::from(b[1]) << 8)),
        Some(2 | 3) => (12, body(8)?.get(..4).map(|b| b.iter().rev().fold(0, |a, x| a << 8 | usize::from(*x)))),
        _ => return Err("unknown version of the array format; save it with numpy.save".into()),
    };
    let len = len.ok_or("the header is cut off; copy the file again")?;
    let header = body(start)?.get(..len).ok_or("the header is cut off; copy the file again")?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    let descr = field(header, "descr")?.trim_matches(['\'', '"']).to_string();
    if field(header, "fortran_order")? != "False" {
        return Err("column-major order; save numpy.ascontiguousarray(x)".into());
    }
    let shape = shape(field(header, "shape")?)?;
    let cells = shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)).filter(|n| *n <= MAX_CELLS);
    let cells = cells.ok_or_else(|| format!("shape {shape:?} is too large"))?;
    let data = cells_of(&descr, body(start + len)?, cells)?;
    Ok(Array { shape, dtype: descr.trim_start_matches(['<', '|', '=']).to_string(), data })
}

/// The text of one entry of the header's dictionary.
fn field<'a>(header: &'a str, name: &str) -> Result<&'a str, String> {
    let missing = || format!("the header has no '{name}'");
    let at = header.find(&format!("'{name}':")).ok_or_else(missing)? + name.len() + 3;
    let rest = header[at..].trim_start();
    let end = if rest.starts_with('(') { rest.find(')').map(|i| i + 1) } else { rest.find([',', '}']) };
    Ok(rest[..end.ok_or_else(missing)?].trim())
}

fn shape(text: &str) -> Result<Vec<usize>, String> {
    let axes = text.trim_matches(['(', ')']).split(',').map(str::trim).filter(|s| !s.is_empty());
    axes.map(|s| s.parse().map_err(|_| format!("shape {text} is not a list of lengths"))).collect()
}

fn cells_of(descr: &str, bytes: &[u8], cells: usize) -> Result<Vec<f64>, String> {
    fn read<const N: usize>(bytes: &[u8], cells: usize, f: fn([u8; N]) -> f64) -> Result<Vec<f64>, String> {
        if bytes.len() != cells * N {
            let (expected, got) = (cells * N, bytes.len());
            return Err(format!("{got} bytes of values, the shape needs {expected}; copy the file again"));
        }
        Ok(bytes.as_chunks::<N>().0.iter().map(|c| f(*c)).collect())
    }
    let data = match descr {
        "<f2" => read(bytes, cells, |b| half(u16::from_le_bytes(b)))?,
        "<f4" => read(bytes, cells, |b| f64::from(f32::from_le_bytes(b)))?,
        "<f8" => read(bytes, cells, f64::from_le_bytes)?,
        "<i8" => read(bytes, cells, |b| i64::from_le_bytes(b) as f64)?,
        "<i4" => read(bytes, cells, |b| f64::from(i32::from_le_bytes(b)))?,
        "<i2" => read(bytes, cells, |b| f64::from(i16::from_le_bytes(b)))?,
        "<u8" => read(bytes, cells, |b| u64::from_le_bytes(b) as f64)?,
        "<u4" => read(bytes, cells, |b| f64::from(u32::from_le_bytes(b)))?,
        "<u2" => read(bytes, cells, |b| f64::from(u16::from_le_bytes(b)))?,
        "|i1" => read(bytes, cells, |b: [u8; 1]| f64::from(b[0] as i8))?,
        "|u1" => read(bytes, cells, |b: [u8; 1]| f64::from(b[0]))?,
        "|b1" => read(bytes, cells, |b: [u8; 1]| f64::from(u8::from(b[0] != 0)))?,
        _ => return Err(format!("element type '{descr}' is not read; convert to float32, int64 or bool")),
    };
    if matches!(descr, "<i8" | "<u8") && data.iter().any(|v| v.abs() > 9_007_199_254_740_992.0) {
        return Err("an integer is beyond 2^53; such values are not exact here".into());
    }
    Ok(data)
}

/// An archive of named arrays.
pub struct Npz {
    archive: zip::ZipArchive<Cursor<Vec<u8>>>,
    limit: u64,
}

impl Npz {
    /// Opens an archive whose arrays may have at most `limit` bytes each when unpacked.
    ///
    /// # Errors
    /// A message when the bytes are no archive.
    pub fn open(bytes: Vec<u8>, limit: u64) -> Result<Self, String> {
        let archive = zip::ZipArchive::new(Cursor::new(bytes));
        Ok(Self { archive: archive.map_err(|e| format!("not an archive ({e}); save it with numpy.savez"))?, limit })
    }

    /// Names of the arrays, in the order of the archive.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for i in 0..self.archive.len() {
            let name = self.archive.name_for_index(i).unwrap_or_default();
            names.push(name.strip_suffix(".npy").unwrap_or(name).to_string());
        }
        names
    }

    /// One array.
    ///
    /// # Errors
    /// A message when it is missing, too large or malformed.
    pub fn array(&mut self, name: &str) -> Result<Array, String> {
        let file = self.archive.by_name(&format!("{name}.npy")).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        file.take(self.limit + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > self.limit {
            return Err(format!("more than {} bytes when unpacked", self.limit));
        }
        parse_npy(&bytes)
    }
}

/// Value of a half precision number.
fn half(bits: u16) -> f64 {
    let (power, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match power {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(power - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, body: &[u8]) -> Vec<u8> {
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.as_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn accepts_the_usual_types() {
        let head = |d: &str| format!("{{'descr': '{d}', 'fortran_order': False, 'shape': (1, 2), }}");
        let a = parse_npy(&npy(&head("<f4"), &[0, 0, 128, 63, 0, 0, 0, 192])).unwrap();
        assert_eq!((a.shape.clone(), a.data.clone(), a.kind()), (vec![1, 2], vec![1.0, -2.0], Kind::Float));
        let a = parse_npy(&npy(&head("<f2"), &[0, 0x3c, 1, 0x80])).unwrap();
        assert_eq!((a.data.clone(), a.kind()), (vec![1.0, -(2f64.powi(-24))], Kind::Float));
        let a = parse_npy(&npy(&head("<f2"), &[0xff, 0x7b, 0, 0xfc])).unwrap();
        assert_eq!(a.data, vec![65504.0, f64::NEG_INFINITY]);
        let a = parse_npy(&npy(&head("|b1"), &[0, 1])).unwrap();
        assert_eq!((a.data.clone(), a.kind()), (vec![0.0, 1.0], Kind::Bool));
        let a = parse_npy(&npy(&head("<i2"), &[255, 255, 2, 0])).unwrap();
        assert_eq!((a.data.clone(), a.kind()), (vec![-1.0, 2.0], Kind::Int));
        assert_eq!(a.row(0).unwrap(), a);
    }

    #[test]
    fn rejects_every_truncation_and_lying_shapes() {
        let whole = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", &[0; 8]);
        assert!(parse_npy(&whole).is_ok());
        (0..whole.len()).for_each(|n| assert!(parse_npy(&whole[..n]).is_err(), "{n}"));
        for header in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (268435456,), }",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }",
            "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': 'O', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<f4', 'shape': (2,",
        ] {
            assert!(parse_npy(&npy(header, &[0; 8])).is_err(), "{header}");
        }
    }
}
