//! Each operator alone: the honest witness satisfies, and the plan agrees with literal evaluation.

mod common;

use common::{accept, identity, range, relu};
use proveil_graph::{Access, Affine, Contract, ConvSpec, Piece, PoolSpec};

#[test]
fn accepts_dense_layers() {
    let case = accept(&[2, 6], range(-128, 127), 1, |b, x, rng| {
        let w = b.param("w", &[6, 4], range(-128, 127), 0, rng.cells(24, range(-128, 127)))?;
        let bias = b.param("b", &[4], range(-1000, 1000), 0, rng.cells(4, range(-1000, 1000)))?;
        let y = b.matmul("dense", x, w)?;
        let y = b.combine("biased", &[(1, y), (1, bias)], 0, 0)?;
        let table = b.table("relu", -128, relu(-128, 256, 127))?;
        let z = b.lookup("relu", y, 7, table, 0)?;
        let w2 = b.param("w2", &[4, 3], range(-8, 7), 0, rng.cells(12, range(-8, 7)))?;
        Ok(vec![b.matmul("head", z, w2)?])
    });
    let stats = proveil_compiler::stats::stats(&case.lowered.relation);
    assert_eq!((stats.products, stats.model_cells), (2, 40));
}

#[test]
fn accepts_convolutions() {
    for (stride, groups, pad) in [(1, 1, 1), (2, 1, 0), (1, 2, 1), (2, 4, 2)] {
        accept(&[1, 5, 6, 4], range(0, 255), 2, |b, x, rng| {
            let values = rng.cells(9 * 4 * 4 / groups, range(-8, 7));
            let w = b.param("w", &[3, 3, 4, 4 / groups], range(-8, 7), 0, values)?;
            let spec = ConvSpec {
                strides: vec![stride; 2],
                dilations: vec![1; 2],
                pads_before: vec![pad; 2],
                pads_after: vec![pad; 2],
                groups,
            };
            let y = b.conv("conv", x, w, &spec)?;
            let table = b.table("clip", -32, identity(-32, 64))?;
            Ok(vec![b.lookup("requant", y, 5, table, 0)?, y])
        });
    }
}

#[test]
fn accepts_lookups_of_every_width() {
    for (r, shift, lo, len) in [
        (range(-5, 9), 0, -16, 32),
        (range(-5, 9), 2, -2, 4),
        (range(-100_000, 99_999), 9, -256, 512),
        (range(-100_000, 99_999), 3, -8, 16),
        (range(-(1 << 40), 1 << 40), 12, -128, 256),
        (range(-(1 << 60), 1 << 60), 50, 0, 16),
        (range(-(1 << 60), 1 << 60), 0, 0, 256),
        (range(-(1 << 60), 1 << 60), 60, -8, 16),
        (range(0, 1 << 50), 1, 0, 2),
        (range(7, 1 << 30), 4, 5, 1),
        (range(-(1 << 30), -1000), 2, -64, 128),
    ] {
        accept(&[3, 7], r, 3, |b, x, _| {
            let values = (0..len).map(|i| (i * i) % 23 - 7).collect();
            let table = b.table("square", lo, values)?;
            let z = b.lookup("act", x, shift, table, 0)?;
            Ok(vec![b.combine("twice", &[(2, z)], 1, 0)?])
        });
    }
}

#[test]
fn accepts_gathers_of_every_width() {
    for row in [vec![], vec![1], vec![3], vec![16], vec![17], vec![40], vec![2, 3, 34], vec![5, 1]] {
        let case = accept(&[2, 3], range(0, 6), 9, |b, x, rng| {
            let cells = 7 * row.iter().product::<usize>();
            let w = b.param("w", &[&[7], &row[..]].concat(), range(-99, 99), 0, rng.cells(cells, range(-99, 99)))?;
            let c = b.constant("c", &[&[7], &row[..]].concat(), rng.cells(cells, range(-9, 9)), 0)?;
            let first = b.gather("first", w, x)?;
            let again = b.gather("again", w, x)?;
            Ok(vec![first, again, b.gather("public", c, x)?])
        });
        // Two look-ups of one tensor share a table.
        let committed = case.lowered.relation.tables.iter().filter(|t| t.expressions().is_some());
        assert_eq!(committed.count(), 2, "{}", case.text());
    }
}

