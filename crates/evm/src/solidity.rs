//! The typed wrapper of one model: Solidity in which its inputs and outputs have names, shapes and real units.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::form::Form;

/// How a contract reads a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A real number.
    Real,
    /// An integer.
    Integer,
    /// Yes or no.
    Boolean,
}

/// An input or output of a model.
#[derive(Clone, Debug)]
pub struct Io {
    /// Whether it is an input.
    pub input: bool,
    /// Its name in the model file.
    pub name: String,
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// How values are read.
    pub kind: Kind,
    /// Its form.
    pub form: Form,
    /// Names of classes.
    pub labels: Vec<String>,
}

/// What contracts need to know of a model.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Name for people.
    pub name: String,
    /// The model id.
    pub model_id: [u8; 32],
    /// Whether its key was made with a development set-up.
    pub insecure: bool,
    /// Inputs, then outputs.
    pub ios: Vec<Io>,
}

/// A generated source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the contract in it.
    pub contract: String,
    /// Its text.
    pub text: String,
}

/// Words of a name: runs of letters and digits.
fn words(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for c in name.chars() {
        match (c.is_ascii_alphanumeric(), out.last_mut()) {
            (true, Some(word)) => word.push(c.to_ascii_lowercase()),
            _ => out.push(String::new()),
        }
    }
    out.retain(|w| !w.is_empty());
    out
}

/// `some_name` as `SomeName`.
fn camel(name: &str) -> String {
    let capital = |w: String| w[..1].to_uppercase() + &w[1..];
    words(name).into_iter().map(capital).collect()
}

/// Text that is safe in a comment: printable, on one line.
fn comment(text: &str) -> String {
    text.chars().take(200).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// Names of one input or output in the contract.
struct Named<'a> {
    io: &'a Io,
    /// `OutputScore`.
    camel: String,
    /// `OUTPUT_SCORE`.
    constant: String,
    /// Where its bytes begin in what a proof shows.
    at: usize,
}

impl Named<'_> {
    fn label(&self) -> String {
        let what = if self.io.input { "Input" } else { "Output" };
        format!("{what} `{}`", comment(&self.io.name))
    }

    fn hex(&self) -> String {
        self.io.form.word().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// What a value stands for, and its range.
    fn units(&self) -> String {
        let (form, unit) = (&self.io.form, (-f64::from(self.io.form.scale())).exp2());
        let (lo, hi) = (form.least() as f64 * unit, (form.least() as f64 + form.span() as f64) * unit);
        format!("{:?}, each an integer times 2^{}, from {lo} to {hi}", self.io.shape, -i32::from(form.scale()))
    }
}

/// Names that are different for all, with the places of points and values.
fn named(ios: &[Io]) -> (Vec<Named<'_>>, usize) {
    let mut taken = BTreeSet::new();
    let points = ios.iter().filter(|io| io.form.is_committed()).count();
    let (mut point, mut value) = (0, 64 * points);
    let mut out = Vec::new();
    for (number, io) in ios.iter().enumerate() {
        let what = if io.input { "input" } else { "output" };
        let mut name = format!("{what}_{}", words(&io.name).join("_"));
        if words(&io.name).is_empty() || !taken.insert(name.clone()) {
            name = format!("{what}_number_{number}");
            taken.insert(name.clone());
        }
        let at = if io.form.is_committed() { point } else { value };
        point += if io.form.is_committed() { 64 } else { 0 };
        value += io.form.size();
        out.push(Named { io, camel: camel(&name), constant: name.to_uppercase(), at });
    }
    (out, value)
}

/// The name of the contract for a model.
fn contract_name(interface: &Interface) -> String {
    let name = camel(&interface.name);
    let name = if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("M{name}") };
    let mark = if interface.insecure { "InsecureDevelopment" } else { "" };
    format!("{mark}{name}Model")
}

