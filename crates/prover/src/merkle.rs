//! Merkle trees over codeword rows: the prover's half of `proveil_protocol::merkle`.
//!
//! Of the salts only a seed is kept: nonce and salts are a keyed hash of it, one block of output for four leaves' salts.

use proveil_algebra::{F, canonical, write_base};
use proveil_protocol::codec::Writer;
use proveil_protocol::merkle::{Commitment, LEAF_TAIL_BYTES, NODE_KEY, SALT_BYTES, hash_node, leaf_key, leaf_tail};
use proveil_protocol::transcript::Digest;
use rayon::prelude::*;

pub(crate) mod lanes;

use crate::codeword::Codeword;
use lanes::{BLOCK_BYTES, Block, Hasher, LANES};

/// Nodes hashed by one task.
const TASK: usize = 256;

/// Elements of a block of the hash.
const WIDE: usize = BLOCK_BYTES / 8;

/// Bytes that salts are the keyed hash of.
const SALT_MESSAGE: usize = 12;
/// Salts made by one block of the hash.
const SALTS: usize = BLOCK_BYTES / SALT_BYTES;

fn salt_message(index: u64) -> [u8; SALT_MESSAGE] {
    let mut message = [0; SALT_MESSAGE];
    message[..4].copy_from_slice(b"salt");
    message[4..].copy_from_slice(&index.to_le_bytes());
    message
}

/// A Merkle tree over rows that are kept elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct MerkleTree {
    log_leaves: usize,
    /// Node `i` has children `2 i` and `2 i + 1`; the root is node 1, leaf `j` is node `2^log_leaves + j`.
    nodes: Vec<Digest>,
    salts: Salts,
}

/// Nonce and salts.
#[derive(Clone, Debug)]
struct Salts {
    nonce: Digest,
    seed: Option<Digest>,
}

/// A tree in the making: rows are taken in strip by strip, all at once.
pub(crate) struct Leaves {
    count: usize,
    width: usize,
    salts: Salts,
    groups: Vec<Hasher>,
}

impl Leaves {
    /// Begins `2^log_leaves` leaves over rows of `width` elements; salted if there is a seed.
    pub fn new(log_leaves: usize, width: usize, seed: Option<Digest>) -> Self {
        let count = 1usize << log_leaves;
        let nonce = seed.map_or([0; 32], |s| *blake3::keyed_hash(&s, b"nonce").as_bytes());
        let key = leaf_key(&nonce);
        let begin = |_| Hasher::keyed(&key, 8 * width + LEAF_TAIL_BYTES);
        let groups = (0..count.div_ceil(LANES)).map(begin).collect();
        Self { count, width, salts: Salts { nonce, seed }, groups }
    }

    /// Takes in strips of the rows, the next columns of each row after row.
    ///
    /// # Shapes
    /// All strips are as wide as a block of the hash but the last one of a tree.
    pub fn absorb(&mut self, strips: &[Vec<F>]) {
        let (count, salts) = (self.count, &self.salts);
        self.groups.par_chunks_mut(SALTS).with_min_len(2).enumerate().for_each(|(task, hashers)| {
            for strip in strips {
                let width = strip.len() / count;
                let rows = |group: usize| &strip[group * LANES * width..strip.len().min((group + 1) * LANES * width)];
                if width < WIDE {
                    salts.end(task, hashers, |group| block(rows(group), width), width);
                    continue;
                }
                for (group, hasher) in (task * SALTS..).zip(hashers.iter_mut()) {
                    hasher.absorb(&block(rows(group), width));
                }
            }
        });
    }

    /// The tree, when all columns are taken in.
    pub fn finish(mut self) -> MerkleTree {
        let mut nodes = vec![[0; 32]; 2 * self.count];
        let (inner, leaves) = nodes.split_at_mut(self.count);
        let (salts, whole) = (&self.salts, self.width.is_multiple_of(WIDE));
        let tasks = self.groups.par_chunks_mut(SALTS).with_min_len(2).enumerate();
        tasks.zip(leaves.par_chunks_mut(SALTS * LANES)).for_each(|((task, hashers), out)| {
            if whole {
                salts.end(task, hashers, |_| [[0; LANES]; 16], 0);
            }
            for (hasher, out) in hashers.iter().zip(out.chunks_mut(LANES)) {
                out.copy_from_slice(&hasher.finish()[..out.len()]);
            }
        });
        hash_inner(inner, leaves);
        MerkleTree { log_leaves: self.count.ilog2() as usize, nodes, salts: self.salts }
    }
}

/// The words of up to [`LANES`] rows of at most eight elements.
#[inline]
fn block(rows: &[F], width: usize) -> Block {
    let mut out = [[0; LANES]; 16];
    for (lane, row) in rows.chunks_exact(width).enumerate() {
        for (pair, x) in out.as_chunks_mut::<2>().0.iter_mut().zip(row) {
            let v = canonical(x);
            (pair[0][lane], pair[1][lane]) = (v as u32, (v >> 32) as u32);
        }
    }
    out
}

