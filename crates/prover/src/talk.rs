//! The prover's end of the channel: sends messages, padded when the proof hides.

use std::sync::Arc;

use proveil_algebra::{Challenge, E};
use proveil_protocol::channel::Shape;
use proveil_protocol::codec::Writer;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::transcript::Transcript;

/// A test's way of altering messages: given label, number of the message and its honest value, what is sent instead.
pub type Cheat<'a, K = E> = &'a dyn Fn(&str, usize, K) -> K;

/// Sends a proof.
pub struct Talk<'a, K = E> {
    /// The transcript.
    pub transcript: Transcript,
    /// The proof so far.
    pub writer: Writer,
    pads: Option<(Arc<[K]>, Arc<Shape>)>,
    sent: usize,
    raw: Vec<K>,
    cheat: Option<Cheat<'a, K>>,
}

impl<'a, K: Challenge> Talk<'a, K> {
    /// Starts on a bound transcript.
    #[must_use]
    pub fn new(transcript: Transcript, cheat: Option<Cheat<'a, K>>) -> Self {
        Self { transcript, writer: Writer::new(), pads: None, sent: 0, raw: Vec::new(), cheat }
    }

    /// Pads all messages from now on.
    pub fn hide(&mut self, pads: Arc<[K]>, shape: Arc<Shape>) {
        self.pads = Some((pads, shape));
    }

    /// Sends a commitment.
    pub fn commitment(&mut self, label: &'static str, c: &Commitment) {
        self.writer.bytes(label, &c.to_bytes());
        self.transcript.absorb_words(label, &c.to_bytes());
    }

    /// Sends an element in the clear.
    pub fn clear(&mut self, label: &'static str, x: K) {
        self.writer.element(label, &x);
        self.transcript.absorb_elements(label, &[x]);
    }

    /// Sends a message that depends on secrets.
    pub fn message(&mut self, label: &'static str, x: K) {
        let mut x = x;
        if let Some(cheat) = self.cheat {
            x = cheat(label, self.sent, x);
        }
        self.raw.push(x);
        if let Some((pads, shape)) = &self.pads {
            x += pads[shape.message_pads[self.sent] as usize];
        }
        self.sent += 1;
        self.clear(label, x);
    }

    /// Messages without their pads, for the explanation test.
    pub fn raw(&self) -> &[K] {
        &self.raw
    }
}
