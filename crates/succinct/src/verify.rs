//! The verifier: the common phases, then one opening.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_kzg::mercury::{self, Claims, Equation, Evaluation, Inner, OpeningError};
use proveil_kzg::{Point, PointError, blinding_base};
use proveil_protocol::channel::{Channel, ProofError};
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::transcript::{Digest, Hash, Transcript, keccak256};
use proveil_relation::key::{IoValue, Statement};
use proveil_relation::layout::TreeKind;
use proveil_verifier::StatementError;
use proveil_verifier::phases::{self, Computed, End};

use crate::argument;
use crate::functionals::Sent;
use crate::key::{PROTOCOL, as_commitment};
use crate::short::ShortKey;

/// Names of messages beyond those of the phases.
pub(crate) mod label {
    /// What the relation contributes to the claims.
    pub const FUNCTIONAL: &str = "functional";
    /// Weight of functionals.
    pub const CHI: &str = "functionals";
    /// Values read from tables.
    pub const READS: &str = "list values";
    /// Fingerprint of the list.
    pub const LIST_FINGERPRINT: &str = "list fingerprint";
    /// Sums of fractions.
    pub const FRACTIONS: &str = "list fractions";
    /// Point of the equations of fractions.
    pub const LIST_POINT: &str = "list point";
    /// Weight of the equations of fractions.
    pub const LIST_WEIGHT: &str = "list weight";
    /// Rounds of the evaluation argument.
    pub const LIST_ROUND: &str = "list round";
    /// Columns at its point.
    pub const LIST_VALUE: &str = "list column";
    /// Where in stacks they are opened.
    pub const LIST_CORNER: &str = "list corner";
    /// Weight of stacks in the opening.
    pub const LIST_COMBINATION: &str = "list combination";
    /// The mask of the pads.
    pub const PADS_MASK: &str = "pads mask";
    /// Value of a combination at the common point.
    pub const COMBINATION: &str = "combination";
    /// Its blind.
    pub const BLIND: &str = "combination blind";
    /// Reveals of the sacrificed triples.
    pub const TRIPLE: &str = "triple reveal";
    /// Inner product of the mask.
    pub const MASK_PRODUCT: &str = "inner claim mask";
    /// Weight of the pads against their mask.
    pub const INNER: &str = "inner claim";
    /// Blind of the masked pads.
    pub const PADS_BLIND: &str = "pads blind";
}

/// Why a proof is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The statement does not fit the key.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// The proof is refused.
    #[error("proof: {0}")]
    Proof(#[from] ProofError),
    /// A commitment of proof, key or statement is no point.
    #[error("commitment of {tree:?}: {source}")]
    Commitment {
        /// Which tree.
        tree: TreeKind,
        /// What is wrong.
        source: PointError,
    },
    /// A commitment of the evaluation argument is no point.
    #[error("{what}: {source}")]
    Point {
        /// Which message.
        what: &'static str,
        /// What is wrong.
        source: PointError,
    },
    /// A tree has several columns, which one commitment cannot hold; a mistake of whoever made the key.
    #[error("the tree {tree:?} has {columns} columns: the model is too large for this backend")]
    Columns {
        /// Which tree.
        tree: TreeKind,
        /// How many.
        columns: usize,
    },
    /// Key and statement lack a commitment that the key's sizes speak of; a mistake of whoever made the key.
    #[error("the commitment of {tree:?} is neither in the key nor in the statement")]
    Missing {
        /// Which tree.
        tree: TreeKind,
    },
    /// The commitments do not have the values that the phases end in.
    #[error("opening: {0}")]
    Opening(OpeningError),
}

impl From<DecodeError> for VerifyError {
    fn from(e: DecodeError) -> Self {
        Self::Proof(e.into())
    }
}

/// Starts the transcript: protocol, key, public data of the statement.
#[must_use]
pub fn begin(id: &Digest, public_data: &[u8]) -> Transcript {
    let mut t = Transcript::with_hash(Hash::Keccak, PROTOCOL);
    t.absorb_words("verifying key", id);
    t.absorb_words("statement", &keccak256(&[public_data]));
    t
}

/// Accepts exactly the proofs of `statement` under `key`; what its list says of the relation is also computed from the
/// relation, so that a key whose list is another one's is refused.
///
/// # Errors
/// [`VerifyError`] with the failed check.
#[cfg(feature = "std")]
pub fn verify(key: &crate::PreparedKey, statement: &Statement, proof: &[u8]) -> Result<(), VerifyError> {
    let public = proveil_verifier::PublicValues::new(&key.inner, statement)?;
    let reference = Computed::new(&key.inner, &public);
    let transcript = begin(&key.short.id(), &key.short.public_data(statement)?);
    run(&key.short, statement, proof, Some(reference), transcript)?.check(&key.short)
}

/// Accepts exactly the proofs of `statement` under the key: what a contract does.
///
/// # Errors
/// [`VerifyError`] with the failed check.
pub fn verify_short(key: &ShortKey, statement: &Statement, proof: &[u8]) -> Result<(), VerifyError> {
    reduce_short(key, statement, proof)?.check(key)
}

/// What is left of a proof once everything else is checked.
#[derive(Clone, Copy, Debug)]
pub struct Reduced {
    /// The equation of the opening.
    pub equation: Equation,
    /// State of the transcript behind the last message: the hash of everything that the equation is made from.
    pub transcript: Digest,
}

