//! Committed trees kept in files, so that a process that proves need not encode and hash a model again, nor hold its
//! codeword in memory.
//!
//! A file has the leaves of a tree and, if wanted, the codeword. The tree above the leaves is built again and must have
//! the root that the file names; rows are read where they are opened, and each must have its leaf. So whatever a damaged
//! file says, no row leaves it that was not committed to. Salts and random cells are not in the file: they come from the
//! coins, and the nonce, which is a hash of coins and cells, tells whether the columns are those of the tree.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use proveil_algebra::{F, canonical, read_base};
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::params::MAX_LOG_DOMAIN;
use proveil_protocol::transcript::Digest;
use rayon::prelude::*;

use crate::merkle::MerkleTree;

/// Bytes that open a file of a tree: name and format version.
pub const TREE_MAGIC: [u8; 8] = *b"PVTREE\0\x01";

/// Columns whose parts of a row lie side by side in a file. A codeword is written band after band, so that no more than a
/// band is in memory, and a row is read in as many pieces.
pub(crate) const BAND: usize = 128;

/// Bytes before the leaves.
const HEADER_BYTES: usize = 112;

/// Why a stored tree cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// The file cannot be read.
    #[error("reading {bytes} bytes at byte {offset} failed: {reason}")]
    Read {
        /// First byte.
        offset: u64,
        /// Bytes wanted.
        bytes: usize,
        /// What the system says.
        reason: String,
    },
    /// The file does not begin as such files do.
    #[error("header: {0}")]
    Header(#[from] DecodeError),
    /// The file is truncated or has bytes left over.
    #[error("the file has {got} bytes, its header says {expected}: it is truncated or was not written to its end")]
    Length {
        /// Bytes that the header implies.
        expected: u64,
        /// Bytes there are.
        got: u64,
    },
    /// The leaves do not have the root.
    #[error("the leaves do not have the root that the header names: the file is damaged")]
    Leaves,
    /// The tree is not that of the columns.
    #[error("{what} is not that of the committed cells: the file is of another model, or of another commitment of it")]
    Other {
        /// What differs.
        what: &'static str,
    },
    /// A row of the codeword does not have its leaf.
    #[error("row {row} of the codeword does not have its leaf: the file is damaged")]
    Row {
        /// Number of the row.
        row: u64,
    },
}

/// What a file says before its leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub log_leaves: usize,
    pub log_inv_rate: usize,
    pub has_codeword: bool,
    pub width: usize,
    pub commitment: Commitment,
    /// Blake3 of the cells of a plain tree, whose nonce says nothing about them; zero otherwise.
    pub cells: Digest,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let numbers = [self.log_leaves as u8, self.log_inv_rate as u8, u8::from(self.has_codeword), 0];
        let mut rest = &mut out[..];
        for part in [
            &TREE_MAGIC[..],
            &numbers,
            &(self.width as u32).to_le_bytes(),
            &self.commitment.root,
            &self.commitment.nonce,
            &self.cells,
        ] {
            let (own, after) = rest.split_at_mut(part.len());
            own.copy_from_slice(part);
            rest = after;
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let invalid = |what, offset| DecodeError::Invalid { what, offset };
        if r.take("tree magic", 8)? != TREE_MAGIC {
            return Err(invalid("tree magic", 0));
        }
        let numbers: [u8; 4] = r.take("tree sizes", 4)?.try_into().map_err(|_| invalid("tree sizes", 8))?;
        let width: [u8; 4] = r.take("tree width", 4)?.try_into().map_err(|_| invalid("tree width", 12))?;
        let [log_leaves, log_inv_rate, has_codeword, zero] = numbers;
        let width = u32::from_le_bytes(width) as usize;
        if usize::from(log_leaves) > MAX_LOG_DOMAIN || log_inv_rate > log_leaves || has_codeword > 1 || zero != 0 {
            return Err(invalid("tree sizes", 8));
        }
        if width == 0 || (width as u64) << log_leaves > u64::MAX >> 8 {
            return Err(invalid("tree width", 12));
        }
        let commitment = Commitment { root: r.digest("tree root")?, nonce: r.digest("tree nonce")? };
        let cells = r.digest("tree cells")?;
        let (log_leaves, log_inv_rate) = (usize::from(log_leaves), usize::from(log_inv_rate));
        Ok(Self { log_leaves, log_inv_rate, has_codeword: has_codeword == 1, width, commitment, cells })
    }

    /// Where the codeword begins.
    fn codeword_at(&self) -> u64 {
        HEADER_BYTES as u64 + (32 << self.log_leaves)
    }

    /// Length of the whole file.
    fn length(&self) -> u64 {
        self.codeword_at() + if self.has_codeword { (8 * self.width as u64) << self.log_leaves } else { 0 }
    }
}

