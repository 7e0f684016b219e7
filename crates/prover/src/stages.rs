//! Stages of a proof as `tracing` spans. A span that nobody listens to costs one load, so they are always there.
//!
//! Stages are spans of level `INFO` whose names are [`STAGES`]; what they consist of are spans of level `DEBUG` inside
//! them. They are entered on the thread that calls the prover, never on its workers, so they nest and do not overlap.

/// Names of the stages of a proof, in order: stable, for reports.
pub const STAGES: [&str; 8] = ["check", "witness", "commit", "look-ups", "products", "claims", "opening", "pads"];

/// Evaluates a stage under its span and appends its name and seconds to a list.
macro_rules! stage {
    ($stages:expr, $name:literal, $body:expr) => {{
        let clock = std::time::Instant::now();
        let span = tracing::info_span!($name).entered();
        let out = $body;
        drop(span);
        $stages.push(($name, clock.elapsed().as_secs_f64()));
        out
    }};
}

/// Evaluates a part of a stage under its span.
macro_rules! part {
    ($name:literal, $body:expr) => {{
        let _span = tracing::debug_span!($name).entered();
        $body
    }};
}

pub(crate) use {part, stage};
