//! Reading at places computed from the inputs, against the standard's rules.

use super::common::{infer, relative_error};
use super::file::{Attr, FLOAT, File, I64};
use proveil_frontend::{FrontendError, Kind, Model, Options, Tensor, compile};
use proveil_graph::Op;

fn ids(shape: &[usize], cells: &[i64]) -> Tensor {
    Tensor::new(shape.to_vec(), Kind::Int, cells.iter().map(|&v| v as f64).collect()).expect("dense")
}

fn floats(shape: &[usize], seed: usize) -> Tensor {
    let cell = |i: usize| ((i * 37 + seed * 11) % 101) as f64 / 16.0 - 3.0;
    Tensor::floats(shape.to_vec(), (0..shape.iter().product()).map(cell).collect()).expect("dense")
}

fn model(file: File, inputs: &[Tensor]) -> Model {
    compile(&file.bytes(), &[inputs.to_vec()], &Options::default()).expect("compiles")
}

fn counts(model: &Model) -> (usize, usize) {
    let count = |f: &dyn Fn(&Op) -> bool| model.graph.nodes.iter().filter(|n| f(&n.op)).count();
    (count(&|op| matches!(op, Op::Gather { .. })), count(&|op| matches!(op, Op::OneHot { .. })))
}

fn close(got: &[f64], want: &[f64]) {
    assert!(relative_error(got, want) < 1e-3, "got {got:?}, want {want:?}");
}

fn wrapped(i: i64, len: usize) -> usize {
    (if i < 0 { i + len as i64 } else { i }) as usize
}

#[test]
fn matches_reference_embeddings_of_every_width() {
    for (vocabulary, width, numbered) in [(200, 12, true), (300, 1, true), (40, 34, true), (3, 34, false)] {
        let table = floats(&[vocabulary, width], 1);
        let list: Vec<i64> = (0..64).map(|i| (i * 7) % (2 * vocabulary as i64) - vocabulary as i64).collect();
        for own in [list.clone(), list.iter().map(|i| i.rem_euclid(vocabulary as i64)).collect()] {
            let x = ids(&[4, 16], &own);
            let dims = [vocabulary as i64, width as i64];
            let file = File::new("", 13, &["y"]).input("x", I64, &[4, 16]).weight("w", FLOAT, &dims, &table.data);
            let m = model(file.node("Gather", &["w", "x"], &["y"], &[]), std::slice::from_ref(&x));
            let want: Vec<f64> =
                own.iter().flat_map(|&i| table.data[wrapped(i, vocabulary) * width..][..width].to_vec()).collect();
            close(&infer(&m, &[x])[0], &want);
            assert_eq!(counts(&m), if numbered { (1, 0) } else { (0, 1) }, "{vocabulary} x {width}");
        }
    }
}

#[test]
fn matches_reference_when_the_embedding_is_the_last_layer_too() {
    let (vocabulary, width) = (200usize, 12usize);
    let table = floats(&[vocabulary, width], 1);
    let scale: Vec<f64> = (0..width).map(|i| 0.5 + i as f64 / 16.0).collect();
    let list: Vec<i64> = (0..64).map(|i| (i * 7) % vocabulary as i64).collect();
    let x = ids(&[64], &list);
    let file = File::new("", 13, &["y"])
        .input("x", I64, &[64])
        .weight("w", FLOAT, &[vocabulary as i64, width as i64], &table.data)
        .weight("gamma", FLOAT, &[width as i64], &scale)
        .node("Gather", &["w", "x"], &["e"], &[])
        .node("Mul", &["e", "gamma"], &["g"], &[])
        .node("Transpose", &["w"], &["t"], &[])
        .node("MatMul", &["g", "t"], &["y"], &[]);
    let m = model(file, std::slice::from_ref(&x));
    let row = |i: usize| &table.data[i * width..][..width];
    let product =
        |i: &i64, j: usize| row(*i as usize).iter().zip(row(j)).zip(&scale).map(|((a, b), s)| a * b * s).sum();
    let want: Vec<f64> = list.iter().flat_map(|i| (0..vocabulary).map(move |j| product(i, j))).collect();
    close(&infer(&m, &[x])[0], &want);
    let cells: usize = m.params.values.values().map(Vec::len).sum();
    assert_eq!(cells, vocabulary * width + width);
}

