//! Every way in which a graph, a request to the builder, or a list of values is refused.

use proveil_graph::check::{check, check_params};
use proveil_graph::{
    Access, Affine, Builder, Contract, ConvSpec, EvalError, Graph, GraphError, NodeId, Op, Origin, Params, Piece,
    PoolSpec, Range, TableId, TensorId, run, run_fast,
};

const BYTE: Range = Range { lo: -128, hi: 127 };

/// Asserts that a result is an error of this form.
macro_rules! refused {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            other => panic!("expected {}, got {other:?}", stringify!($pattern)),
        }
    };
}

/// A builder with inputs `x: [2, 3]` and `y: [3]` and a table.
fn start() -> (Builder, TensorId, TensorId, TableId) {
    let mut b = Builder::new();
    let x = b.input("x", &[2, 3], BYTE, 0).unwrap();
    let y = b.input("y", &[3], BYTE, 0).unwrap();
    let t = b.table("t", -2, vec![0, 0, 0, 1]).unwrap();
    (b, x, y, t)
}

/// A sound graph: `x -> lookup -> sum with w`, with tensors x, w, c, h, s and nodes h, s.
fn sound() -> (Graph, Params) {
    let mut b = Builder::new();
    let x = b.input("x", &[2], BYTE, 0).unwrap();
    let w = b.param("w", &[2], BYTE, 0, vec![1, 2]).unwrap();
    let c = b.constant("c", &[2], vec![3, 4], 0).unwrap();
    let t = b.table("t", -2, vec![0, 0, 0, 1]).unwrap();
    let h = b.lookup("h", x, 0, t, 0).unwrap();
    let s = b.combine("s", &[(1, h), (1, w), (1, c)], 0, 0).unwrap();
    b.output(s).unwrap();
    b.finish().unwrap()
}

fn spoiled(spoil: impl FnOnce(&mut Graph)) -> Result<(), GraphError> {
    let (mut graph, _) = sound();
    check(&graph)?;
    spoil(&mut graph);
    check(&graph)
}

fn piece(tensor: TensorId, start: &[usize], extents: &[usize], axes: Vec<Affine>) -> Piece {
    Piece { start: start.to_vec(), extents: extents.to_vec(), sum: vec![], coef: 1, access: Access { tensor, axes } }
}

#[test]
fn rejects_cells_that_can_leave_the_bound() {
    let (mut b, x, ..) = start();
    let most = (1i64 << 61) - 1;
    refused!(b.combine("big", &[(1 << 54, x)], 0, 0), GraphError::Unbounded { name, lo, .. }
        if name == "big" && lo == -(1 << 61));
    refused!(b.combine("far", &[(i64::MAX, x), (i64::MAX, x)], 0, 0), GraphError::Unbounded { .. });
    refused!(b.input("wide", &[1], Range { lo: 0, hi: most + 1 }, 0), GraphError::Unbounded { .. });
    refused!(b.table("huge", 0, vec![most + 1]), GraphError::Unbounded { .. });
    refused!(b.table("away", i64::MIN, vec![0]), GraphError::Unbounded { .. });
    let wide = b.input("widest", &[2], Range { lo: -most, hi: most }, 0).unwrap();
    refused!(b.matmul("product", wide, wide), GraphError::Unbounded { .. });
    refused!(b.sum("sum", wide, &[0], false), GraphError::Unbounded { .. });
    refused!(b.combine("next", &[(1, wide)], 1, 0), GraphError::Unbounded { .. });
    b.combine("negated", &[(-1, wide)], 0, 0).unwrap();
}

