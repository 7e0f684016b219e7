//! What a proof will cost, from its key alone: counts of work by stage, times the constants of a machine.
//!
//! The counts are exact, read off the layout; nothing is run. Their weights are nanoseconds on two idle cores of the machine
//! that [`crate::profile`] names, whose cost model of trees and openings is used as it is. Two short proofs tell how
//! long a machine takes for a small and for a larger amount of that ([`SelfTest`]), other programs' turns on the
//! processor taken off.
//!
//! The weights were fitted to what `bench --stages --json` says (`work` beside the least `seconds` of each stage) of 93 models;
//! when kernels change much, fit them again.

use proveil_algebra::E;
use proveil_frontend::Options;
use proveil_frontend::synthetic::Synthetic;
use proveil_graph::{Graph, Stats};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::params::Params;
use proveil_protocol::sample::Sampled;
use proveil_prover::commit::KEPT_BYTES;
use proveil_relation::groups::Side;
use proveil_relation::key::IoVisibility;
use proveil_relation::layout::{Dims, Layout, TreeKind};
use proveil_relation::table::Table;
use proveil_relation::terms::LinearTerm;
use proveil_relation::weights::{plan_walk, spelled_out};
use proveil_relation::{Access, Affine, Home};
use proveil_verifier::PreparedKey;
use serde::{Deserialize, Serialize};
use std::time::Instant;

use crate::engine::Engine;
use crate::error::Error;
use crate::meta::Meta;
use crate::onnx::describe;
use crate::package::{CompileOptions, claim, compile_graph, draft_key};
use crate::profile::{self, Wish};
use crate::succinct::OnChain;
use crate::trace::{cpu_seconds, waited_seconds};

/// Rounds of the self-test: at least so many, and until so many seconds have gone by, so that what else the machine does
/// for a moment does not reach all of them.
const RUNS: usize = 6;
const MOST_RUNS: usize = 40;
const SPREAD_S: f64 = 1.5;
/// Share of a proof's processor time in which one thread runs alone.
const ALONE: f64 = 0.2;
/// What the self-test proves: one model whose proof is mostly overhead, one whose proof is mostly work.
const SELF_TEST: [Synthetic; 2] =
    [Synthetic::Dense { width: 32, layers: 2 }, Synthetic::Conv { channels: 16, side: 48, layers: 4 }];
/// Bits of the models of the self-test.
const BITS: (u32, u32) = (8, 10);

/// Counts of work in a proof.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Work {
    /// Multiplications of plain inference.
    pub macs: f64,
    /// Cells that plain inference computes.
    pub values: f64,
    /// Looked-up cells.
    pub lookup_cells: f64,
    /// Entries of all look-up tuples.
    pub tuple_cells: f64,
    /// Rows of all tables.
    pub table_rows: f64,
    /// Cells that linear terms read in look-ups, tables of expressions and outputs.
    pub linear_cells: f64,
    /// Rows or single cells that linear terms read one by one, because they do not run through a tensor in order.
    pub linear_runs: f64,
    /// Cells of tables of expressions.
    pub table_cells: f64,
    /// Cells of all columns that the opening combines, padding included.
    pub column_cells: f64,
    /// Cells of inputs, outputs and trace.
    pub trace_cells: f64,
    /// Cells of the model.
    pub model_cells: f64,
    /// Addresses of fractions in use, in both lanes.
    pub addresses: f64,
    /// Granules of all committed tensors.
    pub granules: f64,
    /// Granules of all look-up spaces and outputs.
    pub space_granules: f64,
    /// Cells that phase 2 reads for its operands, and products that it sums over.
    pub operand_cells: f64,
    /// Length of the index space of phase 2 in use.
    pub products: f64,
    /// Contractions.
    pub contractions: f64,
    /// Kinds of look-ups, tables and outputs.
    pub kinds: f64,
    /// Messages of the proof.
    pub messages: f64,
    /// Products of two hidden values.
    pub hidden_products: f64,
    /// Pads.
    pub pads: f64,
    /// Nanoseconds of tree building for the trace, by the cost model of geometries.
    pub commit_ns: f64,
    /// The same for pads.
    pub pads_ns: f64,
    /// The same for the helper columns.
    pub helper_ns: f64,
    /// The last sumcheck, likewise.
    pub claims_ns: f64,
    /// The opening, likewise.
    pub opening_ns: f64,
    /// Bytes of codewords and hashes of all trees whose codewords stay in memory.
    pub tree_bytes: f64,
    /// Bytes of columns and hashes of the other trees, whose codewords are made again when they are opened.
    pub remade_bytes: f64,
    /// Bytes of the opening.
    pub opening_bytes: f64,
    /// Bytes of public inputs and outputs.
    pub public_bytes: f64,
}

