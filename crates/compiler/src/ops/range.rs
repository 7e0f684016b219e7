//! Declared ranges: every cell of an input or a parameter lies in `[lo, hi]`, exactly.

use proveil_graph::{Range, TensorId};

use crate::error::LowerError;
use crate::lowering::{Lowering, bit_length, cells, wrap};
use crate::plan::Value;
use crate::view;

/// Claims that every cell of a committed tensor lies in a range.
///
/// A length that is a power of two takes one chain of limbs, a short one a table of just that many rows, any other
/// two chains, from below and from above.
pub fn declared(l: &mut Lowering, name: &str, id: TensorId, tensor: u32, range: Range) -> Result<(), LowerError> {
    let space = l.relation.tensors[tensor as usize].shape.clone();
    let rows = i128::from(range.hi) - i128::from(range.lo) + 1;
    if !(1..=1 << 62).contains(&rows) {
        return Err(wrap(name, "a declared range", rows));
    }
    let too_large = || wrap(name, "a declared range", rows);
    let shifted = |sign: i64, offset: i64| {
        let mut expr = view::constant(offset);
        view::add(&mut expr, &cells(tensor, space.len()), sign).map(|()| expr).ok_or_else(too_large)
    };
    let below = Value::Shifted { x: id, sign: 1, offset: range.lo.wrapping_neg() };
    let from_lo = shifted(1, range.lo.checked_neg().ok_or_else(too_large)?)?;
    let bits = bit_length(rows - 1);
    if rows == 1 << bits {
        return l.in_bits(&format!("{name}/range"), &space, from_lo, bits, below);
    }
    if rows <= 1 << l.limb_bits {
        l.in_rows(&format!("{name}/range"), &space, from_lo, rows as u32, below);
        return Ok(());
    }
    l.in_bits(&format!("{name}/at_least"), &space, from_lo, bits, below)?;
    let above = Value::Shifted { x: id, sign: -1, offset: range.hi };
    l.in_bits(&format!("{name}/at_most"), &space, shifted(-1, range.hi)?, bits, above)
}
