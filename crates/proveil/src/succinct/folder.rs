//! The folder of `export solidity`: everything that a Solidity developer deploys and extends.

use proveil_evm::solidity::{Interface, Io, Kind, example, wrapper};
use proveil_evm::{Artifact, Form, export, rebuild, sources};
use serde_json::{Value, json};

use super::KeyFile;
use crate::error::Error;
use crate::meta::{IoMeta, TEXT};
use crate::proof::hex;

impl KeyFile {
    /// What contracts need to know of the model.
    ///
    /// # Errors
    /// `Meta`; `Scale`.
    pub fn interface(&self) -> Result<Interface, Error> {
        let meta = self.meta()?;
        let one = |input: bool, m: &IoMeta, io: &proveil_succinct::Io| {
            let scale = || Error::Scale { name: m.name.clone(), scale: m.scale };
            let kind = match m.dtype.as_str() {
                "int64" | TEXT if m.scale == 0 => Kind::Integer,
                "bool" if m.scale == 0 => Kind::Boolean,
                _ if m.is_encoded() => Kind::Integer,
                _ => Kind::Real,
            };
            let form = Form::new(io.to_bytes(), if m.is_encoded() { 0 } else { m.scale }).ok_or_else(scale)?;
            Ok(Io { input, name: m.name.clone(), shape: m.shape.clone(), kind, form, labels: m.labels.clone() })
        };
        let inputs = meta.inputs.iter().zip(&self.short.inputs).map(|(m, io)| one(true, m, io));
        let outputs = meta.outputs.iter().zip(&self.short.outputs).map(|(m, io)| one(false, m, io));
        let ios = inputs.chain(outputs).collect::<Result<_, Error>>()?;
        Ok(Interface { name: meta.name, model_id: self.short.id(), insecure: self.short.srs.insecure, ios })
    }

    /// Files of the folder by path.
    ///
    /// # Errors
    /// `Mismatch` for keys that contracts do not take; those of [`KeyFile::interface`]; `Artifact`.
    pub fn solidity(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.require_hiding()?;
        let interface = self.interface()?;
        let artifact = export::verifier(interface.insecure)?;
        let (model, start) = (wrapper(&interface), example(&interface));
        let prefixed = |bytes: &[u8]| format!("0x{}\n", hex(bytes)).into_bytes();
        let batch = export::batch_verifier()?;
        let root = format!("{}.sol", artifact.contract);
        let mut files = vec![
            ("README.md".to_string(), readme(&interface, &artifact, &start.contract).into_bytes()),
            (
                "deployment.json".into(),
                self.deployment(&interface, &artifact, &batch, &model.contract).to_string().into_bytes(),
            ),
            ("foundry.toml".into(), rebuild::foundry(&artifact)?.into()),
            ("key.hex".into(), prefixed(&self.account_code())),
            ("verifier.hex".into(), prefixed(&artifact.bytecode)),
            ("verifier.json".into(), rebuild::standard_json(&artifact)?.into()),
            ("batch.hex".into(), prefixed(&batch.bytecode)),
            ("batch.json".into(), rebuild::standard_json(&batch)?.into()),
            ("artifacts/BatchVerifier.json".into(), export::BATCH_VERIFIER.into()),
            (format!("artifacts/{}.json", artifact.contract), export::verifier_file(interface.insecure).into()),
            (format!("model/{}.sol", model.contract), model.text.into()),
            (format!("model/{}.sol", start.contract), start.text.into()),
        ];
        let needed = sources::needed(&[&root, "BatchConsumer.sol", "ProofConsumer.sol", "Form.sol", "Real.sol"]);
        files.extend(needed.into_iter().map(|(name, text)| (format!("src/{name}"), text.into())));
        Ok(files)
    }

    /// What `deployment.json` says.
    fn deployment(&self, interface: &Interface, artifact: &Artifact, batch: &Artifact, contract: &str) -> Value {
        let key = self.short.to_bytes();
        let ios = interface.ios.iter().map(|io| {
            json!({
                "name": io.name, "input": io.input, "shape": io.shape, "form": format!("0x{}", hex(&io.form.word())),
                "scale": io.form.scale(), "bytes": io.form.size(),
            })
        });
        json!({
            "name": interface.name, "contract": contract, "model_id": format!("0x{}", hex(&interface.model_id)),
            "selector": format!("0x{}", hex(&export::version_bytes())), "protocol": proveil_succinct::PROTOCOL,
            "insecure_set_up": interface.insecure, "security_bits": super::BITS,
            "verifier": {
                "contract": artifact.contract, "code_bytes": artifact.runtime.len(),
                "creation_bytes": artifact.bytecode.len(), "sources": artifact.sources,
            },
            "batch": { "contract": batch.contract, "code_bytes": batch.runtime.len() },
            "key": { "bytes": key.len(), "account_bytes": key.len() + 1 },
            "ios": ios.collect::<Vec<_>>(),
        })
    }
}

