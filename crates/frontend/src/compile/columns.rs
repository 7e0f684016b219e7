//! Which inputs are tables with columns of different sizes, and the model that reads them levelled.

use proveil_graph::TensorId;

use crate::error::Result;
use crate::real::centre::{Seen, centre, has_tables};
use crate::real::level::{Columns, Levels, level, width};
use crate::real::{RealGraph, RealOp, Source, eval};
use crate::tensor::{Kind, Tensor};

/// Axes of a table at most. The last axis of what has more may be a place, and what is small at one place in all samples
/// may well be large there later.
pub(super) const TABLE_AXES: usize = 2;
/// Axes of a sequence of rows, whose last axis is short and is read by nothing but sums and products with weights.
const SEQUENCE_AXES: usize = 3;
const SEQUENCE_COLUMNS: usize = 64;

/// A model that reads levelled inputs.
pub(super) struct Levelled {
    pub graph: RealGraph,
    /// For each input the powers of two of its columns, or nothing where one unit serves all.
    pub levels: Vec<Levels>,
    /// The samples, with their columns divided.
    pub samples: Vec<Vec<Tensor>>,
}

/// The model with constants apart, if it reads tables and has columns that hardly vary; samples tell.
pub(super) fn centred(g: &RealGraph, live: &[bool], samples: &[Vec<Tensor>]) -> Result<Option<RealGraph>> {
    if !has_tables(g, live) || g.inputs.iter().any(|id| g.shape(*id).len() > TABLE_AXES) {
        return Ok(None);
    }
    let mut seen = vec![Seen::default(); g.tensors.len()];
    for sample in samples {
        let inputs: Vec<&[f64]> = sample.iter().map(|t| t.data.as_slice()).collect();
        let values = eval::run(g, live, &inputs);
        for ((t, seen), cells) in g.tensors.iter().zip(&mut seen).zip(&values) {
            seen.see(cells, width(t));
        }
    }
    centre(g, live, &seen)
}

/// The model with levelled inputs, if any has columns that differ in size, or if it is `mixed` within; the first `ranged`
/// samples tell.
pub(super) fn levelled(
    g: &RealGraph,
    live: &[bool],
    samples: &[Vec<Tensor>],
    (ranged, mixed): (usize, bool),
) -> Result<Option<Levelled>> {
    let (mut levels, own) = levels(g, &samples[..ranged]);
    if !own && !mixed {
        return Ok(None);
    }
    let mut columns = vec![Columns::default(); g.tensors.len()];
    for sample in &samples[..ranged] {
        let inputs: Vec<&[f64]> = sample.iter().map(|t| t.data.as_slice()).collect();
        let values = eval::run(g, live, &inputs);
        for ((t, columns), cells) in g.tensors.iter().zip(&mut columns).zip(&values) {
            columns.see(cells, width(t));
        }
    }
    let (mut graph, back) = level(g, &levels, &columns)?;
    // A last axis that is read by places is no list of columns.
    let wrong = |(levels, (id, back)): &(&mut Levels, (&TensorId, bool))| {
        !levels.is_empty() && *back && g.shape(**id).len() > TABLE_AXES
    };
    let places: Vec<_> = levels.iter_mut().zip(g.inputs.iter().zip(back)).filter(wrong).collect();
    if !places.is_empty() {
        places.into_iter().for_each(|(levels, _)| levels.clear());
        (graph, _) = level(g, &levels, &columns)?;
    }
    let scaled = |(t, own): (&Tensor, &Levels)| {
        let unit = |i: usize| own.get(i % own.len().max(1)).map_or(1.0, |level| 2f64.powi(-level));
        Tensor { data: t.data.iter().enumerate().map(|(i, v)| v * unit(i)).collect(), ..t.clone() }
    };
    let samples = samples.iter().map(|s| s.iter().zip(&levels).map(scaled).collect()).collect();
    Ok(Some(Levelled { graph, levels, samples }))
}

/// For each input the powers of two of its columns, and whether anything has columns of different sizes. Inputs that are
/// put beside each other are one table.
fn levels(g: &RealGraph, samples: &[Vec<Tensor>]) -> (Vec<Levels>, bool) {
    let columns = |(k, id): (usize, TensorId)| {
        let (t, mut columns) = (g.get(id), Columns::default());
        let axes = if width(t) <= SEQUENCE_COLUMNS { SEQUENCE_AXES } else { TABLE_AXES };
        if !t.shape.is_empty() && t.shape.len() <= axes {
            samples.iter().for_each(|s| columns.see(&s[k].data, width(t)));
        }
        columns
    };
    let columns: Vec<Columns> = g.inputs.iter().copied().enumerate().map(columns).collect();
    let groups = beside(g);
    let top = |k: usize| {
        let others = groups.iter().filter(|group| group.contains(&k)).flatten();
        others.map(|j| columns[*j].top()).fold(columns[k].top(), f64::max)
    };
    let all: Vec<Levels> = columns.iter().enumerate().map(|(k, own)| own.levels_below(top(k))).collect();
    let mixed = all.iter().any(|levels| !levels.is_empty());
    // Whole numbers are their own integers.
    let real = |(levels, id): (Levels, &TensorId)| if g.kind(*id) == Kind::Float { levels } else { Levels::new() };
    (all.into_iter().zip(&g.inputs).map(real).collect(), mixed)
}

/// Inputs that some sum puts beside each other, by position.
fn beside(g: &RealGraph) -> Vec<Vec<usize>> {
    let group = |t: &crate::real::RealTensor| match &t.source {
        Source::Op(RealOp::Linear { pieces, .. }) if pieces.len() > 1 => {
            let mut places: Vec<usize> = pieces.iter().filter_map(|p| input_of(g, p.access.tensor)).collect();
            places.sort_unstable();
            places.dedup();
            Some(places).filter(|places| places.len() > 1)
        }
        _ => None,
    };
    g.tensors.iter().filter_map(group).collect()
}

/// The input that a tensor shows, in whatever arrangement.
fn input_of(g: &RealGraph, mut x: TensorId) -> Option<usize> {
    loop {
        x = match &g.get(x).source {
            Source::Input => return g.inputs.iter().position(|id| *id == x),
            Source::Op(RealOp::Reshape(inner) | RealOp::Known { x: inner, .. }) => *inner,
            Source::Op(RealOp::Linear { pieces, .. }) if pieces.len() == 1 && pieces[0].sum.is_empty() => {
                pieces[0].access.tensor
            }
            _ => return None,
        };
    }
}
