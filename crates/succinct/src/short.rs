//! The short key: all that a contract knows of a model. It names sizes, monomials and sums of the list of functionals, and
//! holds commitments; relation and layout stand behind it as a digest. Whoever has the full key and a set-up makes the
//! short one again and compares.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, PrimeCharacteristicRing, Scalar};
use proveil_kzg::curve::POINT_BYTES;
use proveil_kzg::mercury::Claims;
use proveil_kzg::{Point, SrsKey, TauPoint};
use proveil_protocol::channel::Channel;
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::sample::Sampled;
use proveil_protocol::transcript::{Digest, keccak256};
use proveil_relation::key::{IoValue, IoVisibility, Statement};
use proveil_relation::layout::{Outline, TreeKind, TreePlan};
use proveil_relation::weights::eq_segment_into;
use proveil_verifier::{StatementError, phases};

use crate::argument;
use crate::functionals::Sent;
use crate::tables::{Kind, Low, Mono, Sizes, integer};

/// Bytes that open a short key.
pub const MAGIC: [u8; 4] = *b"PVS2";
/// Stacks of columns of the list that a key commits to: four indices; weights and multiplicities.
pub const LIST_STACKS: usize = 2;

/// An input or output as a statement shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Io {
    /// Who sees it.
    pub visibility: IoVisibility,
    /// Lines of the last axis.
    pub lines: u32,
    /// Cells of a line.
    pub cells: u32,
    /// Cells of a line with its padding.
    pub padded: u32,
    /// Smallest allowed value.
    pub lo: i64,
    /// Largest allowed value less the smallest.
    pub range: u64,
}

/// The short key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortKey {
    /// Whether proofs hide.
    pub hiding: bool,
    /// Set-up.
    pub srs: SrsKey,
    /// Sizes of the phases.
    pub outline: Outline,
    /// Sizes of the list and its argument.
    pub sizes: Sizes,
    /// Monomials.
    pub monos: Vec<Mono>,
    /// Sums over cubes.
    pub lows: Vec<Low>,
    /// Digest of the full key.
    pub digest: Digest,
    /// The list: indices; weights and multiplicities.
    pub list: [Point; LIST_STACKS],
    /// The model's commitment.
    pub model: Option<Point>,
    /// Inputs.
    pub inputs: Vec<Io>,
    /// Outputs.
    pub outputs: Vec<Io>,
}

impl Io {
    /// Bytes of a value.
    #[must_use]
    pub fn width(&self) -> usize {
        (64 - self.range.leading_zeros() as usize).div_ceil(8)
    }

    /// The word of the short key.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut out = [0; 32];
        let visibility = match self.visibility {
            IoVisibility::Public => 0,
            IoVisibility::Private => 1,
            IoVisibility::Committed => 2,
        };
        let parts: [&[u8]; 6] = [
            &[visibility, self.width() as u8, 0, 0],
            &self.lines.to_be_bytes(),
            &self.cells.to_be_bytes(),
            &self.padded.to_be_bytes(),
            &self.lo.to_be_bytes(),
            &self.range.to_be_bytes(),
        ];
        out.iter_mut().zip(parts.concat()).for_each(|(o, b)| *o = b);
        out
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "short key, input or output";
        let visibility = match r.take(what, 4)?.first() {
            Some(0) => IoVisibility::Public,
            Some(1) => IoVisibility::Private,
            _ => IoVisibility::Committed,
        };
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |a, b| a << 8 | u64::from(*b));
        let mut word = |n| r.take(what, n).map(number);
        let [lines, cells, padded] = [word(4)? as u32, word(4)? as u32, word(4)? as u32];
        let (lo, range) = (word(8)? as i64, word(8)?);
        Ok(Self { visibility, lines, cells, padded, lo, range })
    }

    /// `sum eq(point, place) value`, lines lying one behind the other with their padding.
    pub(crate) fn at(&self, point: &[Scalar], values: &[i64]) -> Scalar {
        let (mut sum, mut eq) = (Scalar::ZERO, Vec::new());
        for (i, line) in values.chunks((self.cells as usize).max(1)).enumerate() {
            eq.clear();
            eq_segment_into(point, i * self.padded as usize, line.len(), Scalar::ONE, &mut eq);
            sum += line.iter().zip(&eq).fold(Scalar::ZERO, |a, (v, e)| a + integer(*v) * *e);
        }
        sum
    }

    /// Checks a value of a statement and appends its public data.
    fn append(
        &self,
        (what, index): (&'static str, usize),
        v: &IoValue,
        out: &mut Vec<u8>,
    ) -> Result<(), StatementError> {
        match (v, self.visibility) {
            (IoValue::Private, IoVisibility::Private) => Ok(()),
            (IoValue::Committed(c), IoVisibility::Committed) if *c == Sampled::binding(c.commitment) => Ok(()),
            (IoValue::Committed(_), IoVisibility::Committed) => Err(StatementError::Sample { what, index }),
            (IoValue::Public(values), IoVisibility::Public) => {
                let expected = self.lines as usize * self.cells as usize;
                if values.len() != expected {
                    return Err(StatementError::Length { what, index, expected, got: values.len() });
                }
                for (cell, value) in values.iter().enumerate() {
                    let above = value.wrapping_sub(self.lo) as u64;
                    if *value < self.lo || above > self.range {
                        let (lo, hi) = (self.lo, self.lo.wrapping_add(self.range as i64));
                        return Err(StatementError::OutOfRange { what, index, cell, value: *value, lo, hi });
                    }
                    out.extend(above.to_be_bytes().iter().skip(8 - self.width()));
                }
                Ok(())
            }
            (_, expected) => Err(StatementError::Visibility { what, index, expected }),
        }
    }
}

