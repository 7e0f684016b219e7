//! Records as a table or as one JSON object a line.

use std::io::Write;

use serde_json::Value;

/// Prints records as they come.
pub struct Printer {
    json: bool,
    stages: bool,
    head: bool,
}

impl Printer {
    /// A table, or JSON lines.
    pub fn new(json: bool, stages: bool) -> Self {
        Self { json, stages, head: false }
    }

    /// Prints one record.
    pub fn record(&mut self, r: &Value) {
        let mut out = std::io::stdout();
        if self.json {
            let _ = writeln!(out, "{r}");
            return;
        }
        if !self.head {
            self.head = true;
            let _ = writeln!(
                out,
                "{:<30} {:>5} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>5}",
                "model",
                "batch",
                "params",
                "macs",
                "lookups",
                "compile s",
                "prove s",
                "each s",
                "plain s",
                "verify s",
                "proof K",
                "peak M",
                "error %",
                "agree %",
                "acc %",
                "bits"
            );
        }
        let name = r["name"].as_str().unwrap_or_default();
        if r["status"] != "ok" {
            let (status, message) =
                (r["status"].as_str().unwrap_or_default(), r["message"].as_str().unwrap_or_default());
            let _ = writeln!(out, "{name:<30} {status}: {message}");
            return;
        }
        let n = |key: &str, scale: f64, digits: usize| {
            r[key].as_f64().map_or_else(|| "-".to_string(), |v| format!("{:.digits$}", v * scale))
        };
        let _ = writeln!(
            out,
            "{name:<30} {:>5} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>5}",
            n("batch", 1.0, 0),
            n("params", 1.0, 0),
            n("macs", 1.0, 0),
            n("lookups", 1.0, 0),
            n("compile_s", 1.0, 3),
            n("prove_s", 1.0, 3),
            n("prove_each_s", 1.0, 4),
            n("prove_plain_s", 1.0, 3),
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
            let _ = writeln!(
                out,
                "    predicted: {} s ({factor:.2} of measured), proof {} K, peak {} M",
                n("predicted_s", 1.0, 3),
                n("predicted_proof_bytes", 1.0 / 1024.0, 1),
                n("predicted_peak_mib", 1.0, 0)
            );
        }
        if self.stages {
            let _ = write!(out, "{}", super::stages::table(&r["spans"], &r["plain_spans"]));
        }
    }
}
