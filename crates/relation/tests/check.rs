//! Hostile verifying keys: each is refused, naming the field that is wrong.

use proveil_algebra::{E, PrimeCharacteristicRing};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::params::Params;
use proveil_protocol::sample::Sampled;
use proveil_relation::check::{KeyError, Limits};
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, VerifyingKey, Visibility};
use proveil_relation::table::{Column, Part, Rows, Table};
use proveil_relation::{
    Access, Affine, Coef, Expr, Guard, Home, Input, Linear, Lookup, Output, Product, Relation, TensorDecl,
};

fn read(tensor: u32, vars: &[u32]) -> Access {
    Access { tensor, axes: vars.iter().map(|v| Affine::var(*v)).collect(), guards: vec![] }
}

fn cells(access: Access) -> Expr {
    let linear = vec![Linear { coef: Coef::int(1), sum: vec![], access }];
    Expr { constant: Coef::int(0), linear, products: vec![] }
}

fn tensor(name: &str, shape: &[u32], home: Home) -> TensorDecl {
    TensorDecl { name: name.into(), shape: shape.to_vec(), home }
}

/// `y = w x` with a range check of `x`, a public tensor that is looked up, everything committed.
fn key() -> VerifyingKey {
    let product = Product { coef: Coef::int(1), sum: vec![6], lhs: read(0, &[0, 1]), rhs: read(1, &[1]) };
    let relation = Relation {
        tensors: vec![
            tensor("w", &[4, 6], Home::Model),
            tensor("x", &[6], Home::Input(0)),
            tensor("c", &[6], Home::Public(vec![1, 2, 3, 4, 5, 6])),
            tensor("y", &[4], Home::Output(0)),
        ],
        tables: vec![
            Table::public("range", vec![Part { len: 16, columns: vec![Column::Ramp(-8)] }]),
            Table::public(
                "pair",
                vec![
                    Part { len: 3, columns: vec![Column::Ramp(0), Column::Values(vec![4, 5, 6])] },
                    Part { len: 2, columns: vec![Column::Constant(7), Column::Constant(8)] },
                ],
            ),
        ],
        lookups: vec![
            Lookup { name: "x/range".into(), space: vec![6], table: 0, tuple: vec![cells(read(1, &[0]))] },
            Lookup { name: "c/range".into(), space: vec![6], table: 0, tuple: vec![cells(read(2, &[0]))] },
        ],
        inputs: vec![Input { tensor: 1, lo: -8, hi: 7 }],
        outputs: vec![Output {
            name: "y".into(),
            space: vec![4],
            expr: Expr { constant: Coef::int(0), linear: vec![], products: vec![product] },
            lo: -1000,
            hi: 1000,
        }],
    };
    VerifyingKey {
        params: Params::standard(40).with_grinding(2),
        geometry: Geometry {
            log_height: 9,
            model_top: 64,
            trace_top: 64,
            io_top: 64,
            inputs: vec![8],
            outputs: vec![8],
        },
        visibility: Visibility {
            zero_knowledge: true,
            model: ModelVisibility::Private,
            inputs: vec![IoVisibility::Committed],
            outputs: vec![IoVisibility::Committed],
        },
        relation,
        model: Some(Sampled { commitment: Commitment { root: [1; 32], nonce: [2; 32] }, value: E::TWO }),
        meta: vec![],
    }
}

fn refused(change: impl Fn(&mut VerifyingKey)) -> KeyError {
    let mut k = key();
    change(&mut k);
    let error = k.check(&Limits::default()).expect_err("the key must be refused");
    // What is refused in memory is refused as bytes.
    assert!(VerifyingKey::decode(&k.encode()).is_err());
    error
}

#[test]
fn accepts_the_unchanged_key() {
    let k = key();
    k.check(&Limits::default()).unwrap();
    assert_eq!(VerifyingKey::decode(&k.encode()).unwrap(), k);
}

/// The parts of a table of public rows.
fn parts(k: &mut VerifyingKey, table: usize) -> &mut Vec<Part> {
    let Rows::Public(parts) = &mut k.relation.tables[table].rows else { panic!("public rows") };
    parts
}

