//! Decision trees as one table of nodes: every node tests one feature against one threshold, and the children of a
//! node are neighbours.

use std::collections::HashMap;

/// A node: the first child where the feature is at most the threshold (or below it), else the one after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub feature: usize,
    pub threshold: f64,
    /// Whether a feature equal to the threshold goes to the first child.
    pub inclusive: bool,
    /// Whether a missing feature goes to the first child.
    pub missing_first: bool,
    /// First child; a leaf's is itself.
    pub first: usize,
}

/// Trees whose roots are the first nodes. Every path takes `depth` steps.
#[derive(Clone, Debug)]
pub(crate) struct Forest {
    pub features: usize,
    pub trees: usize,
    pub depth: usize,
    pub nodes: Vec<Branch>,
    pub columns: usize,
    /// `[node, column]`, zero but at leaves.
    pub values: Vec<f64>,
}

/// Where a decision leads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Next {
    Node(usize),
    Leaf(usize),
}

/// What a decision asks of a feature.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    AtMost(f64),
    Below(f64),
    /// Ascending.
    OneOf(Vec<f64>),
}

/// A decision as a file has it.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub feature: usize,
    pub test: Test,
    pub yes: Next,
    pub no: Next,
    /// Where a missing feature leads: one of the two.
    pub missing: Next,
}

/// Decisions and leaves as a file has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub decisions: Vec<Decision>,
    pub roots: Vec<Next>,
    /// Values by column for each leaf.
    pub leaves: Vec<Vec<(usize, f64)>>,
}

/// A place in a plan: a test of membership takes several nodes, of which this one tells apart the intervals
/// `from ..= to` between the members' ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Leaf(usize),
    Decision { at: usize, from: usize, to: usize },
}

impl Decision {
    /// Intervals that the test tells apart.
    fn intervals(&self) -> usize {
        match &self.test {
            Test::OneOf(list) => 2 * list.len() + 1,
            _ => 2,
        }
    }

    /// Steps that the test takes.
    fn steps(&self) -> usize {
        self.intervals().next_power_of_two().ilog2() as usize
    }

    /// Where an interval leads.
    fn outcome(&self, interval: usize) -> Next {
        let yes = match self.test {
            Test::OneOf(_) => interval % 2 == 1,
            _ => interval == 0,
        };
        if yes { self.yes } else { self.no }
    }

    /// An interval that leads where a missing feature does.
    fn interval_of_missing(&self) -> usize {
        let last = self.intervals() - 1;
        if self.outcome(last) == self.missing { last } else { last - 1 }
    }

    /// The upper end of an interval, and whether it belongs to it.
    fn end(&self, interval: usize) -> (f64, bool) {
        match &self.test {
            Test::AtMost(t) => (*t, true),
            Test::Below(t) => (*t, false),
            Test::OneOf(list) => (list[interval / 2], interval % 2 == 1),
        }
    }
}

impl Plan {
    /// Steps of the longest path; `None` if a decision leads back to itself.
    pub fn depth(&self) -> Option<usize> {
        let mut parents = vec![0usize; self.decisions.len()];
        let node = |next: &Next| if let Next::Node(i) = next { Some(*i) } else { None };
        for d in &self.decisions {
            [d.yes, d.no].iter().filter_map(node).for_each(|c| parents[c] += 1);
        }
        let mut ready: Vec<usize> = (0..parents.len()).filter(|&i| parents[i] == 0).collect();
        // Steps from a root; those that no root leads to are not counted.
        let mut steps: Vec<Option<usize>> = vec![None; parents.len()];
        self.roots.iter().filter_map(node).for_each(|r| steps[r] = Some(0));
        let (mut seen, mut depth) = (0, 0);
        while let Some(i) = ready.pop() {
            seen += 1;
            let d = &self.decisions[i];
            let below = steps[i].map(|s| s + d.steps());
            depth = depth.max(below.unwrap_or(0));
            for c in [d.yes, d.no].iter().filter_map(node) {
                steps[c] = steps[c].max(below);
                parents[c] -= 1;
                if parents[c] == 0 {
                    ready.push(c);
                }
            }
        }
        (seen == parents.len()).then_some(depth)
    }