/// Bytes of the public values of a statement: seven bits a byte and a bit for the sign; proven ranges are wide, a usual
/// value is 64 times smaller.
fn public_bytes(key: &PreparedKey) -> f64 {
    let (relation, visibility) = (&key.key.relation, &key.key.visibility);
    let bytes = |lo: i64, hi: i64| {
        f64::from((i128::from(hi) - i128::from(lo) + 1).ilog2().saturating_sub(6).max(1).div_ceil(7))
    };
    let inputs =
        relation.inputs.iter().enumerate().filter(|(k, _)| visibility.input(*k as u32) == IoVisibility::Public);
    let outputs =
        relation.outputs.iter().enumerate().filter(|(k, _)| visibility.output(*k as u32) == IoVisibility::Public);
    let cells = |space: &[u32]| space.iter().map(|n| f64::from(*n)).product::<f64>();
    inputs.map(|(_, i)| cells(&relation.tensors[i.tensor as usize].shape) * bytes(i.lo, i.hi)).sum::<f64>()
        + outputs.map(|(_, o)| cells(&o.space) * bytes(o.lo, o.hi)).sum::<f64>()
}

/// Cells that a linear term reads, and the rows in which weights are pushed through it, one by one where its variables do not
/// run through the tensor in order.
fn linear_reads(layout: &Layout, term: &LinearTerm) -> [f64; 2] {
    let (dims, l) = (&layout.tensors[term.linear.access.tensor as usize].dims, &term.linear);
    let space = term.dims.shape.len();
    let mut extents: Vec<usize> = term.dims.shape.iter().copied().chain(l.sum.iter().map(|n| *n as usize)).collect();
    let (mut access, mut times) = (l.access.clone(), 1.0);
    match access.axes.last_mut() {
        // A series along the last axis is pushed as a whole.
        Some(last) if term.step != 0 => {
            last.terms.push((extents.len() as u32, term.step));
            extents.push(term.sources.len());
        }
        _ => times = term.sources.len() as f64,
    }
    let cells = extents.iter().product::<usize>() as f64;
    let walk = plan_walk::<E>(&extents, &[], &access, dims);
    let run = match walk.var {
        Some(v) if v + 1 == space => Some((v, walk.granule.min(term.dims.granule))),
        Some(v) if v >= space => Some((v, walk.granule)),
        _ => None,
    };
    let length = match spelled_out(&extents, &access, dims, run.map_or(0, |r| r.1)) {
        Some(granules) => {
            let own = access.axes.last().map_or(&[][..], |a| &a.terms[..]);
            own.iter().map(|t| extents[t.0 as usize] as f64).product::<f64>() / granules.len() as f64
        }
        None => run.map_or(1.0, |(v, g)| extents[v] as f64 / extents[v].div_ceil(1 << g) as f64),
    };
    let one_by_one = if in_order(&extents, &access, dims) { 0.0 } else { cells / length };
    [cells * times, one_by_one]
}

/// Whether an access runs through all of a tensor's outer axes, each with a variable of its own, in order.
fn in_order(extents: &[usize], access: &Access, dims: &Dims) -> bool {
    let outer = access.axes.len().saturating_sub(1);
    let whole = |(a, n): (&Affine, &usize)| match a.terms.as_slice() {
        [(v, 1)] if a.offset == 0 && extents[*v as usize] == *n => Some(*v),
        _ => None,
    };
    let lead: Option<Vec<u32>> = access.axes.iter().zip(&dims.shape).take(outer).map(whole).collect();
    let last = |lead: &[u32]| access.axes.last().is_none_or(|a| a.terms.iter().all(|t| !lead.contains(&t.0)));
    access.guards.is_empty() && lead.is_some_and(|vars| vars.is_sorted() && last(&vars))
}

