//! Hand-worked values of every operator and convenience, on both evaluators.

use proveil_graph::{
    Access, Affine, Builder, Contract, ConvSpec, GraphError, Piece, PoolSpec, Range, TensorId, run, run_fast,
};

const BYTE: Range = Range { lo: -128, hi: 127 };

type Built = Result<TensorId, GraphError>;

/// Cells of what `build` makes of inputs with these shapes and cells, and its shape and range.
fn eval(
    inputs: &[(&[usize], &[i64])],
    build: impl FnOnce(&mut Builder, &[TensorId]) -> Built,
) -> (Vec<i64>, Vec<usize>, Range) {
    let mut b = Builder::new();
    let ids: Vec<TensorId> = inputs.iter().map(|(shape, _)| b.input("x", shape, BYTE, 0).unwrap()).collect();
    let out = build(&mut b, &ids).unwrap();
    b.output(out).unwrap();
    let (graph, params) = b.finish().unwrap();
    let values: Vec<Vec<i64>> = inputs.iter().map(|(_, cells)| cells.to_vec()).collect();
    let slow = run(&graph, &params, &values).unwrap();
    assert_eq!(slow, run_fast(&graph, &params, &values).unwrap());
    for (cells, tensor) in slow.iter().zip(&graph.tensors) {
        assert!(cells.iter().all(|&v| tensor.range.contains(v)), "{} leaves its range", tensor.name);
    }
    let tensor = graph.get(out).unwrap();
    (slow[out.0 as usize].clone(), tensor.shape.clone(), tensor.range)
}

fn cells(inputs: &[(&[usize], &[i64])], build: impl FnOnce(&mut Builder, &[TensorId]) -> Built) -> Vec<i64> {
    eval(inputs, build).0
}

fn range(lo: i64, hi: i64) -> Range {
    Range { lo, hi }
}

#[test]
fn accepts_overlapping_pieces_that_add_over_the_constant() {
    let got = eval(&[(&[2], &[10, 20])], |b, x| {
        let read = |axes| Access { tensor: x[0], axes };
        let first =
            Piece { start: vec![0], extents: vec![2], sum: vec![], coef: 3, access: read(vec![Affine::var(0)]) };
        let second =
            Piece { start: vec![1], extents: vec![2], sum: vec![2], coef: -1, access: read(vec![Affine::var(1)]) };
        b.linear("y", &[4], vec![first, second], 5, 0)
    });
    assert_eq!(got.0, [35, 60 + 5 - 30, 5 - 30, 5]);
    // The middle cell is covered twice: 3x - (x + x) + 5 over [-128, 127].
    assert_eq!(got.2, range(-3 * 128 - 2 * 127 + 5, 3 * 127 + 2 * 128 + 5));
}

#[test]
fn accepts_reads_outside_as_zero() {
    let got = eval(&[(&[3], &[7, 8, 9])], |b, x| {
        let access = Access { tensor: x[0], axes: vec![Affine::new(&[(0, 2)], -1)] };
        b.linear("y", &[3], vec![Piece { start: vec![0], extents: vec![3], sum: vec![], coef: 1, access }], 100, 0)
    });
    assert_eq!(got.0, [100, 108, 100]);
    assert_eq!(got.2, range(-28, 227));
}

#[test]
fn accepts_a_contraction_with_permuted_output_variables() {
    let got = cells(&[(&[2, 3], &[1, 2, 3, 4, 5, 6]), (&[3], &[1, 10, 100])], |b, x| {
        let lhs = Access { tensor: x[0], axes: vec![Affine::var(1), Affine::var(0)] };
        let rhs = Access { tensor: x[1], axes: vec![Affine::var(0)] };
        b.contract("y", Contract { extents: vec![3, 2], out: vec![0, 1], lhs, rhs })
    });
    assert_eq!(got, [1, 4, 20, 50, 300, 600]);
}

#[test]
fn accepts_a_contraction_to_a_scalar_and_over_an_unused_variable() {
    let got = eval(&[(&[2], &[3, -4])], |b, x| {
        let read = || Access { tensor: x[0], axes: vec![Affine::var(0)] };
        b.contract("y", Contract { extents: vec![2, 5], out: vec![], lhs: read(), rhs: read() })
    });
    assert_eq!((got.0, got.1), (vec![125], vec![]));
    assert_eq!(got.2, range(0, 10 * 128 * 128));
}

