//! Records as a table or as one JSON object a line.

use std::io::Write;

use serde_json::Value;

/// What a table prints of a record that is no failure.
pub trait Table {
    /// Once, before the first line.
    fn head(&self, r: &Value) -> String;
    /// For every record, with line ends.
    fn line(&self, r: &Value) -> String;
}

/// Prints records as they come.
pub struct Printer<T> {
    json: bool,
    table: T,
    head: bool,
}

impl<T: Table> Printer<T> {
    /// A table, or JSON lines.
    pub fn new(json: bool, table: T) -> Self {
        Self { json, table, head: false }
    }

    /// Prints one record.
    pub fn record(&mut self, r: &Value) {
        let mut out = std::io::stdout();
        let text = if self.json {
            format!("{r}\n")
        } else if r["status"] != "ok" {
            let word = |key: &str| r[key].as_str().unwrap_or_default();
            format!("{:<30} {}: {}\n", word("name"), word("status"), word("message"))
        } else {
            let head = if self.head { String::new() } else { self.table.head(r) };
            self.head = true;
            head + &self.table.line(r)
        };
        let _ = out.write_all(text.as_bytes());
    }
}

/// A field as a number, or a dash.
pub fn number(r: &Value, key: &str, scale: f64, digits: usize) -> String {
    r[key].as_f64().map_or_else(|| "-".to_string(), |v| format!("{:.digits$}", v * scale))
}

/// Proofs of the transparent backend; with their stages if asked for.
pub struct Measured {
    /// Whether stages are printed.
    pub stages: bool,
}

impl Table for Measured {
    fn head(&self, _: &Value) -> String {
        format!(
            "{:<30} {:>5} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>5}\n",
            "model",
            "batch",
            "params",
            "macs",
            "lookups",
            "compile s",
            "prove s",
            "each s",
            "plain s",
            "hid/plain",
            "/float",
            "verify s",
            "proof K",
            "peak M",
            "error %",
            "agree %",
            "acc %",
            "bits"
        )
    }

    fn line(&self, r: &Value) -> String {
        let n = |key: &str, scale: f64, digits: usize| number(r, key, scale, digits);
        let name = r["name"].as_str().unwrap_or_default();
        let mut out = format!(
            "{name:<30} {:>5} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>5}\n",
            n("batch", 1.0, 0),
            n("params", 1.0, 0),
            n("macs", 1.0, 0),
            n("lookups", 1.0, 0),
            n("compile_s", 1.0, 3),
            n("prove_s", 1.0, 3),
            n("prove_each_s", 1.0, 4),
            n("prove_plain_s", 1.0, 3),
            n("hidden_over_plain", 1.0, 2),
            n("prove_over_float", 1.0, 0),
            n("verify_s", 1.0, 4),
            n("proof_bytes", 1.0 / 1024.0, 1),
            n("peak_mib", 1.0, 0),
            n("rel_error", 100.0, 3),
            n("label_agreement", 100.0, 1),
            n("accuracy", 100.0, 1),
            n("security_bits", 1.0, 0)
        );
        if let Some(predicted) = r["predicted_s"].as_f64() {
            let factor = predicted / r["prove_s"].as_f64().unwrap_or(predicted);
            out += &format!(
                "    predicted: {} s ({factor:.2} of measured), proof {} K, peak {} M\n",
                n("predicted_s", 1.0, 3),
                n("predicted_proof_bytes", 1.0 / 1024.0, 1),
                n("predicted_peak_mib", 1.0, 0)
            );
        }
        if let (Some(stages), Some(_)) = (r["stage_speed_ups"].as_object(), r["speed_up"].as_f64()) {
            let each: Vec<String> =
                stages.keys().map(|k| format!("{k} {}", number(&r["stage_speed_ups"], k, 1.0, 2))).collect();
            let whole = format!(
                "{} s, {} times that of {} threads",
                n("one_thread_s", 1.0, 3),
                n("speed_up", 1.0, 2),
                n("threads", 1.0, 0)
            );
            out += &format!("    one thread: {whole}; {}\n", each.join(", "));
        }
        if self.stages {
            out += &super::stages::table(&r["spans"], &r["plain_spans"]).to_string();
        }
        out
    }
}
