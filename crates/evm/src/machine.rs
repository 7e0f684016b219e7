//! A real machine with accounts that have money.

use std::collections::BTreeMap;

use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Journal, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Bytes, TxKind};
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, InspectCommitEvm, MainBuilder, MainContext, MainnetEvm};

pub use revm::primitives::{Address, U256};

use crate::abi::{Abi, encode};
use crate::artifact::Artifact;
use crate::stages::{Meter, Stages};

type Db = CacheDB<EmptyDB>;

/// The most gas of one transaction (EIP-7825).
pub const TX_GAS: u64 = 16_777_216;

/// The most gas of one block.
const BLOCK_GAS: u64 = 60_000_000;

/// Whose rules a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Today's (Osaka): the least price of calldata is 10 gas for a zero byte, 40 for another one (EIP-7623).
    Today,
    /// The next fork's draft (Amsterdam): 64 for every byte (EIP-7976), a cheaper transaction, dearer state.
    Draft,
}

impl Rules {
    fn spec(self) -> SpecId {
        match self {
            Self::Today => SpecId::OSAKA,
            Self::Draft => SpecId::AMSTERDAM,
        }
    }
}

/// What the bytes that go with a call cost. A transaction costs its execution with [`Calldata::gas`], or [`Calldata::floor`]
/// if that is more; what it pays for being one is on top of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calldata {
    /// How many.
    pub bytes: u64,
    /// How many of them are zero.
    pub zeros: u64,
    /// Their price: 4 gas for a zero byte, 16 for another one.
    pub gas: u64,
    /// Their least price, for transactions that do little besides.
    pub floor: u64,
}

impl Rules {
    /// What a call's bytes cost.
    #[must_use]
    pub fn calldata(self, data: &[u8]) -> Calldata {
        let bytes = data.len() as u64;
        let zeros = data.iter().filter(|b| **b == 0).count() as u64;
        let floor = match self {
            Self::Today => 10 * zeros + 40 * (bytes - zeros),
            Self::Draft => 64 * bytes,
        };
        Calldata { bytes, zeros, gas: 4 * zeros + 16 * (bytes - zeros), floor }
    }
}

/// The machine.
pub struct Machine {
    evm: MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, Db, Journal<Db>>, Meter>,
    nonces: BTreeMap<Address, u64>,
    /// Most gas of a transaction; state is not under EIP-7825 in the draft, which prices it apart.
    most: u64,
    /// Who sends the next transactions.
    pub caller: Address,
    /// How much goes with them.
    pub value: U256,
}

/// What came of a transaction.
#[derive(Debug)]
pub struct Outcome {
    /// What was returned, or what it reverted with.
    pub result: Result<Vec<u8>, Vec<u8>>,
    /// What the sender pays: base cost, calldata and its floor, execution.
    pub gas: u64,
    /// Data of events.
    pub logs: Vec<Vec<u8>>,
}

/// Accounts with money, by their bytes.
const RICH: [u8; 5] = [0x11, 0x22, 0x33, 0x44, 0x55];

