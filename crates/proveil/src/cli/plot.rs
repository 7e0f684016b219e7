//! The error plot of `compile`: for each operator the error that it adds and the error after it, as an SVG file.

use proveil_frontend::LayerError;

/// Height of a row, width of the names, width of the bars, in pixels.
const ROW: usize = 16;
const NAMES: usize = 380;
const BARS: usize = 420;
/// Height of the axis.
const HEAD: usize = 46;
/// Powers of ten at both ends of the axis.
const LEAST: i32 = -7;
const MOST: i32 = 0;
/// Letters of a name that are shown.
const LETTERS: usize = 56;

/// The plot; relative errors on a logarithmic axis, operators in order of execution.
pub fn svg(model: &str, layers: &[LayerError]) -> String {
    let (width, height) = (NAMES + BARS + 20, HEAD + ROW * layers.len() + 10);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"8\" y=\"16\" font-size=\"13\">Relative error by operator: {}</text>\n\
         <rect x=\"8\" y=\"24\" width=\"10\" height=\"10\" fill=\"#c4d3e6\"/><text x=\"22\" y=\"33\">after it</text>\n\
         <rect x=\"80\" y=\"24\" width=\"10\" height=\"10\" fill=\"#c0392b\"/><text x=\"94\" y=\"33\">added by it</text>\n",
        escaped(model)
    );
    for power in LEAST..=MOST {
        let x = NAMES + at(10f64.powi(power));
        text += &format!(
            "<line x1=\"{x}\" y1=\"{HEAD}\" x2=\"{x}\" y2=\"{height}\" stroke=\"#e0e0e0\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#606060\">1e{power}</text>\n",
            HEAD - 6
        );
    }
    for (i, layer) in layers.iter().enumerate() {
        let y = HEAD + i * ROW;
        let name = escaped(&tail(&layer.name));
        text += &format!(
            "<g><title>{}: {:.3e} after, {:.3e} added</title>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{NAMES}\" y=\"{}\" width=\"{}\" height=\"12\" fill=\"#c4d3e6\"/>\
             <rect x=\"{NAMES}\" y=\"{}\" width=\"{}\" height=\"6\" fill=\"#c0392b\"/></g>\n",
            escaped(&layer.name),
            layer.relative,
            layer.added,
            NAMES - 6,
            y + 12,
            y + 2,
            at(layer.relative),
            y + 5,
            at(layer.added)
        );
    }
    text + "</svg>\n"
}

/// Pixels from the left end of the axis.
fn at(error: f64) -> usize {
    let power = if error > 0.0 { error.log10() } else { f64::from(LEAST) };
    let share = (power - f64::from(LEAST)) / f64::from(MOST - LEAST);
    (share.clamp(0.0, 1.0) * BARS as f64).round() as usize
}

/// The end of a long name, which tells operators apart.
fn tail(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    match letters.len() {
        0..=LETTERS => name.into(),
        n => format!("..{}", letters[n - LETTERS + 2..].iter().collect::<String>()),
    }
}

fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '&' => "&amp;".into(),
        '"' => "&quot;".into(),
        c if c.is_control() => " ".into(),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_that_are_no_markup() {
        let layers = [
            LayerError { name: "<a & \"b\">".into(), relative: 0.1, added: 0.0 },
            LayerError { name: "x".repeat(200), relative: f64::INFINITY, added: f64::NAN },
        ];
        let text = svg("m<n", &layers);
        assert!(text.starts_with("<svg") && text.ends_with("</svg>\n"));
        assert!(text.contains("&lt;a &amp; &quot;b&quot;&gt;") && !text.contains("<a &"));
        assert_eq!(text.matches("<g>").count(), 2);
    }

    #[test]
    fn matches_reference_positions_on_the_axis() {
        assert_eq!([at(0.0), at(1e-9), at(1.0), at(5.0)], [0, 0, BARS, BARS]);
        assert_eq!(at(10f64.powf(f64::from(LEAST) / 2.0)), BARS / 2);
        assert_eq!(at(f64::NAN), 0);
    }
}