#[test]
fn accepts_gathers_of_virtual_rows_at_virtual_places() {
    accept(&[2, 6], range(0, 2), 10, |b, x, rng| {
        let w = b.param("w", &[6, 6], range(-9, 9), 0, rng.cells(36, range(-9, 9)))?;
        let product = b.matmul("product", x, w)?;
        // Row b of the batch is read at b * 6 + place.
        let flat = b.reshape("flat", product, &[12])?;
        let ramp = b.constant("ramp", &[2, 1], vec![0, 6], 0)?;
        let place = b.combine("place", &[(2, x), (1, ramp)], 0, 0)?;
        let parts: Vec<_> = (0..3)
            .map(|k| b.param(&format!("p{k}"), &[12, 1], range(k, k + 5), 0, rng.cells(12, range(k, k + 5))))
            .collect::<Result<_, _>>()?;
        let table = b.concat("table", &parts, 1)?;
        let row = b.gather("row", table, place)?;
        let sum = b.sum("sum", row, &[2], false)?;
        Ok(vec![b.gather("own", flat, place)?, b.gather("one", flat, place)?, row, sum])
    });
    // A table of one row, and an index without axes.
    accept(&[1], range(0, 0), 11, |b, x, rng| {
        let w = b.param("w", &[1, 2], range(-9, 9), 0, rng.cells(2, range(-9, 9)))?;
        let scalar = b.reshape("scalar", x, &[])?;
        Ok(vec![b.gather("row", w, x)?, b.gather("rows", w, scalar)?])
    });
}

#[test]
fn accepts_divisions_roots_and_one_hots() {
    accept(&[4, 5], range(-300, 700), 4, |b, x, _| {
        let squares = b.mul("square", x, x)?;
        let den = b.combine("den", &[(1, squares)], 1, 0)?;
        let num = b.combine("num", &[(1000, x)], -3, 0)?;
        let q = b.div("ratio", num, den, 0)?;
        let s = b.sqrt("root", squares, 0)?;
        let best = b.arg_max_one_hot("best", x)?;
        let virtual_best = b.arg_max_one_hot("best2", squares)?;
        Ok(vec![q, s, best, virtual_best])
    });
    accept(&[2, 3], range(0, 6), 5, |b, x, _| {
        let hot = b.one_hot("hot", x, 7)?;
        let plus = b.combine("plus", &[(1, x)], 1, 0)?;
        let index = b.one_hot("hot2", plus, 9)?;
        let one = b.combine("one", &[(0, x)], 0, 0)?;
        Ok(vec![hot, index, b.one_hot("only", one, 1)?])
    });
    accept(&[3, 1], range(0, 6), 6, |b, x, _| Ok(vec![b.arg_max_one_hot("only", x)?, b.sqrt("root", x, 0)?]));
}

#[test]
fn accepts_views_of_views() {
    accept(&[2, 3, 4], range(-9, 9), 7, |b, x, rng| {
        let t = b.transpose("t", x, &[2, 0, 1])?;
        let flat = b.reshape("flat", t, &[4, 6])?;
        let slice = b.slice("slice", flat, &[3, 1], &[2, 3], &[-1, 2])?;
        let padded = b.pad("padded", slice, &[1, 0], &[0, 0])?;
        let joined = b.concat("joined", &[padded, slice], 0)?;
        let joined = b.combine("shifted", &[(3, joined)], 2, 0)?;
        let again = b.pad("again", joined, &[1, 1], &[1, 1])?;
        let all = b.sum("all", again, &[0], false)?;
        let w = b.param("w", &[7, 7], range(-3, 3), 0, rng.cells(49, range(-3, 3)))?;
        let prod = b.matmul("prod", w, again)?;
        let back = b.transpose("back", prod, &[1, 0])?;
        let wide = b.pad("wide", back, &[0, 1], &[1, 0])?;
        let gathered = b.gather_const("gathered", x, 1, &[2, 0, 2])?;
        Ok(vec![all, wide, gathered, joined])
    });
}

#[test]
fn accepts_irregular_reshapes() {
    let case = accept(&[4, 6], range(-9, 9), 8, |b, x, rng| {
        let y = b.reshape("y", x, &[6, 4])?;
        let w = b.param("w", &[4, 2], range(-3, 3), 0, rng.cells(8, range(-3, 3)))?;
        let sums = b.matmul("sums", y, w)?;
        let cube = b.reshape("cube", sums, &[2, 2, 3])?;
        Ok(vec![sums, cube, b.reshape("line", x, &[24])?])
    });
    let copies = case.lowered.relation.tensors.iter().filter(|t| t.name.ends_with("/copy")).count();
    assert_eq!(copies, 2);
}

#[test]
fn accepts_merged_axes_read_out_of_step() {
    accept(&[3, 8], range(-9, 9), 9, |b, x, rng| {
        let line = b.reshape("line", x, &[24])?;
        let even = b.slice("even", line, &[0], &[12], &[2])?;
        let shifted = b.slice("shifted", line, &[5], &[10], &[1])?;
        let whole = b.slice("whole", line, &[8], &[16], &[1])?;
        let padded = b.concat("padded", &[whole, line], 0)?;
        let w = b.param("w", &[5, 40], range(-3, 3), 0, rng.cells(200, range(-3, 3)))?;
        let column = b.reshape("column", padded, &[40, 1])?;
        let dense = b.matmul("dense", w, column)?;
        let reversed = b.slice("reversed", line, &[23], &[24], &[-1])?;
        Ok(vec![even, shifted, whole, padded, dense, reversed])
    });
}

