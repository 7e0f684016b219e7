//! Pictures of measurements: a flame chart of spans, and lines over a logarithmic grid. Plain SVG, no script.

mod flame;
mod plot;

pub use flame::flame;
pub use plot::{Series, plot};

/// Text with what SVG gives a meaning replaced.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Fill colour number `k`: spread over the circle, pale enough for black text.
fn colour(k: usize) -> String {
    format!("hsl({},65%,70%)", (k * 137 + 20) % 360)
}
