//! `security`: the security table of a key.

use proveil::Error;
use proveil::security::{regime_name, table};
use proveil_protocol::soundness::claimed_bits;
use serde_json::{Value, json};

use super::args::SecurityArgs;
use super::contract;
use super::failure::Failure;
use super::ui::Ui;
use super::verify::{AnyKey, read_key_file};

/// Runs the command.
pub fn run(a: &SecurityArgs, ui: &Ui) -> Result<(), Failure> {
    let key = match read_key_file(&a.vk)? {
        AnyKey::Transparent(key) => key,
        AnyKey::Short(file) => {
            let (text, value) = contract::security(&file);
            ui.result(&text, &value);
            return Ok(());
        }
        AnyKey::Full(_) => return Err(Failure::usage("the table is made from the short key: give that one").at(&a.vk)),
    };
    let rows = table(&key).map_err(Error::from)?;
    let claimed = claimed_bits(&rows);
    let mut text = format!("{:<44} {:>7}  {:<15} {}\n", "challenge", "bits", "regime", "theorem (reading)");
    for r in &rows {
        let reading = if r.reading.is_empty() { String::new() } else { format!(" ({})", r.reading) };
        text += &format!("{:<44} {:>7.2}  {:<15} {}{reading}\n", r.name, r.bits, regime_name(r.regime), r.theorem);
    }
    text += &format!("\nproven: {claimed:.2} bits, the least row (target {})\n", key.key.params.security_bits);
    text += "Model: random oracle, classical adversaries; round-by-round soundness after Fiat and Shamir.\n";
    let list: Vec<Value> = rows
        .iter()
        .map(|r| json!({ "challenge": r.name, "bits": r.bits, "regime": regime_name(r.regime), "theorem": r.theorem, "reading": r.reading }))
        .collect();
    ui.result(&text, &json!({ "proven_bits": claimed, "target_bits": key.key.params.security_bits, "rows": list }));
    Ok(())
}
