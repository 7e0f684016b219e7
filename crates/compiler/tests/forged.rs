//! Forged witnesses: each is refused, and by the look-up that is there to refuse it.

mod common;

use common::{Case, Rng, identity, range, refusal};
use proveil_compiler::reference::PRIME;
use proveil_graph::{Builder, GraphError, Range, TensorId};

fn case(
    shape: &[usize],
    r: Range,
    input: Vec<i64>,
    limb_bits: u32,
    build: impl Fn(&mut Builder, TensorId) -> Result<TensorId, GraphError>,
) -> Case {
    let mut b = Builder::new();
    let x = b.input("x", shape, r, 0).expect("an input");
    let out = build(&mut b, x).expect("the graph builds");
    b.output(out).expect("an output");
    let (graph, params) = b.finish().expect("a well-formed graph");
    let case = Case::new(graph, &params, &[input], Some(limb_bits));
    case.accept();
    case
}

/// The field element as the signed integer of least absolute value.
fn signed(x: u128) -> i64 {
    let x = (x % u128::from(PRIME)) as i128;
    (if x > i128::from(PRIME / 2) { x - i128::from(PRIME) } else { x }) as i64
}

fn field(x: i64) -> u128 {
    i128::from(x).rem_euclid(i128::from(PRIME)) as u128
}

fn inverse(x: i64) -> u128 {
    let (mut base, mut exponent, mut out) = (field(x), PRIME - 2, 1u128);
    while exponent > 0 {
        if exponent & 1 == 1 {
            out = out * base % u128::from(PRIME);
        }
        base = base * base % u128::from(PRIME);
        exponent >>= 1;
    }
    out
}

/// Tries every setting of one cell of the named tensors and counts those that satisfy.
fn satisfying(case: &Case, tensors: &[(&str, Range)], cell: usize) -> usize {
    let at: Vec<usize> = tensors.iter().map(|(name, _)| case.tensor(name)).collect();
    let mut values = case.witness.tensors.clone();
    let mut setting: Vec<i64> = tensors.iter().map(|(_, r)| r.lo).collect();
    let mut count = 0;
    loop {
        for (t, v) in at.iter().zip(&setting) {
            values[*t][cell] = *v;
        }
        count += usize::from(refusal(&case.lowered, &values).is_none());
        let Some(i) = (0..setting.len()).find(|&i| setting[i] < tensors[i].1.hi) else { return count };
        setting[i] += 1;
        for j in 0..i {
            setting[j] = tensors[j].1.lo;
        }
    }
}

fn rounded() -> Case {
    case(&[4], range(-4000, 4000), vec![-300, 255, 256, 3999], 4, |b, x| {
        let table = b.table("id", -32, identity(-32, 64))?;
        b.lookup("act", x, 8, table, 0)
    })
}

fn saturated() -> Case {
    case(&[6], range(-90, 90), vec![-90, -17, -3, 3, 14, 90], 3, |b, x| {
        let table = b.table("square", -4, (-4..4).map(|u| u * u - 3).collect())?;
        b.lookup("act", x, 2, table, 0)
    })
}

/// A table long enough to be cut in halves: `[-256, 255]`, the identity plus 5 or a parabola.
fn halves(steady: bool) -> Case {
    case(&[6], range(-3000, 3000), vec![-3000, -1025, -3, 3, 1023, 3000], 4, |b, x| {
        let value = |u: i64| if steady { u + 5 } else { u * u - 3 };
        let table = b.table("long", -256, (-256..256).map(value).collect())?;
        b.lookup("act", x, 2, table, 0)
    })
}