impl Reduced {
    fn check(&self, key: &ShortKey) -> Result<(), VerifyError> {
        let Equation { left, right } = &self.equation;
        if key.srs.check(left, right) { Ok(()) } else { Err(VerifyError::Opening(OpeningError::Pairing)) }
    }
}

/// All of [`verify_short`] but the pairing, which is left to [`crate::verify_batch`].
///
/// # Errors
/// As [`verify_short`].
pub fn reduce_short(key: &ShortKey, statement: &Statement, proof: &[u8]) -> Result<Reduced, VerifyError> {
    let transcript = begin(&key.id(), &key.public_data(statement)?);
    run(key, statement, proof, None, transcript)
}

/// [`verify_short`] on a transcript that is already bound to key and statement (tests pass scripted ones).
///
/// # Errors
/// As [`verify_short`].
pub fn verify_short_with(
    key: &ShortKey,
    statement: &Statement,
    proof: &[u8],
    transcript: Transcript,
) -> Result<(), VerifyError> {
    key.public_data(statement)?;
    run(key, statement, proof, None, transcript)?.check(key)
}

fn run(
    key: &ShortKey,
    statement: &Statement,
    proof: &[u8],
    reference: Option<Computed<'_, Scalar>>,
    transcript: Transcript,
) -> Result<Reduced, VerifyError> {
    let mut ch = Channel::<Scalar>::new(transcript, proof, key.hiding);
    let mask = if key.hiding { Some(ch.commitment(label::PADS_MASK)?) } else { None };
    let mut sent = Sent::new(key, Some(statement), reference);
    let end = phases::walk_with(&mut ch, &key.outline, &mut sent)?;
    let mut opened = Vec::new();
    for group in key.groups() {
        let value = ch.clear(label::COMBINATION)?;
        // Without zero knowledge too: inputs and outputs committed on their own have blinds.
        let blind = ch.clear(label::BLIND)?;
        end.tie(&mut ch, group, value)?;
        let commitment = combination(key, statement, &end, group)? - blinding_base() * blind;
        let height = key.outline.heights.get(group).copied().unwrap_or(0);
        let point = end.tau.get(..height).unwrap_or_default().to_vec();
        opened.push(Evaluation { commitment, point, value });
    }
    let one = argument::verify(&mut ch, key, &sent.challenges, &sent.values, &opened)?;
    let mut claims = Claims { evaluations: vec![one], ..Claims::default() };
    if let (Some(mask), Some(pads)) = (mask, ch.pads()) {
        claims.inner.push(inner_claim(&mut ch, &mask, &pads)?);
    }
    let (t, r) = ch.parts();
    let mut nothing = Reader::new(&[]);
    // Only a dry run has no bytes, which this never is.
    let equation = mercury::reduce(t, r.unwrap_or(&mut nothing), &claims).map_err(|e| match e {
        OpeningError::Decode(e) => e.into(),
        e => VerifyError::Opening(e),
    })?;
    let transcript = t.state();
    ch.finish()?;
    Ok(Reduced { equation, transcript })
}

/// The claim about the masked pads that all equations come down to.
fn inner_claim(ch: &mut Channel<'_, Scalar>, mask: &Commitment, pads: &Commitment) -> Result<Inner, VerifyError> {
    ch.triples(|ch, _| ch.clear(label::TRIPLE))?;
    let (weights, target) = ch.combine();
    let mu = ch.clear(label::MASK_PRODUCT)?;
    let epsilon = ch.challenge(label::INNER);
    let blind = ch.clear(label::PADS_BLIND)?;
    let points = [point(TreeKind::Mask, mask)?, point(TreeKind::Mask, pads)?, blinding_base()];
    let commitment = Point::combine(&points, &[Scalar::ONE, epsilon, -blind]);
    Ok(Inner { commitment, weights, value: mu + epsilon * target })
}

fn point(tree: TreeKind, c: &Commitment) -> Result<Point, VerifyError> {
    Point::from_bytes(&c.to_bytes()).map_err(|source| VerifyError::Commitment { tree, source })
}

/// The commitment to the combination of all columns of a geometry.
fn combination(key: &ShortKey, statement: &Statement, end: &End<Scalar>, group: usize) -> Result<Point, VerifyError> {
    let (mut points, mut scalars) = (Vec::new(), Vec::new());
    for (i, plan) in key.outline.trees.iter().enumerate().filter(|(_, t)| t.group == group) {
        if plan.columns > 1 {
            return Err(VerifyError::Columns { tree: plan.kind, columns: plan.columns });
        }
        let io = |list: &[IoValue], k: u32| match list.get(k as usize) {
            Some(IoValue::Committed(c)) => Some(c.commitment),
            _ => None,
        };
        let commitment = match plan.kind {
            TreeKind::Model => key.model.as_ref().map(as_commitment),
            TreeKind::Input(k) => io(&statement.inputs, k),
            TreeKind::Output(k) => io(&statement.outputs, k),
            TreeKind::Mask | TreeKind::Trace | TreeKind::Helper => end.commitments.get(i).copied().flatten(),
        };
        let c = commitment.ok_or(VerifyError::Missing { tree: plan.kind })?;
        points.push(point(plan.kind, &c)?);
        // A mask has coefficient 1; every other tree is one column.
        let alpha = end.alpha.get(i).and_then(|a| a.first()).copied();
        scalars.push(if plan.mask { Scalar::ONE } else { alpha.unwrap_or(Scalar::ZERO) });
    }
    Ok(Point::combine(&points, &scalars))
}
