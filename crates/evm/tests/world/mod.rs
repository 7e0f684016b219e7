//! A chain with the verifier on it, bundled models compiled for contracts, and proofs of them.
#![allow(dead_code)]

use std::path::PathBuf;
use std::sync::OnceLock;

use proveil::io::{ModelTexts, encode, input_specs, read_cases};
use proveil::succinct::{Engine, SetUp, add_keys};
use proveil::{CompileOptions, Meta, compile_onnx};
use proveil_evm::abi::Abi;
use proveil_evm::{Artifact, Form, export};
use proveil_frontend::Options;
use proveil_kzg::commit::Committed;
use proveil_kzg::srs::Srs;
use proveil_protocol::transcript::keccak256;
use proveil_relation::key::IoVisibility;
use proveil_succinct::{Io, ShortKey};
use revm::primitives::{Address, U256};

use crate::machine::{Machine, Outcome, account};

/// A compiled contract.
macro_rules! artifact {
    ($name:literal) => {
        proveil_evm::Artifact::parse(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../contracts/out/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

/// Bytes before the public data of a proof: version, account of the key, hash of the context.
pub const DATA: usize = 56;

pub fn word(a: Address) -> Abi {
    Abi::Word(a.into_word().0)
}

pub fn bytes(b: &[u8]) -> Abi {
    Abi::Bytes(b.to_vec())
}

/// `x * 2^64`.
pub fn real(x: f64) -> Abi {
    Abi::int((x * 64f64.exp2()) as i128)
}

/// The number that a word of a result is.
pub fn number(returned: &[u8], word: usize) -> i128 {
    i128::from_be_bytes(returned[32 * word + 16..32 * word + 32].try_into().unwrap())
}

/// A model with keys for contracts.
pub struct Model {
    pub engine: Engine,
    pub meta: Meta,
    /// The account that holds its key.
    pub account: Address,
    /// The integers of its cases' inputs.
    pub cases: Vec<Vec<Vec<i64>>>,
}

/// Compiles a bundled model with hidden weights and public outputs.
pub fn compiled(name: &str, input: IoVisibility, inferences: usize) -> (Engine, Meta, Vec<Vec<Vec<i64>>>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name);
    let onnx = std::fs::read(folder.join("model.onnx")).unwrap();
    let cases = read_cases(&folder.join("cases.npz"), &ModelTexts::of(&[])).unwrap();
    let samples: Vec<_> = cases.into_iter().map(|(inputs, _)| inputs).collect();
    let mut front = Options::default();
    front.inferences = inferences;
    let options = CompileOptions { name: name.into(), input, ..CompileOptions::default() };
    let package = compile_onnx(&onnx, &samples, &front, &options).unwrap().package;
    let meta = Meta::from_bytes(&package.key.meta).unwrap();
    let specs = input_specs(&meta, &package.graph);
    let integers = |c: &Vec<_>| encode(&specs, c).unwrap();
    let cases = if inferences == 1 { samples.iter().map(integers).collect() } else { Vec::new() };
    (add_keys(package, set_up()).unwrap(), meta, cases)
}

impl Model {
    pub fn id(&self) -> Abi {
        Abi::Word(self.engine.key.short.id())
    }

    /// The form of an output.
    pub fn output(&self, k: usize) -> Form {
        Form::new(self.engine.key.short.outputs[k].to_bytes(), self.meta.outputs[k].scale).unwrap()
    }

    /// The form of the first input.
    pub fn input(&self) -> Form {
        Form::new(self.engine.key.short.inputs[0].to_bytes(), self.meta.inputs[0].scale).unwrap()
    }

    /// Commits to the input of a case.
    pub fn commit(&self, case: usize) -> Committed {
        self.engine.commit_input(0, &self.cases[case], [case as u8; 32]).unwrap()
    }

    /// Integers of the outputs, without a proof.
    pub fn outputs(&self, inputs: &[Vec<i64>]) -> Vec<Vec<i64>> {
        self.engine.witness(inputs).unwrap().outputs
    }

    /// An output of a case in real units.
    pub fn real(&self, case: usize, k: usize) -> Vec<f64> {
        self.meta.outputs[k].real(&self.outputs(&self.cases[case])[k])
    }

    /// The public data in a proof.
    pub fn public_data<'a>(&self, proof: &'a [u8]) -> &'a [u8] {
        let short = &self.engine.key.short;
        let values = |io: &Io| {
            if io.visibility == IoVisibility::Public { io.width() * (io.lines * io.cells) as usize } else { 0 }
        };
        let points =
            short.inputs.iter().chain(&short.outputs).filter(|io| io.visibility == IoVisibility::Committed).count();
        let size = 32 + 64 * points + short.inputs.iter().chain(&short.outputs).map(values).sum::<usize>();
        &proof[24..24 + size]
    }

    /// A proof as contracts take it.
    pub fn prove(&self, inputs: &[Vec<i64>], committed: Option<&Committed>, context: &[u8]) -> Vec<u8> {
        let proved = self.engine.prove(inputs, &[committed], context).unwrap();
        let public = self.engine.key.short.public_data(&proved.file.statement).unwrap();
        export::proof(self.account.into_array(), &public, &proved.file.proof)
    }
}

