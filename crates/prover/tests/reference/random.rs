//! Random small relations, and random weights walked through their accesses.

use std::collections::HashMap;

use proveil_algebra::{E, PrimeCharacteristicRing, log2_ceil};
use proveil_protocol::params::Params;
use proveil_prover::reference::{cell, eq, settings};
use proveil_relation::check::{KeyError, Limits, check};
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, Visibility};
use proveil_relation::layout::Dims;
use proveil_relation::table::{Column, Part, Table};
use proveil_relation::weights::{Entry, Factor, RowWeights, Run, Visit, Walk, plan_walk, push, push_runs, walk_rows};
use proveil_relation::{
    Access, Affine, Coef, Expr, Guard, Home, Input, Linear, Lookup, Output, Product, Relation, TensorDecl,
};

use crate::support::Rng;

const LENGTHS: [u32; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 20, 33];

fn shape(rng: &mut Rng, most: u32) -> Vec<u32> {
    let mut out = Vec::new();
    for _ in 0..=rng.below(3) {
        let n = LENGTHS[rng.below(LENGTHS.len())];
        if out.iter().product::<u32>() * n <= most {
            out.push(n);
        }
    }
    if out.is_empty() { vec![1] } else { out }
}

fn affine(rng: &mut Rng, vars: usize) -> Affine {
    let mut terms: Vec<(u32, i64)> = Vec::new();
    let wanted = [0, 1, 1, 1, 1, 1, 2, 2][rng.below(8)];
    for _ in 0..wanted {
        let v = rng.below(vars) as u32;
        if terms.iter().all(|t| t.0 != v) {
            terms.push((v, [1, 1, 1, 1, 1, 2, 3, -1, -2][rng.below(9)]));
        }
    }
    Affine { terms, offset: [0, 0, 0, 0, 1, -1, 2, 4, -3, 8][rng.below(10)] }
}

fn access(rng: &mut Rng, tensors: &[TensorDecl], vars: usize) -> Access {
    // Private outputs are in no tree and cannot be read.
    let t = loop {
        let t = rng.below(tensors.len());
        if !matches!(tensors[t].home, Home::Output(_)) {
            break t;
        }
    };
    let axes = tensors[t].shape.iter().map(|_| affine(rng, vars)).collect();
    let guards = (0..rng.below(5).saturating_sub(2))
        .map(|_| Guard { form: affine(rng, vars), bound: rng.below(9) as u64 + 1 })
        .collect();
    Access { tensor: t as u32, axes, guards }
}

fn expr(rng: &mut Rng, tensors: &[TensorDecl], space: usize) -> Expr {
    let coef = |rng: &mut Rng| Coef { num: rng.within(-9, 9), shift: rng.below(4) as u32 };
    let sum = |rng: &mut Rng| -> Vec<u32> { (0..rng.below(3)).map(|_| LENGTHS[rng.below(6)]).collect() };
    let mut out = Expr { constant: coef(rng), linear: vec![], products: vec![] };
    for _ in 0..rng.below(3) {
        let sum = sum(rng);
        let access = access(rng, tensors, space + sum.len());
        out.linear.push(Linear { coef: coef(rng), sum, access });
    }
    for _ in 0..rng.below(3) {
        let sum = sum(rng);
        let vars = space + sum.len();
        let (lhs, rhs) = (access(rng, tensors, vars), access(rng, tensors, vars));
        out.products.push(Product { coef: coef(rng), sum, lhs, rhs });
    }
    out
}

fn table(rng: &mut Rng, name: usize) -> Table {
    let width = 1 + rng.below(3);
    let parts = (0..=rng.below(3)).map(|_| {
        let len = 1 + rng.below(40) as u32;
        let column = |rng: &mut Rng| match rng.below(3) {
            0 => Column::Ramp(rng.within(-50, 50)),
            1 => Column::Constant(rng.within(-50, 50)),
            _ => Column::Values(rng.many(len as usize, -50, 50)),
        };
        Part { len, columns: (0..width).map(|_| column(rng)).collect() }
    });
    Table::public(format!("table {name}"), parts.collect())
}

