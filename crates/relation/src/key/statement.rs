//! A statement's bytes and its digest. The bytes are those of postcard, written by hand: a public output may have a million
//! cells, for which growing a vector byte by byte takes longer than all else. A verifier hashes them before anything else,
//! piece by piece, on all threads and without holding them.

use alloc::vec::Vec;

use proveil_algebra::Tasks;
use proveil_protocol::sample::SAMPLED_BYTES;
use proveil_protocol::transcript::{Digest, blake3};

use super::{IoValue, Statement};

/// Cells that are gathered before they are appended.
const BLOCK: usize = 64;
/// Bytes that one step writes, whatever it keeps of them.
const STEP: usize = 8;

/// Cells that are encoded, and hashed, as one piece.
const PIECE: usize = 1 << 14;

/// Some of a statement's bytes.
enum Piece<'a> {
    Bytes(Vec<u8>),
    Cells(&'a [i64]),
}

/// Least and greatest of some cells; of none, the least that is possible is the greatest one.
pub type Bounds = [i64; 2];

/// Canonical bytes of a statement.
pub fn encode(s: &Statement) -> Vec<u8> {
    // Most cells take four bytes or fewer; the vector grows where they take more.
    let room = |p: &Piece<'_>| match p {
        Piece::Bytes(bytes) => bytes.len(),
        Piece::Cells(cells) => 4 * cells.len(),
    };
    let pieces = pieces(s);
    let mut out = Vec::with_capacity(pieces.iter().map(room).sum());
    pieces.iter().for_each(|p| append(p, &mut out));
    out
}

/// The digest of a statement: of its canonical bytes, where the digest of every [`PIECE`] cells of a public tensor stands for
/// these. How many they are is in the bytes before them. `tasks` hash the pieces. With the bounds of every public tensor.
pub fn digest(s: &Statement, tasks: &impl Tasks) -> (Digest, Vec<Bounds>) {
    let pieces = pieces(s);
    let absorbed = |i: usize| match pieces.get(i) {
        Some(Piece::Bytes(bytes)) => (bytes.clone(), NONE),
        Some(Piece::Cells(cells)) => {
            let bounds = bounds(cells);
            (blake3(&planes(cells, bounds)).to_vec(), bounds)
        }
        None => (Vec::new(), NONE),
    };
    let (bytes, own): (Vec<Vec<u8>>, Vec<Bounds>) = tasks.map(pieces.len(), absorbed).into_iter().unzip();
    let mut own = own.into_iter().skip(1);
    let public = s.inputs.iter().chain(&s.outputs).filter_map(|v| match v {
        IoValue::Public(cells) => Some(cells.len().div_ceil(PIECE)),
        _ => None,
    });
    // Bytes come before the first piece of a tensor.
    let of = |n| {
        let all = own.by_ref().take(n).fold(NONE, |a, b| [a[0].min(b[0]), a[1].max(b[1])]);
        own.next();
        all
    };
    (blake3(&bytes.concat()), public.map(of).collect())
}

/// Bounds of no cells.
const NONE: Bounds = [i64::MAX, i64::MIN];

fn bounds(cells: &[i64]) -> Bounds {
    cells.iter().fold(NONE, |[lo, hi], x| [lo.min(*x), hi.max(*x)])
}

/// Cells as words of the fewest bytes that hold all of them in two's complement: how many, then the lowest byte of every cell,
/// the second one of every cell, and so on, which a processor writes many cells at a time.
fn planes(cells: &[i64], bounds: Bounds) -> Vec<u8> {
    // Bits that differ from the sign.
    let used = bounds.iter().filter(|_| !cells.is_empty()).fold(0, |bits, x| bits | (x ^ x >> 63) as u64);
    let width = (u64::BITS - used.leading_zeros()) / 8 + 1;
    let mut out = Vec::with_capacity(1 + width as usize * cells.len());
    out.push(width as u8);
    for k in 0..width {
        out.extend(cells.iter().map(|x| (x >> (8 * k)) as u8));
    }
    out
}

