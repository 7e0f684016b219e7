//! One error for the whole path; every variant says what to do next.

use proveil_compiler::{LowerError, WitnessError};
use proveil_graph::{EvalError, GraphError};
use proveil_protocol::codec::DecodeError;
use proveil_protocol::params::ParamsError;
use proveil_prover::ProveError;
use proveil_prover::budget::{BudgetError, CountedError};
use proveil_relation::check::KeyError;
use proveil_verifier::VerifyError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The integer graph is not valid.
    #[error("graph: {0}")]
    Graph(#[from] GraphError),
    /// The graph cannot be run on this input.
    #[error("input: {0}")]
    Eval(#[from] EvalError),
    /// The graph cannot be proved.
    #[error("lowering: {0}")]
    Lower(#[from] LowerError),
    /// The witness plan does not fit the values.
    #[error("witness: {0}")]
    Witness(#[from] WitnessError),
    /// Unusable parameters.
    #[error("parameters: {0}")]
    Params(#[from] ParamsError),
    /// No column height fits.
    #[error("no column height up to 2^18 fits this model with {budget} proofs: lower the budget")]
    Geometry {
        /// Proofs asked for.
        budget: usize,
    },
    /// The verifying key would be refused by whoever reads it.
    #[error("verifying key: {0}")]
    Key(#[from] KeyError),
    /// The prover failed.
    #[error("proving: {0}")]
    Prove(#[from] ProveError),
    /// The proof is not accepted.
    #[error("not accepted: {0}")]
    Verify(#[from] VerifyError),
    /// A file is not what it should be.
    #[error("{what}: {source}")]
    Decode {
        /// Which artefact.
        what: &'static str,
        /// Where it goes wrong.
        source: DecodeError,
    },
    /// An artefact contradicts itself or another one.
    #[error("{what} does not match {with}: {hint}")]
    Mismatch {
        /// What was given.
        what: &'static str,
        /// What it should fit.
        with: &'static str,
        /// Next step.
        hint: &'static str,
    },
    /// The ONNX front end refused the model or an input.
    #[error(transparent)]
    Frontend(#[from] proveil_frontend::FrontendError),
    /// The verifying key's description is not readable.
    #[error("key description: {0}")]
    Meta(#[from] serde_json::Error),
    /// A commitment has no use left, or its count cannot be kept.
    #[error("budget: {0}")]
    Budget(#[from] BudgetError),
    /// The registration cannot be made.
    #[error("registration: {0}")]
    Register(#[from] proveil_prover::registration::RegisterError),
    /// The registration is not accepted.
    #[error("not accepted: {0}")]
    Registration(#[from] proveil_verifier::registration::RegistrationError),
    /// The registration for contracts cannot be made, or is not accepted.
    #[error("registration for contracts: {0}")]
    ContractRegistration(#[from] proveil_succinct::registration::RegistrationError),
    /// The commitment cannot be refreshed.
    #[error("refresh: {0}")]
    Renew(#[from] proveil_prover::refresh::RenewError),
    /// A refresh is not accepted.
    #[error("not accepted: {0}")]
    Refresh(#[from] proveil_verifier::refresh::RefreshError),
    /// The set-up cannot be used.
    #[error("set-up: {0}")]
    SetUp(#[from] proveil_kzg::srs::SrsError),
    /// The backend for contracts refuses the model or cannot prove.
    #[error("succinct backend: {0}")]
    Contract(#[from] proveil_succinct::prove::ProveError),
    /// A proof for contracts is not accepted.
    #[error("not accepted: {0}")]
    VerifyShort(#[from] proveil_succinct::VerifyError),
    /// Several proofs for contracts are not accepted.
    #[error("not accepted: {0}")]
    VerifyBatch(#[from] proveil_succinct::BatchError),
    /// A contract has no room for a scale.
    #[error("{name}: contracts have room for scales from -128 to 127, not for {scale}")]
    Scale {
        /// Input or output.
        name: String,
        /// Its scale.
        scale: i32,
    },
    /// An embedded contract cannot be used.
    #[error("embedded contract: {0}")]
    Artifact(#[from] proveil_evm::ArtifactError),
    /// A package without keys for contracts.
    #[error("the package has no keys for contracts: compile it with --backend succinct --srs FILE")]
    NoContractKeys,
    /// A key that anybody can forge proofs under.
    #[error(
        "the key was made with a development set-up, so anybody can forge proofs under it: import the set-up of a \
         ceremony and compile again, or pass --insecure-set-up for development and tests"
    )]
    InsecureSetUp,
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] crate::io::IoError),
}

impl From<CountedError> for Error {
    fn from(e: CountedError) -> Self {
        match e {
            CountedError::Budget(e) => e.into(),
            CountedError::Prove(e) => e.into(),
            e => ProveError::MissingCommitment { what: e.to_string() }.into(),
        }
    }
}
