//! Functions of each cell, arithmetic with broadcasting.

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};
use crate::tensor::Kind;

/// Exponents of a list, each of which has tables of its own.
const MAX_EXPONENTS: usize = 64;
/// What stands for a base of 0, which has no logarithm.
const LEAST_BASE: f64 = 1e-12;

fn x() -> Expr {
    Expr::X
}

fn c(v: f64) -> Expr {
    Expr::Const(v)
}

fn mul(a: Expr, b: Expr) -> Expr {
    Expr::bin(Bin::Mul, a, b)
}

fn add(a: Expr, b: Expr) -> Expr {
    Expr::bin(Bin::Add, a, b)
}

fn positive() -> Expr {
    // x > 0 is not (-x >= 0).
    Expr::bin(Bin::Sub, c(1.0), Expr::un(Un::NonNegative, mul(c(-1.0), x())))
}

fn clamp(e: Expr, lo: f64, hi: f64) -> Expr {
    Expr::bin(Bin::Min, Expr::bin(Bin::Max, e, c(lo)), c(hi))
}

/// `a (exp(x / b) - 1)`.
fn exp_arm(a: f64, b: f64) -> Expr {
    mul(c(a), Expr::bin(Bin::Sub, Expr::un(Un::Exp, mul(c(1.0 / b), x())), c(1.0)))
}

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() && n.domain != "com.microsoft" {
        return Ok(None);
    }
    if n.op == "Dropout" {
        return dropout(im, n).map(Some);
    }
    if let Some(f) = function(n)? {
        let arg = im.arg(n, 0)?;
        let keeps = matches!(n.op.as_str(), "Relu" | "Abs" | "Sign" | "Neg" | "Identity" | "Floor" | "Ceil" | "Round");
        let kind = if keeps { im.g.kind(arg) } else { Kind::Float };
        return Ok(Some(vec![im.g.map(arg, f, kind)]));
    }
    let out = match n.op.as_str() {
        "Add" => fold(im, n, Bin::Add)?,
        "Sub" => fold(im, n, Bin::Sub)?,
        "Mul" => fold(im, n, Bin::Mul)?,
        "Div" => fold(im, n, Bin::Div)?,
        "Sum" => fold(im, n, Bin::Add)?,
        "Max" => fold(im, n, Bin::Max)?,
        "Min" => fold(im, n, Bin::Min)?,
        "Mod" => fold(im, n, if n.int("fmod")? == Some(1) { Bin::Fmod } else { Bin::Mod })?,
        "Mean" => {
            let sum = fold(im, n, Bin::Add)?;
            im.g.map(sum, Expr::affine(1.0 / n.inputs.len() as f64, 0.0), Kind::Float)
        }
        "Pow" => power(im, n)?,
        "Clip" => clip(im, n)?,
        "PRelu" => prelu(im, n)?,
        "Cast" | "CastLike" => cast(im, n)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![out]))
}

/// In evaluation nothing is dropped: the mask is all ones.
fn dropout(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let arg = im.arg(n, 0)?;
    let training = im.const_arg(n, 2)?.and_then(|v| v.first().copied()).unwrap_or(0.0) != 0.0;
    let ratio = match (n.float("ratio")?, im.const_arg(n, 1)?) {
        (Some(r), _) => r,
        (None, given) => given.and_then(|v| v.first().copied()).unwrap_or(0.5),
    };
    if training && ratio != 0.0 {
        return Err(n.unsupported("it is in training mode", "export the model in evaluation mode"));
    }
    let shape = im.g.shape(arg).to_vec();
    let ones = vec![1.0; im.g.get(arg).cells()];
    Ok(vec![arg, im.fresh(shape, Kind::Bool, ones)])
}

