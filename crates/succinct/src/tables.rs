//! The four tables that entries of the list of functionals read: monomials in challenges and sums over cubes in front, equality
//! polynomials of the three points behind, all cut into pieces of one size. Their multilinear extensions are products,
//! so that a contract evaluates them.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, Field, PrimeCharacteristicRing, Scalar, log2_ceil};

/// Number of tables.
pub const TABLES: usize = 4;

/// Columns of the argument are stacked by `2^STACKED` into one polynomial.
pub const STACKED: usize = 2;

/// Sizes of the list of functionals and of its argument, as powers of two where not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bits of a monomial's number.
    pub mono_bits: usize,
    /// Bits of a sum's number.
    pub low_bits: usize,
    /// Coordinates of `rho`, `kappa`, `tau`.
    pub points: [usize; 3],
    /// Rows of a table.
    pub piece: usize,
    /// Rows of the argument.
    pub domain: usize,
}

impl Sizes {
    /// From the bits of monomials and sums, the lengths of the points and the number of entries.
    #[must_use]
    pub fn new([mono_bits, low_bits]: [usize; 2], points: [usize; 3], entries: usize) -> Self {
        let all = mono_bits + low_bits + points.iter().sum::<usize>();
        let piece = all.div_ceil(TABLES).max(mono_bits + low_bits).max(1);
        // Combinations of columns are opened with the list, so that a stack has room for them.
        let domain = (piece + 2).max(log2_ceil(entries)).max(points[2].saturating_sub(STACKED));
        Self { mono_bits, low_bits, points, piece, domain }
    }
}

/// A monomial in challenges, less the factors of points that an entry does not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono {
    /// Which value, the exponent of `chi`: 0 the public part of phase 2, 1 that of phase 3's claims, then columns.
    pub output: u8,
    /// Exponent of `gamma`.
    pub claim: u8,
    /// Exponent of `delta`.
    pub lane: u8,
    /// Exponent of `beta`.
    pub column: u8,
    /// Bits of the address that are read, from the first to before the second.
    pub address: [u8; 2],
    /// 1: the index of phase 2 is not read; 2: the cell is not read.
    pub off: u8,
}

impl Mono {
    /// As in a short key.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        let [lo, hi] = self.address;
        [self.output, self.claim, self.lane, self.column, lo, hi, self.off, 0]
    }

    /// From a short key.
    #[must_use]
    pub fn from_bytes(b: [u8; 8]) -> Self {
        let [output, claim, lane, column, lo, hi, off, _] = b;
        Self { output, claim, lane, column, address: [lo, hi], off }
    }

    /// Whether addresses are read from bit 0 on.
    #[must_use]
    pub fn reads_lowest_address(&self) -> bool {
        self.address[0] == 0 && self.address[1] > 0
    }

    /// Whether an index of phase 2 is read.
    #[must_use]
    pub fn reads_index(&self) -> bool {
        self.off & 1 == 0
    }

    /// Whether a cell is read.
    #[must_use]
    pub fn reads_cell(&self) -> bool {
        self.off & 2 == 0
    }
}

/// What a cube sums over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Addresses.
    #[default]
    Addresses = 0,
    /// Addresses, each times its place in the cube.
    Ramp = 1,
    /// Cells.
    Cells = 2,
    /// Addresses and cells in step.
    AddressesCells = 3,
    /// Indices of phase 2 and cells in step.
    IndicesCells = 4,
    /// All three in step.
    All = 5,
}

impl Kind {
    /// The kind of a number.
    #[must_use]
    pub fn of(n: u8) -> Option<Self> {
        let all = [Self::Addresses, Self::Ramp, Self::Cells, Self::AddressesCells, Self::IndicesCells, Self::All];
        all.get(usize::from(n)).copied()
    }

    /// Whether addresses, indices, cells step.
    #[must_use]
    pub fn steps(self) -> [bool; 3] {
        match self {
            Self::Addresses | Self::Ramp => [true, false, false],
            Self::Cells => [false, false, true],
            Self::AddressesCells => [true, false, true],
            Self::IndicesCells => [false, true, true],
            Self::All => [true; 3],
        }
    }
}

