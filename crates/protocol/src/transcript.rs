//! Fiat-Shamir transcript: a sequential chain of hashes, BLAKE3 for the transparent backend, keccak for contracts.
//!
//! State is 32 bytes. For tests that need a programmed oracle, [`Transcript::scripted`] replays fixed challenges.
//!
//! **BLAKE3.** Absorbing hashes `(state, kind, label, total length, piece)` piece by piece, so the chain cannot be
//! parallelised and no two different histories give the same input. Challenges are uniform by rejection.
//!
//! **Keccak.** Laid out so that a contract computes it with one hash a challenge over proof bytes that lie in one piece.
//! Absorbed data wait; a draw hashes `state || waiting data` to the next state, which is the challenge's randomness.
//! Field elements and points wait as they are in the proof, byte strings as one word, the hash of label and content.
//! Labels of elements and numbers of words are not hashed: the verifier reads both from key and statement, which are
//! absorbed first, so that two different histories of one key and statement differ in the words of one draw.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use proveil_algebra::Challenge;
use tiny_keccak::Hasher as _;

/// A 32-byte hash value.
pub type Digest = [u8; 32];

const PIECE: usize = 896;

/// One drawn challenge, as recorded and replayed by tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Canonical bytes of a field element.
    Element(Vec<u8>),
    /// Distinct positions in ascending order.
    Positions(Vec<u64>),
}

/// What happened to a transcript, as recorded by tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many bytes were absorbed under a label.
    Absorbed(String, u64),
    /// A challenge was drawn under a label.
    Drawn(String),
}

/// The hash of a transcript.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hash {
    /// BLAKE3.
    #[default]
    Blake3,
    /// Keccak-256, as in the Ethereum virtual machine.
    Keccak,
}