/// A relation that [`check`] accepts, if the seed makes one.
pub fn relation(seed: u64) -> Option<Relation> {
    let rng = &mut Rng(seed);
    let mut r = Relation::default();
    for t in 0..3 + rng.below(3) {
        let shape = shape(rng, 150);
        let cells = shape.iter().product::<u32>() as usize;
        let home = match rng.below(4) {
            0 => Home::Model,
            1 => Home::Public(rng.many(cells, -9, 9)),
            2 => {
                r.inputs.push(Input { tensor: t as u32, lo: -9, hi: 9 });
                Home::Input(r.inputs.len() as u32 - 1)
            }
            _ => Home::Trace,
        };
        r.tensors.push(TensorDecl { name: format!("tensor {t}"), shape, home });
    }
    r.tables = (0..1 + rng.below(3)).map(|t| table(rng, t)).collect();
    for t in 0..rng.below(3) {
        let space = shape(rng, 60);
        let columns = (0..1 + rng.below(3)).map(|_| expr(rng, &r.tensors, space.len())).collect();
        r.tables.push(Table::committed(format!("committed {t}"), space, columns));
    }
    for i in 0..1 + rng.below(3) {
        let (space, table) = (shape(rng, 70), rng.below(r.tables.len()));
        let tuple = (0..r.tables[table].width()).map(|_| expr(rng, &r.tensors, space.len())).collect();
        r.lookups.push(Lookup { name: format!("look-up {i}"), space, table: table as u32, tuple });
    }
    for o in 0..rng.below(3) {
        let space = shape(rng, 400);
        let expr = expr(rng, &r.tensors, space.len());
        r.tensors.push(TensorDecl { name: format!("y{o}"), shape: space.clone(), home: Home::Output(o as u32) });
        r.outputs.push(Output { name: format!("y{o}"), space, expr, lo: -1000, hi: 1000 });
    }
    match well_formed(&r, 7) {
        Ok(()) => Some(r),
        Err(e) => {
            println!("seed {seed}: {e}");
            None
        }
    }
}

/// What a key of this relation would be checked for.
///
/// # Errors
/// Those of [`check`].
pub fn well_formed(r: &Relation, log_height: u8) -> Result<(), KeyError> {
    let geometry = Geometry {
        log_height,
        model_top: 32,
        trace_top: 32,
        io_top: 32,
        inputs: vec![7; r.inputs.len()],
        outputs: vec![7; r.outputs.len()],
    };
    let visibility = Visibility {
        zero_knowledge: false,
        model: ModelVisibility::Public,
        inputs: vec![IoVisibility::Private; r.inputs.len()],
        outputs: vec![IoVisibility::Public; r.outputs.len()],
    };
    let params = Params { final_log_size: 4, ..Params::standard(40).with_grinding(2) };
    check(r, &geometry, &visibility, &params, &Limits::default())
}

/// Owned weights of a space: all rows, or a point with the places, lengths, starts and weights of runs; low point.
struct Space {
    dims: Dims,
    rows: Vec<E>,
    point: Vec<E>,
    runs: Vec<(usize, usize, usize, E)>,
}

impl Space {
    /// Random rows, or runs that touch, lie apart or overlap.
    fn random(dims: Dims, rng: &mut Rng) -> Self {
        let point = (0..dims.granule + 8).map(|_| rng.element()).collect();
        let n = dims.rows();
        let run = |rng: &mut Rng| {
            let from = rng.below(n);
            (from, rng.below(n - from) + 1, rng.below(200), rng.element())
        };
        let runs = if rng.below(2) == 0 { Vec::new() } else { (0..=rng.below(2)).map(|_| run(rng)).collect() };
        let rows = (0..n).map(|_| rng.element()).collect();
        let mut out = Self { dims, rows, point, runs };
        if !out.runs.is_empty() {
            out.rows = vec![E::ZERO; n];
            for (row, rows, start, weight) in &out.runs {
                let own = out.rows.iter_mut().skip(*row).take(*rows).enumerate();
                own.for_each(|(i, r)| *r += *weight * eq(&out.point[out.dims.granule..], start + i));
            }
        }
        out
    }

