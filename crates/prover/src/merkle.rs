//! Merkle trees over codeword rows: the prover's half of `proveil_protocol::merkle`.
//!
//! Of the salts only a seed is kept: nonce and salts are a keyed hash of it, one block of output for four leaves' salts.

use proveil_algebra::{F, canonical, write_base};
use proveil_protocol::codec::Writer;
use proveil_protocol::merkle::{Commitment, LEAF_TAIL_BYTES, NODE_KEY, SALT_BYTES, hash_leaf, hash_node, leaf_key};
use proveil_protocol::transcript::Digest;
use rayon::prelude::*;

pub(crate) mod lanes;

use crate::codeword::Codeword;
use lanes::{BLOCK_BYTES, Block, Chaining, Hasher, LANES, Lane};

/// Groups of nodes hashed by one task.
const TASK: usize = 16;

/// Elements of a block of the hash.
const WIDE: usize = BLOCK_BYTES / 8;

/// Bytes that salts are the keyed hash of: "salt" and a number.
const SALT_MESSAGE: usize = 12;
/// Salts made by one block of the hash. Block `LANES t + j` makes those of lane `j` of the groups `SALTS t ..`, so that the
/// hash of a group of numbers is what a group of leaves needs, lane by lane.
const SALTS: usize = BLOCK_BYTES / SALT_BYTES;
/// Words of a salt.
const SALT_WORDS: usize = SALT_BYTES / 4;

/// A number as the words of a block.
fn split(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// The numbers `first ..`, one in each lane, low words and high words.
fn numbers(first: u64) -> [Lane; 2] {
    [0, 1].map(|word| std::array::from_fn(|lane| split(first + lane as u64)[word]))
}

/// A Merkle tree over rows that are kept elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct MerkleTree {
    log_leaves: usize,
    /// Layers of at least [`LANES`] nodes, leaves first, in groups.
    layers: Vec<Vec<Chaining>>,
    /// The root is node 1, node `i` has children `2 i` and `2 i + 1`; the last [`LANES`] nodes, or all leaves.
    top: Vec<Digest>,
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
        let salts = Salts::new(seed);
        let key = leaf_key(&salts.nonce);
        let begin = |_| Hasher::keyed(&key, 8 * width + LEAF_TAIL_BYTES);
        let groups = (0..count.div_ceil(LANES)).into_par_iter().with_min_len(64).map(begin).collect();
        Self { count, width, salts, groups }
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
        let mut leaves = vec![[[0; LANES]; 8]; self.groups.len()];
        let (salts, whole) = (&self.salts, self.width.is_multiple_of(WIDE));
        let tasks = self.groups.par_chunks_mut(SALTS).zip(leaves.par_chunks_mut(SALTS)).with_min_len(2).enumerate();
        tasks.for_each(|(task, (hashers, out))| {
            if whole {
                salts.end(task, hashers, |_| [[0; LANES]; 16], 0);
            }
            out.iter_mut().zip(hashers).for_each(|(out, hasher)| *out = hasher.finish());
        });
        MerkleTree::above(leaves, self.count.ilog2() as usize, self.salts)
    }
}

/// The words of up to [`LANES`] rows of at most eight elements.
#[inline]
fn block(rows: &[F], width: usize) -> Block {
    fn fixed<const WIDTH: usize>(rows: &[F]) -> Block {
        let mut out = [[0; LANES]; 16];
        let rows = rows.as_chunks::<WIDTH>().0;
        for (c, pair) in out.as_chunks_mut::<2>().0.iter_mut().enumerate().take(WIDTH) {
            let [low, high] = pair;
            for ((row, low), high) in rows.iter().zip(low).zip(high) {
                [*low, *high] = split(canonical(&row[c]));
            }
        }
        out
    }
    match width {
        1 => fixed::<1>(rows),
        2 => fixed::<2>(rows),
        3 => fixed::<3>(rows),
        4 => fixed::<4>(rows),
        5 => fixed::<5>(rows),
        6 => fixed::<6>(rows),
        7 => fixed::<7>(rows),
        _ => fixed::<WIDE>(rows),
    }
}

impl Salts {
    fn new(seed: Option<Digest>) -> Self {
        Self { nonce: seed.map_or([0; 32], |s| *blake3::keyed_hash(&s, b"nonce").as_bytes()), seed }
    }

