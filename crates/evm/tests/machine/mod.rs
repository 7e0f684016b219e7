//! A real machine with accounts that have money.
#![allow(dead_code)]

use std::collections::BTreeMap;

use proveil_evm::Artifact;
use proveil_evm::abi::{Abi, encode};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Journal, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address, Bytes, TxKind, U256};
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm};

type Db = CacheDB<EmptyDB>;

/// The most gas of one transaction (EIP-7825).
pub const TX_GAS: u64 = 16_777_216;

/// The machine.
pub struct Machine {
    evm: MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, Db, Journal<Db>>>,
    nonces: BTreeMap<Address, u64>,
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
}

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

/// An account with money.
pub fn account(i: u8) -> Address {
    Address::repeat_byte(i)
}

impl Machine {
    /// Today's rules.
    pub fn new() -> Self {
        let mut db = Db::default();
        for i in [0x11, 0x22, 0x33] {
            db.insert_account_info(account(i), AccountInfo { balance: U256::MAX >> 2, ..AccountInfo::default() });
        }
        let evm = Context::mainnet()
            .with_db(db)
            .modify_cfg_chained(|c| c.set_spec_and_mainnet_gas_params(SpecId::OSAKA))
            .modify_block_chained(|b| b.gas_limit = 60_000_000)
            .build_mainnet();
        Self { evm, nonces: BTreeMap::new(), caller: account(0x11), value: U256::ZERO }
    }

    fn transact(&mut self, kind: TxKind, data: Vec<u8>) -> (Outcome, Option<Address>) {
        let nonce = self.nonces.entry(self.caller).or_default();
        let tx = TxEnv::builder()
            .caller(self.caller)
            .value(self.value)
            .chain_id(Some(self.evm.ctx.cfg.chain_id))
            .kind(kind)
            .data(Bytes::from(data))
            .gas_limit(TX_GAS)
            .nonce(*nonce)
            .build()
            .unwrap();
        *nonce += 1;
        let r = self.evm.transact_commit(tx).unwrap();
        let gas = r.tx_gas_used();
        match r {
            ExecutionResult::Success { output: Output::Call(b), .. } => (Outcome { result: Ok(b.to_vec()), gas }, None),
            ExecutionResult::Success { output: Output::Create(b, at), .. } => {
                (Outcome { result: Ok(b.to_vec()), gas }, at)
            }
            ExecutionResult::Revert { output, .. } => (Outcome { result: Err(output.to_vec()), gas }, None),
            ExecutionResult::Halt { reason, .. } => panic!("halted: {reason:?}"),
        }
    }

    /// Deploys a contract without arguments; returns its address and the gas.
    pub fn deploy(&mut self, artifact: &Artifact) -> (Address, u64) {
        self.deploy_code(&artifact.bytecode)
    }

    /// Deploys a contract with arguments; returns its address.
    pub fn deploy_with(&mut self, artifact: &Artifact, arguments: &[Abi]) -> Address {
        self.deploy_code(&[&artifact.bytecode[..], &encode(arguments)].concat()).0
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: u64) {
        self.evm.ctx.block.timestamp += U256::from(seconds);
    }

    /// Goes on as another chain.
    pub fn set_chain(&mut self, id: u64) {
        self.evm.ctx.cfg.chain_id = id;
    }

    /// Calls a function of a contract.
    pub fn send(&mut self, to: Address, artifact: &Artifact, function: &str, arguments: &[Abi]) -> Outcome {
        self.call(to, [&artifact.function(function).unwrap()[..], &encode(arguments)].concat())
    }

    /// Deploys by the given code; returns the address and the gas.
    pub fn deploy_code(&mut self, code: &[u8]) -> (Address, u64) {
        let (outcome, at) = self.transact(TxKind::Create, code.to_vec());
        (at.unwrap_or_else(|| panic!("{outcome:?}")), outcome.gas)
    }

    /// Sends calldata to a contract.
    pub fn call(&mut self, to: Address, data: Vec<u8>) -> Outcome {
        self.transact(TxKind::Call(to), data).0
    }
}
