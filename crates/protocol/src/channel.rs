//! The channel through which the verifier reads messages, draws challenges and asserts equations.
//!
//! The verifier is written once. With the *plain* channel its values are field elements and every assertion is checked
//! at once. With the *hiding* channel a message is received plus a one-time pad, so a value is an affine expression in
//! the vector `p` of all pads; assertions are collected and proved together at the end, as one inner product with `p`
//! (the inner claim, [`crate::pads`]). Products of two hidden values use committed pad products and sacrificed triples.
//!
//! With a *dry* source every message reads as zero: running the verifier then counts pads and products.
//!
//! # Soundness
//! A false product survives for one challenge `e` at most, a false equation for `equations - 1` values of `zeta`.
//! # Source
//! Pad products: Frigo, shelat 2024/2010. Masked inner claim: 2026/683. The combination: ours.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Add, Mul, Sub};

use proveil_algebra::Challenge;

use crate::codec::{DecodeError, Reader};
use crate::merkle::Commitment;
use crate::opening::OpeningError;
use crate::transcript::Transcript;

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Malformed bytes.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The commitment opening failed.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// An equation of the argument does not hold.
    #[error("check '{check}' failed: the proof is not of this statement")]
    Check {
        /// Name of the check.
        check: &'static str,
    },
    /// A challenge hit a value for which no proof exists (probability below 2^-180): prove again.
    #[error("challenge for '{check}' has no inverse: prove again with fresh randomness")]
    Degenerate {
        /// Name of the step.
        check: &'static str,
    },
}

/// An affine expression `c + sum k_i p_i` in the pads; no terms when nothing is hidden.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value<E> {
    /// Known part.
    pub c: E,
    /// Pad coefficients by pad index.
    pub terms: BTreeMap<u32, E>,
}

impl<E: Challenge> Value<E> {
    /// A known value.
    pub fn known(c: E) -> Self {
        Self { c, terms: BTreeMap::new() }
    }

    /// Pad number `i`.
    pub fn pad(i: u32) -> Self {
        Self { c: E::ZERO, terms: BTreeMap::from([(i, E::ONE)]) }
    }

    /// Adds `k * other`.
    pub fn add_scaled(&mut self, other: &Self, k: E) {
        self.c += other.c * k;
        for (i, x) in &other.terms {
            *self.terms.entry(*i).or_insert(E::ZERO) += *x * k;
        }
    }
}

impl<E: Challenge> Value<E> {
    /// Adds messages times factors; many at once are quicker than one by one.
    pub fn add_messages<'m>(&mut self, messages: impl Iterator<Item = (&'m Message<E>, E)>)
    where
        E: 'm,
    {
        let mut c = self.c;
        let own = messages.filter_map(|(m, k)| {
            c += m.sent * k;
            m.pad.map(|p| (p, -k))
        });
        let mut terms: Vec<(u32, E)> = own.chain(core::mem::take(&mut self.terms)).collect();
        // A map is built at once from pads in order, each of which occurs once.
        terms.sort_by_key(|(p, _)| *p);
        terms.dedup_by(|(p, k), (last, sum)| {
            let same = p == last;
            if same {
                *sum += *k;
            }
            same
        });
        let terms = terms.into_iter().collect();
        (self.c, self.terms) = (c, terms);
    }
}

impl<E: Challenge> Add for Value<E> {
    type Output = Self;
    fn add(mut self, o: Self) -> Self {
        self.add_scaled(&o, E::ONE);
        self
    }
}

impl<E: Challenge> Sub for Value<E> {
    type Output = Self;
    fn sub(mut self, o: Self) -> Self {
        self.add_scaled(&o, -E::ONE);
        self
    }
}

impl<E: Challenge> Mul<E> for Value<E> {
    type Output = Self;
    fn mul(mut self, k: E) -> Self {
        self.c *= k;
        self.terms.values_mut().for_each(|x| *x *= k);
        self
    }
}

/// A message as received: `sent - p_i` with the hiding channel, `sent` with the plain one.
#[derive(Clone, Copy, Debug)]
pub struct Message<E> {
    /// The element in the proof.
    pub sent: E,
    /// Its pad.
    pub pad: Option<u32>,
}

impl<E: Challenge> Message<E> {
    /// The message as an expression.
    pub fn value(&self) -> Value<E> {
        let mut v = Value::known(self.sent);
        if let Some(i) = self.pad {
            v.terms.insert(i, -E::ONE);
        }
        v
    }
}