/// The wrapper: an abstract contract to extend.
///
/// It belongs into a folder beside `src`, which holds [`crate::sources`].
#[must_use]
pub fn wrapper(interface: &Interface) -> Source {
    let contract = contract_name(interface);
    let (ios, size) = named(&interface.ios);
    let id: String = interface.model_id.iter().map(|b| format!("{b:02x}")).collect();
    let mut out = String::from(HEAD);
    let _ = write!(
        out,
        "/// @title What proofs of the model `{}` show\n\
         /// @notice To extend. {{_acceptProof}} checks a proof for the sender and returns what it shows; the functions behind it read\n\
         /// that by name. Everything here follows from the model's short key; make it again with the key and compare.\n",
        comment(&interface.name)
    );
    if interface.insecure {
        out += "///\n/// @dev The key was made with a development set-up: anybody can forge proofs. For development and tests only.\n";
    }
    let _ = write!(
        out,
        "abstract contract {contract} is ProofConsumer {{\n    /// There is no value of this number.\n    \
         error NoSuchValue(uint256 index, uint256 count);\n\n    /// The model: the hash of its short key.\n    \
         bytes32 public constant MODEL_ID = 0x{id};\n"
    );
    for n in &ios {
        let _ = match (n.io.form.is_public(), n.io.form.is_committed()) {
            (true, _) => write!(
                out,
                "    /// {}: {}.\n    Form public constant {} = Form.wrap(0x{});\n",
                n.label(),
                n.units(),
                n.constant,
                n.hex()
            ),
            (_, true) => writeln!(out, "    /// {}: {:?}, committed to.", n.label(), n.io.shape)
                .and_then(|()| writeln!(out, "    uint256 private constant {}_AT = {};", n.constant, n.at)),
            _ => Ok(()),
        };
    }
    let _ = write!(
        out,
        "    /// Bytes of what a proof shows: points of what is committed to, then values of what is public.\n    \
         uint256 public constant SHOWN = {size};\n\n    \
         /// Checks a proof for the sender, uses up the sender's number, and returns what the model was proved to compute.\n    \
         function _acceptProof(bytes calldata proof, uint256 nonce) internal returns (bytes calldata shown) {{\n        \
         return _accept(MODEL_ID, proof, nonce, SHOWN);\n    }}\n"
    );
    for n in &ios {
        out += &readers(n);
    }
    out += "\n    function _below(uint256 index, uint256 count) private pure {\n        \
            if (index >= count) revert NoSuchValue(index, count);\n    }\n}\n";
    Source { contract, text: out }
}

const HEAD: &str = "// SPDX-License-Identifier: MIT OR Apache-2.0\npragma solidity 0.8.37;\n\n\
                    import {Form} from \"../src/Form.sol\";\n\
                    import {ProofConsumer} from \"../src/ProofConsumer.sol\";\n\
                    import {Real} from \"../src/Real.sol\";\n\n";

/// Functions that read one input or output.
fn readers(n: &Named<'_>) -> String {
    let mut out = String::new();
    let (label, camel, constant, at) = (n.label(), &n.camel, &n.constant, n.at);
    if n.io.form.is_committed() {
        let _ = write!(
            out,
            "\n    /// {label}: the commitment to it, a point; compare its hash with one that you trust.\n    \
             function _point{camel}(bytes calldata shown) internal pure returns (bytes calldata) {{\n        \
             return shown[{constant}_AT:{constant}_AT + POINT];\n    }}\n"
        );
        return out;
    }
    if !n.io.form.is_public() {
        return out;
    }
    let (kind, read, words) = match n.io.kind {
        Kind::Real => ("Real", format!("{constant}.realAt(shown, {at}, index)"), "in real units"),
        Kind::Integer => ("int256", format!("{constant}.integerAt(shown, {at}, index)"), "an integer"),
        Kind::Boolean => ("bool", format!("{constant}.integerAt(shown, {at}, index) != 0"), "yes or no"),
    };
    for (i, label) in n.io.labels.iter().take(64).enumerate() {
        let (gap, what) = (if i == 0 { "\n" } else { "" }, if n.io.input { "Text" } else { "Class" });
        let _ = writeln!(out, "{gap}    /// {what} {i}: {}", comment(label));
    }
    let first = if n.io.labels.is_empty() { "\n" } else { "    ///\n" };
    let _ = write!(
        out,
        "{first}    /// {label}: value number `index`, row after row, {words}.\n    \
         function _value{camel}(bytes calldata shown, uint256 index) internal pure returns ({kind}) {{\n        \
         _below(index, {constant}.count());\n        return {read};\n    }}\n"
    );
    if n.io.kind == Kind::Real && n.io.form.count() > 1 {
        let _ = write!(
            out,
            "\n    /// {label}: all values, row after row.\n    \
             function _all{camel}(bytes calldata shown) internal pure returns (Real[] memory values) {{\n        \
             values = new Real[]({constant}.count());\n        \
             for (uint256 i = 0; i < values.length; ++i) values[i] = {constant}.realAt(shown, {at}, i);\n    }}\n\n    \
             /// {label}: where the greatest value of a row is; the first of equals.\n    \
             function _greatest{camel}(bytes calldata shown, uint256 row) internal pure returns (uint256) {{\n        \
             _below(row, {constant}.lines());\n        return {constant}.greatest(shown, {at}, row);\n    }}\n"
        );
    }
    out
}