#[test]
fn rejects_inputs_out_of_range() {
    let pow2 = case(&[2], range(-8, 7), vec![-8, 7], 4, |b, x| b.combine("y", &[(1, x)], 0, 0));
    assert_eq!(pow2.forge(&[("x", 0, -9)]).as_deref(), Some("x/range"));
    assert_eq!(pow2.forge(&[("x", 1, 8)]).as_deref(), Some("x/range"));
    let table = case(&[2], range(-3, 7), vec![-3, 7], 4, |b, x| b.combine("y", &[(1, x)], 0, 0));
    assert_eq!(table.forge(&[("x", 1, 8)]).as_deref(), Some("x/range"));
    let long = case(&[2], range(-3, 100), vec![-3, 100], 4, |b, x| b.combine("y", &[(1, x)], 0, 0));
    // 101 = -3 + 104 still has 7 bits above the lower end: only the upper check can see it.
    let (low, high) = (104 % 16, (100i64 - 101).rem_euclid(16));
    let forged = long.forge(&[("x", 1, 101), ("x/at_least0", 1, low), ("x/at_most0", 1, high)]);
    assert_eq!(forged.as_deref(), Some("x/at_most"));
    let (low, high) = ((-4i64 + 3).rem_euclid(16), 104 % 16);
    let forged = long.forge(&[("x", 0, -4), ("x/at_least0", 0, low), ("x/at_most0", 0, high)]);
    assert_eq!(forged.as_deref(), Some("x/at_least"));
}

#[test]
fn rejects_off_by_one_results_of_lookups() {
    let c = rounded();
    for cell in 0..4 {
        for by in [-1, 1] {
            assert_eq!(c.forge(&[("act", cell, c.cell("act", cell) + by)]).as_deref(), Some("act/table"));
        }
    }
    let c = saturated();
    for cell in 0..6 {
        for by in [-1, 1] {
            assert_eq!(c.forge(&[("act", cell, c.cell("act", cell) + by)]).as_deref(), Some("act/table"));
        }
    }
}

#[test]
fn rejects_wrong_rounding() {
    let c = rounded();
    for cell in 0..4 {
        let (z, r) = (c.cell("act", cell), c.cell("act/remainder4", cell));
        // The remainder one too high makes the result one too low, and the other way round.
        let down = c.forge(&[("act", cell, z - 1), ("act/remainder4", cell, r + 16)]);
        assert_eq!(down.as_deref(), Some("act/remainder4"));
        let up = c.forge(&[("act", cell, z + 1), ("act/remainder4", cell, r - 16)]);
        assert_eq!(up.as_deref(), Some("act/remainder4"));
    }
}

/// The widest shift that the front end makes, on operands of so many bits; digits of 12 bits.
fn shifted(bits: u32, table: (i64, i64)) -> Case {
    let (top, half) = (1i64 << (bits - 1), 1i64 << 47);
    let x = vec![-top, -half - 1, -half, half - 1, half, (5 << 48) + 12_345, top - (1 << 48)];
    case(&[7], range(-top, top - (1 << 48)), x, 12, |b, x| {
        let table = b.table("odd", table.0, (table.0..table.1).map(|u| u * u * u + 7).collect())?;
        b.lookup("act", x, 48, table, 0)
    })
}

#[test]
fn rejects_every_other_result_of_a_shift_by_48_bits() {
    let c = shifted(56, (-128, 128));
    let honest = [-128, -1, 0, 0, 1, 5, 127];
    for (cell, u0) in honest.into_iter().enumerate() {
        let cube = |u: i64| u * u * u + 7;
        assert_eq!(c.cell("act", cell), cube(u0), "cell {cell}");
        let low = c.cell("act/remainder0", cell);
        assert_eq!(c.forge(&[("act/remainder0", cell, (low + 1) % (1 << 12))]).as_deref(), Some("act/table"));
        for u in (-128..128).filter(|u| *u != u0) {
            assert_eq!(c.forge(&[("act", cell, cube(u))]).as_deref(), Some("act/table"), "cell {cell} as {u}");
            // The remainder that goes with it: its top digit has to hold all of the difference.
            let high = c.cell("act/remainder36", cell) + (u0 - u) * (1 << 12);
            let forged = c.forge(&[("act", cell, cube(u)), ("act/remainder36", cell, high)]);
            assert_eq!(forged.as_deref(), Some("act/remainder36"), "cell {cell} as {u}");
        }
    }
}

#[test]
fn rejects_skipped_saturation_behind_a_shift_by_48_bits() {
    let c = shifted(59, (-4, 4));
    for (cell, sign) in [(0, -1), (5, 1), (6, 1)] {
        assert_eq!(c.cell("act/sign", cell), sign);
        let low = c.cell("act/low", cell);
        let inside = (low - 4) * (low - 4) * (low - 4) + 7;
        let forged = c.forge(&[("act/sign", cell, 0), ("act", cell, inside)]);
        assert_eq!(forged.as_deref(), Some("act/sign"), "cell {cell}");
        let shifted = c.forge(&[("act/sign", cell, 0), ("act/low", cell, low + 8 * sign), ("act", cell, inside)]);
        assert!(shifted.is_some(), "cell {cell}");
        let high = c.cell("act/remainder36", cell);
        let moved = c.forge(&[("act/low", cell, (low + 1) % 8), ("act/remainder36", cell, high - (1 << 12))]);
        assert!(moved.is_some(), "cell {cell}");
    }
}

