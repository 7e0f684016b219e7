//! Keys: what is public and fixed about a compiled model, and what follows from it.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::Scalar;
use proveil_kzg::{Point, SrsKey};
use proveil_protocol::channel::Shape;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::params::Params;
use proveil_protocol::transcript::{Hash, Transcript};
use proveil_relation::check::{KeyError, Limits, check_costs, check_terms};
use proveil_relation::decl::{Home, Relation};
use proveil_relation::key::{Geometry, IoVisibility, VerifyingKey, Visibility};
use proveil_relation::layout::{Dims, Layout, TreeKind};

use crate::short::{Io, LIST_COLUMNS, ShortKey};

/// Name and version of the protocol; first thing absorbed.
pub const PROTOCOL: &str = "proveil/succinct/1";
/// Highest column, as a power of two.
const MAX_HEIGHT: u8 = 26;

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

/// A key with what follows from it, computed once.
#[derive(Clone, Debug)]
pub struct PreparedKey {
    /// Layout, digest and declarations as the phases read them. Its parameters are those of the other opening, which
    /// is not run.
    pub inner: proveil_verifier::PreparedKey,
    /// What contracts know of it.
    pub short: ShortKey,
    /// The list of functionals.
    #[cfg(feature = "std")]
    pub list: crate::list::List,
    /// Its columns, in the order of the short key.
    #[cfg(feature = "std")]
    pub columns: Vec<proveil_kzg::commit::Committed>,
}

/// Why a key cannot be prepared.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The relation has no list.
    #[error(transparent)]
    List(#[from] crate::list::ListError),
    /// The set-up is too small for the list.
    #[error(transparent)]
    Srs(#[from] proveil_kzg::srs::SrsError),
    /// The key is of another set-up.
    #[error("the key was made with another set-up: use the powers that belong to it")]
    OtherSetup,
    /// The model's commitment is missing or is no point.
    #[error("the key's model commitment is no point of the curve")]
    Model,
    /// A count that a short key has no room for.
    #[error("{what}: {value} is more than the backend for contracts takes ({most})")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        value: usize,
        /// The most.
        most: usize,
    },
}

/// A point where the phases keep a root and a nonce: its two coordinates.
#[must_use]
pub(crate) fn as_commitment(p: &Point) -> Commitment {
    let bytes = p.to_bytes();
    let (x, y) = bytes.split_at(32);
    Commitment { root: x.try_into().unwrap_or_default(), nonce: y.try_into().unwrap_or_default() }
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
    for h in least(None)..=MAX_HEIGHT {
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
    /// [`PreparedKey::new`].
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

/// The layout of a relation under this backend.
#[cfg(feature = "std")]
pub(crate) fn layout(relation: &Relation, geometry: &Geometry, visibility: &Visibility) -> Layout {
    Layout::with_public_columns(relation, geometry, visibility).with_groups(relation)
}

/// Inputs and outputs as statements show them.
#[cfg(feature = "std")]
fn ios(relation: &Relation, layout: &Layout, visibility: &Visibility) -> [Vec<Io>; 2] {
    let of = |dims: &Dims, visibility, lo: i64, hi: i64| Io {
        visibility,
        lines: dims.outer as u32,
        cells: dims.last as u32,
        padded: dims.padded_last() as u32,
        lo,
        range: hi.wrapping_sub(lo) as u64,
    };
    let inputs =
        relation.inputs.iter().zip(0..).filter_map(|(i, k)| {
            Some(of(&layout.tensors.get(i.tensor as usize)?.dims, visibility.input(k), i.lo, i.hi))
        });
    let outputs = relation.outputs.iter().zip(&layout.outputs).zip(0..);
    [inputs.collect(), outputs.map(|((o, dims), k)| of(dims, visibility.output(k), o.lo, o.hi)).collect()]
}

#[cfg(feature = "std")]
impl PreparedKey {
    /// Derives geometry, layout, list and digest of a key that was checked, and commits to the list.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub fn new(key: Key, setup: &proveil_kzg::srs::Srs) -> Result<Self, PrepareError> {
        let Key { relation, visibility, model, srs, meta } = key;
        if setup.key() != srs {
            return Err(PrepareError::OtherSetup);
        }
        let geometry = geometry(&relation, &visibility);
        let point = model;
        let model = model.as_ref().map(as_commitment);
        let params = Params::standard(100);
        let key = VerifyingKey { params, geometry, visibility, relation, model, meta };
        let layout = layout(&key.relation, &key.geometry, &key.visibility);
        let mut t = Transcript::with_hash(Hash::Keccak, PROTOCOL);
        t.absorb("verifying key", &key.encode());
        t.absorb("set-up", &srs.tau.to_bytes());
        t.absorb("set-up is insecure", &[u8::from(srs.insecure)]);
        let digest = t.state();
        let list = crate::list::build(&key.relation, &layout, &key.visibility)?;
        let columns = list.commit(setup)?;
        let mut points = [Point::INFINITY; LIST_COLUMNS];
        points.iter_mut().zip(&columns).for_each(|(p, c)| *p = c.point);
        let [inputs, outputs] = ios(&key.relation, &layout, &key.visibility);
        let mut outline = layout.outline();
        // One number says how long the point of phase 1 is.
        outline.out_vars = outline.out_vars.max(outline.nv);
        outline.trees.iter_mut().for_each(|t| t.top = None);
        let short = ShortKey {
            hiding: key.visibility.hiding(),
            srs,
            outline,
            sizes: list.sizes,
            monos: list.monos.clone(),
            lows: list.lows.clone(),
            digest,
            list: points,
            model: point,
            inputs,
            outputs,
        };
        let counts = [
            ("inputs", short.inputs.len(), 255),
            ("outputs", short.outputs.len(), 200),
            ("pads", short.shape().pads, 65_535),
            ("columns of a tuple", key.relation.tables.iter().map(|t| t.width()).max().unwrap_or(0), 255),
        ];
        if let Some((what, value, most)) = counts.into_iter().find(|(_, value, most)| value > most) {
            return Err(PrepareError::TooLarge { what, value, most });
        }
        let inner = proveil_verifier::PreparedKey { key, layout, digest, epoch: None };
        Ok(Self { inner, short, list, columns })
    }

    /// Variables of the longest column: powers of tau that proofs need, as a power of two.
    #[must_use]
    pub fn log_size(&self) -> usize {
        let pads = proveil_algebra::log2_ceil(self.shape().pads);
        self.inner.layout.heights.iter().copied().chain([pads, self.short.sizes.domain]).max().unwrap_or(0)
    }

    /// Shape of every proof under this key: pads, messages, products.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.short.shape()
    }
}

/// A signed integer as a scalar.
#[cfg(feature = "std")]
pub(crate) fn scalar(v: i64) -> Scalar {
    crate::tables::integer(v)
}