/// What shows that the weights of a model are in range, as contracts take it.
pub struct Registration {
    /// Its model id.
    pub id: [u8; 32],
    pub proof: Vec<u8>,
}

/// Powers for all models.
pub fn set_up() -> &'static SetUp {
    static SET_UP: OnceLock<SetUp> = OnceLock::new();
    SET_UP.get_or_init(|| SetUp::Powers(Srs::dev(17).unwrap()))
}

/// The chain.
pub struct World {
    pub machine: Machine,
    pub verifier: Address,
    pub artifact: Artifact,
}

impl World {
    pub fn new() -> Self {
        let (mut machine, artifact) = (Machine::new(), artifact!("InsecureDevelopmentVerifier"));
        let verifier = machine.deploy(&artifact).0;
        Self { machine, verifier, artifact }
    }

    /// Compiles a model and puts its key on the chain.
    pub fn model(&mut self, name: &str, input: IoVisibility) -> Model {
        self.model_of(name, input, 1)
    }

    /// As [`World::model`], with several inferences in one proof.
    pub fn model_of(&mut self, name: &str, input: IoVisibility, inferences: usize) -> Model {
        let (engine, meta, cases) = compiled(name, input, inferences);
        let bytes = engine.key.short.to_bytes();
        assert_eq!(ShortKey::from_bytes(&bytes).as_ref(), Ok(&engine.key.short), "{name}");
        let account = self.machine.deploy_code(&export::key_account(&bytes)).0;
        Model { engine, meta, account, cases }
    }

    /// Registers the weights of a model.
    pub fn registration(&mut self, m: &Model) -> Registration {
        let (key, file) = m.engine.register(set_up()).unwrap();
        m.engine.key_file().verify_registration(&key, &file).unwrap();
        let at = self.machine.deploy_code(&key.account_code()).0;
        let call = key.call(&file, at.into_array()).unwrap();
        Registration { id: call.model_id, proof: call.proof }
    }

    /// Sends as somebody, with money.
    pub fn pay(&mut self, who: u8, value: u64, to: &Contract, function: &str, arguments: &[Abi]) -> Outcome {
        (self.machine.caller, self.machine.value) = (account(who), U256::from(value));
        let outcome = self.machine.send(to.at, &to.artifact, function, arguments);
        self.machine.value = U256::ZERO;
        outcome
    }

    pub fn send(&mut self, who: u8, to: &Contract, function: &str, arguments: &[Abi]) -> Outcome {
        self.pay(who, 0, to, function, arguments)
    }

    /// What a call that is accepted returns.
    pub fn accepts(&mut self, who: u8, to: &Contract, function: &str, arguments: &[Abi]) -> Vec<u8> {
        let outcome = self.send(who, to, function, arguments);
        outcome.result.unwrap_or_else(|e| panic!("{function}: {:?}", self.name(to, &e)))
    }

    fn name(&self, to: &Contract, e: &[u8]) -> String {
        let named = to.artifact.error(e).or_else(|| self.artifact.error(e));
        named.map_or_else(|| format!("no custom error: {e:02x?}"), str::to_owned)
    }

    /// The name of the error that a call is refused with.
    pub fn refuses(&mut self, who: u8, to: &Contract, function: &str, arguments: &[Abi]) -> String {
        let outcome = self.send(who, to, function, arguments);
        let e = outcome.result.expect_err(function);
        self.name(to, &e)
    }