impl Work {
    /// Counts the work of proofs under a key.
    #[must_use]
    pub fn of(key: &PreparedKey, graph: &Graph) -> Self {
        let (layout, relation) = (&key.layout, &key.key.relation);
        let stats = Stats::of(graph);
        let cells = |d: &Dims| (d.outer * d.last) as f64;
        let blocks = &layout.blocks[..relation.lookups.len().min(layout.blocks.len())];
        let committed = || layout.tensors.iter().filter(|t| t.tree.is_some());
        let group = |s: Side| -> f64 {
            let own = layout.groups.iter().enumerate().filter(move |(i, g)| g.first[s.index()] == *i);
            own.map(|(_, g)| g.side_extents(s).iter().product::<usize>() as f64).sum()
        };
        let shape = key.shape();
        let tables = || relation.tables.iter().filter_map(Table::expressions);
        let reads: Vec<[f64; 2]> = layout.linears.iter().map(|t| linear_reads(layout, t)).collect();
        let of_home = |model: bool| {
            let tensors = relation.tensors.iter().filter(|t| !matches!(t.home, Home::Public(_)));
            tensors.filter(|t| (t.home == Home::Model) == model).map(|t| t.cells() as f64).sum::<f64>()
        };
        let mut work = Self {
            macs: stats.macs as f64,
            values: graph.nodes.iter().map(|n| graph.tensors[n.out.0 as usize].cells() as f64).sum(),
            lookup_cells: blocks.iter().map(|b| cells(&b.dims)).sum(),
            tuple_cells: blocks.iter().zip(&relation.lookups).map(|(b, l)| cells(&b.dims) * l.tuple.len() as f64).sum(),
            table_rows: relation.tables.iter().map(Table::num_rows).sum::<usize>() as f64,
            linear_cells: reads.iter().map(|r| r[0]).sum(),
            linear_runs: reads.iter().map(|r| r[1]).sum(),
            table_cells: tables().map(|(s, c)| s.iter().map(|n| f64::from(*n)).product::<f64>() * c.len() as f64).sum(),
            trace_cells: of_home(false),
            model_cells: of_home(true),
            addresses: 2.0 * layout.tensors[layout.helper(relation)].dims.last as f64,
            granules: committed().map(|t| t.dims.rows() as f64).sum(),
            space_granules: layout.blocks.iter().map(|b| &b.dims).chain(&layout.outputs).map(|d| d.rows() as f64).sum(),
            operand_cells: group(Side::Lhs) + group(Side::Rhs),
            products: layout.linear_at as f64 + 1.0,
            contractions: layout.groups.len() as f64,
            kinds: (layout.blocks.len() + layout.outputs.len()) as f64,
            messages: shape.messages as f64,
            hidden_products: shape.products.len() as f64,
            pads: shape.pads as f64,
            public_bytes: public_bytes(key),
            ..Self::default()
        };
        work.trees(key, shape.pads);
        work
    }

    fn trees(&mut self, key: &PreparedKey, pads: usize) {
        let (layout, params) = (&key.layout, &key.key.params);
        let hiding = key.key.visibility.hiding();
        for (group, height) in layout.heights.iter().enumerate() {
            let Ok(schedule) = params.schedule(*height) else { continue };
            let own: Vec<_> = layout.trees.iter().filter(|t| t.group == group).cloned().collect();
            let leaves = (1u64 << schedule.rows.log_leaves) as f64;
            for tree in &own {
                let row = 8.0 * tree.base_columns() as f64;
                let (cells, codeword) = (row * (1u64 << height) as f64, row * leaves);
                let kept = matches!(tree.kind, TreeKind::Model) || codeword <= KEPT_BYTES as f64;
                *(if kept { &mut self.tree_bytes } else { &mut self.remade_bytes }) +=
                    64.0 * leaves + if kept { codeword } else { cells };
            }
            let columns: usize = own.iter().map(|t| t.base_columns()).sum();
            self.column_cells += columns as f64 * (1u64 << height) as f64;
            let (cost, parts) = profile::predict(layout, group, &schedule, hiding);
            self.commit_ns += parts.commit;
            self.helper_ns += parts.helper;
            self.claims_ns += parts.claims;
            self.opening_ns += parts.opening;
            self.opening_bytes += cost.bytes;
        }
        if hiding {
            let (ns, bytes) = profile::pad_cost(params, pads);
            self.pads_ns = ns;
            self.opening_bytes += bytes;
        }
        self.opening_bytes += 24.0 * self.messages;
    }
}

