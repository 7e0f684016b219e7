//! `TensorProto` to a float tensor: raw and typed fields, half precision, external files.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use tract_onnx::pb;

use super::{Constant, DType, ReadOptions, masks};
use crate::cells::Cells;
use crate::error::{FrontendError, Result};
use crate::tensor::{Kind, Tensor};

/// Reads a constant whose numbers need not be finite.
pub(super) fn unchecked(proto: &pb::TensorProto, place: &str, options: &ReadOptions) -> Result<Tensor> {
    let name = if proto.name.is_empty() { place } else { &proto.name };
    let fail = |reason: String| FrontendError::malformed(format!("tensor `{name}`"), reason);
    let dtype = DType::from_code(proto.data_type)
        .ok_or_else(|| fail(format!("element type {} is not numeric; encode it as numbers", proto.data_type)))?;
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| fail(format!("has an axis of length {d}; export the model again"))))
        .collect::<Result<Vec<_>>>()?;
    let cells = options.limits.cells(name, &shape)?;
    let data = if is_external(proto) {
        from_raw(proto.data_type, &external(proto, name, cells, options)?)
    } else if !proto.raw_data.is_empty() {
        from_raw(proto.data_type, &proto.raw_data)
    } else {
        from_typed(proto)
    };
    let data = data.ok_or_else(|| {
        fail(format!("bytes do not hold whole elements of type {}; export the model again", proto.data_type))
    })?;
    if data.len() != cells {
        return Err(fail(format!("has shape {shape:?} but {} elements; export the model again", data.len())));
    }
    Ok(Tensor { shape, kind: dtype.kind(), data })
}

/// Reads a constant, refusing NaN and infinity except where a mask has them; cells below `low` may mask.
pub(super) fn from_proto(
    proto: &pb::TensorProto,
    place: &str,
    options: &ReadOptions,
    low: Option<f64>,
) -> Result<Tensor> {
    let name = if proto.name.is_empty() { place } else { &proto.name };
    finite(unchecked(proto, place, options)?, name, low)
}

/// A constant of numbers, with a stand-in for cells below `low` if they mask.
pub(super) fn finite(mut t: Tensor, name: &str, low: Option<f64>) -> Result<Tensor> {
    if let Some(low) = low {
        masks::replaced(&mut t, low);
    }
    if let Some(index) = t.data.iter().position(|v| !v.is_finite()) {
        let value = t.data[index];
        let hint = if value == f64::NEG_INFINITY {
            "repair the value, or only add it to what a soft-max reads"
        } else {
            "repair the value"
        };
        return Err(FrontendError::NotFinite { tensor: name.into(), index, value, hint: hint.into() });
    }
    if t.kind == Kind::Bool {
        t.data.iter_mut().for_each(|v| *v = f64::from(u8::from(*v != 0.0)));
    }
    Ok(t)
}

/// Reads a constant of the file. Its floats stay as they are stored until something reads them, where none may mask.
pub(super) fn stored(mut proto: pb::TensorProto, options: &ReadOptions, low: Option<f64>) -> Result<Constant> {
    let name = proto.name.clone();
    let shape: Vec<usize> = proto.dims.iter().map(|&d| usize::try_from(d).unwrap_or(usize::MAX)).collect();
    if is_external(&proto) {
        proto.raw_data = external(&proto, &name, options.limits.cells(&name, &shape)?, options)?;
        proto.external_data.clear();
        proto.data_location = None;
    }
    if low.is_none() && options.limits.cells(&name, &shape).is_ok_and(|cells| holds_floats(&proto, cells)) {
        let (code, raw) = (proto.data_type, proto.raw_data);
        let data = Cells::later(&[], move || from_raw(code, &raw).unwrap_or_default());
        return Ok(Constant { shape, kind: Kind::Float, data });
    }
    from_proto(&proto, &name, options, low).map(Constant::from)
}

