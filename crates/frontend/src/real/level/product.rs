//! Products with levelled tensors: weights take the factors over, so that what comes out has none.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::linear::{Spread, spread};
use super::{Leveller, Levels, tidy, width};
use crate::error::Result;
use crate::real::{RealOp, RealTensor};

impl Leveller<'_> {
    pub(super) fn contraction(&mut self, i: usize, t: &RealTensor, c: &Contract) -> Result<(TensorId, Levels)> {
        let last = c.out.last().copied();
        let old = [c.lhs.tensor, c.rhs.tensor];
        let made = [self.made(old[0])?.clone(), self.made(old[1])?.clone()];
        let mut sides = [c.lhs.clone(), c.rhs.clone()];
        sides.iter_mut().zip(&made).for_each(|(side, (new, _))| side.tensor = *new);
        // Factors of the sides by column of the result.
        let mut own: [Vec<i32>; 2] = [vec![0; width(t)], vec![0; width(t)]];
        for s in 0..2 {
            match spread(&sides[s], &made[s].1, &c.extents) {
                Spread::Even(power) => own[s].fill(power),
                Spread::Along(v, powers) if Some(v) == last => own[s] = powers,
                Spread::Along(v, powers) => match self.absorbed(&sides[1 - s], v, &powers) {
                    Some(scaled) => sides[1 - s].tensor = scaled,
                    None => sides[s].tensor = self.plain(old[s])?,
                },
                Spread::Mixed => sides[s].tensor = self.plain(old[s])?,
            }
        }
        let levels: Levels = own[0].iter().zip(&own[1]).map(|(a, b)| a + b).collect();
        self.product(i, t, c, sides, levels)
    }

    /// The product of two sides, whose columns would have these levels; a constant that varies by column brings them to
    /// what suits the result.
    fn product(
        &mut self,
        i: usize,
        t: &RealTensor,
        c: &Contract,
        mut sides: [Access; 2],
        mut levels: Levels,
    ) -> Result<(TensorId, Levels)> {
        if let (Some(last), true) = (c.out.last(), levels.iter().any(|l| *l != 0)) {
            let mut wanted = self.columns.get(i).map(super::Columns::levels).unwrap_or_default();
            wanted.resize(levels.len(), 0);
            let rest: Vec<i32> = levels.iter().zip(&wanted).map(|(own, wanted)| own - wanted).collect();
            for side in &mut sides {
                if let Some(scaled) = self.absorbed(side, *last, &rest) {
                    side.tensor = scaled;
                    levels = wanted;
                    break;
                }
            }
        }
        let [lhs, rhs] = sides;
        let product = Contract { lhs, rhs, ..c.clone() };
        Ok((self.push(t, RealOp::Contract(product)), tidy(levels)))
    }

    /// A constant times powers of two by the settings of a variable, if one of its axes is that variable.
    fn absorbed(&mut self, access: &Access, v: usize, powers: &[i32]) -> Option<TensorId> {
        let axis = access.axes.iter().position(|form| *form == Affine::var(v))?;
        self.scaled(access.tensor, axis, &|i| powers.get(i).copied().unwrap_or(0))
    }
}
