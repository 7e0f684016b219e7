//! Terms of all expressions, those that read the same cells over spaces of one shape as one: a claim is linear in the
//! address weights of spaces, so their weights are added up first and pushed through the access once. A value that many
//! look-ups use, such as a residual stream that is never committed, costs one push for all of them.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::decl::{Coef, Expr, Linear, Product, Relation};
use crate::layout::{Block, Dims};

/// Whose space a term lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Tuple column `.1` of block `.0` of the layout: a look-up, or a table of committed rows, whose column 0 is the
    /// row number.
    Block(usize, usize),
    /// Output.
    Output(usize),
}

/// Products of expressions with the same operands.
#[derive(Clone, Debug)]
pub struct ProductTerm {
    /// Whose they are, with their coefficients. All their spaces have the same shape.
    pub sources: Vec<(Source, Coef)>,
    /// Shape of the spaces.
    pub dims: Dims,
    /// What is multiplied; its coefficient counts for nothing.
    pub product: Product,
}

/// Linear terms of expressions that read the same cells, or a series of them.
#[derive(Clone, Debug)]
pub struct LinearTerm {
    /// Whose they are, with their coefficients. All their spaces have the same shape.
    pub sources: Vec<(Source, Coef)>,
    /// Shape of the spaces.
    pub dims: Dims,
    /// What is read by the first of them; its coefficient counts for nothing.
    pub linear: Linear,
    /// 0 when all read the same. Else source `k`, of one block, reads `k` times as many cells further along the last
    /// axis.
    pub step: i64,
}

/// All expressions with their sources and the shapes of their spaces.
fn expressions<'a>(
    relation: &'a Relation,
    blocks: &'a [Block],
    outputs: &'a [Dims],
) -> impl Iterator<Item = (Source, &'a Dims, &'a [Expr])> {
    let looked = relation.lookups.iter().zip(blocks).enumerate();
    let looked = looked.map(|(i, (l, b))| (Source::Block(i, 0), &b.dims, &l.tuple[..]));
    let first = relation.lookups.len();
    let rows = relation.tables.iter().zip(blocks.iter().skip(first)).enumerate();
    let rows = rows.filter_map(move |(t, (table, b))| {
        Some((Source::Block(first + t, 1), &b.dims, table.expressions().map(|(_, columns)| columns)?))
    });
    let shown = relation.outputs.iter().zip(outputs).enumerate();
    looked.chain(rows).chain(shown.map(|(o, (out, d))| (Source::Output(o), d, core::slice::from_ref(&out.expr))))
}

impl Source {
    /// The source of tuple column `c` after this one's.
    fn column(self, c: usize) -> Self {
        match self {
            Self::Block(i, first) => Self::Block(i, first + c),
            Self::Output(o) => Self::Output(o),
        }
    }
}

/// Products of all expressions.
#[must_use]
pub fn products(relation: &Relation, blocks: &[Block], outputs: &[Dims]) -> Vec<ProductTerm> {
    let mut seen = BTreeMap::new();
    let mut out: Vec<ProductTerm> = Vec::new();
    for (source, dims, columns) in expressions(relation, blocks, outputs) {
        let all = columns.iter().enumerate().flat_map(|(c, e)| e.products.iter().map(move |p| (source.column(c), p)));
        for (source, p) in all {
            let at = *seen.entry(((&dims.shape, dims.granule), (&p.sum, &p.lhs, &p.rhs))).or_insert(out.len());
            match out.get_mut(at) {
                Some(term) => term.sources.push((source, p.coef)),
                None => {
                    out.push(ProductTerm { sources: vec![(source, p.coef)], dims: dims.clone(), product: p.clone() });
                }
            }
        }
    }
    out
}

/// Linear terms of all expressions.
#[must_use]
pub fn linears(relation: &Relation, blocks: &[Block], outputs: &[Dims]) -> Vec<LinearTerm> {
    let mut seen = BTreeMap::new();
    let mut out: Vec<LinearTerm> = Vec::new();
    for (source, dims, columns) in expressions(relation, blocks, outputs) {
        series(source, dims, columns, &mut |term| {
            if term.step != 0 {
                out.push(term);
                return;
            }
            let Linear { sum, access, .. } = &term.linear;
            let key = (term.dims.shape.clone(), term.dims.granule, sum.clone(), access.clone());
            let at = *seen.entry(key).or_insert(out.len());
            match out.get_mut(at) {
                Some(same) => same.sources.extend(term.sources),
                None => out.push(term),
            }
        });
    }
    out
}

/// Hands on the linear terms of a tuple's columns; terms of neighbouring columns that read at equal distances along the
/// last axis as one series.
fn series(source: Source, dims: &Dims, columns: &[Expr], take: &mut dyn FnMut(LinearTerm)) {
    let mut open: Option<LinearTerm> = None;
    for (c, e) in columns.iter().enumerate() {
        for l in &e.linear {
            let own = (source.column(c), l.coef);
            match open.as_mut().filter(|_| e.linear.len() == 1).and_then(|o| {
                let far = distance(&o.linear, l)?;
                let next = if o.sources.len() == 1 { far } else { o.step };
                (next > 0 && far == next * o.sources.len() as i64).then_some((o, next))
            }) {
                Some((o, next)) => {
                    o.sources.push(own);
                    o.step = next;
                }
                None => {
                    let term = LinearTerm { sources: vec![own], dims: dims.clone(), linear: l.clone(), step: 0 };
                    open.replace(term).into_iter().for_each(&mut *take);
                }
            }
        }
    }
    open.into_iter().for_each(take);
}

/// By how many cells of the last axis one term reads further than another that is the same otherwise.
fn distance(a: &Linear, b: &Linear) -> Option<i64> {
    let (x, y) = (a.access.axes.last()?, b.access.axes.last()?);
    let n = a.access.axes.len() - 1;
    let same = a.sum == b.sum
        && a.access.tensor == b.access.tensor
        && a.access.guards == b.access.guards
        && a.access.axes.len() == b.access.axes.len()
        && a.access.axes.get(..n) == b.access.axes.get(..n)
        && x.terms == y.terms;
    if same { y.offset.checked_sub(x.offset) } else { None }
}
