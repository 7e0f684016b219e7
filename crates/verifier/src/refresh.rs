//! Refresh of a hidden model's commitment: two trees hold the same cells, whatever their random cells.
//!
//! A commitment that is opened often uses up its random cells. Its owner commits to the same model with fresh random
//! cells and salts, and proves `sum_c lambda^c sum_x eq(r, x) valid(x) (old_c(x) - new_c(x)) = 0` with `lambda` and `r`
//! drawn after both roots; `valid` is 1 below the random cells and 0 on them. Joined with it, by powers of `mu`, is that
//! both trees have the values of their samples, so that it is their one codeword each that is compared. The model keeps
//! its name, the key's digest; the commitment in force is the last of a chain of refreshes from the key's own
//! ([`verify_chain`]).
//!
//! **Messages**: root of the mask; root of the pads | `lambda`, `r`, `mu` | rounds of the sumcheck; every column of both trees
//! and the mask at its point | coefficients | opening of the combination of both trees and the mask; inner claim of
//! the pads. Nothing is a product of hidden values.
//!
//! # Soundness
//! For each member of the list that the trees are bound to: `(columns - 1 + l)/|E|` for `lambda` and `r`, `2/|E|` for
//! `mu`, `2/|E|` a round; then the combination, the opening and the pads as in every proof.

use alloc::vec::Vec;

use proveil_algebra::{Challenge, E, InTurn, PrimeCharacteristicRing, eq_index, eq_points};
use proveil_protocol::channel::{Channel, Message, ProofError, Shape, Value};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::opening::{self, Combination, TreeShape};
use proveil_protocol::sample::{Point, Sampled};
use proveil_protocol::transcript::Transcript;
use proveil_protocol::{pads, sumcheck};
use proveil_relation::key::{Epoch, PROTOCOL};
use proveil_relation::layout::{TreeKind, TreePlan};

use crate::{PreparedKey, tree_coefficients};

/// Why a refresh is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// There is no hidden model to refresh.
    #[error("the key has no hidden model: its commitment never needs a refresh")]
    NoModel,
    /// Refreshes do not follow one another.
    #[error("epoch {got}: after the commitment in force comes epoch {expected}; check the refreshes in order")]
    Number {
        /// Number that comes next.
        expected: u32,
        /// Number given.
        got: u32,
    },
    /// The new tree shows its rows.
    #[error("epoch {number}: the new commitment has no salts; commit to the model with fresh coins")]
    Plain {
        /// Its number.
        number: u32,
    },
    /// The proof is refused.
    #[error("epoch {number}: {source}")]
    Proof {
        /// Its number.
        number: u32,
        /// Why.
        source: ProofError,
    },
}

/// Names of messages and challenges.
pub mod label {
    /// What is bound first.
    pub const REFRESH: &str = "refresh";
    /// Root of the mask.
    pub const MASK: &str = "refresh mask root";
    /// `lambda`, `r` and `mu`.
    pub const POINT: &str = "refresh point";
    /// Sumcheck rounds.
    pub const ROUND: &str = "refresh round";
    /// A column at the point.
    pub const COLUMN: &str = "refresh column";
    /// The mask at the point.
    pub const MASK_VALUE: &str = "refresh mask";
    /// Combination coefficients.
    pub const ALPHA: &str = "refresh combination";
}

/// Sizes of the trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Logarithm of the column height.
    pub log_height: usize,
    /// Random cells of a column.
    pub top: usize,
    /// Columns of the model tree.
    pub columns: usize,
}

impl Sizes {
    /// From a key.
    ///
    /// # Errors
    /// `NoModel`.
    pub fn new(key: &PreparedKey) -> Result<Self, RefreshError> {
        let plan = key.layout.trees.iter().find(|t| t.kind == TreeKind::Model).ok_or(RefreshError::NoModel)?;
        let top = plan.top.ok_or(RefreshError::NoModel)?;
        let log_height = key.layout.heights.get(plan.group).copied().unwrap_or(0);
        Ok(Self { log_height, top, columns: plan.columns })
    }