/// A sum over a cube.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Low {
    /// What steps.
    pub kind: Kind,
    /// How many lowest bits.
    pub bits: u8,
}

/// Challenges that the tables depend on.
#[derive(Clone, Debug, Default)]
pub struct Challenges {
    /// Weighs values.
    pub chi: Scalar,
    /// Weighs claims.
    pub gamma: Scalar,
    /// Weighs lanes and outputs.
    pub delta: Scalar,
    /// Weighs columns of tuples.
    pub beta: Scalar,
    /// `rho`, `kappa`, `tau`.
    pub points: [Vec<Scalar>; 3],
}

/// The tables at given challenges, not written out.
#[derive(Clone, Debug)]
pub struct Tables {
    sizes: Sizes,
    monos: Vec<Scalar>,
    lows: Vec<Scalar>,
    /// All coordinates behind monomials and sums.
    point: Vec<Scalar>,
}

/// Products of `1 - z` over the first coordinates, inverted: entry `k` is over `k` of them.
fn inverses(z: &[Scalar]) -> Option<Vec<Scalar>> {
    let mut products = vec![Scalar::ONE];
    for x in z {
        let last = products.last().copied().unwrap_or_default();
        products.push(last * (Scalar::ONE - *x));
    }
    let mut inverse = products.last()?.try_inverse()?;
    let mut out = vec![inverse];
    for x in z.iter().rev() {
        inverse *= Scalar::ONE - *x;
        out.push(inverse);
    }
    out.reverse();
    Some(out)
}

fn at(list: &[Scalar], i: usize) -> Scalar {
    list.get(i).copied().unwrap_or(Scalar::ZERO)
}

/// Values of all sums, kind by kind: `sums[kind][bits]`.
fn sums(points: &[Vec<Scalar>; 3], inverse: &[Vec<Scalar>; 3], most: usize) -> Vec<Vec<Scalar>> {
    let one = Scalar::ONE;
    let kinds = [Kind::Addresses, Kind::Ramp, Kind::Cells, Kind::AddressesCells, Kind::IndicesCells, Kind::All];
    let of = |kind: Kind| {
        let steps = kind.steps();
        let (mut product, mut ramp) = (one, Scalar::ZERO);
        let mut out = Vec::with_capacity(most + 1);
        for bits in 0..=most {
            let scale = steps.iter().zip(inverse).filter(|(s, _)| **s).fold(one, |a, (_, v)| a * at(v, bits));
            out.push(scale * if kind == Kind::Ramp { ramp } else { product });
            let named = || steps.iter().zip(points).filter(|(s, _)| **s).map(|(_, z)| at(z, bits));
            if steps.iter().filter(|s| **s).count() > 1 {
                product *= named().fold(one, |a, z| a * z) + named().fold(one, |a, z| a * (one - z));
            }
            ramp += named().fold(one, |a, z| a * z) * Scalar::from_u64(1 << bits.min(63));
        }
        out
    };
    kinds.map(of).into()
}

impl Tables {
    /// The tables at challenges; `None` where an inverse does not exist.
    #[must_use]
    pub fn new(sizes: &Sizes, monos: &[Mono], lows: &[Low], c: &Challenges) -> Option<Self> {
        let [rho, kappa, tau] = &c.points;
        let inverse = [inverses(rho)?, inverses(kappa)?, inverses(tau)?];
        let [by_rho, by_kappa, by_tau] = &inverse;
        let rho_product = |n: u8| rho.iter().take(usize::from(n)).fold(Scalar::ONE, |a, x| a * (Scalar::ONE - *x));
        let whole = |v: &[Scalar]| v.last().copied().unwrap_or(Scalar::ONE);
        let mono = |m: &Mono| {
            let powers = [(c.chi, m.output), (c.gamma, m.claim), (c.delta, m.lane), (c.beta, m.column)];
            let mut v = powers.iter().fold(Scalar::ONE, |v, (x, n)| v * x.exp_u64(u64::from(*n)));
            let [lo, hi] = m.address;
            v *= at(by_rho, usize::from(lo)) * rho_product(hi) * whole(by_rho);
            if !m.reads_index() {
                v *= whole(by_kappa);
            }
            if m.reads_cell() { v } else { v * whole(by_tau) }
        };
        let most = lows.iter().map(|l| usize::from(l.bits)).max().unwrap_or(0);
        let sums = sums(&c.points, &inverse, most);
        let low = |l: &Low| sums.get(l.kind as usize).map_or(Scalar::ZERO, |s| at(s, usize::from(l.bits)));
        Some(Self {
            sizes: *sizes,
            monos: monos.iter().map(mono).collect(),
            lows: lows.iter().map(low).collect(),
            point: [&rho[..], kappa, tau].concat(),
        })
    }