fn function(n: &Node) -> Result<Option<Expr>> {
    let f = |name: &str, default: f64| Ok::<f64, crate::FrontendError>(n.float(name)?.unwrap_or(default));
    let simple = |u: Un| Expr::un(u, x());
    Ok(Some(match n.op.as_str() {
        "Identity" => x(),
        "Neg" => Expr::affine(-1.0, 0.0),
        "Relu" => Expr::bin(Bin::Max, x(), c(0.0)),
        "LeakyRelu" => leaky(f("alpha", 0.01)?),
        "ThresholdedRelu" => {
            let alpha = f("alpha", 1.0)?;
            let above = Expr::bin(Bin::Sub, c(1.0), Expr::un(Un::NonNegative, Expr::bin(Bin::Sub, c(alpha), x())));
            Expr::select(above, x(), c(0.0))
        }
        "Elu" => Expr::select(positive(), x(), exp_arm(f("alpha", 1.0)?, 1.0)),
        "Celu" => {
            let a = f("alpha", 1.0)?;
            Expr::select(positive(), x(), exp_arm(a, a))
        }
        "Selu" => {
            let (a, g) = (f("alpha", 1.673_263_192_176_818_8)?, f("gamma", 1.050_700_902_938_842_8)?);
            mul(c(g), Expr::select(positive(), x(), exp_arm(a, 1.0)))
        }
        "HardSigmoid" => clamp(Expr::affine(f("alpha", 0.2)?, f("beta", 0.5)?), 0.0, 1.0),
        "HardSwish" => mul(x(), clamp(Expr::affine(1.0 / 6.0, 0.5), 0.0, 1.0)),
        "Softplus" => simple(Un::Softplus),
        "Softsign" => Expr::bin(Bin::Div, x(), add(c(1.0), simple(Un::Abs))),
        "Mish" => mul(x(), Expr::un(Un::Tanh, simple(Un::Softplus))),
        "Swish" => mul(x(), Expr::un(Un::Sigmoid, mul(c(f("alpha", 1.0)?), x()))),
        "QuickGelu" => mul(x(), Expr::un(Un::Sigmoid, mul(c(f("alpha", 1.702)?), x()))),
        "Gelu" | "FastGelu" => gelu(n)?,
        "Shrink" => {
            let (bias, lambd) = (f("bias", 0.0)?, f("lambd", 0.5)?);
            let above = Expr::bin(Bin::Sub, c(1.0), Expr::un(Un::NonNegative, Expr::bin(Bin::Sub, c(lambd), x())));
            let below = Expr::bin(Bin::Sub, c(1.0), Expr::un(Un::NonNegative, add(x(), c(lambd))));
            Expr::select(above, add(x(), c(-bias)), Expr::select(below, add(x(), c(bias)), c(0.0)))
        }
        "Abs" => simple(Un::Abs),
        "Sign" => simple(Un::Sign),
        "Exp" => simple(Un::Exp),
        "Log" => simple(Un::Log),
        "Sqrt" => simple(Un::Sqrt),
        "Reciprocal" => simple(Un::Recip),
        "Sigmoid" => simple(Un::Sigmoid),
        "Tanh" => simple(Un::Tanh),
        "Erf" => simple(Un::Erf),
        "Floor" => simple(Un::Floor),
        "Ceil" => simple(Un::Ceil),
        "Round" => simple(Un::RoundEven),
        "Sin" => simple(Un::Sin),
        "Cos" => simple(Un::Cos),
        "Tan" => simple(Un::Tan),
        "Asin" => simple(Un::Asin),
        "Acos" => simple(Un::Acos),
        "Atan" => simple(Un::Atan),
        "Sinh" => simple(Un::Sinh),
        "Cosh" => simple(Un::Cosh),
        "Asinh" => simple(Un::Asinh),
        "Acosh" => simple(Un::Acosh),
        "Atanh" => simple(Un::Atanh),
        _ => return Ok(None),
    }))
}

fn leaky(slope: f64) -> Expr {
    Expr::select(positive(), x(), mul(c(slope), x()))
}

fn gelu(n: &Node) -> Result<Expr> {
    let fast = n.op == "FastGelu" || n.string("approximate")?.as_deref() == Some("tanh");
    if !fast {
        return Ok(Expr::un(Un::Gelu, x()));
    }
    let cube = mul(mul(x(), x()), mul(c(0.044_715), x()));
    let inner = mul(c((2.0 / std::f64::consts::PI).sqrt()), add(x(), cube));
    Ok(mul(mul(c(0.5), x()), add(c(1.0), Expr::un(Un::Tanh, inner))))
}

fn fold(im: &mut Importer, n: &Node, f: Bin) -> Result<TensorId> {
    let mut out = im.arg(n, 0)?;
    for i in 1..n.inputs.len() {
        let next = im.arg(n, i)?;
        // A lower bound of scores as low as what masks them.
        if f == Bin::Max && im.g.as_uniform(next) == Some(crate::onnx::MASK) && n.is_compared() {
            continue;
        }
        out = im.g.binary(f, out, next).ok_or_else(|| {
            if crate::tensor::broadcast_shape(im.g.shape(out), im.g.shape(next)).is_some() {
                n.unsupported("the second operand varies", "use a constant exponent or divisor")
            } else {
                im.clash(n, out, next)
            }
        })?;
    }
    Ok(out)
}

/// Powers with a list of exponents: each has a range of its own, and so tables of its own.
fn power(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (arg, exponents) = (im.arg(n, 0)?, im.arg(n, 1)?);
    let listed = im.g.as_const(exponents).is_some() && im.g.as_uniform(exponents).is_none();
    if n.inputs.len() != 2 || !listed || im.g.as_const(arg).is_some() {
        return fold(im, n, Bin::Pow);
    }
    let own = im.g.shape(exponents).to_vec();
    let shape = crate::tensor::broadcast_shape(im.g.shape(arg), &own).ok_or_else(|| im.clash(n, arg, exponents))?;
    let long: Vec<usize> = (0..own.len()).filter(|a| own[*a] > 1).collect();
    let [axis] = long[..] else {
        return Err(n.unsupported("its exponents vary along several axes", "use exponents that vary along one axis"));
    };
    if own[axis] > MAX_EXPONENTS {
        let what = format!("it has {} exponents, more than {MAX_EXPONENTS}", own[axis]);
        return Err(n.unsupported(what, "use fewer different exponents"));
    }
    let at = shape.len() - own.len() + axis;
    let wide = im.g.broadcast(arg, &shape);
    let one = |im: &mut Importer, x: TensorId, axis: usize, j: usize| {
        let (mut starts, mut extents) = (vec![0; im.g.shape(x).len()], im.g.shape(x).to_vec());
        (starts[axis], extents[axis]) = (j, 1);
        let steps = vec![1; starts.len()];
        im.g.slice(x, &starts, &extents, &steps)
    };
    let parts: Result<Vec<TensorId>> = (0..own[axis])
        .map(|j| {
            let (x, e) = (one(im, wide, at, j), one(im, exponents, axis, j));
            raised(im, x, e).ok_or_else(|| im.clash(n, x, e))
        })
        .collect();
    Ok(im.g.concat(&parts?, at))
}