#[test]
fn rejects_fractional_rounded_values() {
    let c = rounded();
    // A remainder that is wrong by less than the shift leaves a fraction, which is a huge field element.
    let r = c.cell("act/remainder0", 0);
    assert_eq!(c.forge(&[("act/remainder0", 0, (r + 1) % 16)]).as_deref(), Some("act/table"));
}

#[test]
fn rejects_skipped_saturation() {
    let c = saturated();
    for (cell, sign) in [(0, -1), (5, 1)] {
        assert_eq!(c.cell("act/sign", cell), sign);
        let low = c.cell("act/low", cell);
        let inside = (low - 4) * (low - 4) - 3;
        let forged = c.forge(&[("act/sign", cell, 0), ("act", cell, inside)]);
        assert_eq!(forged.as_deref(), Some("act/sign"));
        let other = if sign == 1 { 13 } else { 6 };
        assert_eq!(c.forge(&[("act/sign", cell, -sign), ("act", cell, other)]).as_deref(), Some("act/sign"));
        let shifted = c.forge(&[("act/sign", cell, 0), ("act/low", cell, low + 8 * sign), ("act", cell, inside)]);
        assert!(shifted.is_some());
    }
}

#[test]
fn accepts_exactly_one_setting_of_saturated_lookups() {
    let c = saturated();
    let digits = range(0, 3);
    for cell in 0..6 {
        let tensors =
            [("act", range(-4, 14)), ("act/remainder0", digits), ("act/low", range(0, 7)), ("act/sign", range(-1, 1))];
        assert_eq!(satisfying(&c, &tensors, cell), 1, "cell {cell}");
    }
}

#[test]
fn accepts_exactly_one_setting_of_halves() {
    for steady in [true, false] {
        let c = halves(steady);
        assert!(c.text().contains("act/low4"), "{}", c.text());
        let (low, high, sign) = (range(0, 15), range(0, 31), range(-1, 1));
        for cell in 0..6 {
            let before = [("act/low", low), ("act/low4", high), ("act/sign", sign)];
            assert_eq!(satisfying(&c, &before, cell), 1, "cell {cell}");
            let z = c.cell("act", cell);
            let near = ("act", range(z - 40, z + 40));
            let after: &[_] = if steady { &[("act/cut", low), near] } else { &[("act/cut", low), ("act/cut4", high)] };
            assert_eq!(satisfying(&c, after, cell), 1, "cell {cell}");
            assert_eq!(satisfying(&c, &[near, ("act/sign", sign), ("act/low4", high)], cell), 1, "cell {cell}");
        }
    }
}

#[test]
fn rejects_forged_halves() {
    for steady in [true, false] {
        let c = halves(steady);
        for cell in 0..6 {
            // The result alone, by one unit of either half.
            for by in [-1, 1, -16, 16] {
                let forged = c.forge(&[("act", cell, c.cell("act", cell) + by)]);
                assert_eq!(forged.as_deref(), Some("act/table"), "cell {cell} by {by}");
            }
            // The lower half with the result that it would make: no row holds the pair.
            let (cut, z) = (c.cell("act/cut", cell), c.cell("act", cell));
            let up = if cut < 15 { 1 } else { -1 };
            let z_of = |by: i64| if steady { z + by } else { z + by * (2 * argument(&c, cell) + by) };
            let forged = c.forge(&[("act/cut", cell, cut + up), ("act", cell, z_of(up))]);
            assert_eq!(forged.as_deref(), Some("act/cut0"), "cell {cell}");
        }
        // Saturated cells passed off as inside, and as beyond the other end.
        for (cell, sign) in [(0, -1), (5, 1)] {
            assert_eq!(c.cell("act/sign", cell), sign);
            let (low, high) = (c.cell("act/low", cell), c.cell("act/low4", cell));
            let u = low + 16 * high - 256;
            let value = |u: i64| if steady { u + 5 } else { u * u - 3 };
            let with = |sign: i64, low: i64, high: i64, u: i64| {
                let mut cells = vec![("act/sign", cell, sign), ("act/cut", cell, low), ("act", cell, value(u))];
                if !steady {
                    cells.push(("act/cut4", cell, high));
                }
                c.forge(&cells)
            };
            assert_eq!(with(0, low, high, u).as_deref(), Some("act/sign"));
            let other = if sign == 1 { (0, 0, -256) } else { (15, 31, 255) };
            assert_eq!(with(-sign, other.0, other.1, other.2).as_deref(), Some("act/sign"));
        }
    }
}