#[test]
fn rejects_row_numbers_outside() {
    let table = floats(&[200, 4], 1);
    let x = ids(&[64], &(0..64).collect::<Vec<_>>());
    let file = File::new("", 13, &["y"]).input("x", I64, &[64]).weight("w", FLOAT, &[200, 4], &table.data);
    let m = model(file.node("Gather", &["w", "x"], &["y"], &[]), &[x]);
    assert_eq!((m.inputs[0].range.lo, m.inputs[0].range.hi), (0, 199));
    let mut cells = vec![0.0; 64];
    for bad in [200.0, -1.0] {
        cells[9] = bad;
        assert!(matches!(m.inputs[0].quantise(&cells), Err(FrontendError::InputRange { index: 9, .. })));
    }
}

#[test]
fn matches_reference_gathers_along_every_axis() {
    let data = floats(&[3, 40, 5], 2);
    for (axis, len) in [(0, 3), (1, 40), (2, 5), (-1, 5)] {
        let own: Vec<i64> = (0..24).map(|i| (i * 5) % (2 * len) - len).collect();
        let x = ids(&[6, 4], &own);
        let file = File::new("", 13, &["y"]).input("d", FLOAT, &[3, 40, 5]).input("x", I64, &[6, 4]);
        let inputs = [data.clone(), x];
        let m = model(file.node("Gather", &["d", "x"], &["y"], &[("axis", Attr::Int(axis))]), &inputs);
        let axis = wrapped(axis, 3);
        let (before, after): (usize, usize) =
            (data.shape[..axis].iter().product(), data.shape[axis + 1..].iter().product());
        let mut want = Vec::new();
        for b in 0..before {
            for &i in &own {
                let row = b * data.shape[axis] + wrapped(i, data.shape[axis]);
                want.extend(&data.data[row * after..][..after]);
            }
        }
        close(&infer(&m, &inputs)[0], &want);
    }
}

#[test]
fn matches_reference_gathers_of_elements() {
    // One wide enough for numbers of cells, one not.
    for (rows, len) in [(4, 50), (4, 3)] {
        let data = floats(&[rows, len], 3);
        for axis in [0usize, 1] {
            let depth = [rows, len][axis] as i64;
            let own: Vec<i64> = (0..rows * len).map(|i| (i as i64 * 3) % (2 * depth) - depth).collect();
            let dims = [rows as i64, len as i64];
            let file = File::new("", 13, &["y"]).input("d", FLOAT, &dims).input("x", I64, &dims);
            let inputs = [data.clone(), ids(&[rows, len], &own)];
            let attributes = [("axis", Attr::Int(axis as i64))];
            let m = model(file.node("GatherElements", &["d", "x"], &["y"], &attributes), &inputs);
            let cell = |i: usize| {
                let at = wrapped(own[i], depth as usize);
                data.data[if axis == 0 { at * len + i % len } else { i / len * len + at }]
            };
            close(&infer(&m, &inputs)[0], &(0..rows * len).map(cell).collect::<Vec<_>>());
        }
    }
}

#[test]
fn matches_reference_gathers_by_tuples() {
    let data = floats(&[2, 3, 4], 4);
    let at = |i: i64, j: i64| (wrapped(i, 2) * 3 + wrapped(j, 3)) * 4;
    let own = [1, -1, -2, 2, 0, 0, 1, 1];
    let rows: Vec<f64> = own.chunks(2).flat_map(|t| data.data[at(t[0], t[1])..][..4].to_vec()).collect();
    // With one axis in common: tuples name a row of three, and a cell of four.
    let cells: Vec<f64> =
        own.chunks(2).enumerate().map(|(t, i)| data.data[at(t as i64 / 2, i[0]) + wrapped(i[1], 4)]).collect();
    for (batch, shape, want) in [(0, [2, 2, 2], rows), (1, [2, 2, 2], cells)] {
        let x = ids(&shape, &own);
        let attributes = || [("batch_dims", Attr::Int(batch))];
        let file = || File::new("", 13, &["y"]).input("d", FLOAT, &[2, 3, 4]);
        let inputs = [data.clone(), x.clone()];
        let computed = file().input("x", I64, &[2, 2, 2]).node("GatherND", &["d", "x"], &["y"], &attributes());
        close(&infer(&model(computed, &inputs), &inputs)[0], &want);
        let constant =
            file().weight("x", I64, &[2, 2, 2], &x.data).node("GatherND", &["d", "x"], &["y"], &attributes());
        close(&constant.run(&inputs[..1]).expect("runs")[0], &want);
    }
}

