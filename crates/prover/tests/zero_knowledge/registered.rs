//! A model is registered once, by a proof of its ranges that binds its root to one codeword.

use proveil_protocol::params::Params;
use proveil_prover::budget::{self, FileStore};
use proveil_prover::registration::{RegisterError, prove};
use proveil_prover::{ProveError, Witness};
use proveil_relation::key::{IoVisibility, VerifyingKey};
use proveil_relation::layout::TreeKind;
use proveil_relation::{Home, Relation};
use proveil_verifier::PreparedKey;
use proveil_verifier::registration::{self, RegistrationError, verify};

use crate::toy::{self, Outer, World, folding};

/// All model tensors in `[-64, 64)`.
fn relation() -> Relation {
    let whole = toy::relation();
    let tensors: Vec<_> = whole.tensors.into_iter().filter(|t| t.home == Home::Model).collect();
    let lookups = tensors.iter().enumerate().map(|(i, t)| toy::range_lookup(i as u32, t)).collect();
    Relation { tensors, tables: vec![toy::ramp("weight", -64, 128)], lookups, ..Relation::default() }
}

fn witness(world: &World) -> Witness {
    let tensors: Vec<_> = [0, 1, 5, 6].iter().map(|t| world.witness.tensors[*t].clone()).collect();
    let tuples = tensors.iter().map(|t| vec![t.clone()]).collect();
    Witness { tuples, tables: vec![vec![]], tensors, outputs: vec![] }
}

fn keys() -> (World, PreparedKey) {
    let v = toy::hiding(IoVisibility::Private, IoVisibility::Public);
    let world = World::of(toy::roomy_key(&v, &folding()), toy::witness(12), &Outer::new(6));
    let registration = registration::key(&world.key.key, relation());
    (world, PreparedKey::new(registration))
}

/// A store in a directory of its own.
struct Dir(std::path::PathBuf, FileStore);

impl Dir {
    fn new(name: &str, world: &World) -> Self {
        let dir = std::env::temp_dir().join(format!("proveil-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let store = FileStore::new(&dir).unwrap();
        budget::open(&store, &world.key, TreeKind::Model, &world.key.key.model.unwrap().commitment).unwrap();
        Self(dir, store)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn accepts_one_registration_of_a_model() {
    let (world, registration) = keys();
    let dir = Dir::new("registered", &world);
    let model = world.model.as_ref().unwrap();
    let prove = || prove(&world.key, &registration, &witness(&world), model, &dir.1);
    let proof = prove().unwrap();
    verify(&world.key, &registration, &proof.bytes).unwrap();
    assert!(matches!(prove(), Err(RegisterError::Budget(_))));
    // A registration of one model says nothing of another.
    let v = world.key.key.visibility.clone();
    let other = World::of(toy::roomy_key(&v, &folding()), toy::witness(13), &Outer::new(6));
    let refused = verify(&other.key, &registration, &proof.bytes).unwrap_err();
    assert_eq!(refused, RegistrationError::Differs { what: "the model commitment" });
    let mut bad = proof.bytes.clone();
    bad[200] ^= 1;
    assert!(matches!(verify(&world.key, &registration, &bad), Err(RegistrationError::Proof(_))));
}

#[test]
fn rejects_a_weight_out_of_range() {
    let v = toy::hiding(IoVisibility::Private, IoVisibility::Public);
    let mut w = toy::witness(12);
    w.tensors[6][1] = 64;
    let world = World::of(toy::roomy_key(&v, &folding()), w, &Outer::new(6));
    let (_, registration) = keys();
    let registration = PreparedKey::new(VerifyingKey { model: world.key.key.model, ..registration.key.clone() });
    let dir = Dir::new("unregistered", &world);
    let e = prove(&world.key, &registration, &witness(&world), world.model.as_ref().unwrap(), &dir.1).unwrap_err();
    let RegisterError::Prove(ProveError::Unsatisfied { path, cell, .. }) = e else { panic!("{e}") };
    assert_eq!((path.as_str(), cell), ("b2/range", 1));
}

#[test]
fn rejects_registration_keys_of_another_shape() {
    let (world, good) = keys();
    let refused = |change: &dyn Fn(&mut VerifyingKey)| {
        let mut key = good.key.clone();
        change(&mut key);
        verify(&world.key, &PreparedKey::new(key), &[]).unwrap_err()
    };
    let rate = refused(&|k| k.params = Params { log_inv_rate: 2, ..k.params.clone() });
    assert_eq!(rate, RegistrationError::Differs { what: "a parameter" });
    let top = refused(&|k| k.geometry.model_top = 128);
    assert_eq!(top, RegistrationError::Differs { what: "the number of random cells" });
    let missing = refused(&|k| {
        k.relation.tensors.pop();
        k.relation.lookups.pop();
    });
    assert!(matches!(missing, RegistrationError::Tensor { .. }), "{missing}");
    let swapped = refused(&|k| k.relation.tensors.swap(0, 2));
    assert!(matches!(swapped, RegistrationError::Tensor { index: 0, .. }), "{swapped}");
}
