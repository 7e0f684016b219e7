//! Missing values: NaN in samples and inputs, against values worked out in the tests.

use super::common::{infer, relative_error};
use super::file::{Attr, BOOL, FLOAT, File, I64};
use super::trees::{Dice, FEATURES, ML, MODES, Node, TARGET, attributes, forest, walk};
use proveil_frontend::{FrontendError, InputSpec, Model, Options, Tensor, compile};

const ROWS: usize = 4;

/// Rows of which cells of columns 0 and 2 are missing every now and then.
fn samples(count: usize, unit: f64) -> Vec<Tensor> {
    let mut dice = Dice(91);
    let mut cell = |i: usize| {
        let value = dice.value(unit);
        if i % FEATURES != 1 && dice.next(4) == 0 { f64::NAN } else { value }
    };
    let mut one =
        || Tensor::floats(vec![ROWS, FEATURES], (0..ROWS * FEATURES).map(&mut cell).collect()).expect("dense");
    (0..count).map(|_| one()).collect()
}

fn compiled(file: File, samples: &[Tensor]) -> Model {
    let calibration: Vec<Vec<Tensor>> = samples.iter().map(|t| vec![t.clone()]).collect();
    compile(&file.bytes(), &calibration, &Options::default()).expect("compiles")
}

fn refused(file: File, samples: &[Tensor]) -> String {
    let calibration: Vec<Vec<Tensor>> = samples.iter().map(|t| vec![t.clone()]).collect();
    match compile(&file.bytes(), &calibration, &Options::default()) {
        Ok(_) => panic!("is refused"),
        Err(e) => e.to_string(),
    }
}

fn out(model: &Model, x: &Tensor) -> Vec<f64> {
    infer(model, std::slice::from_ref(x)).concat()
}

/// As [`walk`], where a missing value takes the false branch unless its node says otherwise.
fn walk_missing<'a>(tree: &'a [Node], x: &[f64], tracks: &[bool]) -> &'a [f64] {
    let mut at = 0;
    while tree[at].mode != "LEAF" {
        let n = &tree[at];
        let alone = [Node { yes: 1, no: 2, ..n.clone() }, leaf(1.0), leaf(0.0)];
        let missing = x[n.feature].is_nan();
        let yes = if missing { tracks[at] || n.mode == "BRANCH_NEQ" } else { walk(&alone, x)[0] == 1.0 };
        at = if yes { n.yes } else { n.no };
    }
    &tree[at].values
}

fn leaf(value: f64) -> Node {
    Node { mode: "LEAF", feature: 0, threshold: 0.0, yes: 0, no: 0, values: vec![value] }
}

/// For each node whether a missing value takes its true branch.
fn tracks(seed: u64, trees: &[Vec<Node>]) -> Vec<Vec<bool>> {
    let mut dice = Dice(seed);
    trees.iter().map(|t| t.iter().map(|_| seed > 0 && dice.next(2) == 0).collect()).collect()
}

fn tracks_attribute(tracks: &[Vec<bool>]) -> (&'static str, Attr) {
    ("nodes_missing_value_tracks_true", Attr::Ints(tracks.iter().flatten().map(|t| i64::from(*t)).collect()))
}

fn regressor(file: File, x: &'static str, trees: &[Vec<Node>], tracks: &[Vec<bool>]) -> File {
    let mut all = attributes(trees, TARGET);
    all.extend([("n_targets", Attr::Int(1)), tracks_attribute(tracks)]);
    file.domain(ML, 3).node("TreeEnsembleRegressor", &[x], &["y"], &all)
}

fn table(outputs: &[&str]) -> File {
    File::new(ML, 3, outputs).input("x", FLOAT, &[ROWS as i64, FEATURES as i64])
}

/// Sums of trees for each row that `made` makes of a row of the input.
fn sums(trees: &[Vec<Node>], tracks: &[Vec<bool>], x: &Tensor, made: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let row = |x: &[f64]| {
        let x = made(x);
        trees.iter().zip(tracks).map(|(tree, tracks)| walk_missing(tree, &x, tracks)[0]).sum()
    };
    x.data.chunks(FEATURES).map(row).collect()
}

