//! Blake3 of many messages of one length at a time, one message in each vector lane.
//!
//! A leaf is a few blocks of one chunk, within which the hash is sequential: hashed one by one, leaves leave the
//! vector unit idle. The lanes are plain arrays that the compiler turns into vector instructions; the results are
//! those of the `blake3` crate, with which the tests compare.
//!
//! # Source
//! O'Connor, Aumasson, Neves, Wilcox-O'Hearn, *BLAKE3*, sections 2.1 to 2.5.

use proveil_protocol::transcript::Digest;

/// Messages hashed at a time.
pub(crate) const LANES: usize = 16;

pub(crate) type Lane = [u32; LANES];
/// The eight words of a digest of every message.
pub(crate) type Chaining = [Lane; 8];
/// The sixteen words of a block of every message.
pub(crate) type Block = [Lane; 16];

pub(crate) const BLOCK_BYTES: usize = 64;
const CHUNK_BYTES: usize = 1024;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;
const KEYED_HASH: u32 = 16;

const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Where word `i` of the next round's message comes from.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/// The hash of each of [`LANES`] messages of `len` bytes, which follow each other in `messages`.
///
/// # Shapes
/// `messages.len() == LANES * len`, `len > 0`.
pub(crate) fn hash(messages: &[u8], len: usize) -> [Digest; LANES] {
    let mut hasher = Hasher::new(len, IV, 0);
    let load = bytes_of(messages, len);
    (0..len.div_ceil(BLOCK_BYTES)).for_each(|block| hasher.absorb(&load(block)));
    digests(&hasher.finish())
}

/// The first 64 bytes of the keyed hash of each of [`LANES`] messages of `len` bytes, at most a block, as two digests.
pub(super) fn extended(key: &Digest, message: &Block, len: usize) -> [Chaining; 2] {
    let flags = KEYED_HASH | CHUNK_START | CHUNK_END | ROOT;
    compress_wide(&key_words(key).map(|k| [k; LANES]), message, 0, len as u32, flags)
}

/// The nodes above `2 * LANES` nodes, the first half of which are in `first`, under a key.
pub(super) fn parents(key: &Digest, first: &Chaining, second: &Chaining) -> Chaining {
    const HALF: usize = LANES / 2;
    let mut message = [[0; LANES]; 16];
    let (left, right) = message.split_at_mut(8);
    for (w, (l, r)) in left.iter_mut().zip(right).enumerate() {
        for i in 0..HALF {
            (l[i], r[i]) = (first[w][2 * i], first[w][2 * i + 1]);
            (l[HALF + i], r[HALF + i]) = (second[w][2 * i], second[w][2 * i + 1]);
        }
    }
    let flags = KEYED_HASH | CHUNK_START | CHUNK_END | ROOT;
    compress(&key_words(key).map(|k| [k; LANES]), &message, 0, BLOCK_BYTES as u32, flags)
}

/// The digest in one lane.
pub(super) fn digest(value: &Chaining, lane: usize) -> Digest {
    let mut out = [0; 32];
    out.chunks_exact_mut(4).zip(value).for_each(|(bytes, w)| bytes.copy_from_slice(&w[lane].to_le_bytes()));
    out
}

