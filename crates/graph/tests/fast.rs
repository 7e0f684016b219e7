//! The fast evaluator gives what the slow one gives, on random graphs.

mod common;

use common::{Source, network, wide, wild};
use proptest::prelude::*;
use proveil_graph::{Graph, GraphError, Params, run, run_fast};

fn same(made: Result<(Graph, Params, Vec<Vec<i64>>), GraphError>) -> Result<(), TestCaseError> {
    let (graph, params, inputs) = made.map_err(|e| TestCaseError::fail(e.to_string()))?;
    let slow = run(&graph, &params, &inputs).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let fast = run_fast(&graph, &params, &inputs).map_err(|e| TestCaseError::fail(e.to_string()))?;
    for (i, tensor) in graph.tensors.iter().enumerate() {
        prop_assert_eq!(&slow[i], &fast[i], "{}", &tensor.name);
        let outside = slow[i].iter().find(|&&v| v < tensor.range.lo || v > tensor.range.hi);
        prop_assert!(outside.is_none(), "{} leaves its range {:?}: {:?}", &tensor.name, tensor.range, outside);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_reference_on_random_accesses(seed in any::<u64>()) {
        same(wild(&mut Source(seed)))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_reference_on_random_networks(seed in any::<u64>()) {
        same(network(&mut Source(seed)))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_reference_on_parallel_products(seed in any::<u64>(), rows in 1usize..40) {
        same(wide(&mut Source(seed), rows))?;
    }
}
