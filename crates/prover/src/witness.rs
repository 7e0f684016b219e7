//! The values that a proof is made of, and whether they have the shapes of the relation.

use proveil_relation::decl::{Home, Relation};

use crate::{Inputs, ProveError};

/// A witness: cells of every tensor of the relation and every look-up's tuple values.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Row-major cells by relation tensor; empty for public constants, and for model tensors that
    /// [`Inputs`] has.
    pub tensors: Vec<Vec<i64>>,
    /// `[look-up][tuple column][cell]`.
    pub tuples: Vec<Vec<Vec<i64>>>,
    /// `[table][column behind the number][row]` of committed rows; nothing for tables of public rows.
    pub tables: Vec<Vec<Vec<i64>>>,
    /// Output values.
    pub outputs: Vec<Vec<i64>>,
}

/// Cells of a tensor: the witness's own, or those given with the model.
pub(crate) fn cells_of<'a>(w: &'a Witness, inputs: &Inputs<'a>, home: &Home, tensor: usize) -> &'a [i64] {
    let own = w.tensors.get(tensor).map_or(&[][..], Vec::as_slice);
    if own.is_empty() && *home == Home::Model { inputs.tensors.get(tensor).copied().unwrap_or(own) } else { own }
}

/// Whether a witness has the shapes of a relation.
pub(crate) fn check_witness(relation: &Relation, w: &Witness, inputs: &Inputs<'_>) -> Result<(), ProveError> {
    let shape = |what: &str, expected: usize, got: usize| {
        if expected == got { Ok(()) } else { Err(ProveError::Shape { what: what.into(), expected, got }) }
    };
    shape("tensors", relation.tensors.len(), w.tensors.len())?;
    shape("look-ups", relation.lookups.len(), w.tuples.len())?;
    shape("tables", relation.tables.len(), w.tables.len())?;
    shape("outputs", relation.outputs.len(), w.outputs.len())?;
    for (t, d) in relation.tensors.iter().enumerate() {
        if !matches!(d.home, Home::Public(_)) {
            shape(&d.name, d.cells(), cells_of(w, inputs, &d.home, t).len())?;
        }
    }
    for (l, t) in relation.lookups.iter().zip(&w.tuples) {
        shape(&l.name, l.tuple.len(), t.len())?;
        let cells = l.space.iter().map(|n| *n as usize).product();
        t.iter().try_for_each(|c| shape(&l.name, cells, c.len()))?;
    }
    for (table, columns) in relation.tables.iter().zip(&w.tables) {
        shape(&table.name, table.expressions().map_or(0, |(_, columns)| columns.len()), columns.len())?;
        columns.iter().try_for_each(|c| shape(&table.name, table.num_rows(), c.len()))?;
    }
    Ok(())
}
