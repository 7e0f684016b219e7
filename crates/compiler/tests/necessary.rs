//! Every look-up is needed: with it removed, a forged witness that it refuses is accepted.

mod common;

use common::{Case, Rng, identity, range};
use proveil_compiler::reference::PRIME;
use proveil_graph::{Builder, GraphError, Range, TensorId};

fn case(
    shape: &[usize],
    r: Range,
    input: Vec<i64>,
    build: impl Fn(&mut Builder, TensorId) -> Result<TensorId, GraphError>,
) -> Case {
    let mut b = Builder::new();
    let x = b.input("x", shape, r, 0).expect("an input");
    let out = build(&mut b, x).expect("the graph builds");
    b.output(out).expect("an output");
    let (graph, params) = b.finish().expect("a well-formed graph");
    Case::new(graph, &params, &[input], Some(4))
}

/// The forged cells are refused by the named look-up and by nothing else.
fn only(mut case: Case, lookup: &str, cells: &[(&str, usize, i64)]) {
    // A public output has an interval of its own, which would refuse some of them too.
    case.lowered.relation.outputs.clear();
    assert_eq!(case.forge(cells).as_deref(), Some(lookup));
    case.lowered.relation.lookups.retain(|l| l.name != lookup);
    assert_eq!(case.forge(cells), None, "without {lookup}");
}

fn rounded() -> Case {
    case(&[4], range(-4000, 4000), vec![-300, 255, 256, 3000], |b, x| {
        let table = b.table("id", -32, identity(-32, 64))?;
        b.lookup("act", x, 8, table, 0)
    })
}

#[test]
fn rejects_rounded_lookups_only_with_every_check() {
    let c = rounded();
    let (z, r) = (c.cell("act", 0), c.cell("act/remainder4", 0));
    only(rounded(), "act/table", &[("act", 0, z + 1)]);
    only(rounded(), "act/remainder4", &[("act", 0, z - 1), ("act/remainder4", 0, r + 16)]);
    // One unit of the upper digit is 16 of the lower one.
    only(
        rounded(),
        "act/remainder0",
        &[("act/remainder4", 0, r - 1), ("act/remainder0", 0, c.cell("act/remainder0", 0) + 16)],
    );
}

#[test]
fn rejects_saturated_lookups_only_with_every_check() {
    let build = || {
        case(&[3], range(-90, 90), vec![-90, 3, 90], |b, x| {
            let table = b.table("square", -4, (-4..4).map(|u| u * u - 3).collect())?;
            b.lookup("act", x, 2, table, 0)
        })
    };
    let c = build();
    let low = c.cell("act/low", 2);
    only(build(), "act/sign", &[("act/sign", 2, 0), ("act", 2, (low - 4) * (low - 4) - 3)]);
    only(build(), "act/table", &[("act", 1, c.cell("act", 1) + 1)]);
}

#[test]
fn rejects_halves_only_with_every_check() {
    let build = || {
        case(&[3], range(-3000, 3000), vec![-3000, 3, 3000], |b, x| {
            let table = b.table("parabola", -256, (-256..256).map(|u| u * u - 3).collect())?;
            b.lookup("act", x, 2, table, 0)
        })
    };
    let c = build();
    let u = |cell: usize| c.cell("act/cut", cell) + 16 * c.cell("act/cut4", cell) - 256;
    let value = |u: i64| u * u - 3;
    only(build(), "act/table", &[("act", 1, c.cell("act", 1) + 1)]);
    only(build(), "act/cut0", &[("act/cut", 0, 1), ("act", 0, value(u(0) + 1))]);
    only(build(), "act/cut4", &[("act/cut4", 2, 30), ("act", 2, value(u(2) - 16))]);
    let (low, high) = (c.cell("act/low", 2), c.cell("act/low4", 2));
    let inside = value(low + 16 * high - 256);
    only(build(), "act/sign", &[("act/sign", 2, 0), ("act/cut", 2, low), ("act/cut4", 2, high), ("act", 2, inside)]);
}

fn division() -> Case {
    case(&[3], range(1, 16), vec![16, 3, 5], |b, x| {
        let num = b.combine("num", &[(-1000, x)], 6007, 0)?;
        b.div("q", num, x, 0)
    })
}

#[test]
fn rejects_divisions_only_with_every_check() {
    let c = division();
    let q = c.cell("q", 1);
    let lo = c.graph.tensors.iter().find(|t| t.name == "q").map_or(0, |t| t.range.lo);
    let with = |q: i64| {
        let digit = |at: u32| (q - lo) >> at & 15;
        vec![("q", 1, q), ("q/quotient0", 1, digit(0)), ("q/quotient4", 1, digit(4)), ("q/quotient8", 1, digit(8))]
    };
    only(division(), "q/gap", &with(q - 1));
    only(division(), "q/remainder", &with(q + 1));
}

#[test]
fn rejects_field_quotients_only_with_the_quotients_range() {
    let c = division();
    // 3 * third = 1 in the field: a quotient that leaves the remainder one less than it is.
    let third = (2 * u128::from(PRIME) + 1) / 3;
    assert_eq!(3 * third % u128::from(PRIME), 1);
    let rest = 6007 - 3000 - 3 * c.cell("q", 1);
    assert!(rest > 0);
    let q = (i128::from(c.cell("q", 1)) + third as i128) % i128::from(PRIME);
    let q = if q > i128::from(PRIME / 2) { q - i128::from(PRIME) } else { q } as i64;
    only(division(), "q/quotient", &[("q", 1, q)]);
}

#[test]
fn rejects_roots_only_with_every_check() {
    let build = || case(&[2], range(0, 63), vec![24, 40], |b, x| b.sqrt("s", x, 0));
    only(build(), "s/gap", &[("s", 1, 5)]);
    only(build(), "s/remainder", &[("s", 0, 5)]);
}

#[test]
fn rejects_maxima_only_with_every_check() {
    let build = || case(&[2, 4], range(-8, 7), vec![3, 7, 7, -8, 2, 2, 2, 2], |b, x| b.arg_max_one_hot("best", x));
    only(build(), "best/lead", &[("best", 1, 0), ("best", 2, 1)]);
    only(build(), "best/sum", &[("best", 5, 1)]);
    only(build(), "best/bit", &[("best", 1, 2), ("best", 2, -1)]);
}

#[test]
fn rejects_one_hots_only_with_every_check() {
    let build = || case(&[2], range(0, 4), vec![0, 3], |b, x| b.one_hot("hot", x, 5));
    only(build(), "hot/value", &[("hot", 0, 0), ("hot", 1, 1)]);
    only(build(), "hot/sum", &[("hot", 8, 0), ("hot", 6, 1), ("hot", 7, 1)]);
    only(build(), "hot/bit", &[("hot", 8, -1), ("hot", 7, 1), ("hot", 9, 1)]);
}

#[test]
fn rejects_copies_only_with_their_check() {
    let build = || {
        case(&[4, 6], range(-9, 9), Rng(5).cells(24, range(-9, 9)), |b, x| {
            let y = b.reshape("y", x, &[6, 4])?;
            b.sum("sum", y, &[0], false)
        })
    };
    let value = build().cell("x/copy", 11);
    only(build(), "x/copy", &[("x/copy", 11, value + 1)]);
}

#[test]
fn rejects_gathers_only_with_their_check() {
    let build = || {
        case(&[2], range(0, 4), vec![1, 3], |b, x| {
            let w = b.param("w", &[5], range(-9, 9), 0, vec![5, -7, 0, 9, 2])?;
            b.gather("row", w, x)
        })
    };
    only(build(), "row/row", &[("row", 1, 2)]);
}
