//! Output: results on stdout as text or JSON; progress on stderr, a spinner on a terminal and log lines elsewhere.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::failure::Failure;

/// Where a command talks to.
pub struct Ui {
    /// Results as JSON.
    pub json: bool,
    quiet: bool,
    terminal: bool,
    running: RefCell<Option<(String, Instant, ProgressBar)>>,
}

impl Ui {
    /// By the global options.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, terminal: std::io::stderr().is_terminal(), running: RefCell::new(None) }
    }

    /// Begins a stage; the one before ends.
    pub fn stage(&self, name: &str) {
        self.done();
        if self.quiet {
            return;
        }
        let bar = if self.terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(name.to_string());
        if self.terminal {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        *self.running.borrow_mut() = Some((name.to_string(), Instant::now(), bar));
    }

    /// Ends the stage that is running.
    pub fn done(&self) {
        if let Some((name, start, bar)) = self.running.borrow_mut().take() {
            bar.finish_and_clear();
            if !self.terminal {
                self.log("info", &[("stage", &name), ("seconds", &format!("{:.3}", start.elapsed().as_secs_f64()))]);
            }
        }
    }

    /// A remark on stderr.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.log("info", &[("message", text)]);
        }
    }

    fn log(&self, level: &str, fields: &[(&str, &str)]) {
        let mut line = format!("level={level}");
        for (k, v) in fields {
            line += &format!(" {k}={}", Value::from(*v));
        }
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// The result of a command. A closed pipe is no failure.
    pub fn result(&self, text: &str, value: &Value) {
        self.done();
        let mut out = std::io::stdout();
        let _ = if self.json { writeln!(out, "{value}") } else { writeln!(out, "{}", text.trim_end()) };
    }

    /// A failure, with its exit code.
    pub fn failure(&self, f: &Failure) {
        if let Some((_, _, bar)) = self.running.borrow_mut().take() {
            bar.finish_and_clear();
        }
        let line = match self.json {
            true => json!({ "error": f.message, "exit_code": f.code }).to_string(),
            false => format!("error: {}", f.message),
        };
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// Bytes for people.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Seconds for people.
pub fn seconds(s: f64) -> String {
    if s < 1.0 { format!("{:.1} ms", s * 1e3) } else { format!("{s:.2} s") }
}

/// The first values of a list.
pub fn values(v: &[f64]) -> String {
    first(v, |x| format!("{x:.5}"))
}

/// The first texts of a list, in quotation marks; one that the model does not know has none.
pub fn texts(v: &[Option<String>]) -> String {
    first(v, |text| text.as_ref().map_or("unknown".into(), |text| format!("{text:?}")))
}

fn first<T>(v: &[T], show: impl Fn(&T) -> String) -> String {
    let shown: Vec<String> = v.iter().take(12).map(show).collect();
    let more = if v.len() > 12 { format!(", .. {} in all", v.len()) } else { String::new() };
    format!("[{}{more}]", shown.join(", "))
}