    /// `sum over valid x of eq(r, x) eq(tau, x)`: all cells less the top ones.
    pub fn weight_at<K: Challenge>(&self, r: &[K], tau: &[K]) -> K {
        let valid = (1usize << r.len().min(tau.len())).saturating_sub(self.top);
        let (mut at, mut sum) = (0, K::ZERO);
        // Aligned blocks, the largest first: the bits of the number of valid cells.
        for k in (0..usize::BITS as usize).rev().filter(|k| valid >> k & 1 == 1) {
            let split = |x: &[K]| (x.get(..k).map(<[K]>::to_vec), x.get(k..).map(<[K]>::to_vec));
            if let ((Some(r_low), Some(r_high)), (Some(t_low), Some(t_high))) = (split(r), split(tau)) {
                let block = (at >> k) as u64;
                sum += eq_points(&r_low, &t_low) * eq_index(&r_high, block) * eq_index(&t_high, block);
            }
            at += 1 << k;
        }
        sum
    }

    /// Coefficients of old columns, new columns and mask in the combination.
    #[must_use]
    pub fn coefficients(&self, alpha: &[E]) -> Vec<E> {
        let mask = TreePlan {
            kind: TreeKind::Mask,
            group: 0,
            top: Some(0),
            columns: 0,
            mask: true,
            public: false,
            sampled: false,
        };
        alpha.iter().copied().chain(tree_coefficients(&mask, &[])).collect()
    }

    /// Pads and messages of a refresh proof.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let mut ch = Channel::<E>::dry(true);
        let nothing = Sampled { commitment: Commitment::plain([0; 32]), value: E::ZERO };
        // A dry run cannot fail: every message reads as zero and nothing is checked.
        if let Ok(end) = walk(&mut ch, self, [nothing; 2]) {
            let _ = end.tie(&mut ch, E::ZERO);
        }
        ch.shape().clone()
    }
}

/// Where the messages end: one claim about the combination.
#[derive(Clone, Debug)]
pub struct End<K> {
    /// Root of the mask.
    pub mask: Commitment,
    /// The point.
    pub tau: Vec<K>,
    /// Coefficients of old and new columns.
    pub alpha: Vec<K>,
    evaluations: Vec<Message<K>>,
}

impl<K: Challenge> End<K> {
    /// The combination's value is the combination of the columns' values; the mask is last and has coefficient 1.
    ///
    /// # Errors
    /// `Check { "refresh combination" }` on the plain channel.
    pub fn tie(&self, ch: &mut Channel<'_, K>, value: K) -> Result<(), ProofError> {
        let mut sum = Value::known(-value);
        for (i, m) in self.evaluations.iter().enumerate() {
            sum.add_scaled(&m.value(), self.alpha.get(i).copied().unwrap_or(K::ONE));
        }
        ch.zero(sum, "refresh combination")
    }
}

/// The commitment in force under a key.
#[must_use]
pub fn current(key: &PreparedKey) -> Option<Sampled> {
    key.epoch.as_ref().map(|e| e.model).or(key.key.model)
}

/// Binds key, commitment in force and the next one.
#[must_use]
pub fn begin(key: &PreparedKey, next: &Epoch) -> Transcript {
    let mut t = Transcript::new(PROTOCOL);
    t.absorb(label::REFRESH, &key.digest);
    t.absorb(label::REFRESH, &current(key).map_or(Vec::new(), |c| c.to_bytes()));
    t.absorb(label::REFRESH, &next.number.to_le_bytes());
    t.absorb(label::REFRESH, &next.model.to_bytes());
    t
}

