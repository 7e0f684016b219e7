//! A real machine with one account that pays.

use proveil_evm::Artifact;
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
    nonce: u64,
}

/// What came of a transaction.
#[derive(Debug)]
pub struct Outcome {
    /// What was returned, or what it reverted with.
    pub result: Result<Vec<u8>, Vec<u8>>,
    /// What the sender pays: base cost, calldata and its floor, execution.
    pub gas: u64,
}

fn sender() -> Address {
    Address::repeat_byte(0x11)
}

impl Machine {
    /// Today's rules.
    pub fn new() -> Self {
        let mut db = Db::default();
        db.insert_account_info(sender(), AccountInfo { balance: U256::MAX >> 1, ..AccountInfo::default() });
        let evm = Context::mainnet()
            .with_db(db)
            .modify_cfg_chained(|c| c.set_spec_and_mainnet_gas_params(SpecId::OSAKA))
            .modify_block_chained(|b| b.gas_limit = 60_000_000)
            .build_mainnet();
        Self { evm, nonce: 0 }
    }

    fn transact(&mut self, kind: TxKind, data: Vec<u8>) -> (Outcome, Option<Address>) {
        let tx = TxEnv::builder()
            .caller(sender())
            .kind(kind)
            .data(Bytes::from(data))
            .gas_limit(TX_GAS)
            .nonce(self.nonce)
            .build()
            .unwrap();
        self.nonce += 1;
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