/// A tree as tables that computed places choose from: feature numbers are weights, and comparisons are exact.
#[test]
fn matches_reference_trees_written_as_gathers() {
    let (features, thresholds) = ([0.0, 2.0, 1.0], [0.25, -0.5, 1.0]);
    let leaves = [1.0, -2.0, 0.5, 4.0];
    let file = File::new("", 13, &["y"])
        .input("x", FLOAT, &[1, 3])
        .weight("features", I64, &[3], &features)
        .weight("thresholds", FLOAT, &[3], &thresholds)
        .weight("leaves", FLOAT, &[4], &leaves)
        .weight("root", I64, &[1], &[0.0])
        .weight("two", I64, &[1], &[2.0])
        .weight("one", I64, &[1], &[1.0])
        .weight("line", I64, &[2], &[1.0, 1.0])
        .node("Gather", &["x", "root"], &["v0"], &[("axis", Attr::Int(1))])
        .weight("t0", FLOAT, &[1, 1], &thresholds[..1])
        .node("Greater", &["v0", "t0"], &["g0"], &[])
        .node("Cast", &["g0"], &["b0"], &[("to", Attr::Int(7))])
        .node("Add", &["b0", "one"], &["k1"], &[])
        .node("Gather", &["features", "k1"], &["f1"], &[])
        .node("GatherElements", &["x", "f1"], &["v1"], &[("axis", Attr::Int(1))])
        .node("Gather", &["thresholds", "k1"], &["t1"], &[])
        .node("Greater", &["v1", "t1"], &["g1"], &[])
        .node("Cast", &["g1"], &["b1"], &[("to", Attr::Int(7))])
        .node("Mul", &["b0", "two"], &["twice"], &[])
        .node("Add", &["twice", "b1"], &["leaf"], &[])
        .node("Gather", &["leaves", "leaf"], &["y"], &[]);
    let rows = [[0.25, 9.0, -0.5], [0.25, 9.0, -0.49], [0.26, 1.0, 9.0], [0.5, 1.01, -9.0], [-3.0, 0.0, -1.0]];
    let samples: Vec<Vec<Tensor>> =
        rows.iter().map(|r| vec![Tensor::floats(vec![1, 3], r.to_vec()).expect("dense")]).collect();
    let m = compile(&file.bytes(), &samples, &Options::default()).expect("compiles");
    for (row, sample) in rows.iter().zip(&samples) {
        let first = usize::from(row[0] > 0.25);
        let second = usize::from(if first == 0 { row[2] > -0.5 } else { row[1] > 1.0 });
        close(&infer(&m, sample)[0], &[leaves[2 * first + second]]);
    }
}

#[test]
fn matches_reference_at_places_whose_bounds_are_loose() {
    let file = File::new("", 13, &["y"])
        .input("x", I64, &[1, 5])
        .input("one", I64, &[1, 1])
        .weight("w", FLOAT, &[5], &[1.0, -2.0, 4.0, 8.0, -16.0])
        .node("Mul", &["x", "one"], &["p"], &[])
        .node("Mul", &["p", "one"], &["q"], &[])
        .node("Mul", &["q", "one"], &["i"], &[])
        .node("Gather", &["w", "i"], &["y"], &[("axis", Attr::Int(0))]);
    let inputs = [ids(&[1, 5], &[0, 3, -1, 1, -4]), ids(&[1, 1], &[1])];
    close(&file.run(&inputs).expect("runs")[0], &[1.0, 8.0, -16.0, -2.0, -2.0]);
}
