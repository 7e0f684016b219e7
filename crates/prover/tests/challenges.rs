//! What each challenge is for. A prover who knows a challenge in advance forges a proof of a false statement, and the
//! verifier accepts it on a transcript whose challenges are scripted; on the real transcript the same forgery fails.

mod support;

use std::cell::{Cell, RefCell};

use proveil_algebra::{Challenge, E, F, Field, InTurn, PrimeCharacteristicRing, base_to_i64, ext_coords};
use proveil_protocol::channel::ProofError;
use proveil_protocol::sumcheck::lagrange;
use proveil_protocol::transcript::{Drawn, Event, Transcript};
use proveil_prover::{Deviation, Proof};
use proveil_relation::claims::table_id;
use proveil_relation::key::{PROTOCOL, Statement};
use proveil_relation::layout::TreeKind;
use proveil_verifier::{begin, bind, verify_with};
use support::steps::{self, Leave};
use support::{Case, Mode, Rng, Setup, relations, setup};

/// Challenges up to and including `gamma`, fixed before the proof is made; the later ones are real.
struct Script {
    all: Vec<E>,
    nv: usize,
    extra: usize,
}

impl Script {
    fn new(s: &Setup) -> Self {
        let l = &s.key.layout;
        let (nv, extra) = (l.nv, l.out_vars.saturating_sub(l.nv));
        let mut rng = Rng(99);
        Self { all: (0..2 + 2 * nv + extra + 1 + l.nk + 1).map(|_| rng.element()).collect(), nv, extra }
    }

    /// The challenges of phase 3 as well.
    fn up_to_the_common_point(s: &Setup) -> Self {
        let mut script = Self::new(s);
        let mut rng = Rng(98);
        script.all.extend((0..s.key.layout.heights[0]).map(|_| rng.element()));
        script
    }

    fn transcript(&self, s: &Setup, statement: &Statement) -> Transcript {
        let drawn = |x: &E| {
            let mut bytes = Vec::new();
            x.write(&mut bytes);
            Drawn::Element(bytes)
        };
        let mut t = Transcript::scripted(PROTOCOL, self.all.iter().map(drawn).collect());
        bind(&InTurn, &mut t, &s.key.digest, statement);
        t
    }

    fn fingerprint(&self) -> (E, E) {
        (self.all[0], self.all[1])
    }

    /// The last coordinate of the zerocheck's point and the last round's challenge.
    fn last_round(&self) -> (E, E) {
        (self.all[1 + self.nv], self.all[1 + 2 * self.nv])
    }

    /// The point of phase 1.
    fn rho(&self) -> &[E] {
        &self.all[2 + self.nv..2 + 2 * self.nv + self.extra]
    }

    fn delta(&self) -> E {
        self.all[2 + 2 * self.nv + self.extra]
    }

    fn gamma(&self) -> E {
        self.all[self.all.len() - 1]
    }
}

/// Accepted on the scripted transcript, refused on the real one whichever transcript the forger used.
fn check_forgery(s: &Setup, script: &Script, statement: &Statement, forge: impl Fn(Option<&Transcript>) -> Proof) {
    let frozen = script.transcript(s, statement);
    let forged = forge(Some(&frozen));
    assert_eq!(verify_with(&s.key, statement, &forged.bytes, frozen), Ok(()), "the attack works on known challenges");
    let real = || begin(&s.key.digest, statement);
    assert!(verify_with(&s.key, statement, &forged.bytes, real()).is_err());
    let guessed = forge(None);
    assert!(verify_with(&s.key, statement, &guessed.bytes, real()).is_err());
}

/// A wrong activation and the output that follows from it: a false result, stated as true.
fn wrong_activation() -> Case {
    relations::dense().with("z", 1, 3)
}

/// Solves `sum_j m_j v_j = t` for base-field `m`.
fn solve(v: [E; 3], t: E) -> [F; 3] {
    let c = v.map(|x| ext_coords(&x));
    let t = ext_coords(&t);
    let det = |m: [[F; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[2][1] * m[1][2]) - m[1][0] * (m[0][1] * m[2][2] - m[2][1] * m[0][2])
            + m[2][0] * (m[0][1] * m[1][2] - m[1][1] * m[0][2])
    };
    let d = det(c).inverse();
    std::array::from_fn(|k| {
        let mut m = c;
        m[k] = t;
        det(m) * d
    })
}

