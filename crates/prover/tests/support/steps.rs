//! The verifier step by step, so that tests can watch its transcript and leave out a check.

use proveil_algebra::{E, InTurn};
use proveil_protocol::channel::{Channel, ProofError};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::opening::{self, Combination, TreeShape};
use proveil_protocol::pads;
use proveil_protocol::transcript::Transcript;
use proveil_relation::key::Statement;
use proveil_relation::layout::TreeKind;
use proveil_verifier::{PreparedKey, PublicValues, phases, tree_coefficients};

/// What to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Nothing.
    Nothing,
    /// That the columns' values combine to the combination's.
    Tie,
    /// The inner claim about the pads, by which the hiding channel checks all equations.
    Pads,
}

/// The verifier's own steps; returns its transcript.
pub fn verify(
    key: &PreparedKey,
    statement: &Statement,
    proof: &[u8],
    transcript: Transcript,
    leave: Leave,
) -> Result<Transcript, ProofError> {
    let public = PublicValues::new(key, statement).expect("a statement of this key");
    let mut ch = Channel::<E>::new(transcript, proof, key.key.visibility.hiding());
    let end = phases::walk(&mut ch, key, &public, &InTurn)?;
    for (group, height) in key.layout.heights.iter().enumerate() {
        let mut trees = Vec::new();
        let mut coeffs = Vec::new();
        for (i, plan) in key.layout.trees.iter().enumerate().filter(|(_, t)| t.group == group) {
            let commitment: Option<Commitment> = match plan.kind {
                TreeKind::Model | TreeKind::Input(_) | TreeKind::Output(_) => {
                    public.sampled(plan.kind).map(|s| s.commitment)
                }
                _ => end.commitments[i],
            };
            trees.push(TreeShape { commitment: commitment.expect("a commitment"), width: plan.base_columns() });
            coeffs.extend(tree_coefficients(plan, &end.alpha[i]));
        }
        let (t, Some(reader)) = ch.parts() else { panic!("a channel with a proof") };
        let combination = Combination { trees: &trees, coeffs: &coeffs };
        let v = opening::verify(&InTurn, t, reader, &key.key.params, *height, &combination, &end.tau[..*height])?;
        if leave != Leave::Tie {
            end.tie(&mut ch, group, v)?;
        }
    }
    if leave != Leave::Pads {
        pads::verify(&InTurn, &mut ch, &key.key.params)?;
    }
    let t = ch.transcript.clone();
    if leave != Leave::Pads {
        ch.finish()?;
    }
    Ok(t)
}
