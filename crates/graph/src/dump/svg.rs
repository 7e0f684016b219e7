//! A layered drawing: data flows from top to bottom, one row of boxes for each distance from the inputs.
//!
//! Arrows that cross rows pass through invisible boxes, so that they keep clear of the visible ones. Rows are
//! ordered by the mean position of what they are connected to, a few sweeps up and down; then each box is put as
//! close below its operands as its neighbours allow. All coordinates are whole pixels.

use std::collections::BTreeMap;

use super::{distinct, labels, line};
use crate::ir::{Graph, Origin, TensorId};
use crate::shape::operands;

const BOX_WIDTH: i64 = 230;
const BOX_HEIGHT: i64 = 58;
const LANE_WIDTH: i64 = 14;
const GAP: i64 = 22;
const ROW_HEIGHT: i64 = 104;
const MARGIN: i64 = 20;
const LETTERS: usize = 32;
const SWEEPS: usize = 8;

/// One place in a row: a tensor, or a lane that an arrow passes through.
struct Place {
    tensor: Option<usize>,
    row: usize,
    x: i64,
    above: Vec<usize>,
    below: Vec<usize>,
}

impl Place {
    fn new(tensor: Option<usize>, row: usize) -> Self {
        Self { tensor, row, x: 0, above: Vec::new(), below: Vec::new() }
    }

    fn width(&self) -> i64 {
        if self.tensor.is_some() { BOX_WIDTH } else { LANE_WIDTH }
    }
}

/// The graph as a self-contained SVG picture.
pub fn to_svg(graph: &Graph) -> String {
    let (mut places, paths) = arrange(graph);
    let mut rows = vec![Vec::new(); places.iter().map(|p| p.row + 1).max().unwrap_or(1)];
    for (i, place) in places.iter().enumerate() {
        rows[place.row].push(i);
    }
    order(&mut places, &mut rows);
    let left = places.iter().map(|p| p.x - p.width() / 2).min().unwrap_or(0) - MARGIN;
    let right = places.iter().map(|p| p.x + p.width() / 2).max().unwrap_or(0) + MARGIN;
    places.iter_mut().for_each(|p| p.x -= left);
    let (width, height) = (right - left, rows.len() as i64 * ROW_HEIGHT - ROW_HEIGHT + BOX_HEIGHT + 2 * MARGIN);
    let mut svg = String::new();
    line(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">"
        ),
    );
    svg.push_str(
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
    );
    paths.iter().for_each(|path| draw_arrow(&mut svg, &places, path));
    places.iter().for_each(|place| draw_box(&mut svg, graph, place));
    svg.push_str("</svg>\n");
    svg
}

/// Row of each tensor: inputs on top, results one below their lowest operand. What depends on no input (weights,
/// constants and what is made of them) is moved down to one above its first reader.
fn rows_of(graph: &Graph) -> Vec<usize> {
    let mut rows = vec![0; graph.tensors.len()];
    let mut moves: Vec<bool> = graph.tensors.iter().map(|tensor| tensor.origin != Origin::Input).collect();
    for node in &graph.nodes {
        let ids = known(graph, operands(&node.op));
        for out in known(graph, vec![node.out]) {
            rows[out] = ids.iter().map(|&id| rows[id] + 1).max().unwrap_or(0);
            moves[out] = ids.iter().all(|&id| moves[id]);
        }
    }
    let mut first_reader: BTreeMap<usize, usize> = BTreeMap::new();
    for node in graph.nodes.iter().rev() {
        for out in known(graph, vec![node.out]) {
            if let Some(row) = first_reader.get(&out).filter(|_| moves[out]) {
                rows[out] = row.saturating_sub(1);
            }
            for id in known(graph, operands(&node.op)) {
                let first = first_reader.entry(id).or_insert(rows[out]);
                *first = rows[out].min(*first);
            }
        }
    }
    for (i, tensor) in graph.tensors.iter().enumerate() {
        if matches!(tensor.origin, Origin::Param | Origin::Const(_)) {
            rows[i] = first_reader.get(&i).map_or(0, |row| row.saturating_sub(1));
        }
    }
    rows
}

/// Positions of those tensors that the graph has.
fn known(graph: &Graph, ids: Vec<TensorId>) -> Vec<usize> {
    ids.iter().map(|id| id.0 as usize).filter(|&id| id < graph.tensors.len()).collect()
}

/// Places for tensors and lanes, and for each arrow the places that it passes, first and last included.
fn arrange(graph: &Graph) -> (Vec<Place>, Vec<Vec<usize>>) {
    let rows = rows_of(graph);
    let mut places: Vec<Place> = rows.iter().enumerate().map(|(i, &row)| Place::new(Some(i), row)).collect();
    let mut paths = Vec::new();
    for node in &graph.nodes {
        let to = node.out.0 as usize;
        for from in distinct(operands(&node.op)).into_iter().map(|id| id.0 as usize) {
            if from >= rows.len() || to >= rows.len() || rows[from] >= rows[to] {
                continue;
            }
            let mut path = vec![from];
            for row in rows[from] + 1..rows[to] {
                path.push(places.len());
                places.push(Place::new(None, row));
            }
            path.push(to);
            for pair in path.windows(2) {
                places[pair[0]].below.push(pair[1]);
                places[pair[1]].above.push(pair[0]);
            }
            paths.push(path);
        }
    }
    (places, paths)
}

