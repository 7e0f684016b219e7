//! Where powers of tau come from: a file, or the development set-up, which needs none.

use std::borrow::Cow;

use proveil_kzg::SrsKey;
use proveil_kzg::srs::{Srs, SrsError};
use proveil_succinct::PrepareError;
use proveil_succinct::prove::ProveError;
use proveil_succinct::registration::RegistrationError;

use crate::error::Error;

/// Most powers that are made to find out how many a model needs.
const MOST: u8 = 22;

/// Powers of tau.
pub enum SetUp {
    /// The development set-up, made here in the size that is needed. Insecure.
    Dev,
    /// Those of a file.
    Powers(Srs),
}

/// How many powers were missing.
fn missing(e: &Error) -> Option<u8> {
    match e {
        Error::SetUp(SrsError::TooSmall { need, .. })
        | Error::Contract(ProveError::Srs(SrsError::TooSmall { need, .. }))
        | Error::Contract(ProveError::Key(PrepareError::Srs(SrsError::TooSmall { need, .. })))
        | Error::ContractRegistration(RegistrationError::Key(PrepareError::Srs(SrsError::TooSmall { need, .. }))) => {
            Some(*need)
        }
        _ => None,
    }
}

impl SetUp {
    /// Reads a set-up file.
    ///
    /// # Errors
    /// `SetUp`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self::Powers(Srs::decode(bytes, None)?))
    }

    /// [`SetUp::from_bytes`], of which only the first `2^log_size` powers are read.
    ///
    /// # Errors
    /// `SetUp`, also when there are fewer.
    pub fn from_bytes_up_to(bytes: &[u8], log_size: u8) -> Result<Self, Error> {
        Ok(Self::Powers(Srs::decode(bytes, Some(log_size))?))
    }

    /// What a key says of it.
    ///
    /// # Errors
    /// `SetUp`.
    pub fn key(&self) -> Result<SrsKey, Error> {
        match self {
            Self::Dev => Ok(Srs::dev(1)?.key()),
            Self::Powers(srs) => Ok(srs.key()),
        }
    }

    /// Runs `work`, which also says how many powers are needed later (as a power of two), with powers enough for both.
    /// The development set-up begins with `2^first`.
    ///
    /// # Errors
    /// Those of `work`; `SetUp` with the size that is needed when the file has fewer powers.
    pub(super) fn run<T>(
        &self,
        first: u8,
        work: impl Fn(&Srs) -> Result<(T, u8), Error>,
    ) -> Result<(T, Cow<'_, Srs>), Error> {
        let srs = match self {
            Self::Dev => Cow::Owned(Srs::dev(first)?),
            Self::Powers(srs) => Cow::Borrowed(srs),
        };
        let got = srs.log_size();
        let mut need = match work(&srs) {
            Ok((done, need)) if need <= got => return Ok((done, srs)),
            Ok((_, need)) => need,
            Err(e) => missing(&e).ok_or(e)?,
        };
        // The first column that does not fit says how long it is, not how long the longest one is.
        while need > got && need <= MOST {
            let dev = Srs::dev(need)?;
            need = match work(&dev) {
                Ok((done, size)) if size <= need && matches!(self, Self::Dev) => return Ok((done, Cow::Owned(dev))),
                Ok((_, size)) if size <= need => break,
                Ok((_, size)) => size,
                Err(e) => missing(&e).filter(|n| *n > need).ok_or(e)?,
            };
        }
        Err(SrsError::TooSmall { need, got }.into())
    }
}