/// A product of two messages: pad indices of the operands, of their pads' product, and of the triple `(x, y, z)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PadProduct {
    /// Pad of the left operand.
    pub a: u32,
    /// Pad of the right operand.
    pub b: u32,
    /// Holds the product of both pads.
    pub ab: u32,
    /// First pad of the sacrificed triple.
    pub x: u32,
    /// Second pad of the triple.
    pub y: u32,
    /// Holds `x y`.
    pub z: u32,
}

/// What a run of the verifier says about the shape of a proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Length of the pad vector.
    pub pads: usize,
    /// Pad of each message, in order; empty when nothing is hidden.
    pub message_pads: Vec<u32>,
    /// Products in order.
    pub products: Vec<PadProduct>,
    /// Messages, hidden or not.
    pub messages: usize,
    /// Products, hidden or not.
    pub num_products: usize,
    /// Assertions.
    pub equations: usize,
}

/// The channel.
#[derive(Debug)]
pub struct Channel<'a, E> {
    /// The transcript.
    pub transcript: Transcript,
    reader: Option<Reader<'a>>,
    hiding: bool,
    shape: Shape,
    equations: Vec<(Value<E>, &'static str)>,
    pads: Option<Commitment>,
}

impl<'a, E: Challenge> Channel<'a, E> {
    /// Reads a proof.
    #[must_use]
    pub fn new(transcript: Transcript, proof: &'a [u8], hiding: bool) -> Self {
        Self {
            transcript,
            reader: Some(Reader::new(proof)),
            hiding,
            shape: Shape::default(),
            equations: vec![],
            pads: None,
        }
    }

    /// Reads zeros without end.
    #[must_use]
    pub fn dry(hiding: bool) -> Self {
        Self { reader: None, ..Self::new(Transcript::new("dry run"), &[], hiding) }
    }

    /// Whether messages carry pads.
    #[must_use]
    pub fn hiding(&self) -> bool {
        self.hiding
    }

