//! The verifier: the common phases, then one opening.

use alloc::vec::Vec;

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_kzg::mercury::{self, Claims, Evaluation, Inner, OpeningError};
use proveil_kzg::{Point, PointError, blinding_base};
use proveil_protocol::channel::{Channel, ProofError};
use proveil_protocol::codec::DecodeError;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::transcript::{Digest, Hash, Transcript};
use proveil_relation::key::Statement;
use proveil_relation::layout::TreeKind;
use proveil_verifier::phases::{self, End};
use proveil_verifier::{PublicValues, StatementError, bind};

use crate::key::{PROTOCOL, PreparedKey};

/// Names of messages beyond those of the phases.
pub(crate) mod label {
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
    /// A tree has several columns, which one commitment cannot hold; a mistake of whoever made the key.
    #[error("the tree {tree:?} has {columns} columns: the model is too large for this backend")]
    Columns {
        /// Which tree.
        tree: TreeKind,
        /// How many.
        columns: usize,
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

/// Starts the transcript: protocol, key digest, statement.
#[must_use]
pub fn begin(digest: &Digest, statement: &Statement) -> Transcript {
    let mut t = Transcript::with_hash(Hash::Keccak, PROTOCOL);
    bind(&mut t, digest, statement);
    t
}

/// Accepts exactly the proofs of `statement` under `key`.
///
/// # Errors
/// [`VerifyError`] with the failed check.
pub fn verify(key: &PreparedKey, statement: &Statement, proof: &[u8]) -> Result<(), VerifyError> {
    let public = PublicValues::new(&key.inner, statement)?;
    let hiding = key.inner.key.visibility.hiding();
    let mut ch = Channel::<Scalar>::new(begin(&key.inner.digest, statement), proof, hiding);
    let mask = if hiding { Some(ch.commitment(label::PADS_MASK)?) } else { None };
    let end = phases::walk(&mut ch, &key.inner, &public)?;
    let mut claims = Claims::default();
    for group in 0..key.inner.layout.heights.len() {
        let value = ch.clear(label::COMBINATION)?;
        // Without zero knowledge too: inputs and outputs committed on their own have blinds.
        let blind = ch.clear(label::BLIND)?;
        end.tie(&mut ch, group, value)?;
        let commitment = combination(key, &public, &end, group)? - blinding_base() * blind;
        let height = key.inner.layout.heights.get(group).copied().unwrap_or(0);
        let point = end.tau.get(..height).unwrap_or_default().to_vec();
        claims.evaluations.push(Evaluation { commitment, point, value });
    }
    if let (Some(mask), Some(pads)) = (mask, ch.pads()) {
        claims.inner.push(inner_claim(&mut ch, &mask, &pads)?);
    }
    if let (t, Some(r)) = ch.parts() {
        mercury::verify(t, r, &key.srs, &claims).map_err(|e| match e {
            OpeningError::Decode(e) => e.into(),
            e => VerifyError::Opening(e),
        })?;
    }
    ch.finish()?;
    Ok(())
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
fn combination(
    key: &PreparedKey,
    public: &PublicValues<'_>,
    end: &End<Scalar>,
    group: usize,
) -> Result<Point, VerifyError> {
    let (mut points, mut scalars) = (Vec::new(), Vec::new());
    for (i, plan) in key.inner.layout.trees.iter().enumerate().filter(|(_, t)| t.group == group) {
        if plan.columns > 1 {
            return Err(VerifyError::Columns { tree: plan.kind, columns: plan.columns });
        }
        let Some(c) = end.commitment(public, plan.kind, i) else { continue };
        points.push(point(plan.kind, &c)?);
        // A mask has coefficient 1; every other tree is one column.
        let alpha = end.alpha.get(i).and_then(|a| a.first()).copied();
        scalars.push(if plan.mask { Scalar::ONE } else { alpha.unwrap_or(Scalar::ZERO) });
    }
    Ok(Point::combine(&points, &scalars))
}
