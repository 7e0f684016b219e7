//! Salted Merkle commitments to the rows of a codeword, and the verifier's half of opening them.
//!
//! A tree over `2^h` rows of `w` base-field elements has leaves
//! `Blake3_keyed(Blake3(LEAF_TAG || nonce), row || index || salt)`, every part of fixed length (`8 w`, 8 and 16 bytes), and
//! nodes `Blake3_keyed(NODE_KEY, left || right)`. The nonce belongs to one tree and is public, so that a guess at one
//! leaf of one tree says nothing about any other; the salt hides rows that could be guessed. A *plain* tree, for
//! public rows, has the zero nonce and zero salts, and its salts are not sent.
//!
//! Narrow rows are the rule in small proofs: up to five elements the whole leaf is one block of the hash. A leaf's key is a
//! hash, so it is the nodes' key for no nonce that anyone can find, and leaves and nodes are hashed by different
//! functions.
//!
//! **Messages of an opening**, in order: for each position ascending its salt (not for plain trees) and its row; then,
//! layer by layer from the leaves, the sibling of each known node whose sibling is not known, ascending. The verifier
//! derives every count from the positions.

use alloc::vec::Vec;

use proveil_algebra::{F, Tasks};

use crate::codec::{DecodeError, Reader};
use crate::opening::OpeningError;
use crate::transcript::Digest;

/// First bytes of what a tree's leaf key is the hash of.
pub const LEAF_TAG: [u8; 8] = *b"pv/leaf2";
/// Blake3 key of the node hash.
pub const NODE_KEY: [u8; 32] = *b"proveil merkle tree inner node 1";
/// Length of a leaf's salt in bytes.
pub const SALT_BYTES: usize = 16;
/// Length of a leaf preimage behind its row, in bytes: index and salt.
pub const LEAF_TAIL_BYTES: usize = 8 + SALT_BYTES;

/// A commitment to a tree: what the statement or the proof shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Root of the tree.
    pub root: Digest,
    /// Public nonce of the tree; all zero for a plain tree.
    pub nonce: Digest,
}

impl Commitment {
    /// A commitment to a tree of public rows, without salts.
    #[must_use]
    pub fn plain(root: Digest) -> Self {
        Self { root, nonce: [0; 32] }
    }

    /// Whether the rows carry no salts.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.nonce == [0; 32]
    }

    /// Root, then nonce.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut out = [0; 64];
        let (root, nonce) = out.split_at_mut(32);
        root.copy_from_slice(&self.root);
        nonce.copy_from_slice(&self.nonce);
        out
    }
}

/// Key of the hash of one tree's leaves.
#[must_use]
pub fn leaf_key(nonce: &Digest) -> Digest {
    let mut both = [0; 40];
    let (tag, rest) = both.split_at_mut(LEAF_TAG.len());
    tag.copy_from_slice(&LEAF_TAG);
    rest.copy_from_slice(nonce);
    *blake3::hash(&both).as_bytes()
}

/// The fixed-length end of a leaf preimage, behind the row's canonical little-endian bytes.
#[must_use]
pub fn leaf_tail(index: u64, salt: &[u8; SALT_BYTES]) -> [u8; LEAF_TAIL_BYTES] {
    let mut out = [0; LEAF_TAIL_BYTES];
    let (i, s) = out.split_at_mut(8);
    i.copy_from_slice(&index.to_le_bytes());
    s.copy_from_slice(salt);
    out
}

/// Hash of one leaf, from the bytes of its row, under the tree's [`leaf_key`].
#[must_use]
pub fn hash_leaf(key: &Digest, index: u64, salt: &[u8; SALT_BYTES], row: &[u8]) -> Digest {
    let mut h = blake3::Hasher::new_keyed(key);
    h.update(row);
    h.update(&leaf_tail(index, salt));
    *h.finalize().as_bytes()
}

/// Hash of an inner node.
#[must_use]
pub fn hash_node(left: &Digest, right: &Digest) -> Digest {
    let mut both = [0; 64];
    let (l, r) = both.split_at_mut(32);
    l.copy_from_slice(left);
    r.copy_from_slice(right);
    *blake3::keyed_hash(&NODE_KEY, &both).as_bytes()
}

