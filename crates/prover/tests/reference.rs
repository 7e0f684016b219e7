//! Every fast kernel of the phases against the slow reference, on relations of every shape and on random ones.

mod support;

#[path = "reference/cases.rs"]
mod cases;
#[path = "reference/checks.rs"]
mod checks;
#[path = "reference/random.rs"]
mod random;

use checks::{Trial, claims, columns, fractions, products, reduction, shares, tables, zerocheck};
use proptest::prelude::*;
use proveil_algebra::{E, F, Field, PrimeCharacteristicRing};
use proveil_prover::reference::{eq, extension};
use proveil_relation::key::IoVisibility::{self, Committed, Private, Public};
use proveil_relation::weights::{eq_points_below, eq_segment, eq_sum};
use proveil_relation::{Access, Affine, Home, Relation, TensorDecl};
use support::{Rng, relations};

/// All small relations with the smallest column height that suits them.
fn relations() -> Vec<(&'static str, Relation, u8)> {
    let mut out: Vec<(&str, Relation, u8)> = relations::all().into_iter().map(|(n, c)| (n, c.relation, 7)).collect();
    out.push(("convolutions", cases::convolutions(), 8));
    out.push(("attention", cases::attention(), 7));
    out.push(("lengths", cases::lengths(), 8));
    out.push(("long", cases::long(), 13));
    out.push(("tables", cases::tables(), 7));
    out.push(("columns", cases::columns(), 7));
    out
}

/// Every relation, plain and hiding, with inputs and outputs of every visibility.
fn all(check: impl Fn(&Trial)) {
    let modes: [(bool, &[IoVisibility], &[IoVisibility], u64); 5] = [
        (false, &[Public], &[Public], 5),
        (true, &[Private], &[Public], 1000),
        (true, &[Committed], &[Committed], 9),
        (false, &[Committed, Public], &[Private, Committed], 1 << 40),
        (true, &[Public, Committed], &[Committed, Private], 1 << 16),
    ];
    for (name, relation, log_height) in relations() {
        random::well_formed(&relation, log_height).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (i, (zero_knowledge, inputs, outputs, size)) in modes.iter().enumerate() {
            let name = format!("{name}, mode {i}");
            let seed = 100 + i as u64;
            check(&Trial::new(&name, &relation, log_height, *zero_knowledge, inputs, outputs, seed, *size as i64));
        }
    }
}

#[test]
fn matches_reference_columns() {
    all(columns);
}

#[test]
fn matches_reference_fractions() {
    all(fractions);
}

#[test]
fn matches_reference_zerocheck() {
    all(zerocheck);
}

#[test]
fn matches_reference_products() {
    all(products);
}

#[test]
fn matches_reference_claims() {
    all(claims);
}

#[test]
fn matches_reference_shares_of_functionals() {
    all(shares);
}

#[test]
fn matches_reference_reduction() {
    all(reduction);
}

#[test]
fn matches_reference_tables() {
    for (_, relation, _) in relations() {
        tables(&relation);
    }
}

#[test]
fn matches_reference_sums_in_limbs() {
    // One thread, so that one accumulator takes more rows than it may add up before it reduces.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    for size in [1 << 16, 1 << 40] {
        let relation = cases::tall(66_000);
        let t = Trial::new("tall", &relation, 16, false, &[], &[Public], 3, size);
        pool.install(|| products(&t));
    }
    // Integers and a limb of every weight, `delta^2 / 2^18 = -1`, as large as they get, and more rows than a machine
    // integer holds then, for each of the four parts that one thread makes of them.
    let relation = cases::tall(132_000);
    let mut t = Trial::new("tall", &relation, 16, false, &[], &[Public], 3, 1);
    assert_eq!(t.layout.out_vars, 18);
    t.values.iter_mut().flatten().for_each(|v| *v = -(1 << 16));
    t.point.rho.iter_mut().for_each(|x| *x = E::TWO.inverse());
    t.point.delta = E::from(F::from_u64(1 << 57));
    t.lift();
    pool.install(|| products(&t));
}