#[test]
fn accepts_lookups_that_round_half_up() {
    let x = [-7, -6, -5, -3, -2, -1, 1, 2, 3, 6];
    let got = cells(&[(&[10], &x)], |b, x| {
        let table = b.table("same", -32, (-32..32).collect())?;
        b.lookup("y", x[0], 2, table, 0)
    });
    assert_eq!(got, [-2, -1, -1, -1, 0, 0, 0, 1, 1, 2]);
}

#[test]
fn accepts_lookups_that_saturate_on_both_sides() {
    let got = eval(&[(&[6], &[-128, -5, -4, 3, 4, 127])], |b, x| {
        let table = b.table("t", -4, vec![40, 30, 20, 10, 0, 1, 2, 3])?;
        b.lookup("y", x[0], 0, table, 0)
    });
    assert_eq!(got.0, [40, 40, 40, 3, 3, 3]);
    assert_eq!(got.2, range(0, 40));
}

#[test]
fn accepts_a_table_of_one_value_and_one_that_starts_at_zero() {
    let got = cells(&[(&[3], &[-9, 1, 9])], |b, x| {
        let one = b.table("one", 17, vec![5])?;
        let two = b.table("two", 0, vec![1, 3])?;
        let (p, q) = (b.lookup("p", x[0], 0, one, 0)?, b.lookup("q", x[0], 0, two, 0)?);
        b.concat("y", &[p, q], 0)
    });
    assert_eq!(got, [5, 5, 5, 1, 3, 3]);
}

#[test]
fn accepts_the_exact_hull_of_the_reachable_part_of_a_table() {
    let got = eval(&[(&[1], &[0])], |b, x| {
        let table = b.table("t", -64, (-64..64).map(|v| v * v).collect())?;
        // -128 >> 3 = -16, 127 >> 3 rounds to 16.
        b.lookup("y", x[0], 3, table, 0)
    });
    assert_eq!(got.2, range(0, 256));
}

#[test]
fn accepts_division_that_rounds_down() {
    let got = eval(&[(&[4], &[-7, 7, -1, 8])], |b, x| {
        let three = b.constant("three", &[4], vec![3, 3, 3, 4], 0)?;
        b.div("y", x[0], three, 0)
    });
    assert_eq!(got.0, [-3, 2, -1, 2]);
    assert_eq!(got.2, range(-43, 42));
}

#[test]
fn accepts_square_roots_rounded_down() {
    let got = eval(&[(&[4], &[0, 3, -10, 99])], |b, x| {
        let square = b.mul("square", x[0], x[0])?;
        let less = b.combine("less", &[(1, square)], 1, 0)?;
        b.sqrt("y", less, 0)
    });
    assert_eq!(got.0, [1, 3, 10, 99]);
    assert_eq!(got.2, range(1, 128));
}

#[test]
fn accepts_the_first_of_equal_maxima() {
    let got = cells(&[(&[3, 3], &[1, 5, 5, -2, -2, -2, 0, 1, 2])], |b, x| b.arg_max_one_hot("y", x[0]));
    assert_eq!(got, [0, 1, 0, 1, 0, 0, 0, 0, 1]);
}

#[test]
fn accepts_one_hot_and_its_index() {
    let got = eval(&[(&[2, 3], &[1, 5, 5, 9, -2, 9])], |b, x| {
        let hot = b.arg_max_one_hot("hot", x[0])?;
        let index = b.one_hot_index("index", hot)?;
        let again = b.one_hot("again", index, 3)?;
        b.one_hot_index("y", again)
    });
    assert_eq!((got.0, got.1, got.2), (vec![1, 0], vec![2], range(0, 2)));
}

#[test]
fn accepts_a_gather_by_one_hot_without_widening_the_range() {
    let got = eval(&[(&[2, 3], &[1, 5, 5, 9, -2, 9])], |b, x| {
        let values = vec![11, 12, 21, 22, 31, 32];
        let table = b.param("embedding", &[3, 2], range(-50, 50), 0, values)?;
        let hot = b.arg_max_one_hot("hot", x[0])?;
        b.matmul("y", hot, table)
    });
    assert_eq!((got.0, got.2), (vec![21, 22, 11, 12], range(-50, 50)));
}

