//! Keys and proofs of hand-written relations.
#![allow(dead_code)]

use proveil_kzg::commit::Committed;
use proveil_kzg::srs::Srs;
use proveil_prover::coins::Coins;
use proveil_relation::key::Visibility;
use proveil_relation::layout::TreeKind;
use proveil_succinct::PreparedKey;
use proveil_succinct::prove::{Deviation, Inputs, Proof, ProveError, commit_io, key_for, prove_with};

use super::support::{Case, Mode};

/// Powers for all relations of the tests.
pub fn srs() -> &'static Srs {
    static SRS: std::sync::OnceLock<Srs> = std::sync::OnceLock::new();
    SRS.get_or_init(|| Srs::dev(14).unwrap())
}

/// A relation with a witness, committed.
pub struct Setup {
    pub srs: &'static Srs,
    pub key: PreparedKey,
    pub case: Case,
    pub model: Option<Committed>,
    pub inputs: Vec<Option<Committed>>,
    pub outputs: Vec<Option<Committed>>,
}

/// As `mode` says who sees what.
pub fn setup(case: &Case, mode: &Mode) -> Setup {
    setup_on(srs(), case, mode)
}

/// [`setup`] with other powers.
pub fn setup_on(srs: &'static Srs, case: &Case, mode: &Mode) -> Setup {
    let relation = case.relation.clone();
    let visibility = Visibility {
        zero_knowledge: mode.zero_knowledge,
        model: mode.model,
        inputs: vec![mode.input; relation.inputs.len()],
        outputs: vec![mode.output; relation.outputs.len()],
    };
    let (inputs, outputs) = (relation.inputs.len() as u32, relation.outputs.len() as u32);
    let coins = Coins::from_seed([7; 32], &[]);
    let tensors = case.witness().tensors;
    let (key, model) = key_for(relation, visibility, srs, &tensors, &coins).unwrap();
    let io = |k: TreeKind| commit_io(&key, srs, k, &tensors, &coins).ok();
    let inputs = (0..inputs).map(|k| io(TreeKind::Input(k))).collect();
    let outputs = (0..outputs).map(|k| io(TreeKind::Output(k))).collect();
    Setup { srs, key, case: case.clone(), model, inputs, outputs }
}

impl Setup {
    /// What a prover that may deviate makes for a context.
    pub fn prove_for(&self, context: &[u8], deviation: Deviation<'_>) -> Result<Proof, ProveError> {
        let inputs = Inputs {
            model: self.model.as_ref(),
            inputs: self.inputs.iter().map(Option::as_ref).collect(),
            outputs: self.outputs.iter().map(Option::as_ref).collect(),
            context: context.to_vec(),
        };
        let coins = Coins::from_seed([9; 32], &[]);
        prove_with(&self.key, self.srs, &self.case.witness(), &inputs, &coins, deviation)
    }

    pub fn prove(&self, deviation: Deviation<'_>) -> Result<Proof, ProveError> {
        self.prove_for(b"test", deviation)
    }

    pub fn honest(&self) -> Proof {
        self.prove(Deviation::default()).expect("an honest proof")
    }
}