/// With known fingerprint challenges, multiplicities that cancel a tuple which is in no table.
fn forge_by_fingerprint(zero_knowledge: bool) {
    let s = setup(&wrong_activation(), &Mode::secret(zero_knowledge));
    let script = Script::new(&s);
    let (alpha, beta) = script.fingerprint();
    // What is missing from the sum: the tuple that is in no row.
    let tuples = s.case.tuples();
    let tuple: Vec<F> = tuples[2].iter().map(|c| c[1]).collect();
    let den = |id: usize, t: &[F]| t.iter().rev().fold(E::ZERO, |a, v| (a + *v) * beta) + table_id::<E>(id);
    let missing = (alpha - den(2, &tuple)).inverse();
    let rows: [usize; 3] = [0, 1, 2];
    let inverses = rows.map(|r| (alpha - den(1, &[F::from_u64(r as u64)])).inverse());
    let extra = solve(inverses, missing).map(|m| base_to_i64(m).expect("fits"));
    let change = |m: &mut Vec<Vec<i64>>| {
        for (row, x) in rows.iter().zip(extra) {
            let sum = proveil_algebra::base_from_i64(m[1][*row]) + proveil_algebra::base_from_i64(x);
            m[1][*row] = base_to_i64(sum).expect("fits");
        }
    };
    let statement = s.prove(Deviation { forgive: true, ..Deviation::default() }).unwrap().statement;
    check_forgery(&s, &script, &statement, |transcript| {
        let d = Deviation { multiplicities: Some(&change), forgive: true, transcript, ..Deviation::default() };
        s.prove(d).unwrap()
    });
}

/// With a known claim weight, the false claim that the fractions sum to zero is balanced by two other false claims.
fn forge_by_gamma(zero_knowledge: bool) {
    let s = setup(&wrong_activation(), &Mode::secret(zero_knowledge));
    let script = Script::new(&s);
    let gamma = script.gamma();
    let statement = s.prove(Deviation { forgive: true, ..Deviation::default() }).unwrap().statement;
    check_forgery(&s, &script, &statement, |transcript| {
        let sum = Cell::new(E::ZERO);
        let helper = |_: E, _: E, h: &mut Vec<E>| sum.set(h.iter().fold(E::ZERO, |a, x| a + *x));
        let d0 = Cell::new(E::ZERO);
        let watch = |label: &str, _: usize, x: E| {
            if label == "denominator 0" {
                d0.set(x);
            }
            x
        };
        let base = Deviation { helper: Some(&helper), forgive: true, transcript, ..Deviation::default() };
        s.prove(Deviation { cheat: Some(&watch), ..base }).unwrap();
        // h' dd - n0' d1 = h dd - n0 d1 and h' + gamma (0 - S) + gamma^2 n0' = h + gamma^2 n0.
        let n0 = gamma * sum.get() * (d0.get().inverse() + gamma * gamma).inverse();
        let h = n0 * d0.get().inverse();
        let cheat = |label: &str, _: usize, x: E| match label {
            "helper" => x + h,
            "numerator 0" => x + n0,
            _ => x,
        };
        s.prove(Deviation { cheat: Some(&cheat), ..base }).unwrap()
    });
}

/// With a known output weight, a false public output of an honest trace is balanced by a false denominator.
fn forge_by_delta(zero_knowledge: bool) {
    let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
    let script = Script::new(&s);
    let mut statement = s.statement();
    support::change_output(&mut statement, 0, 0, 1);
    let (w, r) = script.last_round();
    let delta = script.delta();
    // Cell 0 of the output weighs delta^2 eq(rho, 0) in the claim of phase 2.
    let gap = script.rho().iter().fold(delta * delta, |a, x| a * (E::ONE - *x));
    let l = lagrange::<E>(3, r);
    let shift_of_round = l[0] - l[1] * (E::ONE - w) * w.inverse();
    check_forgery(&s, &script, &statement, |transcript| {
        let seen = RefCell::new(std::collections::BTreeMap::new());
        let watch = |label: &str, _: usize, x: E| {
            seen.borrow_mut().insert(label.to_string(), x);
            x
        };
        let base = Deviation { statement: Some(&statement), transcript, ..Deviation::default() };
        s.prove(Deviation { cheat: Some(&watch), ..base }).unwrap();
        let seen = seen.into_inner();
        // D0' = D0 + gap moves the zerocheck by gap (h D1 - N1): the last round is moved along.
        let moved = gap * (seen["helper"] * seen["denominator 1"] - seen["numerator 1"]);
        let fix = moved * shift_of_round.inverse();
        let rounds = Cell::new(0);
        let cheat = |label: &str, _: usize, x: E| match label {
            "look-up round" => {
                let i = rounds.replace(rounds.get() + 1);
                if i == 3 * (s.key.layout.nv - 1) { x + fix } else { x }
            }
            "denominator 0" => x + gap,
            "denominators" => x + gap * seen["denominator 1"],
            _ => x,
        };
        s.prove(Deviation { cheat: Some(&cheat), ..base }).unwrap()
    });
}

macro_rules! forgeries {
    ($($name:ident: $forge:ident, $hiding:literal;)*) => {
        $(
            #[test]
            fn $name() {
                $forge($hiding);
            }
        )*
    };
}

