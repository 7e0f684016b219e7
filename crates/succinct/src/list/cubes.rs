//! Joins products whose indices differ in one lowest bit into one that stands for both, size by size.

use proveil_algebra::{PrimeCharacteristicRing, Scalar};

use super::Key;
use crate::tables::{Kind, Low};

/// Adds what is equal up to the weight, drops zeros, and sorts.
pub fn collect(products: &mut Vec<(Key, Scalar)>) {
    products.sort_unstable_by_key(|p| p.0);
    products.dedup_by(|next, first| {
        let same = next.0 == first.0;
        if same {
            first.1 += next.1;
        }
        same
    });
    products.retain(|p| p.1 != Scalar::ZERO);
}

/// Joins the cubes of one term, which are single cells, under the kind that leaves fewest.
pub fn join(mut products: Vec<(Key, Scalar)>) -> Vec<(Key, Scalar)> {
    collect(&mut products);
    let mut best = None;
    for kind in [Kind::Addresses, Kind::Cells, Kind::AddressesCells, Kind::IndicesCells, Kind::All] {
        let joined = join_as(&products, kind);
        if best.as_ref().is_none_or(|b: &Vec<(Key, Scalar)>| joined.len() < b.len()) {
            best = Some(joined);
        }
    }
    best.unwrap_or(products)
}

/// Whether a sum of this kind may be over products of this monomial: what it steps through is read from bit 0 on.
fn fits(key: &Key, kind: Kind) -> bool {
    let [address, index, cell] = kind.steps();
    (!address || key.mono.reads_lowest_address())
        && (!index || key.mono.reads_index())
        && (!cell || key.mono.reads_cell())
}

fn join_as(products: &[(Key, Scalar)], kind: Kind) -> Vec<(Key, Scalar)> {
    let steps = kind.steps();
    let (mut out, mut level): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for p in products {
        if fits(&p.0, kind) { level.push(*p) } else { out.push(*p) }
    }
    let mut size = 0u8;
    while !level.is_empty() {
        let bit = 1u32 << size;
        let mut taken = vec![false; level.len()];
        let mut next = Vec::new();
        for (i, (key, weight)) in level.iter().enumerate() {
            // The lower half of a cube: all that step end in zeros.
            if taken[i] || key.at.iter().zip(steps).any(|(x, s)| s && x & (2 * bit - 1) != 0) {
                continue;
            }
            let mut partner = *key;
            partner.at.iter_mut().zip(steps).filter(|(_, s)| *s).for_each(|(x, _)| *x |= bit);
            let Ok(j) = level.binary_search_by_key(&partner, |p| p.0) else { continue };
            if level[j].1 == *weight && !taken[j] {
                (taken[i], taken[j]) = (true, true);
                let low = Low { kind, bits: size + 1 };
                next.push((Key { low, ..*key }, *weight));
            }
        }
        out.extend(level.iter().zip(&taken).filter(|(_, t)| !**t).map(|(p, _)| *p));
        next.sort_unstable_by_key(|p| p.0);
        level = next;
        size += 1;
    }
    out
}
