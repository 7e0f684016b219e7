//! Keys: what is public and fixed about a compiled model, and the sizes that follow.

use alloc::vec;
use alloc::vec::Vec;

use proveil_kzg::{Point, SrsKey};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::transcript::{Digest, Hash, Transcript};
use proveil_relation::check::{KeyError, Limits, check_costs, check_terms};
use proveil_relation::decl::{Home, Relation};
use proveil_relation::key::{Geometry, IoVisibility, Visibility};
use proveil_relation::layout::{Layout, TreeKind};

/// Name and version of the protocol; first thing absorbed.
pub const PROTOCOL: &str = "proveil/succinct/2";
/// Highest column, as a power of two.
pub(crate) const MAX_HEIGHT: u8 = 26;

/// A key of this backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The claim.
    pub relation: Relation,
    /// Who sees what.
    pub visibility: Visibility,
    /// Commitment to the model's column, if it has one.
    pub model: Option<Point>,
    /// The set-up's key.
    pub srs: SrsKey,
    /// What people need to read inputs and outputs; bound, not interpreted.
    pub meta: Vec<u8>,
}

/// A point where the phases keep a root and a nonce: its two coordinates.
#[must_use]
pub(crate) fn as_commitment(p: &Point) -> Commitment {
    let bytes = p.to_bytes();
    let (x, y) = bytes.split_at(32);
    Commitment { root: x.try_into().unwrap_or_default(), nonce: y.try_into().unwrap_or_default() }
}

/// Digest of a key from the digest of its claim ([`crate::PreparedKey::claim`]): with the description apart, so that who
/// has a short key, the claim's digest and a description sees that the model id binds it.
#[must_use]
pub fn key_digest(claim: &Digest, meta: &[u8], srs: &SrsKey) -> Digest {
    let mut t = Transcript::with_hash(Hash::Keccak, PROTOCOL);
    t.absorb("verifying key", claim);
    t.absorb("description", meta);
    t.absorb("set-up", &srs.tau.to_bytes());
    t.absorb("set-up is insecure", &[u8::from(srs.insecure)]);
    t.state()
}

/// The highest columns.
fn highest(relation: &Relation) -> Geometry {
    Geometry {
        log_height: MAX_HEIGHT,
        model_top: 0,
        trace_top: 0,
        io_top: 0,
        inputs: vec![MAX_HEIGHT; relation.inputs.len()],
        outputs: vec![MAX_HEIGHT; relation.outputs.len()],
    }
}

/// The least heights at which every tree is one column: commitments on the curve hide without random cells.
pub(crate) fn geometry(relation: &Relation, visibility: &Visibility) -> Geometry {
    geometry_from(relation, visibility, 0)
}

/// [`geometry`] with columns of the main geometry that are at least so high.
pub(crate) fn geometry_from(relation: &Relation, visibility: &Visibility, height: u8) -> Geometry {
    let mut g = highest(relation);
    let fits = |g: &Geometry, kinds: &dyn Fn(TreeKind) -> bool| {
        let layout = Layout::with_public_columns(relation, g, visibility);
        layout.trees.iter().filter(|t| kinds(t.kind)).all(|t| t.columns <= 1)
    };
    // No tree fits a column of fewer cells than its tensors have, so that hostile sizes are not laid out in vain.
    let layout = Layout::with_public_columns(relation, &g, visibility);
    let least = |own: Option<TreeKind>| {
        let of = |t: usize| layout.trees.get(t).is_some_and(|p| own.map_or(p.group == 0, |k| p.kind == k));
        let mut cells = vec![0usize; layout.trees.len()];
        for (t, d) in layout.tensors.iter().filter_map(|p| Some((p.tree?, &p.dims))).filter(|(t, _)| of(*t)) {
            cells.iter_mut().skip(t).take(1).for_each(|c| *c = c.saturating_add(d.outer.saturating_mul(d.last)));
        }
        let height = proveil_algebra::log2_ceil(cells.into_iter().max().unwrap_or(0));
        u8::try_from(height).unwrap_or(MAX_HEIGHT).clamp(3, MAX_HEIGHT)
    };
    let own = |k: TreeKind| matches!(k, TreeKind::Input(_) | TreeKind::Output(_));
    for h in least(None).max(height)..=MAX_HEIGHT {
        g.log_height = h;
        if fits(&g, &|k| !own(k)) {
            break;
        }
    }
    let inputs = (0..relation.inputs.len()).filter(|k| visibility.input(*k as u32) != IoVisibility::Private);
    let outputs = (0..relation.outputs.len()).filter(|k| visibility.output(*k as u32) == IoVisibility::Committed);
    let inputs = inputs.map(|k| (k, TreeKind::Input(k as u32)));
    for (k, kind) in inputs.chain(outputs.map(|k| (k, TreeKind::Output(k as u32)))) {
        for h in least(Some(kind))..=MAX_HEIGHT {
            let list = if matches!(kind, TreeKind::Input(_)) { &mut g.inputs } else { &mut g.outputs };
            list.iter_mut().skip(k).take(1).for_each(|slot| *slot = h);
            if fits(&g, &|t| t == kind) {
                break;
            }
        }
    }
    g
}

impl Key {
    /// Checks that a key makes sense and is not too large to verify; keys from elsewhere need it before
    /// [`crate::PreparedKey::new`].
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn check(&self, limits: &Limits) -> Result<(), KeyError> {
        let conflict = |problem| KeyError::Conflict { field: "model commitment", path: "key".into(), problem };
        let counts = [
            ("inputs", self.relation.inputs.len(), self.visibility.inputs.len()),
            ("outputs", self.relation.outputs.len(), self.visibility.outputs.len()),
        ];
        for (field, expected, got) in counts {
            let (expected, got) = (expected as u64, got as u64);
            if expected != got {
                return Err(KeyError::Length { field, path: "visibility".into(), expected, got });
            }
        }
        check_terms(&self.relation, &self.visibility, limits)?;
        // Sizes that hold for the highest columns bound the search for the least ones.
        check_costs(&self.relation, &highest(&self.relation), &self.visibility, limits)?;
        let geometry = geometry(&self.relation, &self.visibility);
        check_costs(&self.relation, &geometry, &self.visibility, limits)?;
        let layout = Layout::with_public_columns(&self.relation, &geometry, &self.visibility);
        if let Some(t) = layout.trees.iter().find(|t| t.columns > 1) {
            let (path, value) = (alloc::format!("{:?}", t.kind), t.columns as i128);
            return Err(KeyError::Range { field: "columns", path, value, min: 0, max: 1 });
        }
        let needed = self.relation.tensors.iter().any(|t| t.home == Home::Model);
        match (needed, self.model.is_some()) {
            (true, false) => Err(conflict("is missing")),
            (false, true) => Err(conflict("is not needed")),
            _ => Ok(()),
        }
    }
}
