//! Set-ups and their files.
#![forbid(unsafe_code)]

use std::io::Cursor;

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_kzg::commit::{Committed, commit, commit_ints};
use proveil_kzg::ptau::{PtauError, import};
use proveil_kzg::srs::{Srs, SrsError};
use proveil_kzg::{Point, PointError, TauPoint, blinding_base};

/// A file of sixteen powers with one contribution, written by `snarkjs powersoftau`.
const CEREMONY: &[u8] = include_bytes!("ceremony.ptau");
/// Content of its sections 2 and 3.
const FIRST: usize = 12 + 12 + 44 + 12;
const SECOND: usize = FIRST + 31 * 64 + 12;

fn read(bytes: &[u8]) -> Result<Srs, PtauError> {
    import(&mut Cursor::new(bytes), None)
}

fn altered(f: impl FnOnce(&mut Vec<u8>)) -> Result<Srs, PtauError> {
    let mut bytes = CEREMONY.to_vec();
    f(&mut bytes);
    read(&bytes)
}

#[test]
fn accepts_the_file_of_a_ceremony() {
    let srs = read(CEREMONY).unwrap();
    assert_eq!(srs.log_size(), 4);
    assert!(!srs.key().insecure);
    let part = import(&mut Cursor::new(CEREMONY), Some(3)).unwrap();
    assert_eq!(part.log_size(), 3);
    assert_eq!(part.key(), srs.key());
    let cells = [3, -1, 0, 70_000, i64::MIN, 5, 5, 1];
    assert_eq!(commit_ints(&srs, &cells), commit_ints(&part, &cells));
}

#[test]
fn rejects_ceremonies_too_small_with_the_size_needed() {
    let e = import(&mut Cursor::new(CEREMONY), Some(11)).unwrap_err();
    assert!(matches!(e, PtauError::Srs(SrsError::TooSmall { need: 11, got: 4 })), "{e}");
    assert!(e.to_string().contains("2^11"), "{e}");
}

#[test]
fn rejects_other_files_and_damaged_headers() {
    assert!(matches!(read(b"zkey and so on"), Err(PtauError::Field { what: "magic", .. })));
    assert!(matches!(read(b""), Err(PtauError::Io { .. })));
    assert!(matches!(altered(|b| b[4] = 2), Err(PtauError::Field { what: "version", .. })));
    let modulus = |b: &mut Vec<u8>| b[12 + 12 + 4] ^= 1;
    assert!(matches!(altered(modulus), Err(PtauError::Field { .. })));
    let sections = |b: &mut Vec<u8>| b[8] = 1;
    assert!(matches!(altered(sections), Err(PtauError::Sections { section: 3, times: 0 })));
    let twice = |b: &mut Vec<u8>| b[SECOND - 12] = 2;
    assert!(matches!(altered(twice), Err(PtauError::Sections { section: 3, times: 0 })));
    let power = |b: &mut Vec<u8>| b[FIRST - 12 - 8] = 5;
    assert!(matches!(altered(power), Err(PtauError::SectionLength { section: 3, .. })));
    let huge = |b: &mut Vec<u8>| b[FIRST - 12 - 8] = 200;
    assert!(matches!(altered(huge), Err(PtauError::Srs(SrsError::TooLarge(200)))));
    for n in (0..SECOND + 256).step_by(97) {
        assert!(read(&CEREMONY[..n]).is_err(), "cut to {n} bytes");
    }
}

#[test]
fn rejects_points_that_are_no_powers() {
    for i in [1, 7, 15] {
        let off = altered(|b| b[FIRST + 64 * i] ^= 1);
        let found = matches!(
            off,
            Err(PtauError::Point { section: 2, index, source: PointError::OffCurve | PointError::NonCanonical }) if index == i
        );
        assert!(found, "power {i}");
    }
    // A point of the curve in another's place, the generator missing, powers of another tau.
    let swap = altered(|b| {
        let (two, three) = (FIRST + 128, FIRST + 192);
        let copy = b[two..two + 64].to_vec();
        b.copy_within(three..three + 64, two);
        b[three..three + 64].copy_from_slice(&copy);
    });
    assert!(matches!(swap, Err(PtauError::Srs(SrsError::Inconsistent))));
    let first = altered(|b| b.copy_within(FIRST + 64..FIRST + 128, FIRST));
    assert!(matches!(first, Err(PtauError::Srs(SrsError::Inconsistent))));
    let tau = altered(|b| b.copy_within(SECOND + 256..SECOND + 384, SECOND + 128));
    assert!(matches!(tau, Err(PtauError::Srs(SrsError::Inconsistent))));
    let generator = altered(|b| b.copy_within(SECOND + 128..SECOND + 256, SECOND));
    assert!(matches!(generator, Err(PtauError::Srs(SrsError::Inconsistent))));
    let infinity = altered(|b| b[SECOND + 128..SECOND + 256].fill(0));
    assert!(matches!(infinity, Err(PtauError::Point { section: 3, .. })));
}

#[test]
fn roundtrips_files() {
    for srs in [read(CEREMONY).unwrap(), Srs::dev(5).unwrap()] {
        let bytes = srs.encode();
        let back = Srs::decode(&bytes, None).unwrap();
        assert_eq!(back.encode(), bytes);
        assert_eq!(back.key(), srs.key());
        let part = Srs::decode(&bytes, Some(2)).unwrap();
        assert_eq!((part.log_size(), part.key()), (2, srs.key()));
        assert_eq!(back.check(), Ok(()));
    }
    assert!(Srs::dev(5).unwrap().key().insecure);
}

