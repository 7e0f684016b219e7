//! Relations that between them use every shape of access, space, table and tree; no witness satisfies their look-ups.

use proveil_relation::table::{Column, Part, Table};
use proveil_relation::{Access, Affine, Coef, Expr, Guard, Home, Input, Linear, Lookup, Output, Product, Relation};

use crate::support::relations::{at, cells, lookup, ramp, relu, tensor, term};

/// `offset + sum coefficient * variable`.
fn form(terms: &[(u32, i64)], offset: i64) -> Affine {
    Affine { terms: terms.to_vec(), offset }
}

fn product(num: i64, shift: u32, sum: &[u32], lhs: Access, rhs: Access) -> Product {
    Product { coef: Coef { num, shift }, sum: sum.to_vec(), lhs, rhs }
}

fn expr(constant: i64, linear: Vec<Linear>, products: Vec<Product>) -> Expr {
    Expr { constant: Coef::int(constant), linear, products }
}

fn output(name: &str, space: &[u32], expr: Expr) -> Output {
    Output { name: name.into(), space: space.to_vec(), expr, lo: -1_000_000, hi: 1_000_000 }
}

fn input(tensor: u32) -> Input {
    Input { tensor, lo: -1000, hi: 1000 }
}

/// A dilated and padded convolution in two groups, with a guard, and a depthwise one with stride, in one look-up.
pub fn convolutions() -> Relation {
    let image = |channel: Affine, y: &[(u32, i64)], x: &[(u32, i64)], guards: Vec<Guard>| Access {
        tensor: 0,
        axes: vec![channel, form(y, -1), form(x, -1)],
        guards,
    };
    // Variables: group, channel of the group, py, px | c, ky, kx.
    let grouped = product(
        3,
        4,
        &[2, 3, 2],
        Access {
            tensor: 1,
            axes: vec![form(&[(0, 3), (1, 1)], 0), form(&[(4, 1)], 0), form(&[(5, 1)], 0), form(&[(6, 1)], 0)],
            guards: vec![],
        },
        image(
            form(&[(0, 2), (4, 1)], 0),
            &[(2, 1), (5, 2)],
            &[(3, 1), (6, 2)],
            vec![Guard { form: form(&[(3, 1), (6, 2)], -1), bound: 5 }],
        ),
    );
    // Variables: channel, py, px | ky, kx.
    let depthwise = product(
        1,
        0,
        &[2, 3],
        at(2, &[0, 3, 4]),
        image(form(&[(0, 1)], 0), &[(1, 2), (3, 1)], &[(2, 2), (4, 1)], vec![]),
    );
    let pooled = Linear {
        coef: Coef { num: 1, shift: 2 },
        sum: vec![2, 2],
        access: image(form(&[(0, 1)], 0), &[(1, 2), (3, 1)], &[(2, 2), (4, 1)], vec![]),
    };
    Relation {
        tensors: vec![
            tensor("x", &[4, 5, 6], Home::Input(0)),
            tensor("w", &[6, 2, 3, 2], Home::Model),
            tensor("d", &[4, 2, 3], Home::Model),
            tensor("y", &[4, 3, 3], Home::Output(0)),
        ],
        tables: vec![relu(), ramp("digit", -3, 20)],
        lookups: vec![
            lookup("grouped", &[2, 3, 3, 6], 0, vec![expr(4, vec![], vec![grouped]), cells(at(0, &[0, 2, 3]))]),
            lookup("depthwise", &[4, 3, 3], 1, vec![expr(0, vec![pooled.clone()], vec![depthwise.clone()])]),
        ],
        inputs: vec![input(0)],
        outputs: vec![output("y", &[4, 3, 3], expr(-2, vec![pooled], vec![depthwise]))],
    }
}