fn pieces(s: &Statement) -> Vec<Piece<'_>> {
    let (mut out, mut bytes) = (Vec::new(), Vec::with_capacity(s.context.len() + 2 * SAMPLED_BYTES));
    for list in [&s.inputs, &s.outputs] {
        number(list.len() as u64, &mut bytes);
        for v in list {
            match v {
                IoValue::Public(cells) => {
                    bytes.push(0);
                    number(cells.len() as u64, &mut bytes);
                    out.push(Piece::Bytes(core::mem::take(&mut bytes)));
                    out.extend(cells.chunks(PIECE).map(Piece::Cells));
                }
                IoValue::Private => bytes.push(1),
                IoValue::Committed(c) => {
                    bytes.push(2);
                    bytes.extend(c.to_bytes());
                }
            }
        }
    }
    match &s.epoch {
        None => bytes.push(0),
        Some(e) => {
            bytes.push(1);
            number(u64::from(e.number), &mut bytes);
            bytes.extend(e.model.to_bytes());
        }
    }
    number(s.context.len() as u64, &mut bytes);
    bytes.extend(&s.context);
    out.push(Piece::Bytes(bytes));
    out
}

fn append(p: &Piece<'_>, out: &mut Vec<u8>) {
    match p {
        Piece::Bytes(bytes) => out.extend_from_slice(bytes),
        Piece::Cells(cells) => integers(cells, out),
    }
}

/// Seven bits a byte, lowest first, the top bit set on all bytes but the last one.
fn number(mut x: u64, out: &mut Vec<u8>) {
    while x > 0x7f {
        out.push(x as u8 | 0x80);
        x >>= 7;
    }
    out.push(x as u8);
}

/// Integers with their signs in the lowest bits.
fn integers(cells: &[i64], out: &mut Vec<u8>) {
    let (mut words, mut lengths) = ([0; BLOCK], [0; BLOCK]);
    let mut gathered = [0; (BLOCK + 1) * STEP];
    out.reserve(4 * cells.len());
    for block in cells.chunks(BLOCK) {
        // Without a branch, so that several cells are spread at once.
        let mut wide = 0;
        for ((word, length), v) in words.iter_mut().zip(&mut lengths).zip(block) {
            let x = zigzag(*v);
            wide |= x >> (7 * STEP);
            (*word, *length) = spread(x);
        }
        if wide != 0 {
            block.iter().for_each(|v| number(zigzag(*v), out));
            continue;
        }
        let mut at = 0;
        for (word, length) in words.iter().zip(&lengths).take(block.len()) {
            if let Some(slot) = gathered.get_mut(at..at + STEP) {
                slot.copy_from_slice(&u64::to_le_bytes(*word));
            }
            at += *length as usize;
        }
        out.extend_from_slice(gathered.get(..at).unwrap_or_default());
    }
}

fn zigzag(v: i64) -> u64 {
    (v << 1 ^ v >> 63) as u64
}