/// Blake3 of `bytes`.
#[must_use]
pub fn blake3(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

/// Keccak-256 of the concatenation of `parts`.
#[must_use]
pub fn keccak256(parts: &[&[u8]]) -> Digest {
    let mut h = tiny_keccak::Keccak::v256();
    parts.iter().for_each(|p| h.update(p));
    let mut out = [0; 32];
    h.finalize(&mut out);
    out
}

/// Uniform bytes behind one state.
enum Uniform {
    Blake3(blake3::OutputReader),
    /// The state, then hashes of it with a counter; a request starts a new block if the present one is too short.
    Keccak {
        state: Digest,
        block: Digest,
        count: u64,
        at: usize,
    },
}

impl Uniform {
    fn fill(&mut self, out: &mut [u8]) {
        match self {
            Self::Blake3(xof) => xof.fill(out),
            Self::Keccak { state, block, count, at } => {
                if *at + out.len() > block.len() {
                    *count += 1;
                    // A length that no absorbed elements give.
                    *block = keccak256(&[b"proveil block", &count.to_be_bytes(), &state[..]]);
                    *at = 0;
                }
                out.iter_mut().zip(block.iter().skip(*at)).for_each(|(o, b)| *o = *b);
                *at += out.len();
            }
        }
    }
}

/// The Fiat-Shamir transcript.
#[derive(Clone, Debug)]
pub struct Transcript {
    hash: Hash,
    state: Digest,
    /// Keccak only: absorbed since the last draw.
    waiting: Vec<u8>,
    script: Option<VecDeque<Drawn>>,
    log: Option<Vec<Drawn>>,
    events: Option<Vec<Event>>,
}

impl Transcript {
    /// A fresh transcript bound to a protocol label.
    #[must_use]
    pub fn new(protocol: &str) -> Self {
        Self::with_hash(Hash::Blake3, protocol)
    }

    /// A fresh transcript with a given hash.
    #[must_use]
    pub fn with_hash(hash: Hash, protocol: &str) -> Self {
        let mut t = Self { hash, state: [0; 32], waiting: Vec::new(), script: None, log: None, events: None };
        t.absorb("protocol", protocol.as_bytes());
        t
    }

    /// A transcript whose challenges are those given, whatever is absorbed; for simulators and attack tests.
    #[must_use]
    pub fn scripted(protocol: &str, script: Vec<Drawn>) -> Self {
        Self { script: Some(script.into()), ..Self::new(protocol) }
    }

    /// The present state; names everything absorbed so far.
    #[must_use]
    pub fn state(&self) -> Digest {
        if self.waiting.is_empty() { self.state } else { keccak256(&[&self.state, &self.waiting]) }
    }

    /// Records from now on (see [`Transcript::drawn`] and [`Transcript::events`]).
    pub fn record(&mut self) {
        self.log = Some(Vec::new());
        self.events = Some(Vec::new());
    }

    /// What was absorbed and drawn since [`Transcript::record`], in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        self.events.as_deref().unwrap_or_default()
    }

    /// Challenges drawn since [`Transcript::record`].
    #[must_use]
    pub fn drawn(&self) -> &[Drawn] {
        self.log.as_deref().unwrap_or_default()
    }

    fn step(&mut self, kind: u8, label: &str, len: u64, piece: &[u8]) {
        let mut h = blake3::Hasher::new();
        h.update(&self.state);
        h.update(&[kind]);
        h.update(&(label.len() as u64).to_le_bytes());
        h.update(label.as_bytes());
        h.update(&len.to_le_bytes());
        h.update(piece);
        self.state = *h.finalize().as_bytes();
    }

    /// Absorbs labelled bytes; label, length and content are bound.
    pub fn absorb(&mut self, label: &str, data: &[u8]) {
        self.note(label, data.len());
        if self.hash == Hash::Keccak {
            let word = keccak256(&[&(label.len() as u64).to_be_bytes(), label.as_bytes(), data]);
            self.waiting.extend(word);
            return;
        }
        self.pieces(label, data);
    }

    fn note(&mut self, label: &str, len: usize) {
        if let Some(events) = &mut self.events {
            events.push(Event::Absorbed(label.into(), len as u64));
        }
    }

    /// Absorbs words whose number follows from key and statement: elements, points.
    pub fn absorb_words(&mut self, label: &str, words: &[u8]) {
        self.note(label, words.len());
        match self.hash {
            Hash::Blake3 => self.pieces(label, words),
            Hash::Keccak => self.waiting.extend_from_slice(words),
        }
    }

    fn pieces(&mut self, label: &str, data: &[u8]) {
        self.step(0, label, data.len() as u64, data.get(..PIECE.min(data.len())).unwrap_or_default());
        for piece in data.chunks(PIECE).skip(1) {
            self.step(1, label, data.len() as u64, piece);
        }
    }

    /// Absorbs field elements.
    pub fn absorb_elements<E: Challenge>(&mut self, label: &str, xs: &[E]) {
        let mut bytes = Vec::with_capacity(xs.len() * E::BYTES);
        xs.iter().for_each(|x| x.write(&mut bytes));
        self.absorb_words(label, &bytes);
    }

    /// Uniform bytes of the next draw.
    fn squeeze(&mut self, label: &str) -> Uniform {
        if self.hash == Hash::Keccak {
            self.state = keccak256(&[&self.state, &self.waiting]);
            self.waiting.clear();
            return Uniform::Keccak { state: self.state, block: self.state, count: 0, at: 0 };
        }
        self.step(2, label, 0, &[]);
        let mut h = blake3::Hasher::new();
        h.update(&self.state);
        h.update(b"squeeze");
        Uniform::Blake3(h.finalize_xof())
    }

    fn draw(&mut self, label: &str, make: impl FnOnce(Uniform) -> Drawn) -> Drawn {
        if let Some(events) = &mut self.events {
            events.push(Event::Drawn(label.into()));
        }
        let uniform = self.squeeze(label);
        let d = match self.script.as_mut().and_then(VecDeque::pop_front) {
            Some(d) => d,
            None => make(uniform),
        };
        if let Some(log) = &mut self.log {
            log.push(d.clone());
        }
        d
    }

    /// A uniform field element.
    pub fn challenge<E: Challenge>(&mut self, label: &str) -> E {
        const { assert!(E::UNIFORM_BYTES <= 32) };
        let d = self.draw(label, |mut xof| {
            let mut buf = [0u8; 32];
            loop {
                let bytes = buf.get_mut(..E::UNIFORM_BYTES).unwrap_or_default();
                xof.fill(bytes);
                if let Some(x) = E::from_uniform(bytes) {
                    let mut out = Vec::new();
                    x.write(&mut out);
                    return Drawn::Element(out);
                }
            }
        });
        match d {
            Drawn::Element(b) => E::read(&b).unwrap_or(E::ZERO),
            Drawn::Positions(_) => E::ZERO,
        }
    }

    /// `n` uniform field elements.
    pub fn challenges<E: Challenge>(&mut self, label: &str, n: usize) -> Vec<E> {
        (0..n).map(|_| self.challenge(label)).collect()
    }

    /// `count` distinct uniform positions below `2^log_n`, ascending; all of them when `count >= 2^log_n`.
    pub fn positions(&mut self, label: &str, log_n: usize, count: usize) -> Vec<u64> {
        let n = 1u64 << log_n;
        let d = self.draw(label, |mut xof| {
            let mut set = alloc::collections::BTreeSet::new();
            if count as u64 >= n {
                set.extend(0..n);
            }
            while set.len() < count.min(n as usize) {
                let mut b = [0u8; 8];
                xof.fill(&mut b);
                set.insert(u64::from_le_bytes(b) & (n - 1));
            }
            Drawn::Positions(set.into_iter().collect())
        });
        match d {
            Drawn::Positions(p) => p,
            Drawn::Element(_) => Vec::new(),
        }
    }

    /// Whether `nonce` makes the grinding hash of the present state start with `bits` zero bits.
    #[must_use]
    pub fn check_nonce(&self, nonce: u64, bits: u32) -> bool {
        let out = match self.hash {
            Hash::Blake3 => {
                let mut h = blake3::Hasher::new();
                h.update(&self.state);
                h.update(&nonce.to_le_bytes());
                *h.finalize().as_bytes()
            }
            Hash::Keccak => keccak256(&[&self.state(), &nonce.to_be_bytes()]),
        };
        let (head, _) = out.split_at(8);
        let x = u64::from_be_bytes(head.try_into().unwrap_or([0xff; 8]));
        self.script.is_some() || bits == 0 || x.leading_zeros() >= bits
    }

    /// Absorbs a grinding nonce after checking it.
    #[must_use]
    pub fn absorb_nonce(&mut self, nonce: u64, bits: u32) -> bool {
        let ok = self.check_nonce(nonce, bits);
        self.absorb("nonce", &nonce.to_le_bytes());
        ok
    }
}

