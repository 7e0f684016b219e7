//! Integer square root: `s = floor(sqrt(x))`. See `spec/operators/sqrt.md`.

use proveil_graph::{Node, TensorId};
use proveil_relation::Home;

use super::div::product;
use crate::error::LowerError;
use crate::lowering::{LIMIT, Lowering, bit_length, cells, wrap};
use crate::plan::Value;
use crate::view::{self, View};

/// Lowers the node and returns the view of its output.
pub fn lower(l: &mut Lowering, node: &Node, x: TensorId) -> Result<View, LowerError> {
    let name = &node.name;
    if !l.view(name, x)?.expr.products.is_empty() {
        l.copy(name, x)?;
    }
    let range = l.range(name, x)?;
    if range.lo < 0 {
        let needs = "clamp the operand to at least 0";
        return Err(LowerError::Domain { name: name.clone(), lo: range.lo, hi: range.hi, needs });
    }
    let (factors, exprs) = l.operands(name, &[x])?;
    let space = factors.concat();
    let out = l.commit_as(node.out, name, &factors, Home::Trace);
    let s = node.out;
    let root = i128::from(range.hi.isqrt());
    let bits = bit_length(root);
    if i128::from(range.hi) + (1i128 << (2 * bits)) + (2 << bits) >= 2 * LIMIT {
        return Err(wrap(name, "the square of the root", 1 << (2 * bits)));
    }
    let root_cells = cells(out, space.len());
    let value = Value::Shifted { x: s, sign: 1, offset: 0 };
    l.in_bits(&format!("{name}/root"), &space, root_cells.clone(), bits, value)?;
    let too_large = || wrap(name, "a coefficient", LIMIT);
    let mut rest = exprs.into_iter().next().unwrap_or_else(view::zero);
    view::add(&mut rest, &product(&root_cells, out, space.len()), -1).ok_or_else(too_large)?;
    let mut gap = view::zero();
    view::add(&mut gap, &root_cells, 2).ok_or_else(too_large)?;
    view::add(&mut gap, &rest, -1).ok_or_else(too_large)?;
    let bits = bit_length(2 * root);
    l.in_bits(&format!("{name}/remainder"), &space, rest, bits, Value::SquareRemainder { x, s })?;
    l.in_bits(&format!("{name}/gap"), &space, gap, bits, Value::SquareGap { x, s })?;
    l.view(name, node.out).cloned()
}
