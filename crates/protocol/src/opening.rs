//! Opening of committed columns: one random combination of all columns, proved in the clear by WHIR.
//!
//! **Statement.** Trees commit columns `f_c` of `M = 2^l` base-field cells, cell `i` being the coefficient of `z^i`,
//! as codewords on the subgroup `D` of order `M / rho`. With `F = sum_c coeff_c f_c`, the value `F(tau)`
//! `= sum_i eq(tau, i) F_i` is as claimed (bit `j` of `i` belongs to `tau[j]`). `F` is shown: the caller hides the
//! columns by a uniformly random one among them and by random cells.
//!
//! **Messages in order** (`|` separates drawn challenges; labels in [`label`]; every message is absorbed but paths,
//! salts and rows, for which the values computed from the rows are absorbed):
//!
//! 1. *Combination.* Root of `F` on its own domain | `l` coordinates of an out-of-domain point | `F` there, `F(tau)`.
//!    When `F` is small: its `M` coefficients instead, and `F(tau)` is computed.
//! 2. *Rows.* Nonce | positions `i` in `D` | the trees' rows there, tree by tree. They give `F(omega^i)`.
//!    When `F` is small these are compared with its coefficients, and that is all. | batching challenge.
//! 3. *Each level.* For each folded variable, lowest first: value at 0 and leading coefficient of the degree-2 round
//!    polynomial of `sum_i w(i) F_i` | its challenge. Then the root of the folded polynomial on its domain |
//!    out-of-domain point | its value there; after the last level the folded polynomial's coefficients instead. Nonce |
//!    positions | rows of the level's tree, which fold to values of the next polynomial. | batching challenge.
//!
//! A leaf of a level holds the values of the `2^k` polynomials `sum_j F_(b + 2^k j) y^j`, `b < 2^k`, at one `y`: a
//! linear image of a coset of `2^k` codeword symbols, in which the fold is `sum_b eq(r, b) leaf_b`.
//! A nonce is sent only where [`Queries::grinding_bits`] is not 0. Batching gives claim `m` the weight `gamma^m`:
//! first the running claim, then the out-of-domain value, then the rows.
//!
//! **Soundness**: `soundness::opening_rows`. The caller must have absorbed what `coeffs` and `tau` depend on, and
//! must check the returned `F(tau)`.
//!
//! # Source
//! Arnon, Chiesa, Fenzi, Yogev, *WHIR*, 2024/1586, its first fold replaced by the combination (ours).

use alloc::vec::Vec;

use proveil_algebra::{E, F, Planes, PrimeCharacteristicRing, Tasks, TwoAdicField, eq_table, eval_mle};

use crate::codec::{DecodeError, Reader};
use crate::merkle::{Commitment, Opened, read_rows};
use crate::params::{Level, Params, ParamsError, Queries, Schedule};
use crate::transcript::Transcript;

mod weight;

use weight::{Weight, horner};

/// Names of messages and challenges, shared with the prover.
pub mod label {
    /// The statement's shape and commitments.
    pub const STATEMENT: &str = "opening statement";
    /// Root of the combination or of a folded polynomial.
    pub const ROOT: &str = "opening root";
    /// Out-of-domain point and value.
    pub const OUT_OF_DOMAIN: &str = "opening out-of-domain value";
    /// The claim `F(tau)`.
    pub const CLAIM: &str = "opening claim";
    /// A polynomial in the clear.
    pub const POLYNOMIAL: &str = "opening polynomial";
    /// Grinding nonce.
    pub const NONCE: &str = "opening nonce";
    /// Positions and rows of the committed trees.
    pub const ROWS: &str = "opening rows";
    /// Positions and rows of a level's tree.
    pub const LEAVES: &str = "opening leaves";
    /// Values computed from rows, and the challenge that batches them.
    pub const BATCH: &str = "opening batch";
    /// Round polynomials and their challenges.
    pub const ROUND: &str = "opening round";
}

/// A tree of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeShape {
    /// The commitment.
    pub commitment: Commitment,
    /// Base-field columns in the tree.
    pub width: usize,
}