forgeries! {
    rejects_forged_multiplicities_unless_the_fingerprint_is_known: forge_by_fingerprint, false;
    rejects_forged_multiplicities_unless_the_fingerprint_is_known_hidden: forge_by_fingerprint, true;
    rejects_balanced_claims_unless_gamma_is_known: forge_by_gamma, false;
    rejects_balanced_claims_unless_gamma_is_known_hidden: forge_by_gamma, true;
    rejects_false_output_unless_delta_is_known: forge_by_delta, false;
    rejects_false_output_unless_delta_is_known_hidden: forge_by_delta, true;
}

#[test]
fn accepts_honest_proofs_on_scripted_challenges() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let statement = s.statement();
        let t = Script::new(&s).transcript(&s, &statement);
        let p = s.prove(Deviation { transcript: Some(&t), ..Deviation::default() }).unwrap();
        assert_eq!(verify_with(&s.key, &statement, &p.bytes, t), Ok(()));
        assert!(s.verify(&p).is_err());
    }
}

#[test]
fn rejects_hidden_lies_only_by_the_inner_claim() {
    let lies: [(&str, Case); 3] = [
        ("dense", wrong_activation()),
        ("conv", relations::conv().with("r", 3, 1)),
        ("batch", relations::batch().with("v", 0, 5)),
    ];
    for (name, case) in lies {
        let s = setup(&case, &Mode::secret(true));
        let p = s.prove(Deviation { forgive: true, ..Deviation::default() }).unwrap();
        let run = |leave| steps::verify(&s.key, &p.statement, &p.bytes, begin(&s.key.digest, &p.statement), leave);
        assert!(run(Leave::Pads).is_ok(), "{name}");
        assert_eq!(run(Leave::Nothing).unwrap_err(), ProofError::Check { check: "inner claim" });
    }
}

/// Every message is that of an honest proof, so every equation holds, but the trees hold something else.
fn refuse_only_by_the_tie(forged: Deviation<'_>) {
    let s = setup(&relations::dense(), &Mode::secret(false));
    let statement = s.statement();
    let t = Script::up_to_the_common_point(&s).transcript(&s, &statement);
    let honest = RefCell::new(Vec::new());
    let record = |_: &str, _: usize, x: E| {
        honest.borrow_mut().push(x);
        x
    };
    s.prove(Deviation { cheat: Some(&record), transcript: Some(&t), ..Deviation::default() }).unwrap();
    let honest = honest.into_inner();
    let replay = |_: &str, i: usize, _: E| honest[i];
    let p = s.prove(Deviation { cheat: Some(&replay), transcript: Some(&t), ..forged }).unwrap();
    let run = |leave| steps::verify(&s.key, &statement, &p.bytes, t.clone(), leave);
    assert!(run(Leave::Tie).is_ok());
    assert_eq!(run(Leave::Nothing).unwrap_err(), ProofError::Check { check: "combination" });
}

#[test]
fn rejects_other_helper_columns_only_by_the_tie() {
    let change = |c: &mut Vec<Vec<E>>| c[0][0] += E::ONE;
    refuse_only_by_the_tie(Deviation { helper_columns: Some(&change), ..Deviation::default() });
}

#[test]
fn rejects_other_trace_columns_only_by_the_tie() {
    let change = |kind: TreeKind, c: &mut Vec<Vec<F>>| {
        if kind == TreeKind::Trace {
            c[0][5] += F::ONE;
        }
    };
    refuse_only_by_the_tie(Deviation { columns: Some(&change), ..Deviation::default() });
}

/// The labels and lengths of everything absorbed, and of every challenge, in order; repetitions are folded.
fn inventory(s: &Setup, p: &Proof) -> Vec<String> {
    let mut t = Transcript::new(PROTOCOL);
    t.record();
    bind(&InTurn, &mut t, &s.key.digest, &p.statement);
    let t = steps::verify(&s.key, &p.statement, &p.bytes, t, Leave::Nothing).unwrap();
    let mut out: Vec<String> = Vec::new();
    for e in t.events() {
        let line = match e {
            Event::Absorbed(label, _) => format!("+ {label}"),
            Event::Drawn(label) => format!("? {label}"),
        };
        if out.last() != Some(&line) {
            out.push(line);
        }
    }
    out
}

/// Collapses the rounds of a sumcheck: `+ x, ? x` again and again.
fn collapse(lines: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        let before = |k: usize| out.len().checked_sub(k).and_then(|i| out.get(i));
        let of_a_round = before(1).is_some_and(|l| l[2..] == line[2..]) && before(2) == Some(&line);
        if before(1) != Some(&line) && !of_a_round {
            out.push(line);
        }
    }
    out
}

