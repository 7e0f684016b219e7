//! Matrix products.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr};
use crate::tensor::{Kind, broadcast_shape};

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    let out = match (n.domain.as_str(), n.op.as_str()) {
        ("", "MatMul") => {
            let (a, b) = (im.arg(n, 0)?, im.arg(n, 1)?);
            matmul(im, n, a, b)?
        }
        ("", "Gemm") => gemm(im, n)?,
        ("", "Einsum") => einsum(im, n)?,
        ("com.microsoft", "FusedMatMul") => {
            let operand = |im: &mut Importer, i: usize, batch: &str, last: &str| {
                let x = im.arg(n, i)?;
                let x = if n.int(batch)? == Some(1) { first_to_rows(im, n, x)? } else { x };
                if n.int(last)? == Some(1) { swap_last(im, n, x) } else { Ok(x) }
            };
            let (a, b) = (operand(im, 0, "transBatchA", "transA")?, operand(im, 1, "transBatchB", "transB")?);
            let y = matmul(im, n, a, b)?;
            im.g.map(y, Expr::affine(n.float("alpha")?.unwrap_or(1.0), 0.0), Kind::Float)
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![out]))
}

fn swap_last(im: &mut Importer, n: &Node, x: TensorId) -> Result<TensorId> {
    let rank = im.g.shape(x).len();
    if rank < 2 {
        return Err(n.malformed(format!("a tensor with {rank} axes cannot be transposed")));
    }
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 1, rank - 2);
    Ok(im.g.permute(x, &perm))
}

/// Moves the first axis, which holds the rows, behind those of the batch.
fn first_to_rows(im: &mut Importer, n: &Node, x: TensorId) -> Result<TensorId> {
    let rank = im.g.shape(x).len();
    if rank < 2 {
        return Err(n.malformed(format!("a tensor with {rank} axes has no rows and columns")));
    }
    let perm: Vec<usize> = (1..rank - 1).chain([0, rank - 1]).collect();
    Ok(im.g.permute(x, &perm))
}

fn gemm(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (mut a, mut b) = (im.arg(n, 0)?, im.arg(n, 1)?);
    if n.int("transA")? == Some(1) {
        a = swap_last(im, n, a)?;
    }
    if n.int("transB")? == Some(1) {
        b = swap_last(im, n, b)?;
    }
    let mut y = matmul(im, n, a, b)?;
    y = im.g.map(y, Expr::affine(n.float("alpha")?.unwrap_or(1.0), 0.0), Kind::Float);
    let beta = n.float("beta")?.unwrap_or(1.0);
    match im.opt(n, 2)? {
        Some(c) if beta != 0.0 => {
            let c = im.g.map(c, Expr::affine(beta, 0.0), Kind::Float);
            im.g.binary(Bin::Add, y, c).ok_or_else(|| im.clash(n, y, c))
        }
        _ => Ok(y),
    }
}

/// Product over the last axis of `a` and the last but one of `b`, batch axes broadcast.
pub(super) fn matmul(im: &mut Importer, n: &Node, a: TensorId, b: TensorId) -> Result<TensorId> {
    let clash = im.clash(n, a, b);
    let (sa, sb) = (im.g.shape(a).to_vec(), im.g.shape(b).to_vec());
    if sa.is_empty() || sb.is_empty() {
        return Err(clash);
    }
    let (vector_a, vector_b) = (sa.len() == 1, sb.len() == 1);
    let a = if vector_a { im.g.reshape(a, vec![1, sa[0]]) } else { a };
    let b = if vector_b { im.g.reshape(b, vec![sb[0], 1]) } else { b };
    // Constant weights are kept as rows over the summed axis, so that products run over neighbouring cells.
    let b = if im.g.as_const(b).is_some() { swap_last(im, n, b)? } else { b };
    let turned = im.g.as_const(b).is_some();
    let (sa, sb) = (im.g.shape(a).to_vec(), im.g.shape(b).to_vec());
    let (ra, rb) = (sa.len(), sb.len());
    let (rows, inner) = (sa[ra - 2], sa[ra - 1]);
    let (cols, inner_b) = if turned { (sb[rb - 2], sb[rb - 1]) } else { (sb[rb - 1], sb[rb - 2]) };
    let Some(batch) = broadcast_shape(&sa[..ra - 2], &sb[..rb - 2]).filter(|_| inner == inner_b) else {
        return Err(clash);
    };
    let (i, j, k) = (batch.len(), batch.len() + 1, batch.len() + 2);
    let extents = [&batch[..], &[rows, cols, inner]].concat();
    let vars: Vec<usize> = (0..batch.len()).collect();
    let axes = |s: &[usize], last: [usize; 2]| {
        let mut axes = crate::real::broadcast_axes(&s[..s.len() - 2], &vars);
        axes.extend(last.map(Affine::var));
        axes
    };
    let left = Access { tensor: a, axes: axes(&sa, [i, k]) };
    let right = Access { tensor: b, axes: axes(&sb, if turned { [j, k] } else { [k, j] }) };
    let (left, right) = (im.g.untransposed(left), im.g.untransposed(right));
    let (lhs, rhs) = if turned { (right, left) } else { (left, right) };
    let y = im.g.contract(Contract { extents, out: (0..=j).collect(), lhs, rhs });
    let mut shape = im.g.shape(y).to_vec();
    if vector_b {
        shape.pop();
    }
    if vector_a {
        shape.remove(batch.len());
    }
    Ok(im.g.reshape(y, shape))
}