/// A combination of all columns of some trees.
#[derive(Clone, Copy, Debug)]
pub struct Combination<'a> {
    /// The trees.
    pub trees: &'a [TreeShape],
    /// One element for each base column, trees in order and columns in order.
    pub coeffs: &'a [E],
}

/// Why an opening was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// Malformed bytes.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Unusable parameters.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// An argument has the wrong length; a mistake of the caller.
    #[error("the opening needs {expected} {what}, got {got}: derive both from the same layout")]
    Shape {
        /// What is counted.
        what: &'static str,
        /// Needed count.
        expected: usize,
        /// Given count.
        got: usize,
    },
    /// Positions are not ascending or not in the tree; a mistake of the caller.
    #[error("'{label}': the positions must ascend strictly and lie below 2^{log_leaves}")]
    Positions {
        /// Message label.
        label: &'static str,
        /// Logarithm of the number of leaves.
        log_leaves: usize,
    },
    /// Rows do not hash to the committed root.
    #[error("'{label}': the opened rows are not those of the committed root")]
    Root {
        /// Message label.
        label: &'static str,
    },
    /// A nonce lacks its proof of work.
    #[error("query round {round}: the nonce has fewer than {bits} bits of proof of work")]
    Grinding {
        /// 0 for the rows, then the levels.
        round: usize,
        /// Required bits.
        bits: u32,
    },
    /// The final polynomial disagrees with an opened row.
    #[error("query round {round}: the polynomial in the clear disagrees with the row opened at position {position}")]
    FinalPolynomial {
        /// 0 for the rows, then the levels.
        round: usize,
        /// Position in the domain.
        position: u64,
    },
    /// The final polynomial does not meet the running claim.
    #[error("the polynomial in the clear does not meet the batched claim")]
    FinalClaim,
}

/// Checks that lengths agree and derives the schedule; prover and verifier start with it.
///
/// # Errors
/// `Params`, `Shape`.
pub fn check_shape(
    params: &Params,
    log_height: usize,
    widths: impl Iterator<Item = usize>,
    num_coeffs: usize,
    num_variables: usize,
) -> Result<Schedule, OpeningError> {
    let schedule = params.schedule(log_height)?;
    let expected = widths.fold(0usize, usize::saturating_add);
    if num_coeffs != expected {
        return Err(OpeningError::Shape { what: "coefficients", expected, got: num_coeffs });
    }
    if num_variables != log_height {
        return Err(OpeningError::Shape { what: "coordinates of tau", expected: log_height, got: num_variables });
    }
    Ok(schedule)
}

/// Absorbs parameters, shape, commitments, coefficients and point; prover and verifier start with it.
pub fn absorb_statement(
    t: &mut Transcript,
    params: &Params,
    log_height: usize,
    trees: &[TreeShape],
    coeffs: &[E],
    tau: &[E],
) {
    t.absorb(label::STATEMENT, &params.encode());
    t.absorb(label::STATEMENT, &(log_height as u64).to_le_bytes());
    t.absorb(label::STATEMENT, &(trees.len() as u64).to_le_bytes());
    for tree in trees {
        t.absorb(label::STATEMENT, &tree.commitment.to_bytes());
        t.absorb(label::STATEMENT, &(tree.width as u64).to_le_bytes());
    }
    t.absorb_elements(label::STATEMENT, coeffs);
    t.absorb_elements(label::STATEMENT, tau);
}

/// Verifies an opening and returns the claimed `F(tau)`.
///
/// # Shapes
/// `tau` has `log_height` coordinates, lowest variable first. Opened rows are hashed and combined by `tasks`.
/// # Transcript
/// The statement, then the messages of the module's page.
/// # Soundness
/// `soundness::opening_rows`.
/// # Errors
/// `Params` and `Shape` for arguments that do not fit together; every other variant refuses the proof.
pub fn verify(
    tasks: &impl Tasks,
    t: &mut Transcript,
    r: &mut Reader,
    params: &Params,
    log_height: usize,
    combination: &Combination<'_>,
    tau: &[E],
) -> Result<E, OpeningError> {
    let Combination { trees, coeffs } = *combination;
    let schedule = check_shape(params, log_height, trees.iter().map(|x| x.width), coeffs.len(), tau.len())?;
    absorb_statement(t, params, log_height, trees, coeffs, tau);
    match schedule.levels.first() {
        None => verify_clear(tasks, t, r, &schedule, combination, tau),
        Some(first) => verify_levels(tasks, t, r, &schedule, first, combination, tau),
    }
}