/// [`number`] of less than 56 bits in one word, and how many bytes of it count.
fn spread(x: u64) -> (u64, u64) {
    // Halves of 28 bits to 32, quarters of 14 to 16, eighths of 7 to 8.
    let word = x & 0x0fff_ffff | (x & 0xff_ffff_f000_0000) << 4;
    let word = word & 0x3fff_0000_3fff | (word & 0x0fff_c000_0fff_c000) << 2;
    let word = word & 0x007f_007f_007f_007f | (word & 0x3f80_3f80_3f80_3f80) << 1;
    // In each byte, whether a higher one is not zero.
    let above = word >> 8;
    let above = above | above >> 8;
    let above = above | above >> 16;
    let above = above | above >> 32;
    let more = (above + 0x7f7f_7f7f_7f7f_7f7f) & 0x8080_8080_8080_8080;
    (word | more, ((more >> 7).wrapping_mul(0x0101_0101_0101_0101) >> 56) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Epoch;
    use alloc::vec;
    use proveil_algebra::{Challenge, E, InTurn};
    use proveil_protocol::merkle::Commitment;
    use proveil_protocol::sample::Sampled;

    fn matches(s: &Statement) {
        let bytes = encode(s);
        assert_eq!(bytes, postcard::to_allocvec(s).unwrap());
        assert_eq!(&Statement::decode(&bytes).unwrap(), s);
    }

    #[test]
    fn matches_reference_of_planes() {
        let words = |width: usize, cells: &[i64]| -> Vec<u8> {
            let byte = |k: usize| cells.iter().map(move |x| x.to_le_bytes()[k]);
            core::iter::once(width as u8).chain((0..width).flat_map(byte)).collect()
        };
        let own = |cells: &[i64]| planes(cells, bounds(cells));
        for width in 1..=8usize {
            let top = i64::MAX >> (64 - 8 * width);
            for cells in [vec![top], vec![-top - 1], vec![0, top, -1, 7, -top - 1]] {
                assert_eq!(own(&cells), words(width, &cells));
                assert!(width == 8 || own(&[top + 1])[0] as usize == width + 1);
                assert!(width == 8 || own(&[-top - 2])[0] as usize == width + 1);
            }
        }
        assert_eq!(own(&[]), [1]);
    }

    #[test]
    fn matches_reference_of_bounds() {
        let long: Vec<i64> = (0..3 * PIECE as i64 + 7).map(|i| i * 37 % 20_001 - 10_000).collect();
        let spread = |at: usize, x: i64| long.iter().enumerate().map(|(i, y)| if i == at { x } else { *y }).collect();
        let tensors: Vec<Vec<i64>> = vec![
            spread(0, i64::MIN),
            vec![],
            spread(3 * PIECE + 6, 10_001),
            vec![5],
            spread(PIECE, -10_001),
            long[..PIECE].to_vec(),
        ];
        let public = |k: usize| IoValue::Public(tensors[k].clone());
        let statement = Statement {
            inputs: vec![IoValue::Private, public(0), public(1)],
            outputs: vec![public(2), IoValue::Private, public(3), public(4), public(5)],
            ..Statement::default()
        };
        let least =
            |t: &Vec<i64>| [t.iter().min().copied().unwrap_or(i64::MAX), t.iter().max().copied().unwrap_or(i64::MIN)];
        let expected: Vec<Bounds> = tensors.iter().map(least).collect();
        assert_eq!(digest(&statement, &InTurn).1, expected);
    }

    #[test]
    fn rejects_statements_of_another_with_its_digest() {
        let cells: Vec<i64> = (0..2 * PIECE as i64 + 5).map(|i| i * 37 % 20_001 - 10_000).collect();
        let of = |outputs: Vec<IoValue>, context: Vec<u8>| {
            Statement { outputs, context, ..Statement::default() }.digest(&InTurn)
        };
        let public = |cells: &[i64]| IoValue::Public(cells.to_vec());
        let changed = |i: usize, by: i64| {
            let mut cells = cells.clone();
            cells[i] += by;
            of(vec![public(&cells)], vec![1])
        };
        let all = [
            of(vec![public(&cells)], vec![1]),
            of(vec![public(&cells)], vec![2]),
            of(vec![public(&cells), public(&[])], vec![1]),
            of(vec![public(&cells[..PIECE]), public(&cells[PIECE..])], vec![1]),
            of(vec![public(&cells[1..])], vec![1]),
            of(vec![IoValue::Private], vec![1]),
            changed(0, 1),
            changed(PIECE - 1, -1),
            changed(PIECE, 1 << 8),
            changed(2 * PIECE + 4, 1 << 62),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b), "{i}");
        }
    }

    #[test]
    fn matches_reference_of_postcard() {
        let mut cells = vec![0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN, 1 << 55, (1 << 55) - 1, -(1 << 55)];
        cells.extend((0..63).flat_map(|k| [1i64 << k, -(1i64 << k), (1i64 << k) - 1, -(1i64 << k) - 1]));
        let long = (0..40_000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64) >> (i % 64)).collect();
        let short = (0..10_000).map(|i| i * 37 % 20_001 - 10_000).collect();
        let sampled = |root, nonce, v| Sampled { commitment: Commitment { root, nonce }, value: E::from_int(v) };
        let epoch = Epoch { number: 300, model: sampled([7; 32], [200; 32], -5) };
        let statement = Statement {
            inputs: vec![IoValue::Public(cells), IoValue::Private, IoValue::Committed(sampled([1; 32], [255; 32], 9))],
            outputs: vec![IoValue::Public(long), IoValue::Public(vec![]), IoValue::Public(short)],
            epoch: Some(epoch),
            context: (0..=255).collect(),
        };
        matches(&statement);
        matches(&Statement { epoch: None, context: vec![], ..statement });
        matches(&Statement::default());
    }
}