    /// The coordinate of bit `k` of table `j`: `None` for bits of monomials and sums and behind the last.
    fn coordinate(&self, j: usize, k: usize) -> Option<Scalar> {
        let bit = (j * self.sizes.piece + k).checked_sub(self.sizes.mono_bits + self.sizes.low_bits)?;
        self.point.get(bit).copied()
    }

    /// All rows of table `j`.
    #[must_use]
    pub fn rows(&self, j: usize) -> Vec<Scalar> {
        let mut out = vec![Scalar::ONE];
        let mut from = 0;
        if j == 0 {
            from = self.sizes.mono_bits + self.sizes.low_bits;
            let padded = |v: &[Scalar], bits: usize| (0..1usize << bits).map(|i| at(v, i)).collect::<Vec<_>>();
            let (m, l) = (padded(&self.monos, self.sizes.mono_bits), padded(&self.lows, self.sizes.low_bits));
            out = l.iter().flat_map(|l| m.iter().map(move |m| *m * *l)).collect();
        }
        for k in from..self.sizes.piece {
            let z = self.coordinate(j, k);
            let half = out.len();
            // Bits without a coordinate have no factor.
            out.extend_from_within(..);
            if let Some(z) = z {
                out.iter_mut().take(half).for_each(|x| *x *= Scalar::ONE - z);
                out.iter_mut().skip(half).for_each(|x| *x *= z);
            }
        }
        out
    }

    /// The multilinear extension of table `j` at a point of as many coordinates as a row has bits.
    fn evaluate(&self, j: usize, s: &[Scalar]) -> Scalar {
        let (m, y) = if j == 0 { (self.sizes.mono_bits, self.sizes.low_bits) } else { (0, 0) };
        let mut v = Scalar::ONE;
        if j == 0 {
            v = small(&self.monos, s.get(..m).unwrap_or_default())
                * small(&self.lows, s.get(m..m + y).unwrap_or_default());
        }
        for (k, x) in s.iter().enumerate().skip(m + y) {
            if let Some(z) = self.coordinate(j, k) {
                v *= Scalar::ONE - *x - z + (*x * z).double();
            }
        }
        v
    }

    /// The extension of all tables, one behind the other and zeros behind them.
    pub fn extension(&self, sigma: &[Scalar]) -> Scalar {
        let (s, rest) = sigma.split_at(self.sizes.piece.min(sigma.len()));
        let (number, above) = rest.split_at(2.min(rest.len()));
        let above = above.iter().fold(Scalar::ONE, |a, x| a * (Scalar::ONE - *x));
        let sum = (0..TABLES)
            .fold(Scalar::ZERO, |a, j| a + proveil_algebra::eq_index(number, j as u64) * self.evaluate(j, s));
        above * sum
    }
}

/// `sum_i eq(s, i) values[i]` over few values.
fn small(values: &[Scalar], s: &[Scalar]) -> Scalar {
    let eq = proveil_algebra::eq_table(s);
    values.iter().zip(&eq).fold(Scalar::ZERO, |a, (v, e)| a + *v * *e)
}

/// A signed integer as a scalar.
pub fn integer(v: i64) -> Scalar {
    <Scalar as Challenge>::from_int(v)
}
