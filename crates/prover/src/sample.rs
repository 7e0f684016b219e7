//! The sample of a committed tree, the prover's half of `proveil_protocol::sample`: the combination of its columns,
//! which depends on the commitment alone and serves every proof.

use proveil_algebra::{E, F, PrimeCharacteristicRing, eq_table};
use proveil_protocol::sample::Point;

use crate::commit::Tree;
use crate::opening::combine;
use crate::packed;

/// Combined columns and their value.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// `sum_c weight^c f_c`, cell by cell.
    pub(crate) cells: Vec<E>,
    /// Its multilinear extension at the sample's point.
    pub(crate) value: E,
}

impl Sample {
    /// Of a tree; one pass over its cells.
    pub(crate) fn new(tree: &Tree) -> Self {
        let columns: Vec<&[F]> = tree.columns().iter().map(Vec::as_slice).collect();
        let point = Point::<E>::of(&tree.commitment(), tree.log_height(), columns.len());
        let powers = std::iter::successors(Some(E::ONE), |w| Some(*w * point.weight));
        let weights: Vec<E> = powers.take(columns.len()).collect();
        let cells = combine(&columns, &weights, 1 << tree.log_height());
        let value = packed::dot(&eq_table(&point.at), &cells);
        Self { cells, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_algebra::eval_mle;

    #[test]
    fn matches_reference_value_of_columns_at_the_point() {
        let column = |c: u64| (0..16).map(|i| F::from_u64(i * i * 1_000_003 + c)).collect::<Vec<F>>();
        let tree = Tree::commit((0..5).map(column).collect(), 2, Some([3; 32])).unwrap();
        let p = Point::<E>::of(&tree.commitment(), 4, 5);
        let mut expected = E::ZERO;
        for c in (0..5).rev() {
            let cells: Vec<E> = column(c).into_iter().map(E::from).collect();
            expected = expected * p.weight + eval_mle(&cells, &p.at);
        }
        assert_eq!(Sample::new(&tree).value, expected);
    }
}
