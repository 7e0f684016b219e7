//! Scaled and filled features in front of trees. A tree compares; where it compares a monotone function of a feature, it
//! compares just as well the feature itself with the threshold's pre-image, and nothing is rounded on the way; and what is
//! put in for a missing feature only says where such a feature goes. Pre-images are
//! found in the arithmetic of the file's own engine, single precision after every step, so that each comparison of
//! such numbers goes as it does there.

use proveil_graph::TensorId;

use super::Importer;
use crate::cells::Cells;
use crate::onnx::Node;
use crate::real::forest::{Next, Plan, Test};
use crate::real::{RealOp, Source};

/// How rows were made, for those who would rather read what they were made of.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    /// Each column of a tensor by some steps, in order; a list of one serves all columns.
    Steps(TensorId, Vec<(Step, Cells)>),
    /// Columns of several tensors beside each other.
    Beside(Vec<TensorId>),
}

/// A monotone function of a cell and a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Add,
    Sub,
    /// The constant minus the cell.
    From,
    Mul,
    Div,
    /// The constant where the cell is missing.
    Fill,
}

type Steps = Vec<(Step, f32)>;

impl Step {
    fn at(self, v: f32, c: f32) -> f32 {
        match self {
            Self::Add => v + c,
            Self::Sub => v - c,
            Self::From => c - v,
            Self::Mul => v * c,
            Self::Div => v / c,
            Self::Fill if v.is_nan() => c,
            Self::Fill => v,
        }
    }

    /// Whether larger cells have smaller results.
    fn falls(self, c: f32) -> bool {
        match self {
            Self::Add | Self::Sub | Self::Fill => false,
            Self::From => true,
            Self::Mul | Self::Div => c < 0.0,
        }
    }

    /// Whether the function rises or falls everywhere and gives a number for every number.
    fn strict(self, c: f32) -> bool {
        c.is_finite() && (c != 0.0 || !matches!(self, Self::Mul | Self::Div))
    }
}

/// Remembers how the result of a node was made, if trees can do without it.
pub(super) fn note(im: &mut Importer, n: &Node, out: TensorId) {
    let Some(made) = filled(im, out).or_else(|| made(im, n)) else { return };
    let parts = match &made {
        Made::Steps(x, _) => vec![*x],
        Made::Beside(parts) => parts.clone(),
    };
    let rows = |im: &Importer, x: TensorId| matches!(im.g.shape(x), [_, _]);
    if rows(im, out) && parts.iter().all(|x| rows(im, *x) && *x != out) && im.g.as_const(out).is_none() {
        im.made.insert(out, made);
    }
}

/// How missing cells were filled by column, where they were.
fn filled(im: &Importer, out: TensorId) -> Option<Made> {
    let Source::Op(RealOp::Fill { x, with }) = im.g.get(out).source else { return None };
    by_column(im, with, x).then(|| im.g.as_const(with)).flatten().map(|c| Made::Steps(x, vec![(Step::Fill, c.clone())]))
}

/// Whether a tensor has one number for each column of another, the same in all rows.
fn by_column(im: &Importer, c: TensorId, x: TensorId) -> bool {
    let (last, lead) = im.g.shape(c).split_last().map_or((1, &[][..]), |(last, lead)| (*last, lead));
    lead.iter().all(|len| *len == 1) && (last == 1 || Some(&last) == im.g.shape(x).last())
}

fn made(im: &Importer, n: &Node) -> Option<Made> {
    let arg = |i: usize| im.arg(n, i).ok();
    match (n.domain.as_str(), n.op.as_str()) {
        ("ai.onnx.ml", "Scaler") => {
            let list = |name: &str, usual: f64| Some(Cells::from(n.floats(name).ok()?.unwrap_or(vec![usual])));
            Some(Made::Steps(arg(0)?, vec![(Step::Sub, list("offset", 0.0)?), (Step::Mul, list("scale", 1.0)?)]))
        }
        ("", op @ ("Add" | "Sub" | "Mul" | "Div")) => {
            let (a, b) = (arg(0)?, arg(1)?);
            let (x, c, turned) = if im.g.as_const(b).is_some() { (a, b, false) } else { (b, a, true) };
            let step = match (op, turned) {
                ("Add", _) => Step::Add,
                ("Sub", false) => Step::Sub,
                ("Sub", true) => Step::From,
                ("Mul", _) => Step::Mul,
                ("Div", false) => Step::Div,
                _ => return None,
            };
            let list = im.g.as_const(c)?.clone();
            by_column(im, c, x).then_some(Made::Steps(x, vec![(step, list)]))
        }
        ("", "Concat") if matches!(n.int("axis"), Ok(Some(1 | -1))) => {
            (0..n.inputs.len()).map(arg).collect::<Option<Vec<_>>>().map(Made::Beside)
        }
        _ => None,
    }
}

