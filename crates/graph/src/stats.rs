//! Sizes of a graph: what it costs to run and, roughly, to prove.

use crate::ir::{Graph, Op, Origin};

/// Sizes of a graph. Sums that exceed 64 bits saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Cells of all parameter tensors.
    pub params: u64,
    /// Multiply-adds of all contractions, reads outside the operands included.
    pub macs: u64,
    /// Output cells of the committed operators (all but linear operators, reshapes and contractions).
    pub lookups: u64,
    /// Number of nodes.
    pub nodes: u64,
}

impl Stats {
    /// Counts a graph.
    pub fn of(graph: &Graph) -> Self {
        let product = |lengths: &[usize]| lengths.iter().fold(1u64, |n, &len| n.saturating_mul(len as u64));
        let mut stats = Self { nodes: graph.nodes.len() as u64, ..Self::default() };
        for tensor in graph.tensors.iter().filter(|tensor| tensor.origin == Origin::Param) {
            stats.params = stats.params.saturating_add(product(&tensor.shape));
        }
        for node in &graph.nodes {
            match &node.op {
                Op::Contract(contract) => stats.macs = stats.macs.saturating_add(product(&contract.extents)),
                Op::Linear { .. } | Op::Reshape(_) => {}
                _ => {
                    let cells = graph.get(node.out).map_or(0, |out| product(&out.shape));
                    stats.lookups = stats.lookups.saturating_add(cells);
                }
            }
        }
        stats
    }
}