    /// For each tree the column that all its leaves have a value for and no other, if that holds of every tree.
    pub fn single_columns(&self) -> Option<Vec<usize>> {
        let one = |root: &Next| {
            let (mut column, mut open, mut seen) = (None, vec![*root], HashMap::new());
            while let Some(next) = open.pop() {
                match next {
                    Next::Leaf(leaf) => match (self.leaves[leaf].as_slice(), column) {
                        ([(c, _)], None) => column = Some(*c),
                        ([(c, _)], Some(known)) if *c == known => {}
                        _ => return None,
                    },
                    Next::Node(i) if seen.insert(i, ()).is_none() => {
                        open.extend([self.decisions[i].yes, self.decisions[i].no]);
                    }
                    Next::Node(_) => {}
                }
            }
            column
        };
        self.roots.iter().map(one).collect()
    }

    fn place(&self, next: Next) -> Place {
        match next {
            Next::Leaf(leaf) => Place::Leaf(leaf),
            Next::Node(at) => Place::Decision { at, from: 0, to: self.decisions[at].intervals() - 1 },
        }
    }

    /// The table of nodes, for a plan without cycles whose longest path has `depth` steps. A decision that several
    /// others lead to has one node for each of them, with common children.
    pub fn forest(&self, features: usize, columns: usize, depth: usize, missing: &[f64]) -> Forest {
        let mut order: Vec<Place> = self.roots.iter().map(|r| self.place(*r)).collect();
        let mut known: HashMap<Place, usize> = HashMap::new();
        let (mut nodes, mut values) = (Vec::new(), Vec::new());
        while let Some(&place) = order.get(nodes.len()) {
            let (node, row) = match place {
                Place::Leaf(leaf) => {
                    let mut row = missing.to_vec();
                    let mut given = vec![false; columns];
                    for &(c, v) in &self.leaves[leaf] {
                        row[c] = if given[c] { row[c] + v } else { v };
                        given[c] = true;
                    }
                    (Branch::leaf(nodes.len()), row)
                }
                Place::Decision { at, from, to } => {
                    let d = &self.decisions[at];
                    let middle = (from + to) / 2;
                    let first = *known.entry(place).or_insert(order.len());
                    if first == order.len() {
                        order.extend([(from, middle), (middle + 1, to)].map(|(from, to)| match to - from {
                            0 => self.place(d.outcome(from)),
                            _ => Place::Decision { at, from, to },
                        }));
                    }
                    let (threshold, inclusive) = d.end(middle);
                    let missing_first = d.interval_of_missing() <= middle;
                    (Branch { feature: d.feature, threshold, inclusive, missing_first, first }, vec![0.0; columns])
                }
            };
            nodes.push(node);
            values.extend(row);
        }
        Forest { features, trees: self.roots.len(), depth, nodes, columns, values }
    }
}

impl Branch {
    fn leaf(at: usize) -> Self {
        Self { feature: 0, threshold: f64::INFINITY, inclusive: true, missing_first: true, first: at }
    }

    /// The next node for a row of features, of which some may be missing.
    fn next(&self, x: &[f64], missing: &[f64]) -> usize {
        let v = x.get(self.feature).copied().unwrap_or(0.0);
        let first = match missing.get(self.feature) {
            Some(flag) if *flag != 0.0 => self.missing_first,
            _ if self.inclusive => v <= self.threshold,
            _ => v < self.threshold,
        };
        self.first + usize::from(!first)
    }
}

impl Forest {
    /// Values of the leaves reached, `[row, tree, column]`. `missing` has 1 where a feature is, or no cells at all.
    pub fn run(&self, x: &[f64], missing: &[f64]) -> Vec<f64> {
        let width = self.features.max(1);
        let row = |(i, x): (usize, &[f64])| {
            let missing = missing.get(i * width..).map_or(missing, |rest| &rest[..width.min(rest.len())]);
            let leaf = |tree: usize| (0..self.depth).fold(tree, |at, _| self.nodes[at].next(x, missing));
            let leaves: Vec<usize> = (0..self.trees).map(leaf).collect();
            leaves.into_iter().flat_map(|l| self.values[l * self.columns..][..self.columns].to_vec())
        };
        x.chunks(width).enumerate().flat_map(row).collect()
    }
}
