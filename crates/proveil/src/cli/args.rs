//! Arguments of all commands.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use proveil::CompileOptions;
use proveil::profile::Profile;
use proveil_frontend::{Options, OutputPolicy, Reveal};
use proveil_protocol::params::Params;
use proveil_relation::key::{IoVisibility, ModelVisibility};

use super::failure::Failure;

mod bench;
mod encode;
mod export;

pub use bench::{BenchArgs, Generated};
pub use encode::{EncodeArgs, TreeArg};
pub use export::{CalldataArgs, ExportArgs, ExportWhat, SolidityArgs};

/// Proofs that a published result is what a committed machine-learning model computes.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 done, 1 not accepted or a check failed, 2 usage, 3 bad input file, \
4 unsupported model, 5 internal failure."
)]
pub struct Args {
    /// Results as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Worker threads; all cores when absent.
    #[arg(long, global = true)]
    pub threads: Option<usize>,
    /// No progress on stderr.
    #[arg(long, global = true)]
    pub quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Compile, prove and verify a bundled model, and see forgeries rejected.
    Demo(DemoArgs),
    /// Tell whether an ONNX file imports, and which nodes do not (exit code 0 or 4).
    Check(CheckArgs),
    /// Join two ONNX files: what the first one makes feeds the second one.
    Compose(ComposeArgs),
    /// Compile an ONNX model to a package (secret) and a verifying key (public).
    Compile(CompileArgs),
    /// Predict time, memory and sizes of proofs of an ONNX model on this machine.
    Estimate(EstimateArgs),
    /// Make the tree file of a package again: the encoded model, which proofs then need not make.
    Encode(EncodeArgs),
    /// Commit to an input before proving.
    Commit(CommitArgs),
    /// Check a commitment file against data.
    Open(OpenArgs),
    /// Run a model on an input and prove the result.
    Prove(ProveArgs),
    /// Prove once that a hidden model's weights are in their declared ranges.
    Register(RegisterArgs),
    /// Commits to a hidden model again before its proofs are spent; the package proves under the new commitment
    Refresh(RefreshArgs),
    /// Check a proof with the verifying key.
    Verify(VerifyArgs),
    /// Print the security table of a key.
    Security(SecurityArgs),
    /// Describe a package, key, proof, commitment or set-up file.
    Inspect(InspectArgs),
    /// Make the set-up of proofs that contracts verify.
    Srs(SrsArgs),
    /// Write what goes on a chain.
    Export(ExportArgs),
    /// Measure models: accuracy, times, sizes, memory.
    Bench(BenchArgs),
}

/// Which backend, and what it needs.
#[derive(Clone, Default, clap::Args)]
pub struct BackendArgs {
    /// Commitment scheme; the one that the package was compiled for when absent.
    #[arg(long)]
    pub backend: Option<Backend>,
    /// Set-up of the succinct backend: a file made by `srs`, or the word dev for the insecure development set-up.
    #[arg(long, value_name = "FILE|dev")]
    pub srs: Option<PathBuf>,
}

/// Options of `srs`.
#[derive(clap::Args)]
pub struct SrsArgs {
    /// Where from.
    #[command(subcommand)]
    pub source: SrsSource,
}

/// Where a set-up comes from.
#[derive(Subcommand)]
pub enum SrsSource {
    /// Read a powers-of-tau file (.ptau, BN254) of a public ceremony and check it.
    Import(SrsImportArgs),
    /// Make one for development: everybody can forge proofs with it, and its file says so.
    Dev(SrsDevArgs),
}

/// Options of `srs import`.
#[derive(clap::Args)]
pub struct SrsImportArgs {
    /// The .ptau file.
    pub file: PathBuf,
    /// Take 2^k powers only; all of the file when absent.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=28))]
    pub log_size: Option<u8>,
    /// Where to write the set-up.
    #[arg(short, long)]
    pub output: PathBuf,
}

