//! The encoding of arguments: words, byte strings, lists and tuples.

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abi {
    /// A static value of one word.
    Word([u8; 32]),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A list of changing length.
    List(Vec<Abi>),
    /// A struct, or a list of fixed length.
    Tuple(Vec<Abi>),
}

impl Abi {
    /// An unsigned integer.
    #[must_use]
    pub fn uint(v: u64) -> Self {
        let mut w = [0; 32];
        w.iter_mut().rev().zip(v.to_le_bytes()).for_each(|(w, b)| *w = b);
        Self::Word(w)
    }

    /// A signed integer.
    #[must_use]
    pub fn int(v: i128) -> Self {
        let mut w = [if v < 0 { 255 } else { 0 }; 32];
        w.iter_mut().rev().zip(v.to_le_bytes()).for_each(|(w, b)| *w = b);
        Self::Word(w)
    }

    fn dynamic(&self) -> bool {
        match self {
            Self::Word(_) => false,
            Self::Bytes(_) | Self::List(_) => true,
            Self::Tuple(items) => items.iter().any(Self::dynamic),
        }
    }

    /// Bytes in the head of what holds the argument.
    fn head(&self) -> usize {
        match self {
            Self::Tuple(items) if !self.dynamic() => items.iter().map(Self::head).sum(),
            _ => 32,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Word(w) => out.extend(w),
            Self::Bytes(b) => {
                Self::uint(b.len() as u64).write(out);
                out.extend(b);
                out.resize(out.len().next_multiple_of(32), 0);
            }
            Self::List(items) => {
                Self::uint(items.len() as u64).write(out);
                out.extend(encode(items));
            }
            Self::Tuple(items) => out.extend(encode(items)),
        }
    }
}

/// The arguments of a call, without the four bytes that name the function.
#[must_use]
pub fn encode(arguments: &[Abi]) -> Vec<u8> {
    let heads: usize = arguments.iter().map(Abi::head).sum();
    let (mut head, mut tail) = (Vec::with_capacity(heads), Vec::new());
    for a in arguments {
        if a.dynamic() {
            Abi::uint((heads + tail.len()) as u64).write(&mut head);
            a.write(&mut tail);
        } else {
            a.write(&mut head);
        }
    }
    head.extend(tail);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the encoding's specification: `f(0x123, [0x456, 0x789], "1234567890", "Hello, world!")`.
    #[test]
    fn matches_reference_of_the_specification() {
        let list = Abi::List(vec![Abi::uint(0x456), Abi::uint(0x789)]);
        let mut ten = [0; 32];
        ten[..10].copy_from_slice(b"1234567890");
        let hello = Abi::Bytes(b"Hello, world!".to_vec());
        let out = encode(&[Abi::uint(0x123), list, Abi::Word(ten), hello]);
        let word = |i: usize| u64::from_be_bytes(out[32 * i + 24..32 * i + 32].try_into().unwrap());
        let words: Vec<u64> = [0, 1, 3, 4, 5, 6, 7].map(word).into();
        assert_eq!(words, [0x123, 0x80, 0xe0, 2, 0x456, 0x789, 13]);
        assert_eq!(&out[8 * 32..8 * 32 + 13], b"Hello, world!");
        assert_eq!(out.len(), 9 * 32);
    }

    #[test]
    fn matches_reference_of_static_and_dynamic_tuples() {
        let fixed = Abi::Tuple(vec![Abi::uint(1), Abi::uint(2)]);
        assert_eq!(encode(&[fixed.clone(), Abi::uint(3)]).len(), 96);
        let open = Abi::Tuple(vec![Abi::uint(1), Abi::List(vec![fixed])]);
        // Offset; then one, offset, length, two words.
        let out = encode(&[open]);
        assert_eq!(out.len(), 6 * 32);
        assert_eq!((out[31], out[2 * 32 + 31], out[3 * 32 + 31]), (0x20, 0x40, 1));
    }
}
