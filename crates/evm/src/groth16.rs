//! A Groth16 verification with one public input, in the same machine, to compare with: `contracts/test/Groth16.sol`.
//!
//! Gas of precompiles does not depend on points, so the numbers behind the contract's key are small and known, and proofs are
//! made from them: with `L = l0 + x l1` for the public input `x`, `a b = alpha beta + gamma L + delta c`.

use proveil_algebra::{Field, PrimeCharacteristicRing, Scalar};
use proveil_kzg::Point;
use proveil_kzg::srs::{Srs, SrsError};

use crate::abi::{Abi, encode};
use crate::artifact::{Artifact, ArtifactError};
use crate::machine::{Machine, Rules};

/// `alpha`, `beta`, `gamma`, `delta`, `l0`, `l1` of the contract's key.
const KEY: [u64; 6] = [2, 3, 5, 7, 11, 13];

/// What a verification costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Gas of the whole transaction.
    pub gas: u64,
    /// Bytes of calldata.
    pub calldata: usize,
    /// Bytes of the contract.
    pub code: usize,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Groth16Error {
    /// The artifact cannot be used.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A point of the second group cannot be made.
    #[error(transparent)]
    Point(#[from] SrsError),
    /// The contract refuses the proof: its key is not the one here.
    #[error("the contract refuses the proof with {error}: its constants are not those of the key for measuring")]
    Rejected {
        /// Name of the error.
        error: String,
    },
}

/// A point of the second group.
fn second(scalar: Scalar) -> Result<Vec<u8>, Groth16Error> {
    Ok(Srs::with_tau(scalar, 0)?.key().tau.to_bytes().to_vec())
}

fn first(scalar: Scalar) -> Vec<u8> {
    (Point::generator() * scalar).to_bytes().to_vec()
}

/// The contract's constants in its order: `-alpha`, `beta`, `-gamma`, `-delta`, `l0`, `l1`.
///
/// # Errors
/// `Point`.
pub fn key() -> Result<Vec<u8>, Groth16Error> {
    let [alpha, beta, gamma, delta, l0, l1] = KEY.map(Scalar::from_u64);
    Ok([first(-alpha), second(beta)?, second(-gamma)?, second(-delta)?, first(l0), first(l1)].concat())
}

/// The call that verifies a proof of a statement.
fn call(artifact: &Artifact, input: u64, honest: bool) -> Result<Vec<u8>, Groth16Error> {
    let [alpha, beta, gamma, delta, l0, l1] = KEY.map(Scalar::from_u64);
    // As long as drawn ones, so that calldata cost what they do elsewhere.
    let [a, b] = [17u64, 19].map(|n| Scalar::from_u64(n).inverse());
    let l = l0 + Scalar::from_u64(input) * l1;
    let c = (a * b - alpha * beta - gamma * l) * delta.inverse() + Scalar::from_bool(!honest);
    let bytes = [first(a), second(b)?, first(c)].concat();
    let words = bytes.chunks_exact(32).map(|w| Abi::Word(w.try_into().unwrap_or_default()));
    let arguments: Vec<Abi> = words.chain([Abi::uint(input)]).collect();
    Ok([&artifact.function("verify")?[..], &encode(&arguments)].concat())
}

/// Verifies a valid proof under the given rules.
///
/// # Errors
/// See [`Groth16Error`].
pub fn cost(rules: Rules) -> Result<Cost, Groth16Error> {
    let artifact = Artifact::parse(include_str!("../../../contracts/out/Groth16.json"))?;
    let mut machine = Machine::with_rules(rules);
    let (at, _) = machine.deploy(&artifact);
    let data = call(&artifact, 0x0123_4567_89ab_cdef, true)?;
    let calldata = data.len();
    let outcome = machine.call(at, data);
    match outcome.result {
        Ok(_) => Ok(Cost { gas: outcome.gas, calldata, code: artifact.runtime.len() }),
        Err(e) => {
            let error = artifact.error(&e).unwrap_or("no custom error").to_owned();
            Err(Groth16Error::Rejected { error })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_constants_of_the_contract() {
        let source = include_str!("../../../contracts/test/Groth16.sol");
        for word in key().unwrap().chunks(32) {
            let word: String = word.iter().map(|b| format!("{b:02x}")).collect();
            assert!(source.contains(&word), "{word}");
        }
    }

    #[test]
    fn rejects_proofs_of_another_statement() {
        let artifact = Artifact::parse(include_str!("../../../contracts/out/Groth16.json")).unwrap();
        let mut machine = Machine::new();
        let (at, _) = machine.deploy(&artifact);
        let mut outcome = |honest, at_byte: Option<usize>| {
            let mut data = call(&artifact, 5, honest).unwrap();
            at_byte.into_iter().for_each(|i| data[i] ^= 1);
            machine.call(at, data).result.map_err(|e| artifact.error(&e).unwrap_or_default().to_owned())
        };
        assert_eq!(outcome(true, None), Ok(vec![]));
        assert_eq!(outcome(false, None), Err("Rejected".into()));
        // Another public input; a public input above the order of the group; no point.
        assert_eq!(outcome(true, Some(4 + 8 * 32 + 31)), Err("Rejected".into()));
        assert_eq!(outcome(true, Some(4 + 63)), Err("Malformed".into()));
    }

    #[test]
    fn matches_reference_of_what_is_known_of_such_contracts() {
        let today = cost(Rules::Today).unwrap();
        assert_eq!(today.calldata, 4 + 9 * 32);
        assert!((205_000..220_000).contains(&today.gas), "{}", today.gas);
        assert!(cost(Rules::Draft).unwrap().gas > 180_000);
    }
}