    /// Ends the leaves of task `task`: for each group, `last` is the last block of its rows, of which `width` elements
    /// are taken.
    fn end(&self, task: usize, hashers: &mut [Hasher], last: impl Fn(usize) -> Block, width: usize) {
        const WORDS: usize = LEAF_TAIL_BYTES / 4;
        let salts = self.of_task(task as u64);
        for (at, hasher) in hashers.iter_mut().enumerate() {
            let group = task * SALTS + at;
            let mut tail = [[0; LANES]; WORDS];
            tail[..2].copy_from_slice(&numbers((group * LANES) as u64));
            tail[2..].copy_from_slice(&salts.as_flattened()[SALT_WORDS * at..][..SALT_WORDS]);
            let mut end = last(group);
            let fit = WORDS.min(16 - 2 * width);
            end[2 * width..][..fit].copy_from_slice(&tail[..fit]);
            hasher.absorb(&end);
            if fit < WORDS {
                let mut rest = [[0; LANES]; 16];
                rest[..WORDS - fit].copy_from_slice(&tail[fit..]);
                hasher.absorb(&rest);
            }
        }
    }

    /// Salts of the leaves of a task: words `SALT_WORDS k ..` are those of its group `k`.
    fn of_task(&self, task: u64) -> [Chaining; 2] {
        let Some(seed) = &self.seed else { return [[[0; LANES]; 8]; 2] };
        let mut message = [[0; LANES]; 16];
        message[0] = [u32::from_le_bytes(*b"salt"); LANES];
        message[1..3].copy_from_slice(&numbers(task * LANES as u64));
        lanes::extended(seed, &message, SALT_MESSAGE)
    }

    fn one(&self, index: u64) -> [u8; SALT_BYTES] {
        let (group, lane) = (index / LANES as u64, index % LANES as u64);
        let mut salts = [[0; SALT_BYTES]; SALTS];
        if let Some(seed) = &self.seed {
            let mut hash = blake3::Hasher::new_keyed(seed);
            hash.update(b"salt").update(&(group / SALTS as u64 * LANES as u64 + lane).to_le_bytes());
            hash.finalize_xof().fill(salts.as_flattened_mut());
        }
        salts[(group % SALTS as u64) as usize]
    }
}

impl MerkleTree {
    /// The tree above groups of leaves.
    fn above(leaves: Vec<Chaining>, log_leaves: usize, salts: Salts) -> Self {
        let mut layers = vec![leaves];
        while let Some(below) = layers.last().filter(|l| l.len() > 1) {
            let mut above = vec![[[0; LANES]; 8]; below.len() / 2];
            let pairs = above.par_iter_mut().zip(below.par_chunks_exact(2)).with_min_len(TASK);
            pairs.for_each(|(out, pair)| *out = lanes::parents(&NODE_KEY, &pair[0], &pair[1]));
            layers.push(above);
        }
        let count = LANES.min(1 << log_leaves);
        let mut top = vec![[0; 32]; 2 * count];
        if let Some([last]) = layers.last().map(Vec::as_slice) {
            top[count..].iter_mut().enumerate().for_each(|(lane, node)| *node = lanes::digest(last, lane));
        }
        for i in (1..count).rev() {
            top[i] = hash_node(&top[2 * i], &top[2 * i + 1]);
        }
        Self { log_leaves, layers, top, salts }
    }

