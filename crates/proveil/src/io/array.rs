//! NumPy's array files (`.npy`) and archives of them (`.npz`), read without trusting any length in them.

use std::io::{Cursor, Read};

use proveil_frontend::{Kind, Tensor};

use super::ModelTexts;

/// Most cells that one array may have.
const MAX_CELLS: usize = 1 << 28;
/// Most texts of one array.
const MAX_TEXTS: usize = 1 << 22;

/// A dense row-major array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// Element type in NumPy's letters: `f4`, `f8`, `i8`, `i4`, `u1`, `b1`, ...; `U` or `S` and a length for texts.
    pub dtype: String,
    /// Cells; integers beyond 2^53 are refused. Texts are no numbers, NaN stands for each.
    pub data: Vec<f64>,
    /// Cells that are texts; else empty.
    pub texts: Vec<String>,
}

impl Array {
    /// What the cells mean.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.dtype.as_bytes().first() {
            Some(b'b') => Kind::Bool,
            Some(b'i' | b'u') => Kind::Int,
            Some(b'U' | b'S') => Kind::Text,
            _ => Kind::Float,
        }
    }

    /// The array as a tensor; texts have no numbers before a model gives them codes, see [`Array::coded`].
    #[must_use]
    pub fn tensor(&self) -> Tensor {
        Tensor { shape: self.shape.clone(), kind: self.kind(), data: self.data.clone() }
    }

    /// The array as a tensor, with the codes that a model gives to texts.
    ///
    /// # Errors
    /// What is wrong with the model.
    pub fn coded(&self, texts: &ModelTexts) -> Result<Tensor, String> {
        let mut t = self.tensor();
        if self.kind() == Kind::Text {
            t.data = texts.codes()?.of(&self.texts);
        }
        Ok(t)
    }

    /// Row `i` of the first axis, with that axis kept at length 1.
    #[must_use]
    pub fn row(&self, i: usize) -> Option<Self> {
        let rows = *self.shape.first()?;
        let cells = self.data.len().checked_div(rows)?;
        let data = self.data.get(i * cells..(i + 1) * cells)?.to_vec();
        let texts = self.texts.get(i * cells..(i + 1) * cells).unwrap_or_default().to_vec();
        let shape = std::iter::once(1).chain(self.shape[1..].iter().copied()).collect();
        Some(Self { shape, dtype: self.dtype.clone(), data, texts })
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
    let dtype = descr.trim_start_matches(['<', '|', '=']).to_string();
    let bytes = body(start + len)?;
    if let Some(width) = text_width(&descr) {
        let texts = texts_of(&dtype, bytes, cells, width)?;
        return Ok(Array { shape, dtype, data: vec![f64::NAN; cells], texts });
    }
    let data = cells_of(&descr, bytes, cells)?;
    Ok(Array { shape, dtype, data, texts: Vec::new() })
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

/// Bytes of each text, if the elements are texts.
fn text_width(descr: &str) -> Option<usize> {
    let count = |digits: &str| digits.parse::<usize>().ok();
    match descr.strip_prefix("<U") {
        Some(digits) => count(digits)?.checked_mul(4),
        None => count(descr.strip_prefix("|S")?),
    }
}

/// Texts of a fixed number of bytes, of which the last ones are 0 where a text is shorter.
fn texts_of(dtype: &str, bytes: &[u8], cells: usize, width: usize) -> Result<Vec<String>, String> {
    if cells > MAX_TEXTS {
        return Err(format!("{cells} texts, at most {MAX_TEXTS} are read; split the file"));
    }
    if cells.checked_mul(width) != Some(bytes.len()) {
        return Err(format!(
            "{} bytes of texts, the shape needs {cells} times {width}; copy the file again",
            bytes.len()
        ));
    }
    let wide = |cell: &[u8]| -> Option<String> {
        let (chars, _) = cell.as_chunks::<4>();
        chars.iter().map(|c| char::from_u32(u32::from_le_bytes(*c))).collect()
    };
    let narrow = |cell: &[u8]| std::str::from_utf8(cell).ok().map(str::to_string);
    let one = |i: usize| -> Result<String, String> {
        let cell = bytes.get(i * width..(i + 1) * width).unwrap_or_default();
        let text = if dtype.starts_with('U') { wide(cell) } else { narrow(cell) };
        let text =
            text.ok_or_else(|| format!("text {i} is not Unicode (UTF-8 where elements are bytes); write it again"))?;
        Ok(text.trim_end_matches('\0').to_string())
    };
    (0..cells).map(one).collect()
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
        "|O" | "O" => return Err("elements are Python objects; save x.astype(str) for texts, or numbers".into()),
        _ => return Err(format!("element type '{descr}' is not read; convert to float32, int64, bool or str")),
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
    fn accepts_texts_of_both_widths() {
        let head = |d: &str| format!("{{'descr': '{d}', 'fortran_order': False, 'shape': (2, 1), }}");
        let wide: Vec<u8> = "Mö\0\0own".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let a = parse_npy(&npy(&head("<U4"), &[&wide[..], &[0; 4]].concat())).unwrap();
        assert_eq!((a.kind(), &a.texts[..], a.data.len()), (Kind::Text, &["Mö".to_string(), "own".into()][..], 2));
        assert_eq!(a.row(1).unwrap().texts, ["own"]);
        let a = parse_npy(&npy(&head("|S3"), b"own\xc3\xb6\0")).unwrap();
        assert_eq!(a.texts, ["own", "ö"]);
        assert_eq!(parse_npy(&npy(&head("<U0"), &[])).unwrap().texts, ["", ""]);
    }

    #[test]
    fn rejects_what_is_no_text() {
        let head = |d: &str, n: usize| format!("{{'descr': '{d}', 'fortran_order': False, 'shape': ({n},), }}");
        for (descr, cells, body, reason) in [
            ("<U1", 1, &[0, 0xd8, 0, 0][..], "not Unicode"),
            ("|S1", 1, &[0xff], "not Unicode"),
            ("<U1", 1, &[65, 0, 0], "needs 1 times 4"),
            ("|S2", 1, &[65], "needs 1 times 2"),
            ("|S0", 1 << 23, &[], "at most"),
            ("<U9999999999999999999", 1, &[65], "is not read"),
            ("<U4611686018427387904", 4, &[65], "is not read"),
            ("|S9223372036854775807", 4, &[65], "needs 4 times"),
            ("|O", 1, &[65], "x.astype(str)"),
            (">U1", 1, &[0, 0, 0, 65], "is not read"),
        ] {
            let got = parse_npy(&npy(&head(descr, cells), body)).unwrap_err();
            assert!(got.contains(reason), "{descr}: {got}");
        }
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
