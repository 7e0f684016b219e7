//! Compiled contracts.

use proveil_protocol::transcript::keccak256;
use serde_json::Value;

/// Why an artifact is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// Not the JSON that `contracts/compile.mjs` writes.
    #[error("field '{field}' of the artifact is missing or malformed: run `npm run compile` in contracts/")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// A contract has no such function.
    #[error("contract {contract} has no function {function}")]
    NoFunction {
        /// The contract.
        contract: String,
        /// The function.
        function: String,
    },
}

/// A compiled contract.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Its name.
    pub contract: String,
    /// The compiler's version, with its commit.
    pub compiler: String,
    /// Hash of all sources, as the compile script makes it.
    pub sources: String,
    /// Code that deploys it, arguments of the constructor to be appended.
    pub bytecode: Vec<u8>,
    /// Code that it leaves on the chain, immutables not yet filled in.
    pub runtime: Vec<u8>,
    /// Source files that instructions are from, for contracts that are measured.
    pub stage_names: Vec<String>,
    stage_runs: String,
    abi: Vec<Value>,
}

impl Artifact {
    /// Reads a file of `contracts/out`.
    ///
    /// # Errors
    /// `Field`.
    pub fn parse(json: &str) -> Result<Self, ArtifactError> {
        let bad = |field| ArtifactError::Field { field };
        let v: Value = serde_json::from_str(json).map_err(|_| bad("file"))?;
        let text = |field: &'static str| v[field].as_str().map(str::to_owned).ok_or(bad(field));
        let code = |field: &'static str| unhex(&text(field)?).ok_or(bad(field));
        Ok(Self {
            contract: text("contract")?,
            compiler: text("compiler")?,
            sources: text("sources")?,
            bytecode: code("bytecode")?,
            runtime: code("runtime")?,
            stage_names: v["stages"]["files"]
                .as_array()
                .map_or(vec![], |list| list.iter().map(|n| n.as_str().unwrap_or_default().to_owned()).collect()),
            stage_runs: v["stages"]["runs"].as_str().unwrap_or_default().to_owned(),
            abi: v["abi"].as_array().cloned().ok_or(bad("abi"))?,
        })
    }

    /// For every byte of the code the number of the source file that its instruction is from; nothing for files that
    /// others use for arithmetic. Empty for contracts that are not measured.
    #[must_use]
    pub fn stages(&self) -> Vec<Option<u8>> {
        let mut runs = Vec::new();
        for c in self.stage_runs.bytes() {
            match (c, runs.last_mut()) {
                (b'0'..=b'9', Some((_, n))) => *n = *n * 10 + usize::from(c - b'0'),
                (b'a'..=b'z', _) => runs.push((Some(c - b'a'), 0)),
                _ => runs.push((None, 0)),
            }
        }
        let mut instructions = runs.into_iter().flat_map(|(stage, n)| std::iter::repeat_n(stage, n));
        let mut out = Vec::with_capacity(self.runtime.len());
        while !self.stage_runs.is_empty() && out.len() < self.runtime.len() {
            // A push takes up to 32 further bytes.
            let more = match self.runtime[out.len()] {
                op @ 0x60..=0x7f => usize::from(op - 0x5f),
                _ => 0,
            };
            let stage = instructions.next().flatten();
            out.extend(std::iter::repeat_n(stage, 1 + more));
        }
        out
    }

    fn entries(&self, kind: &str) -> impl Iterator<Item = (&str, [u8; 4])> {
        let of_kind = self.abi.iter().filter(move |e| e["type"] == *kind);
        of_kind.filter_map(|e| Some((e["name"].as_str()?, selector(&signature(e)?))))
    }

    /// The four bytes that name a function in calldata, overloads aside.
    ///
    /// # Errors
    /// `NoFunction`.
    pub fn function(&self, name: &str) -> Result<[u8; 4], ArtifactError> {
        let missing = || ArtifactError::NoFunction { contract: self.contract.clone(), function: name.into() };
        self.entries("function").find(|(n, _)| *n == name).map(|(_, s)| s).ok_or_else(missing)
    }

    /// The name of the custom error in what a call returned when it reverted.
    #[must_use]
    pub fn error(&self, returned: &[u8]) -> Option<&str> {
        let first: [u8; 4] = returned.get(..4)?.try_into().ok()?;
        self.entries("error").find(|(_, s)| *s == first).map(|(n, _)| n)
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).ok().filter(|d| d.len() == 2)?, 16).ok()).collect()
}

fn selector(signature: &str) -> [u8; 4] {
    let [a, b, c, d, ..] = keccak256(&[signature.as_bytes()]);
    [a, b, c, d]
}

fn signature(entry: &Value) -> Option<String> {
    Some(format!("{}{}", entry["name"].as_str()?, types(&entry["inputs"])?))
}

fn types(list: &Value) -> Option<String> {
    let one = |v: &Value| {
        let name = v["type"].as_str()?;
        match name.strip_prefix("tuple") {
            Some(suffix) => Some(format!("{}{suffix}", types(&v["components"])?)),
            None => Some(name.to_owned()),
        }
    };
    let names: Option<Vec<String>> = list.as_array()?.iter().map(one).collect();
    Some(format!("({})", names?.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_selectors() {
        assert_eq!(selector("transfer(address,uint256)"), [0xa9, 0x05, 0x9c, 0xbb]);
        let json = r#"{"contract":"C","compiler":"","sources":"","bytecode":"00ff","runtime":"","abi":[
            {"type":"function","name":"f","inputs":[{"type":"tuple[]","components":[{"type":"uint256"},{"type":"bytes"}]}]},
            {"type":"error","name":"transfer","inputs":[{"type":"address"},{"type":"uint256"}]}]}"#;
        let a = Artifact::parse(json).unwrap();
        assert_eq!(a.bytecode, [0, 255]);
        assert_eq!(a.function("f").unwrap(), selector("f((uint256,bytes)[])"));
        assert_eq!(a.error(&[0xa9, 0x05, 0x9c, 0xbb, 7]), Some("transfer"));
        assert_eq!(a.error(&[0xa9, 0x05]), None);
        assert!(a.stages().is_empty());
    }

    /// Two instructions of the first file, a push with two bytes from a helper, one of the second file, then data.
    #[test]
    fn matches_reference_stages() {
        let json = r#"{"contract":"C","compiler":"","sources":"","bytecode":"","runtime":"015f61aabb01ff","abi":[],
            "stages":{"files":["A","B"],"runs":"a2.1b1"}}"#;
        let a = Artifact::parse(json).unwrap();
        assert_eq!(a.stage_names, ["A", "B"]);
        assert_eq!(a.stages(), [Some(0), Some(0), None, None, None, Some(1), None]);
    }

    #[test]
    fn rejects_files_that_are_no_artifacts() {
        for json in ["", "{}", r#"{"contract":"C","compiler":"","sources":"","bytecode":"0","runtime":"","abi":[]}"#] {
            assert!(Artifact::parse(json).is_err());
        }
        let json = r#"{"contract":"C","compiler":"","sources":"","bytecode":"","runtime":"","abi":[]}"#;
        assert!(matches!(Artifact::parse(json).unwrap().function("f"), Err(ArtifactError::NoFunction { .. })));
    }
}
