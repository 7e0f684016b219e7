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

    /// Bytes of a value.
    #[must_use]
    pub fn width(&self) -> usize {
        usize::from(self.0[1])
    }
}
