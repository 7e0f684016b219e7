//! Gas of a verification by stage: every instruction of the verifier belongs to the source file that it was compiled from
//! ([`Artifact::stages`]), calls of precompiles are counted apart. Files that others use for arithmetic count for those
//! that use them.

use revm::Inspector;
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps};
use revm::primitives::{Address, U256};

use crate::artifact::Artifact;

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// A source file, or what precompiles do.
    pub name: String,
    /// Gas spent in it.
    pub gas: u64,
    /// Calls of the precompile.
    pub calls: u64,
}

/// The stages of a transaction, which are all it costs.
pub type Stages = Vec<Stage>;

/// Stages that no file stands for: by the precompiles' addresses, then what a sender pays before the verifier runs and
/// around it.
const PRECOMPILES: [(u64, &str); 4] =
    [(5, "inversions"), (6, "sums of points"), (7, "multiples of points"), (8, "pairing")];
/// The last stage.
const AROUND: &str = "transaction, calldata";

/// Counts the gas of one contract while a machine runs it.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    measured: Address,
    /// Stage by byte of the code; `None` goes on with the one before.
    at: Vec<Option<u8>>,
    stages: Stages,
    now: usize,
    /// Gas before the last instruction, and where its cost goes.
    last: Option<(u64, usize)>,
}

impl Meter {
    /// Measures `artifact`'s code at an address.
    #[must_use]
    pub fn new(artifact: &Artifact, measured: Address) -> Self {
        let files = artifact.stage_names.iter().map(String::as_str);
        let names = files.chain(PRECOMPILES.iter().map(|p| p.1)).chain([AROUND]);
        let stages: Stages = names.map(|n| Stage { name: n.to_owned(), gas: 0, calls: 0 }).collect();
        let now = stages.len() - 1;
        Self { measured, at: artifact.stages(), stages, now, last: None }
    }

    /// What was counted; `gas` is what the whole transaction costs.
    #[must_use]
    pub fn stages(&self, gas: u64) -> Stages {
        let mut out = self.stages.clone();
        let spent: u64 = out.iter().map(|s| s.gas).sum();
        if let Some(last) = out.last_mut() {
            last.gas += gas.saturating_sub(spent);
        }
        out.retain(|s| s.gas > 0);
        out
    }
}

impl<C> Inspector<C> for Meter {
    fn step(&mut self, interp: &mut Interpreter, _: &mut C) {
        if interp.input.target_address() != self.measured {
            return;
        }
        let left = interp.gas.remaining();
        let last = self.last.take().and_then(|(before, stage)| Some((before, self.stages.get_mut(stage)?)));
        if let Some((before, s)) = last {
            s.gas += before.saturating_sub(left);
        }
        if let Some(stage) = self.at.get(interp.bytecode.pc()).copied().flatten() {
            self.now = usize::from(stage);
        }
        let mut stage = self.now;
        if interp.bytecode.opcode() == revm::bytecode::opcode::STATICCALL {
            let to = interp.stack.data().iter().rev().nth(1);
            if let Some(i) = PRECOMPILES.iter().position(|p| to == Some(&U256::from(p.0))) {
                stage = self.stages.len() - 1 - PRECOMPILES.len() + i;
                if let Some(s) = self.stages.get_mut(stage) {
                    s.calls += 1;
                }
            }
        }
        self.last = Some((left, stage));
    }
}