/// An account of one byte, repeated; `0x11`, `0x22`, .. `0x55` have money.
#[must_use]
pub fn account(i: u8) -> Address {
    Address::repeat_byte(i)
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// Today's rules.
    #[must_use]
    pub fn new() -> Self {
        Self::with_rules(Rules::Today)
    }

    /// Given rules.
    #[must_use]
    pub fn with_rules(rules: Rules) -> Self {
        let mut db = Db::default();
        for i in RICH {
            db.insert_account_info(account(i), AccountInfo { balance: U256::MAX >> 2, ..AccountInfo::default() });
        }
        let evm = Context::mainnet()
            .with_db(db)
            .modify_cfg_chained(|c| c.set_spec_and_mainnet_gas_params(rules.spec()))
            .modify_block_chained(|b| b.gas_limit = BLOCK_GAS)
            .build_mainnet_with_inspector(Meter::default());
        let most = if rules == Rules::Today { TX_GAS } else { BLOCK_GAS };
        Self { evm, nonces: BTreeMap::new(), most, caller: account(0x11), value: U256::ZERO }
    }

    fn transact(&mut self, kind: TxKind, data: Vec<u8>, meter: Option<Meter>) -> (Outcome, Option<Address>) {
        let nonce = self.nonces.entry(self.caller).or_default();
        let tx = TxEnv::builder()
            .caller(self.caller)
            .value(self.value)
            .chain_id(Some(self.evm.ctx.cfg.chain_id))
            .kind(kind)
            .data(Bytes::from(data))
            .gas_limit(self.most)
            .nonce(*nonce)
            .build();
        *nonce += 1;
        let refused = |e: String| (Outcome { result: Err(e.into_bytes()), gas: 0, logs: vec![] }, None);
        let tx = match tx {
            Ok(tx) => tx,
            Err(e) => return refused(format!("{e:?}")),
        };
        let outcome = match meter {
            Some(m) => self.evm.inspect_commit(tx, m),
            None => self.evm.transact_commit(tx),
        };
        let r = match outcome {
            Ok(r) => r,
            Err(e) => return refused(format!("{e:?}")),
        };
        let gas = r.tx_gas_used();
        let (result, at, logs) = match r {
            ExecutionResult::Success { output: Output::Call(b), logs, .. } => (Ok(b.to_vec()), None, logs),
            ExecutionResult::Success { output: Output::Create(b, at), logs, .. } => (Ok(b.to_vec()), at, logs),
            ExecutionResult::Revert { output, .. } => (Err(output.to_vec()), None, vec![]),
            ExecutionResult::Halt { reason, .. } => (Err(format!("halted: {reason:?}").into_bytes()), None, vec![]),
        };
        let logs = logs.into_iter().map(|l| l.data.data.to_vec()).collect();
        (Outcome { result, gas, logs }, at)
    }

    /// Deploys a contract without arguments; returns its address and the gas.
    ///
    /// # Panics
    /// If the constructor reverts: nothing can be done with a machine without the contract.
    pub fn deploy(&mut self, artifact: &Artifact) -> (Address, u64) {
        self.deploy_code(&artifact.bytecode)
    }

    /// Deploys a contract with arguments; returns its address.
    ///
    /// # Panics
    /// As [`Machine::deploy`].
    pub fn deploy_with(&mut self, artifact: &Artifact, arguments: &[Abi]) -> Address {
        self.deploy_code(&[&artifact.bytecode[..], &encode(arguments)].concat()).0
    }

    /// Deploys by the given code; returns the address and the gas.
    ///
    /// # Panics
    /// As [`Machine::deploy`].
    pub fn deploy_code(&mut self, code: &[u8]) -> (Address, u64) {
        let (outcome, at) = self.transact(TxKind::Create, code.to_vec(), None);
        (at.unwrap_or_else(|| panic!("{outcome:?}")), outcome.gas)
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: u64) {
        self.evm.ctx.block.timestamp += U256::from(seconds);
    }

    /// What an account has.
    #[must_use]
    pub fn balance(&self, at: Address) -> U256 {
        let accounts = &self.evm.ctx.journaled_state.database.cache.accounts;
        accounts.get(&at).map(|a| a.info.balance).unwrap_or_default()
    }

    /// The code of an account.
    #[must_use]
    pub fn code(&self, at: Address) -> Vec<u8> {
        let cache = &self.evm.ctx.journaled_state.database.cache;
        let hash = cache.accounts.get(&at).map(|a| a.info.code_hash).unwrap_or_default();
        cache.contracts.get(&hash).map(|c| c.original_bytes().to_vec()).unwrap_or_default()
    }

    /// Goes on as another chain.
    pub fn set_chain(&mut self, id: u64) {
        self.evm.ctx.cfg.chain_id = id;
    }

    /// Calls a function of a contract.
    ///
    /// # Panics
    /// If the contract has no such function.
    pub fn send(&mut self, to: Address, artifact: &Artifact, function: &str, arguments: &[Abi]) -> Outcome {
        let selector = artifact.function(function).unwrap_or_else(|e| panic!("{e}"));
        self.call(to, [&selector[..], &encode(arguments)].concat())
    }

    /// Sends calldata to a contract.
    pub fn call(&mut self, to: Address, data: Vec<u8>) -> Outcome {
        self.transact(TxKind::Call(to), data, None).0
    }

    /// [`Machine::call`], with the gas by stage of `artifact`'s code at `measured`, which the call may reach through
    /// other contracts.
    pub fn measure(&mut self, to: Address, data: Vec<u8>, measured: Address, artifact: &Artifact) -> (Outcome, Stages) {
        let outcome = self.transact(TxKind::Call(to), data, Some(Meter::new(artifact, measured))).0;
        let stages = self.evm.inspector.stages(outcome.gas);
        (outcome, stages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of an account without code cost the transaction and the calldata, or the floor.
    #[test]
    fn matches_reference_prices_of_calldata() {
        let data = [vec![0; 100], vec![7; 300]].concat();
        for (rules, base, floor) in [(Rules::Today, 21_000, 13_000), (Rules::Draft, 12_000, 25_600)] {
            let priced = rules.calldata(&data);
            assert_eq!(priced, Calldata { bytes: 400, zeros: 100, gas: 5_200, floor });
            let mut machine = Machine::with_rules(rules);
            let [none, all] = [vec![], data.clone()].map(|d| machine.call(account(0x22), d).gas);
            assert!(none >= base, "{none}");
            assert_eq!(all - none, priced.floor.max(priced.gas), "{rules:?}");
        }
    }
}
