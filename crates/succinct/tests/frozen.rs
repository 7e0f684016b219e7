//! Each challenge of the evaluation argument counts: with that one known in advance a false output is proved, without it
//! the same attack is refused.
#![forbid(unsafe_code)]

mod setup;
#[path = "../../prover/tests/support/mod.rs"]
mod support;

use std::cell::RefCell;

use proveil_algebra::{Challenge, Field, PrimeCharacteristicRing, Scalar, eq_index, eq_points};
use proveil_protocol::transcript::{Drawn, Transcript};
use proveil_relation::key::Statement;
use proveil_succinct::argument::Fingerprint;
use proveil_succinct::prove::{Alter, AlterFunctional, Deviation, Proof};
use proveil_succinct::tables::{Challenges, TABLES, Tables};
use proveil_succinct::{PROTOCOL, begin, verify_short_with};
use setup::{Setup, setup};
use support::{Mode, change_output, relations};

/// A key, a false statement, and all challenges up to the opening.
struct Attack {
    setup: Setup,
    statement: Statement,
    script: Vec<Scalar>,
}

impl Attack {
    fn new(zero_knowledge: bool) -> Self {
        let setup = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let mut out = Self { setup, statement: Statement::default(), script: Vec::new() };
        out.statement = out.prove(None, Deviation::default()).statement;
        change_output(&mut out.statement, 0, 0, 1);
        let mut x = Scalar::from_u64(11);
        for _ in 0..out.at("end") {
            x = x.square() + Scalar::from_u64(0x9e37_79b9_7f4a_7c15);
            out.script.push(x);
        }
        out
    }

    /// Place of a challenge in the script.
    fn at(&self, name: &str) -> usize {
        let (o, d) = (&self.setup.key.short.outline, self.setup.key.short.sizes.domain);
        let rho = 2 + o.nv;
        let delta = rho + o.out_vars;
        let gamma = delta + 1 + o.nk;
        let chi = gamma + 1 + self.setup.key.short.sizes.points[2] + o.trees.iter().map(|t| t.columns).sum::<usize>();
        let places = [
            ("beta", 1),
            ("rho", rho),
            ("delta", delta),
            ("kappa", delta + 1),
            ("gamma", gamma),
            ("tau", gamma + 1),
            ("chi", chi),
            ("x", chi + 1),
            ("y", chi + 2),
            ("point", chi + 3),
            ("omega", chi + 3 + d),
            ("rounds", chi + 4 + d),
            ("corner", chi + 4 + 2 * d),
            ("xi", chi + 6 + 2 * d),
            ("end", chi + 7 + 2 * d),
        ];
        places.iter().find(|p| p.0 == name).unwrap().1
    }

    fn get(&self, name: &str) -> Scalar {
        self.script[self.at(name)]
    }

    fn points(&self, name: &str, n: usize) -> &[Scalar] {
        &self.script[self.at(name)..][..n]
    }