/// The columns of each band.
pub(crate) fn bands(width: usize) -> impl Iterator<Item = Range<usize>> {
    (0..width).step_by(BAND).map(move |from| from..(from + BAND).min(width))
}

/// A tree in a file, whose leaves are read and have its root.
#[derive(Clone, Debug)]
pub struct StoredTree {
    pub(crate) rows: Arc<StoredRows>,
    pub(crate) merkle: MerkleTree,
}

/// The codeword in a file.
#[derive(Debug)]
pub(crate) struct StoredRows {
    pub header: Header,
    file: File,
}

impl StoredTree {
    /// Reads the leaves of a file and builds the tree above them.
    ///
    /// # Errors
    /// `Read`, `Header`, `Length`, `Leaves`.
    pub fn open(file: File) -> Result<Self, StoredError> {
        let read = |offset, bytes, e: io::Error| StoredError::Read { offset, bytes, reason: e.to_string() };
        let got = file.metadata().map_err(|e| read(0, HEADER_BYTES, e))?.len();
        let mut header = Vec::new();
        (&file).take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(|e| read(0, HEADER_BYTES, e))?;
        let header = Header::read(&header)?;
        if header.length() != got {
            return Err(StoredError::Length { expected: header.length(), got });
        }
        let mut leaves = vec![[0; 32]; 1 << header.log_leaves];
        let bytes = leaves.as_flattened_mut();
        let len = bytes.len();
        (&file).read_exact(bytes).map_err(|e| read(HEADER_BYTES as u64, len, e))?;
        let merkle = MerkleTree::above_leaves(&leaves, header.commitment.nonce);
        if merkle.commitment() != header.commitment {
            return Err(StoredError::Leaves);
        }
        Ok(Self { rows: Arc::new(StoredRows { header, file }), merkle })
    }

    /// Root and nonce.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.rows.header.commitment
    }

    /// Logarithm of the number of rows.
    #[must_use]
    pub fn log_leaves(&self) -> usize {
        self.rows.header.log_leaves
    }

    /// Cells of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.rows.header.width
    }

    /// Whether the file has the codeword.
    #[must_use]
    pub fn has_codeword(&self) -> bool {
        self.rows.header.has_codeword
    }
}

impl StoredRows {
    /// The rows at some positions, each checked against its leaf in `merkle`, which has the tree's salts.
    pub fn read(&self, positions: &[u64], merkle: &MerkleTree) -> Result<Vec<Vec<F>>, StoredError> {
        let one = |p: &u64| {
            self.row(*p).and_then(|r| if merkle.is_row(*p, &r) { Ok(r) } else { Err(StoredError::Row { row: *p }) })
        };
        positions.par_iter().map(one).collect()
    }

    fn row(&self, index: u64) -> Result<Vec<F>, StoredError> {
        let width = self.header.width;
        let mut bytes = vec![0; 8 * width];
        for band in bands(width) {
            let (before, own) = (8 * band.start as u64, 8 * band.len());
            let offset = self.header.codeword_at() + (before << self.header.log_leaves) + index * own as u64;
            let read = |e: io::Error| StoredError::Read { offset, bytes: own, reason: e.to_string() };
            read_at(&self.file, &mut bytes[8 * band.start..][..own], offset).map_err(read)?;
        }
        let cells = bytes.chunks_exact(8).map(read_base);
        cells.collect::<Option<_>>().ok_or(StoredError::Row { row: index })
    }
}

/// Fills a buffer from a place in a file, without moving where others read.
#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Fills a buffer from a place in a file: every read says where it begins.
#[cfg(windows)]
fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (buffer, offset) = (&mut buffer[n..], offset + n as u64),
        }
    }
    Ok(())
}

/// Writes header and leaves.
pub(crate) fn write_leaves(header: &Header, merkle: &MerkleTree, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&header.to_bytes())?;
    (0..1 << header.log_leaves).try_for_each(|i| out.write_all(&merkle.leaf(i)))
}

/// Writes one band of a codeword, row after row, from its strips and their widths.
pub(crate) fn write_band(strips: &[Vec<F>], rows: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(8 * BAND);
    for row in 0..rows {
        bytes.clear();
        for strip in strips {
            let width = strip.len() / rows;
            strip[row * width..][..width].iter().for_each(|x| bytes.extend(canonical(x).to_le_bytes()));
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}
