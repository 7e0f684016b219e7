//! The security table of a short key: `spec/succinct.md`, section 10.

use proveil_succinct::ShortKey;
use proveil_verifier::phases::LINEAR_CLAIMS;

/// Bits that proofs of this backend are labelled with: those of the curve against classical machines.
pub const BITS: u32 = 100;
/// `log2(r)` of the scalars, less `log2(1.14)` for challenges that are hashes modulo `r`.
const FIELD_BITS: f64 = 253.596_954 - 0.189_034;

/// One step of a proof and its bits.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SecurityRow {
    /// Challenge or assumption.
    pub challenge: &'static str,
    /// `-log2` of the error; of an assumption, the cost of the best known attack.
    pub bits: f64,
    /// What the bound rests on.
    pub theorem: &'static str,
}

/// Rows of a key, in transcript order; assumptions last.
#[must_use]
pub fn security_rows(key: &ShortKey) -> Vec<SecurityRow> {
    let (o, sizes, shape) = (&key.outline, &key.sizes, key.shape());
    let width = key.monos.iter().map(|m| usize::from(m.column)).max().unwrap_or(0) + 1;
    let (fractions, outputs) = (2f64 * (o.nv as f64).exp2(), key.outputs.len());
    let values = key.monos.iter().map(|m| usize::from(m.output)).max().unwrap_or(0) + 1;
    let geometries = key.groups().count();
    let domain = sizes.domain as f64;
    let schwartz = "Schwartz, Zippel";
    let row = |challenge, bad: f64, theorem| SecurityRow { challenge, bits: FIELD_BITS - bad.max(1.0).log2(), theorem };
    let point = o.nv.max(o.out_vars) + outputs;
    let mut rows = vec![
        row("fingerprint", 2.0 * fractions * width as f64, "Haboeck 2022/1530"),
        row("look-ups: zerocheck point", point as f64, schwartz),
        row("look-ups: sumcheck round", 4.0, schwartz),
        row("lane and output weight", (1 + outputs) as f64, schwartz),
        row("products: sumcheck round", 2.0, schwartz),
        row("claim weight", (LINEAR_CLAIMS - 1) as f64, schwartz),
        row("claims: sumcheck round", 2.0, schwartz),
        row(
            "evaluation argument",
            10.0 * domain.exp2() + 5.0 * domain + (values + 10 + 2 * geometries) as f64,
            "Haboeck 2022/1530; Schwartz, Zippel",
        ),
    ];
    if key.hiding {
        let bad = shape.num_products + shape.equations + 1;
        rows.push(row("pads: products, equations, inner claim", bad as f64, schwartz));
    }
    let opening = 6.0 + 8.0 * (domain + 2.0).exp2();
    rows.push(row("opening", opening, "Eagen, Gabizon 2025/385; algebraic group model"));
    let curve = "number field sieve in the field that the pairing maps to: an estimate";
    rows.push(SecurityRow { challenge: "discrete logarithm, pairing", bits: f64::from(BITS), theorem: curve });
    rows.push(SecurityRow { challenge: "hash collisions", bits: 128.0, theorem: "birthday bound on keccak-256" });
    rows
}
