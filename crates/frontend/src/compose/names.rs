//! Names of a graph and of the bodies inside it.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb;

/// New names of the second graph's tensors and nodes: what feeds an input, or a name that neither graph has, where the
/// first graph has the old one.
pub(super) struct Renamed {
    values: HashMap<String, String>,
    nodes: HashMap<String, String>,
}

/// Names of tensors and of nodes.
#[derive(Default)]
struct Names {
    values: HashSet<String>,
    nodes: HashSet<String>,
}

fn collect(g: &pb::GraphProto, out: &mut Names) {
    let infos = g.input.iter().chain(&g.output).chain(&g.value_info).map(|v| &v.name);
    out.values.extend(infos.chain(g.initializer.iter().map(|t| &t.name)).cloned());
    for node in &g.node {
        out.values.extend(node.input.iter().chain(&node.output).cloned());
        out.nodes.insert(node.name.clone());
        node.attribute.iter().filter_map(|a| a.g.as_ref()).for_each(|body| collect(body, out));
    }
}

pub(super) fn unique(a: &pb::GraphProto, b: &pb::GraphProto, feeds: &HashMap<String, String>) -> Renamed {
    let (mut first, mut second) = (Names::default(), Names::default());
    collect(a, &mut first);
    collect(b, &mut second);
    let mut values = fresh(&first.values, &second.values, |n| feeds.contains_key(n));
    values.extend(feeds.iter().map(|(to, from)| (to.clone(), from.clone())));
    Renamed { values, nodes: fresh(&first.nodes, &second.nodes, |_| false) }
}

/// A new name for each one of `second` that `first` has too; the empty name is none.
fn fresh(first: &HashSet<String>, second: &HashSet<String>, keep: impl Fn(&str) -> bool) -> HashMap<String, String> {
    let mut taken: HashSet<String> = first.union(second).cloned().collect();
    let mut clashing: Vec<&String> =
        second.iter().filter(|n| !n.is_empty() && first.contains(*n) && !keep(n)).collect();
    clashing.sort();
    let mut out = HashMap::new();
    for name in clashing {
        let mut number = 2u64;
        let new = loop {
            let new = format!("{name}_{number}");
            if taken.insert(new.clone()) {
                break new;
            }
            number += 1;
        };
        out.insert(name.clone(), new);
    }
    out
}

/// Gives a graph, and the bodies inside, the new names.
pub(super) fn rename(g: &mut pb::GraphProto, to: &Renamed) {
    let value = |name: &mut String| {
        if let Some(new) = to.values.get(name) {
            name.clone_from(new);
        }
    };
    g.input.iter_mut().chain(&mut g.output).chain(&mut g.value_info).for_each(|v| value(&mut v.name));
    g.initializer.iter_mut().for_each(|t| value(&mut t.name));
    for node in &mut g.node {
        node.input.iter_mut().chain(&mut node.output).for_each(value);
        if let Some(new) = to.nodes.get(&node.name) {
            node.name.clone_from(new);
        }
        node.attribute.iter_mut().filter_map(|a| a.g.as_mut()).for_each(|body| rename(body, to));
    }
}