fn tree_bytes(t: &TreePlan, height: usize) -> [u8; 8] {
    let (kind, k) = match t.kind {
        TreeKind::Model => (0, 0),
        TreeKind::Input(k) => (1, k),
        TreeKind::Output(k) => (2, k),
        TreeKind::Mask => (3, 0),
        TreeKind::Trace => (4, 0),
        TreeKind::Helper => (5, 0),
    };
    [kind, k as u8, t.group as u8, height as u8, t.columns as u8, t.mask.into(), t.public.into(), 0]
}

fn read_tree(b: [u8; 8]) -> (TreePlan, usize) {
    let [kind, k, group, height, columns, mask, public, _] = b;
    let kind = match kind {
        0 => TreeKind::Model,
        1 => TreeKind::Input(u32::from(k)),
        2 => TreeKind::Output(u32::from(k)),
        3 => TreeKind::Mask,
        4 => TreeKind::Trace,
        _ => TreeKind::Helper,
    };
    let (group, columns) = (usize::from(group), usize::from(columns));
    (
        TreePlan { kind, group, top: None, columns, mask: mask != 0, public: public != 0, sampled: false },
        usize::from(height),
    )
}

/// Zeros up to the next word.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(32), 0);
}

impl ShortKey {
    /// Pads and products of every hiding proof.
    #[must_use]
    pub fn shape(&self) -> proveil_protocol::channel::Shape {
        let mut ch = Channel::<Scalar>::dry(self.hiding);
        // A dry run cannot fail: every message reads as zero and nothing is checked.
        if let Ok(end) = phases::walk_with(&mut ch, &self.outline, &mut Sent::new(self, None, None)) {
            for group in self.groups() {
                let _ = end.tie(&mut ch, group, Scalar::ZERO);
            }
        }
        let _ = ch.triples(|_, _| Ok(Scalar::ZERO));
        ch.shape().clone()
    }

    /// Bytes of every proof under this key.
    ///
    /// # Source
    /// `spec/succinct.md`, sections 3 and 8: points of 64 bytes, scalars of 32.
    #[must_use]
    pub fn proof_bytes(&self) -> usize {
        let (shape, hiding) = (self.shape(), usize::from(self.hiding));
        let sent = |t: &&TreePlan| matches!(t.kind, TreeKind::Mask | TreeKind::Trace | TreeKind::Helper);
        // Masks, trace and helpers; values read and fractions of the list; pads and their mask.
        let points = self.outline.trees.iter().filter(sent).count() + 2 + 2 * hiding;
        let functionals = 2 + self.outline.trees.iter().filter(|t| t.columns > 0).count();
        let rounds = self.sizes.domain;
        let argument = argument::DEGREE * rounds + argument::COLUMNS;
        let blocks = |g: usize| 1 << self.outline.heights.get(g).map_or(0, |h| h.saturating_sub(rounds));
        let opened: usize = self.groups().map(|g| 2 + blocks(g)).sum();
        // Reveals of triples, the mask's product, the blind of the pads.
        let inner = hiding * (2 * shape.products.len() + 2);
        let scalars = shape.messages + functionals + opened + argument + inner;
        points * POINT_BYTES + scalars * Scalar::BYTES + Claims::proof_bytes(1, hiding)
    }

