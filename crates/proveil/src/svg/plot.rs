//! Lines over two logarithmic axes.

use std::fmt::Write;

use super::{colour, escaped};

const PANEL: (f64, f64) = (420.0, 300.0);
/// Left, top, right, bottom of the drawing area inside a panel.
const MARGIN: (f64, f64, f64, f64) = (56.0, 34.0, 14.0, 56.0);

/// One panel: points of one quantity over another.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Title of the panel.
    pub title: String,
    /// Meaning of the horizontal axis.
    pub x_label: String,
    /// Meaning of the vertical axis.
    pub y_label: String,
    /// Points; those that are not positive have no place on a logarithmic axis and are left out.
    pub points: Vec<(f64, f64)>,
}

/// Draws panels side by side, `columns` in a row.
#[must_use]
pub fn plot(panels: &[Series], columns: usize) -> String {
    let columns = columns.clamp(1, panels.len().max(1));
    let rows = panels.len().div_ceil(columns);
    let (w, h) = (PANEL.0 * columns as f64, PANEL.1 * rows as f64);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (i, s) in panels.iter().enumerate() {
        let (x, y) = ((i % columns) as f64 * PANEL.0, (i / columns) as f64 * PANEL.1);
        let _ = writeln!(out, "<g transform=\"translate({x},{y})\">");
        panel(&mut out, s, i);
        out += "</g>\n";
    }
    out + "</svg>\n"
}

/// Range of a logarithmic axis, widened to at least a factor of two.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (lo, hi) = values.map(f64::log10).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if lo > hi {
        return (0.0, 1.0);
    }
    let middle = (lo + hi) / 2.0;
    (lo.min(middle - 0.15) - 0.05, hi.max(middle + 0.15) + 0.05)
}

/// Values of the shape 1, 2, 5 times a power of ten inside a range of exponents; every digit where these are too few.
fn ticks((lo, hi): (f64, f64)) -> Vec<f64> {
    let with = |digits: &[f64]| -> Vec<f64> {
        let tens = lo.floor() as i32..=hi.ceil() as i32;
        let all = tens.flat_map(|e| digits.iter().map(move |m| m * 10f64.powi(e)));
        all.filter(|v| (lo..=hi).contains(&v.log10())).collect()
    };
    let mut inside = with(&[1.0, 2.0, 5.0]);
    if inside.len() < 3 {
        inside = with(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    }
    if inside.len() > 7 { inside.into_iter().filter(|v| v.log10().fract() == 0.0).collect() } else { inside }
}

/// A number with a suffix for thousands.
fn short(v: f64) -> String {
    match v {
        v if v >= 1e9 => format!("{}G", v / 1e9),
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{}k", v / 1e3),
        v => format!("{}", (v * 1e6).round() / 1e6),
    }
}

fn panel(out: &mut String, s: &Series, index: usize) {
    let points: Vec<(f64, f64)> = s.points.iter().copied().filter(|(x, y)| *x > 0.0 && *y > 0.0).collect();
    let (xs, ys) = (span(points.iter().map(|p| p.0)), span(points.iter().map(|p| p.1)));
    let (left, top) = (MARGIN.0, MARGIN.1);
    let (w, h) = (PANEL.0 - left - MARGIN.2, PANEL.1 - top - MARGIN.3);
    let px = |v: f64| left + (v.log10() - xs.0) / (xs.1 - xs.0) * w;
    let py = |v: f64| top + h - (v.log10() - ys.0) / (ys.1 - ys.0) * h;
    let _ = writeln!(out, "<text x=\"{left}\" y=\"20\" font-size=\"13\">{}</text>", escaped(&s.title));
    let _ =
        writeln!(out, "<rect x=\"{left}\" y=\"{top}\" width=\"{w}\" height=\"{h}\" fill=\"none\" stroke=\"#888\"/>");
    for t in ticks(xs) {
        let (x, y) = (px(t), top + h);
        let _ = writeln!(out, "<path d=\"M{x:.1} {top}V{y:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", y + 14.0, short(t));
    }
    for t in ticks(ys) {
        let y = py(t);
        let _ = writeln!(out, "<path d=\"M{left} {y:.1}h{w}\" stroke=\"#ddd\"/>");
        let _ =
            writeln!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", left - 4.0, y + 4.0, short(t));
    }
    let (cx, cy) = (left + w / 2.0, top + h / 2.0);
    let _ = writeln!(
        out,
        "<text x=\"{cx}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        PANEL.1 - 20.0,
        escaped(&s.x_label)
    );
    let _ = writeln!(
        out,
        "<text transform=\"translate(14,{cy}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        escaped(&s.y_label)
    );
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{:.1} {:.1}", px(*x), py(*y))).collect();
    let _ = writeln!(out, "<path d=\"M{}\" fill=\"none\" stroke=\"#246\" stroke-width=\"1.5\"/>", path.join("L"));
    for (x, y) in &points {
        let (fill, label) = (colour(index), format!("{}: {}", short(*x), short(*y)));
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{fill}\" stroke=\"#246\"><title>{label}</title></circle>",
            px(*x),
            py(*y)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_panels_with_points_inside() {
        let series = |points| Series { title: "t".into(), x_label: "<x>".into(), y_label: "y".into(), points };
        let picture = plot(&[series(vec![(1.0, 10.0), (100.0, 1000.0)]), series(vec![(0.0, 1.0)])], 2);
        assert_eq!(picture.matches("<circle").count(), 2, "a point at zero has no place");
        assert!(picture.contains("&lt;x&gt;") && picture.contains("viewBox=\"0 0 840 300\""));
        for c in picture.split("cx=\"").skip(1).filter_map(|c| c.split('"').next()) {
            let x: f64 = c.parse().expect("a number");
            assert!((56.0..=406.0).contains(&x), "{x}");
        }
    }

    #[test]
    fn matches_reference_ticks() {
        assert_eq!(ticks((0.0, 1.0)), [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(ticks((5.58, 5.92)), [400_000.0, 500_000.0, 600_000.0, 700_000.0, 800_000.0]);
        assert_eq!(short(2000.0), "2k");
        assert_eq!(short(0.05), "0.05");
    }
}