impl Work {
    /// Nanoseconds by stage on two idle cores of the reference machine, in a process that has proved before.
    #[must_use]
    pub fn nanoseconds(&self) -> [(&'static str, f64); 9] {
        let w = self;
        [
            ("inference", 3.7e3 + 0.048 * w.macs + 4.5 * w.values + 0.5 * w.model_cells + 1.1e3 * w.kinds),
            ("check", 3.1e3 + 1.6 * w.trace_cells + 140.0 * w.kinds),
            ("witness", 3.5e3 + 3.4 * w.lookup_cells + 0.86 * w.table_rows + 72.0 * w.kinds),
            ("commit", 1.1e4 + 0.88 * w.commit_ns + 0.69 * w.pads_ns),
            ("look-ups", 2.4e4 + 54.0 * w.addresses + 0.81 * w.helper_ns + 1.4e3 * w.kinds),
            (
                "products",
                1.2e4
                    + 220.0 * w.space_granules
                    + 0.61 * w.operand_cells
                    + 52.0 * w.products
                    + 8.2e3 * w.contractions
                    + 19.0 * w.linear_runs,
            ),
            ("claims", 1.1e5 + 0.085 * w.claims_ns + 300.0 * w.granules + 5.4e3 * w.kinds + 35.0 * w.linear_runs),
            ("opening", 1e5 + 0.97 * w.opening_ns + 0.55 * w.column_cells + w.remade_bytes),
            ("pads", 1.1e4 + 1.2e3 * w.pads + 0.29 * w.pads_ns),
        ]
    }

    /// Seconds of a proof on the reference machine: of all stages.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.nanoseconds().iter().map(|s| s.1).sum::<f64>() / 1e9
    }

    /// Largest resident size of the prover, in bytes: the process, trees, fractions.
    #[must_use]
    pub fn peak_bytes(&self) -> f64 {
        86e6 + 1.88 * self.tree_bytes + self.remade_bytes + 110.0 * self.addresses
    }

    /// Bytes of a proof; siblings that two openings share are counted once only by chance.
    #[must_use]
    pub fn proof_bytes(&self) -> f64 {
        self.opening_bytes + self.public_bytes
    }
}

/// How fast a machine is: seconds are `fixed_s + scale` times what two idle cores of the reference machine need.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Seconds of every proof.
    pub fixed_s: f64,
    /// Seconds for a second of the reference machine.
    pub scale: f64,
}

impl Machine {
    /// Two cores of the reference machine, idle.
    pub const REFERENCE: Self = Self { fixed_s: 0.0, scale: 1.0 };

    /// Measures this machine once; keeps nothing. See [`SelfTest::run`].
    ///
    /// # Errors
    /// Those of compiling and proving.
    pub fn measure() -> Result<Self, Error> {
        SelfTest::new()?.run()
    }

    /// The speed halfway between two measurements.
    #[must_use]
    pub fn between(self, other: Self) -> Self {
        let middle = |a: f64, b: f64| 0.5 * (a + b);
        Self { fixed_s: middle(self.fixed_s, other.fixed_s), scale: middle(self.scale, other.scale) }
    }

    /// Seconds for what takes the reference machine so many.
    #[must_use]
    pub fn seconds(&self, reference_s: f64) -> f64 {
        self.fixed_s + self.scale * reference_s
    }

    /// The line through two points of predicted and measured seconds; its fixed part is not negative
    /// and not above the smaller time.
    fn through(small: (f64, f64), large: (f64, f64)) -> Self {
        let slope = (large.1 - small.1) / (large.0 - small.0).max(1e-9);
        let fixed_s = (small.1 - slope * small.0).clamp(0.0, 0.7 * small.1);
        Self { fixed_s, scale: ((large.1 - fixed_s) / large.0).max(1e-6) }
    }
}

/// Two models, ready to be proved, whose times tell how fast a machine is.
pub struct SelfTest {
    proofs: [Reference; 2],
}