/// Options of `srs dev`.
#[derive(clap::Args)]
pub struct SrsDevArgs {
    /// Make 2^k powers.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=24))]
    pub log_size: u8,
    /// Where to write the set-up.
    #[arg(short, long)]
    pub output: PathBuf,
}

/// Options of `demo`.
#[derive(clap::Args)]
pub struct DemoArgs {
    /// Which bundled model.
    #[arg(long, default_value = "digits-cnn")]
    pub model: DemoModel,
}

/// Models inside the program.
#[derive(Clone, Copy, ValueEnum)]
pub enum DemoModel {
    /// A convolutional network on 8x8 digits.
    DigitsCnn,
    /// A multi-layer perceptron on 8x8 digits.
    DigitsMlp,
}

/// Options of `check`.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// The ONNX file.
    pub model: PathBuf,
    /// Length of an open first axis; 1 when absent.
    #[arg(long)]
    pub batch: Option<usize>,
    /// Length of an open dimension, as name=length; may be repeated. 1 when absent.
    #[arg(long = "dim")]
    pub dims: Vec<String>,
}

/// How to compile.
#[derive(Clone, clap::Args)]
pub struct Building {
    /// Who sees what: input=, output= public|private|committed, model= public|private|committed.
    #[arg(long, default_value = "input=private,model=private,output=public")]
    pub visibility: String,
    /// Fast proving or small proofs.
    #[arg(long, default_value = "fast")]
    pub profile: ProfileArg,
    /// Target security in bits.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=128))]
    pub security: u32,
    /// Published theorems only: larger proofs.
    #[arg(long)]
    pub unique_decoding: bool,
    /// No zero knowledge: the same statement in the clear.
    #[arg(long)]
    pub plain: bool,
    /// Proofs that one commitment must allow; chosen by cost when absent.
    #[arg(long)]
    pub budget: Option<usize>,
    /// Inferences in one proof: inputs and outputs hold that many, along the first axis. An open first axis counts
    /// 1 unless --dim or the samples say otherwise.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub batch: Option<u32>,
    /// Length of an open dimension, as name=length; may be repeated.
    #[arg(long = "dim")]
    pub dims: Vec<String>,
    /// Bits of weights, 8 to 16.
    #[arg(long)]
    pub weight_bits: Option<u32>,
    /// Bits of activations, 8 to 14.
    #[arg(long)]
    pub activation_bits: Option<u32>,
    /// Largest error of an output relative to its largest value, as 0.01. A model that no bits bring there is refused;
    /// without it the choice of bits aims at 0.005, and a warning says where that is missed.
    #[arg(long, value_parser = error)]
    pub max_error: Option<f64>,
    /// Share of rows, 0 to 1, whose largest cell must be where the float model has it. A model that no bits bring
    /// there is refused.
    #[arg(long, value_parser = share)]
    pub min_agreement: Option<f64>,
    /// Calibrated ranges are widened by this factor.
    #[arg(long)]
    pub margin: Option<f64>,
    /// What is published of an output: full, argmax, topk:K, threshold:T, private-threshold:T or bucket:a,b,c, with NAME= in front
    /// where several outputs may be meant; may be given again for another one. Outputs that are not named are not published
    /// then; without this option, or with a bare full, all are as they are.
    #[arg(long, value_name = "[NAME=]POLICY")]
    pub output_policy: Vec<String>,
}

