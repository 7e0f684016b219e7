//! One model in a process of its own.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::folder::name_of;
use crate::cli::args::{Args, BenchArgs};

/// Measures a path in a new process; every way to fail becomes a record.
pub fn run(path: &Path, a: &BenchArgs, args: &Args) -> Value {
    let failed = |message: String| json!({ "name": name_of(path), "status": "error", "message": message });
    match spawn(path, a, args) {
        Ok((line, status, errors)) => match serde_json::from_str(line.lines().last().unwrap_or_default()) {
            Ok(record) => record,
            Err(_) => {
                let told = errors.lines().rev().take(4).collect::<Vec<_>>();
                let told = told.into_iter().rev().collect::<Vec<_>>().join(" | ");
                failed(format!("the process ended with {status}: {told}"))
            }
        },
        Err(e) => failed(e),
    }
}

fn spawn(path: &Path, a: &BenchArgs, args: &Args) -> Result<(String, String, String), String> {
    let told = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}");
    let program = std::env::current_exe().map_err(|e| told("finding the program", &e))?;
    let mut out = tempfile::tempfile().map_err(|e| told("temporary file", &e))?;
    let mut err = tempfile::tempfile().map_err(|e| told("temporary file", &e))?;
    let handle = |f: &std::fs::File| f.try_clone().map(Stdio::from).map_err(|e| told("temporary file", &e));
    let mut command = Command::new(program);
    command
        .args(arguments(path, a, args))
        .stdin(Stdio::null())
        .env("RUST_BACKTRACE", "0")
        // Pages that one proof frees are not given back before the next one, which would have them cleared again.
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .stdout(handle(&out)?)
        .stderr(handle(&err)?);
    let mut child = command.spawn().map_err(|e| told("starting a process", &e))?;
    let deadline = Instant::now() + Duration::from_secs(a.timeout);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| told("waiting", &e))? {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("not done after {} s; raise --timeout", a.timeout));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut texts = [String::new(), String::new()];
    for (file, text) in [&mut out, &mut err].into_iter().zip(&mut texts) {
        file.seek(SeekFrom::Start(0)).map_err(|e| told("temporary file", &e))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| told("temporary file", &e))?;
        *text = String::from_utf8_lossy(&bytes).into_owned();
    }
    let [out, err] = texts;
    Ok((out, status.to_string(), err))
}

/// A file name with the name of a model put before its extension.
fn named(file: &Path, model: &str) -> PathBuf {
    let extension = file.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}-{model}{extension}"))
}

/// The same options, for one path.
fn arguments(path: &Path, a: &BenchArgs, args: &Args) -> Vec<std::ffi::OsString> {
    let mut list: Vec<std::ffi::OsString> = ["--quiet", "bench", "--child"].map(Into::into).to_vec();
    let b = &a.building;
    let mut put = |name: &str, value: Option<String>| {
        if let Some(v) = value {
            list.push(format!("{name}={v}").into());
        }
    };
    put("--threads", args.threads.map(|n| n.to_string()));
    put("--cases", Some(a.cases.to_string()));
    put("--visibility", Some(b.visibility.clone()));
    let profile = match b.profile {
        crate::cli::args::ProfileArg::Fast => "fast",
        crate::cli::args::ProfileArg::Small => "small",
    };
    put("--profile", Some(profile.into()));
    put("--security", Some(b.security.to_string()));
    put("--budget", b.budget.map(|n| n.to_string()));
    put("--batch", b.batch.map(|n| n.to_string()));
    put("--weight-bits", b.weight_bits.map(|n| n.to_string()));
    put("--activation-bits", b.activation_bits.map(|n| n.to_string()));
    put("--max-error", b.max_error.map(|n| n.to_string()));
    put("--min-agreement", b.min_agreement.map(|n| n.to_string()));
    put("--margin", b.margin.map(|n| n.to_string()));
    b.output_policy.iter().for_each(|p| put("--output-policy", Some(p.clone())));
    b.dims.iter().for_each(|d| put("--dim", Some(d.clone())));
    if let Some(file) = a
        .flamegraph
        .as_deref()
        .map(|f| if a.paths.len() + a.generated.len() > 1 { named(f, &name_of(path)) } else { f.into() })
    {
        list.extend(["--flamegraph".into(), file.into_os_string()]);
    }
    if let Some(file) = &a.srs {
        list.extend(["--srs".into(), file.into()]);
    }
    let flags = [
        ("--unique-decoding", b.unique_decoding),
        ("--plain", b.plain),
        ("--no-plain", a.no_plain),
        ("--speed-up", a.speed_up),
        ("--stages", a.stages),
        ("--evm", a.on_chain()),
        // Times are predicted by the parent, gas where the key is.
        ("--predict", a.predict && a.on_chain()),
        ("--once", a.once || a.report.is_some()),
    ];
    flags.into_iter().filter(|f| f.1).for_each(|f| list.push(f.0.into()));
    list.push("--".into());
    list.push(path.into());
    list
}