/// Adds a table of the 24 weights behind their row numbers, and changes it.
fn committed(k: &mut VerifyingKey, change: impl Fn(&mut Vec<u32>, &mut Vec<Expr>)) {
    let (mut space, mut columns) = (vec![4, 6], vec![cells(read(0, &[0, 1]))]);
    change(&mut space, &mut columns);
    k.relation.tables.push(Table::committed("weights", space, columns));
}

#[test]
fn accepts_table_of_committed_rows() {
    let mut k = key();
    committed(&mut k, |_, _| {});
    k.check(&Limits::default()).unwrap();
    assert_eq!(VerifyingKey::decode(&k.encode()).unwrap(), k);
}

/// One test for each change: the field that is named, then the change.
macro_rules! rejects {
    ($($name:ident: $field:literal, $change:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let change: fn(&mut VerifyingKey) = $change;
                let error = refused(change);
                assert_eq!(error.field(), $field, "{error}");
            }
        )*
    };
}

fn output_product(k: &mut VerifyingKey) -> &mut Product {
    &mut k.relation.outputs[0].expr.products[0]
}

fn tuple(k: &mut VerifyingKey) -> &mut Linear {
    &mut k.relation.lookups[0].tuple[0].linear[0]
}

rejects! {
    rejects_tensor_of_no_axes: "tensor shape", |k| k.relation.tensors[0].shape.clear();
    rejects_tensor_with_zero_axis: "tensor shape", |k| k.relation.tensors[0].shape[1] = 0;
    rejects_tensor_too_large: "tensor shape", |k| k.relation.tensors[0].shape = vec![u32::MAX; 3];
    rejects_tensor_whose_size_wraps: "tensor shape", |k| k.relation.tensors[0].shape = vec![1 << 16; 8];
    rejects_public_cells_too_few: "public cells", |k| k.relation.tensors[2].home = Home::Public(vec![1]);
    rejects_public_cells_too_many: "public cells", |k| k.relation.tensors[2].home = Home::Public(vec![1; 7]);
    rejects_public_cell_too_large: "public cell", |k| k.relation.tensors[2].home = Home::Public(vec![i64::MIN; 6]);
    rejects_access_to_missing_tensor: "tensor", |k| output_product(k).lhs.tensor = 4;
    rejects_access_to_multiplicities: "tensor", |k| tuple(k).access.tensor = 5;
    rejects_access_with_missing_axis: "axes", |k| drop(output_product(k).lhs.axes.pop());
    rejects_access_with_extra_axis: "axes", |k| output_product(k).rhs.axes.push(Affine::constant(0));
    rejects_missing_variable: "variable", |k| output_product(k).rhs.axes[0] = Affine::var(2);
    rejects_missing_guard_variable: "variable",
        |k| tuple(k).access.guards.push(Guard { form: Affine::var(1), bound: 3 });
    rejects_variable_twice: "variable",
        |k| tuple(k).access.axes[0].terms = vec![(0, 1), (0, 1)];
    rejects_form_whose_value_wraps: "form", |k| tuple(k).access.axes[0].terms = vec![(0, i64::MAX / 2)];
    rejects_form_with_huge_offset: "form", |k| tuple(k).access.axes[0].offset = i64::MIN;
    rejects_guard_with_huge_coefficient: "form",
        |k| tuple(k).access.guards.push(Guard { form: Affine { terms: vec![(0, i64::MIN)], offset: 0 }, bound: 3 });
    rejects_missing_table: "table", |k| k.relation.lookups[0].table = 2;
    rejects_narrow_tuple: "tuple", |k| k.relation.lookups[0].table = 1;
    rejects_wide_tuple: "tuple", |k| { let e = k.relation.lookups[0].tuple[0].clone(); k.relation.lookups[0].tuple.push(e) };
    rejects_empty_tuple: "tuple", |k| k.relation.lookups[0].tuple.clear();
    rejects_lookup_space_of_no_axes: "look-up space", |k| k.relation.lookups[0].space.clear();
    rejects_lookup_space_with_zero_axis: "look-up space", |k| k.relation.lookups[0].space = vec![0];
    rejects_lookup_space_too_large: "look-up space", |k| k.relation.lookups[0].space = vec![1 << 20, 1 << 20];
    rejects_output_space_of_no_axes: "output space", |k| {
        k.visibility.outputs[0] = IoVisibility::Private;
        k.relation.tensors.truncate(3);
        k.relation.outputs[0].space.clear();
    };
    rejects_table_without_parts: "table parts", |k| parts(k, 1).clear();
    rejects_table_without_columns: "table width", |k| *parts(k, 1) = vec![Part { len: 1, columns: vec![] }];
    rejects_table_of_eighteen_columns: "table width",
        |k| *parts(k, 1) = vec![Part { len: 1, columns: vec![Column::Constant(0); 18] }];
    rejects_ragged_table: "part columns", |k| drop(parts(k, 1)[1].columns.pop());
    rejects_empty_part: "part length", |k| parts(k, 0)[0].len = 0;
    rejects_short_value_column: "value column", |k| parts(k, 1)[0].len = 4;
    rejects_long_value_column: "value column", |k| parts(k, 1)[0].len = 2;
    rejects_huge_table_value: "value column",
        |k| parts(k, 1)[0].columns[1] = Column::Values(vec![1, 2, i64::MAX]);
    rejects_huge_constant_column: "constant column",
        |k| parts(k, 1)[1].columns[0] = Column::Constant(i64::MIN);
    rejects_ramp_that_wraps: "ramp", |k| parts(k, 0)[0].columns[0] = Column::Ramp((1 << 62) - 10);
    rejects_too_many_table_rows: "table rows", |k| parts(k, 0)[0].len = u32::MAX;
    rejects_committed_rows_without_columns: "table width", |k| committed(k, |_, c| c.clear());
    rejects_eighteen_committed_columns: "table width", |k| committed(k, |_, c| *c = vec![c[0].clone(); 17]);
    rejects_committed_rows_of_no_axes: "table space", |k| committed(k, |s, _| s.clear());
    rejects_committed_rows_of_axis_0: "table space", |k| committed(k, |s, _| s[1] = 0);
    rejects_committed_rows_beyond_cells: "table space", |k| committed(k, |s, _| *s = vec![1 << 20, 1 << 20]);
    rejects_too_many_committed_rows: "table rows", |k| committed(k, |s, _| *s = vec![1 << 14, 1 << 14]);
    rejects_committed_rows_of_missing_tensor: "tensor", |k| committed(k, |_, c| c[0].linear[0].access.tensor = 9);
    rejects_committed_rows_of_missing_variable: "variable",
        |k| committed(k, |_, c| c[0].linear[0].access.axes[1] = Affine::var(2));
    rejects_long_summation_in_committed_rows: "walk", |k| committed(k, |_, c| c[0].linear[0].sum = vec![1 << 17, 1 << 17]);
    rejects_constant_shift_of_64: "coefficient shift", |k| k.relation.outputs[0].expr.constant.shift = 64;
    rejects_product_shift_of_64: "coefficient shift", |k| output_product(k).coef.shift = 64;
    rejects_linear_shift_too_large: "coefficient shift", |k| tuple(k).coef.shift = u32::MAX;
    rejects_zero_summation: "summation length", |k| output_product(k).sum = vec![0];
    rejects_huge_summation: "summation size", |k| output_product(k).sum = vec![u32::MAX; 3];
    rejects_long_summation: "walk", |k| output_product(k).sum = vec![6, 1 << 20, 1 << 20];
    rejects_inverted_output_range: "output range", |k| k.relation.outputs[0].lo = 1001;
    rejects_huge_output_range: "output range", |k| k.relation.outputs[0].hi = 1 << 62;
    rejects_negative_huge_output_range: "output range", |k| k.relation.outputs[0].lo = i64::MIN;
    rejects_inverted_input_range: "input range", |k| k.relation.inputs[0].lo = 8;
    rejects_huge_input_range: "input range", |k| k.relation.inputs[0].hi = i64::MAX;
    rejects_input_without_tensor: "input tensor", |k| k.relation.tensors[1].home = Home::Trace;
    rejects_input_that_names_another_tensor: "input tensor", |k| k.relation.inputs[0].tensor = 0;
    rejects_two_tensors_of_one_input: "input tensor", |k| k.relation.tensors[2].home = Home::Input(0);
    rejects_tensor_of_missing_input: "input", |k| k.relation.tensors[2].home = Home::Input(1);
    rejects_tensor_of_missing_output: "output", |k| k.relation.tensors[2].home = Home::Output(1);
    rejects_committed_output_without_tensor: "output tensor", |k| drop(k.relation.tensors.pop());
    rejects_two_tensors_of_one_output: "output tensor",
        |k| k.relation.tensors.push(tensor("again", &[4], Home::Output(0)));
    rejects_output_tensor_of_another_shape: "output tensor", |k| k.relation.tensors[3].shape = vec![2, 2];
    rejects_reading_an_output_that_is_not_committed: "tensor",
        |k| { k.visibility.outputs[0] = IoVisibility::Public; tuple(k).access.tensor = 3 };
    rejects_too_few_input_visibilities: "visibility", |k| k.visibility.inputs.clear();
    rejects_too_many_output_visibilities: "visibility", |k| k.visibility.outputs.push(IoVisibility::Public);
    rejects_too_few_input_heights: "geometry", |k| k.geometry.inputs.clear();
    rejects_too_many_output_heights: "geometry", |k| k.geometry.outputs.push(8);
    rejects_height_zero: "log_height", |k| k.geometry.log_height = 0;
    rejects_height_27: "log_height", |k| k.geometry.log_height = 27;
    rejects_height_255: "log_height", |k| k.geometry.log_height = 255;
    rejects_committed_height_255: "committed height", |k| k.geometry.inputs[0] = 255;
    rejects_trace_top_as_high_as_columns: "trace_top", |k| k.geometry.trace_top = 512;
    rejects_trace_top_that_leaves_no_room: "trace_top", |k| k.geometry.trace_top = 449;
    rejects_io_top_that_leaves_no_room: "io_top", |k| k.geometry.io_top = 225;
    rejects_trace_top_below_openings: "trace_top", |k| k.geometry.trace_top = 16;
    rejects_model_top_above_columns: "model_top", |k| k.geometry.model_top = u32::MAX;
    rejects_model_top_below_openings: "model_top", |k| k.geometry.model_top = 1;
    rejects_io_top_as_high_as_columns: "io_top", |k| k.geometry.io_top = 256;
    rejects_io_top_below_openings: "io_top", |k| k.geometry.io_top = 8;
    rejects_domain_beyond_the_field: "parameters",
        |k| { k.geometry.log_height = 26; k.params.log_inv_rate = 16 };
    rejects_too_many_columns: "columns", |k| { k.relation.tensors[0].shape = vec![4, 1 << 24] };
    rejects_too_many_groups: "groups", |k| {
        // Both operands keep an outer axis to themselves, so the shorter one must be cut.
        let space = vec![1 << 10, 1 << 10, 2];
        k.visibility.outputs[0] = IoVisibility::Private;
        k.relation.tensors[3] = tensor("a", &[1 << 10, 2], Home::Trace);
        let operand = |v: u32| Access { tensor: 3, axes: vec![Affine::var(v), Affine::var(2)], guards: vec![] };
        let p = Product { coef: Coef::int(1), sum: vec![], lhs: operand(0), rhs: operand(1) };
        k.relation.outputs[0].space = space;
        k.relation.outputs[0].expr.products = vec![p; 300];
    };
    rejects_too_many_fractions: "fractions", |k| k.relation.lookups[0].space = vec![1 << 16, 1 << 15];
    rejects_missing_model_commitment: "model commitment", |k| k.model = None;
    rejects_unneeded_model_commitment: "model commitment", |k| k.relation.tensors[0].home = Home::Trace;
}