    /// Deploys a contract as somebody, with money.
    pub fn deploy(&mut self, who: u8, value: u64, artifact: Artifact, arguments: &[Abi]) -> Contract {
        (self.machine.caller, self.machine.value) = (account(who), U256::from(value));
        let at = self.machine.deploy_with(&artifact, arguments);
        self.machine.value = U256::ZERO;
        Contract { at, artifact }
    }
}

/// A contract on the chain.
pub struct Contract {
    pub at: Address,
    pub artifact: Artifact,
}

impl Contract {
    /// The context that `ProofConsumer` binds a proof to.
    pub fn context(&self, sender: u8, nonce: u64) -> Vec<u8> {
        context(1, self.at, account(sender), nonce)
    }
}

pub fn context(chain: u64, contract: Address, sender: Address, nonce: u64) -> Vec<u8> {
    let Abi::Word(nonce) = Abi::uint(nonce) else { unreachable!() };
    export::context(chain, contract.into_array(), sender.into_array(), nonce)
}

/// The hash by which contracts know a commitment.
pub fn point_hash(c: &Committed) -> Abi {
    Abi::Word(keccak256(&[&c.point.to_bytes()]))
}

/// A function of a contract that takes a proof, and who may call it.
pub struct Door<'a> {
    pub contract: &'a Contract,
    pub function: &'a str,
    pub sender: u8,
    /// Arguments from a proof and a number.
    pub arguments: &'a dyn Fn(&[u8], u64) -> Vec<Abi>,
    /// A proof for a context.
    pub prove: &'a dyn Fn(&[u8]) -> Vec<u8>,
}

impl World {
    fn knock(&mut self, d: &Door<'_>, who: u8, proof: &[u8], nonce: u64) -> String {
        self.refuses(who, d.contract, d.function, &(d.arguments)(proof, nonce))
    }

    /// Whatever was made for something else is refused: proofs for another chain, contract, sender or number, of another model,
    /// with other values, changed in length.
    pub fn refuses_what_is_foreign(&mut self, d: &Door<'_>, other: &Model, nonce: u64) {
        let (me, at) = (account(d.sender), d.contract.at);
        let foreign = [
            ("chain", context(5, at, me, nonce)),
            ("contract", context(1, self.verifier, me, nonce)),
            ("sender", context(1, at, account(0x66), nonce)),
            ("number", context(1, at, me, nonce + 1)),
        ];
        for (what, context) in foreign {
            assert_eq!(self.knock(d, d.sender, &(d.prove)(&context), nonce), "WrongContext", "another {what}");
        }
        let own = context(1, at, me, nonce);
        let proof = (d.prove)(&own);
        // The right proof, on another chain.
        self.machine.set_chain(5);
        assert_eq!(self.knock(d, d.sender, &proof, nonce), "WrongContext");
        self.machine.set_chain(1);
        // The key of another model in the account that the proof names.
        let mut swapped = proof.clone();
        swapped[4..24].copy_from_slice(other.account.as_slice());
        assert_eq!(self.knock(d, d.sender, &swapped, nonce), "WrongKey");
        // The version of another protocol.
        let mut version = proof.clone();
        version[0] ^= 1;
        assert_eq!(self.knock(d, d.sender, &version, nonce), "WrongSelector");
        let longer = [&proof[..], &[0]].concat();
        for changed in [&longer[..], &proof[..proof.len() - 1]] {
            assert_eq!(self.knock(d, d.sender, changed, nonce), "ProofLength");
        }
        assert_eq!(self.knock(d, d.sender, &proof[..DATA + 1], nonce), "NoPublicData");
    }

    /// A proof with another public byte, which the contract would like, is refused by the verifier: the bytes are part of what
    /// it hashes.
    pub fn refuses_changed_data(&mut self, d: &Door<'_>, nonce: u64, change: impl Fn(&mut [u8])) {
        let mut proof = (d.prove)(&d.contract.context(d.sender, nonce));
        change(&mut proof[DATA..]);
        let e = self.knock(d, d.sender, &proof, nonce);
        assert!(["OpeningRejected", "FunctionalsRejected"].contains(&&*e), "{e}");
    }
}