/// Whether a message has the bytes of so many floats, all of them finite.
fn holds_floats(proto: &pb::TensorProto, cells: usize) -> bool {
    /// In blocks without an early end, which are compared many cells at a time.
    fn all<const N: usize>(raw: &[u8], cells: usize, finite: impl Fn([u8; N]) -> bool) -> bool {
        let block = |b: &[u8]| b.chunks_exact(N).fold(true, |all, c| all & c.try_into().is_ok_and(&finite));
        raw.len() == N * cells && raw.chunks(N << 12).all(block)
    }
    let raw = &proto.raw_data[..];
    let exponent = |bits: u16, mask: u16| bits & mask != mask;
    match proto.data_type {
        1 => all(raw, cells, |b| f32::from_le_bytes(b).is_finite()),
        10 => all(raw, cells, |b| exponent(u16::from_le_bytes(b), 0x7c00)),
        11 => all(raw, cells, |b| f64::from_le_bytes(b).is_finite()),
        16 => all(raw, cells, |b| exponent(u16::from_le_bytes(b), 0x7f80)),
        _ => false,
    }
}

fn is_external(proto: &pb::TensorProto) -> bool {
    proto.data_location == Some(1) || !proto.external_data.is_empty()
}

/// Reads text as positions, and the texts.
pub(super) fn text(proto: &pb::TensorProto, options: &ReadOptions) -> Result<(Tensor, Vec<String>)> {
    let shape: Vec<usize> = proto.dims.iter().map(|&d| usize::try_from(d).unwrap_or(usize::MAX)).collect();
    let cells = options.limits.cells(&proto.name, &shape)?;
    if cells != proto.string_data.len() {
        let reason = format!("has shape {shape:?} but {} elements; export the model again", proto.string_data.len());
        return Err(FrontendError::malformed(format!("tensor `{}`", proto.name), reason));
    }
    let names = proto.string_data.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
    Ok((Tensor { shape, kind: Kind::Int, data: (0..cells).map(|i| i as f64).collect() }, names))
}

fn from_raw(code: i32, raw: &[u8]) -> Option<Vec<f64>> {
    fn whole<const N: usize>(raw: &[u8], f: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let chunks = raw.chunks_exact(N);
        if !chunks.remainder().is_empty() {
            return None;
        }
        chunks.map(|c| c.try_into().ok().map(&f)).collect()
    }
    match code {
        1 => whole(raw, |b| f64::from(f32::from_le_bytes(b))),
        11 => whole(raw, f64::from_le_bytes),
        10 => whole(raw, |b| half(u16::from_le_bytes(b))),
        16 => whole(raw, |b| bfloat(u16::from_le_bytes(b))),
        2 | 9 => whole(raw, |b: [u8; 1]| f64::from(b[0])),
        3 => whole(raw, |b: [u8; 1]| f64::from(b[0] as i8)),
        4 => whole(raw, |b| f64::from(u16::from_le_bytes(b))),
        5 => whole(raw, |b| f64::from(i16::from_le_bytes(b))),
        6 => whole(raw, |b| f64::from(i32::from_le_bytes(b))),
        7 => whole(raw, |b| i64::from_le_bytes(b) as f64),
        12 => whole(raw, |b| f64::from(u32::from_le_bytes(b))),
        13 => whole(raw, |b| u64::from_le_bytes(b) as f64),
        _ => None,
    }
}

fn from_typed(proto: &pb::TensorProto) -> Option<Vec<f64>> {
    let small = || proto.int32_data.iter();
    Some(match proto.data_type {
        1 => proto.float_data.iter().map(|&v| f64::from(v)).collect(),
        11 => proto.double_data.clone(),
        10 => small().map(|&v| half(v as u16)).collect(),
        16 => small().map(|&v| bfloat(v as u16)).collect(),
        7 => proto.int64_data.iter().map(|&v| v as f64).collect(),
        12 | 13 => proto.uint64_data.iter().map(|&v| v as f64).collect(),
        _ => small().map(|&v| f64::from(v)).collect(),
    })
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * 2f64.powi(e - 25),
    }
}