#[test]
fn matches_reference_walks_in_every_mode() {
    // Thresholds on the values, between them, and values too fine for a grid; with and without tracks.
    for (seed, unit, shift) in [(0, 1.0, 0.0), (1, 1.0, 0.0), (2, 1.0, 0.3), (3, 0.3, 0.0), (4, 0.3, 0.1)] {
        let trees = forest(seed + 20, &MODES, 1, shift);
        let tracks = tracks(seed, &trees);
        let samples = samples(8, f64::from(unit as f32));
        let model = compiled(regressor(table(&["y"]), "x", &trees, &tracks), &samples[..4]);
        assert_eq!(model.inputs[0].missing, [true, false, true]);
        for x in &samples {
            let want = sums(&trees, &tracks, x, <[f64]>::to_vec);
            assert!(relative_error(&out(&model, x), &want) < 1e-4, "{seed} {unit} {shift}");
        }
    }
}

/// Thresholds lie far outside of what samples show, where missing cells must not be taken for large or small numbers.
#[test]
fn matches_reference_walks_at_far_thresholds() {
    for far in [-1e30, -1e4, 1e4, 1e30] {
        for (mode, track) in [("BRANCH_LEQ", true), ("BRANCH_LEQ", false), ("BRANCH_GT", true), ("BRANCH_GT", false)] {
            let tree =
                vec![Node { mode, feature: 0, threshold: far, yes: 1, no: 2, values: vec![] }, leaf(1.0), leaf(2.0)];
            let (trees, tracks) = (vec![tree], vec![vec![track; 3]]);
            let samples = samples(8, 1.0);
            let model = compiled(regressor(table(&["y"]), "x", &trees, &tracks), &samples[..4]);
            for x in &samples {
                assert_eq!(out(&model, x), sums(&trees, &tracks, x, <[f64]>::to_vec), "{far} {mode} {track}");
            }
        }
    }
}

#[test]
fn matches_reference_walks_behind_scalers_and_imputers() {
    let (offset, scale) = ([0.1f32, -3.3, 7.77], [0.37f32, -1.9, -0.013]);
    let list = |v: &[f32]| Attr::Floats(v.to_vec());
    let scaled = |j: usize, v: f64| f64::from((v as f32 - offset[j]) * scale[j]);
    let filled = |j: usize, v: f64| if v.is_nan() { [2.0, 0.0, -3.0][j] } else { v };
    for seed in 31..35 {
        let mut trees = forest(seed, &MODES[..4], 1, 0.0);
        trees.iter_mut().flatten().for_each(|n| n.threshold = scaled(n.feature, n.threshold));
        let tracks = tracks(seed, &trees);
        for impute in [false, true] {
            let mut file = table(&["y"]);
            if impute {
                let fill = ("imputed_value_floats", list(&[2.0, 0.0, -3.0]));
                file = file.node("Imputer", &["x"], &["i"], &[fill, ("replaced_value_float", Attr::Float(f32::NAN))]);
            }
            let scaler = [("offset", list(&offset)), ("scale", list(&scale))];
            let file = file.node("Scaler", &[if impute { "i" } else { "x" }], &["s"], &scaler);
            let samples = samples(8, 1.0);
            let model = compiled(regressor(file, "s", &trees, &tracks), &samples[..4]);
            for x in &samples {
                let made = |x: &[f64]| {
                    let one = |(j, v): (usize, &f64)| scaled(j, if impute { filled(j, *v) } else { *v });
                    x.iter().enumerate().map(one).collect()
                };
                let want = sums(&trees, &tracks, x, made);
                assert!(relative_error(&out(&model, x), &want) < 1e-4, "{seed} {impute}");
            }
        }
    }
}

