//! `srs` as a user runs it.

use std::process::{Command, Output};

use proveil_kzg::srs::Srs;

/// Sixteen powers, from a ceremony of one.
const CEREMONY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kzg/tests/ceremony.ptau");

fn proveil(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proveil")).args(["--quiet", "--json", "srs"]).args(args).output().unwrap()
}

fn json(args: &[&str]) -> serde_json::Value {
    let out = proveil(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn refused(args: &[&str]) -> (i32, String) {
    let out = proveil(args);
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn roundtrips_set_ups_through_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (a, b, c) = (file("a.srs"), file("b.srs"), file("c.srs"));
    let dev = json(&["dev", "--log-size", "6", "-o", &a]);
    assert_eq!((&dev["insecure"], &dev["log_size"]), (&true.into(), &6.into()));
    let all = json(&["import", CEREMONY, "-o", &b]);
    assert_eq!((&all["insecure"], &all["log_size"]), (&false.into(), &4.into()));
    let part = json(&["import", CEREMONY, "--log-size", "3", "-o", &c]);
    assert_eq!(part["log_size"], 3);
    let read = |f: &str| Srs::decode(&std::fs::read(f).unwrap(), None).unwrap();
    assert!(read(&a).key().insecure && !read(&b).key().insecure);
    assert_eq!(read(&b).key(), read(&c).key());
}

#[test]
fn rejects_bad_ceremonies_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.srs").to_string_lossy().into_owned();
    let bad = dir.path().join("bad.ptau");
    let mut bytes = std::fs::read(CEREMONY).unwrap();
    let (code, message) = refused(&["import", CEREMONY, "--log-size", "12", "-o", &out]);
    assert!(code == 3 && message.contains("2^12"), "{code} {message}");
    bytes.truncate(1000);
    std::fs::write(&bad, &bytes).unwrap();
    let name = bad.to_string_lossy().into_owned();
    let (code, message) = refused(&["import", &name, "-o", &out]);
    assert!(code == 3 && message.contains("bad.ptau"), "{code} {message}");
    std::fs::write(&bad, b"something else").unwrap();
    assert_eq!(refused(&["import", &name, "-o", &out]).0, 3);
    assert_eq!(refused(&["import", "no/such.ptau", "-o", &out]).0, 3);
    assert_eq!(refused(&["dev", "--log-size", "60", "-o", &out]).0, 2);
    assert_eq!(refused(&["dev", "--log-size", "4", "-o", "/no/such/folder/x"]).0, 5);
    assert!(!std::path::Path::new(&out).exists());
}