impl Salts {
    /// Ends the leaves of task `task`: for each group, `last` is the last block of its rows, of which `width` elements
    /// are taken.
    fn end(&self, task: usize, hashers: &mut [Hasher], last: impl Fn(usize) -> Block, width: usize) {
        const WORDS: usize = LEAF_TAIL_BYTES / 4;
        let first = task * SALTS;
        let salts = self.of_task(task as u64);
        for (at, hasher) in hashers.iter_mut().enumerate() {
            let group = first + at;
            let mut words = [[0; LANES]; 16 + WORDS];
            words[..2 * width].copy_from_slice(&last(group)[..2 * width]);
            for lane in 0..LANES {
                let tail = leaf_tail((group * LANES + lane) as u64, &salts[at * LANES + lane]);
                let tail = tail.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
                words[2 * width..].iter_mut().zip(tail).for_each(|(w, x)| w[lane] = x);
            }
            let mut end = [[0; LANES]; 16];
            end.copy_from_slice(&words[..16]);
            hasher.absorb(&end);
            if 2 * width + WORDS > 16 {
                let mut rest = [[0; LANES]; 16];
                rest[..WORDS].copy_from_slice(&words[16..]);
                hasher.absorb(&rest);
            }
        }
    }

    /// Salts of the leaves of a task of [`SALTS`] groups.
    fn of_task(&self, task: u64) -> [[u8; SALT_BYTES]; SALTS * LANES] {
        let mut salts = [[0; SALT_BYTES]; SALTS * LANES];
        if let Some(seed) = &self.seed {
            let mut messages = [0; LANES * SALT_MESSAGE];
            let each = messages.chunks_exact_mut(SALT_MESSAGE).zip(task * LANES as u64..);
            each.for_each(|(m, index)| m.copy_from_slice(&salt_message(index)));
            let blocks = lanes::keyed_block(seed, &messages, SALT_MESSAGE);
            salts.as_flattened_mut().copy_from_slice(blocks.as_flattened());
        }
        salts
    }

    fn one(&self, index: u64) -> [u8; SALT_BYTES] {
        let mut salts = [[0; SALT_BYTES]; SALTS];
        if let Some(seed) = &self.seed {
            let mut hash = blake3::Hasher::new_keyed(seed);
            hash.update(&salt_message(index / SALTS as u64));
            hash.finalize_xof().fill(salts.as_flattened_mut());
        }
        salts[(index % SALTS as u64) as usize]
    }
}

impl MerkleTree {
    /// The tree over a codeword.
    pub fn build(rows: &Codeword, log_leaves: usize, seed: Option<Digest>) -> Self {
        let mut leaves = Leaves::new(log_leaves, rows.width(), seed);
        leaves.absorb(rows.strips());
        leaves.finish()
    }

    /// What the statement or the proof shows of the tree.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment { root: self.nodes[1], nonce: self.salts.nonce }
    }

    /// Logarithm of the number of rows.
    #[must_use]
    pub fn log_leaves(&self) -> usize {
        self.log_leaves
    }

    /// Writes the rows at `positions` as `proveil_protocol::merkle::read_rows` reads them.
    ///
    /// # Shapes
    /// `positions` is strictly ascending and below `2^log_leaves`; `rows` are the rows there.
    pub fn open(&self, positions: &[u64], rows: &[Vec<F>], writer: &mut Writer, label: &str) {
        let mut bytes = Vec::new();
        for (position, row) in positions.iter().zip(rows) {
            if self.salts.seed.is_some() {
                writer.bytes("merkle salt", &self.salts.one(*position));
            }
            bytes.clear();
            row.iter().for_each(|x| write_base(*x, &mut bytes));
            writer.bytes(label, &bytes);
        }
        let mut layer: Vec<usize> = positions.iter().map(|p| (1usize << self.log_leaves) + *p as usize).collect();
        for _ in 0..self.log_leaves {
            let mut parents = Vec::with_capacity(layer.len());
            let mut nodes = layer.iter().peekable();
            while let Some(node) = nodes.next() {
                if nodes.next_if(|next| **next == node ^ 1).is_none() {
                    writer.bytes("merkle sibling", &self.nodes[node ^ 1]);
                }
                parents.push(node >> 1);
            }
            layer = parents;
        }
    }
}

/// Fills nodes `1 ..` of a heap from the layer below its last one.
fn hash_inner(inner: &mut [Digest], leaves: &[Digest]) {
    let mut size = inner.len() / 2;
    let mut rest = inner;
    let mut below = leaves;
    while size > 0 {
        let (upper, layer) = rest.split_at_mut(size);
        layer.par_chunks_mut(TASK).zip(below.par_chunks(2 * TASK)).for_each(|(out, children)| {
            let groups = out.chunks_mut(LANES).zip(children.chunks(2 * LANES));
            groups.for_each(|(out, children)| hash_nodes(out, children));
        });
        rest = upper;
        below = layer;
        size /= 2;
    }
}

