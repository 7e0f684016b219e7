//! `srs`: makes the set-up of proofs that contracts verify, from a ceremony's file or for development.

use std::path::Path;

use proveil::io::{IoError, write_atomic};
use proveil_kzg::ptau::{self, PtauError};
use proveil_kzg::srs::Srs;
use serde_json::json;

use super::args::{SrsArgs, SrsSource};
use super::failure::{BAD_FILE, Failure, USAGE};
use super::ui::{Ui, size};

/// Runs the command.
pub fn run(a: &SrsArgs, ui: &Ui) -> Result<(), Failure> {
    match &a.source {
        SrsSource::Import(a) => {
            ui.stage("import");
            let read = |source| IoError::Read { path: a.file.clone(), source };
            let mut file = std::fs::File::open(&a.file).map_err(read)?;
            let srs = ptau::import(&mut file, a.log_size).map_err(|e| failure(&e).at(&a.file))?;
            write(&srs, &a.output, ui)
        }
        SrsSource::Dev(a) => {
            ui.stage("powers");
            let srs = Srs::dev(a.log_size).map_err(|e| Failure::new(USAGE, e.to_string()))?;
            write(&srs, &a.output, ui)
        }
    }
}

fn failure(e: &PtauError) -> Failure {
    Failure::new(BAD_FILE, e.to_string())
}

fn write(srs: &Srs, output: &Path, ui: &Ui) -> Result<(), Failure> {
    ui.stage("write");
    let bytes = srs.encode();
    write_atomic(output, &bytes, false)?;
    let insecure = srs.key().insecure;
    let note = if insecure { "INSECURE: for development only, everybody knows its secret" } else { "checked" };
    let text = format!(
        "set-up           {} ({})\npowers of tau    2^{}\nsecurity         {note}\n",
        output.display(),
        size(bytes.len()),
        srs.log_size()
    );
    let value = json!({
        "srs": output,
        "srs_bytes": bytes.len(),
        "log_size": srs.log_size(),
        "insecure": insecure,
    });
    ui.result(&text, &value);
    Ok(())
}
