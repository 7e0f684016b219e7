//! What the relation contributes to the claims, read from a proof that proves it ([`crate::argument`]).

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_protocol::channel::{Channel, ProofError};
use proveil_relation::claims::Point;
use proveil_relation::key::{IoValue, Statement};
use proveil_relation::layout::TreeKind;
use proveil_verifier::phases::{Computed, Functionals};

use crate::short::ShortKey;
use crate::tables::Challenges;
use crate::verify::label;

/// Values in the order of their numbers, with the challenges that they are functions of.
pub struct Sent<'a> {
    key: &'a ShortKey,
    /// `None` in dry runs.
    statement: Option<&'a Statement>,
    /// What the full key says, where it is at hand.
    reference: Option<Computed<'a, Scalar>>,
    /// `V_0, V_1, ..`
    pub values: Vec<Scalar>,
    /// Challenges but `chi`.
    pub challenges: Challenges,
}

impl<'a> Sent<'a> {
    /// No value yet.
    pub fn new(key: &'a ShortKey, statement: Option<&'a Statement>, reference: Option<Computed<'a, Scalar>>) -> Self {
        Self { key, statement, reference, values: Vec::new(), challenges: Challenges::default() }
    }

    fn read(&mut self, ch: &mut Channel<'_, Scalar>) -> Result<Scalar, ProofError> {
        let v = ch.clear(label::FUNCTIONAL)?;
        self.values.push(v);
        Ok(v)
    }
}

/// A value that the full key says otherwise.
fn agree(a: Scalar, b: Option<Scalar>) -> Result<Scalar, ProofError> {
    if b.is_none_or(|b| a == b) { Ok(a) } else { Err(ProofError::Check { check: "functional" }) }
}

impl Functionals<Scalar> for Sent<'_> {
    fn products(&mut self, ch: &mut Channel<'_, Scalar>, point: &Point<Scalar>) -> Result<Scalar, ProofError> {
        let expected = self.reference.as_mut().map(|r| r.products(ch, point)).transpose()?;
        let mut v = -self.read(ch)?;
        (self.challenges.beta, self.challenges.delta) = (point.beta, point.delta);
        if let Some(statement) = self.statement {
            for (o, (io, value)) in self.key.outputs.iter().zip(&statement.outputs).enumerate() {
                if let IoValue::Public(values) = value {
                    v += point.delta.exp_u64(o as u64 + 2) * io.at(&point.rho, values);
                }
            }
        }
        self.challenges.points = [point.rho.clone(), Vec::new(), Vec::new()];
        agree(v, expected)
    }

    fn claims(&mut self, ch: &mut Channel<'_, Scalar>, kappa: &[Scalar], gamma: Scalar) -> Result<Scalar, ProofError> {
        let expected = self.reference.as_mut().map(|r| r.claims(ch, kappa, gamma)).transpose()?;
        self.challenges.gamma = gamma;
        let [_, own, _] = &mut self.challenges.points;
        *own = kappa.to_vec();
        agree(self.read(ch)?, expected)
    }

    fn columns(&mut self, ch: &mut Channel<'_, Scalar>, tau: &[Scalar]) -> Result<Vec<Vec<Scalar>>, ProofError> {
        let expected = self.reference.as_mut().map(|r| r.columns(ch, tau)).transpose()?;
        let [_, _, own] = &mut self.challenges.points;
        *own = tau.to_vec();
        let mut out = Vec::with_capacity(self.key.outline.trees.len());
        for (t, plan) in self.key.outline.trees.iter().enumerate() {
            if plan.columns == 0 {
                out.push(vec![]);
                continue;
            }
            let own = expected.as_ref().map(|e| e.get(t).and_then(|w| w.first()).copied().unwrap_or_default());
            out.push(vec![agree(self.read(ch)?, own)?]);
        }
        Ok(out)
    }

    fn public_column(&mut self, tree: usize, tau: &[Scalar]) -> Scalar {
        let Some((plan, statement)) = self.key.outline.trees.get(tree).zip(self.statement) else { return Scalar::ZERO };
        let TreeKind::Input(k) = plan.kind else { return Scalar::ZERO };
        let point = tau.get(..self.key.height(plan)).unwrap_or_default();
        match (self.key.inputs.get(k as usize), statement.inputs.get(k as usize)) {
            (Some(io), Some(IoValue::Public(values))) => io.at(point, values),
            _ => Scalar::ZERO,
        }
    }
}