impl SelfTest {
    /// Compiles the two models.
    ///
    /// # Errors
    /// Those of compiling.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { proofs: [Reference::of(&SELF_TEST[0])?, Reference::of(&SELF_TEST[1])?] })
    }

    /// Measures this machine by short proofs of both models in turns, some two seconds.
    ///
    /// # Errors
    /// Those of proving.
    pub fn run(&self) -> Result<Machine, Error> {
        let mut least = [Run::LONGEST; 2];
        let clock = Instant::now();
        for round in 0..MOST_RUNS {
            if round >= RUNS && clock.elapsed().as_secs_f64() > SPREAD_S {
                break;
            }
            // What else the machine does can only add to a time.
            for (least, proof) in least.iter_mut().zip(&self.proofs) {
                *least = least.min(proof.run()?);
            }
        }
        let threads = rayon::current_num_threads();
        let point = |i: usize| (self.proofs[i].predicted(), least[i].undisturbed(threads));
        Ok(Machine::through(point(0), point(1)))
    }
}

/// One of the models that the self-test proves.
struct Reference {
    engine: Engine,
    inputs: Vec<Vec<i64>>,
}

impl Reference {
    fn of(family: &Synthetic) -> Result<Self, Error> {
        let mut front = Options::default();
        (front.weight_bits, front.activation_bits) = (Some(BITS.0), Some(BITS.1));
        let model = proveil_frontend::compile(&family.onnx(), &[], &front)?;
        let inputs = model.inputs.iter().map(|i| vec![i.range.hi / 3; i.shape.iter().product()]).collect();
        let options = CompileOptions { params: Params::fast(128), ..CompileOptions::default() };
        let meta = describe(&model, &options.name);
        let (package, committed) = compile_graph(model.graph, model.params, &meta, &options)?;
        Ok(Self { engine: Engine::with_model(package, committed)?, inputs })
    }

    fn predicted(&self) -> f64 {
        Work::of(&self.engine.key, &self.engine.package.graph).seconds()
    }

    fn run(&self) -> Result<Run, Error> {
        let usage = || cpu_seconds().zip(waited_seconds());
        let (before, clock) = (usage(), Instant::now());
        self.engine.prove(&self.inputs, b"")?;
        let seconds = clock.elapsed().as_secs_f64();
        let had = before.zip(usage()).map(|(a, b)| ((b.0 - a.0).max(0.0), (b.1 - a.1).max(0.0)));
        Ok(Run::of(seconds, had))
    }
}

/// Times of one proof, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    /// From start to end.
    seconds: f64,
    /// Less the share in which threads were ready to run and others ran: that much at least without the others.
    least: f64,
    /// Processor time of all threads.
    processor: f64,
}

impl Run {
    const LONGEST: Self = Self { seconds: f64::INFINITY, least: f64::INFINITY, processor: f64::INFINITY };

    /// From the time between start and end and, where the system tells, how long threads ran and waited to run.
    fn of(seconds: f64, had: Option<(f64, f64)>) -> Self {
        match had {
            Some((ran, waited)) if ran > 0.0 => Self { seconds, least: seconds * ran / (ran + waited), processor: ran },
            _ => Self { seconds, least: seconds, processor: seconds },
        }
    }

    fn min(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.min(other.seconds),
            least: self.least.min(other.least),
            processor: self.processor.min(other.processor),
        }
    }

    /// Seconds without other programs: between the two bounds, where the processor time of a usual proof ends up.
    fn undisturbed(self, threads: usize) -> f64 {
        let usual = self.processor * (ALONE + (1.0 - ALONE) / threads.max(1) as f64);
        usual.max(self.least).min(self.seconds)
    }
}

/// What a proof will cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// What there is to do.
    pub work: Work,
    /// Seconds by stage.
    pub stages: Vec<(&'static str, f64)>,
    /// Seconds to prove, the sum.
    pub prove_s: f64,
    /// Largest resident size of the prover, in bytes.
    pub peak_bytes: f64,
    /// Bytes of the proof.
    pub proof_bytes: f64,
    /// Bytes of the verifying key: exact.
    pub vk_bytes: usize,
    /// The same model proved for contracts, or why they do not take it.
    pub on_chain: Result<OnChain, String>,
}