/// The next steps.
fn readme(interface: &Interface, artifact: &Artifact, start: &str) -> String {
    let verifier = &artifact.contract;
    let version = artifact.compiler.split('+').next().unwrap_or_default();
    let name: String = interface.name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-. ".contains(*c)).collect();
    let warning = if interface.insecure {
        "**The key was made with a development set-up. Anybody can forge proofs under it: for development and tests only.** \
         Import a ceremony's set-up (`proveil srs import`), compile again, export again.\n\n"
    } else {
        ""
    };
    format!(
        "# Contracts for the model `{name}`\n\n{warning}\
         | file | what it is |\n| --- | --- |\n\
         | `verifier.hex` | creation code of `{verifier}`: one for all models, no owner, no storage |\n\
         | `batch.hex` | creation code of `BatchVerifier`, which checks several proofs in one call for less; its argument is the verifier's address |\n\
         | `key.hex` | creation code of the account that holds the model's key; its hash is the model id |\n\
         | `model/` | the model's inputs and outputs by name, in real units; a contract to start from |\n\
         | `src/` | sources that these need, and those of the verifier |\n\
         | `artifacts/` | both verifiers as the pinned compiler made them, with their interfaces |\n\
         | `verifier.json`, `batch.json` | inputs for `solc --standard-json` that make both again |\n\
         | `deployment.json` | model id, sizes, forms |\n\n\
         ## Next steps\n\n\
         With Foundry; `ETH_RPC_URL`, `PRIVATE_KEY` and `SENDER` (its address) are yours, `MODEL.pkg` and `MODEL.key` what `proveil compile` \
         wrote.\n\n\
         ```sh\n\
         create() {{ cast send --private-key $PRIVATE_KEY --json --create \"$1\" | jq -r .contractAddress; }}\n\
         VERIFIER=$(create $(cat verifier.hex))\n\
         KEY=$(create $(cat key.hex))\n\
         forge build\n\
         CONTRACT=$(create $(jq -r .bytecode.object out/{start}.sol/{start}.json)$(cast abi-encode 'f(address)' $VERIFIER | cut -c3-))\n\n\
         proveil prove MODEL.pkg --srs SETUP --input INPUT --bind $(cast chain-id),$CONTRACT,$SENDER,1 -o result.proof\n\
         PROOF=$(proveil --json export calldata --key MODEL.key --proof result.proof --account $KEY | jq -r .proof)\n\
         cast send --private-key $PRIVATE_KEY $CONTRACT 'submit(bytes,uint256)' $PROOF 1\n\
         ```\n\n\
         A proof is bound to the chain, the contract, the sender and a number of the sender's (`--bind`), and counts once. A refusal is a\n\
         custom error that names the check.\n\n\
         ## Several proofs in one call\n\n\
         ```sh\n\
         BATCH=$(create $(cat batch.hex)$(cast abi-encode 'f(address)' $VERIFIER | cut -c3-))\n\
         cast call $BATCH $(proveil export calldata --key MODEL.key --account $KEY --proof a.proof b.proof) && echo accepted\n\
         ```\n\n\
         ## The same bytes again\n\n\
         `verifier.hex` need not be believed. Either of these makes it from the sources and says nothing where the bytes are the same:\n\n\
         ```sh\n\
         FOUNDRY_PROFILE=verifier forge build && jq -r .bytecode.object out-verifier/{verifier}.sol/{verifier}.json | cmp - verifier.hex\n\
         npx --yes solc@{version} --standard-json < verifier.json > made.json && grep '^{{' made.json \\\n    \
         | jq -r '\"0x\" + .contracts[\"src/{verifier}.sol\"].{verifier}.evm.bytecode.object' | cmp - verifier.hex\n\
         ```\n"
    )
}