/// `x^e`. A hidden exponent must not show in a table: it multiplies the logarithm, and negative numbers have no power.
fn raised(im: &mut Importer, arg: TensorId, e: TensorId) -> Option<TensorId> {
    if im.g.as_uniform(e).is_some() {
        return im.g.binary(Bin::Pow, arg, e);
    }
    let log = Expr::un(Un::Log, Expr::bin(Bin::Max, x(), c(LEAST_BASE)));
    let log = Expr::select(Expr::un(Un::NonNegative, x()), log, c(f64::NAN));
    let log = im.g.map(arg, log, Kind::Float);
    let product = im.g.binary(Bin::Mul, log, e)?;
    Some(im.g.un(Un::Exp, product))
}

fn clip(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let arg = im.arg(n, 0)?;
    let computed = |im: &Importer, i| im.opt(n, i).map(|x| x.is_some_and(|x| im.g.as_const(x).is_none()));
    if computed(im, 1)? || computed(im, 2)? {
        let mut out = arg;
        for (i, f) in [(1, Bin::Max), (2, Bin::Min)] {
            if let Some(bound) = im.opt(n, i)? {
                out = im.g.binary(f, out, bound).ok_or_else(|| im.clash(n, out, bound))?;
            }
        }
        return Ok(out);
    }
    let bound = |im: &Importer, name: &str, i: usize| -> Result<Option<f64>> {
        match n.float(name)? {
            Some(v) => Ok(Some(v)),
            None => Ok(im.const_arg(n, i)?.and_then(|v| v.first().copied())),
        }
    };
    let (lo, hi) = (bound(im, "min", 1)?, bound(im, "max", 2)?);
    let mut e = x();
    if let Some(lo) = lo {
        e = Expr::bin(Bin::Max, e, c(lo));
    }
    if let Some(hi) = hi {
        e = Expr::bin(Bin::Min, e, c(hi));
    }
    let kind = im.g.kind(arg);
    Ok(im.g.map(arg, e, kind))
}

fn prelu(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (arg, slope) = (im.arg(n, 0)?, im.arg(n, 1)?);
    if let Some(a) = im.g.as_uniform(slope) {
        return Ok(im.g.map(arg, leaky(a), Kind::Float));
    }
    let up = im.g.map(arg, Expr::bin(Bin::Max, x(), c(0.0)), Kind::Float);
    let down = im.g.map(arg, Expr::bin(Bin::Min, x(), c(0.0)), Kind::Float);
    let scaled = im.g.binary(Bin::Mul, slope, down).ok_or_else(|| im.clash(n, arg, slope))?;
    im.g.binary(Bin::Add, up, scaled).ok_or_else(|| im.clash(n, arg, slope))
}

fn cast(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let arg = im.arg(n, 0)?;
    if let (Some(t), Some(name)) =
        (n.int("to")?.and_then(|c| crate::onnx::DType::from_code(c as i32)), n.outputs.first())
    {
        im.types.insert(name.clone(), t);
    }
    if im.g.kind(arg) == Kind::Text && n.int("to")? != Some(8) {
        let hint = "turn texts into numbers by `LabelEncoder`, which says which number each stands for";
        return Err(n.unsupported("texts as numbers", hint));
    }
    let to = match n.int("to")? {
        // Text has positions in the graph.
        Some(8) if im.labels.contains_key(&arg) || im.g.kind(arg) == Kind::Text => im.g.kind(arg),
        Some(code) => crate::onnx::DType::from_code(code as i32).map(crate::onnx::DType::kind).ok_or_else(|| {
            n.unsupported(format!("cast to type code {code}"), "cast to a float, integer or boolean type")
        })?,
        None => im.arg(n, 1).map(|like| im.g.kind(like))?,
    };
    let from = im.g.kind(arg);
    Ok(match (from, to) {
        (Kind::Float, Kind::Int) => im.g.map(arg, Expr::un(Un::Trunc, x()), Kind::Int),
        (Kind::Float | Kind::Int, Kind::Bool) => {
            let zero = im.g.map(arg, Expr::un(Un::IsZero, x()), Kind::Bool);
            im.g.not(zero)
        }
        // Whole numbers are exact floats: only the note of the kind changes, and only constants carry it.
        (_, Kind::Float) if im.g.as_const(arg).is_some() => im.g.retyped(arg, Kind::Float),
        _ => im.g.retyped(arg, to),
    })
}