#[test]
fn rejects_damaged_files() {
    let bytes = Srs::dev(3).unwrap().encode();
    for i in 0..bytes.len() {
        let mut b = bytes.clone();
        b[i] ^= 1;
        assert!(Srs::decode(&b, None).is_err(), "byte {i}");
    }
    assert!(matches!(Srs::decode(&bytes[..bytes.len() - 1], None), Err(SrsError::Length { .. })));
    assert!(matches!(Srs::decode(&[&bytes[..], &[0]].concat(), None), Err(SrsError::Length { .. })));
    assert!(matches!(Srs::decode(&bytes, Some(4)), Err(SrsError::TooSmall { need: 4, got: 3 })));
    assert!(matches!(Srs::dev(40), Err(SrsError::TooLarge(40))));
    assert_eq!(Srs::with_tau(Scalar::ZERO, 3).unwrap_err(), SrsError::Inconsistent);
}

#[test]
fn matches_reference_commitments_of_integers() {
    let srs = Srs::dev(10).unwrap();
    let bases = [1, -1, 127, -128, 32_767, -32_768, 1 << 40, i64::MIN, i64::MAX, 0];
    let cells: Vec<i64> = (0..1000).map(|i| bases[i % 10] / (1 + i as i64 / 10)).collect();
    let elements: Vec<Scalar> = cells.iter().map(|v| <Scalar as proveil_algebra::Challenge>::from_int(*v)).collect();
    let tau = known_tau();
    let value = elements.iter().rev().fold(Scalar::ZERO, |a, c| a * tau + *c);
    let small = Srs::with_tau(tau, 10).unwrap();
    assert_eq!(commit_ints(&small, &cells), Ok(Point::generator() * value));
    assert_eq!(commit_ints(&srs, &cells), commit(&srs, &elements));
    assert_eq!(commit_ints(&srs, &[1; 1025]), Err(SrsError::TooSmall { need: 11, got: 10 }));
    assert_eq!(commit(&srs, &[]), Ok(Point::INFINITY));
}

fn known_tau() -> Scalar {
    Scalar::from_u64(123_456_789)
}

#[test]
fn accepts_blinds_that_hide_and_add_up() {
    let srs = Srs::dev(4).unwrap();
    let f = Committed::new(&srs, vec![Scalar::TWO; 9], Scalar::from_u64(11)).unwrap();
    let g = Committed::new(&srs, vec![Scalar::ONE; 16], Scalar::from_u64(5)).unwrap();
    let (a, b) = (Scalar::from_u64(3), -Scalar::TWO);
    let sum = Committed::combine(&[(a, &f), (b, &g)]);
    let same = Committed::new(&srs, sum.coefficients.clone(), sum.blind).unwrap();
    assert_eq!(sum.point, same.point);
    assert_eq!(sum.point, f.point * a + g.point * b);
    assert_ne!(f.point, commit(&srs, &f.coefficients).unwrap());
}

/// The label, hashed once more by other means, and the curve's equation.
#[test]
fn matches_reference_blinding_base() {
    let h = blinding_base();
    assert_eq!(Point::from_bytes(&h.to_bytes()), Ok(h));
    let hex: String = h.to_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, BLINDING_BASE);
    assert!(h != Point::generator() && h != Point::INFINITY);
}

/// Computed by another program (big integers of a scripting language) from the rule in the documentation.
const BLINDING_BASE: &str = "0b1f440e0c7f7afb30750b2cabb1cc6d3f8b0554148d34ac34888ad543ee861f2a2bcd39fbff785158a6613373f5e4e3987f2d686958a0b22aa238d1dc151182";

#[test]
fn roundtrips_points() {
    for k in [1, 2, 77] {
        let p = Point::generator() * Scalar::from_u64(k);
        assert_eq!(Point::from_bytes(&p.to_bytes()), Ok(p));
    }
    assert_eq!(Point::INFINITY.to_bytes(), [0; 64]);
    assert_eq!(Point::from_bytes(&[0; 64]), Ok(Point::INFINITY));
    let tau = read(CEREMONY).unwrap().key().tau;
    assert_eq!(TauPoint::from_bytes(&tau.to_bytes()), Ok(tau));
}

#[test]
fn rejects_bytes_that_are_no_points() {
    let good = Point::generator().to_bytes();
    assert_eq!(Point::from_bytes(&good[..63]), Err(PointError::Length { need: 64, got: 63 }));
    let mut off = good;
    off[63] = 3;
    assert_eq!(Point::from_bytes(&off), Err(PointError::OffCurve));
    let mut infinity = [0; 64];
    infinity[63] = 1;
    assert_eq!(Point::from_bytes(&infinity), Err(PointError::OffCurve));
    assert_eq!(Point::from_bytes(&[0xff; 64]), Err(PointError::NonCanonical));
    assert_eq!(TauPoint::from_bytes(&[0; 128]), Err(PointError::OffCurve));
    // On the twist, outside the group: x = 1 gives y in the field for this curve, whose cofactor is large.
    let tau = TauPoint::generator().to_bytes();
    let mut moved = tau;
    moved[127] ^= 1;
    assert_eq!(TauPoint::from_bytes(&moved), Err(PointError::OffCurve));
}