/// The argument of the table that was cut to its domain.
fn argument(c: &Case, cell: usize) -> i64 {
    c.cell("act/cut", cell) + 16 * c.cell("act/cut4", cell) - 256
}

#[test]
fn accepts_exactly_one_setting_of_long_heads() {
    let c = case(&[3], range(-127, 127), vec![-127, -5, 127], 2, |b, x| {
        let table = b.table("id", 0, identity(0, 2))?;
        b.lookup("act", x, 0, table, 0)
    });
    let text = c.text();
    assert!(text.contains("act/head2") && text.contains("act/head0"), "{text}");
    for cell in 0..3 {
        let tensors = [
            ("act", range(0, 1)),
            ("act/low", range(0, 1)),
            ("act/head0", range(0, 3)),
            ("act/head2", range(0, 3)),
            ("act/sign", range(-1, 1)),
            ("act/sign0", range(-1, 1)),
            ("act/sign2", range(-1, 1)),
        ];
        assert_eq!(satisfying(&c, &tensors, cell), 1, "cell {cell}");
    }
}

#[test]
fn accepts_exactly_one_setting_of_divisions_and_roots() {
    let c = case(&[4], range(-30, 33), vec![-30, -1, 0, 33], 3, |b, x| {
        let squares = b.mul("square", x, x)?;
        let den = b.constant("den", &[4], vec![7, 3, 1, 5], 0)?;
        let q = b.div("q", x, den, 0)?;
        let s = b.sqrt("s", squares, 0)?;
        b.combine("both", &[(1, q), (1, s)], 0, 0)
    });
    for cell in 0..4 {
        let low = range(0, 7);
        assert_eq!(satisfying(&c, &[("q", range(-40, 40)), ("q/quotient0", low)], cell), 1, "cell {cell}");
        let tensors = [("s", range(-40, 40)), ("s/root0", low), ("s/remainder0", low), ("s/gap0", low)];
        assert_eq!(satisfying(&c, &tensors, cell), 1, "cell {cell}");
    }
}

fn division() -> Case {
    case(&[3], range(1, 16), vec![16, 3, 5], 8, |b, x| {
        let num = b.combine("num", &[(-1000, x)], 6007, 0)?;
        b.div("q", num, x, 0)
    })
}

#[test]
fn rejects_wrong_quotients() {
    let c = division();
    for cell in 0..3 {
        let (q, x) = (c.cell("q", cell), c.cell("x", cell));
        let digits = |q: i64| (q - c.graph.tensors.iter().find(|t| t.name == "q").map_or(0, |t| t.range.lo)) % 256;
        let with = |q: i64| c.forge(&[("q", cell, q), ("q/quotient0", cell, digits(q))]);
        assert_eq!(with(q).as_deref(), None);
        assert_eq!(with(q + 1).as_deref(), Some("q/remainder"), "{x}");
        // One too low adds the denominator to the remainder, which its 4 bits may already exclude.
        let rest = 6007 - 1000 * x - x * (q - 1);
        assert_eq!(with(q - 1).as_deref(), Some(if rest < 16 { "q/gap" } else { "q/remainder" }));
    }
}

#[test]
fn rejects_quotients_that_wrap_around_the_field() {
    let c = division();
    for cell in 0..3 {
        let x = c.cell("x", cell);
        let num = 6007 - 1000 * x;
        for rest in 0..x {
            // den * q = num - rest in the field, so both remainder checks hold.
            let q = signed(field(num - rest) * inverse(x));
            if q != c.cell("q", cell) {
                assert_eq!(c.forge(&[("q", cell, q)]).as_deref(), Some("q/quotient"));
            }
        }
    }
}

