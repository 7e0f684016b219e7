//! One-hot encoding: `s_v = 1` exactly for `v = x`. See `spec/operators/one_hot.md`.

use proveil_graph::{Node, TensorId};
use proveil_relation::{Access, Affine, Coef, Home, Product};

use super::argmax::bits_and_sum;
use crate::error::LowerError;
use crate::lowering::{LIMIT, Lowering, lengths, wrap};
use crate::plan::{Step, Value};
use crate::view::{self, View};

/// Lowers the node and returns the view of its output.
pub fn lower(l: &mut Lowering, node: &Node, x: TensorId, depth: usize) -> Result<View, LowerError> {
    let name = &node.name;
    let range = l.range(name, x)?;
    if range.lo < 0 || range.hi >= depth as i64 {
        let needs = "clamp the indices to 0 .. depth";
        return Err(LowerError::Domain { name: name.clone(), lo: range.lo, hi: range.hi, needs });
    }
    let depth = lengths(name, &[depth])?[0];
    let (mut factors, exprs) = l.operands(name, &[x])?;
    if depth == 1 {
        factors.push(Vec::new());
        return Ok(View { factors, expr: view::constant(1) });
    }
    let prefix = factors.concat();
    factors.push(vec![depth]);
    let space = factors.concat();
    let out = l.commit_as(node.out, name, &factors, Home::Trace);
    bits_and_sum(l, node, out, &space, prefix.len())?;
    let ramp = l.ramp(depth);
    let v = prefix.len() as u32;
    let lhs = Access { tensor: ramp, axes: vec![Affine::var(v)], guards: Vec::new() };
    let rhs = Access { tensor: out, axes: (0..=v).map(Affine::var).collect(), guards: Vec::new() };
    let mut gap = view::zero();
    gap.products.push(Product { coef: Coef::int(1), sum: vec![depth], lhs, rhs });
    view::add(&mut gap, &exprs[0], -1).ok_or_else(|| wrap(name, "a coefficient", LIMIT))?;
    let zero = l.range_table(1);
    let lookup = l.lookup(&format!("{name}/value"), &prefix, zero, vec![gap]);
    let cells = prefix.iter().map(|&n| n as usize).product();
    l.plan.steps.push(Step::range(Value::Zero { cells }, lookup, 1));
    l.view(name, node.out).cloned()
}