/// Options of `compile`.
#[derive(clap::Args)]
pub struct CompileArgs {
    /// The model.
    pub model: PathBuf,
    /// Where the package goes. It holds secrets.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Where the verifying key of the transparent backend goes.
    #[arg(long)]
    pub vk: Option<PathBuf>,
    /// Commitment schemes that the package is for: succinct adds the keys for contracts and needs --srs.
    #[arg(long, default_value = "transparent")]
    pub backend: Backend,
    /// Set-up of the succinct backend: a file made by `srs`, or the word dev for the insecure development set-up.
    #[arg(long, value_name = "FILE|dev")]
    pub srs: Option<PathBuf>,
    /// Where the short key goes, all that verifiers and contracts need (succinct backend).
    #[arg(long)]
    pub short_key: Option<PathBuf>,
    /// Where the full key goes, which anybody can make the short key from (succinct backend).
    #[arg(long)]
    pub full_key: Option<PathBuf>,
    /// Make keys with a development set-up, under which anybody can forge proofs.
    #[arg(long)]
    pub insecure_set_up: bool,
    /// What the tree file beside the package keeps of the encoded model: codeword (proofs start at once), leaves (a small
    /// file; each proof encodes the model) or none. Proofs for contracts do not need it: none when absent with --backend
    /// succinct, codeword otherwise.
    #[arg(long)]
    pub tree: Option<TreeArg>,
    /// Typical inputs: an archive of cases or one input file.
    #[arg(long)]
    pub samples: Option<PathBuf>,
    /// Where a plot of the errors by operator goes (SVG).
    #[arg(long)]
    pub error_plot: Option<PathBuf>,
    /// The rest.
    #[command(flatten)]
    pub building: Building,
}

/// Options of `estimate`.
#[derive(clap::Args)]
pub struct EstimateArgs {
    /// The model.
    pub model: PathBuf,
    /// Typical inputs: an archive of cases or one input file. Widths chosen for random inputs may be others.
    #[arg(long)]
    pub samples: Option<PathBuf>,
    /// A machine's speed, instead of a self-test of this one.
    #[arg(long)]
    pub machine: Option<PathBuf>,
    /// Where the measured speed goes; nowhere when absent.
    #[arg(long)]
    pub save_machine: Option<PathBuf>,
    /// The rest.
    #[command(flatten)]
    pub building: Building,
}

/// Options of `compose`.
#[derive(clap::Args)]
pub struct ComposeArgs {
    /// The model that comes first, for example preprocessing.
    pub first: PathBuf,
    /// The model that reads what the first one makes.
    pub second: PathBuf,
    /// Where the joined model goes.
    #[arg(short, long)]
    pub output: PathBuf,
    /// An output of the first model and the input of the second one that it feeds, as output=input; may be repeated.
    /// By equal names when absent, and by position where no names are equal.
    #[arg(long = "connect")]
    pub pairs: Vec<String>,
}

/// Options of `commit`.
#[derive(clap::Args)]
pub struct CommitArgs {
    /// The package.
    pub package: PathBuf,
    /// The input: .json, .npz or .npy.
    #[arg(long)]
    pub input: PathBuf,
    /// Which case of an archive.
    #[arg(long, default_value_t = 0)]
    pub case: usize,
    /// Backend of the proofs.
    #[command(flatten)]
    pub backend: BackendArgs,
    /// Where the opening goes. It is secret.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Where the public commitment goes (JSON).
    #[arg(long)]
    pub public: PathBuf,
}

/// Options of `open`.
#[derive(clap::Args)]
pub struct OpenArgs {
    /// The package.
    pub package: PathBuf,
    /// The opening file.
    #[arg(long)]
    pub commitment: PathBuf,
    /// Backend of the proofs.
    #[command(flatten)]
    pub backend: BackendArgs,
    /// The data that it should hold.
    #[arg(long)]
    pub input: PathBuf,
    /// Which case of an archive.
    #[arg(long, default_value_t = 0)]
    pub case: usize,
    /// The published commitment to compare with.
    #[arg(long)]
    pub public: Option<PathBuf>,
}

/// Options of `prove`.
#[derive(clap::Args)]
pub struct ProveArgs {
    /// The package.
    pub package: PathBuf,
    /// The input: .json, .npz or .npy.
    #[arg(long)]
    pub input: PathBuf,
    /// Which case of an archive.
    #[arg(long, default_value_t = 0)]
    pub case: usize,
    /// Where the proof goes.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Backend.
    #[command(flatten)]
    pub backend: BackendArgs,
    /// Opening file of committed inputs.
    #[arg(long)]
    pub commitment: Option<PathBuf>,
    /// Bytes to bind, in hexadecimal (a nonce, a chain id).
    #[arg(long, default_value = "", conflicts_with = "bind")]
    pub context: String,
    /// Bind what contracts made from ProofConsumer ask for: chain, contract, sender and a number of the sender's.
    #[arg(long, value_name = "CHAIN,CONTRACT,SENDER,NONCE")]
    pub bind: Option<String>,
}