#[test]
fn rejects_unknown_tensors_and_tables() {
    let (mut b, x, _, t) = start();
    let missing = TensorId(99);
    refused!(b.sqrt("s", missing, 0), GraphError::UnknownTensor { tensor: TensorId(99), count: 2, .. });
    refused!(b.output(missing), GraphError::UnknownTensor { .. });
    refused!(b.max("m", x, missing), GraphError::UnknownTensor { .. });
    refused!(b.lookup("l", x, 0, TableId(t.0 + 1), 0), GraphError::UnknownTable { count: 1, .. });
    refused!(spoiled(|g| g.outputs[0] = missing), GraphError::UnknownTensor { name, .. } if name == "outputs");
    refused!(spoiled(|g| g.inputs[0] = missing), GraphError::UnknownTensor { name, .. } if name == "inputs");
    refused!(spoiled(|g| g.nodes[0].out = missing), GraphError::UnknownTensor { name, .. } if name == "h");
    refused!(spoiled(|g| g.nodes[0].op = Op::Sqrt(missing)), GraphError::UnknownTensor { .. });
    refused!(
        spoiled(|g| g.nodes[0].op = Op::Lookup { x: TensorId(0), shift: 0, table: TableId(7) }),
        GraphError::UnknownTable { .. }
    );
    let (graph, mut params) = sound();
    params.values.insert(missing, vec![]);
    refused!(check_params(&graph, &params), GraphError::UnknownTensor { name, .. } if name == "params");
}

#[test]
fn rejects_nodes_out_of_order_and_cycles() {
    let swapped = spoiled(|g| {
        g.nodes.swap(0, 1);
        g.tensors[3].origin = Origin::Node(NodeId(1));
        g.tensors[4].origin = Origin::Node(NodeId(0));
    });
    refused!(swapped, GraphError::NotYetDefined { name, tensor } if name == "s" && tensor == "h");
    refused!(spoiled(|g| g.nodes[0].op = Op::Sqrt(TensorId(3))), GraphError::NotYetDefined { name, .. } if name == "h");
}

#[test]
fn rejects_tensors_without_exactly_one_definition() {
    refused!(spoiled(|g| g.nodes[1].out = TensorId(3)), GraphError::Definitions { .. });
    refused!(spoiled(|g| g.inputs.clear()), GraphError::Definitions { tensor, count: 0, expected: 1 } if tensor == "x");
    refused!(spoiled(|g| g.inputs.push(TensorId(0))), GraphError::Definitions { count: 2, .. });
    refused!(spoiled(|g| g.inputs.push(TensorId(1))), GraphError::Definitions { tensor, expected: 0, .. }
        if tensor == "w");
    refused!(spoiled(|g| g.tensors[3].origin = Origin::Node(NodeId(5))), GraphError::Definitions { .. });
    refused!(spoiled(|g| g.tensors[3].origin = Origin::Param), GraphError::Definitions { .. });
    refused!(spoiled(|g| g.tensors[1].origin = Origin::Input), GraphError::Definitions { count: 0, .. });
}

#[test]
fn rejects_duplicate_names_and_missing_outputs() {
    let twice = |kind: &'static str, result| {
        refused!(result, GraphError::DuplicateName { kind: k, .. } if k == kind);
    };
    twice("tensor", spoiled(|g| g.tensors[1].name = "x".into()));
    twice("node", spoiled(|g| g.nodes[1].name = "h".into()));
    twice("table", spoiled(|g| g.tables.push(g.tables[0].clone())));
    refused!(spoiled(|g| g.outputs.clear()), GraphError::NoOutputs);
    refused!(start().0.finish(), GraphError::NoOutputs);
}

#[test]
fn rejects_shapes_that_do_not_fit() {
    let (mut b, x, y, _) = start();
    refused!(b.reshape("r", x, &[4]), GraphError::Shape { .. });
    refused!(b.concat("c", &[x, y], 0), GraphError::Shape { .. });
    refused!(b.matmul("m", x, x), GraphError::Shape { .. });
    let one = b.constant("one", &[3], vec![1; 3], 0).unwrap();
    refused!(b.div("d", x, one, 0), GraphError::Shape { expected, got, .. } if expected == [2, 3] && got == [3]);
    refused!(spoiled(|g| g.tensors[3].shape = vec![1, 2]), GraphError::Shape { .. });
    let image = b.input("image", &[1, 4, 2], BYTE, 0).unwrap();
    let w = b.param("w", &[2, 2, 3], BYTE, 0, vec![0; 12]).unwrap();
    refused!(b.conv("conv", image, w, &ConvSpec::unit(1)), GraphError::Shape { .. });
    refused!(b.broadcast("b", x, &[3]), GraphError::Broadcast { .. });
    let two = b.input("two", &[2], BYTE, 0).unwrap();
    refused!(b.combine("s", &[(1, x), (1, two)], 0, 0), GraphError::Broadcast { .. });
    refused!(b.mul("p", two, y), GraphError::Broadcast { .. });
}