/// The upper half of a binary32.
fn bfloat(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

/// Bytes that a file beside the model holds, at most eight for each of `cells`.
fn external(proto: &pb::TensorProto, name: &str, cells: usize, options: &ReadOptions) -> Result<Vec<u8>> {
    let fail = |reason: String| FrontendError::malformed(format!("tensor `{name}`"), reason);
    let get = |key: &str| proto.external_data.iter().find(|e| e.key == key).map(|e| e.value.clone());
    let location = get("location").unwrap_or_default();
    let dir = options
        .external_data
        .ok_or_else(|| fail(format!("is stored in the file `{location}`; set `Options::external_data`")))?;
    let relative = Path::new(&location);
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
    if !plain || location.is_empty() {
        let hint = "store its numbers in a file beside the model";
        return Err(fail(format!("points outside the model's directory (`{location}`); {hint}")));
    }
    let number = |key: &str| get(key).map(|v| v.parse::<u64>()).transpose();
    let (Ok(offset), Ok(length)) = (number("offset"), number("length")) else {
        return Err(fail("has an offset or length that is no number; export the model again".into()));
    };
    let unread = |e: std::io::Error| fail(format!("cannot read `{location}`: {e}; put the file beside the model"));
    let path = dir.join(relative).canonicalize().map_err(unread)?;
    if !path.starts_with(dir.canonicalize().map_err(unread)?) {
        return Err(fail(format!("`{location}` is a link to another directory; copy the file beside the model")));
    }
    // Not before this is known: opening a pipe waits for its writer.
    let meta = path.metadata().map_err(unread)?;
    if !meta.is_file() {
        return Err(fail(format!("`{location}` is no regular file; store its numbers in one")));
    }
    let offset = offset.unwrap_or(0);
    let end = length.map_or(meta.len(), |l| offset.saturating_add(l));
    let count = end.checked_sub(offset).filter(|_| end <= meta.len());
    let count = count.ok_or_else(|| fail(format!("`{location}` ends before byte {end}; copy the whole file")))?;
    if count > 8 * cells as u64 {
        return Err(fail(format!("has {count} bytes for {cells} elements; export the model again")));
    }
    let mut file = std::fs::File::open(&path).map_err(unread)?;
    file.seek(SeekFrom::Start(offset)).map_err(unread)?;
    let mut bytes = vec![0; count as usize];
    file.read_exact(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::onnx::Limits;

    /// Bytes of finite numbers and of infinity, for each type of floats.
    const FLOATS: [(i32, &[u8], &[u8]); 4] = [
        (1, &0x7f7f_ffff_u32.to_le_bytes(), &0x7f80_0000_u32.to_le_bytes()),
        (10, &0x7bff_u16.to_le_bytes(), &0x7c00_u16.to_le_bytes()),
        (11, &0x7fef_ffff_ffff_ffff_u64.to_le_bytes(), &0x7ff0_0000_0000_0000_u64.to_le_bytes()),
        (16, &0x7f7f_u16.to_le_bytes(), &0x7f80_u16.to_le_bytes()),
    ];

    fn store(code: i32, raw_data: Vec<u8>, cells: usize) -> Result<Constant> {
        let dims = BTreeMap::new();
        let limits = Limits::default();
        let options =
            ReadOptions { batch: None, dims: &dims, limits: &limits, external_data: None, sample_shapes: None };
        let dims = vec![cells as i64];
        let proto = pb::TensorProto { name: "w".into(), dims, data_type: code, raw_data, ..Default::default() };
        stored(proto, &options, None)
    }

    #[test]
    fn stored_floats_wait_and_are_what_they_were() {
        for (code, finite, _) in FLOATS {
            for cells in [1, 4095, 4096, 4097] {
                let c = store(code, finite.repeat(cells), cells).unwrap();
                assert!(c.data.wait(), "{code}");
                assert_eq!(&c.data[..], from_raw(code, &finite.repeat(cells)).unwrap(), "{code}");
            }
        }
        let ints = store(7, 5i64.to_le_bytes().to_vec(), 1).unwrap();
        assert!(!ints.data.wait() && ints.data[..] == [5.0] && ints.kind == Kind::Int);
    }

    #[test]
    fn stored_floats_are_refused_before_they_are_read() {
        for (code, finite, infinite) in FLOATS {
            for (cells, at) in [(1, 0), (4096, 4095), (5000, 4096), (5000, 0)] {
                let mut raw = finite.repeat(cells);
                raw[at * finite.len()..][..finite.len()].copy_from_slice(infinite);
                let error = store(code, raw, cells).unwrap_err();
                let found = matches!(&error, FrontendError::NotFinite { index, .. } if *index == at);
                assert!(found, "{code}: {error}");
            }
            let mut short = finite.repeat(3);
            assert!(store(code, short.clone(), 4).unwrap_err().to_string().contains("has shape [4] but 3 elements"));
            short.pop();
            assert!(store(code, short, 3).unwrap_err().to_string().contains("do not hold whole elements"));
        }
    }
}