    /// Whether this run only counts.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.reader.is_none()
    }

    /// The shape seen so far.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Equations collected by the hiding channel.
    #[must_use]
    pub fn equations(&self) -> &[(Value<E>, &'static str)] {
        &self.equations
    }

    /// Transcript and reader together, for the opening. A dry channel has no reader.
    pub fn parts(&mut self) -> (&mut Transcript, Option<&mut Reader<'a>>) {
        (&mut self.transcript, self.reader.as_mut())
    }

    /// Reads and absorbs a commitment.
    ///
    /// # Errors
    /// `Decode`.
    pub fn commitment(&mut self, label: &'static str) -> Result<Commitment, ProofError> {
        let Some(r) = &mut self.reader else { return Ok(Commitment::plain([0; 32])) };
        let c = Commitment { root: r.digest(label)?, nonce: r.digest(label)? };
        self.transcript.absorb_words(label, &c.to_bytes());
        Ok(c)
    }

    /// Reads and absorbs the commitment to pads, in the hiding channel only.
    ///
    /// # Errors
    /// `Decode`.
    pub fn pads_commitment(&mut self) -> Result<(), ProofError> {
        if self.hiding {
            self.pads = Some(self.commitment("pads")?);
        }
        Ok(())
    }

    /// The commitment read by [`Channel::pads_commitment`].
    #[must_use]
    pub fn pads(&self) -> Option<Commitment> {
        self.pads
    }

    /// Reads and absorbs an element that is in the clear on both channels.
    ///
    /// # Errors
    /// `Decode`.
    pub fn clear(&mut self, label: &'static str) -> Result<E, ProofError> {
        let Some(r) = &mut self.reader else { return Ok(E::ZERO) };
        let x: E = r.element(label)?;
        self.transcript.absorb_elements(label, &[x]);
        Ok(x)
    }

    /// Reads and absorbs a message that depends on secrets.
    ///
    /// # Errors
    /// `Decode`.
    pub fn message(&mut self, label: &'static str) -> Result<Message<E>, ProofError> {
        let sent = self.clear(label)?;
        self.shape.messages += 1;
        let pad = self.hiding.then(|| self.fresh());
        self.shape.message_pads.extend(pad);
        Ok(Message { sent, pad })
    }

    /// Draws a challenge.
    pub fn challenge(&mut self, label: &'static str) -> E {
        if self.is_dry() { E::ONE } else { self.transcript.challenge(label) }
    }

    /// Draws `n` challenges.
    pub fn challenges(&mut self, label: &'static str, n: usize) -> Vec<E> {
        (0..n).map(|_| self.challenge(label)).collect()
    }

    fn fresh(&mut self) -> u32 {
        self.shape.pads += 1;
        (self.shape.pads - 1) as u32
    }

    /// The product of two messages: `ab = a'b' - a' p_b - b' p_a + p_ab`.
    pub fn product(&mut self, a: &Message<E>, b: &Message<E>) -> Value<E> {
        self.shape.num_products += 1;
        let (Some(pa), Some(pb)) = (a.pad, b.pad) else { return Value::known(a.sent * b.sent) };
        let [ab, x, y, z] = [(); 4].map(|()| self.fresh());
        self.shape.products.push(PadProduct { a: pa, b: pb, ab, x, y, z });
        let mut v = Value::known(a.sent * b.sent);
        v.add_scaled(&Value::pad(pb), -a.sent);
        v.add_scaled(&Value::pad(pa), -b.sent);
        v.add_scaled(&Value::pad(ab), E::ONE);
        v
    }

    /// Asserts that a value is zero.
    ///
    /// # Errors
    /// `Check` at once with the plain channel; the hiding channel collects.
    pub fn zero(&mut self, v: Value<E>, check: &'static str) -> Result<(), ProofError> {
        self.shape.equations += 1;
        if self.hiding {
            self.equations.push((v, check));
        } else if !self.is_dry() && !v.c.is_zero() {
            return Err(ProofError::Check { check });
        }
        Ok(())
    }

    /// Absorbs the reveals of all triples, given by `reveal` from the values `e p_a - x` and `p_b - y`, and collects
    /// their equations.
    ///
    /// # Errors
    /// Those of `reveal`.
    pub fn triples(
        &mut self,
        mut reveal: impl FnMut(&mut Self, Value<E>) -> Result<E, ProofError>,
    ) -> Result<(), ProofError> {
        let e = self.challenge("triples");
        for p in self.shape.products.clone() {
            let first = Value::pad(p.a) * e - Value::pad(p.x);
            let second = Value::pad(p.b) - Value::pad(p.y);
            let d1 = reveal(self, first.clone())?;
            let d2 = reveal(self, second.clone())?;
            self.zero(first - Value::known(d1), "pad triple, first reveal")?;
            self.zero(second - Value::known(d2), "pad triple, second reveal")?;
            let third = Value::pad(p.ab) * e - Value::pad(p.z) - Value::pad(p.x) * d2 - Value::pad(p.y) * d1;
            self.zero(third - Value::known(d1 * d2), "pad triple, product")?;
        }
        Ok(())
    }

    /// All collected equations as one functional: `(c, t)` with the claim `<c, p> = t`.
    pub fn combine(&mut self) -> (Vec<E>, E) {
        let zeta = self.challenge("equations");
        let (mut c, mut t, mut w) = (vec![E::ZERO; self.shape.pads], E::ZERO, E::ONE);
        for (v, _) in &self.equations {
            for (i, k) in &v.terms {
                if let Some(x) = c.get_mut(*i as usize) {
                    *x += w * *k;
                }
            }
            t -= w * v.c;
            w *= zeta;
        }
        (c, t)
    }

    /// Refuses trailing bytes.
    ///
    /// # Errors
    /// `Decode`.
    pub fn finish(self) -> Result<(), ProofError> {
        match self.reader {
            Some(r) => Ok(r.finish()?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_algebra::{E, PrimeCharacteristicRing};

    #[test]
    fn matches_reference_of_messages_added_one_by_one() {
        let e = E::from_u64;
        // A pad that occurs three times, one that is there before, messages in the clear, pads in no order.
        let message =
            |(i, pad): (usize, &Option<u32>)| (Message { sent: e(100 + i as u64), pad: *pad }, e(7 + i as u64));
        let pads = [Some(5), Some(2), None, Some(5), Some(9), None, Some(5), Some(2), Some(0)];
        let messages: Vec<(Message<E>, E)> = pads.iter().enumerate().map(message).collect();
        let before = Value { c: e(3), terms: BTreeMap::from([(2, e(11)), (6, e(13))]) };
        let (mut all, mut expected) = (before.clone(), before);
        all.add_messages(messages.iter().map(|(m, k)| (m, *k)));
        messages.iter().for_each(|(m, k)| expected.add_scaled(&m.value(), *k));
        assert_eq!(all, expected);
        assert_eq!(all.terms.get(&5), Some(&-e(7 + 10 + 13)));
    }
}