/// All messages up to the coefficients, from the commitments to the old and the new tree.
///
/// # Errors
/// `Decode`, and on the plain channel `Check`.
pub fn walk<K: Challenge>(ch: &mut Channel<'_, K>, sizes: &Sizes, trees: [Sampled; 2]) -> Result<End<K>, ProofError> {
    let mask = ch.commitment(label::MASK)?;
    ch.pads_commitment()?;
    let lambda = ch.challenge(label::POINT);
    let r = ch.challenges(label::POINT, sizes.log_height);
    let mu: K = ch.challenge(label::POINT);
    let [old, new] = trees.map(|t| t.value_in::<K>());
    let target = Value::known(mu * old + mu * mu * new);
    let end = sumcheck::verify(ch, label::ROUND, sizes.log_height, 2, None, target)?;
    let weight = sizes.weight_at(&r, &end.point);
    let mut sum = end.value * -K::ONE;
    let mut evaluations = Vec::with_capacity(2 * sizes.columns + 1);
    for ((tree, sign), mu) in trees.iter().zip([K::ONE, -K::ONE]).zip([mu, mu * mu]) {
        let mut power = sign * weight;
        let sample = Point::of(&tree.commitment, sizes.log_height, sizes.columns);
        for own in sample.column_weights(&end.point).take(sizes.columns) {
            let m = ch.message(label::COLUMN)?;
            sum.add_scaled(&m.value(), power + mu * own);
            evaluations.push(m);
            power *= lambda;
        }
    }
    evaluations.push(ch.message(label::MASK_VALUE)?);
    ch.zero(sum, "refreshed cells")?;
    let alpha = ch.challenges(label::ALPHA, 2 * sizes.columns);
    Ok(End { mask, tau: end.point, alpha, evaluations })
}

/// Accepts a proof that `next` commits to the model in force under `key`.
///
/// # Errors
/// `NoModel`, `Number`, `Plain`, `Proof`.
pub fn verify(key: &PreparedKey, next: &Epoch, proof: &[u8]) -> Result<(), RefreshError> {
    verify_with(key, next, proof, begin(key, next))
}

/// [`verify`] on a transcript that is already bound (tests pass scripted ones).
///
/// # Errors
/// As [`verify`].
pub fn verify_with(key: &PreparedKey, next: &Epoch, proof: &[u8], transcript: Transcript) -> Result<(), RefreshError> {
    let sizes = Sizes::new(key)?;
    let expected = key.epoch.as_ref().map_or(0, |e| e.number).saturating_add(1);
    let number = next.number;
    if number != expected {
        return Err(RefreshError::Number { expected, got: number });
    }
    let old = current(key).ok_or(RefreshError::NoModel)?;
    if next.model.commitment.is_plain() {
        return Err(RefreshError::Plain { number });
    }
    let ch = Channel::<E>::new(transcript, proof, true);
    run(ch, key, &sizes, [old, next.model]).map_err(|source| RefreshError::Proof { number, source })
}

fn run(mut ch: Channel<'_, E>, key: &PreparedKey, sizes: &Sizes, both: [Sampled; 2]) -> Result<(), ProofError> {
    let end = walk(&mut ch, sizes, both)?;
    let tree = |commitment, width| TreeShape { commitment, width };
    let [old, new] = both.map(|s| tree(s.commitment, sizes.columns));
    let trees = [old, new, tree(end.mask, 3)];
    let coeffs = sizes.coefficients(&end.alpha);
    let params = &key.key.params;
    let (transcript, Some(reader)) = ch.parts() else { return Ok(()) };
    let combination = Combination { trees: &trees, coeffs: &coeffs };
    let value = opening::verify(&InTurn, transcript, reader, params, sizes.log_height, &combination, &end.tau)?;
    end.tie(&mut ch, value)?;
    pads::verify(&InTurn, &mut ch, params)?;
    ch.finish()
}

/// The key with the last of a chain of refreshes in force, each with its proof, from the key's own commitment on.
///
/// # Errors
/// As [`verify`], at the first refresh that does not hold.
pub fn verify_chain(key: PreparedKey, chain: &[(Epoch, Vec<u8>)]) -> Result<PreparedKey, RefreshError> {
    chain.iter().try_fold(key, |key, (next, proof)| {
        verify(&key, next, proof)?;
        Ok(key.with_epoch(next.clone()))
    })
}
