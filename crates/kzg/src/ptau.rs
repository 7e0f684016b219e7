//! Import of `.ptau`, the files in which ceremonies of powers of tau are passed on.
//!
//! **Format.** `ptau`, a version, a number of sections; each section has a number, a length and its content. Section 1
//! holds the field (length of its elements, modulus) and the power; section 2 the powers of tau in the first group, `2^(power+1)
//! - 1` of them; section 3 those in the second. Integers and coordinates have their least significant byte first, and
//! coordinates are in Montgomery form. The other sections belong to other proof systems and to the ceremony's history;
//! they are not read, which the check of consistency makes unnecessary: it accepts powers of one `tau` and nothing else.
//! That nobody knows that `tau` is what the ceremony stands for and no file can show.
//!
//! # Source
//! The format is that of `snarkjs`, as its files show it.

use std::io::{Read, Seek, SeekFrom};

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};

use crate::curve::{PointError, TauPoint};
use crate::srs::{MAX_LOG_SIZE, Srs, SrsError};

const MAGIC: &[u8; 4] = b"ptau";
const VERSION: u32 = 1;
/// More sections than any file has.
const MAX_SECTIONS: u32 = 64;

/// Why a file is not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtauError {
    /// It cannot be read, or ends early.
    #[error("the file cannot be read to the end of its {what}: {source}")]
    Io {
        /// What was being read.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// Not the expected value.
    #[error("the file's {what} is {got}, not {expected}: give a .ptau file of version 1 for BN254")]
    Field {
        /// Which field.
        what: &'static str,
        /// Expected.
        expected: String,
        /// Given.
        got: String,
    },
    /// A section is missing or there twice.
    #[error("section {section} is there {times} times: download the file again")]
    Sections {
        /// Its number.
        section: u32,
        /// How often it is there.
        times: usize,
    },
    /// A section has not the length that the power needs.
    #[error("section {section} has {got} bytes, but 2^{power} powers need {need}: download the file again")]
    SectionLength {
        /// Its number.
        section: u32,
        /// The file's power.
        power: u32,
        /// Needed.
        need: u64,
        /// Given.
        got: u64,
    },
    /// Not a point of its group.
    #[error("section {section}, point {index}: {source}")]
    Point {
        /// Section.
        section: u32,
        /// Point of the section.
        index: usize,
        /// What is wrong.
        source: PointError,
    },
    /// Not powers of one tau, or too few.
    #[error(transparent)]
    Srs(#[from] SrsError),
}

struct Sections<'a, R> {
    file: &'a mut R,
    /// Number, offset and length of each.
    found: Vec<(u32, u64, u64)>,
}

fn io(what: &'static str) -> impl Fn(std::io::Error) -> PtauError {
    move |source| PtauError::Io { what, source }
}

fn bytes<const N: usize>(r: &mut impl Read, what: &'static str) -> Result<[u8; N], PtauError> {
    let mut b = [0; N];
    r.read_exact(&mut b).map_err(io(what))?;
    Ok(b)
}

fn u32_of(r: &mut impl Read, what: &'static str) -> Result<u32, PtauError> {
    Ok(u32::from_le_bytes(bytes(r, what)?))
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: T, got: T) -> Result<(), PtauError> {
    if expected == got {
        return Ok(());
    }
    Err(PtauError::Field { what, expected: format!("{expected:?}"), got: format!("{got:?}") })
}

impl<'a, R: Read + Seek> Sections<'a, R> {
    fn read(file: &'a mut R) -> Result<Self, PtauError> {
        expect("magic", String::from_utf8_lossy(MAGIC), String::from_utf8_lossy(&bytes::<4>(file, "magic")?))?;
        expect("version", VERSION, u32_of(file, "version")?)?;
        let count = u32_of(file, "number of sections")?;
        let mut found = Vec::new();
        for _ in 0..count.min(MAX_SECTIONS) {
            let id = u32_of(file, "section header")?;
            let len = u64::from_le_bytes(bytes(file, "section header")?);
            let at = file.stream_position().map_err(io("section header"))?;
            found.push((id, at, len));
            let next = at.saturating_add(len).min(i64::MAX as u64);
            file.seek(SeekFrom::Start(next)).map_err(io("sections"))?;
        }
        Ok(Self { file, found })
    }