#[test]
fn accepts_gathers_of_rows_and_of_cells() {
    let rows = eval(&[(&[2, 3], &[1, 5, 5, 9, -2, 9])], |b, x| {
        let hot = b.arg_max_one_hot("hot", x[0])?;
        let index = b.one_hot_index("index", hot)?;
        let values = vec![11, 12, 21, 22, 31, 32];
        let data = b.param("data", &[3, 1, 2], range(-50, 50), 0, values)?;
        b.gather("y", data, index)
    });
    assert_eq!((rows.0, rows.1, rows.2), (vec![21, 22, 11, 12], vec![2, 1, 2], range(-50, 50)));
    let cells = eval(&[(&[4], &[7, -8, 9, 10])], |b, x| {
        let index = b.constant("index", &[2, 2], vec![3, 0, 1, 1], 0)?;
        b.gather("y", x[0], index)
    });
    assert_eq!((cells.0, cells.1, cells.2), (vec![10, 7, -8, -8], vec![2, 2], BYTE));
}

#[test]
fn accepts_combinations_with_broadcasting() {
    let got = eval(&[(&[2, 1], &[10, 20]), (&[3], &[1, 2, 3])], |b, x| b.combine("y", &[(2, x[0]), (-1, x[1])], 7, 0));
    assert_eq!((got.0, got.1), (vec![26, 25, 24, 46, 45, 44], vec![2, 3]));
    assert_eq!(got.2, range(-2 * 128 - 127 + 7, 2 * 127 + 128 + 7));
}

#[test]
fn accepts_transposed_and_sliced_tensors() {
    let x: Vec<i64> = (0..6).collect();
    let turned = eval(&[(&[1, 2, 3], &x)], |b, x| b.transpose("y", x[0], &[2, 0, 1]));
    assert_eq!((turned.0, turned.1), (vec![0, 3, 1, 4, 2, 5], vec![3, 1, 2]));
    let sliced = eval(&[(&[2, 3], &x)], |b, x| b.slice("y", x[0], &[1, 2], &[1, 2], &[1, -2]));
    assert_eq!((sliced.0, sliced.1), (vec![5, 3], vec![1, 2]));
}

#[test]
fn accepts_padding_concatenation_and_their_ranges() {
    let padded = eval(&[(&[1, 2], &[4, 5])], |b, x| b.pad("y", x[0], &[1, 0], &[0, 1]));
    assert_eq!((padded.0, padded.1, padded.2), (vec![0, 0, 0, 4, 5, 0], vec![2, 3], BYTE));
    let joined = eval(&[(&[2, 1], &[1, 2]), (&[2, 2], &[3, 4, 5, 6])], |b, x| b.concat("y", &[x[0], x[1]], 1));
    assert_eq!((joined.0, joined.2), (vec![1, 3, 4, 2, 5, 6], BYTE));
}

#[test]
fn accepts_broadcast_sum_and_gather() {
    let wide = cells(&[(&[2, 1], &[1, 2])], |b, x| b.broadcast("y", x[0], &[2, 2, 2]));
    assert_eq!(wide, [1, 1, 2, 2, 1, 1, 2, 2]);
    let x: Vec<i64> = (1..=12).collect();
    let dropped = eval(&[(&[2, 3, 2], &x)], |b, x| b.sum("y", x[0], &[0, 2], false));
    assert_eq!((dropped.0, dropped.1, dropped.2), (vec![18, 26, 34], vec![3], range(-512, 508)));
    let kept = eval(&[(&[2, 3, 2], &x)], |b, x| b.sum("y", x[0], &[1], true));
    assert_eq!((kept.0, kept.1), (vec![9, 12, 27, 30], vec![2, 1, 2]));
    let picked = cells(&[(&[2, 4], &x[..8])], |b, x| b.gather_const("y", x[0], 1, &[3, 2, 1, 0, 0, 3, 1]));
    assert_eq!(picked, [4, 3, 2, 1, 1, 4, 2, 8, 7, 6, 5, 5, 8, 6]);
}

