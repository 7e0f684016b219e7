//! Merkle trees over codeword rows: the prover's half of `proveil_protocol::merkle`.
//!
//! Of the salts only a seed is kept: nonce and salts are a keyed hash of it, one salt for each leaf.

use proveil_algebra::{F, canonical, write_base};
use proveil_protocol::codec::Writer;
use proveil_protocol::merkle::{
    Commitment, LEAF_HEADER_BYTES, NODE_KEY, SALT_BYTES, hash_leaf, hash_node, leaf_header,
};
use proveil_protocol::transcript::Digest;
use rayon::prelude::*;

pub(crate) mod lanes;

use lanes::LANES;

/// Leaves or nodes hashed by one task.
const TASK: usize = 256;

/// Bytes that a salt is the keyed hash of.
const SALT_MESSAGE: usize = 12;

fn salt_message(index: u64) -> [u8; SALT_MESSAGE] {
    let mut message = [0; SALT_MESSAGE];
    message[..4].copy_from_slice(b"salt");
    message[4..].copy_from_slice(&index.to_le_bytes());
    message
}

/// A Merkle tree that keeps its rows.
#[derive(Clone, Debug)]
pub struct MerkleTree {
    log_leaves: usize,
    width: usize,
    rows: Vec<F>,
    /// Node `i` has children `2 i` and `2 i + 1`; the root is node 1, leaf `j` is node `2^log_leaves + j`.
    nodes: Vec<Digest>,
    nonce: Digest,
    seed: Option<Digest>,
}

impl MerkleTree {
    /// A tree over rows of `width` elements, laid out one after the other; salted if there is a seed.
    ///
    /// # Shapes
    /// `rows.len()` is `width` times a power of two; elements beyond that are ignored by the tree.
    #[must_use]
    pub fn build(rows: Vec<F>, width: usize, seed: Option<Digest>) -> Self {
        let num_leaves = rows.len().checked_div(width).unwrap_or(1).max(1);
        let log_leaves = num_leaves.ilog2() as usize;
        let num_leaves = 1 << log_leaves;
        let nonce = seed.map_or([0; 32], |s| *blake3::keyed_hash(&s, b"nonce").as_bytes());
        let mut tree = Self { log_leaves, width, rows, nodes: vec![[0; 32]; 2 * num_leaves], nonce, seed };
        let mut nodes = std::mem::take(&mut tree.nodes);
        let (inner, leaves) = nodes.split_at_mut(num_leaves);
        tree.hash_leaves(leaves);
        hash_inner(inner, leaves);
        tree.nodes = nodes;
        tree
    }

    fn hash_leaves(&self, leaves: &mut [Digest]) {
        leaves.par_chunks_mut(TASK).enumerate().for_each(|(task, chunk)| {
            for (group, out) in chunk.chunks_mut(LANES).enumerate() {
                let first = task * TASK + group * LANES;
                if out.len() == LANES {
                    out.copy_from_slice(&self.hash_group(first));
                } else {
                    out.iter_mut().zip(first..).for_each(|(o, index)| *o = self.hash_one(index));
                }
            }
        });
    }

    fn hash_one(&self, index: usize) -> Digest {
        let mut row = Vec::with_capacity(8 * self.width);
        self.row(index).iter().for_each(|x| write_base(*x, &mut row));
        hash_leaf(&self.nonce, index as u64, &self.salt(index as u64), &row)
    }

    /// Leaves `first .. first + LANES`, whose blocks are put together word by word: first the header, then the row.
    fn hash_group(&self, first: usize) -> [Digest; LANES] {
        let salts = self.salts(first as u64);
        let header: [_; LANES] =
            std::array::from_fn(|lane| leaf_header(&self.nonce, (first + lane) as u64, &salts[lane]));
        let rows = &self.rows[first * self.width..(first + LANES) * self.width];
        lanes::hash_blocks(LEAF_HEADER_BYTES + 8 * self.width, |block| {
            let mut out = [[0; LANES]; 16];
            let Some(block) = block.checked_sub(LEAF_HEADER_BYTES / lanes::BLOCK_BYTES) else {
                for (lane, h) in header.iter().enumerate() {
                    let words = h.as_chunks::<4>().0;
                    out.iter_mut().zip(words).for_each(|(w, bytes)| w[lane] = u32::from_le_bytes(*bytes));
                }
                return out;
            };
            let from = block * (lanes::BLOCK_BYTES / 8);
            for (lane, row) in rows.chunks_exact(self.width).enumerate() {
                for (pair, x) in out.as_chunks_mut::<2>().0.iter_mut().zip(&row[from..]) {
                    let v = canonical(x);
                    (pair[0][lane], pair[1][lane]) = (v as u32, (v >> 32) as u32);
                }
            }
            out
        })
    }

