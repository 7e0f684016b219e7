//! Gives every tensor and every space at least one axis: scalars become axes of length 1.

use proveil_relation::table::Rows;
use proveil_relation::{Access, Affine, Expr, Relation};

/// Rewrites scalars of a finished relation.
pub fn give_axes(relation: &mut Relation) {
    let scalar: Vec<bool> = relation.tensors.iter().map(|t| t.shape.is_empty()).collect();
    for (t, _) in relation.tensors.iter_mut().zip(&scalar).filter(|(_, s)| **s) {
        t.shape.push(1);
    }
    let looked = relation.lookups.iter_mut().flat_map(|l| {
        let empty = l.space.is_empty();
        l.space.extend(empty.then_some(1));
        l.tuple.iter_mut().map(move |e| (e, empty))
    });
    let rows = relation.tables.iter_mut().filter_map(|t| match &mut t.rows {
        Rows::Public(_) => None,
        Rows::Committed { space, columns } => Some((space, columns)),
    });
    let rows = rows.flat_map(|(space, columns)| {
        let empty = space.is_empty();
        space.extend(empty.then_some(1));
        columns.iter_mut().map(move |e| (e, empty))
    });
    let given = relation.outputs.iter_mut().map(|o| {
        let empty = o.space.is_empty();
        o.space.extend(empty.then_some(1));
        (&mut o.expr, empty)
    });
    for (expr, empty) in looked.chain(rows).chain(given) {
        for access in accesses(expr) {
            if empty {
                shift(access);
            }
            if scalar.get(access.tensor as usize) == Some(&true) {
                access.axes.push(Affine::constant(0));
            }
        }
    }
}

fn accesses(expr: &mut Expr) -> impl Iterator<Item = &mut Access> {
    let products = expr.products.iter_mut().flat_map(|p| [&mut p.lhs, &mut p.rhs]);
    expr.linear.iter_mut().map(|l| &mut l.access).chain(products)
}

/// Makes room for one space variable: summation variables move up.
fn shift(access: &mut Access) {
    let forms = access.axes.iter_mut().chain(access.guards.iter_mut().map(|g| &mut g.form));
    for form in forms {
        form.terms.iter_mut().for_each(|t| t.0 += 1);
    }
}