#[cfg(test)]
mod tests {
    use proveil_algebra::{PrimeCharacteristicRing, Scalar};

    use super::*;

    fn keccak() -> Transcript {
        Transcript::with_hash(Hash::Keccak, "test")
    }

    #[test]
    fn matches_reference_hash() {
        // The hash of nothing, as the Ethereum yellow paper gives it.
        let empty = keccak256(&[]);
        assert_eq!(empty[..4], [0xc5, 0xd2, 0x46, 0x01]);
        assert_eq!(empty[28..], [0x5d, 0x85, 0xa4, 0x70]);
        assert_eq!(keccak256(&[b"ab", b"c"]), keccak256(&[b"abc"]));
    }

    #[test]
    fn matches_reference_layout_of_draws() {
        let mut t = keccak();
        let word = |x: u64| {
            let mut b = [0; 32];
            b[24..].copy_from_slice(&x.to_be_bytes());
            b
        };
        t.absorb_elements("a", &[Scalar::from_u64(5)]);
        t.absorb_words("b", &word(6));
        let protocol = keccak256(&[&8u64.to_be_bytes(), b"protocol", b"test"]);
        let first = keccak256(&[&[0; 32], &protocol, &word(5), &word(6)]);
        assert_eq!(t.state(), first);
        assert_eq!(Some(t.challenge::<Scalar>("c")), Scalar::from_uniform(&first));
        let second = keccak256(&[&first]);
        assert_eq!(Some(t.challenge::<Scalar>("d")), Scalar::from_uniform(&second));
    }

    #[test]
    fn rejects_other_histories() {
        let draw = |f: &dyn Fn(&mut Transcript)| {
            let mut t = keccak();
            f(&mut t);
            t.challenge::<Scalar>("c")
        };
        let all = [
            draw(&|_| ()),
            draw(&|t| t.absorb("a", &[])),
            draw(&|t| t.absorb("b", &[])),
            draw(&|t| t.absorb("a", &[0])),
            draw(&|t| t.absorb_words("a", &[0; 32])),
            draw(&|t| t.absorb_words("a", &[0; 64])),
            draw(&|t| _ = t.challenge::<Scalar>("c")),
            draw(&|t| _ = t.positions("c", 4, 3)),
        ];
        for (i, a) in all.iter().enumerate().take(6) {
            assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
        }
    }

    #[test]
    fn accepts_positions_and_nonces() {
        let mut t = keccak();
        let p = t.positions("p", 10, 50);
        assert!(p.len() == 50 && p.windows(2).all(|w| w[0] < w[1]) && p.iter().all(|x| *x < 1024));
        let nonce = (0..).find(|n| t.check_nonce(*n, 6)).unwrap();
        assert!(t.clone().absorb_nonce(nonce, 6));
        let bad = (0..).find(|n| !t.check_nonce(*n, 6)).unwrap();
        assert!(!t.absorb_nonce(bad, 6));
    }
}