/// Columns that trees cannot undo: a sum of two columns misses a value where either does, a filled one does not.
#[test]
fn matches_reference_walks_of_computed_columns() {
    let file = table(&["y"]).domain("", 13).weight("parts", I64, &[3], &[1.0; 3]).node(
        "Split",
        &["x", "parts"],
        &["a", "b", "c"],
        &[("axis", Attr::Int(1))],
    );
    let file = file
        .node("Add", &["a", "c"], &["sum"], &[])
        .node("Mul", &["a", "b"], &["product"], &[])
        .domain(ML, 3)
        .node("Imputer", &["sum"], &["filled"], &[("imputed_value_floats", Attr::Floats(vec![1.5]))])
        .domain("", 13)
        .node("Concat", &["sum", "product", "filled"], &["rows"], &[("axis", Attr::Int(1))]);
    let trees = forest(41, &MODES[..2], 1, 0.5);
    let tracks = tracks(41, &trees);
    let samples = samples(12, 1.0);
    let model = compiled(regressor(file, "rows", &trees, &tracks), &samples[..8]);
    for x in &samples {
        let made = |x: &[f64]| {
            let sum = x[0] + x[2];
            vec![sum, x[0] * x[1], if sum.is_nan() { 1.5 } else { sum }]
        };
        assert!(relative_error(&out(&model, x), &sums(&trees, &tracks, x, made)) < 1e-4);
    }
}

/// Columns of very different sizes: what is put into a small one is as fine as the column.
#[test]
fn matches_reference_imputers() {
    let sizes = [5e4, 1.0, 3e-4];
    let fill = [31_250.0f32, 0.75, 1.1e-4];
    let rows: Vec<Tensor> = samples(32, 0.1)
        .into_iter()
        .map(|t| {
            let data = t.data.iter().enumerate().map(|(i, v)| v * sizes[i % FEATURES]).collect();
            Tensor { data, ..t }
        })
        .collect();
    let imputer = |values: Vec<f32>| [("imputed_value_floats", Attr::Floats(values))];
    // The usual replaced value is NaN; one value serves all columns.
    for values in [fill.to_vec(), vec![0.25]] {
        for scaled_first in [false, true] {
            let weights: Vec<f64> = sizes.iter().map(|s| if scaled_first { 1.0 } else { 1.0 / s }).collect();
            let values: Vec<f32> = values.iter().map(|v| if scaled_first { v.min(2.0) } else { *v }).collect();
            let scaler =
                [("offset", Attr::Floats(vec![3.0, 1.0, -1e-4])), ("scale", Attr::Floats(vec![1e-4, 2.0, -4e3]))];
            let file = table(&["y"]);
            let file = if scaled_first { file.node("Scaler", &["x"], &["s"], &scaler) } else { file };
            let file = file
                .node("Imputer", &[if scaled_first { "s" } else { "x" }], &["i"], &imputer(values.clone()))
                .weight("w", FLOAT, &[FEATURES as i64, 1], &weights)
                .domain("", 13)
                .node("MatMul", &["i", "w"], &["y"], &[]);
            let model = compiled(file, &rows[..24]);
            let (offset, scale) = ([3.0f32, 1.0, -1e-4].map(f64::from), [1e-4f32, 2.0, -4e3].map(f64::from));
            let row = |x: &[f64]| {
                let cell = |(j, v): (usize, &f64)| {
                    let v = if scaled_first { (v - offset[j]) * scale[j] } else { *v };
                    if v.is_nan() { f64::from(values[j % values.len()]) } else { v }
                };
                x.iter().enumerate().map(cell).zip(&weights).map(|(v, w)| v * w).sum::<f64>()
            };
            let want: Vec<f64> = rows.iter().flat_map(|x| x.data.chunks(FEATURES).map(row)).collect();
            let got: Vec<f64> = rows.iter().flat_map(|x| out(&model, x)).collect();
            let error = relative_error(&got, &want);
            assert!(error < 0.005, "{values:?} {scaled_first} {error}");
        }
    }
}

