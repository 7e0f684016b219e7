//! Mutations of byte strings: local ones, which keep a long valid prefix, and ones that move lengths.

/// A small generator of pseudo-random numbers (xorshift); the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Next number.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n` (0 for `n = 0`).
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() >> 16) as usize % n }
    }
}

/// Byte strings at the edges of number formats: variable-length integers, field modulus, signs.
const EDGES: [&[u8]; 10] = [
    &[0],
    &[1],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    &[0, 0, 0, 0, 0, 0, 0, 0x80],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
];

/// Changes `bytes` in one to four ways; `other` lends pieces.
#[must_use]
pub fn mutate(bytes: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=rng.below(8) / 2 {
        step(&mut out, other, rng);
    }
    out
}

fn step(out: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = rng.below(out.len());
    let most = if rng.below(4) == 0 { 256 } else { 8 };
    let span = 1 + rng.below(most);
    let end = (at + span).min(out.len());
    match rng.below(10) {
        0 | 1 if !out.is_empty() => out[at] ^= 1 << rng.below(8),
        2 if !out.is_empty() => out[at] = rng.next() as u8,
        3 if !out.is_empty() => out[at] = out[at].wrapping_add(if rng.below(2) == 0 { 1 } else { 255 }),
        4 => {
            let edge = EDGES[rng.below(EDGES.len())];
            let end = (at + edge.len()).min(out.len());
            let end = if rng.below(2) == 0 { end } else { at };
            out.splice(at..end, edge.iter().copied());
        }
        5 => out.truncate(at),
        6 => {
            out.drain(at..end);
        }
        7 => {
            let copy = out[at..end].to_vec();
            let to = rng.below(out.len() + 1);
            out.splice(to..to, copy);
        }
        8 => {
            let from = rng.below(other.len());
            let piece = &other[from..(from + span).min(other.len())];
            let end = (at + piece.len()).min(out.len());
            out.splice(at..end, piece.iter().copied());
        }
        _ => out.extend((0..span).map(|_| rng.next() as u8)),
    }
}