    /// The tree above leaves that are kept elsewhere; it has no salts until [`Self::with_seed`] gives them.
    ///
    /// # Shapes
    /// The number of leaves is a power of two.
    pub fn above_leaves(leaves: &[Digest], nonce: Digest) -> Self {
        let group = |leaves: &[Digest]| {
            let mut out = [[0; LANES]; 8];
            for (lane, leaf) in leaves.iter().enumerate() {
                let words = leaf.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w));
                out.iter_mut().zip(words).for_each(|(o, w)| o[lane] = w);
            }
            out
        };
        let groups = leaves.par_chunks(LANES).with_min_len(64).map(group).collect();
        Self::above(groups, leaves.len().ilog2() as usize, Salts { nonce, seed: None })
    }

    /// The same tree with its salts, if they are those of its nonce.
    pub fn with_seed(mut self, seed: Option<Digest>) -> Option<Self> {
        let nonce = self.salts.nonce;
        self.salts = Salts::new(seed);
        (self.salts.nonce == nonce).then_some(self)
    }

    /// Leaf `i`.
    pub fn leaf(&self, i: usize) -> Digest {
        self.node((1 << self.log_leaves) + i)
    }

    /// Whether a row has the leaf of its number.
    pub fn is_row(&self, index: u64, row: &[F]) -> bool {
        let mut bytes = Vec::with_capacity(8 * row.len());
        row.iter().for_each(|x| write_base(*x, &mut bytes));
        hash_leaf(&leaf_key(&self.salts.nonce), index, &self.salts.one(index), &bytes) == self.leaf(index as usize)
    }

    /// Node `i`, numbered as in the top: leaf `j` is node `2^log_leaves + j`.
    fn node(&self, i: usize) -> Digest {
        if let Some(node) = self.top.get(i) {
            return *node;
        }
        let depth = i.ilog2() as usize;
        let at = i - (1 << depth);
        lanes::digest(&self.layers[self.log_leaves - depth][at / LANES], at % LANES)
    }

    /// The tree over a codeword.
    pub fn build(rows: &Codeword, log_leaves: usize, seed: Option<Digest>) -> Self {
        let mut leaves = Leaves::new(log_leaves, rows.width(), seed);
        leaves.absorb(rows.strips());
        leaves.finish()
    }

    /// What the statement or the proof shows of the tree.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment { root: self.top[1], nonce: self.salts.nonce }
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
                    writer.bytes("merkle sibling", &self.node(node ^ 1));
                }
                parents.push(node >> 1);
            }
            layer = parents;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Threads;
    use proveil_algebra::{InTurn, PrimeCharacteristicRing};
    use proveil_protocol::codec::Reader;
    use proveil_protocol::merkle::{Opened, read_rows};

    fn rows(log_leaves: usize) -> Codeword {
        let rows: Vec<F> = (0..3u64 << log_leaves).map(|i| F::from_u64(i * i + 1)).collect();
        Codeword::from_rows(&rows, 3)
    }

    fn tree(log_leaves: usize, seed: Option<Digest>) -> MerkleTree {
        MerkleTree::build(&rows(log_leaves), log_leaves, seed)
    }

    #[test]
    fn roundtrips_openings() {
        for (log_leaves, seed) in [(0, None), (1, Some([7; 32])), (5, None), (13, Some([8; 32]))] {
            let tree = tree(log_leaves, seed);
            let n = 1u64 << log_leaves;
            for positions in [vec![], vec![0], vec![n - 1], (0..n).collect::<Vec<_>>(), (0..n).step_by(3).collect()] {
                let mut writer = Writer::new();
                let expected: Vec<_> = positions.iter().map(|p| rows(log_leaves).row(*p as usize)).collect();
                tree.open(&positions, &expected, &mut writer, "rows");
                let mut reader = Reader::new(writer.as_bytes());
                let opened = Opened { commitment: &tree.commitment(), log_leaves, width: 3 };
                let rows = read_rows(&Threads, &mut reader, &opened, &positions, "rows", <[F]>::to_vec).unwrap();
                reader.finish().unwrap();
                assert_eq!(rows, expected);
            }
        }
    }

    #[test]
    fn matches_reference_leaves() {
        for (log_leaves, width, seed) in [
            (0, 3, None),
            (3, 5, Some([4; 32])),
            (4, 6, None),
            (5, 131, Some([5; 32])),
            (8, 8, None),
            (9, 15, Some([6; 32])),
        ] {
            let rows: Vec<F> = (0..(width as u64) << log_leaves).map(|i| F::from_u64(i * i * 77 + 3)).collect();
            let tree = MerkleTree::build(&Codeword::from_rows(&rows, width), log_leaves, seed);
            for (index, row) in rows.chunks_exact(width).enumerate() {
                let mut bytes = Vec::new();
                row.iter().for_each(|x| write_base(*x, &mut bytes));
                let salt = tree.salts.one(index as u64);
                let leaf = hash_leaf(&leaf_key(&tree.salts.nonce), index as u64, &salt, &bytes);
                assert_eq!(tree.node((1 << log_leaves) + index), leaf, "width {width}, leaf {index}");
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
            let opened = Opened { commitment: &commitment, log_leaves: 6, width: 3 };
            let rows = read_rows(&InTurn, &mut reader, &opened, positions, "rows", |_| ());
            rows.is_ok() && reader.finish().is_ok()
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