/// The indicator beside the filled values, through views of every kind, and `Where` in both ways.
#[test]
fn matches_reference_indicators_and_views() {
    let wide = (ROWS * FEATURES) as i64;
    let file = table(&["y", "flags"])
        .domain("", 13)
        .weight("flat", I64, &[2], &[1.0, wide as f64])
        .weight("back", I64, &[2], &[FEATURES as f64, ROWS as f64])
        .weight("order", I64, &[3], &[2.0, 0.0, 1.0])
        .weight("fill", FLOAT, &[3, 1], &[1.0, -2.0, 3.0])
        .weight("fills", FLOAT, &[1], &[0.5])
        .node("Transpose", &["x"], &["t"], &[("perm", Attr::Ints(vec![1, 0]))])
        .node("Reshape", &["t", "flat"], &["f"], &[])
        .node("Reshape", &["f", "back"], &["b"], &[])
        .node("Gather", &["b", "order"], &["g"], &[("axis", Attr::Int(0))])
        .node("IsNaN", &["g"], &["n"], &[])
        .node("Where", &["n", "fill", "g"], &["first"], &[])
        .node("Not", &["n"], &["known"], &[])
        .node("Where", &["known", "g", "fills"], &["second"], &[])
        .node("Cast", &["n"], &["flags"], &[("to", Attr::Int(1))])
        .node("Concat", &["first", "second"], &["y"], &[("axis", Attr::Int(0))]);
    let samples = samples(12, 1.0);
    let model = compiled(file, &samples[..8]);
    for x in &samples {
        let cell = |c: usize, r: usize| x.data[r * FEATURES + [2, 0, 1][c]];
        let rows = |fill: &dyn Fn(usize) -> f64| {
            let at = |i: usize| (i / ROWS, i % ROWS);
            let all = (0..FEATURES * ROWS).map(at).map(|(c, r)| if cell(c, r).is_nan() { fill(c) } else { cell(c, r) });
            all.collect::<Vec<f64>>()
        };
        let want = [rows(&|c| [1.0, -2.0, 3.0][c]), rows(&|_| 0.5)].concat();
        let flags: Vec<f64> =
            (0..FEATURES * ROWS).map(|i| f64::from(u8::from(cell(i / ROWS, i % ROWS).is_nan()))).collect();
        let got = infer(&model, std::slice::from_ref(x));
        assert!(relative_error(&got[0], &want) < 0.005);
        assert_eq!(got[1], flags);
    }
}

/// Every integer of an input's range has one meaning: the largest says that a cell is missing, whatever a program is given.
#[test]
fn accepts_every_integer_with_one_meaning() {
    let file = table(&["y", "flags"])
        .node("Imputer", &["x"], &["y"], &[("imputed_value_floats", Attr::Floats(vec![-5.0]))])
        .domain("", 13)
        .node("IsNaN", &["x"], &["flags"], &[]);
    let model = compiled(file, &samples(8, 1.0));
    let (spec, range) = (&model.inputs[0], model.inputs[0].range);
    let step = 2f64.powi(-spec.scale);
    for cell in [range.lo, range.lo + 1, -1, 0, 1, range.hi / 2, range.hi - 2, range.hi - 1, range.hi] {
        let cells = vec![cell; ROWS * FEATURES];
        let all = proveil_graph::interpret::run(&model.graph, &model.params, &[cells]).expect("is in range");
        let got = |k: usize| model.outputs[k].dequantise(&all[model.graph.outputs[k].0 as usize]);
        let missing = cell == range.hi;
        // Column 1 misses nothing: all of its integers are numbers.
        let want = [missing, false, missing].map(|m| if m { -5.0 } else { cell as f64 * step });
        assert!(relative_error(&got(0)[..3], &want) < 1e-3, "{cell}");
        assert_eq!(got(1)[..3], [missing, false, missing].map(|m| f64::from(u8::from(m))), "{cell}");
    }
}