    /// Salts of the leaves `first .. first + LANES`.
    fn salts(&self, first: u64) -> [[u8; SALT_BYTES]; LANES] {
        let mut salts = [[0; SALT_BYTES]; LANES];
        if let Some(seed) = &self.seed {
            let mut messages = [0; LANES * SALT_MESSAGE];
            let each = messages.chunks_exact_mut(SALT_MESSAGE).zip(first..);
            each.for_each(|(m, index)| m.copy_from_slice(&salt_message(index)));
            let digests = lanes::keyed_hash(seed, &messages, SALT_MESSAGE);
            salts.iter_mut().zip(&digests).for_each(|(s, d)| s.copy_from_slice(&d[..SALT_BYTES]));
        }
        salts
    }

    fn salt(&self, index: u64) -> [u8; SALT_BYTES] {
        let mut salt = [0; SALT_BYTES];
        if let Some(seed) = &self.seed {
            salt.copy_from_slice(&blake3::keyed_hash(seed, &salt_message(index)).as_bytes()[..SALT_BYTES]);
        }
        salt
    }

    /// What the statement or the proof shows of the tree.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment { root: self.nodes[1], nonce: self.nonce }
    }

    /// Logarithm of the number of rows.
    #[must_use]
    pub fn log_leaves(&self) -> usize {
        self.log_leaves
    }

    /// Elements in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row.
    pub fn row(&self, index: usize) -> &[F] {
        &self.rows[index * self.width..(index + 1) * self.width]
    }

    /// Writes the rows at `positions` as `proveil_protocol::merkle::read_rows` reads them.
    ///
    /// # Shapes
    /// `positions` is strictly ascending and below `2^log_leaves`.
    pub fn open(&self, positions: &[u64], writer: &mut Writer, label: &str) {
        let mut bytes = Vec::with_capacity(8 * self.width);
        for &position in positions {
            if self.seed.is_some() {
                writer.bytes("merkle salt", &self.salt(position));
            }
            bytes.clear();
            self.row(position as usize).iter().for_each(|x| write_base(*x, &mut bytes));
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
    use proveil_protocol::merkle::read_rows;

    fn tree(log_leaves: usize, seed: Option<Digest>) -> MerkleTree {
        let rows = (0..3u64 << log_leaves).map(|i| F::from_u64(i * i + 1)).collect();
        MerkleTree::build(rows, 3, seed)
    }

    #[test]
    fn roundtrips_openings() {
        for (log_leaves, seed) in [(0, None), (1, Some([7; 32])), (5, None), (10, Some([8; 32]))] {
            let tree = tree(log_leaves, seed);
            let n = 1u64 << log_leaves;
            for positions in [vec![], vec![0], vec![n - 1], (0..n).collect::<Vec<_>>(), (0..n).step_by(3).collect()] {
                let mut writer = Writer::new();
                tree.open(&positions, &mut writer, "rows");
                let mut reader = Reader::new(writer.as_bytes());
                let rows = read_rows(&mut reader, &tree.commitment(), log_leaves, 3, &positions, "rows").unwrap();
                reader.finish().unwrap();
                let expected: Vec<_> = positions.iter().map(|p| tree.row(*p as usize).to_vec()).collect();
                assert_eq!(rows, expected);
            }
        }
    }

    #[test]
    fn matches_reference_leaves() {
        for (log_leaves, width, seed) in [(3, 5, Some([4; 32])), (4, 1, None), (5, 131, Some([5; 32])), (6, 8, None)] {
            let rows = (0..(width as u64) << log_leaves).map(|i| F::from_u64(i * i * 77 + 3)).collect();
            let tree = MerkleTree::build(rows, width, seed);
            for index in 0..1 << log_leaves {
                assert_eq!(tree.nodes[(1 << log_leaves) + index], tree.hash_one(index), "width {width}, leaf {index}");
            }
        }
    }

    #[test]
    fn rejects_other_rows_roots_and_nonces() {
        let tree = tree(6, Some([1; 32]));
        let positions = [3, 17, 18, 19, 63];
        let mut writer = Writer::new();
        tree.open(&positions, &mut writer, "rows");
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
        assert_ne!(a.salt(0), a.salt(1));
        assert!(tree(4, None).commitment().is_plain());
    }
}