const INVENTORY: &str = "\
+ verifying key; + statement; + verifying key; + trace root; + pads; ? fingerprint; + helper root; ? zerocheck point; \
+ look-up round; ? look-up round; + helper; + denominator 0; + denominator 1; + numerator 0; + numerator 1; + denominators; ? delta; + product round; ? product round; + left operand; + right operand; ? gamma; \
+ claim round; ? claim round; + column; + mask; + column; ? combination; + opening statement; + opening root; \
? opening out-of-domain value; + opening out-of-domain value; + opening claim; + nonce; ? opening rows; \
+ opening batch; ? opening batch; + opening round; ? opening round; + opening polynomial; + nonce; ? opening leaves; \
+ opening batch; ? triples; + triple reveal; ? equations; + inner claim mask; ? inner claim; + masked pads; + nonce; \
? pad positions";

#[test]
fn matches_the_inventory_of_absorbed_and_drawn_labels() {
    let only_hiding = ["+ pads", "+ mask", "? triples", "+ triple reveal", "? equations", "+ inner claim mask"];
    let pads = ["? inner claim", "+ masked pads", "? pad positions"];
    for zero_knowledge in [true, false] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let lines = collapse(inventory(&s, &s.honest()));
        let mut expected: Vec<&str> = INVENTORY.split("; ").collect();
        if !zero_knowledge {
            expected.retain(|l| !only_hiding.contains(l) && !pads.contains(l));
            // The columns of all trees follow one another, and the last nonce goes with the pads.
            expected.dedup();
            expected.pop();
        }
        assert_eq!(lines, expected);
    }
}

#[test]
fn rejects_two_statements_with_one_transcript() {
    // Statement and key digest are absorbed twice, and any change of them changes the first challenge.
    let s = setup(&relations::dense(), &Mode::secret(false));
    let statement = s.statement();
    let first = |s: &Setup, st: &Statement| begin(&s.key.digest, st).challenge::<E>("fingerprint");
    let mut other = statement.clone();
    other.context.push(0);
    assert_ne!(first(&s, &statement), first(&s, &other));
    let mut other = statement.clone();
    support::change_output(&mut other, 0, 2, 1);
    assert_ne!(first(&s, &statement), first(&s, &other));
    let mut key = s.key.clone();
    key.digest[31] ^= 1;
    assert_ne!(begin(&key.digest, &statement).challenge::<E>("fingerprint"), first(&s, &statement));
}

/// Rounds of all sumchecks of a proof of so many layers.
fn rounds(layers: u32, zero_knowledge: bool) -> (usize, usize, usize) {
    let case = relations::deep(layers);
    // Columns as high as all cells need, as a model of that size would have.
    let log_height = 7 + proveil_algebra::log2_ceil(layers as usize) as u8;
    let s = setup(&case, &Mode { log_height, ..Mode::secret(zero_knowledge) });
    s.verify(&s.honest()).unwrap();
    let shape = s.key.shape();
    let l = &s.key.layout;
    (shape.num_products, l.nv + l.nk + l.heights.iter().copied().max().unwrap_or(0), shape.equations)
}

#[test]
fn accepts_depth_at_the_cost_of_logarithmic_rounds() {
    for zero_knowledge in [false, true] {
        let all: Vec<(usize, usize, usize)> = [2, 4, 8, 16, 32].map(|n| rounds(n, zero_knowledge)).to_vec();
        for (a, b) in all.iter().zip(&all[1..]) {
            assert_eq!(a.0, b.0, "products of hidden values do not depend on depth");
            assert!(b.1 <= a.1 + 3, "{a:?} {b:?}");
            assert_eq!(a.2, b.2, "nor do equations");
        }
        assert_eq!(all[0].0, 5);
    }
}

#[test]
fn accepts_a_constant_number_of_linear_claims() {
    use proveil_relation::claims::{AddressWeights, Point};
    use proveil_verifier::PublicValues;
    let count = |layers: u32| {
        let s = setup(&relations::deep(layers), &Mode::secret(true));
        let statement = s.statement();
        let public = PublicValues::new(&s.key, &statement).unwrap();
        let mut rng = Rng(2);
        let l = &s.key.layout;
        let rho = (0..l.nv.max(l.out_vars)).map(|_| rng.element()).collect();
        let point = Point { alpha: rng.element(), beta: rng.element(), rho, delta: rng.element() };
        let w = AddressWeights::new(&s.key.key.relation, l, &s.key.key.visibility, &point, &InTurn);
        let kappa: Vec<E> = (0..l.nk).map(|_| rng.element()).collect();
        let claims = proveil_verifier::phases::Claims {
            key: &s.key,
            public: &public,
            point: &point,
            weights: Some(&w),
            kappa: &kappa,
        };
        claims.list().len()
    };
    assert_eq!([2, 4, 8].map(count), [6, 6, 6]);
}