/// Rows that trees read, and the trees with thresholds for them: what the rows were made of where every comparison can
/// be put in terms of that, else the same.
pub(super) fn of_origin(im: &mut Importer, x: TensorId, plan: Plan) -> (TensorId, Plan) {
    let Some((origin, steps)) = origin(im, x) else { return (x, plan) };
    match before(&plan, &steps) {
        Some(own) if im.g.shape(origin) == im.g.shape(x) => (origin, own),
        _ => (x, plan),
    }
}

/// What a tensor was made of, and the steps from each column of that to the tensor's. `None` where there are none.
fn origin(im: &mut Importer, x: TensorId) -> Option<(TensorId, Vec<Steps>)> {
    match im.made.get(&x)?.clone() {
        Made::Steps(from, list) => {
            let width = *im.g.shape(from).last()?;
            let (start, mut steps) = origin(im, from).unwrap_or((from, vec![Vec::new(); width]));
            for (j, own) in steps.iter_mut().enumerate() {
                for (step, constants) in &list {
                    let c = *constants.get(j).or(constants.first().filter(|_| constants.len() == 1))?;
                    // A file's numbers are single ones already.
                    let c = Some(c as f32).filter(|c| step.strict(*c))?;
                    own.push((*step, c));
                }
            }
            Some((start, steps))
        }
        Made::Beside(parts) => {
            let (mut all, mut steps, mut any) = (Vec::new(), Vec::new(), false);
            for part in parts {
                let width = *im.g.shape(part).last()?;
                let found = origin(im, part);
                any |= found.is_some();
                let (start, own) = found.unwrap_or((part, vec![Vec::new(); width]));
                all.push(start);
                steps.extend(own);
            }
            any.then(|| (im.g.concat(&all, 1), steps))
        }
    }
}

/// The plan in terms of the features before their steps; `None` where a test asks for membership after a step other than
/// filling.
fn before(plan: &Plan, steps: &[Steps]) -> Option<Plan> {
    let mut plan = plan.clone();
    for d in &mut plan.decisions {
        let own = steps.get(d.feature)?;
        if own.is_empty() {
            continue;
        }
        let falls = own.iter().filter(|(step, c)| step.falls(*c)).count() % 2 == 1;
        let after = |v: f32| f64::from(own.iter().fold(v, |v, (step, c)| step.at(v, *c)));
        let first = |v: f32| match &d.test {
            Test::AtMost(t) => after(v) <= *t,
            Test::Below(t) => after(v) < *t,
            Test::OneOf(list) => list.contains(&after(v)),
        };
        if !after(f32::NAN).is_nan() {
            d.missing = if first(f32::NAN) { d.yes } else { d.no };
        }
        if own.iter().all(|(step, _)| *step == Step::Fill) {
            continue;
        }
        if matches!(d.test, Test::OneOf(_)) {
            return None;
        }
        let edge = last(|v| first(v) != falls).map_or(f64::NEG_INFINITY, f64::from);
        d.test = Test::AtMost(edge);
        if falls {
            std::mem::swap::<Next>(&mut d.yes, &mut d.no);
        }
    }
    Some(plan)
}