#[test]
fn rejects_wrong_numbers_of_entries_and_axes() {
    let (mut b, x, y, _) = start();
    refused!(b.transpose("t", x, &[0]), GraphError::Rank { expected: 2, got: 1, .. });
    refused!(b.slice("s", x, &[0, 0], &[1], &[1, 1]), GraphError::Rank { .. });
    refused!(b.pad("p", x, &[0], &[0, 0]), GraphError::Rank { .. });
    refused!(b.max_pool("m", x, &PoolSpec::tiling(&[1])), GraphError::Rank { .. });
    refused!(b.sum_pool("m", y, &PoolSpec::tiling(&[1])), GraphError::Rank { .. });
    refused!(b.conv("c", x, x, &ConvSpec::unit(1)), GraphError::Rank { .. });
    let scalar = b.constant("scalar", &[], vec![1], 0).unwrap();
    refused!(b.arg_max_one_hot("a", scalar), GraphError::Rank { .. });
    refused!(b.one_hot_index("i", scalar), GraphError::Rank { .. });
    refused!(b.gather("g", scalar, scalar), GraphError::Rank { .. });
    refused!(b.matmul("m", scalar, x), GraphError::Rank { .. });
    refused!(b.linear("l", &[2], vec![piece(y, &[], &[2], vec![Affine::var(0)])], 0, 0), GraphError::Rank { .. });
    refused!(b.linear("l", &[2], vec![piece(y, &[0], &[2], vec![])], 0, 0), GraphError::Rank { what: "access", .. });
    refused!(b.transpose("t", x, &[0, 0]), GraphError::Axis { axis: 0, rank: 2, .. });
    refused!(b.sum("s", x, &[2], true), GraphError::Axis { axis: 2, .. });
    refused!(b.reduce_max("m", x, &[0, 0], true), GraphError::Axis { .. });
    refused!(b.concat("c", &[x, x], 2), GraphError::Axis { .. });
    refused!(b.gather_const("g", x, 5, &[0]), GraphError::Axis { .. });
}

#[test]
fn rejects_empty_and_enormous_tensors() {
    let (mut b, x, ..) = start();
    refused!(b.input("none", &[3, 0], BYTE, 0), GraphError::ZeroAxis { axis: 1, .. });
    refused!(b.slice("s", x, &[0, 0], &[0, 1], &[1, 1]), GraphError::ZeroAxis { .. });
    refused!(b.gather_const("g", x, 0, &[]), GraphError::ZeroAxis { .. });
    refused!(b.one_hot("o", x, 0), GraphError::ZeroAxis { .. });
    refused!(b.input("all", &[1 << 40, 1 << 40], BYTE, 0), GraphError::TooLarge { .. });
    refused!(b.pad("p", x, &[usize::MAX, 0], &[1, 0]), GraphError::TooLarge { .. });
    let read = |tensor| Access { tensor, axes: vec![Affine::constant(0), Affine::constant(0)] };
    let extents = vec![1 << 30, 1 << 30];
    let endless = Contract { extents, out: vec![], lhs: read(x), rhs: read(x) };
    refused!(b.contract("c", endless), GraphError::TooLarge { .. });
    refused!(b.input("empty", &[1], Range { lo: 1, hi: 0 }, 0), GraphError::EmptyRange { lo: 1, hi: 0, .. });
}

#[test]
fn rejects_ranges_that_the_operands_do_not_imply() {
    refused!(spoiled(|g| g.tensors[3].range.hi = 2), GraphError::RangeMismatch { name, expected: (0, 1), got: (0, 2) }
        if name == "h");
    refused!(spoiled(|g| g.tensors[0].range.hi = -2), GraphError::RangeMismatch { .. });
}

#[test]
fn rejects_operands_outside_the_domain() {
    let (mut b, x, y, _) = start();
    refused!(b.div("d", x, x, 0), GraphError::Domain { operand, lo: -128, .. } if operand == "x");
    refused!(b.sqrt("s", x, 0), GraphError::Domain { .. });
    refused!(b.one_hot("o", x, 128), GraphError::Domain { .. });
    refused!(b.select("c", x, y, y), GraphError::Domain { .. });
    refused!(b.gather("g", y, x), GraphError::Domain { .. });
    let index = b.input("index", &[1], Range { lo: 0, hi: 4 }, 0).unwrap();
    refused!(b.one_hot("o", index, 4), GraphError::Domain { .. });
    refused!(b.div("d", index, index, 0), GraphError::Domain { .. });
    b.one_hot("o", index, 5).unwrap();
}