/// A small combination: its coefficients against the rows.
fn verify_clear(
    tasks: &impl Tasks,
    t: &mut Transcript,
    r: &mut Reader,
    schedule: &Schedule,
    combination: &Combination<'_>,
    tau: &[E],
) -> Result<E, OpeningError> {
    let table = read_polynomial(t, r, schedule.final_log_size)?;
    let rows = query_trees(tasks, t, r, &schedule.rows, combination)?;
    rows.check(&table, 0)?;
    Ok(eval_mle(&table, tau))
}

fn verify_levels(
    tasks: &impl Tasks,
    t: &mut Transcript,
    r: &mut Reader,
    schedule: &Schedule,
    first: &Level,
    combination: &Combination<'_>,
    tau: &[E],
) -> Result<E, OpeningError> {
    let mut next = read_root(t, r, first.log_size)?;
    let value = r.element(label::CLAIM)?;
    t.absorb_elements::<E>(label::CLAIM, &[value]);
    let rows = query_trees(tasks, t, r, &schedule.rows, combination)?;
    let mut running = Running { weight: Weight::eq(tau), claim: value };
    running.batch(t, &next, &rows);
    for (index, level) in schedule.levels.iter().enumerate() {
        let challenges = running.fold(t, r, level.folds)?;
        let round = index + 1;
        match schedule.levels.get(round) {
            Some(following) => {
                let folded = read_root(t, r, following.log_size)?;
                let rows = query_level(tasks, t, r, level, &next.commitment, &challenges, round)?;
                running.batch(t, &folded, &rows);
                next = folded;
            }
            None => {
                let table = read_polynomial(t, r, schedule.final_log_size)?;
                query_level(tasks, t, r, level, &next.commitment, &challenges, round)?.check(&table, round)?;
                if running.weight.inner_product(&table) != running.claim {
                    return Err(OpeningError::FinalClaim);
                }
            }
        }
    }
    Ok(value)
}

/// A committed polynomial with its out-of-domain claim.
struct Committed {
    commitment: Commitment,
    point: Vec<E>,
    value: E,
}

fn read_root(t: &mut Transcript, r: &mut Reader, log_size: usize) -> Result<Committed, OpeningError> {
    let root = r.digest(label::ROOT)?;
    t.absorb(label::ROOT, &root);
    let point = t.challenges(label::OUT_OF_DOMAIN, log_size);
    let value = r.element(label::OUT_OF_DOMAIN)?;
    t.absorb_elements::<E>(label::OUT_OF_DOMAIN, &[value]);
    Ok(Committed { commitment: Commitment::plain(root), point, value })
}

fn read_polynomial(t: &mut Transcript, r: &mut Reader, log_size: usize) -> Result<Vec<E>, OpeningError> {
    let size = u32::try_from(log_size).ok().and_then(|s| 1usize.checked_shl(s)).unwrap_or(usize::MAX);
    let table = r.elements(label::POLYNOMIAL, size)?;
    t.absorb_elements(label::POLYNOMIAL, &table);
    Ok(table)
}

/// Values of a polynomial at queried points of its domain.
struct Rows {
    positions: Vec<u64>,
    points: Vec<F>,
    values: Vec<E>,
}

impl Rows {
    fn new(t: &mut Transcript, log_leaves: usize, positions: Vec<u64>, values: Vec<E>) -> Self {
        t.absorb_elements(label::BATCH, &values);
        let generator = F::two_adic_generator(log_leaves);
        let points = positions.iter().map(|p| generator.exp_u64(*p)).collect();
        Self { positions, points, values }
    }

    fn check(&self, table: &[E], round: usize) -> Result<(), OpeningError> {
        for ((position, x), value) in self.positions.iter().zip(&self.points).zip(&self.values) {
            if horner(table, *x) != *value {
                return Err(OpeningError::FinalPolynomial { round, position: *position });
            }
        }
        Ok(())
    }
}