#[test]
fn accepts_any_height_of_what_is_not_committed() {
    let mut k = key();
    k.visibility.outputs[0] = IoVisibility::Public;
    k.geometry.outputs[0] = 255;
    k.check(&Limits::default()).unwrap();
}

#[test]
fn accepts_the_columns_of_a_large_model_and_no_more() {
    // Of 2^8 cells each, with room for padding.
    let with = |cells: u32| {
        let mut k = key();
        k.relation.tensors[0].shape = vec![4, cells];
        k.check(&Limits::default())
    };
    with(1 << 19).unwrap();
    assert_eq!(with(1 << 20).unwrap_err().field(), "columns");
}

#[test]
fn rejects_more_than_given_limits() {
    let limits = Limits::default();
    let cases = [
        ("tensor shape", Limits { cells: 23, ..limits }),
        ("table rows", Limits { table_rows: 20, ..limits }),
        ("fractions", Limits { fractions: 20, ..limits }),
        ("groups", Limits { groups: 0, ..limits }),
        ("row weights", Limits { weights: 3, ..limits }),
        ("walk", Limits { steps: 3, ..limits }),
        ("row queries", Limits { queries: 28, ..limits }),
        ("log_height", Limits { log_height: 8, ..limits }),
    ];
    for (field, limits) in cases {
        assert_eq!(key().check(&limits).unwrap_err().field(), field);
    }
}