impl Estimate {
    /// Predicts proofs under a key on a machine.
    #[must_use]
    pub fn of(key: &PreparedKey, graph: &Graph, machine: &Machine) -> Self {
        let work = Work::of(key, graph);
        let total = work.seconds();
        let prove_s = machine.seconds(total);
        // The fixed part belongs to stages as their work does.
        let stages = work.nanoseconds().iter().map(|(n, ns)| (*n, ns / 1e9 / total * prove_s)).collect();
        Self {
            stages,
            prove_s,
            peak_bytes: work.peak_bytes(),
            proof_bytes: work.proof_bytes(),
            vk_bytes: key.key.encode().len(),
            on_chain: OnChain::of(&key.key.relation, &key.key.visibility).map_err(|e| e.to_string()),
            work,
        }
    }

    /// Predicts proofs of a graph that is not committed to.
    ///
    /// # Errors
    /// `Graph`, `Lower`, `Params`, `Geometry`, as compilation.
    pub fn of_graph(graph: &Graph, meta: &Meta, options: &CompileOptions, machine: &Machine) -> Result<Self, Error> {
        proveil_graph::check::check(graph)?;
        options.params.validate()?;
        let (relation, visibility) = claim(graph, options)?;
        let wish =
            Wish { relation: &relation, params: &options.params, visibility: &visibility, profile: options.profile };
        let budget = options.budget.unwrap_or(profile::LEAST_BUDGET);
        let choice = wish.choose(options.budget).ok_or(Error::Geometry { budget })?;
        let model = relation.tensors.iter().any(|t| t.home == Home::Model);
        let key =
            draft_key(graph, meta, options, &choice, model.then(|| Sampled::binding(Commitment::plain([0; 32]))))?;
        Ok(Self::of(&PreparedKey::new(key), graph, machine))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_line() {
        let line = Machine::through((0.01, 0.012), (0.1, 0.084));
        assert!((line.fixed_s - 0.004).abs() < 1e-9 && (line.scale - 0.8).abs() < 1e-9, "{line:?}");
        // Noise must not make larger proofs cheaper or small ones free.
        let noisy = Machine::through((0.01, 0.09), (0.1, 0.08));
        assert!(noisy.fixed_s >= 0.0 && noisy.scale > 0.0, "{noisy:?}");
    }

    #[test]
    fn matches_reference_of_disturbed_runs() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        // Nobody else: what was measured, however the threads shared the work.
        for ran in [0.5, 1.0, 1.9] {
            assert!(close(Run::of(1.0, Some((ran, 0.0))).undisturbed(2), 1.0));
        }
        // Three in four turns went to others, and idle threads waited too: the processor time decides.
        let run = Run::of(4.0, Some((1.5, 9.0)));
        assert!(close(run.least, 4.0 / 7.0) && close(run.undisturbed(2), 0.9), "{run:?}");
        assert!(close(Run::of(3.0, None).undisturbed(8), 3.0));
        assert_eq!(Run::LONGEST.min(run), run);
    }

    #[test]
    fn matches_reference_of_the_compiled_key() {
        let family = Synthetic::Dense { width: 24, layers: 3 };
        let model = proveil_frontend::compile(&family.onnx(), &[], &Options::default()).expect("compiles");
        let options = CompileOptions { params: Params::fast(60), ..CompileOptions::default() };
        let meta = describe(&model, "m");
        let machine = Machine::REFERENCE;
        let draft = Estimate::of_graph(&model.graph, &meta, &options, &machine).expect("estimates");
        let (package, committed) = compile_graph(model.graph, model.params, &meta, &options).expect("compiles");
        let engine = Engine::with_model(package, committed).expect("loads");
        assert_eq!(draft, Estimate::of(&engine.key, &engine.package.graph, &machine));
        let proved = engine.prove(&[vec![3; 24]], b"").expect("proves");
        let ratio = draft.proof_bytes / proved.file.proof.len() as f64;
        assert!((0.7..1.3).contains(&ratio), "{ratio}");
        let names: Vec<&str> = draft.stages.iter().map(|s| s.0).collect();
        assert_eq!(names[1..], proveil_prover::STAGES);
        assert!((draft.stages.iter().map(|s| s.1).sum::<f64>() - draft.prove_s).abs() < 1e-9);
    }
}
