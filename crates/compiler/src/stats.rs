//! What a relation costs: counts for reports and for snapshots of example models.

use std::fmt;

use proveil_relation::{Expr, Home, Relation};

/// Counts of a relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Kinds of look-ups.
    pub lookups: usize,
    /// Looked-up cells, over all look-ups.
    pub lookup_cells: usize,
    /// Tables.
    pub tables: usize,
    /// Rows of all tables.
    pub table_rows: usize,
    /// Cells of model tensors.
    pub model_cells: usize,
    /// Cells of input tensors.
    pub input_cells: usize,
    /// Cells of the trace.
    pub trace_cells: usize,
    /// Cells of public constants.
    pub public_cells: usize,
    /// Product terms in look-ups and outputs.
    pub products: usize,
    /// Multiplications in those products.
    pub multiplications: u64,
}

/// Counts a relation.
#[must_use]
pub fn stats(relation: &Relation) -> Stats {
    let mut out = Stats { lookups: relation.lookups.len(), tables: relation.tables.len(), ..Stats::default() };
    out.table_rows = relation.tables.iter().map(proveil_relation::table::Table::num_rows).sum();
    for t in &relation.tensors {
        let count = match t.home {
            Home::Model => &mut out.model_cells,
            Home::Input(_) => &mut out.input_cells,
            Home::Public(_) => &mut out.public_cells,
            _ => &mut out.trace_cells,
        };
        *count += t.cells();
    }
    for l in &relation.lookups {
        out.lookup_cells += l.space.iter().map(|&n| n as usize).product::<usize>();
        l.tuple.iter().for_each(|e| products(&mut out, e, &l.space));
    }
    for (space, columns) in relation.tables.iter().filter_map(proveil_relation::table::Table::expressions) {
        columns.iter().for_each(|e| products(&mut out, e, space));
    }
    relation.outputs.iter().for_each(|o| products(&mut out, &o.expr, &o.space));
    out
}

fn products(out: &mut Stats, expr: &Expr, space: &[u32]) {
    let cells: u64 = space.iter().map(|&n| u64::from(n)).product();
    out.products += expr.products.len();
    for p in &expr.products {
        let terms: u64 = p.sum.iter().map(|&n| u64::from(n)).product();
        out.multiplications = out.multiplications.saturating_add(cells.saturating_mul(terms));
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "look-ups         {} kinds, {} cells", self.lookups, self.lookup_cells)?;
        writeln!(f, "tables           {} with {} rows", self.tables, self.table_rows)?;
        writeln!(
            f,
            "cells            model {}, input {}, trace {}, public {}",
            self.model_cells, self.input_cells, self.trace_cells, self.public_cells
        )?;
        write!(f, "products         {} kinds, {} multiplications", self.products, self.multiplications)
    }
}
