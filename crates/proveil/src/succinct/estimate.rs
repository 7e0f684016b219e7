//! What a verification on a chain will cost, from the relation alone: sizes are those of the short key, made without its
//! points; gas is a weighed sum of them.
//!
//! The weights were fitted to what `bench --evm` says of 85 models (`on_chain` beside `verify_gas` and `key_deploy_gas`), today's
//! rules; when the contracts change much, fit them again.

use proveil_evm::export;
use proveil_kzg::srs::Srs;
use proveil_relation::Relation;
use proveil_relation::key::{IoVisibility, Visibility};
use proveil_succinct::prove::ProveError;
use proveil_succinct::{Io, PreparedKey, ShortKey};
use serde::Serialize;

use super::export::require_hiding;
use crate::error::Error;

/// What verifications on a chain cost, and what they need.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnChain {
    /// Gas of a transaction that verifies one proof.
    pub gas: f64,
    /// Gas of the transaction that deploys the account with the short key.
    pub key_deploy_gas: f64,
    /// Bytes of the short key: exact.
    pub key_bytes: usize,
    /// Bytes of a proof's messages: exact.
    pub proof_bytes: usize,
    /// Bytes of the call: exact.
    pub calldata_bytes: usize,
    /// Powers of tau that the set-up needs, as a power of two: exact.
    pub powers_of_tau: usize,
    /// Whether the list of functionals was made for this. Where it would take long, its sizes are assumed, and nothing here is
    /// exact.
    pub exact: bool,
    /// What gas depends on.
    pub counts: Counts,
}

/// Cells up to which the list of functionals is made: about two seconds.
const MOST_READS: u64 = 1 << 23;

/// What gas depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Rounds of the four sumchecks.
    pub rounds: f64,
    /// Monomials of the list.
    pub monomials: f64,
    /// Sums over cubes of the list.
    pub sums: f64,
    /// Columns.
    pub columns: f64,
    /// Cells of public inputs and outputs.
    pub public_cells: f64,
    /// Lines of their last axes.
    pub public_lines: f64,
    /// Outputs.
    pub outputs: f64,
    /// Inputs and outputs that are committed on their own.
    pub committed: f64,
}

impl Counts {
    /// Gas of a verification.
    fn gas(&self) -> f64 {
        3.638e5
            + 3084.0 * self.rounds
            + 386.0 * self.monomials
            + 793.0 * self.sums
            + 8266.0 * self.columns
            + 282.0 * self.public_cells
            + 618.0 * self.public_lines
            + 3642.0 * self.outputs
            + 1.95e4 * self.committed
    }
}

impl OnChain {
    /// Predicts verifications of proofs of a relation.
    ///
    /// # Errors
    /// `Contract` when the relation does not fit the backend, `Mismatch` when its proofs hide nothing.
    pub fn of(relation: &Relation, visibility: &Visibility) -> Result<Self, Error> {
        require_hiding(visibility.hiding())?;
        Self::within(relation, visibility, MOST_READS)
    }

    /// [`OnChain::of`] that makes lists from at most so many cells.
    fn within(relation: &Relation, visibility: &Visibility, most: u64) -> Result<Self, Error> {
        let draft = PreparedKey::draft(relation.clone(), visibility.clone(), Srs::dev(1)?.key(), most);
        let (key, exact) = draft.map_err(ProveError::from)?;
        Ok(Self { exact, ..Self::of_key(&key) })
    }

    /// [`OnChain::of`] from a short key, whatever its points.
    #[must_use]
    pub fn of_key(key: &ShortKey) -> Self {
        let ios = |v: IoVisibility| key.inputs.iter().chain(&key.outputs).filter(move |io| io.visibility == v);
        let cells = |io: &Io| io.lines as usize * io.cells as usize;
        let shown: usize = ios(IoVisibility::Public).map(|io| cells(io) * io.width()).sum();
        let committed = ios(IoVisibility::Committed).count();
        let public_data = vec![0; 32 + 64 * committed + shown];
        let (proof_bytes, key_bytes) = (key.proof_bytes(), key.to_bytes().len());
        let call = export::verify_call(&export::proof([0; 20], &public_data, &vec![0; proof_bytes]), [0; 32], [0; 32]);
        let (o, s) = (&key.outline, &key.sizes);
        let tallest = o.heights.iter().max().copied().unwrap_or(0);
        let counts = Counts {
            rounds: (o.nv + o.nk + tallest + s.domain) as f64,
            monomials: key.monos.len() as f64,
            sums: key.lows.len() as f64,
            columns: o.trees.iter().filter(|t| t.columns > 0).count() as f64,
            public_cells: ios(IoVisibility::Public).map(cells).sum::<usize>() as f64,
            public_lines: ios(IoVisibility::Public).map(|io| io.lines as usize).sum::<usize>() as f64,
            outputs: key.outputs.len() as f64,
            committed: committed as f64,
        };
        Self {
            gas: counts.gas(),
            key_deploy_gas: 5.37e4 + 212.3 * key_bytes as f64,
            key_bytes,
            proof_bytes,
            calldata_bytes: call.len(),
            powers_of_tau: key.log_size(),
            exact: true,
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{CompileOptions, claim};
    use proveil_frontend::synthetic::Synthetic;

    /// Sizes that are assumed do not lead far away.
    #[test]
    fn matches_reference_without_the_list() {
        for family in [Synthetic::Dense { width: 24, layers: 3 }, Synthetic::Conv { channels: 4, side: 12, layers: 2 }]
        {
            let model = proveil_frontend::compile(&family.onnx(), &[], &Default::default()).expect("compiles");
            let (relation, visibility) = claim(&model.graph, &CompileOptions::default()).expect("lowers");
            let exact = OnChain::of(&relation, &visibility).expect("fits");
            let assumed = OnChain::within(&relation, &visibility, 0).expect("fits");
            assert!(exact.exact && !assumed.exact);
            assert!((assumed.gas / exact.gas - 1.0).abs() < 0.1, "{assumed:?}, {exact:?}");
            assert!((assumed.key_deploy_gas / exact.key_deploy_gas - 1.0).abs() < 0.25, "{assumed:?}, {exact:?}");
        }
    }
}
