//! The list of functionals against their evaluation granule by granule.
#![forbid(unsafe_code)]

#[path = "../../prover/tests/support/mod.rs"]
mod support;

use proveil_algebra::{InTurn, PrimeCharacteristicRing, Scalar};
use proveil_kzg::Point as Curve;
use proveil_kzg::srs::Srs;
use proveil_relation::Relation;
use proveil_relation::claims::{self, AddressWeights, AtPoint, Point, PublicCells, PublicParts};
use proveil_relation::decl::Home;
use proveil_relation::key::{IoVisibility, ModelVisibility, Visibility};
use proveil_succinct::tables::Challenges;
use proveil_succinct::{Key, PreparedKey};
use proveil_verifier::PublicValues;
use proveil_verifier::phases::Claims;
use support::relations;

/// Challenges for tests, by powers of a large element.
struct Random(Scalar);

impl Random {
    fn next(&mut self) -> Scalar {
        let shift = Scalar::from_u64(0x9e37_79b9_7f4a_7c15);
        self.0 = self.0 * self.0 + shift;
        self.0
    }

    fn list(&mut self, n: usize) -> Vec<Scalar> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// Constants of a key.
struct Constants<'a>(&'a Relation);

impl PublicCells for Constants<'_> {
    fn cells(&self, tensor: usize) -> Option<&[i64]> {
        match &self.0.tensors.get(tensor)?.home {
            Home::Public(v) => Some(v),
            _ => None,
        }
    }
}

fn srs() -> &'static Srs {
    static SRS: std::sync::OnceLock<Srs> = std::sync::OnceLock::new();
    SRS.get_or_init(|| Srs::dev(14).unwrap())
}

/// Every value from the list and from the walks over granules.
fn both(key: &PreparedKey, c: &Challenges) -> [Vec<Scalar>; 2] {
    let (layout, relation) = (&key.inner.layout, &key.inner.key.relation);
    let visibility = &key.inner.key.visibility;
    let [rho, kappa, tau] = c.points.clone();
    let point = Point { alpha: Scalar::TWO, beta: c.beta, rho, delta: c.delta };
    let weights = AddressWeights::new(relation, layout, visibility, &point, &InTurn);
    let (public, constants) = (PublicValues::empty(), Constants(relation));
    let claims = Claims { key: &key.inner, public: &public, point: &point, weights: Some(&weights), kappa: &kappa };
    let mut parts = PublicParts::new(layout, &constants);
    claims.give(&mut parts);
    let mut expected = vec![claims::phase2_public(relation, layout, &point, &weights, &InTurn)];
    expected.push(c.gamma.powers().zip(&parts.values).fold(Scalar::ZERO, |a, (g, v)| a + g * *v));
    let mut omega = AtPoint::new(layout, &tau, c.gamma);
    claims.give(&mut omega);
    for (plan, w) in layout.trees.iter().zip(omega.finish()).filter(|(p, _)| p.columns > 0) {
        let above = tau[layout.heights[plan.group]..].iter().fold(Scalar::ONE, |a, x| a * (Scalar::ONE - *x));
        expected.push(w[0] * above);
    }
    [key.list.values(c).unwrap(), expected]
}

fn key(relation: &Relation, zero_knowledge: bool, input: IoVisibility, output: IoVisibility) -> PreparedKey {
    let visibility = Visibility {
        zero_knowledge,
        model: ModelVisibility::Private,
        inputs: vec![input; relation.inputs.len()],
        outputs: vec![output; relation.outputs.len()],
    };
    let key =
        Key { relation: relation.clone(), visibility, model: Some(Curve::generator()), srs: srs().key(), meta: vec![] };
    PreparedKey::new(key, srs()).unwrap()
}

#[test]
fn matches_reference_values_of_every_relation() {
    use IoVisibility::{Committed, Private, Public};
    let mut random = Random(Scalar::from_u64(3));
    for (name, case) in relations::all() {
        for zero_knowledge in [false, true] {
            for (input, output) in [(Private, Public), (Committed, Committed), (Public, Private)] {
                let key = key(&case.relation, zero_knowledge, input, output);
                let layout = &key.inner.layout;
                let tallest = layout.heights.iter().copied().max().unwrap();
                let points = [layout.nv.max(layout.out_vars), layout.nk, tallest].map(|n| random.list(n));
                let [beta, gamma, delta] = [(); 3].map(|()| random.next());
                let [list, walked] = both(&key, &Challenges { chi: Scalar::ONE, gamma, delta, beta, points });
                assert_eq!(list, walked, "{name} {zero_knowledge} {input:?} {output:?}");
            }
        }
    }
}