#[test]
fn roundtrips_missing_cells() {
    let file = table(&["y"]).node("Imputer", &["x"], &["y"], &[("imputed_value_floats", Attr::Floats(vec![1.0]))]);
    let model = compiled(file, &samples(8, 1.0));
    let (spec, hi) = (&model.inputs[0], model.inputs[0].range.hi);
    let mut x = vec![0.0; ROWS * FEATURES];
    (x[0], x[1], x[2], x[3]) = (f64::NAN, 1e9, 1e9, f64::NAN);
    let (cells, saturated) = spec.encode(&x).expect("is encoded");
    // Large numbers are cut to the largest number, which is no code; where nothing can be missing it is the code.
    assert_eq!((&cells[..4], saturated), (&[hi, hi, hi - 1, hi][..], 2));
    let open = InputSpec { missing: Vec::new(), ..spec.clone() };
    assert!(matches!(open.encode(&x), Err(FrontendError::NotFinite { index: 0, .. })));
}

#[test]
fn rejects_missing_values_where_calibration_saw_none() {
    let file = || table(&["y"]).node("Imputer", &["x"], &["y"], &[("imputed_value_floats", Attr::Floats(vec![1.0]))]);
    let model = compiled(file(), &samples(8, 1.0));
    let at = |i: usize, v: f64| {
        let mut x = vec![0.0; ROWS * FEATURES];
        x[i] = v;
        model.inputs[0].quantise(&x).map_err(|e| e.to_string())
    };
    assert!(at(0, f64::NAN).is_ok());
    let e = at(4, f64::NAN).expect_err("column 1 misses nothing");
    assert!(e.contains("`x`") && e.contains("element 4") && e.contains("column 1"), "{e}");
    assert!(e.contains("calibration data with missing values"), "{e}");
    let e = at(0, f64::INFINITY).expect_err("is not finite");
    assert!(e.contains("repair") && !e.contains("calibration"), "{e}");
    // Samples without any leave all as it is without missing values.
    let whole: Vec<Tensor> = samples(8, 1.0)
        .into_iter()
        .map(|t| Tensor { data: t.data.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect(), ..t })
        .collect();
    let model = compiled(file(), &whole);
    assert!(model.inputs[0].missing.is_empty());
    assert!(model.inputs[0].quantise(&[f64::NAN; ROWS * FEATURES]).is_err());
    let whole_numbers = File::new("", 13, &["y"]).input("x", I64, &[2]).node("Neg", &["x"], &["y"], &[]);
    let e = refused(whole_numbers, &[Tensor::floats(vec![2], vec![1.0, f64::NAN]).expect("dense")]);
    assert!(e.contains("element 1"), "{e}");
}

#[test]
fn rejects_what_a_missing_value_must_not_reach() {
    let samples = samples(8, 1.0);
    let file = || table(&["y"]).domain("", 13).weight("w", FLOAT, &[3, 1], &[1.0, 2.0, 3.0]);
    let says = |file: File, place: &str, op: &str| {
        let e = refused(file, &samples);
        assert!(e.contains(place) && e.contains(op) && e.contains("missing value") && e.contains("impute"), "{e}");
    };
    says(file().node("MatMul", &["x", "w"], &["y"], &[]), "the_MatMul", "(MatMul");
    says(file().node("Softmax", &["x"], &["y"], &[]), "the_Softmax", "(Softmax");
    says(file().node("ReduceSum", &["x"], &["y"], &[]), "the_ReduceSum", "(ReduceSum");
    says(file().node("Relu", &["x"], &["y"], &[]), "the_Relu", "(Relu");
    says(file().node("Greater", &["x", "x"], &["y"], &[]), "the_Greater", "(Greater");
    says(file().node("Cast", &["x"], &["y"], &[("to", Attr::Int(i64::from(I64)))]), "the_Cast", "(Cast");
    says(file().node("Cast", &["x"], &["y"], &[("to", Attr::Int(i64::from(BOOL)))]), "the_Cast", "(Cast");
    says(file().node("Log", &["x"], &["y"], &[]), "the_Log", "(Log");
    says(file().node("Identity", &["x"], &["y"], &[]), "output `y`", "");
    // A column that misses nothing may go anywhere.
    let file = table(&["y"])
        .domain("", 13)
        .weight("one", I64, &[1], &[1.0])
        .node("Gather", &["x", "one"], &["c"], &[("axis", Attr::Int(1))])
        .node("Relu", &["c"], &["y"], &[]);
    let model = compiled(file, &samples);
    for x in &samples {
        let want: Vec<f64> = x.data.chunks(FEATURES).map(|r| r[1].max(0.0)).collect();
        assert!(relative_error(&out(&model, x), &want) < 1e-3);
    }
}