#[test]
fn rejects_values_that_do_not_fit_their_tensor() {
    let (mut b, ..) = start();
    refused!(b.param("w", &[2], BYTE, 0, vec![0, 128]), GraphError::ValueOutOfRange { cell: 1, value: 128, .. });
    refused!(b.param("w", &[2], BYTE, 0, vec![0]), GraphError::CellCount { expected: 2, got: 1, .. });
    refused!(b.constant("c", &[2], vec![0; 3], 0), GraphError::CellCount { expected: 2, got: 3, .. });
    refused!(spoiled(|g| g.tensors[2].range.hi = 3), GraphError::ValueOutOfRange { cell: 1, value: 4, .. });
    let (graph, mut params) = sound();
    params.values.insert(TensorId(1), vec![1, -129]);
    refused!(check_params(&graph, &params), GraphError::ValueOutOfRange { value: -129, .. });
    params.values.insert(TensorId(1), vec![1]);
    refused!(check_params(&graph, &params), GraphError::CellCount { .. });
    params.values.clear();
    refused!(check_params(&graph, &params), GraphError::MissingParam { name } if name == "w");
    params.values.insert(TensorId(0), vec![1, 1]);
    refused!(check_params(&graph, &params), GraphError::UnexpectedParam { name } if name == "x");
}

#[test]
fn rejects_tables_of_other_lengths_and_starts() {
    let (mut b, x, _, t) = start();
    refused!(b.table("t", 0, vec![0; 3]), GraphError::TableLength { len: 3, .. });
    refused!(b.table("t", 0, vec![]), GraphError::TableLength { len: 0, .. });
    refused!(b.table("t", 0, vec![0; 1 << 17]), GraphError::TableLength { .. });
    refused!(b.table("t", -1, vec![0; 4]), GraphError::TableStart { lo: -1, len: 4, .. });
    refused!(b.lookup("l", x, 61, t, 0), GraphError::Shift { shift: 61, .. });
    refused!(spoiled(|g| g.tables[0].lo = 1), GraphError::TableStart { .. });
    b.lookup("l", x, 60, t, 0).unwrap();
}

#[test]
fn rejects_variables_and_coefficients_that_are_not_canonical() {
    let (mut b, _, y, _) = start();
    let mut linear = |form: Affine| b.linear("l", &[2, 2], vec![piece(y, &[0, 0], &[2, 2], vec![form])], 0, 0);
    let form = |terms: &[(usize, i64)]| Affine { terms: terms.to_vec(), offset: 0 };
    refused!(linear(form(&[(2, 1)])), GraphError::Variable { var: 2, count: 2, .. });
    refused!(linear(form(&[(1, 1), (0, 1)])), GraphError::Variable { var: 0, .. });
    refused!(linear(form(&[(0, 1), (0, 1)])), GraphError::Variable { .. });
    refused!(linear(form(&[(0, 0)])), GraphError::Affine { axis: 0, .. });
    refused!(linear(form(&[(0, 1 << 50)])), GraphError::Affine { .. });
    refused!(linear(Affine::constant(i64::MIN)), GraphError::Affine { .. });
    let read = || Access { tensor: y, axes: vec![Affine::var(0)] };
    let mut contract = |out: Vec<usize>| b.contract("c", Contract { extents: vec![3], out, lhs: read(), rhs: read() });
    refused!(contract(vec![1]), GraphError::Variable { place: "the output", var: 1, .. });
    refused!(contract(vec![0, 0]), GraphError::Variable { .. });
}

#[test]
fn rejects_boxes_beyond_the_output() {
    let (mut b, _, y, _) = start();
    let mut linear = |piece: Piece| b.linear("l", &[2], vec![piece], 0, 0);
    let axes = || vec![Affine::var(0)];
    refused!(linear(piece(y, &[1], &[2], axes())), GraphError::PieceBox { piece: 0, axis: 0, end: 3, len: 2, .. });
    refused!(linear(piece(y, &[usize::MAX], &[2], axes())), GraphError::PieceBox { .. });
    refused!(linear(piece(y, &[0], &[0], axes())), GraphError::ZeroAxis { .. });
    refused!(linear(Piece { coef: 0, ..piece(y, &[0], &[2], axes()) }), GraphError::Attribute { .. });
    refused!(linear(Piece { sum: vec![0], ..piece(y, &[0], &[2], axes()) }), GraphError::ZeroAxis { .. });
}