fn root() -> Case {
    case(&[3], range(0, 255), vec![0, 99, 255], 8, |b, x| b.sqrt("s", x, 0))
}

#[test]
fn rejects_wrong_roots() {
    let c = root();
    for cell in 0..3 {
        let (s, x) = (c.cell("s", cell), c.cell("x", cell));
        assert_eq!(c.forge(&[("s", cell, s + 1)]).as_deref(), Some(if s == 15 { "s/root" } else { "s/remainder" }));
        if s > 0 {
            let rest = x - (s - 1) * (s - 1);
            let by = if rest < 32 { "s/gap" } else { "s/remainder" };
            assert_eq!(c.forge(&[("s", cell, s - 1)]).as_deref(), Some(by));
            assert_eq!(c.forge(&[("s", cell, -s)]).as_deref(), Some("s/root"));
        }
    }
}

fn maximum() -> Case {
    case(&[2, 4], range(-8, 7), vec![3, 7, 7, -8, 2, 2, 2, 2], 4, |b, x| b.arg_max_one_hot("best", x))
}

#[test]
fn rejects_ties_broken_upwards() {
    let c = maximum();
    assert_eq!(c.forge(&[("best", 1, 0), ("best", 2, 1)]).as_deref(), Some("best/lead"));
    assert_eq!(c.forge(&[("best", 4, 0), ("best", 7, 1)]).as_deref(), Some("best/lead"));
}

#[test]
fn rejects_wrong_maxima() {
    let c = maximum();
    assert_eq!(c.forge(&[("best", 1, 0), ("best", 0, 1)]).as_deref(), Some("best/lead"));
    assert_eq!(c.forge(&[("best", 1, 0), ("best", 3, 1)]).as_deref(), Some("best/lead"));
    assert_eq!(c.forge(&[("best", 2, 1)]).as_deref(), Some("best/sum"));
    assert_eq!(c.forge(&[("best", 1, 0)]).as_deref(), Some("best/sum"));
    assert_eq!(c.forge(&[("best", 1, 2), ("best", 2, -1)]).as_deref(), Some("best/bit"));
    let half = signed(inverse(2));
    assert_eq!(c.forge(&[("best", 1, half), ("best", 2, half)]).as_deref(), Some("best/bit"));
}

#[test]
fn rejects_wrong_one_hots() {
    let c = case(&[2], range(0, 4), vec![0, 3], 4, |b, x| b.one_hot("hot", x, 5));
    assert_eq!(c.forge(&[("hot", 0, 0), ("hot", 1, 1)]).as_deref(), Some("hot/value"));
    assert_eq!(c.forge(&[("hot", 1, 1)]).as_deref(), Some("hot/sum"));
    assert_eq!(c.forge(&[("hot", 8, 0)]).as_deref(), Some("hot/sum"));
    // 1 + 2 = 3: two ones have the right weighted sum.
    assert_eq!(c.forge(&[("hot", 8, 0), ("hot", 6, 1), ("hot", 7, 1)]).as_deref(), Some("hot/sum"));
    // 2 * (4 - 3) and so on: the right sums with cells other than 0 and 1.
    assert_eq!(c.forge(&[("hot", 8, -1), ("hot", 7, 1), ("hot", 9, 1)]).as_deref(), Some("hot/bit"));
}

#[test]
fn rejects_wrong_copies() {
    let c = case(&[4, 6], range(-9, 9), Rng(5).cells(24, range(-9, 9)), 4, |b, x| {
        let y = b.reshape("y", x, &[6, 4])?;
        b.sum("sum", y, &[0], false)
    });
    let value = c.cell("x/copy", 11);
    assert_eq!(c.forge(&[("x/copy", 11, value + 1)]).as_deref(), Some("x/copy"));
}

#[test]
fn rejects_limbs_out_of_range() {
    let c = case(&[2], range(0, 4095), vec![100, 4000], 4, |b, x| b.sqrt("s", x, 0));
    for name in ["x/range0", "x/range4", "s/root0", "s/remainder0", "s/gap0"] {
        let v = c.cell(name, 0);
        // Moving 16 units from the rest into the limb keeps every sum.
        assert_eq!(c.forge(&[(name, 0, v + 16)]).as_deref(), Some(name));
        assert_eq!(c.forge(&[(name, 0, v - 16)]).as_deref(), Some(name));
    }
}

