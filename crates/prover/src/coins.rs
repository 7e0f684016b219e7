//! Randomness of one proof: fresh system randomness hashed with witness and statement, so that a restored snapshot of
//! the machine does not repeat coins for another witness. Every use has its own labelled stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use proveil_algebra::{E, F, PrimeCharacteristicRing, ext_from_coords};

/// The seed of all coins of one proof or commitment.
#[derive(Clone)]
pub struct Coins {
    seed: [u8; 32],
    chosen: Arc<Chosen>,
}

/// Elements that a test chooses, by label and index of their stream.
pub type Chosen = BTreeMap<(String, usize), Vec<F>>;

impl std::fmt::Debug for Coins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Coins(secret)")
    }
}

/// A stream of uniform field elements.
pub struct Stream {
    chosen: std::vec::IntoIter<F>,
    uniform: blake3::OutputReader,
    /// Output not yet used, from `at` on: the reader hashes whole blocks, many at a time.
    buffer: [u8; BUFFER],
    at: usize,
}

/// Bytes taken from the hash at a time.
const BUFFER: usize = 1024;

impl Coins {
    /// Fresh coins bound to `context` (witness and statement).
    #[must_use]
    pub fn fresh(context: &[&[u8]]) -> Self {
        Self::from_seed(rand::random(), context)
    }

    /// Coins from a caller's seed, for tests and for derived commitments.
    #[must_use]
    pub fn from_seed(seed: [u8; 32], context: &[&[u8]]) -> Self {
        let mut h = blake3::Hasher::new_keyed(&seed);
        for c in context {
            h.update(&(c.len() as u64).to_le_bytes());
            h.update(c);
        }
        Self { seed: *h.finalize().as_bytes(), chosen: Arc::default() }
    }

    /// Independent coins for one purpose and context.
    #[must_use]
    pub fn derive(&self, label: &str, context: &[&[u8]]) -> Self {
        Self { chosen: Arc::clone(&self.chosen), ..Self::from_seed(self.bytes(label), context) }
    }

    /// The same coins, but the streams named in `chosen` begin with the elements given there. A test that asks whether
    /// a proof could have come from another witness searches its coins with this; honest coins are never chosen.
    #[doc(hidden)]
    #[must_use]
    pub fn choosing(self, chosen: Chosen) -> Self {
        Self { chosen: Arc::new(chosen), ..self }
    }

    fn reader(&self, label: &str, index: usize) -> blake3::OutputReader {
        let mut h = blake3::Hasher::new_keyed(&self.seed);
        h.update(label.as_bytes());
        h.update(&(index as u64).to_le_bytes());
        h.finalize_xof()
    }

    /// A stream for one purpose.
    #[must_use]
    pub fn stream(&self, label: &str, index: usize) -> Stream {
        let chosen = match self.chosen.is_empty() {
            true => Vec::new(),
            false => self.chosen.get(&(label.to_string(), index)).cloned().unwrap_or_default(),
        };
        Stream { chosen: chosen.into_iter(), uniform: self.reader(label, index), buffer: [0; BUFFER], at: BUFFER }
    }

    /// 32 bytes for one purpose.
    #[must_use]
    pub fn bytes(&self, label: &str) -> [u8; 32] {
        let mut out = [0; 32];
        self.reader(label, 0).fill(&mut out);
        out
    }
}

impl Stream {
    /// A uniform base-field element, by rejection.
    pub fn base(&mut self) -> F {
        if let Some(x) = self.chosen.next() {
            return x;
        }
        loop {
            if self.at == BUFFER {
                self.uniform.fill(&mut self.buffer);
                self.at = 0;
            }
            let bytes = &self.buffer[self.at..self.at + 8];
            self.at += 8;
            if let Some(x) = proveil_algebra::read_base(bytes) {
                return x;
            }
        }
    }

    /// A uniform extension element.
    pub fn ext(&mut self) -> E {
        ext_from_coords([self.base(), self.base(), self.base()])
    }

    /// Fills a slice.
    pub fn fill(&mut self, out: &mut [F]) {
        out.iter_mut().for_each(|x| *x = self.base());
    }
}

/// Zero, for columns before they are filled.
pub const ZERO: F = F::ZERO;