#[test]
fn accepts_products_of_sums() {
    let case = accept(&[3, 4], range(-9, 9), 10, |b, x, _| {
        let t = b.combine("plus", &[(2, x)], 5, 0)?;
        let cube = b.mul("square", t, t)?;
        let cube = b.mul("cube", cube, t)?;
        let sum = b.sum("sum", cube, &[1], true)?;
        Ok(vec![b.combine("both", &[(1, cube), (-1, sum)], 0, 0)?])
    });
    assert!(case.text().contains("square/copy"), "{}", case.text());
}

#[test]
fn accepts_pools_and_batched_products() {
    accept(&[2, 4, 4, 3], range(0, 15), 11, |b, x, _| {
        let max = b.max_pool("max", x, &PoolSpec::tiling(&[2, 2]))?;
        let sum = b.sum_pool("sum", x, &PoolSpec::tiling(&[2, 2]))?;
        Ok(vec![max, sum, b.reduce_max("top", x, &[1, 2], false)?])
    });
    accept(&[2, 3, 4], range(-5, 5), 12, |b, x, _| {
        let t = b.transpose("t", x, &[0, 2, 1])?;
        Ok(vec![b.matmul("gram", x, t)?])
    });
}

#[test]
fn accepts_raw_operators() {
    accept(&[6], range(-5, 5), 13, |b, x, rng| {
        let v = |var| Affine::var(var);
        let w = b.param("w", &[3], range(-2, 2), 0, rng.cells(3, range(-2, 2)))?;
        // A window without padding variables: reads beyond the end are 0.
        let window = Affine::new(&[(0, 2), (1, 1)], -1);
        let conv = Contract {
            extents: vec![4, 3, 5],
            out: vec![2, 0],
            lhs: Access { tensor: w, axes: vec![v(1)] },
            rhs: Access { tensor: x, axes: vec![window.clone()] },
        };
        let y = b.contract("conv", conv)?;
        let piece = Piece {
            start: vec![1],
            extents: vec![3],
            sum: vec![2, 3],
            coef: -4,
            access: Access { tensor: x, axes: vec![Affine::new(&[(0, 1), (1, 3)], 0)] },
        };
        let z = b.linear("pieces", &[5], vec![piece.clone(), Piece { start: vec![0], ..piece }], 9, 0)?;
        Ok(vec![y, z])
    });
}

#[test]
fn accepts_public_constants() {
    accept(&[4, 3], range(-5, 5), 14, |b, x, _| {
        let ramp = b.constant("ramp", &[3], vec![1, 2, 3], 0)?;
        let twos = b.constant("twos", &[3], vec![2, 2, 2], 0)?;
        let padded = b.pad("padded", twos, &[1], &[1])?;
        let weighed = b.mul("weighed", x, ramp)?;
        let doubled = b.mul("doubled", x, twos)?;
        let line = b.reshape("five", padded, &[5, 1])?;
        let spread = b.mul("spread", line, ramp)?;
        Ok(vec![weighed, doubled, spread, ramp, twos])
    });
}

#[test]
fn accepts_scalars() {
    let case = accept(&[], range(-5, 9), 15, |b, x, rng| {
        let w = b.param("w", &[1, 1], range(-2, 2), 0, rng.cells(1, range(-2, 2)))?;
        let row = b.broadcast("row", x, &[1, 6])?;
        let wide = b.broadcast("wide", w, &[6, 1])?;
        let product = b.matmul("product", row, wide)?;
        let table = b.table("square", -8, (-8..8).map(|u| u * u).collect())?;
        let z = b.lookup("act", product, 1, table, 0)?;
        let five = b.constant("five", &[], vec![5], 0)?;
        let y = b.combine("y", &[(3, x), (1, five)], -1, 0)?;
        let positive = b.mul("positive", y, y)?;
        let positive = b.combine("more", &[(1, positive)], 1, 0)?;
        let hot = b.combine("clipped", &[(0, x)], 2, 0)?;
        Ok(vec![z, b.div("ratio", y, positive, 0)?, b.sqrt("root", positive, 0)?, b.one_hot("hot", hot, 4)?])
    });
    let relation = &case.lowered.relation;
    assert!(relation.tensors.iter().all(|t| !t.shape.is_empty()));
    assert!(relation.lookups.iter().all(|l| !l.space.is_empty()));
    assert!(relation.outputs.iter().all(|o| !o.space.is_empty()));
}