    fn low(&self) -> &[E] {
        &self.point[..self.dims.granule]
    }

    fn runs(&self) -> Vec<Run<'_, E>> {
        let inside = self.dims.granule;
        let run = |(row, rows, start, weight): &_| Run {
            point: &self.point,
            inside,
            row: *row,
            rows: *rows,
            start: *start,
            weight: *weight,
        };
        self.runs.iter().map(run).collect()
    }

    fn rows(&self) -> RowWeights<'_, E> {
        match self.runs() {
            runs if runs.is_empty() => self.rows.as_slice().into(),
            runs => RowWeights::Runs { len: self.rows.len(), runs },
        }
    }
}

/// Walks every linear term of a relation with random factors: whole, in parts, and pushed to a functional.
pub fn walks(r: &Relation, rng: &mut Rng) {
    let looked = r.lookups.iter().flat_map(|l| l.tuple.iter().map(|e| (&l.space, e)));
    for (space, e) in looked.chain(r.outputs.iter().map(|o| (&o.space, &o.expr))) {
        let linear = e.linear.iter().map(|l| (&l.sum, &l.access));
        for (sum, access) in linear.chain(e.products.iter().flat_map(|p| [(&p.sum, &p.lhs), (&p.sum, &p.rhs)])) {
            let extents: Vec<usize> = space.iter().chain(sum).map(|n| *n as usize).collect();
            walk(r, rng, space, &extents, access);
        }
    }
}

fn factors<'a>(rng: &mut Rng, space: &'a Space, vars: usize, extents: &[usize]) -> Vec<Factor<'a, E>> {
    let mut out = Vec::new();
    if rng.below(3) > 0 {
        let vars = (0..vars).collect();
        out.push(Factor::Space { vars, granule: space.dims.granule, rows: space.rows(), low: space.low() });
    }
    for (var, n) in extents.iter().enumerate() {
        if rng.below(3) == 0 {
            let pt = (0..log2_ceil(*n) + rng.below(2)).map(|_| rng.element()).collect();
            out.push(Factor::Eq { var, pt });
        }
    }
    if rng.below(4) == 0 {
        let vars: Vec<usize> = (0..extents.len()).filter(|_| rng.below(2) == 0).collect();
        let n = vars.iter().map(|v| extents[*v]).product();
        out.push(Factor::Outer { vars, rows: (0..n).map(|_| rng.element()).collect::<Vec<_>>().into() });
    }
    out
}

fn weight(f: &Factor<'_, E>, extents: &[usize], idx: &[usize]) -> E {
    let row_major = |vars: &[usize]| vars.iter().fold(0, |at, v| at * extents[*v] + idx[*v]);
    match f {
        Factor::Eq { var, pt } => eq(pt, idx[*var]),
        Factor::Line { var, cells } => cells[idx[*var]],
        Factor::Outer { vars, rows } => rows.dense()[row_major(vars)],
        Factor::Space { vars, granule, rows, low } => {
            let (last, outer) = vars.split_last().expect("a space has an axis");
            let chunks = extents[*last].div_ceil(1 << granule);
            let (chunk, inside) = (idx[*last] >> granule, idx[*last] & ((1 << granule) - 1));
            rows.dense()[row_major(outer) * chunks + chunk] * eq(low, inside)
        }
    }
}

