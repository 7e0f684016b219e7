//! Failures with their exit codes.

use proveil::Error;
use proveil::io::IoError;
use proveil_frontend::FrontendError;
use proveil_prover::budget::BudgetError;
use proveil_prover::refresh::RenewError;
use proveil_succinct::PrepareError;
use proveil_succinct::prove::ProveError;

/// Not accepted, or a check failed.
pub const NOT_ACCEPTED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// A file cannot be used.
pub const BAD_FILE: u8 = 3;
/// The model cannot be proved.
pub const UNSUPPORTED: u8 = 4;
/// Anything else.
pub const INTERNAL: u8 = 5;

/// Why the command ends.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What went wrong and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with a code.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Wrong arguments.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Puts a file name before the message.
    pub fn at(self, path: &std::path::Path) -> Self {
        Self { message: format!("{}: {}", path.display(), self.message), ..self }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        let code = match &e {
            Error::Contract(e) => contract(e),
            Error::ContractRegistration(_) | Error::VerifyShort(_) | Error::InsecureSetUp | Error::NoContractKeys => {
                NOT_ACCEPTED
            }
            Error::SetUp(_) | Error::Prove(proveil_prover::ProveError::Stored(_)) => BAD_FILE,
            Error::VerifyBatch(_) => NOT_ACCEPTED,
            Error::Verify(_) | Error::Registration(_) | Error::Refresh(_) | Error::Mismatch { .. } => NOT_ACCEPTED,
            Error::Budget(BudgetError::Exhausted { .. }) => NOT_ACCEPTED,
            Error::Renew(RenewError::Budget(BudgetError::Exhausted { .. }) | RenewError::Key(_)) => NOT_ACCEPTED,
            Error::Budget(_) | Error::Eval(_) | Error::Decode { .. } | Error::Meta(_) => BAD_FILE,
            Error::Frontend(e) => frontend(e),
            Error::Io(e) => io(e),
            Error::Graph(_) | Error::Lower(_) | Error::Geometry { .. } | Error::Key(_) => UNSUPPORTED,
            Error::Params(_) => USAGE,
            _ => INTERNAL,
        };
        Self::new(code, e.to_string())
    }
}

fn contract(e: &ProveError) -> u8 {
    match e {
        ProveError::Key(PrepareError::List(_) | PrepareError::TooLarge { .. } | PrepareError::Columns { .. }) => {
            UNSUPPORTED
        }
        ProveError::Key(PrepareError::Srs(_)) | ProveError::Srs(_) => BAD_FILE,
        _ => INTERNAL,
    }
}

fn frontend(e: &FrontendError) -> u8 {
    match e {
        FrontendError::Decode { .. }
        | FrontendError::NotFinite { .. }
        | FrontendError::InputShape { .. }
        | FrontendError::InputCount { .. }
        | FrontendError::InputRange { .. } => BAD_FILE,
        FrontendError::ErrorBound { .. } | FrontendError::AgreementBound { .. } => NOT_ACCEPTED,
        FrontendError::OpenDimension { .. } => USAGE,
        FrontendError::Native { .. } => INTERNAL,
        _ => UNSUPPORTED,
    }
}

fn io(e: &IoError) -> u8 {
    if matches!(e, IoError::Write { .. }) { INTERNAL } else { BAD_FILE }
}

impl From<IoError> for Failure {
    fn from(e: IoError) -> Self {
        Self::new(io(&e), e.to_string())
    }
}

impl From<FrontendError> for Failure {
    fn from(e: FrontendError) -> Self {
        Self::new(frontend(&e), e.to_string())
    }
}
