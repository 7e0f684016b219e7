//! The relations under attack.

use proveil_relation::table::{Column, Part, Table};
use proveil_relation::{
    Access, Affine, Coef, Expr, Guard, Home, Input, Linear, Lookup, Output, Product, Relation, TensorDecl,
};

use super::{Case, Rng};

pub fn at(tensor: u32, vars: &[u32]) -> Access {
    Access { tensor, axes: vars.iter().map(|v| Affine::var(*v)).collect(), guards: vec![] }
}

pub fn term(num: i64, shift: u32, access: Access) -> Linear {
    Linear { coef: Coef { num, shift }, sum: vec![], access }
}

/// An expression that is one tensor's cells.
pub fn cells(access: Access) -> Expr {
    Expr { constant: Coef::int(0), linear: vec![term(1, 0, access)], products: vec![] }
}

pub fn tensor(name: &str, shape: &[u32], home: Home) -> TensorDecl {
    TensorDecl { name: name.into(), shape: shape.to_vec(), home }
}

pub fn ramp(name: &str, start: i64, len: u32) -> Table {
    Table::public(name, vec![Part { len, columns: vec![Column::Ramp(start)] }])
}

/// `u -> max(u, 0)` for 64 values, the negative half in closed form.
pub fn relu() -> Table {
    let parts = vec![
        Part { len: 32, columns: vec![Column::Ramp(-32), Column::Constant(0)] },
        Part { len: 32, columns: vec![Column::Ramp(0), Column::Values((0..32).collect())] },
    ];
    Table::public("relu", parts)
}

pub fn lookup(name: &str, space: &[u32], table: u32, tuple: Vec<Expr>) -> Lookup {
    Lookup { name: name.into(), space: space.to_vec(), table, tuple }
}

/// `y = w2 relu(round((w1 x + b1) / 8)) + 7`, the input ranged.
pub fn dense() -> Case {
    let (k, n, m) = (5u32, 4u32, 3u32);
    let rounded = Expr {
        constant: Coef { num: 4, shift: 3 },
        linear: vec![term(1, 3, at(1, &[0])), term(-1, 3, at(3, &[0]))],
        products: vec![Product {
            coef: Coef { num: 1, shift: 3 },
            sum: vec![k],
            lhs: at(0, &[0, 1]),
            rhs: at(2, &[1]),
        }],
    };
    let y = Product { coef: Coef::int(1), sum: vec![n], lhs: at(5, &[0, 1]), rhs: at(4, &[1]) };
    let relation = Relation {
        tensors: vec![
            tensor("w1", &[n, k], Home::Model),
            tensor("b1", &[n], Home::Model),
            tensor("x", &[k], Home::Input(0)),
            tensor("r", &[n], Home::Trace),
            tensor("z", &[n], Home::Trace),
            tensor("w2", &[m, n], Home::Model),
            tensor("y", &[m], Home::Output(0)),
        ],
        tables: vec![ramp("input", -8, 16), ramp("digit", 0, 8), relu()],
        lookups: vec![
            lookup("x/range", &[k], 0, vec![cells(at(2, &[0]))]),
            lookup("relu/digit", &[n], 1, vec![cells(at(3, &[0]))]),
            lookup("relu/table", &[n], 2, vec![rounded, cells(at(4, &[0]))]),
        ],
        inputs: vec![Input { tensor: 2, lo: -8, hi: 7 }],
        outputs: vec![Output {
            name: "y".into(),
            space: vec![m],
            expr: Expr { constant: Coef::int(7), linear: vec![], products: vec![y] },
            lo: -100_000,
            hi: 100_000,
        }],
    };
    let mut rng = Rng(11);
    let (k, n, m) = (k as usize, n as usize, m as usize);
    let (w1, b1, x) = (rng.many(n * k, -5, 5), rng.many(n, -10, 50), rng.many(k, -8, 7));
    let w2 = rng.many(m * n, -9, 9);
    let acc: Vec<i64> = (0..n).map(|i| b1[i] + (0..k).map(|j| w1[i * k + j] * x[j]).sum::<i64>() + 4).collect();
    let r = acc.iter().map(|a| a.rem_euclid(8)).collect();
    let z = acc.iter().map(|a| a.div_euclid(8).max(0)).collect();
    Case { relation, tensors: vec![w1, b1, x, r, z, w2, vec![0; m]] }
}