    fn challenges(&self) -> Challenges {
        let points = ["rho", "kappa", "tau"].into_iter().zip(self.setup.key.short.sizes.points);
        let points: Vec<Vec<Scalar>> = points.map(|(name, n)| self.points(name, n).to_vec()).collect();
        Challenges {
            chi: self.get("chi"),
            gamma: self.get("gamma"),
            delta: self.get("delta"),
            beta: self.get("beta"),
            points: points.try_into().unwrap(),
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint { x: self.get("x"), y: self.get("y") }
    }

    /// By how much the false output moves the first functional.
    fn gap(&self) -> Scalar {
        self.get("delta").square() * eq_index(&self.challenges().points[0], 0)
    }

    /// What an entry reads of the four tables, and at which rows.
    fn entry(&self, i: usize) -> ([Scalar; TABLES], [Scalar; TABLES]) {
        let (key, piece) = (&self.setup.key.short, self.setup.key.short.sizes.piece);
        let tables = Tables::new(&key.sizes, &key.monos, &key.lows, &self.challenges()).unwrap();
        let rows = self.setup.key.list.entries.get(i).map_or([0; TABLES], |e| e.rows);
        let first = std::array::from_fn::<u32, TABLES, _>(|j| (j << piece) as u32);
        let rows = if i < self.setup.key.list.entries.len() { rows } else { first };
        let value = |j: usize| tables.rows(j)[(rows[j] - first[j]) as usize];
        (std::array::from_fn(value), rows.map(|r| Scalar::from_u64(u64::from(r))))
    }

    fn prove(&self, transcript: Option<&Transcript>, deviation: Deviation<'_>) -> Proof {
        self.setup.prove(Deviation { transcript, ..deviation }).unwrap()
    }

    fn frozen(&self) -> Transcript {
        let drawn = |x: &Scalar| {
            let mut bytes = Vec::new();
            x.write(&mut bytes);
            Drawn::Element(bytes)
        };
        Transcript::scripted(PROTOCOL, self.script.iter().map(drawn).collect())
    }

    /// Accepted on known challenges, refused on real ones whatever the forger knew.
    fn check(&self, name: &str, functionals: AlterFunctional<'_>, list: Alter<'_>) {
        let deviation = Deviation { functionals: Some(functionals), list, ..Deviation::default() };
        let deviation = Deviation { statement: Some(&self.statement), ..deviation };
        let frozen = self.frozen();
        let p = self.prove(Some(&frozen), deviation);
        let verdict = |p: &Proof, t: Transcript| verify_short_with(&self.setup.key.short, &p.statement, &p.bytes, t);
        assert_eq!(verdict(&p, frozen), Ok(()), "{name}: the attack works on known challenges");
        let data = self.setup.key.short.public_data(&self.statement).unwrap();
        let real = || begin(&self.setup.key.short.id(), &data);
        assert!(verdict(&p, real()).is_err(), "{name}");
        assert!(verdict(&self.prove(None, deviation), real()).is_err(), "{name}");
    }
}

/// Moves the first functional by as much as the false output needs.
fn shifted(i: usize, v: Scalar, c: &Challenges) -> Scalar {
    if i == 0 { v + c.delta.square() * eq_index(&c.points[0], 0) } else { v }
}

/// A value that is in no table, made up for by another one that no entry uses.
#[test]
fn rejects_reads_made_for_a_known_fingerprint() {
    for zero_knowledge in [false, true] {
        let s = Attack::new(zero_knowledge);
        let (mask, unused) = ((1 << s.setup.key.short.sizes.mono_bits) - 1, s.setup.key.list.entries.len());
        let first = |e: &proveil_succinct::list::Entry| s.setup.key.list.monos[e.rows[0] as usize & mask].output == 0;
        let i = s.setup.key.list.entries.iter().position(first).unwrap();
        let ((e, a), (e_pad, a_pad)) = (s.entry(i), s.entry(unused));
        let product = e.iter().fold(s.setup.key.list.entries[i].weight, |p, x| p * *x);
        let forged = e[0] * (product + s.gap()) * product.inverse();
        let f = s.fingerprint();
        let inverse = |a: Scalar, e: Scalar| f.denominator(a, e).inverse();
        let pad = inverse(a_pad[0], e_pad[0]) + inverse(a[0], e[0]) - inverse(a[0], forged);
        let pad = (f.x - a_pad[0] - pad.inverse()) * f.y.inverse();
        let reads = |all: &mut [Vec<Scalar>], _: &[Scalar]| (all[0][i], all[0][unused]) = (forged, pad);
        s.check("fingerprint", &shifted, Alter { reads: Some(&reads), ..Alter::default() });
    }
}

/// Fractions that are wrong by what their equations' weights cancel.
#[test]
fn rejects_fractions_made_for_known_weights() {
    for zero_knowledge in [false, true] {
        let s = Attack::new(zero_knowledge);
        let (f, omega) = (s.fingerprint(), s.get("omega"));
        let (e, a) = s.entry(0);
        let product = (0..2).fold(Scalar::ONE, |p, j| p * f.denominator(a[j], e[j]));
        let eq = eq_index(s.points("point", s.setup.key.short.sizes.domain), 0);
        let change = s.gap() * (omega + omega.square() * eq * product).inverse();
        let fractions = |all: &mut [Vec<Scalar>]| all[0][0] += change;
        s.check("weights", &shifted, Alter { fractions: Some(&fractions), ..Alter::default() });
    }
}

/// A message that is right at the challenge only.
#[test]
fn rejects_rounds_made_for_a_known_challenge() {
    for zero_knowledge in [false, true] {
        let s = Attack::new(zero_knowledge);
        for round in [0, s.setup.key.short.sizes.domain - 1] {
            let r = s.points("rounds", s.setup.key.short.sizes.domain);
            // What is left of the gap after the rounds before.
            let gap = r[..round].iter().fold(s.gap(), |g, r| g * *r);
            let change = -(r[round] * gap) * (Scalar::ONE - r[round].double()).inverse();
            let message =
                |name: &str, i: usize, x: Scalar| if (name, i) == ("list round", round) { x + change } else { x };
            s.check("round", &shifted, Alter { message: Some(&message), ..Alter::default() });
        }
    }
}

/// Values at the end of the rounds whose errors cancel in the opening: in one stack, then in two.
#[test]
fn rejects_values_made_for_a_known_combination() {
    for zero_knowledge in [false, true] {
        let s = Attack::new(zero_knowledge);
        let seen = RefCell::new(vec![Scalar::ZERO; 15]);
        let record = |name: &str, i: usize, x: Scalar| {
            if name == "list column" {
                seen.borrow_mut()[i] = x;
            }
            x
        };
        let list = Alter { message: Some(&record), ..Alter::default() };
        let deviation = Deviation { list, statement: Some(&s.statement), ..Deviation::default() };
        s.prove(Some(&s.frozen()), Deviation { functionals: Some(&shifted), ..deviation });
        let at = seen.borrow().clone();
        let domain = s.setup.key.short.sizes.domain;
        let (sigma, omega, xi) = (s.points("rounds", domain), s.get("omega"), s.get("xi"));
        let gap = sigma.iter().fold(s.gap(), |g, r| g * *r);
        let eq = eq_points(s.points("point", domain), sigma);
        let f = s.fingerprint();
        let corner = |i: u64| eq_index(s.points("corner", 2), i);
        // Weights; then multiplicities of the same stack, the first fractions of another one: place, how much it counts in
        // the summand, its weight in the opening.
        let (weight, own) = (xi * corner(0), at[13] * at[8] * at[9]);
        let reads = f.denominator(at[0], at[6]) * f.denominator(at[1], at[7]);
        let others = [
            (5, -(omega.square().square() * eq), xi * corner(1)),
            (10, omega + omega.square() * eq * reads, xi.cube() * corner(0)),
        ];
        for (place, counts, opened) in others {
            let power = opened * weight.inverse();
            let change = gap * (counts - own * power).inverse();
            let message = |name: &str, i: usize, x: Scalar| match (name, i) {
                ("list column", 4) => x - power * change,
                ("list column", i) if i == place => x + change,
                _ => x,
            };
            s.check("combination", &shifted, Alter { message: Some(&message), ..Alter::default() });
        }
    }
}
