//! Fiat-Shamir transcript: a sequential Blake3 chain.
//!
//! State is 32 bytes. Absorbing hashes `(state, kind, label, total length, piece)` piece by piece, so the chain
//! cannot be parallelised and no two different histories give the same input. Challenges are uniform by rejection.
//!
//! For tests that need a programmed oracle, [`Transcript::scripted`] replays fixed challenges.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use proveil_algebra::Challenge;

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

/// The Fiat-Shamir transcript.
#[derive(Clone, Debug)]
pub struct Transcript {
    state: Digest,
    script: Option<VecDeque<Drawn>>,
    log: Option<Vec<Drawn>>,
    events: Option<Vec<Event>>,
}

impl Transcript {
    /// A fresh transcript bound to a protocol label.
    #[must_use]
    pub fn new(protocol: &str) -> Self {
        let mut t = Self { state: [0; 32], script: None, log: None, events: None };
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
        self.state
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
        if let Some(events) = &mut self.events {
            events.push(Event::Absorbed(label.into(), data.len() as u64));
        }
        self.step(0, label, data.len() as u64, data.get(..PIECE.min(data.len())).unwrap_or_default());
        for piece in data.chunks(PIECE).skip(1) {
            self.step(1, label, data.len() as u64, piece);
        }
    }

    /// Absorbs field elements.
    pub fn absorb_elements<E: Challenge>(&mut self, label: &str, xs: &[E]) {
        let mut bytes = Vec::with_capacity(xs.len() * E::BYTES);
        xs.iter().for_each(|x| x.write(&mut bytes));
        self.absorb(label, &bytes);
    }

    fn draw(&mut self, label: &str, make: impl FnOnce(blake3::OutputReader) -> Drawn) -> Drawn {
        if let Some(events) = &mut self.events {
            events.push(Event::Drawn(label.into()));
        }
        self.step(2, label, 0, &[]);
        let mut h = blake3::Hasher::new();
        h.update(&self.state);
        h.update(b"squeeze");
        let d = match self.script.as_mut().and_then(VecDeque::pop_front) {
            Some(d) => d,
            None => make(h.finalize_xof()),
        };
        if let Some(log) = &mut self.log {
            log.push(d.clone());
        }
        d
    }

    /// A uniform field element.
    pub fn challenge<E: Challenge>(&mut self, label: &str) -> E {
        let d = self.draw(label, |mut xof| {
            let mut buf = [0u8; 64];
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
        let mut h = blake3::Hasher::new();
        h.update(&self.state);
        h.update(&nonce.to_le_bytes());
        let out = h.finalize();
        let (head, _) = out.as_bytes().split_at(8);
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