/// A strided 2-d convolution of a padded image whose last column is masked by a guard; `relu(round(. / 8))` is shown.
pub fn conv() -> Case {
    let (c, h, w, o) = (2u32, 5u32, 6u32, 3u32);
    let strided = |p: u32, k: u32| Affine { terms: vec![(p, 2), (k, 1)], offset: -1 };
    // Variables: o, py, px | c, ky, kx.
    let image = Access {
        tensor: 1,
        axes: vec![Affine::var(3), strided(1, 4), strided(2, 5)],
        guards: vec![Guard { form: strided(2, 5), bound: u64::from(w) - 1 }],
    };
    let space = [o, 3, 3];
    let rounded = Expr {
        constant: Coef { num: 4, shift: 3 },
        linear: vec![term(-1, 3, at(2, &[0, 1, 2]))],
        products: vec![Product {
            coef: Coef { num: 1, shift: 3 },
            sum: vec![c, 3, 3],
            lhs: at(0, &[0, 3, 4, 5]),
            rhs: image,
        }],
    };
    let relation = Relation {
        tensors: vec![
            tensor("w", &[o, c, 3, 3], Home::Model),
            tensor("x", &[c, h, w], Home::Input(0)),
            tensor("r", &space, Home::Trace),
            tensor("z", &space, Home::Trace),
            tensor("y", &space, Home::Output(0)),
        ],
        tables: vec![ramp("input", -4, 8), ramp("digit", 0, 8), relu()],
        lookups: vec![
            lookup("x/range", &[c, h, w], 0, vec![cells(at(1, &[0, 1, 2]))]),
            lookup("relu/digit", &space, 1, vec![cells(at(2, &[0, 1, 2]))]),
            lookup("relu/table", &space, 2, vec![rounded, cells(at(3, &[0, 1, 2]))]),
        ],
        inputs: vec![Input { tensor: 1, lo: -4, hi: 3 }],
        outputs: vec![Output {
            name: "y".into(),
            space: space.to_vec(),
            expr: cells(at(3, &[0, 1, 2])),
            lo: 0,
            hi: 63,
        }],
    };
    let mut rng = Rng(12);
    let (weights, x) = (rng.many(54, -3, 3), rng.many(60, -4, 3));
    let mut acc = vec![4i64; 27];
    for (i, a) in acc.iter_mut().enumerate() {
        let (o, py, px) = (i / 9, i as i64 / 3 % 3, i as i64 % 3);
        for (j, wt) in weights[o * 18..(o + 1) * 18].iter().enumerate() {
            let (c, ky, kx) = (j / 9, j as i64 / 3 % 3, j as i64 % 3);
            let (sy, sx) = (2 * py + ky - 1, 2 * px + kx - 1);
            if (0..5).contains(&sy) && (0..5).contains(&sx) {
                *a += wt * x[c * 30 + sy as usize * 6 + sx as usize];
            }
        }
    }
    let r = acc.iter().map(|a| a.rem_euclid(8)).collect();
    let z = acc.iter().map(|a| a.div_euclid(8).max(0)).collect();
    Case { relation, tensors: vec![weights, x, r, z, vec![0; 27]] }
}

/// `v = x x + g x` cell by cell with a broadcast gate, committed and ranged in two digits, then a product for each
/// item of a batch: `y(b, i) = sum_k w(b, i, k) v(b, k)`.
pub fn batch() -> Case {
    let (b, n, m) = (3u32, 5u32, 2u32);
    let product = |lhs, rhs| Product { coef: Coef::int(1), sum: vec![], lhs, rhs };
    let gap = Expr {
        constant: Coef::int(0),
        linear: vec![term(-1, 0, at(3, &[0, 1]))],
        products: vec![product(at(0, &[0, 1]), at(0, &[0, 1])), product(at(1, &[1]), at(0, &[0, 1]))],
    };
    let y = Product { coef: Coef::int(1), sum: vec![n], lhs: at(2, &[0, 1, 2]), rhs: at(3, &[0, 2]) };
    let relation = Relation {
        tensors: vec![
            tensor("x", &[b, n], Home::Input(0)),
            tensor("g", &[n], Home::Model),
            tensor("w", &[b, m, n], Home::Model),
            tensor("v", &[b, n], Home::Trace),
            tensor("y", &[b, m], Home::Output(0)),
        ],
        tables: vec![ramp("input", -8, 16), ramp("zero", 0, 1)],
        lookups: vec![
            lookup("x/range", &[b, n], 0, vec![cells(at(0, &[0, 1]))]),
            lookup("v/equal", &[b, n], 1, vec![gap]),
        ],
        inputs: vec![Input { tensor: 0, lo: -8, hi: 7 }],
        outputs: vec![Output {
            name: "y".into(),
            space: vec![b, m],
            expr: Expr { constant: Coef::int(0), linear: vec![], products: vec![y] },
            lo: -10_000,
            hi: 10_000,
        }],
    };
    let mut rng = Rng(13);
    let (x, g, w) = (rng.many(15, -8, 7), rng.many(5, -9, 9), rng.many(30, -4, 4));
    let v = x.iter().enumerate().map(|(i, x)| x * x + g[i % 5] * x).collect();
    Case { relation, tensors: vec![x, g, w, v, vec![0; 6]] }
}