fn hash_nodes(out: &mut [Digest], children: &[Digest]) {
    if out.len() == LANES {
        out.copy_from_slice(&lanes::keyed_hash(&NODE_KEY, children.as_flattened(), 64));
    } else {
        out.iter_mut().zip(children.chunks_exact(2)).for_each(|(o, c)| *o = hash_node(&c[0], &c[1]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_algebra::PrimeCharacteristicRing;
    use proveil_protocol::codec::Reader;
    use proveil_protocol::merkle::{hash_leaf, read_rows};

    fn rows(log_leaves: usize) -> Codeword {
        let rows: Vec<F> = (0..3u64 << log_leaves).map(|i| F::from_u64(i * i + 1)).collect();
        Codeword::from_rows(&rows, 3)
    }

    fn tree(log_leaves: usize, seed: Option<Digest>) -> MerkleTree {
        MerkleTree::build(&rows(log_leaves), log_leaves, seed)
    }

    #[test]
    fn roundtrips_openings() {
        for (log_leaves, seed) in [(0, None), (1, Some([7; 32])), (5, None), (10, Some([8; 32]))] {
            let tree = tree(log_leaves, seed);
            let n = 1u64 << log_leaves;
            for positions in [vec![], vec![0], vec![n - 1], (0..n).collect::<Vec<_>>(), (0..n).step_by(3).collect()] {
                let mut writer = Writer::new();
                let expected: Vec<_> = positions.iter().map(|p| rows(log_leaves).row(*p as usize)).collect();
                tree.open(&positions, &expected, &mut writer, "rows");
                let mut reader = Reader::new(writer.as_bytes());
                let rows = read_rows(&mut reader, &tree.commitment(), log_leaves, 3, &positions, "rows").unwrap();
                reader.finish().unwrap();
                assert_eq!(rows, expected);
            }
        }
    }

    #[test]
    fn matches_reference_leaves() {
        for (log_leaves, width, seed) in
            [(0, 3, None), (3, 5, Some([4; 32])), (4, 6, None), (5, 131, Some([5; 32])), (8, 8, None), (9, 15, Some([6; 32]))]
        {
            let rows: Vec<F> = (0..(width as u64) << log_leaves).map(|i| F::from_u64(i * i * 77 + 3)).collect();
            let tree = MerkleTree::build(&Codeword::from_rows(&rows, width), log_leaves, seed);
            for (index, row) in rows.chunks_exact(width).enumerate() {
                let mut bytes = Vec::new();
                row.iter().for_each(|x| write_base(*x, &mut bytes));
                let salt = tree.salts.one(index as u64);
                let leaf = hash_leaf(&leaf_key(&tree.salts.nonce), index as u64, &salt, &bytes);
                assert_eq!(tree.nodes[(1 << log_leaves) + index], leaf, "width {width}, leaf {index}");
            }
        }
    }

    #[test]
    fn rejects_other_rows_roots_and_nonces() {
        let tree = tree(6, Some([1; 32]));
        let positions = [3, 17, 18, 19, 63];
        let mut writer = Writer::new();
        let opened: Vec<_> = positions.iter().map(|p| rows(6).row(*p as usize)).collect();
        tree.open(&positions, &opened, &mut writer, "rows");
        let (bytes, leaves) = writer.finish();
        let read = |bytes: &[u8], commitment: Commitment, positions: &[u64]| {
            let mut reader = Reader::new(bytes);
            read_rows(&mut reader, &commitment, 6, 3, positions, "rows").is_ok() && reader.finish().is_ok()
        };
        let good = tree.commitment();
        assert!(read(&bytes, good, &positions));
        for leaf in &leaves {
            let mut bad = bytes.clone();
            bad[leaf.offset] ^= 1;
            assert!(!read(&bad, good, &positions), "{}", leaf.label);
        }
        assert!(!read(&bytes, Commitment { nonce: [2; 32], ..good }, &positions));
        assert!(!read(&bytes, Commitment { root: [2; 32], ..good }, &positions));
        assert!(!read(&bytes, good, &[3, 17, 18, 20, 63]));
        assert!(!read(&bytes, good, &[3, 17, 19, 18, 63]));
        assert!(!read(&bytes, good, &[3, 17, 18, 19, 64]));
    }

    #[test]
    fn accepts_only_salted_trees_as_hiding() {
        let (a, b) = (tree(4, Some([1; 32])), tree(4, Some([2; 32])));
        assert_ne!(a.commitment().root, b.commitment().root);
        assert_ne!(a.commitment().nonce, b.commitment().nonce);
        assert_ne!(a.salts.one(0), a.salts.one(1));
        assert!(tree(4, None).commitment().is_plain());
    }
}
