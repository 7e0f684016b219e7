//! What the verifier computes of a relation, as far as the prover of the inner claim needs it.
//!
//! Equations about pads are those of the verifier's own walk. A value without a pad stands in the known part of an
//! equation, which the inner claim's prover does not read: it needs the coefficients of pads, and of these the relation
//! decides the weights of columns at the common point only, with which the last sumcheck ended.

use proveil_algebra::{E, PrimeCharacteristicRing};
use proveil_protocol::channel::{Channel, ProofError};
use proveil_relation::claims::Point;
use proveil_relation::layout::Layout;
use proveil_verifier::phases::{Functionals, SampleClaim, column_weights};

/// Weights of columns, everything else as zero.
pub(crate) struct Known<'a> {
    layout: &'a Layout,
    samples: Vec<SampleClaim<E>>,
    weights: Vec<Vec<E>>,
    gamma: E,
}

impl<'a> Known<'a> {
    /// Of the claims of samples and the weights of columns in all others, by tree.
    pub fn new(layout: &'a Layout, samples: Vec<SampleClaim<E>>, weights: Vec<Vec<E>>) -> Self {
        Self { layout, samples, weights, gamma: E::ZERO }
    }
}

impl Functionals<E> for Known<'_> {
    fn products(&mut self, _: &mut Channel<'_, E>, _: &Point<E>) -> Result<E, ProofError> {
        Ok(E::ZERO)
    }

    fn claims(&mut self, _: &mut Channel<'_, E>, _: &[E], gamma: E) -> Result<E, ProofError> {
        self.gamma = gamma;
        Ok(E::ZERO)
    }

    fn columns(&mut self, _: &mut Channel<'_, E>, tau: &[E]) -> Result<Vec<Vec<E>>, ProofError> {
        let mut omega = std::mem::take(&mut self.weights);
        column_weights(self.layout, &self.samples, self.gamma, tau, &mut omega);
        Ok(omega)
    }

    fn public_column(&mut self, _: usize, _: &[E]) -> E {
        E::ZERO
    }
}