/// A look-up of three columns, two of them linear images: `(x_i, x_(i+1), z_i)` is in a table of all pairs.
pub fn wide() -> Case {
    let n = 6u32;
    let pairs: Vec<(i64, i64)> = (0..25).map(|i| (i / 5 - 2, i % 5 - 2)).collect();
    let f = |(a, b): (i64, i64)| a * b + a.abs();
    let table = Table::public(
        "pairs",
        vec![Part {
            len: 25,
            columns: vec![
                Column::Values(pairs.iter().map(|p| p.0).collect()),
                Column::Values(pairs.iter().map(|p| p.1).collect()),
                Column::Values(pairs.iter().map(|p| f(*p)).collect()),
            ],
        }],
    );
    let next = Access { tensor: 0, axes: vec![Affine { terms: vec![(0, 1)], offset: 1 }], guards: vec![] };
    let sum = Linear { coef: Coef::int(1), sum: vec![n], access: at(1, &[1]) };
    let relation = Relation {
        tensors: vec![
            tensor("x", &[n], Home::Input(0)),
            tensor("z", &[n], Home::Trace),
            tensor("c", &[n], Home::Public(vec![1, -2, 3, -4, 5, -6])),
            tensor("y", &[n], Home::Output(0)),
        ],
        tables: vec![table],
        lookups: vec![lookup("pair", &[n], 0, vec![cells(at(0, &[0])), cells(next), cells(at(1, &[0]))])],
        inputs: vec![Input { tensor: 0, lo: -2, hi: 2 }],
        // The sum of all z, plus a public constant, plus z itself.
        outputs: vec![Output {
            name: "y".into(),
            space: vec![n],
            expr: Expr {
                constant: Coef::int(1),
                linear: vec![sum, term(1, 0, at(2, &[0])), term(2, 0, at(1, &[0]))],
                products: vec![],
            },
            lo: -1000,
            hi: 1000,
        }],
    };
    let x = Rng(14).many(6, -2, 2);
    let z = (0..6).map(|i| f((x[i], x.get(i + 1).copied().unwrap_or(0)))).collect();
    Case { relation, tensors: vec![x, z, vec![], vec![0; 6]] }
}

/// An outer product: the output's space is far larger than that of all look-ups.
pub fn outer() -> Case {
    let (n, m) = (9u32, 7u32);
    let y = Product { coef: Coef::int(1), sum: vec![], lhs: at(0, &[0]), rhs: at(1, &[1]) };
    let relation = Relation {
        tensors: vec![
            tensor("w", &[n], Home::Model),
            tensor("x", &[m], Home::Input(0)),
            tensor("y", &[n, m], Home::Output(0)),
        ],
        tables: vec![ramp("input", 0, 2)],
        lookups: vec![lookup("x/range", &[m], 0, vec![cells(at(1, &[0]))])],
        inputs: vec![Input { tensor: 1, lo: 0, hi: 1 }],
        outputs: vec![Output {
            name: "y".into(),
            space: vec![n, m],
            expr: Expr { constant: Coef::int(0), linear: vec![], products: vec![y] },
            lo: -1000,
            hi: 1000,
        }],
    };
    let mut rng = Rng(15);
    Case { relation, tensors: vec![rng.many(9, -90, 90), rng.many(7, 0, 1), vec![0; 63]] }
}