    /// Moves to a section; returns its length.
    fn open(&mut self, section: u32) -> Result<u64, PtauError> {
        let mut of = self.found.iter().filter(|(id, _, _)| *id == section);
        let (Some((_, at, len)), None) = (of.next(), of.next()) else {
            let times = self.found.iter().filter(|(id, _, _)| *id == section).count();
            return Err(PtauError::Sections { section, times });
        };
        self.file.seek(SeekFrom::Start(*at)).map_err(io("sections"))?;
        Ok(*len)
    }

    fn open_points(&mut self, section: u32, power: u32, need: u64) -> Result<(), PtauError> {
        let got = self.open(section)?;
        if got == need { Ok(()) } else { Err(PtauError::SectionLength { section, power, need, got }) }
    }
}

/// A coordinate in Montgomery form.
fn coordinate(bytes: &[u8]) -> Result<Fq, PointError> {
    let mut limbs = [0u64; 4];
    for (l, b) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *l = u64::from_le_bytes(b.try_into().unwrap_or_default());
    }
    let limbs = BigInt::new(limbs);
    if limbs < Fq::MODULUS { Ok(Fq::new_unchecked(limbs)) } else { Err(PointError::NonCanonical) }
}

fn first_group(bytes: &[u8]) -> Result<G1Affine, PointError> {
    let (x, y) = bytes.split_at(32);
    let p = G1Affine::new_unchecked(coordinate(x)?, coordinate(y)?);
    if p.is_on_curve() { Ok(p) } else { Err(PointError::OffCurve) }
}

fn second_group(bytes: &[u8]) -> Result<G2Affine, PointError> {
    let mut c = bytes.chunks_exact(32).map(coordinate);
    let mut next = || c.next().unwrap_or(Err(PointError::NonCanonical));
    let (x, y) = (Fq2::new(next()?, next()?), Fq2::new(next()?, next()?));
    TauPoint::checked(G2Affine::new_unchecked(x, y)).map(|p| p.0)
}

fn power_of<R: Read + Seek>(s: &mut Sections<'_, R>) -> Result<u32, PtauError> {
    let len = s.open(1)?;
    expect("length of field elements", 32, u32_of(s.file, "header")?)?;
    expect("length of the header", 44, len)?;
    let modulus: [u8; 32] = bytes(s.file, "header")?;
    let ours: Vec<u8> = Fq::MODULUS.0.iter().flat_map(|l| l.to_le_bytes()).collect();
    expect("modulus, least significant byte first,", &ours[..], &modulus[..])?;
    let power = u32_of(s.file, "header")?;
    if power > u32::from(MAX_LOG_SIZE) {
        return Err(SrsError::TooLarge(u8::try_from(power).unwrap_or(u8::MAX)).into());
    }
    Ok(power)
}

/// Reads the first `2^log_size` powers of a file, or `2^power` of them, and checks them.
///
/// # Errors
/// [`PtauError`]; `TooSmall` in it names the size that is needed.
pub fn import<R: Read + Seek>(file: &mut R, log_size: Option<u8>) -> Result<Srs, PtauError> {
    let mut sections = Sections::read(file)?;
    let power = power_of(&mut sections)?;
    let (need, got) = (log_size.unwrap_or(power as u8), power as u8);
    if need > got {
        return Err(SrsError::TooSmall { need, got }.into());
    }
    sections.open_points(3, power, 128 << power)?;
    let at = |section, index| move |source| PtauError::Point { section, index, source };
    let generator = second_group(&bytes::<128>(sections.file, "section 3")?).map_err(at(3, 0))?;
    let tau = second_group(&bytes::<128>(sections.file, "section 3")?).map_err(at(3, 1))?;
    if generator != G2Affine::generator() {
        return Err(SrsError::Inconsistent.into());
    }
    sections.open_points(2, power, ((2 << power) - 1) * 64)?;
    let mut powers = Vec::new();
    let mut rest = std::io::BufReader::new(sections.file);
    for index in 0..1usize << need {
        powers.push(first_group(&bytes::<64>(&mut rest, "section 2")?).map_err(at(2, index))?);
    }
    let srs = Srs::from_parts(powers, TauPoint(tau));
    srs.check()?;
    Ok(srs)
}