fn key_words(key: &Digest) -> [u32; 8] {
    let mut words = [0; 8];
    words.iter_mut().zip(key.chunks_exact(4)).for_each(|(w, b)| *w = word(b));
    words
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Blocks of messages that follow each other.
fn bytes_of(messages: &[u8], len: usize) -> impl Fn(usize) -> Block {
    move |block| {
        let offset = block * BLOCK_BYTES;
        let size = (len - offset).min(BLOCK_BYTES);
        let mut out = [[0; LANES]; 16];
        for lane in 0..LANES {
            let at = lane * len + offset;
            let mut bytes = [0; BLOCK_BYTES];
            bytes[..size].copy_from_slice(&messages[at..at + size]);
            out.iter_mut().zip(bytes.chunks_exact(4)).for_each(|(w, b)| w[lane] = word(b));
        }
        out
    }
}

/// The hashes of [`LANES`] messages of one length, taken in block by block.
pub(crate) struct Hasher {
    len: usize,
    key: [u32; 8],
    flags: u32,
    /// Blocks taken in.
    blocks: usize,
    value: Chaining,
    /// Values of complete subtrees to the left of the present chunk.
    stack: Vec<Chaining>,
}

impl Hasher {
    /// Messages of `len > 0` bytes under a key.
    pub fn keyed(key: &Digest, len: usize) -> Self {
        Self::new(len, key_words(key), KEYED_HASH)
    }

    fn new(len: usize, key: [u32; 8], flags: u32) -> Self {
        Self { len, key, flags, blocks: 0, value: key.map(|k| [k; LANES]), stack: Vec::new() }
    }

    /// Takes in the next block of every message, the last one padded with zeros.
    pub fn absorb(&mut self, message: &Block) {
        let offset = self.blocks * BLOCK_BYTES;
        let (chunk, within) = (offset / CHUNK_BYTES, offset % CHUNK_BYTES);
        let size = self.len.saturating_sub(offset).min(BLOCK_BYTES);
        let end = offset + BLOCK_BYTES >= self.len;
        let mut flags = self.flags;
        if within == 0 {
            self.value = self.initial();
            flags |= CHUNK_START;
        }
        if end || within + BLOCK_BYTES == CHUNK_BYTES {
            flags |= CHUNK_END;
        }
        if end && self.stack.is_empty() {
            flags |= ROOT;
        }
        self.value = compress(&self.value, message, chunk as u64, size as u32, flags);
        self.blocks += 1;
        if flags & CHUNK_END != 0 && !end {
            self.push(chunk + 1);
        }
    }

    /// Puts the chunk just completed on the stack; complete subtrees are merged as soon as they have a sibling.
    fn push(&mut self, mut chunks: usize) {
        while chunks & 1 == 0 {
            if let Some(left) = self.stack.pop() {
                self.value = self.parent(&left, &self.value, 0);
            }
            chunks >>= 1;
        }
        self.stack.push(self.value);
    }

    /// The hashes, once every block is taken in.
    pub fn finish(&self) -> Chaining {
        let join = |value, (at, left): (usize, &Chaining)| self.parent(left, &value, if at == 0 { ROOT } else { 0 });
        self.stack.iter().enumerate().rev().fold(self.value, join)
    }

    fn initial(&self) -> Chaining {
        self.key.map(|k| [k; LANES])
    }

    fn parent(&self, left: &Chaining, right: &Chaining, root: u32) -> Chaining {
        let mut message = [[0; LANES]; 16];
        message[..8].copy_from_slice(left);
        message[8..].copy_from_slice(right);
        compress(&self.initial(), &message, 0, BLOCK_BYTES as u32, self.flags | PARENT | root)
    }
}

fn digests(value: &Chaining) -> [Digest; LANES] {
    std::array::from_fn(|lane| digest(value, lane))
}

#[inline(always)]
fn add(a: &mut Lane, b: &Lane) {
    a.iter_mut().zip(b).for_each(|(x, y)| *x = x.wrapping_add(*y));
}

#[inline(always)]
fn xor_rotate<const BITS: u32>(a: &mut Lane, b: &Lane) {
    a.iter_mut().zip(b).for_each(|(x, y)| *x = (*x ^ *y).rotate_right(BITS));
}

/// The quarter round on words `a`, `b`, `c`, `d` of the state.
#[inline(always)]
fn mix(s: &mut Block, [a, b, c, d]: [usize; 4], x: &Lane, y: &Lane) {
    let [mut va, mut vb, mut vc, mut vd] = [s[a], s[b], s[c], s[d]];
    add(&mut va, &vb);
    add(&mut va, x);
    xor_rotate::<16>(&mut vd, &va);
    add(&mut vc, &vd);
    xor_rotate::<12>(&mut vb, &vc);
    add(&mut va, &vb);
    add(&mut va, y);
    xor_rotate::<8>(&mut vd, &va);
    add(&mut vc, &vd);
    xor_rotate::<7>(&mut vb, &vc);
    [s[a], s[b], s[c], s[d]] = [va, vb, vc, vd];
}

const MIXES: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// Order of the message words in each round.
const SCHEDULE: [[usize; 16]; 7] = {
    let mut rounds = [[0; 16]; 7];
    let mut i = 0;
    while i < 16 {
        rounds[0][i] = i;
        i += 1;
    }
    let mut round = 1;
    while round < 7 {
        let mut i = 0;
        while i < 16 {
            rounds[round][i] = rounds[round - 1][PERMUTATION[i]];
            i += 1;
        }
        round += 1;
    }
    rounds
};

#[inline]
fn compress(value: &Chaining, message: &Block, counter: u64, len: u32, flags: u32) -> Chaining {
    compress_wide(value, message, counter, len, flags)[0]
}

/// Both halves of the output, the second one as an extended output has it.
#[inline]
fn compress_wide(value: &Chaining, message: &Block, counter: u64, len: u32, flags: u32) -> [Chaining; 2] {
    let mut s = [[0; LANES]; 16];
    s[..8].copy_from_slice(value);
    let tail = [IV[0], IV[1], IV[2], IV[3], counter as u32, (counter >> 32) as u32, len, flags];
    s[8..].iter_mut().zip(tail).for_each(|(lane, w)| *lane = [w; LANES]);
    for order in &SCHEDULE {
        for (i, words) in MIXES.iter().enumerate() {
            mix(&mut s, *words, &message[order[2 * i]], &message[order[2 * i + 1]]);
        }
    }
    let mut out = [[[0; LANES]; 8]; 2];
    for i in 0..8 {
        (out[0][i], out[1][i]) = (s[i], s[i + 8]);
        xor_rotate::<0>(&mut out[0][i], &s[i + 8]);
        xor_rotate::<0>(&mut out[1][i], &value[i]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_hash_at_every_shape() {
        let key = *b"0123456789abcdef0123456789abcdef";
        for len in [1, 63, 64, 65, 72, 448, 1023, 1024, 1025, 2048, 2112, 3072, 3136, 5000, 8192, 9000] {
            let messages: Vec<u8> = (0..LANES * len).map(|i| (i * i / 7 + i) as u8).collect();
            let (plain, load) = (hash(&messages, len), bytes_of(&messages, len));
            let mut hasher = Hasher::keyed(&key, len);
            (0..len.div_ceil(BLOCK_BYTES)).for_each(|block| hasher.absorb(&load(block)));
            let keyed = hasher.finish();
            for (lane, message) in messages.chunks_exact(len).enumerate() {
                assert_eq!(plain[lane], *blake3::hash(message).as_bytes(), "{len} bytes, lane {lane}");
                let expected = *blake3::keyed_hash(&key, message).as_bytes();
                assert_eq!(digest(&keyed, lane), expected, "{len} bytes, lane {lane}");
                if len <= BLOCK_BYTES {
                    let mut wide = [0; BLOCK_BYTES];
                    blake3::Hasher::new_keyed(&key).update(message).finalize_xof().fill(&mut wide);
                    let got = extended(&key, &load(0), len).map(|half| digest(&half, lane));
                    assert_eq!(got.as_flattened(), wide, "{len} bytes, lane {lane}");
                }
            }
        }
    }

    #[test]
    fn matches_reference_parents() {
        let key = *b"0123456789abcdef0123456789abcdef";
        let word = |i: usize| (i as u32).wrapping_mul(0x9e37_79b9) ^ (i as u32) << 7;
        let [first, second]: [Chaining; 2] =
            [0, 500].map(|at| std::array::from_fn(|w| std::array::from_fn(|lane| word(at + 16 * w + lane))));
        let above = parents(&key, &first, &second);
        let all: Vec<Digest> = [first, second].iter().flat_map(|v| (0..LANES).map(|lane| digest(v, lane))).collect();
        for (lane, pair) in all.chunks_exact(2).enumerate() {
            assert_eq!(digest(&above, lane), *blake3::keyed_hash(&key, pair.as_flattened()).as_bytes(), "{lane}");
        }
    }
}
