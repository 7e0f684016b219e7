//! Decision trees: paths of fixed length through one table of nodes, each step made of two gathers and a comparison.
//! See `spec/operators/trees.md`.

use super::Builder;
use crate::error::GraphError;
use crate::ir::{Range, TensorId};

/// Bits of a difference that one table can judge.
const HEAD_BITS: u32 = 16;

/// The nodes of all trees of a forest. Which node follows which is data; only the numbers of trees, nodes, steps and
/// features are public.
#[derive(Clone, Debug)]
pub struct ForestSpec<'a> {
    /// Trees; their roots are the first nodes, in order.
    pub trees: usize,
    /// Steps of every path. A path that is at its leaf stays there.
    pub depth: usize,
    /// The column that a node tests.
    pub features: &'a [usize],
    /// A path goes on to the first child where the tested cell is at most this, else to the node after that child.
    pub thresholds: &'a [i64],
    /// The first child. A leaf's is itself, with a threshold that no cell exceeds.
    pub children: &'a [usize],
}

/// Columns of the table of nodes.
const FIELDS: [&str; 3] = ["feature", "threshold", "child"];

/// What all steps read.
struct Tables {
    /// The columns, and all of them side by side.
    fields: [TensorId; 3],
    nodes: TensorId,
    cells: TensorId,
    rows: usize,
    columns: usize,
}

impl Builder {
    /// Adds the nodes as parameters, and the ends of the paths of all rows through all trees.
    ///
    /// # Shapes
    /// `x [rows, columns]` gives numbers of nodes `[rows, trees]`, from 0 to the number of nodes: tables that they
    /// choose from have one row more than there are nodes.
    /// # Errors
    /// `Rank` when `x` has not two axes or the lists differ in length; `ValueOutOfRange` for a feature, threshold or
    /// child that does not exist; `Shift` when the cells of `x` are too wide to be compared.
    pub fn paths(&mut self, name: &str, x: TensorId, forest: &ForestSpec) -> Result<TensorId, GraphError> {
        let t = self.forest_tables(name, x, forest)?;
        let trees = forest.trees;
        if forest.depth == 0 {
            let ramp = (0..t.rows * trees).map(|i| (i % trees) as i64).collect();
            return self.constant(&format!("{name}/root"), &[t.rows, trees], ramp, 0);
        }
        // The roots are at public places: nothing has to be looked up to read them.
        let mut node = t.fields;
        for (k, field) in t.fields.into_iter().enumerate() {
            let what = format!("{name}/root {}", FIELDS[k]);
            let root = self.slice(&what, field, &[0, 0], &[trees, 1], &[1, 1])?;
            let root = self.reshape(&what, root, &[1, trees])?;
            node[k] = self.broadcast(&what, root, &[t.rows, trees])?;
        }
        let mut at = self.tree_step(&format!("{name}/0"), &t, node)?;
        for step in 1..forest.depth {
            let name = format!("{name}/{step}");
            let rows = self.gather(&format!("{name}/node"), t.nodes, at)?;
            for (k, field) in node.iter_mut().enumerate() {
                let what = format!("{name}/{}", FIELDS[k]);
                let column = self.slice(&what, rows, &[0, 0, k], &[t.rows, trees, 1], &[1, 1, 1])?;
                *field = self.reshape(&what, column, &[t.rows, trees])?;
            }
            at = self.tree_step(&name, &t, node)?;
        }
        Ok(at)
    }

    fn forest_tables(&mut self, name: &str, x: TensorId, forest: &ForestSpec) -> Result<Tables, GraphError> {
        let operand = self.tensor(x)?;
        let range = operand.range;
        let &[rows, columns] = &operand.shape[..] else {
            let (got, what) = (operand.shape.len(), "operand of trees");
            return Err(GraphError::Rank { name: name.to_owned(), what, expected: 2, got });
        };
        let count = forest.children.len();
        for got in [forest.features.len(), forest.thresholds.len(), forest.trees.max(count)] {
            super::views::expect_len(name, "nodes", count, got)?;
        }
        // One row more, since the node after the last one is in the range of a step.
        let wide = |list: &[usize]| list.iter().map(|&v| v as i64).chain([0]).collect::<Vec<_>>();
        let bound = |hi: i64| Range { lo: 0, hi: hi.max(0) };
        let thresholds = forest.thresholds.iter().copied().chain([range.hi]).collect();
        let between = Range { lo: range.lo - 1, hi: range.hi };
        // Thresholds have the operand's scale, but stand beside whole numbers.
        let mut column = |k: usize, range: Range, values: Vec<i64>| {
            self.param(&format!("{name}/{}", FIELDS[k]), &[count + 1, 1], range, 0, values)
        };
        let fields = [
            column(0, bound(columns as i64 - 1), wide(forest.features))?,
            column(1, between, thresholds)?,
            column(2, bound(count as i64 - 1), wide(forest.children))?,
        ];
        let nodes = self.concat(&format!("{name}/nodes"), &fields, 1)?;
        let cells = self.reshape(&format!("{name}/cells"), x, &[rows * columns])?;
        Ok(Tables { fields, nodes, cells, rows, columns })
    }

    /// Numbers of the nodes `[rows, trees]` after those with these fields.
    fn tree_step(&mut self, name: &str, t: &Tables, node: [TensorId; 3]) -> Result<TensorId, GraphError> {
        let [feature, threshold, child] = node;
        let first = (0..t.rows).map(|r| (r * t.columns) as i64).collect();
        let first = self.constant(&format!("{name}/row"), &[t.rows, 1], first, 0)?;
        let place = self.combine(&format!("{name}/place"), &[(1, feature), (1, first)], 0, 0)?;
        let value = self.gather(&format!("{name}/value"), t.cells, place)?;
        let scale = self.tensor(value)?.scale;
        let beyond = self.combine(&format!("{name}/beyond"), &[(1, value), (-1, threshold)], -1, scale)?;
        let second = self.not_negative(&format!("{name}/second"), beyond)?;
        self.combine(&format!("{name}/next"), &[(1, child), (1, second)], 0, 0)
    }

    /// 1 where a cell is at least 0, else 0.
    fn not_negative(&mut self, name: &str, x: TensorId) -> Result<TensorId, GraphError> {
        let operand = self.tensor(x)?;
        let (range, scale) = (operand.range, operand.scale);
        let top = range.hi.max(-(range.lo + 1)).max(0);
        let shift = (65 - top.leading_zeros()).saturating_sub(HEAD_BITS);
        // Rounding is half up: half a step less makes it floor, which keeps the sign.
        let half = if shift > 0 { 1i64 << (shift - 1) } else { 0 };
        let x = self.combine(&format!("{name}/operand"), &[(1, x)], -half, scale)?;
        let table = self.table("at_least_zero", -1, vec![0, 1])?;
        self.lookup(name, x, shift, table, 0)
    }
}
