//! One-time pads, the prover's half of `protocol::pads`.

use std::sync::Arc;

use proveil_algebra::{E, F, PrimeCharacteristicRing, ext_coords};
use proveil_protocol::channel::{Channel, Shape, Value};
use proveil_protocol::codec::Writer;
use proveil_protocol::pads::{WIDTH, log_height};
use proveil_protocol::params::Params;

use crate::coins::Coins;
use crate::commit::{CommitError, Tree};

/// The pads of one proof with their mask, committed.
pub struct Pads {
    values: Arc<[E]>,
    mask: Vec<E>,
    shape: Arc<Shape>,
    /// The commitment.
    pub tree: Tree,
}

impl Pads {
    /// Draws pads for a proof of the given shape; the products' pads are set to the products.
    pub fn new(shape: Shape, params: &Params, coins: &Coins) -> Result<Self, CommitError> {
        let height = 1usize << log_height(shape.pads, params);
        let (mut s, mut t) = (coins.stream("pads", 0), coins.stream("pad mask", 0));
        let mut values: Vec<E> = (0..height).map(|_| s.ext()).collect();
        let mask: Vec<E> = (0..height).map(|_| t.ext()).collect();
        for p in &shape.products {
            values[p.ab as usize] = values[p.a as usize] * values[p.b as usize];
            values[p.z as usize] = values[p.x as usize] * values[p.y as usize];
        }
        let column = |v: &[E], k: usize| v.iter().map(|x| ext_coords(x)[k]).collect::<Vec<F>>();
        let columns = (0..WIDTH).map(|i| column(if i < 3 { &values } else { &mask }, i % 3)).collect();
        let tree = Tree::commit(columns, usize::from(params.pad_log_inv_rate), Some(coins.bytes("pad salts")))?;
        Ok(Self { values: values.into(), mask, shape: Arc::new(shape), tree })
    }

    /// The pads.
    pub fn shared(&self) -> Arc<[E]> {
        Arc::clone(&self.values)
    }

    /// The shape they were drawn for.
    pub fn shape(&self) -> Arc<Shape> {
        Arc::clone(&self.shape)
    }

    /// Proves the inner claim on a channel that has collected all equations.
    pub fn prove(&self, mut ch: Channel<'_, E>, w: &mut Writer, params: &Params) {
        let at = |v: &Value<E>| v.terms.iter().fold(v.c, |a, (i, k)| a + *k * self.values[*i as usize]);
        let reveal = |ch: &mut Channel<'_, E>, v: Value<E>| {
            let d = at(&v);
            w.element("triple reveal", &d);
            ch.transcript.absorb_elements("triple reveal", &[d]);
            Ok(d)
        };
        // The reveal never fails.
        let _ = ch.triples(reveal);
        let (c, _) = ch.combine();
        let mu = c.iter().zip(&self.mask).fold(E::ZERO, |a, (x, m)| a + *x * *m);
        w.element("inner claim mask", &mu);
        ch.transcript.absorb_elements("inner claim mask", &[mu]);
        let epsilon: E = ch.transcript.challenge("inner claim");
        let v: Vec<E> = self.values.iter().zip(&self.mask).map(|(p, m)| *m + epsilon * *p).collect();
        v.iter().for_each(|x| w.element("masked pads", x));
        ch.transcript.absorb_elements("masked pads", &v);
        let round = params.pad_query_round(log_height(c.len(), params));
        if round.grinding_bits > 0 {
            let nonce = crate::grind::grind(&ch.transcript, round.grinding_bits);
            w.bytes("pad nonce", &nonce.to_le_bytes());
            let _ = ch.transcript.absorb_nonce(nonce, round.grinding_bits);
        }
        let log_domain = log_height(c.len(), params) + usize::from(params.pad_log_inv_rate);
        let positions = ch.transcript.positions("pad positions", log_domain, round.count);
        self.tree.open(&positions, &self.tree.rows(&positions), w);
    }
}