/// Options of `verify`.
#[derive(clap::Args)]
pub struct VerifyArgs {
    /// The verifying key; or a short key; or a full key, which needs --srs. For several proofs the short keys of their models.
    #[arg(long, visible_alias = "key", required = true, num_args = 1..)]
    pub vk: Vec<PathBuf>,
    /// Set-up that a full key was made with: a file, or the word dev.
    #[arg(long, value_name = "FILE|dev")]
    pub srs: Option<PathBuf>,
    /// Accept keys of development set-ups, under which anybody can forge proofs.
    #[arg(long)]
    pub insecure_set_up: bool,
    /// The proof; or several proofs for contracts, which are verified at once.
    #[arg(long, required = true, num_args = 1..)]
    pub proof: Vec<PathBuf>,
    /// Context that the proof must be bound to, in hexadecimal.
    #[arg(long)]
    pub context: Option<String>,
    /// Least proven security, in bits, that is accepted.
    #[arg(long, default_value_t = 100)]
    pub min_security: u32,
    /// Public commitment (JSON) that the proof must be about.
    #[arg(long)]
    pub commitment: Option<PathBuf>,
    /// Registration of the key's model; a hidden model's weights are in range only if it is accepted too.
    #[arg(long)]
    pub registration: Option<PathBuf>,
    /// A refresh of the model's commitment; give all of them, in order, up to the one that the proof is made under.
    #[arg(long)]
    pub refresh: Vec<PathBuf>,
}

/// Options of `register`.
#[derive(clap::Args)]
pub struct RegisterArgs {
    /// The package.
    pub package: PathBuf,
    /// Where the registration goes.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Backend.
    #[command(flatten)]
    pub backend: BackendArgs,
    /// Where the short key of the registration goes, by which a contract checks it (succinct backend).
    #[arg(long)]
    pub short_key: Option<PathBuf>,
    /// Where its proof goes (succinct backend).
    #[arg(long)]
    pub proof: Option<PathBuf>,
}

/// Options of `refresh`.
#[derive(clap::Args)]
pub struct RefreshArgs {
    /// The package; it is replaced.
    pub package: PathBuf,
    /// Where the refresh goes.
    #[arg(short, long)]
    pub output: PathBuf,
}

/// Options of `security`.
#[derive(clap::Args)]
pub struct SecurityArgs {
    /// The verifying key, or a short key.
    #[arg(long, visible_alias = "key")]
    pub vk: PathBuf,
}

/// Options of `inspect`.
#[derive(clap::Args)]
pub struct InspectArgs {
    /// The file.
    pub file: PathBuf,
    /// Draw a package's graph.
    #[arg(long, requires = "output")]
    pub graph: Option<Drawing>,
    /// Where the drawing goes.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

/// Kinds of drawings.
#[derive(Clone, Copy, ValueEnum)]
pub enum Drawing {
    /// Graphviz.
    Dot,
    /// A picture.
    Svg,
    /// One line for each tensor.
    Text,
}

/// Commitment schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Hashes only, no set-up.
    Transparent,
    /// Points of a curve, for proofs that contracts verify.
    Succinct,
}

/// What proofs should be good at.
#[derive(Clone, Copy, ValueEnum)]
pub enum ProfileArg {
    /// Proving time first.
    Fast,
    /// Proof size first.
    Small,
}

