//! Sizes of a graph: what it costs to run and, roughly, to prove.

use crate::ir::{Graph, Op, Origin, TensorId};

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

/// Widths in bits that a committed digit may have.
const DIGIT_BITS: (u32, u32) = (8, 16);

/// Bits of the digits that wide numbers are cut into in a proof: so many that the table of a digit is not longer than
/// what is looked up in it. A look-up that drops more bits than this has more than one digit to commit.
#[must_use]
pub fn digit_bits(graph: &Graph) -> u32 {
    let cells =
        |id: TensorId| graph.get(id).map_or(0, |t| t.shape.iter().fold(1usize, |n, &len| n.saturating_mul(len)));
    let exact = |op: &Op| matches!(op, Op::Linear { .. } | Op::Reshape(_) | Op::Contract(_));
    let nodes = graph.nodes.iter().filter(|n| !exact(&n.op)).map(|n| cells(n.out));
    let total = nodes.chain(graph.inputs.iter().map(|&id| cells(id))).fold(0usize, usize::saturating_add);
    total.max(1).ilog2().clamp(DIGIT_BITS.0, DIGIT_BITS.1)
}