/// The largest single number for which a test holds that holds up to some number and for none above it.
fn last(holds: impl Fn(f32) -> bool) -> Option<f32> {
    // Single numbers in order, zero being number 0.
    let number = |k: i32| f32::from_bits(k.unsigned_abs() | if k < 0 { 1 << 31 } else { 0 });
    let top = f32::MAX.to_bits() as i32;
    let (mut low, mut high) = (-top, top);
    if !holds(number(low)) {
        return None;
    }
    if holds(number(high)) {
        return Some(number(high));
    }
    while i64::from(high) - i64::from(low) > 1 {
        let middle = ((i64::from(low) + i64::from(high)).div_euclid(2)) as i32;
        if holds(number(middle)) { low = middle } else { high = middle }
    }
    Some(number(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::forest::Decision;

    fn stump(test: Test) -> Plan {
        let (yes, no) = (Next::Leaf(0), Next::Leaf(1));
        let decision = Decision { feature: 0, test, yes, no, missing: no };
        Plan { decisions: vec![decision], roots: vec![Next::Node(0)], leaves: vec![vec![(0, 1.0)], vec![(0, 2.0)]] }
    }

    /// Leaf that a number reaches.
    fn leaf(plan: &Plan, v: f64) -> Next {
        let d = &plan.decisions[0];
        let yes = match d.test {
            Test::AtMost(t) => v <= t,
            Test::Below(t) => v < t,
            Test::OneOf(ref list) => list.contains(&v),
        };
        if yes { d.yes } else { d.no }
    }

    #[test]
    fn matches_reference_at_every_neighbour_of_the_edge() {
        let chains: [Steps; 5] = [
            vec![(Step::Sub, 0.1), (Step::Mul, 3.7)],
            vec![(Step::Sub, -12.5), (Step::Mul, -0.013)],
            vec![(Step::Div, 0.3), (Step::Add, 1e-3)],
            vec![(Step::From, 2.0), (Step::Div, -7.0)],
            vec![(Step::Mul, 1e30), (Step::Mul, 1e30)],
        ];
        for steps in &chains {
            for t in [-1.5f32, -0.2, 0.0, 0.37, 1.0, 250.0] {
                for test in [Test::AtMost(t.into()), Test::Below(t.into())] {
                    let plan = stump(test);
                    let own = before(&plan, std::slice::from_ref(steps)).expect("monotone");
                    let Test::AtMost(edge) = own.decisions[0].test else { panic!("a comparison") };
                    let near = (edge as f32).to_bits();
                    let around = (near.saturating_sub(40)..near.saturating_add(40)).map(f32::from_bits);
                    for v in around.chain([-3.0, 0.0, 0.5, 100.0, f32::MAX, f32::MIN]).filter(|v| v.is_finite()) {
                        let after = steps.iter().fold(v, |v, (step, c)| step.at(v, *c));
                        assert_eq!(leaf(&own, v.into()), leaf(&plan, after.into()), "{steps:?} {t} {v}");
                    }
                }
            }
        }
    }

    #[test]
    fn matches_reference_where_missing_features_go() {
        for (fill, t, falls) in
            [(1.0, 2.0, false), (3.0, 2.0, false), (1.0, 2.0, true), (3.0, 2.0, true), (2.0, 2.0, true)]
        {
            let scale = if falls { -1.5 } else { 1.5 };
            for test in [Test::AtMost(t * f64::from(scale)), Test::Below(t * f64::from(scale))] {
                let plan = stump(test);
                let filled = vec![(Step::Fill, fill), (Step::Mul, scale)];
                let own = before(&plan, std::slice::from_ref(&filled)).expect("monotone");
                assert_eq!(own.decisions[0].missing, leaf(&plan, f64::from(fill * scale)), "{fill} {t} {falls}");
                // Scaled but not filled, a feature that is missing stays so.
                for missing in [Next::Leaf(0), Next::Leaf(1)] {
                    let mut plan = plan.clone();
                    plan.decisions[0].missing = missing;
                    let own = before(&plan, &[vec![(Step::Mul, scale)]]).expect("monotone");
                    assert_eq!(own.decisions[0].missing, missing);
                }
            }
        }
        let own = before(&stump(Test::OneOf(vec![2.0])), &[vec![(Step::Fill, 2.0)]]).expect("members stay");
        assert_eq!((own.decisions[0].missing, leaf(&own, 2.0)), (Next::Leaf(0), Next::Leaf(0)));
    }

    #[test]
    fn rejects_membership_after_a_step() {
        let steps = [vec![(Step::Add, 1.0)]];
        assert!(before(&stump(Test::OneOf(vec![2.0])), &steps).is_none());
        assert!(before(&stump(Test::OneOf(vec![2.0])), &[Vec::new()]).is_some());
    }

    #[test]
    fn rejects_steps_that_do_not_rise_or_fall() {
        assert!(!Step::Mul.strict(0.0) && !Step::Div.strict(0.0) && !Step::Add.strict(f32::INFINITY));
        assert!(Step::Add.strict(0.0) && Step::Mul.strict(-2.0));
    }
}