impl Building {
    /// Options of the package.
    pub fn package(&self, name: &str) -> Result<CompileOptions, Failure> {
        let mut o = CompileOptions {
            name: name.into(),
            zero_knowledge: !self.plain,
            budget: self.budget,
            ..CompileOptions::default()
        };
        (o.profile, o.params) = match (self.profile, self.unique_decoding) {
            (ProfileArg::Fast, false) => (Profile::Fast, Params::fast(self.security)),
            (ProfileArg::Small, false) => (Profile::Small, Params::standard(self.security)),
            (ProfileArg::Fast, true) => (Profile::Fast, Params::unique_decoding(self.security)),
            (ProfileArg::Small, true) => (Profile::Small, Params::unique_decoding(self.security)),
        };
        for part in self.visibility.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let bad = || {
                Failure::usage(format!(
                    "--visibility: '{part}' is not input=, model= or output= with public, private or committed"
                ))
            };
            let (who, what) = part.split_once('=').ok_or_else(bad)?;
            let (io, model) = match what {
                "public" => (IoVisibility::Public, ModelVisibility::Public),
                "private" => (IoVisibility::Private, ModelVisibility::Private),
                "committed" => (IoVisibility::Committed, ModelVisibility::Committed),
                _ => return Err(bad()),
            };
            match who {
                "input" => o.input = io,
                "output" => o.output = io,
                "model" => o.model = model,
                _ => return Err(bad()),
            }
        }
        Ok(o)
    }

    /// Inferences in one proof.
    pub fn inferences(&self) -> usize {
        self.batch.map_or(1, |n| n as usize)
    }

    /// Options of the front end.
    pub fn front(&self) -> Result<Options, Failure> {
        let mut o = Options::default();
        (o.weight_bits, o.activation_bits) = (self.weight_bits, self.activation_bits);
        o.inferences = self.inferences();
        (o.max_error, o.min_agreement) = (self.max_error, self.min_agreement);
        o.margin = self.margin.unwrap_or(o.margin);
        o.dims = dimensions(&self.dims)?;
        o.reveal = self.output_policy.iter().map(|p| reveal(p)).collect::<Result<_, _>>()?;
        Ok(o)
    }
}

/// A number from 0 on.
fn error(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(v) if v >= 0.0 => Ok(v),
        _ => Err(format!("'{text}' is not a number from 0 on")),
    }
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(v) if (0.0..=1.0).contains(&v) => Ok(v),
        _ => Err(format!("'{text}' is not a number from 0 to 1")),
    }
}

/// Lengths by symbol from `name=length`.
pub fn dimensions(list: &[String]) -> Result<BTreeMap<String, usize>, Failure> {
    let one = |d: &String| {
        let parsed = d.split_once('=').and_then(|(n, l)| Some((n.to_string(), l.parse().ok()?)));
        parsed.ok_or_else(|| Failure::usage(format!("--dim: '{d}' is not name=length")))
    };
    list.iter().map(one).collect()
}

fn reveal(text: &str) -> Result<Reveal, Failure> {
    // Names may have a `=` or `:` in them, policies have no `=`.
    let (output, text) = text.rsplit_once('=').map_or((None, text), |(name, policy)| (Some(name.to_owned()), policy));
    Ok(Reveal { output, policy: policy(text)? })
}

fn policy(text: &str) -> Result<OutputPolicy, Failure> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let bad = || {
        let kinds = "full, argmax, topk:K, threshold:T, private-threshold:T or bucket:a,b,c";
        Failure::usage(format!("--output-policy: '{text}' is not {kinds}"))
    };
    let number = |s: &str| s.trim().parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(bad);
    Ok(match (kind, rest) {
        ("full", "") => OutputPolicy::Full,
        ("argmax", "") => OutputPolicy::ArgMax,
        ("topk", k) => OutputPolicy::TopK(k.parse().map_err(|_| bad())?),
        ("threshold", t) => OutputPolicy::Threshold(number(t)?),
        ("private-threshold", t) => OutputPolicy::PrivateThreshold(number(t)?),
        ("bucket", list) => OutputPolicy::Bucket(list.split(',').map(number).collect::<Result<_, _>>()?),
        _ => return Err(bad()),
    })
}