fn draw_positions(
    t: &mut Transcript,
    r: &mut Reader,
    queries: &Queries,
    label: &'static str,
    round: usize,
) -> Result<Vec<u64>, OpeningError> {
    let bits = queries.grinding_bits;
    if bits != 0 && !t.absorb_nonce(r.u64(label::NONCE)?, bits) {
        return Err(OpeningError::Grinding { round, bits });
    }
    Ok(t.positions(label, queries.log_leaves, queries.count))
}

fn query_trees(
    tasks: &impl Tasks,
    t: &mut Transcript,
    r: &mut Reader,
    queries: &Queries,
    combination: &Combination<'_>,
) -> Result<Rows, OpeningError> {
    let positions = draw_positions(t, r, queries, label::ROWS, 0)?;
    let mut values = alloc::vec![E::ZERO; positions.len()];
    let mut rest = combination.coeffs;
    for tree in combination.trees {
        let (own, others) = rest.split_at_checked(tree.width).unwrap_or((rest, &[]));
        let own = Planes::new(own);
        let opened = Opened { commitment: &tree.commitment, log_leaves: queries.log_leaves, width: tree.width };
        let parts = read_rows(tasks, r, &opened, &positions, label::ROWS, |row| own.dot(0, row))?;
        values.iter_mut().zip(parts).for_each(|(value, part)| *value += part);
        rest = others;
    }
    Ok(Rows::new(t, queries.log_leaves, positions, values))
}

fn query_level(
    tasks: &impl Tasks,
    t: &mut Transcript,
    r: &mut Reader,
    level: &Level,
    commitment: &Commitment,
    challenges: &[E],
    round: usize,
) -> Result<Rows, OpeningError> {
    let log_leaves = level.queries.log_leaves;
    let positions = draw_positions(t, r, &level.queries, label::LEAVES, round)?;
    let weights = eq_table(challenges);
    let fold = |leaf: &[F]| {
        let values = leaf.chunks_exact(3).zip(&weights);
        values.fold(E::ZERO, |acc, (c, w)| acc + proveil_algebra::ext_from_coords(coords(c)) * *w)
    };
    let opened = Opened { commitment, log_leaves, width: level.width() };
    let values = read_rows(tasks, r, &opened, &positions, label::LEAVES, fold)?;
    Ok(Rows::new(t, log_leaves, positions, values))
}

fn coords(chunk: &[F]) -> [F; 3] {
    chunk.try_into().unwrap_or([F::ZERO; 3])
}

/// The claim `sum_i w(i) f(i) = v` on the polynomial committed last.
struct Running {
    weight: Weight,
    claim: E,
}

impl Running {
    /// Adds the claims on a newly committed polynomial by powers of a challenge.
    fn batch(&mut self, t: &mut Transcript, committed: &Committed, rows: &Rows) {
        let gamma: E = t.challenge(label::BATCH);
        let mut power = gamma;
        self.weight.add_eq(power, &committed.point);
        self.claim += power * committed.value;
        for (x, value) in rows.points.iter().zip(&rows.values) {
            power *= gamma;
            self.weight.add_powers(power, *x);
            self.claim += power * *value;
        }
    }

    /// Sumcheck rounds that bind the lowest variables; returns their challenges.
    fn fold(&mut self, t: &mut Transcript, r: &mut Reader, folds: usize) -> Result<Vec<E>, OpeningError> {
        let mut challenges = Vec::with_capacity(folds);
        for _ in 0..folds {
            let at_zero: E = r.element(label::ROUND)?;
            let leading: E = r.element(label::ROUND)?;
            t.absorb_elements(label::ROUND, &[at_zero, leading]);
            let x: E = t.challenge(label::ROUND);
            // s(0) + s(1) is the claim, so the linear coefficient is claim - 2 s(0) - leading.
            let linear = self.claim - at_zero - at_zero - leading;
            self.claim = at_zero + x * (linear + x * leading);
            self.weight.bind(x);
            challenges.push(x);
        }
        Ok(challenges)
    }
}