/// A contract that can be deployed as it is, to start from: it emits what proofs show.
#[must_use]
pub fn example(interface: &Interface) -> Source {
    let model = contract_name(interface);
    let contract = format!("{}Example", model.trim_end_matches("Model"));
    let (ios, _) = named(&interface.ios);
    let list: Vec<(&str, String, String)> = ios
        .iter()
        .filter(|n| n.io.form.is_public() && !n.io.input)
        .map(|n| match (n.io.kind, n.io.form.count()) {
            (Kind::Real, 2..) => ("Real[]", n.camel.clone(), format!("_all{}(shown)", n.camel)),
            (Kind::Real, _) => ("Real", n.camel.clone(), format!("_value{}(shown, 0)", n.camel)),
            (Kind::Integer, _) => ("int256", n.camel.clone(), format!("_value{}(shown, 0)", n.camel)),
            (Kind::Boolean, _) => ("bool", n.camel.clone(), format!("_value{}(shown, 0)", n.camel)),
        })
        .collect();
    let fields: String = list.iter().map(|(kind, name, _)| format!(", {kind} {}", lower(name))).collect();
    let values: String = list.iter().map(|(.., read)| format!(", {read}")).collect();
    let text = format!(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\npragma solidity 0.8.37;\n\n\
         import {{IProveilVerifier}} from \"../src/IProveilVerifier.sol\";\n\
         import {{ProofConsumer}} from \"../src/ProofConsumer.sol\";\n\
         import {{Real}} from \"../src/Real.sol\";\n\
         import {{{model}}} from \"./{model}.sol\";\n\n\
         /// @title A contract to start from\n\
         /// @notice Takes proofs of the model `{name}`, each once and for its sender only, and emits what they show. Put what your\n\
         /// contract does with a result where the event is.\n\
         contract {contract} is {model} {{\n    \
         event Proven(address indexed sender{fields});\n\n    \
         constructor(IProveilVerifier verifier) ProofConsumer(verifier) {{}}\n\n    \
         /// @notice Submits a proof that was made for this contract, the sender and the number.\n    \
         function submit(bytes calldata proof, uint256 nonce) external {{\n        \
         bytes calldata shown = _acceptProof(proof, nonce);\n        \
         emit Proven(msg.sender{values});\n    }}\n}}\n",
        name = comment(&interface.name)
    );
    // Nothing is imported that is not used: the compiler does not mind, readers do.
    let used = text.contains("Real ") || text.contains("Real[]");
    let text = if used { text } else { text.replace("import {Real} from \"../src/Real.sol\";\n", "") };
    let text = if values.contains("shown") { text } else { text.replace("bytes calldata shown = ", "") };
    Source { contract, text }
}