#[test]
fn matches_reference_equality_segments() {
    let mut rng = Rng(21);
    for bits in 0..9 {
        let pt: Vec<E> = (0..bits).map(|_| rng.element()).collect();
        for _ in 0..40 {
            let (start, len) = (rng.below((1 << bits) + 2), rng.below((1 << bits) + 3));
            let expected: Vec<E> = (start..start + len).map(|x| eq(&pt, x)).collect();
            assert_eq!(eq_segment(&pt, start, len), expected, "{bits} bits, {len} cells from {start}");
            let sum = expected.iter().fold(E::ZERO, |a, x| a + *x);
            assert_eq!(eq_sum(&pt, start + len) - eq_sum(&pt, start), sum, "{bits} bits, {len} cells from {start}");
        }
        let [other, third]: [Vec<E>; 2] = [0, 1].map(|_| (0..bits).map(|_| rng.element()).collect());
        let (mut sum, mut sum_of_three) = (E::ZERO, E::ZERO);
        for len in 0..(1 << bits) + 2 {
            assert_eq!(eq_points_below(&pt, &[&other], len), sum, "{bits} bits, {len} cells");
            let of_three = eq_points_below(&pt, &[&other, &third], len);
            assert_eq!(of_three, sum_of_three, "{bits} bits, {len} cells");
            let two = eq(&pt, len) * eq(&other, len);
            (sum, sum_of_three) = (sum + two, sum_of_three + two * eq(&third, len));
        }
        let values: Vec<E> = (0..1 << bits).map(|_| rng.element()).collect();
        assert_eq!(proveil_algebra::eval_mle(&values, &pt), extension(&values, &pt));
    }
}

/// Shape of a tensor, free indices, summed indices, a form for each axis.
type Case = (&'static [u32], &'static [u32], &'static [usize], Vec<Affine>);

/// Accesses that are read in other rows than they are written: columns of a table, slices, whole outer axes.
#[test]
fn matches_reference_rewritten_accesses() {
    let var = Affine::var;
    let form = |terms: &[(u32, i64)], offset| Affine { terms: terms.to_vec(), offset };
    let cases: [Case; 11] = [
        (&[5, 12], &[5, 3], &[4], vec![var(0), form(&[(1, 1), (2, 3)], 0)]),
        (&[5, 40], &[5, 6], &[5], vec![var(0), form(&[(1, 1), (2, 6)], 7)]),
        (&[4, 33], &[4, 9], &[3], vec![var(0), form(&[(1, 3), (2, 1)], 4)]),
        (&[4, 20], &[4, 13], &[], vec![var(0), form(&[(1, 1)], 5)]),
        (&[4, 64], &[4, 33], &[], vec![var(0), form(&[(1, -1)], 40)]),
        (&[4, 20], &[4, 2], &[], vec![var(0), form(&[], 17)]),
        (&[4, 3, 8], &[4, 3], &[8], vec![var(0), var(1), var(2)]),
        (&[4, 3, 2, 8], &[4, 3, 2], &[5], vec![var(0), var(1), var(2), form(&[(3, 1)], 3)]),
        (&[4, 3, 8], &[4, 3, 8], &[2], vec![var(0), var(1), var(2)]),
        (&[4, 3, 16], &[4, 3, 5], &[], vec![var(0), var(1), form(&[(2, 1)], 9)]),
        (&[4, 3, 16], &[4, 3], &[], vec![var(0), var(1), form(&[], 13)]),
    ];
    let mut rng = Rng(77);
    for (shape, space, sum, axes) in cases {
        let mut r = Relation::default();
        r.tensors.push(TensorDecl { name: "t".into(), shape: shape.to_vec(), home: Home::Trace });
        let extents: Vec<usize> = space.iter().map(|n| *n as usize).chain(sum.iter().copied()).collect();
        let access = Access { tensor: 0, axes, guards: vec![] };
        (0..200).for_each(|_| random::walk(&r, &mut rng, space, &extents, &access));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn matches_reference_on_random_relations(seed in any::<u64>()) {
        let Some(r) = random::relation(seed) else { return Err(TestCaseError::reject("ill-formed")) };
        let modes = [Public, Private, Committed];
        let mut rng = Rng(seed);
        let (i, o) = (modes[rng.below(3)], modes[rng.below(3)]);
        let size = [3, 1 << 16, 1 << 50][rng.below(3)];
        let t = Trial::new(&format!("random {seed}"), &r, 7, rng.below(2) == 1, &[i], &[o], seed, size);
        columns(&t);
        fractions(&t);
        zerocheck(&t);
        products(&t);
        claims(&t);
        shares(&t);
        reduction(&t);
    }

    #[test]
    fn matches_reference_on_random_walks(seed in any::<u64>()) {
        let Some(r) = random::relation(seed) else { return Err(TestCaseError::reject("ill-formed")) };
        random::walks(&r, &mut Rng(seed ^ 1));
    }
}