fn einsum(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let equation: String = n.string("equation")?.unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    let equation = spelled_out(im, n, &equation)?;
    let (left, right) = match equation.split_once("->") {
        Some((l, r)) => (l.to_string(), r.to_string()),
        None => {
            let mut once: Vec<char> = equation.chars().filter(|c| c.is_alphabetic()).collect();
            once.sort_unstable();
            let all = once.clone();
            // Indices that stand for an ellipsis are kept, and come first: they are upper case.
            once.retain(|c| all.iter().filter(|d| *d == c).count() == 1 || c.is_uppercase());
            once.dedup();
            (equation.clone(), once.into_iter().collect())
        }
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != n.inputs.len() || terms.is_empty() {
        return Err(n.malformed(format!(
            "equation `{equation}` has {} terms for {} inputs",
            terms.len(),
            n.inputs.len()
        )));
    }
    let mut acc = (im.arg(n, 0)?, terms[0].chars().collect::<Vec<char>>());
    if terms.len() == 1 {
        let one = im.g.scalar(1.0, Kind::Float);
        return einsum_pair(im, n, (one, Vec::new()), acc, &right.chars().collect::<Vec<_>>());
    }
    for (i, term) in terms.iter().enumerate().skip(1) {
        let next = (im.arg(n, i)?, term.chars().collect::<Vec<char>>());
        let rest: String = terms[i + 1..].concat() + &right;
        let mut keep: Vec<char> = Vec::new();
        if i + 1 == terms.len() {
            keep = right.chars().collect();
        } else {
            for c in acc.1.iter().chain(&next.1) {
                if rest.contains(*c) && !keep.contains(c) {
                    keep.push(*c);
                }
            }
        }
        let y = einsum_pair(im, n, acc, next, &keep)?;
        acc = (y, keep);
    }
    Ok(acc.0)
}

/// An equation with letters in place of its ellipses; axes of an ellipsis are counted from the last one.
fn spelled_out(im: &Importer, n: &Node, equation: &str) -> Result<String> {
    if !equation.contains("...") {
        return Ok(equation.to_string());
    }
    let free: Vec<char> = ('A'..='Z').filter(|c| !equation.contains(*c)).collect();
    let (left, right) = match equation.split_once("->") {
        Some((l, r)) => (l, Some(r)),
        None => (equation, None),
    };
    let (mut terms, mut most) = (Vec::new(), 0);
    for (i, term) in left.split(',').enumerate() {
        let rank = im.g.shape(im.arg(n, i)?).len();
        let count = rank.checked_sub(term.replace("...", "").chars().count());
        let Some(count) = count.filter(|c| *c <= free.len() && (term.contains("...") || *c == 0)) else {
            return Err(n.malformed(format!("term `{term}` of the equation does not fit {rank} axes")));
        };
        terms.push((term, count));
        most = most.max(count);
    }
    let letters = |count: usize| free[most - count..most].iter().collect::<String>();
    let left: Vec<String> = terms.iter().map(|(t, count)| t.replace("...", &letters(*count))).collect();
    Ok(match right {
        Some(r) => format!("{}->{}", left.join(","), r.replace("...", &letters(most))),
        None => left.join(","),
    })
}

fn einsum_pair(
    im: &mut Importer,
    n: &Node,
    a: (TensorId, Vec<char>),
    b: (TensorId, Vec<char>),
    out: &[char],
) -> Result<TensorId> {
    let mut names: Vec<char> = out.to_vec();
    let mut extents = vec![0; out.len()];
    for (x, letters) in [&a, &b] {
        if im.g.shape(*x).len() != letters.len() {
            return Err(n.malformed(format!("a term has {} letters for {:?}", letters.len(), im.g.shape(*x))));
        }
        for (&c, &len) in letters.iter().zip(im.g.shape(*x)) {
            let at = names.iter().position(|&d| d == c).unwrap_or_else(|| {
                names.push(c);
                extents.push(0);
                names.len() - 1
            });
            if extents[at] > 1 && len != extents[at] && len != 1 {
                return Err(n.malformed(format!("index `{c}` has two lengths: {} and {len}", extents[at])));
            }
            extents[at] = extents[at].max(len);
        }
    }
    if extents.contains(&0) {
        return Err(n.malformed("an output index is in no term"));
    }
    let access = |(x, letters): &(TensorId, Vec<char>)| Access {
        tensor: *x,
        axes: letters
            .iter()
            .zip(im.g.shape(*x))
            .map(|(c, &len)| {
                // A single cell is repeated.
                let place = names.iter().position(|d| d == c).filter(|_| len > 1);
                place.map(Affine::var).unwrap_or_default()
            })
            .collect(),
    };
    let (left, right) = (im.g.untransposed(access(&a)), im.g.untransposed(access(&b)));
    let (lhs, rhs) = if im.g.as_const(right.tensor).is_some() { (right, left) } else { (left, right) };
    Ok(im.g.contract(Contract { extents, out: (0..out.len()).collect(), lhs, rhs }))
}
