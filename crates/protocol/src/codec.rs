//! Proof bytes: messages in protocol order, nothing else. The verifier knows the length of each from the key and
//! from public positions, so there are no length fields, no options and no padding: every accepted byte string is
//! the only encoding of its messages.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proveil_algebra::Challenge;

use crate::transcript::Digest;

/// Malformed bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a message.
    #[error("byte {offset}: the data ends inside '{what}', which needs {need} bytes")]
    Truncated {
        /// Message label.
        what: &'static str,
        /// Byte offset of the message.
        offset: usize,
        /// Length of the message in bytes.
        need: usize,
    },
    /// A field element that is not reduced.
    #[error("byte {offset}: '{what}' is not a canonical field element")]
    NonCanonical {
        /// Message label.
        what: &'static str,
        /// Byte offset of the element.
        offset: usize,
    },
    /// Bytes after the last message.
    #[error("byte {offset}: {extra} unexpected bytes after the end")]
    Trailing {
        /// Offset of the first extra byte.
        offset: usize,
        /// Number of extra bytes.
        extra: usize,
    },
    /// A value outside its allowed set.
    #[error("byte {offset}: '{what}' has a value that is not allowed here")]
    Invalid {
        /// Field label.
        what: &'static str,
        /// Byte offset of the field.
        offset: usize,
    },
}

/// One message of a proof, as the writer laid it out; tests derive the tamper manifest from these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Message label.
    pub label: String,
    /// First byte.
    pub offset: usize,
    /// Length in bytes.
    pub len: usize,
}

/// Writes proof bytes and remembers where each message is.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    leaves: Vec<Leaf>,
}

impl Writer {
    /// An empty proof.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one message.
    pub fn bytes(&mut self, label: &str, data: &[u8]) {
        self.leaves.push(Leaf { label: label.to_string(), offset: self.bytes.len(), len: data.len() });
        self.bytes.extend_from_slice(data);
    }

    /// Appends one field element.
    pub fn element<E: Challenge>(&mut self, label: &str, x: &E) {
        let mut b = Vec::with_capacity(E::BYTES);
        x.write(&mut b);
        self.bytes(label, &b);
    }

    /// The proof so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The proof and its layout.
    #[must_use]
    pub fn finish(self) -> (Vec<u8>, Vec<Leaf>) {
        (self.bytes, self.leaves)
    }
}

/// Reads proof bytes strictly.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Offset of the next byte.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset)
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// `Truncated` when fewer are left.
    pub fn take(&mut self, what: &'static str, n: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.offset.checked_add(n);
        match end.and_then(|e| self.bytes.get(self.offset..e)) {
            Some(s) => {
                self.offset = self.offset.saturating_add(n);
                Ok(s)
            }
            None => Err(DecodeError::Truncated { what, offset: self.offset, need: n }),
        }
    }

    /// The next 32 bytes.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn digest(&mut self, what: &'static str) -> Result<Digest, DecodeError> {
        let mut d = [0; 32];
        d.copy_from_slice(self.take(what, 32)?);
        Ok(d)
    }

    /// The next little-endian u64.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut d = [0; 8];
        d.copy_from_slice(self.take(what, 8)?);
        Ok(u64::from_le_bytes(d))
    }

    /// The next field element.
    ///
    /// # Errors
    /// `Truncated`, `NonCanonical`.
    pub fn element<E: Challenge>(&mut self, what: &'static str) -> Result<E, DecodeError> {
        let offset = self.offset;
        E::read(self.take(what, E::BYTES)?).ok_or(DecodeError::NonCanonical { what, offset })
    }

    /// The next `n` field elements.
    ///
    /// # Errors
    /// `Truncated`, `NonCanonical`.
    pub fn elements<E: Challenge>(&mut self, what: &'static str, n: usize) -> Result<Vec<E>, DecodeError> {
        let need = n.saturating_mul(E::BYTES);
        if self.remaining() < need {
            return Err(DecodeError::Truncated { what, offset: self.offset, need });
        }
        (0..n).map(|_| self.element(what)).collect()
    }

    /// Refuses bytes after the end.
    ///
    /// # Errors
    /// `Trailing`.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing { offset: self.offset, extra }),
        }
    }
}
