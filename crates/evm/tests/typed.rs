//! Typed values in contracts: forms, packed values, real numbers, beside what the compiler and the short key make of them.
#![forbid(unsafe_code)]

mod machine;

use machine::Deployed;
use proveil_evm::abi::Abi;
use proveil_evm::{Artifact, Form};
use proveil_relation::key::IoVisibility;
use proveil_succinct::Io;

fn harness() -> Deployed {
    Deployed::of(Artifact::parse(include_str!("../../../contracts/out/TypedHarness.json")).unwrap())
}

/// A word as a signed number; it fits.
fn signed(b: &[u8]) -> i128 {
    let v = i128::from_be_bytes(b[16..32].try_into().unwrap());
    assert_eq!(b[..16], [if v < 0 { 255 } else { 0 }; 16]);
    v
}

/// The number that `x * 2^64` is in a contract.
fn real(x: f64) -> Abi {
    Abi::int((x * 64f64.exp2()) as i128)
}

fn of_real(b: &[u8]) -> f64 {
    signed(b) as f64 * (-64f64).exp2()
}

const FORMS: [(i64, u64, i32); 7] = [
    (-128, 255, 7),
    (-1000, 3000, 10),
    (0, 1, 0),
    (5, 0, 3),
    (-(1 << 40), (1 << 41) - 1, 30),
    (-7, 14, -4),
    (i64::MIN, u64::MAX, 0),
];

fn form(lo: i64, range: u64, scale: i32, lines: u32, cells: u32) -> Form {
    let io = Io { visibility: IoVisibility::Public, lines, cells, padded: cells.next_power_of_two(), lo, range };
    Form::new(io.to_bytes(), scale).unwrap()
}

/// Some values of a range, its ends among them.
fn some(lo: i64, range: u64) -> Vec<i64> {
    (0..6u128).map(|i| (i128::from(lo) + (u128::from(range) * i / 5) as i128) as i64).collect()
}

#[test]
fn matches_reference_of_packed_values() {
    let mut d = harness();
    for (lo, range, scale) in FORMS {
        let values = some(lo, range);
        let f = form(lo, range, scale, 2, 3);
        let list = Abi::List(values.iter().map(|v| Abi::int(i128::from(*v))).collect());
        let packed = d.call("pack", &[f.abi(), list]).0.unwrap();
        let width = f.width();
        let mut expected = Vec::new();
        for v in &values {
            expected.extend((v.wrapping_sub(lo) as u64).to_be_bytes().iter().skip(8 - width));
        }
        assert_eq!(packed[64..64 + expected.len()], expected);
        // Behind the values of another input or output.
        let shifted = Abi::Bytes([&[9; 5][..], &expected].concat());
        for (i, v) in values.iter().enumerate() {
            let at = [f.abi(), shifted.clone(), Abi::uint(5), Abi::uint(i as u64)];
            assert_eq!(signed(&d.call("integerAt", &at).0.unwrap()), i128::from(*v));
            let expected = *v as f64 * (-f64::from(scale)).exp2();
            assert_eq!(of_real(&d.call("realAt", &at).0.unwrap()), expected, "{v} at scale {scale}");
        }
    }
}

#[test]
fn matches_reference_of_rounding() {
    let mut d = harness();
    for (lo, range, scale) in FORMS.iter().filter(|(.., s)| *s < 20) {
        let f = form(*lo, *range, *scale, 1, 1);
        let unit = (-f64::from(*scale)).exp2();
        for steps in [-130.5, -2.5, -1.5, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.49, 1.5, 2.5, 77.25, 1e6] {
            let expected = f64::round(steps).clamp(*lo as f64, (i128::from(*lo) + i128::from(*range)) as f64);
            let got = d.call("nearest", &[f.abi(), real(steps * unit)]).0.unwrap();
            assert_eq!(signed(&got) as f64, expected, "{steps} steps of {unit} from {lo}");
        }
    }
}

#[test]
fn matches_reference_of_the_greatest_value() {
    let mut d = harness();
    let f = form(-10, 20, 0, 3, 4);
    let packed = Abi::Bytes([[3, 9, 9, 1], [0, 0, 0, 0], [1, 2, 3, 20]].concat());
    for (line, expected) in [1, 0, 3].into_iter().enumerate() {
        let arguments = [f.abi(), packed.clone(), Abi::uint(0), Abi::uint(line as u64)];
        assert_eq!(signed(&d.call("greatest", &arguments).0.unwrap()), expected);
    }
}

#[test]
fn matches_reference_of_real_numbers() {
    let mut d = harness();
    for x in [-3.25, -1.0, -0.125, 0.0, 0.5, 2.0, 4096.0] {
        let wad = Abi::int((x * 1e18) as i128);
        assert_eq!(of_real(&d.call("ofWad", core::slice::from_ref(&wad)).0.unwrap()), x);
        assert_eq!(Abi::int(signed(&d.call("toWad", &[real(x)]).0.unwrap())), wad);
        assert_eq!(signed(&d.call("floor", &[real(x)]).0.unwrap()) as f64, x.floor());
        for y in [-1.0, 0.5, 7.0] {
            let got = d.call("compare", &[real(x), real(y)]).0.unwrap();
            let bits = [x < y, x <= y, x > y, x >= y, x == y, x != y];
            let expected = bits.iter().rev().fold(0, |a, b| a << 1 | i128::from(*b));
            assert_eq!((signed(&got), of_real(&got[32..])), (expected, x), "{x} {y}");
        }
    }
    // Rounded down, negative numbers too.
    for (a, b) in [(1, 3), (-1, 3), (1, -3), (-1, -3), (6, 3)] {
        let got = signed(&d.call("ratio", &[Abi::int(a), Abi::int(b)]).0.unwrap());
        assert_eq!(got, (a << 64).div_euclid(b) - i128::from(b < 0 && (a << 64) % b != 0), "{a} / {b}");
    }
}

#[test]
fn rejects_values_outside_the_form() {
    let mut d = harness();
    let f = form(-10, 20, 0, 1, 2);
    let list = |v: &[i128]| Abi::List(v.iter().map(|v| Abi::int(*v)).collect());
    for (values, error) in
        [(&[0, 11][..], "OutOfForm"), (&[-11, 0], "OutOfForm"), (&[1], "WrongCount"), (&[1, 2, 3], "WrongCount")]
    {
        assert_eq!(d.call("pack", &[f.abi(), list(values)]).0.unwrap_err(), error, "{values:?}");
    }
    // Nothing is read behind the end.
    let short = [f.abi(), Abi::Bytes(vec![1]), Abi::uint(0), Abi::uint(1)];
    assert_eq!(d.call("integerAt", &short).0.unwrap_err(), "no custom error");
}
