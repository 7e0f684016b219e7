//! The form of an input or output, as `contracts/src/Form.sol` takes it.

use crate::abi::Abi;

/// A word of a short key about an input or output, with the scale of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form([u8; 32]);

impl Form {
    /// From the word in the short key; a value stands for `value * 2^-scale`. `None` for scales that a contract has no
    /// room for: below -128, above 127.
    #[must_use]
    pub fn new(key_word: [u8; 32], scale: i32) -> Option<Self> {
        let mut word = key_word;
        let [_, _, place, ..] = &mut word;
        *place = i8::try_from(scale).ok()?.to_be_bytes()[0];
        Some(Self(word))
    }

    /// The word.
    #[must_use]
    pub fn word(&self) -> [u8; 32] {
        self.0
    }

    /// The word as an argument.
    #[must_use]
    pub fn abi(&self) -> Abi {
        Abi::Word(self.0)
    }

    /// Whether everybody sees the values.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.0[0] == 0
    }

    /// Whether there is a commitment to the values.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.0[0] == 2
    }

    /// A value stands for `value * 2^-scale`.
    #[must_use]
    pub fn scale(&self) -> i8 {
        i8::from_be_bytes([self.0[2]])
    }

    /// Lines of the last axis.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.number(4, 4) as usize
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines().saturating_mul(self.number(8, 4) as usize)
    }

    /// Bytes of all values, packed; none if they are not public.
    #[must_use]
    pub fn size(&self) -> usize {
        if self.is_public() { self.width().saturating_mul(self.count()) } else { 0 }
    }

    /// The least value of the declared range.
    #[must_use]
    pub fn least(&self) -> i64 {
        self.number(16, 8) as i64
    }

    /// The greatest value less the least one.
    #[must_use]
    pub fn span(&self) -> u64 {
        self.number(24, 8)
    }

    fn number(&self, from: usize, bytes: usize) -> u64 {
        self.0.iter().skip(from).take(bytes).fold(0, |a, b| a << 8 | u64::from(*b))
    }

    /// Bytes of a value.
    #[must_use]
    pub fn width(&self) -> usize {
        usize::from(self.0[1])
    }
}
