//! A contract in a machine of its own.
#![allow(dead_code, unused_imports)]

use proveil_evm::Artifact;
use proveil_evm::abi::Abi;
pub use proveil_evm::machine::{Address, Machine, Outcome, Rules, TX_GAS, U256, account};

/// A contract in a machine of its own.
pub struct Deployed {
    pub machine: Machine,
    pub at: Address,
    pub artifact: Artifact,
}

impl Deployed {
    /// Deploys a contract without arguments.
    pub fn of(artifact: Artifact) -> Self {
        let mut machine = Machine::new();
        let at = machine.deploy(&artifact).0;
        Self { machine, at, artifact }
    }

    /// What a call returns, or the name of the error, and the gas of the transaction.
    pub fn call(&mut self, function: &str, arguments: &[Abi]) -> (Result<Vec<u8>, String>, u64) {
        let outcome = self.machine.send(self.at, &self.artifact, function, arguments);
        let name = |b: Vec<u8>| self.artifact.error(&b).unwrap_or("no custom error").to_owned();
        (outcome.result.map_err(name), outcome.gas)
    }
}
