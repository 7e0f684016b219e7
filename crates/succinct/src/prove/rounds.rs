//! The three sumchecks.

use proveil_algebra::{PrimeCharacteristicRing, Scalar, eq_table};
use proveil_prover::talk::Talk;
use rayon::prelude::*;

/// Fewest pairs that are worth a task.
const TASK: usize = 1 << 10;

/// Binds the lowest variable of a table.
pub(super) fn fold(v: &mut Vec<Scalar>, r: Scalar) {
    *v = v.par_chunks(2).with_min_len(TASK).map(|p| p[0] + r * (p[1] - p[0])).collect();
}

fn send(talk: &mut Talk<'_, Scalar>, label: &'static str, message: &[Scalar]) -> Scalar {
    message.iter().for_each(|x| talk.message(label, *x));
    talk.transcript.challenge(label)
}

/// Sums of `f` over pairs.
pub(super) fn sum<const N: usize>(pairs: usize, f: impl Fn(usize) -> [Scalar; N] + Sync + Send) -> [Scalar; N] {
    let add = |a: [Scalar; N], b: [Scalar; N]| core::array::from_fn(|i| a[i] + b[i]);
    (0..pairs).into_par_iter().with_min_len(TASK).map(f).reduce(|| [Scalar::ZERO; N], add)
}

/// Values of the line through `v[2 i]`, `v[2 i + 1]` at 0, 2 and 3.
fn line(v: &[Scalar], i: usize) -> [Scalar; 3] {
    let (a, b) = (v[2 * i], v[2 * i + 1]);
    let two = b + b - a;
    [a, two, two + b - a]
}

/// `sum eq(rho0, x) (h D0 D1 - N0 D1 - N1 D0)`, the equality factor taken out; returns the point. Tables end as one
/// value each.
pub fn zerocheck(
    talk: &mut Talk<'_, Scalar>,
    label: &'static str,
    rho0: &[Scalar],
    tables: &mut [Vec<Scalar>; 5],
) -> Vec<Scalar> {
    let mut point = Vec::with_capacity(rho0.len());
    for i in 0..rho0.len() {
        let eq = eq_table(&rho0[i + 1..]);
        let [h, d0, d1, n0, n1] = &*tables;
        let message = sum(eq.len(), |x| {
            let [h, d0, d1, n0, n1] = [h, d0, d1, n0, n1].map(|t| line(t, x));
            core::array::from_fn::<_, 3, _>(|t| eq[x] * (h[t] * d0[t] * d1[t] - n0[t] * d1[t] - n1[t] * d0[t]))
        });
        let r = send(talk, label, &message);
        tables.iter_mut().for_each(|t| fold(t, r));
        point.push(r);
    }
    point
}

/// `sum a(x) b(x)`; returns the point. Both vectors end as one value.
pub fn inner_product(
    talk: &mut Talk<'_, Scalar>,
    label: &'static str,
    rounds: usize,
    operands: &mut [Vec<Scalar>; 2],
) -> Vec<Scalar> {
    let mut point = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let r = send(talk, label, &products(&operands[0], &operands[1]));
        operands.iter_mut().for_each(|v| fold(v, r));
        point.push(r);
    }
    point
}

/// A round's message of an inner product: values at 0 and 2.
fn products(a: &[Scalar], b: &[Scalar]) -> [Scalar; 2] {
    sum(a.len() / 2, |x| {
        let ([a0, a2, _], [b0, b2, _]) = (line(a, x), line(b, x));
        [a0 * b0, a2 * b2]
    })
}

/// `sum over trees of <omega, cells>`, by height; a column that is shorter than the longest stands for one that is zero
/// behind. Returns the point; every pair ends as one value each.
pub fn reduce(
    talk: &mut Talk<'_, Scalar>,
    label: &'static str,
    columns: &mut [(usize, Vec<Scalar>, Vec<Scalar>)],
) -> Vec<Scalar> {
    let rounds = columns.iter().map(|c| c.0).max().unwrap_or(0);
    let mut point: Vec<Scalar> = Vec::with_capacity(rounds);
    for i in 0..rounds {
        let mut message = [Scalar::ZERO; 2];
        for (height, omega, cells) in columns.iter().filter(|c| !c.1.is_empty()) {
            let own = if i < *height {
                products(omega, cells)
            } else {
                // Constant times 1 - x for every variable that it does not have.
                let above = point[*height..].iter().fold(Scalar::ONE, |a, x| a * (Scalar::ONE - *x));
                let c = omega[0] * cells[0] * above;
                [c, -c]
            };
            message = [message[0] + own[0], message[1] + own[1]];
        }
        let r = send(talk, label, &message);
        for (_, omega, cells) in columns.iter_mut().filter(|c| i < c.0 && !c.1.is_empty()) {
            fold(omega, r);
            fold(cells, r);
        }
        point.push(r);
    }
    point
}