/// Scores and contexts of two heads: both operands in the trace, heads as a batch, keys along the last axis.
pub fn attention() -> Relation {
    let (h, n, d) = (2u32, 7u32, 5u32);
    let scores = product(1, 3, &[d], at(0, &[0, 1, 3]), at(1, &[0, 2, 3]));
    // The context with heads joined along the last axis: variables i, head, e | j.
    let context = product(1, 2, &[n], at(3, &[1, 0, 3]), at(2, &[1, 3, 2]));
    // All heads at once, without a batch axis: variables i, j | head, e.
    let whole = product(-1, 0, &[h, d], at(0, &[2, 0, 3]), at(1, &[2, 1, 3]));
    Relation {
        tensors: vec![
            tensor("q", &[h, n, d], Home::Trace),
            tensor("k", &[h, n, d], Home::Trace),
            tensor("v", &[h, n, d], Home::Trace),
            tensor("p", &[h, n, n], Home::Trace),
        ],
        tables: vec![relu(), ramp("all", -10, 37)],
        lookups: vec![
            lookup("scores", &[h, n, n], 0, vec![expr(4, vec![], vec![scores]), cells(at(3, &[0, 1, 2]))]),
            lookup("context", &[n, h, d], 1, vec![expr(2, vec![term(1, 0, at(2, &[1, 0, 2]))], vec![context])]),
        ],
        inputs: vec![],
        outputs: vec![output("whole", &[n, n], expr(0, vec![], vec![whole]))],
    }
}

/// `x x + s x + g x + s g` over `[2, n]` for last axes of many lengths, `s` and `g` broadcast along one axis.
pub fn lengths() -> Relation {
    let mut relation = Relation { tables: vec![ramp("range", -5, 11), relu()], ..Relation::default() };
    for n in [1u32, 3, 5, 7, 10, 33] {
        let t = relation.tensors.len() as u32;
        for (name, shape, home) in
            [("x", vec![2, n], Home::Trace), ("s", vec![2], Home::Trace), ("g", vec![n], Home::Model)]
        {
            relation.tensors.push(tensor(&format!("{name}{n}"), &shape, home));
        }
        let products = vec![
            product(1, 0, &[], at(t, &[0, 1]), at(t, &[0, 1])),
            product(2, 0, &[], at(t + 1, &[0]), at(t, &[0, 1])),
            product(-1, 1, &[], at(t + 2, &[1]), at(t, &[0, 1])),
            product(5, 0, &[], at(t + 1, &[0]), at(t + 2, &[1])),
        ];
        // The mean over the last axis, and every second cell backwards.
        let mean = Linear { coef: Coef { num: 1, shift: 1 }, sum: vec![n], access: at(t, &[0, 2]) };
        let back =
            Access { tensor: t, axes: vec![form(&[(0, 1)], 0), form(&[(1, -2)], i64::from(n) - 1)], guards: vec![] };
        let tuple = vec![expr(1, vec![mean, term(3, 0, back)], products), cells(at(t, &[0, 1]))];
        relation.lookups.push(lookup(&format!("product {n}"), &[2, n], 1, tuple));
        relation.lookups.push(lookup(&format!("gate {n}"), &[2], 0, vec![cells(at(t + 1, &[0]))]));
    }
    relation
}

/// Last axes of several granules of the largest size, in a look-up and in an output that is cut in chunks.
pub fn long() -> Relation {
    let n = 2500u32;
    let y = product(1, 0, &[3], at(0, &[0, 2]), at(1, &[2, 1]));
    let shifted = Access { tensor: 1, axes: vec![Affine::constant(1), form(&[(0, 1)], 512)], guards: vec![] };
    let late = Access {
        tensor: 1,
        axes: vec![Affine::constant(2), form(&[(0, 1)], 0)],
        guards: vec![Guard { form: form(&[(0, 1)], -2000), bound: 300 }],
    };
    let third = Access { tensor: 1, axes: vec![Affine::constant(2), form(&[(1, 1)], 0)], guards: vec![] };
    let dot = product(1, 0, &[n], at(1, &[0, 1]), third);
    Relation {
        tensors: vec![
            tensor("a", &[2, 3], Home::Trace),
            tensor("b", &[3, n], Home::Input(0)),
            tensor("y", &[2, n], Home::Output(0)),
        ],
        tables: vec![ramp("all", -1000, 3000)],
        lookups: vec![
            lookup("shifted", &[n], 0, vec![expr(0, vec![term(1, 0, shifted), term(7, 0, late)], vec![])]),
            lookup("sums", &[2], 0, vec![expr(0, vec![], vec![dot])]),
        ],
        inputs: vec![input(1)],
        outputs: vec![output("y", &[2, n], expr(3, vec![], vec![y]))],
    }
}