/// So many layers `x -> relu(round((W x) / 8))` of four cells, one after the other.
pub fn deep(layers: u32) -> Case {
    let n = 4u32;
    let mut rng = Rng(16);
    let mut relation = Relation {
        tensors: vec![tensor("x", &[n], Home::Input(0))],
        tables: vec![ramp("input", 0, 32), ramp("digit", 0, 8), relu()],
        lookups: vec![lookup("x/range", &[n], 0, vec![cells(at(0, &[0]))])],
        inputs: vec![Input { tensor: 0, lo: 0, hi: 31 }],
        outputs: vec![],
    };
    let mut tensors = vec![rng.many(n as usize, 0, 31)];
    let mut last = 0;
    for i in 0..layers {
        let (w, r, z) = (last + 1, last + 2, last + 3);
        let [wn, rn, zn] = ["w", "r", "z"].map(|s| format!("{s}{i}"));
        let product =
            Product { coef: Coef { num: 1, shift: 3 }, sum: vec![n], lhs: at(w, &[0, 1]), rhs: at(last, &[1]) };
        let rounded = Expr {
            constant: Coef { num: 4, shift: 3 },
            linear: vec![term(-1, 3, at(r, &[0]))],
            products: vec![product],
        };
        relation.tensors.push(tensor(&wn, &[n, n], Home::Model));
        relation.tensors.push(tensor(&rn, &[n], Home::Trace));
        relation.tensors.push(tensor(&zn, &[n], Home::Trace));
        relation.lookups.push(lookup(&format!("{i}/digit"), &[n], 1, vec![cells(at(r, &[0]))]));
        relation.lookups.push(lookup(&format!("{i}/table"), &[n], 2, vec![rounded, cells(at(z, &[0]))]));
        let weights = rng.many(16, -1, 2);
        let x = &tensors[last as usize];
        let acc: Vec<i64> = weights.chunks(4).map(|w| 4 + w.iter().zip(x).map(|(a, b)| a * b).sum::<i64>()).collect();
        let remainders = acc.iter().map(|a| a.rem_euclid(8)).collect();
        let values = acc.iter().map(|a| a.div_euclid(8).max(0)).collect();
        tensors.extend([weights, remainders, values]);
        last = z;
    }
    relation.tensors.push(tensor("y", &[n], Home::Output(0)));
    tensors.push(vec![0; n as usize]);
    relation.outputs.push(Output { name: "y".into(), space: vec![n], expr: cells(at(last, &[0])), lo: 0, hi: 63 });
    Case { relation, tensors }
}

/// Three layers.
pub fn deep3() -> Case {
    deep(3)
}

/// Hidden reads: `z = d[x]` of rows of six in two chunks of a table of committed weights, and `v = (w * x + 3)[k]` at
/// secret places `k` of a table of products.
pub fn gather() -> Case {
    let (n, m) = (4u32, 5u32);
    let shifted = |axes: &[Affine], tensor| Access { tensor, axes: axes.to_vec(), guards: vec![] };
    let second = |v: u32| Affine { terms: vec![(v, 1)], offset: 3 };
    let halves =
        |tensor| [Affine::var(1), second(1)].map(|last| cells(shifted(&[Affine::var(0), last], tensor))).to_vec();
    let number = Expr { linear: vec![term(3, 0, at(1, &[0])), term(1, 0, at(3, &[1]))], ..cells(at(0, &[0])) };
    let scaled = Product { coef: Coef::int(1), sum: vec![], lhs: at(4, &[0]), rhs: at(1, &[0]) };
    let product = Expr { constant: Coef::int(3), linear: vec![], products: vec![scaled] };
    let relation = Relation {
        tensors: vec![
            tensor("d", &[n, 6], Home::Model),
            tensor("x", &[m], Home::Input(0)),
            tensor("z", &[m, 6], Home::Trace),
            tensor("ramp", &[3], Home::Public(vec![0, 1, 2])),
            tensor("w", &[m], Home::Model),
            tensor("k", &[2], Home::Trace),
            tensor("v", &[2], Home::Trace),
            tensor("y", &[m, 6], Home::Output(0)),
            tensor("u", &[2], Home::Output(1)),
        ],
        tables: vec![
            ramp("input", 0, n),
            Table::committed("d", vec![n, 3], halves(0)),
            Table::committed("w * x + 3", vec![m], vec![product]),
        ],
        lookups: vec![
            lookup("x/range", &[m], 0, vec![cells(at(1, &[0]))]),
            lookup("z/row", &[m, 3], 1, [vec![number], halves(2)].concat()),
            lookup("v/row", &[2], 2, vec![cells(at(5, &[0])), cells(at(6, &[0]))]),
        ],
        inputs: vec![Input { tensor: 1, lo: 0, hi: 3 }],
        outputs: vec![
            Output { name: "y".into(), space: vec![m, 6], expr: cells(at(2, &[0, 1])), lo: -99, hi: 99 },
            Output { name: "u".into(), space: vec![2], expr: cells(at(6, &[0])), lo: -999, hi: 999 },
        ],
    };
    let mut rng = Rng(18);
    let (d, w) = (rng.many(24, -90, 90), rng.many(5, -90, 90));
    let (x, k) = (vec![3, 0, 2, 2, 1], vec![4, 0]);
    let z = x.iter().flat_map(|x| d[*x as usize * 6..][..6].to_vec()).collect();
    let v = k.iter().map(|k| w[*k as usize] * x[*k as usize] + 3).collect();
    Case { relation, tensors: vec![d, x, z, vec![], w, k, v, vec![0; 30], vec![0; 2]] }
}

/// All of them, with names.
pub fn all() -> Vec<(&'static str, Case)> {
    vec![
        ("dense", dense()),
        ("conv", conv()),
        ("batch", batch()),
        ("wide", wide()),
        ("outer", outer()),
        ("deep", deep(3)),
        ("gather", gather()),
    ]
}