/// Where missing values go, and what is put in for them, is as hidden as other weights are.
#[test]
fn matches_the_form_of_a_model_with_other_tracks_and_fillings() {
    let samples = samples(8, 1.0);
    let model = |seed: u64, fill: [f32; 3]| {
        let trees = forest(51, &MODES[..1], 1, 0.0);
        let tracks = if seed == 0 { trees.iter().map(|t| vec![true; t.len()]).collect() } else { tracks(seed, &trees) };
        let fill = [("imputed_value_floats", Attr::Floats(fill.to_vec()))];
        let mut all = attributes(&trees, TARGET);
        all.extend([("n_targets", Attr::Int(1)), tracks_attribute(&tracks)]);
        let file = table(&["y", "z", "i"])
            .node("TreeEnsembleRegressor", &["x"], &["y"], &all)
            .node("Imputer", &["x"], &["i"], &fill)
            .node("TreeEnsembleRegressor", &["i"], &["z"], &all);
        compiled(file, &samples)
    };
    let plain = model(1, [0.0; 3]);
    for (seed, fill) in [(0, [0.0, 0.0, 0.0]), (2, [1.0, -3.0, 8.0]), (3, [2.0, 2.0, 2.0])] {
        let other = model(seed, fill);
        assert_eq!(plain.graph, other.graph);
        assert_ne!(plain.params, other.params);
    }
}

#[test]
fn accepts_missing_values_in_the_report() {
    let trees = forest(61, &MODES[..2], 1, 0.5);
    let tracks = tracks(61, &trees);
    let mut all = attributes(&trees, TARGET);
    all.extend([("n_targets", Attr::Int(1)), tracks_attribute(&tracks)]);
    let file = table(&["y"])
        .node("Imputer", &["x"], &["i"], &[("imputed_value_floats", Attr::Floats(vec![0.25]))])
        .node("TreeEnsembleRegressor", &["x"], &["t"], &all)
        .domain("", 13)
        .weight("w", FLOAT, &[3, 1], &[1.0, 2.0, 3.0])
        .node("MatMul", &["i", "w"], &["m"], &[])
        .node("Add", &["t", "m"], &["y"], &[]);
    let report = compiled(file, &samples(16, 1.0)).report;
    assert!(report.outputs[0].relative < 0.005, "{report:?}");
    assert!(report.layers.iter().all(|l| l.added < 0.01 && l.relative < 0.01), "{:?}", report.layers);
    assert_eq!((report.saturated, &report.saturations[..]), (0, &[][..]));
}

/// Several inferences in one graph, of rows without a first axis.
#[test]
fn matches_reference_of_several_inferences() {
    let file = File::new(ML, 3, &["y"]).input("x", FLOAT, &[3]).node(
        "Imputer",
        &["x"],
        &["y"],
        &[("imputed_value_floats", Attr::Floats(vec![1.0]))],
    );
    let mut options = Options::default();
    options.inferences = 2;
    let row = |v: [f64; 3]| vec![Tensor::floats(vec![3], v.to_vec()).expect("dense")];
    let samples = [row([f64::NAN, 1.0, 2.0]), row([-2.0, 1.5, 0.5])];
    let model = compile(&file.bytes(), &samples, &options).expect("compiles");
    let x = Tensor::floats(vec![6], vec![0.5, 1.0, 2.0, f64::NAN, -1.0, 1.0]).expect("dense");
    assert!(relative_error(&out(&model, &x), &[0.5, 1.0, 2.0, 1.0, -1.0, 1.0]) < 1e-3);
    let wrong = Tensor::floats(vec![6], vec![0.5, 1.0, 2.0, 1.0, f64::NAN, 1.0]).expect("dense");
    assert!(model.inputs[0].quantise(&wrong.data).is_err());
}
