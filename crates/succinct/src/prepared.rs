//! Keys with what follows from them: layout, list of functionals, short key.

use proveil_algebra::Scalar;
use proveil_kzg::commit::Committed;
use proveil_kzg::srs::{Srs, SrsError};
use proveil_kzg::{Point, SrsKey};
use proveil_protocol::channel::Shape;
use proveil_protocol::params::Params;
use proveil_protocol::sample::Sampled;
use proveil_protocol::transcript::{Digest, keccak256};
use proveil_relation::decl::{Home, Relation};
use proveil_relation::groups::Cuts;
use proveil_relation::key::{Geometry, VerifyingKey, Visibility};
use proveil_relation::layout::{Dims, Layout, TreeKind};

use crate::key::{Key, MAX_HEIGHT, as_commitment, geometry_from, key_digest};
use crate::list::{self, List, ListError};
use crate::short::{Io, LIST_STACKS, ShortKey};

/// A key with what follows from it, computed once.
#[derive(Clone, Debug)]
pub struct PreparedKey {
    /// Layout, digest and declarations as the phases read them. Its parameters are those of the other opening, which
    /// is not run.
    pub inner: proveil_verifier::PreparedKey,
    /// What contracts know of it.
    pub short: ShortKey,
    /// The list of functionals.
    pub list: List,
    /// Hash of the key without description and set-up.
    pub claim: Digest,
    /// Its stacks, in the order of the short key.
    pub stacks: Vec<Committed>,
}

/// Why a key cannot be prepared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The relation has no list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The set-up is too small for the list.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The key is of another set-up.
    #[error("the key was made with another set-up: use the powers that belong to it")]
    OtherSetup,
    /// The model's commitment is missing or is no point.
    #[error("the key's model commitment is no point of the curve")]
    Model,
    /// A tree has more cells than one column, which is what a commitment holds.
    #[error(
        "too large for contracts: the tree {tree:?} takes {columns} columns of 2^{MAX_HEIGHT} cells, and a commitment holds \
         one; take a smaller model or batch, or the transparent backend"
    )]
    Columns {
        /// Which tree.
        tree: TreeKind,
        /// How many.
        columns: usize,
    },
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

/// The layout of a relation under this backend.
pub(crate) fn layout(relation: &Relation, geometry: &Geometry, visibility: &Visibility) -> Layout {
    Layout::with_public_columns(relation, geometry, visibility).with_groups(relation, Cuts::Cheapest)
}

/// Inputs and outputs as statements show them.
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

/// A key with its geometry, and what names it.
pub(crate) struct Bound {
    pub key: VerifyingKey,
    /// Hash of the key without description and set-up.
    pub claim: Digest,
    /// Digest of all of it.
    pub digest: Digest,
}

impl Bound {
    /// With columns of at least `2^height` cells.
    pub fn new(key: Key, height: u8) -> Self {
        let Key { relation, visibility, model, srs, meta } = key;
        let geometry = geometry_from(&relation, &visibility, height);
        let model = model.as_ref().map(as_commitment).map(Sampled::binding);
        let params = Params::standard(100);
        let key = VerifyingKey { params, geometry, visibility, relation, model, meta: Vec::new() };
        let claim = keccak256(&[&key.encode()]);
        let digest = key_digest(&claim, &meta, &srs);
        Self { key: VerifyingKey { meta, ..key }, claim, digest }
    }
}

/// The short key of a key with its layout and list.
fn short_key(
    key: &VerifyingKey,
    layout: &Layout,
    list: &List,
    points: [Point; LIST_STACKS],
    (model, srs, digest): (Option<Point>, SrsKey, Digest),
) -> Result<ShortKey, PrepareError> {
    let [inputs, outputs] = ios(&key.relation, layout, &key.visibility);
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
        model,
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
    Ok(short)
}

impl PreparedKey {
    /// Derives geometry, layout, list and digest of a key that was checked, and commits to the list.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub fn new(key: Key, setup: &Srs) -> Result<Self, PrepareError> {
        Self::with_height(key, setup, 0)
    }

    /// [`PreparedKey::new`] with columns of at least `2^height` cells, whatever the relation needs: cells lie where those of
    /// another relation lie.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub fn with_height(key: Key, setup: &Srs, height: u8) -> Result<Self, PrepareError> {
        if setup.key() != key.srs {
            return Err(PrepareError::OtherSetup);
        }
        Self::derive(key, height, |list| Ok(list.commit(setup)?))
    }

    /// [`PreparedKey::new`] with the list's points as they were made before, so that nothing is committed to. Points of
    /// another list make proofs that nobody accepts: keep [`List::digest`] with them, and compare.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub fn with_points(key: Key, points: [Point; LIST_STACKS]) -> Result<Self, PrepareError> {
        Self::derive(key, 0, |list| Ok(list.with_points(points)))
    }

    /// The short key of a relation with nothing committed to: all sizes, no points. A list that is made from more than
    /// `most` cells is not made, its sizes are assumed.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub fn draft(
        relation: Relation,
        visibility: Visibility,
        srs: SrsKey,
        most: u64,
    ) -> Result<(ShortKey, bool), PrepareError> {
        let model = relation.tensors.iter().any(|t| t.home == Home::Model).then_some(Point::INFINITY);
        let Bound { key, digest, .. } = Bound::new(Key { relation, visibility, model, srs, meta: Vec::new() }, 0);
        let layout = layout(&key.relation, &key.geometry, &key.visibility);
        if let Some(t) = layout.trees.iter().find(|t| t.columns > 1) {
            return Err(PrepareError::Columns { tree: t.kind, columns: t.columns });
        }
        let made = list::reads(&layout) <= most;
        let list = if made { list::build(&key.relation, &layout, &key.visibility)? } else { List::assumed(&layout) };
        let points = [Point::INFINITY; LIST_STACKS];
        Ok((short_key(&key, &layout, &list, points, (model, srs, digest))?, made))
    }

    fn derive(
        key: Key,
        height: u8,
        commit: impl FnOnce(&List) -> Result<Vec<Committed>, PrepareError>,
    ) -> Result<Self, PrepareError> {
        let (point, srs) = (key.model, key.srs);
        let Bound { key, claim, digest } = Bound::new(key, height);
        let layout = layout(&key.relation, &key.geometry, &key.visibility);
        let list = list::build(&key.relation, &layout, &key.visibility)?;
        let stacks = commit(&list)?;
        let mut points = [Point::INFINITY; LIST_STACKS];
        points.iter_mut().zip(&stacks).for_each(|(p, c)| *p = c.point);
        let short = short_key(&key, &layout, &list, points, (point, srs, digest))?;
        let inner = proveil_verifier::PreparedKey { key, layout, digest, epoch: None };
        Ok(Self { inner, short, list, claim, stacks })
    }

    /// Variables of the longest polynomial: powers of tau that proofs need, as a power of two.
    #[must_use]
    pub fn log_size(&self) -> usize {
        self.short.log_size()
    }

    /// Shape of every proof under this key: pads, messages, products.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.short.shape()
    }
}

/// A signed integer as a scalar.
pub(crate) fn scalar(v: i64) -> Scalar {
    crate::tables::integer(v)
}