#[test]
fn accepts_matrix_products_of_all_ranks() {
    let (a, v) = ([1, 2, 3, 4, 5, 6], [1, 10, 100]);
    let column = eval(&[(&[2, 3], &a), (&[3], &v)], |b, x| b.matmul("y", x[0], x[1]));
    assert_eq!((column.0, column.1), (vec![321, 654], vec![2]));
    let row = eval(&[(&[3], &v), (&[3, 2], &a)], |b, x| b.matmul("y", x[0], x[1]));
    assert_eq!((row.0, row.1), (vec![531, 642], vec![2]));
    let dot = eval(&[(&[3], &v), (&[3], &a[..3])], |b, x| b.matmul("y", x[0], x[1]));
    assert_eq!((dot.0, dot.1), (vec![321], vec![]));
    let batch = eval(&[(&[2, 1, 2], &[1, 2, 3, 4]), (&[2, 2], &[5, 6, 7, 8])], |b, x| b.matmul("y", x[0], x[1]));
    assert_eq!((batch.0, batch.1), (vec![19, 22, 43, 50], vec![2, 1, 2]));
}

#[test]
fn accepts_weights_as_the_left_operand() {
    let mut b = Builder::new();
    let x = b.input("x", &[1, 2], BYTE, 3).unwrap();
    let w = b.param("w", &[3, 2], BYTE, 4, vec![1, 2, 3, 4, 5, 6]).unwrap();
    let t = b.transpose("t", w, &[1, 0]).unwrap();
    let y = b.matmul("y", x, t).unwrap();
    let z = b.mul("z", y, b.graph().inputs[0]).err();
    assert!(matches!(z, Some(GraphError::Broadcast { .. })));
    let proveil_graph::Op::Contract(contract) = &b.graph().nodes[1].op else { panic!("not a contraction") };
    assert_eq!((contract.lhs.tensor, contract.rhs.tensor), (t, x));
    assert_eq!(b.tensor(y).unwrap().scale, 7);
}

#[test]
fn accepts_convolutions_with_padding_stride_and_dilation() {
    let x: Vec<i64> = (1..=5).collect();
    let conv = |spec: ConvSpec, kernel: Vec<i64>| {
        cells(&[(&[1, 5, 1], &x)], |b, x| {
            let w = b.param("w", &[kernel.len(), 1, 1], BYTE, 0, kernel)?;
            b.conv("y", x[0], w, &spec)
        })
    };
    let unit = ConvSpec::unit(1);
    assert_eq!(conv(unit.clone(), vec![1, 10]), [21, 32, 43, 54]);
    let padded = ConvSpec { pads_before: vec![1], pads_after: vec![2], ..unit.clone() };
    assert_eq!(conv(padded.clone(), vec![1, 10]), [10, 21, 32, 43, 54, 5, 0]);
    assert_eq!(conv(ConvSpec { strides: vec![3], ..padded }, vec![1, 10]), [10, 43, 0]);
    assert_eq!(conv(ConvSpec { dilations: vec![3], ..unit }, vec![1, 10]), [41, 52]);
}

#[test]
fn accepts_two_and_three_dimensional_convolutions() {
    let plane = eval(&[(&[1, 2, 3, 2], &(1..=12).collect::<Vec<_>>())], |b, x| {
        // One output channel: first channel of the upper left cell plus 10 times the second of the lower right.
        let w = b.param("w", &[2, 2, 1, 2], BYTE, 0, vec![1, 0, 0, 0, 0, 0, 0, 10])?;
        b.conv("y", x[0], w, &ConvSpec::unit(2))
    });
    assert_eq!((plane.0, plane.1), (vec![1 + 100, 3 + 120], vec![1, 1, 2, 1]));
    let solid = cells(&[(&[1, 2, 2, 2, 1], &(1..=8).collect::<Vec<_>>())], |b, x| {
        let w = b.param("w", &[2, 2, 2, 1, 1], BYTE, 0, vec![1; 8])?;
        b.conv("y", x[0], w, &ConvSpec::unit(3))
    });
    assert_eq!(solid, [36]);
}