/// Walks one access with random factors: whole, in parts, and pushed to a functional.
pub fn walk(r: &Relation, rng: &mut Rng, space: &[u32], extents: &[usize], access: &Access) {
    let shape = &r.tensors[access.tensor as usize].shape;
    let dims = Dims::new(shape, rng.below(6));
    let own = Dims::new(space, rng.below(6));
    let laid = Space::random(own, rng);
    let factors = factors(rng, &laid, space.len(), extents);
    let strides: Vec<usize> = extents.iter().map(|_| rng.below(4)).collect();
    let scale = rng.element();
    let mut slow: HashMap<(usize, usize), E> = HashMap::new();
    settings(extents, |idx| {
        if let Some(c) = cell(access, shape, idx) {
            let w = factors.iter().fold(scale, |w, f| w * weight(f, extents, idx));
            let target = idx.iter().zip(&strides).map(|(i, s)| i * s).sum();
            *slow.entry((c, target)).or_default() += w;
        }
    });
    let plan = plan_walk(extents, &factors, access, &dims);
    let run = |range| {
        let mut out: HashMap<(usize, usize), E> = HashMap::new();
        walk_rows(extents, &factors, scale, access, &dims, &plan, &strides, range, &mut |v| {
            add(&mut out, &dims, &plan, &strides, v);
        });
        out
    };
    assert_eq!(run(None), slow, "{access:?} over {extents:?}, {plan:?}");
    for (v, n) in extents.iter().enumerate() {
        let steps = if plan.var == Some(v) { n.div_ceil(1 << plan.granule) } else { *n };
        let cut = rng.below(steps + 1);
        let mut parts = run(Some((v, 0, cut)));
        run(Some((v, cut, steps))).into_iter().for_each(|(k, w)| *parts.entry(k).or_default() += w);
        assert_eq!(parts, slow, "{access:?} over {extents:?}, variable {v} cut at {cut}");
    }
    let mut cells = vec![E::ZERO; r.tensors[access.tensor as usize].cells()];
    slow.iter().for_each(|((c, _), w)| cells[*c] += *w);
    let mut entries = Vec::new();
    push(extents, &factors, scale, access, &dims, &mut entries);
    assert_entries(&entries, access, &dims, cells, &format!("{access:?} over {extents:?}, pushed"));
    if extents.len() == space.len() && !laid.runs.is_empty() {
        let mut cells = vec![E::ZERO; r.tensors[access.tensor as usize].cells()];
        let own = [Factor::Space {
            vars: (0..extents.len()).collect(),
            granule: laid.dims.granule,
            rows: laid.rows(),
            low: laid.low(),
        }];
        settings(extents, |idx| {
            if let Some(c) = cell(access, shape, idx) {
                cells[c] += scale * weight(&own[0], extents, idx);
            }
        });
        let mut entries = Vec::new();
        push_runs(&laid.dims, (&laid.runs(), laid.low()), scale, access, &dims, &mut entries);
        assert_entries(&entries, access, &dims, cells, &format!("{access:?} over {extents:?}, runs pushed"));
    }
}

/// Fails unless entries have these weights on the cells of their tensor.
fn assert_entries(entries: &[Entry<E>], access: &Access, dims: &Dims, mut cells: Vec<E>, what: &str) {
    for e in entries {
        assert_eq!(e.tensor, access.tensor as usize);
        for (c, w) in cells.iter_mut().enumerate() {
            let at = c / dims.last * dims.padded_last() + c % dims.last;
            let row = (at >> e.granule).checked_sub(e.first).and_then(|r| e.rows.get(r));
            *w -= row.map_or(E::ZERO, |r| *r * e.low[at & ((1 << e.granule) - 1)]);
        }
    }
    assert!(cells.iter().all(|w| *w == E::ZERO), "{what}");
}

/// The cells of one visited row.
fn add(out: &mut HashMap<(usize, usize), E>, dims: &Dims, plan: &Walk<'_, E>, strides: &[usize], v: Visit<E>) {
    let (stride, low) = (plan.var.map_or(0, |v| strides[v]), plan.low.clone().cells());
    for (j, weight) in low.iter().enumerate().take(v.valid) {
        let at = (v.row << plan.granule) + j;
        let c = at / dims.padded_last() * dims.last + at % dims.padded_last();
        *out.entry((c, v.target + j * stride)).or_default() += v.weight * *weight;
    }
}
