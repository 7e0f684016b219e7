//! Random small graphs: lowering never fails on what the builder accepts, and everything agrees.

mod common;

use common::{Case, Rng, range};
use proptest::prelude::*;
use proveil_graph::{Builder, GraphError, TensorId};

/// Adds one operator chosen by the generator; what the builder refuses is left out.
fn grow(b: &mut Builder, pool: &[TensorId], rng: &mut Rng, i: usize) -> Result<TensorId, GraphError> {
    let pick = |rng: &mut Rng| pool[rng.next() as usize % pool.len()];
    let (x, y) = (pick(rng), pick(rng));
    let shape = b.tensor(x)?.shape.clone();
    let name = format!("n{i}");
    let small = range(-3, 3);
    match rng.next() % 18 {
        0 => b.combine(&name, &[(rng.within(small), x), (rng.within(small), y)], rng.within(small), 0),
        1 => b.mul(&name, x, y),
        2 => b.matmul(&name, x, y),
        3 => {
            let mut perm: Vec<usize> = (0..shape.len()).collect();
            perm.rotate_left(1.min(shape.len()));
            b.transpose(&name, x, &perm)
        }
        4 => {
            let cells: usize = shape.iter().product();
            let first = [1, 2, 3, 4, 6, cells][rng.next() as usize % 6];
            b.reshape(&name, x, &[first, cells / first])
        }
        5 => {
            let pads: Vec<usize> = shape.iter().map(|_| rng.next() as usize % 2).collect();
            b.pad(&name, x, &pads, &pads)
        }
        6 => {
            let steps: Vec<i64> = shape.iter().map(|_| [1, -1][rng.next() as usize % 2]).collect();
            let ends = shape.iter().zip(&steps).map(|(n, s)| if *s == 1 { 0 } else { n - 1 });
            b.slice(&name, x, &ends.collect::<Vec<_>>(), &shape, &steps)
        }
        7 => b.concat(&name, &[x, y], 0),
        8 => b.sum(&name, x, &[rng.next() as usize % shape.len().max(1)], rng.next().is_multiple_of(2)),
        9 | 10 => {
            let len = [1i64, 2, 8, 64][rng.next() as usize % 4];
            let lo = if len > 1 && rng.next().is_multiple_of(2) { -len / 2 } else { 0 };
            let values = rng.cells(len as usize, range(-20, 20));
            let table = b.table(&format!("t{i}"), lo, values)?;
            let shift = (rng.next() % 6) as u32;
            b.lookup(&name, x, shift, table, 0)
        }
        11 => {
            let square = b.mul(&format!("{name}/square"), y, y)?;
            let den = b.combine(&format!("{name}/den"), &[(1, square)], 1, 0)?;
            let num = b.broadcast(&format!("{name}/num"), x, &b.tensor(den)?.shape.clone())?;
            b.div(&name, num, den, 0)
        }
        12 => {
            let square = b.mul(&format!("{name}/square"), x, x)?;
            b.sqrt(&name, square, 0)
        }
        13 => b.arg_max_one_hot(&name, x),
        14 => b.max(&name, x, y),
        15 | 16 => {
            let hot = b.arg_max_one_hot(&format!("{name}/hot"), x)?;
            let index = b.one_hot_index(&format!("{name}/index"), hot)?;
            let turned = (0..b.tensor(y)?.shape.len()).rev().collect::<Vec<_>>();
            let data = if rng.next().is_multiple_of(2) { b.transpose(&format!("{name}/data"), y, &turned)? } else { y };
            b.gather(&name, data, index)
        }
        _ => {
            let hot = b.arg_max_one_hot(&format!("{name}/hot"), x)?;
            let index = b.one_hot_index(&format!("{name}/index"), hot)?;
            b.one_hot(&name, index, shape.last().copied().unwrap_or(1))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn accepts_random_graphs(seed in 1u64.., steps in 1usize..9, limb_bits in prop::option::of(1u32..=16)) {
        let mut rng = Rng(seed);
        let mut b = Builder::new();
        let r = range(-20, 20);
        let x = b.input("x", &[2, 3, 4], r, 0).expect("input");
        let v = b.input("v", &[4, 3], range(0, 6), 0).expect("input");
        let w = b.param("w", &[4, 4], r, 0, rng.cells(16, r)).expect("param");
        let c = b.constant("c", &[3, 4], rng.cells(12, r), 0).expect("constant");
        let mut pool = vec![x, v, w, c];
        for i in 0..steps {
            if let Ok(id) = grow(&mut b, &pool, &mut rng, i)
                && b.tensor(id).is_ok_and(|t| t.cells() <= 256 && t.range.lo > -(1 << 40) && t.range.hi < 1 << 40)
            {
                pool.push(id);
            }
        }
        for id in pool.iter().rev().take(3) {
            b.output(*id).expect("output");
        }
        let (graph, params) = b.finish().expect("graph");
        let inputs = [rng.cells(24, r), rng.cells(12, range(0, 6))];
        Case::new(graph, &params, &inputs, limb_bits).accept();
    }
}