#[test]
fn accepts_grouped_convolutions() {
    let got = eval(&[(&[1, 2, 4], &[1, 2, 3, 4, 5, 6, 7, 8])], |b, x| {
        // Two groups of two channels, four output channels: a sum and a difference for each group.
        let w = b.param("w", &[1, 4, 2], BYTE, 0, vec![1, 1, 1, -1, 1, 1, 2, -1])?;
        b.conv("y", x[0], w, &ConvSpec { groups: 2, ..ConvSpec::unit(1) })
    });
    assert_eq!((got.0, got.1), (vec![3, -1, 7, 2, 11, -1, 15, 6], vec![1, 2, 4]));
}

#[test]
fn accepts_maxima_without_widening_the_range() {
    let two = eval(&[(&[2, 1], &[-5, 5]), (&[3], &[-9, 0, 9])], |b, x| b.max("y", x[0], x[1]));
    assert_eq!((two.0, two.2), (vec![-5, 0, 9, 5, 5, 9], BYTE));
    let x = [3, -1, 4, -1, 5, -9, 2, 6, -5, -128];
    let all = eval(&[(&[2, 5], &x)], |b, x| b.reduce_max("y", x[0], &[1], false));
    assert_eq!((all.0, all.1, all.2), (vec![5, 6], vec![2], BYTE));
    let first = eval(&[(&[2, 5], &x)], |b, x| b.reduce_max("y", x[0], &[0], true));
    assert_eq!((first.0, first.1), (vec![3, 2, 6, -1, 5], vec![1, 5]));
    let both = eval(&[(&[2, 5], &x)], |b, x| b.reduce_max("y", x[0], &[1, 0], false));
    assert_eq!((both.0, both.1), (vec![6], vec![]));
}

#[test]
fn accepts_max_pools_in_which_padding_never_wins() {
    let spec = PoolSpec { pads_before: vec![1], pads_after: vec![1], strides: vec![1], ..PoolSpec::tiling(&[2]) };
    let got = eval(&[(&[1, 3, 1], &[-7, -3, -9])], |b, x| b.max_pool("y", x[0], &spec));
    assert_eq!((got.0, got.1, got.2), (vec![-7, -3, -3, -9], vec![1, 4, 1], BYTE));
    let tiles = cells(&[(&[1, 2, 4, 1], &[1, -2, 3, 4, 9, 0, -5, 4])], |b, x| {
        b.max_pool("y", x[0], &PoolSpec::tiling(&[2, 2]))
    });
    assert_eq!(tiles, [9, 4]);
    let dilated = PoolSpec { dilations: vec![2], strides: vec![1], ..PoolSpec::tiling(&[2]) };
    assert_eq!(cells(&[(&[1, 4, 1], &[5, 9, 1, 2])], |b, x| b.max_pool("y", x[0], &dilated)), [5, 9]);
}

#[test]
fn accepts_sum_pools() {
    let spec = PoolSpec { pads_before: vec![1], pads_after: vec![0], ..PoolSpec::tiling(&[2]) };
    let got = cells(&[(&[1, 3, 2], &[1, 10, 2, 20, 3, 30])], |b, x| b.sum_pool("y", x[0], &spec));
    assert_eq!(got, [1, 10, 5, 50]);
}

#[test]
fn accepts_selection_within_the_hull_of_its_operands() {
    let got = eval(&[(&[3], &[4, 9, 9]), (&[2, 3], &[1, 2, 3, 4, 5, 6]), (&[3], &[-1, -2, -3])], |b, x| {
        let condition = b.arg_max_one_hot("condition", x[0])?;
        b.select("y", condition, x[1], x[2])
    });
    assert_eq!((got.0, got.2), (vec![-1, 2, -3, -1, 5, -3], BYTE));
}

#[test]
fn accepts_names_and_tables_that_repeat() {
    let mut b = Builder::new();
    let x = b.input("x", &[1], BYTE, 0).unwrap();
    let first = b.table("t", 0, vec![1, 2]).unwrap();
    assert_eq!(b.table("other", 0, vec![1, 2]).unwrap(), first);
    assert_ne!(b.table("t", 0, vec![2, 1]).unwrap(), first);
    let y = b.lookup("x", x, 0, first, 0).unwrap();
    let z = b.lookup("x", x, 0, first, 0).unwrap();
    assert_eq!((&b.tensor(y).unwrap().name[..], &b.tensor(z).unwrap().name[..]), ("x_1", "x_2"));
}