/// Several tables, the largest cut between the lanes inside parts of all kinds.
pub fn tables() -> Relation {
    let (ramps, values) = (|s: i64| Column::Ramp(s), |n: i64| Column::Values((0..n).map(|i| i * i % 17 - 5).collect()));
    let parts = vec![
        Part { len: 20, columns: vec![ramps(-50), Column::Constant(-3), values(20)] },
        Part { len: 31, columns: vec![values(31), ramps(4), Column::Constant(9)] },
        Part { len: 90, columns: vec![ramps(-7), values(90), ramps(100)] },
        Part { len: 1, columns: vec![Column::Constant(1), Column::Constant(2), Column::Constant(3)] },
    ];
    let large = Table::public("large", parts);
    let triple = |a: &[u32], b: &[u32], c: &[u32]| vec![cells(at(0, a)), cells(at(1, b)), cells(at(0, c))];
    Relation {
        tensors: vec![tensor("x", &[3, 5], Home::Trace), tensor("z", &[5], Home::Public(vec![4, -1, 0, 7, 7]))],
        tables: vec![ramp("one", 5, 1), large, relu(), ramp("three", 0, 3)],
        lookups: vec![
            lookup("triple", &[3, 5], 1, triple(&[0, 1], &[1], &[0, 1])),
            lookup("pair", &[5, 3], 2, vec![cells(at(0, &[1, 0])), cells(at(1, &[0]))]),
            lookup("one", &[1], 0, vec![cells(at(0, &[0, 0]))]),
            lookup("three", &[3], 3, vec![cells(at(0, &[0, 0]))]),
        ],
        inputs: vec![],
        outputs: vec![],
    }
}

/// Tensors of several columns, of two axes that both stay in a product, with two inputs and two outputs.
pub fn columns() -> Relation {
    let y = product(1, 0, &[33], at(0, &[0, 2]), at(1, &[1, 2]));
    let square = product(1, 0, &[], at(1, &[0, 1]), at(1, &[0, 1]));
    let sum = Linear { coef: Coef::int(2), sum: vec![17], access: at(1, &[2, 1]) };
    Relation {
        tensors: vec![
            tensor("w", &[30, 33], Home::Model),
            tensor("x", &[17, 33], Home::Input(0)),
            tensor("b", &[30], Home::Input(1)),
            tensor("y", &[30, 17], Home::Output(0)),
            tensor("s", &[17, 33], Home::Output(1)),
            tensor("c", &[3, 2], Home::Public((-3..3).collect())),
        ],
        tables: vec![ramp("range", -9, 19)],
        lookups: vec![
            lookup("x/range", &[17, 33], 0, vec![cells(at(1, &[0, 1]))]),
            Lookup { space: vec![30], ..lookup("b/range", &[30], 0, vec![cells(at(2, &[0]))]) },
        ],
        inputs: vec![input(1), input(2)],
        outputs: vec![
            output("y", &[30, 17], expr(0, vec![term(1, 0, at(2, &[0])), term(1, 0, at(5, &[0, 1]))], vec![y])),
            output("s", &[17, 33], expr(1, vec![sum], vec![square])),
        ],
    }
}

/// A matrix with more rows than an accumulator of machine integers takes at once, and an output far wider than `nv`.
pub fn tall(rows: u32) -> Relation {
    let k = 8u32;
    let y = product(1, 0, &[k], at(0, &[0, 1]), at(1, &[1]));
    Relation {
        tensors: vec![tensor("w", &[rows, k], Home::Trace), tensor("x", &[k], Home::Trace)],
        tables: vec![ramp("one", 0, 1)],
        lookups: vec![lookup("x", &[k], 0, vec![cells(at(1, &[0]))])],
        inputs: vec![],
        outputs: vec![output("y", &[rows], expr(0, vec![], vec![y]))],
    }
}
