//! Refresh of a hidden model's commitment, the prover's half of `verifier::refresh`.

use proveil_algebra::{E, F, PrimeCharacteristicRing, eq_table, eq_table_scaled};
use proveil_protocol::channel::Channel;
use proveil_protocol::codec::Leaf;
use proveil_protocol::sample::Point;
use proveil_relation::key::Epoch;
use proveil_verifier::PreparedKey;
use proveil_verifier::refresh::{RefreshError, Sizes, begin, current, label, walk};

use crate::budget::{BudgetError, Store, Use};
use crate::coins::{self, Coins};
use crate::commit::Tree;
use crate::pads::Pads;
use crate::talk::Talk;
use crate::{Committed, ProveError, opening, products};

/// Why no refresh was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// The key has no hidden model.
    #[error(transparent)]
    Key(#[from] RefreshError),
    /// The old commitment is not the one in force.
    #[error("the old tree is not the commitment in force under the key: set the epoch of the key first")]
    NotInForce,
    /// The trees hold different cells.
    #[error("column {column}, cell {cell}: the trees differ; commit to the same model with fresh coins")]
    Differs {
        /// Column of both trees.
        column: usize,
        /// Cell of the column.
        cell: usize,
    },
    /// A refresh of one of the commitments is already used, or its count is not known.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The proof failed.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// A refresh with its proof.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The new commitment and its number.
    pub epoch: Epoch,
    /// Proof bytes.
    pub bytes: Vec<u8>,
    /// Where each message is.
    pub leaves: Vec<Leaf>,
}

/// Proves that `new` holds the model of `old`, the commitment in force under `key`. One use of each is counted in
/// `store` before the proof is returned.
///
/// # Errors
/// See [`RenewError`].
pub fn prove(key: &PreparedKey, old: &Committed, new: &Committed, store: &dyn Store) -> Result<Refresh, RenewError> {
    let sizes = Sizes::new(key)?;
    if current(key) != Some(old.sampled()) {
        return Err(RenewError::NotInForce);
    }
    let valid = (1usize << sizes.log_height) - sizes.top;
    for (column, (a, b)) in old.tree.columns().iter().zip(new.tree.columns()).enumerate() {
        if let Some(cell) = (0..valid).find(|i| a.get(*i) != b.get(*i)) {
            return Err(RenewError::Differs { column, cell });
        }
    }
    let both = [old.commitment(), new.commitment()];
    for c in &both {
        store.read(c)?.spend(c, Use::Refresh)?;
    }
    let coins = Coins::fresh(&[&key.digest, &both[0].to_bytes(), &both[1].to_bytes()]);
    let proof = prove_with(key, old, new, &coins)?;
    for c in &both {
        store.spend(c, Use::Refresh)?;
    }
    Ok(proof)
}

/// [`prove`] with given coins, uncounted and whatever the trees hold, for tests.
///
/// # Errors
/// As [`prove`].
#[doc(hidden)]
pub fn prove_with(key: &PreparedKey, old: &Committed, new: &Committed, coins: &Coins) -> Result<Refresh, RenewError> {
    let sizes = Sizes::new(key)?;
    let number = key.epoch.as_ref().map_or(0, |e| e.number).saturating_add(1);
    let epoch = Epoch { number, model: new.sampled() };
    let (bytes, leaves) = send(key, &sizes, [old, new], &epoch, coins)?;
    Ok(Refresh { epoch, bytes, leaves })
}

fn send(
    key: &PreparedKey,
    sizes: &Sizes,
    both: [&Committed; 2],
    epoch: &Epoch,
    coins: &Coins,
) -> Result<(Vec<u8>, Vec<Leaf>), ProveError> {
    let params = &key.key.params;
    let start = begin(key, epoch);
    let mut talk = Talk::new(start.clone(), None);
    let mask = mask(sizes, usize::from(params.log_inv_rate), coins)?;
    talk.commitment(label::MASK, &mask.commitment());
    let pads = Pads::new(sizes.shape(), params, coins)?;
    talk.commitment("pads", &pads.tree.commitment());
    talk.hide(pads.shared(), pads.shape());
    let (tau, alpha) = messages(&mut talk, sizes, both, &mask);
    let coeffs = sizes.coefficients(&alpha);
    let trees = [&both[0].tree, &both[1].tree, &mask];
    let value =
        opening::prove(&mut talk.transcript, &mut talk.writer, params, sizes.log_height, &trees, &coeffs, &tau)?;
    let so_far = talk.writer.as_bytes().to_vec();
    let mut ch = Channel::<E>::new(start, &so_far, true);
    walk(&mut ch, sizes, both.map(Committed::sampled))?.tie(&mut ch, value)?;
    ch.transcript = talk.transcript.clone();
    pads.prove(ch, &mut talk.writer, params);
    Ok(talk.writer.finish())
}

/// A mask that is uniform on every cell.
fn mask(sizes: &Sizes, rate: usize, coins: &Coins) -> Result<Tree, ProveError> {
    let column = |k| {
        let mut c = vec![coins::ZERO; 1 << sizes.log_height];
        coins.stream("refresh mask", k).fill(&mut c);
        c
    };
    Ok(Tree::commit((0..3).map(column).collect(), rate, Some(coins.bytes("refresh mask salts")))?)
}

/// Sumcheck and column values; returns the point and the coefficients.
fn messages(talk: &mut Talk<'_>, sizes: &Sizes, both: [&Committed; 2], mask: &Tree) -> (Vec<E>, Vec<E>) {
    let trees = both.map(|c| &c.tree);
    let lambda: E = talk.transcript.challenge(label::POINT);
    let r: Vec<E> = talk.transcript.challenges(label::POINT, sizes.log_height);
    let mu: E = talk.transcript.challenge(label::POINT);
    let mut weight = eq_table(&r);
    let valid = weight.len() - sizes.top;
    weight[valid..].fill(E::ZERO);
    let mut difference = vec![E::ZERO; weight.len()];
    for (tree, sign) in trees.into_iter().zip([E::ONE, -E::ONE]) {
        let mut power = sign;
        for column in tree.columns() {
            difference.iter_mut().zip(column).for_each(|(d, x)| *d += power * *x);
            power *= lambda;
        }
    }
    let sample = |c: &Committed, mu: E| {
        let p = Point::<E>::of(&c.commitment(), sizes.log_height, sizes.columns);
        [eq_table_scaled(&p.at, mu), c.sample.cells.clone()]
    };
    let pairs = [[weight, difference], sample(both[0], mu), sample(both[1], mu * mu)];
    let (tau, _) = products::inner_products(talk, label::ROUND, sizes.log_height, pairs);
    let eq = eq_table(&tau);
    let at = |c: &Vec<F>| eq.iter().zip(c).fold(E::ZERO, |a, (e, x)| a + *e * *x);
    for tree in trees {
        tree.columns().iter().for_each(|c| talk.message(label::COLUMN, at(c)));
    }
    let basis = sizes.coefficients(&[]);
    let value = mask.columns().iter().zip(basis).fold(E::ZERO, |a, (c, b)| a + b * at(c));
    talk.message(label::MASK_VALUE, value);
    let alpha = talk.transcript.challenges(label::ALPHA, 2 * sizes.columns);
    (tau, alpha)
}
