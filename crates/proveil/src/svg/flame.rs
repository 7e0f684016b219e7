//! Spans as nested bars over a time axis, the outermost on top.

use std::fmt::Write;

use super::{colour, escaped};
use crate::trace::Span;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 22.0;
const HEAD: f64 = 40.0;
/// Width that a character of the labels takes.
const CHAR: f64 = 6.6;

/// Draws spans; every bar tells its name, time, share of all and peak of memory when pointed at.
#[must_use]
pub fn flame(title: &str, spans: &[Span]) -> String {
    let end = spans.iter().map(|s| s.start + s.seconds).fold(0.0, f64::max);
    let begin = spans.iter().map(|s| s.start).fold(end, f64::min);
    let total = (end - begin).max(1e-9);
    let rows = spans.iter().map(|s| s.depth + 1).max().unwrap_or(0);
    let height = HEAD + rows as f64 * ROW + 10.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"6\" y=\"20\" font-size=\"14\">{}: {:.1} ms</text>\n",
        escaped(title),
        total * 1e3
    );
    for (i, s) in spans.iter().enumerate() {
        let (x, w) = ((s.start - begin) / total * WIDTH, s.seconds / total * WIDTH);
        let y = HEAD + s.depth as f64 * ROW;
        let memory = s.peak.map_or(String::new(), |p| format!(", peak {:.1} MiB", p as f64 / 1_048_576.0));
        let share = s.seconds / total * 100.0;
        let _ = writeln!(
            out,
            "<g><title>{}: {:.3} ms, {share:.1} %{memory}</title><rect x=\"{x:.2}\" y=\"{y}\" width=\"{:.2}\" \
             height=\"{}\" fill=\"{}\" stroke=\"#fff\"/>",
            escaped(s.name),
            s.seconds * 1e3,
            w.max(0.2),
            ROW - 1.0,
            colour(i)
        );
        if w > CHAR * (s.name.len() as f64 + 1.0) {
            let _ = writeln!(out, "<text x=\"{:.2}\" y=\"{}\">{}</text>", x + 3.0, y + 15.0, escaped(s.name));
        }
        out += "</g>\n";
    }
    out + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_every_span_with_its_place() {
        let span = |name, parent: Option<usize>, start, seconds| {
            let depth = usize::from(parent.is_some());
            Span { name, parent, depth, stage: depth == 0, start, seconds, cpu: None, peak: Some(3 << 20) }
        };
        let spans = [span("a < b", None, 1.0, 2.0), span("half", Some(0), 2.0, 1.0)];
        let picture = flame("m & n", &spans);
        assert!(picture.contains("m &amp; n: 2000.0 ms"));
        assert!(picture.contains("a &lt; b: 2000.000 ms, 100.0 %, peak 3.0 MiB"));
        assert!(picture.contains("<rect x=\"600.00\" y=\"62\" width=\"600.00\""), "{picture}");
        assert!(flame("", &[]).ends_with("</svg>\n"));
    }
}