/// Reads the rows at `positions`, checks them against the commitment and returns what `of` makes of each.
///
/// # Shapes
/// The tree has `2^log_leaves` rows of `width` elements; `positions` is strictly ascending and below `2^log_leaves`.
/// Returns one value for each position, in their order.
/// # Transcript
/// None; what the caller computes from the rows is for the caller to absorb.
/// # Soundness
/// A second row for one position is a Blake3 collision; `soundness::collisions`.
/// # Errors
/// `Positions` when they are not ascending or out of range, `Decode` for malformed bytes, `Root` when the rows are
/// not those committed.
pub fn read_rows<T: Send>(
    tasks: &impl Tasks,
    reader: &mut Reader,
    tree: &Opened<'_>,
    positions: &[u64],
    label: &'static str,
    of: impl Fn(&[F]) -> T + Send + Sync,
) -> Result<Vec<T>, OpeningError> {
    check_positions(positions, tree.log_leaves, label)?;
    let sent: Vec<Sent<'_>> =
        positions.iter().map(|&p| Sent::read(reader, tree, p, label)).collect::<Result<_, _>>()?;
    let key = leaf_key(&tree.commitment.nonce);
    let share = sent.len().div_ceil(tasks.shares_of(sent.len().saturating_mul(tree.width))).max(1);
    let checked = |own: &[Sent<'_>]| {
        let mut row = Vec::with_capacity(tree.width);
        let leaf = |s: &Sent<'_>| {
            s.cells(&mut row, label)?;
            Ok(((s.position, hash_leaf(&key, s.position, &s.salt, s.bytes)), of(&row)))
        };
        own.iter().map(leaf).collect::<Result<Vec<_>, OpeningError>>()
    };
    let shares: Vec<&[Sent<'_>]> = sent.chunks(share).collect();
    let done = tasks.map(shares.len(), |k| checked(shares.get(k).copied().unwrap_or_default()));
    let (mut layer, mut values) = (Vec::with_capacity(sent.len()), Vec::with_capacity(sent.len()));
    for own in done {
        let (leaves, made): (Vec<_>, Vec<_>) = own?.into_iter().unzip();
        layer.extend(leaves);
        values.extend(made);
    }
    for _ in 0..tree.log_leaves {
        layer = parents(reader, &layer)?;
    }
    match layer.first() {
        Some((_, root)) if *root != tree.commitment.root => Err(OpeningError::Root { label }),
        _ => Ok(values),
    }
}

/// A tree of which rows are opened.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// Its commitment.
    pub commitment: &'a Commitment,
    /// Logarithm of the number of rows.
    pub log_leaves: usize,
    /// Elements of a row.
    pub width: usize,
}

/// A row as it is sent.
struct Sent<'a> {
    position: u64,
    salt: [u8; SALT_BYTES],
    /// Offset of the row's first byte in the proof.
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> Sent<'a> {
    fn read(
        reader: &mut Reader<'a>,
        tree: &Opened<'_>,
        position: u64,
        label: &'static str,
    ) -> Result<Self, OpeningError> {
        let mut salt = [0; SALT_BYTES];
        if !tree.commitment.is_plain() {
            salt.copy_from_slice(reader.take("merkle salt", SALT_BYTES)?);
        }
        let offset = reader.offset();
        Ok(Self { position, salt, offset, bytes: reader.take(label, tree.width.saturating_mul(8))? })
    }

    /// The row's elements, in the memory of `row`.
    fn cells(&self, row: &mut Vec<F>, what: &'static str) -> Result<(), DecodeError> {
        row.clear();
        for (i, bytes) in self.bytes.chunks_exact(8).enumerate() {
            let offset = self.offset + 8 * i;
            row.push(proveil_algebra::read_base(bytes).ok_or(DecodeError::NonCanonical { what, offset })?);
        }
        Ok(())
    }
}

fn check_positions(positions: &[u64], log_leaves: usize, label: &'static str) -> Result<(), OpeningError> {
    let bound = u32::try_from(log_leaves).ok().and_then(|s| 1u64.checked_shl(s));
    let ascending = positions.iter().zip(positions.iter().skip(1)).all(|(a, b)| a < b);
    let in_range = bound.is_some_and(|n| positions.last().is_none_or(|p| *p < n));
    if ascending && in_range { Ok(()) } else { Err(OpeningError::Positions { label, log_leaves }) }
}

fn parents(reader: &mut Reader, layer: &[(u64, Digest)]) -> Result<Vec<(u64, Digest)>, OpeningError> {
    let mut out = Vec::with_capacity(layer.len());
    let mut nodes = layer.iter().peekable();
    while let Some((index, digest)) = nodes.next() {
        let parent = match nodes.next_if(|(next, _)| *next == index ^ 1) {
            Some((_, right)) => hash_node(digest, right),
            None => {
                let sibling = reader.digest("merkle sibling")?;
                if index & 1 == 0 { hash_node(digest, &sibling) } else { hash_node(&sibling, digest) }
            }
        };
        out.push((index >> 1, parent));
    }
    Ok(out)
}