    /// Variables of the longest polynomial: powers of tau that proofs need, as a power of two.
    #[must_use]
    pub fn log_size(&self) -> usize {
        let pads = proveil_algebra::log2_ceil(self.shape().pads);
        let stack = self.sizes.domain + crate::tables::STACKED;
        self.outline.heights.iter().copied().chain([pads, stack]).max().unwrap_or(0)
    }

    /// Geometries that are opened: those with commitments.
    pub fn groups(&self) -> impl Iterator<Item = usize> {
        let opened = |g: &usize| self.outline.trees.iter().any(|t| t.group == *g && !t.public);
        (0..self.outline.heights.len()).filter(opened)
    }

    /// Height of a tree's column.
    #[must_use]
    pub fn height(&self, t: &TreePlan) -> usize {
        self.outline.heights.get(t.group).copied().unwrap_or(0)
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let shape = self.shape();
        let (o, s) = (&self.outline, &self.sizes);
        let [rho, kappa, tau] = s.points;
        let mut out = MAGIC.to_vec();
        out.push(u8::from(self.hiding) | u8::from(self.srs.insecure) << 1);
        let counts = [o.trees.len(), self.inputs.len(), self.outputs.len()];
        let sizes = [o.nv, rho, kappa, tau, s.piece, s.domain, s.mono_bits, s.low_bits];
        out.extend(sizes.iter().chain(&counts).map(|n| *n as u8));
        for n in [self.monos.len(), self.lows.len(), shape.pads, shape.products.len()] {
            out.extend((n as u16).to_be_bytes());
        }
        pad(&mut out);
        out.extend(self.digest);
        out.extend(self.srs.tau.to_bytes());
        self.list.iter().for_each(|p| out.extend(p.to_bytes()));
        o.trees.iter().for_each(|t| out.extend(tree_bytes(t, self.height(t))));
        pad(&mut out);
        self.model.iter().for_each(|p| out.extend(p.to_bytes()));
        self.inputs.iter().chain(&self.outputs).for_each(|io| out.extend(io.to_bytes()));
        self.monos.iter().for_each(|m| out.extend(m.to_bytes()));
        pad(&mut out);
        self.lows.iter().for_each(|l| out.extend([l.kind as u8, l.bits]));
        pad(&mut out);
        out
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// `DecodeError` at the first byte that is not as [`ShortKey::to_bytes`] writes it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let invalid = |what, offset| DecodeError::Invalid { what, offset };
        let head: [u8; 32] = r.take("short key", 32)?.try_into().unwrap_or_default();
        let [a, b, c, d, flags, nv, rho, kappa, tau, piece, domain, mono_bits, low_bits, trees, inputs, outputs, ..] =
            head;
        if [a, b, c, d] != MAGIC {
            return Err(invalid("short key", 0));
        }
        let [.., m0, m1, l0, l1, _, _, _, _, _, _, _, _, _, _, _, _] = head;
        let (num_monos, num_lows) = (u16::from_be_bytes([m0, m1]), u16::from_be_bytes([l0, l1]));
        let digest = r.digest("key digest")?;
        let offset = r.offset();
        let tau_point = TauPoint::from_bytes(r.take("set-up", 128)?).map_err(|_| invalid("set-up", offset))?;
        let mut list = [Point::INFINITY; LIST_STACKS];
        for p in &mut list {
            *p = Point::read(&mut r, "commitment to the list")?;
        }
        let mut outline = Outline { nv: nv.into(), out_vars: rho.into(), nk: kappa.into(), ..Outline::default() };
        for _ in 0..trees {
            let (plan, height) = read_tree(r.take("tree", 8)?.try_into().unwrap_or_default());
            if plan.group >= outline.heights.len() {
                outline.heights.resize(plan.group + 1, height);
            }
            // Trees of a later geometry may come first: where there is no model, an input's do.
            outline.heights.iter_mut().skip(plan.group).take(1).for_each(|h| *h = height);
            outline.trees.push(plan);
        }
        skip_padding(&mut r)?;
        let has_model = outline.trees.iter().any(|t| t.kind == TreeKind::Model);
        let model = if has_model { Some(Point::read(&mut r, "model")?) } else { None };
        let mut io = |n: u8| (0..n).map(|_| Io::read(&mut r)).collect::<Result<Vec<_>, _>>();
        let (inputs, outputs) = (io(inputs)?, io(outputs)?);
        let mut monos = vec![];
        for _ in 0..num_monos {
            monos.push(Mono::from_bytes(r.take("monomial", 8)?.try_into().unwrap_or_default()));
        }
        skip_padding(&mut r)?;
        let mut lows = vec![];
        for _ in 0..num_lows {
            let offset = r.offset();
            let [kind, bits]: [u8; 2] = r.take("sum", 2)?.try_into().unwrap_or_default();
            lows.push(Low { kind: Kind::of(kind).ok_or(invalid("sum", offset))?, bits });
        }
        skip_padding(&mut r)?;
        r.finish()?;
        let sizes = Sizes {
            mono_bits: mono_bits.into(),
            low_bits: low_bits.into(),
            points: [rho.into(), kappa.into(), tau.into()],
            piece: piece.into(),
            domain: domain.into(),
        };
        let srs = SrsKey { tau: tau_point, insecure: flags & 2 != 0 };
        let hiding = flags & 1 != 0;
        let key = Self { hiding, srs, outline, sizes, monos, lows, digest, list, model, inputs, outputs };
        if key.makes_sense() && key.to_bytes() == bytes {
            Ok(key)
        } else {
            Err(invalid("short key (not canonical)", 0))
        }
    }

