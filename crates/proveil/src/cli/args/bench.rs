//! Arguments of `bench`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Backend, Building};

/// Options of `bench`.
#[derive(Clone, clap::Args)]
pub struct BenchArgs {
    /// Folders with `model.onnx` and `cases.npz`, or ONNX files.
    #[arg(required_unless_present_any = ["scaling", "depth", "generated"])]
    pub paths: Vec<PathBuf>,
    /// Measure generated models instead, one length growing at a time, and name the cliffs.
    #[arg(long, conflicts_with = "paths")]
    pub scaling: bool,
    /// Which lengths grow: width, depth, channels, batch, sequence, steps; all when absent.
    #[arg(long, requires = "scaling", value_delimiter = ',')]
    pub axes: Vec<String>,
    /// Draw what `--scaling` or `--depth` measured (SVG).
    #[arg(long)]
    pub plot: Option<PathBuf>,
    /// Measure with each of these numbers of inferences in one proof, e.g. 1,8,64.
    #[arg(long, value_delimiter = ',', conflicts_with = "batch", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub batches: Vec<u32>,
    /// Cases to prove of each model.
    #[arg(long, default_value_t = 2)]
    pub cases: usize,
    /// Commitment scheme; succinct is the same as --evm.
    #[arg(long, default_value = "transparent")]
    pub backend: Backend,
    /// Measure proofs for contracts: gas, sizes and times, in a real machine.
    #[arg(long)]
    pub evm: bool,
    /// Set-up of the proofs for contracts; the development set-up when absent.
    #[arg(long, value_name = "FILE|dev")]
    pub srs: Option<PathBuf>,
    /// Gas of generated models with these numbers of layers; 2, 4, 8 and 16 when none are named.
    #[arg(long, requires = "evm", value_delimiter = ',', num_args = 0.., require_equals = true,
        default_missing_values = ["2", "4", "8", "16"], value_parser = clap::value_parser!(u16).range(1..=256))]
    pub depth: Vec<u16>,
    /// Measure these generated models too.
    #[arg(long, value_delimiter = ',')]
    pub generated: Vec<Generated>,
    /// Write gas and sizes of all that is measured (JSON), and prove each case once only.
    #[arg(long, requires = "evm")]
    pub report: Option<PathBuf>,
    /// Write what `--report` holds as tables (Markdown).
    #[arg(long, requires = "report")]
    pub tables: Option<PathBuf>,
    /// Prove each case once.
    #[arg(long, hide = true)]
    pub once: bool,
    /// Print time, share and peak memory of every stage of compilation, proof and verification.
    #[arg(long)]
    pub stages: bool,
    /// Draw the stages as a flame chart (SVG); with several models, each gets its name put before the extension.
    #[arg(long)]
    pub flamegraph: Option<PathBuf>,
    /// Print what `estimate` predicts beside what is measured: times, for which the self-test runs between models, so that both meet
    /// the same minutes; with --evm gas.
    #[arg(long)]
    pub predict: bool,
    /// Prove with one thread too, in turns with all, and print how much faster all are, stage by stage.
    #[arg(long)]
    pub speed_up: bool,
    /// Seconds that one model may take.
    #[arg(long, default_value_t = 1800)]
    pub timeout: u64,
    /// Skip the proof without zero knowledge.
    #[arg(long)]
    pub no_plain: bool,
    /// Runs one model in this process and prints one JSON object.
    #[arg(long, hide = true)]
    pub child: bool,
    /// The rest.
    #[command(flatten)]
    pub building: Building,
}

impl BenchArgs {
    /// Whether proofs for contracts are measured.
    pub fn on_chain(&self) -> bool {
        self.evm || self.backend == Backend::Succinct
    }
}

/// Models that are made where they are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// A perceptron of 16, 32, 16 and 1 cells, as for credit scores.
    Credit,
    /// LeNet on 28 x 28 cells, 44 thousand weights.
    Lenet,
    /// A sum of 128 trees of nine comparisons each, on 64 features; `--batch 128` takes as many samples.
    Forest,
}
