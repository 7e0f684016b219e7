//! Floor division cell by cell: `q = floor(num / den)`. See `spec/operators/div.md`.

use proveil_graph::{Node, Range, TensorId};
use proveil_relation::{Access, Affine, Coef, Expr, Home, Product};

use crate::error::LowerError;
use crate::lowering::{LIMIT, Lowering, bit_length, cells, wrap};
use crate::plan::Value;
use crate::view::{self, View};

/// Lowers the node and returns the view of its output.
pub fn lower(l: &mut Lowering, node: &Node, num: TensorId, den: TensorId) -> Result<View, LowerError> {
    let name = &node.name;
    for id in [num, den] {
        if !l.view(name, id)?.expr.products.is_empty() {
            l.copy(name, id)?;
        }
    }
    let (n, d, q) = (l.range(name, num)?, l.range(name, den)?, l.range(name, node.out)?);
    if d.lo < 1 {
        let needs = "clamp the denominator to at least 1";
        return Err(LowerError::Domain { name: name.clone(), lo: d.lo, hi: d.hi, needs });
    }
    let (factors, exprs) = l.operands(name, &[num, den])?;
    let space = factors.concat();
    let out = l.commit_as(node.out, name, &factors, Home::Trace);
    quotient_range(l, node, &space, out, (n, d, q))?;
    let bits = bit_length(i128::from(d.hi) - 1);
    let mut rest = exprs[0].clone();
    let mut gap = exprs[1].clone();
    let whole = product(&exprs[1], out, space.len());
    let too_large = || wrap(name, "a coefficient", LIMIT);
    view::add(&mut rest, &whole, -1).ok_or_else(too_large)?;
    view::add(&mut gap, &rest, -1).ok_or_else(too_large)?;
    view::add(&mut gap, &view::constant(1), -1).ok_or_else(too_large)?;
    let q = node.out;
    l.in_bits(&format!("{name}/remainder"), &space, rest, bits, Value::Remainder { num, den, q })?;
    l.in_bits(&format!("{name}/gap"), &space, gap, bits, Value::Gap { num, den, q })?;
    l.view(name, node.out).cloned()
}

/// Bounds the quotient so that `den * q` cannot wrap.
fn quotient_range(
    l: &mut Lowering,
    node: &Node,
    space: &[u32],
    out: u32,
    (n, d, q): (Range, Range, Range),
) -> Result<(), LowerError> {
    let name = &node.name;
    let rows = i128::from(q.hi) - i128::from(q.lo) + 1;
    let bits = bit_length(rows - 1);
    let end = i128::from(q.lo) + (1 << bits);
    let size = i128::from(d.hi) * end.abs().max(i128::from(q.lo).abs());
    let size = size + i128::from(n.lo).abs().max(i128::from(n.hi).abs()) + 2 * i128::from(d.hi);
    if size >= LIMIT {
        return Err(wrap(name, "denominator times quotient", size));
    }
    let mut expr = cells(out, space.len());
    let value = Value::Shifted { x: node.out, sign: 1, offset: -q.lo };
    view::add(&mut expr, &view::constant(1), -q.lo).ok_or_else(|| wrap(name, "the quotient", LIMIT))?;
    l.in_bits(&format!("{name}/quotient"), space, expr, bits, value)
}

/// A linear expression times a committed tensor, cell by cell.
pub fn product(linear: &Expr, tensor: u32, vars: usize) -> Expr {
    let by = Access { tensor, axes: (0..vars as u32).map(Affine::var).collect(), guards: Vec::new() };
    let mut out = view::zero();
    for l in &linear.linear {
        let (lhs, rhs) = (l.access.clone(), by.clone());
        out.products.push(Product { coef: l.coef, sum: l.sum.clone(), lhs, rhs });
    }
    if linear.constant.num != 0 {
        let mut read = view::single(by);
        read.linear.iter_mut().for_each(|l| l.coef = Coef::int(linear.constant.num));
        out.linear = read.linear;
    }
    out
}
