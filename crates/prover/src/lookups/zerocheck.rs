//! The zerocheck of `h D0 D1 = N0 D1 + N1 D0` at every address, round by round.
//!
//! Each pass over the tables binds a variable and sums the next message, a chunk at a time; the equality table is kept
//! as two factors, one for the cells inside a chunk and one for the chunks.

use proveil_algebra::{E, PrimeCharacteristicRing, eq_table};
use rayon::prelude::*;

use super::CHUNK;
use super::fractions::{Chunk, Fractions, LONGEST};
use crate::packed::{self, Cells};
use crate::talk::Talk;

/// `h, D0, D1, N0, N1`.
type Tables = [Vec<E>; 5];
/// Values of a round's polynomial at 0, 2 and 3.
type Message = [E; 3];

/// Equality with the variables of the following rounds: a factor for each pair inside a chunk, one for each chunk.
struct Eq {
    low: Vec<E>,
    high: Vec<E>,
}

impl Eq {
    fn new(point: &[E]) -> Self {
        let (low, high) = point.split_at(point.len().min(CHUNK.ilog2() as usize - 1));
        Self { low: eq_table(low), high: eq_table(high) }
    }

    /// The message of one chunk, scaled.
    fn message(&self, chunk: usize, cells: &[Cells<'_>; 5]) -> Message {
        packed::fraction_round(&self.low, cells).map(|x| x * self.high[chunk])
    }
}

fn add(a: Message, b: Message) -> Message {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// Runs the zerocheck; returns the point and `h, D0, D1, N0, N1` there. Tables may be shorter than `2^rounds`: the
/// missing cells have denominators `alpha`, numerators and helpers zero, and contribute nothing.
pub fn zerocheck(
    talk: &mut Talk<'_>,
    label: &'static str,
    rho0: &[E],
    helper: Vec<E>,
    f: &Fractions<'_>,
) -> (Vec<E>, [E; 5]) {
    let mut point = Vec::with_capacity(rho0.len());
    let mut send = |message: Message| {
        message.into_iter().for_each(|x| talk.message(label, x));
        let r: E = talk.transcript.challenge(label);
        point.push(r);
        r
    };
    let Some(rest) = rho0.get(1..) else {
        return (point, ends(&dense(helper, f)));
    };
    let mut r = send(first_message(&helper, f, &Eq::new(rest)));
    let mut next = rest.get(1..).map(Eq::new);
    let (mut tables, mut message) = first_fold(helper, f, r, next.as_ref());
    let mut spare = Tables::default();
    for i in 1..rho0.len() {
        r = send(message);
        next = rho0.get(i + 2..).map(Eq::new);
        let folded;
        (folded, message) = fold(&tables, spare, f.alpha, r, next.as_ref());
        spare = std::mem::replace(&mut tables, folded);
    }
    (point, ends(&tables))
}

fn dense(helper: Vec<E>, f: &Fractions<'_>) -> Tables {
    let [(d0, n0), (d1, n1)] = f.dense();
    let lift = |v: Vec<_>| v.into_iter().map(E::from).collect();
    [helper, d0, d1, lift(n0), lift(n1)]
}

fn ends(tables: &Tables) -> [E; 5] {
    [0, 1, 2, 3, 4].map(|k| tables[k][0])
}

/// The tables of a chunk of addresses.
fn cells<'a>(helper: &'a [E], c: &'a Chunk, alpha: E) -> [Cells<'a>; 5] {
    let len = helper.len();
    let ([d0, d1], [n0, n1]) = (&c.den, &c.num);
    [
        Cells::Ext(helper, E::ZERO),
        Cells::Ext(&d0[..len], alpha),
        Cells::Ext(&d1[..len], alpha),
        Cells::Base(&n0[..len]),
        Cells::Base(&n1[..len]),
    ]
}

fn first_message(helper: &[E], f: &Fractions<'_>, eq: &Eq) -> Message {
    let chunks = helper.par_chunks(CHUNK).enumerate().map_init(
        || Chunk::new(CHUNK),
        |chunk, (k, helper)| {
            f.read(k * CHUNK, helper.len(), chunk);
            eq.message(k, &cells(helper, chunk, f.alpha))
        },
    );
    chunks.reduce(|| [E::ZERO; 3], add)
}

/// Binds the first variable to `r` and sums the next message, if there is one.
fn first_fold(helper: Vec<E>, f: &Fractions<'_>, r: E, next: Option<&Eq>) -> (Tables, Message) {
    // Two tasks' worth of addresses makes one of the folded tables.
    let scratch = || Chunk::new(LONGEST);
    run((helper.len(), Tables::default()), f.alpha, next, scratch, |chunk, k, out| {
        let from = k * 2 * CHUNK;
        let helper = &helper[from..helper.len().min(from + 2 * CHUNK)];
        f.read(from, helper.len(), chunk);
        let cells = cells(helper, chunk, f.alpha);
        out.iter_mut().zip(&cells).for_each(|(out, cells)| packed::fold_into(cells, r, out));
    })
}

/// The same of tables; `spare` is memory for those folded.
fn fold(tables: &Tables, spare: Tables, alpha: E, r: E, next: Option<&Eq>) -> (Tables, Message) {
    let len = tables[0].len();
    run(
        (len, spare),
        alpha,
        next,
        || (),
        |(), k, out| {
            let from = k * 2 * CHUNK;
            let to = len.min(from + 2 * CHUNK);
            for ((out, table), pad) in out.iter_mut().zip(tables).zip(pads(alpha)) {
                packed::fold_into(&Cells::Ext(&table[from..to], pad), r, out);
            }
        },
    )
}

/// What missing cells are.
fn pads(alpha: E) -> [E; 5] {
    [E::ZERO, alpha, alpha, E::ZERO, E::ZERO]
}

/// Folds tables of `len` cells chunk by chunk; `bind` fills a chunk of the folded tables, which take the memory of `spare`.
fn run<S: Send>(
    (len, spare): (usize, Tables),
    alpha: E,
    next: Option<&Eq>,
    scratch: impl Fn() -> S + Sync + Send,
    bind: impl Fn(&mut S, usize, &mut [&mut [E]; 5]) + Sync + Send,
) -> (Tables, Message) {
    let mut tables = spare.map(|t| packed::room(len.div_ceil(2), t));
    let [h, d0, d1, n0, n1] = tables.each_mut().map(|t| t.par_chunks_mut(CHUNK));
    let chunks = (h, d0, d1, n0, n1).into_par_iter().enumerate();
    let sums = chunks.map_init(scratch, |scratch, (k, (h, d0, d1, n0, n1))| {
        let mut out = [h, d0, d1, n0, n1];
        bind(scratch, k, &mut out);
        let [h, d0, d1, n0, n1] = out;
        let cells: [&[E]; 5] = [h, d0, d1, n0, n1];
        let mut pads = pads(alpha).into_iter();
        next.map_or([E::ZERO; 3], |eq| eq.message(k, &cells.map(|c| Cells::Ext(c, pads.next().unwrap_or(E::ZERO)))))
    });
    let message = sums.reduce(|| [E::ZERO; 3], add);
    (tables, message)
}
