//! Bit operations on whole numbers: functions of one number where the other is constant, else bit by bit.

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::{DType, Node};
use crate::real::expr::{Bin, Expr, Un};
use crate::tensor::{Kind, broadcast_shape};

/// Bits of numbers that are taken apart; wider ones do not fit an input either.
const MAX_BITS: u32 = 16;

/// Bits and sign of a type that the file does not state.
const UNKNOWN: (u32, bool) = (64, true);

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() {
        return Ok(None);
    }
    let out = match n.op.as_str() {
        "BitwiseNot" => not(im, n)?,
        // a and b, a + b - (a and b), a + b - 2 (a and b).
        "BitwiseAnd" => join(im, n, 0.0, 1.0)?,
        "BitwiseOr" => join(im, n, 1.0, -1.0)?,
        "BitwiseXor" => join(im, n, 1.0, -2.0)?,
        "BitShift" => shift(im, n)?,
        _ => return Ok(None),
    };
    if let (Some(t), Some(name)) = (n.inputs.first().and_then(|x| im.types.get(x)).copied(), n.outputs.first()) {
        im.types.insert(name.clone(), t);
    }
    Ok(Some(vec![out]))
}

/// Bits and sign of the first operand's type.
fn width(im: &Importer, n: &Node) -> (u32, bool) {
    match n.inputs.first().and_then(|x| im.types.get(x)) {
        Some(DType::Int { bits, signed }) => (*bits, *signed),
        _ => UNKNOWN,
    }
}

fn not(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let top = match width(im, n) {
        (_, true) => -1.0,
        (bits, false) if bits <= 32 => 2f64.powi(bits as i32) - 1.0,
        (bits, false) => return Err(n.unsupported(format!("unsigned numbers of {bits} bits"), "use at most 32 bits")),
    };
    Ok(im.g.map(x, Expr::affine(-1.0, top), Kind::Int))
}

/// Sum over bits of `single` times both operands' bits plus `both` times their product.
fn join(im: &mut Importer, n: &Node, single: f64, both: f64) -> Result<TensorId> {
    let (a, b) = (im.arg(n, 0)?, im.arg(n, 1)?);
    let shape = broadcast_shape(im.g.shape(a), im.g.shape(b)).ok_or_else(|| im.clash(n, a, b))?;
    let (bits, signed) = width(im, n);
    // One bit more for the sign of types that are wider than their numbers.
    let bits = bits.min(MAX_BITS + u32::from(signed));
    let mut terms = Vec::new();
    for i in 0..bits {
        // The sign bit of two's complement counts negative.
        let weight = 2f64.powi(i as i32) * if signed && i + 1 == bits { -1.0 } else { 1.0 };
        let (x, y) = (bit(im, a, i), bit(im, b, i));
        terms.push((both * weight, im.g.multiply(x, y, &shape)));
        if single != 0.0 {
            terms.extend([(single * weight, x), (single * weight, y)]);
        }
    }
    Ok(im.g.combine(&shape, Kind::Int, &terms, 0.0))
}

/// Bit `i` of a whole number in two's complement.
fn bit(im: &mut Importer, x: TensorId, i: u32) -> TensorId {
    let part = Expr::un(Un::Floor, Expr::affine(2f64.powi(-(i as i32)), 0.0));
    im.g.map(x, Expr::bin(Bin::Mod, part, Expr::Const(2.0)), Kind::Int)
}

fn shift(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (x, by) = (im.arg(n, 0)?, im.arg(n, 1)?);
    let (bits, signed) = width(im, n);
    if signed {
        return Err(n.unsupported("signed numbers, or of no stated type", "cast the operand to an unsigned type"));
    }
    let right = match n.string("direction")?.as_deref() {
        Some("RIGHT") => true,
        Some("LEFT") => false,
        other => return Err(n.malformed(format!("direction {other:?} is not LEFT or RIGHT"))),
    };
    let power = im.g.map(by, Expr::bin(Bin::Pow, Expr::Const(2.0), Expr::X), Kind::Int);
    let f = if right { Bin::Div } else { Bin::Mul };
    let y = im.g.binary(f, x, power).ok_or_else(|| im.clash(n, x, by))?;
    if right || bits > MAX_BITS {
        return Ok(y);
    }
    // Bits that leave the type are lost.
    let top = Expr::Const(2f64.powi(bits as i32));
    Ok(im.g.map(y, Expr::bin(Bin::Mod, Expr::X, top), Kind::Int))
}
