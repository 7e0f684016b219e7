//! What a graph tensor is in terms of committed tensors: an expression over its index variables.
//!
//! An axis of a tensor may be cut into several variables (*factors*, most significant first), because a reshape
//! upstream merged axes. Reading such an axis at an affine form needs the mixed-radix digits of the form; where the
//! form is not yet cut finely enough the reader is told which of its variables to split.

use proveil_relation::{Access, Affine, Coef, Expr, Guard, Linear, Product};

use crate::form;

/// A graph tensor as an expression (integer coefficients only) over its factors.
#[derive(Clone, Debug)]
pub struct View {
    /// Variable lengths of each axis, most significant first; none for an axis of length 1.
    pub factors: Vec<Vec<u32>>,
    /// Value over the factors of all axes in order.
    pub expr: Expr,
}

/// Why a read does not compose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    /// Variable `var` must be replaced by two, `at * high + low`.
    Split {
        /// The variable.
        var: u32,
        /// Length of the low part.
        at: u32,
    },
    /// No affine form exists.
    Irregular,
}

/// Index variables, each cut into factors; the first `outer` are those of the output.
#[derive(Clone, Debug)]
pub struct Space {
    /// Factors of each variable, most significant first.
    pub logical: Vec<Vec<u32>>,
    /// Number of output variables.
    pub outer: usize,
}

impl Space {
    /// Uncut variables; those of length 1 vanish.
    pub fn new(lengths: impl IntoIterator<Item = u32>, outer: usize) -> Self {
        let logical = lengths.into_iter().map(|n| if n > 1 { vec![n] } else { Vec::new() }).collect();
        Self { logical, outer }
    }

    /// Lengths of all factor variables.
    pub fn extents(&self) -> Vec<u32> {
        self.logical.concat()
    }

    /// Number of factor variables of the output.
    pub fn outer_vars(&self) -> usize {
        self.logical[..self.outer].iter().map(Vec::len).sum()
    }

    /// Each variable as a form over factor variables.
    pub fn forms(&self) -> Vec<Affine> {
        let mut at = 0u32;
        let mut out = Vec::with_capacity(self.logical.len());
        for factors in &self.logical {
            let mut terms = Vec::with_capacity(factors.len());
            let mut stride = 1i64;
            for (i, &n) in factors.iter().enumerate().rev() {
                terms.push((at + i as u32, stride));
                stride *= i64::from(n);
            }
            terms.reverse();
            at += factors.len() as u32;
            out.push(Affine { terms, offset: 0 });
        }
        out
    }

    /// Cuts factor variable `var` into `at * high + low`; `false` if it has no such variable.
    pub fn split(&mut self, var: u32, at: u32) -> bool {
        let mut first = 0;
        for factors in &mut self.logical {
            let i = var as usize - first;
            if let Some(&n) = factors.get(i) {
                if at <= 1 || n % at != 0 || at == n {
                    return false;
                }
                factors.splice(i..=i, [n / at, at]);
                return true;
            }
            first += factors.len();
        }
        false
    }
}

/// A zero expression.
pub fn zero() -> Expr {
    constant(0)
}

/// A constant expression.
pub fn constant(value: i64) -> Expr {
    Expr { constant: Coef::int(value), linear: Vec::new(), products: Vec::new() }
}

/// The expression that is one read.
pub fn single(access: Access) -> Expr {
    Expr {
        constant: Coef::int(0),
        linear: vec![Linear { coef: Coef::int(1), sum: Vec::new(), access }],
        products: Vec::new(),
    }
}

/// `to += coef * from`, integer coefficients; `None` beyond 64 bits.
pub fn add(to: &mut Expr, from: &Expr, coef: i64) -> Option<()> {
    to.constant.num = to.constant.num.checked_add(from.constant.num.checked_mul(coef)?)?;
    for l in &from.linear {
        push_linear(to, Linear { coef: Coef::int(l.coef.num.checked_mul(coef)?), ..l.clone() })?;
    }
    for p in &from.products {
        let p = Product { coef: Coef::int(p.coef.num.checked_mul(coef)?), ..p.clone() };
        match to.products.iter_mut().find(|q| q.sum == p.sum && q.lhs == p.lhs && q.rhs == p.rhs) {
            Some(q) => q.coef.num = q.coef.num.checked_add(p.coef.num)?,
            None => to.products.push(p),
        }
    }
    to.products.retain(|p| p.coef.num != 0);
    Some(())
}

/// Adds a term, merging it with an equal read.
pub fn push_linear(to: &mut Expr, term: Linear) -> Option<()> {
    match to.linear.iter_mut().find(|m| m.sum == term.sum && m.access == term.access) {
        Some(m) => m.coef.num = m.coef.num.checked_add(term.coef.num)?,
        None => to.linear.push(term),
    }
    to.linear.retain(|m| m.coef.num != 0);
    Some(())
}

/// Divides every coefficient by `2^shift`, in lowest terms.
pub fn divide(mut expr: Expr, shift: u32) -> Expr {
    expr.constant = lowest(expr.constant.num, shift);
    for l in &mut expr.linear {
        l.coef = lowest(l.coef.num, shift);
    }
    for p in &mut expr.products {
        p.coef = lowest(p.coef.num, shift);
    }
    expr
}

