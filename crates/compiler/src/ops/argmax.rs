//! One-hot maximum along the last axis, ties to the lowest index. See `spec/operators/argmax_one_hot.md`.

use proveil_graph::{Node, TensorId};
use proveil_relation::{Access, Affine, Coef, Expr, Guard, Home, Linear, Product};

use crate::error::LowerError;
use crate::form;
use crate::lowering::{LIMIT, Lowering, ONE, bit_length, cells, wrap};
use crate::plan::{Step, Value};
use crate::view::{self, Fail, Read, Space, View};

/// Largest number of terms of an operand that is read inside the maximum without a copy.
const MAX_TERMS: usize = 8;

/// Lowers the node and returns the view of its output.
pub fn lower(l: &mut Lowering, node: &Node, x: TensorId) -> Result<View, LowerError> {
    let name = &node.name;
    let shape = l.shape(name, node.out)?;
    let len = shape.last().copied().unwrap_or(1);
    if len == 1 {
        let space = Space::new(shape.iter().copied(), shape.len());
        return Ok(View { factors: space.logical, expr: view::constant(1) });
    }
    let v = l.view(name, x)?;
    if !v.expr.products.is_empty() || v.expr.linear.len() > MAX_TERMS {
        l.copy(name, x)?;
    }
    let (factors, exprs) = l.operands(name, &[x])?;
    let space = factors.concat();
    let prefix: usize = factors[..factors.len() - 1].iter().map(Vec::len).sum();
    let out = l.commit_as(node.out, name, &factors, Home::Trace);
    bits_and_sum(l, node, out, &space, prefix)?;
    let range = l.range(name, x)?;
    let bits = bit_length(i128::from(range.hi) - i128::from(range.lo));
    let size = i128::from(range.lo).abs().max(i128::from(range.hi).abs());
    if 2 * size + (1 << bits) + 2 >= LIMIT * 2 {
        return Err(wrap(name, "the difference of two cells", 2 * size));
    }
    let own = exprs.into_iter().next().unwrap_or_else(view::zero);
    let expr = lead(l, node, x, out, &factors, &own)?;
    let value = Value::Lead { x, s: node.out, len: len as usize };
    l.in_bits(&format!("{name}/lead"), &space, expr, bits, value)?;
    l.view(name, node.out).cloned()
}

/// Claims that the cells are 0 or 1 and that each row sums to 1.
pub fn bits_and_sum(l: &mut Lowering, node: &Node, out: u32, space: &[u32], prefix: usize) -> Result<(), LowerError> {
    let name = &node.name;
    let value = Value::Shifted { x: node.out, sign: 1, offset: 0 };
    l.in_bits(&format!("{name}/bit"), space, cells(out, space.len()), 1, value)?;
    let mut sum = view::constant(-1);
    let access = Access { tensor: out, axes: (0..space.len() as u32).map(Affine::var).collect(), guards: Vec::new() };
    sum.linear.push(Linear { coef: Coef::int(1), sum: space[prefix..].to_vec(), access });
    let zero = l.range_table(1);
    let lookup = l.lookup(&format!("{name}/sum"), &space[..prefix], zero, vec![sum]);
    let cells = space[..prefix].iter().map(|&n| n as usize).product();
    l.plan.steps.push(Step::range(Value::Zero { cells }, lookup, 1));
    Ok(())
}

/// `sum_j s_j x_j - x_i - 1 + sum over k <= i of s_k`.
fn lead(
    l: &mut Lowering,
    node: &Node,
    x: TensorId,
    out: u32,
    factors: &[Vec<u32>],
    own: &Expr,
) -> Result<Expr, LowerError> {
    let name = &node.name;
    let axes = factors.len();
    let last = factors[axes - 1].clone();
    let mut logical = factors.to_vec();
    logical.push(last.clone());
    let space = Space { logical, outer: axes };
    let (forms, extents, outer) = (space.forms(), space.extents(), space.outer_vars());
    let prefix = outer - last.len();
    let inner: Vec<Affine> = forms[..axes - 1].iter().chain(&forms[axes..]).cloned().collect();
    let at = Read { forms: &inner, extents: &extents, outer: extents.len(), guards: &[], one: ONE };
    let terms = match l.read(name, x, &at)? {
        Ok(expr) => expr,
        Err(Fail::Split { .. } | Fail::Irregular) => {
            let tensor = l.graph.tensors[x.0 as usize].name.clone();
            return Err(LowerError::Irregular { name: name.clone(), tensor });
        }
    };
    let selected: Vec<Affine> = (0..prefix as u32).chain(outer as u32..extents.len() as u32).map(Affine::var).collect();
    let selector = Access { tensor: out, axes: selected, guards: Vec::new() };
    let mut expr = view::constant(-1);
    for t in &terms.linear {
        let sum = [&last[..], &t.sum].concat();
        expr.products.push(Product { coef: t.coef, sum, lhs: t.access.clone(), rhs: selector.clone() });
    }
    let too_large = || wrap(name, "a coefficient", LIMIT);
    // The selected constant is the constant itself, because each row of the selector sums to 1.
    view::add(&mut expr, &view::constant(terms.constant.num), 1).ok_or_else(too_large)?;
    view::add(&mut expr, own, -1).ok_or_else(too_large)?;
    let mut ahead = forms[axes - 1].clone();
    form::add_scaled(&mut ahead, &forms[axes], -1).ok_or_else(too_large)?;
    let bound = last.iter().map(|&n| u64::from(n)).product();
    let seen = Access { guards: vec![Guard { form: ahead, bound }], ..selector };
    expr.linear.push(Linear { coef: Coef::int(1), sum: last, access: seen });
    Ok(expr)
}