#[test]
fn rejects_operands_of_different_scales() {
    let (mut b, x, ..) = start();
    let fine = b.input("fine", &[2, 3], BYTE, 4).unwrap();
    refused!(b.max("m", x, fine), GraphError::Scale { a: 0, b: 4, .. });
    refused!(b.concat("c", &[fine, x], 0), GraphError::Scale { a: 4, b: 0, .. });
    let condition = b.arg_max_one_hot("condition", x).unwrap();
    refused!(b.select("s", condition, x, fine), GraphError::Scale { .. });
}

#[test]
fn rejects_attributes_that_the_operator_cannot_have() {
    let (mut b, x, ..) = start();
    refused!(b.slice("s", x, &[0, 1], &[1, 2], &[1, 2]), GraphError::Attribute { got: 3, .. });
    refused!(b.slice("s", x, &[0, 1], &[1, 3], &[1, -1]), GraphError::Attribute { got: -1, .. });
    refused!(b.slice("s", x, &[2, 0], &[1, 1], &[1, 1]), GraphError::Attribute { .. });
    refused!(b.gather_const("g", x, 1, &[0, 3]), GraphError::Attribute { got: 3, .. });
    refused!(b.concat("c", &[], 0), GraphError::Attribute { .. });
    let image = b.input("image", &[1, 4, 2], BYTE, 0).unwrap();
    let w = b.param("w", &[2, 3, 1], BYTE, 0, vec![0; 6]).unwrap();
    let mut conv = |spec: ConvSpec| b.conv("conv", image, w, &spec);
    refused!(conv(ConvSpec { groups: 2, ..ConvSpec::unit(1) }), GraphError::Attribute { what: "groups", .. });
    refused!(conv(ConvSpec { groups: 0, ..ConvSpec::unit(1) }), GraphError::Attribute { what: "groups", .. });
    let pool = PoolSpec::tiling(&[2]);
    let mut max_pool = |spec: PoolSpec| b.max_pool("pool", image, &spec);
    refused!(max_pool(PoolSpec { strides: vec![0], ..pool.clone() }), GraphError::Attribute { .. });
    refused!(max_pool(PoolSpec { dilations: vec![4], ..pool.clone() }), GraphError::Attribute { .. });
    refused!(max_pool(PoolSpec { kernel: vec![0], ..pool }), GraphError::Attribute { .. });
}

#[test]
fn rejects_maxima_that_need_too_large_a_table() {
    let mut b = Builder::new();
    let x = b.input("x", &[2], Range { lo: 0, hi: 32767 }, 0).unwrap();
    b.reduce_max("fits", x, &[0], false).unwrap();
    let wide = b.input("wide", &[2], Range { lo: 0, hi: 32768 }, 0).unwrap();
    refused!(b.reduce_max("m", wide, &[0], false), GraphError::MaximumTooWide { lo: -32768, hi: 32768, .. });
}

#[test]
fn rejects_inputs_that_do_not_fit_in_both_evaluators() {
    let (graph, params) = sound();
    for run in [run, run_fast] {
        assert_eq!(run(&graph, &params, &[vec![1, -128]]).unwrap()[4], [1 + 1 + 3, 2 + 4]);
        refused!(run(&graph, &params, &[]), EvalError::InputCount { expected: 1, got: 0 });
        refused!(run(&graph, &params, &[vec![1]]), EvalError::InputLength { expected: 2, got: 1, .. });
        let outside = run(&graph, &params, &[vec![1, 128]]);
        refused!(outside, EvalError::InputRange { name, cell: 1, value: 128, lo: -128, hi: 127 } if name == "x");
        refused!(run(&graph, &Params::default(), &[vec![1, 1]]), EvalError::Graph(GraphError::MissingParam { .. }));
        let mut spoiled = graph.clone();
        spoiled.outputs.clear();
        refused!(run(&spoiled, &params, &[vec![1, 1]]), EvalError::Graph(GraphError::NoOutputs));
    }
}