fn lower(name: &str) -> String {
    name[..1].to_lowercase() + &name[1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The word of a short key: visibility, bytes of a value, lines, cells of a line and with padding, range.
    fn form(visibility: u8, bytes: u8, shape: [u32; 2], range: (i64, u64), scale: i32) -> Form {
        let mut word = [0; 32];
        word[..2].copy_from_slice(&[visibility, bytes]);
        for (i, n) in [shape[0], shape[1], shape[1]].into_iter().enumerate() {
            word[4 + 4 * i..8 + 4 * i].copy_from_slice(&n.to_be_bytes());
        }
        word[16..24].copy_from_slice(&range.0.to_be_bytes());
        word[24..].copy_from_slice(&range.1.to_be_bytes());
        Form::new(word, scale).unwrap()
    }

    /// A model with every kind of input and output, and names that no language takes.
    fn weather() -> Interface {
        let io = |input, name: &str, shape: &[usize], kind, form| Io {
            input,
            name: name.into(),
            shape: shape.to_vec(),
            kind,
            form,
            labels: Vec::new(),
        };
        let class = Io {
            labels: vec!["sun".into(), "rain \u{202e}\n*/ }".into()],
            ..io(false, "7-day class", &[1], Kind::Integer, form(0, 1, [1, 1], (0, 1), 0))
        };
        let ios = vec![
            io(true, "pressure", &[2, 3], Kind::Real, form(0, 2, [2, 3], (-32_768, 65_535), 7)),
            io(true, "/station:0", &[8], Kind::Real, form(2, 2, [1, 8], (0, 4095), 12)),
            io(true, "secret", &[8], Kind::Real, form(1, 2, [1, 8], (0, 4095), 12)),
            io(false, "wind", &[1, 4], Kind::Real, form(0, 3, [1, 4], (-500_000, 1_000_000), -2)),
            class,
            io(false, "storm", &[1], Kind::Boolean, form(0, 1, [1, 1], (0, 1), 0)),
            io(false, "wind", &[1], Kind::Real, form(0, 1, [1, 1], (0, 255), 8)),
            io(false, "\u{1f300}", &[1, 2], Kind::Real, form(2, 2, [1, 2], (0, 65_535), 4)),
        ];
        let model_id = proveil_protocol::transcript::keccak256(&[b"weather"]);
        Interface { name: "weather, 7 days".into(), model_id, insecure: false, ios }
    }

    /// The compile script compiles the files there, so whatever this makes compiles.
    #[test]
    fn matches_the_compiled_example() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/generated");
        for source in [wrapper(&weather()), example(&weather())] {
            let path = format!("{folder}/{}.sol", source.contract);
            if std::env::var_os("PROVEIL_UPDATE").is_some() {
                std::fs::write(&path, &source.text).unwrap();
            }
            let there = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(source.text, there, "run this test with PROVEIL_UPDATE=1, then `npm run compile` in contracts/");
        }
    }

    #[test]
    fn rejects_names_that_would_be_code() {
        let mut interface = weather();
        interface.name = "x */ contract Evil { } // \n y".into();
        interface.ios[0].name = "a\nfunction evil() public {}".into();
        let text = wrapper(&interface).text + &example(&interface).text;
        assert!(text.contains("XContractEvilYModel") && text.contains("_valueInputAFunctionEvilPublic("));
        let code = text.lines().filter(|l| !l.trim_start().starts_with("///"));
        assert!(code.clone().all(|l| !l.contains("evil()") && !l.contains("contract Evil")));
        assert!(text.is_ascii());
    }

    #[test]
    fn accepts_places_of_points_and_values() {
        let interface = weather();
        let (names, size) = named(&interface.ios);
        let at: Vec<usize> = names.iter().map(|n| n.at).collect();
        // Two points, then six pressures of two bytes, four winds of three, a class, a storm, another wind.
        assert_eq!((at[0], at[1], at[3], at[4], at[5], at[6], at[7]), (128, 0, 140, 152, 153, 154, 64));
        assert_eq!(size, 155);
        let different: BTreeSet<&str> = names.iter().map(|n| n.camel.as_str()).collect();
        assert_eq!(different.len(), names.len());
    }
}