#[test]
fn rejects_key_bytes_that_are_not_canonical() {
    let bytes = key().encode();
    assert!(VerifyingKey::decode(&bytes[..bytes.len() - 1]).is_err());
    assert!(VerifyingKey::decode(&[&bytes[..], &[0]].concat()).is_err());
    assert!(VerifyingKey::decode(&[]).is_err());
    // A longer encoding of the same number.
    let at = bytes.iter().position(|b| *b == 9).unwrap();
    let mut long = bytes.clone();
    long.splice(at..=at, [0x89, 0]);
    assert!(VerifyingKey::decode(&long).is_err());
}

#[test]
fn rejects_damaged_key_bytes_without_panicking() {
    let k = key();
    let bytes = k.encode();
    let mut s = 1u64;
    let mut next = || {
        s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (s >> 33) as usize
    };
    for _ in 0..20_000 {
        let mut b = bytes.clone();
        for _ in 0..1 + next() % 3 {
            let at = next() % b.len();
            b[at] = match next() % 3 {
                0 => b[at] ^ (1 << (next() % 8)),
                1 => 0xff,
                _ => next() as u8,
            };
        }
        // Whatever still decodes is another key, with another name.
        if let Ok(other) = VerifyingKey::decode(&b) {
            assert!(b == bytes || other.digest() != k.digest());
        }
    }
}

#[test]
fn matches_reference_number_of_groups() {
    use proveil_relation::groups::{Cuts, count, split};
    use proveil_relation::layout::Dims;
    let mut seen = std::collections::BTreeSet::new();
    // Every way in which two operands may use three axes, over spaces with and without axes of length 1.
    for shape in [[3u32, 4, 5], [4, 3, 70], [1, 6, 2], [5, 1, 1], [2, 2, 33]] {
        let dims = Dims::new(&shape, 4);
        for uses in 0..64u32 {
            let operand = |bits: u32| {
                let used = |v: &u32| bits >> v & 1 == 1;
                let axes = (0..3).map(|v| if used(&v) { Affine::var(v) } else { Affine::constant(0) }).collect();
                Access { tensor: 0, axes, guards: vec![] }
            };
            let p = Product { coef: Coef::int(1), sum: vec![2], lhs: operand(uses & 7), rhs: operand(uses >> 3) };
            let made = split(0, &dims, &p, Cuts::Shortest).len() as u64;
            assert_eq!(count(&dims, &p), made, "{shape:?} {uses:b}");
            seen.insert(made);
        }
    }
    assert!(seen.len() > 4, "{seen:?}");
}
