//! The prover's end of the channel: sends messages, padded when the proof hides.

use std::sync::Arc;

use proveil_algebra::E;
use proveil_protocol::channel::Shape;
use proveil_protocol::codec::Writer;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::transcript::Transcript;

/// A test's way of altering messages: given label, number of the message and its honest value, what is sent instead.
pub type Cheat<'a> = &'a dyn Fn(&str, usize, E) -> E;

/// Sends a proof.
pub struct Talk<'a> {
    /// The transcript.
    pub transcript: Transcript,
    /// The proof so far.
    pub writer: Writer,
    pads: Option<(Arc<[E]>, Arc<Shape>)>,
    sent: usize,
    raw: Vec<E>,
    cheat: Option<Cheat<'a>>,
}

impl<'a> Talk<'a> {
    /// Starts on a bound transcript.
    #[must_use]
    pub fn new(transcript: Transcript, cheat: Option<Cheat<'a>>) -> Self {
        Self { transcript, writer: Writer::new(), pads: None, sent: 0, raw: Vec::new(), cheat }
    }

    /// Pads all messages from now on.
    pub fn hide(&mut self, pads: Arc<[E]>, shape: Arc<Shape>) {
        self.pads = Some((pads, shape));
    }

    /// Sends a commitment.
    pub fn commitment(&mut self, label: &'static str, c: &Commitment) {
        self.writer.bytes(label, &c.to_bytes());
        self.transcript.absorb(label, &c.to_bytes());
    }

    /// Sends an element in the clear.
    pub fn clear(&mut self, label: &'static str, x: E) {
        self.writer.element(label, &x);
        self.transcript.absorb_elements(label, &[x]);
    }

    /// Sends a message that depends on secrets.
    pub fn message(&mut self, label: &'static str, x: E) {
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
    pub fn raw(&self) -> &[E] {
        &self.raw
    }
}