#[test]
fn rejects_outputs_out_of_their_interval() {
    let c = case(&[1], range(-4, 3), vec![3], 4, |b, x| b.combine("y", &[(2, x)], 1, 0));
    let mut lowered = c.lowered.clone();
    lowered.relation.outputs[0].hi = 6;
    assert_eq!(refusal(&lowered, &c.witness.tensors).as_deref(), Some("y"));
}

#[test]
fn rejects_values_of_another_run() {
    let c = root();
    let mut values = c.values.clone();
    values[1][2] += 1;
    assert!(c.lowered.plan.witness(&c.graph, &values).is_err());
    values[1].pop();
    assert!(c.lowered.plan.witness(&c.graph, &values).is_err());
    assert!(c.lowered.plan.witness(&c.graph, &values[..1]).is_err());
}

/// Rows of 34 cells in two halves, from weights, and cells of the input at places of the input.
fn rows() -> Case {
    case(&[4], range(0, 4), vec![0, 3, 3, 4], 4, |b, x| {
        let w = b.param("w", &[5, 34], range(-99, 99), 0, (0..170).map(|i| i * 37 % 199 - 99).collect())?;
        let row = b.gather("row", w, x)?;
        let sum = b.sum("sum", row, &[1], false)?;
        let wide = b.broadcast("wide", x, &[2, 4])?;
        let flat = b.reshape("flat", wide, &[8])?;
        let own = b.gather("own", flat, x)?;
        b.combine("y", &[(1, sum), (1, own)], 0, 0)
    })
}

/// The row with every cell taken from another place of the table.
fn replaced(c: &Case, row: usize, from: usize) -> Vec<(&'static str, usize, i64)> {
    (0..34).map(|j| ("row", row * 34 + j, c.cell("w", from * 34 + j))).collect()
}

#[test]
fn rejects_other_rows() {
    let c = rows();
    for from in [1, 2, 3, 4] {
        assert_eq!(c.forge(&replaced(&c, 0, from)).as_deref(), Some("row/row"), "row {from}");
    }
    // Rows one before and one after.
    assert_eq!(c.forge(&replaced(&c, 1, 2)).as_deref(), Some("row/row"));
    assert_eq!(c.forge(&replaced(&c, 1, 4)).as_deref(), Some("row/row"));
    assert_eq!(c.forge(&replaced(&c, 1, 3)), None);
}

#[test]
fn rejects_rows_mixed_of_two() {
    let c = rows();
    // Each single cell of row 3 may not be that of row 1 (or any other value), nor may either half of the row.
    for j in 0..34 {
        let other = c.cell("w", 34 + j);
        assert_eq!(c.forge(&[("row", 34 + j, other)]).as_deref(), Some("row/row"), "cell {j}");
    }
    let all = replaced(&c, 1, 1);
    assert_eq!(c.forge(&all[..17]).as_deref(), Some("row/row"));
    assert_eq!(c.forge(&all[17..]).as_deref(), Some("row/row"));
}

#[test]
fn rejects_places_that_are_not_the_index() {
    let c = rows();
    // The input is a place and a row of a table: what is read follows it, and its range is checked.
    assert_eq!(c.forge(&[("x", 0, 1)]).as_deref(), Some("row/row"));
    let forged = [&[("x", 0, 5)], &replaced(&c, 0, 0)[..]].concat();
    assert_eq!(c.forge(&forged).as_deref(), Some("x/range"));
    assert_eq!(c.forge(&[("x", 3, -1)]).as_deref(), Some("x/range"));
    // A fraction that some row number solves: place * 2 + m = 1 for m = 0.
    let half = signed(inverse(2));
    assert_eq!(c.forge(&[("x", 0, half)]).as_deref(), Some("x/range"));
    assert_eq!(c.forge(&[("own", 2, 0)]).as_deref(), Some("own/row"));
}

#[test]
fn rejects_rows_of_other_weights() {
    let c = rows();
    let v = c.cell("w", 3 * 34 + 20);
    assert_eq!(c.forge(&[("w", 3 * 34 + 20, v + 1)]).as_deref(), Some("row/row"));
    // A row that nothing reads is not claimed to be anything.
    assert_eq!(c.forge(&[("w", 34, 7)]), None);
}
