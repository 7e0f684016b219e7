//! Several inferences in one graph give what each gives alone, on random graphs.

mod common;

use common::{Source, network, wild};
use proptest::prelude::*;
use proveil_graph::{Builder, Graph, GraphError, Params, Range, batched, run, run_fast};

const BYTE: Range = Range { lo: -128, hi: 127 };

/// Tensors of the batched graph are those of single runs one behind the other, or equal them where all share them.
fn same(
    made: Result<(Graph, Params, Vec<Vec<i64>>), GraphError>,
    count: usize,
    source: &mut Source,
) -> Result<(), TestCaseError> {
    let fail = |e: &dyn std::fmt::Display| TestCaseError::fail(e.to_string());
    let (graph, params, first) = made.map_err(|e| fail(&e))?;
    let mut runs = vec![first];
    while runs.len() < count {
        let more = runs[0].iter().map(|cells| source.bytes(cells.len())).collect();
        runs.push(more);
    }
    let large = batched(&graph, count).map_err(|e| fail(&e))?;
    let joined: Vec<Vec<i64>> =
        (0..graph.inputs.len()).map(|j| runs.iter().flat_map(|r| r[j].clone()).collect()).collect();
    let got = run(&large, &params, &joined).map_err(|e| fail(&e))?;
    prop_assert_eq!(&got, &run_fast(&large, &params, &joined).map_err(|e| fail(&e))?);
    let single: Vec<Vec<Vec<i64>>> =
        runs.iter().map(|r| run(&graph, &params, r)).collect::<Result<_, _>>().map_err(|e| fail(&e))?;
    for (i, tensor) in graph.tensors.iter().enumerate() {
        let all: Vec<i64> = single.iter().flat_map(|s| s[i].clone()).collect();
        let shared = large.tensors[i].shape == tensor.shape;
        prop_assert_eq!(&got[i], if shared { &single[0][i] } else { &all }, "{}", &tensor.name);
        prop_assert!(shared || large.tensors[i].shape[1..] == tensor.shape[..]);
    }
    for (a, b) in graph.outputs.iter().zip(&large.outputs) {
        let all: Vec<i64> = single.iter().flat_map(|s| s[a.0 as usize].clone()).collect();
        prop_assert_eq!(&got[b.0 as usize], &all);
        prop_assert_eq!(large.tensors[b.0 as usize].scale, graph.tensors[a.0 as usize].scale);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_reference_on_random_accesses(seed in any::<u64>(), count in 1usize..5) {
        let source = &mut Source(seed);
        same(wild(source), count, source)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_reference_on_random_networks(seed in any::<u64>(), count in 1usize..4) {
        let source = &mut Source(seed);
        same(network(source), count, source)?;
    }
}

/// Division by what all inferences share, rows of hidden data at shared places, an output without inputs.
fn shared() -> Result<(Graph, Params, Vec<Vec<i64>>), GraphError> {
    let mut b = Builder::new();
    let x = b.input("x", &[3, 2], BYTE, 0)?;
    let w = b.param("w", &[3, 2], Range { lo: 1, hi: 9 }, 5, vec![1, 2, 3, 4, 5, 9])?;
    let index = b.param("index", &[2], Range { lo: 0, hi: 2 }, 0, vec![2, 0])?;
    let ratio = b.div("ratio", x, w, 0)?;
    let inverse = b.combine("inverse", &[(1, x)], 200, 0)?;
    let inverse = b.div("inverted", w, inverse, 0)?;
    let rows = b.gather("rows", ratio, index)?;
    let flipped = b.combine("flipped", &[(-2, w)], 3, 5)?;
    for id in [ratio, inverse, rows, flipped, w] {
        b.output(id)?;
    }
    let (graph, params) = b.finish()?;
    Ok((graph, params, vec![vec![1, -2, 30, 40, -50, 127]]))
}

#[test]
fn matches_reference_where_inferences_share_operands() {
    for count in 1..5 {
        same(shared(), count, &mut Source(count as u64)).unwrap();
    }
}

#[test]
fn rejects_no_inference() {
    let (graph, ..) = shared().unwrap();
    assert_eq!(batched(&graph, 0), Err(GraphError::ZeroAxis { name: "batch".into(), axis: 0 }));
    assert!(matches!(batched(&graph, 1 << 46), Err(GraphError::TooLarge { .. })));
}
