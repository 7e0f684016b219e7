//! Ranges of many pieces, and of the compositions that interval arithmetic alone would widen.

use proveil_graph::{Access, Affine, Builder, GraphError, Piece, Range, TensorId};

const BYTE: Range = Range { lo: -128, hi: 127 };

fn range(b: &Builder, id: TensorId) -> (i64, i64) {
    let Range { lo, hi } = b.tensor(id).unwrap().range;
    (lo, hi)
}

fn fill(b: &mut Builder, x: TensorId, out: &[usize], boxes: &[(&[usize], &[usize], i64)]) -> (i64, i64) {
    let piece = |&(start, extents, coef): &(&[usize], &[usize], i64)| Piece {
        start: start.to_vec(),
        extents: extents.to_vec(),
        sum: vec![],
        coef,
        access: Access { tensor: x, axes: vec![] },
    };
    let y = b.linear("y", out, boxes.iter().map(piece).collect(), 0, 0).unwrap();
    range(b, y)
}

#[test]
fn accepts_thousands_of_disjoint_boxes_without_adding_them_up() {
    let mut b = Builder::new();
    let x = b.input("x", &[5000, 3], BYTE, 0).unwrap();
    let scattered: Vec<usize> = (0..5000).map(|i| i * i % 4999).collect();
    let y = b.gather_const("y", x, 0, &scattered).unwrap();
    assert_eq!(range(&b, y), (-128, 127));
}

#[test]
fn accepts_boxes_that_overlap_in_some_cells_only() {
    let mut b = Builder::new();
    let x = b.input("x", &[], Range { lo: 2, hi: 5 }, 0).unwrap();
    // Full cover: no cell holds the bare constant.
    assert_eq!(fill(&mut b, x, &[2, 2], &[(&[0, 0], &[2, 2], 1)]), (2, 5));
    // Cells outside the boxes hold 0.
    assert_eq!(fill(&mut b, x, &[2, 2], &[(&[0, 0], &[1, 2], 1)]), (0, 5));
    // Crossing bars: the corner holds both, the opposite corner none.
    assert_eq!(fill(&mut b, x, &[2, 2], &[(&[0, 0], &[1, 2], 1), (&[0, 0], &[2, 1], 10)]), (0, 55));
    // Neighbours that only touch.
    assert_eq!(fill(&mut b, x, &[4], &[(&[0], &[2], 3), (&[2], &[2], -1)]), (-5, 15));
    assert_eq!(fill(&mut b, x, &[4], &[]), (0, 0));
}

#[test]
fn accepts_squares_as_not_negative() {
    let mut b = Builder::new();
    let x = b.input("x", &[4], BYTE, 0).unwrap();
    let negative = b.input("negative", &[4], Range { lo: -9, hi: -3 }, 0).unwrap();
    let (a, c) = (b.mul("a", x, x).unwrap(), b.mul("c", negative, negative).unwrap());
    assert_eq!((range(&b, a), range(&b, c)), ((0, 16384), (9, 81)));
    let twin = b.input("twin", &[4], BYTE, 0).unwrap();
    let other = b.mul("other", x, twin).unwrap();
    assert_eq!(range(&b, other), (-16256, 16384));
}

#[test]
fn rejects_the_maximum_rule_where_the_table_or_the_operands_differ() {
    let mut b = Builder::new();
    let (x, y) = (b.input("x", &[4], BYTE, 0).unwrap(), b.input("y", &[4], BYTE, 0).unwrap());
    let step = b.combine("step", &[(1, y), (-1, x)], 0, 0).unwrap();
    let rise = |b: &mut Builder, half: i64, base: TensorId, bump: i64| {
        let table = b.table("relu", -half, (-half..half).map(|v| v.max(0) + bump).collect())?;
        let rise = b.lookup("rise", step, 0, table, 0)?;
        let sum = b.combine("sum", &[(1, base), (1, rise)], 0, 0)?;
        Ok::<_, GraphError>(range(b, sum))
    };
    assert_eq!(rise(&mut b, 256, x, 0).unwrap(), (-128, 127));
    // Saturates below the largest difference.
    assert_eq!(rise(&mut b, 128, x, 0).unwrap(), (-128, 127 + 127));
    // The base is not what was subtracted.
    assert_eq!(rise(&mut b, 256, y, 0).unwrap(), (-128, 127 + 255));
    // Not the ramp.
    assert_eq!(rise(&mut b, 256, x, 1).unwrap(), (-127, 127 + 256));
}

#[test]
fn rejects_the_selection_rule_along_another_axis() {
    let mut b = Builder::new();
    let x = b.input("x", &[3, 3], BYTE, 0).unwrap();
    let values = b.input("values", &[3, 2], Range { lo: 1, hi: 9 }, 0).unwrap();
    let hot = b.arg_max_one_hot("hot", x).unwrap();
    let chosen = b.matmul("chosen", hot, values).unwrap();
    assert_eq!(range(&b, chosen), (1, 9));
    // Down a column any number of cells can be 1.
    let turned = b.transpose("turned", values, &[1, 0]).unwrap();
    let columns = b.matmul("columns", turned, hot).unwrap();
    assert_eq!(range(&b, columns), (0, 27));
}

#[test]
fn accepts_axes_read_at_a_constant() {
    let mut b = Builder::new();
    let x = b.input("x", &[3], Range { lo: 4, hi: 6 }, 0).unwrap();
    let mut at = |offset: i64| {
        let access = Access { tensor: x, axes: vec![Affine::constant(offset)] };
        let piece = Piece { start: vec![], extents: vec![], sum: vec![], coef: 1, access };
        let y = b.linear("y", &[], vec![piece], 0, 0).unwrap();
        range(&b, y)
    };
    // Always outside reads 0; the rule keeps the hull.
    assert_eq!((at(0), at(2), at(3)), ((4, 6), (4, 6), (0, 6)));
}

#[test]
fn accepts_columns_of_gathered_rows_with_their_own_ranges() {
    let mut b = Builder::new();
    let x = b.input("x", &[2], Range { lo: 0, hi: 3 }, 0).unwrap();
    let column = |b: &mut Builder, lo: i64, width: usize| {
        b.param("part", &[4, width], Range { lo, hi: lo + 5 }, 0, vec![lo; 4 * width]).unwrap()
    };
    let parts = [column(&mut b, 0, 1), column(&mut b, 100, 2), column(&mut b, -70, 1)];
    let data = b.concat("data", &parts, 1).unwrap();
    let rows = b.gather("rows", data, x).unwrap();
    assert_eq!(range(&b, rows), (-70, 105));
    let mut slice = |from: usize, len: usize| {
        let y = b.slice("y", rows, &[0, from], &[2, len], &[1, 1]).unwrap();
        range(&b, y)
    };
    assert_eq!([slice(0, 1), slice(1, 1), slice(1, 2), slice(3, 1)], [(0, 5), (100, 105), (100, 105), (-70, -65)]);
    // Two parts, and a read that leaves the rows.
    assert_eq!(slice(0, 2), (-70, 105));
    let access = Access { tensor: rows, axes: vec![Affine::var(0), Affine::constant(4)] };
    let piece = Piece { start: vec![0], extents: vec![2], sum: vec![], coef: 1, access };
    let outside = b.linear("outside", &[2], vec![piece], 0, 0).unwrap();
    assert_eq!(range(&b, outside), (-70, 105));
}
