//! What anybody needs to make the verifier's bytes again from its sources: the compiler's settings as a project of Foundry
//! and as an input for the compiler itself.

use serde_json::{Value, json};

use crate::artifact::{Artifact, ArtifactError};
use crate::sources::needed;

/// Settings of all artifacts, as the compiler takes them.
const SETTINGS: &str = include_str!("../../../contracts/settings.json");

fn settings() -> Result<Value, ArtifactError> {
    serde_json::from_str(SETTINGS).map_err(|_| ArtifactError::Field { field: "settings" })
}

/// Input of `solc --standard-json` that makes an artifact: its sources under `src/` and nothing else, with the settings.
///
/// # Errors
/// `Field` if the settings are malformed.
pub fn standard_json(artifact: &Artifact) -> Result<String, ArtifactError> {
    let mut settings = settings()?;
    let (file, outputs) =
        (format!("{}.sol", artifact.contract), ["evm.bytecode.object", "evm.deployedBytecode.object"]);
    settings["outputSelection"] = json!({ format!("src/{file}"): { &artifact.contract: outputs } });
    let files = needed(&[&file]);
    let sources: serde_json::Map<String, Value> =
        files.into_iter().map(|(name, text)| (format!("src/{name}"), json!({ "content": text }))).collect();
    Ok(json!({ "language": "Solidity", "sources": sources, "settings": settings }).to_string())
}

/// A `foundry.toml` with the settings: `forge build` makes the contracts of `model/`, the profile `verifier` those of `src/`.
///
/// # Errors
/// `Field` if the settings are malformed or say something that this does not write.
pub fn foundry(artifact: &Artifact) -> Result<String, ArtifactError> {
    let s = settings()?;
    let bad = || ArtifactError::Field { field: "settings" };
    let word = |v: &Value| v.as_str().map(str::to_owned).ok_or_else(bad);
    let flag = |v: &Value| v.as_bool().ok_or_else(bad);
    let (optimizer, metadata) = (&s["optimizer"], &s["metadata"]);
    let details = &optimizer["details"];
    let yul = &details["yulDetails"];
    let known = |v: &Value, n: usize| v.as_object().filter(|o| o.len() == n).map(drop).ok_or_else(bad);
    [(&s, 4), (optimizer, 3), (details, 2), (yul, 2), (metadata, 2)].into_iter().try_for_each(|(v, n)| known(v, n))?;
    Ok(format!(
        "# The settings of the artifacts: `FOUNDRY_PROFILE=verifier forge build` makes the bytes of verifier.hex again.\n\
         [profile.default]\nsrc = \"model\"\nout = \"out\"\nlibs = []\nsolc = \"{}\"\nevm_version = \"{}\"\nvia_ir = {}\n\
         optimizer = {}\noptimizer_runs = {}\nbytecode_hash = \"{}\"\ncbor_metadata = {}\n\n\
         [profile.default.optimizer_details]\nyul = {}\n\n\
         [profile.default.optimizer_details.yulDetails]\nstackAllocation = {}\noptimizerSteps = \"{}\"\n\n\
         [profile.verifier]\nsrc = \"src\"\nout = \"out-verifier\"\n",
        artifact.compiler.split('+').next().unwrap_or_default(),
        word(&s["evmVersion"])?,
        flag(&s["viaIR"])?,
        flag(&optimizer["enabled"])?,
        optimizer["runs"].as_u64().ok_or_else(bad)?,
        word(&metadata["bytecodeHash"])?,
        flag(&metadata["appendCBOR"])?,
        flag(&details["yul"])?,
        flag(&yul["stackAllocation"])?,
        word(&yul["optimizerSteps"])?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::verifier;

    #[test]
    fn matches_the_sources_and_settings_of_the_artifacts() {
        for insecure in [false, true] {
            let artifact = verifier(insecure).unwrap();
            let input: Value = serde_json::from_str(&standard_json(&artifact).unwrap()).unwrap();
            let sources = input["sources"].as_object().unwrap();
            assert!(sources.contains_key(&format!("src/{}.sol", artifact.contract)));
            assert_eq!(sources.contains_key("src/InsecureDevelopmentVerifier.sol"), insecure);
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/");
            for (path, source) in sources {
                assert_eq!(source["content"], std::fs::read_to_string(format!("{folder}{path}")).unwrap(), "{path}");
            }
            let mut without = input["settings"].clone();
            without.as_object_mut().unwrap().remove("outputSelection");
            assert_eq!(without, settings().unwrap());
            // Every setting is in the project too.
            let project = foundry(&artifact).unwrap();
            for line in ["solc = \"0.8.37\"", "optimizer_runs = 20000", "via_ir = true", "cbor_metadata = false"] {
                assert!(project.lines().any(|l| l == line), "{project}");
            }
            let steps = without["optimizer"]["details"]["yulDetails"]["optimizerSteps"].as_str().unwrap();
            assert!(project.contains(&format!("optimizerSteps = \"{steps}\"")));
        }
    }
}