    /// Whether sizes bound all work and fit each other.
    fn makes_sense(&self) -> bool {
        let s = &self.sizes;
        let enough = |bits: usize, rows: usize| bits <= 16 && rows <= 1 << bits;
        let bits = s.mono_bits + s.low_bits;
        self.outline.heights.iter().max() == s.points.last()
            && self.outline.nv <= self.outline.out_vars
            && s.points.iter().all(|n| *n <= 40)
            && enough(s.mono_bits, self.monos.len())
            && enough(s.low_bits, self.lows.len())
            && s.piece >= bits
            && s.piece * crate::tables::TABLES >= bits + s.points.iter().sum::<usize>()
            && ((s.piece + 2).max(s.points[2].saturating_sub(crate::tables::STACKED))..=40).contains(&s.domain)
    }

    /// Name of the compiled model.
    #[must_use]
    pub fn id(&self) -> Digest {
        keccak256(&[&self.to_bytes()])
    }

    /// The public data of a statement, checked against the key.
    ///
    /// # Errors
    /// `Count`, `Visibility`, `Length`, `OutOfRange`; `Epoch` when the statement names a refresh.
    pub fn public_data(&self, statement: &Statement) -> Result<Vec<u8>, StatementError> {
        let counts = [
            ("inputs", self.inputs.len(), statement.inputs.len()),
            ("outputs", self.outputs.len(), statement.outputs.len()),
        ];
        for (what, expected, got) in counts {
            if expected != got {
                return Err(StatementError::Count { what, expected, got });
            }
        }
        if let Some(e) = &statement.epoch {
            return Err(StatementError::Epoch { expected: None, got: Some(e.number) });
        }
        let mut out = keccak256(&[&statement.context]).to_vec();
        let all = || statement.inputs.iter().chain(&statement.outputs);
        for v in all() {
            if let IoValue::Committed(c) = v {
                out.extend(c.commitment.to_bytes());
            }
        }
        let named = (0..self.inputs.len()).map(|k| ("input", k)).chain((0..self.outputs.len()).map(|k| ("output", k)));
        for ((name, io), v) in named.zip(self.inputs.iter().chain(&self.outputs)).zip(all()) {
            io.append(name, v, &mut out)?;
        }
        Ok(out)
    }
}

fn skip_padding(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    let n = r.offset().next_multiple_of(32) - r.offset();
    r.take("padding", n).map(|_| ())
}