fn order(places: &mut [Place], rows: &mut [Vec<usize>]) {
    rows.iter().for_each(|row| pack(places, row));
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        for i in 0..rows.len() {
            let row = if down {
                &mut rows[i]
            } else {
                let last = rows.len() - 1;
                &mut rows[last - i]
            };
            row.sort_by_key(|&p| {
                let place = &places[p];
                mean(places, if down { &place.above } else { &place.below }).unwrap_or(place.x)
            });
            pack(places, row);
        }
    }
    for row in rows.iter() {
        settle(places, row);
    }
}

/// Puts a row side by side, centred at 0.
fn pack(places: &mut [Place], row: &[usize]) {
    let total: i64 = row.iter().map(|&p| places[p].width() + GAP).sum();
    let mut left = -total / 2;
    for &p in row {
        places[p].x = left + places[p].width() / 2;
        left += places[p].width() + GAP;
    }
}

/// Moves each box of a row below its operands as far as the order and the widths of the row allow.
fn settle(places: &mut [Place], row: &[usize]) {
    let wish: Vec<i64> = row.iter().map(|&p| mean(places, &places[p].above).unwrap_or(places[p].x)).collect();
    let mut least = i64::MIN / 2;
    for (&p, &wish) in row.iter().zip(&wish) {
        let half = places[p].width() / 2;
        places[p].x = wish.max(least + half);
        least = places[p].x + half + GAP;
    }
    let drift: i64 = row.iter().zip(&wish).map(|(&p, wish)| places[p].x - wish).sum();
    row.iter().for_each(|&p| places[p].x -= drift / row.len().max(1) as i64);
}

fn mean(places: &[Place], of: &[usize]) -> Option<i64> {
    let sum: i64 = of.iter().map(|&p| places[p].x).sum();
    (!of.is_empty()).then(|| sum / of.len() as i64)
}

fn draw_arrow(svg: &mut String, places: &[Place], path: &[usize]) {
    let top = |p: &Place| MARGIN + p.row as i64 * ROW_HEIGHT;
    let first = &places[path[0]];
    let mut d = format!("M{} {}", first.x, top(first) + BOX_HEIGHT);
    for pair in path.windows(2) {
        let (a, b) = (&places[pair[0]], &places[pair[1]]);
        let (from, to) = (top(a) + BOX_HEIGHT, top(b));
        let middle = (from + to) / 2;
        d += &format!("C{} {middle} {} {middle} {} {to}", a.x, b.x, b.x);
        if b.tensor.is_none() {
            d += &format!("L{} {}", b.x, to + BOX_HEIGHT);
        }
    }
    line(svg, format_args!("<path d=\"{d}\" fill=\"none\" stroke=\"#555\" marker-end=\"url(#arrow)\"/>"));
}

fn draw_box(svg: &mut String, graph: &Graph, place: &Place) {
    let Some(index) = place.tensor else { return };
    let tensor = &graph.tensors[index];
    let fill = match tensor.origin {
        Origin::Input => "#d8ead3",
        Origin::Param => "#fbe5c8",
        Origin::Const(_) => "#eeeeee",
        Origin::Node(_) => "#dce8f7",
    };
    let is_output = graph.outputs.contains(&TensorId(index as u32));
    let (stroke, thick) = if is_output { ("#8a1c1c", 3) } else { ("#555", 1) };
    let (x, y) = (place.x - BOX_WIDTH / 2, MARGIN + place.row as i64 * ROW_HEIGHT);
    line(
        svg,
        format_args!(
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"6\" \
             fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{thick}\"/>",
            escape(&labels(graph, tensor).join("\n"))
        ),
    );
    for (i, label) in labels(graph, tensor).iter().enumerate() {
        let weight = if i == 0 { " font-weight=\"bold\"" } else { "" };
        let (middle, base) = (place.x, y + 17 + 17 * i as i64);
        let label = escape(&shorten(label));
        line(svg, format_args!("<text x=\"{middle}\" y=\"{base}\" text-anchor=\"middle\"{weight}>{label}</text>"));
    }
    svg.push_str("</g>\n");
}

/// The end of a long label, which for a path is its telling part.
fn shorten(label: &str) -> String {
    let count = label.chars().count();
    if count <= LETTERS {
        return label.to_owned();
    }
    let tail: String = label.chars().skip(count - (LETTERS - 1)).collect();
    format!("…{tail}")
}

/// Text for XML; characters that XML forbids become `?`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() && c != '\n' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}