fn lowest(num: i64, shift: u32) -> Coef {
    let common = if num == 0 { shift } else { shift.min(num.trailing_zeros()) };
    Coef { num: num >> common, shift: shift - common }
}

/// Where a view is read from: the forms of its axes over variables of the given lengths, the first `outer` of which
/// are the output's and the others summed.
pub struct Read<'a> {
    /// One form for each axis of the tensor read.
    pub forms: &'a [Affine],
    /// Lengths of the variables.
    pub extents: &'a [u32],
    /// Number of output variables.
    pub outer: usize,
    /// Conditions of the reader.
    pub guards: &'a [Guard],
    /// The public scalar 1, for constants under a condition.
    pub one: u32,
}

/// The expression that the read sees, over the output variables; its terms sum over the others too.
///
/// # Errors
/// [`Fail`] when a form has no mixed-radix digits.
pub fn read(view: &View, at: &Read<'_>) -> Result<Expr, Fail> {
    let mut by = Vec::new();
    let mut guards = at.guards.to_vec();
    for (factors, form) in view.factors.iter().zip(at.forms) {
        digits(form, factors, at.extents, &mut by, &mut guards)?;
    }
    let summed = &at.extents[at.outer..];
    let place = |access: &Access, sum: &[u32], guards: &[Guard]| {
        let mut by = by.clone();
        by.extend((0..sum.len()).map(|i| Affine::var((at.extents.len() + i) as u32)));
        let mut access = form::substitute_access(access, &by)?;
        access.guards.extend_from_slice(guards);
        Some(access)
    };
    let sums = |own: &[u32]| [summed, own].concat();
    let mut out = zero();
    for l in &view.expr.linear {
        let access = place(&l.access, &l.sum, &guards).ok_or(Fail::Irregular)?;
        out.linear.push(Linear { coef: l.coef, sum: sums(&l.sum), access });
    }
    for p in &view.expr.products {
        let lhs = place(&p.lhs, &p.sum, &[]).ok_or(Fail::Irregular)?;
        let rhs = place(&p.rhs, &p.sum, &guards).ok_or(Fail::Irregular)?;
        out.products.push(Product { coef: p.coef, sum: sums(&p.sum), lhs, rhs });
    }
    let value = view.expr.constant.num;
    let holds = guards.iter().all(|g| !form::leaves(&g.form, g.bound, at.extents));
    if holds {
        let terms = summed.iter().try_fold(1i64, |n, &len| n.checked_mul(i64::from(len)));
        out.constant.num = terms.and_then(|n| n.checked_mul(value)).ok_or(Fail::Irregular)?;
    } else if value != 0 {
        let access = Access { tensor: at.one, axes: Vec::new(), guards };
        out.linear.push(Linear { coef: Coef::int(value), sum: summed.to_vec(), access });
    }
    Ok(out)
}

/// Appends the digits of `form` in the mixed radix of `factors` to `by`, and a guard if the form leaves the axis.
///
/// All digits but the first must stay in range for every setting; the first takes what is above, so that the form
/// is inside the axis exactly when its first digit is.
fn digits(
    f: &Affine,
    factors: &[u32],
    extents: &[u32],
    by: &mut Vec<Affine>,
    guards: &mut Vec<Guard>,
) -> Result<(), Fail> {
    let radix = if factors.is_empty() { &[1][..] } else { factors };
    let mut strides = vec![1i64; radix.len()];
    for j in (1..radix.len()).rev() {
        strides[j - 1] = strides[j] * i64::from(radix[j]);
    }
    let mut parts = vec![Affine::constant(0); radix.len()];
    for &(var, coef) in &f.terms {
        let j = strides.iter().position(|s| coef % s == 0).unwrap_or(radix.len() - 1);
        let digit = coef / strides[j];
        let n = i64::from(extents.get(var as usize).copied().unwrap_or(1));
        if j > 0 && digit.saturating_abs().saturating_mul(n - 1) >= i64::from(radix[j]) {
            let at = strides[j - 1] / form::gcd(coef, strides[j - 1]);
            let fits = at > 1 && at < n && n % at == 0;
            return Err(if fits { Fail::Split { var, at: at as u32 } } else { Fail::Irregular });
        }
        parts[j].terms.push((var, digit));
    }
    let mut rest = f.offset;
    for j in (1..radix.len()).rev() {
        let d = i64::from(radix[j]);
        parts[j].offset = rest.rem_euclid(d);
        rest = rest.div_euclid(d);
        if form::leaves(&parts[j], u64::from(radix[j]), extents) {
            return Err(Fail::Irregular);
        }
    }
    parts[0].offset = rest;
    if form::leaves(&parts[0], u64::from(radix[0]), extents) {
        guards.push(Guard { form: parts[0].clone(), bound: u64::from(radix[0]) });
    }
    if !factors.is_empty() {
        by.extend(parts);
    }
    Ok(())
}
